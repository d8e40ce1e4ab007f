//! Live collection against a cloud that is played by a table of answers.

mod azure;
mod permissions;
mod probe;

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Map, Value as Json, json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_connect::live::{CollectOptions, CollectSummary, Replay, Target, collect};
use yagura_content::{Catalogue, ContentFile, Layer};
use yagura_model::{
    Answer, Checkpoints, Cloud, Estate, EstateBuilder, Kind, Listing, MemoryEstate, NoCheckpoints, Problem, ResourceId,
    Scope, Timestamp,
};

const TYPES: [(&str, &str); 6] = [
    (
        "resource-types/aws/s3/bucket.yaml",
        "
kind: AWS::S3::Bucket
cloud: aws
title: { en: Bucket }
category: storage
id: 'arn:{partition}:s3:::{Name}'
list: { service: s3, operation: ListBuckets, scope: global, items: Buckets }
permissions: ['s3:ListAllMyBuckets']
attached:
  GetBucketPolicy: { service: s3, operation: GetBucketPolicy, params: { Bucket: '{Name}' }, none_on: [NoSuchBucketPolicy], json_text: [Policy], permissions: ['s3:GetBucketPolicy'] }
",
    ),
    (
        "resource-types/aws/sqs/queue.yaml",
        "
kind: AWS::SQS::Queue
cloud: aws
title: { en: Queue }
category: integration
id: '{QueueArn}'
list:
  - { service: sqs, operation: ListQueues, scope: regional, items: QueueUrls, names_only: true }
  - { service: sqs, operation: GetQueueAttributes, scope: regional, items: Attributes, params: { QueueUrl: '{@}', AttributeNames: [All] } }
permissions: ['sqs:ListQueues', 'sqs:GetQueueAttributes']
",
    ),
    (
        "resource-types/azure/sql/server.yaml",
        "
kind: Microsoft.Sql/servers
cloud: azure
title: { en: Server }
category: database
list: { table: resources }
permissions: [Microsoft.Sql/servers/read]
",
    ),
    (
        "resource-types/azure/sql/firewall-rule.yaml",
        "
kind: Microsoft.Sql/servers/firewallRules
cloud: azure
title: { en: Rule }
category: database
list: { arm: '{parent}/firewallRules', api_version: 2021-11-01, parent: Microsoft.Sql/servers }
permissions: [Microsoft.Sql/servers/firewallRules/read]
",
    ),
    (
        "resource-types/gcp/storage/bucket.yaml",
        "
kind: storage.googleapis.com/Bucket
cloud: gcp
title: { en: Bucket }
category: storage
list: { asset: storage.googleapis.com/Bucket, content: [RESOURCE, IAM_POLICY] }
attached: { iamPolicy: { content: IAM_POLICY, permissions: { none: test } } }
permissions: { none: test }
",
    ),
    (
        "resource-types/gcp/old/thing.yaml",
        "
kind: old.googleapis.com/Thing
cloud: gcp
title: { en: Thing }
category: integration
list: { asset: old.googleapis.com/Thing, content: [RESOURCE, IAM_POLICY] }
attached: { iamPolicy: { content: IAM_POLICY, permissions: { none: test } } }
permissions: { none: test }
",
    ),
];

fn catalogue() -> Catalogue {
    catalogue_of(&TYPES)
}

fn catalogue_of(types: &[(&'static str, &'static str)]) -> Catalogue {
    let files = types.iter().map(|(path, text)| ContentFile::yaml(*path, *text)).collect();
    let (catalogue, diagnostics) = Catalogue::load(&[Layer { files, shipped: false }]);
    assert_eq!(diagnostics, []);
    catalogue
}

/// A cloud that answers from a table and remembers what it was asked.
#[derive(Default)]
struct Played {
    answers: HashMap<String, Result<Page, CallFailure>>,
    asked: Mutex<Vec<String>>,
}

/// `ec2:DescribeInstances us-east-1 {"Token":"2"}`
fn named(call: &Call) -> String {
    let params = Json::Object(call.params.clone());
    format!("{}:{} {} {params}", call.service, call.operation, call.region.as_deref().unwrap_or("-"))
}

