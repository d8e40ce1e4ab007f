//! What AWS's error codes mean.
//!
//! Sources: botocore's `retries/standard.py` (codes that are tried again), "Common errors" of the service API
//! references, "Error codes for the Amazon EC2 API", "Error responses" of the S3 API reference.

use http::StatusCode;

use super::protocol::WireError;
use crate::call::FailureKind;
use crate::http::HttpResponse;
use crate::retry::{Again, Trouble, of_status, retry_after};

const THROTTLES: [&str; 16] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "TooManyRequests",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "RateExceeded",
];
const PASSING: [&str; 12] = [
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Unavailable",
    "IDPCommunicationError",
];
const CREDENTIALS: [&str; 18] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "InvalidToken",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "AuthFailure",
    "InvalidIdentityToken",
    "NotAuthorized",
];
const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const DENIED: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "UnauthorizedException",
    "UnauthorizedAccess",
    "AuthorizationError",
    "AuthorizationErrorException",
    "ForbiddenException",
    "Forbidden",
    "AllAccessDisabled",
    "ExplicitDeny",
    "KMSAccessDeniedException",
];
const NOT_OFFERED: [&str; 6] = [
    "OptInRequired",
    "SubscriptionRequiredException",
    "SubscriptionRequired",
    "RegionDisabledException",
    "NotSubscribedException",
    "EndpointNotAvailable",
];

/// Whether a code says that the credentials are too old, so that fresh ones may do.
pub fn is_expired(code: &str) -> bool {
    EXPIRED.contains(&code)
}

/// Whether an error says that the request's time is not the service's.
pub fn is_clock_skew(error: &WireError) -> bool {
    let about_time = ["Signature expired", "Signature not yet current"].iter().any(|text| error.message.contains(text));
    match error.code.as_str() {
        "RequestTimeTooSkewed" | "RequestInTheFuture" => true,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => about_time,
        _ => false,
    }
}

/// Whether an S3 error says that the bucket is in another region than the request was made for.
pub fn is_elsewhere(status: StatusCode, error: &WireError) -> bool {
    let codes = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ];
    status.is_redirection() || codes.contains(&error.code.as_str()) || status == StatusCode::BAD_REQUEST
}

/// What an error means: by its code where that is known, else by the status.
pub fn trouble(response: &HttpResponse, error: WireError) -> Trouble {
    let mut trouble = of_status(response.status, &response.headers, error.code.as_str(), error.message.as_str());
    let code = error.code.as_str();
    let asked = || retry_after(&response.headers, jiff::Timestamp::now());
    let known = if THROTTLES.contains(&code) {
        Some((FailureKind::Throttled, Again::Throttled(asked())))
    } else if PASSING.contains(&code) && response.status != StatusCode::SERVICE_UNAVAILABLE {
        Some((FailureKind::Unavailable, Again::Later))
    } else {
        kind_of(&error).map(|kind| (kind, Again::Never))
    };
    if let Some((kind, again)) = known {
        trouble.failure.kind = kind;
        trouble.again = again;
    }
    trouble
}

fn kind_of(error: &WireError) -> Option<FailureKind> {
    let code = error.code.as_str();
    if is_not_enabled(error) || NOT_OFFERED.contains(&code) {
        return Some(FailureKind::NotOffered);
    }
    if CREDENTIALS.contains(&code) {
        return Some(FailureKind::Credentials);
    }
    if DENIED.contains(&code) {
        return Some(FailureKind::Denied);
    }
    let missing = code.starts_with("NoSuch")
        || ["NotFound", "NonExistent", "DoesNotExist"].iter().any(|part| code.contains(part))
        || code == "AWSOrganizationsNotInUseException";
    missing.then_some(FailureKind::NotFound)
}

