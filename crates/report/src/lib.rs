//! Data in, bytes out: the public JSON shapes, CSV, HTML, SARIF and OCSF.
//!
//! The JSON shapes are a contract: the command line and the server give the same.
//! **Invariant**: no network, no store.

mod csv;
mod finding;
mod html;
mod ocsf;
mod sarif;
mod score_document;

pub use csv::{CsvWriter, findings_csv};
pub use finding::{ExemptionLine, Finding, FindingContext};
pub use html::{CloudInventory, Gap, ReportData, TopRecommendation, html};
pub use ocsf::ocsf;
pub use sarif::sarif;
pub use score_document::{
    Adjusted, AdjustedPercentage, CloudDocument, ControlDocument, Overall, ScopeDocument, ScoreDocument,
};
