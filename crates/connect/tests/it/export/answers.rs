//! Records of the three clouds whose shape is not what their cloud promises.

use serde_json::{Value as Json, json};
use yagura_model::{Answer, Cloud, Estate as _, Kind, Listing, ResourceId, Scope};

use super::*;

fn line(record: Json) -> Vec<u8> {
    format!("{record}\n{}", account("c")).into_bytes()
}

#[test]
fn rows_of_the_wrong_shape_are_said() {
    let shapeless = "bad:1: is neither an Azure resource";
    let rows = [
        ("Azure: id is a number", json!({"id": 7, "type": "a/b"}), shapeless),
        ("Azure: no type, and none in the id", json!({"id": "/x"}), "bad:1: the Azure resource /x has no `type`"),
        ("Azure: type is a list", json!({"id": "/x", "type": ["a/b"]}), "bad:1: the Azure resource /x has no `type`"),
        ("Google: no name", json!({"assetType": "storage.googleapis.com/Bucket"}), shapeless),
        ("Google: name is an object", json!({"assetType": "a/B", "name": {}}), shapeless),
        (
            "recorded: no service",
            json!({"cloud": "aws", "operation": "o"}),
            "bad:1: a recorded answer without `service`",
        ),
        (
            "recorded: no such cloud",
            json!({"cloud": "sky", "service": "s", "operation": "o", "scope": "1", "response": {}}),
            "bad:1: ",
        ),
        (
            "recorded: no answer",
            json!({"cloud": "aws", "service": "s3", "operation": "ListBuckets", "scope": "1"}),
            "bad:1: a recorded answer with neither `response` nor `error`",
        ),
        ("an empty object", json!({}), shapeless),
    ];
    for (what, record, said) in rows {
        check(what, &line(record), &["c"], &[said]);
    }
}

/// A recorded answer.
fn answer(cloud: &str, service: &str, operation: &str, params: Json, outcome: (&str, Json)) -> Json {
    let scope = match cloud {
        "aws" => "123456789012",
        "gcp" => "projects/p",
        _ => "/subscriptions/s",
    };
    let mut record =
        json!({"cloud": cloud, "service": service, "operation": operation, "scope": scope, "params": params});
    record[outcome.0] = outcome.1;
    record
}

fn buckets(outcome: (&str, Json)) -> Json {
    answer("aws", "s3", "ListBuckets", json!({}), outcome)
}

fn graph(response: Json) -> Json {
    answer("azure", "resourcegraph", "resources", json!({"subscriptions": ["s"]}), ("response", response))
}

fn children(response: Json) -> Json {
    let parent = json!({"parent": "/subscriptions/s/a/c"});
    answer("azure", "arm", "Microsoft.Storage/storageAccounts/containers", parent, ("response", response))
}

fn assets(response: Json) -> Json {
    let params = json!({"assetTypes": ["storage.googleapis.com/Bucket"], "contentType": "RESOURCE"});
    answer("gcp", "cloudasset", "ListAssets", params, ("response", response))
}

#[test]
fn items_of_the_wrong_shape_cost_themselves() {
    let account = json!({"id": "/subscriptions/s/a/b", "type": "Microsoft.Storage/storageAccounts"});
    let container = json!({"id": "/subscriptions/s/a/c/b", "type": "Microsoft.Storage/storageAccounts/containers"});
    let asset = json!({"name": "//storage.googleapis.com/b", "assetType": "storage.googleapis.com/Bucket", "resource": {"data": {}}});
    let rows = [
        (
            "aws",
            buckets(("response", json!({"Buckets": [{"Name": {}}, 3, "x", [], {"Name": "b"}]}))),
            "bad:1: an item of s3:ListBuckets has no `Name`",
        ),
        (
            "azure graph",
            graph(json!({"data": [7, null, {"id": []}, account]})),
            "bad:1: an Azure resource without `id`",
        ),
        ("azure children", children(json!({"value": [7, {}, container]})), "bad:1: an Azure resource without `id`"),
        ("google", assets(json!({"assets": [7, {"name": "x"}, asset]})), "bad:1: a Google asset without `name`"),
    ];
    for (what, record, said) in rows {
        check(what, &line(record), &["b", "c"], &[said]);
    }
}

