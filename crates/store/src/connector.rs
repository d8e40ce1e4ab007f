//! Connectors: what is collected, and with which credential.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use yagura_model::{Cloud, Timestamp};

use crate::Store;
use crate::error::StoreError;
use crate::seal::{Sealed, Secret, open, seal};

/// What a connector reaches. Ids are the clouds' own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cloud", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConnectorKind {
    /// Azure.
    Azure {
        /// The tenant's GUID.
        tenant_id: String,
        /// `public`, `us-government` or `china`.
        #[serde(default = "public")]
        environment: String,
        /// GUIDs of subscriptions; empty = all that the credential sees.
        #[serde(default)]
        subscriptions: Vec<String>,
        /// Names of management groups whose subscriptions are read.
        #[serde(default)]
        management_groups: Vec<String>,
        /// The application (client) id of a stored credential.
        #[serde(default)]
        client_id: Option<String>,
    },
    /// Amazon Web Services.
    Aws {
        /// The account number; none = the one that the credential belongs to.
        #[serde(default)]
        account: Option<String>,
        /// Regions; empty = all that the account uses.
        #[serde(default)]
        regions: Vec<String>,
        /// The profile of the shared configuration.
        #[serde(default)]
        profile: Option<String>,
        /// The role that is assumed, in this account or, with `organization`, in every member (its name).
        #[serde(default)]
        role: Option<String>,
        /// The external id that the role asks for.
        #[serde(default)]
        external_id: Option<String>,
        /// Whether every member account of the organization is read.
        #[serde(default)]
        organization: bool,
    },
    /// Google Cloud.
    Gcp {
        /// `projects/x`, `folders/1` or `organizations/1`.
        scope: String,
    },
}

fn public() -> String {
    "public".to_owned()
}

impl ConnectorKind {
    /// The cloud.
    pub fn cloud(&self) -> Cloud {
        match self {
            Self::Azure { .. } => Cloud::Azure,
            Self::Aws { .. } => Cloud::Aws,
            Self::Gcp { .. } => Cloud::Gcp,
        }
    }
}

/// How a cloud is reached, if not in the usual way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// One URL for all services of the cloud: an emulator, a private endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// A file with certificate authorities to trust beside the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the cloud's own command line, or a program that a profile names, may be run for credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_process: bool,
}

/// What is stored of a connector as JSON.
#[derive(Serialize, Deserialize)]
struct Settings {
    #[serde(flatten)]
    kind: ConnectorKind,
    #[serde(default)]
    access: Access,
}

/// A connector that is stored. Its credential is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// Its id, a UUID.
    pub id: String,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it reaches.
    #[serde(flatten)]
    pub kind: ConnectorKind,
    /// How it is reached.
    #[serde(flatten)]
    pub access: Access,
    /// Whether a credential is stored with it; else the cloud's usual chain is used.
    pub has_credential: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A connector to be stored.
#[derive(Clone, Debug)]
pub struct NewConnector {
    /// Its name.
    pub name: String,
    /// What it reaches.
    pub kind: ConnectorKind,
    /// How it is reached.
    pub access: Access,
    /// A credential to store with it, as the cloud's client reads it.
    pub credential: Option<Secret>,
    /// Now.
    pub at: Timestamp,
}

