//! An estate held in memory: what `scan` works on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use crate::assessment::Cause;
use crate::document::Document;
use crate::estate::{Estate, Listing, Place, Sink, Within};
use crate::kind::{Implied, Kind, KindCatalogue, Relation, compare_folded};
use crate::problem::Problem;
use crate::resource::{Answer, Resource, ResourceId};
use crate::scope::{Cloud, Scope, ScopeLevel};

/// Collects resources; [`EstateBuilder::finish`] makes the estate.
#[derive(Default)]
pub struct EstateBuilder {
    pub(crate) resources: Vec<Resource>,
    places: HashMap<ResourceId, usize>,
    pub(crate) inline: HashSet<ResourceId>,
    pub(crate) waiting: HashMap<ResourceId, Vec<(Arc<str>, Answer)>>,
    pub(crate) listings: Listings,
    pub(crate) scopes: BTreeMap<Scope, ScopeFacts>,
    regions: BTreeSet<(Scope, Arc<str>)>,
    pub(crate) problems: Vec<Problem>,
}

/// What is known of a scope besides its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeFacts {
    /// The name for people.
    pub name: Option<String>,
    /// Scopes above it, nearest first.
    pub above: Vec<Scope>,
}

#[derive(Default)]
pub(crate) struct Listings {
    held: HashSet<(Cloud, Kind)>,
    pub(crate) places: HashMap<(Kind, Place), Listing>,
    /// Kinds that were asked for parent by parent in a scope.
    pub(crate) by_parent: HashSet<(Kind, Scope)>,
}

impl Listings {
    fn record(&mut self, kind: Kind, place: Place, listing: Listing) {
        if place.parent.is_some() {
            self.by_parent.insert((kind.clone(), place.scope.clone()));
        }
        let known = self.places.entry((kind, place)).or_insert(Listing::Never);
        if !matches!(known, Listing::Failed(_)) {
            *known = listing;
        }
    }

    /// Records what was asked again: the later answer counts.
    pub(crate) fn replace(&mut self, kind: Kind, place: Place, listing: Listing) {
        if place.parent.is_some() {
            self.by_parent.insert((kind.clone(), place.scope.clone()));
        }
        self.places.insert((kind, place), listing);
    }

    fn at(&self, kind: &Kind, place: Place) -> Listing {
        self.places.get(&(kind.clone(), place)).cloned().unwrap_or(Listing::Never)
    }
}

impl EstateBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the estate: answers find their resources, implied resources are made, indexes are built.
    pub fn finish(mut self, kinds: Arc<KindCatalogue>) -> MemoryEstate {
        for resource in &self.resources {
            self.scopes.entry(resource.scope.clone()).or_default();
            if let (Cloud::Aws, Some(region)) = (resource.cloud, &resource.region) {
                self.regions.insert((resource.scope.clone(), region.clone()));
            }
        }
        self.add_implied(&kinds);
        let mut lost = Vec::new();
        for (id, answers) in std::mem::take(&mut self.waiting) {
            match self.places.get(&id) {
                Some(place) => {
                    for (call, answer) in answers {
                        self.resources[*place].attach(call, answer);
                    }
                }
                None => {
                    let calls: Vec<_> = answers.iter().map(|(call, _)| call.as_ref()).collect();
                    let message = format!("{} came for a resource that was never listed", calls.join(", "));
                    lost.push(Problem::note(id.as_str(), None, message));
                }
            }
        }
        // The same estate says the same, whatever the order of the map.
        lost.sort_unstable_by(|left, right| left.source.cmp(&right.source));
        self.problems.append(&mut lost);
        let mut estate = MemoryEstate {
            kinds,
            resources: self.resources.into_iter().map(Arc::new).collect(),
            inline: self.inline,
            by_id: HashMap::new(),
            by_kind: HashMap::new(),
            by_scope: HashMap::new(),
            listings: self.listings,
            scopes: self.scopes,
            problems: self.problems,
            referring: Mutex::default(),
        };
        estate.index();
        estate
    }

    fn add_implied(&mut self, kinds: &KindCatalogue) {
        let mut implied: Vec<_> =
            kinds.iter().filter_map(|facts| Some((facts.kind.clone(), facts.cloud, facts.implied?))).collect();
        implied.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        for (kind, cloud, implied) in implied {
            self.listings.held.insert((cloud, kind.clone()));
            let made: Vec<_> = match implied {
                Implied::Scope => self.accounts(cloud).map(|scope| implied_scope(&kind, scope)).collect(),
                Implied::Region => self
                    .regions
                    .iter()
                    .filter(|(scope, region)| scope.cloud() == cloud && &**region != "global")
                    .map(|(scope, region)| implied_region(&kind, scope, region))
                    .collect(),
            };
            for resource in made {
                self.inline_copy(resource);
            }
        }
    }

    fn accounts(&self, cloud: Cloud) -> impl Iterator<Item = &Scope> {
        self.scopes.keys().filter(move |scope| scope.cloud() == cloud && scope.level() == ScopeLevel::Account)
    }

    fn insert(&mut self, resource: Resource) {
        self.places.insert(resource.id.clone(), self.resources.len());
        self.resources.push(resource);
    }
}

