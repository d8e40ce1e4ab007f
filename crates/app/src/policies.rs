//! A customer's own Azure Policy definitions over an estate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;
use yagura_model::{Cloud, Estate, Evidence, Problem, Resource, Status, Verdict, Within};
use yagura_policy::Context;
use yagura_policy::azure::{AssignedPolicy, PolicyFolder};

use crate::commands::policy::{aliases_of, json_in};
use crate::estate::Loaded;
use crate::output;

/// One policy x resource: part of the public output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// The definition's name.
    pub policy: String,
    pub title: String,
    pub assignment: Option<String>,
    pub resource: String,
    pub kind: String,
    pub scope: String,
    pub status: Status,
    pub cause: Option<String>,
    /// What decided; null unless unhealthy or unknown.
    pub evidence: Option<Vec<Evidence>>,
    /// Whether a path was made by the usual rule and not looked up in a list of aliases.
    pub derived_aliases: bool,
}

/// One policy with its resources counted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySum {
    pub policy: String,
    pub title: String,
    pub assignment: Option<String>,
    pub healthy: u64,
    pub unhealthy: u64,
    pub unknown: u64,
    pub not_applicable: u64,
    /// Aliases whose path was made by the usual rule.
    pub derived_aliases: Vec<String>,
}

/// What a folder of policies says of an estate.
pub struct Evaluated {
    pub sums: Vec<PolicySum>,
    pub results: Vec<PolicyResult>,
    pub problems: Vec<Problem>,
}

/// Evaluates the definitions, initiatives and assignments of a folder.
pub fn evaluate(loaded: &Loaded, folder: &Path, aliases: Option<&Path>) -> anyhow::Result<Evaluated> {
    let aliases = Arc::new(aliases_of(aliases)?);
    let mut policies = PolicyFolder::default();
    let mut problems = Vec::new();
    for path in json_files(folder)? {
        let name = path.display().to_string();
        match json_in(&path) {
            Ok(json) => problems.extend(policies.add(&name, &json).err().into_iter().flatten()),
            Err(error) => problems.push(Problem::lost(name, None, format!("{error:#}"))),
        }
    }
    let (assigned, more) = policies.assigned(&aliases);
    problems.extend(more);
    for problem in &problems {
        output::note(format_args!("warning: {problem}"));
    }
    let mut evaluated = Evaluated { sums: Vec::new(), results: Vec::new(), problems };
    for policy in &assigned {
        evaluate_one(loaded, policy, &mut evaluated);
    }
    Ok(evaluated)
}

fn json_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("could not list the policies {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(json_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn evaluate_one(loaded: &Loaded, policy: &AssignedPolicy, evaluated: &mut Evaluated) {
    let context = Context { estate: &loaded.estate, now: loaded.now, parameters: Some(&policy.parameters) };
    let derived = policy.policy.derived_aliases();
    let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
    for resource in candidates(loaded, policy) {
        if !policy.covers(&resource) || !loaded.filter.keeps_resource(&resource) {
            continue;
        }
        let verdict = policy.policy.evaluate(&resource, &context);
        let status = verdict.status();
        *counts.entry(status).or_default() += 1;
        if status == Status::NotApplicable {
            continue;
        }
        let shows = matches!(status, Status::Unhealthy | Status::Unknown);
        evaluated.results.push(PolicyResult {
            policy: policy.name.clone(),
            title: policy.title.clone(),
            assignment: policy.assignment.clone(),
            resource: resource.id.to_string(),
            kind: resource.kind.to_string(),
            scope: resource.scope.id().to_owned(),
            status,
            cause: match verdict {
                Verdict::Unknown(cause) => Some(cause.to_string()),
                _ => None,
            },
            evidence: shows.then(|| policy.policy.explain(&resource, &context).1),
            derived_aliases: !derived.is_empty(),
        });
    }
    let count = |status| counts.get(&status).copied().unwrap_or(0);
    evaluated.sums.push(PolicySum {
        policy: policy.name.clone(),
        title: policy.title.clone(),
        assignment: policy.assignment.clone(),
        healthy: count(Status::Healthy),
        unhealthy: count(Status::Unhealthy),
        unknown: count(Status::Unknown),
        not_applicable: count(Status::NotApplicable),
        derived_aliases: derived.to_vec(),
    });
}

/// Azure resources that the policy's condition can hold for.
fn candidates(loaded: &Loaded, policy: &AssignedPolicy) -> Vec<Arc<Resource>> {
    match policy.policy.kinds() {
        Some(kinds) => {
            let mut kinds = kinds.to_vec();
            kinds.sort();
            kinds.dedup();
            kinds.iter().flat_map(|kind| loaded.estate.of_kind(kind, Within::Cloud(Cloud::Azure))).collect()
        }
        None => loaded.estate.resources().iter().filter(|resource| resource.cloud == Cloud::Azure).cloned().collect(),
    }
}

/// One line a policy, for people.
pub fn table(evaluated: &Evaluated) -> anyhow::Result<()> {
    output::heading("Azure Policy")?;
    let rows = evaluated.sums.iter().map(|sum| {
        vec![
            sum.title.clone(),
            sum.assignment.clone().unwrap_or_default(),
            sum.unhealthy.to_string(),
            sum.healthy.to_string(),
            sum.unknown.to_string(),
            if sum.derived_aliases.is_empty() {
                String::new()
            } else {
                format!("{} derived", sum.derived_aliases.len())
            },
        ]
    });
    output::table(&["Policy", "Assignment", ">Not compliant", ">Compliant", ">Unknown", "Aliases"], rows.collect())
}
