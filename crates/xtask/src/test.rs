//! `cargo xtask test`: everything that must hold before a change lands.

use std::path::PathBuf;

use crate::floors;
use crate::steps::{Outcome, Step, cargo, has, workspace};

/// The module of the suites that read the folder of shared data.
const SHARED_SUITES: &str = "shared::";

/// Runs every check; the first that fails ends the run.
pub fn run() -> Outcome {
    Step::new("formatting", cargo(&["fmt", "--all", "--check"])).run()?;
    floors::check()?;
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    Step::new("lints", cargo(&lints)).run()?;
    Step::new("content", cargo(&["run", "--quiet", "--locked", "--package", "yagura-app", "--", "content", "check"]))
        .run()?;
    let shared = shared_folder();
    tests(shared.is_some())?;
    match shared {
        Some(folder) => eprintln!("xtask: the suites of shared data ran on {}", folder.display()),
        None => not_run()?,
    }
    Ok(())
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

/// Names the suites that did not run, so that nobody takes them for passed.
fn not_run() -> Outcome {
    eprintln!("xtask: not run, since the shared data is not here (YAGURA_SHARED names its folder):");
    let list = ["test", "--quiet", "--locked", "--package", "yagura-tests", "--", "--list", SHARED_SUITES];
    Step::new("list of suites not run", cargo(&list)).run()
}
