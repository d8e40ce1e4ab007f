//! All principals of a large account against all escalation primitives.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value as Json, json};
use yagura_content::{Catalogue, Layer, shipped};
use yagura_graph::escalation::{Primitives, derive};
use yagura_model::{
    Answer, Cloud, EstateBuilder, Kind, Listing, MemoryEstate, Place, Resource, ResourceId, Scope, Sink, Timestamp,
};

const ACCOUNT: &str = "123456789012";
/// Services that roles trust, in turn.
const SERVICES: [&str; 8] = ["lambda", "ec2", "ecs-tasks", "codebuild", "glue", "states", "sagemaker", "config"];

fn resource(kind: &str, rest: &str, document: Json) -> Resource {
    let id = format!("arn:aws:iam::{ACCOUNT}:{rest}");
    Resource {
        id: ResourceId::new(Cloud::Aws, id.as_str()),
        kind: Kind::new(kind),
        cloud: Cloud::Aws,
        scope: Scope::account(Cloud::Aws, ACCOUNT),
        group: None,
        name: rest.into(),
        region: None,
        observed_at: None,
        document: document.into(),
        attached: Vec::new(),
    }
}

/// Policies as accounts have them: most read and write data of one service, some pass roles, few change identities.
fn statements(number: usize) -> Json {
    let allow = |actions: Json, on: Json| json!({"Effect": "Allow", "Action": actions, "Resource": on});
    let data = allow(
        json!(["s3:GetObject", "s3:PutObject", "s3:List*", "logs:CreateLogStream", "logs:PutLogEvents"]),
        json!([format!("arn:aws:s3:::data-{number}"), format!("arn:aws:s3:::data-{number}/*"), "arn:aws:logs:*:*:*"]),
    );
    let more = match number % 20 {
        0 => allow(json!(["iam:PassRole", "lambda:*", "ec2:*", "ecs:*"]), json!("*")),
        1 => allow(json!(["iam:CreateAccessKey", "iam:AttachRolePolicy", "sts:AssumeRole"]), json!("*")),
        2 => allow(json!("iam:PassRole"), json!(format!("arn:aws:iam::*:role/app-{number}-*"))),
        3 => json!({"Effect": "Deny", "NotAction": ["s3:*", "logs:*"], "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}),
        4..8 => allow(json!(["lambda:UpdateFunctionCode", "codebuild:StartBuild"]), json!("*")),
        _ => allow(json!(["dynamodb:GetItem", "dynamodb:Query", "sqs:*", "sns:Publish"]), json!("*")),
    };
    json!({"Version": "2012-10-17", "Statement": [data, more]})
}

/// 10,000 principals: 3,000 users in 200 groups and 6,800 roles, each with a policy of its own and three of 600 managed
/// ones.
fn estate(catalogue: &Catalogue) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    for kind in ["User", "Role", "Group", "ManagedPolicy"] {
        let place = Place::scope(Scope::account(Cloud::Aws, ACCOUNT));
        builder.listing(Kind::new(format!("AWS::IAM::{kind}")), place, Listing::Complete);
    }
    let attached = |number: usize| -> Vec<Json> {
        let arns = [number % 600, (number * 7) % 600, (number * 13) % 600];
        arns.iter().map(|place| json!({"PolicyArn": format!("arn:aws:iam::{ACCOUNT}:policy/p{place}")})).collect()
    };
    let inline = |number: usize| json!([{"PolicyName": "own", "PolicyDocument": statements(number)}]);
    for number in 0..600 {
        let versions = json!([{"IsDefaultVersion": true, "Document": statements(number)}]);
        builder.resource(resource(
            "AWS::IAM::ManagedPolicy",
            &format!("policy/p{number}"),
            json!({"PolicyVersionList": versions}),
        ));
    }
    for number in 0..200 {
        let document = json!({"AttachedManagedPolicies": attached(number), "GroupPolicyList": []});
        builder.resource(resource("AWS::IAM::Group", &format!("group/g{number}"), document));
    }
    for number in 0..3_000 {
        let document = json!({"AttachedManagedPolicies": attached(number), "UserPolicyList": inline(number),
            "GroupList": [format!("g{}", number % 200)], "Tags": []});
        builder.resource(resource("AWS::IAM::User", &format!("user/u{number}"), document));
    }
    for number in 0..6_800 {
        let trusted = match number % 10 {
            0 => json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}),
            1 => json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:user/u{}", number % 3_000)}),
            2 => json!({"AWS": "arn:aws:iam::210987654321:root"}),
            _ => json!({"Service": format!("{}.amazonaws.com", SERVICES[number % SERVICES.len()])}),
        };
        let trust = json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}});
        let document = json!({"AttachedManagedPolicies": attached(number), "RolePolicyList": inline(number),
            "AssumeRolePolicyDocument": trust});
        builder.resource(resource("AWS::IAM::Role", &format!("role/r{number}"), document));
    }
    builder.finish(catalogue.kinds())
}

fn escalation(criterion: &mut Criterion) {
    let (catalogue, _) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    let estate = estate(&catalogue);
    let now = Timestamp::from_second(1_780_272_000).expect("a moment");
    let run = || derive(&estate, &Primitives::new(catalogue.escalations()), now);
    let begun = Instant::now();
    let answers = run();
    let found = answers.iter().filter(|(_, _, answer)| {
        matches!(answer, Answer::Found(document) if document.root().get("found").is_some_and(|found| !found.is_empty()))
    });
    let taken = begun.elapsed();
    println!("{} answers, {} with a finding, {taken:?}", answers.len(), found.count());
    let mut group = criterion.benchmark_group("escalation");
    group.sample_size(10);
    group.bench_function("10,000 principals", |bencher| bencher.iter(|| black_box(run())));
    group.finish();
}

criterion_group!(benches, escalation);
criterion_main!(benches);
