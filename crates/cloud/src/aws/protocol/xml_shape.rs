//! XML by the model: answers of the query, ec2 and rest-xml protocols, bodies and errors of rest-xml.

use quick_xml::escape::escape;
use serde_json::{Map, Value as Json};

use super::scalar::{from_text, kind_of, to_text};
use super::xml::{self, Element};
use super::{Outcome, WireError, bad_input, bad_output};
use crate::aws::model::{Location, Operation, Protocol, Reference, Service, Shape, Structure, TimeFormat};

/// The output in a body of the query or ec2 protocol.
pub fn parse_body(service: &Service, operation: &Operation, body: &[u8]) -> Outcome<Map<String, Json>> {
    let Some(structure) = operation.output.as_ref().and_then(|output| service.structure(output)) else {
        return Ok(Map::new());
    };
    let root = xml::read(body)?;
    let element = match (&operation.wrapper, service.protocol) {
        (Some(wrapper), Protocol::Query) => match root.child(wrapper) {
            Some(element) => element,
            None => return bad_output(format!("{} without {wrapper}", root.name)),
        },
        _ => &root,
    };
    structure_out(service, structure, element)
}

/// A structure that is the root of a body; an empty body is an empty structure.
pub fn parse_structure(service: &Service, structure: &Structure, body: &[u8]) -> Outcome<Map<String, Json>> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    structure_out(service, structure, &xml::read(body)?)
}

/// The text of the root element; none is null.
pub fn root_text(body: &[u8]) -> Outcome<Json> {
    let root = xml::read(body)?;
    Ok(if root.text.is_empty() { Json::Null } else { Json::String(root.text) })
}

fn structure_out(service: &Service, structure: &Structure, element: &Element) -> Outcome<Map<String, Json>> {
    if let Some(unknown) = unknown_of_union(service, structure, element) {
        return Ok(Map::from_iter([("SDK_UNKNOWN_MEMBER".to_owned(), serde_json::json!({ "name": unknown }))]));
    }
    let mut out = Map::new();
    for (name, member) in &structure.members {
        if matches!(member.location, Some(Location::Header | Location::Headers | Location::StatusCode)) {
            continue;
        }
        let wire = element_name(service, member, name);
        let found: Vec<&Element> = element.children_named(wire).collect();
        if !found.is_empty() {
            out.insert(name.to_string(), value_out(service, member, &found, name)?);
            continue;
        }
        let local = wire.rsplit(':').next().unwrap_or_default();
        if let Some(text) = element.attribute(local).filter(|_| member.attribute) {
            out.insert(name.to_string(), Json::from(text));
        }
    }
    Ok(out)
}

fn unknown_of_union<'a>(service: &Service, structure: &Structure, element: &'a Element) -> Option<&'a str> {
    let [only] = element.children.as_slice() else {
        return None;
    };
    let known = || structure.members.iter().any(|(name, member)| element_name(service, member, name) == only.name);
    (structure.union && !known()).then_some(only.name.as_str())
}

/// The name of a member's element: of a flattened list the name of its items, if they have one.
fn element_name<'a>(service: &'a Service, member: &'a Reference, name: &'a str) -> &'a str {
    let of_items = match service.shape(member) {
        Shape::List(item) if member.flattened => item.name.as_deref(),
        _ => None,
    };
    of_items.or(member.name.as_deref()).unwrap_or(name)
}

/// A value in its elements: several for flattened lists and maps, else the first counts.
fn value_out(service: &Service, reference: &Reference, found: &[&Element], what: &str) -> Outcome<Json> {
    let Some(first) = found.first() else {
        return Ok(Json::Null);
    };
    match service.shape(reference) {
        Shape::Structure(structure) => structure_out(service, structure, first).map(Json::Object),
        Shape::List(item) if reference.flattened => list_out(service, item, found.iter().copied(), what),
        Shape::List(item) => list_out(service, item, first.children.iter(), what),
        Shape::Map(key, value) => {
            let entries: Vec<&Element> =
                if reference.flattened { found.to_vec() } else { first.children.iter().collect() };
            map_out(service, key, value, &entries, what)
        }
        shape => from_text(shape, &first.text, what),
    }
}

fn list_out<'a>(
    service: &Service,
    item: &Reference,
    elements: impl Iterator<Item = &'a Element>,
    what: &str,
) -> Outcome<Json> {
    elements.map(|element| value_out(service, item, &[element], what)).collect::<Outcome<_>>().map(Json::Array)
}

fn map_out(service: &Service, key: &Reference, value: &Reference, entries: &[&Element], what: &str) -> Outcome<Json> {
    let (key_name, value_name) = (key.name.as_deref().unwrap_or("key"), value.name.as_deref().unwrap_or("value"));
    let mut out = Map::new();
    for entry in entries {
        let (Some(name), Some(held)) = (entry.child(key_name), entry.child(value_name)) else {
            return bad_output(format!("an entry of {what} without {key_name} and {value_name}"));
        };
        out.insert(name.text.clone(), value_out(service, value, &[held], &name.text)?);
    }
    Ok(Json::Object(out))
}

