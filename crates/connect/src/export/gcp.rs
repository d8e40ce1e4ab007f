//! Rows of a Cloud Asset Inventory export.

use std::collections::HashMap;
use std::sync::Arc;

use yagura_content::TemplateValues;
use yagura_model::{Answer, Cause, Cloud, Document, Kind, Resource, ResourceId, Scope, ScopeLevel, Timestamp, Value};

use super::{FileState, Reader, items};

/// The attached answer that a policy row carries.
const IAM_POLICY: &str = "iamPolicy";
const ORG_POLICY: &str = "orgPolicy";
/// Where assets stand that name no project.
const UNKNOWN_PROJECT: &str = "projects/unknown";

/// A resource with the number of its project.
struct WaitingResource {
    resource: Resource,
    number: Box<str>,
    /// Whether only its policy was seen.
    policy_only: bool,
}

/// Projects by number, since many assets name their project by its number alone.
#[derive(Default)]
pub(super) struct GoogleProjects {
    ids: HashMap<Box<str>, Box<str>>,
    /// Resources that wait for the id of their project's number.
    waiting: Vec<WaitingResource>,
    /// Whether the estate holds policy rows, so that an asset without one has no policy.
    policies_seen: bool,
    /// Assets that could have a policy.
    may_have_policy: Vec<(ResourceId, Kind)>,
    /// Kinds whose policies could not be read somewhere: an asset of theirs without one may have one.
    failed_policies: HashMap<Kind, Cause>,
}

impl GoogleProjects {
    /// Policies of this kind could not be read.
    pub(super) fn policies_failed(&mut self, kind: Kind, cause: Cause) {
        self.failed_policies.entry(kind).or_insert(cause);
    }
}

impl Reader<'_> {
    pub(super) fn google_asset(&mut self, row: Value<'_>, record: u64, file: &mut FileState) -> Result<(), String> {
        let (Some(name), Some(kind)) = (text(row, &["name"]), text(row, &["assetType", "asset_type"])) else {
            return Err("a Google asset without `name` or `assetType`".to_owned());
        };
        let id = ResourceId::new(Cloud::Gcp, name);
        let kind = self.names.kind(kind);
        for (call, members) in [(IAM_POLICY, ["iamPolicy", "iam_policy"]), (ORG_POLICY, ["orgPolicy", "org_policy"])] {
            let Some(policy) = members.iter().find_map(|member| row.get(member)).filter(|policy| !policy.is_null())
            else {
                continue;
            };
            self.projects.policies_seen |= call == IAM_POLICY;
            let call = self.names.text(call);
            self.sink.attach(id.clone(), call, Answer::Found(policy.to_document()));
        }
        let envelope = row.get("resource").filter(|resource| resource.is_object());
        let policy_only = envelope.is_none();
        // A row of a policy export proves that the asset exists and says nothing else of it.
        let resource = envelope.unwrap_or(row);
        let document = match (envelope, resource.get("data")) {
            (None, _) => Document::null(),
            (Some(_), Some(data)) => data.to_document(),
            (Some(_), None) => Document::from(serde_json::json!({})),
        };
        let ancestors = ancestors(row);
        let place = self.google_place(name, &kind, resource, &ancestors);
        if !policy_only {
            self.sink.held(Cloud::Gcp, &kind);
        }
        let described = self.names.facts(&kind);
        if described.is_some_and(|facts| facts.described.attached.contains_key(IAM_POLICY)) {
            self.projects.may_have_policy.push((id.clone(), kind.clone()));
        }
        let json_text = described.map_or(&[][..], |facts| &facts.described.json_text);
        let document = items::with_json_text(document, json_text);
        let given = described.and_then(|facts| facts.name.as_ref()).and_then(|template| {
            let values = TemplateValues { account: "", region: "", partition: "", params: None };
            values.fill(template, document.root()).ok()
        });
        let title = given.unwrap_or_else(|| name.rsplit('/').next().unwrap_or(name).to_owned());
        let region = region(resource, document.root()).map(|region| self.names.text(region));
        let (scope, number) = match place {
            Placed::In(scope) => (scope, None),
            Placed::Numbered(number) => (Scope::account(Cloud::Gcp, &format!("projects/{number}")), Some(number)),
        };
        let resource = Resource {
            id,
            name: title.into(),
            kind,
            cloud: Cloud::Gcp,
            scope,
            group: None,
            region,
            observed_at: observed_at(row),
            document,
            attached: Vec::new(),
        };
        match number {
            Some(number) => self.projects.waiting.push(WaitingResource { resource, number, policy_only }),
            None if policy_only => self.sink.inline_copy(resource),
            None => self.resource(resource, record, Some(file)),
        }
        Ok(())
    }

    fn google_place(&mut self, name: &str, kind: &Kind, resource: Value<'_>, ancestors: &[String]) -> Placed {
        let above = |from: usize| ancestors.iter().skip(from).map(|id| scope_of(id)).collect::<Vec<_>>();
        let data = |member: &str| resource.get("data").and_then(|data| data.get(member)).and_then(Value::as_str);
        match kind.as_str() {
            "cloudresourcemanager.googleapis.com/Organization" | "cloudresourcemanager.googleapis.com/Folder" => {
                let scope = scope_of(name.trim_start_matches("//cloudresourcemanager.googleapis.com/"));
                self.sink.scope(scope.clone(), data("displayName").map(str::to_owned), above(1));
                return Placed::In(scope);
            }
            "cloudresourcemanager.googleapis.com/Project" => {
                let written = name.rsplit('/').next().unwrap_or(name);
                let id = data("projectId").unwrap_or(written);
                let scope = self.names.account(Cloud::Gcp, &format!("projects/{id}"));
                if is_number(written) {
                    self.projects.ids.insert(written.into(), id.into());
                }
                self.sink.scope(
                    scope.clone(),
                    data("name").or_else(|| data("displayName")).map(str::to_owned),
                    above(1),
                );
                return Placed::In(scope);
            }
            _ => {}
        }
        let number = ancestors.first().and_then(|first| first.strip_prefix("projects/")).filter(|id| is_number(id));
        let parent = resource.get("parent").and_then(Value::as_str);
        if let Some(id) = project_in(name).filter(|id| !is_number(id)) {
            if let Some(number) = number {
                self.projects.ids.insert(number.into(), id.into());
            }
            return Placed::In(self.names.account(Cloud::Gcp, &format!("projects/{id}")));
        }
        if let Some(number) = number.or_else(|| project_in(name)).or_else(|| parent.and_then(project_in)) {
            return match is_number(number) {
                true => Placed::Numbered(number.into()),
                false => Placed::In(self.names.account(Cloud::Gcp, &format!("projects/{number}"))),
            };
        }
        match ancestors.first() {
            Some(first) => Placed::In(scope_of(first)),
            None => Placed::In(self.names.account(Cloud::Gcp, UNKNOWN_PROJECT)),
        }
    }

    /// Hands on what waited for the id of its project, and says which assets have no policy.
    pub(super) fn finish_google(&mut self) {
        for WaitingResource { mut resource, number, policy_only } in std::mem::take(&mut self.projects.waiting) {
            if let Some(id) = self.projects.ids.get(&number) {
                resource.scope = Scope::account(Cloud::Gcp, &format!("projects/{id}"));
            }
            if policy_only { self.sink.inline_copy(resource) } else { self.resource(resource, 0, None) }
        }
        let call: Arc<str> = IAM_POLICY.into();
        for (id, kind) in std::mem::take(&mut self.projects.may_have_policy) {
            match self.projects.failed_policies.get(&kind) {
                Some(cause) => self.sink.attach(id, call.clone(), Answer::Failed(cause.clone())),
                None if self.projects.policies_seen => self.sink.attach(id, call.clone(), Answer::Absent),
                None => (),
            }
        }
    }
}

