//! Runs the tests inside the recommendations.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use yagura_model::{
    Answer, Cloud, Document, Estate, EstateBuilder, Kind, Resource, ResourceId, Scope, Sink, Template, Timestamp,
};
use yagura_policy::Context;

use crate::catalogue::{Catalogue, CompiledRecommendation};
use crate::diagnostic::Diagnostic;
use crate::recommendation::{Expect, RelatedRow, Test, TestAnswer};
use crate::resource_type::TemplateValues;

/// What the tests inside the content said.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Tests that were run.
    pub tests: usize,
    /// One diagnostic for each test that did not come out as expected.
    pub failures: Vec<Diagnostic>,
}

/// Runs every test of every recommendation.
pub fn run_tests(catalogue: &Catalogue) -> CheckReport {
    let mut report = CheckReport::default();
    for recommendation in catalogue.recommendations() {
        for (position, test) in recommendation.source.tests.iter().enumerate() {
            report.tests += 1;
            if let Err(message) = run(catalogue, recommendation, test) {
                let message = format!("test {} of `{}`: {message}", position + 1, recommendation.source.title.en);
                report.failures.push(Diagnostic::error(&recommendation.file, "test", message));
            }
        }
    }
    report
}

/// 2026-01-01T00:00:00Z
const TEST_TIME: i64 = 1_767_225_600;

fn run(catalogue: &Catalogue, recommendation: &CompiledRecommendation, test: &Test) -> Result<(), String> {
    let bench = Bench::new(catalogue, recommendation, test)?;
    let now = match test.now {
        Some(now) => now,
        None => Timestamp::from_second(TEST_TIME).map_err(|error| error.to_string())?,
    };
    let id = bench.tested.id.clone();
    let estate = bench.estate();
    let resource = estate.by_id(&id).ok_or("the tested resource was replaced by a related one with its id")?;
    let context = Context { estate: &estate, now, parameters: test.parameters.as_ref() };
    let (verdict, evidence) = recommendation.rule.explain(&resource, &context);
    let quick = recommendation.rule.evaluate(&resource, &context);
    if quick != verdict {
        return Err(format!("evaluates to {:?} without evidence and to {verdict:?} with evidence", quick));
    }
    let got = match verdict {
        yagura_model::Verdict::Healthy => Expect::Healthy,
        yagura_model::Verdict::Unhealthy => Expect::Unhealthy,
        yagura_model::Verdict::NotApplicable => Expect::NotApplicable,
        yagura_model::Verdict::Unknown(_) => Expect::Unknown,
    };
    if got == test.expect {
        return Ok(());
    }
    let because: Vec<_> = evidence
        .iter()
        .map(|node| format!("{} found {} {} {}", node.path, node.found, node.operator, node.wanted))
        .collect();
    Err(format!("expected {:?}, got {verdict:?} ({})", test.expect, because.join("; ")))
}

/// The small estate that a test describes.
struct Bench<'a> {
    catalogue: &'a Catalogue,
    recommendation: &'a CompiledRecommendation,
    test: &'a Test,
    scope: Scope,
    region: &'a str,
    tested: Resource,
}

impl<'a> Bench<'a> {
    fn new(
        catalogue: &'a Catalogue,
        recommendation: &'a CompiledRecommendation,
        test: &'a Test,
    ) -> Result<Self, String> {
        let cloud = recommendation.cloud;
        let kind = match &test.kind {
            Some(kind) => kind,
            None => recommendation.source.applies_to.as_slice().first().ok_or("applies_to names no kind")?,
        };
        let scope = test_scope(cloud, kind);
        let region = test.region.as_deref().unwrap_or(match cloud {
            Cloud::Azure => "japaneast",
            Cloud::Aws => "us-east-1",
            Cloud::Gcp => "asia-northeast1",
        });
        let name = test.name.as_deref().unwrap_or("test");
        let id = match &test.id {
            Some(id) => id.replace("{scope}", scope.id()),
            None => default_id(catalogue, kind, &scope, region, name, &test.document),
        };
        let mut tested = resource(kind, &scope, region, &id, name, &test.document);
        attach(catalogue, &mut tested, &test.attached);
        Ok(Self { catalogue, recommendation, test, scope, region, tested })
    }

