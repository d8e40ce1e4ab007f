//! The json protocol, and the JSON bodies and errors of rest-json.

use http::{HeaderValue, Method, header};
use serde_json::{Map, Value as Json};

use super::scalar::{from_blob, from_float, from_json_moment, kind_of, to_json};
use super::{Outcome, ProtocolError, WireError, WireRequest, bad_input, bad_output};
use crate::aws::model::{Operation, Protocol, Reference, Service, Shape, Structure};
use crate::http::HttpResponse;

/// The request of the json protocol.
pub fn serialise(service: &Service, operation: &Operation, params: &Map<String, Json>) -> Outcome<WireRequest> {
    let mut request = WireRequest::new(Method::POST);
    let target = format!("{}.{}", service.target.as_deref().unwrap_or_default(), operation.name);
    let content_type = format!("application/x-amz-json-{}", service.json_version.as_deref().unwrap_or("1.1"));
    for (name, text) in [("x-amz-target", target), (header::CONTENT_TYPE.as_str(), content_type)] {
        let Ok(value) = HeaderValue::from_str(&text) else {
            return bad_input(format!("{name} cannot be sent"));
        };
        request.headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap_or(header::ACCEPT), value);
    }
    let body = match &operation.input {
        Some(input) => structure_in(service, input, params, &operation.name)?,
        None => Map::new(),
    };
    request.body = Json::Object(body).to_string().into_bytes();
    Ok(request)
}

/// An input value in a JSON body.
pub fn value_in(service: &Service, reference: &Reference, value: &Json, what: &str) -> Outcome<Json> {
    match (service.shape(reference), value) {
        (Shape::Structure(structure), _) if structure.document => Ok(value.clone()),
        (Shape::Structure(_), Json::Object(members)) => {
            structure_in(service, reference, members, what).map(Json::Object)
        }
        (Shape::List(member), Json::Array(items)) => {
            items.iter().map(|item| value_in(service, member, item, what)).collect::<Outcome<_>>().map(Json::Array)
        }
        (Shape::Map(_, member), Json::Object(entries)) => entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), value_in(service, member, value, key)?)))
            .collect::<Outcome<_>>()
            .map(Json::Object),
        (Shape::Structure(_) | Shape::List(_) | Shape::Map(..), _) => {
            bad_input(format!("{what} cannot be {}", kind_of(value)))
        }
        (shape, _) => to_json(shape, reference, value, what),
    }
}

/// An input structure in a JSON body.
pub fn structure_in(
    service: &Service,
    reference: &Reference,
    members: &Map<String, Json>,
    what: &str,
) -> Outcome<Map<String, Json>> {
    let Some(structure) = service.structure(reference) else {
        return bad_input(format!("{what} is not a structure"));
    };
    let mut out = Map::new();
    for (name, value) in members {
        let Some(member) = structure.members.get(name.as_str()) else {
            return bad_input(format!("{what} takes no {name}"));
        };
        if value.is_null() {
            continue;
        }
        let wire = member.name.as_deref().unwrap_or(name);
        out.insert(wire.to_owned(), value_in(service, member, value, name)?);
    }
    Ok(out)
}

/// The output in a body of the json protocol.
pub fn parse_body(service: &Service, operation: &Operation, body: &[u8]) -> Outcome<Map<String, Json>> {
    let Some(output) = &operation.output else {
        return Ok(Map::new());
    };
    let Some(structure) = service.structure(output) else {
        return bad_output("the output is not a structure");
    };
    structure_out(service, structure, &read(body)?, &operation.name)
}

/// A body as JSON; an empty one is an empty object.
pub fn read(body: &[u8]) -> Outcome<Json> {
    if body.is_empty() {
        return Ok(Json::Object(Map::new()));
    }
    serde_json::from_slice(body)
        .map_err(|error| ProtocolError::Output(format!("not JSON at line {} column {}", error.line(), error.column())))
}

/// A structure of an answer; members with a place outside of the body are looked for elsewhere.
pub fn structure_out(service: &Service, structure: &Structure, value: &Json, what: &str) -> Outcome<Map<String, Json>> {
    let Json::Object(object) = value else {
        return bad_output(format!("{what} is {}, not an object", kind_of(value)));
    };
    if let Some(unknown) = unknown_of_union(structure, object) {
        return Ok(Map::from_iter([("SDK_UNKNOWN_MEMBER".to_owned(), serde_json::json!({ "name": unknown }))]));
    }
    let mut out = Map::new();
    for (name, member) in &structure.members {
        let found = object.get(member.name.as_deref().unwrap_or(name));
        if let Some(found) = found.filter(|found| !found.is_null()) {
            out.insert(name.to_string(), value_out(service, member, found, name)?);
        }
    }
    Ok(out)
}

