//! Single questions: what would this policy do with this resource?

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Cloud, Document, EstateBuilder, Kind, KindCatalogue, Resource, ResourceId, Scope, Timestamp};

use super::definition::{CompiledPolicy, Triggered, member, text_member};
use crate::evaluate::Surroundings;
use crate::rule::Context;

/// One question to a policy.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The resource, as Resource Manager writes it.
    pub resource: Json,
    /// Values of parameters over the definition's defaults.
    pub parameters: BTreeMap<String, Json>,
    /// The API version of the request, read by `requestContext()` and the field `apiVersion`.
    pub api_version: Option<String>,
    /// More of `requestContext()`; null = nothing.
    pub request: Json,
    /// `resourceGroup`, `subscription`, `policy`, `requestContext` and `utcNow` as those functions give them; null = what
    /// the resource's id says.
    pub context: Json,
    /// The resources that an effect's existence check finds; none = nothing exists.
    pub existing: Vec<Json>,
    /// The moment of the question.
    pub now: Option<Timestamp>,
}

/// Asks a policy one question. The error says why it cannot be answered.
pub fn ask(policy: &CompiledPolicy, question: &Question) -> Result<Option<Triggered>, String> {
    let mut document = question.resource.clone();
    if let (Some(version), Json::Object(members)) = (&question.api_version, &mut document) {
        members.entry("apiVersion").or_insert_with(|| version.as_str().into());
    }
    let resource = resource_of(&document);
    let part = |name: &str| member(&question.context, name).cloned().unwrap_or(Json::Null);
    let mut request = if question.request.is_null() { part("requestContext") } else { question.request.clone() };
    if let Some(version) = question.api_version.as_ref().filter(|_| member(&request, "apiVersion").is_none()) {
        if !request.is_object() {
            request = Json::Object(serde_json::Map::new());
        }
        if let Json::Object(members) = &mut request {
            members.insert("apiVersion".to_owned(), version.as_str().into());
        }
    }
    let surroundings = Surroundings {
        request,
        resource_group: part("resourceGroup"),
        subscription: part("subscription"),
        policy: part("policy"),
        found: Some(question.existing.iter().map(|row| Arc::new(resource_of(row))).collect()),
    };
    let estate = EstateBuilder::new().finish(Arc::new(KindCatalogue::default()));
    let stated = member(&question.context, "utcNow").and_then(Json::as_str).and_then(|time| time.parse().ok());
    let now = stated.or(question.now).unwrap_or(Timestamp::UNIX_EPOCH);
    let context = Context { estate: &estate, now, parameters: Some(&question.parameters) };
    policy.ask(&resource, &context, &surroundings).map_err(|cause| cause.to_string())
}

/// A resource that stands alone: its envelope comes from its own JSON.
fn resource_of(document: &Json) -> Resource {
    let id = text_member(document, "id");
    let subscription: Vec<&str> = id.split('/').take(3).collect();
    let group = id.to_ascii_lowercase().find("/resourcegroups/").and_then(|at| {
        let rest = id.get(at + "/resourcegroups/".len()..)?;
        rest.split('/').next().filter(|name| !name.is_empty()).map(Arc::from)
    });
    let name = text_member(document, "name");
    Resource {
        scope: Scope::account(Cloud::Azure, &subscription.join("/")),
        id: ResourceId::new(Cloud::Azure, id.as_str()),
        kind: Kind::new(text_member(document, "type")),
        cloud: Cloud::Azure,
        group,
        name: name.into(),
        region: member(document, "location").and_then(Json::as_str).map(Arc::from),
        observed_at: None,
        document: Document::from(document),
        attached: Vec::new(),
    }
}
