//! Signature Version 4, by AWS's own crate.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign as sign_v4,
};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue};

use super::credentials::AwsCredentials;
use crate::http::HttpRequest;

/// What a signature is made for.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// The service's name in signatures.
    pub service: &'a str,
    /// The region.
    pub region: &'a str,
    /// The time that the service has.
    pub now: SystemTime,
}

/// Adds the headers of a signature to a request that is otherwise ready. An error never holds a secret.
pub fn sign(request: &mut HttpRequest, credentials: &AwsCredentials, signing: Signing<'_>) -> Result<(), String> {
    let identity = Credentials::new(
        credentials.access_key_id.clone(),
        credentials.secret_access_key.expose(),
        credentials.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "yagura",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(signing.region)
        .name(signing.service)
        .time(signing.now)
        .settings(settings(signing.service))
        .build()
        .map_err(|error| format!("cannot sign: {error}"))?
        .into();
    let headers: Vec<(&str, &str)> =
        request.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(request.method.as_str(), request.url.as_str(), headers.into_iter(), body)
        .map_err(|_| "cannot sign: the request has no signable form".to_owned())?;
    let signed = sign_v4(signable, &params).map_err(|_| "cannot sign the request".to_owned())?;
    let (instructions, _) = signed.into_parts();
    let (added, _) = instructions.into_parts();
    for header in added {
        let name =
            HeaderName::from_bytes(header.name().as_bytes()).map_err(|_| "cannot sign: header name".to_owned())?;
        let mut value =
            HeaderValue::from_str(header.value()).map_err(|_| format!("cannot sign: the value of {name}"))?;
        value.set_sensitive(true);
        request.headers.insert(name, value);
    }
    Ok(())
}

/// S3 signs paths as they are and wants the hash of the body in a header ("Authenticating Requests" in its API
/// reference); all others sign paths encoded twice.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::Secret;

    fn authorization(mut request: HttpRequest, service: &str, token: Option<&str>) -> (String, HttpRequest) {
        let credentials = AwsCredentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::new),
            expires: None,
        };
        // 2015-08-30T12:36:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        sign(&mut request, &credentials, Signing { service, region: "us-east-1", now }).unwrap();
        (request.headers["authorization"].to_str().unwrap().to_owned(), request)
    }

    /// The case `get-vanilla` of AWS's Signature Version 4 test suite.
    #[test]
    fn the_published_case_comes_out() {
        let (text, request) = authorization(HttpRequest::get("https://example.amazonaws.com/"), "service", None);
        assert_eq!(
            text,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert!(request.headers["authorization"].is_sensitive());
    }

    /// Signatures that botocore 1.44.5 makes for the same requests.
    #[test]
    fn signatures_are_those_of_botocore() {
        let signature = |request, service, token| {
            let (text, _) = authorization(request, service, token);
            text.rsplit_once("Signature=").unwrap().1.to_owned()
        };
        let path = "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda/policy?b=2&a=x%20y";
        assert_eq!(signature(HttpRequest::get(path), "lambda", Some("TOKEN")), LAMBDA);
        let bucket = "https://s3.us-east-1.amazonaws.com/my.bucket/a%20b//c?policy";
        assert_eq!(signature(HttpRequest::get(bucket), "s3", Some("TOKEN")), S3);
    }

    const LAMBDA: &str = "4ace4bca422930977da73850a4f67caf38437c4426f647fbf72c82a2c214c8ed";
    const S3: &str = "996d951866d469ab5bb8eceb9419627a56be587611a9bca735108274c746bc71";
}
