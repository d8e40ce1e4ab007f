//! One question to a cloud and one page of its answer.

use std::fmt;
use std::future::Future;

use serde_json::{Map, Value as Json};
use yagura_model::Cloud;

/// One question to a cloud, as a recorded answer names it (docs/estates.md).
///
/// | cloud | service | operation | params |
/// |---|---|---|---|
/// | AWS | boto3's name of the service (`ec2`) | the operation (`DescribeInstances`) | its input, by member names of the service model |
/// | Azure | `resourcegraph` | the table (`resources`) | `query`, `subscriptions` (at most 1,000: more must be split) |
/// | Azure | `arm` | the kind (`Microsoft.Sql/servers/auditingSettings`) | `path`, `api_version`, `parent`, `filter` |
/// | Azure | `graph` | the collection (`users`) | `path`, `select` |
/// | GCP | `cloudasset` | `assets.list` | `assetTypes`, `contentType` |
/// | GCP | the service | the method | `url`; for Pub/Sub `method` and `body` too |
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The cloud.
    pub cloud: Cloud,
    /// The subscription (GUID), tenant (GUID), account number, or `projects/x`, `folders/1`, `organizations/1`.
    pub scope: String,
    /// The region, for regional services.
    pub region: Option<String>,
    /// The service.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// Its parameters; those of a further page are the ones that [`Page::next`] gave, laid over.
    pub params: Map<String, Json>,
}

impl Call {
    /// A text that tells this call and its page from all others, for checkpoints.
    pub fn key(&self) -> String {
        // `serde_json::Map` keeps its members sorted, so that equal calls have equal texts.
        let params = serde_json::to_string(&self.params).unwrap_or_default();
        let region = self.region.as_deref().unwrap_or("-");
        format!("{} {} {region} {}:{} {params}", self.cloud, self.scope, self.service, self.operation)
    }

    /// The call for the next page.
    pub fn with(&self, next: &Map<String, Json>) -> Self {
        let mut call = self.clone();
        call.params.extend(next.iter().map(|(name, value)| (name.clone(), value.clone())));
        call
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} in {}", self.service, self.operation, self.scope)?;
        match &self.region {
            Some(region) => write!(f, " {region}"),
            None => Ok(()),
        }
    }
}

/// One page of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The answer: AWS by the member names of the service model (ResponseMetadata left out), else the cloud's own JSON.
    pub response: Json,
    /// Parameters that ask for the next page; none = this was the last one.
    pub next: Option<Map<String, Json>>,
}

/// Why a call has no answer, after all retries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The cloud's own error code, or a word of ours (`Timeout`, `TooLarge`, `Refused`).
    pub code: String,
    /// The cloud's message, or ours; never holds a secret.
    pub message: String,
}

/// Kinds of failures that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Too many requests, and waiting did not help.
    Throttled,
    /// The caller may not do this.
    Denied,
    /// The credentials are expired, wrong or missing.
    Credentials,
    /// There is no such thing.
    NotFound,
    /// The service is not offered, enabled or opted into there.
    NotOffered,
    /// The cloud failed, or no connection came about.
    Unavailable,
    /// The answer cannot be used: too large, cut off, not what the service model says.
    Unreadable,
    /// We do not send this: an address or redirect that is not allowed, an unknown operation.
    Refused,
}

/// Answers calls. Retries, limits and paging tokens are its business; what to ask is not.
pub trait Caller: Send + Sync {
    /// One page of the answer to one call.
    fn call(&self, call: &Call) -> impl Future<Output = Result<Page, CallFailure>> + Send;
}