impl Caller for Played {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        let name = named(call);
        self.asked.lock().unwrap().push(name.clone());
        let missing = CallFailure { kind: FailureKind::Unavailable, code: "NotPlayed".into(), message: name.clone() };
        self.answers.get(&name).cloned().unwrap_or(Err(missing))
    }
}

impl Played {
    fn with(mut self, call: &str, response: Json, next: Option<Json>) -> Self {
        let next = next.map(|next| next.as_object().cloned().unwrap());
        self.answers.insert(call.to_owned(), Ok(Page { response, next }));
        self
    }

    fn failing(mut self, call: &str, kind: FailureKind, code: &str) -> Self {
        self.answers.insert(call.to_owned(), Err(CallFailure { kind, code: code.into(), message: "no".into() }));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn options<'p>() -> CollectOptions<'p> {
    CollectOptions {
        at_once: 4,
        most_pages: 10,
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
        oldest_kept: "2026-05-31T00:00:00Z".parse().unwrap(),
        lost: &[],
        progress: None,
        record: None,
    }
}

fn run(
    caller: &impl Caller,
    target: Target,
    checkpoints: &mut dyn Checkpoints,
    options: CollectOptions<'_>,
) -> (MemoryEstate, CollectSummary) {
    let catalogue = catalogue();
    let mut builder = EstateBuilder::new();
    let targets = [target];
    let collected = collect(caller, &targets, catalogue.resource_types(), &mut builder, checkpoints, options);
    let summary = futures_executor::block_on(collected);
    (builder.finish(catalogue.kinds()), summary)
}

fn aws() -> Target {
    Target::Aws {
        account: "123456789012".into(),
        regions: vec!["eu-west-1".into(), "us-east-1".into()],
        home: "us-east-1".into(),
    }
}

fn played() -> Played {
    Played::default()
        .with(
            "s3:ListBuckets us-east-1 {}",
            json!({"Buckets": [{"Name": "a"}]}),
            Some(json!({"ContinuationToken": "2"})),
        )
        .with("s3:ListBuckets us-east-1 {\"ContinuationToken\":\"2\"}", json!({"Buckets": [{"Name": "b"}]}), None)
        .with("s3:GetBucketPolicy us-east-1 {\"Bucket\":\"a\"}", json!({"Policy": "{\"Statement\":[]}"}), None)
        .failing("s3:GetBucketPolicy us-east-1 {\"Bucket\":\"b\"}", FailureKind::NotFound, "NoSuchBucketPolicy")
        .with("sqs:ListQueues eu-west-1 {}", json!({"QueueUrls": ["https://q/1"]}), None)
        .with(
            "sqs:GetQueueAttributes eu-west-1 {\"AttributeNames\":[\"All\"],\"QueueUrl\":\"https://q/1\"}",
            json!({"Attributes": {"QueueArn": "arn:aws:sqs:eu-west-1:123456789012:q"}}),
            None,
        )
        .failing("sqs:ListQueues us-east-1 {}", FailureKind::Denied, "AccessDenied")
}

#[test]
fn pages_attached_answers_and_named_resources_follow_from_what_is_read() {
    let cloud = played();
    let (estate, summary) = run(&cloud, aws(), &mut NoCheckpoints, options());
    let ids: Vec<_> = estate.resources().iter().map(|resource| resource.id.to_string()).collect();
    assert_eq!(ids, ["arn:aws:s3:::a", "arn:aws:s3:::b", "arn:aws:sqs:eu-west-1:123456789012:q"]);
    let bucket = |name: &str| estate.by_id(&ResourceId::new(Cloud::Aws, name)).unwrap();
    assert!(
        matches!(bucket("arn:aws:s3:::a").attachment("GetBucketPolicy"), Some(Answer::Found(policy)) if policy.root().get("Policy").unwrap().is_object())
    );
    assert!(matches!(bucket("arn:aws:s3:::b").attachment("GetBucketPolicy"), Some(Answer::Absent)));
    assert_eq!(cloud.asked().len(), 7, "every call once: {:?}", cloud.asked());
    assert_eq!((summary.progress.answered, summary.progress.failed), (5, 2));
}

#[test]
fn a_failed_call_makes_its_place_unknown_and_ends_nothing() {
    let (estate, _) = run(&played(), aws(), &mut NoCheckpoints, options());
    let (kind, scope) = (Kind::new("AWS::SQS::Queue"), Scope::account(Cloud::Aws, "123456789012"));
    assert_eq!(estate.listing(&kind, &scope, Some("eu-west-1")), Listing::Complete);
    let Listing::Failed(cause) = estate.listing(&kind, &scope, Some("us-east-1")) else { panic!("the listing failed") };
    assert!(cause.to_string().contains("sqs:ListQueues in us-east-1 said AccessDenied"), "{cause}");
}

#[test]
fn a_region_that_is_not_offered_is_no_failure() {
    let cloud = played().failing("sqs:ListQueues us-east-1 {}", FailureKind::NotOffered, "OptInRequired");
    let (estate, summary) = run(&cloud, aws(), &mut NoCheckpoints, options());
    assert_eq!(summary.progress.failed, 1, "the bucket without a policy");
    assert!(estate.failed_listings().is_empty());
}

#[test]
fn a_list_that_never_ends_is_given_up_and_said() {
    let mut cloud = Played::default().failing("sqs:ListQueues eu-west-1 {}", FailureKind::NotOffered, "-");
    cloud = cloud.failing("sqs:ListQueues us-east-1 {}", FailureKind::NotOffered, "-");
    cloud = cloud.with("s3:ListBuckets us-east-1 {}", json!({"Buckets": []}), Some(json!({"ContinuationToken": "1"})));
    for page in 1..100 {
        let call = format!("s3:ListBuckets us-east-1 {{\"ContinuationToken\":\"{page}\"}}");
        cloud = cloud.with(&call, json!({"Buckets": []}), Some(json!({"ContinuationToken": (page + 1).to_string()})));
    }
    let (estate, _) = run(&cloud, aws(), &mut NoCheckpoints, options());
    assert_eq!(cloud.asked().iter().filter(|call| call.starts_with("s3")).count(), 10);
    let (kind, scope) = (Kind::new("AWS::S3::Bucket"), Scope::account(Cloud::Aws, "123456789012"));
    let Listing::Failed(cause) = estate.listing(&kind, &scope, None) else { panic!("it is not listed whole") };
    assert!(cause.to_string().contains("more than 10 pages"), "{cause}");
}

/// Checkpoints in memory that stop working after some answers, as a killed process does.
#[derive(Default)]
struct Kept {
    lines: Vec<(String, String)>,
    failed: Vec<String>,
    /// Those of the last collection that was finished.
    earlier: Vec<(String, String)>,
    finished: bool,
}

impl Checkpoints for Kept {
    fn begin(&mut self, _now: Timestamp, _oldest: Timestamp) -> Result<u64, Problem> {
        Ok(self.lines.len() as u64)
    }

    fn kept(&mut self, key: &str) -> Result<Option<String>, Problem> {
        Ok(self.lines.iter().find(|(kept, _)| kept == key).map(|(_, line)| line.clone()))
    }

    fn earlier(&mut self, key: &str) -> Result<Option<String>, Problem> {
        Ok(self.earlier.iter().find(|(kept, _)| kept == key).map(|(_, line)| line.clone()))
    }

    fn keep(&mut self, key: &str, line: &str, _at: Timestamp, failed: bool) -> Result<(), Problem> {
        if failed {
            self.failed.push(line.to_owned());
        } else {
            self.lines.push((key.to_owned(), line.to_owned()));
        }
        Ok(())
    }

    fn finish(&mut self, _at: Timestamp) -> Result<(), Problem> {
        self.finished = true;
        Ok(())
    }
}

/// What an estate holds, as text.
fn content(estate: &MemoryEstate) -> String {
    let mut text = String::new();
    for resource in estate.resources() {
        text.push_str(&format!("{} {:?} {:?}\n", resource.id, resource.document, resource.attached));
    }
    text
}

#[test]
fn a_collection_goes_on_at_the_page_where_it_was_killed() {
    let mut whole = Kept::default();
    let (estate, _) = run(&played(), aws(), &mut whole, options());
    assert!(whole.finished);
    for cut in 0..=whole.lines.len() {
        let mut kept = Kept { lines: whole.lines[..cut].to_vec(), ..Kept::default() };
        let cloud = played();
        let (resumed, summary) = run(&cloud, aws(), &mut kept, options());
        assert_eq!(content(&resumed), content(&estate), "killed after {cut} answers");
        assert_eq!(summary.progress.resumed as usize, cut);
        assert_eq!(cloud.asked().len() + cut, 7);
    }
}

#[test]
fn what_was_kept_reads_to_the_same_estate() {
    let mut kept = Kept::default();
    let (estate, _) = run(&played(), aws(), &mut kept, options());
    let catalogue = catalogue();
    let mut builder = EstateBuilder::new();
    yagura_connect::live::read_kept(catalogue.resource_types(), &mut builder, |take| {
        kept.lines.iter().for_each(|(_, line)| take(line));
        kept.failed.iter().for_each(|line| take(line));
        Ok(())
    });
    let read = builder.finish(catalogue.kinds());
    assert_eq!(content(&read), content(&estate));
    assert_eq!(read.failed_listings().len(), estate.failed_listings().len());
}

#[test]
fn what_is_recorded_can_be_replayed_and_read_as_an_export() {
    let mut lines = Vec::new();
    let mut record = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let (estate, _) =
        run(&played(), aws(), &mut NoCheckpoints, CollectOptions { record: Some(&mut record), ..options() });
    let mut replay = Replay::default();
    lines.iter().for_each(|line| replay.add(line).unwrap());
    let (replayed, _) = run(&replay, aws(), &mut NoCheckpoints, options());
    assert_eq!(content(&replayed), content(&estate));
    let catalogue = catalogue();
    let mut builder = EstateBuilder::new();
    let text = lines.join("\n");
    let options = yagura_connect::export::ReadOptions::default();
    yagura_connect::export::read_stream(
        "recording",
        text.as_bytes(),
        catalogue.resource_types(),
        &mut builder,
        &options,
    );
    assert_eq!(content(&builder.finish(catalogue.kinds())), content(&estate));
}

#[test]
fn azure_children_are_asked_for_below_every_parent() {
    let server = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.Sql/servers/one";
    let arm = format!(
        "arm:Microsoft.Sql/servers/firewallRules - {}",
        json!({"api_version": "2021-11-01", "parent": server, "path": format!("{server}/firewallRules")})
    );
    let cloud = Played::default()
        .with(
            "resourcegraph:resources - {\"query\":\"resources | order by id asc\",\"subscriptions\":[\"s1\"]}",
            json!({"data": [{"id": server, "type": "microsoft.sql/servers", "name": "one"}]}),
            None,
        )
        .with(&arm, json!({"value": [{"id": format!("{server}/firewallRules/r"), "type": "Microsoft.Sql/servers/firewallRules", "name": "r"}]}), None);
    let target = Target::Azure { tenant: None, subscriptions: vec!["s1".into()] };
    let (estate, _) = run(&cloud, target, &mut NoCheckpoints, options());
    assert_eq!(estate.resources().len(), 2);
    let parent = estate.by_id(&ResourceId::new(Cloud::Azure, server)).unwrap();
    let kind = Kind::new("Microsoft.Sql/servers/firewallRules");
    assert_eq!(estate.below(&parent, &kind).len(), 1);
    assert_eq!(estate.listing_below(&kind, &parent), Listing::Complete);
}

#[test]
fn keys_of_calls_do_not_depend_on_the_order_of_parameters() {
    let call = |params: [(&str, &str); 2]| Call {
        cloud: Cloud::Aws,
        scope: "1".into(),
        region: None,
        service: "s".into(),
        operation: "o".into(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), Json::from(*value))).collect::<Map<_, _>>(),
    };
    assert_eq!(call([("a", "1"), ("b", "2")]).key(), call([("b", "2"), ("a", "1")]).key());
}

