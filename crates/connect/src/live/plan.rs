//! What a collection asks first.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value as Json, json};
use yagura_cloud::Call;
use yagura_content::{ListCall, ResourceType};
use yagura_model::{Cloud, Kind, Scope, ScopeLevel};

use crate::export::FollowUp;
use crate::export::calls::Params;

/// What is collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An AWS account.
    Aws {
        /// Its number.
        account: String,
        /// The regions that it uses.
        regions: Vec<String>,
        /// The region that global services are asked in.
        home: String,
    },
    /// Azure subscriptions that one credential sees.
    Azure {
        /// The tenant's GUID, whose directory is read; none = it is not.
        tenant: Option<String>,
        /// GUIDs of the subscriptions.
        subscriptions: Vec<String>,
    },
    /// A Google project, folder or organization.
    Gcp {
        /// `projects/x`, `folders/1` or `organizations/1`.
        scope: String,
    },
}

/// Asset types that one `assets.list` asks for: the address must stay below what servers take.
const ASSET_TYPES_AT_ONCE: usize = 40;

/// Subscriptions of one Resource Graph query (Microsoft, "Azure Resource Graph limits").
const SUBSCRIPTIONS_AT_ONCE: usize = 1000;

/// The calls that a target starts with.
pub(super) fn calls(target: &Target, types: &BTreeMap<Kind, ResourceType>) -> Vec<Call> {
    match target {
        Target::Aws { account, regions, home } => aws(account, regions, home, types),
        Target::Azure { tenant, subscriptions } => azure(tenant.as_deref(), subscriptions, types),
        Target::Gcp { scope } => gcp(scope, types),
    }
}

/// The regions that `DescribeRegions` calls usable: opted in, or needing no opt-in.
pub fn regions_of(answer: &Json) -> Vec<String> {
    let regions = answer.get("Regions").and_then(Json::as_array);
    let usable = |region: &&Json| region.get("OptInStatus").and_then(Json::as_str) != Some("not-opted-in");
    let name = |region: &Json| region.get("RegionName").and_then(Json::as_str).map(str::to_owned);
    regions.into_iter().flatten().filter(usable).filter_map(name).collect()
}

/// The region that global services are asked in, by account.
pub(super) fn homes(targets: &[Target]) -> BTreeMap<String, String> {
    let home = |target: &Target| match target {
        Target::Aws { account, home, .. } => Some((account.clone(), home.clone())),
        _ => None,
    };
    targets.iter().filter_map(home).collect()
}

/// The call that follows from an answer; global AWS services are asked in the home region of the account.
pub(super) fn call_of(follow_up: FollowUp, homes: &BTreeMap<String, String>) -> Call {
    let scope = scope_text(&follow_up.scope);
    Call {
        cloud: follow_up.cloud,
        region: follow_up.region.or_else(|| homes.get(&scope).cloned()),
        scope,
        service: follow_up.service,
        operation: follow_up.operation,
        params: follow_up.params,
    }
}

/// The operations whose answers about one resource never change.
pub(super) fn immutable(types: &BTreeMap<Kind, ResourceType>) -> HashSet<(Cloud, &str, &str)> {
    let attached = types.values().flat_map(|described| described.attached.values().map(|call| (described.cloud, call)));
    attached
        .filter(|(_, call)| call.immutable)
        .filter_map(|(cloud, call)| Some((cloud, call.service.as_deref()?, call.operation.as_deref()?)))
        .collect()
}

/// How a recorded answer names a scope.
pub(super) fn scope_text(scope: &Scope) -> String {
    match (scope.cloud(), scope.level()) {
        (Cloud::Azure, ScopeLevel::Account) => scope.id().trim_start_matches("/subscriptions/").to_owned(),
        (Cloud::Azure, ScopeLevel::Tenant) => scope.id().trim_start_matches("/tenants/").to_owned(),
        _ => scope.id().to_owned(),
    }
}

fn lists(types: &BTreeMap<Kind, ResourceType>, cloud: Cloud) -> impl Iterator<Item = (&ResourceType, &ListCall)> {
    let own = types.values().filter(move |described| described.cloud == cloud);
    own.flat_map(|described| described.list.as_slice().iter().map(move |list| (described, list)))
}

fn aws(account: &str, regions: &[String], home: &str, types: &BTreeMap<Kind, ResourceType>) -> Vec<Call> {
    let own = types.values().filter(|described| described.cloud == Cloud::Aws);
    let (described, implied): (Vec<_>, Vec<_>) = own.map(|kind| aws_kind(kind, account, regions, home)).unzip();
    described.into_iter().chain(implied).flatten().collect()
}