enum Placed {
    In(Scope),
    /// In the project of this number.
    Numbered(Box<str>),
}

fn text<'v>(row: Value<'v>, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| row.get(name)).and_then(Value::as_str)
}

fn is_number(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// The project in an asset name or URL.
fn project_in(name: &str) -> Option<&str> {
    let at = name.find("/projects/")? + "/projects/".len();
    name.get(at..)?.split('/').next().filter(|id| !id.is_empty())
}

/// Ids of the scopes above an asset, nearest first: `ancestors`, or the older `ancestry_path` from the top.
fn ancestors(row: Value<'_>) -> Vec<String> {
    let listed = row.get("ancestors").into_iter().flat_map(Value::items);
    let listed: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    let Some(path) = text(row, &["ancestry_path", "ancestryPath"]).filter(|_| listed.is_empty()) else { return listed };
    let mut found = Vec::new();
    let mut parts = path.split('/');
    while let (Some(level), Some(id)) = (parts.next(), parts.next()) {
        let level = if level.ends_with('s') { level.to_owned() } else { format!("{level}s") };
        found.push(format!("{level}/{id}"));
    }
    found.reverse();
    found
}

/// `organizations/1`, `folders/2`, `projects/x`.
pub(super) fn scope_of(id: &str) -> Scope {
    let level = match id.split('/').next() {
        Some("organizations") => ScopeLevel::Tenant,
        Some("folders") => ScopeLevel::Group,
        Some("projects") => ScopeLevel::Account,
        _ => return Scope::account(Cloud::Gcp, &format!("projects/{id}")),
    };
    Scope::new(Cloud::Gcp, level, id)
}

fn region<'v>(resource: Value<'v>, data: Value<'v>) -> Option<&'v str> {
    let stated = resource
        .get("location")
        .or_else(|| data.get("location"))
        .or_else(|| data.get("zone"))
        .or_else(|| data.get("region"));
    let last = stated.and_then(Value::as_str)?.rsplit('/').next()?;
    (!last.is_empty()).then_some(last)
}

fn observed_at(row: Value<'_>) -> Option<Timestamp> {
    text(row, &["updateTime", "update_time"])?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ancestors_come_nearest_first_in_both_forms() {
        let new = Document::from(json!({"ancestors": ["projects/1", "organizations/2"]}));
        let old = Document::from(json!({"ancestry_path": "organization/2/folder/3/project/p"}));
        assert_eq!(ancestors(new.root()), ["projects/1", "organizations/2"]);
        assert_eq!(ancestors(old.root()), ["projects/p", "folders/3", "organizations/2"]);
    }

    #[test]
    fn projects_are_read_out_of_names() {
        assert_eq!(project_in("//compute.googleapis.com/projects/p/zones/z/instances/i"), Some("p"));
        assert_eq!(project_in("//storage.googleapis.com/bucket"), None);
        assert!(is_number("123") && !is_number("p1") && !is_number(""));
    }
}
