//! Which resource types read the answer of a call.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};
use yagura_content::{AttachedCall, Items, ListCall, ResourceType, TemplateValues};
use yagura_model::{Cloud, Kind, Template, Value};

/// Every call that a resource type names, by cloud, service and operation.
pub(crate) struct Calls<'a> {
    uses: Vec<Use<'a>>,
    by_operation: HashMap<(Cloud, String, String), Vec<usize>>,
    /// Calls that are made for each resource of a kind: attached answers and lists of children.
    by_parent: HashMap<Kind, Vec<usize>>,
}

/// One call of one resource type.
pub(crate) struct Use<'a> {
    pub described: &'a ResourceType,
    pub purpose: Purpose<'a>,
    pub items: Items,
    pub params: Params,
    pub none_on: &'a [String],
    pub json_text: &'a [String],
}

impl Use<'_> {
    /// Whether an error says that there is none of what the call asks for. A rule is a code, or `CODE: TEXT` where the
    /// message must hold the text: some services say with one code that they are off and that the caller may not ask.
    pub(crate) fn is_none(&self, code: &str, message: &str) -> bool {
        self.none_on.iter().any(|rule| match rule.split_once(": ") {
            None => rule.eq_ignore_ascii_case(code),
            Some((wanted, text)) => {
                wanted.eq_ignore_ascii_case(code) && message.to_ascii_lowercase().contains(&text.to_ascii_lowercase())
            }
        })
    }
}

