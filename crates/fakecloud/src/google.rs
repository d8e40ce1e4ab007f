//! Google's Cloud Asset Inventory (`assets.list`), projects, and tokens of service accounts that others take.
//!
//! Sources: Google, "Method: assets.list" and "Asset" of the Cloud Asset API v1 (the refusal of an unknown asset type as
//! flanksource/config-db issue 1534 quotes it); "REST Resource: v3.projects" of the Resource Manager API; "Method:
//! serviceAccounts.generateAccessToken" of the IAM Service Account Credentials API.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::google_login::{granted, in_time};
use crate::http::{Reply, Request, page};
use crate::jwt;
use crate::service::{Service, error};
use crate::state::State;

/// Items of a page when the client does not say, and at most (assets.list, `pageSize`).
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// All assets, and who may ask for them.
#[derive(Debug, Default)]
pub(crate) struct Google {
    assets: BTreeMap<(String, String), Json>,
    /// `projects/id` -> `projects/number`.
    projects: BTreeMap<String, String>,
    /// The tokens that were given out.
    pub(crate) tokens: BTreeMap<String, Given>,
    /// Types that the inventory does not know.
    refused: BTreeSet<String>,
}

/// A token that was given out.
#[derive(Debug)]
pub(crate) struct Given {
    /// The second in which it ends.
    pub(crate) ends: i64,
    /// The e-mail address of the account, if it has one.
    pub(crate) email: Option<String>,
}

impl Google {
    /// Adds an asset, or replaces the one with its type and name.
    pub(crate) fn add(&mut self, asset: Json) {
        let text = |name: &str| asset[name].as_str().unwrap_or_default().to_owned();
        self.assets.insert((text("assetType"), text("name")), asset);
    }

    /// Says which number a project has.
    pub(crate) fn add_project(&mut self, id: &str, number: u64) {
        self.projects.insert(format!("projects/{id}"), format!("projects/{number}"));
    }

    /// The inventory does not know this type.
    pub(crate) fn refuse(&mut self, asset_type: &str) {
        self.refused.insert(asset_type.to_owned());
    }

    /// The assets below a parent; none = there is no such parent.
    fn below(&self, parent: &str) -> Option<Vec<&Json>> {
        let parent = self.projects.get(parent).map_or(parent, String::as_str);
        let within = |asset: &&Json| {
            let ancestors = asset["ancestors"].as_array();
            ancestors.into_iter().flatten().any(|ancestor| ancestor.as_str() == Some(parent))
        };
        let found: Vec<&Json> = self.assets.values().filter(within).collect();
        let known = !found.is_empty() || self.projects.values().any(|number| number == parent);
        known.then_some(found)
    }
}

fn invalid(message: &str) -> Reply {
    error(Service::Google, 400, "INVALID_ARGUMENT", message)
}

fn denied(what: &str) -> Reply {
    error(Service::Google, 403, "PERMISSION_DENIED", &format!("The caller does not have permission on {what}."))
}

/// Answers what is below `/v1/` and `/v3/`.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    authorized(state, request)?;
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["v1", "projects" | "folders" | "organizations", _, "assets"] => {
            assets(state, request, &segments[1..3].join("/"))
        }
        ["v3", "projects", project] => project_of(state, project),
        ["v1", "projects", "-", "serviceAccounts", taken] if request.method == Method::POST => {
            match taken.strip_suffix(":generateAccessToken") {
                Some(email) => taken_account(state, request, email),
                None => Err(not_found()),
            }
        }
        _ => Err(not_found()),
    }
}

fn not_found() -> Reply {
    error(Service::Google, 404, "NOT_FOUND", "Requested entity was not found.")
}

/// `GET /v3/projects/{id or number}`.
fn project_of(state: &State, project: &str) -> Result<Reply, Reply> {
    let asked = format!("projects/{project}");
    let found = state.google.projects.iter().find(|(id, number)| **id == asked || **number == asked);
    let Some((id, number)) = found else { return Err(denied(&asked)) };
    let id = id.trim_start_matches("projects/");
    Ok(Reply::ok(json!({
        "name": number, "projectId": id, "displayName": format!("Project {id}"), "state": "ACTIVE",
        "parent": "folders/111",
    })))
}

/// `POST /v1/projects/-/serviceAccounts/{email}:generateAccessToken`.
fn taken_account(state: &mut State, request: &Request, email: &str) -> Result<Reply, Reply> {
    if !email.ends_with(".iam.gserviceaccount.com") {
        return Err(denied(email));
    }
    let body = request.object().map_err(|_| invalid("Invalid JSON payload received."))?;
    if body.get("scope").and_then(Json::as_array).is_none_or(Vec::is_empty) {
        return Err(invalid("Scope required."));
    }
    let answer = granted(state, Some(email));
    let end = state.clock.now() + SignedDuration::from_secs(answer["expires_in"].as_i64().unwrap_or_default());
    Ok(Reply::ok(json!({ "accessToken": answer["access_token"], "expireTime": end.to_string() })))
}

