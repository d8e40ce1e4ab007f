//! CPU time of the thread that runs both engines.

use std::fmt;

use anyhow::Result;

/// CPU times in milliseconds.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Runs something that many times and keeps the mean CPU time it took.
    pub fn take<T>(&mut self, times: usize, mut run: impl FnMut() -> Result<T>) -> Result<T> {
        let start = cpu_ms();
        let mut outcome = run()?;
        for _ in 1..times {
            outcome = run()?;
        }
        self.0.push((cpu_ms() - start) / times as f64);
        Ok(outcome)
    }

    /// The time in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) => write!(f, "{least:.1} / {:.1} / {most:.1}", self.median()),
            _ => f.write_str("-"),
        }
    }
}

/// Milliseconds that this thread has run: the first field of schedstat, in nanoseconds.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e6
}
