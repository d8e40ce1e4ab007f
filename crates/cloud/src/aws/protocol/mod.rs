//! The five protocols of AWS: an operation's input to a request, an answer to JSON by the model's member names.
//!
//! Answers come out as boto3 gives them, in JSON: timestamps as RFC 3339 text in UTC, blobs as base64 text, lists as
//! lists even of one, IAM's policies decoded, `ResponseMetadata` left out; what is absent on the wire is absent. Sources:
//! Smithy's AWS protocol specifications (awsQuery, ec2Query, awsJson1_0/1_1, restJson1, restXml) and botocore's
//! serialisers and parsers, which the emulator suite compares with.

mod json;
mod query;
mod rest;
mod scalar;
mod xml;
mod xml_shape;

#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value as Json};

use super::model::{Operation, Protocol, Service, Shape};
use crate::http::HttpResponse;

/// What a request or answer is not, with the member it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The input does not fit the model.
    #[error("the input does not fit: {0}")]
    Input(String),
    /// The answer does not fit the model.
    #[error("the answer cannot be read: {0}")]
    Output(String),
}

type Outcome<T> = Result<T, ProtocolError>;

fn bad_input<T>(what: impl Into<String>) -> Outcome<T> {
    Err(ProtocolError::Input(what.into()))
}

fn bad_output<T>(what: impl Into<String>) -> Outcome<T> {
    Err(ProtocolError::Output(what.into()))
}

/// A request without host and signature.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRequest {
    /// The method.
    pub method: Method,
    /// The percent-encoded path, from its `/` on.
    pub path: String,
    /// The percent-encoded query string, without `?`.
    pub query: String,
    /// The headers of the protocol.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// What goes before the host.
    pub host_prefix: String,
    /// The S3 bucket that the path begins with.
    pub bucket: Option<String>,
}

impl WireRequest {
    fn new(method: Method) -> Self {
        Self {
            method,
            path: "/".to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            host_prefix: String::new(),
            bucket: None,
        }
    }

    fn content_type(&mut self, text: &'static str) {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
    }
}

/// An error that a service answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireError {
    /// The code, as boto3 gives it (`Error.Code`).
    pub code: String,
    /// The message.
    pub message: String,
}

/// The request for an operation with this input. Members that are `null` count as absent.
pub fn serialise(service: &Service, operation: &Operation, params: &Map<String, Json>) -> Outcome<WireRequest> {
    let params = prepared(service, operation, params)?;
    let mut request = match service.protocol {
        Protocol::Query | Protocol::Ec2 => query::serialise(service, operation, &params)?,
        Protocol::Json => json::serialise(service, operation, &params)?,
        Protocol::RestJson | Protocol::RestXml => rest::serialise(service, operation, &params)?,
    };
    if service.query_compatible {
        request.headers.insert("x-amzn-query-mode", HeaderValue::from_static("true"));
    }
    if service.signing_name == "apigateway" {
        // Without it API Gateway answers in HAL (botocore/handlers.py, add_accept_header).
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    }
    if let Some(prefix) = &operation.host_prefix {
        request.host_prefix = host_prefix(prefix, &params)?;
    }
    Ok(request)
}

/// The output in an answer with a good status.
pub fn parse(service: &Service, operation: &Operation, response: &HttpResponse) -> Outcome<Json> {
    let output = match service.protocol {
        Protocol::Query | Protocol::Ec2 => xml_shape::parse_body(service, operation, &response.body)?,
        Protocol::Json => json::parse_body(service, operation, &response.body)?,
        Protocol::RestJson | Protocol::RestXml => rest::parse(service, operation, response)?,
    };
    Ok(Json::Object(output))
}

/// The error in an answer with a bad status; the status itself when the body tells none.
pub fn error_of(service: &Service, response: &HttpResponse) -> WireError {
    let found = match service.protocol {
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => xml_shape::error_of(&response.body),
        Protocol::Json | Protocol::RestJson => json::error_of(service, response),
    };
    let mut error = found.unwrap_or_default();
    if error.code.is_empty() {
        error.code = response.status.as_u16().to_string();
    }
    if error.message.is_empty() {
        error.message = response.status.canonical_reason().unwrap_or_default().to_owned();
    }
    error
}

/// Whether a body with status 200 is an error after all, which S3 does ("Error responses" in its API reference).
pub fn is_hidden_error(service: &Service, response: &HttpResponse) -> bool {
    service.name == "s3" && response.status.as_u16() == 200 && xml_shape::is_error_document(&response.body)
}

/// The input without nulls, with the tokens filled in; unknown members and missing required ones are errors.
fn prepared(service: &Service, operation: &Operation, params: &Map<String, Json>) -> Outcome<Map<String, Json>> {
    let mut params: Map<String, Json> =
        params.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
    let Some(input) = operation.input.as_ref().and_then(|input| service.structure(input)) else {
        return match params.keys().next() {
            Some(name) => bad_input(format!("{} takes no {name}", operation.name)),
            None => Ok(params),
        };
    };
    for (name, member) in &input.members {
        let missing = !params.contains_key(&**name);
        if missing && member.token {
            params.insert(name.to_string(), Json::String(uuid::Uuid::new_v4().to_string()));
        }
        let is_text = matches!(service.shape(member), Shape::Text);
        if let (true, true, Some(Json::String(text))) = (member.last_segment, is_text, params.get_mut(&**name)) {
            *text = text.rsplit('/').next().unwrap_or_default().to_owned();
        }
    }
    if let Some(missing) = input.required.iter().find(|name| !params.contains_key(&***name)) {
        return bad_input(format!("{} needs {missing}", operation.name));
    }
    if let Some(unknown) = params.keys().find(|name| !input.members.contains_key(name.as_str())) {
        return bad_input(format!("{} takes no {unknown}", operation.name));
    }
    Ok(params)
}

/// A host prefix with its labels filled in; labels hold letters, digits, hyphens and dots only.
fn host_prefix(template: &str, params: &Map<String, Json>) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return bad_input(format!("the host prefix {template} is broken"));
        };
        let label = params.get(name).and_then(Json::as_str).unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if label.is_empty() || !label.chars().all(fits) {
            return bad_input(format!("{name} cannot be a part of a host name"));
        }
        out.push_str(before);
        out.push_str(label);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}
