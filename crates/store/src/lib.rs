//! What Yagura keeps on the user's machine: one folder, one database, one lock.
//!
//! Connectors with their sealed credentials live here, with the answers of their last collection and of one under way. **Invariant**: knows no
//! network; every stored key and every method starts with the tenant; a credential is written and used, never shown.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod collection;
mod connector;
mod error;
mod folder;
mod schema;
mod seal;

use rusqlite::Connection;

pub use collection::{Collection, StoredCheckpoints};
pub use connector::{Access, Connector, ConnectorKind, NewConnector};
pub use error::StoreError;
pub use folder::DataFolder;
pub use seal::{MasterKey, Secret};

/// The tenant of an installation that knows no others.
pub const DEFAULT_TENANT: &str = "default";

/// An open data folder with its database. Dropping it frees the lock.
pub struct Store {
    pub(crate) database: Connection,
    pub(crate) key: MasterKey,
    _folder: DataFolder,
}

impl Store {
    /// Opens (and on first use creates) a data folder. Fails when another process has it open, when it cannot be
    /// written, and when a newer Yagura wrote it.
    pub fn open(folder: DataFolder) -> Result<Self, StoreError> {
        // What SQLite makes beside it has the same rights.
        let path = folder.private_path("yagura.db")?;
        let database = Connection::open(&path).map_err(|cause| StoreError::database("open the database", cause))?;
        schema::prepare(&database)?;
        let sealed = "SELECT EXISTS (SELECT 1 FROM connectors WHERE sealed_key IS NOT NULL)";
        let sealed = database.query_row(sealed, [], |row| row.get(0));
        let key = folder.master_key(sealed.map_err(|cause| StoreError::database("read the connectors", cause))?)?;
        Ok(Self { database, key, _folder: folder })
    }
}
