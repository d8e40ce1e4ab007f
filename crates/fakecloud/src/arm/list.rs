//! Lists: of a type below a resource, a group or a subscription, and of everything in a group or a subscription.
//!
//! Source: Microsoft, "Resources - List" (`$filter`, `$top`, what is left out), and the list operations of the SDKs.

use serde_json::{Map, Value as Json, json};

use super::path::ArmPath;
use super::read::{absent, hide, instance_view, provider};
use super::store::Stored;
use super::{invalid_type, refuse, statuses};
use crate::http::{Reply, Request, page};
use crate::state::State;

/// Extension types whose list at a scope holds those of all scopes below.
const DEEP: [&str; 5] = [
    "Microsoft.Authorization/locks",
    "Microsoft.Authorization/policyAssignments",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Security/assessments",
    "Microsoft.Security/alerts",
];
/// Members that the list of all resources shows.
const GENERIC: [&str; 12] = [
    "extendedLocation",
    "id",
    "identity",
    "kind",
    "location",
    "managedBy",
    "name",
    "plan",
    "sku",
    "tags",
    "type",
    "zones",
];

/// Answers GET of a list.
pub(super) fn list(state: &mut State, request: &Request, path: &ArmPath) -> Result<Reply, Reply> {
    match path.kind.as_str() {
        "Microsoft.Resources/tenants" => return Ok(Reply::ok(tenants(state))),
        "Microsoft.Resources/locations" if path.is_top() => return Ok(Reply::ok(locations(path))),
        "Microsoft.Resources/providers" => return paged(state, request, providers(path)),
        "Microsoft.Resources/resources" => return everything(state, request, path),
        "Microsoft.Compute/virtualMachines/instanceView" => return machine_view(state, path),
        _ => (),
    }
    let store = &state.arm.store;
    if !path.parent.is_empty() && !is_place(&path.parent) && store.get(&path.parent).is_none() {
        return Err(absent(state, &ArmPath::parse(&path.parent)));
    }
    let within = |stored: &&Stored| stored.path.kind.eq_ignore_ascii_case(&path.kind) && holds(path, &stored.path);
    let found: Vec<&Stored> = match path.parent.is_empty() {
        true => store.all().filter(within).collect(),
        false => store.below(&path.parent).filter(within).collect(),
    };
    if found.is_empty() && statuses::is_invalid(&path.kind) {
        return Err(invalid_type(path));
    }
    let found: Vec<String> = found.into_iter().map(|stored| stored.path.id.clone()).collect();
    // `Pricings - List` answers in one piece (shapes.md).
    if path.kind == "Microsoft.Security/pricings" {
        return Ok(Reply::ok(json!({ "value": shown(state, &found) })));
    }
    let (ids, next) = cut(state, request, found)?;
    Ok(answer(request, shown(state, &ids), next))
}

/// Tenants, management groups and locations hold resources without being stored.
fn is_place(id: &str) -> bool {
    let kind = ArmPath::parse(id).kind.to_lowercase();
    kind.ends_with("/locations") || kind == "microsoft.management/managementgroups"
}

/// Whether a resource of the right type belongs to a list.
fn holds(list: &ArmPath, own: &ArmPath) -> bool {
    if !list.is_top() {
        return own.parent.eq_ignore_ascii_case(&list.parent);
    }
    if own.scope.eq_ignore_ascii_case(&list.scope) || DEEP.contains(&list.kind.as_str()) {
        return true;
    }
    // A subscription's list holds what is in its groups.
    let of_subscription = list.subscription.is_some() && list.group.is_none() && list.scope.matches('/').count() == 2;
    let in_group = own.group_id().is_some_and(|group| group.eq_ignore_ascii_case(&own.scope));
    of_subscription && in_group && list.kind != "Microsoft.Resources/resourceGroups"
}

fn shown(state: &State, ids: &[String]) -> Vec<Json> {
    let render = |id: &String| {
        let mut found = state.arm.store.rendered(id)?;
        hide(&mut found);
        Some(found)
    };
    ids.iter().filter_map(render).collect()
}

/// One page of the ids, by `$skiptoken` and `$top`.
fn cut<T>(state: &State, request: &Request, items: Vec<T>) -> Result<(Vec<T>, Option<usize>), Reply> {
    let from = match request.parameter("$skiptoken") {
        None => 0,
        Some(token) => token
            .strip_prefix("fake")
            .and_then(|from| from.parse().ok())
            .ok_or_else(|| refuse(400, "InvalidSkipToken", "The provided skip token is invalid."))?,
    };
    let top = request.parameter("$top").and_then(|top| top.parse::<usize>().ok()).unwrap_or(usize::MAX);
    Ok(page(items, from, state.options.page_size.min(top)))
}

