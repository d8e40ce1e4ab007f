//! Labelled cases of identities: documents of policies and a request, with the verdict that the vendor's rules give.

use std::sync::Arc;

use serde_json::Value as Json;
use yagura_content::{Catalogue, Layer, shipped};
use yagura_graph::escalation::{Account, Primitives, Principal, Sort, judge};
use yagura_graph::identity::aws::{
    Caller, Context, Form, KeyState, Keys, Layers, Outcome, Policy, PolicySet, Request, ResourceSide, Rest,
};
use yagura_model::{Document, Timestamp};

/// The rows of a file of `cases`.
pub fn cases(file: &str) -> Vec<Json> {
    let path = format!("{}/cases/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a case a line")).collect()
}

fn set(documents: &[&Json], form: Form) -> PolicySet {
    PolicySet::of(documents.iter().enumerate().map(|(position, document)| {
        let document = Document::from(*document);
        let policy = Policy::parse(format!("policy {position}"), document.root(), form);
        Arc::new(policy.unwrap_or_else(|fault| panic!("{document:?}: {fault}")))
    }))
}

fn list(value: &Json) -> Vec<&Json> {
    value.as_array().map(|items| items.iter().collect()).unwrap_or_default()
}

fn levels(value: &Json, form: Form) -> Vec<PolicySet> {
    list(value).into_iter().map(|level| set(&list(level), form)).collect()
}

fn caller(principal: &Json) -> Caller {
    let text = |name: &str| principal[name].as_str();
    match (text("type"), text("arn")) {
        (Some("user"), Some(arn)) => Caller::user(arn),
        (Some("role"), Some(arn)) => Caller::role(arn, text("session_arn")),
        (Some("service"), _) => Caller::service(text("service").expect("a service has a name")),
        (Some("federated"), _) => Caller::federated(text("provider").expect("a provider is named")),
        _ => panic!("{principal} is no principal"),
    }
}

fn context(written: &Json) -> Keys {
    let mut keys = Keys::new();
    for (key, value) in written.as_object().expect("a context is an object") {
        let values = match value {
            Json::Array(values) => values.iter().map(|one| one.as_str().expect("texts").to_owned()).collect(),
            one => vec![one.as_str().expect("a text").to_owned()],
        };
        keys.set(key, KeyState::Present(values));
    }
    keys
}

fn decide(case: &Json) -> Outcome {
    let caller = caller(&case["principal"]);
    let keys = context(&case["request"]["context"]);
    let identity = set(&list(&case["identity_policies"]), Form::Identity);
    let boundary = case.get("permissions_boundary").map(|document| set(&[document], Form::Identity));
    let session = case.get("session_policies").map(|documents| set(&list(documents), Form::Identity));
    let is_management = case["principal_account_is_management"].as_bool() == Some(true);
    let service_control = if is_management { Vec::new() } else { levels(&case["scps"], Form::Identity) };
    let resource_control = levels(&case["rcps"], Form::Resource);
    let resource_policy = case.get("resource_policy").map(|document| set(&[document], Form::Resource));
    let layers = Layers {
        identity: vec![&identity],
        boundary: boundary.as_ref(),
        session: session.as_ref(),
        service_control: &service_control,
        resource_control: &resource_control,
        resource: ResourceSide {
            account: case["resource_account"].as_str(),
            policy: resource_policy.as_ref(),
            policy_required: case["resource_policy_required"].as_bool() == Some(true),
        },
    };
    let layered = [&keys];
    let request = Request {
        caller: &caller,
        action: case["request"]["action"].as_str().expect("an action"),
        resource: case["request"]["resource"].as_str().expect("a resource"),
        context: Context::new(&layered, Rest::Absent),
    };
    request.decide(&layers).outcome
}

#[test]
fn requests_to_aws_end_as_its_rules_say() {
    let cases = cases("aws_iam_eval.jsonl");
    let mut wrong = Vec::new();
    for case in &cases {
        let got = match decide(case) {
            Outcome::Allow => "allow",
            Outcome::ImplicitDeny => "implicitDeny",
            Outcome::ExplicitDeny => "explicitDeny",
            Outcome::Conditional => "conditional",
        };
        if case["expect"] != got {
            wrong.push(format!("{} {}: {} expected, got {got}", case["id"], case["rule"], case["expect"]));
        }
    }
    assert_eq!(cases.len(), 285);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The shipped content.
fn catalogue() -> Catalogue {
    let (catalogue, diagnostics) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    catalogue
}

/// 2026-06-01T00:00:00Z
fn now() -> Timestamp {
    Timestamp::from_second(1_780_272_000).expect("a moment")
}

/// What is open to somebody who holds these policies alone, in an account of which nothing is known.
fn open(documents: &[&Json], primitives: &Primitives) -> Vec<(String, bool)> {
    let principal = Principal::of("arn:aws:iam::123456789012:policy/p", Sort::Policy, set(documents, Form::Identity));
    let judged = judge(&Account::unknown(), &principal, primitives, now());
    judged.found.into_iter().map(|found| (found.primitive, found.conditional)).collect()
}

#[test]
fn escalations_are_found_and_traps_are_not() {
    let catalogue = catalogue();
    let primitives = Primitives::new(catalogue.escalations());
    let cases = cases("aws_privesc_detection.jsonl");
    let mut wrong = Vec::new();
    for case in &cases {
        let found = open(&list(&case["policies"]), &primitives);
        let wanted = list(&case["expect_primitive_ids_at_least_one_of"]);
        let fits = match case["expect_escalation_possible"].as_bool() {
            Some(true) => found.iter().any(|(id, _)| wanted.iter().any(|one| one == &id)),
            _ => found.is_empty(),
        };
        if !fits {
            wrong.push(format!("{}: {wanted:?} expected, got {found:?}", case["id"]));
        }
    }
    assert_eq!(cases.len(), 23);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_primitive_is_open_with_its_permissions_and_shut_without_one_of_them() {
    let catalogue = catalogue();
    let primitives = Primitives::new(catalogue.escalations());
    let mut tried = 0;
    for primitive in catalogue.escalations().iter().filter(|primitive| primitive.reported) {
        let actions: Vec<&str> = primitive.permissions.iter().map(|permission| permission.action.as_str()).collect();
        let policy = |actions: &[&str]| {
            let statement = serde_json::json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
            serde_json::json!({"Version": "2012-10-17", "Statement": statement})
        };
        let is_open = |document: &Json| open(&[document], &primitives).contains(&(primitive.id.clone(), false));
        assert!(is_open(&policy(&actions)), "{} is not open", primitive.id);
        tried += 1;
        for left_out in &actions {
            let fewer: Vec<&str> = actions.iter().copied().filter(|action| action != left_out).collect();
            if !fewer.is_empty() {
                assert!(!is_open(&policy(&fewer)), "{} is open without {left_out}", primitive.id);
            }
        }
    }
    assert!(tried > 100, "{tried} primitives");
}
