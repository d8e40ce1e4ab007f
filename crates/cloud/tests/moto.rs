//! Parity with boto3 against moto: the same call to the same server gives the same JSON.
//!
//! `cargo xtask test` runs these tests: it starts a server, names it in `YAGURA_MOTO` and names in `YAGURA_PYTHON` the
//! Python that runs `moto_dump.py`. By hand: `tests/clients/aws_emulator.py` is such a server, and
//! `tests/clients/environment.py` prints such a Python. `YAGURA_MOTO_DUMP` is a dump made before, in place of a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use yagura_cloud::aws::{AwsClient, AwsCredentials, AwsSettings, AwsSource, MemberRole};
use yagura_cloud::{
    Call, CallFailure, Caller as _, Environment, FailureKind, HttpSettings, LimiterSettings, RetrySettings, Secret,
};
use yagura_model::Cloud;

/// The account of moto's own keys, which other suites read: nothing is written there.
const ACCOUNT: &str = "123456789012";

/// The first line of a dump: the account that it was made in, and its keys.
#[derive(Deserialize)]
struct Head {
    account: String,
    aws_access_key_id: String,
    aws_secret_access_key: String,
    aws_session_token: String,
}

/// One call, and what boto3 gave twice.
#[derive(Deserialize)]
struct Line {
    service: String,
    operation: String,
    region: String,
    params: Map<String, Json>,
    pages: bool,
    first: Theirs,
    second: Theirs,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theirs {
    Response(Json),
    Error {
        code: String,
        message: String,
        status: Option<u16>,
    },
    /// boto3 did not send it.
    Refused(serde::de::IgnoredAny),
    /// boto3 could not read the answer.
    Failed(String),
}

fn server() -> String {
    std::env::var("YAGURA_MOTO").expect("YAGURA_MOTO names a moto server: `cargo xtask test` starts one")
}

fn client(url: &str, change: impl FnOnce(&mut AwsSettings)) -> AwsClient {
    let mut settings = AwsSettings {
        source: AwsSource::Keys(AwsCredentials::new("testing", "testing")),
        region: Some("us-east-1".to_owned()),
        endpoint_override: Some(url.to_owned()),
        environment: Environment::default(),
        http: HttpSettings { allow_private: true, ..HttpSettings::default() },
        limits: LimiterSettings { rate: 1e6, burst: 1e6, slowest: 1e6, ..LimiterSettings::default() },
        retries: RetrySettings { attempts: 1, first_wait: Duration::ZERO, ..RetrySettings::default() },
        ..AwsSettings::of_process()
    };
    change(&mut settings);
    AwsClient::new(settings).unwrap()
}

/// The dump: made before, or now.
fn dump(url: &str) -> (Head, Vec<Line>) {
    let folder = tempfile::tempdir().unwrap();
    let path = match std::env::var_os("YAGURA_MOTO_DUMP") {
        Some(path) => PathBuf::from(path),
        None => {
            let path = folder.path().join("dump.jsonl");
            let python = std::env::var_os("YAGURA_PYTHON").expect("YAGURA_PYTHON names a Python with boto3");
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto_dump.py");
            let mut command = Command::new(python);
            command.arg(script).args(["--endpoint", url, "--out"]).arg(&path);
            assert!(command.status().expect("Python runs").success(), "moto_dump.py failed");
            path
        }
    };
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let mut lines = file.lines().map(Result::unwrap);
    let head = serde_json::from_str(&lines.next().expect("a dump begins with keys")).unwrap();
    (head, lines.map(|line| serde_json::from_str(&line).unwrap()).collect())
}

/// What we make of the call: one page, or all of them.
async fn ours(client: &AwsClient, account: &str, line: &Line) -> Result<Json, CallFailure> {
    let mut call = Call {
        cloud: Cloud::Aws,
        scope: account.to_owned(),
        region: Some(line.region.clone()),
        service: line.service.clone(),
        operation: line.operation.clone(),
        params: line.params.clone(),
    };
    let mut pages = Vec::new();
    loop {
        let page = client.call(&call).await?;
        if !line.pages {
            return Ok(page.response);
        }
        pages.push(page.response);
        match page.next {
            Some(next) => call = call.with(&next),
            None => return Ok(Json::Array(pages)),
        }
    }
}

/// Where `ours` differs from `first`, leaving out where boto3 itself gave something else the second time.
fn difference(ours: &Json, first: &Json, second: &Json, at: &str) -> Option<String> {
    match (ours, first, second) {
        _ if ours == first => None,
        (Json::Object(a), Json::Object(b), Json::Object(c)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let get = |map: &Map<String, Json>| map.get(name).cloned().unwrap_or_default();
                difference(&get(a), &get(b), &get(c), &format!("{at}.{name}"))
            })
        }
        (Json::Array(a), Json::Array(b), Json::Array(c)) if a.len() == b.len() && b.len() == c.len() => {
            let mut items = a.iter().zip(b).zip(c).enumerate();
            items.find_map(|(number, ((a, b), c))| difference(a, b, c, &format!("{at}[{number}]")))
        }
        _ if first != second && std::mem::discriminant(ours) == std::mem::discriminant(first) => None,
        _ => {
            let short = |value: &Json| value.to_string().chars().take(200).collect::<String>();
            Some(format!("{at}: ours {}, boto3 {}", short(ours), short(first)))
        }
    }
}

enum Verdict {
    EqualAnswer,
    EqualError,
    NotServed,
    Different(String),
}

