//! What the error answers of Azure Resource Manager, Resource Graph and Microsoft Graph mean.
//!
//! Sources: Microsoft, "Troubleshoot common Azure deployment errors" (codes of Resource Manager), "Understand how Azure
//! Resource Manager throttles requests", "Microsoft Graph error responses and resource types", "Troubleshoot errors using
//! Azure Resource Graph".

use std::time::Duration;

use serde_json::Value as Json;

use crate::call::{CallFailure, FailureKind};
use crate::http::HttpResponse;
use crate::retry::{Again, Trouble, of_status, retry_after};

const THROTTLES: [&str; 6] = [
    "TooManyRequests",
    "SubscriptionRequestsThrottled",
    "TenantRequestsThrottled",
    "ResourceRequestsThrottled",
    "RateLimiting",
    "activityLimitReached",
];
/// What passes although its status does not say so.
const PASSING: [&str; 6] = [
    "RetryableError",
    "AnotherOperationInProgress",
    "ServerTimeout",
    "GatewayTimeout",
    "OperationTimedOut",
    "InternalServerError",
];
const RENEWABLE: [&str; 3] = ["ExpiredAuthenticationToken", "InvalidAuthenticationToken", "AuthenticationFailed"];
const CREDENTIALS: [&str; 7] = [
    "ExpiredAuthenticationToken",
    "InvalidAuthenticationToken",
    "InvalidAuthenticationTokenTenant",
    "InvalidAuthenticationTokenAudience",
    "InvalidAuthenticationInfo",
    "AuthenticationFailed",
    "AuthenticationFailedMissingToken",
];
const DENIED: [&str; 7] = [
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    "Authorization_RequestDenied",
    "AccessDenied",
    "Forbidden",
    "AuthorizationPermissionMismatch",
    // Resource Graph: none of the subscriptions may be read.
    "NoValidSubscriptionsInQueryRequest",
];
const NOT_OFFERED: [&str; 7] = [
    "SubscriptionNotRegistered",
    "MissingSubscriptionRegistration",
    "NoRegisteredProviderFound",
    "LocationNotAvailableForResourceType",
    "LocationNotAvailable",
    "InvalidResourceNamespace",
    "FeatureNotSupportedInRegion",
];

/// An error, as an answer says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureError {
    /// The code; empty when there is none.
    pub code: String,
    /// The message, with those of the details.
    pub message: String,
    /// The codes of the details.
    pub details: Vec<String>,
}

