//! Answers of the clouds and stored credentials: outputs fit the model, errors say something short, nothing leaks.
//!
//! Input: a byte that says what it is; for AWS three more that name protocol and operation; and the body.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use yagura_cloud::aws::model::{Model, Operation, Protocol, Service};
use yagura_cloud::aws::{errors as aws_errors, paging, protocol};
use yagura_cloud::azure::{AzureSource, AzureToken, errors as azure_errors};
use yagura_cloud::gcp::{GcpSource, errors as gcp_errors};
use yagura_cloud::{HttpResponse, Secret, Trouble};
use yagura_model::Timestamp;

type Operations = Vec<(&'static Service, &'static Operation)>;

static OPERATIONS: LazyLock<[Operations; 5]> = LazyLock::new(|| {
    let mut known: [Operations; 5] = Default::default();
    for service in Model::embedded().expect("the model is read").services() {
        let place = match service.protocol {
            Protocol::Query => 0,
            Protocol::Ec2 => 1,
            Protocol::Json => 2,
            Protocol::RestJson => 3,
            Protocol::RestXml => 4,
        };
        known[place].extend(service.operations().map(|operation| (service, operation)));
    }
    known
});

const STATUSES: [u16; 6] = [400, 401, 403, 404, 429, 503];
/// Longer lives are not believed.
const LONGEST_LIFE: i64 = 2 * 24 * 3600;
/// The longest code and message that people are shown, in characters, with the sign that they were cut.
const LONGEST_SHOWN: (usize, usize) = (101, 1001);

fuzz_target!(|data: &[u8]| {
    let Some((what, body)) = data.split_first() else { return };
    match what % 8 {
        0..=2 => of_aws(*what, body),
        3 => errors(&response(STATUSES[usize::from(*what / 8) % STATUSES.len()], body)),
        4 => token(body),
        5 | 6 => {
            let Ok(text) = std::str::from_utf8(body) else { return };
            if what % 8 == 5 { stored_azure(text) } else { stored_google(text) }
        }
        _ => {
            let read = Model::read(body);
            assert!(read.is_ok_and(|model| model.services().count() <= body.len()) || Model::read(body).is_err());
        }
    }
});

fn response(status: u16, body: &[u8]) -> HttpResponse {
    let status = StatusCode::from_u16(status).expect("a status");
    HttpResponse { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body) }
}

fn of_aws(what: u8, input: &[u8]) {
    let [protocol, low, high, body @ ..] = input else { return };
    let known = &OPERATIONS[usize::from(*protocol) % OPERATIONS.len()];
    let (service, operation) = known[usize::from(u16::from_le_bytes([*low, *high])) % known.len()];
    if what % 8 == 2 {
        let response = response(STATUSES[usize::from(what / 8) % STATUSES.len()], body);
        let error = protocol::error_of(service, &response);
        assert!(!error.code.is_empty(), "an error without code");
        let _ = aws_errors::is_elsewhere(response.status, &error);
        return short(&aws_errors::trouble(&response, error));
    }
    let mut response = response(200, body);
    let in_header: String = body.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).take(64).collect();
    if let Ok(value) = HeaderValue::from_str(&in_header) {
        response.headers.insert("x-amz-version-id", value);
    }
    let hidden = protocol::is_hidden_error(service, &response);
    let Ok(output) = protocol::parse(service, operation, &response) else { return };
    assert!(!hidden || service.name == "s3");
    check_output(service, operation, &output);
    let next = operation.pages.as_ref().and_then(|paging| paging::next_of(paging, &output));
    assert!(next.is_none_or(|next| next.values().any(|token| !token.is_null())), "a next page without token");
}

/// An output is an object of members that the model names.
fn check_output(service: &Service, operation: &Operation, output: &Json) {
    let Json::Object(members) = output else { panic!("{}: no object", operation.name) };
    let none = BTreeMap::new();
    let structure = operation.output.as_ref().and_then(|output| service.structure(output));
    let known = structure.map_or(&none, |structure| &structure.members);
    for name in members.keys() {
        let fits = known.contains_key(name.as_str()) || name == "SDK_UNKNOWN_MEMBER";
        assert!(fits, "{}: {name} is not in the model", operation.name);
    }
}

fn errors(response: &HttpResponse) {
    let read = azure_errors::AzureError::read(&response.body);
    assert!(read.details.len() <= 10, "{} details", read.details.len());
    short(&azure_errors::trouble(response));
    short(&gcp_errors::trouble(response, gcp_errors::error_of(response)));
}

/// What people are shown is short and names its cause.
fn short(trouble: &Trouble) {
    let failure = &trouble.failure;
    assert!(!failure.code.is_empty(), "no code");
    assert!(failure.code.chars().count() <= LONGEST_SHOWN.0, "a code of {} bytes", failure.code.len());
    assert!(failure.message.chars().count() <= LONGEST_SHOWN.1, "a message of {} bytes", failure.message.len());
}

fn token(body: &[u8]) {
    let now = Timestamp::UNIX_EPOCH;
    let Some(token) = AzureToken::read(body, now) else { return };
    let ends = token.expires.expect("a token that was read ends").as_second();
    assert!((0..=LONGEST_LIFE).contains(&ends), "ends after {ends} seconds");
    assert!(format!("{token:?}").starts_with("AzureToken(hidden"));
}

fn stored_azure(text: &str) {
    let read = AzureSource::of_stored(&Secret::new(text));
    let shown = format!("{read:?}");
    match read {
        Err(failure) => assert!(failure.message.len() <= 500, "a message of {} bytes", failure.message.len()),
        Ok(AzureSource::ClientSecret { tenant, client, secret }) => {
            let secret = secret.expose();
            let own = format!("ClientSecret tenant client secret Secret(hidden) Ok({tenant:?} {client:?}");
            assert!(secret.len() < 4 || own.contains(secret) || !shown.contains(secret), "a secret is shown");
        }
        Ok(_) => assert!(!shown.contains("PRIVATE KEY"), "a key is shown"),
    }
}

fn stored_google(text: &str) {
    let read = GcpSource::of_stored(&Secret::new(text));
    assert!(!format!("{read:?}").contains("PRIVATE KEY"), "a key is shown");
    if read.is_err() {
        return;
    }
    let mut file: Json = serde_json::from_str(text).expect("taken, and no JSON");
    while let Some(inner) = file.get_mut("source_credentials").filter(|inner| inner.is_object()) {
        file = inner.take();
    }
    let Some(source) = file.get("credential_source").filter(|_| file["type"] == "external_account") else { return };
    for name in ["file", "executable", "environment_id"] {
        assert!(source.get(name).is_none_or(Json::is_null), "names {name} of this machine");
    }
}
