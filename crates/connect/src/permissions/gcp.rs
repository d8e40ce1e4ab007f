//! A custom role of Google Cloud, the predefined roles that would do, and the APIs to enable.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;
use yagura_content::Catalogue;
use yagura_model::Cloud;

use super::{Access, DefinitionError, LeftOut, Need, Purpose, description, needs, role_name};

/// Permissions of one custom role (IAM quotas).
const MOST_PERMISSIONS: usize = 3000;

/// Where a custom role is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GcpLevel {
    /// In a project; it cannot hold what speaks of folders and organizations.
    Project,
    /// In an organization, for it, its folders and its projects.
    Organization,
}

/// A custom role with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GcpRole {
    /// What `gcloud iam roles create ID --file FILE` takes, as YAML.
    pub definition: String,
    /// Predefined roles that together give the same and more.
    pub predefined: Vec<PredefinedRole>,
    /// Permissions that no predefined role we know of gives.
    pub in_no_predefined: Vec<String>,
    /// APIs that must be enabled in the project whose quota is used, sorted.
    pub apis: Vec<String>,
    /// What the role does not hold.
    pub left_out: Vec<LeftOut>,
}

/// A role that Google keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PredefinedRole {
    /// `roles/...`
    pub role: &'static str,
    /// The needed permissions that it gives.
    pub gives: Vec<String>,
}

/// Small predefined roles with what of them we need, the most special first.
const PREDEFINED: [(&str, &[&str]); 4] = [
    ("roles/cloudasset.viewer", &["cloudasset.assets.listResource", "cloudasset.assets.listIamPolicy"]),
    ("roles/accessapproval.viewer", &["accessapproval.settings.get", "resourcemanager.projects.get"]),
    ("roles/essentialcontacts.viewer", &["essentialcontacts.contacts.list"]),
    ("roles/browser", &["resourcemanager.projects.get"]),
];

/// Kinds above projects.
const ABOVE_PROJECTS: [&str; 2] =
    ["cloudresourcemanager.googleapis.com/Organization", "cloudresourcemanager.googleapis.com/Folder"];

/// Permissions that a custom role of a project may not hold.
const ONLY_ABOVE_PROJECTS: [&str; 3] =
    ["resourcemanager.organizations.", "resourcemanager.folders.", "resourcemanager.projects.list"];

/// A custom role for an access at a level.
pub fn gcp_role(catalogue: &Catalogue, access: Access, level: GcpLevel) -> Result<GcpRole, DefinitionError> {
    let needs = needs(catalogue, Cloud::Gcp, access);
    if let Some(reason) = needs.nothing {
        return Err(DefinitionError::Nothing(reason));
    }
    let mut left_out = needs.left_out;
    let mut held: Vec<Need> = Vec::new();
    for mut need in needs.needs {
        if level == GcpLevel::Project {
            need.purposes.retain(in_a_project);
        }
        let reason = if need.purposes.is_empty() {
            Some("it is for what stands above projects alone")
        } else if level == GcpLevel::Project && only_above_projects(&need.permission) {
            Some("a custom role of a project may not hold it")
        } else {
            None
        };
        if let Some(reason) = reason {
            left_out.push(LeftOut { permission: need.permission, reason: reason.to_owned() });
            continue;
        }
        held.push(need);
    }
    if held.is_empty() {
        return Err(DefinitionError::Nothing("no permission is for what a project holds".to_owned()));
    }
    if held.len() > MOST_PERMISSIONS {
        return Err(DefinitionError::TooManyPermissions { needed: held.len(), most: MOST_PERMISSIONS });
    }
    let permissions: Vec<&str> = held.iter().map(|need| need.permission.as_str()).collect();
    let definition = json!({
        "title": role_name(access),
        "description": description(access),
        "stage": "GA",
        "includedPermissions": permissions,
    });
    let (predefined, in_no_predefined) = predefined(&permissions);
    let apis: BTreeSet<&str> =
        held.iter().flat_map(|need| need.purposes.iter().filter_map(|purpose| purpose.api.as_deref())).collect();
    Ok(GcpRole {
        definition: super::yaml(&definition)?,
        predefined,
        in_no_predefined,
        apis: apis.into_iter().map(str::to_owned).collect(),
        left_out,
    })
}

fn in_a_project(purpose: &Purpose) -> bool {
    !ABOVE_PROJECTS.contains(&purpose.kind.as_str())
}

fn only_above_projects(permission: &str) -> bool {
    ONLY_ABOVE_PROJECTS.iter().any(|begin| permission.starts_with(begin))
}

/// Predefined roles until everything is given, and what stays without one.
fn predefined(permissions: &[&str]) -> (Vec<PredefinedRole>, Vec<String>) {
    let mut open: Vec<&str> = permissions.to_vec();
    let mut roles = Vec::new();
    for (role, gives) in PREDEFINED {
        let (given, left): (Vec<&str>, Vec<&str>) = open.iter().partition(|permission| gives.contains(permission));
        if !given.is_empty() {
            roles.push(PredefinedRole { role, gives: given.into_iter().map(str::to_owned).collect() });
            open = left;
        }
    }
    (roles, open.into_iter().map(str::to_owned).collect())
}
