//! Takes the items out of an answer.

use std::borrow::Cow;

use base64::Engine;
use yagura_content::{ItemStep, Items};
use yagura_model::{Document, Value};

/// The items of an answer: references into it, or documents made of rows of text.
pub(crate) enum Found<'a> {
    Values(Vec<Value<'a>>),
    Rows(Vec<Document>),
}

/// The items, or why they cannot be read.
pub(crate) fn items_of<'a>(items: &Items, answer: Value<'a>) -> Result<Found<'a>, String> {
    match items {
        Items::Whole => Ok(Found::Values(vec![answer])),
        Items::Csv(member) => rows(answer, member).map(Found::Rows),
        Items::Lists(lists) => {
            let mut found = Vec::new();
            for steps in lists {
                walk(steps, answer, &mut |value| spread(value, &mut found));
            }
            Ok(Found::Values(found))
        }
    }
}

/// Whether an answer is formed as lists are, up to the first list in it: else an answer without that list would count as
/// an empty one. A member that is not there is an empty list on most wires.
pub(crate) fn has_shape(items: &Items, answer: Value<'_>) -> bool {
    match items {
        Items::Lists(lists) => lists.iter().all(|steps| leads_to_list(steps, answer)),
        Items::Whole | Items::Csv(_) => answer.is_object() || answer.is_array(),
    }
}

fn leads_to_list(steps: &[ItemStep], value: Value<'_>) -> bool {
    match steps.split_first() {
        None => value.is_array() || value.is_object() || value.is_null(),
        Some((ItemStep::Member(name), rest)) => {
            value.is_object() && value.get(name).is_none_or(|inner| leads_to_list(rest, inner))
        }
        Some((ItemStep::Each, _)) => value.is_array() || value.is_null(),
        Some((ItemStep::Values, _)) => value.is_object() || value.is_null(),
    }
}

/// The part of an answer that hangs under a resource: one value where the steps name one, else a list.
pub(crate) fn part_of(items: &Items, answer: Value<'_>) -> Result<Option<Document>, String> {
    let single = matches!(items, Items::Lists(lists) if lists.len() == 1
        && lists.iter().flatten().all(|step| matches!(step, ItemStep::Member(_))));
    if single && let Items::Lists(lists) = items {
        let mut first = None;
        for steps in lists {
            walk(steps, answer, &mut |value| first = first.or(Some(value)));
        }
        return Ok(first.filter(|value| !value.is_null()).map(Value::to_document));
    }
    match items_of(items, answer)? {
        Found::Values(values) if *items == Items::Whole => Ok(values.first().map(|value| value.to_document())),
        Found::Values(values) => {
            let list: serde_json::Value = values.iter().map(|value| value.to_json()).collect();
            Ok(Some(Document::from(list)))
        }
        Found::Rows(rows) => {
            let list: serde_json::Value = rows.iter().map(|row| row.root().to_json()).collect();
            Ok(Some(Document::from(list)))
        }
    }
}

fn spread<'a>(value: Value<'a>, found: &mut Vec<Value<'a>>) {
    if value.is_null() {
        return;
    }
    if value.is_array() { found.extend(value.items().filter(|item| !item.is_null())) } else { found.push(value) }
}

fn walk<'a>(steps: &[ItemStep], value: Value<'a>, found: &mut dyn FnMut(Value<'a>)) {
    let Some((step, rest)) = steps.split_first() else { return found(value) };
    match step {
        ItemStep::Member(name) => {
            if let Some(inner) = value.get(name) {
                walk(rest, inner, found);
            }
        }
        ItemStep::Each => {
            for item in value.items() {
                walk(rest, item, found);
            }
        }
        ItemStep::Values => {
            for (_, inner) in value.entries() {
                walk(rest, inner, found);
            }
        }
    }
}

fn rows(answer: Value<'_>, member: &str) -> Result<Vec<Document>, String> {
    let Some(text) = answer.get(member).and_then(Value::as_str) else {
        return Err(format!("`{member}` is no text"));
    };
    let text = plain_text(text);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| format!("`{member}` is no CSV: {error}"))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("`{member}` is no CSV: {error}"))?;
        let row: serde_json::Map<_, _> =
            header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        rows.push(Document::from(serde_json::Value::Object(row)));
    }
    Ok(rows)
}

/// The text, decoded where it is base64, as the wire has it.
fn plain_text(text: &str) -> Cow<'_, str> {
    let packed: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let decoded = base64::engine::general_purpose::STANDARD.decode(packed).ok();
    match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(decoded) if !text.contains(',') => decoded.into(),
        _ => text.into(),
    }
}

/// A document whose texts at these paths are read as the JSON they hold; texts that hold none stay.
pub(crate) fn with_json_text(document: Document, paths: &[String]) -> Document {
    if paths.is_empty() {
        return document;
    }
    let mut tree = document.root().to_json();
    let mut changed = false;
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        unfold(&mut tree, &steps, &mut changed);
    }
    if changed { Document::from(tree) } else { document }
}

