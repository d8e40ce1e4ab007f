//! Microsoft Graph v1.0: collections with `@odata.nextLink`, single objects, members.
//!
//! Sources: Microsoft, "Paging Microsoft Graph data in your app", "Use query parameters" (`$select`, `$top` up to 999,
//! `$expand` of at most 20 members), "List users" (the default properties), "List group members".

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::http::{Reply, Request, page};
use crate::login;
use crate::service::{Service, error};
use crate::state::State;

/// The largest `$top`.
const LARGEST_PAGE: usize = 999;
/// Members that `$expand=members` gives at most.
const EXPANDED: usize = 20;
/// What a list of users holds when nothing is selected; `accountEnabled` and `userType` are not among it.
const USER_DEFAULTS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];
/// Collections that a directory has even when nothing is in them.
const COLLECTIONS: [&str; 9] = [
    "applications",
    "directoryRoles",
    "groups",
    "identity/conditionalAccess/namedLocations",
    "identity/conditionalAccess/policies",
    "reports/authenticationMethods/userRegistrationDetails",
    "roleManagement/directory/roleAssignments",
    "servicePrincipals",
    "users",
];

/// The directory of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Collections and single objects by lower-case path.
    content: BTreeMap<String, Json>,
    /// Ids of members by `groups/<id>` or `directoryroles/<id>`.
    members: BTreeMap<String, Vec<String>>,
}

impl Directory {
    /// Empty collections and the policies that every tenant has.
    pub(crate) fn set_up(&mut self) {
        for collection in COLLECTIONS {
            self.set(collection, json!([]));
        }
        self.set(
            "policies/identitySecurityDefaultsEnforcementPolicy",
            json!({ "id": "00000000-0000-0000-0000-000000000005", "displayName": "Security Defaults",
                "isEnabled": false }),
        );
        self.set(
            "policies/authorizationPolicy",
            json!({
                "id": "authorizationPolicy", "displayName": "Authorization Policy", "allowInvitesFrom": "everyone",
                "blockMsolPowerShell": false, "guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3",
                "defaultUserRolePermissions": { "allowedToCreateApps": true, "allowedToCreateSecurityGroups": true },
            }),
        );
    }

    /// Sets a collection or a single object.
    pub(crate) fn set(&mut self, path: &str, content: Json) {
        self.content.insert(path.trim_matches('/').to_lowercase(), content);
    }

    /// Adds to a collection.
    pub(crate) fn push(&mut self, collection: &str, item: Json) {
        let collection = self.content.entry(collection.to_lowercase()).or_insert_with(|| json!([]));
        if let Some(items) = collection.as_array_mut() {
            items.push(item);
        }
    }

    /// Sets who is in a group or a role.
    pub(crate) fn set_members(&mut self, collection: &str, id: &str, members: &[&str]) {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.members.insert(format!("{collection}/{id}").to_lowercase(), members);
    }

