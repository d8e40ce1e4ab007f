//! Resource types: what a kind is, how it is listed, what it relates to.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use yagura_model::{Cloud, Implied, Kind, KindFacts, Path, Relation, Template};

use crate::text::{OneOrMany, Text};

/// One file of `content/resource-types`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceType {
    /// The cloud's own name of the kind.
    pub kind: Kind,
    /// Its cloud.
    pub cloud: Cloud,
    /// The name for people.
    pub title: Text,
    /// compute, storage, network, ...
    pub category: String,
    /// Template of the id; none = the item's own.
    #[serde(default)]
    pub id: Option<String>,
    /// Template of the display name.
    #[serde(default)]
    pub name: Option<String>,
    /// The calls that list it.
    #[serde(default)]
    pub list: OneOrMany<ListCall>,
    /// Answers without an identity, by the name under which they hang.
    #[serde(default)]
    pub attached: BTreeMap<String, AttachedCall>,
    /// Children that stand inside the document.
    #[serde(default)]
    pub inline: Vec<InlineChildren>,
    /// Relations by name.
    #[serde(default)]
    pub relations: BTreeMap<String, RelationSpec>,
    /// One exists in every scope or region.
    #[serde(default)]
    pub implied: Option<ImpliedPlace>,
    /// Paths that hold JSON as text.
    #[serde(default)]
    pub json_text: Vec<String>,
    /// Where tags are, if not at the usual places.
    #[serde(default)]
    pub tags: Option<String>,
    /// Permissions that reading needs.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// One item as the cloud answers it.
    #[serde(default)]
    pub sample: Option<serde_json::Value>,
    /// This file replaces a shipped one.
    #[serde(default)]
    pub overrides: bool,
}

/// Where an implied resource exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImpliedPlace {
    /// In every subscription, account or project.
    Scope,
    /// In every region of every account.
    Region,
}

/// One call that lists a kind; which fields are set depends on the cloud (docs/content.md).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListCall {
    /// Azure: a Resource Graph table.
    pub table: Option<String>,
    /// Azure: an ARM path, `{parent}` for the resource it is asked for.
    pub arm: Option<String>,
    /// Azure: its API version.
    pub api_version: Option<String>,
    /// Azure: a Microsoft Graph collection.
    pub graph: Option<String>,
    /// Microsoft Graph: the fields to ask for.
    pub select: Vec<String>,
    /// AWS and direct GCP calls: the service.
    pub service: Option<String>,
    /// AWS and direct GCP calls: the operation.
    pub operation: Option<String>,
    /// AWS: `global`, `regional`.
    pub scope: Option<String>,
    /// Where the items stand in the answer.
    pub items: Option<String>,
    /// The kind whose resources it is asked for one by one.
    pub parent: Option<Kind>,
    /// Parameters, with templates of the parent's document.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The items are names for the calls below, no resources.
    pub names_only: bool,
    /// GCP: the Cloud Asset Inventory type.
    pub asset: Option<String>,
    /// GCP: content types to ask for.
    pub content: Vec<String>,
    /// GCP: the URL of a direct call.
    pub url: Option<String>,
    /// Error codes that mean that there is none.
    pub none_on: Vec<String>,
}

/// A call whose answer hangs under a resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttachedCall {
    /// The service.
    pub service: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// Azure: an ARM path.
    pub arm: Option<String>,
    /// Azure: its API version.
    pub api_version: Option<String>,
    /// GCP: the content type that carries it.
    pub content: Option<String>,
    /// GCP: the URL of a direct call.
    pub url: Option<String>,
    /// Parameters, with templates of the resource's document.
    pub params: BTreeMap<String, serde_json::Value>,
    /// A part of the answer; none = the whole.
    pub items: Option<String>,
    /// Error codes that mean that there is none.
    pub none_on: Vec<String>,
    /// Paths in the answer that hold JSON as text.
    pub json_text: Vec<String>,
    /// Permissions that the call needs.
    pub permissions: Vec<String>,
    /// No call gives it: it is worked out from the whole estate. Nobody asks the cloud for it.
    pub derived: bool,
}

/// Children with an id of their own that stand inside a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineChildren {
    /// Where the list stands.
    pub path: String,
    /// Their kind.
    pub kind: Kind,
}

/// A relation as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationSpec {
    /// Where the values stand.
    pub path: String,
    /// The kinds it leads to.
    #[serde(default)]
    pub kind: OneOrMany<Kind>,
    /// How a value becomes an id.
    #[serde(default)]
    pub target: Option<String>,
}

/// Where items stand in an answer: `@`, `Reservations[].Instances[]`, `[Users,Groups][]`, `items.*.instances`, `@csv:Content`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// The whole answer.
    Whole,
    /// Lists under these paths, one after the other.
    Lists(Vec<Vec<ItemStep>>),
    /// Rows of a CSV text (base64 or plain) under this member.
    Csv(String),
}

/// One step to the items of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemStep {
    /// A member.
    Member(String),
    /// Every element of a list.
    Each,
    /// Every value of an object.
    Values,
}

