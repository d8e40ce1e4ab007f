//! Probing what a connector may read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use serde_json::{Value as Json, json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_connect::live::{Outcome, ProbeOptions, ProbeSummary, Probed, Target, probe};
use yagura_content::{Catalogue, ContentFile, Gravity, Layer};

use super::{Played, TYPES, aws};

const MORE_TYPES: [(&str, &str); 4] = [
    (
        "resource-types/aws/account/region.yaml",
        "
kind: AWS::Account::Region
cloud: aws
title: { en: Region }
category: management
id: 'arn:{partition}:account:{region}:{account}:region'
implied: region
attached:
  GetMacieSession: { service: macie2, operation: GetMacieSession, none_on: ['AccessDeniedException: Macie is not enabled'], permissions: ['macie2:GetMacieSession'] }
",
    ),
    (
        "resource-types/azure/graph/user.yaml",
        "
kind: Microsoft.Graph/users
cloud: azure
title: { en: User }
category: identity
id: '/providers/Microsoft.Graph/users/{id}'
list: { graph: users, select: [id] }
permissions: [User.Read.All]
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
permissions: [cloudasset.assets.listResource]
attached:
  iamPolicy: { content: IAM_POLICY, permissions: [cloudasset.assets.listIamPolicy] }
",
    ),
    (
        "resource-types/gcp/resourcemanager/project.yaml",
        "
kind: cloudresourcemanager.googleapis.com/Project
cloud: gcp
title: { en: Project }
category: management
list: { asset: cloudresourcemanager.googleapis.com/Project, content: [RESOURCE] }
permissions: [cloudasset.assets.listResource]
attached:
  accessApprovalSettings: { service: accessapproval, operation: projects.getAccessApprovalSettings, url: 'https://accessapproval.googleapis.com/v1/projects/{projectId}/accessApprovalSettings', permissions: [accessapproval.settings.get] }
",
    ),
];

/// Slug, cloud, kind and condition of the recommendations.
const RECOMMENDATIONS: [(&str, &str, &str, &str); 6] = [
    ("queue", "aws", "AWS::SQS::Queue", "{ field: A, equals: 1 }"),
    ("bucket-name", "aws", "AWS::S3::Bucket", "{ field: Name, equals: a }"),
    ("bucket-policy", "aws", "AWS::S3::Bucket", "{ field: GetBucketPolicy.Policy, exists: false }"),
    ("macie", "aws", "AWS::Account::Region", "{ field: GetMacieSession.status, notEquals: ENABLED }"),
    (
        "firewall",
        "azure",
        "Microsoft.Sql/servers",
        "{ related: { via: [{ children: Microsoft.Sql/servers/firewallRules }], any: {} } }",
    ),
    ("bucket-iam", "gcp", "storage.googleapis.com/Bucket", "{ field: 'iamPolicy.bindings[*].role', equals: a }"),
];

fn catalogue() -> Catalogue {
    let types = TYPES.iter().filter(|(path, _)| !path.contains("/gcp/"));
    let types = types.chain(&MORE_TYPES).map(|(path, text)| ContentFile::yaml(*path, *text));
    let mut files: Vec<ContentFile> = types.collect();
    files.push(ContentFile::yaml("plans.yaml", "plans: [{ id: free, title: { en: Free } }]"));
    for (slug, cloud, kind, condition) in RECOMMENDATIONS {
        let text = format!(
            "slug: {slug}\ntitle: {{ en: A }}\nseverity: low\napplies_to: {kind}\nwhy: {{ en: A }}\nfix: {{ steps: {{ en: [A] }} }}\nunhealthy_when: {condition}\ntests: [{{ expect: healthy }}, {{ expect: unhealthy }}]\n"
        );
        files.push(ContentFile::yaml(format!("recommendations/{cloud}/t/{slug}.yaml"), text));
    }
    let (catalogue, diagnostics) = Catalogue::load(&[Layer { files, shipped: false }]);
    assert!(diagnostics.iter().all(|found| found.gravity == Gravity::Warning), "{diagnostics:?}");
    catalogue
}

fn run(caller: &impl Caller, targets: &[Target], at_once: usize) -> Vec<Probed> {
    let catalogue = catalogue();
    let options = ProbeOptions { at_once, now: "2026-06-01T00:00:00Z".parse().unwrap(), progress: None };
    futures_executor::block_on(probe(caller, targets, &catalogue, options))
}

