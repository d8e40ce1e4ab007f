//! Rows of Azure Resource Graph, and resources as Azure Resource Manager answers them.

use std::sync::Arc;

use yagura_model::{Cloud, Document, Kind, Resource, ResourceId, Scope, ScopeLevel, Value};

use super::{FileState, Reader};

/// Azure's root scope, for what belongs to no tenant that is named.
const ROOT: &str = "/";

impl Reader<'_> {
    /// One resource. Its kind is its `type`, else what its id says, else what was asked for. `file` is given for rows of
    /// exports, whose kinds count as listed.
    pub(super) fn azure_row(
        &mut self,
        document: Document,
        asked: Option<&Kind>,
        record: u64,
        file: Option<&mut FileState>,
    ) -> Result<(), String> {
        let root = document.root();
        let Some(id) = text(root, "id") else { return Err("an Azure resource without `id`".to_owned()) };
        let kind = match text(root, "type").filter(|kind| kind.contains('/')) {
            Some(name) => self.names.kind(name),
            None => match (kind_in_id(id), asked) {
                (Some(name), _) => self.names.kind(&name),
                (None, Some(asked)) => asked.clone(),
                (None, None) => return Err(format!("the Azure resource {id} has no `type`, and its id names none")),
            },
        };
        let scope = self.azure_scope(id, text(root, "tenantId"));
        let group = part_behind(id, "/resourcegroups/").map(|name| self.names.text(name));
        let region = text(root, "location").filter(|region| !region.is_empty()).map(|region| self.names.text(region));
        let name = text(root, "name").filter(|name| !name.is_empty()).unwrap_or_else(|| last_part(id));
        if kind.as_str().eq_ignore_ascii_case("Microsoft.Resources/subscriptions") {
            self.subscription(root, &scope);
        }
        let resource = Resource {
            id: ResourceId::new(Cloud::Azure, id),
            name: name.into(),
            kind,
            cloud: Cloud::Azure,
            scope,
            group,
            region,
            observed_at: None,
            document,
            attached: Vec::new(),
        };
        self.azure_resource(resource, record, file);
        Ok(())
    }

    fn azure_resource(&mut self, resource: Resource, record: u64, file: Option<&mut FileState>) {
        let is_export = file.is_some();
        if is_export {
            self.sink.held(Cloud::Azure, &resource.kind);
        }
        let mut copies = Vec::new();
        if let Some(facts) = self.names.facts(&resource.kind) {
            for (path, kind) in &facts.inline {
                if is_export {
                    self.sink.held(Cloud::Azure, kind);
                }
                path.visit(resource.document.root(), &mut |value| {
                    for child in if value.is_array() { value.items().collect() } else { vec![value] } {
                        copies.extend(inline_copy(&resource, kind, child));
                    }
                });
            }
        }
        self.resource(resource, record, file);
        for copy in copies {
            self.sink.inline_copy(copy);
        }
    }

    fn azure_scope(&mut self, id: &str, tenant: Option<&str>) -> Scope {
        if let Some(end) = subscription_end(id) {
            return self.names.account(Cloud::Azure, id.get(..end).unwrap_or(id));
        }
        if let Some(name) = part_behind(id, "/providers/microsoft.management/managementgroups/") {
            let id = format!("/providers/Microsoft.Management/managementGroups/{name}");
            return Scope::new(Cloud::Azure, ScopeLevel::Group, &id);
        }
        match tenant.filter(|tenant| !tenant.is_empty()) {
            Some(tenant) => Scope::tenant(Cloud::Azure, &format!("/tenants/{tenant}")),
            None => Scope::tenant(Cloud::Azure, ROOT),
        }
    }

    /// The name of a subscription and what stands above it (`managementGroupAncestorsChain`, nearest first).
    fn subscription(&mut self, root: Value<'_>, scope: &Scope) {
        let mut above = Vec::new();
        let properties = root.get("properties");
        let chain = properties.and_then(|properties| properties.get("managementGroupAncestorsChain"));
        for group in chain.into_iter().flat_map(Value::items) {
            if let Some(name) = text(group, "name") {
                let id = format!("/providers/Microsoft.Management/managementGroups/{name}");
                above.push(Scope::new(Cloud::Azure, ScopeLevel::Group, &id));
            }
        }
        if let Some(tenant) = text(root, "tenantId") {
            above.push(Scope::tenant(Cloud::Azure, &format!("/tenants/{tenant}")));
        }
        let name = text(root, "displayName").or_else(|| text(root, "name")).map(str::to_owned);
        self.sink.scope(scope.clone(), name, above);
    }
}

fn inline_copy(parent: &Resource, kind: &Kind, child: Value<'_>) -> Option<Resource> {
    let id = text(child, "id").filter(|id| id.starts_with('/'))?;
    Some(Resource {
        id: ResourceId::new(Cloud::Azure, id),
        name: text(child, "name").unwrap_or_else(|| last_part(id)).into(),
        kind: kind.clone(),
        cloud: Cloud::Azure,
        scope: parent.scope.clone(),
        group: parent.group.clone(),
        region: parent.region.clone(),
        observed_at: parent.observed_at,
        document: child.to_document(),
        attached: Vec::new(),
    })
}

