//! How fast a cloud may be asked.
//!
//! Clouds limit requests by account, region, service and operation ([`LimitKey`]). The limits are rarely published and
//! shared with others, so each key has a token bucket whose rate halves when the cloud says "too many" and recovers
//! slowly (additive increase, multiplicative decrease). A cloud's published limit can be set as a [`FixedLimit`]
//! instead: never more than so many requests in any period of that length. Sources: AWS "Throttling requests for the
//! Amazon EC2 API" (token buckets per account, region and operation); Azure Resource Graph "Guidance for throttled
//! requests" (15 requests in 5 s); Microsoft Graph "throttling limits".
//!
//! Waiters of one key go in the order they came. Time is tokio's, so tests can turn it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a limit counts by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// The account, subscription, project or tenant.
    pub account: String,
    /// The region, where limits are per region.
    pub region: Option<String>,
    /// The service.
    pub service: String,
    /// The operation, or one word for all that share a limit.
    pub operation: String,
}

/// At most so many requests in any period of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many requests.
    pub requests: u32,
    /// In how long.
    pub per: Duration,
}

/// A published limit, in place of the adaptive one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedLimit {
    /// The service it is for.
    pub service: String,
    /// The operation; none = each operation of the service has this limit.
    pub operation: Option<String>,
    /// The limit.
    pub limit: Limit,
}

/// How fast to start and how far to slow down.
#[derive(Clone, Debug, PartialEq)]
pub struct LimiterSettings {
    /// Requests a second of one key, at most.
    pub rate: f64,
    /// Requests of one key that may go at once.
    pub burst: f64,
    /// Requests a second that a key never falls below.
    pub slowest: f64,
    /// How long a key needs from standstill back to `rate`.
    pub recovery: Duration,
    /// The longest pause that a cloud may ask for.
    pub longest_pause: Duration,
    /// Published limits; the first that fits counts.
    pub fixed: Vec<FixedLimit>,
}

impl Default for LimiterSettings {
    /// 20 requests a second, which is what EC2 refills its buckets of Describe calls with, and a burst of 50.
    fn default() -> Self {
        Self {
            rate: 20.0,
            burst: 50.0,
            slowest: 0.5,
            recovery: Duration::from_secs(60),
            longest_pause: Duration::from_secs(300),
            fixed: Vec::new(),
        }
    }
}

/// Makes callers wait their turn. Share one per cloud.
#[derive(Debug)]
pub struct Limiter {
    settings: LimiterSettings,
    buckets: Mutex<HashMap<LimitKey, Arc<Bucket>>>,
}

impl Limiter {
    /// A limiter that has seen nothing yet.
    pub fn new(settings: LimiterSettings) -> Self {
        Self { settings, buckets: Mutex::new(HashMap::new()) }
    }

    /// Waits until one request may go. Its place is not given back.
    pub async fn acquire(&self, key: &LimitKey) {
        let bucket = self.bucket(key);
        // Held while waiting: whoever came first goes first.
        let _turn = bucket.turnstile.lock().await;
        loop {
            let wait_until = lock(&bucket.state).take(&self.settings, Instant::now());
            match wait_until {
                None => return,
                Some(moment) => tokio::time::sleep_until(moment).await,
            }
        }
    }

    /// The cloud said "too many requests": slows the key down and, if the cloud named a time, pauses it that long.
    pub fn throttled(&self, key: &LimitKey, retry_after: Option<Duration>) {
        let bucket = self.bucket(key);
        let now = Instant::now();
        let mut state = lock(&bucket.state);
        state.slow_down(&self.settings, now);
        if let Some(pause) = retry_after {
            state.pause(now + pause.min(self.settings.longest_pause));
        }
    }

    /// Holds all requests of a key back for a while, for example until a quota that a header told is full again.
    pub fn pause(&self, key: &LimitKey, pause: Duration) {
        let bucket = self.bucket(key);
        lock(&bucket.state).pause(Instant::now() + pause.min(self.settings.longest_pause));
    }

    /// The present rate of a key in requests a second; none for keys with a fixed limit.
    pub fn rate(&self, key: &LimitKey) -> Option<f64> {
        let bucket = self.bucket(key);
        let mut state = lock(&bucket.state);
        match &mut state.pace {
            Pace::Adaptive(pace) => {
                pace.refill(&self.settings, Instant::now());
                Some(pace.rate)
            }
            Pace::Window(_) => None,
        }
    }