fn answer(request: &Request, value: Vec<Json>, next: Option<usize>) -> Reply {
    let mut body = json!({ "value": value });
    if let Some(next) = next {
        body["nextLink"] = request.link_with("$skiptoken", &format!("fake{next}")).into();
    }
    Reply::ok(body)
}

fn paged(state: &State, request: &Request, items: Vec<Json>) -> Result<Reply, Reply> {
    let (items, next) = cut(state, request, items)?;
    Ok(answer(request, items, next))
}

fn tenants(state: &State) -> Json {
    let tenant = &state.options.tenant;
    json!({ "value": [{
        "id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": "Contoso",
        "defaultDomain": "contoso.onmicrosoft.com",
        "countryCode": "JP", "domains": ["contoso.onmicrosoft.com"], "tenantCategory": "Home", "tenantType": "AAD",
    }] })
}

fn locations(path: &ArmPath) -> Json {
    let one = |name: &str, shown: &str| {
        json!({ "id": format!("{}/locations/{name}", path.parent), "name": name,
        "type": "Region", "displayName": shown, "regionalDisplayName": shown })
    };
    json!({ "value": [one("japaneast", "Japan East"), one("eastus", "East US"), one("westeurope", "West Europe")] })
}

fn providers(path: &ArmPath) -> Vec<Json> {
    let namespaces = statuses::namespaces().into_iter();
    namespaces.map(|namespace| provider(&ArmPath::parse(&format!("{}/providers/{namespace}", path.parent)))).collect()
}

fn machine_view(state: &State, path: &ArmPath) -> Result<Reply, Reply> {
    let parent = ArmPath::parse(&path.parent);
    let machine = state.arm.store.rendered(&path.parent).ok_or_else(|| absent(state, &parent))?;
    Ok(Reply::ok(instance_view(&machine)))
}

/// All top-level resources that have a location, without their properties.
fn everything(state: &State, request: &Request, path: &ArmPath) -> Result<Reply, Reply> {
    let store = &state.arm.store;
    if store.get(&path.parent).is_none() {
        return Err(absent(state, &ArmPath::parse(&path.parent)));
    }
    let filters = filters(request.parameter("$filter").unwrap_or_default())?;
    let is_listed = |stored: &&Stored| {
        let kind = stored.path.kind.as_str();
        stored.document.contains_key("location") && kind != "Microsoft.Resources/resourceGroups"
    };
    let meets = |found: &Json| filters.iter().all(|(name, value)| meets(found, name, value));
    let found = store.below(&path.parent).filter(is_listed).map(|stored| generic(&store.render(stored)));
    paged(state, request, found.filter(meets).collect())
}

fn generic(found: &Json) -> Json {
    let mut shown = Map::new();
    for name in GENERIC {
        if let Some(value) = found.get(name).filter(|value| !value.is_null()) {
            shown.insert(name.to_owned(), value.clone());
        }
    }
    Json::Object(shown)
}

/// `name eq 'value' and name eq 'value'`.
fn filters(text: &str) -> Result<Vec<(String, String)>, Reply> {
    let one = |part: &str| {
        let (name, value) = part.trim().split_once(" eq ")?;
        Some((name.trim().to_lowercase(), value.trim().trim_matches('\'').to_owned()))
    };
    let parts = text.split(" and ").filter(|part| !part.trim().is_empty());
    parts
        .map(|part| {
            one(part).ok_or_else(|| {
                refuse(
                    400,
                    "InvalidFilterInQueryString",
                    &format!("Invalid $filter '{text}' specified in the query string."),
                )
            })
        })
        .collect()
}

fn meets(found: &Json, name: &str, value: &str) -> bool {
    let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
    let same = |own: String| own.eq_ignore_ascii_case(value);
    match name {
        "resourcetype" => same(text("type")),
        "resourcegroup" => same(ArmPath::parse(&text("id")).group.unwrap_or_default()),
        "tagname" => found["tags"].get(value).is_some(),
        "tagvalue" => {
            found["tags"].as_object().is_some_and(|tags| tags.values().any(|tag| tag.as_str() == Some(value)))
        }
        "location" | "name" => same(text(name)),
        _ => false,
    }
}
