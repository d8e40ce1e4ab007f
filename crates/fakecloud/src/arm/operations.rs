//! Long-running operations: what a write has started and how far it is.
//!
//! Source: Microsoft, "Track asynchronous Azure operations" (Azure-AsyncOperation, Location, the states, Retry-After).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::path::ArmPath;
use super::store::{Pending, Store};
use crate::http::{Reply, Request};

/// What happens when an operation is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The resource is what was written.
    Written,
    /// The resource is gone.
    Deleted,
    /// The machine is in this power state (`PowerState/running`).
    Power(&'static str),
    /// Nothing changes.
    Nothing,
}

#[derive(Clone, Debug)]
struct Operation {
    target: String,
    effect: Effect,
    /// How often it still says `InProgress`.
    left: u32,
    state: &'static str,
    /// What it failed with, or will.
    failure: Option<(String, String)>,
    /// What the result address answers; none = the resource, or nothing.
    result: Option<Json>,
    started: String,
}

/// All operations.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    all: BTreeMap<String, Operation>,
    failing: Vec<(String, String, String)>,
}

/// An operation that is about to start.
pub(crate) struct Start<'s> {
    /// Its id.
    pub(crate) id: String,
    /// The resource it is about.
    pub(crate) target: &'s ArmPath,
    /// What happens at its end.
    pub(crate) effect: Effect,
    /// What its result address answers.
    pub(crate) result: Option<Json>,
    /// How often it says `InProgress`.
    pub(crate) polls: u32,
    /// The moment.
    pub(crate) now: String,
}

impl Operations {
    /// The next operation on this kind fails.
    pub(crate) fn fail_next(&mut self, kind: &str, code: &str, message: &str) {
        self.failing.push((kind.to_lowercase(), code.to_owned(), message.to_owned()));
    }

    /// Starts one; the resource shows that it is being worked on.
    pub(crate) fn start(&mut self, store: &mut Store, start: Start<'_>, phase: &'static str) {
        let kind = start.target.kind.to_lowercase();
        let failure = self.failing.iter().position(|(failing, _, _)| *failing == kind);
        let failure = failure.map(|at| self.failing.remove(at)).map(|(_, code, message)| (code, message));
        if let Some(stored) = store.get_mut(&start.target.id) {
            stored.pending = Some(Pending { phase, operation: start.id.clone() });
        }
        let operation = Operation {
            target: start.target.id.clone(),
            effect: start.effect,
            left: start.polls,
            state: "InProgress",
            failure,
            result: start.result,
            started: start.now,
        };
        self.all.insert(start.id, operation);
    }

    /// Asks an operation how it is, which is what moves it on. False = there is no such operation.
    pub(crate) fn poll(&mut self, store: &mut Store, id: &str) -> bool {
        let Some(operation) = self.all.get_mut(id) else { return false };
        if operation.state != "InProgress" {
            return true;
        }
        if operation.left > 0 {
            operation.left -= 1;
            return true;
        }
        operation.state = if operation.failure.is_some() { "Failed" } else { "Succeeded" };
        let own = |pending: &Pending| pending.operation == id;
        let Some(stored) = store.get_mut(&operation.target) else { return true };
        // A later write has taken over.
        if !stored.pending.as_ref().is_some_and(own) {
            return true;
        }
        stored.pending = None;
        match (&operation.effect, operation.failure.is_some()) {
            (Effect::Deleted, false) => {
                store.remove(&operation.target);
            }
            (Effect::Written, true) => {
                if let Some(properties) = stored.document.get_mut("properties").and_then(Json::as_object_mut) {
                    properties.insert("provisioningState".to_owned(), "Failed".into());
                }
            }
            (Effect::Power(state), false) => {
                stored.document.insert("fakePowerState".to_owned(), (*state).into());
            }
            _ => (),
        }
        true
    }

    /// Reading a resource moves on what is being done to it: some clients look there only.
    pub(crate) fn poll_target(&mut self, store: &mut Store, id: &str) {
        let pending = store.get(id).and_then(|stored| stored.pending.clone());
        if let Some(pending) = pending {
            self.poll(store, &pending.operation);
        }
    }

