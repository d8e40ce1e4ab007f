//! Tokens of other identities, which Google takes in place of its own: from a file, an address, a program, or an AWS
//! role.
//!
//! Source: AIP-4117 (external accounts), AIP-4116 and "Workload identity federation with AWS" (the signed request to
//! STS). What a file names is not trusted: addresses are public and HTTPS, or metadata addresses.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, Method, header};
use serde_json::{Value as Json, json};
use url::{Host, Url};

use super::account_file::{External, ExternalSource, SubjectFormat, read_file};
use super::credentials::Surroundings;
use super::errors::no_credentials;
use crate::address::AddressKind;
use crate::aws::credentials as aws;
use crate::aws::endpoint::Endpoints;
use crate::aws::model::Model;
use crate::aws::sign::{Signing, sign};
use crate::aws::wire::Wire as AwsWire;
use crate::call::CallFailure;
use crate::http::{Http, HttpRequest, HttpSettings};
use crate::program::{self, Program};
use crate::secret::Secret;

/// Answers hold one token.
const LONGEST_ANSWER: usize = 1 << 20;

/// Refuses a source that names what belongs to this machine: its files, programs, roles and metadata.
pub fn check_stands_alone(source: &ExternalSource, whose: &str) -> Result<(), CallFailure> {
    let named = match source {
        ExternalSource { file: Some(_), .. } => "a file",
        ExternalSource { executable: Some(_), .. } => "a program",
        ExternalSource { environment_id: Some(_), .. } => "the AWS role",
        ExternalSource { url: Some(url), .. } if !url.starts_with("https://") => "the metadata",
        _ => return Ok(()),
    };
    Err(no_credentials(format!(
        "{whose} names {named} of the machine it was made for: set GOOGLE_APPLICATION_CREDENTIALS there instead"
    )))
}

/// The token of the other identity.
pub async fn subject_token(shared: &Surroundings, account: &External, whose: &str) -> Result<Secret, CallFailure> {
    match &account.credential_source {
        ExternalSource { environment_id: Some(id), .. } if id == "aws1" => of_aws(shared, account).await,
        ExternalSource { environment_id: Some(_), .. } => {
            Err(no_credentials(format!("{whose} names an environment_id that is not known: only aws1 is")))
        }
        ExternalSource { file: Some(file), format, .. } => {
            let text = read_file(Path::new(file)).await;
            let text = text.map_err(|error| no_credentials(format!("cannot read the token file {file}: {error}")))?;
            in_format(text, format, "the token file")
        }
        source @ ExternalSource { url: Some(url), format, .. } => {
            in_format(of_url(shared, source, url).await?, format, "the address of the token")
        }
        ExternalSource { executable: Some(executable), .. } => {
            of_program(shared, account, &executable.command, whose).await
        }
        _ => Err(no_credentials(format!(
            "{whose} names no source of tokens that is known: file, url, executable or AWS"
        ))),
    }
}

fn in_format(text: Secret, format: &SubjectFormat, whose: &str) -> Result<Secret, CallFailure> {
    let token = match format.kind.as_str() {
        "" | "text" => Some(Secret::new(text.expose().trim())),
        "json" => {
            let json: Json = serde_json::from_str(text.expose()).unwrap_or_default();
            json.get(&format.subject_token_field_name).and_then(Json::as_str).map(Secret::new)
        }
        _ => return Err(no_credentials(format!("{whose} has a format that is neither text nor json"))),
    };
    let token = token.filter(|token| !token.expose().is_empty());
    token.ok_or_else(|| no_credentials(format!("{whose} holds no token")))
}

async fn of_url(shared: &Surroundings, source: &ExternalSource, url: &str) -> Result<Secret, CallFailure> {
    let mut request = HttpRequest::get(url);
    for (name, value) in &source.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| no_credentials("the credential_source has a header whose name HTTP cannot carry"))?;
        request = request.with_header(name, value.expose())?;
    }
    let settings = shared.wire.http().settings();
    let parsed = Url::parse(url).map_err(|_| no_credentials("the url of the credential_source is not a URL"))?;
    let http = if is_plain_inside(&parsed, settings.allow_private) {
        Http::new(HttpSettings { allow_private: settings.allow_private, ..HttpSettings::for_metadata() })?
    } else if parsed.scheme() == "https" {
        // Private addresses are refused by the client itself, unless they are open.
        Http::new(HttpSettings { longest_body: LONGEST_ANSWER, ..settings.clone() })?
    } else {
        return Err(no_credentials("the url of the credential_source is plain HTTP, which is for metadata alone"));
    };
    let answer = http.send(request).await?;
    if !answer.status.is_success() {
        return Err(no_credentials(format!("the address of the token answered {}", answer.status.as_u16())));
    }
    match std::str::from_utf8(&answer.body) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(no_credentials("the address of the token gave no text")),
    }
}

