//! JSON documents in a compact, read-only form.
//!
//! A [`Document`] is one array of 12-byte nodes and one text buffer. It is about a third of the size of a
//! `serde_json::Value` tree and is built straight from a `serde` deserializer, so that an estate of 100,000
//! resources fits in memory and no document is parsed twice.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a property that is read; no cloud writes longer ones.
const LONGEST_NAME: usize = 64 * 1024;

/// A JSON document that cannot be changed.
#[derive(Clone)]
pub struct Document {
    nodes: Box<[Node]>,
    text: Box<str>,
}

/// One value in a [`Document`]. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: &'a Document,
    at: u32,
}

/// A JSON number in the widest form that keeps it exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number that fits 64 bits with sign.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// Everything else; always finite.
    Float(f64),
}

/// What a [`Value`] is.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(&'a str),
    /// A list.
    Array(Items<'a>),
    /// An object.
    Object(Entries<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tag {
    Null,
    False,
    True,
    Int,
    Unsigned,
    Float,
    String,
    Array,
    Object,
}

/// Numbers: `a` low and `b` high half of the bits. Strings: `a` start, `b` length in `text`.
/// Arrays and objects: `a` count of elements, `b` index of the node after the last one inside.
#[derive(Clone, Copy)]
struct Node {
    tag: Tag,
    a: u32,
    b: u32,
}

impl Node {
    const fn of_bits(tag: Tag, bits: u64) -> Self {
        Self { tag, a: (bits & 0xffff_ffff) as u32, b: (bits >> 32) as u32 }
    }

    const fn bits(self) -> u64 {
        (self.a as u64) | ((self.b as u64) << 32)
    }
}

impl Document {
    /// The document `null`.
    pub fn null() -> Self {
        Self { nodes: Box::new([Node { tag: Tag::Null, a: 0, b: 0 }]), text: "".into() }
    }

    /// Parses JSON text. Errors carry line and column; nesting deeper than 128 is refused.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, at: 0 }
    }

    /// Bytes held by this document, for budgets.
    pub fn size(&self) -> usize {
        self.nodes.len() * size_of::<Node>() + self.text.len()
    }
}

impl From<&serde_json::Value> for Document {
    fn from(value: &serde_json::Value) -> Self {
        let mut builder = Builder::default();
        builder.value(value);
        builder.finish()
    }
}

impl From<serde_json::Value> for Document {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root().to_json())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root().to_json() == other.root().to_json()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut builder = Builder::default();
        Seed(&mut builder).deserialize(deserializer)?;
        Ok(builder.finish())
    }
}

impl<'a> Value<'a> {
    fn node(self) -> Node {
        self.document.nodes[self.at as usize]
    }

