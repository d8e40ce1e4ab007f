//! What is wrong with a content file.

use serde::Serialize;

/// How grave a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Worth a look; the file is used.
    Warning,
    /// The file is not used.
    Error,
}

/// One fault in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as it was named by the caller.
    pub file: String,
    /// Line from 1, where it is known.
    pub line: Option<u64>,
    /// Which kind of fault: a stable word such as `unknown-control`.
    pub label: &'static str,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// How grave it is.
    pub gravity: Gravity,
}

impl Diagnostic {
    /// An error in a file.
    pub fn error(file: &str, label: &'static str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, label, message: message.into(), gravity: Gravity::Error }
    }

    /// A warning in a file.
    pub fn warning(file: &str, label: &'static str, message: impl Into<String>) -> Self {
        Self { gravity: Gravity::Warning, ..Self::error(file, label, message) }
    }

    /// The same at a line.
    pub fn at_line(mut self, line: Option<u64>) -> Self {
        self.line = line;
        self
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        let gravity = match self.gravity {
            Gravity::Error => "error",
            Gravity::Warning => "warning",
        };
        write!(f, ": {gravity}[{}]: {}", self.label, self.message)
    }
}