/// One row a call: `sqs:ListQueues us-east-1 denied [sqs:ListQueues] AWS::SQS::Queue / queue`.
fn rows(probed: &[Probed]) -> Vec<String> {
    let catalogue = catalogue();
    let slug = |key: &String| {
        let found = &catalogue.recommendations()[catalogue.find(key).unwrap()];
        found.source.slug.clone().unwrap()
    };
    let row = |one: &Probed| {
        let outcome = match &one.outcome {
            Outcome::Ok => "ok".to_owned(),
            Outcome::Denied { .. } => "denied".to_owned(),
            Outcome::NotOffered => "not offered".to_owned(),
            Outcome::Failed { code, .. } => format!("failed {code}"),
            Outcome::NotTried => "not tried".to_owned(),
        };
        let subject = |kind: &str, answer: &Option<String>| match answer {
            Some(answer) => format!("{kind} {answer}"),
            None => kind.to_owned(),
        };
        let subjects: Vec<String> = one.subjects.iter().map(|one| subject(one.kind.as_str(), &one.answer)).collect();
        let unknown: Vec<String> = one.unknown.iter().map(slug).collect();
        format!(
            "{}:{} {} {outcome} [{}] {} / {}",
            one.service,
            one.operation,
            one.region.as_deref().unwrap_or("-"),
            one.permissions.join(", "),
            subjects.join(", "),
            unknown.join(", ")
        )
    };
    probed.iter().map(row).collect()
}

/// A cloud where everything is answered and two pages of buckets would be there.
fn allowing() -> Played {
    Played::default()
        .with("ec2:DescribeRegions us-east-1 {}", json!({ "Regions": [] }), None)
        .with(
            "s3:ListBuckets us-east-1 {}",
            json!({ "Buckets": [{ "Name": "a" }, { "Name": "b" }] }),
            Some(json!({ "ContinuationToken": "2" })),
        )
        .failing("s3:GetBucketPolicy us-east-1 {\"Bucket\":\"a\"}", FailureKind::NotFound, "NoSuchBucketPolicy")
        .with("sqs:ListQueues us-east-1 {}", json!({ "QueueUrls": ["https://q/1", "https://q/2"] }), None)
        .with(
            "sqs:GetQueueAttributes us-east-1 {\"AttributeNames\":[\"All\"],\"QueueUrl\":\"https://q/1\"}",
            json!({ "Attributes": { "QueueArn": "arn:aws:sqs:us-east-1:123456789012:q" } }),
            None,
        )
        .with("macie2:GetMacieSession us-east-1 {}", json!({ "status": "ENABLED" }), None)
}

#[test]
fn one_page_in_one_region_and_one_answer_of_each_kind_is_asked_for() {
    let cloud = allowing();
    let probed = run(&cloud, &[aws()], 4);
    assert_eq!(
        rows(&probed),
        [
            "ec2:DescribeRegions us-east-1 ok []  / ",
            "macie2:GetMacieSession us-east-1 ok [macie2:GetMacieSession] AWS::Account::Region GetMacieSession / ",
            "s3:GetBucketPolicy us-east-1 ok [s3:GetBucketPolicy] AWS::S3::Bucket GetBucketPolicy / ",
            "s3:ListBuckets us-east-1 ok [s3:ListAllMyBuckets] AWS::S3::Bucket / ",
            "sqs:GetQueueAttributes us-east-1 ok [sqs:GetQueueAttributes] AWS::SQS::Queue / ",
            "sqs:ListQueues us-east-1 ok [sqs:ListQueues] AWS::SQS::Queue / ",
        ]
    );
    assert_eq!(cloud.asked().len(), 6, "{:?}", cloud.asked());
    let summary = ProbeSummary::of(&probed);
    assert!(summary.is_whole());
    assert_eq!((summary.ok, summary.missing.len(), summary.kinds.len()), (6, 0, 0));
}

#[test]
fn a_denied_call_says_what_is_missing_and_what_will_be_unknown() {
    let cloud = allowing().failing("sqs:ListQueues us-east-1 {}", FailureKind::Denied, "AccessDenied").failing(
        "s3:GetBucketPolicy us-east-1 {\"Bucket\":\"a\"}",
        FailureKind::Denied,
        "AccessDenied",
    );
    let probed = run(&cloud, &[aws()], 1);
    let found = rows(&probed);
    for wanted in [
        "s3:GetBucketPolicy us-east-1 denied [s3:GetBucketPolicy] AWS::S3::Bucket GetBucketPolicy / bucket-policy",
        "sqs:ListQueues us-east-1 denied [sqs:ListQueues] AWS::SQS::Queue / queue",
        "sqs:GetQueueAttributes - not tried [sqs:GetQueueAttributes] AWS::SQS::Queue / ",
    ] {
        assert!(found.iter().any(|row| row == wanted), "{wanted} is not in {found:#?}");
    }
    insta::assert_json_snapshot!("summary", ProbeSummary::of(&probed));
}

