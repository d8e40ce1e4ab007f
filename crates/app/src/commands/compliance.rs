//! `yagura compliance`

use yagura_posture::{StandardCompliance, compliance};

use crate::args::{ComplianceArguments, Format};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

/// Shows compliance with standards.
pub fn run(arguments: &ComplianceArguments) -> anyhow::Result<Exit> {
    let loaded = Loaded::read(&arguments.estate)?;
    loaded.filter.refuse("compliance", &["severity"])?;
    let assessed = loaded.assess();
    let standards = of(&loaded, &assessed);
    match arguments.estate.output {
        Format::Json => output::json(&standards)?,
        Format::Jsonl => output::json_lines(&standards)?,
        Format::Csv => csv(&loaded, &standards)?,
        Format::Table if arguments.controls || standards.len() == 1 => controls(&loaded, &standards)?,
        Format::Table => table(&loaded, &standards)?,
        other => output::not_here(other, "compliance", "table, json, jsonl, csv")?,
    }
    Ok(loaded.exit(&assessed, arguments.estate.fail_on))
}

/// The standards that the filter keeps, over the resources that it keeps.
pub fn of(loaded: &Loaded, assessed: &yagura_posture::Assessed) -> Vec<StandardCompliance> {
    let kept =
        assessed.assessments.iter().filter(|assessment| loaded.filter.keeps_resource(&assessment.resource)).cloned();
    let kept = yagura_posture::Assessed { assessments: kept.collect(), at: assessed.at };
    let all = compliance(&kept, &loaded.catalogue, &loaded.settings, &loaded.clouds());
    all.into_iter().filter(|standard| loaded.filter.keeps_standard(&standard.standard)).collect()
}

/// One line a standard.
pub fn table(loaded: &Loaded, standards: &[StandardCompliance]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for standard in standards {
        rows.push(vec![
            standard.title.get(loaded.language).to_owned(),
            output::percent(standard.percentage),
            output::percent(standard.adjusted_percentage),
            standard.passed.to_string(),
            standard.failed.to_string(),
            standard.unknown.to_string(),
            (standard.manual + standard.attested).to_string(),
            output::percent(standard.inferred_share),
        ]);
    }
    output::table(
        &[
            "Standard",
            ">Compliance",
            ">With exemptions",
            ">Passed",
            ">Failed",
            ">Unknown",
            ">Manual",
            ">Inferred mappings",
        ],
        rows,
    )
}

fn controls(loaded: &Loaded, standards: &[StandardCompliance]) -> anyhow::Result<()> {
    for standard in standards {
        output::heading(standard.title.get(loaded.language))?;
        let mut rows = Vec::new();
        for control in &standard.controls {
            let unhealthy: u64 = control.recommendations.iter().map(|own| own.unhealthy).sum();
            let healthy: u64 = control.recommendations.iter().map(|own| own.healthy).sum();
            rows.push(vec![
                control.id.clone(),
                control.title.get(loaded.language).to_owned(),
                word(control.state),
                unhealthy.to_string(),
                healthy.to_string(),
            ]);
        }
        output::table(&["Control", "Subject", "State", ">Unhealthy", ">Healthy"], rows)?;
    }
    Ok(())
}

fn word(state: yagura_posture::ComplianceState) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn csv(loaded: &Loaded, standards: &[StandardCompliance]) -> anyhow::Result<()> {
    let header = [
        "standard",
        "control",
        "title",
        "state",
        "adjustedState",
        "recommendation",
        "inferred",
        "healthy",
        "unhealthy",
        "unknown",
        "notApplicable",
    ];
    let mut out = yagura_report::CsvWriter::new(output::stdout(), &header)?;
    for standard in standards {
        for control in &standard.controls {
            let (state, adjusted) = (word(control.state), word(control.adjusted_state));
            let title = control.title.get(loaded.language);
            if control.recommendations.is_empty() {
                out.row(&[&standard.standard, &control.id, title, &state, &adjusted, "", "", "", "", "", ""])?;
            }
            for own in &control.recommendations {
                let [healthy, unhealthy, unknown, other] =
                    [own.healthy, own.unhealthy, own.unknown, own.not_applicable].map(|count| count.to_string());
                let inferred = if own.inferred { "true" } else { "false" };
                out.row(&[
                    &standard.standard,
                    &control.id,
                    title,
                    &state,
                    &adjusted,
                    &own.key,
                    inferred,
                    &healthy,
                    &unhealthy,
                    &unknown,
                    &other,
                ])?;
            }
        }
    }
    out.finish()?;
    Ok(())
}