/// `GET /v1/{projects|folders|organizations}/{id}/assets`.
fn assets(state: &mut State, request: &Request, parent: &str) -> Result<Reply, Reply> {
    let content = request.parameter("contentType").unwrap_or("CONTENT_TYPE_UNSPECIFIED");
    let size = match request.parameter("pageSize").map(str::parse::<usize>) {
        None | Some(Ok(0)) => PAGE,
        Some(Ok(size)) => size.min(LARGEST_PAGE),
        Some(Err(_)) => return Err(invalid("Invalid value at 'page_size' (TYPE_INT32)")),
    };
    let from = start(request)?;
    let wanted: Vec<&str> =
        request.query.iter().filter(|(name, _)| name == "assetTypes").map(|(_, value)| value.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|kind| state.google.refused.contains(**kind)) {
        let message = format!(
            "No {content} found that matches asset type {unknown} for consumer project: 123456789012. For a list of supported content types and asset types, see https://cloud.google.com/asset-inventory/docs/supported-asset-types"
        );
        return Err(invalid(&message));
    }
    let Some(assets) = state.google.below(parent) else {
        return Err(denied(parent));
    };
    let is_wanted = |asset: &Json| {
        let own = asset["assetType"].as_str().unwrap_or_default();
        wanted.is_empty() || wanted.iter().any(|pattern| matches(pattern, own))
    };
    let shown = assets.into_iter().filter(|asset| is_wanted(asset)).map(|asset| shown(asset, content));
    let shown: Vec<Json> = shown.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let (assets, next) = page(shown, from, size);
    let mut body = json!({ "readTime": state.clock.now().to_string(), "assets": assets });
    if let Some(next) = next {
        body["nextPageToken"] = format!("{next}.{}", fingerprint(request)).into();
    }
    Ok(Reply::ok(body))
}

/// What must stay the same from page to page, in short.
fn fingerprint(request: &Request) -> String {
    let same = request.query.iter().filter(|(name, _)| name != "pageToken" && name != "pageSize");
    let text: String = same.map(|(name, value)| format!("{name}={value};")).collect();
    format!(
        "{:016x}",
        text.bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    )
}

fn start(request: &Request) -> Result<usize, Reply> {
    let Some(token) = request.parameter("pageToken").filter(|token| !token.is_empty()) else { return Ok(0) };
    let parts = token.split_once('.').filter(|(_, query)| *query == fingerprint(request));
    let from = parts.and_then(|(from, _)| from.parse().ok());
    from.ok_or_else(|| invalid("The page token is invalid or was given for another request."))
}

/// Asset types may be patterns such as `compute.googleapis.com.*` (assets.list, `assetTypes`, RE2); `.*` is what is known.
fn matches(pattern: &str, asset_type: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(start) => asset_type.starts_with(start),
        None => pattern == asset_type,
    }
}

/// An asset with the content asked for; none = it has none of that.
fn shown(asset: &Json, content: &str) -> Result<Option<Json>, Reply> {
    // Google's own clients send enumerations as numbers (`enum-encoding=int`).
    let member = match content {
        "CONTENT_TYPE_UNSPECIFIED" | "0" => None,
        "RESOURCE" | "1" => Some("resource"),
        "IAM_POLICY" | "2" => Some("iamPolicy"),
        "ORG_POLICY" | "4" => Some("orgPolicy"),
        "ACCESS_POLICY" | "5" => Some("accessPolicy"),
        "OS_INVENTORY" | "6" => Some("osInventory"),
        _ => return Err(invalid(&format!("Invalid value at 'content_type', \"{content}\""))),
    };
    let mut shown = serde_json::Map::new();
    for name in ["name", "assetType", "ancestors", "updateTime"].into_iter().chain(member) {
        match asset.get(name) {
            Some(value) => {
                shown.insert(name.to_owned(), value.clone());
            }
            None if Some(name) == member => return Ok(None),
            None => (),
        }
    }
    Ok(Some(Json::Object(shown)))
}

fn authorized(state: &State, request: &Request) -> Result<(), Reply> {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let valid = token.is_some_and(|token| match state.google.tokens.get(token) {
        Some(given) => given.ends > state.clock.seconds(),
        None => is_own_jwt(state, token) || state.options.any_token && jwt::read(token).is_none(),
    });
    if valid {
        return Ok(());
    }
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.";
    let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
    Err(error(Service::Google, 401, "UNAUTHENTICATED", message).with("www-authenticate", challenge))
}

