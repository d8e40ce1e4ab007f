//! `yagura what-if`

use anyhow::bail;
use serde::Serialize;
use yagura_model::{Cloud, ResourceId};
use yagura_posture::Fixes;
use yagura_report::ScoreDocument;

use crate::args::{Format, WhatIfArguments};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

#[derive(Serialize)]
struct WhatIf {
    before: ScoreDocument,
    after: ScoreDocument,
}

/// Shows what the score becomes.
pub fn run(arguments: &WhatIfArguments) -> anyhow::Result<Exit> {
    let loaded = Loaded::read(&arguments.estate)?;
    loaded.filter.refuse("what-if", &["severity", "standard", "resource"])?;
    let fixes = fixes(&loaded, &arguments.fixes)?;
    let assessed = loaded.assess();
    let document = |fixes: &Fixes| {
        let (raw, adjusted) = loaded.scores(&assessed, fixes);
        ScoreDocument::new(&raw, &adjusted)
    };
    let result = WhatIf { before: document(&Fixes::default()), after: document(&fixes) };
    match arguments.estate.output {
        Format::Json => output::json(&result)?,
        Format::Table => table(&result)?,
        other => output::not_here(other, "what-if", "table, json")?,
    }
    Ok(loaded.exit(&assessed, arguments.estate.fail_on))
}

fn fixes(loaded: &Loaded, words: &[String]) -> anyhow::Result<Fixes> {
    let mut fixes = Fixes::default();
    for word in words {
        let (key, resource) =
            word.split_once('@').map_or((word.as_str(), None), |(key, resource)| (key, Some(resource)));
        let id = resource.map(|resource| known_resource(loaded, resource)).transpose()?;
        if key.is_empty() && id.is_none() {
            bail!("`{word}` names nothing to fix: it is KEY, KEY@RESOURCE-ID or @RESOURCE-ID");
        }
        if key.is_empty() {
            fixes.everything_on.extend(id);
            continue;
        }
        let Some(position) = loaded.catalogue.find(key) else {
            bail!("`{key}` is no recommendation; `yagura content list` shows all");
        };
        match id {
            Some(id) => fixes.resources.insert((position as u32, id)),
            None => fixes.recommendations.insert(position as u32),
        };
    }
    Ok(fixes)
}

fn known_resource(loaded: &Loaded, text: &str) -> anyhow::Result<ResourceId> {
    use yagura_model::Estate;
    let mut ids = Cloud::ALL.into_iter().map(|cloud| ResourceId::new(cloud, text));
    match ids.find(|id| loaded.estate.by_id(id).is_some()) {
        Some(id) => Ok(id),
        None => bail!("`{text}` is no resource of this estate"),
    }
}

fn table(result: &WhatIf) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for (before, after) in result.before.scopes.iter().zip(&result.after.scopes) {
        rows.push(vec![
            before.cloud.title().to_owned(),
            before.scope.clone(),
            output::percent(before.percentage),
            output::percent(after.percentage),
            format!("+{}", yagura_posture::Hundredths(after.current.0.saturating_sub(before.current.0))),
        ]);
    }
    output::table(&["Cloud", "Scope", ">Score now", ">Score then", ">Points"], rows)?;
    let (before, after) = (&result.before.overall, &result.after.overall);
    output::line(format_args!(
        "Secure score {} becomes {}",
        output::percent(before.percentage),
        output::percent(after.percentage)
    ))?;
    output::line(format_args!(
        "with exemptions {} becomes {}",
        output::percent(before.adjusted.percentage),
        output::percent(after.adjusted.percentage)
    ))
}