    fn estate(self) -> yagura_model::MemoryEstate {
        let mut builder = EstateBuilder::new();
        for kind in self.listed_kinds() {
            builder.held(self.recommendation.cloud, &kind);
        }
        for row in &self.test.related {
            let related = self.related(row);
            builder.resource(related);
        }
        builder.resource(self.tested);
        builder.finish(self.catalogue.kinds())
    }

    fn related(&self, row: &RelatedRow) -> Resource {
        let name = row.name.as_deref().unwrap_or("test");
        let region = row.region.as_deref().unwrap_or(self.region);
        let scope = match row.kind.as_str().to_ascii_lowercase().starts_with("microsoft.graph/") {
            true => test_scope(Cloud::Azure, &row.kind),
            false => self.scope.clone(),
        };
        let id = match &row.id {
            Some(id) => id.replace("{self}", self.tested.id.as_str()).replace("{scope}", self.scope.id()),
            None if row.kind.is_below(&self.tested.kind) => {
                let below = &row.kind.as_str()[self.tested.kind.as_str().len() + 1..];
                let mut id = self.tested.id.as_str().to_owned();
                let mut segments = below.split('/').peekable();
                while let Some(segment) = segments.next() {
                    let part = if segments.peek().is_some() { "default" } else { name };
                    id.push_str(&format!("/{segment}/{part}"));
                }
                id
            }
            None => default_id(self.catalogue, &row.kind, &scope, region, name, &row.document),
        };
        let mut related = resource(&row.kind, &scope, region, &id, name, &row.document);
        attach(self.catalogue, &mut related, &row.attached);
        related
    }

    /// Every kind that the rule may look for, but those that the test calls never listed.
    fn listed_kinds(&self) -> Vec<Kind> {
        let kinds = self.catalogue.kinds();
        let mut listed: Vec<Kind> = self.recommendation.rule.kinds_read().to_vec();
        let rows = self.test.related.iter().map(|row| &row.kind);
        let standing: Vec<Kind> =
            self.recommendation.source.applies_to.as_slice().iter().chain(rows).chain(&listed).cloned().collect();
        for kind in standing {
            if let Some(facts) = kinds.get(&kind) {
                listed.extend(facts.relations.values().flat_map(|relation| relation.kinds.iter().cloned()));
            }
            listed.push(kind);
        }
        let reached: Vec<Kind> = listed.clone();
        for kind in &reached {
            if let Some(facts) = kinds.get(kind) {
                listed.extend(facts.relations.values().flat_map(|relation| relation.kinds.iter().cloned()));
            }
        }
        listed.retain(|kind| !self.test.not_listed.contains(kind));
        listed
    }
}

fn test_scope(cloud: Cloud, kind: &Kind) -> Scope {
    match cloud {
        Cloud::Azure if kind.as_str().to_ascii_lowercase().starts_with("microsoft.graph/") => {
            Scope::tenant(cloud, "/tenants/00000000-0000-0000-0000-0000000000aa")
        }
        Cloud::Azure => Scope::account(cloud, "/subscriptions/00000000-0000-0000-0000-000000000001"),
        Cloud::Aws => Scope::account(cloud, "123456789012"),
        Cloud::Gcp => Scope::account(cloud, "projects/test-project"),
    }
}

