//! The query and ec2 protocols: the input as a form.

use http::Method;
use serde_json::{Map, Value as Json};

use super::scalar::{encode, kind_of, to_text};
use super::{Outcome, WireRequest, bad_input};
use crate::aws::model::{Operation, Protocol, Reference, Service, Shape, TimeFormat};

/// The request.
pub fn serialise(service: &Service, operation: &Operation, params: &Map<String, Json>) -> Outcome<WireRequest> {
    let mut form = Form { service, pairs: Vec::new() };
    form.push("Action", operation.name.clone());
    form.push("Version", service.api_version.clone());
    if let Some(input) = &operation.input {
        form.structure(input, params, "")?;
    }
    let mut request = WireRequest::new(Method::POST);
    request.content_type("application/x-www-form-urlencoded; charset=utf-8");
    request.body = form.text().into_bytes();
    Ok(request)
}

struct Form<'a> {
    service: &'a Service,
    pairs: Vec<(String, String)>,
}

impl Form<'_> {
    fn push(&mut self, name: &str, value: String) {
        self.pairs.push((name.to_owned(), value));
    }

    fn text(&self) -> String {
        let pairs: Vec<String> =
            self.pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.join("&")
    }

    fn is_ec2(&self) -> bool {
        self.service.protocol == Protocol::Ec2
    }

    /// The name of a member in the form; EC2 begins wire names with a capital.
    fn name<'n>(&self, reference: &'n Reference, default: &'n str) -> String {
        if !self.is_ec2() {
            return reference.name.as_deref().unwrap_or(default).to_owned();
        }
        if let Some(name) = &reference.query_name {
            return name.to_string();
        }
        let name = reference.name.as_deref().unwrap_or(default);
        let mut letters = name.chars();
        match letters.next() {
            Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
            None => String::new(),
        }
    }

    fn value(&mut self, reference: &Reference, value: &Json, prefix: &str) -> Outcome<()> {
        match (self.service.shape(reference), value) {
            (_, Json::Null) => Ok(()),
            (Shape::Structure(_), Json::Object(members)) => self.structure(reference, members, prefix),
            (Shape::List(member), Json::Array(items)) => self.list(reference, member, items, prefix),
            (Shape::Map(key, value), Json::Object(entries)) => self.map(reference, key, value, entries, prefix),
            (Shape::Structure(_) | Shape::List(_) | Shape::Map(..), _) => {
                bad_input(format!("{prefix} cannot be {}", kind_of(value)))
            }
            (shape, _) => {
                let text = to_text(shape, reference, value, TimeFormat::Iso8601, prefix)?;
                self.push(prefix, text);
                Ok(())
            }
        }
    }

    fn structure(&mut self, reference: &Reference, members: &Map<String, Json>, prefix: &str) -> Outcome<()> {
        let Some(structure) = self.service.structure(reference) else {
            return bad_input(format!("{prefix} is not a structure"));
        };
        for (name, value) in members {
            let Some(member) = structure.members.get(name.as_str()) else {
                return bad_input(format!("{prefix} takes no {name}"));
            };
            let own = self.name(member, name);
            let path = if prefix.is_empty() { own } else { format!("{prefix}.{own}") };
            self.value(member, value, &path)?;
        }
        Ok(())
    }

    fn list(&mut self, reference: &Reference, member: &Reference, items: &[Json], prefix: &str) -> Outcome<()> {
        if self.is_ec2() {
            return self.items(member, items, prefix);
        }
        if items.is_empty() {
            self.push(prefix, String::new());
            return Ok(());
        }
        let path = match (reference.flattened, member.name.as_deref()) {
            (false, name) => format!("{prefix}.{}", name.unwrap_or("member")),
            (true, None) => prefix.to_owned(),
            // The items of a flattened list carry the name of the item in place of the list's.
            (true, Some(name)) => match prefix.rsplit_once('.') {
                Some((before, _)) => format!("{before}.{name}"),
                None => name.to_owned(),
            },
        };
        self.items(member, items, &path)
    }

    fn items(&mut self, member: &Reference, items: &[Json], path: &str) -> Outcome<()> {
        for (number, item) in items.iter().enumerate() {
            self.value(member, item, &format!("{path}.{}", number + 1))?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        reference: &Reference,
        key: &Reference,
        value: &Reference,
        entries: &Map<String, Json>,
        prefix: &str,
    ) -> Outcome<()> {
        let path = if reference.flattened { prefix.to_owned() } else { format!("{prefix}.entry") };
        let (key_name, value_name) = (self.name(key, "key"), self.name(value, "value"));
        for (number, (name, entry)) in entries.iter().enumerate() {
            let path = format!("{path}.{}", number + 1);
            self.value(key, &Json::String(name.clone()), &format!("{path}.{key_name}"))?;
            self.value(value, entry, &format!("{path}.{value_name}"))?;
        }
        Ok(())
    }
}
