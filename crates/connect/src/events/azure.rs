//! Azure: Event Grid events, in both schemas, and entries of the Activity Log.
//!
//! Sources: "Azure subscription as an Event Grid source", "Event Grid event schema", "CloudEvents v1.0 schema with Azure
//! Event Grid", "Activity Logs - List" (Azure Monitor REST API), "Azure Activity Log event schema".

use std::borrow::Cow;

use base64::Engine;
use yagura_model::{Cloud, Document, Value};

use super::{Change, ChangeEvent, LONGEST_MESSAGE, Parsed, Passed, Refusal, Subject, actor, read, text, time, usable};

/// How the name of an action begins that reads (`listKeys/action`).
const READING_ACTIONS: [&str; 4] = ["list", "get", "validate", "check"];
/// Claims of a token that say who it is of, for people.
const CLAIMS: [&str; 3] = ["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "name", "appid"];

/// Reads what Event Grid delivers: the body of a webhook, or a message of a storage queue (base64).
pub fn parse(body: &str) -> Result<Parsed, Refusal> {
    if body.len() > LONGEST_MESSAGE {
        return Err(Refusal::TooLong);
    }
    let plain = plain(body)?;
    let document = read(&plain)?;
    let mut parsed = Parsed::default();
    let root = document.root();
    if root.is_array() {
        root.items().for_each(|event| parsed.take(delivered(event)));
    } else if let Some(records) = root.get("records").filter(|records| records.is_array()) {
        records.items().for_each(|entry| parsed.take(entry_of(entry)));
    } else {
        parsed.take(delivered(root));
    }
    Ok(parsed)
}

/// Reads one page of the Activity Log.
pub fn parse_activity(page: &Document) -> Parsed {
    let mut parsed = Parsed::default();
    for entry in page.root().get("value").into_iter().flat_map(Value::items) {
        parsed.take(entry_of(entry));
    }
    parsed
}

fn plain(body: &str) -> Result<Cow<'_, str>, Refusal> {
    let body = body.trim();
    if body.starts_with(['{', '[', '\u{feff}']) {
        return Ok(body.into());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(body).map_err(|_| Refusal::UnknownForm)?;
    String::from_utf8(bytes).map(Cow::from).map_err(|_| Refusal::UnknownForm)
}

/// One event of Event Grid, or one entry of a streamed Activity Log.
fn delivered(event: Value<'_>) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    if event.get("operationName").is_some() {
        return entry_of(event);
    }
    let is_cloud_event = text(event, "specversion").is_some();
    let (kind, moment) = if is_cloud_event { ("type", "time") } else { ("eventType", "eventTime") };
    let kind = text(event, kind).ok_or(Refusal::UnknownForm)?;
    if kind.starts_with("Microsoft.EventGrid.") {
        return Ok(Err(Passed::Handshake));
    }
    let Some(what) = kind.strip_prefix("Microsoft.Resources.Resource") else { return Ok(Err(Passed::OtherEvent)) };
    let change = match what {
        "WriteSuccess" | "ActionSuccess" => Change::Written,
        "DeleteSuccess" => Change::Deleted,
        _ => return Ok(Err(Passed::NotDone)),
    };
    let data = event.get("data").ok_or(Refusal::Lacks("data"))?;
    let at = if is_cloud_event { time(event, moment)? } else { time(event, "eventTime")? };
    let id = text(data, "resourceUri").or_else(|| text(event, "subject")).ok_or(Refusal::Lacks("resourceUri"))?;
    let operation = text(data, "operationName").unwrap_or(kind);
    if what == "ActionSuccess" && is_reading(operation) {
        return Ok(Err(Passed::ReadOnly));
    }
    let claims = data.get("claims");
    let who = CLAIMS.iter().find_map(|claim| claims.and_then(|claims| text(claims, claim))).and_then(actor);
    changed(id, text(event, "id").ok_or(Refusal::Lacks("id"))?, operation, at, change, who)
}

/// One entry of the Activity Log, as its API gives it or as it is streamed.
fn entry_of(entry: Value<'_>) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    let named = |name: &str| {
        let value = entry.get(name)?;
        value.as_str().or_else(|| text(value, "value")).filter(|text| !text.is_empty())
    };
    let operation = named("operationName").ok_or(Refusal::Lacks("operationName"))?;
    if named("category").is_some_and(|category| !category.eq_ignore_ascii_case("Administrative")) {
        return Ok(Err(Passed::OtherEvent));
    }
    let status = named("status").or_else(|| named("resultType")).ok_or(Refusal::Lacks("status"))?;
    if !["succeeded", "success"].contains(&status.to_ascii_lowercase().as_str()) {
        return Ok(Err(Passed::NotDone));
    }
    let change = match operation.rsplit('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "read" => return Ok(Err(Passed::ReadOnly)),
        "action" if is_reading(operation) => return Ok(Err(Passed::ReadOnly)),
        "delete" => Change::Deleted,
        "write" | "action" => Change::Written,
        _ => return Ok(Err(Passed::OtherEvent)),
    };
    let at = if entry.get("eventTimestamp").is_some() { time(entry, "eventTimestamp")? } else { time(entry, "time")? };
    let id = named("resourceId").or_else(|| named("resourceUri")).ok_or(Refusal::Lacks("resourceId"))?;
    let own = named("eventDataId").map(str::to_owned);
    let event = own.unwrap_or_else(|| {
        format!("{} {operation} {} {at}", named("correlationId").unwrap_or_default(), id.to_ascii_lowercase())
    });
    let claims = entry.get("identity").and_then(|identity| identity.get("claims")).or_else(|| entry.get("claims"));
    let who = named("caller").or_else(|| CLAIMS.iter().find_map(|claim| claims.and_then(|claims| text(claims, claim))));
    changed(id, &event, operation, at, change, who.and_then(actor))
}

/// Whether an action only reads: `Microsoft.Storage/storageAccounts/listKeys/action`.
fn is_reading(operation: &str) -> bool {
    let Some(action) = operation.rsplit('/').nth(1) else { return false };
    READING_ACTIONS.iter().any(|start| action.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start)))
}

fn changed(
    id: &str,
    event: &str,
    name: &str,
    at: yagura_model::Timestamp,
    change: Change,
    actor: Option<String>,
) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    let id = id.trim_end_matches('/');
    if !usable(id) {
        return Err(Refusal::Lacks("resourceId"));
    }
    // What lies in no subscription (a management group, a tenant) is not collected by subscriptions.
    let Some(scope) = subscription_of(id) else { return Ok(Err(Passed::OtherScope)) };
    Ok(Ok(ChangeEvent {
        cloud: Cloud::Azure,
        scope,
        above: Vec::new(),
        region: None,
        at,
        id: event.to_owned(),
        name: name.to_owned(),
        change,
        actor,
        subjects: vec![Subject::Id(id.to_owned())],
    }))
}

/// The subscription of an ARM id, in lower case.
pub(super) fn subscription_of(id: &str) -> Option<String> {
    let mut parts = id.strip_prefix('/')?.split('/');
    let subscription = parts.next().filter(|part| part.eq_ignore_ascii_case("subscriptions")).and(parts.next())?;
    let is_guid = subscription.len() == 36 && subscription.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_guid.then(|| subscription.to_ascii_lowercase())
}
