//! `yagura recommendations`

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use yagura_model::{Severity, Status};
use yagura_posture::{Assessed, Assessment, Fixes, View, explain, gains};
use yagura_report::Finding;

use crate::args::{Format, RecommendationsArguments};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

/// Lists recommendations, or every recommendation x resource.
pub fn run(arguments: &RecommendationsArguments) -> anyhow::Result<Exit> {
    let statuses = &arguments.status;
    let loaded = Loaded::read(&arguments.estate)?;
    let assessed = loaded.assess();
    let format = arguments.estate.output;
    if arguments.all || matches!(format, Format::Sarif | Format::Ocsf) {
        let kept = assessed.assessments.iter().filter(|assessment| {
            loaded.filter.keeps(assessment) && (statuses.is_empty() || statuses.contains(&assessment.status))
        });
        findings(&loaded, kept, format)?;
    } else {
        sums(&loaded, &assessed, format)?;
    }
    Ok(loaded.exit(&assessed, arguments.estate.fail_on))
}

/// The finding of an assessment with its evidence.
pub fn finding<'a>(loaded: &'a Loaded, assessment: &'a Assessment) -> Finding<'a> {
    let evidence = matches!(assessment.status, Status::Unhealthy | Status::Unknown).then(|| {
        let Loaded { estate, catalogue, settings, now, .. } = loaded;
        explain(estate, catalogue, settings, *now, assessment.recommendation, &assessment.resource).evidence
    });
    loaded.context().finding(assessment, evidence)
}

/// Every recommendation x resource in one of the formats.
pub fn findings<'a>(
    loaded: &'a Loaded,
    kept: impl Iterator<Item = &'a Assessment>,
    format: Format,
) -> anyhow::Result<()> {
    let rows = kept.map(|assessment| finding(loaded, assessment));
    match format {
        Format::Jsonl => output::json_lines(rows),
        Format::Json => output::json(&rows.collect::<Vec<_>>()),
        Format::Csv => Ok(yagura_report::findings_csv(output::stdout(), rows)?),
        Format::Sarif => Ok(yagura_report::sarif(output::stdout(), &loaded.catalogue, loaded.language, rows)?),
        Format::Ocsf => {
            Ok(yagura_report::ocsf(output::stdout(), &loaded.catalogue, loaded.language, loaded.now, rows)?)
        }
        Format::Table => {
            let rows = rows.map(|row| {
                let cause = row.cause.unwrap_or_default();
                vec![
                    row.status.to_string(),
                    row.severity.to_string(),
                    row.title.to_owned(),
                    row.name.to_owned(),
                    row.scope.to_owned(),
                    cause,
                ]
            });
            output::table(&["Status", "Severity", "Recommendation", "Resource", "Scope", "Cause"], rows.collect())
        }
        Format::Html => output::not_here(format, "recommendations --all", "table, json, jsonl, csv, sarif, ocsf"),
    }
}

/// One recommendation with its resources counted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sum<'a> {
    pub key: &'a str,
    pub title: &'a str,
    pub cloud: &'a str,
    pub severity: Severity,
    pub plan: &'a str,
    pub preview: bool,
    pub controls: Vec<&'a str>,
    pub healthy: u64,
    pub unhealthy: u64,
    pub not_applicable: u64,
    pub unknown: u64,
    pub exempted: u64,
    /// By how much the overall score (0..1) rises when it is fixed on all its resources; null when it is not scored.
    pub score_gain: Option<f64>,
}

