//! Reading one resource.

use serde_json::{Value as Json, json};

use super::path::ArmPath;
use super::{group_missing, missing, statuses};
use crate::http::{Reply, Request};
use crate::state::State;

/// Answers GET of a resource.
pub(super) fn get(state: &mut State, request: &Request, path: &ArmPath) -> Result<Reply, Reply> {
    if path.kind == "Microsoft.Resources/providers" {
        return Ok(Reply::ok(provider(path)));
    }
    let arm = &mut state.arm;
    arm.operations.poll_target(&mut arm.store, &path.id);
    match arm.store.rendered(&path.id) {
        Some(mut found) => {
            let expands = request.parameter("$expand").is_some_and(|expand| expand.contains("instanceView"));
            if expands && path.kind == "Microsoft.Compute/virtualMachines" {
                found["properties"]["instanceView"] = instance_view(&found);
            }
            hide(&mut found);
            Ok(Reply::ok(found))
        }
        None => Err(absent(state, path)),
    }
}

/// Answers HEAD: whether there is such a resource.
pub(super) fn head(state: &State, path: &ArmPath) -> Result<Reply, Reply> {
    Ok(Reply::empty(if state.arm.store.get(&path.id).is_some() { 204 } else { 404 }))
}

/// Why there is nothing: first the group is looked for, then the resource.
pub(super) fn absent(state: &State, path: &ArmPath) -> Reply {
    match path.group_id() {
        Some(group) if state.arm.store.get(&group).is_none() => group_missing(path),
        _ => missing(path),
    }
}

/// Takes out what the fake notes in a document for itself.
pub(super) fn hide(found: &mut Json) {
    if let Some(members) = found.as_object_mut() {
        members.remove("fakePowerState");
    }
}

/// Source: Microsoft, "Virtual Machines - Instance View".
pub(super) fn instance_view(machine: &Json) -> Json {
    let power = machine["fakePowerState"].as_str().unwrap_or("PowerState/running");
    let words = power.trim_start_matches("PowerState/");
    json!({
        "vmAgent": { "vmAgentVersion": "2.7.41.1", "statuses": [{ "code": "ProvisioningState/succeeded",
        "level": "Info", "displayStatus": "Ready" }] },
        "statuses": [
            { "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded" },
            { "code": power, "level": "Info", "displayStatus": format!("VM {words}") },
        ],
    })
}

/// Source: Microsoft, "Providers - Get".
pub(super) fn provider(path: &ArmPath) -> Json {
    let namespace = path.name.as_deref().unwrap_or_default();
    let own = statuses::types_of(namespace).into_iter().map(|(kind, version)| {
        json!({ "resourceType": kind, "locations": ["Japan East", "East US"], "apiVersions": [version],
            "capabilities": "SupportsTags, SupportsLocation" })
    });
    json!({
        "id": path.id, "namespace": namespace, "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": own.collect::<Vec<_>>(),
    })
}