/// Plain HTTP to the metadata address of a cloud, or to a private one where those are open.
fn is_plain_inside(url: &Url, allow_private: bool) -> bool {
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        _ => return false,
    };
    let kind = AddressKind::of(address);
    url.scheme() == "http" && (kind == AddressKind::Metadata || allow_private && kind == AddressKind::Private)
}

/// Runs the program of an `executable` (without a shell) and reads the token that it prints (AIP-4117, "Determining the
/// subject token in executable-sourced credentials").
async fn of_program(
    shared: &Surroundings,
    account: &External,
    command: &str,
    whose: &str,
) -> Result<Secret, CallFailure> {
    if !shared.allow_process {
        return Err(no_credentials(format!("{whose} wants a program run (executable), which is not allowed")));
    }
    let taken = account.service_account_impersonation_url.as_deref().unwrap_or_default();
    let variables = [
        ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", account.audience.as_str()),
        ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", account.subject_token_type.as_str()),
        ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0"),
        ("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", taken.rsplit('/').next().unwrap_or_default()),
    ];
    let output = program::output_of(Program { command, named: "executable", variables: &variables }).await;
    let output = output.map_err(no_credentials)?;
    let answer: Json = serde_json::from_slice(&output).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    if answer.get("success").and_then(Json::as_bool) != Some(true) {
        let code = text("code").unwrap_or("without a code");
        return Err(no_credentials(format!("the executable said that it failed ({code})")));
    }
    let token = text("id_token").or_else(|| text("saml_response"));
    token.map(Secret::new).ok_or_else(|| no_credentials("the executable printed no token"))
}

/// A request to AWS's STS that is signed and not sent: Google sends it, and so learns whose keys signed it.
async fn of_aws(shared: &Surroundings, account: &External) -> Result<Secret, CallFailure> {
    let environment = &shared.environment;
    let region = environment.get("AWS_REGION").or_else(|| environment.get("AWS_DEFAULT_REGION")).unwrap_or("us-east-1");
    let fixed = account.credential_source.regional_cred_verification_url.as_deref();
    let url = fixed
        .unwrap_or("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15")
        .replace("{region}", region);
    check_sts(&url, region)?;
    let keys = aws_keys(shared, region).await?;
    let request = signed_identity(&url, region, &account.audience, &keys)?;
    Ok(Secret::new(percent_encoding::utf8_percent_encode(&request, percent_encoding::NON_ALPHANUMERIC).to_string()))
}

/// Only STS may get a signature.
fn check_sts(url: &str, region: &str) -> Result<(), CallFailure> {
    let host = format!("sts.{region}.amazonaws.com");
    let is_sts = Url::parse(url).is_ok_and(|parsed| {
        parsed.scheme() == "https" && parsed.port().is_none() && parsed.host_str() == Some(host.as_str())
    });
    if is_sts { Ok(()) } else { Err(no_credentials(format!("the regional_cred_verification_url is not at {host}"))) }
}

async fn aws_keys(shared: &Surroundings, region: &str) -> Result<Arc<aws::AwsCredentials>, CallFailure> {
    let model = Model::embedded().map_err(no_credentials)?;
    let endpoints = Endpoints::new(model, region, None);
    let (http, retrying) = (shared.wire.http().clone(), shared.wire.retrying().clone());
    let surroundings = aws::Surroundings {
        wire: Arc::new(AwsWire::new(model, endpoints, http, retrying)),
        environment: shared.environment.clone(),
        allow_process: shared.allow_process,
    };
    aws::Provider::new(Arc::new(surroundings), aws::AwsSource::Default { profile: None }).credentials().await
}