    fn bucket(&self, key: &LimitKey) -> Arc<Bucket> {
        let mut buckets = lock(&self.buckets);
        match buckets.get(key) {
            Some(bucket) => bucket.clone(),
            None => {
                let bucket = Arc::new(Bucket::new(&self.settings, key));
                buckets.insert(key.clone(), bucket.clone());
                bucket
            }
        }
    }
}

/// Locks, also after a panic elsewhere: every state in here is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Bucket {
    turnstile: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Bucket {
    fn new(settings: &LimiterSettings, key: &LimitKey) -> Self {
        let fits = |fixed: &&FixedLimit| {
            fixed.service == key.service && fixed.operation.as_ref().is_none_or(|operation| *operation == key.operation)
        };
        let pace = match settings.fixed.iter().find(fits) {
            Some(fixed) => Pace::Window(Window { limit: fixed.limit, sent: VecDeque::new() }),
            None => Pace::Adaptive(Adaptive {
                rate: settings.rate,
                tokens: settings.burst.max(1.0),
                refilled: Instant::now(),
                halved: None,
            }),
        };
        Self { turnstile: tokio::sync::Mutex::new(()), state: Mutex::new(State { pace, paused: None }) }
    }
}

#[derive(Debug)]
struct State {
    pace: Pace,
    /// No request goes before this.
    paused: Option<Instant>,
}

#[derive(Debug)]
enum Pace {
    Adaptive(Adaptive),
    Window(Window),
}

impl State {
    /// Takes the place of one request, or tells when to try again.
    fn take(&mut self, settings: &LimiterSettings, now: Instant) -> Option<Instant> {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Some(until);
        }
        self.paused = None;
        match &mut self.pace {
            Pace::Adaptive(pace) => pace.take(settings, now),
            Pace::Window(pace) => pace.take(now),
        }
    }

    fn slow_down(&mut self, settings: &LimiterSettings, now: Instant) {
        if let Pace::Adaptive(pace) = &mut self.pace {
            pace.slow_down(settings, now);
        }
    }

    fn pause(&mut self, until: Instant) {
        self.paused = Some(self.paused.map_or(until, |known| known.max(until)));
    }
}

#[derive(Debug)]
struct Adaptive {
    rate: f64,
    tokens: f64,
    refilled: Instant,
    halved: Option<Instant>,
}

impl Adaptive {
    fn refill(&mut self, settings: &LimiterSettings, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now;
        self.tokens = (self.tokens + self.rate * passed).min(settings.burst.max(1.0));
        let regained = settings.rate * passed / settings.recovery.as_secs_f64().max(1.0);
        self.rate = (self.rate + regained).min(settings.rate);
    }

