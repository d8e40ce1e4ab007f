//! How far collections are.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use yagura_connect::live::Progress;

use crate::output;

/// How often it is said where nothing can be drawn, in a log for instance.
const EVERY: Duration = Duration::from_secs(15);

/// Shows calls, resources, throttles and failures of all collections together: as a line that moves on a terminal, else as
/// a note now and then.
pub struct Bar {
    line: Option<ProgressBar>,
    quiet: bool,
    parts: RefCell<Vec<(Progress, u64)>>,
    said: Cell<Instant>,
}

impl Bar {
    /// A line for that many collections.
    pub fn new(quiet: bool, collections: usize) -> Self {
        let parts = RefCell::new(vec![Default::default(); collections]);
        let said = Cell::new(Instant::now());
        if quiet || !std::io::stderr().is_terminal() {
            return Self { line: None, quiet, parts, said };
        }
        let line = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {bar:24} {msg}") {
            line.set_style(style);
        }
        line.set_message("signing in");
        line.enable_steady_tick(Duration::from_millis(120));
        Self { line: Some(line), quiet, parts, said }
    }

    /// One of the collections got further.
    pub fn say(&self, position: usize, progress: Progress, throttles: u64) {
        if self.quiet {
            return;
        }
        let mut parts = self.parts.borrow_mut();
        if let Some(part) = parts.get_mut(position) {
            *part = (progress, throttles);
        }
        let sum = |part: fn(&Progress) -> u64| parts.iter().map(|(progress, _)| part(progress)).sum::<u64>();
        let answered = sum(|own| own.answered + own.resumed + own.failed);
        let all = answered + sum(|own| own.left);
        let throttles: u64 = parts.iter().map(|(_, throttles)| throttles).sum();
        let (resources, failed) = (sum(|own| own.resources), sum(|own| own.failed));
        let text = format!("{answered} calls, {resources} resources, {throttles} throttled, {failed} failed");
        match &self.line {
            Some(line) => {
                line.set_length(all);
                line.set_position(answered);
                line.set_message(text);
            }
            None if self.said.get().elapsed() >= EVERY => {
                self.said.set(Instant::now());
                output::note(format_args!("{text}; {} calls are known to be left", all - answered));
            }
            None => {}
        }
    }

    /// The line goes away.
    pub fn clear(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
