use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::aws::credentials::AwsCredentials;
use crate::retry::CallCounts;
use crate::testing::{Reply, Seen, Server, http_here, quick_retries, wide_limits};

const OWN: &str = "123456789012";
const OTHER: &str = "210987654321";

fn client(server: &Server, change: impl FnOnce(&mut AwsSettings)) -> AwsClient {
    let mut settings = AwsSettings {
        source: AwsSource::Keys(AwsCredentials::new("BASE", "hunter2")),
        region: Some("eu-west-1".to_owned()),
        endpoint_override: Some(server.url.clone()),
        environment: Environment::default(),
        http: http_here(),
        retries: quick_retries(),
        limits: wide_limits(),
        ..AwsSettings::of_process()
    };
    change(&mut settings);
    AwsClient::new(settings).unwrap()
}

fn call(service: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Aws,
        scope: OWN.to_owned(),
        region: Some("eu-west-1".to_owned()),
        service: service.to_owned(),
        operation: operation.to_owned(),
        params: params.as_object().unwrap().clone(),
    }
}

/// The id of the key that signed, its region and its service.
fn signer(request: &Seen) -> Option<(String, String, String)> {
    let scope = request.header("authorization").split("Credential=").nth(1)?.split(',').next()?.to_owned();
    let parts: Vec<&str> = scope.split('/').collect();
    Some((parts[0].to_owned(), parts[2].to_owned(), parts[3].to_owned()))
}

fn action(request: &Seen) -> &str {
    request.body.strip_prefix("Action=").and_then(|rest| rest.split('&').next()).unwrap_or_default()
}

/// STS for all tests; everything else is theirs.
fn sts(request: &Seen) -> Option<Reply> {
    match action(request) {
        "GetCallerIdentity" => Some(Reply::new(
            200,
            format!(
                "<R><GetCallerIdentityResult><Account>{OWN}</Account><Arn>arn:aws:iam::{OWN}:user/u</Arn><UserId>U</UserId>\
                 </GetCallerIdentityResult></R>"
            ),
        )),
        "AssumeRole" => {
            let end = Timestamp::now() + SignedDuration::from_secs(3600);
            let keys =
                "<AccessKeyId>MEMBER</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>";
            let body = format!(
                "<R><AssumeRoleResult><Credentials>{keys}<Expiration>{end}</Expiration></Credentials></AssumeRoleResult></R>"
            );
            Some(Reply::new(200, body))
        }
        _ => None,
    }
}

async fn serve(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| sts(request).unwrap_or_else(|| answer(request))).await
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = serve(|request| {
        let page = if request.body.contains("NextToken=two") {
            "<vpcSet><item><vpcId>b</vpcId></item></vpcSet>"
        } else {
            "<vpcSet><item><vpcId>a</vpcId></item></vpcSet><nextToken>two</nextToken>"
        };
        Reply::new(200, format!("<R>{page}</R>"))
    })
    .await;
    let client = client(&server, |_| ());
    let first = client.call(&call("ec2", "DescribeVpcs", json!({}))).await.unwrap();
    assert_eq!(first.response, json!({"Vpcs": [{"VpcId": "a"}], "NextToken": "two"}));
    let second = client.call(&call("ec2", "DescribeVpcs", json!({})).with(&first.next.unwrap())).await.unwrap();
    assert_eq!((second.response, second.next), (json!({"Vpcs": [{"VpcId": "b"}]}), None));
    let seen = server.seen();
    let signed = ("BASE".to_owned(), "eu-west-1".to_owned(), "ec2".to_owned());
    assert_eq!(signer(seen.last().unwrap()), Some(signed));
    assert!(seen.last().unwrap().header("user-agent").starts_with("yagura/"));
    assert_eq!(client.counters().counts(), CallCounts { requests: 3, throttles: 0, retries: 0 });
}

#[tokio::test]
async fn endless_pages_are_an_error() {
    let server = serve(|_| Reply::new(200, "<R><vpcSet/><nextToken>same</nextToken></R>")).await;
    let client = client(&server, |_| ());
    let mut call = call("ec2", "DescribeVpcs", json!({}));
    let first = client.call(&call).await.unwrap();
    call = call.with(&first.next.unwrap());
    let failure = client.call(&call).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "LoopingPage"));
}

