//! Exit codes: part of the contract with scripts.

use std::process::ExitCode;

/// How a command ended. Usage errors (2) are clap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed; nothing was given.
    Failed,
    /// 3: done, and there are findings at or over `--fail-on`.
    Findings,
    /// 4: done, but something could not be read or decided for a reason that lies in the input.
    Incomplete,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Findings => 3,
            Exit::Incomplete => 4,
        })
    }
}