impl AzureError {
    /// Reads the body of an error answer, in any of its forms: `{"error": {"code", "message", "details"}}`, the same
    /// without `error`, or OData's.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).map(|body: Json| Self::of(&body)).unwrap_or_default()
    }

    pub(super) fn of(body: &Json) -> Self {
        let error = ["error", "odata.error"].iter().find_map(|name| body.get(name)).unwrap_or(body);
        let text = |value: &Json, name: &str| match value.get(name) {
            Some(Json::String(text)) => text.trim().to_owned(),
            // OData writes `{"lang", "value"}`.
            Some(Json::Object(inner)) => inner.get("value").and_then(Json::as_str).unwrap_or_default().to_owned(),
            Some(Json::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let mut found = Self { code: text(error, "code"), message: text(error, "message"), details: Vec::new() };
        for detail in error.get("details").and_then(Json::as_array).into_iter().flatten().take(10) {
            let (code, message) = (text(detail, "code"), text(detail, "message"));
            if !message.is_empty() && !found.message.contains(&message) {
                found.message = format!("{} {code}: {message}", found.message).trim().to_owned();
            }
            found.details.push(code);
        }
        found
    }
}

/// Whether another token may help.
pub fn wants_renewal(failure: &CallFailure) -> bool {
    failure.kind == FailureKind::Credentials && RENEWABLE.contains(&failure.code.as_str())
}

/// What an error answer means: by its code where that is known, else by the status.
pub fn trouble(response: &HttpResponse) -> Trouble {
    let error = AzureError::read(&response.body);
    let code = match error.code.as_str() {
        "" => response.status.as_str().to_owned(),
        code => code.to_owned(),
    };
    let mut trouble = of_status(response.status, &response.headers, code, error.message.as_str());
    let code = error.code.as_str();
    let wait = retry_after(&response.headers, jiff::Timestamp::now()).or_else(|| quota_resets_after(response));
    if THROTTLES.contains(&code) || matches!(trouble.again, Again::Throttled(_)) {
        if THROTTLES.contains(&code) {
            trouble.failure.kind = FailureKind::Throttled;
        }
        trouble.again = Again::Throttled(wait);
    } else if PASSING.contains(&code) {
        trouble.failure.kind = FailureKind::Unavailable;
        trouble.again = Again::Later;
    } else if response.status.is_client_error()
        && let Some(kind) = kind_of(&error)
    {
        trouble.failure.kind = kind;
        trouble.again = Again::Never;
    }
    trouble
}

fn kind_of(error: &AzureError) -> Option<FailureKind> {
    let is_one_of = |codes: &[&str]| {
        codes.contains(&error.code.as_str()) || error.details.iter().any(|code| codes.contains(&code.as_str()))
    };
    if is_one_of(&NOT_OFFERED) {
        return Some(if is_wrong_version(&error.message) { FailureKind::Refused } else { FailureKind::NotOffered });
    }
    if is_one_of(&CREDENTIALS) {
        return Some(FailureKind::Credentials);
    }
    if is_one_of(&DENIED) {
        return Some(FailureKind::Denied);
    }
    let missing = ["NotFound", "DoesNotExist"].iter().any(|part| error.code.contains(part));
    missing.then_some(FailureKind::NotFound)
}

/// `NoRegisteredProviderFound` is also what an API version gives that the type does not have; then the type is offered,
/// and nothing may be concluded from the answer.
fn is_wrong_version(message: &str) -> bool {
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let ours = after("API version '").and_then(|rest| rest.split('\'').next());
    let theirs = after("supported api-versions are '").and_then(|rest| rest.split('\'').next());
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => !theirs.split(',').any(|version| version.trim() == ours),
        _ => false,
    }
}

