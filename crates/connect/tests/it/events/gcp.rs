//! Projects of Google Cloud: asset feeds through Pub/Sub.

use std::sync::Mutex;

use base64::Engine;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use yagura_cloud::{Call, FailureKind};
use yagura_connect::events::{Changes, Passed, Source, Watch};
use yagura_connect::live::Target;
use yagura_model::{Answer, Cloud, Estate, ResourceId};

use super::{Played, at, collected, failure, round, said, types};

const KINDS: [&str; 3] =
    ["cloudresourcemanager.googleapis.com/Project", "storage.googleapis.com/Bucket", "compute.googleapis.com/Instance"];
const BUCKET: &str = "//storage.googleapis.com/b";

fn targets() -> [Target; 1] {
    [Target::Gcp { scope: "organizations/1".into() }]
}

fn project() -> Json {
    json!({"name": "//cloudresourcemanager.googleapis.com/projects/42", "assetType": KINDS[0],
        "resource": {"data": {"projectId": "web", "projectNumber": "42"}}, "ancestors": ["projects/42", "organizations/1"]})
}

/// A bucket, which names its project by its number alone.
fn bucket(version: u32) -> Json {
    json!({"name": BUCKET, "assetType": KINDS[1], "resource": {"data": {"name": "b", "version": version}},
        "ancestors": ["projects/42", "organizations/1"]})
}

fn policy(version: u32) -> Json {
    json!({"name": BUCKET, "assetType": KINDS[1], "iamPolicy": {"bindings": [], "version": version},
        "ancestors": ["projects/42", "organizations/1"]})
}

fn message(number: usize, content: &Json) -> Json {
    let data = base64::engine::general_purpose::STANDARD.encode(content.to_string());
    json!({"ackId": format!("ack-{number}"), "message": {"messageId": number.to_string(), "data": data}})
}

fn temporal(asset: Json, moment: i64) -> Json {
    json!({"asset": asset, "priorAssetState": "PRESENT", "window": {"startTime": at(moment)}})
}

fn deleted(before: Json, moment: i64) -> Json {
    let asset = json!({"name": BUCKET, "assetType": KINDS[1], "ancestors": ["projects/42", "organizations/1"]});
    json!({"asset": asset, "priorAsset": before, "deleted": true, "window": {"startTime": at(moment)}})
}

/// Assets as they stand, and the messages of the subscription.
#[derive(Default)]
struct World {
    bucket: Option<u32>,
    policy: Option<u32>,
    messages: Vec<Json>,
    refuses: bool,
}

fn answer(world: &Mutex<World>, call: &Call) -> Result<Json, yagura_cloud::CallFailure> {
    let mut world = world.lock().unwrap();
    Ok(match call.operation.as_str() {
        "assets.list" if call.params["contentType"] == "RESOURCE" => {
            json!({ "assets": world.bucket.map(bucket).into_iter().chain([project()]).collect::<Vec<_>>() })
        }
        "assets.list" => {
            let own = json!({"name": "//cloudresourcemanager.googleapis.com/projects/42", "assetType": KINDS[0],
                "iamPolicy": {"bindings": []}, "ancestors": ["projects/42", "organizations/1"]});
            json!({ "assets": world.policy.map(policy).into_iter().chain([own]).collect::<Vec<_>>() })
        }
        "subscriptions.pull" if world.refuses => return Err(failure(FailureKind::Denied, "PERMISSION_DENIED")),
        "subscriptions.pull" => {
            assert_eq!(call.params["url"], "https://pubsub.googleapis.com/v1/projects/p/subscriptions/s:pull");
            assert_eq!((&call.params["method"], &call.params["body"]), (&json!("POST"), &json!({"maxMessages": 100})));
            // Hidden until they are acknowledged, or their time is over.
            let sent: Vec<Json> =
                world.messages.iter().filter(|message| message.get("sent").is_none()).cloned().collect();
            world.messages.iter_mut().for_each(|message| message["sent"] = true.into());
            json!({ "receivedMessages": sent })
        }
        "subscriptions.acknowledge" => {
            let acknowledged = call.params["body"]["ackIds"].as_array().unwrap();
            world.messages.retain(|message| !acknowledged.contains(&message["ackId"]));
            json!({})
        }
        _ => json!({}),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_latest_asset_counts_in_any_order_of_messages(
        steps in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.2), any::<u32>(), 0..3usize), 1..20),
    ) {
        let (types, targets) = (types(&KINDS), targets());
        let watch = Watch::new(&targets, &types);
        let world = Mutex::new(World { bucket: Some(0), policy: Some(0), ..World::default() });
        let cloud = Played::new(|call: &Call| answer(&world, call));
        let mut estate = collected(&cloud, &targets, &types);
        let mut changes = Changes::new(at(0));
        let mut messages = Vec::new();
        for (number, (is_policy, is_gone, order, arrives)) in steps.into_iter().enumerate() {
            let (version, moment) = (number as u32 + 1, 100 + number as i64);
            let mut world = world.lock().unwrap();
            let mut contents = Vec::new();
            if is_gone && world.bucket.is_some() {
                contents.push(deleted(bucket(0), moment));
                // The other feed tells of the policy that went with it.
                contents.extend(world.policy.map(|version| deleted(policy(version), moment)));
                (world.bucket, world.policy) = (None, None);
            } else if is_policy && world.bucket.is_some() {
                world.policy = Some(version);
                contents.push(temporal(policy(version), moment));
            } else {
                world.bucket = Some(version);
                contents.push(temporal(bucket(version), moment));
            }
            for (part, content) in contents.iter().enumerate() {
                let part = part as u32;
                let id = number * 10 + part as usize;
                messages.push((arrives, order.rotate_left(part * 7), message(id, content)));
            }
        }
        let source = Source::pub_sub("projects/p/subscriptions/s").unwrap();
        for turn in 0..4 {
            let (mut arrived, later): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(when, _, _)| *when <= turn);
            messages = later;
            arrived.sort_by_key(|(_, order, _)| *order);
            world.lock().unwrap().messages.extend(arrived.into_iter().map(|(_, _, message)| message));
            let polled = round(&cloud, &source, &mut changes, &watch, &mut estate, at(1000 + turn as i64));
            prop_assert_eq!(polled.problems, []);
        }
        prop_assert_eq!(world.lock().unwrap().messages.len(), 0);
        // That a new bucket has no policy, only a list of all policies can tell; until then it is unknown.
        let whole = said(&collected(&cloud, &targets, &types), &types);
        let known = |text: &str| text.replace("\"iamPolicy Absent\"", "");
        prop_assert_eq!(known(&said(&estate, &types)), known(&whole));
    }
}