/// What an answer is for.
pub(crate) enum Purpose<'a> {
    /// Its items are resources, or names for other calls.
    List(&'a ListCall),
    /// It hangs under a resource by this name.
    Attach(&'a str),
}

impl<'a> Calls<'a> {
    pub(crate) fn new(types: &'a BTreeMap<Kind, ResourceType>) -> Self {
        let mut calls = Self { uses: Vec::new(), by_operation: HashMap::new(), by_parent: HashMap::new() };
        for described in types.values() {
            for list in described.list.as_slice() {
                calls.add_list(described, list);
            }
            for (name, attached) in &described.attached {
                calls.add_attached(described, name, attached);
            }
        }
        calls
    }

    fn add_list(&mut self, described: &'a ResourceType, list: &'a ListCall) {
        let operation = match (&list.service, &list.operation, &list.graph) {
            (Some(service), Some(operation), _) => (service.as_str(), operation.as_str()),
            (_, _, Some(collection)) => ("graph", collection.as_str()),
            _ => return,
        };
        let default = if list.graph.is_some() { "value" } else { "@" };
        let Ok(items) = Items::parse(list.items.as_deref().unwrap_or(default)) else { return };
        let parent = list.parent.as_ref();
        let made = Use {
            described,
            purpose: Purpose::List(list),
            items,
            params: Params::new(&list.params),
            none_on: &list.none_on,
            json_text: &described.json_text,
        };
        self.add(made, operation, parent);
    }

    fn add_attached(&mut self, described: &'a ResourceType, name: &'a str, call: &'a AttachedCall) {
        let (Some(service), Some(operation)) = (&call.service, &call.operation) else { return };
        let Ok(items) = Items::parse(call.items.as_deref().unwrap_or("@")) else { return };
        let made = Use {
            described,
            purpose: Purpose::Attach(name),
            items,
            params: Params::new(&call.params),
            none_on: &call.none_on,
            json_text: &call.json_text,
        };
        self.add(made, (service, operation), Some(&described.kind));
    }

    fn add(&mut self, made: Use<'a>, (service, operation): (&str, &str), parent: Option<&Kind>) {
        let place = self.uses.len();
        let key = (made.described.cloud, service.to_ascii_lowercase(), operation.to_ascii_lowercase());
        self.by_operation.entry(key).or_default().push(place);
        if let Some(parent) = parent {
            self.by_parent.entry(parent.clone()).or_default().push(place);
        }
        self.uses.push(made);
    }

    /// Positions of the uses of an operation.
    pub(crate) fn of(&self, cloud: Cloud, service: &str, operation: &str) -> &[usize] {
        let key = (cloud, service.to_ascii_lowercase(), operation.to_ascii_lowercase());
        self.by_operation.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Of the uses of an operation those that a call was made for: those whose fixed parameters it was asked with, and of
    /// them the most special ones. A call whose parameters were not recorded may have been made for any.
    pub(crate) fn meant(&self, cloud: Cloud, service: &str, operation: &str, asked: Option<Value<'_>>) -> Vec<usize> {
        let uses = self.of(cloud, service, operation);
        let count = |place: &usize| self.at(*place)?.params.fits_wholly(asked);
        if let Some(most) = uses.iter().filter_map(count).max() {
            return uses.iter().copied().filter(|place| count(place) == Some(most)).collect();
        }
        let fits = |place: &usize| self.at(*place).is_some_and(|made| made.params.fits(asked));
        uses.iter().copied().filter(fits).collect()
    }

    /// Positions of the uses that are made for each resource of a kind.
    pub(crate) fn for_each(&self, kind: &Kind) -> &[usize] {
        self.by_parent.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The list calls of a kind that describe what its `names_only` call named, by position.
    pub(crate) fn describing(&self, kind: &Kind) -> impl Iterator<Item = usize> {
        let is_it = move |made: &Use<'a>| match &made.purpose {
            Purpose::List(list) => made.described.kind == *kind && !list.names_only && list.parent.is_none(),
            Purpose::Attach(_) => false,
        };
        self.uses
            .iter()
            .enumerate()
            .filter(move |(_, made)| is_it(made))
            .map(|(place, _)| place)
            .collect::<Vec<_>>()
            .into_iter()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Use<'a>> {
        self.uses.get(place)
    }
}

/// Parameters of a call, some of which are made of the document of the resource it is asked for.
pub(crate) struct Params {
    params: Vec<(String, Param)>,
    written: BTreeMap<String, Json>,
}

enum Param {
    Fixed(String),
    Made(Template),
}

impl Params {
    pub(crate) fn new(written: &BTreeMap<String, Json>) -> Self {
        let mut params = Vec::new();
        for (name, value) in written {
            let text = match value {
                Json::String(text) => text.clone(),
                Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
                other => plain(other),
            };
            let param = match Template::parse(&text) {
                Ok(template) if template.holes().next().is_some() => Param::Made(template),
                _ => Param::Fixed(text),
            };
            params.push((name.clone(), param));
        }
        Self { params, written: written.clone() }
    }

    /// The parameters for one resource (or one name that another call listed), with every hole filled.
    pub(crate) fn filled(&self, document: Value<'_>, values: &TemplateValues<'_>) -> Option<Map<String, Json>> {
        let mut filled = Map::new();
        for (name, value) in &self.written {
            filled.insert(name.clone(), fill(value, document, values)?);
        }
        Some(filled)
    }

    /// Whether some parameter is made of a document.
    pub(crate) fn has_holes(&self) -> bool {
        self.params.iter().any(|(_, param)| matches!(param, Param::Made(_)))
    }

    /// Whether the call was asked with the parameters that never change. One that was not recorded counts as such.
    pub(crate) fn fits(&self, asked: Option<Value<'_>>) -> bool {
        self.fixed(asked).all(|held| held != Some(false))
    }

    /// How many of the parameters that never change the call was asked with, if it was with all of them.
    pub(crate) fn fits_wholly(&self, asked: Option<Value<'_>>) -> Option<usize> {
        self.fixed(asked).try_fold(0, |count, held| held?.then_some(count + 1))
    }

    /// Of each parameter that never changes, whether the call was asked with it; none = it was not recorded.
    fn fixed<'p>(&'p self, asked: Option<Value<'p>>) -> impl Iterator<Item = Option<bool>> + 'p {
        self.params.iter().filter_map(move |(name, param)| {
            let Param::Fixed(wanted) = param else { return None };
            let value = asked.and_then(|asked| asked.get(name));
            Some(value.map(|value| text_of(value).is_none_or(|text| text.eq_ignore_ascii_case(wanted))))
        })
    }

    /// What tells the resources apart that the call is made for: from the resource's own document.
    pub(crate) fn key_of(&self, document: Value<'_>, values: &TemplateValues<'_>) -> Option<String> {
        let mut key = String::new();
        for (name, param) in &self.params {
            if let Param::Made(template) = param {
                push(&mut key, name, &values.fill(template, document).ok()?);
            }
        }
        Some(key)
    }

    /// The same from the parameters that a call was asked with.
    pub(crate) fn key_asked(&self, asked: Option<Value<'_>>) -> Option<String> {
        let mut key = String::new();
        for (name, param) in &self.params {
            if matches!(param, Param::Made(_)) {
                push(&mut key, name, &text_of(asked?.get(name)?)?);
            }
        }
        Some(key)
    }
}

fn fill(value: &Json, document: Value<'_>, values: &TemplateValues<'_>) -> Option<Json> {
    Some(match value {
        Json::String(text) => Json::String(values.fill(&Template::parse(text).ok()?, document).ok()?),
        Json::Array(items) => items.iter().map(|item| fill(item, document, values)).collect::<Option<_>>()?,
        other => other.clone(),
    })
}

fn push(key: &mut String, name: &str, value: &str) {
    key.push_str(name);
    key.push('=');
    key.push_str(value);
    key.push('\n');
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text_of(value: Value<'_>) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if value.is_array() {
        let items: Option<Vec<String>> = value.items().map(text_of).collect();
        return items.map(|items| items.join(","));
    }
    (!value.is_object() && !value.is_null()).then(|| value.to_json().to_string())
}