/// How long until the quota of Resource Graph is full again (`hh:mm:ss`).
pub(super) fn quota_resets_after(response: &HttpResponse) -> Option<Duration> {
    let text = response.header("x-ms-user-quota-resets-after")?;
    let mut parts = text.trim().split(':').map(|part| part.parse::<u32>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let seconds = u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
    parts.next().is_none().then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn response(status: u16, body: &Json) -> HttpResponse {
        let status = StatusCode::from_u16(status).unwrap();
        HttpResponse { status, headers: HeaderMap::new(), body: Bytes::from(body.to_string()) }
    }

    fn of(status: u16, code: &str, message: &str) -> (FailureKind, Again) {
        let trouble = trouble(&response(status, &json!({ "error": { "code": code, "message": message } })));
        assert_eq!((trouble.failure.code.as_str(), trouble.failure.message.as_str()), (code, message));
        (trouble.failure.kind, trouble.again)
    }

    #[test]
    fn codes_say_more_than_statuses() {
        let kinds = [
            (401, "ExpiredAuthenticationToken", FailureKind::Credentials),
            (401, "InvalidAuthenticationTokenTenant", FailureKind::Credentials),
            (403, "AuthorizationFailed", FailureKind::Denied),
            (401, "LinkedAuthorizationFailed", FailureKind::Denied),
            (403, "Authorization_RequestDenied", FailureKind::Denied),
            (409, "MissingSubscriptionRegistration", FailureKind::NotOffered),
            (404, "SubscriptionNotRegistered", FailureKind::NotOffered),
            (400, "LocationNotAvailableForResourceType", FailureKind::NotOffered),
            // No licence for the report does not mean that nobody has registered: nothing is known.
            (403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", FailureKind::Denied),
            (404, "ResourceNotFound", FailureKind::NotFound),
            (404, "NotFound", FailureKind::NotFound),
            (400, "ParentResourceNotFound", FailureKind::NotFound),
            (404, "Request_ResourceNotFound", FailureKind::NotFound),
            (400, "DatabaseDoesNotExist", FailureKind::NotFound),
            (400, "InvalidApiVersionParameter", FailureKind::Refused),
            (404, "SomethingNew", FailureKind::NotFound),
        ];
        for (status, code, kind) in kinds {
            assert_eq!(of(status, code, "why"), (kind, Again::Never), "{code}");
        }
        for (status, code) in [(429, "TooManyRequests"), (429, "Anything"), (400, "SubscriptionRequestsThrottled")] {
            assert_eq!(of(status, code, "why"), (FailureKind::Throttled, Again::Throttled(None)), "{code}");
        }
        assert_eq!(of(503, "ServiceUnavailable", ""), (FailureKind::Unavailable, Again::Throttled(None)));
        assert_eq!(of(500, "AuthorizationFailed", ""), (FailureKind::Unavailable, Again::Later));
        assert_eq!(of(409, "RetryableError", ""), (FailureKind::Unavailable, Again::Later));
    }

    #[test]
    fn a_version_that_is_not_offered_is_our_mistake() {
        let message = |versions: &str| {
            format!(
                "No registered resource provider found for location 'japaneast' and API version '2021-01-01' for type \
                 'servers'. The supported api-versions are '{versions}'. The supported locations are 'westus'."
            )
        };
        let of = |text: &str| of(400, "NoRegisteredProviderFound", text).0;
        assert_eq!(of(&message("2020-01-01, 2021-01-01")), FailureKind::NotOffered);
        assert_eq!(of(&message("2020-01-01, 2021-01-01-preview")), FailureKind::Refused);
        assert_eq!(of("No provider."), FailureKind::NotOffered);
    }

    #[test]
    fn all_forms_of_errors_are_read() {
        let detail = json!([{ "code": "InvalidQuery", "message": "bad" }, { "code": "X", "message": "worse" }]);
        for (body, code, message) in [
            (json!({ "error": { "code": "A", "message": "m" } }), "A", "m"),
            (json!({ "code": "A", "message": "m" }), "A", "m"),
            (json!({ "odata.error": { "code": "A", "message": { "lang": "en", "value": "m" } } }), "A", "m"),
            (
                json!({ "error": { "code": "A", "message": "m", "details": detail } }),
                "A",
                "m InvalidQuery: bad X: worse",
            ),
            (json!({ "error": "A" }), "", ""),
            (json!([]), "", ""),
        ] {
            let error = AzureError::of(&body);
            assert_eq!((error.code.as_str(), error.message.as_str()), (code, message), "{body}");
        }
        assert_eq!(AzureError::read(b"<html>"), AzureError::default());
        let silent = trouble(&response(403, &json!({})));
        assert_eq!((silent.failure.kind, silent.failure.code.as_str()), (FailureKind::Denied, "403"));
        let details = json!([{ "code": "NoValidSubscriptionsInQueryRequest", "message": "m" }]);
        let hidden = response(400, &json!({ "error": { "code": "BadRequest", "message": "", "details": details } }));
        assert_eq!(trouble(&hidden).failure.kind, FailureKind::Denied);
        let long = response(400, &json!({ "error": { "code": "A", "message": "é".repeat(5000) } }));
        assert_eq!(trouble(&long).failure.message.chars().count(), 1001);
    }

    #[test]
    fn the_quotas_clock_is_read() {
        for (text, seconds) in [
            ("00:00:05", Some(5)),
            ("01:02:03", Some(3723)),
            ("5", None),
            ("00:00:00:05", None),
            ("a:b:c", None),
            ("00:00:-1", None),
        ] {
            let mut throttled = response(429, &json!({}));
            throttled.headers.insert("x-ms-user-quota-resets-after", HeaderValue::from_static(text));
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(quota_resets_after(&throttled), expected, "{text}");
            assert_eq!(trouble(&throttled).again, Again::Throttled(expected));
            throttled.headers.insert("retry-after", HeaderValue::from_static("2"));
            assert_eq!(trouble(&throttled).again, Again::Throttled(Some(Duration::from_secs(2))));
        }
    }

    #[test]
    fn only_some_failures_want_another_token() {
        let failure = |kind, code: &str| CallFailure { kind, code: code.to_owned(), message: String::new() };
        assert!(wants_renewal(&failure(FailureKind::Credentials, "ExpiredAuthenticationToken")));
        assert!(!wants_renewal(&failure(FailureKind::Credentials, "InvalidAuthenticationTokenTenant")));
        assert!(!wants_renewal(&failure(FailureKind::Credentials, "AADSTS7000215")));
        assert!(!wants_renewal(&failure(FailureKind::Denied, "AuthorizationFailed")));
    }
}
