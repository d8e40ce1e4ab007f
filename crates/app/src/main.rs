//! The `yagura` command: reads the command line, runs one command, says how it went by its exit code.

mod args;
mod commands;
mod config;
mod estate;
mod exit;
mod filter;
mod live;
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
        Command::Connect(own) => commands::connect::run(own),
        Command::Watch(own) => commands::watch::run(own),
        Command::Completions(own) => commands::completions::run(own),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(_) if output::reader_is_gone() => Exit::Done.into(),
        Err(error) => {
            format!("yagura: {error:#}").lines().for_each(output::note);
            Exit::Failed.into()
        }
    }
}
