//! Forms of messages: each is read, or refused by name.

use base64::Engine;
use serde_json::{Value as Json, json};
use yagura_connect::events::{Change, ChangeEvent, Parsed, Refusal, Subject, Triggers, aws, azure, gcp};
use yagura_model::Kind;

use super::catalogue;

const ID: &str =
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Sql/servers/s";

/// What a parsed message comes to: events, or why not.
fn outcome(parsed: Result<Parsed, Refusal>) -> String {
    match parsed {
        Err(refusal) => format!("refused: {refusal}"),
        Ok(parsed) => {
            let event = |event: &ChangeEvent| {
                let actor = event.actor.as_deref().unwrap_or("-");
                format!("{} {:?} {} by {actor}", event.name, event.change, event.subjects.len())
            };
            let mut parts: Vec<String> = parsed.events.iter().map(event).collect();
            parts.extend(parsed.passed.iter().map(|(why, count)| format!("{why:?} {count}")));
            parts.extend(parsed.refused.iter().map(|refusal| format!("refused: {refusal}")));
            parts.join("; ")
        }
    }
}

fn check(name: &str, parsed: Result<Parsed, Refusal>, wanted: &str) {
    assert_eq!(outcome(parsed), wanted, "{name}");
}

fn record(change: impl FnOnce(&mut Json)) -> Json {
    let mut record = json!({
        "eventID": "e", "eventTime": "2026-06-01T00:00:00Z", "eventSource": "ec2.amazonaws.com", "awsRegion": "eu-west-1",
        "eventName": "DeleteVolume", "recipientAccountId": "123456789012", "readOnly": false,
        "userIdentity": {"arn": "arn:aws:iam::123456789012:user/someone", "accessKeyId": "AKIAEXAMPLE"},
        "requestParameters": {"volumeId": "vol-1", "secret": "s"},
    });
    change(&mut record);
    record
}

fn envelope(record: Json) -> String {
    json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "id": "x", "account": "123456789012",
        "time": "2026-06-01T00:00:00Z", "region": "eu-west-1", "detail": record})
    .to_string()
}

#[test]
fn messages_of_aws_are_read_or_refused_by_name() {
    let triggers = Triggers::new(catalogue().resource_types());
    let parse = |body: &str| aws::parse(body, &triggers);
    let deleted = "DeleteVolume Deleted 1 by arn:aws:iam::123456789012:user/someone";
    check("an envelope", parse(&envelope(record(|_| {}))), deleted);
    let wrapped = json!({"Type": "Notification", "TopicArn": "arn", "Message": envelope(record(|_| {}))}).to_string();
    check("through SNS", parse(&wrapped), deleted);
    check("a bare record", parse(&record(|_| {}).to_string()), deleted);
    let file =
        json!({"Records": [record(|_| {}), record(|own| own["errorCode"] = "AccessDenied".into()), {}]}).to_string();
    check("a file of records", parse(&file), &format!("{deleted}; NotDone 1; refused: has no usable `eventSource`"));
    let confirm = json!({"Type": "SubscriptionConfirmation", "TopicArn": "arn", "Message": "m"}).to_string();
    check("a subscription to confirm", parse(&confirm), "Handshake 1");
    for (name, member, value, wanted) in [
        ("a reading call", "readOnly", json!(true), "ReadOnly 1"),
        ("a failed call", "errorCode", json!("Client.DryRunOperation"), "NotDone 1"),
        ("a data event", "managementEvent", json!(false), "Data 1"),
        ("a service that no kind speaks of", "eventSource", json!("quicksight.amazonaws.com"), "OtherService 1"),
        ("no time", "eventTime", json!("yesterday"), "refused: has no usable `eventTime`"),
        ("no account", "recipientAccountId", json!("12345/../x"), "refused: has no usable `recipientAccountId`"),
    ] {
        let body = envelope(record(|own| own[member] = value));
        check(name, parse(&body), wanted);
    }
    let unstated = |name: &str| {
        record(|own| {
            own["eventName"] = name.into();
            own.as_object_mut().unwrap().remove("readOnly");
        })
    };
    check("a record that does not say", parse(&envelope(unstated("DescribeVolumes"))), "ReadOnly 1");
    check("no JSON", parse("{\"a\": "), "refused: is no JSON: EOF while parsing a value at line 1 column 6");
    check("another form", parse("{}"), "refused: is none of the known forms of change events");
    assert!(outcome(parse(&"[".repeat(100_000))).starts_with("refused: is no JSON"));
    assert_eq!(outcome(parse(&" ".repeat((16 << 20) + 1))), "refused: is longer than 16777216 bytes");
}

#[test]
fn notices_of_services_name_their_resource() {
    let triggers = Triggers::new(catalogue().resource_types());
    let notice = |kind: &str, source: &str, detail: Json| {
        json!({"version": "0", "id": "n", "detail-type": kind, "source": source, "account": "123456789012",
            "time": "2026-06-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": detail})
        .to_string()
    };
    let state = notice(
        "EC2 Instance State-change Notification",
        "aws.ec2",
        json!({"instance-id": "i-1", "state": "terminated"}),
    );
    let parsed = aws::parse(&state, &triggers).unwrap();
    assert_eq!(parsed.events[0].change, Change::Deleted);
    let Subject::Called { kind, name, .. } = &parsed.events[0].subjects[0] else { panic!("{parsed:?}") };
    assert_eq!((kind, name.as_str()), (&Kind::new("AWS::EC2::Instance"), "i-1"));
    let other = notice("EC2 Spot Instance Interruption Warning", "aws.ec2", json!({"instance-id": "i-1"}));
    check("a notice that no kind asks for", aws::parse(&other, &triggers), "OtherEvent 1");
    let own = notice("AWS API Call", "com.contoso.app", json!({}));
    check("a notice of somebody's own", aws::parse(&own, &triggers), "OtherEvent 1");
}