const BUCKET: &str = "storage.googleapis.com/Bucket";
const THING: &str = "old.googleapis.com/Thing";

/// `cloudasset:assets.list` of these types.
fn assets(types: &[&str], content: &str) -> String {
    format!("cloudasset:assets.list - {}", json!({ "assetTypes": types, "contentType": content }))
}

fn google() -> Target {
    Target::Gcp { scope: "projects/p".into() }
}

/// An asset with its document, its policy, or both.
fn asset(kind: &str, name: &str, with: Json) -> Json {
    let mut asset = json!({ "name": name, "assetType": kind, "ancestors": ["projects/1"] });
    asset.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    asset
}

/// A cloud with a bucket, which does not know things.
fn without_things() -> Played {
    let bucket = "//storage.googleapis.com/b";
    let mut cloud = Played::default()
        .with(
            &assets(&[BUCKET], "RESOURCE"),
            json!({ "assets": [asset(BUCKET, bucket, json!({ "resource": { "data": { "name": "b" } } }))] }),
            None,
        )
        .with(
            &assets(&[BUCKET], "IAM_POLICY"),
            json!({ "assets": [asset(BUCKET, bucket, json!({ "iamPolicy": { "bindings": [] } }))] }),
            None,
        );
    for content in ["RESOURCE", "IAM_POLICY"] {
        for types in [&[THING, BUCKET][..], &[THING]] {
            cloud = cloud.failing(&assets(types, content), FailureKind::Refused, "INVALID_ARGUMENT");
        }
    }
    cloud
}

