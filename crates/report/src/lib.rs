//! Data in, bytes out: the public JSON shapes, CSV, HTML, SARIF and OCSF.
//!
//! The JSON shapes are a contract: the command line and the server give the same.
//! **Invariant**: no network, no store.

mod finding;
mod score_document;

pub use finding::{ExemptionLine, Finding, FindingContext};
pub use score_document::{Adjusted, ControlDocument, Overall, ScopeDocument, ScoreDocument};
