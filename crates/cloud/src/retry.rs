//! When to ask again, and how long to wait before.
//!
//! Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), at most 8 attempts,
//! a bound on the time in all. What a failure means is told by [`Again`]; [`of_status`] and [`of_transport`] say it for
//! statuses and broken connections, each cloud's client adds what its own error codes mean.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::call::{CallFailure, FailureKind};
use crate::http::TransportError;
use crate::limiter::{LimitKey, Limiter};

/// No request is ever sent more often than this.
pub const MOST_ATTEMPTS: u32 = 8;

/// How often one call may be answered with "again at once".
const MOST_AT_ONCE: u32 = 3;

/// The longest code and message of an error that are kept, in characters.
const LONGEST_CODE: usize = 100;
pub(crate) const LONGEST_MESSAGE: usize = 1000;

/// How often and how patiently to ask again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// Requests in all, at most [`MOST_ATTEMPTS`].
    pub attempts: u32,
    /// The longest first wait; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// The longest time from the first request on.
    pub longest_total: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: MOST_ATTEMPTS,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
            longest_total: Duration::from_secs(180),
        }
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same request would fail the same way.
    Never,
    /// It may pass: wait, then ask again.
    Later,
    /// Too many requests: slow down, wait (as long as the cloud says, if it does), then ask again.
    Throttled(Option<Duration>),
    /// The cause is removed (clock set, region learnt): ask again without a wait.
    AtOnce,
}

/// A failure of one request, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What the call ends with if asking again does not help.
    pub failure: CallFailure,
    /// Whether to ask again.
    pub again: Again,
}

impl Trouble {
    /// A failure that stays.
    pub fn lasting(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { failure: CallFailure { kind, code: code.into(), message: message.into() }, again: Again::Never }
    }
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        of_transport(error)
    }
}

/// What a broken transport means: lost connections, timeouts and cut-off answers are worth another try.
pub fn of_transport(error: TransportError) -> Trouble {
    let again = if error.is_passing() { Again::Later } else { Again::Never };
    Trouble { failure: error.into(), again }
}

/// What an answer with an error status means, by status alone. Code and message are cut to a bearable length.
///
/// 429 and 503 slow the caller down, other 5xx and 408 are tried again, everything else stays.
pub fn of_status(
    status: StatusCode,
    headers: &HeaderMap,
    code: impl Into<String>,
    message: impl Into<String>,
) -> Trouble {
    let kind = match status.as_u16() {
        429 => FailureKind::Throttled,
        401 | 407 => FailureKind::Credentials,
        403 => FailureKind::Denied,
        404 | 410 => FailureKind::NotFound,
        408 | 500..=599 => FailureKind::Unavailable,
        400..=499 => FailureKind::Refused,
        _ => FailureKind::Unreadable,
    };
    let again = match status.as_u16() {
        429 | 503 => Again::Throttled(retry_after(headers, Timestamp::now())),
        408 | 500..=599 => Again::Later,
        _ => Again::Never,
    };
    let (code, message) = (shortened(&code.into(), LONGEST_CODE), shortened(&message.into(), LONGEST_MESSAGE));
    Trouble { failure: CallFailure { kind, code, message }, again }
}

/// A text of bearable length: clouds and what stands before them may answer with anything.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let mut letters = text.chars();
    let short: String = letters.by_ref().take(longest).collect();
    if letters.next().is_none() { short } else { short + "…" }
}

/// The wait that an answer asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or in milliseconds as
/// Azure does (`retry-after-ms`, `x-ms-retry-after-ms`).
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(milliseconds) = text(name).and_then(|value| value.parse().ok()) {
            return Some(Duration::from_millis(milliseconds));
        }
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let wait = http_date(value)?.duration_since(now);
    Some(wait.try_into().unwrap_or_default())
}

/// A date as HTTP headers carry it.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|moment| moment.timestamp())
}

/// Counts for a progress bar.
#[derive(Debug, Default)]
pub struct CallCounters {
    requests: AtomicU64,
    throttles: AtomicU64,
    retries: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Requests sent.
    pub requests: u64,
    /// Answers that said "too many".
    pub throttles: u64,
    /// Requests sent again.
    pub retries: u64,
}

impl CallCounters {
    /// The present counts.
    pub fn counts(&self) -> CallCounts {
        CallCounts {
            requests: self.requests.load(Ordering::Relaxed),
            throttles: self.throttles.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
        }
    }
}

/// Sends a request until it succeeds, fails for good, or patience ends. Waits for the limiter before every request.
#[derive(Clone, Debug)]
pub struct Retrying {
    settings: RetrySettings,
    limiter: Arc<Limiter>,
    counters: Arc<CallCounters>,
}

impl Retrying {
    /// A helper with these settings; limiter and counters are shared by all that ask one cloud.
    pub fn new(settings: RetrySettings, limiter: Arc<Limiter>, counters: Arc<CallCounters>) -> Self {
        Self { settings, limiter, counters }
    }

    /// The limiter.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// The counters.
    pub fn counters(&self) -> &Arc<CallCounters> {
        &self.counters
    }

