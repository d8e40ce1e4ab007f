//! `yagura policy`

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use yagura_model::Timestamp;
use yagura_policy::azure::{AliasCatalogue, Definition, Question, ask};

use crate::args::{PolicyArguments, PolicyCommand};
use crate::exit::Exit;
use crate::output;

/// The longest line of a case.
const LONGEST_CASE: usize = 64 << 20;

/// Answers questions to policies.
pub fn run(arguments: &PolicyArguments) -> anyhow::Result<Exit> {
    let PolicyCommand::Eval { definition, resource, parameters, aliases_dir, aliases } = &arguments.command;
    let catalogue = Arc::new(aliases_of(aliases.as_deref())?);
    match (definition, resource) {
        (Some(definition), Some(resource)) => single(definition, resource, parameters.as_deref(), &catalogue),
        _ => cases(&Catalogues::new(aliases_dir.clone(), catalogue)),
    }
}

/// The bundled aliases with those of a file over them.
pub fn aliases_of(file: Option<&Path>) -> anyhow::Result<AliasCatalogue> {
    let Some(file) = file else { return Ok(AliasCatalogue::bundled()) };
    Ok(AliasCatalogue::bundled().overlaid(catalogue_in(file)?))
}

fn catalogue_in(file: &Path) -> anyhow::Result<AliasCatalogue> {
    let bytes = std::fs::read(file).with_context(|| format!("could not read the aliases {}", file.display()))?;
    AliasCatalogue::from_provider_list(&bytes).with_context(|| format!("could not read the aliases {}", file.display()))
}

/// JSON of a file.
pub fn json_in(file: &Path) -> anyhow::Result<Json> {
    let bytes = std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).with_context(|| format!("could not read {} as JSON", file.display()))
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// The effect that would happen; null when the resource complies or the policy does not speak of it.
    effect: Option<String>,
    details: Json,
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "derivedAliases")]
    derived_aliases: Vec<String>,
}

fn single(
    definition: &Path,
    resource: &Path,
    parameters: Option<&Path>,
    aliases: &Arc<AliasCatalogue>,
) -> anyhow::Result<Exit> {
    let source = json_in(definition)?;
    let read = Definition::from_json(&source).with_context(|| definition.display().to_string())?;
    let policy = read.compile(aliases, None).with_context(|| definition.display().to_string())?;
    let question = Question {
        resource: json_in(resource)?,
        parameters: parameters.map(json_in).transpose()?.map(parameter_values).unwrap_or_default(),
        now: Some(Timestamp::now()),
        ..Question::default()
    };
    let outcome = ask(&policy, &question);
    let failed = outcome.is_err();
    let mut answer = answer(None, outcome);
    answer.derived_aliases = policy.derived_aliases().to_vec();
    output::json(&answer)?;
    Ok(if failed { Exit::Incomplete } else { Exit::Done })
}

/// `{name: value}`, or as assignments write it `{name: {value: x}}`.
fn parameter_values(json: Json) -> BTreeMap<String, Json> {
    let Json::Object(entries) = json else { return BTreeMap::new() };
    let plain = |value: Json| match value {
        Json::Object(mut inner) if inner.len() == 1 && inner.contains_key("value") => {
            inner.remove("value").unwrap_or(Json::Null)
        }
        other => other,
    };
    entries.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

fn answer(id: Option<&str>, outcome: Result<Option<yagura_policy::azure::Triggered>, String>) -> Answer<'_> {
    let (effect, details, error) = match outcome {
        Ok(Some(triggered)) => (Some(triggered.effect), triggered.details, None),
        Ok(None) => (None, Json::Null, None),
        Err(reason) => (None, Json::Null, Some(reason)),
    };
    Answer { id, effect, details, error, derived_aliases: Vec::new() }
}

/// One case on standard input. What `common` holds is for cases that lack it themselves.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Case {
    id: Option<String>,
    common: Option<Box<Case>>,
    aliases: Option<String>,
    policy_rule: Option<Json>,
    policy_definition: Option<Json>,
    resource: Option<Json>,
    parameters: Option<Json>,
    context: Option<Json>,
    request_context: Option<Json>,
    api_version: Option<String>,
    host_await: Option<Vec<Awaited>>,
}

