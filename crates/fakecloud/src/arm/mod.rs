//! Azure Resource Manager: a generic store of resources at any depth and of any provider.
//!
//! Sources of the behaviour: Microsoft, "Azure REST API reference" and "Resource Manager resource providers" (addresses,
//! api-version), "Common error codes" (codes and messages), az-cli-recipe.md, 7 (spelling of paths).

mod action;
mod defaults;
pub(crate) mod graph_query;
mod links;
mod list;
mod operations;
mod path;
mod read;
mod statuses;
pub(crate) mod store;
mod write;

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::Value as Json;

use crate::http::{Reply, Request};
use crate::login;
use crate::service::{Service, error};
use crate::state::State;
use operations::Operations;
use path::ArmPath;
use store::Store;

/// What ARM remembers.
#[derive(Debug, Default)]
pub(crate) struct Arm {
    /// The resources.
    pub(crate) store: Store,
    /// Further rows of Resource Graph tables.
    pub(crate) rows: BTreeMap<String, Vec<Json>>,
    operations: Operations,
}

impl Arm {
    /// The next long-running operation on this kind fails.
    pub(crate) fn fail_next(&mut self, kind: &str, code: &str, message: &str) {
        self.operations.fail_next(kind, code, message);
    }
}

/// An error as ARM says it.
fn refuse(status: u16, code: &str, message: &str) -> Reply {
    error(Service::Arm, status, code, message)
}

/// Answers one call to ARM.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    let user = login::caller(state, request, Service::Arm)?;
    api_version(request)?;
    if request.path.eq_ignore_ascii_case("/providers/Microsoft.ResourceGraph/resources") {
        return graph_query::answer(state, request, &user);
    }
    let path = ArmPath::parse(&request.path);
    if let Some(reply) = operation(state, request, &path) {
        return Ok(reply);
    }
    exists(state, &path)?;
    let reply = match (&request.method, path.name.is_some()) {
        (&Method::GET, true) => read::get(state, request, &path),
        (&Method::HEAD, true) => read::head(state, &path),
        (&Method::GET, false) => list::list(state, request, &path),
        (&Method::PUT, true) => write::put(state, request, path),
        (&Method::PATCH, true) => write::patch(state, request, path),
        (&Method::DELETE, true) => write::delete(state, request, &path),
        (&Method::POST, false) => action::act(state, request, &path),
        _ => {
            let message = format!("The HTTP method '{}' is not supported at this address.", request.method);
            Err(refuse(405, "MethodNotAllowed", &message))
        }
    }?;
    let kind = if request.method == Method::GET || request.method == Method::HEAD { "reads" } else { "writes" };
    Ok(match kind {
        "reads" => reply.with("x-ms-ratelimit-remaining-subscription-reads", 11_999),
        _ => reply.with("x-ms-ratelimit-remaining-subscription-writes", 1_199),
    })
}

/// `2024-01-01`, possibly followed by `-preview` or the like.
fn api_version(request: &Request) -> Result<(), Reply> {
    let Some(version) = request.parameter("api-version").filter(|version| !version.is_empty()) else {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(refuse(400, "MissingApiVersionParameter", message));
    };
    let parts: Vec<&str> = version.splitn(4, '-').collect();
    let number = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [year, month, day] | [year, month, day, _] if number(year, 4) && number(month, 2) && number(day, 2) => Ok(()),
        _ => Err(refuse(400, "InvalidApiVersionParameter", &format!("The api-version '{version}' is invalid."))),
    }
}

/// Answers the addresses of long-running operations.
fn operation(state: &mut State, request: &Request, path: &ArmPath) -> Option<Reply> {
    let id = path.name.as_deref()?;
    let arm = &mut state.arm;
    // Only below locations: API Management has resources of a type `operations`.
    let found = match path.kind.to_lowercase().split_once('/').map(|(_, kind)| kind)? {
        "locations/operations" => arm.operations.status(&mut arm.store, request, id),
        "locations/operationresults" => arm.operations.outcome(&mut arm.store, request, id),
        _ => return None,
    };
    Some(found.unwrap_or_else(|| refuse(404, "NotFound", &format!("The entity '{id}' was not found."))))
}

/// Whether there are such a subscription, namespace and type.
fn exists(state: &State, path: &ArmPath) -> Result<(), Reply> {
    if let Some(subscription) = &path.subscription {
        if uuid::Uuid::try_parse(subscription).is_err() {
            let message = format!("The provided subscription identifier '{subscription}' is malformed or invalid.");
            return Err(refuse(400, "InvalidSubscriptionId", &message));
        }
        if state.arm.store.get(&format!("/subscriptions/{subscription}")).is_none() {
            let message = format!("The subscription '{subscription}' could not be found.");
            return Err(refuse(404, "SubscriptionNotFound", &message));
        }
    }
    if !path.namespace().contains('.') {
        let message = format!("The resource namespace '{}' is invalid.", path.namespace());
        return Err(refuse(404, "InvalidResourceNamespace", &message));
    }
    // The last word of an address without a name may be an action.
    if path.name.is_some() && statuses::is_invalid(&path.kind) {
        return Err(invalid_type(path));
    }
    Ok(())
}

fn invalid_type(path: &ArmPath) -> Reply {
    let (namespace, kind) = path.kind.split_once('/').unwrap_or_default();
    let message = format!(
        "The resource type '{kind}' could not be found in the namespace '{namespace}' for the given api-version."
    );
    refuse(404, "InvalidResourceType", &message)
}

fn group_missing(path: &ArmPath) -> Reply {
    let name = path.group.as_deref().unwrap_or_default();
    refuse(404, "ResourceGroupNotFound", &format!("Resource group '{name}' could not be found."))
}

fn missing(path: &ArmPath) -> Reply {
    if path.kind == "Microsoft.Resources/resourceGroups" {
        return group_missing(path);
    }
    let place = path.group.as_deref().map(|group| format!(" under resource group '{group}'")).unwrap_or_default();
    let message = format!(
        "The Resource '{}'{place} was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        path.label()
    );
    refuse(404, "ResourceNotFound", &message)
}