/// Security Hub, Macie, Inspector and others deny access to those who have not switched them on.
fn is_not_enabled(error: &WireError) -> bool {
    let says = ["is not enabled", "is not subscribed to", "not been enabled"];
    let denies = ["InvalidAccessException", "AccessDeniedException", "ValidationException"];
    denies.contains(&error.code.as_str()) && says.iter().any(|text| error.message.contains(text))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn of(status: u16, code: &str, message: &str) -> (FailureKind, Again) {
        let headers = HeaderMap::new();
        let response = HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() };
        let trouble = trouble(&response, WireError { code: code.to_owned(), message: message.to_owned() });
        assert_eq!(trouble.failure.code, code);
        (trouble.failure.kind, trouble.again)
    }

    #[test]
    fn codes_say_more_than_statuses() {
        let throttled = (FailureKind::Throttled, Again::Throttled(None));
        for (status, code) in [
            (400, "Throttling"),
            (400, "ThrottlingException"),
            (503, "RequestLimitExceeded"),
            (503, "SlowDown"),
            (400, "ProvisionedThroughputExceededException"),
            (429, "TooManyRequestsException"),
            (429, "429"),
        ] {
            assert_eq!(of(status, code, ""), throttled, "{code}");
        }
        assert_eq!(of(503, "ServiceUnavailable", ""), (FailureKind::Unavailable, Again::Throttled(None)));
        assert_eq!(of(500, "InternalError", ""), (FailureKind::Unavailable, Again::Later));
        assert_eq!(of(400, "RequestTimeout", ""), (FailureKind::Unavailable, Again::Later));
        for (status, code, message, kind) in [
            (400, "ExpiredToken", "", FailureKind::Credentials),
            (403, "InvalidClientTokenId", "", FailureKind::Credentials),
            (401, "AuthFailure", "", FailureKind::Credentials),
            (403, "SignatureDoesNotMatch", "", FailureKind::Credentials),
            (400, "AccessDeniedException", "User is not authorized", FailureKind::Denied),
            (403, "UnauthorizedOperation", "", FailureKind::Denied),
            (403, "AccessDenied", "", FailureKind::Denied),
            (404, "NoSuchBucketPolicy", "", FailureKind::NotFound),
            (400, "ResourceNotFoundException", "", FailureKind::NotFound),
            (400, "RepositoryPolicyNotFoundException", "", FailureKind::NotFound),
            (400, "AWS.SimpleQueueService.NonExistentQueue", "", FailureKind::NotFound),
            (400, "AWSOrganizationsNotInUseException", "", FailureKind::NotFound),
            (403, "OptInRequired", "", FailureKind::NotOffered),
            // A service that does not know the question says nothing about what there is.
            (400, "UnknownOperationException", "", FailureKind::Refused),
            (400, "InvalidAction", "", FailureKind::Refused),
            (403, "InvalidAccessException", "Account 1 is not subscribed to AWS Security Hub", FailureKind::NotOffered),
            (403, "AccessDeniedException", "Macie is not enabled", FailureKind::NotOffered),
            (400, "ValidationError", "", FailureKind::Refused),
            (404, "404", "", FailureKind::NotFound),
        ] {
            assert_eq!(of(status, code, message), (kind, Again::Never), "{code}");
        }
    }

    #[test]
    fn clock_skew_is_seen() {
        let of = |code: &str, message: &str| {
            is_clock_skew(&WireError { code: code.to_owned(), message: message.to_owned() })
        };
        assert!(of("RequestTimeTooSkewed", ""));
        assert!(of("SignatureDoesNotMatch", "Signature expired: 20150830T123600Z is now earlier than"));
        assert!(of("InvalidSignatureException", "Signature not yet current: 2015"));
        assert!(!of("SignatureDoesNotMatch", "The request signature we calculated does not match"));
    }

    #[test]
    fn messages_are_bounded() {
        let response = HttpResponse { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body: Bytes::new() };
        let long = WireError { code: "X".to_owned(), message: "é".repeat(5000) };
        assert_eq!(trouble(&response, long).failure.message.chars().count(), 1001);
    }
}
