//! Accounts of AWS: a world that changes, told of through a queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use yagura_cloud::aws::model::{Model, Shape};
use yagura_cloud::{Call, CallFailure, FailureKind};
use yagura_connect::events::plan::{How, plan};
use yagura_connect::events::{Changes, Passed, PollOptions, Source, Watch, poll};
use yagura_connect::live::Target;
use yagura_model::{Answer, Cloud, Estate, Kind, ResourceId};

use super::{Played, at, catalogue, collected, failure, round, said, types};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/changes";
const KINDS: [&str; 8] = [
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupRule",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::KMS::Key",
    "AWS::IAM::User",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::Listener",
];

fn targets() -> [Target; 1] {
    [Target::Aws { account: ACCOUNT.into(), regions: vec![REGION.into()], home: "us-east-1".into() }]
}

fn source() -> Source {
    Source::sqs(ACCOUNT, REGION, QUEUE).unwrap()
}

/// What there is: by service, name and a number that changes; and the queue.
#[derive(Default)]
struct World {
    things: BTreeMap<(&'static str, u8), u32>,
    messages: BTreeMap<u64, String>,
    /// Messages that were received and are hidden until the next round.
    hidden: BTreeSet<u64>,
    sent: u64,
    /// Operations that are refused.
    denied: BTreeSet<&'static str>,
}

fn arn(service: &str, name: &str) -> String {
    match service {
        "balancer" => format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{name}/1"),
        "key" => format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"),
        "user" => format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        _ => format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
    }
}

fn name(service: &str, number: u8) -> String {
    match service {
        "group" => format!("sg-{number}"),
        _ => format!("{service}{number}"),
    }
}

fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

impl World {
    fn of(&self, service: &'static str) -> impl Iterator<Item = (String, u32)> {
        let own = self.things.iter().filter(move |((kind, _), _)| *kind == service);
        own.map(move |((_, number), version)| (name(service, *number), *version))
    }

    fn version(&self, service: &'static str, called: &str) -> Option<u32> {
        self.of(service).find(|(name, _)| name == called || arn(service, name) == called).map(|(_, version)| version)
    }

