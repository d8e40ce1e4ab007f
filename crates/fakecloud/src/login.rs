//! Microsoft Entra's token endpoints, and the check of the tokens that calls bring.
//!
//! Sources: Microsoft, "OAuth 2.0 client credentials flow on the Microsoft identity platform" (requests, error shape),
//! "Microsoft Entra authentication error codes" (AADSTS numbers); az-cli-recipe.md for what MSAL and az read.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::google_login;
use crate::http::{Reply, Request};
use crate::jwt;
use crate::service::{Service, error};
use crate::state::State;

/// Audiences that a token for Microsoft Graph may have, and that ARM refuses.
const GRAPH: [&str; 2] = ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];
/// Audiences that a token for ARM may have, and that Microsoft Graph refuses.
const ARM: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

/// Answers what is below `/{tenant}/` and `/common/discovery/instance`.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    match request.path.as_str() {
        "/token" => return google_login::token(state, request),
        "/v1/token" => return google_login::exchange(state, request),
        "/tokeninfo" => return google_login::info(state, request),
        _ => (),
    }
    let path = request.path.clone();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["common", "discovery", "instance"] => Ok(Reply::ok(instance(request))),
        [tenant, "v2.0", ".well-known", "openid-configuration"] | [tenant, ".well-known", "openid-configuration"] => {
            known(state, tenant)?;
            Ok(Reply::ok(discovery(&request.base, tenant)))
        }
        [_, "discovery", "v2.0", "keys"] => Ok(Reply::ok(json!({ "keys": [] }))),
        [tenant, "oauth2", "v2.0", "token"] => token(state, request, tenant, "scope"),
        [tenant, "oauth2", "token"] => token(state, request, tenant, "resource"),
        _ => Err(error(Service::Login, 404, "not_found", "There is nothing at this address.")),
    }
}