    /// Answers `.../operations/{id}` (Azure-AsyncOperation); none = there is no such operation.
    pub(crate) fn status(&mut self, store: &mut Store, request: &Request, id: &str) -> Option<Reply> {
        self.poll(store, id).then_some(())?;
        let operation = self.all.get(id)?;
        let mut body = json!({
            "id": request.path, "name": id, "status": operation.state, "startTime": operation.started,
        });
        match (&operation.failure, operation.state) {
            (_, "InProgress") => {
                body["percentComplete"] = 50.into();
                return Some(Reply::ok(body).with("retry-after", 0));
            }
            (Some((code, message)), _) => body["error"] = json!({ "code": code, "message": message }),
            (None, _) => {
                body["endTime"] = operation.started.as_str().into();
                if let Some(result) = &operation.result {
                    body["properties"] = json!({ "output": result });
                }
            }
        }
        Some(Reply::ok(body))
    }

    /// Answers `.../operationResults/{id}` (Location); none = there is no such operation.
    pub(crate) fn outcome(&mut self, store: &mut Store, request: &Request, id: &str) -> Option<Reply> {
        self.poll(store, id).then_some(())?;
        let operation = self.all.get(id)?;
        if operation.state == "InProgress" {
            let version = request.parameter("api-version").unwrap_or_default();
            let here = format!("{}{}?api-version={version}", request.base, request.path);
            return Some(Reply::empty(202).with("location", here).with("retry-after", 0));
        }
        if let Some((code, message)) = &operation.failure {
            return Some(Reply::new(409, json!({ "error": { "code": code, "message": message } })));
        }
        let body = operation.result.clone().or_else(|| match operation.effect {
            Effect::Written => store.rendered(&operation.target),
            _ => None,
        });
        Some(match (body, &operation.effect) {
            (Some(body), _) => Reply::ok(body),
            (None, Effect::Deleted) => Reply::empty(204),
            (None, _) => Reply::empty(200),
        })
    }
}

/// The addresses of an operation: (Azure-AsyncOperation, Location).
pub(crate) fn addresses(request: &Request, target: &ArmPath, id: &str) -> (String, String) {
    let version = request.parameter("api-version").unwrap_or_default();
    let scope = target.subscription.as_deref().map(|own| format!("/subscriptions/{own}")).unwrap_or_default();
    let place = format!("{}{scope}/providers/{}/locations/fake", request.base, target.namespace());
    let address = |word: &str| format!("{place}/{word}/{id}?api-version={version}");
    (address("operations"), address("operationResults"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_says_in_progress_and_then_what_came_of_it() {
        let (mut store, mut operations) = (Store::default(), Operations::default());
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d";
        store.put_plain(id, json!({ "properties": { "provisioningState": "Succeeded" } }));
        let target = ArmPath::parse(id);
        let begin = |name: &str, effect| Start {
            id: name.to_owned(),
            target: &target,
            effect,
            result: None,
            polls: 1,
            now: String::new(),
        };
        operations.fail_next("microsoft.compute/DISKS", "Quota", "no more");
        let state = |store: &Store| {
            store.rendered(id).map(|disk| disk["properties"]["provisioningState"].as_str().unwrap().to_owned())
        };
        operations.start(&mut store, begin("one", Effect::Written), "Creating");
        assert_eq!(state(&store).as_deref(), Some("Creating"));
        assert!(operations.poll(&mut store, "one") && operations.poll(&mut store, "one"));
        assert_eq!(state(&store).as_deref(), Some("Failed"));
        operations.start(&mut store, begin("two", Effect::Deleted), "Deleting");
        operations.poll_target(&mut store, id);
        assert_eq!(state(&store).as_deref(), Some("Deleting"));
        operations.poll_target(&mut store, id);
        assert_eq!(state(&store), None);
        assert!(!operations.poll(&mut store, "three"));
    }
}
