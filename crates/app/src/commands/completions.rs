//! `yagura completions`

use clap::CommandFactory;

use crate::args::{Arguments, CompletionsArguments};
use crate::exit::Exit;

/// Prints a completion script.
pub fn run(arguments: &CompletionsArguments) -> anyhow::Result<Exit> {
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "yagura", &mut crate::output::stdout());
    Ok(Exit::Done)
}