/// The request as Google wants it: JSON of URL, method and headers, the audience among the signed ones.
fn signed_identity(url: &str, region: &str, audience: &str, keys: &aws::AwsCredentials) -> Result<String, CallFailure> {
    let host = format!("sts.{region}.amazonaws.com");
    let mut request = HttpRequest::new(Method::POST, url)
        .with_header(header::HOST, &host)?
        .with_header(HeaderName::from_static("x-goog-cloud-target-resource"), audience)?;
    let signing = Signing { service: "sts", region, now: std::time::SystemTime::now() };
    sign(&mut request, keys, signing).map_err(no_credentials)?;
    let mut headers = Vec::new();
    for (name, value) in &request.headers {
        let value = value.to_str().map_err(|_| no_credentials("a signed header is not text"))?;
        headers.push(json!({ "key": name.as_str(), "value": value }));
    }
    Ok(json!({ "url": url, "method": "POST", "headers": headers }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_of_their_format() {
        let format =
            |kind: &str, name: &str| SubjectFormat { kind: kind.to_owned(), subject_token_field_name: name.to_owned() };
        let of = |text: &str, kind: &str, name: &str| {
            let found = in_format(Secret::new(text), &format(kind, name), "the file");
            found.map(|token| token.expose().to_owned()).map_err(|failure| failure.message)
        };
        assert_eq!(of(" token\n", "", ""), Ok("token".to_owned()));
        assert_eq!(of("token", "text", ""), Ok("token".to_owned()));
        assert_eq!(of(r#"{"a": "token"}"#, "json", "a"), Ok("token".to_owned()));
        for (text, kind, name) in
            [("", "", ""), ("{}", "json", "a"), (r#"{"a": 1}"#, "json", "a"), ("hunter2", "json", "a")]
        {
            let message = of(text, kind, name).unwrap_err();
            assert_eq!(message, "the file holds no token");
        }
        assert!(of("hunter2", "xml", "").unwrap_err().contains("neither text nor json"));
    }

    #[test]
    fn plain_addresses_are_metadata_or_open_private_ones() {
        for (url, private, expected) in [
            ("http://169.254.169.254/metadata/identity", false, true),
            ("https://169.254.169.254/", false, false),
            ("http://127.0.0.1:9/", false, false),
            ("http://127.0.0.1:9/", true, true),
            ("http://8.8.8.8/", true, false),
            ("http://metadata.example/", true, false),
        ] {
            assert_eq!(is_plain_inside(&Url::parse(url).unwrap(), private), expected, "{url}");
        }
    }

    #[test]
    fn only_sts_gets_a_signature() {
        let of = |url: &str| check_sts(url, "eu-west-1").is_ok();
        assert!(of("https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"));
        for url in [
            "http://sts.eu-west-1.amazonaws.com/",
            "https://sts.eu-west-1.amazonaws.com.evil.example/",
            "https://evil.example/?sts.eu-west-1.amazonaws.com",
            "https://sts.us-east-1.amazonaws.com/",
            "x",
        ] {
            assert!(!of(url), "{url}");
        }
    }

    #[test]
    fn the_identity_of_aws_keys_is_a_signed_request() {
        let url = "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
        let keys = aws::AwsCredentials {
            session_token: Some(Secret::new("session")),
            ..aws::AwsCredentials::new("AKID", "hunter2")
        };
        let text = signed_identity(url, "eu-west-1", "//iam.googleapis.com/pool", &keys).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        let request: Json = serde_json::from_str(&text).unwrap();
        assert_eq!((&request["url"], &request["method"]), (&json!(url), &json!("POST")));
        let header = |name: &str| {
            let headers = request["headers"].as_array().unwrap();
            let found = headers.iter().find(|header| header["key"] == name);
            found.map(|header| header["value"].as_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!(header("host"), "sts.eu-west-1.amazonaws.com");
        assert_eq!(header("x-goog-cloud-target-resource"), "//iam.googleapis.com/pool");
        assert_eq!(header("x-amz-security-token"), "session");
        assert!(!header("x-amz-date").is_empty());
        let signature = header("authorization");
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{signature}");
        assert!(signature.contains("x-goog-cloud-target-resource") && signature.contains("host;"), "{signature}");
    }

    #[test]
    fn what_belongs_to_the_machine_is_named() {
        let check = |source: Json, named: Option<&str>| {
            let source: ExternalSource = serde_json::from_value(source).unwrap();
            match (check_stands_alone(&source, "it"), named) {
                (Ok(()), None) => (),
                (Err(failure), Some(named)) => assert!(failure.message.contains(named), "{failure}"),
                (found, _) => panic!("{source:?}: {found:?}"),
            }
        };
        check(json!({"url": "https://id.example/token"}), None);
        check(json!({"file": "/etc/passwd"}), Some("a file"));
        check(json!({"executable": {"command": "x"}}), Some("a program"));
        check(json!({"environment_id": "aws1"}), Some("the AWS role"));
        check(json!({"url": "http://169.254.169.254/"}), Some("the metadata"));
    }
}