fn default_id(catalogue: &Catalogue, kind: &Kind, scope: &Scope, region: &str, name: &str, document: &Json) -> String {
    match scope.cloud() {
        Cloud::Azure => azure_id(kind, scope, name, document),
        Cloud::Aws => {
            let item = Document::from(document);
            let values = TemplateValues { account: scope.id(), region, partition: "aws", params: None };
            let template = catalogue.resource_types().get(kind).and_then(|described| described.id.as_deref());
            let filled = template
                .and_then(|text| Template::parse(text).ok())
                .and_then(|text| values.fill(&text, item.root()).ok());
            filled.unwrap_or_else(|| {
                format!(
                    "arn:aws:{}:{region}:{}:{name}",
                    kind.as_str().to_ascii_lowercase().replace("::", "-"),
                    scope.id()
                )
            })
        }
        Cloud::Gcp => {
            let (service, what) = kind.as_str().split_once('/').unwrap_or((kind.as_str(), "thing"));
            match kind.as_str() {
                "cloudresourcemanager.googleapis.com/Project" => format!("//{service}/{}", scope.id()),
                _ => format!("//{service}/{}/{}s/{name}", scope.id(), what.to_ascii_lowercase()),
            }
        }
    }
}

fn azure_id(kind: &Kind, scope: &Scope, name: &str, document: &Json) -> String {
    if let Some(id) = document.get("id").and_then(Json::as_str).filter(|id| id.starts_with('/')) {
        return id.to_owned();
    }
    let (provider, types) = kind.as_str().split_once('/').unwrap_or((kind.as_str(), "things"));
    match (provider.to_ascii_lowercase().as_str(), types.to_ascii_lowercase().as_str()) {
        ("microsoft.graph", _) => {
            let id = document.get("id").and_then(Json::as_str).unwrap_or(name);
            return format!("/providers/{provider}/{types}/{id}");
        }
        ("microsoft.resources", "subscriptions") => return scope.id().to_owned(),
        ("microsoft.resources", "resourcegroups" | "subscriptions/resourcegroups") => {
            return format!("{}/resourceGroups/{name}", scope.id());
        }
        ("microsoft.authorization" | "microsoft.security", _) => {
            return format!("{}/providers/{provider}/{types}/{name}", scope.id());
        }
        _ => {}
    }
    let mut id = format!("{}/resourceGroups/test-group/providers/{provider}", scope.id());
    let mut segments = types.split('/').peekable();
    while let Some(segment) = segments.next() {
        let part = if segments.peek().is_some() { "test-parent" } else { name };
        id.push_str(&format!("/{segment}/{part}"));
    }
    id
}

fn resource(kind: &Kind, scope: &Scope, region: &str, id: &str, name: &str, document: &Json) -> Resource {
    let mut document = if document.is_null() { json!({}) } else { document.clone() };
    if scope.cloud() == Cloud::Azure
        && let Json::Object(fields) = &mut document
    {
        fields.entry("id").or_insert_with(|| id.into());
        fields.entry("name").or_insert_with(|| name.into());
        fields.entry("type").or_insert_with(|| kind.as_str().into());
    }
    let group = id.split_once("/resourceGroups/").and_then(|(_, rest)| rest.split('/').next()).map(Arc::from);
    Resource {
        id: ResourceId::new(scope.cloud(), id),
        kind: kind.clone(),
        cloud: scope.cloud(),
        scope: scope.clone(),
        group,
        name: name.into(),
        region: (!region.is_empty()).then(|| region.into()),
        observed_at: None,
        document: document.into(),
        attached: Vec::new(),
    }
}

/// Answers that the test writes; those it does not write count as absent.
fn attach(catalogue: &Catalogue, resource: &mut Resource, answers: &BTreeMap<String, TestAnswer>) {
    for (call, answer) in answers {
        match answer {
            TestAnswer::None => resource.attach(call.as_str().into(), Answer::Absent),
            TestAnswer::Found(found) => resource.attach(call.as_str().into(), Answer::Found(found.into())),
            TestAnswer::Unknown => {}
        }
    }
    let kinds = catalogue.kinds();
    let Some(facts) = kinds.get(&resource.kind) else { return };
    for call in &facts.attached {
        if !answers.keys().any(|written| written.eq_ignore_ascii_case(call)) {
            resource.attach(call.as_ref().into(), Answer::Absent);
        }
    }
}
