//! Loads content and an estate and assesses it.

use std::collections::{BTreeSet, HashMap};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use yagura_connect::export::{ReadOptions, ReadSummary, read_paths};
use yagura_content::{Catalogue, ContentFile, Diagnostic, Gravity, Language, Layer, shipped};
use yagura_graph::escalation::{Primitives, derive};
use yagura_model::{Cloud, EstateBuilder, MemoryEstate, ScopeLevel, Severity, Status, Timestamp};
use yagura_posture::{Assessed, Fixes, SecureScore, Settings, View, assess, secure_score};
use yagura_report::FindingContext;

use crate::args::{EstateArguments, KnowledgeArguments};
use crate::config;
use crate::exit::Exit;
use crate::filter::Filter;
use crate::live;
use crate::output;

/// An estate with everything that is known and decided about it.
pub struct Loaded {
    pub catalogue: Catalogue,
    pub settings: Settings,
    pub estate: MemoryEstate,
    pub summary: ReadSummary,
    /// Where it comes from, as it was named.
    pub sources: Vec<String>,
    /// Whether it is what the clouds answered to connectors.
    pub live: bool,
    pub filter: Filter,
    pub now: Timestamp,
    pub language: Language,
    incomplete: bool,
}

impl Loaded {
    /// Reads content, configuration and estate; says on standard error what could not be read.
    pub fn read(arguments: &EstateArguments) -> anyhow::Result<Self> {
        let (catalogue, faulty) = catalogue(&arguments.knowledge)?;
        let settings = config::settings(&arguments.knowledge, &catalogue)?;
        let filter = Filter::new(&arguments.filter, &catalogue)?;
        for path in &arguments.estate {
            if path.as_os_str() != "-" && !path.exists() {
                bail!("could not read the estate {}: there is no such file or folder", path.display());
            }
        }
        let now = arguments.at.unwrap_or_else(Timestamp::now);
        let (mut estate, summary) = match arguments.live.live.is_some() || arguments.live.replay.is_some() {
            true => live::read(&arguments.live, &catalogue, arguments.quiet)?,
            false => read_estate(&arguments.estate, &catalogue, arguments.quiet),
        };
        derive_answers(&mut estate, &catalogue, now);
        filter.check_scopes(estate.scopes().keys())?;
        let sources = match (&arguments.live.live, &arguments.live.replay) {
            (Some(names), _) if names.is_empty() => vec!["--live".to_owned()],
            (Some(names), _) => names.iter().map(|name| format!("--live {name}")).collect(),
            (None, Some(folder)) => vec![format!("--replay {}", folder.display())],
            (None, None) => arguments.estate.iter().map(|path| path.display().to_string()).collect(),
        };
        let mut incomplete = faulty;
        for problem in estate.problems() {
            incomplete |= problem.incomplete;
            // What leaves the result incomplete is said even to who wants quiet: it is why the exit code is 4.
            if problem.incomplete || !arguments.quiet {
                output::note(format_args!("{}: {problem}", if problem.incomplete { "warning" } else { "note" }));
            }
        }
        Ok(Self {
            catalogue,
            settings,
            estate,
            summary,
            sources,
            live: arguments.live.live.is_some(),
            filter,
            now,
            language: arguments.knowledge.lang,
            incomplete,
        })
    }

    /// Assesses every resource.
    pub fn assess(&self) -> Assessed {
        assess(&self.estate, &self.catalogue, &self.settings, self.now)
    }

    /// What findings are made with.
    pub fn context(&self) -> FindingContext<'_> {
        FindingContext { catalogue: &self.catalogue, settings: &self.settings, language: self.language }
    }

    /// The secure score, raw and adjusted, of the scopes that the filter keeps.
    pub fn scores(&self, assessed: &Assessed, fixes: &Fixes) -> (SecureScore, SecureScore) {
        let score = |view| self.filter.score(secure_score(assessed, &self.catalogue, &self.settings, view, fixes));
        (score(View::Raw), score(View::Adjusted))
    }

    /// Clouds of which the estate has resources.
    pub fn clouds(&self) -> BTreeSet<Cloud> {
        let clouds = self.estate.resources().iter().map(|resource| resource.cloud);
        clouds.filter(|cloud| self.filter.keeps_cloud(*cloud)).collect()
    }

    /// Subscriptions, accounts and projects that were seen.
    pub fn account_count(&self) -> usize {
        self.estate.scopes().keys().filter(|scope| scope.level() == ScopeLevel::Account).count()
    }

    /// How the command ends: findings over the limit first, then incompleteness.
    pub fn exit(&self, assessed: &Assessed, fail_on: Option<Severity>) -> Exit {
        let over = |limit: Severity| {
            assessed.assessments.iter().any(|assessment| {
                assessment.status == Status::Unhealthy
                    && assessment.exemption.is_none()
                    && self.catalogue.recommendations()[assessment.recommendation as usize].source.severity >= limit
                    && self.filter.keeps(assessment)
            })
        };
        let completeness = self.completeness();
        if fail_on.is_some_and(over) { Exit::Findings } else { completeness }
    }

    /// Done, or done but incomplete.
    pub fn completeness(&self) -> Exit {
        let failed = self.failed_kinds();
        for own in failed.iter().take(20) {
            output::note(format_args!("warning: {} in {} could not be listed: {}", own.kind, own.place, own.cause));
        }
        if failed.len() > 20 {
            output::note(format_args!("warning: {} more kinds could not be listed", failed.len() - 20));
        }
        if self.incomplete || !failed.is_empty() { Exit::Incomplete } else { Exit::Done }
    }

    /// The listings that failed; what failed for one cause in several regions of a scope, or below several resources, is
    /// said once.
    pub fn failed_kinds(&self) -> Vec<FailedKind> {
        let mut kinds: Vec<(FailedKind, Vec<String>, usize)> = Vec::new();
        let mut places = HashMap::new();
        for (kind, place, cause) in self.estate.failed_listings() {
            let region = place.region.as_deref();
            let mut cause = cause.to_string();
            if let Some(region) = region {
                cause = cause.replacen(&format!(" in {region}"), "", 1);
            }
            let own = FailedKind { kind: kind.to_string(), place: place.scope.id().to_owned(), cause };
            let position = *places.entry(own.clone()).or_insert_with(|| {
                kinds.push((own, Vec::new(), 0));
                kinds.len() - 1
            });
            let (_, regions, parts) = &mut kinds[position];
            regions.extend(region.map(str::to_owned));
            *parts += 1;
        }
        kinds.into_iter().map(|(own, regions, parts)| own.within(&regions, parts)).collect()
    }
}

