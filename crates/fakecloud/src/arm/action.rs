//! POST: actions on resources. Those that the SDK run and the product need; others are given by `Running::answer`.
//!
//! Sources: Microsoft, "Storage Accounts - List Keys", "Virtual Machines - Start", "Disks - Grant Access", "Providers -
//! Register" (REST), and the accepted statuses of the SDKs (POST of machines and disks: 200, 202).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};

use super::operations::Effect;
use super::path::ArmPath;
use super::read::{absent, provider};
use super::refuse;
use super::write::{started, started_with};
use crate::http::{Reply, Request};
use crate::state::State;

/// Answers POST; the last word of the address is what is to be done.
pub(super) fn act(state: &mut State, request: &Request, path: &ArmPath) -> Result<Reply, Reply> {
    let target = ArmPath::parse(&path.parent);
    let word = path.word().to_lowercase();
    if word == "checknameavailability" {
        return Ok(Reply::ok(json!({ "nameAvailable": true })));
    }
    if target.kind == "Microsoft.Resources/providers" || path.id.ends_with("/register") {
        let id = path.id.trim_end_matches("/register");
        return Ok(Reply::ok(provider(&ArmPath::parse(id))));
    }
    if state.arm.store.get(&target.id).is_none() {
        return Err(absent(state, &target));
    }
    match (target.kind.as_str(), word.as_str()) {
        ("Microsoft.Storage/storageAccounts", "listkeys" | "regeneratekey") => Ok(Reply::ok(keys(state, &target))),
        ("Microsoft.Compute/virtualMachines", word) if power(word).is_some() => {
            let effect = power(word).map_or(Effect::Nothing, Effect::Power);
            Ok(started(state, request, &target, effect, "Updating", Reply::empty(202)))
        }
        ("Microsoft.Compute/disks" | "Microsoft.Compute/snapshots", "begingetaccess") => {
            let address = format!("{}/_blob{}?sig=fake", request.base, target.id);
            let result = json!({ "accessSAS": address });
            Ok(started_with(state, request, &target, Effect::Nothing, "Updating", Reply::empty(202), Some(result)))
        }
        ("Microsoft.Compute/disks" | "Microsoft.Compute/snapshots", "endgetaccess") => {
            Ok(started(state, request, &target, Effect::Nothing, "Updating", Reply::empty(202)))
        }
        _ => {
            let message = format!(
                "The fake cloud does not play the action '{}' of '{}'; give it an answer.",
                path.word(),
                target.kind
            );
            Err(refuse(404, "InvalidAction", &message))
        }
    }
}

/// The state that an action leaves a machine in.
fn power(word: &str) -> Option<&'static str> {
    match word {
        "start" | "restart" | "redeploy" | "reimage" => Some("PowerState/running"),
        "poweroff" => Some("PowerState/stopped"),
        "deallocate" => Some("PowerState/deallocated"),
        _ => None,
    }
}

fn keys(state: &State, account: &ArmPath) -> Json {
    let created = state.clock.now().to_string();
    let key = |name: &str| {
        let value = BASE64_STANDARD.encode(format!("fake {name} of {}", account.id));
        json!({ "keyName": name, "value": value, "permissions": "FULL", "creationTime": created })
    };
    json!({ "keys": [key("key1"), key("key2")] })
}