fn judge(line: &Line, ours: &Result<Json, CallFailure>) -> Verdict {
    match (ours, &line.first, &line.second) {
        (Ok(ours), Theirs::Response(first), Theirs::Response(second)) => match difference(ours, first, second, "") {
            None => Verdict::EqualAnswer,
            Some(text) => Verdict::Different(text),
        },
        // moto answers with a bare status where it does not know the call.
        (Err(failure), Theirs::Error { code, status, .. }, _)
            if status.is_some_and(|status| code == &status.to_string()) && *code == failure.code =>
        {
            Verdict::NotServed
        }
        (Err(failure), Theirs::Error { code, status, .. }, _)
            if status.is_some_and(|status| status >= 500) && *code == failure.code =>
        {
            Verdict::NotServed
        }
        (Err(failure), Theirs::Error { code, message, .. }, _) if *code == failure.code => {
            let same = *message == failure.message || message.is_empty() || failure.message.ends_with('…');
            if same {
                Verdict::EqualError
            } else {
                Verdict::Different(format!("message {} / {message}", failure.message))
            }
        }
        (_, Theirs::Refused(_), _) => Verdict::NotServed,
        (Ok(_), Theirs::Error { code, .. }, _) => Verdict::Different(format!("an answer, boto3 {code}")),
        (Ok(_), Theirs::Failed(why), _) => Verdict::Different(format!("an answer, boto3 failed: {why}")),
        (Err(failure), Theirs::Response(_), _) => Verdict::Different(format!("{failure}, boto3 an answer")),
        (Err(failure), Theirs::Failed(why), _) => Verdict::Different(format!("{failure}, boto3 failed: {why}")),
        (Err(failure), Theirs::Error { code, .. }, _) => Verdict::Different(format!("{failure}, boto3 {code}")),
        (Ok(_), Theirs::Response(_), _) => Verdict::Different("boto3 answered once".to_owned()),
    }
}

mod moto {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs moto: `cargo xtask test`"]
    async fn answers_are_those_of_boto3() {
        let url = server();
        let (head, lines) = dump(&url);
        let keys = AwsCredentials {
            session_token: Some(Secret::new(head.aws_session_token)),
            ..AwsCredentials::new(head.aws_access_key_id, head.aws_secret_access_key)
        };
        let client = client(&url, |settings| settings.source = AwsSource::Keys(keys));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut operations: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut different = Vec::new();
        for line in &lines {
            let verdict = judge(line, &ours(&client, &head.account, line).await);
            let word = match &verdict {
                Verdict::EqualAnswer if line.pages => "equal answers in pages",
                Verdict::EqualAnswer => "equal answers",
                Verdict::EqualError => "equal errors",
                Verdict::NotServed => "not served by moto",
                Verdict::Different(_) => "different",
            };
            *counts.entry(word).or_default() += 1;
            operations.entry(word).or_default().insert(format!("{}:{}", line.service, line.operation));
            if let Verdict::Different(text) = verdict {
                let params = Json::Object(line.params.clone());
                different.push(format!("{}:{} {} {params}: {text}", line.service, line.operation, line.region));
            }
        }
        let unsteady = lines
            .iter()
            .filter(|line| matches!((&line.first, &line.second), (Theirs::Response(a), Theirs::Response(b)) if a != b));
        println!("{} calls: {counts:?}", lines.len());
        println!("boto3 got two different answers to {} of them", unsteady.count());
        for (word, operations) in &operations {
            println!("{word}: {} operations", operations.len());
        }
        if let Some(operations) = operations.get("not served by moto") {
            println!("not served by moto: {operations:?}");
        }
        assert!(different.is_empty(), "{} different:\n{}", different.len(), different.join("\n"));
        assert!(counts.get("equal answers").is_some_and(|equal| *equal > 400), "{counts:?}");
    }

    #[tokio::test]
    #[ignore = "needs moto: `cargo xtask test`"]
    async fn roles_lead_into_member_accounts() {
        let url = server();
        let role = MemberRole { name: "audit".to_owned(), external_id: Some("ext".to_owned()) };
        let client = client(&url, |settings| settings.member_role = Some(role));
        assert_eq!(client.whoami().await.unwrap().account, ACCOUNT);
        let call = Call {
            cloud: Cloud::Aws,
            scope: "222222222222".to_owned(),
            region: None,
            service: "sts".to_owned(),
            operation: "GetCallerIdentity".to_owned(),
            params: Map::new(),
        };
        let who = client.call(&call).await.unwrap().response;
        assert_eq!(who.get("Account"), Some(&json!("222222222222")));
    }

    #[tokio::test]
    #[ignore = "needs moto: `cargo xtask test`"]
    async fn regions_are_listed() {
        let url = server();
        let regions = client(&url, |_| ()).regions(ACCOUNT).await.unwrap();
        assert!(regions.len() > 10 && regions.iter().any(|region| region.name == "eu-west-1" && region.is_open()));
    }

    #[tokio::test]
    #[ignore = "needs moto: `cargo xtask test`"]
    async fn what_is_not_there_is_told() {
        let url = server();
        let call = Call {
            cloud: Cloud::Aws,
            scope: ACCOUNT.to_owned(),
            region: None,
            service: "s3".to_owned(),
            operation: "GetBucketPolicy".to_owned(),
            params: Map::from_iter([("Bucket".to_owned(), json!("no-such-bucket-here"))]),
        };
        let failure = client(&url, |_| ()).call(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::NotFound, "NoSuchBucket"));
    }
}