fn unfold(value: &mut serde_json::Value, steps: &[&str], changed: &mut bool) {
    use serde_json::Value as Json;
    if let Json::Array(items) = value {
        for item in items {
            unfold(item, steps, changed);
        }
        return;
    }
    let Some((step, rest)) = steps.split_first() else {
        let Json::String(text) = value else { return };
        if let Some(read) = json_in(text) {
            *value = read;
            *changed = true;
        }
        return;
    };
    let name = step.trim_end_matches("[*]").trim_end_matches("[]");
    if name.is_empty() {
        return unfold(value, rest, changed);
    }
    let Json::Object(members) = value else { return };
    for (key, inner) in members.iter_mut() {
        if key.eq_ignore_ascii_case(name) {
            unfold(inner, rest, changed);
        }
    }
}

/// JSON in a text, as it is or URL-encoded (RFC 3986), as IAM gives policy documents.
fn json_in(text: &str) -> Option<serde_json::Value> {
    let text = text.trim();
    if text.starts_with(['{', '[']) {
        return serde_json::from_str(text).ok();
    }
    if !text.starts_with("%7B") && !text.starts_with("%7b") && !text.starts_with("%5B") {
        return None;
    }
    serde_json::from_slice(&percent_decoded(text)).ok()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()).filter(|_| byte == b'%');
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(items: &str, answer: serde_json::Value, wanted: serde_json::Value) {
        let answer = Document::from(answer);
        let found = match items_of(&Items::parse(items).unwrap(), answer.root()).unwrap() {
            Found::Values(values) => values.iter().map(|value| value.to_json()).collect(),
            Found::Rows(rows) => rows.iter().map(|row| row.root().to_json()).collect::<serde_json::Value>(),
        };
        assert_eq!(found, wanted, "{items}");
    }

    #[test]
    fn items_are_found_in_every_form() {
        check("@", json!({"a": 1}), json!([{"a": 1}]));
        check("Buckets", json!({"Buckets": [{"Name": "b"}]}), json!([{"Name": "b"}]));
        check("cluster", json!({"cluster": {"name": "c"}}), json!([{"name": "c"}]));
        check("R[].I[]", json!({"R": [{"I": [1, 2]}, {"I": [3]}]}), json!([1, 2, 3]));
        check("[A,B][]", json!({"A": [1], "B": [2]}), json!([1, 2]));
        check("items.*.x", json!({"items": {"zone": {"x": [1]}, "other": {}}}), json!([1]));
        check("Missing", json!({}), json!([]));
        check("@csv:Content", json!({"Content": "user,arn\na,b\n"}), json!([{"user": "a", "arn": "b"}]));
        check("@csv:Content", json!({"Content": "dXNlcixhcm4KYSxiCg=="}), json!([{"user": "a", "arn": "b"}]));
    }

    #[test]
    fn an_answer_without_its_list_is_told_from_an_empty_one() {
        let fits = |items: &str, answer: serde_json::Value| {
            has_shape(&Items::parse(items).unwrap(), Document::from(answer).root())
        };
        for (items, answer) in [
            ("@", json!({})),
            ("Buckets", json!({})),
            ("Buckets", json!({"Buckets": null})),
            ("Buckets", json!({"Buckets": ["a"]})),
            ("cluster", json!({"cluster": {"name": "c"}})),
            ("R[].I[]", json!({"R": [3, {"I": []}]})),
            ("items.*.x", json!({"items": {}})),
        ] {
            assert!(fits(items, answer.clone()), "{items} {answer}");
        }
        for (items, answer) in [
            ("@", json!("x")),
            ("Buckets", json!(null)),
            ("Buckets", json!([])),
            ("Buckets", json!({"Buckets": "x"})),
            ("R[].I[]", json!({"R": {"I": []}})),
            ("[A,B][]", json!({"A": [1], "B": 2})),
            ("items.*.x", json!({"items": [1]})),
        ] {
            assert!(!fits(items, answer.clone()), "{items} {answer}");
        }
    }

    #[test]
    fn json_in_texts_is_read_in_place() {
        let document =
            Document::from(json!({"Policy": "{\"a\": 1}", "List": [{"P": "%7B%22b%22%3A%202%7D"}, {"P": "no"}]}));
        let read = with_json_text(document, &["Policy".into(), "List[*].P".into()]);
        assert_eq!(read.root().to_json(), json!({"Policy": {"a": 1}, "List": [{"P": {"b": 2}}, {"P": "no"}]}));
    }

    #[test]
    fn a_part_is_one_value_or_a_list() {
        let answer = Document::from(json!({"A": {"x": 1}, "L": [1, 2], "N": null}));
        let part = |items: &str| {
            part_of(&Items::parse(items).unwrap(), answer.root()).unwrap().map(|part| part.root().to_json())
        };
        assert_eq!(part("A"), Some(json!({"x": 1})));
        assert_eq!(part("L"), Some(json!([1, 2])));
        assert_eq!(part("L[]"), Some(json!([1, 2])));
        assert_eq!(part("N"), None);
        assert_eq!(part("@"), Some(answer.root().to_json()));
    }
}