#[tokio::test]
async fn page_sizes_are_sent_where_pages_need_them() {
    let server = serve(|_| Reply::new(200, "{}")).await;
    let client = client(&server, |_| ());
    client.call(&call("sqs", "ListQueues", json!({}))).await.unwrap();
    client.call(&call("sqs", "ListQueues", json!({"MaxResults": 5}))).await.unwrap();
    let bodies: Vec<String> = server.seen().into_iter().skip(1).map(|request| request.body).collect();
    assert_eq!(bodies, [r#"{"MaxResults":1000}"#, r#"{"MaxResults":5}"#]);
}

#[tokio::test]
async fn unknown_calls_are_refused_unsent() {
    let server = serve(|_| Reply::new(200, "<R/>")).await;
    let client = client(&server, |_| ());
    let azure = Call { cloud: Cloud::Azure, ..call("ec2", "DescribeVpcs", json!({})) };
    let region = Call { region: Some("evil.example/#".to_owned()), ..call("ec2", "DescribeVpcs", json!({})) };
    for call in [
        call("ec2", "TerminateInstances", json!({})),
        call("nosuch", "Op", json!({})),
        call("ec2", "DescribeVpcs", json!({"Nonsense": 1})),
        azure,
        region,
    ] {
        let failure = client.call(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Refused, "Refused"), "{call}");
    }
    assert!(server.seen().iter().all(|request| action(request) == "GetCallerIdentity"));
}

#[tokio::test]
async fn accounts_are_asked_with_their_own_credentials() {
    let server = serve(|_| Reply::new(200, "<R><vpcSet/></R>")).await;
    let other = Call { scope: OTHER.to_owned(), ..call("ec2", "DescribeVpcs", json!({})) };
    let plain = client(&server, |_| ());
    let failure = plain.call(&other).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Credentials, "NoCredentials"));
    assert!(failure.message.contains(OTHER) && failure.message.contains(OWN), "{failure}");

    let role = MemberRole { name: "/audit/yagura".to_owned(), external_id: Some("ext".to_owned()) };
    let organisation = client(&server, |settings| settings.member_role = Some(role));
    for _ in 0..3 {
        organisation.call(&other).await.unwrap();
    }
    let seen = server.seen();
    let taken: Vec<&Seen> = seen.iter().filter(|request| action(request) == "AssumeRole").collect();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].body.contains(&format!("RoleArn=arn%3Aaws%3Aiam%3A%3A{OTHER}%3Arole%2Faudit%2Fyagura")));
    assert!(taken[0].body.contains("ExternalId=ext"));
    assert_eq!(signer(seen.last().unwrap()).unwrap().0, "MEMBER");
    assert_eq!(seen.last().unwrap().header("x-amz-security-token"), "t");
    let odd = Call { scope: "1/../2".to_owned(), ..other.clone() };
    assert_eq!(organisation.call(&odd).await.unwrap_err().kind, FailureKind::Refused);

    let wrong = client(&server, |settings| {
        let keys = AwsSource::Keys(AwsCredentials::new("KEYS", "x"));
        settings.accounts.insert(OTHER.to_owned(), keys);
    });
    assert_eq!(wrong.call(&other).await.unwrap_err().code, "NoCredentials", "the keys are of another account");
}