/// The id of a resource that exists without being listed: the subscription, account or project itself, or a region of it.
pub fn implied_id(scope: &Scope, region: Option<&str>) -> String {
    match (scope.cloud(), region) {
        (Cloud::Azure, _) => scope.id().to_owned(),
        (Cloud::Aws, None) => format!("arn:aws:iam::{}:root", scope.id()),
        (Cloud::Aws, Some(region)) => format!("arn:aws:account:{region}:{}:region", scope.id()),
        (Cloud::Gcp, _) => format!("//cloudresourcemanager.googleapis.com/{}", scope.id()),
    }
}

fn implied_scope(kind: &Kind, scope: &Scope) -> Resource {
    let account = scope.id().rsplit('/').next().unwrap_or(scope.id());
    let document = match scope.cloud() {
        Cloud::Azure => {
            serde_json::json!({"id": scope.id(), "type": kind.as_str(), "name": account, "subscriptionId": account, "properties": {}})
        }
        Cloud::Aws => serde_json::json!({"Account": account}),
        Cloud::Gcp => serde_json::json!({"projectId": account}),
    };
    bare(kind, scope, &implied_id(scope, None), account, None, document.into())
}

fn implied_region(kind: &Kind, scope: &Scope, region: &Arc<str>) -> Resource {
    let id = implied_id(scope, Some(region));
    bare(kind, scope, &id, region, Some(region.clone()), serde_json::json!({"RegionName": &**region}).into())
}

fn bare(kind: &Kind, scope: &Scope, id: &str, name: &str, region: Option<Arc<str>>, document: Document) -> Resource {
    Resource {
        id: ResourceId::new(scope.cloud(), id),
        kind: kind.clone(),
        cloud: scope.cloud(),
        scope: scope.clone(),
        group: None,
        name: name.into(),
        region,
        observed_at: None,
        document,
        attached: Vec::new(),
    }
}

impl Sink for EstateBuilder {
    fn resource(&mut self, mut resource: Resource) {
        let Some(&place) = self.places.get(&resource.id) else {
            return self.insert(resource);
        };
        let existing = &mut self.resources[place];
        let was_inline = self.inline.remove(&resource.id);
        let attached = std::mem::take(&mut existing.attached);
        // Two calls may describe one thing in part (ListUsers and the authorization details): the larger answer stays.
        if !was_inline
            && existing.kind == resource.kind
            && existing.document.root().len() > resource.document.root().len()
        {
            for newer in std::mem::take(&mut resource.attached) {
                existing.attach(newer.name, newer.answer);
            }
        } else {
            let newer = std::mem::replace(&mut resource.attached, attached);
            *existing = resource;
            for newer in newer {
                existing.attach(newer.name, newer.answer);
            }
            return;
        }
        for older in attached {
            if existing.attachment(&older.name).is_none() {
                existing.attach(older.name, older.answer);
            }
        }
    }

    fn inline_copy(&mut self, resource: Resource) {
        if self.places.contains_key(&resource.id) {
            return;
        }
        self.inline.insert(resource.id.clone());
        self.insert(resource);
    }