/// What an existence check was answered.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Awaited {
    response: Json,
}

impl Case {
    fn over(mut self) -> Self {
        let Some(common) = self.common.take() else { return self };
        let has_policy = self.policy_rule.is_some() || self.policy_definition.is_some();
        Self {
            id: self.id,
            common: None,
            aliases: self.aliases.or(common.aliases),
            policy_rule: if has_policy { self.policy_rule } else { common.policy_rule },
            policy_definition: if has_policy { self.policy_definition } else { common.policy_definition },
            resource: self.resource.or(common.resource),
            parameters: self.parameters.or(common.parameters),
            context: self.context.or(common.context),
            request_context: self.request_context.or(common.request_context),
            api_version: self.api_version.or(common.api_version),
            host_await: self.host_await.or(common.host_await),
        }
    }
}

struct Catalogues {
    folder: Option<PathBuf>,
    default: Arc<AliasCatalogue>,
    read: std::cell::RefCell<HashMap<String, Arc<AliasCatalogue>>>,
}

impl Catalogues {
    fn new(folder: Option<PathBuf>, default: Arc<AliasCatalogue>) -> Self {
        Self { folder, default, read: std::cell::RefCell::default() }
    }

    fn named(&self, name: Option<&str>) -> anyhow::Result<Arc<AliasCatalogue>> {
        let Some(name) = name else { return Ok(self.default.clone()) };
        let Some(folder) = &self.folder else {
            bail!("names the alias catalogue `{name}`; --aliases-dir says where it is")
        };
        if name.contains(['/', '\\']) || name.contains("..") {
            bail!("`{name}` is not the name of a file in --aliases-dir");
        }
        if let Some(known) = self.read.borrow().get(name) {
            return Ok(known.clone());
        }
        let read = Arc::new(catalogue_in(&folder.join(name))?);
        self.read.borrow_mut().insert(name.to_owned(), read.clone());
        Ok(read)
    }
}

fn cases(catalogues: &Catalogues) -> anyhow::Result<Exit> {
    let mut out = output::stdout();
    let mut exit = Exit::Done;
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        number += 1;
        if std::io::Read::take(&mut input, LONGEST_CASE as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let case = match case_in(&line) {
            Ok(case) => case,
            Err(reason) => {
                output::note(format_args!("warning: standard input:{number}: could not be read as a case: {reason}"));
                exit = Exit::Incomplete;
                continue;
            }
        };
        let case = case.over();
        let outcome = decide(&case, catalogues).map_err(|error| format!("{error:#}"));
        serde_json::to_writer(&mut out, &answer(Some(case.id.as_deref().unwrap_or_default()), outcome))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(exit)
}

fn case_in(line: &[u8]) -> Result<Case, String> {
    // A list would be read as the members of a case in their order.
    if line.trim_ascii_start().starts_with(b"[") {
        return Err("it is a list and no object".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

fn decide(case: &Case, catalogues: &Catalogues) -> anyhow::Result<Option<yagura_policy::azure::Triggered>> {
    let Some(source) = case.policy_definition.as_ref().or(case.policy_rule.as_ref()) else { bail!("has no policy") };
    let source = match source {
        Json::String(text) => serde_json::from_str(text).context("could not read the policy as JSON")?,
        other => other.clone(),
    };
    let aliases = catalogues.named(case.aliases.as_deref())?;
    let request_version = case.request_context.as_ref().and_then(|request| request.get("apiVersion")?.as_str());
    let version = case.api_version.as_deref().or(request_version);
    let policy = Definition::from_json(&source)?.compile(&aliases, case.api_version.as_deref())?;
    let awaited = case.host_await.iter().flatten().map(|awaited| awaited.response.clone());
    let question = Question {
        resource: case.resource.clone().unwrap_or(Json::Null),
        parameters: case.parameters.clone().map(parameter_values).unwrap_or_default(),
        api_version: version.map(str::to_owned),
        request: case.request_context.clone().unwrap_or(Json::Null),
        context: case.context.clone().unwrap_or(Json::Null),
        existing: awaited.filter(|response| !response.is_null()).collect(),
        now: Some(Timestamp::now()),
    };
    ask(&policy, &question).map_err(anyhow::Error::msg)
}
