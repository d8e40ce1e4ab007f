//! `yagura scan`

use std::collections::BTreeMap;

use serde::Serialize;
use yagura_model::{Cloud, Problem, Status};
use yagura_posture::{Assessed, Fixes, StandardCompliance};
use yagura_report::{CloudInventory, Gap, ReportData, ScoreDocument, TopRecommendation};

use crate::args::{Format, ScanArguments};
use crate::commands::recommendations::{self, Sum, sums_of};
use crate::commands::{compliance, score};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;
use crate::policies::{self, PolicyResult, PolicySum};

/// Recommendations that the summary shows.
const TOP: usize = 10;

/// Assesses an estate and sums it up.
pub fn run(arguments: &ScanArguments) -> anyhow::Result<Exit> {
    let own = &arguments.estate;
    let loaded = Loaded::read(own)?;
    let assessed = loaded.assess();
    let policies = match &arguments.policies {
        Some(folder) => Some(policies::evaluate(&loaded, folder, arguments.aliases.as_deref())?),
        None => None,
    };
    match own.output {
        Format::Csv | Format::Jsonl | Format::Sarif | Format::Ocsf => {
            let kept = assessed.assessments.iter().filter(|assessment| loaded.filter.keeps(assessment));
            recommendations::findings(&loaded, kept, own.output)?;
            if let (Format::Jsonl, Some(policies)) = (own.output, &policies) {
                output::json_lines(&policies.results)?;
            }
        }
        Format::Json => output::json(&Summary::new(&loaded, &assessed, policies.as_ref()))?,
        Format::Table => table(&loaded, &assessed, policies.as_ref())?,
        Format::Html => html(&loaded, &assessed)?,
    }
    let exit = loaded.exit(&assessed, own.fail_on);
    let lost = policies.is_some_and(|policies| policies.problems.iter().any(|problem| problem.incomplete));
    Ok(if lost && exit == Exit::Done { Exit::Incomplete } else { exit })
}

