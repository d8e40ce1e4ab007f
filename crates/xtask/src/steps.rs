//! Running commands one after the other and saying which one failed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Done, or why not.
pub type Outcome = Result<(), String>;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// Where cargo builds.
pub fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().join("target"),
    }
}

/// Cargo with these arguments, in the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace());
    command
}

/// Whether a program can be started.
pub fn has(program: &str, argument: &str) -> bool {
    let started =
        Command::new(program).arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    started.is_ok_and(|status| status.success())
}

/// One named command.
pub struct Step {
    name: &'static str,
    command: Command,
    allowed: Vec<i32>,
}

impl Step {
    /// A step that must end with 0.
    pub fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, allowed: vec![0] }
    }

    /// Other exit codes that are fine.
    pub fn allowing(mut self, codes: &[i32]) -> Self {
        self.allowed.extend(codes);
        self
    }

    /// Runs it with its output shown.
    pub fn run(mut self) -> Outcome {
        let started = Instant::now();
        let status = self.command.stdin(Stdio::null()).status();
        let status = status
            .map_err(|error| format!("{}: could not start {:?}: {error}", self.name, self.command.get_program()))?;
        let code = status.code().unwrap_or(-1);
        if !self.allowed.contains(&code) {
            return Err(format!("{} failed (exit code {code}): {}", self.name, shown(&self.command)));
        }
        eprintln!("xtask: {} done in {:.1} s", self.name, started.elapsed().as_secs_f64());
        Ok(())
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