    /// What a call is answered.
    fn answer(&mut self, call: &Call) -> Result<Json, CallFailure> {
        let text = |name: &str| call.params.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        if self.denied.contains(call.operation.as_str()) {
            return Err(failure(FailureKind::Denied, "AccessDenied"));
        }
        Ok(match (call.service.as_str(), call.operation.as_str()) {
            ("ec2", "DescribeSecurityGroups") => {
                let groups = self.filtered(call, |group, version| json!({"GroupId": group, "Version": version}));
                json!({"SecurityGroups": groups})
            }
            ("ec2", "DescribeSecurityGroupRules") => {
                let mut rules = Vec::new();
                for (group, version) in self.wanted(call) {
                    for rule in 0..version % 3 {
                        let id = format!("sgr-{group}-{rule}");
                        rules.push(json!({"SecurityGroupRuleId": id, "GroupId": group, "Version": version}));
                    }
                }
                json!({"SecurityGroupRules": rules})
            }
            ("s3", "ListBuckets") => {
                json!({"Buckets": self.of("bucket").map(|(name, _)| json!({"Name": name})).collect::<Vec<_>>()})
            }
            ("s3", "GetBucketVersioning") => json!({"Status": self.version("bucket", &text("Bucket"))}),
            ("s3", "GetBucketPolicy")
                if self.version("bucket", &text("Bucket")).is_some_and(|version| version % 2 == 0) =>
            {
                return Err(failure(FailureKind::NotFound, "NoSuchBucketPolicy"));
            }
            ("sqs", "ListQueues") => {
                json!({"QueueUrls": self.of("queue").map(|(name, _)| queue_url(&name)).collect::<Vec<_>>()})
            }
            ("sqs", "GetQueueAttributes") => {
                let url = text("QueueUrl");
                let name = url.rsplit('/').next().unwrap();
                let Some(version) = self.version("queue", name) else {
                    return Err(failure(FailureKind::NotFound, "AWS.SimpleQueueService.NonExistentQueue"));
                };
                json!({"Attributes": {"QueueArn": arn("queue", name), "Version": version.to_string()}})
            }
            ("kms", "ListKeys") => {
                let keys = self.of("key").map(|(key, _)| json!({"KeyId": key, "KeyArn": arn("key", &key)}));
                json!({"Keys": keys.collect::<Vec<_>>()})
            }
            ("kms", "DescribeKey") => json!({"KeyMetadata": {"Version": self.version("key", &text("KeyId"))}}),
            ("iam", "GetAccountAuthorizationDetails") => {
                let user = |(user, version): (String, u32)| json!({"UserName": user, "Arn": arn("user", &user), "Version": version, "GroupList": []});
                json!({"UserDetailList": self.of("user").map(user).collect::<Vec<_>>()})
            }
            ("iam", "ListUsers") => {
                let user = |(user, _): (String, u32)| json!({"UserName": user, "Arn": arn("user", &user)});
                json!({"Users": self.of("user").map(user).collect::<Vec<_>>()})
            }
            ("elbv2", "DescribeLoadBalancers") => {
                let asked = call.params.get("LoadBalancerArns").and_then(|arns| arns[0].as_str()).map(str::to_owned);
                let of = |(name, version): (String, u32)| json!({"LoadBalancerArn": arn("balancer", &name), "LoadBalancerName": name, "Version": version});
                let all: Vec<Json> = self
                    .of("balancer")
                    .filter(|(name, _)| asked.as_ref().is_none_or(|asked| arn("balancer", name) == *asked))
                    .map(of)
                    .collect();
                if asked.is_some() && all.is_empty() {
                    return Err(failure(FailureKind::NotFound, "LoadBalancerNotFound"));
                }
                json!({"LoadBalancers": all})
            }
            ("elbv2", "DescribeListeners") => {
                let balancer = text("LoadBalancerArn");
                let version = self.version("balancer", &balancer).unwrap_or(0);
                let of = |number| {
                    let arn = format!("{}/{number}", balancer.replace(":loadbalancer/", ":listener/"));
                    json!({"ListenerArn": arn, "LoadBalancerArn": balancer})
                };
                json!({"Listeners": (0..version % 3).map(of).collect::<Vec<_>>()})
            }
            ("sqs", "ReceiveMessage") => {
                let seen = self.messages.iter().filter(|(number, _)| !self.hidden.contains(number));
                let received: Vec<(u64, Json)> = seen
                    .take(10)
                    .map(|(number, body)| {
                        let receipt = format!("r{number}");
                        (*number, json!({"MessageId": number.to_string(), "ReceiptHandle": receipt, "Body": body}))
                    })
                    .collect();
                self.hidden.extend(received.iter().map(|(number, _)| *number));
                json!({"Messages": received.into_iter().map(|(_, message)| message).collect::<Vec<_>>()})
            }
            ("sqs", "DeleteMessageBatch") => {
                for entry in call.params["Entries"].as_array().unwrap() {
                    let number = entry["ReceiptHandle"].as_str().unwrap()[1..].parse::<u64>().unwrap();
                    self.messages.remove(&number);
                }
                json!({})
            }
            _ => json!({}),
        })
    }

    /// The groups that a filter leaves.
    fn wanted(&self, call: &Call) -> Vec<(String, u32)> {
        let filter = call.params.get("Filters").map(|filters| filters[0].clone());
        let values =
            filter.as_ref().filter(|filter| filter["Name"] == "group-id").map(|filter| filter["Values"].clone());
        let is_wanted = |group: &str| values.as_ref().is_none_or(|values| values[0] == group);
        if filter.is_some() && values.is_none() {
            return Vec::new();
        }
        self.of("group").filter(|(group, _)| is_wanted(group)).collect()
    }

    fn filtered(&self, call: &Call, of: impl Fn(String, u32) -> Json) -> Vec<Json> {
        self.wanted(call).into_iter().map(|(group, version)| of(group, version)).collect()
    }

    /// Makes, changes or deletes something, and gives the record of it.
    fn act(&mut self, act: &Act, moment: i64) -> String {
        let key = (act.service, act.number);
        let exists = self.things.contains_key(&key);
        let (verb, version) = match (act.deletes, exists) {
            (true, _) => ("Delete", None),
            (false, true) => ("Change", Some(self.things[&key] + 1)),
            (false, false) => ("Create", Some(u32::from(act.number) + 1)),
        };
        match version {
            Some(version) => self.things.insert(key, version),
            None => self.things.remove(&key),
        };
        record(act.service, act.number, verb, moment)
    }

