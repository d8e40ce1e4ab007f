//! Least privilege: the rights that reading needs, and the rights that fixing needs, made of the content alone.
//!
//! [`needs`] says what each permission is for; [`azure_role`], [`aws_policies`], [`cloudformation`] and [`gcp_role`]
//! write it in the form that each cloud's own client takes. **Invariant**: a definition for reading holds nothing that
//! writes; where the content names no right, there is a reason instead of a guess.

mod aws;
mod azure;
mod gcp;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;
use yagura_content::{AttachedCall, Catalogue, ListCall, Permissions, ResourceType, only_reads};
use yagura_model::{Cloud, Kind};

pub use aws::{AwsPolicy, Partition, aws_policies, cloudformation};
pub use azure::{AzureRole, GraphPermission, azure_role};
pub use gcp::{GcpLevel, GcpRole, PredefinedRole, gcp_role};

/// What a definition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Collecting what is assessed.
    Read,
    /// Carrying out fixes.
    Write,
}

impl FromStr for Access {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err(format!("`{text}` is no access: use read or write")),
        }
    }
}

/// The permissions that one cloud needs for one access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The cloud.
    pub cloud: Cloud,
    /// The access.
    pub access: Access,
    /// The permissions, sorted without case.
    pub needs: Vec<Need>,
    /// Permissions that the content names and that are not asked for, with the reason.
    pub left_out: Vec<LeftOut>,
    /// Why there is no permission at all; none where there are some.
    pub nothing: Option<String>,
}

/// A permission and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The cloud's own name of it.
    pub permission: String,
    /// What would be unknown, or could not be fixed, without it.
    pub purposes: Vec<Purpose>,
}

/// One thing that a permission is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Purpose {
    /// The kind that is read or changed.
    pub kind: Kind,
    /// The attached answer about it; none = the list of the kind itself, or a fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The key of the recommendation whose fix needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    /// Google Cloud: the API that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
}

/// A permission that a definition does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The permission.
    pub permission: String,
    /// Why.
    pub reason: String,
}

/// Why there is no definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No permission is needed, or none is known.
    #[error("there is nothing to define: {0}")]
    Nothing(String),
    /// A scope where Azure takes no custom role.
    #[error("`{scope}` is no scope for a custom role: {why}")]
    Scope {
        /// The scope as it was given.
        scope: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A name that is no AWS partition.
    #[error("`{0}` is no partition of AWS: aws, aws-cn, aws-us-gov")]
    Partition(String),
    /// More managed policies than a role may have.
    #[error("{needed} managed policies are needed and a role may have {most}")]
    TooManyPolicies {
        /// Policies that the actions fill.
        needed: usize,
        /// What AWS allows without a raised quota.
        most: usize,
    },
    /// More permissions than one custom role may have.
    #[error("{needed} permissions are needed and a custom role may have {most}")]
    TooManyPermissions {
        /// Permissions that are needed.
        needed: usize,
        /// What the cloud allows.
        most: usize,
    },
    /// The text could not be written.
    #[error("the definition could not be written: {0}")]
    Unwritable(String),
}

/// What a cloud must allow for an access: for reading by the resource types, for writing by the fixes of recommendations.
pub fn needs(catalogue: &Catalogue, cloud: Cloud, access: Access) -> Needs {
    let mut gathered = Gathered::default();
    match access {
        Access::Read => {
            for described in catalogue.resource_types().values().filter(|described| described.cloud == cloud) {
                gathered.reading(described);
            }
        }
        Access::Write if cloud == Cloud::Azure => gathered.azure_fixes(catalogue),
        Access::Write => {}
    }
    let needs: Vec<Need> = gathered.needs.into_values().collect();
    let nothing = needs.is_empty().then(|| why_nothing(catalogue, cloud, access));
    Needs { cloud, access, needs, left_out: gathered.left_out, nothing }
}

fn why_nothing(catalogue: &Catalogue, cloud: Cloud, access: Access) -> String {
    let patches = catalogue
        .recommendations()
        .iter()
        .filter(|recommendation| recommendation.cloud == cloud && recommendation.source.fix.patch.is_some())
        .count();
    match access {
        Access::Read => format!("no resource type of {cloud} names a permission"),
        Access::Write if patches == 0 => format!("no recommendation of {cloud} has a fix that could be carried out"),
        Access::Write => format!(
            "for {patches} recommendations of {cloud} it is known what a fix changes, but for none which call makes the \
             change, so that no permission is known"
        ),
    }
}

#[derive(Default)]
struct Gathered {
    /// By the permission in lower case: clouds compare without case.
    needs: BTreeMap<String, Need>,
    left_out: Vec<LeftOut>,
}