/// The calls that list one AWS kind in these regions, and those about what exists without being listed.
pub(crate) fn calls_of_kind(described: &ResourceType, account: &str, regions: &[String], home: &str) -> Vec<Call> {
    let (mut calls, implied) = aws_kind(described, account, regions, home);
    calls.extend(implied);
    calls
}

fn aws_kind(described: &ResourceType, account: &str, regions: &[String], home: &str) -> (Vec<Call>, Vec<Call>) {
    let call = |region: &str, service: &str, operation: &str, params: Map<String, Json>| Call {
        cloud: Cloud::Aws,
        scope: account.to_owned(),
        region: Some(region.to_owned()),
        service: service.to_owned(),
        operation: operation.to_owned(),
        params,
    };
    let (mut calls, mut implied) = (Vec::new(), Vec::new());
    for list in described.list.as_slice() {
        let (Some(service), Some(operation)) = (&list.service, &list.operation) else { continue };
        // Calls with holes follow from what the others answer.
        if list.parent.is_some() || Params::new(&list.params).has_holes() {
            continue;
        }
        let fixed: Map<String, Json> = list.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if list.scope.as_deref() == Some("global") {
            calls.push(call(home, service, operation, fixed));
            continue;
        }
        calls.extend(regions.iter().map(|region| call(region, service, operation, fixed.clone())));
    }
    let Some(place) = described.implied else { return (calls, implied) };
    for attached in described.attached.values() {
        let (Some(service), Some(operation)) = (&attached.service, &attached.operation) else { continue };
        let fixed: Map<String, Json> =
            attached.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let fixed = with_account(fixed, account);
        match place {
            yagura_content::ImpliedPlace::Scope => implied.push(call(home, service, operation, fixed)),
            yagura_content::ImpliedPlace::Region => {
                implied.extend(regions.iter().map(|region| call(region, service, operation, fixed.clone())));
            }
        }
    }
    (calls, implied)
}

/// Parameters of calls about the account itself name it as `{account}` or `{Account}`.
fn with_account(params: Map<String, Json>, account: &str) -> Map<String, Json> {
    let fill = |value: Json| match value {
        Json::String(text) => Json::String(text.replace("{account}", account).replace("{Account}", account)),
        other => other,
    };
    params.into_iter().map(|(name, value)| (name, fill(value))).collect()
}

fn azure(tenant: Option<&str>, subscriptions: &[String], types: &BTreeMap<Kind, ResourceType>) -> Vec<Call> {
    let mut calls = Vec::new();
    let tables: BTreeSet<&str> = lists(types, Cloud::Azure).filter_map(|(_, list)| list.table.as_deref()).collect();
    for part in subscriptions.chunks(SUBSCRIPTIONS_AT_ONCE) {
        let Some(first) = part.first() else { continue };
        for table in &tables {
            let params = json!({ "query": format!("{table} | order by id asc"), "subscriptions": part });
            calls.push(azure_call(first, "resourcegraph", table, params));
        }
    }
    let Some(tenant) = tenant else { return calls };
    for (_, list) in lists(types, Cloud::Azure) {
        let Some(collection) = &list.graph else { continue };
        let path = list.url.as_deref().unwrap_or(collection);
        calls.push(azure_call(tenant, "graph", collection, json!({ "path": path, "select": list.select })));
    }
    calls
}

pub(crate) fn azure_call(scope: &str, service: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Azure,
        scope: scope.to_owned(),
        region: None,
        service: service.to_owned(),
        operation: operation.to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
    }
}

fn gcp(scope: &str, types: &BTreeMap<Kind, ResourceType>) -> Vec<Call> {
    let mut calls = Vec::new();
    for content in ["RESOURCE", "IAM_POLICY"] {
        let asks = |list: &ListCall| list.content.iter().any(|own| own == content);
        let assets =
            lists(types, Cloud::Gcp).filter(|(_, list)| asks(list)).filter_map(|(_, list)| list.asset.as_deref());
        let assets: Vec<&str> = assets.collect::<BTreeSet<_>>().into_iter().collect();
        for part in assets.chunks(ASSET_TYPES_AT_ONCE) {
            calls.push(Call {
                cloud: Cloud::Gcp,
                scope: scope.to_owned(),
                region: None,
                service: "cloudasset".to_owned(),
                operation: "assets.list".to_owned(),
                params: json!({ "assetTypes": part, "contentType": content }).as_object().cloned().unwrap_or_default(),
            });
        }
    }
    calls
}
