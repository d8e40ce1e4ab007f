//! The command line as its users meet it: exit codes, standard output, standard error.

mod bad_input;
mod clouds;
mod content;
mod contract;
mod moto;
mod proxy;
mod settings;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

/// The sample estate. It holds two calls that were refused, on purpose: done but incomplete is 4.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/contoso");
/// The time of every evaluation here.
const AT: &str = "2026-06-01T00:00:00Z";
/// The subscription of the small estates.
const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";
/// `properties.supportsHttpsTrafficOnly` is true; high.
const SECURE_TRANSFER: &str = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c";
/// `properties.minimumTlsVersion` is that of the parameter; medium.
const MINIMUM_TLS: &str = "fe83a0eb-a853-422d-aac2-1bffd182c5d0";
/// Alone in its control `enable-encryption-at-rest` for storage accounts; low.
const INFRASTRUCTURE_ENCRYPTION: &str = "4733ea7b-a883-42fe-8cac-97454c2a9e4a";

/// How a run of the binary ended.
struct Run {
    code: i32,
    out: String,
    err: String,
}

/// Runs the binary. It must end by itself and without a panic, whatever it was given.
fn run(args: &[&str], stdin: &[u8]) -> Run {
    run_with(&[], args, stdin)
}

/// The same with environment variables.
fn run_with(environment: &[(&str, &str)], args: &[&str], stdin: &[u8]) -> Run {
    let mut child = command(args)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    let output = std::thread::scope(|scope| {
        // A command that reads no standard input may close it early.
        scope.spawn(move || drop(input.write_all(stdin)));
        child.wait_with_output().expect("the binary ends")
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    let code = output.status.code().unwrap_or_else(|| panic!("{args:?} was ended by a signal: {err}"));
    assert!(!err.contains("panicked"), "{args:?}: {err}");
    Run { code, out, err }
}

/// The binary with arguments and a clean environment.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yagura"));
    command.args(args);
    for name in ["YAGURA_CONFIG", "NO_COLOR", "COLUMNS", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

impl Run {
    /// The same run, which must have ended with this code.
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "standard error: {}", self.err);
        self
    }

    /// The same run, whose standard error must contain all these texts in one line.
    #[track_caller]
    fn says(self, words: &[&str]) -> Self {
        let said = self.err.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(said, "no line with {words:?} in: {}", self.err);
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Standard output as one JSON document a line.
    #[track_caller]
    fn lines(&self) -> Vec<Json> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }

    /// Standard output as rows under a header.
    #[track_caller]
    fn rows(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let mut reader = csv::Reader::from_reader(self.out.as_bytes());
        let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let header = texts(reader.headers().expect("there is a header"));
        (
            header,
            reader.records().map(|record| texts(&record.expect("a row has as many cells as the header"))).collect(),
        )
    }
}

/// A folder that is gone when the test ends.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// The folder with one file in it, and the path of that file.
    fn with(name: &str, bytes: impl AsRef<[u8]>) -> (Self, String) {
        let folder = Self::new();
        let path = folder.write(name, bytes);
        (folder, path)
    }

    /// Writes a file, with the folders it lies in, and gives its path.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(self.0.path())).expect("a folder can be made");
        std::fs::write(&path, bytes).expect("a file can be written");
        text(&path)
    }

    fn path(&self) -> String {
        text(self.0.path())
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// The id of a storage account of the small estates.
fn account_id(name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{name}")
}

/// A storage account as Resource Graph exports it.
fn account(name: &str, properties: Json) -> Json {
    json!({
        "id": account_id(name), "name": name, "type": "Microsoft.Storage/storageAccounts",
        "location": "japaneast", "properties": properties,
    })
}

/// A storage account that follows what the tests look at.
fn safe(name: &str) -> Json {
    account(name, json!({"supportsHttpsTrafficOnly": true, "minimumTlsVersion": "TLS1_2"}))
}

/// A storage account that takes plain HTTP.
fn plain_http(name: &str) -> Json {
    account(name, json!({"supportsHttpsTrafficOnly": false, "minimumTlsVersion": "TLS1_2"}))
}

/// Rows as JSON lines.
fn jsonl(rows: &[Json]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// Every recommendation x resource of an estate.
#[track_caller]
fn findings(estate: &str, more: &[&str]) -> Vec<Json> {
    let args = [&["recommendations", estate, "--all", "--output", "jsonl", "--quiet", "--at", AT], more].concat();
    let ran = run(&args, b"");
    assert!([0, 4].contains(&ran.code), "exit code {}: {}", ran.code, ran.err);
    ran.lines()
}

/// The finding of a recommendation on a resource by its name.
#[track_caller]
fn finding<'f>(findings: &'f [Json], key: &str, name: &str) -> &'f Json {
    let found = findings.iter().find(|row| row["key"] == key && row["name"] == name);
    found.unwrap_or_else(|| panic!("no finding of {key} on {name}"))
}

/// The score of an estate.
#[track_caller]
fn score(estate: &str, more: &[&str]) -> Json {
    let ran = run(&[&["score", estate, "--output", "json", "--quiet", "--at", AT], more].concat(), b"");
    assert!([0, 4].contains(&ran.code), "exit code {}: {}", ran.code, ran.err);
    ran.json()
}

/// One control of the first scope of a score.
#[track_caller]
fn control<'s>(score: &'s Json, id: &str) -> &'s Json {
    let controls = score["scopes"][0]["controls"].as_array().expect("a scope has controls");
    controls.iter().find(|control| control["id"] == id).unwrap_or_else(|| panic!("no control {id}"))
}

/// The different texts of a member.
fn texts<'r>(rows: &'r [Json], member: &str) -> BTreeSet<&'r str> {
    rows.iter().filter_map(|row| row[member].as_str()).collect()
}

/// The names of the resources that an estate's inventory lists, without what is implied.
#[track_caller]
fn accounts_read(ran: &Run) -> BTreeSet<String> {
    let rows = ran.lines();
    let accounts = rows.iter().filter(|row| row["kind"] == "Microsoft.Storage/storageAccounts");
    accounts.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect()
}
