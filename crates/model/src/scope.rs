//! Clouds and scopes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One of the three clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// Microsoft Azure
    Azure,
    /// Amazon Web Services
    Aws,
    /// Google Cloud
    Gcp,
}

impl Cloud {
    /// All clouds, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Azure, Self::Aws, Self::Gcp];

    /// The word used in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
        }
    }

    /// The name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Azure => "Azure",
            Self::Aws => "AWS",
            Self::Gcp => "GCP",
        }
    }

    /// Whether the cloud compares its ids without case (only Azure does).
    pub const fn folds_ids(self) -> bool {
        matches!(self, Self::Azure)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|cloud| cloud.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is not a cloud: use azure, aws or gcp"))
    }
}

/// How high a scope stands in its cloud's hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ScopeLevel {
    /// An Entra tenant, an AWS or Google organization.
    Tenant,
    /// A management group, organizational unit or folder.
    Group,
    /// A subscription, account or project: what a secure score is made for.
    Account,
}

/// Where resources live and are governed together, by the cloud's own id: `/subscriptions/GUID`,
/// an AWS account number, `projects/ID`; above them `/tenants/GUID`, `/providers/Microsoft.Management/managementGroups/NAME`,
/// `organizations/NUMBER`, `folders/NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    cloud: Cloud,
    level: ScopeLevel,
    id: Arc<str>,
}

impl Scope {
    /// A subscription, account or project. Azure ids are folded to lower case, since Azure compares them so.
    pub fn account(cloud: Cloud, id: &str) -> Self {
        Self::new(cloud, ScopeLevel::Account, id)
    }

    /// A tenant or organization.
    pub fn tenant(cloud: Cloud, id: &str) -> Self {
        Self::new(cloud, ScopeLevel::Tenant, id)
    }

    /// A scope of any level.
    pub fn new(cloud: Cloud, level: ScopeLevel, id: &str) -> Self {
        let id = if cloud.folds_ids() && id.bytes().any(|byte| byte.is_ascii_uppercase()) {
            id.to_ascii_lowercase().into()
        } else {
            id.into()
        };
        Self { cloud, level, id }
    }

    /// The cloud.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The level.
    pub fn level(&self) -> ScopeLevel {
        self.level
    }

    /// The cloud's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.id)
    }
}