#[test]
fn what_stands_in_a_request_is_not_kept() {
    let triggers = Triggers::new(catalogue().resource_types());
    let parsed = aws::parse(&envelope(record(|_| {})), &triggers).unwrap();
    let shown = format!("{:?}", parsed.events);
    assert!(!shown.contains("secret") && !shown.contains("AKIAEXAMPLE"), "{shown}");
}

#[test]
fn names_that_cannot_go_into_a_call_are_not_taken() {
    let triggers = Triggers::new(catalogue().resource_types());
    for name in ["vol-\u{0}1".to_owned(), format!("vol-{}", "x".repeat(5000)), String::new()] {
        let body = envelope(record(|own| own["requestParameters"]["volumeId"] = name.as_str().into()));
        let parsed = aws::parse(&body, &triggers).unwrap();
        assert_eq!(parsed.events[0].subjects, [Subject::Kind(Kind::new("AWS::EC2::Volume"))], "{}", name.len());
    }
}

#[test]
fn messages_of_azure_are_read_or_refused_by_name() {
    let grid = |kind: &str| {
        json!({"id": "1", "subject": ID, "eventType": kind, "eventTime": "2026-06-01T00:00:00.1234567Z",
            "data": {"resourceUri": ID, "operationName": "Microsoft.Sql/servers/write", "claims": {"name": "someone"}}})
    };
    let cloud_event = json!({"specversion": "1.0", "id": "1", "source": "/subscriptions/1", "subject": ID,
        "type": "Microsoft.Resources.ResourceDeleteSuccess", "time": "2026-06-01T00:00:00Z",
        "data": {"resourceUri": ID, "operationName": "Microsoft.Sql/servers/delete"}});
    let written = "Microsoft.Sql/servers/write Written 1 by someone";
    let write = grid("Microsoft.Resources.ResourceWriteSuccess");
    check("a list of events", azure::parse(&json!([write]).to_string()), written);
    check("one event", azure::parse(&write.to_string()), written);
    let queued = base64::engine::general_purpose::STANDARD.encode(json!(write).to_string());
    check("a message of a storage queue", azure::parse(&queued), written);
    check("a cloud event", azure::parse(&cloud_event.to_string()), "Microsoft.Sql/servers/delete Deleted 1 by -");
    check(
        "several cloud events",
        azure::parse(&json!([cloud_event, cloud_event]).to_string()),
        "Microsoft.Sql/servers/delete Deleted 1 by -; Microsoft.Sql/servers/delete Deleted 1 by -",
    );
    for (kind, wanted) in [
        ("Microsoft.EventGrid.SubscriptionValidationEvent", "Handshake 1"),
        ("Microsoft.Resources.ResourceWriteFailure", "NotDone 1"),
        ("Microsoft.Resources.ResourceDeleteCancel", "NotDone 1"),
        ("Microsoft.Storage.BlobCreated", "OtherEvent 1"),
    ] {
        check(kind, azure::parse(&json!([grid(kind)]).to_string()), wanted);
    }
    let elsewhere =
        write.to_string().replace("/subscriptions/11111111-1111-1111-1111-111111111111", "/subscriptions/x");
    check("no subscription", azure::parse(&elsewhere), "OtherScope 1");
    check("no text of a form", azure::parse("hello"), "refused: is none of the known forms of change events");
    check("another object", azure::parse("{}"), "refused: is none of the known forms of change events");
}

#[test]
fn messages_of_google_are_read_or_refused_by_name() {
    let types = catalogue().resource_types();
    let parse = |content: Json| {
        let data = base64::engine::general_purpose::STANDARD.encode(content.to_string());
        gcp::parse(&data, "1", types)
    };
    let asset = json!({"name": "//storage.googleapis.com/b", "assetType": "storage.googleapis.com/Bucket",
        "resource": {"data": {}}, "ancestors": ["projects/1"]});
    let window = json!({"startTime": "2026-06-01T00:00:00.5Z"});
    let written = "storage.googleapis.com/Bucket Written 1 by -";
    check("an asset", parse(json!({"asset": asset, "window": window})), written);
    let gone = json!({"name": "//storage.googleapis.com/b", "assetType": "storage.googleapis.com/Bucket"});
    let deleted = parse(json!({"asset": gone, "window": window, "deleted": true}));
    check("a deleted asset", deleted, "storage.googleapis.com/Bucket Deleted 1 by -");
    let push = json!({"subscription": "s", "message": {"messageId": "1",
        "data": base64::engine::general_purpose::STANDARD.encode(json!({"asset": asset, "window": window}).to_string())}});
    check("through a push", gcp::parse_push(&push.to_string(), types), written);
    let other = json!({"name": "//x/y", "assetType": "x.googleapis.com/Y", "resource": {}});
    check("a type of which no kind speaks", parse(json!({"asset": other, "window": window})), "OtherService 1");
    check("no window", parse(json!({"asset": asset})), "refused: has no usable `window`");
    check("no asset", parse(json!({"a": 1})), "refused: is none of the known forms of change events");
    check("no base64", gcp::parse("%%%", "1", types), "refused: is none of the known forms of change events");
}
