//! `connect` and `--live` against an Azure and a Google Cloud of this machine.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use serde_json::{Value as Json, json};
use yagura_fakecloud::{FakeCloud, Fault, Options, Running};

use super::{Run, run};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const APPLICATION: &str = "33333333-3333-3333-3333-333333333333";

/// A cloud, and a data folder for connectors to it.
struct Cloud {
    running: Running,
    folder: tempfile::TempDir,
}

impl Cloud {
    fn start(options: Options) -> Self {
        let cloud = Self { running: FakeCloud::start(options).unwrap(), folder: tempfile::tempdir().unwrap() };
        cloud.running.write_ca(&cloud.path("ca.pem")).unwrap();
        cloud
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command with the data folder; the words are divided by spaces.
    fn run(&self, words: &str, input: &str) -> Run {
        let data = self.path("data");
        let mut args: Vec<&str> = words.split(' ').collect();
        args.extend(["--data", data.to_str().unwrap()]);
        run(&args, input.as_bytes())
    }

    /// Adds a connector with a credential.
    fn add(&self, words: &str, credential: &Json) -> Run {
        let ca = self.path("ca.pem");
        let reached = format!("--endpoint {} --ca-file {}", self.running.base_url, ca.display());
        self.run(&format!("connect add {words} --credential-file - {reached}"), &credential.to_string())
    }

    fn azure(&self) {
        let credential = json!({ "tenantId": TENANT, "clientId": APPLICATION, "clientSecret": "secret" });
        self.add(&format!("azure az --tenant {TENANT}"), &credential).ended(0);
    }
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn azure_is_added_tested_assessed_and_removed() {
    let cloud = Cloud::start(Options { seed: 60, ..Options::default() });
    cloud.azure();
    let listed = cloud.run("connect list -o json", "").ended(0);
    assert!(!listed.out.contains("\"secret\""), "the secret is not shown: {}", listed.out);
    let tested = cloud.run("connect test az -o json", "");
    let tested: Json = serde_json::from_str(&tested.ended(0).out).unwrap();
    assert_eq!((tested["denied"].as_u64(), tested["failed"].as_u64()), (Some(0), Some(0)));
    let recording = cloud.path("recording");
    let scan = cloud.run(&format!("inventory --live az --record {} -o jsonl", recording.display()), "").ended(0);
    let resources = lines(&scan.out);
    for id in cloud.running.ids().iter().filter(|id| !id.contains("/providers/Microsoft.Security/locations")) {
        let is_it = |row: &&Json| row["id"].as_str().unwrap().eq_ignore_ascii_case(id);
        assert!(resources.iter().any(|row| is_it(&row)), "{id} is missing");
    }
    // What was recorded reads to the same inventory without a cloud.
    let read = run(&["inventory", recording.to_str().unwrap(), "-o", "jsonl"], b"").ended(0);
    assert_eq!(read.out, scan.out);
    // Nor does anybody need to be asked again for the next command.
    let requests = cloud.running.requests().len();
    let kept = cloud.run("inventory --live az --kept -o jsonl", "").ended(0);
    assert_eq!((kept.out, cloud.running.requests().len()), (scan.out, requests));
    assert!(kept.err.contains("az as it was at "), "{}", kept.err);
    cloud.run("connect remove az", "").ended(0);
    cloud.run("scan --live az", "").ended(1);
}

#[test]
fn a_missing_right_is_named_with_what_it_costs() {
    let cloud = Cloud::start(Options { seed: 60, ..Options::default() });
    cloud.azure();
    cloud.running.fault(Fault::on("/blobServices"));
    let tested = cloud.run("connect test az", "").ended(4);
    for text in ["Microsoft.Storage/storageAccounts/blobServices/read", "AuthorizationFailed"] {
        assert!(tested.out.contains(text), "{text}: {}", tested.out);
    }
    let scan = cloud.run("recommendations --live az --all -o jsonl --status unknown", "").ended(4);
    assert!(scan.err.contains("Microsoft.Storage/storageAccounts/blobServices"), "{}", scan.err);
    assert!(lines(&scan.out).iter().any(|row| row["cause"].to_string().contains("AuthorizationFailed")));
    let kept = cloud.run("recommendations --live az --kept --all -o jsonl --status unknown", "").ended(4);
    assert_eq!(lines(&kept.out), lines(&scan.out), "what failed is kept as failed");
}

#[test]
fn a_wrong_credential_is_said_and_costs_its_connector_alone() {
    let cloud = Cloud::start(Options { seed: 20, ..Options::default() });
    cloud.azure();
    let wrong = json!({ "tenantId": TENANT, "clientId": APPLICATION, "clientSecret": "hunter2" });
    cloud.add(&format!("azure wrong --tenant {TENANT}"), &wrong).ended(0);
    let tested = cloud.run("connect test wrong", "").ended(1);
    assert!(tested.err.contains("AADSTS7000215") && !tested.err.contains("hunter2"), "{}", tested.err);
    assert!(cloud.run("inventory --live wrong --kept", "").ended(1).err.contains("wrong was never collected"));
    let recording = cloud.path("recording");
    let scan = cloud.run(&format!("inventory --live --record {} -o jsonl", recording.display()), "").ended(4);
    assert!(scan.err.contains("connector wrong: could not sign in to Azure"), "{}", scan.err);
    // Its recording says the same: nothing is missing in silence.
    let read = run(&["inventory", recording.to_str().unwrap(), "-o", "jsonl"], b"").ended(4);
    assert!(read.err.contains("connector wrong: could not sign in to Azure"), "{}", read.err);
    assert_eq!(read.out, scan.out);
    assert!(!scan.err.contains("hunter2"));
    assert!(scan.out.contains("Microsoft.Storage/storageAccounts"), "the other connector was read");
}

#[test]
fn a_credential_of_another_tenant_and_what_is_no_credential_are_refused() {
    let cloud = Cloud::start(Options::default());
    let other = "99999999-9999-9999-9999-999999999999";
    let rows = [
        (
            format!("azure a --tenant {other}"),
            json!({ "tenantId": TENANT, "clientId": APPLICATION, "clientSecret": "s" }),
        ),
        (format!("azure b --tenant {TENANT}"), json!({ "password": "hunter2" })),
        ("aws c".to_owned(), json!("hunter2")),
        ("gcp d --scope projects/p".to_owned(), json!({ "type": "service_account", "private_key": "hunter2" })),
    ];
    for (words, credential) in rows {
        let added = cloud.add(&words, &credential).ended(1);
        assert!(added.err.contains("was not added") && !added.err.contains("hunter2"), "{words}: {}", added.err);
    }
    assert_eq!(cloud.run("connect list -o json", "").ended(0).out.trim(), "[]");
}

#[test]
fn google_cloud_is_assessed_and_a_refused_asset_type_hides_no_other() {
    let cloud = Cloud::start(Options { seed: 200, any_token: true, ..Options::default() });
    let key = include_str!("../../../cloud/tests/keys/test-only-first.pem");
    let credential = json!({
        "type": "service_account", "client_email": "yagura@p.iam.gserviceaccount.com", "private_key_id": "1",
        "private_key": key, "token_uri": format!("{}/token", cloud.running.base_url),
    });
    cloud.add("gcp g --scope projects/fake-project", &credential).ended(0);
    let kinds = |out: &str| -> BTreeSet<String> {
        lines(out).iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    };
    let before = kinds(&cloud.run("inventory --live g -o jsonl", "").ended(0).out);
    let instances = "compute.googleapis.com/Instance";
    assert!(before.contains(instances), "{before:?}");
    cloud.running.refuse_asset_type(instances);
    let refused = cloud.run("inventory --live g -o jsonl", "").ended(4);
    let mut after = kinds(&refused.out);
    after.insert(instances.to_owned());
    assert_eq!(after, before);
    assert!(
        refused.err.contains(&format!("{instances} in projects/fake-project could not be listed")),
        "{}",
        refused.err
    );
}

#[test]
fn events_that_are_handed_over_move_the_verdicts_of_what_they_name() {
    let cloud = Cloud::start(Options { seed: 40, ..Options::default() });
    cloud.azure();
    let id = cloud.running.ids().into_iter().find(|id| id.contains("/storageAccounts/fakestore")).unwrap();
    let id = id.split("/blobServices").next().unwrap().to_owned();
    let data = cloud.path("data");
    let words = "watch az --events - --every 1 --settle 0 --looks 60 -o jsonl --data";
    let mut args: Vec<&str> = words.split(' ').collect();
    args.push(data.to_str().unwrap());
    let mut child =
        super::command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("following") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended early");
    }
    let mut account = cloud.running.get(&id).unwrap();
    let before = account["properties"]["supportsHttpsTrafficOnly"].as_bool().unwrap();
    account["properties"]["supportsHttpsTrafficOnly"] = (!before).into();
    cloud.running.put(&id, account);
    let subscription = "22222222-2222-2222-2222-222222222222";
    let event = json!([{
        "id": "e1", "topic": format!("/subscriptions/{subscription}"), "subject": id, "dataVersion": "2",
        "metadataVersion": "1", "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": (yagura_model::Timestamp::now() + jiff::SignedDuration::from_secs(1)),
        "data": {
            "resourceUri": id, "operationName": "Microsoft.Storage/storageAccounts/write", "status": "Succeeded",
            "subscriptionId": subscription, "tenantId": TENANT, "resourceProvider": "Microsoft.Storage",
        },
    }]);
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "no event\n{event}").unwrap();
    // Nothing more comes: it ends when that is read.
    drop(input);
    let output = child.wait_with_output().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let moved = lines(&String::from_utf8(output.stdout).unwrap());
    let secure_transfer = moved.iter().find(|row| row["key"] == super::SECURE_TRANSFER);
    let words = if before { ["healthy", "unhealthy"] } else { ["unhealthy", "healthy"] };
    let found = secure_transfer.map(|row| [row["before"].as_str().unwrap(), row["now"].as_str().unwrap()]);
    assert_eq!(found, Some(words), "{moved:?}\n{rest}");
    assert!(moved.iter().all(|row| row["resource"].as_str().unwrap().eq_ignore_ascii_case(&id)), "{moved:?}");
    assert!(rest.contains("none of the known forms"), "what is no event is said: {rest}");
}
