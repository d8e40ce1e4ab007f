//! What can go wrong while something is kept.

use std::path::PathBuf;

/// Why something could not be kept or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("could not {action} {}: {cause}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        cause: std::io::Error,
    },
    /// The database said no.
    #[error("could not {action}: {cause}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        #[source]
        cause: rusqlite::Error,
    },
    /// Another process has the folder open.
    #[error("the data folder {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer Yagura wrote the database.
    #[error("the database has version {found}, and this Yagura knows versions up to {known}: use a newer one")]
    Newer {
        /// The version that was found.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The name is taken.
    #[error("the {what} `{name}` is there already")]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A sealed value cannot be opened.
    #[error("{0}")]
    Sealed(&'static str),
    /// Something stored is not what it should be.
    #[error("{what} in the database cannot be read: {reason}")]
    Broken {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl StoreError {
    pub(crate) fn database(action: &'static str, cause: rusqlite::Error) -> Self {
        Self::Database { action, cause }
    }
}