#[test]
fn an_unknown_asset_type_does_not_hide_the_others() {
    let cloud = without_things();
    let mut lines = Vec::new();
    let mut record = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let (estate, _) =
        run(&cloud, google(), &mut NoCheckpoints, CollectOptions { record: Some(&mut record), ..options() });
    let check = |estate: &MemoryEstate| {
        let ids: Vec<_> = estate.resources().iter().map(|resource| resource.id.to_string()).collect();
        assert_eq!(ids, ["//storage.googleapis.com/b"]);
        assert!(matches!(estate.resources()[0].attachment("iamPolicy"), Some(Answer::Found(_))));
        let scope = Scope::account(Cloud::Gcp, "projects/p");
        assert_eq!(estate.listing(&Kind::new(BUCKET), &scope, None), Listing::Complete);
        let Listing::Failed(cause) = estate.listing(&Kind::new(THING), &scope, None) else { panic!("it is unknown") };
        assert!(cause.to_string().contains("INVALID_ARGUMENT"), "{cause}");
    };
    check(&estate);
    assert_eq!(cloud.asked().len(), 6, "all, the bucket and the thing, of both contents: {:?}", cloud.asked());
    let mut replay = Replay::default();
    lines.iter().for_each(|line| replay.add(line).unwrap());
    check(&run(&replay, google(), &mut NoCheckpoints, options()).0);
}

