//! What Google's errors mean.
//!
//! Sources: `google.rpc.Status`, `google.rpc.Code` and `google.rpc.ErrorInfo`/`RetryInfo`/`BadRequest` (AIP-193);
//! "Standard error responses" of the older JSON APIs (`errors[].reason`); RFC 6749, 5.2 (token endpoints).

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::call::{CallFailure, FailureKind};
use crate::http::HttpResponse;
use crate::retry::{Again, LONGEST_MESSAGE, Trouble, of_status, retry_after, shortened};

/// The service is switched off in the project that pays for the call, or nobody pays.
const NOT_OFFERED: [&str; 2] = ["SERVICE_DISABLED", "BILLING_DISABLED"];
const NOT_OFFERED_OLD: [&str; 1] = ["accessNotConfigured"];
/// These come with status 403.
const THROTTLES_OLD: [&str; 4] = ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"];

/// A failure that we decide on, before anything is sent.
pub fn refused(message: impl Into<String>) -> CallFailure {
    CallFailure { kind: FailureKind::Refused, code: "Refused".to_owned(), message: message.into() }
}

/// Credentials that cannot be had.
pub fn no_credentials(message: impl Into<String>) -> CallFailure {
    CallFailure { kind: FailureKind::Credentials, code: "NoCredentials".to_owned(), message: message.into() }
}

/// An error as Google writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireError {
    /// The word for the status (`PERMISSION_DENIED`), the code of a token endpoint (`invalid_grant`), or the number.
    pub code: String,
    /// The reason of an `ErrorInfo`, or of an older error.
    pub reason: String,
    /// What happened, with the violations that are named.
    pub message: String,
    /// How long to wait.
    pub retry_delay: Option<Duration>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    details: Vec<Detail>,
    #[serde(default)]
    errors: Vec<Detail>,
}

/// Any of the details; members that are of another shape are not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default)]
    reason: Json,
    #[serde(default)]
    retry_delay: Json,
    #[serde(default)]
    field_violations: Json,
}

/// The error in the body of an answer; by the status alone where the body is of another shape.
pub fn error_of(response: &HttpResponse) -> WireError {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    // Streams answer with a list of one.
    let error = body.get("error").or_else(|| body.get(0)?.get("error"));
    let found = match error {
        Some(Json::String(code)) => Some(of_token_endpoint(code, &body)),
        Some(error) => Status::deserialize(error).ok().map(of_rpc),
        None => None,
    };
    let mut found = found.unwrap_or_default();
    if found.code.is_empty() {
        found.code = response.status.as_u16().to_string();
    }
    if found.message.is_empty() {
        found.message = format!("the answer was {}", response.status.as_u16());
    }
    found.message = shortened(&found.message, LONGEST_MESSAGE);
    found
}

fn of_token_endpoint(code: &str, body: &Json) -> WireError {
    let text = |name: &str| body.get(name).and_then(Json::as_str).unwrap_or_default();
    WireError {
        code: code.to_owned(),
        reason: text("error_subtype").to_owned(),
        message: text("error_description").to_owned(),
        retry_delay: None,
    }
}

fn of_rpc(status: Status) -> WireError {
    let mut error = WireError { code: status.status, message: status.message, ..WireError::default() };
    for detail in status.details.iter().chain(&status.errors) {
        if let Some(reason) = detail.reason.as_str().filter(|_| error.reason.is_empty()) {
            error.reason = reason.to_owned();
        }
        error.retry_delay = error.retry_delay.or_else(|| seconds(detail.retry_delay.as_str()?));
        for violation in detail.field_violations.as_array().into_iter().flatten() {
            let text = |name: &str| violation.get(name).and_then(Json::as_str).unwrap_or_default();
            error.message.push_str(&format!("; {}: {}", text("field"), text("description")));
        }
    }
    error
}

/// A `google.protobuf.Duration` in JSON: `3.5s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// What an error means: by reason and word where they are known, else by the status.
pub fn trouble(response: &HttpResponse, error: WireError) -> Trouble {
    let asked = || error.retry_delay.or_else(|| retry_after(&response.headers, jiff::Timestamp::now()));
    let reason = error.reason.as_str();
    let known = match error.code.as_str() {
        _ if NOT_OFFERED.contains(&reason) || NOT_OFFERED_OLD.contains(&reason) => {
            Some((FailureKind::NotOffered, Again::Never))
        }
        _ if THROTTLES_OLD.contains(&reason) => Some((FailureKind::Throttled, Again::Throttled(asked()))),
        "RESOURCE_EXHAUSTED" => Some((FailureKind::Throttled, Again::Throttled(asked()))),
        "PERMISSION_DENIED" => Some((FailureKind::Denied, Again::Never)),
        "UNAUTHENTICATED" => Some((FailureKind::Credentials, Again::Never)),
        "NOT_FOUND" => Some((FailureKind::NotFound, Again::Never)),
        "UNAVAILABLE" => Some((FailureKind::Unavailable, Again::Throttled(asked()))),
        "UNIMPLEMENTED" => Some((FailureKind::Unavailable, Again::Never)),
        "INTERNAL" | "DEADLINE_EXCEEDED" | "ABORTED" => Some((FailureKind::Unavailable, Again::Later)),
        code if is_of_token_endpoint(code) => Some((FailureKind::Credentials, Again::Never)),
        _ if response.status == StatusCode::TOO_MANY_REQUESTS => {
            Some((FailureKind::Throttled, Again::Throttled(asked())))
        }
        _ => None,
    };
    let code = if NOT_OFFERED.contains(&reason) { reason } else { error.code.as_str() };
    let mut trouble = of_status(response.status, &response.headers, code, error.message.as_str());
    if let Some((kind, again)) = known {
        trouble.failure.kind = kind;
        trouble.again = again;
    }
    trouble
}

