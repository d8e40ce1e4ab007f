//! `yagura content`

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use yagura_content::{Catalogue, Gravity, Layer, run_tests};
use yagura_model::Cloud;

use crate::args::{ContentArguments, ContentCommand, ContentSort, Format, KnowledgeArguments};
use crate::estate::{catalogue, content_files};
use crate::exit::Exit;
use crate::output;

/// Works on content files.
pub fn run(arguments: &ContentArguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        ContentCommand::Check { folder, knowledge } => check(folder.as_deref(), knowledge),
        ContentCommand::List { what, knowledge, output } => list(*what, knowledge, *output),
        ContentCommand::Show { key, knowledge } => show(key, knowledge),
        ContentCommand::New { kind } => new(kind),
    }
}

/// Files of which a content folder that stands alone has one; a folder without them lies over the built-in one.
const WHOLE: [&str; 2] = ["controls.yaml", "plans.yaml"];

fn check(folder: Option<&Path>, knowledge: &KnowledgeArguments) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let whole = folder.filter(|folder| WHOLE.iter().any(|name| folder.join(name).exists()));
    let mut diagnostics = Vec::new();
    let mut layers = Vec::new();
    if whole.is_none() {
        layers.push(Layer { files: yagura_content::shipped(), shipped: true });
    }
    for folder in folder.into_iter().chain(knowledge.content.iter().map(PathBuf::as_path)) {
        let (files, refused) = content_files(folder)?;
        layers.push(Layer { files, shipped: whole == Some(folder) });
        diagnostics.extend(refused);
    }
    let files: usize = layers.iter().map(|layer| layer.files.len()).sum();
    let (catalogue, found) = Catalogue::load(&layers);
    diagnostics.extend(found);
    let report = run_tests(&catalogue);
    let failed = report.failures.len();
    diagnostics.extend(report.failures);
    diagnostics.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    for diagnostic in &diagnostics {
        output::note(diagnostic);
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.gravity == Gravity::Error).count();
    output::line(format_args!(
        "{files} files, {} recommendations, {} resource types, {} standards; {} tests, {failed} failed; {errors} errors, {} warnings; {:.2} s",
        catalogue.recommendations().len(),
        catalogue.resource_types().len(),
        catalogue.standards().len(),
        report.tests,
        diagnostics.len() - errors,
        started.elapsed().as_secs_f64()
    ))?;
    Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
}