    fn take(&mut self, settings: &LimiterSettings, now: Instant) -> Option<Instant> {
        self.refill(settings, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        let missing = (1.0 - self.tokens) / self.rate.max(0.001);
        // A little more than needed, so that rounding does not wake us a moment too early.
        Some(now + Duration::from_secs_f64(missing) + Duration::from_millis(1))
    }

    /// Halves the rate, once for all requests that were under way together.
    fn slow_down(&mut self, settings: &LimiterSettings, now: Instant) {
        self.refill(settings, now);
        self.tokens = self.tokens.min(0.0);
        let just_halved = self.halved.is_some_and(|moment| now.saturating_duration_since(moment).as_secs() < 1);
        if just_halved {
            return;
        }
        self.halved = Some(now);
        self.rate = (self.rate / 2.0).max(settings.slowest);
    }
}

#[derive(Debug)]
struct Window {
    limit: Limit,
    sent: VecDeque<Instant>,
}

impl Window {
    fn take(&mut self, now: Instant) -> Option<Instant> {
        let over = |sent: &Instant| now.saturating_duration_since(*sent) >= self.limit.per;
        while self.sent.front().is_some_and(over) {
            self.sent.pop_front();
        }
        if self.sent.len() < self.limit.requests.max(1) as usize {
            self.sent.push_back(now);
            return None;
        }
        self.sent.front().map(|first| *first + self.limit.per)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(operation: &str) -> LimitKey {
        LimitKey {
            account: "123456789012".to_owned(),
            region: Some("eu-west-1".to_owned()),
            service: "ec2".to_owned(),
            operation: operation.to_owned(),
        }
    }

    fn settings() -> LimiterSettings {
        LimiterSettings { rate: 10.0, burst: 5.0, ..LimiterSettings::default() }
    }

    async fn seconds_for(limiter: &Limiter, key: &LimitKey, requests: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..requests {
            limiter.acquire(key).await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let limiter = Limiter::new(settings());
        assert!(seconds_for(&limiter, &key("A"), 5).await < 0.01);
        let rest = seconds_for(&limiter, &key("A"), 20).await;
        assert!((1.9..2.3).contains(&rest), "{rest}");
        assert!(seconds_for(&limiter, &key("B"), 5).await < 0.01, "keys do not share");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_halves_once_and_recovers_slowly() {
        let limiter = Limiter::new(settings());
        seconds_for(&limiter, &key("A"), 5).await;
        for _ in 0..20 {
            limiter.throttled(&key("A"), None);
        }
        assert_eq!(limiter.rate(&key("A")), Some(5.0));
        let slow = seconds_for(&limiter, &key("A"), 10).await;
        assert!((1.5..2.3).contains(&slow), "{slow}");
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(2)).await;
            limiter.throttled(&key("A"), None);
        }
        let low = limiter.rate(&key("A")).unwrap();
        assert!((0.5..1.0).contains(&low), "{low}");
        tokio::time::advance(Duration::from_secs(30)).await;
        let half_way = limiter.rate(&key("A")).unwrap();
        assert!((5.0..6.5).contains(&half_way), "{half_way}");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(limiter.rate(&key("A")), Some(10.0));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_pauses_the_key() {
        let limiter = Limiter::new(settings());
        limiter.throttled(&key("A"), Some(Duration::from_secs(7)));
        let waited = seconds_for(&limiter, &key("A"), 1).await;
        assert!((7.0..7.5).contains(&waited), "{waited}");
        assert!(seconds_for(&limiter, &key("B"), 1).await < 0.01);
        limiter.throttled(&key("B"), Some(Duration::from_secs(1 << 30)));
        let bounded = seconds_for(&limiter, &key("B"), 1).await;
        assert!((300.0..301.0).contains(&bounded), "{bounded}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_reaches_those_who_already_wait() {
        let limiter = Arc::new(Limiter::new(settings()));
        seconds_for(&limiter, &key("A"), 5).await;
        let start = Instant::now();
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(&key("A")).await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        limiter.pause(&key("A"), Duration::from_secs(3));
        waiting.await.unwrap();
        assert!(start.elapsed().as_secs_f64() >= 3.0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_go_in_order() {
        let limiter = Arc::new(Limiter::new(LimiterSettings { burst: 1.0, ..settings() }));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..10 {
            let (limiter, order) = (limiter.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                limiter.acquire(&key("A")).await;
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn fixed_limits_hold_for_every_period() {
        let limit = Limit { requests: 15, per: Duration::from_secs(5) };
        let fixed = vec![FixedLimit { service: "ec2".to_owned(), operation: Some("A".to_owned()), limit }];
        let limiter = Limiter::new(LimiterSettings { fixed, ..settings() });
        let mut sent = Vec::new();
        for _ in 0..50 {
            limiter.acquire(&key("A")).await;
            sent.push(Instant::now());
        }
        for pair in sent.windows(16) {
            assert!(pair[15] - pair[0] >= Duration::from_secs(5));
        }
        let all = sent[49] - sent[0];
        assert!((15.0..15.1).contains(&all.as_secs_f64()), "{all:?}");
        assert_eq!((limiter.rate(&key("A")), limiter.rate(&key("B"))), (None, Some(10.0)));
    }

    proptest! {
        /// Whatever happens, no key sends more than burst + rate * time.
        #[test]
        fn the_rate_is_never_exceeded(steps in prop::collection::vec((0u64..3000, any::<bool>()), 1..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let limiter = Limiter::new(settings());
                let start = Instant::now();
                for (number, (pause, throttle)) in steps.into_iter().enumerate() {
                    tokio::time::advance(Duration::from_millis(pause)).await;
                    limiter.acquire(&key("A")).await;
                    let most = 5.0 + 10.0 * start.elapsed().as_secs_f64();
                    assert!((number + 1) as f64 <= most + 0.01);
                    if throttle {
                        limiter.throttled(&key("A"), None);
                    }
                    assert!((0.5..=10.0).contains(&limiter.rate(&key("A")).unwrap()));
                }
            });
        }
    }
}
