//! Kinds, scopes and other names that come again and again, held once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use yagura_content::ResourceType;
use yagura_model::{Cloud, Kind, Path, Resource, Scope, Template};

use super::follow::{FollowUp, arm_params};

/// What a reader needs of a resource type.
pub(crate) struct TypeFacts<'a> {
    pub described: &'a ResourceType,
    pub id: Option<Template>,
    pub name: Option<Template>,
    pub inline: Vec<(Path, Kind)>,
}

/// All names seen so far.
pub(crate) struct Names<'a> {
    types: HashMap<Kind, TypeFacts<'a>>,
    /// Kind, path and API version of the ARM lists by the kind they are asked for.
    arm_children: ArmChildren<'a>,
    kinds: HashMap<Box<str>, Kind>,
    scopes: HashMap<Box<str>, Scope>,
    texts: HashMap<Box<str>, Arc<str>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(types: &'a BTreeMap<Kind, ResourceType>) -> Self {
        let arm_children = arm_children(types);
        let types = types.iter().map(|(kind, described)| (kind.clone(), TypeFacts::of(described)));
        Self {
            types: types.collect(),
            arm_children,
            kinds: HashMap::new(),
            scopes: HashMap::new(),
            texts: HashMap::new(),
        }
    }

    /// The described type of a kind.
    pub(crate) fn facts(&self, kind: &Kind) -> Option<&TypeFacts<'a>> {
        self.types.get(kind)
    }

    /// The kind of that name, written as it is described.
    pub(crate) fn kind(&mut self, name: &str) -> Kind {
        if let Some(kind) = self.kinds.get(name) {
            return kind.clone();
        }
        let new = Kind::new(name);
        let kind = self.types.get(&new).map_or(new, |facts| facts.described.kind.clone());
        self.kinds.insert(name.into(), kind.clone());
        kind
    }

    /// The subscription, account or project of that id.
    pub(crate) fn account(&mut self, cloud: Cloud, id: &str) -> Scope {
        if let Some(scope) = self.scopes.get(id).filter(|scope| scope.cloud() == cloud) {
            return scope.clone();
        }
        let scope = Scope::account(cloud, id);
        self.scopes.insert(id.into(), scope.clone());
        scope
    }

    /// The ARM calls that list what lies below a resource.
    pub(crate) fn arm_calls(&self, resource: &Resource) -> Vec<FollowUp> {
        let mut calls = Vec::new();
        for (kind, path, api_version) in self.arm_children.get(&resource.kind).into_iter().flatten() {
            let path = path.replace("{parent}", resource.id.as_str());
            calls.push(FollowUp {
                cloud: Cloud::Azure,
                scope: resource.scope.clone(),
                region: None,
                service: "arm".to_owned(),
                operation: kind.as_str().to_owned(),
                params: arm_params(&path, api_version, resource.id.as_str()),
            });
        }
        calls
    }

    /// The kinds that are listed in a Resource Graph table, with those that stand inside their documents.
    pub(crate) fn kinds_of_table(&self, table: &str) -> Vec<Kind> {
        let listed = |facts: &&TypeFacts<'a>| {
            let mut lists = facts.described.list.as_slice().iter();
            lists.any(|list| list.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(table)))
        };
        let listed = self.types.values().filter(listed);
        let kinds = listed.flat_map(|facts| {
            let inside = facts.inline.iter().map(|(_, kind)| kind);
            std::iter::once(&facts.described.kind).chain(inside).cloned()
        });
        kinds.collect()
    }

    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let known: Arc<str> = text.into();
        self.texts.insert(text.into(), known.clone());
        known
    }
}

impl<'a> TypeFacts<'a> {
    /// Paths and templates were checked when the content was loaded; one that is wrong is left out.
    fn of(described: &'a ResourceType) -> Self {
        let template = |text: &Option<String>| text.as_deref().and_then(|text| Template::parse(text).ok());
        let inline =
            described.inline.iter().filter_map(|child| Some((Path::parse(&child.path).ok()?, child.kind.clone())));
        Self { described, id: template(&described.id), name: template(&described.name), inline: inline.collect() }
    }
}

type ArmChildren<'a> = HashMap<Kind, Vec<(Kind, &'a str, &'a str)>>;

fn arm_children(types: &BTreeMap<Kind, ResourceType>) -> ArmChildren<'_> {
    let mut children: ArmChildren<'_> = HashMap::new();
    for described in types.values() {
        for list in described.list.as_slice() {
            if let (Some(path), Some(version), Some(parent)) = (&list.arm, &list.api_version, &list.parent) {
                children.entry(parent.clone()).or_default().push((described.kind.clone(), path, version));
            }
        }
    }
    children
}
