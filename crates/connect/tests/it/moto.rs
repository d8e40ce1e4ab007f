//! Against moto, with the AWS client itself: changes of an account are followed through a queue.
//!
//! `cargo xtask test` runs it: it starts a server, names it in `YAGURA_MOTO`, and in `YAGURA_PYTHON` the Python with boto3
//! that runs `moto_world.py`. The test has an account of its own there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use yagura_cloud::aws::{AwsClient, AwsCredentials, AwsRole, AwsSettings, AwsSource};
use yagura_cloud::{Environment, HttpSettings, LimiterSettings, RetrySettings};
use yagura_connect::events::{Changes, PollOptions, Source, Watch, poll};
use yagura_connect::live::{CollectOptions, Target, collect};
use yagura_model::{EstateBuilder, MemoryEstate, NoCheckpoints, Timestamp};

use super::events::{catalogue, said, types};

const ACCOUNT: &str = "444444444444";
const REGION: &str = "eu-west-1";
const KINDS: [&str; 18] = [
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupRule",
    "AWS::EC2::Volume",
    "AWS::EC2::Snapshot",
    "AWS::EC2::VPC",
    "AWS::S3::Bucket",
    "AWS::IAM::User",
    "AWS::IAM::Role",
    "AWS::IAM::ManagedPolicy",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::DynamoDB::Table",
    "AWS::SecretsManager::Secret",
    "AWS::ECR::Repository",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::RDS::DBInstance",
];

fn client(url: &str) -> AwsClient {
    AwsClient::new(AwsSettings {
        source: AwsSource::Role(Box::new(AwsRole::new(
            AwsSource::Keys(AwsCredentials::new("a", "b")),
            format!("arn:aws:iam::{ACCOUNT}:role/changes"),
        ))),
        region: Some(REGION.to_owned()),
        endpoint_override: Some(url.to_owned()),
        environment: Environment::default(),
        http: HttpSettings { allow_private: true, ..HttpSettings::default() },
        limits: LimiterSettings { rate: 1e6, burst: 1e6, slowest: 1e6, ..LimiterSettings::default() },
        retries: RetrySettings { attempts: 1, first_wait: Duration::ZERO, ..RetrySettings::default() },
        ..AwsSettings::of_process()
    })
    .unwrap()
}

fn world(url: &str, step: &str) {
    let python = std::env::var("YAGURA_PYTHON").expect("YAGURA_PYTHON names a Python with boto3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/moto_world.py");
    let status = Command::new(python).arg(script).args(["--endpoint", url, step]).status();
    assert!(status.expect("Python runs").success(), "moto_world.py {step} failed");
}

fn now() -> Timestamp {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_second(elapsed.as_secs() as i64).unwrap()
}

#[tokio::test]
#[ignore = "needs moto: `cargo xtask test`"]
async fn an_account_in_moto_is_followed_through_its_queue() {
    let url = std::env::var("YAGURA_MOTO").expect("YAGURA_MOTO names a moto server: `cargo xtask test` starts one");
    world(&url, "before");
    let (caller, types) = (client(&url), types(&KINDS));
    let targets = [Target::Aws { account: ACCOUNT.into(), regions: vec![REGION.into()], home: "us-east-1".into() }];
    let whole = async || -> MemoryEstate {
        let mut builder = EstateBuilder::new();
        let options = CollectOptions {
            at_once: 4,
            most_pages: 100,
            now: now(),
            oldest_kept: now(),
            lost: &[],
            progress: None,
            record: None,
        };
        collect(&caller, &targets, &types, &mut builder, &mut NoCheckpoints, options).await;
        builder.finish(catalogue().kinds())
    };
    let began = now();
    let mut estate = whole().await;
    world(&url, "after");
    let watch = Watch::new(&targets, &types);
    let source = Source::sqs(ACCOUNT, REGION, &format!("{url}/{ACCOUNT}/changes")).unwrap();
    let mut changes = Changes::new(began);
    let (mut calls, mut events, mut removed) = (0, 0, 0);
    let mut passed = std::collections::BTreeMap::new();
    for turn in 0..12 {
        let moment = Timestamp::from_second(now().as_second() + turn * 600).unwrap();
        let options = PollOptions { settle: 0, wait_seconds: 0, relist_every: 0, ..PollOptions::at(moment) };
        let polled = poll(&caller, &source, &mut changes, &watch, &mut estate, options).await;
        assert_eq!(polled.problems, []);
        for (why, count) in polled.passed {
            *passed.entry(why).or_insert(0) += count;
        }
        (calls, events, removed) = (calls + polled.calls, events + polled.events, removed + polled.removed.len());
        if polled.waiting == 0 && polled.messages == 0 {
            break;
        }
    }
    assert_eq!(changes.waiting(), 0);
    assert!(events > 20 && removed > 8, "{events} events, {removed} removed");
    println!("{events} events, {passed:?} passed over, {calls} calls, {removed} resources removed");
    let (ours, theirs) = (said(&estate, &types), said(&whole().await, &types));
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(timeless(ours), timeless(theirs));
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

/// A line without the one time in it that moves by itself.
fn timeless(line: &str) -> String {
    let Some((before, rest)) = line.split_once("\"LatestRestorableTime\": ") else { return line.to_owned() };
    format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after))
}
