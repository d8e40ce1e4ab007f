//! `cargo xtask test`: everything that must hold before a change lands.

use std::path::PathBuf;
use std::process::Stdio;

use crate::floors;
use crate::python::{self, Client, Emulator};
use crate::steps::{Outcome, Step, cargo, has, target_folder, workspace};
use crate::suites::{Report, Suite};

/// The module of the suites that read the folder of shared data.
const SHARED_SUITES: &str = "shared::";
/// The module, in any crate, of tests against an emulated AWS. They are ignored elsewhere, so that none passes unrun.
const MOTO_SUITES: &str = "moto::";

/// The module of tests against an emulated Google Cloud, which tests/clients/gcplocal.py starts.
const GCPLOCAL_SUITES: &str = "gcplocal::";

/// Runs every suite, and says of each whether it ran; the first that fails ends the run.
pub fn run() -> Outcome {
    let mut report = Report::default();
    let outcome = suites(&mut report);
    eprint!("xtask: suites\n{}", report.text());
    outcome
}

fn suites(report: &mut Report) -> Outcome {
    // Begun first: it installs packages and makes its estate while cargo builds. What fails there is said at its place.
    let emulator = Emulator::start();
    report.run(Suite::Formatting, || Step::new("formatting", cargo(&["fmt", "--all", "--check"])).run())?;
    report.run(Suite::Floors, floors::check)?;
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    report.run(Suite::Lints, || Step::new("lints", cargo(&lints)).run())?;
    let content = ["run", "--quiet", "--locked", "--package", "yagura-app", "--", "content", "check"];
    report.run(Suite::Content, || Step::new("content", cargo(&content)).run())?;

    let build = ["build", "--locked", "--package", "yagura-fakecloud", "--package", "yagura-app"];
    Step::new("build the fake cloud and yagura", cargo(&build)).run()?;
    let binaries = target_folder().join("debug");
    // They mostly wait, on purpose, and cost the tests beside them nothing.
    let azure = Client::start("azure_sdk.py", &binaries);
    let google = Client::start("google_assets.py", &binaries);
    let shared = shared_folder();
    report.run(Suite::Tests, || tests(shared.is_some()))?;
    match shared {
        Some(folder) => report.keep(Suite::SharedData, Ok(()), format!("with the tests, on {}", folder.display()))?,
        None => shared_not_run(report)?,
    }
    let beside = || "beside the tests".to_owned();
    report.keep(Suite::AzureClients, azure.and_then(Client::finish), beside())?;
    report.keep(Suite::GoogleClients, google.and_then(Client::finish), beside())?;

    // It runs cargo, which would wait for the tests above.
    report.run(Suite::GoogleEmulator, || Client::start("gcplocal.py", &binaries).and_then(Client::finish))?;
    let is_google = |name: &String| name.starts_with(GCPLOCAL_SUITES);
    let (emulated, others): (Vec<String>, Vec<String>) =
        ignored()?.into_iter().filter(|name| !is_google(name)).partition(|name| name.starts_with(MOTO_SUITES));
    report.run(Suite::Moto, || moto(emulator, emulated.len()))?;
    if !others.is_empty() {
        report.not_run(Suite::Ignored, others.join(", "));
        return Ok(());
    }
    report.keep(Suite::Ignored, Ok(()), "- there are none".to_owned())
}

/// The folder that `YAGURA_SHARED` names, else `shared` beside the checkout.
fn shared_folder() -> Option<PathBuf> {
    let named = std::env::var_os("YAGURA_SHARED").map(PathBuf::from);
    let folder = named.or_else(|| Some(workspace().parent()?.join("shared")))?;
    folder.join("estates").is_dir().then_some(folder)
}

fn tests(with_shared: bool) -> Outcome {
    if !has("cargo-nextest", "--version") {
        let mut arguments = vec!["test", "--workspace", "--locked", "--all-targets"];
        if !with_shared {
            arguments.extend(["--", "--skip", SHARED_SUITES]);
        }
        return Step::new("tests", cargo(&arguments)).run();
    }
    let mut arguments = vec!["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
    let without = format!("not test(/^{SHARED_SUITES}/)");
    if !with_shared {
        arguments.extend(["--filterset", &without]);
    }
    Step::new("tests", cargo(&arguments)).run()
}

/// The tests against an emulated AWS.
fn moto(emulator: Result<Emulator, String>, wanted: usize) -> Outcome {
    // A filter that finds nothing is no failure for `cargo test`.
    if wanted == 0 {
        return Err(format!("no ignored test stands in a module {MOTO_SUITES}"));
    }
    let emulator = emulator?;
    let url = emulator.url()?;
    let only = format!("test(/^{MOTO_SUITES}/)");
    let mut command = if has("cargo-nextest", "--version") {
        let always = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
        cargo(&[&always[..], &["--run-ignored", "only", "--filterset", &only]].concat())
    } else {
        cargo(&["test", "--workspace", "--locked", "--tests", "--", "--ignored", MOTO_SUITES])
    };
    command.env("YAGURA_MOTO", url).env("YAGURA_PYTHON", python::interpreter()?);
    Step::new("moto", command).run()
}

/// Names the suites that did not run, so that nobody takes them for passed.
fn shared_not_run(report: &mut Report) -> Outcome {
    let names = listed(&["--package", "yagura-tests"], &[SHARED_SUITES])?;
    let why = "the shared data is not here (YAGURA_SHARED names its folder)";
    report.not_run(Suite::SharedData, format!("{why}: {}", names.join(", ")));
    Ok(())
}

/// The names of all tests that are ignored.
fn ignored() -> Result<Vec<String>, String> {
    listed(&["--workspace", "--tests"], &["--ignored"])
}

/// The names of the tests of these packages.
fn listed(packages: &[&str], tests: &[&str]) -> Result<Vec<String>, String> {
    let mut command = cargo(&[&["test", "--quiet", "--locked"], packages, &["--", "--list"], tests].concat());
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("could not list tests: {error}"))?;
    if !output.status.success() {
        return Err(format!("could not list tests: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