    fn text(self, node: Node) -> &'a str {
        &self.document.text[node.a as usize..(node.a as usize + node.b as usize)]
    }

    /// The index of the node that follows this value.
    fn after(self) -> u32 {
        let node = self.node();
        match node.tag {
            Tag::Array | Tag::Object => node.b,
            _ => self.at + 1,
        }
    }

    fn here(self, at: u32) -> Self {
        Value { document: self.document, at }
    }

    /// What this value is.
    pub fn view(self) -> View<'a> {
        let node = self.node();
        match node.tag {
            Tag::Null => View::Null,
            Tag::False => View::Bool(false),
            Tag::True => View::Bool(true),
            Tag::Int => View::Number(Number::Int(node.bits() as i64)),
            Tag::Unsigned => View::Number(Number::Unsigned(node.bits())),
            Tag::Float => View::Number(Number::Float(f64::from_bits(node.bits()))),
            Tag::String => View::String(self.text(node)),
            Tag::Array => View::Array(Items { next: self.here(self.at + 1), left: node.a }),
            Tag::Object => View::Object(Entries { next: self.here(self.at + 1), left: node.a }),
        }
    }

    /// The property of an object by name: the exact name first, else the first that is equal without ASCII case.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let object = self.node();
        if object.tag != Tag::Object {
            return None;
        }
        let mut folded = None;
        let mut at = self.at + 1;
        for _ in 0..object.a {
            let key = self.here(at).node();
            let value = self.here(at + 1);
            if key.b as usize == name.len() {
                let written = self.text(key);
                if written == name {
                    return Some(value);
                }
                if folded.is_none() && written.eq_ignore_ascii_case(name) {
                    folded = Some(value);
                }
            }
            at = value.after();
        }
        folded
    }

    /// The element of a list by position.
    pub fn index(self, position: usize) -> Option<Value<'a>> {
        self.items().nth(position)
    }

    /// The elements of a list; nothing for other values.
    pub fn items(self) -> Items<'a> {
        match self.view() {
            View::Array(items) => items,
            _ => Items { next: self, left: 0 },
        }
    }

    /// The properties of an object in their order; nothing for other values.
    pub fn entries(self) -> Entries<'a> {
        match self.view() {
            View::Object(entries) => entries,
            _ => Entries { next: self, left: 0 },
        }
    }

    /// The text of a string.
    pub fn as_str(self) -> Option<&'a str> {
        let node = self.node();
        (node.tag == Tag::String).then(|| self.text(node))
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.node().tag {
            Tag::True => Some(true),
            Tag::False => Some(false),
            _ => None,
        }
    }

    /// The number.
    pub fn as_number(self) -> Option<Number> {
        match self.view() {
            View::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.node().tag == Tag::Null
    }

    /// Whether this is a list.
    pub fn is_array(self) -> bool {
        self.node().tag == Tag::Array
    }

    /// Whether this is an object.
    pub fn is_object(self) -> bool {
        self.node().tag == Tag::Object
    }

    /// Count of elements or properties; 0 for other values.
    pub fn len(self) -> usize {
        let node = self.node();
        match node.tag {
            Tag::Array | Tag::Object => node.a as usize,
            _ => 0,
        }
    }

    /// Whether [`Self::len`] is 0.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A document of its own with a copy of this value.
    pub fn to_document(self) -> Document {
        let nodes = &self.document.nodes[self.at as usize..self.after() as usize];
        let (mut start, mut end) = (u32::MAX, 0);
        let mut copied = Vec::with_capacity(nodes.len());
        // Keys and strings of a value lie in one stretch of the text, in the order in which they were read.
        for node in nodes {
            if node.tag == Tag::String {
                start = start.min(node.a);
                end = end.max(node.a + node.b);
            }
        }
        if start == u32::MAX {
            start = 0;
        }
        for node in nodes {
            copied.push(match node.tag {
                Tag::String => Node { a: node.a - start, ..*node },
                Tag::Array | Tag::Object => Node { b: node.b - self.at, ..*node },
                _ => *node,
            });
        }
        let text = &self.document.text[start as usize..end.max(start) as usize];
        Document { nodes: copied.into(), text: text.into() }
    }

    /// The same value as a `serde_json` tree.
    pub fn to_json(self) -> serde_json::Value {
        match self.view() {
            View::Null => serde_json::Value::Null,
            View::Bool(value) => value.into(),
            View::Number(number) => number.to_json(),
            View::String(text) => text.into(),
            View::Array(items) => items.map(Value::to_json).collect(),
            View::Object(entries) => entries.map(|(key, value)| (key.to_owned(), value.to_json())).collect(),
        }
    }
}

impl Number {
    /// The nearest 64-bit float.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The whole number, if it is one and fits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Unsigned(_) => None,
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
            Self::Float(_) => None,
        }
    }

    /// The number as a `serde_json` value.
    pub fn to_json(self) -> serde_json::Value {
        match self {
            Self::Int(value) => value.into(),
            Self::Unsigned(value) => value.into(),
            Self::Float(value) => value.into(),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.view() {
            View::Null => serializer.serialize_unit(),
            View::Bool(value) => serializer.serialize_bool(value),
            View::Number(Number::Int(value)) => serializer.serialize_i64(value),
            View::Number(Number::Unsigned(value)) => serializer.serialize_u64(value),
            View::Number(Number::Float(value)) => serializer.serialize_f64(value),
            View::String(text) => serializer.serialize_str(text),
            View::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.left as usize))?;
                for item in items {
                    list.serialize_element(&item)?;
                }
                list.end()
            }
            View::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.left as usize))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &value)?;
                }
                map.end()
            }
        }
    }
}

/// The elements of a list.
#[derive(Clone, Copy)]
pub struct Items<'a> {
    next: Value<'a>,
    left: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let item = self.next;
        self.next = item.here(item.after());
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

