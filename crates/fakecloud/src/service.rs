//! Which service a request is for, and what every answer has in common.

use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use crate::http::{Reply, Request};
use crate::running::Logged;
use crate::state::State;
use crate::{arm, control, directory, google, login, metadata};

/// The services that the fake plays. Paths tell them apart, so that one address is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Azure Resource Manager and Resource Graph.
    Arm,
    /// Microsoft Graph.
    Directory,
    /// Google's services.
    Google,
    /// Token endpoints and metadata.
    Login,
    /// The fake's own questions.
    Control,
}

impl Service {
    /// The service of a path.
    pub(crate) fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments.as_slice() {
            ["_fake", ..] => Self::Control,
            ["v1.0" | "beta", ..] => Self::Directory,
            ["v1", "token"] => Self::Login,
            ["v1" | "v3", ..] => Self::Google,
            ["token" | "tokeninfo"]
            | ["metadata", ..]
            | ["msi", ..]
            | ["computeMetadata", ..]
            | ["common", "discovery", ..] => Self::Login,
            [_, "oauth2", ..] | [_, "v2.0", ..] | [_, "discovery", ..] | [_, ".well-known", ..] => Self::Login,
            _ => Self::Arm,
        }
    }
}

/// Answers one request and writes it down.
pub(crate) fn answer(state: &mut State, request: &Request) -> Reply {
    let service = Service::of(&request.path);
    let reply = match state.faults.strike(service, request, &state.options) {
        Some(struck) => struck,
        None => dispatch(state, service, request),
    };
    if service != Service::Control {
        state.log.push(Logged {
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            status: reply.status,
        });
    }
    let id = state.guid();
    match service {
        Service::Arm => reply.with("x-ms-request-id", &id).with("x-ms-correlation-request-id", id),
        Service::Directory => reply.with("request-id", &id).with("client-request-id", id),
        _ => reply,
    }
}

fn dispatch(state: &mut State, service: Service, request: &Request) -> Reply {
    let method = if request.method == Method::HEAD { "GET" } else { request.method.as_str() };
    let key = (method.to_owned(), request.path.to_lowercase());
    if let Some((status, body)) = state.canned.get(&key) {
        return Reply::new(*status, body.clone());
    }
    let answered = match service {
        Service::Arm => arm::answer(state, request),
        Service::Directory => directory::answer(state, request),
        Service::Google => google::answer(state, request),
        Service::Login if is_metadata(&request.path) => metadata::answer(state, request),
        Service::Login => login::answer(state, request),
        Service::Control => control::answer(state, request),
    };
    answered.unwrap_or_else(|refused| refused)
}

fn is_metadata(path: &str) -> bool {
    ["/metadata/", "/msi/", "/computeMetadata/"].iter().any(|start| path.starts_with(start))
}

/// An error in the words of a service.
///
/// Sources: Microsoft, "Common API error codes" (ARM: `error.code`, `error.message`); "Microsoft Graph error responses"
/// (`innerError`); Google, "Errors" of the API design guide (`error.code` a number, `error.status` a word).
pub(crate) fn error(service: Service, status: u16, code: &str, message: &str) -> Reply {
    let body = match service {
        Service::Google => {
            json!({ "error": { "code": status, "message": message, "status": google_status(status, code) } })
        }
        Service::Directory => {
            let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let id = "00000000-0000-0000-0000-000000000000";
            let inner = json!({ "date": now, "request-id": id, "client-request-id": id });
            json!({ "error": { "code": code, "message": message, "innerError": inner } })
        }
        Service::Login => json!({ "error": code, "error_description": message }),
        Service::Arm | Service::Control => json!({ "error": { "code": code, "message": message } }),
    };
    Reply::new(status, body)
}

/// Google's word for a status, where the code given is not one of them (google.rpc.Code).
fn google_status(status: u16, code: &str) -> &str {
    if code.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_') {
        return code;
    }
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_service() {
        for (path, service) in [
            ("/subscriptions", Service::Arm),
            ("/providers/Microsoft.ResourceGraph/resources", Service::Arm),
            ("/v1.0/users", Service::Directory),
            ("/v1/projects/p/assets", Service::Google),
            ("/v3/projects/p", Service::Google),
            ("/token", Service::Login),
            ("/v1/token", Service::Login),
            ("/tenant/oauth2/v2.0/token", Service::Login),
            ("/tenant/v2.0/.well-known/openid-configuration", Service::Login),
            ("/metadata/endpoints", Service::Login),
            ("/_fake/counts", Service::Control),
        ] {
            assert_eq!(Service::of(path), service, "{path}");
        }
    }

    #[test]
    fn google_errors_have_numbers_and_words() {
        let body = error(Service::Google, 403, "AuthorizationFailed", "no").body.unwrap();
        assert_eq!(body, json!({ "error": { "code": 403, "message": "no", "status": "PERMISSION_DENIED" } }));
    }
}