impl Store {
    /// Stores a connector; its credential is sealed.
    pub fn add_connector(&mut self, tenant: &str, new: &NewConnector) -> Result<Connector, StoreError> {
        let id =
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("yagura/connector/{tenant}/{}/{}", new.name, new.at).as_bytes())
                .to_string();
        if self.connector(tenant, &new.name)?.is_some() {
            return Err(StoreError::Exists { what: "connector", name: new.name.clone() });
        }
        let sealed = new.credential.as_ref().map(|secret| seal(&self.key, &place(tenant, &id), secret)).transpose()?;
        let settings = Settings { kind: new.kind.clone(), access: new.access.clone() };
        let settings = serde_json::to_string(&settings).map_err(|error| broken(error.to_string()))?;
        let statement = "INSERT INTO connectors (tenant, id, name, kind, settings, sealed_key, sealed_body, created_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (key, body) = sealed.map(|sealed| (sealed.key, sealed.body)).unzip();
        let cloud = new.kind.cloud().as_str();
        let row = params![tenant, id, new.name, cloud, settings, key, body, new.at.to_string()];
        self.database.execute(statement, row).map_err(|cause| StoreError::database("store the connector", cause))?;
        let has_credential = new.credential.is_some();
        Ok(Connector {
            id,
            name: new.name.clone(),
            kind: new.kind.clone(),
            access: new.access.clone(),
            has_credential,
            created_at: new.at,
        })
    }

    /// All connectors of a tenant by name.
    pub fn connectors(&self, tenant: &str) -> Result<Vec<Connector>, StoreError> {
        let fail = |cause| StoreError::database("read the connectors", cause);
        let mut statement =
            self.database.prepare(&format!("{SELECT} WHERE tenant = ?1 ORDER BY name")).map_err(fail)?;
        let rows = statement.query_map([tenant], stored).map_err(fail)?;
        let mut connectors = Vec::new();
        for row in rows {
            connectors.push(row.map_err(fail)?.read()?);
        }
        Ok(connectors)
    }

    /// The connector of that name.
    pub fn connector(&self, tenant: &str, name: &str) -> Result<Option<Connector>, StoreError> {
        let sql = format!("{SELECT} WHERE tenant = ?1 AND name = ?2");
        let row = self.database.query_row(&sql, [tenant, name], stored).optional();
        row.map_err(|cause| StoreError::database("read the connector", cause))?.map(StoredConnector::read).transpose()
    }

    /// The credential of a connector, opened for the call that needs it; none when none is stored.
    pub fn credential(&self, tenant: &str, id: &str) -> Result<Option<Secret>, StoreError> {
        let sql = "SELECT sealed_key, sealed_body FROM connectors WHERE tenant = ?1 AND id = ?2";
        let row = self.database.query_row(sql, [tenant, id], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        let row: Option<SealedColumns> = row.map_err(|cause| StoreError::database("read the credential", cause))?;
        let Some((key, body)) = row else {
            return Err(StoreError::NotFound { what: "connector", name: id.to_owned() });
        };
        let (Some(key), Some(body)) = (key, body) else { return Ok(None) };
        open(&self.key, &place(tenant, id), &Sealed { key, body }).map(Some)
    }

    /// Removes a connector with its credential and everything that was collected with it.
    pub fn remove_connector(&mut self, tenant: &str, name: &str) -> Result<(), StoreError> {
        let fail = |cause| StoreError::database("remove the connector", cause);
        let Some(connector) = self.connector(tenant, name)? else {
            return Err(StoreError::NotFound { what: "connector", name: name.to_owned() });
        };
        let transaction = self.database.unchecked_transaction().map_err(fail)?;
        self.forget_collections(tenant, &connector.id).map_err(fail)?;
        transaction
            .execute("DELETE FROM connectors WHERE tenant = ?1 AND id = ?2", [tenant, &connector.id])
            .map_err(fail)?;
        transaction.commit().map_err(fail)
    }
}

const SELECT: &str = "SELECT id, name, settings, sealed_body IS NOT NULL, created_at FROM connectors";

/// A sealed key and body, which stand together or not at all.
type SealedColumns = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a credential is sealed for.
fn place(tenant: &str, id: &str) -> String {
    format!("{tenant}/connector/{id}")
}

fn broken(reason: String) -> StoreError {
    StoreError::Broken { what: "a connector", reason }
}

struct StoredConnector {
    id: String,
    name: String,
    settings: String,
    has_credential: bool,
    created_at: String,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredConnector> {
    Ok(StoredConnector {
        id: row.get(0)?,
        name: row.get(1)?,
        settings: row.get(2)?,
        has_credential: row.get(3)?,
        created_at: row.get(4)?,
    })
}

impl StoredConnector {
    fn read(self) -> Result<Connector, StoreError> {
        let Settings { kind, access } =
            serde_json::from_str(&self.settings).map_err(|error| broken(error.to_string()))?;
        Ok(Connector {
            kind,
            access,
            created_at: self.created_at.parse().map_err(|error: jiff::Error| broken(error.to_string()))?,
            id: self.id,
            name: self.name,
            has_credential: self.has_credential,
        })
    }
}
