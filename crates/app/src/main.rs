//! The `yagura` command: reads the command line, runs one command, says how it went by its exit code.

mod args;
mod commands;
mod config;
mod estate;
mod exit;
mod filter;
mod output;
mod policies;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Scan(own) => commands::scan::run(own),
        Command::Inventory(own) => commands::inventory::run(own),
        Command::Recommendations(own) => commands::recommendations::run(own),
        Command::Score(own) => commands::score::run(own),
        Command::Compliance(own) => commands::compliance::run(own),
        Command::Explain(own) => commands::explain::run(own),
        Command::WhatIf(own) => commands::what_if::run(own),
        Command::Content(own) => commands::content::run(own),
        Command::Policy(own) => commands::policy::run(own),
        Command::Completions(own) => commands::completions::run(own),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            eprintln!("yagura: {error:#}");
            Exit::Failed.into()
        }
    }
}

/// `yagura ... | head` ends the pipe early: that is the reader's wish, not a failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
