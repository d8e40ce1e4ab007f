//! What rest-json and rest-xml share: members in path, query string, headers and status.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value as Json};

use super::scalar::{blob, encode, encode_path, from_text, to_text};
use super::{Outcome, ProtocolError, WireRequest, bad_input, bad_output, json, xml_shape};
use crate::aws::model::{Location, Operation, Protocol, Reference, Service, Shape, Structure, TimeFormat};
use crate::http::HttpResponse;

/// The request.
pub fn serialise(service: &Service, operation: &Operation, params: &Map<String, Json>) -> Outcome<WireRequest> {
    let Ok(method) = Method::from_bytes(operation.method.as_bytes()) else {
        return bad_input(format!("{} is not a method", operation.method));
    };
    let mut request = WireRequest::new(method);
    let (template, fixed_query) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    let mut query: Vec<String> = (!fixed_query.is_empty()).then(|| fixed_query.to_owned()).into_iter().collect();
    let mut body = Map::new();
    let empty = Structure::default();
    let input = operation.input.as_ref().and_then(|input| service.structure(input)).unwrap_or(&empty);
    for (name, value) in params {
        let Some(member) = input.members.get(name.as_str()) else {
            return bad_input(format!("{} takes no {name}", operation.name));
        };
        match member.location {
            Some(Location::QueryString) => query.extend(query_pairs(service, member, name, value)?),
            Some(Location::Header | Location::Headers) => {
                put_headers(service, member, name, value, &mut request.headers)?;
            }
            Some(Location::Uri) => (),
            Some(Location::StatusCode) | None => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
    request.path = path(service, input, template, params)?;
    request.query = query.join("&");
    if service.name == "s3" && template.starts_with("/{Bucket}") {
        request.bucket = params.get("Bucket").and_then(Json::as_str).map(str::to_owned);
    }
    put_body(service, operation, input, &body, &mut request)?;
    Ok(request)
}

/// The path with its labels filled in. A label that is empty or a dot segment would make it another path.
fn path(service: &Service, input: &Structure, template: &str, params: &Map<String, Json>) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((label, behind)) = after.split_once('}') else {
            return bad_input(format!("the path {template} is broken"));
        };
        let (wire, greedy) = label.strip_suffix('+').map_or((label, false), |wire| (wire, true));
        let found = input.members.iter().find(|(name, member)| {
            member.location == Some(Location::Uri) && member.name.as_deref().unwrap_or(name) == wire
        });
        let Some((value, (name, member))) = found.and_then(|found| Some((params.get(&**found.0)?, found))) else {
            return bad_input(format!("the path {template} needs {wire}"));
        };
        let text = to_text(service.shape(member), member, value, TimeFormat::Iso8601, name)?;
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        let unfit = text.is_empty() || if greedy { text.split('/').any(is_dots) } else { is_dots(&text) };
        if unfit {
            return bad_input(format!("{name} cannot be a part of a path"));
        }
        out.push_str(before);
        out.push_str(&if greedy { encode_path(&text) } else { encode(&text) });
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn query_pairs(service: &Service, member: &Reference, name: &str, value: &Json) -> Outcome<Vec<String>> {
    let wire = encode(member.name.as_deref().unwrap_or(name));
    let text = |reference: &Reference, value: &Json| {
        to_text(service.shape(reference), reference, value, TimeFormat::Iso8601, name).map(|text| encode(&text))
    };
    match (service.shape(member), value) {
        (Shape::List(item), Json::Array(items)) => {
            items.iter().map(|value| Ok(format!("{wire}={}", text(item, value)?))).collect()
        }
        (Shape::Map(_, item), Json::Object(entries)) => {
            let mut pairs = Vec::new();
            for (key, value) in entries {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                let reference = if let Shape::List(inner) = service.shape(item) { inner } else { item };
                for value in values {
                    pairs.push(format!("{}={}", encode(key), text(reference, value)?));
                }
            }
            Ok(pairs)
        }
        _ => Ok(vec![format!("{wire}={}", text(member, value)?)]),
    }
}

fn put_headers(
    service: &Service,
    member: &Reference,
    name: &str,
    value: &Json,
    headers: &mut HeaderMap,
) -> Outcome<()> {
    let wire = member.name.as_deref().unwrap_or(name);
    match (service.shape(member), value) {
        (Shape::Map(_, item), Json::Object(entries)) => {
            for (key, value) in entries {
                put_header(&format!("{wire}{key}"), &header_text(service, item, name, value)?, headers)?;
            }
            Ok(())
        }
        (Shape::List(_), Json::Array(items)) if items.is_empty() => Ok(()),
        (Shape::List(item), Json::Array(items)) => {
            let texts: Vec<String> = items
                .iter()
                .map(|value| header_text(service, item, name, value).map(|text| quoted(&text)))
                .collect::<Outcome<_>>()?;
            put_header(wire, &texts.join(","), headers)
        }
        _ => put_header(wire, &header_text(service, member, name, value)?, headers),
    }
}

/// An item of a list in a header, in quotes if it would come apart otherwise.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\\\"")) } else { text.to_owned() }
}

fn header_text(service: &Service, member: &Reference, name: &str, value: &Json) -> Outcome<String> {
    if member.json {
        return Ok(STANDARD.encode(value.to_string()));
    }
    to_text(service.shape(member), member, value, TimeFormat::Rfc822, name)
}

fn put_header(name: &str, text: &str, headers: &mut HeaderMap) -> Outcome<()> {
    let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(text).ok());
    let Some((name, value)) = pair else {
        return bad_input(format!("the header {name} cannot be sent"));
    };
    headers.insert(name, value);
    Ok(())
}