fn is_of_token_endpoint(code: &str) -> bool {
    let codes = [
        "invalid_grant",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
        "deleted_client",
        "disabled_client",
        "admin_policy_enforced",
    ];
    codes.contains(&code)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn of(status: u16, body: impl Into<String>) -> Trouble {
        let status = StatusCode::from_u16(status).unwrap();
        let response = HttpResponse { status, headers: HeaderMap::new(), body: body.into().into() };
        trouble(&response, error_of(&response))
    }

    fn check(status: u16, body: Json, code: &str, kind: FailureKind, again: Again) {
        let trouble = of(status, body.to_string());
        let found = (trouble.failure.code.as_str(), trouble.failure.kind, trouble.again);
        assert_eq!(found, (code, kind, again), "{body}");
    }

    fn rpc(status: u16, word: &str, details: Json) -> Json {
        json!({"error": {"code": status, "message": "what happened", "status": word, "details": details}})
    }

    fn info(reason: &str) -> Json {
        let kind = "type.googleapis.com/google.rpc.ErrorInfo";
        json!([{"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": {"service": "x"}}])
    }

    #[test]
    fn words_and_reasons_say_more_than_statuses() {
        let never = Again::Never;
        let denied = "PERMISSION_DENIED";
        check(403, rpc(403, denied, json!([])), denied, FailureKind::Denied, never);
        check(403, rpc(403, denied, info("IAM_PERMISSION_DENIED")), denied, FailureKind::Denied, never);
        for reason in NOT_OFFERED {
            check(403, rpc(403, denied, info(reason)), reason, FailureKind::NotOffered, never);
        }
        check(401, rpc(401, "UNAUTHENTICATED", json!([])), "UNAUTHENTICATED", FailureKind::Credentials, never);
        check(404, rpc(404, "NOT_FOUND", json!([])), "NOT_FOUND", FailureKind::NotFound, never);
        check(400, rpc(400, "INVALID_ARGUMENT", json!([])), "INVALID_ARGUMENT", FailureKind::Refused, never);
        check(400, rpc(400, "FAILED_PRECONDITION", json!([])), "FAILED_PRECONDITION", FailureKind::Refused, never);
        let throttled = Again::Throttled(None);
        check(429, rpc(429, "RESOURCE_EXHAUSTED", json!([])), "RESOURCE_EXHAUSTED", FailureKind::Throttled, throttled);
        check(429, json!({}), "429", FailureKind::Throttled, throttled);
        check(503, rpc(503, "UNAVAILABLE", json!([])), "UNAVAILABLE", FailureKind::Unavailable, throttled);
        check(500, rpc(500, "INTERNAL", json!([])), "INTERNAL", FailureKind::Unavailable, Again::Later);
        check(501, rpc(501, "UNIMPLEMENTED", json!([])), "UNIMPLEMENTED", FailureKind::Unavailable, never);
        check(502, json!("<html>"), "502", FailureKind::Unavailable, Again::Later);
        check(400, json!({"error": "invalid_grant"}), "invalid_grant", FailureKind::Credentials, never);
        check(401, json!({"error": "invalid_client"}), "invalid_client", FailureKind::Credentials, never);
        check(500, json!({"error": "internal_failure"}), "internal_failure", FailureKind::Unavailable, Again::Later);
        check(403, json!([rpc(403, denied, json!([]))]), denied, FailureKind::Denied, never);
    }

    #[test]
    fn older_errors_are_read_too() {
        let old = |reason: &str| json!({"error": {"code": 403, "message": "m", "errors": [{"reason": reason}]}});
        check(403, old("accessNotConfigured"), "403", FailureKind::NotOffered, Again::Never);
        check(403, old("rateLimitExceeded"), "403", FailureKind::Throttled, Again::Throttled(None));
        check(403, old("forbidden"), "403", FailureKind::Denied, Again::Never);
    }

    #[test]
    fn waits_are_taken_from_the_details() {
        let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.5s"}]);
        let trouble = of(429, rpc(429, "RESOURCE_EXHAUSTED", details).to_string());
        assert_eq!(trouble.again, Again::Throttled(Some(Duration::from_millis(2500))));
    }

    #[test]
    fn violations_are_part_of_the_message() {
        let violations = json!([{"fieldViolations": [{"field": "asset_types", "description": "no x/Y"}]}]);
        let trouble = of(400, rpc(400, "INVALID_ARGUMENT", violations).to_string());
        assert_eq!(trouble.failure.message, "what happened; asset_types: no x/Y");
    }

    #[test]
    fn broken_errors_are_told_by_their_status() {
        let deep = "[".repeat(10_000);
        for body in ["", "{", "<html>", "{\"error\":5}", "{\"error\":{\"details\":3}}", "[]", deep.as_str()] {
            let trouble = of(403, body);
            assert_eq!(
                (trouble.failure.code.as_str(), trouble.failure.kind),
                ("403", FailureKind::Denied),
                "{body:.20}"
            );
            assert_eq!(trouble.failure.message, "the answer was 403");
        }
        let long = json!({"error": {"message": "é".repeat(5000)}}).to_string();
        assert_eq!(of(403, long).failure.message.chars().count(), LONGEST_MESSAGE + 1);
    }
}