#[test]
fn policies_that_could_not_be_read_are_unknown() {
    let bucket = |name: &str| asset(BUCKET, name, json!({ "resource": { "data": { "name": "b" } } }));
    let thing = asset(THING, "//old.googleapis.com/projects/p/t", json!({ "resource": { "data": {} } }));
    let seen = asset(BUCKET, "//storage.googleapis.com/a", json!({ "iamPolicy": { "bindings": [] } }));
    let first = assets(&[THING, BUCKET], "IAM_POLICY");
    let next = json!({ "pageToken": "2" });
    let second = format!(
        "cloudasset:assets.list - {}",
        json!({ "assetTypes": [THING, BUCKET], "contentType": "IAM_POLICY", "pageToken": "2" })
    );
    let cloud = Played::default()
        .with(
            &assets(&[THING, BUCKET], "RESOURCE"),
            json!({ "assets": [bucket("//storage.googleapis.com/a"), bucket("//storage.googleapis.com/b"), thing] }),
            None,
        )
        .with(&first, json!({ "assets": [seen] }), Some(next))
        .failing(&second, FailureKind::Unavailable, "UNAVAILABLE");
    let (estate, _) = run(&cloud, google(), &mut NoCheckpoints, options());
    let policy = |id: &str| {
        let found = estate.by_id(&ResourceId::new(Cloud::Gcp, id)).unwrap();
        found.attachment("iamPolicy").cloned()
    };
    assert!(matches!(policy("//storage.googleapis.com/a"), Some(Answer::Found(_))));
    for id in ["//storage.googleapis.com/b", "//old.googleapis.com/projects/p/t"] {
        assert!(matches!(policy(id), Some(Answer::Failed(_))), "{id}: {:?}", policy(id));
    }
}