/// The properties of an object.
#[derive(Clone, Copy)]
pub struct Entries<'a> {
    next: Value<'a>,
    left: u32,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let key = self.next;
        let value = key.here(key.at + 1);
        self.next = value.here(value.after());
        Some((key.text(key.node()), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

/// Collects nodes and text while a document is read.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    text: String,
}

impl Builder {
    fn finish(self) -> Document {
        Document { nodes: self.nodes.into_boxed_slice(), text: self.text.into_boxed_str() }
    }

    fn plain(&mut self, tag: Tag) {
        self.nodes.push(Node { tag, a: 0, b: 0 });
    }

    fn number(&mut self, number: Number) {
        self.nodes.push(match number {
            Number::Int(value) => Node::of_bits(Tag::Int, value as u64),
            Number::Unsigned(value) => Node::of_bits(Tag::Unsigned, value),
            Number::Float(value) => Node::of_bits(Tag::Float, value.to_bits()),
        });
    }

    fn string(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.nodes.push(Node { tag: Tag::String, a: start as u32, b: text.len() as u32 });
    }

    fn open(&mut self, tag: Tag) -> usize {
        self.nodes.push(Node { tag, a: 0, b: 0 });
        self.nodes.len() - 1
    }

    fn close(&mut self, opened: usize, count: u32) {
        let end = self.nodes.len() as u32;
        let node = &mut self.nodes[opened];
        node.a = count;
        node.b = end;
    }

    /// Whether positions still fit 32 bits.
    fn fits(&self) -> bool {
        self.text.len() < u32::MAX as usize && self.nodes.len() < u32::MAX as usize
    }

    fn value(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Null => self.plain(Tag::Null),
            serde_json::Value::Bool(value) => self.plain(if *value { Tag::True } else { Tag::False }),
            serde_json::Value::Number(number) => self.number(number_of(number)),
            serde_json::Value::String(text) => self.string(text),
            serde_json::Value::Array(items) => {
                let opened = self.open(Tag::Array);
                for item in items {
                    self.value(item);
                }
                self.close(opened, items.len() as u32);
            }
            serde_json::Value::Object(entries) => {
                let opened = self.open(Tag::Object);
                for (key, value) in entries {
                    self.string(key);
                    self.value(value);
                }
                self.close(opened, entries.len() as u32);
            }
        }
    }
}

fn number_of(number: &serde_json::Number) -> Number {
    if let Some(value) = number.as_i64() {
        return Number::Int(value);
    }
    if let Some(value) = number.as_u64() {
        return Number::Unsigned(value);
    }
    Number::Float(number.as_f64().unwrap_or(0.0))
}

struct Seed<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

struct Key<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.len() > LONGEST_NAME {
            return Err(E::custom(format_args!(
                "a property name of {} bytes; at most {LONGEST_NAME} are read",
                text.len()
            )));
        }
        self.0.string(text);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.plain(if value { Tag::True } else { Tag::False });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.number(Number::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.number(i64::try_from(value).map_or(Number::Unsigned(value), Number::Int));
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if !value.is_finite() {
            return Err(E::custom("a number that is not finite"));
        }
        self.0.number(Number::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.string(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.plain(Tag::Null);
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let opened = self.0.open(Tag::Array);
        let mut count = 0;
        while list.next_element_seed(Seed(self.0))?.is_some() {
            count += 1;
        }
        if !self.0.fits() {
            return Err(A::Error::custom("a document of more than 4 GiB"));
        }
        self.0.close(opened, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let opened = self.0.open(Tag::Object);
        let mut count = 0;
        while map.next_key_seed(Key(self.0))?.is_some() {
            map.next_value_seed(Seed(self.0))?;
            count += 1;
        }
        if !self.0.fits() {
            return Err(A::Error::custom("a document of more than 4 GiB"));
        }
        self.0.close(opened, count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            (-1e300f64..1e300).prop_map(Into::into),
            ".{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_gives_back_the_json_it_was_read_from(value in any_json()) {
            let parsed = Document::parse(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(parsed.root().to_json(), serde_json::from_str::<serde_json::Value>(&value.to_string()).unwrap());
            prop_assert_eq!(&serde_json::to_value(&parsed).unwrap(), &parsed.root().to_json());
            for item in parsed.root().items() {
                prop_assert_eq!(item.to_document().root().to_json(), item.to_json());
            }
            for (_, item) in parsed.root().entries() {
                prop_assert_eq!(item.to_document().root().to_json(), item.to_json());
            }
        }
    }

    #[test]
    fn names_compare_exactly_first_and_then_without_case() {
        let document = Document::from(json!({"Name": 1, "name": 2}));
        assert_eq!(document.root().get("name").unwrap().as_number(), Some(Number::Int(2)));
        assert_eq!(document.root().get("NAME").unwrap().as_number(), Some(Number::Int(1)));
        assert!(document.root().get("nam").is_none());
    }

    #[test]
    fn hostile_nesting_and_numbers_are_errors_not_crashes() {
        let deep = "[".repeat(10_000);
        assert!(Document::parse(deep.as_bytes()).unwrap_err().to_string().contains("recursion limit"));
        assert!(Document::parse(b"{\"a\": 1e999}").is_err());
        let long = format!("{{\"{}\": 1}}", "k".repeat(1 << 20));
        assert!(Document::parse(long.as_bytes()).unwrap_err().to_string().contains("a property name of 1048576 bytes"));
        assert!(Document::parse(b"{\"a\": NaN}").is_err());
    }
}