    /// Runs `attempt` (which gets the number of the attempt, from 1) until it succeeds or need not be tried again.
    pub async fn run<T, F>(&self, key: &LimitKey, mut attempt: impl FnMut(u32) -> F) -> Result<T, CallFailure>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let attempts = self.settings.attempts.clamp(1, MOST_ATTEMPTS);
        let mut at_once = 0;
        let mut started = None;
        let mut number = 1;
        loop {
            self.limiter.acquire(key).await;
            let started = *started.get_or_insert_with(Instant::now);
            self.counters.requests.fetch_add(1, Ordering::Relaxed);
            let trouble = match attempt(number).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let asked = match trouble.again {
                Again::Never => return Err(trouble.failure),
                Again::AtOnce if at_once == MOST_AT_ONCE => return Err(trouble.failure),
                Again::AtOnce => {
                    at_once += 1;
                    self.counters.retries.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Again::Later => None,
                Again::Throttled(asked) => {
                    self.counters.throttles.fetch_add(1, Ordering::Relaxed);
                    self.limiter.throttled(key, asked);
                    asked
                }
            };
            let wait = self.wait(number).max(asked.unwrap_or_default());
            if number >= attempts || started.elapsed().saturating_add(wait) > self.settings.longest_total {
                return Err(trouble.failure);
            }
            number += 1;
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    /// Full jitter: anything between nothing and the doubled wait.
    fn wait(&self, number: u32) -> Duration {
        let doubled = self.settings.first_wait.saturating_mul(1 << number.saturating_sub(1).min(16));
        doubled.min(self.settings.longest_wait).mul_f64(random_share())
    }
}

/// A random number from 0 up to 1.
fn random_share() -> f64 {
    let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
    // The low 53 bits are random in a version 4 UUID, and fit a f64 exactly.
    (low & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::limiter::LimiterSettings;

    fn key() -> LimitKey {
        LimitKey { account: "1".to_owned(), region: None, service: "s".to_owned(), operation: "o".to_owned() }
    }

    fn retrying(settings: RetrySettings) -> Retrying {
        Retrying::new(settings, Arc::new(Limiter::new(LimiterSettings::default())), Arc::default())
    }

    fn trouble(again: Again) -> Trouble {
        Trouble { again, ..Trouble::lasting(FailureKind::Unavailable, "500", "no") }
    }

    /// How many requests are sent when every one fails this way, and how long that takes.
    async fn failing(retrying: &Retrying, again: Again) -> (u32, f64) {
        let (start, sent) = (Instant::now(), Cell::new(0));
        let answer: Result<(), _> = retrying
            .run(&key(), |_| {
                sent.set(sent.get() + 1);
                async move { Err(trouble(again)) }
            })
            .await;
        assert_eq!(answer.unwrap_err().code, "500");
        (sent.get(), start.elapsed().as_secs_f64())
    }

    #[test]
    fn codes_and_messages_are_cut() {
        let (code, message) = ("é".repeat(5000), "ü".repeat(LONGEST_MESSAGE));
        let failure = of_status(StatusCode::FORBIDDEN, &HeaderMap::new(), code, message.as_str()).failure;
        assert_eq!(failure.code, format!("{}…", "é".repeat(LONGEST_CODE)));
        assert_eq!(failure.message, message);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_bounded() {
        let retrying = retrying(RetrySettings { attempts: 100, ..RetrySettings::default() });
        assert_eq!(failing(&retrying, Again::Never).await.0, 1);
        let (sent, seconds) = failing(&retrying, Again::Later).await;
        assert_eq!(sent, 8);
        assert!(seconds < 60.0, "{seconds}");
        assert_eq!(failing(&retrying, Again::AtOnce).await, (4, 0.0));
        assert_eq!(failing(&retrying, Again::Throttled(None)).await.0, 8);
        assert_eq!(retrying.counters().counts(), CallCounts { requests: 21, throttles: 8, retries: 17 });
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_all_is_bounded() {
        let settings = RetrySettings { longest_total: Duration::from_secs(30), ..RetrySettings::default() };
        let retrying = retrying(settings);
        let (sent, seconds) = failing(&retrying, Again::Throttled(Some(Duration::from_secs(12)))).await;
        assert_eq!(sent, 3);
        assert!((24.0..26.0).contains(&seconds), "{seconds}");
        let (sent, _) = failing(&retrying, Again::Throttled(Some(Duration::from_secs(31)))).await;
        assert_eq!(sent, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_ends_well() {
        let retrying = retrying(RetrySettings::default());
        let answer = retrying
            .run(&key(), |number| async move { if number < 3 { Err(trouble(Again::Later)) } else { Ok(number) } })
            .await;
        assert_eq!(answer, Ok(3));
        assert_eq!(retrying.counters().counts(), CallCounts { requests: 3, throttles: 0, retries: 2 });
    }

    #[test]
    fn statuses_are_told_apart() {
        let of = |status: u16, headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let trouble = of_status(StatusCode::from_u16(status).unwrap(), &headers, "c", "m");
            (trouble.failure.kind, trouble.again)
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(of(429, &[("retry-after", "7")]), (FailureKind::Throttled, Again::Throttled(seconds(7))));
        assert_eq!(of(429, &[]), (FailureKind::Throttled, Again::Throttled(None)));
        assert_eq!(of(503, &[("x-ms-retry-after-ms", "2000")]).1, Again::Throttled(seconds(2)));
        assert_eq!(of(500, &[]), (FailureKind::Unavailable, Again::Later));
        assert_eq!(of(404, &[]), (FailureKind::NotFound, Again::Never));
        assert_eq!(of(403, &[]).0, FailureKind::Denied);
        assert_eq!(of(401, &[]).0, FailureKind::Credentials);
        assert_eq!(of(400, &[]).0, FailureKind::Refused);
        assert_eq!(of(302, &[]).0, FailureKind::Unreadable);
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now: Timestamp = "2015-10-21T07:27:00Z".parse().unwrap();
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([("retry-after".parse().unwrap(), value.parse().unwrap())]), now)
        };
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Wed, 21 Oct 2015 07:20:00 GMT"), Some(Duration::ZERO));
        assert_eq!((read("1.5"), read("-1"), read("soon")), (Some(Duration::from_millis(1500)), None, None));
    }

    #[test]
    fn random_shares_are_spread() {
        let shares: Vec<f64> = (0..1000).map(|_| random_share()).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        let mean = shares.iter().sum::<f64>() / 1000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
