//! The wires: one client per cloud that answers [`Call`]s page by page.
//!
//! Credentials, signing, limits, retries, paging and long-running operations live here. **Invariant**: knows neither
//! engines nor store; a request never leaves for an address that was not checked; secrets are never logged or shown.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod address;
pub mod aws;
pub mod azure;
pub mod call;
pub mod environment;
pub mod gcp;
pub mod http;
pub mod limiter;
pub mod loops;
mod program;
pub mod retry;
pub mod secret;
#[cfg(test)]
#[allow(missing_docs)]
mod testing;

pub use call::{Call, CallFailure, Caller, FailureKind, Page};
pub use environment::Environment;
pub use http::{Http, HttpRequest, HttpResponse, HttpSettings, TransportError};
pub use limiter::{FixedLimit, Limit, LimitKey, Limiter, LimiterSettings};
pub use loops::Loops;
pub use retry::{Again, CallCounters, CallCounts, RetrySettings, Retrying, Trouble};
pub use secret::Secret;
