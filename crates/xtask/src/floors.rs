//! The floors of the house: which crate must not know which other (ARCHITECTURE.md).

use std::process::Stdio;

use crate::steps::{Outcome, cargo, workspace};

/// What nothing below the wires may know.
const WIRES: [&str; 7] = ["tokio", "reqwest", "hyper", "axum", "rusqlite", "yagura-cloud", "yagura-store"];
/// What nobody may know: the product speaks TLS through rustls with ring.
const NOBODY: [&str; 3] = ["openssl", "native-tls", "aws-lc-rs"];

/// Crates in the order of their floors: whether they stand below the wires, and what else they must not know.
const FLOORS: [(&str, bool, &[&str]); 10] = [
    (
        "yagura-model",
        true,
        &["yagura-policy", "yagura-content", "yagura-posture", "yagura-graph", "yagura-connect", "yagura-report"],
    ),
    ("yagura-policy", true, &["yagura-content", "yagura-posture", "yagura-graph", "yagura-connect", "yagura-report"]),
    ("yagura-content", true, &["yagura-posture", "yagura-graph", "yagura-connect", "yagura-report"]),
    ("yagura-posture", true, &["yagura-graph", "yagura-connect", "yagura-report"]),
    ("yagura-graph", true, &["yagura-posture", "yagura-connect", "yagura-report"]),
    (
        "yagura-cloud",
        false,
        &["yagura-policy", "yagura-content", "yagura-posture", "yagura-graph", "yagura-connect", "yagura-store"],
    ),
    (
        "yagura-store",
        false,
        &["yagura-policy", "yagura-content", "yagura-posture", "yagura-connect", "reqwest", "hyper"],
    ),
    ("yagura-connect", false, &["yagura-posture", "yagura-graph", "yagura-report", "yagura-store", "rusqlite", "axum"]),
    ("yagura-report", true, &["yagura-graph", "yagura-connect"]),
    ("yagura-app", false, &[]),
];

/// Checks every forbidden pair with `cargo tree`; all that are broken are said.
pub fn check() -> Outcome {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock"))
        .map_err(|error| format!("could not read Cargo.lock: {error}"))?;
    let mut broken = Vec::new();
    let mut checked = 0;
    for (name, below_the_wires, forbidden) in FLOORS {
        let wires = WIRES.iter().filter(|_| below_the_wires);
        for other in forbidden.iter().chain(wires).chain(&NOBODY).copied() {
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