/// A JWT that the service account signed itself, which Google's clients use in place of an access token (Google,
/// "AIP-4111: Self-signed JWT"): `iss` and `sub` are the account, and it names an audience or scopes.
fn is_own_jwt(state: &State, token: &str) -> bool {
    let Some((header, claims)) = jwt::read(token) else { return false };
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let names = claims["sub"].as_str() == Some(issuer) && (claims["aud"].is_string() || claims["scope"].is_string());
    let signed = state.options.keys.get(issuer).is_none_or(|key| jwt::verifies(token, key));
    header["alg"] == "RS256" && issuer.contains('@') && names && in_time(state, &claims) && signed
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::options::Options;

    fn cloud() -> State {
        let mut state = State::new(Options { any_token: true, ..Options::default() });
        for number in 0..5 {
            let asset = json!({
                "name": format!("//storage.googleapis.com/b{number}"), "assetType": "storage.googleapis.com/Bucket",
                "ancestors": ["projects/1", "organizations/2"], "resource": { "data": {} },
            });
            state.google.add(asset);
        }
        state.google.add(json!({
            "name": "//compute.googleapis.com/projects/p/zones/z/instances/i",
            "assetType": "compute.googleapis.com/Instance",
            "ancestors": ["projects/1", "organizations/2"], "resource": { "data": {} }, "iamPolicy": { "bindings": [] },
        }));
        state.google.add_project("p", 1);
        state
    }

    fn ask(state: &mut State, uri: &str) -> (u16, Json) {
        let reply = answer(state, &Request::of_anybody(uri)).unwrap_or_else(|refused| refused);
        (reply.status, reply.body.unwrap())
    }

    #[test]
    fn pages_follow_one_another() {
        let mut state = cloud();
        let uri = "/v1/projects/p/assets?assetTypes=storage.googleapis.com/Bucket&contentType=RESOURCE&pageSize=3";
        let (_, first) = ask(&mut state, uri);
        assert_eq!(first["assets"].as_array().unwrap().len(), 3);
        let token = first["nextPageToken"].as_str().unwrap();
        let (_, second) = ask(&mut state, &format!("{uri}&pageToken={token}"));
        assert_eq!((second["assets"].as_array().unwrap().len(), second.get("nextPageToken")), (2, None));
        let other = uri.replace("RESOURCE", "IAM_POLICY");
        assert_eq!(ask(&mut state, &format!("{other}&pageToken={token}")).0, 400);
    }

    #[test]
    fn content_and_types_are_those_asked_for() {
        let mut state = cloud();
        let (_, policies) = ask(&mut state, "/v1/organizations/2/assets?contentType=IAM_POLICY");
        let assets = policies["assets"].as_array().unwrap();
        assert_eq!((assets.len(), assets[0].get("resource"), assets[0].get("iamPolicy").is_some()), (1, None, true));
        let (_, all) = ask(&mut state, "/v1/organizations/2/assets?assetTypes=storage.googleapis.com.*");
        assert_eq!((all["assets"].as_array().unwrap().len(), all["assets"][0].get("resource")), (5, None));
        assert_eq!(ask(&mut state, "/v1/projects/p/assets?contentType=NONE").0, 400);
    }

    #[test]
    fn one_unknown_type_refuses_all() {
        let mut state = cloud();
        state.google.refuse("a.googleapis.com/Unknown");
        let uri = "/v1/projects/p/assets?contentType=RESOURCE&assetTypes=storage.googleapis.com/Bucket";
        assert_eq!(ask(&mut state, uri).0, 200);
        let (status, body) = ask(&mut state, &format!("{uri}&assetTypes=a.googleapis.com/Unknown"));
        assert_eq!((status, body["error"]["status"].as_str()), (400, Some("INVALID_ARGUMENT")));
        assert!(body["error"]["message"].as_str().unwrap().contains("asset type a.googleapis.com/Unknown for"));
    }

    #[test]
    fn projects_have_ids_and_numbers() {
        for name in ["p", "1"] {
            let (_, body) = ask(&mut cloud(), &format!("/v3/projects/{name}"));
            assert_eq!((body["name"].as_str(), body["projectId"].as_str()), (Some("projects/1"), Some("p")));
        }
        assert_eq!(ask(&mut cloud(), "/v3/projects/other").0, 403);
    }

    #[test]
    fn unknown_parents_are_denied() {
        let (status, body) = ask(&mut cloud(), "/v1/projects/other/assets");
        assert_eq!((status, body["error"]["status"].as_str()), (403, Some("PERMISSION_DENIED")));
    }
}