#[test]
fn outcomes_are_told_apart_by_the_failure() {
    let list = "s3:ListBuckets us-east-1 {}";
    let macie = "macie2:GetMacieSession us-east-1 {}";
    let refused = "User: x is not authorized to perform: macie2:GetMacieSession";
    let rows_of: [(&str, FailureKind, &str, &str, &str); 7] = [
        (list, FailureKind::NotOffered, "OptInRequired", "no", "not offered"),
        (list, FailureKind::Throttled, "SlowDown", "no", "failed SlowDown"),
        (list, FailureKind::Credentials, "ExpiredToken", "no", "failed ExpiredToken"),
        (list, FailureKind::NotFound, "NoSuchThing", "no", "failed NoSuchThing"),
        (list, FailureKind::Denied, "AccessDenied", "no", "denied"),
        (macie, FailureKind::Denied, "AccessDeniedException", "Macie is not enabled.", "ok"),
        (macie, FailureKind::Denied, "AccessDeniedException", refused, "denied"),
    ];
    for (call, kind, code, message, wanted) in rows_of {
        let mut cloud = allowing();
        let failure = CallFailure { kind, code: code.into(), message: message.into() };
        cloud.answers.insert(call.to_owned(), Err(failure));
        let found = rows(&run(&cloud, &[aws()], 4));
        let start = call.trim_end_matches(" {}");
        let row = found.iter().find(|row| row.starts_with(start)).unwrap();
        assert!(row.starts_with(&format!("{start} {wanted} [")), "{row}: {wanted}");
    }
}

#[test]
fn children_of_azure_are_asked_for_below_one_parent() {
    let server = |name: &str| format!("/subscriptions/s1/resourceGroups/g/providers/Microsoft.Sql/servers/{name}");
    let arm = |parent: &str| {
        let path = format!("{parent}/firewallRules");
        let params = json!({ "api_version": "2021-11-01", "parent": parent, "path": path });
        format!("arm:Microsoft.Sql/servers/firewallRules - {params}")
    };
    let row = |name: &str| json!({ "id": server(name), "type": "microsoft.sql/servers", "name": name });
    let query = "resourcegraph:resources - {\"query\":\"resources | order by id asc\",\"subscriptions\":[\"s1\"]}";
    let cloud = Played::default()
        .with(query, json!({ "data": [row("one"), row("two")] }), None)
        .failing(&arm(&server("one")), FailureKind::Denied, "AuthorizationFailed")
        .failing(
            "graph:users - {\"path\":\"users\",\"select\":[\"id\"]}",
            FailureKind::Denied,
            "Authorization_RequestDenied",
        );
    let target = Target::Azure { tenant: Some("t1".into()), subscriptions: vec!["s1".into()] };
    assert_eq!(
        rows(&run(&cloud, &[target], 4)),
        [
            "arm:Microsoft.Sql/servers/firewallRules - denied [Microsoft.Sql/servers/firewallRules/read] Microsoft.Sql/servers/firewallRules / firewall",
            "resourcegraph:resources - ok [Microsoft.Sql/servers/read] Microsoft.Sql/servers / ",
            "graph:users - denied [User.Read.All] Microsoft.Graph/users / ",
        ]
    );
    assert_eq!(cloud.asked().len(), 3);
    let gone = Played::default().with(query, json!({ "data": [row("one")] }), None).failing(
        &arm(&server("one")),
        FailureKind::NotFound,
        "ParentResourceNotFound",
    );
    let target = Target::Azure { tenant: None, subscriptions: vec!["s1".into()] };
    let found = rows(&run(&gone, &[target], 4));
    assert!(found[0].starts_with("arm:Microsoft.Sql/servers/firewallRules - ok ["), "{found:?}");
    assert!(found[1].starts_with("graph:users - not tried ["), "{found:?}");
}

