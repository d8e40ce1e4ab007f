//! `yagura score`

use yagura_posture::Fixes;
use yagura_report::ScoreDocument;

use crate::args::{EstateArguments, Format};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

/// Shows the secure score.
pub fn run(arguments: &EstateArguments) -> anyhow::Result<Exit> {
    let loaded = Loaded::read(arguments)?;
    loaded.filter.refuse("score", &["severity", "standard", "resource"])?;
    let assessed = loaded.assess();
    let (raw, adjusted) = loaded.scores(&assessed, &Fixes::default());
    let document = ScoreDocument::new(&raw, &adjusted);
    match arguments.output {
        Format::Json => output::json(&document)?,
        Format::Jsonl => output::json_lines(&document.scopes)?,
        Format::Csv => csv(&document)?,
        Format::Table => table(&loaded, &document)?,
        other => output::not_here(other, "score", "table, json, jsonl, csv")?,
    }
    Ok(loaded.exit(&assessed, arguments.fail_on))
}

/// The score for people.
pub fn table(loaded: &Loaded, document: &ScoreDocument) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for scope in &document.scopes {
        rows.push(vec![
            scope.cloud.title().to_owned(),
            scope.scope.clone(),
            output::percent(scope.percentage),
            format!("{} of {}", scope.current, scope.max),
            output::percent(scope.adjusted.percentage),
            output::percent(scope.worst_case_percentage),
            scope.unknown.to_string(),
            output::percent(scope.inferred_share),
        ]);
    }
    for cloud in &document.clouds {
        let adjusted = output::percent(cloud.adjusted.percentage);
        let blank = String::new;
        rows.push(vec![
            cloud.cloud.title().to_owned(),
            "all".into(),
            output::percent(cloud.percentage),
            blank(),
            adjusted,
            blank(),
            blank(),
            blank(),
        ]);
    }
    output::table(
        &[
            "Cloud",
            "Scope",
            ">Score",
            ">Points",
            ">With exemptions",
            ">If all unknown fail",
            ">Unknown",
            ">Inferred mappings",
        ],
        rows,
    )?;
    let overall = &document.overall;
    output::line(format_args!(
        "Secure score {} (with exemptions {}); knowledge {}",
        output::percent(overall.percentage),
        output::percent(overall.adjusted.percentage),
        &loaded.catalogue.digest()[..12]
    ))
}

fn csv(document: &ScoreDocument) -> anyhow::Result<()> {
    let header = [
        "cloud",
        "scope",
        "control",
        "current",
        "max",
        "percentage",
        "healthy",
        "unhealthy",
        "notApplicable",
        "unknown",
        "adjustedCurrent",
        "adjustedMax",
    ];
    let mut out = yagura_report::CsvWriter::new(output::stdout(), &header)?;
    for scope in &document.scopes {
        for control in &scope.controls {
            let raw = &control.raw;
            let counts = raw.counts;
            out.row(&[
                scope.cloud.as_str(),
                &scope.scope,
                &raw.id,
                &raw.current.to_string(),
                &raw.max.to_string(),
                &raw.percentage.to_string(),
                &counts.healthy.to_string(),
                &counts.unhealthy.to_string(),
                &counts.not_applicable.to_string(),
                &counts.unknown.to_string(),
                &control.adjusted.current.to_string(),
                &control.adjusted.max.to_string(),
            ])?;
        }
    }
    out.finish()?;
    Ok(())
}
