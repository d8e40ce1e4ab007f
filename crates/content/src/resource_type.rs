//! Resource types: what a kind is, how it is listed, what it relates to.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use yagura_model::{Cloud, Implied, Kind, KindFacts, Path, Relation, Template};

use crate::permissions::Permissions;
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
    /// Permissions that its list calls need.
    #[serde(default)]
    pub permissions: Permissions,
    /// AWS: the events that change it; none = events that name the kind, and a whole list.
    #[serde(default)]
    pub events: OneOrMany<EventTrigger>,
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
    pub permissions: Permissions,
    /// The answer about one resource never changes, so that the one of the last collection is taken.
    pub immutable: bool,
    /// No call gives it: it is worked out from the whole estate. Nobody asks the cloud for it.
    pub derived: bool,
}

/// Events after which a resource is read again, and where they name it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The `eventSource` of the CloudTrail record: `ec2.amazonaws.com`.
    pub source: String,
    /// Names of events (`eventName`, or the `detail-type` of a service's own event); `*` stands for any text.
    pub names: Vec<String>,
    /// Where the record holds what the resource is called, as paths in `detail`; the first that holds something counts.
    /// None = the event names no resource: the kind is listed again.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Only what starts so names a resource of this kind: `sg-`.
    #[serde(default)]
    pub starts_with: Option<String>,
    /// Where the item of the list holds the same, as paths in the item; `@` is the item itself.
    #[serde(default)]
    pub key: OneOrMany<String>,
    /// Parameters that narrow the list, with `{}` for what the resource is called where the call takes that. None = the
    /// list is asked for whole, and only that resource is read further.
    #[serde(default)]
    pub params: BTreeMap<String, serde_json::Value>,
}

impl EventTrigger {
    /// The narrowing parameters for a resource, and whether they name it.
    pub fn params_for(&self, name: &str) -> (serde_json::Map<String, serde_json::Value>, bool) {
        let mut named = false;
        let params = self.params.iter().map(|(member, value)| (member.clone(), filled(value, name, &mut named)));
        (params.collect(), named)
    }

    /// Whether an event of that name is meant.
    pub fn names_event(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| fits_pattern(pattern, name))
    }

    fn faults(&self, described: &ResourceType) -> Vec<String> {
        let mut faults = Vec::new();
        if described.cloud != Cloud::Aws {
            faults.push("events: only AWS kinds have them; the events of the others name ids".to_owned());
        }
        if !self.source.ends_with(".amazonaws.com") {
            faults.push(format!("events: `{}` is no event source such as `ec2.amazonaws.com`", self.source));
        }
        if self.names.is_empty() || self.names.iter().any(|name| name.trim_matches('*').is_empty()) {
            faults.push("events: needs `names`, and none that stands for every event".to_owned());
        }
        for path in self.ids.iter().chain(self.key.as_slice().iter().filter(|path| *path != "@")) {
            match Path::parse(path) {
                Ok(path) if path.segments().is_empty() => faults.push("events: an empty path".to_owned()),
                Ok(_) => {}
                Err(fault) => faults.push(format!("events: {fault}")),
            }
        }
        if self.ids.is_empty() != self.key.as_slice().is_empty() {
            faults.push("events: `ids` and `key` go together".to_owned());
        }
        if self.ids.is_empty() && (!self.params.is_empty() || self.starts_with.is_some()) {
            faults.push("events: `params` and `starts_with` need `ids`".to_owned());
        }
        if !self.params.is_empty() {
            faults.extend(param_faults(&self.params));
        }
        if described.described_by().is_none() && described.implied.is_none() {
            faults.push("events: the kind has no list call of its own".to_owned());
        }
        faults
    }
}