fn text<'v>(value: Value<'v>, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn last_part(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Where `/subscriptions/GUID` ends at the start of an id.
fn subscription_end(id: &str) -> Option<usize> {
    const PREFIX: &str = "/subscriptions/";
    let start = id.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX))?;
    let rest = id.get(start.len()..)?;
    let length = rest.find('/').unwrap_or(rest.len());
    (length > 0).then_some(start.len() + length)
}

/// The part of an id behind a marker, which is written in lower case.
fn part_behind<'i>(id: &'i str, marker: &str) -> Option<&'i str> {
    let at = id.to_ascii_lowercase().find(marker)? + marker.len();
    id.get(at..)?.split('/').next().filter(|part| !part.is_empty())
}

/// `/…/providers/Microsoft.Sql/servers/x/databases/y` is a `Microsoft.Sql/servers/databases`.
pub(crate) fn kind_in_id(id: &str) -> Option<String> {
    let at = id.to_ascii_lowercase().rfind("/providers/");
    let Some(below) = at.and_then(|at| id.get(at + "/providers/".len()..)) else {
        return match id.matches('/').count() {
            2 if subscription_end(id).is_some() => Some("Microsoft.Resources/subscriptions".to_owned()),
            4 if subscription_end(id).is_some() => Some("Microsoft.Resources/subscriptions/resourceGroups".to_owned()),
            _ => None,
        };
    };
    let mut parts = below.split('/');
    let mut kind = parts.next()?.to_owned();
    let types: Vec<&str> = parts.step_by(2).collect();
    if types.is_empty() {
        return None;
    }
    for part in types {
        kind.push('/');
        kind.push_str(part);
    }
    Some(kind)
}

/// The scope of a recorded answer: a GUID, `/subscriptions/GUID` or `/tenants/GUID`.
pub(super) fn scope_of(service: &str, id: &str) -> Scope {
    if id.starts_with("/subscriptions/") {
        return Scope::account(Cloud::Azure, id);
    }
    if id.starts_with("/providers/") {
        return Scope::new(Cloud::Azure, ScopeLevel::Group, id);
    }
    if id.starts_with('/') || service.eq_ignore_ascii_case("graph") {
        let guid = id.trim_start_matches("/tenants/");
        return Scope::tenant(Cloud::Azure, &format!("/tenants/{guid}"));
    }
    Scope::account(Cloud::Azure, &format!("/subscriptions/{id}"))
}

/// The id of a Microsoft Graph object: Graph gives bare GUIDs.
pub(super) fn graph_id(kind: &Kind, item: Value<'_>) -> Option<String> {
    let id = text(item, "id").or_else(|| text(item, "userId"))?;
    Some(format!("/providers/{kind}/{id}"))
}

/// A Graph object as a resource of its tenant.
pub(super) fn graph_resource(kind: &Kind, scope: &Scope, id: &str, item: Value<'_>) -> Resource {
    let name = text(item, "userPrincipalName").or_else(|| text(item, "displayName")).unwrap_or_else(|| last_part(id));
    Resource {
        id: ResourceId::new(Cloud::Azure, id),
        name: name.into(),
        kind: kind.clone(),
        cloud: Cloud::Azure,
        scope: scope.clone(),
        group: None,
        region: None::<Arc<str>>,
        observed_at: None,
        document: item.to_document(),
        attached: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_id_is_that_of_its_last_provider() {
        for (id, kind) in [
            (
                "/subscriptions/1/resourceGroups/g/providers/Microsoft.Sql/servers/s/databases/d",
                "Microsoft.Sql/servers/databases",
            ),
            (
                "/subscriptions/1/resourceGroups/g/providers/Microsoft.Sql/servers/s/providers/Microsoft.Insights/diagnosticSettings/x",
                "Microsoft.Insights/diagnosticSettings",
            ),
            ("/subscriptions/1", "Microsoft.Resources/subscriptions"),
            ("/subscriptions/1/resourceGroups/g", "Microsoft.Resources/subscriptions/resourceGroups"),
            ("/subscriptions/1/providers/Microsoft.Security/pricings/VirtualMachines", "Microsoft.Security/pricings"),
        ] {
            assert_eq!(kind_in_id(id).as_deref(), Some(kind), "{id}");
        }
        assert_eq!(kind_in_id("/nothing"), None);
    }

    #[test]
    fn parts_of_ids_are_found_in_any_case() {
        assert_eq!(part_behind("/subscriptions/1/ResourceGroups/Rg/x", "/resourcegroups/"), Some("Rg"));
        assert_eq!(subscription_end("/Subscriptions/1/x"), Some(16));
        assert_eq!(subscription_end("/providers/x"), None);
    }
}
