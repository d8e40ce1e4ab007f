//! How far collections are, on a terminal.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use yagura_connect::live::Progress;

/// A line that shows calls, resources, throttles and failures of all collections together.
pub struct Bar {
    line: Option<ProgressBar>,
    parts: RefCell<Vec<(Progress, u64)>>,
}

impl Bar {
    /// A line for that many collections; none when standard error is no terminal.
    pub fn new(quiet: bool, collections: usize) -> Self {
        let parts = RefCell::new(vec![Default::default(); collections]);
        if quiet || !std::io::stderr().is_terminal() {
            return Self { line: None, parts };
        }
        let line = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {bar:24} {msg}") {
            line.set_style(style);
        }
        line.enable_steady_tick(Duration::from_millis(120));
        Self { line: Some(line), parts }
    }

    /// One of the collections got further.
    pub fn say(&self, position: usize, progress: Progress, throttles: u64) {
        let Some(line) = &self.line else { return };
        let mut parts = self.parts.borrow_mut();
        if let Some(part) = parts.get_mut(position) {
            *part = (progress, throttles);
        }
        let sum = |part: fn(&Progress) -> u64| parts.iter().map(|(progress, _)| part(progress)).sum::<u64>();
        let answered = sum(|own| own.answered + own.resumed + own.failed);
        line.set_length(answered + sum(|own| own.left));
        line.set_position(answered);
        let throttles: u64 = parts.iter().map(|(_, throttles)| throttles).sum();
        line.set_message(format!(
            "{answered} calls, {} resources, {throttles} throttled, {} failed",
            sum(|own| own.resources),
            sum(|own| own.failed),
        ));
    }

    /// The line goes away.
    pub fn clear(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
