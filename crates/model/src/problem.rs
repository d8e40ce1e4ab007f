//! What went wrong without ending the run.

use serde::Serialize;

/// Something that could not be read or decided. The rest went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, call or rule it happened in.
    pub source: String,
    /// Line or record number, from 1, where the source has such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// What was being done and why it failed; lower case, no full stop.
    pub message: String,
    /// Whether something that should have been read was not, so that the result is incomplete.
    pub incomplete: bool,
}

impl Problem {
    /// A problem that leaves the result incomplete.
    pub fn lost(source: impl Into<String>, record: Option<u64>, message: impl Into<String>) -> Self {
        Self { source: source.into(), record, message: message.into(), incomplete: true }
    }

    /// A remark: nothing was lost.
    pub fn note(source: impl Into<String>, record: Option<u64>, message: impl Into<String>) -> Self {
        Self { source: source.into(), record, message: message.into(), incomplete: false }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)?;
        if let Some(record) = self.record {
            write!(f, ":{record}")?;
        }
        write!(f, ": {}", self.message)
    }
}