/// `scan -o json`: a public contract. Fields are added, never changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    at: yagura_model::Timestamp,
    content_digest: &'a str,
    inventory: Vec<InventoryLine>,
    statuses: StatusCounts,
    score: ScoreDocument,
    recommendations: Vec<Sum<'a>>,
    compliance: Vec<StandardCompliance>,
    gaps: Vec<GapLine>,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'a [PolicySum]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_results: Option<&'a [PolicyResult]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InventoryLine {
    cloud: Cloud,
    accounts: usize,
    resources: usize,
    without_rules: usize,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusCounts {
    healthy: u64,
    unhealthy: u64,
    unknown: u64,
    not_applicable: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GapLine {
    what: String,
    place: String,
    cause: String,
    assessments: u64,
}

impl<'a> Summary<'a> {
    fn new(loaded: &'a Loaded, assessed: &Assessed, policies: Option<&'a policies::Evaluated>) -> Self {
        let (raw, adjusted) = loaded.scores(assessed, &Fixes::default());
        let inventory = inventory(loaded).into_iter().map(|own| InventoryLine {
            cloud: own.cloud,
            accounts: own.accounts,
            resources: own.resources,
            without_rules: own.without_rules,
        });
        let gaps = gaps(loaded, assessed).into_iter().map(|gap| GapLine {
            what: gap.what,
            place: gap.place,
            cause: gap.cause,
            assessments: gap.assessments,
        });
        Self {
            at: loaded.now,
            content_digest: loaded.catalogue.digest(),
            inventory: inventory.collect(),
            statuses: statuses(loaded, assessed),
            score: ScoreDocument::new(&raw, &adjusted),
            recommendations: sums_of(loaded, assessed),
            compliance: compliance::of(loaded, assessed),
            gaps: gaps.collect(),
            problems: loaded.estate.problems(),
            policies: policies.map(|policies| policies.sums.as_slice()),
            policy_results: policies.map(|policies| policies.results.as_slice()),
        }
    }
}

fn statuses(loaded: &Loaded, assessed: &Assessed) -> StatusCounts {
    let mut counts = StatusCounts::default();
    for assessment in assessed.assessments.iter().filter(|assessment| loaded.filter.keeps(assessment)) {
        match assessment.status {
            Status::Healthy => counts.healthy += 1,
            Status::Unhealthy => counts.unhealthy += 1,
            Status::Unknown => counts.unknown += 1,
            Status::NotApplicable => counts.not_applicable += 1,
        }
    }
    counts
}

fn inventory(loaded: &Loaded) -> Vec<CloudInventory> {
    let speaking: std::collections::HashSet<_> =
        loaded.catalogue.recommendations().iter().flat_map(|own| own.source.applies_to.as_slice()).collect();
    let mut clouds: BTreeMap<Cloud, (std::collections::BTreeSet<&str>, usize, usize)> = BTreeMap::new();
    for resource in loaded.estate.resources().iter().filter(|resource| loaded.filter.keeps_resource(resource)) {
        let (accounts, resources, without_rules) = clouds.entry(resource.cloud).or_default();
        if resource.scope.level() == yagura_model::ScopeLevel::Account {
            accounts.insert(resource.scope.id());
        }
        *resources += 1;
        *without_rules += usize::from(!speaking.contains(&resource.kind));
    }
    let line =
        |(cloud, (accounts, resources, without_rules)): (Cloud, (std::collections::BTreeSet<&str>, usize, usize))| {
            CloudInventory { cloud, accounts: accounts.len(), resources, without_rules }
        };
    clouds.into_iter().map(line).collect()
}

/// What could not be seen: causes of unknown assessments by scope, most assessments first, then what could not be read.
fn gaps(loaded: &Loaded, assessed: &Assessed) -> Vec<Gap> {
    let mut causes: BTreeMap<(String, &str), (String, u64)> = BTreeMap::new();
    for assessment in assessed.assessments.iter().filter(|assessment| loaded.filter.keeps(assessment)) {
        let Some(cause) = &assessment.cause else { continue };
        let what = match cause.as_ref() {
            yagura_model::Cause::NotListed(kind) => kind.to_string(),
            yagura_model::Cause::NotAsked(call) => call.to_string(),
            yagura_model::Cause::PlanOff(plan) => plan.to_string(),
            yagura_model::Cause::CallFailed(_) | yagura_model::Cause::Undecidable(_) => {
                assessment.resource.kind.to_string()
            }
        };
        let entry = causes.entry((cause.to_string(), assessment.resource.scope.id())).or_insert((what, 0));
        entry.1 += 1;
    }
    let mut gaps: Vec<Gap> = causes
        .into_iter()
        .map(|((cause, place), (what, assessments))| Gap { what, place: place.to_owned(), cause, assessments })
        .collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.assessments));
    for own in loaded.failed_kinds() {
        gaps.push(Gap { what: own.kind, place: own.place, cause: own.cause, assessments: 0 });
    }
    for problem in loaded.estate.problems().iter().filter(|problem| problem.incomplete) {
        let place =
            problem.record.map_or_else(|| problem.source.clone(), |record| format!("{}:{record}", problem.source));
        gaps.push(Gap { what: "-".to_owned(), place, cause: problem.message.clone(), assessments: 0 });
    }
    gaps
}

fn table(loaded: &Loaded, assessed: &Assessed, policies: Option<&policies::Evaluated>) -> anyhow::Result<()> {
    output::heading("Inventory")?;
    let rows = inventory(loaded).into_iter().map(|own| {
        let rest = own.without_rules.to_string();
        vec![own.cloud.title().to_owned(), own.accounts.to_string(), own.resources.to_string(), rest]
    });
    output::table(&["Cloud", ">Accounts", ">Resources", ">Of kinds without rules"], rows.collect())?;
    let read = &loaded.summary;
    match loaded.live {
        true => output::line(format_args!("{} answers read", read.records))?,
        false => output::line(format_args!("{} records of {} files read", read.records, read.files))?,
    }

    output::heading("Secure score")?;
    let (raw, adjusted) = loaded.scores(assessed, &Fixes::default());
    score::table(loaded, &ScoreDocument::new(&raw, &adjusted))?;

    output::heading("Recommendations with the largest effect on the score")?;
    let sums = by_effect(sums_of(loaded, assessed));
    let rows = sums.iter().take(TOP).map(|sum| {
        vec![
            recommendations::points(sum.score_gain),
            sum.severity.to_string(),
            sum.cloud.to_owned(),
            sum.title.to_owned(),
            format!("{} of {}", sum.unhealthy, sum.unhealthy + sum.healthy),
        ]
    });
    output::table(&[">Score gain", "Severity", "Cloud", "Recommendation", ">Unhealthy"], rows.collect())?;
    if sums.len() > TOP {
        output::line(format_args!("{} more have something to fix: yagura recommendations", sums.len() - TOP))?;
    }

    output::heading("Compliance")?;
    compliance::table(loaded, &compliance::of(loaded, assessed))?;
    if let Some(policies) = policies {
        policies::table(policies)?;
    }
    coverage(loaded, assessed)
}

