//! AWS: messages of an SQS queue that EventBridge fills, straight or through SNS.
//!
//! Sources: "Events from AWS services via CloudTrail" (EventBridge user guide), "CloudTrail record contents"
//! (CloudTrail user guide), "Parsing message formats" (SNS developer guide).

use yagura_model::{Cloud, Document, Value};

use super::{Change, ChangeEvent, Parsed, Passed, Refusal, Triggers, actor, read, text, time};

/// What EventBridge calls a call that CloudTrail recorded. Others ("AWS Service Event via CloudTrail") hold records too.
const VIA_CLOUDTRAIL: &str = "via CloudTrail";
/// How names of calls that change nothing begin, for records that do not say so.
const READS: [&str; 7] = ["Describe", "Get", "List", "Head", "Lookup", "Search", "BatchGet"];
/// How names of calls begin after which the resource should be gone.
const DELETES: [&str; 5] = ["Delete", "Terminate", "Deregister", "Release", "BatchDelete"];

/// Reads the body of one SQS message.
pub fn parse(body: &str, triggers: &Triggers<'_>) -> Result<Parsed, Refusal> {
    let document = read(body)?;
    let mut parsed = Parsed::default();
    let Some(inner) = text(document.root(), "Message").filter(|_| text(document.root(), "TopicArn").is_some()) else {
        one(document.root(), triggers, &mut parsed)?;
        return Ok(parsed);
    };
    if text(document.root(), "Type").is_some_and(|kind| kind != "Notification") {
        parsed.pass(Passed::Handshake);
        return Ok(parsed);
    }
    let inner: Document = read(inner)?;
    one(inner.root(), triggers, &mut parsed)?;
    Ok(parsed)
}

/// An envelope of EventBridge, a CloudTrail record, or a file of records.
fn one(event: Value<'_>, triggers: &Triggers<'_>, parsed: &mut Parsed) -> Result<(), Refusal> {
    if text(event, "Event") == Some("s3:TestEvent") {
        parsed.pass(Passed::Handshake);
        return Ok(());
    }
    if let Some(records) = event.get("Records").filter(|records| records.is_array()) {
        for record in records.items() {
            parsed.take(call(record, None, triggers));
        }
        return Ok(());
    }
    if event.get("eventSource").is_some() || event.get("eventName").is_some() {
        parsed.take(call(event, None, triggers));
        return Ok(());
    }
    let (Some(kind), Some(detail)) = (text(event, "detail-type"), event.get("detail")) else {
        return Err(Refusal::UnknownForm);
    };
    if kind.ends_with(VIA_CLOUDTRAIL) {
        parsed.take(call(detail, Some(event), triggers));
    } else {
        parsed.take(notice(event, kind, detail, triggers));
    }
    Ok(())
}

/// A call that CloudTrail recorded.
fn call(
    record: Value<'_>,
    envelope: Option<Value<'_>>,
    triggers: &Triggers<'_>,
) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    let need = |name: &'static str| text(record, name).ok_or(Refusal::Lacks(name));
    let (source, name, region) = (need("eventSource")?, need("eventName")?, need("awsRegion")?);
    let outer = |name: &str| envelope.and_then(|envelope| text(envelope, name));
    let id = text(record, "eventID").or_else(|| outer("id")).ok_or(Refusal::Lacks("eventID"))?;
    let at = time(record, "eventTime")?;
    if let Some(why) = changes_nothing(record, name) {
        return Ok(Err(why));
    }
    let account = text(record, "recipientAccountId").or_else(|| outer("account"));
    let account = account.or_else(|| record.get("userIdentity").and_then(|user| text(user, "accountId")));
    let account = account.filter(|account| is_account(account)).ok_or(Refusal::Lacks("recipientAccountId"))?;
    let Some(subjects) = triggers.subjects(source, name, record).filter(|subjects| !subjects.is_empty()) else {
        return Ok(Err(Passed::OtherService));
    };
    Ok(Ok(ChangeEvent {
        cloud: Cloud::Aws,
        scope: account.to_owned(),
        above: Vec::new(),
        region: Some(region.to_owned()),
        at,
        id: id.to_owned(),
        name: name.to_owned(),
        change: if DELETES.iter().any(|start| name.starts_with(start)) { Change::Deleted } else { Change::Written },
        actor: who(record),
        subjects,
    }))
}

fn changes_nothing(record: Value<'_>, name: &str) -> Option<Passed> {
    if text(record, "eventCategory").is_some_and(|category| category != "Management")
        || record.get("managementEvent").and_then(Value::as_bool) == Some(false)
    {
        return Some(Passed::Data);
    }
    let is_reading = match record.get("readOnly").and_then(Value::as_bool) {
        Some(stated) => stated,
        None => READS.iter().any(|start| name.starts_with(start)),
    };
    if is_reading {
        return Some(Passed::ReadOnly);
    }
    (text(record, "errorCode").is_some() || text(record, "errorMessage").is_some()).then_some(Passed::NotDone)
}

fn who(record: Value<'_>) -> Option<String> {
    let user = record.get("userIdentity")?;
    ["arn", "invokedBy", "userName", "type"].iter().find_map(|name| text(user, name)).and_then(actor)
}

/// An event of a service itself, such as the change of an instance's state.
fn notice(
    event: Value<'_>,
    kind: &str,
    detail: Value<'_>,
    triggers: &Triggers<'_>,
) -> Result<Result<ChangeEvent, Passed>, Refusal> {
    let need = |name: &'static str| text(event, name).ok_or(Refusal::Lacks(name));
    let (source, id) = (need("source")?, need("id")?);
    let at = time(event, "time")?;
    let Some(service) = source.strip_prefix("aws.") else { return Ok(Err(Passed::OtherEvent)) };
    let account = need("account").ok().filter(|account| is_account(account)).ok_or(Refusal::Lacks("account"))?;
    let source = format!("{service}.amazonaws.com");
    // Only what an entry names: a service tells much that changes no resource.
    if !triggers.names_notice(&source, kind) {
        return Ok(Err(Passed::OtherEvent));
    }
    let subjects = triggers.subjects(&source, kind, detail).unwrap_or_default();
    let is_gone = ["state", "Message", "EventCategories"].iter().any(|name| says_gone(detail.get(name)));
    Ok(Ok(ChangeEvent {
        cloud: Cloud::Aws,
        scope: account.to_owned(),
        above: Vec::new(),
        region: text(event, "region").map(str::to_owned),
        at,
        id: id.to_owned(),
        name: kind.to_owned(),
        change: if is_gone { Change::Deleted } else { Change::Written },
        actor: actor(source.as_str()),
        subjects,
    }))
}

fn says_gone(value: Option<Value<'_>>) -> bool {
    let Some(value) = value else { return false };
    let words = value.as_str().into_iter().chain(value.items().filter_map(Value::as_str));
    let mut words = words.map(str::to_ascii_lowercase);
    words.any(|word| ["terminated", "deletion"].contains(&word.as_str()) || word.contains("deleted"))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
