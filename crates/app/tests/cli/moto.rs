//! `scan --live` against moto, an emulator of AWS that nobody here wrote, with the estate of tests/estates/aws.
//!
//! `YAGURA_MOTO` names the server, which the test command starts and seeds. Without it these tests cannot run, and fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::proxy::Proxy;
use super::{command, run};

/// Ground truth of the estate: what each check must find on each resource.
const EXPECTED: &str = include_str!("../../../../tests/estates/aws/expected.tsv");
/// Which recommendations decide a check, by their slugs or keys.
const CHECKS: &str = include_str!("../../../../tests/estates/aws/checks.tsv");
const KEYS: &[u8] = br#"{"AccessKeyId":"testing","SecretAccessKey":"testing"}"#;
const REGIONS: &str = "us-east-1,eu-west-1,ap-southeast-2";

fn server() -> String {
    std::env::var("YAGURA_MOTO").expect("YAGURA_MOTO names a moto server: `cargo xtask test` starts one")
}

/// A data folder with one connector to the endpoint.
fn connected(endpoint: &str, regions: &str) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let args = [
        "connect",
        "add",
        "aws",
        "moto",
        "--data",
        folder,
        "--credential-file",
        "-",
        "--endpoint",
        endpoint,
        "--region",
        regions,
    ];
    let added = run(&args, KEYS);
    assert_eq!(added.code, 0, "{}", added.err);
    data
}

/// A collection, written to `folder`.
fn record(data: &Path, folder: &Path) {
    let (data, folder) = (data.to_str().unwrap(), folder.to_str().unwrap());
    let done = run(&["scan", "--live", "moto", "--data", data, "--record", folder, "-o", "json", "--quiet"], b"");
    assert!([0, 4].contains(&done.code), "{}", done.err);
}

/// The answers of a recording by their calls, without what differs from one moment to the next.
fn answers(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join("moto.jsonl")).unwrap();
    let mut answers = BTreeMap::new();
    for line in text.lines() {
        let mut answer: Json = serde_json::from_str(line).unwrap();
        // How far the report is depends on who has asked before.
        if answer["operation"] == "GenerateCredentialReport" {
            continue;
        }
        let key = ["region", "service", "operation", "params"].map(|part| answer[part].to_string()).join(" ");
        answer["observedAt"] = Json::Null;
        forget_moments(&mut answer);
        answers.insert(key, answer.to_string());
    }
    answers
}

/// What moto makes up anew at every call.
fn forget_moments(value: &mut Json) {
    const MOMENTS: [&str; 7] = [
        "GeneratedTime",
        "Content",
        "LastUpdated",
        "LatestDeliveryAttemptTime",
        "LatestDeliveryTime",
        "LatestRestorableTime",
        "Timestamp",
    ];
    match value {
        Json::Object(members) => {
            members.retain(|name, _| !MOMENTS.contains(&name.as_str()));
            members.values_mut().for_each(forget_moments);
        }
        Json::Array(items) => items.iter_mut().for_each(forget_moments),
        _ => {}
    }
}

