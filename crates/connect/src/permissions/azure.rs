//! A custom role of Azure, and the permissions of Microsoft Graph.

use serde::Serialize;
use serde_json::{Value as Json, json};
use yagura_content::Catalogue;
use yagura_model::{Cloud, Kind};

use super::{Access, DefinitionError, LeftOut, Need, description, is_directory, needs, role_name};

/// A custom role, and what the application is given in the directory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AzureRole {
    /// What `az role definition create --role-definition @FILE` takes.
    pub definition: Json,
    /// Application permissions of Microsoft Graph, sorted. No role of Azure gives them.
    pub graph: Vec<GraphPermission>,
    /// What the role does not hold.
    pub left_out: Vec<LeftOut>,
}

/// An application permission of Microsoft Graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphPermission {
    /// Its name, as `User.Read.All`.
    pub permission: String,
    /// The kinds that are read with it.
    pub kinds: Vec<Kind>,
}

/// Custom role and Graph permissions for an access, assignable at these scopes.
///
/// Every action is exact: no wildcard, so that the role grows only when somebody makes it anew.
pub fn azure_role(catalogue: &Catalogue, access: Access, scopes: &[String]) -> Result<AzureRole, DefinitionError> {
    check_scopes(scopes)?;
    let needs = needs(catalogue, Cloud::Azure, access);
    if let Some(reason) = needs.nothing {
        return Err(DefinitionError::Nothing(reason));
    }
    let is_graph = |need: &Need| need.purposes.iter().all(|purpose| is_directory(&purpose.kind));
    let (graph, actions): (Vec<Need>, Vec<Need>) = needs.needs.into_iter().partition(is_graph);
    let actions: Vec<String> = actions.into_iter().map(|need| need.permission).collect();
    let definition = json!({
        "Name": role_name(access),
        "IsCustom": true,
        "Description": description(access),
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes,
    });
    let graph = graph.into_iter().map(|need| GraphPermission {
        permission: need.permission,
        kinds: need.purposes.into_iter().map(|purpose| purpose.kind).collect(),
    });
    Ok(AzureRole { definition, graph: graph.collect(), left_out: needs.left_out })
}

impl AzureRole {
    /// The definition as text for a file.
    pub fn text(&self) -> Result<String, DefinitionError> {
        serde_json::to_string_pretty(&self.definition).map_err(|error| DefinitionError::Unwritable(error.to_string()))
    }
}

/// What Azure takes as assignable scopes (learn.microsoft.com, "Azure custom roles"): subscriptions, resource groups,
/// and at most one management group.
fn check_scopes(scopes: &[String]) -> Result<(), DefinitionError> {
    let wrong = |scope: &str, why| Err(DefinitionError::Scope { scope: scope.to_owned(), why });
    if scopes.is_empty() {
        return wrong("", "a custom role needs one scope at least");
    }
    let mut groups = 0;
    for scope in scopes {
        let parts: Vec<&str> = scope.trim_start_matches('/').split('/').collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        if !scope.starts_with('/') || parts.iter().any(|part| !is_segment(part)) {
            return wrong(scope, "write it as /subscriptions/GUID, without wildcards");
        }
        match lower.as_slice() {
            ["subscriptions", id] | ["subscriptions", id, "resourcegroups", _] if is_guid(id) => {}
            ["subscriptions", ..] => return wrong(scope, "the id of a subscription is a GUID"),
            ["providers", "microsoft.management", "managementgroups", _] => groups += 1,
            _ => return wrong(scope, "it is no subscription, resource group or management group"),
        }
        if groups > 1 {
            return wrong(scope, "a custom role may name one management group");
        }
    }
    Ok(())
}

fn is_segment(text: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '(' | ')');
    !text.is_empty() && text.chars().all(plain)
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_that_azure_takes() {
        let subscription = "/subscriptions/11111111-1111-1111-1111-111111111111";
        let group = "/providers/Microsoft.Management/managementGroups/contoso";
        let rows: [(&[&str], bool); 10] = [
            (&[subscription], true),
            (&[subscription, group], true),
            (&["/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-web"], true),
            (&[group, "/providers/Microsoft.Management/managementGroups/other"], false),
            (&[], false),
            (&["/"], false),
            (&["/subscriptions/*"], false),
            (&["/subscriptions/one"], false),
            (&["subscriptions/11111111-1111-1111-1111-111111111111"], false),
            (&["/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Sql"], false),
        ];
        for (scopes, wanted) in rows {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            assert_eq!(check_scopes(&scopes).is_ok(), wanted, "{scopes:?}");
        }
    }
}