fn put_body(
    service: &Service,
    operation: &Operation,
    input: &Structure,
    body: &Map<String, Json>,
    request: &mut WireRequest,
) -> Outcome<()> {
    let is_json = service.protocol == Protocol::RestJson;
    if let Some((name, member)) = payload(input) {
        let Some(value) = body.get(name) else {
            return Ok(());
        };
        match (service.shape(member), value) {
            (Shape::Blob, Json::String(text)) => {
                let Ok(bytes) = STANDARD.decode(text) else {
                    return bad_input(format!("{name} is not base64"));
                };
                request.body = bytes;
                return Ok(());
            }
            (Shape::Text, Json::String(text)) => {
                request.body = text.clone().into_bytes();
                return Ok(());
            }
            _ if is_json => {
                request.body = json::value_in(service, member, value, name)?.to_string().into_bytes();
            }
            _ => request.body = xml_shape::document(service, member, value, name)?,
        }
    } else if is_json && input.members.values().any(|member| member.location.is_none()) {
        // A body even if nothing is in it, unless nothing could be.
        let Some(reference) = &operation.input else {
            return Ok(());
        };
        let members = json::structure_in(service, reference, body, &operation.name)?;
        request.body = Json::Object(members).to_string().into_bytes();
    } else if !is_json && !body.is_empty() {
        let Some(reference) = &operation.input else {
            return Ok(());
        };
        request.body = xml_shape::document(service, reference, &Json::Object(body.clone()), &operation.name)?;
    }
    if is_json && !request.body.is_empty() && !request.headers.contains_key(header::CONTENT_TYPE) {
        request.content_type("application/json");
    }
    Ok(())
}

fn payload(structure: &Structure) -> Option<(&str, &Reference)> {
    structure.members.get_key_value(structure.payload.as_deref()?).map(|(name, member)| (&**name, member))
}

/// The output in an answer.
pub fn parse(service: &Service, operation: &Operation, response: &HttpResponse) -> Outcome<Map<String, Json>> {
    let Some(output) = operation.output.as_ref().and_then(|output| service.structure(output)) else {
        return Ok(Map::new());
    };
    let mut out = Map::new();
    for (name, member) in &output.members {
        let value = match member.location {
            Some(Location::StatusCode) => Some(Json::from(response.status.as_u16())),
            Some(Location::Header) => header_out(service, member, name, response)?,
            Some(Location::Headers) => Some(Json::Object(prefixed_headers(member, response))),
            _ => None,
        };
        out.extend(value.map(|value| (name.to_string(), value)));
    }
    if service.name == "s3" && operation.name == "GetBucketLocation" {
        // The one answer that is only the text of its root; no text means us-east-1.
        out.insert("LocationConstraint".to_owned(), xml_shape::root_text(&response.body)?);
        return Ok(out);
    }
    match payload(output) {
        Some((name, member)) => {
            let value = payload_out(service, member, name, &response.body)?;
            out.insert(name.to_owned(), value);
        }
        None if service.protocol == Protocol::RestJson => {
            let body = json::read(&response.body)?;
            out.extend(json::structure_out(service, &body_part(output), &body, &operation.name)?);
        }
        None => out.extend(xml_shape::parse_structure(service, output, &response.body)?),
    }
    Ok(out)
}

/// The structure without the members that sit outside of the body.
fn body_part(structure: &Structure) -> Structure {
    let members = structure.members.iter().filter(|(_, member)| member.location.is_none());
    Structure {
        members: members.map(|(name, member)| (name.clone(), member.clone())).collect(),
        union: structure.union,
        document: structure.document,
        ..Structure::default()
    }
}

fn payload_out(service: &Service, member: &Reference, name: &str, body: &[u8]) -> Outcome<Json> {
    match service.shape(member) {
        Shape::Blob => Ok(blob(body)),
        Shape::Text => match std::str::from_utf8(body) {
            Ok(text) => Ok(Json::from(text)),
            Err(_) => bad_output(format!("{name} is not UTF-8")),
        },
        _ if service.protocol == Protocol::RestJson => json::value_out(service, member, &json::read(body)?, name),
        Shape::Structure(structure) => xml_shape::parse_structure(service, structure, body).map(Json::Object),
        _ => bad_output(format!("{name} is a whole body but not a structure")),
    }
}

fn header_out(service: &Service, member: &Reference, name: &str, response: &HttpResponse) -> Outcome<Option<Json>> {
    let Some(text) = response.header(member.name.as_deref().unwrap_or(name)) else {
        return Ok(None);
    };
    if member.json {
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let unfit = || ProtocolError::Output(format!("the header of {name} is not base64-coded JSON"));
        return decoded.map(Some).ok_or_else(unfit);
    }
    match service.shape(member) {
        Shape::List(item) => {
            let items = text.split(',').map(|part| from_text(service.shape(item), part.trim(), name));
            Ok(Some(Json::Array(items.collect::<Outcome<_>>()?)))
        }
        shape => from_text(shape, text, name).map(Some),
    }
}

fn prefixed_headers(member: &Reference, response: &HttpResponse) -> Map<String, Json> {
    let prefix = member.name.as_deref().unwrap_or_default().to_ascii_lowercase();
    let named = response.headers.iter().filter_map(|(name, value)| {
        let rest = name.as_str().strip_prefix(&prefix)?;
        Some((rest.to_owned(), Json::from(value.to_str().ok()?)))
    });
    named.collect()
}
