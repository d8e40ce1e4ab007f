//! Google's Cloud Asset Inventory (`assets.list`) and the token endpoint for service accounts.
//!
//! Sources: Google, "Method: assets.list" and "Asset" of the Cloud Asset API v1; "Using OAuth 2.0 for Server to Server
//! Applications" (the JWT grant and its refusals).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

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
    /// Tokens with the second in which they end.
    tokens: BTreeMap<String, i64>,
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

/// Answers `GET /v1/{projects|folders|organizations}/{id}/assets`.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    authorized(state, request)?;
    let segments: Vec<&str> = request.path.split('/').skip(2).collect();
    let ["projects" | "folders" | "organizations", _, "assets"] = segments.as_slice() else {
        return Err(error(Service::Google, 404, "NOT_FOUND", "Requested entity was not found."));
    };
    let parent = segments[..2].join("/");
    let content = request.parameter("contentType").unwrap_or("CONTENT_TYPE_UNSPECIFIED");
    let size = match request.parameter("pageSize").map(str::parse::<usize>) {
        None | Some(Ok(0)) => PAGE,
        Some(Ok(size)) => size.min(LARGEST_PAGE),
        Some(Err(_)) => return Err(invalid("Invalid value at 'page_size' (TYPE_INT32)")),
    };
    let from = start(request)?;
    let wanted: Vec<&str> =
        request.query.iter().filter(|(name, _)| name == "assetTypes").map(|(_, value)| value.as_str()).collect();
    let Some(assets) = state.google.below(&parent) else {
        return Err(error(
            Service::Google,
            403,
            "PERMISSION_DENIED",
            &format!("The caller does not have permission on {parent}."),
        ));
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
        Some(ends) => *ends > state.clock.seconds(),
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

/// At most an hour long, and now.
fn in_time(state: &State, claims: &Json) -> bool {
    let moment = |name: &str| jwt::moment(claims, name).unwrap_or_default();
    let (issued, expires, now) = (moment("iat"), moment("exp"), state.clock.seconds());
    expires > now && expires - issued <= 3600 && issued <= now + 300
}

/// Gives out a token, as token endpoints and the metadata server say it.
pub(crate) fn granted(state: &mut State) -> Json {
    let lifetime = state.options.token_lifetime.as_secs() as i64;
    let token = format!("ya29.c.{}", state.guid());
    state.google.tokens.insert(token.clone(), state.clock.seconds() + lifetime);
    json!({ "access_token": token, "expires_in": lifetime, "token_type": "Bearer" })
}

/// `POST /token`: a service account's JWT for an access token.
pub(crate) fn token(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    let form = request.form();
    let field =
        |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let refused = |code: &str, message: &str| Err(error(Service::Login, 400, code, message));
    if field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return refused("unsupported_grant_type", "Invalid grant_type");
    }
    let assertion = field("assertion");
    let Some((header, claims)) = jwt::read(assertion) else {
        return refused("invalid_grant", "Bad Request");
    };
    if !in_time(state, &claims) {
        let message = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
        return refused("invalid_grant", message);
    }
    let issuer = claims["iss"].as_str().unwrap_or_default();
    if header["alg"].as_str() != Some("RS256") || !issuer.contains('@') {
        return refused("invalid_grant", "Invalid JWT: it must be signed with RS256 by a service account.");
    }
    if !claims["aud"].as_str().is_some_and(|audience| audience.ends_with("/token")) {
        return refused("invalid_grant", "Invalid JWT: Failed audience check.");
    }
    if claims["scope"].as_str().is_none_or(str::is_empty) {
        return refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
    }
    if let Some(key) = state.options.keys.get(issuer)
        && !jwt::verifies(assertion, key)
    {
        return refused("invalid_grant", "Invalid JWT Signature.");
    }
    Ok(Reply::ok(granted(state)))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, Method};

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
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer any"));
        let request = Request::new(Method::GET, "https", &uri.parse().unwrap(), headers, Bytes::new());
        let reply = answer(state, &request).unwrap_or_else(|refused| refused);
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
    fn unknown_parents_are_denied() {
        let (status, body) = ask(&mut cloud(), "/v1/projects/other/assets");
        assert_eq!((status, body["error"]["status"].as_str()), (403, Some("PERMISSION_DENIED")));
    }
}
