//! `yagura completions`

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArguments};
use crate::exit::Exit;
use crate::output;

/// Prints a completion script.
pub fn run(arguments: &CompletionsArguments) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "yagura", &mut script);
    let mut out = output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
