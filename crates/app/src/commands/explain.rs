//! `yagura explain`

use anyhow::bail;
use serde::Serialize;
use yagura_model::{Evidence, Status};
use yagura_posture::{Fixes, explain};
use yagura_report::{Finding, ScoreDocument};

use crate::args::{ExplainArguments, Format};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

/// Explains a verdict or a score.
pub fn run(arguments: &ExplainArguments) -> anyhow::Result<Exit> {
    let loaded = Loaded::read(&arguments.estate)?;
    if arguments.score.is_some() {
        loaded.filter.refuse("explain --score", &["severity", "standard", "resource"])?;
    }
    let assessed = loaded.assess();
    match (&arguments.key, &arguments.score) {
        (Some(key), _) => verdicts(&loaded, &assessed, key, arguments.estate.output)?,
        (None, Some(scope)) => score(&loaded, &assessed, scope, arguments.estate.output)?,
        (None, None) => bail!("needs --key or --score"),
    }
    Ok(loaded.exit(&assessed, arguments.estate.fail_on))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    #[serde(flatten)]
    finding: Finding<'a>,
    rule: &'a str,
    why: &'a str,
    fix: &'a [String],
    decided_by: Vec<Evidence>,
}

fn verdicts(loaded: &Loaded, assessed: &yagura_posture::Assessed, key: &str, format: Format) -> anyhow::Result<()> {
    let Some(position) = loaded.catalogue.find(key) else {
        bail!("`{key}` is no recommendation; `yagura content list` shows all");
    };
    let recommendation = &loaded.catalogue.recommendations()[position];
    let mut explained = Vec::new();
    for assessment in &assessed.assessments {
        if assessment.recommendation as usize != position || !loaded.filter.keeps(assessment) {
            continue;
        }
        let Loaded { estate, catalogue, settings, now, .. } = loaded;
        let own = explain(estate, catalogue, settings, *now, assessment.recommendation, &assessment.resource);
        explained.push(Explained {
            finding: loaded.context().finding(assessment, Some(own.evidence.clone())),
            rule: &recommendation.file,
            why: recommendation.source.why.get(loaded.language),
            fix: recommendation.source.fix.steps.get(loaded.language),
            decided_by: own.evidence,
        });
    }
    match format {
        Format::Json => output::json(&explained),
        Format::Jsonl => output::json_lines(&explained),
        Format::Table => {
            output::heading(recommendation.source.title.get(loaded.language))?;
            output::line(recommendation.source.why.get(loaded.language))?;
            for step in recommendation.source.fix.steps.get(loaded.language) {
                output::line(format_args!("  - {step}"))?;
            }
            output::line(format_args!("rule: {} ({})", recommendation.file, recommendation.key))?;
            if explained.is_empty() {
                output::line("no resource of this estate is of a kind it speaks of")?;
            }
            for own in &explained {
                people(own)?;
            }
            Ok(())
        }
        other => output::not_here(other, "explain", "table, json, jsonl"),
    }
}

fn people(own: &Explained<'_>) -> anyhow::Result<()> {
    output::heading(&format!("{}: {}", own.finding.resource, own.finding.status))?;
    if let Some(cause) = &own.finding.cause {
        output::line(format_args!("  because {cause}"))?;
    }
    for node in &own.decided_by {
        if let Some(resource) = &node.resource {
            output::line(format_args!("  in {resource}"))?;
        }
        let held = match node.held {
            Some(true) => "held",
            Some(false) => "did not hold",
            None => "could not be told",
        };
        output::line(format_args!(
            "  {}: found {}, rule says {} {} ({held}; {})",
            node.path, node.found, node.operator, node.wanted, node.rule
        ))?;
    }
    if let Some(exemption) = &own.finding.exemption {
        let category = serde_json::to_string(&exemption.category)?;
        output::line(format_args!("  exempted as {category}: {}", exemption.reason))?;
    }
    Ok(())
}

fn score(loaded: &Loaded, assessed: &yagura_posture::Assessed, scope: &str, format: Format) -> anyhow::Result<()> {
    let (raw, adjusted) = loaded.scores(assessed, &Fixes::default());
    let document = ScoreDocument::new(&raw, &adjusted);
    let named = |id: &str| {
        id.eq_ignore_ascii_case(scope) || id.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(scope))
    };
    let Some(own) = document.scopes.iter().find(|own| named(&own.scope)) else {
        let known: Vec<_> = document.scopes.iter().map(|own| own.scope.as_str()).collect();
        bail!("`{scope}` is no scope of this estate; there are {}", known.join(", "));
    };
    if format == Format::Json {
        return output::json(own);
    }
    if format != Format::Table {
        return output::not_here(format, "explain --score", "table, json");
    }
    output::heading(&format!("Secure score of {}: {}", own.scope, output::percent(own.percentage)))?;
    let mut rows = Vec::new();
    for control in &own.controls {
        let (raw, counts) = (&control.raw, control.raw.counts);
        let formula = match raw.weight {
            0 => "nothing counts: the control drops out".to_owned(),
            weight => format!("{} x {} / {weight} = {}", raw.max, counts.healthy, raw.current),
        };
        rows.push(vec![
            raw.titles.get(loaded.language).to_owned(),
            formula,
            format!("{} of {}", raw.current, raw.max),
            counts.unhealthy.to_string(),
            counts.not_applicable.to_string(),
            counts.unknown.to_string(),
            format!("+{}", raw.potential_increase),
        ]);
    }
    output::table(
        &[
            "Control",
            "Max x healthy / (healthy + unhealthy)",
            ">Points",
            ">Unhealthy",
            ">Not applicable",
            ">Unknown",
            ">Could gain",
        ],
        rows,
    )?;
    output::line(format_args!(
        "score = sum of points / sum of maxima = {} / {} = {}",
        own.current,
        own.max,
        output::percent(own.percentage)
    ))?;
    output::line(format_args!("weight = sum of (healthy + unhealthy) x max = {}", own.weight))?;
    exempted(loaded, assessed, &own.scope, own.adjusted.percentage)
}

fn exempted(
    loaded: &Loaded,
    assessed: &yagura_posture::Assessed,
    scope: &str,
    adjusted: Option<f64>,
) -> anyhow::Result<()> {
    let unhealthy = assessed.assessments.iter().filter(|assessment| {
        assessment.exemption.is_some()
            && assessment.status == Status::Unhealthy
            && assessment.resource.scope.id() == scope
    });
    output::line(format_args!(
        "with exemptions {} ({} exemptions in the configuration, {} unhealthy assessments exempted here)",
        output::percent(adjusted),
        loaded.settings.exemptions.len(),
        unhealthy.count()
    ))
}
