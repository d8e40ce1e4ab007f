//! Verdicts and what they rest on.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::resource::ResourceId;

/// How serious it is when a recommendation is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Low
    Low,
    /// Medium
    Medium,
    /// High
    High,
}

impl Severity {
    /// The word used in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Low, Self::Medium, Self::High]
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is not a severity: use low, medium or high"))
    }
}

/// The state of one resource against one recommendation, without its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// The recommendation is followed.
    Healthy,
    /// It is not.
    Unhealthy,
    /// The recommendation does not speak of this resource.
    NotApplicable,
    /// It could not be told; never counted as healthy.
    Unknown,
}

impl Status {
    /// The word used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::NotApplicable => "notApplicable",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A verdict with its cause where it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The recommendation is followed.
    Healthy,
    /// It is not.
    Unhealthy,
    /// The recommendation does not speak of this resource.
    NotApplicable,
    /// It could not be told.
    Unknown(Cause),
}

impl Verdict {
    /// The verdict without its cause.
    pub const fn status(&self) -> Status {
        match self {
            Self::Healthy => Status::Healthy,
            Self::Unhealthy => Status::Unhealthy,
            Self::NotApplicable => Status::NotApplicable,
            Self::Unknown(_) => Status::Unknown,
        }
    }
}

/// Why something is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A kind was never listed where the rule needs it.
    NotListed(Kind),
    /// An answer that hangs under a resource was never asked for.
    NotAsked(Arc<str>),
    /// A call failed; the text names call and reason.
    CallFailed(Arc<str>),
    /// The rule could not be decided; the text says what.
    Undecidable(Arc<str>),
    /// The plan the recommendation needs is off in this scope.
    PlanOff(Arc<str>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed(kind) => write!(f, "{kind} was never listed in this scope"),
            Self::NotAsked(call) => write!(f, "{call} was never asked for"),
            Self::CallFailed(what) => write!(f, "a call failed: {what}"),
            Self::Undecidable(what) => write!(f, "could not be decided: {what}"),
            Self::PlanOff(plan) => write!(f, "plan {plan} is off in this scope"),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One comparison that decided a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Which node of the rule: `unhealthy_when.anyOf[1]`.
    pub rule: String,
    /// The resource whose document was read, if it is not the assessed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// The path in the document, or the expression.
    pub path: String,
    /// What stands there; null when nothing does.
    pub found: serde_json::Value,
    /// The operator as written.
    pub operator: String,
    /// What the rule compares with.
    pub wanted: serde_json::Value,
    /// Whether the comparison held; none when it could not be told.
    pub held: Option<bool>,
}