fn instance(request: &Request) -> Json {
    let host = request.base.trim_start_matches("https://");
    json!({
        "tenant_discovery_endpoint": format!("{}/common/v2.0/.well-known/openid-configuration", request.base),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}

fn discovery(base: &str, tenant: &str) -> Json {
    let below = |path: &str| format!("{base}/{tenant}/{path}");
    json!({
        "issuer": below("v2.0"),
        "authorization_endpoint": below("oauth2/v2.0/authorize"),
        "token_endpoint": below("oauth2/v2.0/token"),
        "device_authorization_endpoint": below("oauth2/v2.0/devicecode"),
        "jwks_uri": below("discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn refusal(status: u16, code: &str, number: u32, message: &str) -> Reply {
    let description = format!("AADSTS{number}: {message}");
    Reply::new(status, json!({ "error": code, "error_description": description, "error_codes": [number] }))
}

fn known(state: &State, tenant: &str) -> Result<(), Reply> {
    if tenant.eq_ignore_ascii_case(&state.options.tenant) || matches!(tenant, "common" | "organizations" | "adfs") {
        return Ok(());
    }
    let message = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
    Err(refusal(400, "invalid_request", 90002, &message))
}

fn token(state: &mut State, request: &Request, tenant: &str, names_audience: &str) -> Result<Reply, Reply> {
    known(state, tenant)?;
    let form = request.form();
    let field = |name: &str| {
        let found = form.iter().find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str());
        found.ok_or_else(|| {
            let message = format!("The request body must contain the following parameter: '{name}'.");
            refusal(400, "invalid_request", 900_144, &message)
        })
    };
    if field("grant_type")? != "client_credentials" {
        return Err(refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."));
    }
    let client = field("client_id")?;
    let asked = field(names_audience)?;
    let audience = match names_audience {
        "scope" => asked.strip_suffix("/.default").ok_or_else(|| {
            let message = format!("The provided value for scope {asked} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.");
            refusal(400, "invalid_scope", 1_002_012, &message)
        })?,
        _ => asked,
    };
    match field("client_assertion") {
        Ok(assertion) => asserted(state, client, field("client_assertion_type")?, assertion)?,
        Err(_) => secret(state, client, field("client_secret").ok())?,
    }
    let token = issue(state, audience, client);
    let lifetime = state.options.token_lifetime.as_secs();
    let mut answer =
        json!({ "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token });
    if names_audience == "resource" {
        answer["resource"] = audience.into();
        answer["expires_in"] = lifetime.to_string().into();
        answer["expires_on"] = (state.clock.seconds() + lifetime as i64).to_string().into();
    }
    Ok(Reply::ok(answer).with("cache-control", "no-store, no-cache"))
}

fn secret(state: &State, client: &str, secret: Option<&str>) -> Result<(), Reply> {
    let Some(wanted) = state.options.clients.get(client) else {
        let message = format!("Application with identifier '{client}' was not found in the directory.");
        return Err(refusal(400, "unauthorized_client", 700_016, &message));
    };
    match secret {
        None => {
            let message =
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            Err(refusal(401, "invalid_client", 7_000_218, message))
        }
        Some(shown) if shown != wanted => {
            Err(refusal(401, "invalid_client", 7_000_215, "Invalid client secret provided."))
        }
        Some(_) => Ok(()),
    }
}

/// A certificate's assertion names the client and this endpoint; that of a workload identity is another issuer's token.
fn asserted(state: &State, client: &str, kind: &str, assertion: &str) -> Result<(), Reply> {
    let refused = |number, message: &str| Err(refusal(401, "invalid_client", number, message));
    if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
        return refused(50027, "The client assertion type is not supported.");
    }
    let Some((_, claims)) = jwt::read(assertion) else {
        return refused(50027, "JWT token is invalid or malformed.");
    };
    if jwt::moment(&claims, "exp").is_none_or(|expires| expires <= state.clock.seconds()) {
        return refused(700_024, "Client assertion is not within its valid time range.");
    }
    let audience = claims["aud"].as_str().unwrap_or_default();
    if !audience.contains("/oauth2/") && audience != "api://AzureADTokenExchange" {
        return refused(700_023, "Client assertion audience claim does not match Realm issuer.");
    }
    let own = claims["iss"].as_str() == Some(client);
    if own && claims["sub"].as_str() != Some(client) {
        return refused(700_021, "Client assertion application identifier doesn't match 'client_id' parameter.");
    }
    match state.options.keys.get(client) {
        Some(key) if own && !jwt::verifies(assertion, key) => refused(
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        ),
        _ if own || claims["iss"].is_string() => Ok(()),
        _ => refused(50027, "JWT token is invalid or malformed."),
    }
}

/// A token for an audience.
pub(crate) fn issue(state: &mut State, audience: &str, client: &str) -> String {
    let (now, tenant) = (state.clock.seconds(), state.options.tenant.clone());
    let principal = Uuid::new_v5(&Uuid::NAMESPACE_OID, client.as_bytes()).to_string();
    let expires = now + state.options.token_lifetime.as_secs() as i64;
    jwt::unsigned(&json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now, "nbf": now, "exp": expires,
        "appid": client, "appidacr": "1", "idtyp": "app", "oid": principal, "sub": principal, "tid": tenant, "ver": "1.0",
    }))
}

/// Who calls, by the token in the header: their object id.
pub(crate) fn caller(state: &State, request: &Request, service: Service) -> Result<String, Reply> {
    let bearer = request.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let Some(token) = bearer else {
        return Err(unauthorized(
            state,
            service,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let Some((_, claims)) = jwt::read(token) else {
        if state.options.any_token {
            return Ok("anybody".to_owned());
        }
        return Err(unauthorized(state, service, "InvalidAuthenticationToken", "The access token is invalid."));
    };
    let expires = jwt::moment(&claims, "exp").unwrap_or_default();
    if expires <= state.clock.seconds() {
        let (then, now) = (Timestamp::from_second(expires).unwrap_or_default(), state.clock.now());
        let message = format!("The access token expiry UTC time '{then}' is earlier than current UTC time '{now}'.");
        return Err(unauthorized(state, service, "ExpiredAuthenticationToken", &message));
    }
    let audience = claims["aud"].as_str().unwrap_or_default().trim_end_matches('/');
    let others: &[&str] = if service == Service::Directory { &ARM } else { &GRAPH };
    if others.contains(&audience) {
        let message = format!("The access token has been obtained for wrong audience or resource '{audience}'.");
        return Err(unauthorized(state, service, "InvalidAuthenticationTokenAudience", &message));
    }
    Ok(claims["oid"].as_str().unwrap_or("nobody").to_owned())
}

fn unauthorized(state: &State, service: Service, code: &str, message: &str) -> Reply {
    let tenant = &state.options.tenant;
    // Microsoft Graph has one code for all of these.
    let code = if service == Service::Directory { "InvalidAuthenticationToken" } else { code };
    let challenge = format!(
        "Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\", error_description=\"{message}\""
    );
    error(service, 401, code, message).with("www-authenticate", challenge)
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::options::Options;

    const CLIENT: &str = "33333333-3333-3333-3333-333333333333";

    fn post(body: &str) -> Request {
        let uri = "/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token".parse().unwrap();
        Request::new(Method::POST, "https", &uri, HeaderMap::new(), Bytes::from(body.to_owned()))
    }

    fn ask(body: &str) -> (u16, Json) {
        let mut state = State::new(Options::default());
        let reply = answer(&mut state, &post(body)).unwrap_or_else(|refused| refused);
        (reply.status, reply.body.unwrap())
    }

    fn number(body: &str) -> (u16, i64) {
        let (status, body) = ask(body);
        (status, body["error_codes"][0].as_i64().unwrap_or_default())
    }

    #[test]
    fn a_secret_buys_a_token() {
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT}&client_secret=secret&scope=https%3A%2F%2Fa%2F.default"
        );
        let (status, body) = ask(&form);
        assert_eq!((status, body["token_type"].as_str()), (200, Some("Bearer")));
        let (_, claims) = jwt::read(body["access_token"].as_str().unwrap()).unwrap();
        assert_eq!((claims["aud"].as_str(), claims["appid"].as_str()), (Some("https://a"), Some(CLIENT)));
    }

    #[test]
    fn what_is_wrong_is_said_by_number() {
        let start = format!("grant_type=client_credentials&client_id={CLIENT}");
        let scope = "scope=https%3A%2F%2Fa%2F.default";
        assert_eq!(number(&format!("{start}&client_secret=wrong&{scope}")), (401, 7_000_215));
        assert_eq!(number(&format!("{start}&{scope}")), (401, 7_000_218));
        assert_eq!(number(&format!("{start}&client_secret=secret")), (400, 900_144));
        assert_eq!(number(&format!("{start}&client_secret=secret&scope=user.read")), (400, 1_002_012));
        assert_eq!(
            number(&format!("grant_type=client_credentials&client_id=x&client_secret=s&{scope}")),
            (400, 700_016)
        );
        assert_eq!(number(&format!("grant_type=password&client_id={CLIENT}&{scope}")), (400, 70003));
    }

    #[test]
    fn an_assertion_must_be_in_its_time() {
        let form = |assertion: &str| {
            format!(
                "grant_type=client_credentials&client_id={CLIENT}&scope=https%3A%2F%2Fa%2F.default&client_assertion={assertion}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
            )
        };
        let claims = |expires: i64| json!({ "iss": CLIENT, "sub": CLIENT, "aud": "https://h/t/oauth2/v2.0/token", "exp": expires as f64 + 0.5 });
        let late = Timestamp::now().as_second() - 1;
        assert_eq!(ask(&form(&jwt::unsigned(&claims(late + 600)))).0, 200);
        assert_eq!(number(&form(&jwt::unsigned(&claims(late)))), (401, 700_024));
        assert_eq!(number(&form("a.b.c")), (401, 50027));
    }

    #[test]
    fn tokens_expire_and_have_one_audience() {
        let mut state = State::new(Options::default());
        let with = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
            Request::new(Method::GET, "https", &"/subscriptions".parse().unwrap(), headers, Bytes::new())
        };
        let (arm, graph) = (
            issue(&mut state, "https://management.azure.com/", CLIENT),
            issue(&mut state, "https://graph.microsoft.com", CLIENT),
        );
        assert!(caller(&state, &with(&arm), Service::Arm).is_ok());
        assert_eq!(caller(&state, &with(&graph), Service::Arm).unwrap_err().status, 401);
        assert_eq!(caller(&state, &with(&arm), Service::Directory).unwrap_err().status, 401);
        assert_eq!(caller(&state, &with("any"), Service::Arm).unwrap_err().status, 401);
        state.clock.advance(std::time::Duration::from_secs(3600));
        let refused = caller(&state, &with(&arm), Service::Arm).unwrap_err();
        assert_eq!(refused.body.unwrap()["error"]["code"], "ExpiredAuthenticationToken");
        assert!(
            refused.headers.iter().any(|(name, value)| *name == "www-authenticate" && value.starts_with("Bearer "))
        );
    }
}
