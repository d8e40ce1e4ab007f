//! The fake's own time: the real one, moved on by tests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that tests move on, so that tokens expire and quotas refill without waiting.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    /// The moment it is for the fake.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// Moves the time on.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    }
}