#[test]
fn assets_of_google_are_probed_by_content_type() {
    let assets = |types: &[&str], content: &str| {
        format!("cloudasset:assets.list - {}", json!({ "assetTypes": types, "contentType": content }))
    };
    let (project, bucket) = ("cloudresourcemanager.googleapis.com/Project", "storage.googleapis.com/Bucket");
    let name = "//cloudresourcemanager.googleapis.com/projects/1";
    let row = json!({
        "name": name, "assetType": project, "ancestors": ["projects/1"],
        "resource": { "data": { "projectId": "web", "projectNumber": "1" } },
    });
    let url = "https://accessapproval.googleapis.com/v1/projects/web/accessApprovalSettings";
    let cloud = Played::default()
        .with(&assets(&[project, bucket], "RESOURCE"), json!({ "assets": [row] }), None)
        .failing(&assets(&[bucket], "IAM_POLICY"), FailureKind::Denied, "PERMISSION_DENIED")
        .failing(
            &format!("accessapproval:projects.getAccessApprovalSettings - {}", json!({ "url": url })),
            FailureKind::Denied,
            "PERMISSION_DENIED",
        );
    let found = rows(&run(&cloud, &[Target::Gcp { scope: "projects/web".into() }], 4));
    assert_eq!(
        found,
        [
            "accessapproval:projects.getAccessApprovalSettings - denied [accessapproval.settings.get] cloudresourcemanager.googleapis.com/Project accessApprovalSettings / ",
            "cloudasset:assets.list - ok [cloudasset.assets.listResource] cloudresourcemanager.googleapis.com/Project, storage.googleapis.com/Bucket / ",
            "cloudasset:assets.list - denied [cloudasset.assets.listIamPolicy] storage.googleapis.com/Bucket iamPolicy / bucket-iam",
        ]
    );
}

#[test]
fn every_account_is_probed_by_itself() {
    let other =
        Target::Aws { account: "210987654321".into(), regions: vec!["eu-west-1".into()], home: "us-east-1".into() };
    let probed = run(&allowing(), &[aws(), other], 4);
    let of = |account: &str| probed.iter().filter(|one| one.scope == account).count();
    // The other account's queues are asked for in its one region, where nothing answers, so that its attributes are not tried.
    assert_eq!((of("123456789012"), of("210987654321")), (6, 6));
    let regions: Vec<&str> =
        probed.iter().filter(|one| one.operation == "ListQueues").filter_map(|one| one.region.as_deref()).collect();
    assert_eq!(regions, ["us-east-1", "eu-west-1"]);
}

/// Counts how many calls are under way at once.
#[derive(Default)]
struct Counting {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Caller for Counting {
    async fn call(&self, _: &Call) -> Result<Page, CallFailure> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let mut waited = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(Page { response: Json::Null, next: None })
    }
}

#[test]
fn calls_under_way_are_bounded() {
    for (at_once, wanted) in [(0, 1), (1, 1), (3, 3), (100, 4)] {
        let cloud = Counting::default();
        run(&cloud, &[aws()], at_once);
        assert_eq!(cloud.most.load(Ordering::SeqCst), wanted, "{at_once} at once");
    }
}

/// Denies everything.
struct Denying;

impl Caller for Denying {
    async fn call(&self, _: &Call) -> Result<Page, CallFailure> {
        Err(CallFailure { kind: FailureKind::Denied, code: "AccessDenied".into(), message: "not authorized".into() })
    }
}

#[test]
fn nothing_of_the_shipped_content_is_left_out_where_everything_is_denied() {
    let (catalogue, _) = Catalogue::load(&[Layer { files: yagura_content::shipped(), shipped: true }]);
    let targets = [
        aws(),
        Target::Azure { tenant: Some("t1".into()), subscriptions: vec!["s1".into()] },
        Target::Gcp { scope: "organizations/1".into() },
    ];
    let options = ProbeOptions { at_once: 8, now: "2026-06-01T00:00:00Z".parse().unwrap(), progress: None };
    let probed = futures_executor::block_on(probe(&Denying, &targets, &catalogue, options));
    let subjects: Vec<_> = probed.iter().flat_map(|one| &one.subjects).collect();
    let is_there = |kind: &yagura_model::Kind, answer: Option<&str>| {
        subjects.iter().any(|subject| subject.kind == *kind && subject.answer.as_deref() == answer)
    };
    let mut needing_none = Vec::new();
    for described in catalogue.resource_types().values() {
        let kind = &described.kind;
        assert!(described.list.as_slice().is_empty() || is_there(kind, None), "{kind}");
        for (answer, _) in described.attached.iter().filter(|(_, call)| !call.derived) {
            assert!(is_there(kind, Some(answer)), "{kind} {answer}");
        }
    }
    for one in &probed {
        assert!(matches!(one.outcome, Outcome::Denied { .. } | Outcome::NotTried), "{one:?}");
        if one.permissions.is_empty() {
            needing_none.push(format!("{}:{}", one.service, one.operation));
        }
    }
    assert_eq!(needing_none, ["sts:GetCallerIdentity"]);
    let summary = ProbeSummary::of(&probed);
    assert!(!summary.is_whole() && summary.recommendations.len() > 600, "{}", summary.recommendations.len());
}
