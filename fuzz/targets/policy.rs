//! Azure Policy and the condition language: every evaluation ends, and evidence does not change the verdict.
//!
//! Input: an expression, a definition or a rule of our own form on the first line; behind it the resource.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use serde_json::{Value as Json, json};
use yagura_fuzz::first_line;
use yagura_model::{
    Cloud, Document, EstateBuilder, Evidence, Kind, KindCatalogue, MemoryEstate, Resource, ResourceId, Scope,
    Timestamp, Verdict,
};
use yagura_policy::azure::{AliasCatalogue, Definition, Question, ask};
use yagura_policy::{Context, Rule, RuleSource};

static ALIASES: LazyLock<Arc<AliasCatalogue>> = LazyLock::new(|| Arc::new(AliasCatalogue::bundled()));
static NOWHERE: LazyLock<MemoryEstate> =
    LazyLock::new(|| EstateBuilder::new().finish(Arc::new(KindCatalogue::default())));

/// Comparisons that are kept of one verdict.
const MOST_EVIDENCE: usize = 100;

fuzz_target!(|data: &[u8]| {
    let Some((line, rest)) = first_line(data) else { return };
    let Ok(document) = serde_json::from_slice::<Json>(rest) else { return };
    let context = Context { estate: &*NOWHERE, now: Timestamp::UNIX_EPOCH, parameters: None };
    let resource = resource(&document);
    let source = match serde_json::from_str::<Json>(line) {
        Ok(source) => source,
        Err(_) => definition_of(line),
    };
    let parameters = BTreeMap::from([("p".to_owned(), json!(["a", "b"]))]);
    let rule = RuleSource { applies_when: None, unhealthy_when: &source, parameters: &parameters };
    if let Ok(rule) = Rule::compile(&rule) {
        check(rule.evaluate(&resource, &context), rule.explain(&resource, &context));
    }
    let Ok(definition) = Definition::from_json(&source) else { return };
    let Ok(policy) = definition.compile(&ALIASES, None) else { return };
    check(policy.evaluate(&resource, &context), policy.explain(&resource, &context));
    let question = Question { resource: document, existing: vec![json!({"type": "t"})], ..Question::default() };
    assert_eq!(ask(&policy, &question), ask(&policy, &question), "asked twice, answered differently");
});

/// A definition whose condition is an expression.
fn definition_of(expression: &str) -> Json {
    json!({
        "mode": "All",
        "parameters": {"p": {"defaultValue": ["a", "b"]}},
        "policyRule": {"if": {"value": format!("[{expression}]"), "exists": true}, "then": {"effect": "audit"}},
    })
}

fn resource(document: &Json) -> Resource {
    let text = |name: &str| document.get(name).and_then(Json::as_str).unwrap_or_default();
    Resource {
        scope: Scope::account(Cloud::Azure, "/subscriptions/11111111-1111-1111-1111-111111111111"),
        id: ResourceId::new(Cloud::Azure, text("id")),
        kind: Kind::new(text("type")),
        cloud: Cloud::Azure,
        group: None,
        name: text("name").into(),
        region: None,
        observed_at: None,
        document: Document::from(document),
        attached: Vec::new(),
    }
}

fn check(verdict: Verdict, explained: (Verdict, Vec<Evidence>)) {
    assert_eq!(verdict.status(), explained.0.status(), "{verdict:?} without evidence, {:?} with it", explained.0);
    assert!(explained.1.len() <= MOST_EVIDENCE, "{} comparisons", explained.1.len());
}
