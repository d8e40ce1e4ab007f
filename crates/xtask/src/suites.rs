//! The suites of `cargo xtask test` by name, and how each ended.

use std::fmt::Write as _;
use std::time::Instant;

use crate::steps::Outcome;

/// A part of the test command that stands or falls by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    Formatting,
    Floors,
    Lints,
    Content,
    Tests,
    SharedData,
    AzureClients,
    GoogleClients,
    GoogleEmulator,
    Moto,
    Ignored,
}

impl Suite {
    /// All of them, in the order in which they end.
    pub const ALL: [Self; 11] = [
        Self::Formatting,
        Self::Floors,
        Self::Lints,
        Self::Content,
        Self::Tests,
        Self::SharedData,
        Self::AzureClients,
        Self::GoogleClients,
        Self::GoogleEmulator,
        Self::Moto,
        Self::Ignored,
    ];

    /// The name, as it is said at the end of a run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Formatting => "formatting",
            Self::Floors => "floors",
            Self::Lints => "lints",
            Self::Content => "content",
            Self::Tests => "tests",
            Self::SharedData => "shared data",
            Self::AzureClients => "Azure clients",
            Self::GoogleClients => "Google clients",
            Self::GoogleEmulator => "Google emulator",
            Self::Moto => "moto",
            Self::Ignored => "other ignored tests",
        }
    }

    /// What it proves, and what it needs that is not in the repository.
    fn about(self) -> &'static str {
        match self {
            Self::Formatting => "rustfmt",
            Self::Floors => "which crate must not know which other",
            Self::Lints => "clippy, warnings denied",
            Self::Content => "the content's own checks and the tests inside it",
            Self::Tests => "unit, integration and property tests of all crates",
            Self::SharedData => {
                "third parties' data; needs the folder that YAGURA_SHARED names, else `shared` beside the checkout"
            }
            Self::AzureClients => {
                "Microsoft's SDKs against yagura-fakecloud; needs python3, at first the package registry"
            }
            Self::GoogleClients => {
                "Google's client against yagura-fakecloud; needs python3, at first the package registry"
            }
            Self::GoogleEmulator => {
                "tests in modules called gcplocal, against an emulated Google Cloud; needs python3, at first the package registry"
            }
            Self::Moto => {
                "tests in modules called moto, against an emulated AWS; needs python3, at first the package registry"
            }
            Self::Ignored => "tests with #[ignore] that nothing here starts: none are wanted",
        }
    }
}

/// How a suite ended.
enum Ending {
    Ran(String),
    Failed,
    NotRun(String),
}

/// The endings so far.
#[derive(Default)]
pub struct Report(Vec<(Suite, Ending)>);

impl Report {
    /// Runs a suite and keeps how it ended.
    pub fn run(&mut self, suite: Suite, work: impl FnOnce() -> Outcome) -> Outcome {
        let started = Instant::now();
        let outcome = work();
        let seconds = started.elapsed().as_secs_f64();
        self.keep(suite, outcome, format!("in {seconds:.1} s"))
    }

    /// Keeps how a suite ended that ran elsewhere.
    pub fn keep(&mut self, suite: Suite, outcome: Outcome, how: String) -> Outcome {
        let ending = if outcome.is_ok() { Ending::Ran(how) } else { Ending::Failed };
        self.0.push((suite, ending));
        outcome
    }

    /// Keeps why a suite did not run.
    pub fn not_run(&mut self, suite: Suite, why: String) {
        self.0.push((suite, Ending::NotRun(why)));
    }

    /// Every suite on a line of its own.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for suite in Suite::ALL {
            let ending = self.0.iter().find(|(known, _)| *known == suite).map(|(_, ending)| ending);
            let said = match ending {
                Some(Ending::Ran(how)) => format!("ran {how}"),
                Some(Ending::Failed) => "FAILED".to_owned(),
                Some(Ending::NotRun(why)) => format!("NOT RUN: {why}"),
                None => "NOT RUN: the suites before it did not pass".to_owned(),
            };
            let _ = writeln!(text, "  {:20} {said}", suite.name());
        }
        text
    }
}

/// Every suite with what it is.
pub fn list() -> String {
    Suite::ALL.iter().fold(String::new(), |text, suite| text + &format!("{:20} {}\n", suite.name(), suite.about()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_did_not_run_is_said_with_its_reason() {
        let mut report = Report::default();
        report.run(Suite::Formatting, || Ok(())).unwrap();
        report.not_run(Suite::SharedData, "not here".to_owned());
        let failed = report.run(Suite::Lints, || Err("broken".to_owned()));
        let text = report.text();
        let line = |suite: Suite| text.lines().find(|line| line.trim_start().starts_with(suite.name())).unwrap();
        assert_eq!(failed, Err("broken".to_owned()));
        for (suite, said) in [
            (Suite::Formatting, " ran in 0.0 s"),
            (Suite::SharedData, " NOT RUN: not here"),
            (Suite::Lints, " FAILED"),
            (Suite::Moto, " NOT RUN: the suites before it did not pass"),
        ] {
            assert!(line(suite).ends_with(said), "{text}");
        }
        assert_eq!(text.lines().count(), Suite::ALL.len());
    }
}