impl Gathered {
    fn add(&mut self, permission: &str, purpose: Purpose) {
        let need = self.needs.entry(permission.to_ascii_lowercase());
        let need = need.or_insert_with(|| Need { permission: permission.to_owned(), purposes: Vec::new() });
        if let Err(place) = need.purposes.binary_search(&purpose) {
            need.purposes.insert(place, purpose);
        }
    }

    fn leave_out(&mut self, permission: &str, reason: &str) {
        self.left_out.push(LeftOut { permission: permission.to_owned(), reason: reason.to_owned() });
    }

    fn reading(&mut self, described: &ResourceType) {
        let lists = described.list.as_slice();
        if let Some(list) = lists.iter().find(|list| is_asked(described.cloud, list)) {
            self.reading_call(described, None, &described.permissions, api_of_list(described.cloud, list));
        } else if !lists.is_empty() {
            for name in described.permissions.names() {
                self.leave_out(name, "the collection does not make the call that it is for");
            }
        }
        for (answer, call) in &described.attached {
            self.reading_call(described, Some(answer), &call.permissions, api_of_attached(described.cloud, call));
        }
    }

    fn reading_call(
        &mut self,
        described: &ResourceType,
        answer: Option<&str>,
        permissions: &Permissions,
        api: Option<String>,
    ) {
        for name in permissions.names() {
            if !only_reads(described.cloud, name) {
                self.leave_out(name, "it does not only read");
                continue;
            }
            let purpose = Purpose {
                kind: described.kind.clone(),
                answer: answer.map(str::to_owned),
                recommendation: None,
                api: api.clone(),
            };
            self.add(name, purpose);
        }
    }

    /// A fix of Azure is a change of the resource's own document, which is `write` on its kind.
    fn azure_fixes(&mut self, catalogue: &Catalogue) {
        let azure = catalogue.recommendations().iter().filter(|recommendation| recommendation.cloud == Cloud::Azure);
        for recommendation in azure.filter(|recommendation| recommendation.source.fix.patch.is_some()) {
            for kind in recommendation.source.applies_to.as_slice() {
                if is_directory(kind) {
                    self.leave_out(
                        kind.as_str(),
                        "the directory has no action to write a kind; its fix is made by hand",
                    );
                    continue;
                }
                let purpose = Purpose {
                    kind: kind.clone(),
                    answer: None,
                    recommendation: Some(recommendation.key.clone()),
                    api: None,
                };
                self.add(&format!("{kind}/write"), purpose);
            }
        }
    }
}

/// Whether a kind is of Microsoft Graph, whose rights are no Azure actions.
fn is_directory(kind: &Kind) -> bool {
    kind.as_str().to_ascii_lowercase().starts_with("microsoft.graph/")
}

/// Whether the collection makes a list call. Calls of Azure's data planes are described for exports only.
fn is_asked(cloud: Cloud, list: &ListCall) -> bool {
    match cloud {
        Cloud::Azure => list.table.is_some() || list.graph.is_some() || (list.arm.is_some() && list.parent.is_some()),
        Cloud::Aws => list.service.is_some() && list.operation.is_some(),
        Cloud::Gcp => list.asset.is_some() || list.url.is_some(),
    }
}

const CLOUD_ASSET_API: &str = "cloudasset.googleapis.com";

fn api_of_list(cloud: Cloud, list: &ListCall) -> Option<String> {
    match (cloud, &list.url) {
        (Cloud::Gcp, Some(url)) => host_of(url),
        (Cloud::Gcp, None) => Some(CLOUD_ASSET_API.to_owned()),
        _ => None,
    }
}

fn api_of_attached(cloud: Cloud, call: &AttachedCall) -> Option<String> {
    match (cloud, &call.url) {
        (Cloud::Gcp, Some(url)) => host_of(url),
        (Cloud::Gcp, None) => Some(CLOUD_ASSET_API.to_owned()),
        _ => None,
    }
}

/// The host of `https://host/path`. Google's APIs are enabled by the name of their host.
fn host_of(url: &str) -> Option<String> {
    let host = url.strip_prefix("https://")?.split('/').next()?;
    host.ends_with(".googleapis.com").then(|| host.to_owned())
}

/// Names of what definitions make.
fn role_name(access: Access) -> &'static str {
    match access {
        Access::Read => "Yagura reader",
        Access::Write => "Yagura fixer",
    }
}

/// What a definition says of itself.
fn description(access: Access) -> &'static str {
    match access {
        Access::Read => "Reads the configuration that Yagura assesses. Holds nothing that writes.",
        Access::Write => "Changes the configuration that Yagura can fix. Needs the reading role beside it.",
    }
}

/// A document as YAML.
fn yaml(document: &serde_json::Value) -> Result<String, DefinitionError> {
    serde_saphyr::to_string(document).map_err(|error| DefinitionError::Unwritable(error.to_string()))
}
