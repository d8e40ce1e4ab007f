//! Paths into documents: `properties.rules[*].access`, `tags['cost center']`, `a[0].b`.

use crate::document::Value;

/// A parsed document path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Box<[Segment]>,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A property, by name without ASCII case.
    Key(Box<str>),
    /// An element, by position.
    Index(usize),
    /// `[*]`: every element.
    Each,
}

/// Why a text is no path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{path}` is not a document path: {reason} at character {at}")]
pub struct PathError {
    path: String,
    reason: &'static str,
    at: usize,
}

impl Path {
    /// Parses a path. An empty text is the path to the document itself.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |reason, at| PathError { path: text.to_owned(), reason, at };
        let mut segments = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut wants_key = true;
        while at < bytes.len() {
            if bytes[at] == b'[' {
                let Some(close) = closing_bracket(text, at) else {
                    return Err(fail("`[` without `]`", at));
                };
                segments.push(bracket(&text[at + 1..close]).ok_or_else(|| fail("what stands in `[ ]`", at))?);
                at = close + 1;
                wants_key = false;
                continue;
            }
            if bytes[at] == b'.' {
                if wants_key {
                    return Err(fail("an empty part", at));
                }
                at += 1;
                wants_key = true;
                if at == bytes.len() {
                    return Err(fail("an empty part", at));
                }
                continue;
            }
            if !wants_key {
                return Err(fail("a part that does not start with `.` or `[`", at));
            }
            let end = text[at..].find(['.', '[']).map_or(text.len(), |found| at + found);
            segments.push(Segment::Key(text[at..end].into()));
            at = end;
            wants_key = false;
        }
        Ok(Self { segments: segments.into() })
    }

    /// A path of these segments.
    pub fn of(segments: impl Into<Box<[Segment]>>) -> Self {
        Self { segments: segments.into() }
    }

    /// The steps of the path.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Calls `found` with every value the path leads to. `[*]` on a value that is no list stands for that value alone.
    pub fn visit<'a>(&self, value: Value<'a>, found: &mut impl FnMut(Value<'a>)) {
        visit(&self.segments, value, found);
    }

    /// The first value the path leads to.
    pub fn first<'a>(&self, value: Value<'a>) -> Option<Value<'a>> {
        let mut first = None;
        self.visit(value, &mut |found| {
            if first.is_none() {
                first = Some(found);
            }
        });
        first
    }
}

fn visit<'a>(segments: &[Segment], value: Value<'a>, found: &mut impl FnMut(Value<'a>)) {
    let Some((segment, rest)) = segments.split_first() else {
        return found(value);
    };
    match segment {
        Segment::Key(name) => {
            if let Some(inner) = value.get(name) {
                visit(rest, inner, found);
            }
        }
        Segment::Index(position) => {
            if let Some(inner) = value.index(*position) {
                visit(rest, inner, found);
            }
        }
        Segment::Each if value.is_array() => {
            for item in value.items() {
                visit(rest, item, found);
            }
        }
        Segment::Each if value.is_null() => {}
        Segment::Each => visit(rest, value, found),
    }
}

fn closing_bracket(text: &str, open: usize) -> Option<usize> {
    let inner = &text[open + 1..];
    let quote = inner.bytes().next().filter(|byte| matches!(byte, b'\'' | b'"'));
    let Some(quote) = quote else {
        return inner.find(']').map(|found| open + 1 + found);
    };
    let end = inner[1..].find(&format!("{}]", quote as char))?;
    Some(open + 1 + 1 + end + 1)
}

fn bracket(inner: &str) -> Option<Segment> {
    if inner == "*" {
        return Some(Segment::Each);
    }
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some(Segment::Key(name.into()));
        }
    }
    if let Ok(position) = inner.parse() {
        return Some(Segment::Index(position));
    }
    // `tags[environment]` is how Azure Policy writes a tag without quotes.
    (!inner.is_empty()).then(|| Segment::Key(inner.into()))
}

fn needs_quotes(name: &str) -> bool {
    name.is_empty() || name.contains(['.', '[', ']', '\''])
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Key(name) if needs_quotes(name) && !name.contains("']") => write!(f, "['{name}']")?,
                Segment::Key(name) if needs_quotes(name) && !name.contains("\"]") => write!(f, "[\"{name}\"]")?,
                // A name with both ends of quotes in it was written without any.
                Segment::Key(name) if position == 0 => f.write_str(name)?,
                Segment::Key(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use serde_json::json;

    fn check(path: &str, document: serde_json::Value, wanted: serde_json::Value) {
        let document = Document::from(document);
        let mut found = Vec::new();
        Path::parse(path).unwrap().visit(document.root(), &mut |value| found.push(value.to_json()));
        assert_eq!(serde_json::Value::Array(found), wanted, "{path}");
    }

    #[test]
    fn paths_lead_to_their_values() {
        check("a.B", json!({"A": {"b": 1}}), json!([1]));
        check("a[*].b", json!({"a": [{"b": 1}, {}, {"b": 2}]}), json!([1, 2]));
        check("a[1]", json!({"a": [1, 2]}), json!([2]));
        check("tags['cost center']", json!({"tags": {"cost center": "x"}}), json!(["x"]));
        check("tags['a.b'].c", json!({"tags": {"a.b": {"c": 3}}}), json!([3]));
        check("a[*].b[*]", json!({"a": [{"b": [1, 2]}, {"b": 3}]}), json!([1, 2, 3]));
        check("a[*]", json!({"a": {"b": 1}}), json!([{"b": 1}]));
        check("a[*]", json!({"a": null}), json!([]));
        check("", json!(5), json!([5]));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["a..b", ".a", "a.", "a[", "a[]", "a[*]b"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_prints_as_it_is_written() {
        for text in ["a.b[*].c", "a[0]", "tags['a.b']"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_prints_is_the_same_path() {
        for text in ["['']", "a['']", "[\"a'].b\"]", "a']b", "a']\"]b", "a[b'c]", "['a'']", "*", "['*']", "['0'].b"] {
            let path = Path::parse(text).unwrap();
            assert_eq!(Path::parse(&path.to_string()), Ok(path), "{text}");
        }
    }
}