/// How a kind was listed where the answer was asked.
fn listing(record: &Json, kind: &str, scope: &Scope) -> Listing {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers");
    std::fs::write(&path, line(record.clone())).unwrap();
    let estate = read(&[path]);
    let kind = Kind::new(kind);
    match estate.by_id(&ResourceId::new(Cloud::Azure, "/subscriptions/s/a/c")) {
        Some(parent) if record["service"] == "arm" => estate.listing_below(&kind, &parent),
        _ => estate.listing(&kind, scope, None),
    }
}

#[test]
fn an_answer_of_the_wrong_shape_lists_nothing() {
    let aws = ("AWS::S3::Bucket", Scope::account(Cloud::Aws, "123456789012"));
    let azure = ("Microsoft.Storage/storageAccounts/containers", Scope::account(Cloud::Azure, "/subscriptions/s"));
    let gcp = ("storage.googleapis.com/Bucket", Scope::account(Cloud::Gcp, "projects/p"));
    let shape = "an answer of a shape that nobody knows";
    let rows = [
        ("null", buckets(("response", Json::Null)), &aws, shape),
        ("a text", buckets(("response", json!("oops"))), &aws, shape),
        ("a list", buckets(("response", json!([]))), &aws, shape),
        ("items that are a text", buckets(("response", json!({"Buckets": "oops"}))), &aws, shape),
        ("children: a text", children(json!("oops")), &azure, shape),
        ("children: neither a list nor a resource", children(json!({})), &azure, shape),
        ("children: no list", children(json!({"value": "oops"})), &azure, shape),
        ("assets: a text", assets(json!("oops")), &gcp, shape),
        ("assets that are an object", assets(json!({"assets": {}})), &gcp, shape),
        ("an error without a code", buckets(("error", json!({}))), &aws, "an error without a code"),
        ("an error that is a text", buckets(("error", json!("no"))), &aws, "an error without a code"),
        (
            "an error with a code that is a number",
            buckets(("error", json!({"code": 403}))),
            &aws,
            "an error without a code",
        ),
    ];
    for (what, record, (kind, scope), cause) in rows {
        let Listing::Failed(found) = listing(&record, kind, scope) else { panic!("{what} counts as a list") };
        assert!(found.to_string().contains(cause), "{what}: {found}");
    }
}

/// "There is none" is told by an error that the resource type names, never by an answer that nobody can read.
#[test]
fn an_attached_answer_of_the_wrong_shape_is_unknown() {
    let bucket = buckets(("response", json!({"Buckets": [{"Name": "b"}]})));
    let attached = |outcome: (&str, Json)| {
        let policy = answer("aws", "s3", "GetBucketPolicy", json!({"Bucket": "b"}), outcome);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        std::fs::write(&path, format!("{bucket}\n{policy}\n")).unwrap();
        let estate = read(&[path]);
        let found = estate.by_id(&ResourceId::new(Cloud::Aws, "arn:aws:s3:::b")).expect("the bucket is there");
        found.attachment("Policy").cloned()
    };
    for response in [Json::Null, json!("oops"), json!(7), json!(true)] {
        let found = attached(("response", response.clone()));
        assert!(matches!(found, Some(Answer::Failed(_))), "{response}: {found:?}");
    }
    assert!(matches!(attached(("response", json!({"Policy": {}}))), Some(Answer::Found(_))));
    assert!(matches!(attached(("error", json!({"code": "NoSuchBucketPolicy"}))), Some(Answer::Absent)));
    assert!(matches!(attached(("error", json!({}))), Some(Answer::Failed(_))));
}

/// The resource graph is asked about a whole table.
#[test]
fn a_resource_graph_answer_without_rows_lists_nothing() {
    let kind = Kind::new("Microsoft.Storage/storageAccounts");
    for response in [json!({}), json!("oops"), json!({"data": "oops"}), Json::Null] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        std::fs::write(&path, graph(response.clone()).to_string()).unwrap();
        let estate = read(&[path]);
        let found = estate.listing(&kind, &Scope::account(Cloud::Azure, "/subscriptions/s"), None);
        assert!(matches!(found, Listing::Failed(_)), "{response}: {found:?}");
    }
}

#[test]
fn a_service_that_nobody_knows_is_said_once() {
    let unknown = answer("aws", "newservice", "ListThings", json!({}), ("response", json!({"Things": []})));
    let bytes = format!("{unknown}\n{unknown}\n{}", account("c"));
    let said = "note bad:1: no resource type reads the answers of newservice:ListThings (aws)";
    check("an unknown service", bytes.as_bytes(), &["c"], &[said]);
}
