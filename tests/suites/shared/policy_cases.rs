//! Evaluation cases of another engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_policy::azure::{AliasCatalogue, Definition, Question, Triggered, ask};

use super::table::check_listed;
use super::{json_lines, now, unpacked};

/// A member of a case, else of what its file sets for all its cases.
fn part<'c>(case: &'c Json, name: &str) -> Option<&'c Json> {
    case.get(name).or_else(|| case.get("common")?.get(name)).filter(|value| !value.is_null())
}

fn decide(case: &Json, catalogues: &BTreeMap<String, Arc<AliasCatalogue>>) -> Result<Option<Triggered>, String> {
    let policy = part(case, "policy_definition").or_else(|| part(case, "policy_rule")).ok_or("no policy")?;
    let policy: Json = match policy {
        Json::String(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
        other => other.clone(),
    };
    let aliases = part(case, "aliases").and_then(Json::as_str).unwrap_or_default();
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(str::to_owned);
    let version = text(part(case, "api_version"));
    let definition = Definition::from_json(&policy).map_err(|error| error.to_string())?;
    let compiled = definition.compile(&catalogues[aliases], version.as_deref()).map_err(|error| error.to_string())?;
    let awaited = part(case, "host_await").and_then(Json::as_array);
    let responses = awaited.into_iter().flatten().filter_map(|awaited| awaited.get("response").cloned());
    let parameters = part(case, "parameters").and_then(Json::as_object).cloned().unwrap_or_default();
    let request = part(case, "request_context").cloned().unwrap_or(Json::Null);
    let question = Question {
        resource: part(case, "resource").cloned().unwrap_or(Json::Null),
        parameters: parameters.into_iter().collect(),
        api_version: version.or_else(|| text(request.get("apiVersion"))),
        request,
        context: part(case, "context").cloned().unwrap_or(Json::Null),
        existing: responses.filter(|response| !response.is_null()).collect(),
        now: Some(now()),
    };
    ask(&compiled, &question)
}

fn is_as_wanted(case: &Json, outcome: &Result<Option<Triggered>, String>) -> bool {
    let wants = |name: &str| case.get(name).filter(|value| !value.is_null());
    if wants("want_parse_error").or(wants("want_compile_error")).is_some() {
        return outcome.is_err();
    }
    let Ok(triggered) = outcome else { return false };
    match (wants("want_effect").and_then(Json::as_str), triggered) {
        (Some(effect), Some(triggered)) => {
            triggered.effect == effect && wants("want_details").is_none_or(|details| *details == triggered.details)
        }
        (wanted, triggered) => wanted.is_none() && triggered.is_none(),
    }
}

#[test]
fn policies_do_what_another_engine_s_cases_want() {
    let mut catalogues = BTreeMap::from([(String::new(), Arc::new(AliasCatalogue::bundled()))]);
    for name in ["test_aliases.json", "versioned_aliases.json"] {
        let read = AliasCatalogue::from_provider_list(&unpacked(&format!("corpora/policy-cases/{name}"))).unwrap();
        catalogues.insert(name.to_owned(), Arc::new(read));
    }
    let cases = json_lines("corpora/policy-cases/cases.jsonl");
    let mut others = BTreeMap::new();
    for case in &cases {
        let outcome = decide(case, &catalogues);
        if !is_as_wanted(case, &outcome) {
            let ours = match outcome {
                Ok(Some(triggered)) => triggered.effect,
                Ok(None) => "no effect".to_owned(),
                Err(reason) => reason,
            };
            others
                .insert(case["id"].as_str().unwrap().to_owned(), format!("{}\t{ours}", case["note"].as_str().unwrap()));
        }
    }
    let right = cases.len() - others.len();
    let share = right as f64 * 100.0 / cases.len() as f64;
    println!("as wanted: {right} of {} ({share:.2} %)", cases.len());
    assert!(share >= 98.0, "{others:?}");
    check_listed("policy-cases.tsv", "case\tnote\tours\treason", &others);
}
