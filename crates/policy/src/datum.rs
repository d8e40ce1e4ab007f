//! The values conditions and expressions work on.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::ControlFlow;

use serde_json::Value as Json;
use yagura_model::{Number, Value, View};

use crate::text;

/// A value while a rule is evaluated: borrowed from a document wherever it can be.
#[derive(Clone, Debug)]
pub(crate) enum Datum<'a> {
    /// Nothing stands there.
    Missing,
    /// A part of a document.
    Node(Value<'a>),
    /// A part of a parameter or of the request's facts.
    Json(&'a Json),
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number; always finite.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list made by a function.
    List(Vec<Datum<'a>>),
    /// An object made by a function.
    Object(Vec<(Cow<'a, str>, Datum<'a>)>),
}

/// What a [`Datum`] is, whatever it is borrowed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape<'s> {
    /// Nothing.
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(&'s str),
    /// A list.
    List,
    /// An object.
    Object,
}

impl<'a> Datum<'a> {
    /// A text of its own.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// What stands at a place, or nothing.
    pub(crate) fn of(value: Option<Value<'a>>) -> Self {
        value.map_or(Self::Missing, Self::Node)
    }

    pub(crate) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Missing => Shape::Missing,
            Self::Null => Shape::Null,
            Self::Bool(value) => Shape::Bool(*value),
            Self::Int(value) => Shape::Number(Number::Int(*value)),
            Self::Float(value) => Shape::Number(Number::Float(*value)),
            Self::Text(text) => Shape::Text(text),
            Self::List(_) => Shape::List,
            Self::Object(_) => Shape::Object,
            Self::Node(value) => match value.view() {
                View::Null => Shape::Null,
                View::Bool(value) => Shape::Bool(value),
                View::Number(number) => Shape::Number(number),
                View::String(text) => Shape::Text(text),
                View::Array(_) => Shape::List,
                View::Object(_) => Shape::Object,
            },
            Self::Json(value) => match value {
                Json::Null => Shape::Null,
                Json::Bool(value) => Shape::Bool(*value),
                Json::Number(number) => Shape::Number(number_of(number)),
                Json::String(text) => Shape::Text(text),
                Json::Array(_) => Shape::List,
                Json::Object(_) => Shape::Object,
            },
        }
    }

    /// Whether nothing or `null` stands there.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.shape(), Shape::Missing | Shape::Null)
    }

    pub(crate) fn is_list(&self) -> bool {
        self.shape() == Shape::List
    }

    /// Calls `each` with every element of a list; nothing for other values.
    pub(crate) fn items(&self, each: &mut dyn FnMut(Datum<'a>) -> ControlFlow<()>) -> ControlFlow<()> {
        match self {
            Self::Node(value) => value.items().map(Datum::Node).try_for_each(each),
            Self::Json(Json::Array(items)) => items.iter().map(Datum::Json).try_for_each(each),
            Self::List(items) => items.iter().cloned().try_for_each(each),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Whether `test` holds for an element of a list.
    pub(crate) fn any_item(&self, mut test: impl FnMut(&Datum<'a>) -> bool) -> bool {
        let mut visit = |item: Datum<'a>| if test(&item) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        self.items(&mut visit).is_break()
    }

    /// The elements of a list; empty for other values.
    pub(crate) fn to_items(&self) -> Vec<Datum<'a>> {
        let mut items = Vec::new();
        let _ = self.items(&mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        items
    }

    /// The properties of an object; empty for other values.
    pub(crate) fn to_entries(&self) -> Vec<(Cow<'a, str>, Datum<'a>)> {
        match self {
            Self::Node(value) => value.entries().map(|(key, value)| (key.into(), Datum::Node(value))).collect(),
            Self::Json(Json::Object(entries)) => {
                entries.iter().map(|(key, value)| (key.as_str().into(), Datum::Json(value))).collect()
            }
            Self::Object(entries) => entries.clone(),
            _ => Vec::new(),
        }
    }

    /// Count of elements or properties; 0 for other values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Node(value) => value.len(),
            Self::Json(Json::Array(items)) => items.len(),
            Self::Json(Json::Object(entries)) => entries.len(),
            Self::List(items) => items.len(),
            Self::Object(entries) => entries.len(),
            _ => 0,
        }
    }

    /// How long it takes to look at it once, in comparisons: elements, or text by 64 bytes; 1 at least.
    pub(crate) fn weight(&self) -> usize {
        match self.shape() {
            Shape::Text(text) => text.len() / 64 + 1,
            _ => self.len() + 1,
        }
    }

    /// The same with all that stands inside.
    pub(crate) fn whole_weight(&self) -> usize {
        let inside: usize = match self.shape() {
            Shape::List => self.to_items().iter().map(Datum::whole_weight).sum(),
            Shape::Object => self.to_entries().iter().map(|(_, value)| value.whole_weight()).sum(),
            _ => 0,
        };
        self.weight() + inside
    }

    /// The property of an object by name without case.
    pub(crate) fn get(&self, name: &str) -> Datum<'a> {
        match self {
            Self::Node(value) => Datum::of(value.get(name)),
            Self::Json(Json::Object(entries)) => {
                let exact = entries.get(name);
                let found = exact.or_else(|| entries.iter().find(|(key, _)| text::equal(key, name)).map(|(_, v)| v));
                found.map_or(Self::Missing, Datum::Json)
            }
            Self::Object(entries) => {
                let found = entries.iter().find(|(key, _)| text::equal(key, name));
                found.map_or(Self::Missing, |(_, value)| value.clone())
            }
            _ => Self::Missing,
        }
    }

    /// Whether an object has a property of that name, whatever its value.
    pub(crate) fn has_key(&self, name: &str) -> bool {
        match self {
            Self::Node(value) => value.entries().any(|(key, _)| text::equal(key, name)),
            _ => !matches!(self.get(name), Self::Missing),
        }
    }

    /// The element of a list by position.
    pub(crate) fn index(&self, position: usize) -> Datum<'a> {
        match self {
            Self::Node(value) => Datum::of(value.index(position)),
            Self::Json(Json::Array(items)) => items.get(position).map_or(Self::Missing, Datum::Json),
            Self::List(items) => items.get(position).cloned().unwrap_or(Self::Missing),
            _ => Self::Missing,
        }
    }

    /// The text, as long as the datum lives.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self.shape() {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number.
    pub(crate) fn as_number(&self) -> Option<Number> {
        match self.shape() {
            Shape::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The same value as a `serde_json` tree; nothing is `null`.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Missing | Self::Null => Json::Null,
            Self::Node(value) => value.to_json(),
            Self::Json(value) => (*value).clone(),
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::List(items) => items.iter().map(Datum::to_json).collect(),
            Self::Object(entries) => entries.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect(),
        }
    }

    /// What kind of value this is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self.shape() {
            Shape::Missing | Shape::Null => "nothing",
            Shape::Bool(_) => "a boolean",
            Shape::Number(_) => "a number",
            Shape::Text(_) => "a text",
            Shape::List => "a list",
            Shape::Object => "an object",
        }
    }
}

/// A number of `serde_json` in the model's form.
pub(crate) fn number_of(number: &serde_json::Number) -> Number {
    if let Some(value) = number.as_i64() {
        return Number::Int(value);
    }
    match number.as_u64() {
        Some(value) => Number::Unsigned(value),
        None => Number::Float(number.as_f64().unwrap_or(0.0)),
    }
}

/// The order of two numbers, exact for whole ones.
pub(crate) fn order_numbers(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => Some(left.cmp(&right)),
        (Number::Unsigned(left), Number::Unsigned(right)) => Some(left.cmp(&right)),
        (Number::Int(_), Number::Unsigned(_)) => Some(Ordering::Less),
        (Number::Unsigned(_), Number::Int(_)) => Some(Ordering::Greater),
        _ => left.as_f64().partial_cmp(&right.as_f64()),
    }
}

/// The number a text writes, as `80`, `-1`, `0.5`.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    let text = text.trim();
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.')) {
        return None;
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(Number::Int(value));
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Number::Float)
}