/// What is wrong with narrowing parameters: no part but `{}` stands in them.
fn param_faults(params: &BTreeMap<String, serde_json::Value>) -> Vec<String> {
    let mut faults = Vec::new();
    for text in params.values().flat_map(texts_of) {
        match Template::parse(text) {
            Ok(template) => faults.extend(template.holes().filter(|hole| !hole.is_empty()).map(|hole| {
                format!("events: `{{{hole}}}` in `params`: only `{{}}`, what the resource is called, stands there")
            })),
            Err(fault) => faults.push(format!("events: {fault}")),
        }
    }
    faults
}

/// A value with `{}` replaced by a name in every text of it.
fn filled(value: &serde_json::Value, name: &str, named: &mut bool) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(text) if text.contains("{}") => {
            *named = true;
            Json::String(text.replace("{}", name))
        }
        Json::Array(items) => items.iter().map(|item| filled(item, name, named)).collect(),
        Json::Object(members) => {
            let members = members.iter().map(|(member, inner)| (member.clone(), filled(inner, name, named)));
            Json::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// All texts inside a JSON value.
fn texts_of(value: &serde_json::Value) -> Vec<&str> {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => vec![text],
        Json::Array(items) => items.iter().flat_map(texts_of).collect(),
        Json::Object(members) => members.values().flat_map(texts_of).collect(),
        _ => Vec::new(),
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn fits_pattern(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.len() >= end.len() && left.ends_with(end)
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
    /// The call that answers with items of this kind, asked for without a parent: the one that events narrow.
    pub fn described_by(&self) -> Option<&ListCall> {
        self.list.as_slice().iter().find(|list| !list.names_only && list.parent.is_none() && list.operation.is_some())
    }

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
        for trigger in self.events.as_slice() {
            faults.extend(trigger.faults(self));
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

    #[test]
    fn names_of_events_may_hold_stars() {
        for (pattern, name, fits) in [
            ("RunInstances", "RunInstances", true),
            ("RunInstances", "RunInstancesX", false),
            ("*SecurityGroup*", "AuthorizeSecurityGroupIngress", true),
            ("*SecurityGroup*", "CreateVpc", false),
            ("Put*Policy", "PutUserPolicy", true),
            ("Put*Policy", "PutPolicy", true),
            ("Put*Policy", "PutUserPolicyX", false),
            ("UpdateFunction*v2", "UpdateFunctionCode20150331v2", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits_pattern(pattern, name), fits, "{pattern} {name}");
        }
    }

    /// What is said of a kind with these events; empty = they are taken.
    fn faults_of(events: serde_json::Value) -> String {
        let described: ResourceType = serde_json::from_value(serde_json::json!({
            "kind": "AWS::EC2::SecurityGroup", "cloud": "aws", "title": {"en": "x"}, "category": "network",
            "list": {"service": "ec2", "operation": "DescribeSecurityGroups", "items": "SecurityGroups"}, "events": events,
        }))
        .unwrap();
        described.facts().err().unwrap_or_default().join("; ")
    }

    #[test]
    fn events_with_paths_or_parameters_that_do_not_parse_are_refused() {
        let right = || {
            serde_json::json!({"source": "ec2.amazonaws.com", "names": ["*SecurityGroup*"],
                "ids": ["requestParameters.groupId"], "key": "GroupId", "params": {"GroupIds": ["{}"]}})
        };
        assert_eq!(faults_of(right()), "");
        for (member, value, said) in [
            ("ids", serde_json::json!(["a..b"]), "an empty part"),
            ("ids", serde_json::json!([]), "go together"),
            ("key", serde_json::json!("a["), "`[` without `]`"),
            ("params", serde_json::json!({"GroupIds": ["{"]}), "without `}`"),
            ("params", serde_json::json!({"GroupIds": ["{GroupId}"]}), "only `{}`"),
            ("names", serde_json::json!(["*"]), "stands for every event"),
            ("source", serde_json::json!("ec2"), "no event source"),
        ] {
            let mut events = right();
            events[member] = value;
            assert!(faults_of(events).contains(said), "{member}: {said}");
        }
    }
}
