//! The metadata services: Azure's cloud metadata, its instance metadata (managed identity), Google's metadata server.
//!
//! Sources: az-cli-recipe.md, 1 and 5; Microsoft, "How to use managed identities to acquire an access token"; Google,
//! "About VM metadata" (header `Metadata-Flavor`).

use serde_json::{Value as Json, json};

use crate::http::{Reply, Request};
use crate::login;
use crate::service::{Service, error};
use crate::state::State;

/// The service account of the machine.
const MACHINE: &str = "fake@fake-project.iam.gserviceaccount.com";

/// Answers what is below `/metadata/`, `/msi/` and `/computeMetadata/`.
pub(crate) fn answer(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    match request.path.as_str() {
        "/metadata/endpoints" => Ok(Reply::ok(endpoints(state, request))),
        "/metadata/identity/oauth2/token" => {
            if request.header("metadata") != Some("true") {
                return Err(bad("Required metadata header not specified"));
            }
            managed(state, request)
        }
        "/msi/token" => {
            if request.header("x-identity-header").is_none() {
                return Err(bad("Required header X-IDENTITY-HEADER not specified"));
            }
            managed(state, request)
        }
        path if path.starts_with("/computeMetadata/v1/") => google(state, request),
        _ => Err(error(Service::Login, 404, "not_found", "There is no such metadata.")),
    }
}

fn bad(message: &str) -> Reply {
    error(Service::Login, 400, "invalid_request", message)
}

/// One object, or for `api-version=2019-05-01` a list of them.
fn endpoints(state: &State, request: &Request) -> Json {
    let base = &request.base;
    let one = json!({
        "name": "FakeCloud", "portal": base,
        "authentication": {
            "loginEndpoint": base, "audiences": [base], "tenant": state.options.tenant, "identityProvider": "AAD",
        },
        "resourceManager": base, "graphAudience": "https://graph.microsoft.com/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "logAnalyticsResourceId": base, "media": base, "batch": base, "gallery": base, "sqlManagement": base,
        "vmImageAliasDoc": format!("{base}/aliases.json"), "activeDirectoryDataLake": base,
        "suffixes": {
            "storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "acrLoginServer": "azurecr.io",
            "sqlServerHostname": "database.windows.net", "mhsmDns": "managedhsm.azure.net",
        },
    });
    if request.parameter("api-version") == Some("2019-05-01") { json!([one]) } else { one }
}

fn managed(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    if request.parameter("api-version").is_none() {
        return Err(bad("Required query variable 'api-version' is missing"));
    }
    let Some(resource) = request.parameter("resource") else {
        return Err(bad("Required query variable 'resource' is missing"));
    };
    let named = ["client_id", "object_id", "principal_id", "mi_res_id", "msi_res_id"];
    let client =
        named.iter().find_map(|name| request.parameter(name)).unwrap_or("44444444-4444-4444-4444-444444444444");
    let token = login::issue(state, resource, client);
    let (now, lifetime) = (state.clock.seconds(), state.options.token_lifetime.as_secs() as i64);
    Ok(Reply::ok(json!({
        "access_token": token, "client_id": client, "resource": resource, "token_type": "Bearer",
        "expires_in": lifetime.to_string(), "ext_expires_in": lifetime.to_string(),
        "expires_on": (now + lifetime).to_string(), "not_before": now.to_string(),
    })))
}

fn google(state: &mut State, request: &Request) -> Result<Reply, Reply> {
    if request.header("metadata-flavor") != Some("Google") {
        return Err(error(Service::Google, 403, "PERMISSION_DENIED", "Missing Metadata-Flavor:Google header."));
    }
    let answer = match request.path.strip_prefix("/computeMetadata/v1/instance/service-accounts/default") {
        Some("/token") => crate::google_login::granted(state, Some(MACHINE)),
        Some("") if request.parameter("recursive") == Some("true") => json!({
            "email": MACHINE, "aliases": ["default"], "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        }),
        _ => {
            let missing = error(Service::Google, 404, "NOT_FOUND", "There is no such metadata.");
            return Err(missing.with("metadata-flavor", "Google"));
        }
    };
    Ok(Reply::ok(answer).with("metadata-flavor", "Google"))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::options::Options;

    fn ask(uri: &str, header: Option<(&'static str, &'static str)>) -> (u16, Json) {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let request = Request::new(Method::GET, "http", &uri.parse().unwrap(), headers, Bytes::new());
        let reply = answer(&mut State::new(Options::default()), &request).unwrap_or_else(|refused| refused);
        (reply.status, reply.body.unwrap())
    }

    #[test]
    fn managed_identities_need_their_header() {
        let uri = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/";
        assert_eq!(ask(uri, None).0, 400);
        let (status, body) = ask(uri, Some(("metadata", "true")));
        assert_eq!((status, body["token_type"].as_str()), (200, Some("Bearer")));
        assert!(body["expires_on"].as_str().unwrap().parse::<i64>().is_ok());
    }

    #[test]
    fn endpoints_are_one_or_a_list_of_them() {
        assert!(ask("/metadata/endpoints?api-version=2022-09-01", None).1.is_object());
        assert!(ask("/metadata/endpoints?api-version=2019-05-01", None).1.is_array());
    }

    #[test]
    fn googles_server_wants_its_flavor() {
        let uri = "/computeMetadata/v1/instance/service-accounts/default/token";
        assert_eq!(ask(uri, None).0, 403);
        assert!(ask(uri, Some(("metadata-flavor", "Google"))).1["access_token"].is_string());
        let uri = "/computeMetadata/v1/instance/service-accounts/default/?recursive=true";
        assert_eq!(ask(uri, Some(("metadata-flavor", "Google"))).1["email"], MACHINE);
    }
}