    fn attach(&mut self, id: ResourceId, call: Arc<str>, answer: Answer) {
        match self.places.get(&id) {
            Some(&place) => self.resources[place].attach(call, answer),
            None => self.waiting.entry(id).or_default().push((call, answer)),
        }
    }

    fn listing(&mut self, kind: Kind, place: Place, listing: Listing) {
        self.scopes.entry(place.scope.clone()).or_default();
        if let Some(region) = &place.region {
            self.regions.insert((place.scope.clone(), region.clone()));
        }
        self.listings.record(kind, place, listing);
    }

    fn held(&mut self, cloud: Cloud, kind: &Kind) {
        let key = (cloud, kind.clone());
        if !self.listings.held.contains(&key) {
            self.listings.held.insert(key);
        }
    }

    fn scope(&mut self, scope: Scope, name: Option<String>, above: Vec<Scope>) {
        let facts = self.scopes.entry(scope).or_default();
        if name.is_some() {
            facts.name = name;
        }
        if above.len() > facts.above.len() {
            facts.above = above;
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

/// An estate in memory. Resources are sorted by kind and id, so that every answer is in a stable order.
pub struct MemoryEstate {
    pub(crate) kinds: Arc<KindCatalogue>,
    pub(crate) resources: Vec<Arc<Resource>>,
    /// Resources known from a copy inside another document alone.
    pub(crate) inline: HashSet<ResourceId>,
    pub(crate) by_id: HashMap<ResourceId, u32>,
    by_kind: HashMap<Kind, std::ops::Range<usize>>,
    by_scope: HashMap<(Kind, Scope), Vec<u32>>,
    pub(crate) listings: Listings,
    pub(crate) scopes: BTreeMap<Scope, ScopeFacts>,
    problems: Vec<Problem>,
    referring: Mutex<ReferringIndexes>,
}

type Referring = HashMap<ResourceId, Vec<u32>>;
/// By kind and relation.
type ReferringIndexes = HashMap<(Kind, Box<str>), Arc<Referring>>;

impl MemoryEstate {
    /// Sorts the resources and builds every index anew.
    pub(crate) fn index(&mut self) {
        self.resources.sort_by(|left, right| left.kind.cmp(&right.kind).then_with(|| left.id.cmp(&right.id)));
        let resources = &self.resources;
        let mut by_id = HashMap::with_capacity(resources.len());
        let mut by_kind: HashMap<Kind, std::ops::Range<usize>> = HashMap::new();
        let mut by_scope: HashMap<(Kind, Scope), Vec<u32>> = HashMap::new();
        let mut previous: Option<(Kind, Scope)> = None;
        for (place, resource) in resources.iter().enumerate() {
            by_id.insert(resource.id.clone(), place as u32);
            by_kind.entry(resource.kind.clone()).or_insert(place..place).end = place + 1;
            let key = match previous.take() {
                Some(key) if key.0 == resource.kind && key.1 == resource.scope => key,
                _ => (resource.kind.clone(), resource.scope.clone()),
            };
            match by_scope.get_mut(&key) {
                Some(list) => list.push(place as u32),
                None => {
                    by_scope.insert(key.clone(), vec![place as u32]);
                }
            }
            previous = Some(key);
        }
        (self.by_id, self.by_kind, self.by_scope) = (by_id, by_kind, by_scope);
        self.forget_referring();
    }

    /// Drops the indexes of relations, which are built again when they are asked for.
    pub(crate) fn forget_referring(&mut self) {
        self.referring.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// Hangs answers that were worked out from the whole estate under their resources, in place of earlier ones. Answers
    /// for ids that are not there are dropped.
    pub fn derived(&mut self, answers: impl IntoIterator<Item = (ResourceId, Arc<str>, Answer)>) {
        for (id, name, answer) in answers {
            if let Some(place) = self.by_id.get(&id)
                && let Some(resource) = self.resources.get_mut(*place as usize)
            {
                Arc::make_mut(resource).replace_attachment(name, answer);
            }
        }
        // A relation may lead through an answer.
        *self.referring.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = ReferringIndexes::default();
    }

    /// All resources, sorted by kind and id.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The kinds that occur, with their resources.
    pub fn by_kind(&self) -> impl Iterator<Item = (&Kind, &[Arc<Resource>])> {
        self.by_kind.iter().map(|(kind, range)| (kind, &self.resources[range.clone()]))
    }

    /// The resources of a kind.
    pub fn resources_of(&self, kind: &Kind) -> &[Arc<Resource>] {
        self.by_kind.get(kind).map_or(&[], |range| &self.resources[range.clone()])
    }

    /// All scopes that were seen.
    pub fn scopes(&self) -> &BTreeMap<Scope, ScopeFacts> {
        &self.scopes
    }

    /// What could not be read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Listings that failed, with their place and cause.
    pub fn failed_listings(&self) -> Vec<(&Kind, &Place, &Cause)> {
        let mut failed: Vec<_> = self
            .listings
            .places
            .iter()
            .filter_map(|((kind, place), listing)| match listing {
                Listing::Failed(cause) => Some((kind, place, cause)),
                _ => None,
            })
            .collect();
        let parent = |place: &'_ Place| place.parent.as_ref().map(|id| id.as_str().to_owned());
        failed.sort_by(|left, right| {
            left.0
                .cmp(right.0)
                .then_with(|| left.1.scope.cmp(&right.1.scope))
                .then_with(|| left.1.region.cmp(&right.1.region))
                .then_with(|| parent(left.1).cmp(&parent(right.1)))
        });
        failed
    }

    fn picked(&self, places: &[u32]) -> Vec<Arc<Resource>> {
        places.iter().map(|place| self.resources[*place as usize].clone()).collect()
    }

    fn index_of(&self, kind: &Kind, name: &str) -> Arc<Referring> {
        let mut indexes = self.referring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (kind.clone(), Box::from(name));
        if let Some(index) = indexes.get(&key) {
            return index.clone();
        }
        let mut index: Referring = HashMap::new();
        if let Some(relation) = self.kinds.get(kind).and_then(|facts| facts.relations.get(name)) {
            let range = self.by_kind.get(kind).cloned().unwrap_or(0..0);
            for place in range {
                for id in targets(&self.resources[place], relation) {
                    index.entry(id).or_default().push(place as u32);
                }
            }
        }
        let index = Arc::new(index);
        indexes.insert(key, index.clone());
        index
    }
}

impl Estate for MemoryEstate {
    fn kinds(&self) -> &KindCatalogue {
        &self.kinds
    }

    fn by_id(&self, id: &ResourceId) -> Option<Arc<Resource>> {
        self.by_id.get(id).map(|place| self.resources[*place as usize].clone())
    }

    fn of_kind(&self, kind: &Kind, within: Within<'_>) -> Vec<Arc<Resource>> {
        let in_scope = |scope: &Scope| self.by_scope.get(&(kind.clone(), scope.clone())).map_or(&[][..], Vec::as_slice);
        let keep = |places: &[u32], wanted: &dyn Fn(&Resource) -> bool| {
            let resources = places.iter().map(|place| &self.resources[*place as usize]);
            resources.filter(|resource| wanted(resource)).cloned().collect()
        };
        match within {
            Within::Cloud(cloud) => {
                self.resources_of(kind).iter().filter(|resource| resource.cloud == cloud).cloned().collect()
            }
            Within::Scope(scope) => self.picked(in_scope(scope)),
            Within::Region(scope, region) => {
                keep(in_scope(scope), &|resource| resource.region.as_deref() == Some(region))
            }
            Within::Group(scope, group) => keep(in_scope(scope), &|resource| {
                resource.group.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(group))
            }),
        }
    }

    fn below(&self, parent: &Resource, kind: &Kind) -> Vec<Arc<Resource>> {
        let all = self.resources_of(kind);
        let above = parent.id.as_str().trim_end_matches('/');
        let is_below = |id: &str| {
            id.len() > above.len() + 1
                && id.as_bytes()[above.len()] == b'/'
                && id.is_char_boundary(above.len())
                && (id[..above.len()] == *above
                    || parent.cloud.folds_ids() && id[..above.len()].eq_ignore_ascii_case(above))
        };
        let prefix = format!("{above}/");
        let order = |id: &str| if parent.cloud.folds_ids() { compare_folded(id, &prefix) } else { id.cmp(&prefix) };
        let start = all.partition_point(|resource| order(resource.id.as_str()).is_lt());
        all[start..].iter().take_while(|resource| is_below(resource.id.as_str())).cloned().collect()
    }

    fn referring(&self, target: &Resource, kind: &Kind, relation: &str) -> Vec<Arc<Resource>> {
        self.index_of(kind, relation).get(&target.id).map_or_else(Vec::new, |places| self.picked(places))
    }

    fn listing(&self, kind: &Kind, scope: &Scope, region: Option<&str>) -> Listing {
        if self.listings.held.contains(&(scope.cloud(), kind.clone())) {
            return Listing::Complete;
        }
        let mut place = Place::scope(scope.clone());
        let whole = self.listings.at(kind, place.clone());
        if whole != Listing::Never {
            return whole;
        }
        let Some(region) = region else {
            return self.any_place(kind, scope);
        };
        place.region = Some(region.into());
        let regional = self.listings.at(kind, place);
        if regional != Listing::Never || !self.listings.by_parent.contains(&(kind.clone(), scope.clone())) {
            return regional;
        }
        self.any_place(kind, scope)
    }

    fn listing_below(&self, kind: &Kind, parent: &Resource) -> Listing {
        if !self.listings.by_parent.contains(&(kind.clone(), parent.scope.clone())) {
            return self.listing(kind, &parent.scope, parent.region.as_deref());
        }
        let place = Place { scope: parent.scope.clone(), region: None, parent: Some(parent.id.clone()) };
        match self.listings.at(kind, place) {
            Listing::Never if self.listings.held.contains(&(parent.cloud, kind.clone())) => Listing::Complete,
            listing => listing,
        }
    }
}

impl MemoryEstate {
    /// A kind listed region by region or parent by parent counts as listed in its scope when every part that was
    /// asked for answered.
    fn any_place(&self, kind: &Kind, scope: &Scope) -> Listing {
        let (mut found, mut failed) = (Listing::Never, None);
        for ((listed, place), listing) in &self.listings.places {
            if listed != kind || place.scope != *scope {
                continue;
            }
            match listing {
                // The first part in the order of regions and parents, so that the same estate says the same.
                Listing::Failed(cause) => {
                    let part = (&place.region, place.parent.as_ref().map(ResourceId::as_str));
                    if failed.as_ref().is_none_or(|(first, _)| part < *first) {
                        failed = Some((part, cause));
                    }
                }
                Listing::Complete => found = Listing::Complete,
                Listing::Never => {}
            }
        }
        failed.map_or(found, |(_, cause)| Listing::Failed(cause.clone()))
    }
}

/// The ids that a relation of a resource points at.
pub fn targets(resource: &Resource, relation: &Relation) -> Vec<ResourceId> {
    let mut ids = Vec::new();
    resource.visit(&relation.path, &mut |value| {
        let Some(text) = value.as_str().filter(|text| !text.is_empty()) else { return };
        let id = match &relation.target {
            None => native_id(resource.cloud, text, relation.kinds.first()),
            Some(template) => {
                let Ok(id) = template.fill(|hole| fill_hole(resource, text, hole)) else { return };
                id
            }
        };
        let id = ResourceId::new(resource.cloud, id);
        if !ids.contains(&id) {
            ids.push(id);
        }
    });
    ids
}

fn fill_hole(resource: &Resource, value: &str, hole: &str) -> Option<String> {
    match hole {
        "" => Some(value.to_owned()),
        "account" | "project" => Some(resource.scope.id().rsplit('/').next().unwrap_or_default().to_owned()),
        "region" => Some(resource.region.as_deref().unwrap_or_default().to_owned()),
        "partition" => {
            let own = resource.id.as_str().strip_prefix("arn:").and_then(|rest| rest.split(':').next());
            Some(own.unwrap_or("aws").to_owned())
        }
        path => {
            let path = crate::path::Path::parse(path).ok()?;
            path.first(resource.document.root())?.as_str().map(str::to_owned)
        }
    }
}

/// Google's documents point at others by URL or relative name; asset names start with `//service`.
fn native_id(cloud: Cloud, text: &str, kind: Option<&Kind>) -> String {
    if cloud != Cloud::Gcp || text.starts_with("//") {
        return text.to_owned();
    }
    let service = kind.and_then(|kind| kind.as_str().split('/').next()).unwrap_or("compute.googleapis.com");
    match text.find("/projects/") {
        Some(at) if text.starts_with("http") => format!("//{service}{}", &text[at..]),
        _ => format!("//{service}/{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{KindFacts, Template};
    use crate::path::Path;
    use serde_json::json;

    fn azure(id: &str, kind: &str, document: serde_json::Value) -> Resource {
        let subscription = id.split('/').take(3).collect::<Vec<_>>().join("/");
        bare(&Kind::new(kind), &Scope::account(Cloud::Azure, &subscription), id, "x", None, document.into())
    }

    fn facts(kind: &str, relation: &str, path: &str, target: Option<&str>) -> KindFacts {
        let relation_facts = Relation {
            path: Path::parse(path).unwrap(),
            kinds: vec![],
            target: target.map(|text| Template::parse(text).unwrap()),
        };
        KindFacts {
            kind: Kind::new(kind),
            cloud: Cloud::Azure,
            relations: HashMap::from([(relation.into(), relation_facts)]),
            attached: vec![],
            tags: None,
            implied: None,
        }
    }

    #[test]
    fn ids_of_azure_compare_without_case_and_children_are_found_by_prefix() {
        let mut builder = EstateBuilder::new();
        builder.resource(azure("/subscriptions/A/x/Servers/s1", "K/servers", json!({"a": 1})));
        builder.resource(azure("/subscriptions/a/x/servers/S1/databases/d", "K/servers/databases", json!({})));
        builder.resource(azure("/subscriptions/a/x/servers/s10/databases/d", "K/servers/databases", json!({})));
        builder.resource(azure("/subscriptions/a/X/servers/s1", "K/servers", json!({"a": 1, "b": 2})));
        let estate = builder.finish(Arc::default());
        assert_eq!(estate.resources().len(), 3);
        let server = estate.by_id(&ResourceId::new(Cloud::Azure, "/SUBSCRIPTIONS/a/x/servers/s1")).unwrap();
        assert_eq!(server.document.root().len(), 2);
        let below = estate.below(&server, &Kind::new("k/servers/databases"));
        assert_eq!(
            below.iter().map(|child| child.id.as_str()).collect::<Vec<_>>(),
            ["/subscriptions/a/x/servers/S1/databases/d"]
        );
    }

    #[test]
    fn what_is_said_of_an_estate_stands_in_one_order() {
        let mut builder = EstateBuilder::new();
        let ids: Vec<String> = (10..42).map(|number| format!("/subscriptions/a/s{number}")).collect();
        for id in ids.iter().rev() {
            builder.attach(ResourceId::new(Cloud::Azure, id.as_str()), "keys".into(), Answer::Absent);
            let parent = Some(ResourceId::new(Cloud::Azure, id.as_str()));
            let place = Place { parent, ..Place::scope(Scope::account(Cloud::Azure, "/subscriptions/a")) };
            builder.listing(Kind::new("K"), place, Listing::Failed(Cause::CallFailed("no".into())));
        }
        let estate = builder.finish(Arc::default());
        assert_eq!(estate.problems().iter().map(|problem| problem.source.clone()).collect::<Vec<_>>(), ids);
        let failed = estate.failed_listings();
        let parents: Vec<_> = failed.iter().filter_map(|(_, place, _)| Some(place.parent.as_ref()?.as_str())).collect();
        assert_eq!(parents, ids);
    }

    #[test]
    fn a_listed_document_replaces_its_inline_copy_in_any_order() {
        for listed_first in [true, false] {
            let mut builder = EstateBuilder::new();
            let listed = azure("/subscriptions/a/s", "K", json!({"from": "list"}));
            let copy = azure("/subscriptions/a/S", "K", json!({"from": "copy", "more": 1}));
            if listed_first {
                builder.resource(listed);
                builder.inline_copy(copy);
            } else {
                builder.inline_copy(copy);
                builder.resource(listed);
            }
            let estate = builder.finish(Arc::default());
            assert_eq!(estate.resources()[0].document.root().get("from").unwrap().as_str(), Some("list"));
        }
    }

    #[test]
    fn relations_are_followed_backwards() {
        let mut kinds = KindCatalogue::default();
        kinds.insert(facts("Nic", "subnet", "subnets[*].id", None));
        let mut builder = EstateBuilder::new();
        builder.resource(azure("/subscriptions/a/nic", "Nic", json!({"subnets": [{"id": "/subscriptions/a/SUBNET"}]})));
        builder.resource(azure("/subscriptions/a/subnet", "Subnet", json!({})));
        let estate = builder.finish(Arc::new(kinds));
        let subnet = estate.by_id(&ResourceId::new(Cloud::Azure, "/subscriptions/a/subnet")).unwrap();
        assert_eq!(estate.referring(&subnet, &Kind::new("nic"), "subnet").len(), 1);
        assert!(estate.referring(&subnet, &Kind::new("nic"), "other").is_empty());
    }

    #[test]
    fn a_failed_listing_stays_failed_and_an_unasked_kind_is_never_listed() {
        let scope = Scope::account(Cloud::Aws, "1");
        let place = |region: &str| Place { scope: scope.clone(), region: Some(region.into()), parent: None };
        let mut builder = EstateBuilder::new();
        let kind = Kind::new("AWS::EC2::Instance");
        builder.listing(kind.clone(), place("eu-west-1"), Listing::Complete);
        builder.listing(kind.clone(), place("us-east-1"), Listing::Failed(Cause::CallFailed("denied".into())));
        builder.listing(kind.clone(), place("us-east-1"), Listing::Complete);
        let estate = builder.finish(Arc::default());
        assert_eq!(estate.listing(&kind, &scope, Some("eu-west-1")), Listing::Complete);
        assert!(matches!(estate.listing(&kind, &scope, Some("us-east-1")), Listing::Failed(_)));
        assert!(matches!(estate.listing(&kind, &scope, None), Listing::Failed(_)));
        assert_eq!(estate.listing(&kind, &scope, Some("ap-south-1")), Listing::Never);
        assert_eq!(estate.listing(&Kind::new("AWS::X::Y"), &scope, None), Listing::Never);
    }

    #[test]
    fn derived_answers_hang_under_resources_of_a_closed_estate() {
        let id = ResourceId::new(Cloud::Azure, "/subscriptions/a/b");
        let mut builder = EstateBuilder::new();
        builder.resource(azure("/subscriptions/a/b", "K", json!({"kept": 1})));
        let mut estate = builder.finish(Arc::default());
        let nobody = ResourceId::new(Cloud::Azure, "/nobody");
        let held = estate.by_id(&id).unwrap();
        estate.derived([(id.clone(), "Derived".into(), Answer::Absent), (nobody, "Derived".into(), Answer::Absent)]);
        let resource = estate.by_id(&id).unwrap();
        assert!(matches!(resource.attachment("derived"), Some(Answer::Absent)));
        assert!(resource.document.root().get("kept").is_some());
        assert!(held.attachment("derived").is_none());
    }

    #[test]
    fn answers_find_their_resource_whenever_it_comes() {
        let id = ResourceId::new(Cloud::Azure, "/subscriptions/a/b");
        let mut builder = EstateBuilder::new();
        builder.attach(id.clone(), "GetX".into(), Answer::Absent);
        builder.resource(azure("/subscriptions/a/b", "K", json!({})));
        builder.attach(id.clone(), "GetY".into(), Answer::Found(json!({"z": 1}).into()));
        builder.attach(ResourceId::new(Cloud::Azure, "/nobody"), "GetX".into(), Answer::Absent);
        let estate = builder.finish(Arc::default());
        let resource = estate.by_id(&id).unwrap();
        assert!(matches!(resource.attachment("getx"), Some(Answer::Absent)));
        assert!(matches!(resource.attachment("GetY"), Some(Answer::Found(_))));
        assert_eq!(estate.problems().len(), 1);
    }
}