    fn send(&mut self, body: String) {
        self.sent += 1;
        self.messages.insert(self.sent, body);
    }
}

/// The record of one change, as EventBridge delivers it.
fn record(service: &str, number: u8, verb: &str, moment: i64) -> String {
    let called = name(service, number);
    let (source, event, request, response) = match (service, verb) {
        ("group", "Change") => ("ec2", "AuthorizeSecurityGroupIngress", json!({"groupId": called}), Json::Null),
        ("group", "Create") => ("ec2", "CreateSecurityGroup", json!({"groupName": "x"}), json!({"groupId": called})),
        ("group", _) => ("ec2", "DeleteSecurityGroup", json!({"groupId": called}), Json::Null),
        ("bucket", "Change") => ("s3", "PutBucketPolicy", json!({"bucketName": called}), Json::Null),
        ("bucket", "Create") => ("s3", "CreateBucket", json!({"bucketName": called}), Json::Null),
        ("bucket", _) => ("s3", "DeleteBucket", json!({"bucketName": called}), Json::Null),
        ("queue", "Create") => {
            ("sqs", "CreateQueue", json!({"queueName": called}), json!({"queueUrl": queue_url(&called)}))
        }
        ("queue", "Change") => ("sqs", "SetQueueAttributes", json!({"queueUrl": queue_url(&called)}), Json::Null),
        ("queue", _) => ("sqs", "DeleteQueue", json!({"queueUrl": queue_url(&called)}), Json::Null),
        ("key", "Create") => ("kms", "CreateKey", json!({}), json!({"keyMetadata": {"keyId": called}})),
        ("key", "Change") => ("kms", "EnableKeyRotation", json!({"keyId": arn("key", &called)}), Json::Null),
        // KMS deletes a key by itself, long after it was asked to.
        ("key", _) => ("kms", "DeleteKey", json!({"keyId": called}), Json::Null),
        ("user", "Create") => ("iam", "CreateUser", json!({"userName": called}), Json::Null),
        ("user", "Change") => ("iam", "PutUserPolicy", json!({"userName": called}), Json::Null),
        ("user", _) => ("iam", "DeleteUser", json!({"userName": called}), Json::Null),
        ("balancer", "Create") => (
            "elasticloadbalancing",
            "CreateLoadBalancer",
            json!({"name": called}),
            json!({"loadBalancers": [{"loadBalancerArn": arn(service, &called)}]}),
        ),
        ("balancer", "Change") => {
            ("elasticloadbalancing", "CreateListener", json!({"loadBalancerArn": arn(service, &called)}), Json::Null)
        }
        (_, _) => (
            "elasticloadbalancing",
            "DeleteLoadBalancer",
            json!({"loadBalancerArn": arn(service, &called)}),
            Json::Null,
        ),
    };
    envelope(source, event, request, response, moment)
}

fn envelope(source: &str, event: &str, request: Json, response: Json, moment: i64) -> String {
    json!({
        "version": "0", "id": format!("envelope-{moment}"), "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{source}"), "account": ACCOUNT, "time": at(moment), "region": REGION,
        "detail": {
            "eventVersion": "1.09", "eventID": format!("{event}-{moment}"), "eventTime": at(moment),
            "eventSource": format!("{source}.amazonaws.com"), "eventName": event, "awsRegion": REGION,
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/someone"},
            "requestParameters": request, "responseElements": response, "readOnly": false, "managementEvent": true,
            "eventCategory": "Management", "recipientAccountId": ACCOUNT,
        },
    })
    .to_string()
}

#[derive(Clone, Debug)]
struct Act {
    service: &'static str,
    number: u8,
    deletes: bool,
    /// In which round its event arrives, how often, and in which order.
    arrives: usize,
    copies: usize,
    order: u32,
}