/// Whether a body is an S3 error document.
pub fn is_error_document(body: &[u8]) -> bool {
    // Errors are short; a long listing is not parsed twice.
    body.len() < 16_384 && xml::read(body).is_ok_and(|root| root.name == "Error")
}

/// Code and message of an error: at the root (S3), or in `Error` under the root, `Errors` (EC2) or the wrapper.
pub fn error_of(body: &[u8]) -> Option<WireError> {
    let root = xml::read(body).ok()?;
    let element = if root.name == "Error" {
        &root
    } else {
        root.child("Error").or_else(|| root.child("Errors")?.child("Error")).unwrap_or(&root)
    };
    let text = |name: &str| element.child(name).map(|child| child.text.trim().to_owned()).unwrap_or_default();
    let error = WireError { code: text("Code"), message: text("Message") };
    (error != WireError::default()).then_some(error)
}

/// A document for a body of rest-xml.
pub fn document(service: &Service, reference: &Reference, value: &Json, what: &str) -> Outcome<Vec<u8>> {
    let mut out = String::new();
    let name = reference.name.as_deref().unwrap_or(what);
    write(service, reference, value, name, &mut out)?;
    Ok(out.into_bytes())
}

fn write(service: &Service, reference: &Reference, value: &Json, name: &str, out: &mut String) -> Outcome<()> {
    match (service.shape(reference), value) {
        (_, Json::Null) => Ok(()),
        (Shape::Structure(structure), Json::Object(members)) => {
            write_structure(service, reference, structure, members, name, out)
        }
        (Shape::List(item), Json::Array(items)) if reference.flattened => {
            items.iter().try_for_each(|value| write(service, item, value, name, out))
        }
        (Shape::List(item), Json::Array(items)) => {
            open(reference, name, "", out);
            let item_name = item.name.as_deref().unwrap_or("member");
            items.iter().try_for_each(|value| write(service, item, value, item_name, out))?;
            close(name, out);
            Ok(())
        }
        (Shape::Map(key, member), Json::Object(entries)) => {
            write_map(service, reference, key, member, entries, name, out)
        }
        (Shape::Structure(_) | Shape::List(_) | Shape::Map(..), _) => {
            bad_input(format!("{name} cannot be {}", kind_of(value)))
        }
        (shape, _) => {
            let text = to_text(shape, reference, value, TimeFormat::Iso8601, name)?;
            open(reference, name, "", out);
            out.push_str(&escape(&text));
            close(name, out);
            Ok(())
        }
    }
}

fn write_structure(
    service: &Service,
    reference: &Reference,
    structure: &Structure,
    members: &Map<String, Json>,
    name: &str,
    out: &mut String,
) -> Outcome<()> {
    let (mut attributes, mut inner) = (String::new(), String::new());
    for (own, value) in members {
        let Some(member) = structure.members.get(own.as_str()) else {
            return bad_input(format!("{name} takes no {own}"));
        };
        let wire = member.name.as_deref().unwrap_or(own);
        if !member.attribute {
            write(service, member, value, wire, &mut inner)?;
            continue;
        }
        let text = to_text(service.shape(member), member, value, TimeFormat::Iso8601, own)?;
        attributes.push_str(&format!(" {wire}=\"{}\"", escape(&text)));
    }
    open(reference, name, &attributes, out);
    out.push_str(&inner);
    close(name, out);
    Ok(())
}

fn write_map(
    service: &Service,
    reference: &Reference,
    key: &Reference,
    member: &Reference,
    entries: &Map<String, Json>,
    name: &str,
    out: &mut String,
) -> Outcome<()> {
    let (key_name, value_name) = (key.name.as_deref().unwrap_or("key"), member.name.as_deref().unwrap_or("value"));
    let entry_name = if reference.flattened { name } else { "entry" };
    if !reference.flattened {
        open(reference, name, "", out);
    }
    for (own, value) in entries {
        out.push_str(&format!("<{entry_name}>"));
        write(service, key, &Json::String(own.clone()), key_name, out)?;
        write(service, member, value, value_name, out)?;
        close(entry_name, out);
    }
    if !reference.flattened {
        close(name, out);
    }
    Ok(())
}

fn open(reference: &Reference, name: &str, attributes: &str, out: &mut String) {
    let namespace = match &reference.namespace {
        Some(uri) if attributes.contains("xsi:") => format!(" xmlns:xsi=\"{}\"", escape(&**uri)),
        Some(uri) => format!(" xmlns=\"{}\"", escape(&**uri)),
        None => String::new(),
    };
    out.push_str(&format!("<{name}{namespace}{attributes}>"));
}

fn close(name: &str, out: &mut String) {
    out.push_str(&format!("</{name}>"));
}