fn list(what: ContentSort, knowledge: &KnowledgeArguments, format: Format) -> anyhow::Result<Exit> {
    let (catalogue, faulty) = catalogue(knowledge)?;
    let (header, rows) = rows(&catalogue, what, knowledge.lang);
    match format {
        Format::Table => output::table(&header, rows)?,
        Format::Csv => {
            let mut out = yagura_report::CsvWriter::new(output::stdout(), &header)?;
            for row in &rows {
                out.row(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
            out.finish()?;
        }
        Format::Json | Format::Jsonl => {
            let named = rows.iter().map(|row| {
                header
                    .iter()
                    .map(|name| name.to_lowercase())
                    .zip(row.clone())
                    .collect::<std::collections::BTreeMap<_, _>>()
            });
            if format == Format::Json { output::json(&named.collect::<Vec<_>>())? } else { output::json_lines(named)? }
        }
        other => output::not_here(other, "content list", "table, json, jsonl, csv")?,
    }
    Ok(if faulty { Exit::Incomplete } else { Exit::Done })
}

fn rows(
    catalogue: &Catalogue,
    what: ContentSort,
    language: yagura_content::Language,
) -> (Vec<&'static str>, Vec<Vec<String>>) {
    match what {
        ContentSort::Recommendations => {
            let rows = catalogue.recommendations().iter().map(|own| {
                let kinds: Vec<_> = own.source.applies_to.as_slice().iter().map(yagura_model::Kind::as_str).collect();
                vec![
                    own.key.clone(),
                    own.cloud.to_string(),
                    own.source.severity.to_string(),
                    own.source.title.get(language).to_owned(),
                    kinds.join(" "),
                ]
            });
            (vec!["Key", "Cloud", "Severity", "Title", "Kinds"], rows.collect())
        }
        ContentSort::Standards => {
            let rows = catalogue.standards().iter().map(|own| {
                vec![
                    own.id.clone(),
                    own.title.get(language).to_owned(),
                    own.version.clone(),
                    own.controls.len().to_string(),
                ]
            });
            (vec!["Id", "Title", "Version", "Controls"], rows.collect())
        }
        ContentSort::Controls => {
            let rows = catalogue.controls().iter().map(|own| {
                vec![own.id.clone(), own.title.get(language).to_owned(), own.points.to_string(), own.api_id.clone()]
            });
            (vec!["Id", "Title", "Points", "API"], rows.collect())
        }
        ContentSort::Plans => {
            let rows = catalogue.plans().iter().map(|own| {
                vec![own.id.clone(), own.title.get(language).to_owned(), own.pricing.clone().unwrap_or_default()]
            });
            (vec!["Id", "Title", "Pricing"], rows.collect())
        }
        ContentSort::ResourceTypes => {
            let rows = catalogue.resource_types().values().map(|own| {
                vec![
                    own.kind.to_string(),
                    own.cloud.to_string(),
                    own.title.get(language).to_owned(),
                    own.category.clone(),
                ]
            });
            (vec!["Kind", "Cloud", "Title", "Category"], rows.collect())
        }
    }
}

fn show(key: &str, knowledge: &KnowledgeArguments) -> anyhow::Result<Exit> {
    let (catalogue, _) = catalogue(knowledge)?;
    let Some(position) = catalogue.find(key) else {
        bail!("`{key}` is no recommendation; `yagura content list` shows all");
    };
    let own = &catalogue.recommendations()[position];
    let source = &own.source;
    output::heading(source.title.get(knowledge.lang))?;
    output::line(source.why.get(knowledge.lang))?;
    for step in source.fix.steps.get(knowledge.lang) {
        output::line(format_args!("  - {step}"))?;
    }
    let kinds: Vec<_> = source.applies_to.as_slice().iter().map(yagura_model::Kind::as_str).collect();
    output::line(format_args!(
        "\nkey        {}\nfile       {}\nkinds      {}\nseverity   {}\nplan       {}",
        own.key,
        own.file,
        kinds.join(", "),
        source.severity,
        source.plan
    ))?;
    let mark = |inferred: bool| if inferred { " (inferred)" } else { "" };
    for (control, inferred) in own.controls() {
        output::line(format_args!("control    {control}{}", mark(inferred)))?;
    }
    for (standard, control, inferred) in own.standards() {
        output::line(format_args!("standard   {standard} {control}{}", mark(inferred)))?;
    }
    for policy in &source.azure_policies {
        output::line(format_args!("policy     {policy}"))?;
    }
    if let Some(condition) = &source.applies_when {
        output::line(format_args!("\napplies when\n{}", serde_json::to_string_pretty(condition)?))?;
    }
    output::line(format_args!("\nunhealthy when\n{}", serde_json::to_string_pretty(&source.unhealthy_when)?))?;
    Ok(Exit::Done)
}

fn new(kind: &str) -> anyhow::Result<Exit> {
    if !kind.contains(['/', ':']) || kind.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        bail!("`{kind}` is no kind; `yagura content list resource-types` shows those that are known");
    }
    let slug = kind.rsplit(['/', ':']).next().unwrap_or("resource").to_lowercase();
    let cloud = match kind {
        kind if kind.contains("::") => Cloud::Aws,
        kind if kind.contains(".googleapis.com/") => Cloud::Gcp,
        _ => Cloud::Azure,
    };
    output::line(format_args!(
        "# Save as recommendations/{cloud}/SERVICE/NAME.yaml in a folder of yours; `yagura content check FOLDER` tries it,
# `yagura scan --content FOLDER` uses it. The texts, the condition and the documents of the tests are yours to fill in.
slug: {slug}-should-be-safe
title: {{ en: What should be true, ja: あるべき状態 }}
severity: medium
applies_to: {kind}
inferred: {{ severity: true }}
unhealthy_when: {{ field: properties.setting, notEquals: wanted }}
why: {{ en: What can happen otherwise., ja: そうでない場合に起こり得ること。 }}
fix:
  steps: {{ en: [Where to change it], ja: [変更する場所] }}
tests:
  - {{ expect: healthy, document: {{ properties: {{ setting: wanted }} }} }}
  - {{ expect: unhealthy, document: {{ properties: {{ setting: other }} }} }}
  - {{ expect: unhealthy, document: {{}} }}"
    ))?;
    Ok(Exit::Done)
}