#[test]
fn an_inventory_that_is_switched_off_is_no_empty_cloud() {
    let mut cloud = Played::default();
    for content in ["RESOURCE", "IAM_POLICY"] {
        cloud = cloud.failing(&assets(&[THING, BUCKET], content), FailureKind::NotOffered, "SERVICE_DISABLED");
    }
    let (estate, _) = run(&cloud, google(), &mut NoCheckpoints, options());
    let scope = Scope::account(Cloud::Gcp, "projects/p");
    let Listing::Failed(cause) = estate.listing(&Kind::new(BUCKET), &scope, None) else { panic!("it is unknown") };
    assert!(cause.to_string().contains("SERVICE_DISABLED"), "{cause}");
}

const INSIDE: [(&str, &str); 2] = [
    (
        "resource-types/azure/network/virtual-network.yaml",
        "
kind: Microsoft.Network/virtualNetworks
cloud: azure
title: { en: Network }
category: network
list: { table: resources }
inline: [{ path: properties.subnets, kind: Microsoft.Network/virtualNetworks/subnets }]
permissions: { none: test }
",
    ),
    (
        "resource-types/azure/resources/provider.yaml",
        "
kind: Microsoft.Resources/subscriptions/providers
cloud: azure
title: { en: Provider }
category: management
list: { arm: '{parent}/providers', api_version: 2025-04-01, parent: Microsoft.Network/virtualNetworks }
permissions: { none: test }
",
    ),
];

#[test]
fn kinds_inside_a_listed_kind_are_listed_and_rows_without_a_type_are_what_was_asked_for() {
    let network = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v";
    let arm = format!(
        "arm:Microsoft.Resources/subscriptions/providers - {}",
        json!({"api_version": "2025-04-01", "parent": network, "path": format!("{network}/providers")})
    );
    let query = "resourcegraph:resources - {\"query\":\"resources | order by id asc\",\"subscriptions\":[\"s1\"]}";
    let cloud = Played::default()
        .with(query, json!({"data": [{"id": network, "type": "microsoft.network/virtualnetworks"}]}), None)
        .with(&arm, json!({"value": [{"id": "/subscriptions/s1/providers/Microsoft.Insights"}]}), None);
    let targets = [Target::Azure { tenant: None, subscriptions: vec!["s1".into()] }];
    let catalogue = catalogue_of(&INSIDE);
    let mut builder = EstateBuilder::new();
    let types = catalogue.resource_types();
    let mut nothing = NoCheckpoints;
    let collected = collect(&cloud, &targets, types, &mut builder, &mut nothing, options());
    futures_executor::block_on(collected);
    let estate = builder.finish(catalogue.kinds());
    let scope = Scope::account(Cloud::Azure, "/subscriptions/s1");
    let subnets = Kind::new("Microsoft.Network/virtualNetworks/subnets");
    assert_eq!(estate.listing(&subnets, &scope, None), Listing::Complete);
    let provider = ResourceId::new(Cloud::Azure, "/subscriptions/s1/providers/Microsoft.Insights");
    let kind = estate.by_id(&provider).unwrap().kind.to_string();
    assert_eq!(kind, "Microsoft.Resources/subscriptions/providers");
    assert!(estate.problems().is_empty(), "{:?}", estate.problems());
}