fn coverage(loaded: &Loaded, assessed: &Assessed) -> anyhow::Result<()> {
    let counts = statuses(loaded, assessed);
    let gaps = gaps(loaded, assessed);
    if !gaps.is_empty() {
        output::heading("Coverage gaps")?;
        let rows = gaps.iter().take(TOP).map(|gap| {
            let count = if gap.assessments > 0 { gap.assessments.to_string() } else { String::new() };
            vec![count, gap.place.clone(), gap.cause.clone()]
        });
        output::table(&[">Unknown", "Where", "Why"], rows.collect())?;
        if gaps.len() > TOP {
            output::line(format_args!("{} more gaps: yagura scan -o json", gaps.len() - TOP))?;
        }
    }
    output::line(format_args!(
        "\n{} assessments: {} healthy, {} unhealthy, {} unknown, {} not applicable",
        counts.healthy + counts.unhealthy + counts.unknown + counts.not_applicable,
        counts.healthy,
        counts.unhealthy,
        counts.unknown,
        counts.not_applicable
    ))
}

/// Recommendations with something to fix, those that move the score most first.
fn by_effect(mut sums: Vec<Sum<'_>>) -> Vec<Sum<'_>> {
    sums.retain(|sum| sum.unhealthy > 0);
    let gain = |sum: &Sum<'_>| sum.score_gain.unwrap_or(-1.0);
    sums.sort_by(|left, right| {
        gain(right)
            .total_cmp(&gain(left))
            .then(right.severity.cmp(&left.severity))
            .then(right.unhealthy.cmp(&left.unhealthy))
    });
    sums
}

fn html(loaded: &Loaded, assessed: &Assessed) -> anyhow::Result<()> {
    let (raw, adjusted) = loaded.scores(assessed, &Fixes::default());
    let score = ScoreDocument::new(&raw, &adjusted);
    let compliance = compliance::of(loaded, assessed);
    let counts = statuses(loaded, assessed);
    let sums = by_effect(sums_of(loaded, assessed));
    let top = sums.iter().take(TOP).filter_map(|sum| top_of(loaded, sum));
    let exempted = assessed.assessments.iter().filter(|assessment| assessment.exemption.is_some()).count();
    let data = ReportData {
        language: loaded.language,
        at: loaded.now,
        sources: loaded.sources.clone(),
        content_digest: loaded.catalogue.digest(),
        score: &score,
        inventory: inventory(loaded),
        statuses: [counts.healthy, counts.unhealthy, counts.unknown, counts.not_applicable],
        top: top.collect(),
        more_recommendations: sums.len().saturating_sub(TOP),
        compliance: &compliance,
        gaps: gaps(loaded, assessed),
        exempted: exempted as u64,
    };
    Ok(yagura_report::html(output::stdout(), &data)?)
}

fn top_of<'a>(loaded: &'a Loaded, sum: &Sum<'a>) -> Option<TopRecommendation<'a>> {
    let recommendation = &loaded.catalogue.recommendations()[loaded.catalogue.find(sum.key)?];
    Some(TopRecommendation {
        title: sum.title,
        why: recommendation.source.why.get(loaded.language),
        key: sum.key,
        cloud: recommendation.cloud,
        severity: sum.severity,
        unhealthy: sum.unhealthy,
        applicable: sum.unhealthy + sum.healthy + sum.unknown,
        gain: sum.score_gain,
    })
}
