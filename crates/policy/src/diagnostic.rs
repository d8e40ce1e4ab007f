//! Faults found while a rule is read.

use std::fmt;

/// One fault in the text of a rule.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// Where it stands: `unhealthy_when.anyOf[1].equals`.
    pub at: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
}

impl Diagnostic {
    /// A fault at a place.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// Why a policy definition, initiative, assignment or alias list could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The document has not the shape of what it should be.
    #[error("could not read the {what}: {reason}")]
    Shape {
        /// What was being read: `policy definition`, `initiative`.
        what: &'static str,
        /// What is missing or wrong.
        reason: String,
    },
    /// The rule has faults.
    #[error("could not compile the policy rule: {}", join(.0))]
    Rule(Vec<Diagnostic>),
    /// The rule is well formed but asks for what Azure Policy forbids.
    #[error("the policy rule is not allowed: {0}")]
    Forbidden(Diagnostic),
}

fn join(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("; ")
}