const SNAPSHOTS: [(&str, &str); 2] = [
    (
        "resource-types/aws/ec2/snapshot.yaml",
        "
kind: AWS::EC2::Snapshot
cloud: aws
title: { en: Snapshot }
category: storage
id: 'snapshot/{SnapshotId}'
list: { service: ec2, operation: DescribeSnapshots, scope: regional, items: Snapshots, params: { OwnerIds: [self] } }
permissions: { none: test }
",
    ),
    (
        "resource-types/aws/ec2/public-snapshot.yaml",
        "
kind: AWS::EC2::PublicSnapshot
cloud: aws
title: { en: Public snapshot }
category: storage
id: 'public-snapshot/{SnapshotId}'
list: { service: ec2, operation: DescribeSnapshots, scope: regional, items: Snapshots, params: { OwnerIds: [self], RestorableByUserIds: [all] } }
permissions: { none: test }
",
    ),
];

#[test]
fn an_answer_is_read_for_the_use_that_it_was_asked_for() {
    let snapshots = |names: &[&str]| json!({ "Snapshots": names.iter().map(|name| json!({ "SnapshotId": name })).collect::<Vec<_>>() });
    let cloud = Played::default()
        .with("ec2:DescribeSnapshots us-east-1 {\"OwnerIds\":[\"self\"]}", snapshots(&["a", "b"]), None)
        .with(
            "ec2:DescribeSnapshots us-east-1 {\"OwnerIds\":[\"self\"],\"RestorableByUserIds\":[\"all\"]}",
            snapshots(&["b"]),
            None,
        );
    let catalogue = catalogue_of(&SNAPSHOTS);
    let targets = [Target::Aws { account: "1".into(), regions: vec!["us-east-1".into()], home: "us-east-1".into() }];
    let (mut builder, mut nothing) = (EstateBuilder::new(), NoCheckpoints);
    let types = catalogue.resource_types();
    futures_executor::block_on(collect(&cloud, &targets, types, &mut builder, &mut nothing, options()));
    let estate = builder.finish(catalogue.kinds());
    let mut ids: Vec<_> = estate.resources().iter().map(|resource| resource.id.to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["public-snapshot/b", "snapshot/a", "snapshot/b"]);
}

#[test]
fn an_answer_that_never_changes_is_taken_from_the_last_collection() {
    let file = "
kind: AWS::ECS::TaskDefinition
cloud: aws
title: { en: Task definition }
category: container
id: '{@}'
list: { service: ecs, operation: ListTaskDefinitions, scope: regional, items: arns }
attached:
  Describe: { service: ecs, operation: Describe, params: { name: '{@}' }, immutable: true, permissions: { none: test } }
  Tags: { service: ecs, operation: Tags, params: { name: '{@}' }, permissions: { none: test } }
permissions: { none: test }
";
    let catalogue = catalogue_of(&[("resource-types/aws/ecs/task-definition.yaml", file)]);
    let targets = [Target::Aws { account: "1".into(), regions: vec!["r-1".into()], home: "r-1".into() }];
    let cloud = |arns: &[&str]| {
        let mut cloud = Played::default().with("ecs:ListTaskDefinitions r-1 {}", json!({ "arns": arns }), None);
        for arn in arns {
            for operation in ["Describe", "Tags"] {
                let call = format!("ecs:{operation} r-1 {}", json!({ "name": arn }));
                cloud = cloud.with(&call, json!({ "of": arn }), None);
            }
        }
        cloud
    };
    let run = |cloud: &Played, kept: &mut Kept, options: CollectOptions<'_>| {
        let mut builder = EstateBuilder::new();
        let types = catalogue.resource_types();
        let collected = futures_executor::block_on(collect(cloud, &targets, types, &mut builder, kept, options));
        (content(&builder.finish(catalogue.kinds())), collected.progress.reused)
    };
    let mut first = Kept::default();
    run(&cloud(&["a"]), &mut first, options());
    let mut second = Kept { earlier: first.lines, ..Kept::default() };
    let later = cloud(&["a", "b"]);
    let (estate, reused) = run(&later, &mut second, options());
    let calls = later.asked();
    assert_eq!((reused, calls.len()), (1, 4), "the list, both tags, and what is new: {calls:?}");
    assert_eq!(second.lines.len(), 5, "it belongs to this collection too");
    let anew = CollectOptions { oldest_kept: Timestamp::MAX, ..options() };
    let whole = run(&cloud(&["a", "b"]), &mut Kept { earlier: second.lines, ..Kept::default() }, anew);
    assert_eq!(whole, (estate, 0), "whoever begins anew asks for everything");
}