impl Items {
    /// Parses the `items` of a call.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "@" || text.is_empty() {
            return Ok(Self::Whole);
        }
        if let Some(member) = text.strip_prefix("@csv:") {
            return Ok(Self::Csv(member.to_owned()));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (names, _) = rest.split_once(']').ok_or_else(|| format!("`{text}` has a `[` without `]`"))?;
            return names.split(',').map(|name| steps(name.trim())).collect::<Result<_, _>>().map(Self::Lists);
        }
        Ok(Self::Lists(vec![steps(text)?]))
    }
}

fn steps(text: &str) -> Result<Vec<ItemStep>, String> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (name, lists) = match part.find('[') {
            Some(open) => (&part[..open], &part[open..]),
            None => (part, ""),
        };
        match name {
            "" => return Err(format!("`{text}` has an empty part")),
            "*" => steps.push(ItemStep::Values),
            name => steps.push(ItemStep::Member(name.to_owned())),
        }
        match lists {
            "" => {}
            "[]" | "[*]" => steps.push(ItemStep::Each),
            other => return Err(format!("`{other}` in `{text}` is not `[]`")),
        }
    }
    Ok(steps)
}

/// What fills the holes of an id template besides the item's own members.
#[derive(Clone, Copy, Debug)]
pub struct TemplateValues<'a> {
    /// Account number, subscription or project id.
    pub account: &'a str,
    /// Region; empty for global things.
    pub region: &'a str,
    /// AWS partition.
    pub partition: &'a str,
    /// Parameters of the call.
    pub params: Option<yagura_model::Value<'a>>,
}

impl TemplateValues<'_> {
    /// The text of a template for an item, or the name of the hole that nothing fills.
    /// A hole names a place value, `param.NAME`, `@` (the item itself), or a path in the item.
    pub fn fill(&self, template: &Template, item: yagura_model::Value<'_>) -> Result<String, String> {
        template.fill(|hole| self.hole(hole, item))
    }

    fn hole(&self, hole: &str, item: yagura_model::Value<'_>) -> Option<String> {
        match hole {
            "account" | "project" => return Some(self.account.to_owned()),
            "region" => return Some(self.region.to_owned()),
            "partition" => return Some(self.partition.to_owned()),
            "@" => return plain(item),
            _ => {}
        }
        if let Some(name) = hole.strip_prefix("param.") {
            return plain(self.params?.get(name)?);
        }
        plain(Path::parse(hole).ok()?.first(item)?)
    }
}

fn plain(value: yagura_model::Value<'_>) -> Option<String> {
    if let Some(text) = value.as_str() {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    value.as_number().map(|number| number.to_json().to_string())
}

impl ResourceType {
    /// What an estate must know, or what is wrong with paths and templates.
    pub fn facts(&self) -> Result<KindFacts, Vec<String>> {
        let mut faults = Vec::new();
        let mut relations = HashMap::new();
        for (name, spec) in &self.relations {
            match spec.relation() {
                Ok(relation) => {
                    relations.insert(name.as_str().into(), relation);
                }
                Err(fault) => faults.push(format!("relation {name}: {fault}")),
            }
        }
        for template in self.id.iter().chain(&self.name) {
            if let Err(fault) = Template::parse(template) {
                faults.push(fault);
            }
        }
        for call in self.list.as_slice() {
            if let Some(Err(fault)) = call.items.as_deref().map(Items::parse) {
                faults.push(fault);
            }
        }
        for (name, call) in &self.attached {
            let asked = [&call.service, &call.operation, &call.arm, &call.content, &call.url];
            if call.derived && asked.into_iter().any(Option::is_some) {
                faults.push(format!("{name} is derived and asked for: it can be one of these"));
            }
        }
        for child in &self.inline {
            if let Err(fault) = Path::parse(&child.path) {
                faults.push(fault.to_string());
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(KindFacts {
            kind: self.kind.clone(),
            cloud: self.cloud,
            relations,
            attached: self.attached.keys().map(|name| name.as_str().into()).collect(),
            tags: self.tags.as_deref().and_then(|path| Path::parse(path).ok()),
            implied: self.implied.map(|place| match place {
                ImpliedPlace::Scope => Implied::Scope,
                ImpliedPlace::Region => Implied::Region,
            }),
        })
    }
}

impl RelationSpec {
    fn relation(&self) -> Result<Relation, String> {
        Ok(Relation {
            path: Path::parse(&self.path).map_err(|error| error.to_string())?,
            kinds: self.kind.as_slice().to_vec(),
            target: self.target.as_deref().map(Template::parse).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_parsed_in_all_their_forms() {
        let member = |name: &str| ItemStep::Member(name.into());
        assert_eq!(Items::parse("@"), Ok(Items::Whole));
        assert_eq!(Items::parse("@csv:Content"), Ok(Items::Csv("Content".into())));
        assert_eq!(
            Items::parse("Reservations[].Instances[]"),
            Ok(Items::Lists(vec![vec![member("Reservations"), ItemStep::Each, member("Instances"), ItemStep::Each]]))
        );
        assert_eq!(Items::parse("[A,B][]"), Ok(Items::Lists(vec![vec![member("A")], vec![member("B")]])));
        assert_eq!(
            Items::parse("items.*.instances"),
            Ok(Items::Lists(vec![vec![member("items"), ItemStep::Values, member("instances")]]))
        );
        assert!(Items::parse("a..b").is_err());
    }
}