const SERVICES: [&str; 6] = ["group", "bucket", "queue", "key", "user", "balancer"];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act =
        (prop::sample::select(&SERVICES[..]), 0..3u8, prop::bool::weighted(0.3), 0..6usize, 1..3usize, any::<u32>());
    let act = act.prop_map(|(service, number, deletes, arrives, copies, order)| Act {
        service,
        number,
        deletes,
        arrives,
        copies,
        order,
    });
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_events_ends_in_what_a_full_collection_says(before in acts(), acts in acts()) {
        let (types, targets) = (types(&KINDS), targets());
        let watch = Watch::new(&targets, &types);
        let world = Mutex::new(World::default());
        for act in before.iter().filter(|act| !act.deletes) {
            world.lock().unwrap().act(act, -1000);
        }
        let cloud = Played::new(|call: &Call| world.lock().unwrap().answer(call));
        let mut estate = collected(&cloud, &targets, &types);
        let mut changes = Changes::new(at(0));
        // Ten changes a round; their events arrive in the same or a later round, shuffled and repeated.
        let mut under_way: Vec<(usize, u32, String)> = Vec::new();
        let mut now = 0;
        for turn in 0..40 {
            for (number, act) in acts.iter().enumerate().filter(|(number, _)| number / 10 == turn) {
                let body = world.lock().unwrap().act(act, now + number as i64);
                for copy in 0..act.copies {
                    under_way.push((turn + act.arrives, act.order.rotate_left(copy as u32), body.clone()));
                }
            }
            let (mut arrived, later): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(when, _, _)| *when <= turn);
            under_way = later;
            arrived.sort();
            arrived.into_iter().for_each(|(_, _, body)| world.lock().unwrap().send(body));
            now += 50;
            world.lock().unwrap().hidden.clear();
            round(&cloud, &source(), &mut changes, &watch, &mut estate, at(now));
            now += 400;
        }
        prop_assert_eq!(changes.waiting(), 0);
        prop_assert_eq!(world.lock().unwrap().messages.len(), 0, "every message was deleted");
        prop_assert_eq!(said(&estate, &types), said(&collected(&cloud, &targets, &types), &types));
    }
}

