//! The floors of the house: which crate must not know which other (ARCHITECTURE.md).

use std::process::Stdio;

use crate::steps::{Outcome, cargo, workspace};

/// What nothing below the wires may know.
const OUTSIDE: [&str; 6] = ["tokio", "reqwest", "hyper", "axum", "rusqlite", "openssl"];

/// Crates in the order of their floors with what they must not know besides [`OUTSIDE`].
const FLOORS: [(&str, &[&str]); 6] = [
    ("yagura-model", &["yagura-policy", "yagura-content", "yagura-posture", "yagura-connect", "yagura-report"]),
    ("yagura-policy", &["yagura-content", "yagura-posture", "yagura-connect", "yagura-report"]),
    ("yagura-content", &["yagura-posture", "yagura-connect", "yagura-report"]),
    ("yagura-posture", &["yagura-connect", "yagura-report"]),
    ("yagura-connect", &["yagura-posture", "yagura-report"]),
    ("yagura-report", &["yagura-connect"]),
];

/// Checks every forbidden pair with `cargo tree`; all that are broken are said.
pub fn check() -> Outcome {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock"))
        .map_err(|error| format!("could not read Cargo.lock: {error}"))?;
    let mut broken = Vec::new();
    let mut checked = 0;
    for (name, forbidden) in FLOORS {
        for other in forbidden.iter().copied().chain(OUTSIDE) {
            // Cargo cannot be asked for a package that is nowhere in the graph.
            if !lock.contains(&format!("name = \"{other}\"\n")) {
                continue;
            }
            checked += 1;
            match knows(name, other)? {
                Some(tree) => broken.push(format!("{name} must not know {other}:\n{tree}")),
                None => continue,
            }
        }
    }
    if broken.is_empty() {
        eprintln!("xtask: floors hold ({checked} pairs)");
        return Ok(());
    }
    Err(broken.join("\n"))
}

/// The way from one package to another, if there is one.
fn knows(name: &str, other: &str) -> Result<Option<String>, String> {
    let mut tree = cargo(&["tree", "--locked", "--package", name, "--edges", "normal", "--invert", other]);
    let output = tree.stdin(Stdio::null()).output().map_err(|error| format!("could not start cargo tree: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Cargo says so when the package is in the lock file and not among the dependencies of this crate.
    if err.contains("did not match any packages") {
        return Ok(None);
    }
    if !output.status.success() {
        return Err(format!("cargo tree --package {name} --invert {other} failed: {err}"));
    }
    if err.contains("nothing to print") {
        return Ok(None);
    }
    Ok(Some(out.into_owned()))
}