fn assert_same(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>, what: &str) {
    let mut differences = Vec::new();
    for call in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
        let (ours, theirs) = (left.get(call), right.get(call));
        if ours != theirs {
            differences.push(format!("{call}\n  {ours:?}\n  {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{what}: {} answers differ:\n{}", differences.len(), differences.join("\n"));
}

/// Verdicts by recommendation and resource.
fn verdicts(findings: &str) -> BTreeMap<(String, String), (String, String)> {
    let mut verdicts = BTreeMap::new();
    for line in findings.lines() {
        let finding: Json = serde_json::from_str(line).unwrap();
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        verdicts.insert((text("key"), text("resource")), (text("status"), text("kind")));
    }
    verdicts
}

/// The keys of the recommendations that decide each check.
fn checks() -> BTreeMap<&'static str, Vec<&'static str>> {
    let rows = CHECKS.lines().skip(1).map(|line| line.split_once('\t').expect("check, keys"));
    rows.map(|(check, keys)| (check, keys.split(' ').collect())).collect()
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn every_row_of_the_ground_truth_is_right() {
    let proxy = Proxy::start(&server(), 0);
    let data = connected(&proxy.url, REGIONS);
    let folder = data.path().to_str().unwrap();
    let done = run(&["scan", "--live", "moto", "--data", folder, "-o", "jsonl", "--quiet"], b"");
    let (verdicts, checks) = (verdicts(&done.out), checks());
    let mut wrong = Vec::new();
    let mut right = 0;
    for row in EXPECTED.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [_, region, _, _, id, check, expected, ..] = columns.as_slice() else { panic!("{row}") };
        if check.starts_with("attack-path-") {
            continue;
        }
        let keys = checks.get(check).unwrap_or_else(|| panic!("{check} is not in checks.tsv"));
        let found: BTreeSet<&str> = verdicts
            .iter()
            .filter(|((key, resource), (_, kind))| keys.contains(&key.as_str()) && is_place(resource, kind, id, region))
            .map(|(_, (status, _))| status.as_str())
            .collect();
        let wanted = if *expected == "FAIL" { "unhealthy" } else { "healthy" };
        let holds = found.contains(wanted) && !(wanted == "healthy" && found.contains("unhealthy"));
        if holds { right += 1 } else { wrong.push(format!("{check} {id}: {expected}, found {found:?}")) }
    }
    assert!(wrong.is_empty(), "{right} right, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{right} rows right");
}

/// Whether a verdict is about the resource of a row. Settings of an account or a region have no ARN of their own: rows
/// name them by one, Yagura by its account and region.
fn is_place(resource: &str, kind: &str, id: &str, region: &str) -> bool {
    match kind {
        "AWS::Account::Account" => id.ends_with(":root") || id.contains(":trail/"),
        "AWS::Account::Region" => {
            let settings = id.ends_with(":recorder") || id.contains(":detector/") || id.ends_with(":account");
            settings && resource.contains(region)
        }
        _ => resource == id,
    }
}

/// What this version of the emulator lacks.
const UNSERVED: [&str; 7] = [
    "accessanalyzer:ListAnalyzers",
    "account:GetContactInformation",
    "guardduty:ListFindings",
    "lambda:GetRuntimeManagementConfig",
    "resource-explorer-2:Search",
    "s3control:GetPublicAccessBlock",
    "ssm:DescribeInstanceInformation",
];

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn every_call_that_the_emulator_serves_is_answered() {
    let proxy = Proxy::start(&server(), 0);
    let data = connected(&proxy.url, REGIONS);
    let folder = data.path().join("recording");
    record(data.path(), &folder);
    let text = std::fs::read_to_string(folder.join("moto.jsonl")).unwrap();
    let (mut answered, mut failed) = (BTreeSet::new(), BTreeMap::new());
    for line in text.lines() {
        let answer: Json = serde_json::from_str(line).unwrap();
        let call = format!("{}:{}", answer["service"].as_str().unwrap(), answer["operation"].as_str().unwrap());
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        // An answer that says that there is none is one; moto puts it into these words.
        let says_none = ["NoSuch", "NotFound", "NotInUse", "InvalidAccess"].iter().any(|word| code.contains(word));
        match answer.get("error") {
            None => drop(answered.insert(call)),
            Some(_) if says_none && code != "404" => drop(answered.insert(call)),
            Some(error) => drop(failed.insert(call, error.to_string())),
        }
    }
    for unserved in UNSERVED {
        failed.remove(unserved);
    }
    assert_eq!(failed, BTreeMap::new());
    assert!(answered.len() > 100, "{} operations were answered", answered.len());
    eprintln!("{} operations answered", answered.len());
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn failures_that_pass_change_nothing() {
    let moto = server();
    let folder = tempfile::tempdir().unwrap();
    let collected = |name: &str, fail_every: u64| {
        let proxy = Proxy::start(&moto, fail_every);
        let data = connected(&proxy.url, "eu-west-1");
        let recording = folder.path().join(name);
        record(data.path(), &recording);
        (answers(&recording), proxy.counts())
    };
    let (plain, (requests, _)) = collected("plain", 0);
    let (failing, (with_failures, failed)) = collected("failing", 10);
    assert_same(&plain, &failing, "every tenth request failed");
    assert!(failed * 11 > with_failures, "{failed} of {with_failures} failed");
    // One request a page and no more: asking who one is comes on top.
    let ideal = plain.len() as f64 + 1.0; // with the report that is left out above
    eprintln!("{requests} requests for {ideal} pages; {with_failures} with {failed} failures");
    assert!(requests as f64 <= ideal * 1.05, "{requests} requests for {ideal} pages");
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn a_collection_that_is_killed_ten_times_gives_the_same_estate() {
    let moto = server();
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(&moto, 0);
    let plain = connected(&proxy.url, "us-east-1");
    record(plain.path(), &folder.path().join("plain"));
    let (requests, _) = proxy.counts();
    let killed = connected(&proxy.url, "us-east-1");
    let data = killed.path().to_str().unwrap();
    for kill in 1..=10 {
        let mut child = command(&["scan", "--live", "moto", "--data", data, "-o", "json", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // After a random number of further answers, and at a random moment of the last one.
        let moment = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros());
        let until = proxy.answered() + 1 + moment % (requests / 12);
        while proxy.answered() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(moment % 3_000));
        assert!(child.try_wait().unwrap().is_none(), "the collection was under way");
        child.kill().unwrap();
        child.wait().unwrap();
        eprintln!("kill {kill} after {} of {requests} requests", proxy.counts().0 - requests);
    }
    let before = proxy.counts().0;
    record(killed.path(), &folder.path().join("killed"));
    let after = proxy.counts().0 - before;
    assert_same(&answers(&folder.path().join("plain")), &answers(&folder.path().join("killed")), "killed ten times");
    assert!(after < requests, "the last run went on instead of beginning anew: {after} of {requests} requests");
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn a_recording_replays_and_reads_to_the_same_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let proxy = Proxy::start(&server(), 0);
    let data = connected(&proxy.url, "eu-west-1");
    record(data.path(), &recording);
    let recording = recording.to_str().unwrap();
    let at = ["--at", super::AT, "-o", "jsonl", "--quiet"];
    let read = run(&[&["scan", recording][..], &at].concat(), b"");
    let replayed = run(&[&["scan", "--replay", recording][..], &at].concat(), b"");
    assert!(!read.out.is_empty());
    assert_eq!(verdicts(&read.out), verdicts(&replayed.out));
}

/// One request to the emulator as a client of that access key, which the emulator does not check.
fn ask(server: &str, key: &str, service: &str, target: Option<&str>, body: &str) -> String {
    let host = server.trim_start_matches("http://");
    let kind = if target.is_some() { "application/x-amz-json-1.1" } else { "application/x-www-form-urlencoded" };
    let target = target.map(|target| format!("X-Amz-Target: {target}\r\n")).unwrap_or_default();
    let scope = format!("{key}/20260101/us-east-1/{service}/aws4_request");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\n{target}Content-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// What stands between two texts.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).map_or(rest, |(found, _)| found)
}

/// Keys that act in an account.
fn keys_of(server: &str, account: &str) -> (String, String) {
    let role = format!("arn:aws:iam::{account}:role/setup");
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=setup");
    let answer = ask(server, "testing", "sts", None, &body);
    let part = |name: &str| between(&answer, &format!("<{name}>"), "<").to_owned();
    let id = part("AccessKeyId");
    let keys = format!(
        r#"{{"AccessKeyId":"{id}","SecretAccessKey":"{}","SessionToken":"{}"}}"#,
        part("SecretAccessKey"),
        part("SessionToken")
    );
    (id, keys)
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn an_organization_is_read_account_by_account() {
    let server = server();
    let (id, keys) = keys_of(&server, "666666666666");
    let organizations = |operation: &str, body: &str| {
        ask(&server, &id, "organizations", Some(&format!("AWSOrganizationsV20161128.{operation}")), body)
    };
    organizations("CreateOrganization", r#"{"FeatureSet":"ALL"}"#);
    let created = organizations("CreateAccount", r#"{"AccountName":"member","Email":"member@example.com"}"#);
    let member = between(&created, "\"AccountId\": \"", "\"").to_owned();
    let (member_id, _) = keys_of(&server, &member);
    ask(&server, &member_id, "sqs", None, "Action=CreateQueue&Version=2012-11-05&QueueName=of-the-member");

    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let proxy = Proxy::start(&server, 0);
    let args = format!(
        "connect add aws org --data {folder} --credential-file - --endpoint {} --region us-east-1 --organization \
         --role yagura --external-id e",
        proxy.url
    );
    let added = run(&args.split(' ').collect::<Vec<_>>(), keys.as_bytes());
    assert_eq!(added.code, 0, "{}", added.err);
    let done = run(&["inventory", "--live", "org", "--data", folder, "-o", "jsonl", "--quiet"], b"");
    let has = |id: &str| done.out.contains(id);
    assert!(has("arn:aws:iam::666666666666:root"), "the management account: {}", done.err);
    assert!(has(&format!("arn:aws:sqs:us-east-1:{member}:of-the-member")), "its member {member}: {}", done.err);
    assert!(!has("123456789012"), "no other account");
}

#[test]
#[ignore = "needs moto: `cargo xtask test`"]
fn a_change_is_seen_with_the_verdicts_that_it_moves() {
    let server = server();
    let account = "555555555555";
    let (id, keys) = keys_of(&server, account);
    let sqs = |body: &str| ask(&server, &id, "sqs", None, &format!("{body}&Version=2012-11-05"));
    sqs("Action=CreateQueue&QueueName=changes");
    sqs("Action=CreateQueue&QueueName=work");
    let proxy = Proxy::start(&server, 0);
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let queue = format!("{}/{account}/changes", server.trim_end_matches('/'));
    let args =
        format!("connect add aws moto --data {folder} --credential-file - --endpoint {} --region us-east-1", proxy.url);
    assert_eq!(run(&args.split(' ').collect::<Vec<_>>(), keys.as_bytes()).code, 0);
    let args = format!("watch moto --data {folder} --events {queue} --every 1 --settle 0 --looks 8 -o jsonl");
    let mut child =
        command(&args.split(' ').collect::<Vec<_>>()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The change comes after the collection: its end is said.
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("following") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "it ended early");
    }
    sqs("Action=SetQueueAttributes&QueueUrl=work&Attribute.1.Name=KmsMasterKeyId&Attribute.1.Value=key");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let time = yagura_model::Timestamp::from_second(now as i64).unwrap();
    let request = serde_json::json!({ "queueUrl": format!("https://sqs.us-east-1.amazonaws.com/{account}/work") });
    let envelope = serde_json::json!({
        "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.sqs", "account": account,
        "time": time, "region": "us-east-1", "resources": [],
        "detail": {
            "eventVersion": "1.10", "eventTime": time, "eventSource": "sqs.amazonaws.com",
            "eventName": "SetQueueAttributes", "awsRegion": "us-east-1", "requestParameters": request,
            "responseElements": null, "eventID": "e1", "readOnly": false, "eventType": "AwsApiCall",
            "recipientAccountId": account, "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::1:user/u" },
        },
    });
    let body: String = envelope.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    sqs(&format!("Action=SendMessage&QueueUrl={queue}&MessageBody={body}"));
    let output = child.wait_with_output().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!([Some(0), Some(4)].contains(&output.status.code()), "{rest}");
    let out = String::from_utf8(output.stdout).unwrap();
    let moved: Vec<Json> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let queue = format!("arn:aws:sqs:us-east-1:{account}:work");
    let encrypted = moved.iter().find(|row| row["now"] == "healthy" && row["resource"] == queue.as_str());
    assert!(encrypted.is_some_and(|row| row["before"] == "unhealthy"), "{out}\n{rest}");
    assert!(moved.iter().all(|row| row["resource"] == queue.as_str()), "nothing else changed: {out}");
}
