//! What can be wrong with documents this crate is given.

/// Why a document was not understood. The message names the place in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The document as a whole is not what it should be.
    #[error("the policy document {0}")]
    Document(&'static str),
    /// An element of the document is missing, unknown or badly written.
    #[error("{at}: {fault}")]
    Element {
        /// The place: `Statement[2].Condition.StringLike`.
        at: String,
        /// What is wrong there.
        fault: String,
    },
}

impl GraphError {
    pub(crate) fn at(at: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Element { at: at.into(), fault: fault.into() }
    }
}