/// The one member of a union that the model does not know.
fn unknown_of_union<'a>(structure: &Structure, object: &'a Map<String, Json>) -> Option<&'a str> {
    if !structure.union {
        return None;
    }
    let mut set = object.iter().filter(|(name, value)| *name != "__type" && !value.is_null()).map(|(name, _)| name);
    let only = set.next()?;
    let known = structure.members.iter().any(|(name, member)| member.name.as_deref().unwrap_or(name) == only);
    (!known && set.next().is_none()).then_some(only.as_str())
}

/// A value of an answer.
pub fn value_out(service: &Service, reference: &Reference, value: &Json, what: &str) -> Outcome<Json> {
    let unfit = || bad_output(format!("{what} is {}", kind_of(value)));
    match (service.shape(reference), value) {
        (Shape::Structure(structure), _) if structure.document => Ok(value.clone()),
        (_, Json::Null) => Ok(Json::Null),
        (Shape::Structure(structure), _) => structure_out(service, structure, value, what).map(Json::Object),
        (Shape::List(member), Json::Array(items)) => {
            items.iter().map(|item| value_out(service, member, item, what)).collect::<Outcome<_>>().map(Json::Array)
        }
        (Shape::Map(_, member), Json::Object(entries)) => entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), value_out(service, member, value, key)?)))
            .collect::<Outcome<_>>()
            .map(Json::Object),
        (Shape::List(_) | Shape::Map(..), _) => unfit(),
        (Shape::Timestamp, _) => from_json_moment(value, what),
        (Shape::Blob, Json::String(text)) => match from_blob(text) {
            Some(blob) => Ok(blob),
            None => bad_output(format!("{what} is not base64")),
        },
        (shape, _) if service.protocol == Protocol::RestJson => Ok(converted(shape, value)),
        _ => Ok(value.clone()),
    }
}

/// A scalar of rest-json in the type of the model, where it came in another one (botocore's `RestJSONParser`).
fn converted(shape: &Shape, value: &Json) -> Json {
    match (shape, value) {
        (Shape::Boolean, Json::String(text)) => Json::Bool(text.eq_ignore_ascii_case("true")),
        (Shape::Integer, Json::String(text)) => text.parse::<i64>().map_or_else(|_| value.clone(), Json::from),
        (Shape::Integer, Json::Number(number)) if number.is_f64() => {
            number.as_f64().map_or_else(|| value.clone(), |number| Json::from(number.trunc() as i64))
        }
        (Shape::Float, Json::Number(number)) => number.as_f64().map_or_else(|| value.clone(), from_float),
        (Shape::Float, Json::String(text)) => text.parse().map_or_else(|_| value.clone(), from_float),
        _ => value.clone(),
    }
}

/// The error of an answer: the code from `__type`, a header or `code`, the message from `message` or `Message`.
pub fn error_of(service: &Service, response: &HttpResponse) -> Option<WireError> {
    let body = read(&response.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Json::as_str);
    let in_header = response.header("x-amzn-errortype");
    let by_rest = || in_header.or_else(|| text("code")).or_else(|| text("Code"));
    let code = match service.protocol {
        Protocol::RestJson => by_rest().or_else(|| text("__type")),
        _ => text("__type").or(in_header),
    };
    let compatible = response.header("x-amzn-query-error").and_then(|pair| pair.split_once(';'));
    let code = match compatible {
        // The service keeps the codes of its former protocol there. SQS alone is known by the new ones
        // (botocore/handlers.py, _handle_sqs_compatible_error, for exceptions; Error.Code is the old one).
        Some((old, _)) if !old.is_empty() => old.to_owned(),
        _ => short_code(code.unwrap_or_default()),
    };
    let message = text("message").or_else(|| text("Message")).unwrap_or_default().to_owned();
    (!code.is_empty() || !message.is_empty()).then_some(WireError { code, message })
}

/// `ResourceNotFoundException` of `com.amazonaws.x#ResourceNotFoundException:http://…`.
fn short_code(code: &str) -> String {
    let before = code.split(':').next().unwrap_or_default();
    before.rsplit('#').next().unwrap_or_default().to_owned()
}