#[tokio::test]
async fn throttles_and_failures_are_tried_again() {
    let server = serve(|request| match request.number {
        1 => Reply::new(
            503,
            "<R><Errors><Error><Code>RequestLimitExceeded</Code><Message>m</Message></Error></Errors></R>",
        ),
        2 => Reply::new(500, ""),
        _ => Reply::new(200, "<R><vpcSet/></R>"),
    })
    .await;
    let client = client(&server, |_| ());
    assert_eq!(client.call(&call("ec2", "DescribeVpcs", json!({}))).await.unwrap().response, json!({"Vpcs": []}));
    assert_eq!(client.counters().counts(), CallCounts { requests: 4, throttles: 1, retries: 2 });
    let always = serve(|_| Reply::new(400, r#"{"__type": "ThrottlingException"}"#)).await;
    let client = self::client(&always, |_| ());
    let failure = client.call(&call("kms", "ListKeys", json!({}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Throttled, "ThrottlingException"));
    assert_eq!(always.seen().len(), 9);
}

#[tokio::test]
async fn errors_of_the_service_are_told() {
    let server = serve(|_| {
        Reply::new(
            403,
            "<R><Errors><Error><Code>UnauthorizedOperation</Code><Message>You may not</Message></Error></Errors></R>",
        )
    })
    .await;
    let failure = client(&server, |_| ()).call(&call("ec2", "DescribeVpcs", json!({}))).await.unwrap_err();
    assert_eq!(failure.to_string(), "UnauthorizedOperation: You may not");
    assert_eq!((failure.kind, server.seen().len()), (FailureKind::Denied, 2));
    let server = serve(|_| Reply::new(200, "<R><vpcSet><item>")).await;
    let failure = client(&server, |_| ()).call(&call("ec2", "DescribeVpcs", json!({}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "Unreadable"));
    assert!(failure.message.starts_with("ec2:DescribeVpcs: "), "{failure}");
}

#[tokio::test]
async fn a_wrong_clock_is_set_by_the_service() {
    let server = serve(|request| {
        let date = request.header("x-amz-date").to_owned();
        // The service's time is 2020; it takes nothing else.
        if date.starts_with("2020") {
            return Reply::new(200, "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>");
        }
        Reply::new(403, "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>")
            .with("Date", "Wed, 01 Jan 2020 12:00:00 GMT")
    })
    .await;
    let client = client(&server, |_| ());
    assert_eq!(client.call(&call("s3", "ListBuckets", json!({}))).await.unwrap().response, json!({"Buckets": []}));
    assert_eq!(client.counters().counts(), CallCounts { requests: 3, throttles: 0, retries: 1 });
    client.call(&call("s3", "ListBuckets", json!({}))).await.unwrap();
    assert_eq!(client.counters().counts().requests, 4);
    // A service that complains for ever is not asked for ever.
    let stubborn = serve(|_| {
        Reply::new(403, "<Error><Code>RequestTimeTooSkewed</Code></Error>")
            .with("Date", "Wed, 01 Jan 2020 12:00:00 GMT")
    })
    .await;
    let failure = self::client(&stubborn, |_| ()).call(&call("s3", "ListBuckets", json!({}))).await.unwrap_err();
    assert_eq!(failure.code, "RequestTimeTooSkewed");
    assert_eq!(stubborn.seen().len(), 3);
}

#[tokio::test]
async fn buckets_of_other_regions_are_found() {
    let server = serve(|request| match signer(request) {
        Some((_, region, _)) if region == "ap-southeast-2" => Reply::new(200, "{}"),
        _ => Reply::new(301, "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>")
            .with("x-amz-bucket-region", "ap-southeast-2")
            .with("Location", "https://b.s3.ap-southeast-2.amazonaws.com/"),
    })
    .await;
    let client = client(&server, |_| ());
    let policy = call("s3", "GetBucketPolicy", json!({"Bucket": "b"}));
    assert_eq!(client.call(&policy).await.unwrap().response, json!({"Policy": "{}"}));
    client.call(&policy).await.unwrap();
    assert_eq!(server.seen().len(), 4, "the region is remembered");
}

#[tokio::test]
async fn errors_with_a_good_status_are_tried_again() {
    let server = serve(|request| match request.number {
        1 => Reply::new(200, "<Error><Code>InternalError</Code><Message>m</Message></Error>"),
        _ => Reply::new(200, "<VersioningConfiguration/>"),
    })
    .await;
    let versioning = call("s3", "GetBucketVersioning", json!({"Bucket": "b"}));
    assert_eq!(client(&server, |_| ()).call(&versioning).await.unwrap().response, json!({}));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn expired_credentials_are_renewed_once() {
    let server = serve(|request| match request.number {
        0..=2 => Reply::new(400, r#"{"__type": "ExpiredTokenException", "message": "m"}"#),
        _ => Reply::new(200, "{}"),
    })
    .await;
    let role = AwsSource::Role(Box::new(AwsRole::new(
        AwsSource::Keys(AwsCredentials::new("BASE", "x")),
        format!("arn:aws:iam::{OWN}:role/r"),
    )));
    let renewing = client(&server, |settings| settings.source = role);
    renewing.call(&call("kms", "ListKeys", json!({}))).await.unwrap();
    let actions: Vec<String> = server.seen().iter().map(|request| action(request).to_owned()).collect();
    assert_eq!(actions, ["AssumeRole", "", "AssumeRole", ""]);
    let fixed = serve(|_| Reply::new(400, r#"{"__type": "ExpiredTokenException", "message": "m"}"#)).await;
    let failure = client(&fixed, |_| ()).call(&call("kms", "ListKeys", json!({}))).await.unwrap_err();
    assert_eq!((failure.kind, fixed.seen().len()), (FailureKind::Credentials, 2));
}

#[tokio::test]
async fn who_and_where() {
    let server = serve(|_| {
        Reply::new(
            200,
            "<R><regionInfo><item><regionName>eu-west-1</regionName><optInStatus>opt-in-not-required</optInStatus></item>\
             <item><regionName>af-south-1</regionName><optInStatus>not-opted-in</optInStatus></item>\
             <item><regionName>me-south-1</regionName><optInStatus>opted-in</optInStatus></item></regionInfo></R>",
        )
    })
    .await;
    let client = client(&server, |_| ());
    assert_eq!((client.home_region(), client.partition()), ("eu-west-1", "aws"));
    let who = client.whoami().await.unwrap();
    assert_eq!((who.account.as_str(), who.arn.as_str()), (OWN, "arn:aws:iam::123456789012:user/u"));
    let regions = client.regions(OWN).await.unwrap();
    let open: Vec<&str> = regions.iter().filter(|region| region.is_open()).map(|region| region.name.as_str()).collect();
    assert_eq!((open, regions[1].opt_in), (vec!["eu-west-1", "me-south-1"], OptIn::NotOptedIn));
    assert!(server.seen().last().unwrap().body.contains("AllRegions=true"));
    assert!(!format!("{client:?}").contains("hunter2"));
}
