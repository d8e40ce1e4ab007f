//! Every public policy definition, read, compiled, and evaluated over an estate.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Cause, Cloud, Estate, Resource, Status, Verdict, Within};
use yagura_policy::Context;
use yagura_policy::azure::{AliasCatalogue, CompiledPolicy, Definition};

use super::table::check_listed;
use super::{estate_of, json_lines, now, unpacked};

fn is_live(definition: &Json) -> bool {
    let properties = &definition["properties"];
    let deprecated = properties["metadata"]["deprecated"] == Json::Bool(true)
        || properties["displayName"].as_str().is_some_and(|name| name.starts_with("[Deprecated]"));
    !deprecated
}

#[test]
fn live_definitions_load_and_the_rest_are_refused_by_name() {
    let aliases = Arc::new(AliasCatalogue::bundled());
    let mut refused = BTreeMap::new();
    let mut live = 0;
    for definition in json_lines("corpora/azure-policy/definitions.jsonl.zst").iter().filter(|own| is_live(own)) {
        live += 1;
        let compiled = Definition::from_json(definition).and_then(|read| read.compile(&aliases, None));
        if let Err(error) = compiled {
            let name = definition["name"].as_str().unwrap().to_owned();
            refused.insert(name, format!("{}\t{error}", definition["properties"]["displayName"].as_str().unwrap()));
        }
    }
    let loaded = live - refused.len();
    println!("live definitions loaded: {loaded} of {live} ({:.2} %)", loaded as f64 * 100.0 / live as f64);
    assert!(loaded * 100 >= live * 99, "{refused:?}");
    check_listed("azure-policy.tsv", "definition\ttitle\terror\treason", &refused);
}

/// Definitions that resources alone decide: no text-only, manual or data-plane ones, and none about requests.
fn is_decidable(definition: &Json) -> bool {
    let properties = &definition["properties"];
    let mode = properties["mode"].as_str().unwrap_or_default().to_ascii_lowercase();
    let literal = properties["policyRule"]["then"]["effect"].as_str().filter(|effect| !effect.starts_with('['));
    let effect = literal.or_else(|| properties["parameters"]["effect"]["defaultValue"].as_str()).unwrap_or_default();
    let elsewhere = ["manual", "auditaction", "denyaction"].contains(&effect.to_ascii_lowercase().as_str());
    is_live(definition) && ["all", "indexed"].contains(&mode.as_str()) && !elsewhere
}

fn candidates(policy: &CompiledPolicy, estate: &yagura_model::MemoryEstate) -> Vec<Arc<Resource>> {
    match policy.kinds() {
        Some(kinds) => kinds.iter().flat_map(|kind| estate.of_kind(kind, Within::Cloud(Cloud::Azure))).collect(),
        None => estate.resources().to_vec(),
    }
}

#[test]
fn decidable_definitions_evaluate_over_an_estate_without_an_engine_error() {
    let aliases = Arc::new(AliasCatalogue::bundled());
    let (estate, _) = estate_of("resources.jsonl", &unpacked("estates/azure-psrule/resources.jsonl.zst"));
    let none = BTreeMap::new();
    let context = Context { estate: &estate, now: now(), parameters: Some(&none) };
    let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
    let (mut definitions, mut undecided) = (0, BTreeMap::new());
    for definition in json_lines("corpora/azure-policy/definitions.jsonl.zst").iter().filter(|own| is_decidable(own)) {
        let Ok(policy) = Definition::from_json(definition).and_then(|read| read.compile(&aliases, None)) else {
            continue;
        };
        definitions += 1;
        for resource in candidates(&policy, &estate) {
            let verdict = policy.evaluate(&resource, &context);
            *counts.entry(verdict.status()).or_default() += 1;
            if let Verdict::Unknown(Cause::Undecidable(what)) = verdict {
                // A parameter without a default has no value until somebody assigns the policy.
                if !what.contains("has no value") {
                    *undecided.entry(what.to_string()).or_insert(0) += 1;
                }
            }
        }
    }
    println!("{definitions} decidable definitions, evaluations by status: {counts:?}");
    println!("undecided for another reason than a missing parameter: {undecided:#?}");
    assert!(definitions >= 1_641, "{definitions}");
    assert!(undecided.is_empty(), "{undecided:#?}");
}