#[test]
fn what_could_not_be_found_out_before_is_kept_and_recorded() {
    let lost = [Problem::lost("connector c", None, "its accounts are unknown")];
    let (mut kept, mut lines) = (Kept::default(), Vec::new());
    let mut record = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let options = CollectOptions { lost: &lost, record: Some(&mut record), ..options() };
    let (estate, _) = run(&played(), aws(), &mut kept, options);
    assert_eq!(estate.problems(), lost);
    let catalogue = catalogue();
    let mut builder = EstateBuilder::new();
    yagura_connect::live::read_kept(catalogue.resource_types(), &mut builder, |take| {
        kept.lines.iter().for_each(|(_, line)| take(line));
        kept.failed.iter().for_each(|line| take(line));
        Ok(())
    });
    assert_eq!(builder.finish(catalogue.kinds()).problems(), lost, "kept");
    let mut builder = EstateBuilder::new();
    let options = yagura_connect::export::ReadOptions::default();
    let text = lines.join("\n");
    yagura_connect::export::read_stream("r", text.as_bytes(), catalogue.resource_types(), &mut builder, &options);
    assert_eq!(builder.finish(catalogue.kinds()).problems(), lost, "recorded");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.jsonl"), text).unwrap();
    assert_eq!(Replay::read(folder.path()).unwrap().1, lost, "replayed");
}

#[test]
fn a_google_service_that_is_switched_off_for_the_caller_says_nothing_about_the_project() {
    let project = "cloudresourcemanager.googleapis.com/Project";
    let file = "
kind: cloudresourcemanager.googleapis.com/Project
cloud: gcp
title: { en: Project }
category: management
list: { asset: cloudresourcemanager.googleapis.com/Project, content: [RESOURCE] }
attached: { settings: { service: accessapproval, operation: get, url: 'https://accessapproval.googleapis.com/v1/projects/{projectId}/settings', permissions: { none: test } } }
permissions: { none: test }
";
    let row = json!({
        "name": "//cloudresourcemanager.googleapis.com/projects/1", "assetType": project, "ancestors": ["projects/1"],
        "resource": { "data": { "projectId": "web", "projectNumber": "1" } },
    });
    let url = "https://accessapproval.googleapis.com/v1/projects/web/settings";
    let cloud = Played::default().with(&assets(&[project], "RESOURCE"), json!({ "assets": [row] }), None).failing(
        &format!("accessapproval:get - {}", json!({ "url": url })),
        FailureKind::NotOffered,
        "SERVICE_DISABLED",
    );
    let catalogue = catalogue_of(&[("resource-types/gcp/resourcemanager/project.yaml", file)]);
    let (mut builder, mut nothing) = (EstateBuilder::new(), NoCheckpoints);
    let types = catalogue.resource_types();
    futures_executor::block_on(collect(&cloud, &[google()], types, &mut builder, &mut nothing, options()));
    let estate = builder.finish(catalogue.kinds());
    let found = estate.by_id(&ResourceId::new(Cloud::Gcp, "//cloudresourcemanager.googleapis.com/projects/1")).unwrap();
    assert!(matches!(found.attachment("settings"), Some(Answer::Failed(_))), "{:?}", found.attached);
}
