//! `cargo xtask fuzz`: every target of `fuzz/` for a while, one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Outcome, Step, cargo, target_folder, workspace};

/// The version that the targets are built with.
const CARGO_FUZZ: &str = "0.13.1";
/// Seconds for each target, unless told otherwise.
const USUAL_SECONDS: u32 = 180;
/// An input may not take more memory, in MiB, or time, in seconds.
const MOST_MEMORY: u32 = 2048;
const LONGEST_INPUT: u32 = 20;

/// Runs all targets for so many seconds each, and goes on when one finds something.
pub fn run(seconds: Option<&str>) -> Outcome {
    let seconds: u32 = match seconds {
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?,
        None => USUAL_SECONDS,
    };
    let folder = std::path::absolute(target_folder().join("fuzz"))
        .map_err(|error| format!("could not tell the folder of targets: {error}"))?;
    let tool = tool(&folder)?;
    let targets = targets(&workspace().join("fuzz").join("targets"))?;
    Step::new("build the fuzz targets", cargo_fuzz(&tool, &folder, &["build"])).run()?;
    let mut found = Vec::new();
    for target in &targets {
        eprintln!("xtask: fuzz {target} for {seconds} s");
        if let Err(reason) = one(&tool, &folder, target, seconds) {
            found.push(reason);
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}

/// The names of the targets, in their order.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error: std::io::Error| format!("could not list {}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if let (Some(name), Some("rs")) = (path.file_stem(), path.extension().and_then(|ending| ending.to_str())) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// cargo-fuzz, installed into the target folder when it is not there in the pinned version.
fn tool(folder: &Path) -> Result<PathBuf, String> {
    let root = folder.join(format!("cargo-fuzz-{CARGO_FUZZ}"));
    let program = root.join("bin").join("cargo-fuzz");
    if program.is_file() {
        return Ok(program);
    }
    let mut install = cargo(&["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root"]);
    install.arg(&root);
    Step::new("install cargo-fuzz", install).run()?;
    Ok(program)
}

fn cargo_fuzz(tool: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(tool);
    // The sanitizers are flags of a compiler that is not yet released; this lets the pinned one take them.
    command.args(words).current_dir(workspace()).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", folder);
    command
}

/// One target. What it found before and what it finds stay in the target folder.
fn one(tool: &Path, folder: &Path, target: &str, seconds: u32) -> Outcome {
    let corpus = folder.join("corpus").join(target);
    let findings = folder.join("found").join(target);
    for needed in [&corpus, &findings] {
        std::fs::create_dir_all(needed).map_err(|error| format!("could not make {}: {error}", needed.display()))?;
    }
    let mut command = cargo_fuzz(tool, folder, &["run", target]);
    command.arg(&corpus).arg(workspace().join("fuzz").join("seeds").join(target));
    command.args(["--", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-rss_limit_mb={MOST_MEMORY}")).arg(format!("-timeout={LONGEST_INPUT}"));
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    Step::new("fuzz", command).run().map_err(|reason| format!("{target}: {reason}; see {}", findings.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the files of a folder.
    fn size(folder: &Path) -> u64 {
        let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn every_target_is_built_and_has_few_seeds() {
        let fuzz = workspace().join("fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let targets = targets(&fuzz.join("targets")).unwrap();
        assert!(!targets.is_empty());
        let mut all = 0;
        for target in &targets {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target} is not in the manifest");
            let own = size(&fuzz.join("seeds").join(target));
            assert!(own > 0, "{target} has no seeds");
            all += own;
        }
        assert!(all < 200_000, "{all} bytes of seeds");
    }
}
