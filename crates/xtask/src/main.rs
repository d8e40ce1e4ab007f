//! `cargo xtask run` shows what Yagura does; `cargo xtask test` proves that it still does it.
//!
//! Std only, so that it builds in a second.

mod floors;
mod fuzz;
mod python;
mod steps;
mod suites;
mod test;

use std::process::ExitCode;

use crate::steps::{Outcome, Step, cargo, workspace};

const HELP: &str = "\
cargo xtask run      build the release binary, assess the sample estate, print its summary and write its report
cargo xtask test     formatting, lints, floors of the house, content, all tests; what CI runs
                     --list names the suites and what they need
cargo xtask bench    criterion benches of reading, evaluating and scoring
cargo xtask fuzz     every fuzz target for 180 seconds; `fuzz SECONDS` for as long as you say
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run"] => run(),
        ["test"] => test::run(),
        ["test", "--list"] => {
            print!("{}", suites::list());
            Ok(())
        }
        ["bench"] => bench(),
        ["fuzz"] => fuzz::run(None),
        ["fuzz", seconds] => fuzz::run(Some(seconds)),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the product and shows it on the sample estate.
fn run() -> Outcome {
    Step::new("build the release binary", cargo(&["build", "--release", "--package", "yagura-app"])).run()?;
    let target = steps::target_folder();
    let binary = target.join("release").join("yagura");
    let sample = workspace().join("examples").join("contoso");
    let report = target.join("contoso.html");
    println!("\nThe sample estate examples/contoso, as `yagura scan examples/contoso` assesses it:");
    let mut scan = std::process::Command::new(&binary);
    scan.arg("scan").arg(&sample);
    // The sample holds two calls that were refused, on purpose: done but incomplete is 4.
    Step::new("assess the sample estate", scan).allowing(&[4]).run()?;
    let page =
        std::fs::File::create(&report).map_err(|error| format!("could not write {}: {error}", report.display()))?;
    let mut scan = std::process::Command::new(&binary);
    scan.arg("scan").arg(&sample).args(["--output", "html", "--quiet"]).stdout(page);
    scan.stderr(std::process::Stdio::null());
    Step::new("write the report", scan).allowing(&[4]).run()?;
    println!("\nThe same as a page for the management: {}", report.display());
    println!("The binary: {}   (try `{} explain --help`)", binary.display(), binary.display());
    Ok(())
}

fn bench() -> Outcome {
    Step::new("benches", cargo(&["bench", "--package", "yagura-connect", "--package", "yagura-posture"])).run()
}