/// Recommendations with at least one assessment, those with unhealthy resources first, by severity and count.
pub fn sums_of<'a>(loaded: &'a Loaded, assessed: &Assessed) -> Vec<Sum<'a>> {
    let mut counts: BTreeMap<u32, [u64; 5]> = BTreeMap::new();
    for assessment in assessed.assessments.iter().filter(|assessment| loaded.filter.keeps(assessment)) {
        let own = counts.entry(assessment.recommendation).or_default();
        own[match assessment.status {
            Status::Healthy => 0,
            Status::Unhealthy => 1,
            Status::NotApplicable => 2,
            Status::Unknown => 3,
        }] += 1;
        own[4] += u64::from(assessment.exemption.is_some());
    }
    let score = loaded.scores(assessed, &Fixes::default()).0;
    let gains = gains(assessed, &loaded.catalogue, &loaded.settings, View::Raw, &score);
    let mut sums = Vec::new();
    for (position, [healthy, unhealthy, not_applicable, unknown, exempted]) in counts {
        let recommendation = &loaded.catalogue.recommendations()[position as usize];
        let score_gain = gains.get(&position).copied();
        sums.push(Sum {
            key: &recommendation.key,
            title: recommendation.source.title.get(loaded.language),
            cloud: recommendation.cloud.as_str(),
            severity: recommendation.source.severity,
            plan: &recommendation.source.plan,
            preview: recommendation.source.preview,
            controls: recommendation.controls().map(|(id, _)| id).collect(),
            healthy,
            unhealthy,
            not_applicable,
            unknown,
            exempted,
            score_gain,
        });
    }
    sums.sort_by(|left, right| {
        let rank = |sum: &Sum<'_>| (sum.unhealthy > 0, sum.severity, sum.unhealthy);
        rank(right).cmp(&rank(left)).then_with(|| left.title.cmp(right.title))
    });
    sums
}

fn sums(loaded: &Loaded, assessed: &Assessed, format: Format) -> anyhow::Result<()> {
    let sums = sums_of(loaded, assessed);
    match format {
        Format::Json => output::json(&sums),
        Format::Jsonl => output::json_lines(&sums),
        Format::Csv => csv(&sums),
        Format::Table => {
            let shown = sums.iter().filter(|sum| sum.unhealthy > 0 || sum.unknown > 0);
            let rows = shown.map(|sum| {
                vec![
                    sum.severity.to_string(),
                    sum.cloud.to_owned(),
                    sum.title.to_owned(),
                    sum.unhealthy.to_string(),
                    sum.healthy.to_string(),
                    sum.unknown.to_string(),
                    points(sum.score_gain),
                    sum.key.to_owned(),
                ]
            });
            output::table(
                &["Severity", "Cloud", "Recommendation", ">Unhealthy", ">Healthy", ">Unknown", ">Score gain", "Key"],
                rows.collect(),
            )?;
            let quiet = sums.iter().filter(|sum| sum.unhealthy == 0 && sum.unknown == 0).count();
            output::line(format_args!("{quiet} more recommendations have nothing to fix"))
        }
        other => {
            output::not_here(other, "recommendations", "table, json, jsonl, csv, and with --all also sarif and ocsf")
        }
    }
}

/// A gain in percentage points, for people.
pub fn points(gain: Option<f64>) -> String {
    gain.map_or_else(|| "-".to_owned(), |gain| format!("+{:.2}", gain * 100.0))
}

fn csv(sums: &[Sum<'_>]) -> anyhow::Result<()> {
    let header = [
        "key",
        "title",
        "cloud",
        "severity",
        "plan",
        "unhealthy",
        "healthy",
        "notApplicable",
        "unknown",
        "exempted",
        "scoreGain",
    ];
    let mut out = yagura_report::CsvWriter::new(output::stdout(), &header)?;
    for sum in sums {
        let numbers =
            [sum.unhealthy, sum.healthy, sum.not_applicable, sum.unknown, sum.exempted].map(|count| count.to_string());
        let [unhealthy, healthy, not_applicable, unknown, exempted] = &numbers;
        let gain = sum.score_gain.map(|gain| gain.to_string()).unwrap_or_default();
        let words = [sum.key, sum.title, sum.cloud, sum.severity.as_str(), sum.plan];
        let numbers = [unhealthy, healthy, not_applicable, unknown, exempted, &gain];
        out.row(&[&words[..], &numbers.map(String::as_str)[..]].concat())?;
    }
    out.finish()?.flush()?;
    Ok(())
}
