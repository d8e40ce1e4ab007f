//! How a fake cloud is set up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How a fake cloud is set up. The default one answers at once, holds nothing and fails never.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port of HTTPS; 0 = any free one.
    pub port: u16,
    /// The tenant's GUID.
    pub tenant: String,
    /// GUIDs of the subscriptions.
    pub subscriptions: Vec<String>,
    /// Secrets of the registered applications, by client id.
    pub clients: BTreeMap<String, String>,
    /// Public keys (PKCS#1 `RSAPublicKey`, DER) that signed assertions must verify with, by client id or e-mail address of
    /// the service account. Assertions of others are read but their signature is not checked.
    pub keys: BTreeMap<String, Vec<u8>>,
    /// E-mail addresses of people who have signed in to Google, by their refresh tokens.
    pub refresh_tokens: BTreeMap<String, String>,
    /// Tokens of other identities that Google's Security Token Service takes.
    pub subject_tokens: BTreeSet<String>,
    /// How long tokens live.
    pub token_lifetime: Duration,
    /// Takes any bearer token that is not a JWT, such as `test`. Expired JWTs are refused all the same.
    pub any_token: bool,
    /// Items of one page of an ARM or Microsoft Graph list.
    pub page_size: usize,
    /// How often a long-running operation answers `InProgress` before it is done.
    pub operation_polls: u32,
    /// What `Retry-After` says when a call is throttled, in seconds.
    pub retry_after: u64,
    /// Answers every nth call with 429.
    pub throttle_every: Option<u64>,
    /// Answers every nth call with 500 or 503.
    pub fail_every: Option<u64>,
    /// Queries that Resource Graph allows a user in a window (15 in 5 s: Microsoft, "Guidance for throttled requests").
    pub query_quota: (u32, Duration),
    /// Waits this long before each answer.
    pub latency: Duration,
    /// Resources to start with.
    pub seed: usize,
    /// Further host names that the certificate is for.
    pub names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            tenant: "11111111-1111-1111-1111-111111111111".to_owned(),
            subscriptions: vec!["22222222-2222-2222-2222-222222222222".to_owned()],
            clients: BTreeMap::from([("33333333-3333-3333-3333-333333333333".to_owned(), "secret".to_owned())]),
            keys: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            subject_tokens: BTreeSet::new(),
            token_lifetime: Duration::from_secs(3599),
            any_token: false,
            page_size: 100,
            operation_polls: 1,
            retry_after: 1,
            throttle_every: None,
            fail_every: None,
            query_quota: (15, Duration::from_secs(5)),
            latency: Duration::ZERO,
            seed: 0,
            names: Vec::new(),
        }
    }
}