/// A kind that could not be listed somewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FailedKind {
    pub kind: String,
    /// The scope, with the regions.
    pub place: String,
    pub cause: String,
}

impl FailedKind {
    fn within(mut self, regions: &[String], parts: usize) -> Self {
        match regions {
            [] if parts > 1 => self.place.push_str(&format!(" (below {parts} resources)")),
            [] => {}
            [one] => self.place.push_str(&format!(" {one}")),
            [one, two, three] => self.place.push_str(&format!(" {one}, {two}, {three}")),
            [one, two] => self.place.push_str(&format!(" {one}, {two}")),
            [one, two, rest @ ..] => self.place.push_str(&format!(" {one}, {two} and {} more regions", rest.len())),
        }
        self
    }
}

/// Hangs under resources what is worked out from the whole estate.
pub fn derive_answers(estate: &mut MemoryEstate, catalogue: &Catalogue, now: Timestamp) {
    let answers = derive(estate, &Primitives::new(catalogue.escalations()), now);
    estate.derived(answers);
}

/// The shipped content with the user's folders over it, and whether a file of theirs was refused.
pub fn catalogue(knowledge: &KnowledgeArguments) -> anyhow::Result<(Catalogue, bool)> {
    let mut layers = vec![Layer { files: shipped(), shipped: true }];
    let mut diagnostics = Vec::new();
    for folder in &knowledge.content {
        let (files, refused) = content_files(folder)?;
        layers.push(Layer { files, shipped: false });
        diagnostics.extend(refused);
    }
    let (catalogue, found) = Catalogue::load(&layers);
    diagnostics.extend(found);
    // A file in a place where nothing is read from is only worth a warning, but it is not used either.
    let unused = |diagnostic: &&Diagnostic| diagnostic.gravity == Gravity::Error || diagnostic.label == "place";
    let faulty = diagnostics.iter().filter(unused).map(output::note).count() > 0;
    Ok((catalogue, faulty))
}

/// The YAML files of a content folder, and a diagnostic for each that is no text.
pub fn content_files(folder: &Path) -> anyhow::Result<(Vec<ContentFile>, Vec<Diagnostic>)> {
    let mut paths = Vec::new();
    yaml_files(folder, &mut paths)?;
    paths.sort();
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        match String::from_utf8(bytes) {
            Ok(text) => files.push(ContentFile::yaml(name, text)),
            Err(error) => {
                let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
                let line = before.filter(|byte| **byte == b'\n').count() as u64 + 1;
                refused.push(Diagnostic::error(&name, "encoding", "is no UTF-8 text").at_line(Some(line)));
            }
        }
    }
    Ok((files, refused))
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("could not list the content folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            yaml_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(path);
        }
    }
    Ok(())
}

fn read_estate(paths: &[PathBuf], catalogue: &Catalogue, quiet: bool) -> (MemoryEstate, ReadSummary) {
    let mut builder = EstateBuilder::new();
    let bar = progress_bar(quiet);
    let progress = |bytes: u64| {
        if let Some(bar) = &bar {
            bar.set_position(bytes);
        }
    };
    let options = ReadOptions { progress: Some(&progress), ..ReadOptions::default() };
    let summary = read_paths(paths, catalogue.resource_types(), &mut builder, &options);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    (builder.finish(catalogue.kinds()), summary)
}

fn progress_bar(quiet: bool) -> Option<ProgressBar> {
    if quiet || !std::io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("{spinner} reading {bytes} ({bytes_per_sec})").ok()?;
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    Some(bar)
}
