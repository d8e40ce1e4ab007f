//! The request context: what is known of the condition keys of a request.

use std::collections::HashMap;

/// What is known of one condition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The request carries it with these values.
    Present(Vec<String>),
    /// The request does not carry it.
    Absent,
    /// The request carries it with these values, or does not carry it.
    Perhaps(Vec<String>),
    /// Nothing is known.
    Unknown,
}

impl KeyState {
    /// Present with one value.
    pub fn one(value: impl Into<String>) -> Self {
        Self::Present(vec![value.into()])
    }
}

/// What is known of keys that no one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The request does not carry them: a request as it was recorded.
    Absent,
    /// They may have any value: a request that somebody could make.
    Unknown,
}

/// Condition keys with what is known of them. Names compare without case.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    states: HashMap<Box<str>, KeyState>,
    /// Beginnings of keys of which all that exist are named.
    closed: Vec<Box<str>>,
}

impl Keys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what is known of a key; the last word counts.
    pub fn set(&mut self, key: &str, state: KeyState) {
        self.states.insert(key.to_ascii_lowercase().into(), state);
    }

    /// Says that all keys that begin so are named: others of them are absent.
    pub fn close(&mut self, beginning: &str) {
        self.closed.push(beginning.to_ascii_lowercase().into());
    }

    fn state(&self, key: &str) -> Option<&KeyState> {
        let named = self.states.get(key);
        named.or_else(|| self.closed.iter().any(|all| key.starts_with(&**all)).then_some(&KeyState::Absent))
    }
}

/// The context of one request: layers of keys, the first that names a key counts.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    layers: &'a [&'a Keys],
    caller: Option<&'a Keys>,
    rest: Rest,
}

impl<'a> Context<'a> {
    /// A context of these layers.
    pub fn new(layers: &'a [&'a Keys], rest: Rest) -> Self {
        Self { layers, caller: None, rest }
    }

    /// The same, with what is known of the caller for keys that no layer names.
    pub(crate) fn of_caller(self, caller: &'a Keys) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// What is known of a key, whose name is given in lower case.
    pub(crate) fn state(&self, key: &str) -> &'a KeyState {
        let named = self.layers.iter().chain(&self.caller).find_map(|layer| layer.state(key));
        named.unwrap_or(match self.rest {
            Rest::Absent => &KeyState::Absent,
            Rest::Unknown => &KeyState::Unknown,
        })
    }
}
