//! The answers that hang under users, roles, groups and managed policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use yagura_model::{Answer, Cloud, Estate, Kind, ResourceId, Scope, Within};

use super::account::{Account, GROUP, POLICY, Principal, ROLE, USER};
use super::judge::{Escalation, Judged, judge};
use super::primitives::Primitives;

/// The name under which an answer hangs.
pub const ANSWER: &str = "Escalations";

/// What every principal of AWS can escalate to, as answers under their resources.
///
/// An answer is `{administrator, found: [{primitive, name, effect, permissions: [{action, policy, statement}], through,
/// conditional, summary}]}`; `summary` is all of it in one line. Where nothing was found and something is not known that could open a way, the answer is a failed
/// one with the cause. Service-linked roles and policies of AWS get none: nobody can change them.
pub fn derive(estate: &dyn Estate, primitives: &Primitives, now: Timestamp) -> Vec<(ResourceId, Arc<str>, Answer)> {
    let kinds = [USER, ROLE, GROUP, POLICY];
    let held = kinds.iter().flat_map(|kind| estate.of_kind(&Kind::new(*kind), Within::Cloud(Cloud::Aws)));
    let scopes: BTreeSet<Scope> = held.map(|resource| resource.scope.clone()).collect();
    let mut answers = Vec::new();
    for scope in scopes {
        let account = Account::read(estate, &scope);
        let mut add = |arn: &str, answer: Answer| {
            answers.push((ResourceId::new(Cloud::Aws, arn), Arc::from(ANSWER), answer));
        };
        let principals = account.users.iter().chain(&account.roles).chain(&account.groups);
        for principal in principals.filter(|one| !one.arn.contains(":role/aws-service-role/")) {
            add(&principal.arn, answer_of(&account, principal, primitives, now));
        }
        for policy in estate.of_kind(&Kind::new(POLICY), Within::Scope(&scope)) {
            let arn = policy.id.as_str();
            if arn.contains(":iam::aws:") {
                continue;
            }
            add(
                arn,
                match account.policy(arn) {
                    Ok(policy) => answer_of(&account, &policy, primitives, now),
                    Err(cause) => Answer::Failed(cause),
                },
            );
        }
    }
    answers
}

fn answer_of(account: &Account, principal: &Principal, primitives: &Primitives, now: Timestamp) -> Answer {
    let Judged { administrator, found, gaps } = judge(account, principal, primitives, now);
    match gaps.into_iter().next() {
        Some(cause) if found.is_empty() && !administrator => Answer::Failed(cause),
        _ => {
            let found: Vec<Json> = found.iter().map(written).collect();
            Answer::Found(json!({ "administrator": administrator, "found": found }).into())
        }
    }
}

fn written(found: &Escalation) -> Json {
    let permissions = found.permissions.iter();
    json!({
        "primitive": found.primitive,
        "name": found.name.en,
        "effect": found.effect.as_str(),
        "permissions": permissions
            .map(|held| json!({"action": held.action, "policy": &*held.policy, "statement": held.statement}))
            .collect::<Vec<_>>(),
        "through": found.through,
        "conditional": found.conditional,
        "summary": summary(found),
    })
}

/// Evidence is cut after some 300 characters: what it leads through stands first, and names are without their account.
fn summary(found: &Escalation) -> String {
    let mut text = found.primitive.clone();
    if found.conditional {
        text.push_str(" (hangs on something that is not known)");
    }
    if !found.through.is_empty() {
        let through: Vec<_> = found.through.iter().map(|arn| short(arn)).collect();
        text.push_str(&format!(" through {}", through.join(", ")));
    }
    let permissions = found.permissions.iter();
    let granted: Vec<_> = permissions.map(|held| format!("{} by {}", held.action, short(&held.policy))).collect();
    text.push_str(&format!(": {} ({})", found.name.en, granted.join(", ")));
    text
}

/// The last part of an ARN, or the name of an inline policy.
fn short(name: &str) -> &str {
    let name = name.split(" (").next().unwrap_or(name);
    name.splitn(6, ':').nth(5).unwrap_or(name)
}