    fn item(&self, collection: &str, id: &str) -> Option<&Json> {
        let items = self.content.get(collection)?.as_array()?;
        items.iter().find(|item| item["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)))
    }

    /// The members of a group or role, each with its type.
    fn members(&self, collection: &str, id: &str) -> Vec<Json> {
        let ids = self.members.get(&format!("{collection}/{}", id.to_lowercase()));
        let member = |id: &String| {
            let kinds = [("users", "user"), ("groups", "group"), ("serviceprincipals", "servicePrincipal")];
            kinds.iter().find_map(|(collection, kind)| {
                let mut member = self.item(collection, id)?.clone();
                member["@odata.type"] = format!("#microsoft.graph.{kind}").into();
                Some(member)
            })
        };
        ids.into_iter().flatten().filter_map(member).collect()
    }
}

/// Answers `GET /v1.0/...`.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    login::caller(state, request, Service::Directory)?;
    if request.method != axum::http::Method::GET {
        return Err(refused(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."));
    }
    let path = request.path.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
    let lower = path.to_lowercase();
    let directory = &state.directory;
    match directory.content.get(&lower) {
        Some(Json::Array(items)) => return list(state, request, &path, &lower, items.clone()),
        Some(single) => return Ok(Reply::ok(one(request, &path, single.clone()))),
        None => (),
    }
    let (collection, last) = lower.rsplit_once('/').unwrap_or_default();
    if let Some(item) = directory.item(collection, last) {
        return Ok(Reply::ok(one(request, &format!("{collection}/$entity"), item.clone())));
    }
    if let (Some((collection, id)), "members") = (collection.rsplit_once('/'), last)
        && directory.item(collection, id).is_some()
    {
        return list(state, request, "directoryObjects", "members", directory.members(collection, id));
    }
    if directory.content.contains_key(collection) || last == "members" {
        let message = format!(
            "Resource '{last}' does not exist or one of its queried reference-property objects are not present."
        );
        return Err(refused(404, "Request_ResourceNotFound", &message));
    }
    let segment = path.split('/').next().unwrap_or_default();
    Err(refused(400, "BadRequest", &format!("Resource not found for the segment '{segment}'.")))
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    error(Service::Directory, status, code, message)
}

fn one(request: &Request, path: &str, mut object: Json) -> Json {
    object["@odata.context"] = format!("{}/v1.0/$metadata#{path}", request.base).into();
    object
}

fn list(state: &State, request: &Request, path: &str, kind: &str, items: Vec<Json>) -> Result<Reply, Reply> {
    let size = match request.parameter("$top").map(str::parse::<usize>) {
        None => state.options.page_size.min(LARGEST_PAGE),
        Some(Ok(size @ 1..=LARGEST_PAGE)) => size,
        Some(_) => {
            let message = format!("Invalid page size specified. Must be between 1 and {LARGEST_PAGE} inclusive.");
            return Err(refused(400, "Request_BadRequest", &message));
        }
    };
    let from = match request.parameter("$skiptoken") {
        None => 0,
        Some(token) => token.strip_prefix("RFNwdAIAAQAAAA").and_then(|from| from.parse().ok()).ok_or_else(|| {
            refused(
                400,
                "Directory_ExpiredPageToken",
                "The specified page token value has expired and is no longer valid.",
            )
        })?,
    };
    let items = match request.parameter("$filter") {
        Some(filter) => filtered(items, filter)?,
        None => items,
    };
    let (items, next) = page(items, from, size);
    let expands = request.parameter("$expand").is_some_and(|expand| expand.starts_with("members"));
    let shown = items.into_iter().map(|mut item| {
        if expands {
            let id = item["id"].as_str().unwrap_or_default();
            item["members"] = state.directory.members(kind, id).into_iter().take(EXPANDED).collect();
        }
        selected(item, kind, request.parameter("$select"))
    });
    let mut body = json!({ "@odata.context": format!("{}/v1.0/$metadata#{path}", request.base),
        "value": shown.collect::<Vec<_>>() });
    if let Some(next) = next {
        body["@odata.nextLink"] = request.link_with("$skiptoken", &format!("RFNwdAIAAQAAAA{next}")).into();
    }
    Ok(Reply::ok(body))
}

/// `name eq 'text'` or `name eq true`; anything else is refused, as much of OData is by Microsoft Graph.
fn filtered(items: Vec<Json>, filter: &str) -> Result<Vec<Json>, Reply> {
    let parts: Vec<&str> = filter.splitn(3, ' ').collect();
    let [name, "eq", value] = parts.as_slice() else {
        return Err(refused(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified."));
    };
    let wanted = match value.trim_matches('\'') {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        text => text.into(),
    };
    Ok(items.into_iter().filter(|item| item[*name] == wanted).collect())
}

fn selected(item: Json, kind: &str, select: Option<&str>) -> Json {
    let Json::Object(members) = item else { return item };
    let names: Vec<&str> = match select {
        Some(select) => select.split(',').map(str::trim).collect(),
        None if kind == "users" => USER_DEFAULTS.to_vec(),
        None => return Json::Object(members),
    };
    let always = ["@odata.type", "members"];
    let mut shown: Map<String, Json> = members
        .iter()
        .filter(|(name, _)| always.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for name in names {
        shown.insert(name.to_owned(), members.get(name).cloned().unwrap_or(Json::Null));
    }
    Json::Object(shown)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::options::Options;

    fn tenant() -> State {
        let mut state = State::new(Options { any_token: true, page_size: 2, ..Options::default() });
        for number in 0..5 {
            state
                .directory
                .push("users", json!({ "id": format!("u{number}"), "displayName": "U", "accountEnabled": number > 0 }));
        }
        state.directory.push("groups", json!({ "id": "g", "displayName": "G" }));
        state.directory.set_members("groups", "g", &["u1", "g", "gone"]);
        state
    }

    fn ask(state: &mut State, uri: &str) -> (u16, Json) {
        let reply = answer(state, &Request::of_anybody(uri)).unwrap_or_else(|refused| refused);
        (reply.status, reply.body.unwrap())
    }

    #[test]
    fn links_lead_through_all_pages() {
        let mut state = tenant();
        let mut link = "/v1.0/users?$select=id,accountEnabled".to_owned();
        let mut ids = Vec::new();
        loop {
            let (status, body) = ask(&mut state, &link);
            assert_eq!(status, 200);
            ids.extend(body["value"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
            assert_eq!(body["value"][0].get("displayName"), None);
            match body["@odata.nextLink"].as_str() {
                Some(next) => link = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(ids, ["u0", "u1", "u2", "u3", "u4"]);
    }

    #[test]
    fn users_have_few_properties_unless_more_are_selected() {
        let (_, body) = ask(&mut tenant(), "/v1.0/users?$top=1");
        assert_eq!(
            (body["value"][0].get("accountEnabled"), body["value"][0].get("surname")),
            (None, Some(&Json::Null))
        );
    }

    #[test]
    fn members_say_what_they_are() {
        let mut state = tenant();
        let (_, body) = ask(&mut state, "/v1.0/groups/g/members");
        let kinds: Vec<&str> =
            body["value"].as_array().unwrap().iter().map(|member| member["@odata.type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["#microsoft.graph.user", "#microsoft.graph.group"]);
        let (_, body) = ask(&mut state, "/v1.0/groups?$expand=members&$select=id");
        assert_eq!(body["value"][0]["members"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn single_objects_filters_and_errors() {
        let mut state = tenant();
        let (_, defaults) = ask(&mut state, "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy");
        assert_eq!(defaults["isEnabled"], false);
        assert_eq!(ask(&mut state, "/v1.0/users/u1").1["id"], "u1");
        assert_eq!(
            ask(&mut state, "/v1.0/users?$filter=accountEnabled%20eq%20false").1["value"].as_array().unwrap().len(),
            1
        );
        assert_eq!(ask(&mut state, "/v1.0/users/none").0, 404);
        assert_eq!(ask(&mut state, "/v1.0/groups/none/members").0, 404);
        assert_eq!(ask(&mut state, "/v1.0/nonsense").0, 400);
        assert_eq!(ask(&mut state, "/v1.0/users?$top=1000").0, 400);
    }
}