#[test]
fn an_asset_of_the_message_is_taken_without_a_call_and_its_answers_stay() {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(World { bucket: Some(0), policy: Some(7), ..World::default() });
    let cloud = Played::new(|call: &Call| answer(&world, call));
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    let source = Source::pub_sub("projects/p/subscriptions/s").unwrap();
    let welcome = base64::engine::general_purpose::STANDARD.encode("You have successfully configured real time feed");
    world.lock().unwrap().messages = vec![
        message(1, &temporal(bucket(3), 100)),
        json!({"ackId": "w", "message": {"messageId": "w", "data": welcome}}),
    ];
    cloud.asked();
    let polled = round(&cloud, &source, &mut changes, &watch, &mut estate, at(200));
    assert_eq!(
        cloud.asked(),
        ["pubsub:subscriptions.pull", "pubsub:subscriptions.pull", "pubsub:subscriptions.acknowledge"]
    );
    assert_eq!(polled.passed.get(&Passed::Handshake), Some(&1));
    let read = estate.by_id(&ResourceId::new(Cloud::Gcp, BUCKET)).unwrap();
    assert_eq!(read.scope.id(), "projects/web", "the number of the project is known");
    assert_eq!(read.document.root().get("version").map(|version| version.to_json()), Some(json!(3)));
    assert!(matches!(read.attachment("iamPolicy"), Some(Answer::Found(_))));
    // It is deleted.
    world.lock().unwrap().messages = vec![message(2, &deleted(bucket(3), 300))];
    let polled = round(&cloud, &source, &mut changes, &watch, &mut estate, at(400));
    assert_eq!(polled.removed, [ResourceId::new(Cloud::Gcp, BUCKET)]);
}

#[test]
fn a_subscription_that_cannot_be_pulled_is_said() {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(World { refuses: true, ..World::default() });
    let cloud = Played::new(|call: &Call| answer(&world, call));
    let mut estate = collected(&cloud, &targets, &types);
    let source = Source::pub_sub("projects/p/subscriptions/s").unwrap();
    let polled = round(&cloud, &source, &mut Changes::new(at(0)), &watch, &mut estate, at(1));
    assert!(polled.problems[0].message.contains("PERMISSION_DENIED"), "{:?}", polled.problems);
}

#[test]
fn names_of_subscriptions_cannot_lead_elsewhere() {
    for name in [
        "projects/p/subscriptions/s/../x",
        "projects/p/topics/s",
        "projects/p/subscriptions/",
        "projects/p/subscriptions/s?x",
    ] {
        assert!(Source::pub_sub(name).is_err(), "{name}");
    }
}