/// A world with one thing, collected, and a poller.
fn with_one(service: &'static str, test: impl FnOnce(&Mutex<World>, &mut dyn FnMut(i64) -> Round)) {
    let (types, targets) = (types(&KINDS), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(World::default());
    world.lock().unwrap().things.insert((service, 1), 2);
    let cloud = Played::new(|call: &Call| world.lock().unwrap().answer(call));
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    cloud.asked();
    test(&world, &mut |moment| {
        world.lock().unwrap().hidden.clear();
        let polled = round(&cloud, &source(), &mut changes, &watch, &mut estate, at(moment));
        let is_there = |id: &str| estate.by_id(&ResourceId::new(Cloud::Aws, id)).is_some();
        let group = is_there(&format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-1"));
        let asked = cloud.asked().into_iter().filter(|call| !call.starts_with("sqs:")).collect();
        let policy = estate
            .by_id(&ResourceId::new(Cloud::Aws, "arn:aws:s3:::bucket1"))
            .and_then(|bucket| bucket.attachment("GetBucketPolicy").cloned());
        Round { polled, asked, group, policy }
    });
}

struct Round {
    polled: yagura_connect::events::Polled,
    asked: Vec<String>,
    group: bool,
    policy: Option<Answer>,
}

#[test]
fn a_burst_about_one_group_is_one_reading_of_it() {
    with_one("group", |world, round| {
        for moment in 0..25 {
            let body = record("group", 1, "Change", 100 + moment);
            world.lock().unwrap().send(body);
        }
        let seen = round(200);
        assert_eq!(seen.polled.events, 25);
        // The group, and its rules.
        assert_eq!(seen.asked, ["ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules"]);
        assert_eq!(seen.polled.read.get(&How::Narrow), Some(&2));
        assert!(world.lock().unwrap().messages.is_empty());
        assert_eq!(round(300).asked, [""; 0], "nothing comes again");
    });
}

#[test]
fn an_event_older_than_the_reading_asks_nothing() {
    with_one("group", |world, round| {
        world.lock().unwrap().send(record("group", 1, "Change", 400));
        assert_eq!(round(1000).asked.len(), 2);
        world.lock().unwrap().send(record("group", 1, "Change", 300));
        world.lock().unwrap().send(record("group", 1, "Change", -500));
        let seen = round(1010);
        assert_eq!((seen.asked.len(), seen.polled.passed.get(&Passed::Old)), (0, Some(&2)));
        assert!(world.lock().unwrap().messages.is_empty());
    });
}

#[test]
fn a_call_that_fails_keeps_the_resource_and_the_message() {
    for kind in ["DescribeSecurityGroups", "DescribeSecurityGroupRules"] {
        with_one("group", |world, round| {
            {
                let mut world = world.lock().unwrap();
                world.things.clear();
                world.send(record("group", 1, "Delete", 100));
                world.denied.insert(kind);
            }
            let seen = round(200);
            assert_eq!(seen.group, kind == "DescribeSecurityGroups", "{kind}");
            assert!(seen.polled.problems.iter().any(|problem| problem.message.contains("AccessDenied")), "{kind}");
            assert_eq!(world.lock().unwrap().messages.len(), 1, "{kind}: the message comes again");
            world.lock().unwrap().denied.clear();
            let seen = round(2000);
            assert!(!seen.group, "{kind}");
            assert!(world.lock().unwrap().messages.is_empty(), "{kind}");
        });
    }
}

#[test]
fn an_attached_answer_that_fails_is_unknown_and_not_the_old_one() {
    with_one("bucket", |world, round| {
        {
            let mut world = world.lock().unwrap();
            world.send(record("bucket", 1, "Change", 100));
            world.denied.insert("GetBucketPolicy");
        }
        let seen = round(200);
        assert!(matches!(seen.policy, Some(Answer::Failed(_))), "{:?}", seen.policy);
    });
}

#[test]
fn what_was_made_a_moment_ago_is_looked_for_more_than_once() {
    with_one("bucket", |world, round| {
        world.lock().unwrap().send(record("group", 1, "Create", 100));
        let seen = round(101);
        assert_eq!((seen.group, seen.polled.waiting), (false, 2), "no answer holds it yet");
        world.lock().unwrap().things.insert(("group", 1), 1);
        let seen = round(200);
        assert!(seen.group);
        assert_eq!(seen.polled.waiting, 0);
    });
}

/// The plans of one record: how, and the calls.
fn plans(body: &str) -> Vec<(How, String)> {
    let targets = targets();
    let watch = Watch::new(&targets, catalogue().resource_types());
    let parsed = yagura_connect::events::aws::parse(body, &watch.triggers).unwrap();
    let mut found = Vec::new();
    for event in &parsed.events {
        for plan in plan(event, &watch) {
            for call in plan.calls() {
                let region = call.region.as_deref().unwrap_or("-");
                let params = Json::Object(call.params.clone());
                found.push((plan.how, format!("{region} {}:{} {params}", call.service, call.operation)));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn records_are_planned_by_what_the_resource_types_say() {
    let narrow = |call: &str| (How::Narrow, call.to_owned());
    let relist = |call: &str| (How::Relist, call.to_owned());
    let filter =
        |name: &str, value: &str| format!("{{\"Filters\":[{{\"Name\":\"{name}\",\"Values\":[\"{value}\"]}}]}}");
    for (source, event, request, wanted) in [
        (
            "ec2",
            "ModifyInstanceAttribute",
            json!({"instanceId": "i-1"}),
            vec![narrow(&format!("eu-west-1 ec2:DescribeInstances {}", filter("instance-id", "i-1")))],
        ),
        (
            "ec2",
            "CreateTags",
            json!({"resourcesSet": {"items": [{"resourceId": "vol-1"}]}}),
            vec![narrow(&format!("eu-west-1 ec2:DescribeVolumes {}", filter("volume-id", "vol-1")))],
        ),
        // Nothing of a kind that is described.
        ("ec2", "CreateTags", json!({"resourcesSet": {"items": [{"resourceId": "pl-1"}]}}), Vec::new()),
        // Which kind without `events` it changed cannot be told: all of the service are listed again.
        (
            "autoscaling",
            "SuspendProcesses",
            json!({}),
            vec![
                relist("eu-west-1 autoscaling:DescribeAutoScalingGroups {}"),
                relist("eu-west-1 autoscaling:DescribeLaunchConfigurations {}"),
            ],
        ),
        // A kind without `events`, which the event names.
        (
            "autoscaling",
            "CreateAutoScalingGroup",
            json!({}),
            vec![relist("eu-west-1 autoscaling:DescribeAutoScalingGroups {}")],
        ),
        ("s3", "PutBucketPolicy", json!({"bucketName": "b"}), vec![narrow("us-east-1 s3:ListBuckets {}")]),
        (
            "iam",
            "AttachUserPolicy",
            json!({"userName": "u", "policyArn": "arn:aws:iam::123456789012:policy/p"}),
            vec![
                narrow(
                    "us-east-1 iam:GetAccountAuthorizationDetails {\"Filter\":[\"LocalManagedPolicy\",\"AWSManagedPolicy\"]}",
                ),
                narrow("us-east-1 iam:GetAccountAuthorizationDetails {\"Filter\":[\"User\"]}"),
            ],
        ),
        (
            "lambda",
            "UpdateFunctionCode20150331v2",
            json!({"functionName": "f"}),
            vec![narrow("eu-west-1 lambda:ListFunctions {}")],
        ),
        (
            "eks",
            "UpdateClusterConfig",
            json!({"name": "c"}),
            vec![narrow("eu-west-1 eks:DescribeCluster {\"name\":\"c\"}")],
        ),
        (
            "ecr",
            "PutImage",
            json!({"repositoryName": "r"}),
            vec![narrow("eu-west-1 ecr:DescribeRepositories {\"repositoryNames\":[\"r\"]}")],
        ),
        // An event that should name a resource, and does not: the plan says that the kind is listed again.
        ("ec2", "CreateLaunchTemplate", json!({}), vec![relist("eu-west-1 ec2:DescribeLaunchTemplates {}")]),
        ("guardduty", "CreateDetector", json!({}), vec![relist("eu-west-1 guardduty:ListDetectors {}")]),
        ("ec2", "EnableEbsEncryptionByDefault", json!({}), region_calls()),
    ] {
        assert_eq!(plans(&envelope(source, event, request, Json::Null, 1)), wanted, "{event}");
    }
}

/// The calls about a region, of which no list speaks.
fn region_calls() -> Vec<(How, String)> {
    let region = catalogue().resource_types().get(&Kind::new("AWS::Account::Region")).unwrap();
    let mut calls: Vec<(How, String)> = region
        .attached
        .values()
        .map(|call| {
            let params = serde_json::to_value(&call.params).unwrap();
            let (service, operation) = (call.service.as_deref().unwrap(), call.operation.as_deref().unwrap());
            (How::Relist, format!("eu-west-1 {service}:{operation} {params}"))
        })
        .collect();
    calls.sort();
    calls
}

#[test]
fn a_whole_kind_is_listed_once_in_a_while_only() {
    let (types, targets) = (types(&["AWS::EC2::LaunchTemplate"]), targets());
    let watch = Watch::new(&targets, &types);
    let world = Mutex::new(World::default());
    let cloud = Played::new(|call: &Call| world.lock().unwrap().answer(call));
    let mut estate = collected(&cloud, &targets, &types);
    let mut changes = Changes::new(at(0));
    let mut listed = Vec::new();
    for moment in [100, 150, 200, 300, 420] {
        world.lock().unwrap().send(envelope("ec2", "CreateLaunchTemplate", json!({}), Json::Null, moment));
        cloud.asked();
        let options = PollOptions { settle: 0, relist_every: 300, ..PollOptions::at(at(moment)) };
        futures_executor::block_on(poll(&cloud, &source(), &mut changes, &watch, &mut estate, options));
        listed.push(cloud.asked().contains(&"ec2:DescribeLaunchTemplates".to_owned()));
    }
    assert_eq!(listed, [true, false, false, false, true]);
}

#[test]
fn events_of_other_accounts_and_regions_are_passed_over() {
    for (from, to) in [("123456789012", "999999999999"), ("eu-west-1", "ap-south-1")] {
        with_one("group", |world, round| {
            world.lock().unwrap().send(record("group", 1, "Change", 100).replace(from, to));
            let seen = round(200);
            assert_eq!((seen.asked.len(), seen.polled.passed.get(&Passed::OtherScope)), (0, Some(&1)));
            assert!(world.lock().unwrap().messages.is_empty());
        });
    }
}

#[test]
fn the_service_model_knows_every_parameter_that_events_narrow_by() {
    let model = Model::embedded().unwrap();
    let mut narrowed = BTreeSet::new();
    for (kind, described) in catalogue().resource_types() {
        for trigger in described.events.as_slice().iter().filter(|trigger| !trigger.params.is_empty()) {
            let list = described.described_by().unwrap();
            let service = model.service(list.service.as_deref().unwrap()).unwrap();
            let operation = service.operation(list.operation.as_deref().unwrap()).unwrap();
            let input = service.structure(operation.input.as_ref().unwrap()).unwrap();
            for (name, value) in trigger.params_for("x").0 {
                let member = input.members.get(name.as_str());
                let member = member.unwrap_or_else(|| panic!("{kind}: {} takes no {name}", operation.name));
                let is_list = matches!(service.shape(member), Shape::List(_));
                assert_eq!(is_list, value.is_array(), "{kind}: {name}");
            }
            narrowed.insert(kind.clone());
        }
    }
    assert!(narrowed.len() >= 25, "{}: {narrowed:?}", narrowed.len());
    let followed = catalogue().resource_types().values().filter(|described| !described.events.as_slice().is_empty());
    assert!(followed.count() >= 35);
    for operation in ["ReceiveMessage", "DeleteMessageBatch"] {
        assert!(model.service("sqs").unwrap().operation(operation).is_some(), "{operation}");
    }
}
