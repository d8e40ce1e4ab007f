//! Changes of an estate: what was read again, laid over what is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::document::Value;
use crate::estate::{Estate, Listing, Place, Within};
use crate::kind::Kind;
use crate::memory::{EstateBuilder, MemoryEstate, ScopeFacts, targets};
use crate::path::Path;
use crate::problem::Problem;
use crate::resource::{Answer, Attachment, Resource, ResourceId};
use crate::scope::{Cloud, Scope};

/// What was read again. [`EstateBuilder::into_change`] makes it, [`MemoryEstate::apply`] lays it over an estate.
#[derive(Default)]
pub struct EstateChange {
    resources: Vec<Resource>,
    /// Those of `resources` that are known from a copy inside another document alone.
    inline: HashSet<ResourceId>,
    /// Answers for resources that were not read again themselves.
    answers: HashMap<ResourceId, Vec<(Arc<str>, Answer)>>,
    listings: Vec<(Kind, Place, Listing)>,
    scopes: BTreeMap<Scope, ScopeFacts>,
    problems: Vec<Problem>,
    /// What the cloud says is not there any longer.
    pub gone: Vec<Gone>,
}

/// What is not there any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The resource of that id.
    Id(ResourceId),
    /// Every resource of a kind that is called so (see [`is_called`]).
    Called {
        /// The kind.
        kind: Kind,
        /// The account it was looked for in.
        scope: Scope,
        /// The region, for regional kinds.
        region: Option<Arc<str>>,
        /// Where its documents hold what it is called.
        paths: Vec<Path>,
        /// What it is called.
        name: String,
    },
}

/// What a change did to an estate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Resources that were read again or are new, sorted.
    pub changed: Vec<ResourceId>,
    /// Resources that are there no longer, sorted; children of theirs are among them.
    pub removed: Vec<ResourceId>,
}

impl EstateBuilder {
    /// Ends the reading of a part: what was read is a change of an estate that is there already. Nothing is implied,
    /// and that an export holds a kind (`Sink::held`) says nothing: a part of a cloud was read.
    pub fn into_change(self) -> EstateChange {
        EstateChange {
            resources: self.resources,
            inline: self.inline,
            answers: self.waiting,
            listings: self.listings.places.into_iter().map(|((kind, place), listing)| (kind, place, listing)).collect(),
            scopes: self.scopes,
            problems: self.problems,
            gone: Vec::new(),
        }
    }
}

impl EstateChange {
    /// The resources that were read.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resources that were read, to be put right before they are laid over an estate.
    pub fn resources_mut(&mut self) -> &mut [Resource] {
        &mut self.resources
    }

    /// Takes out what could not be read.
    pub fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }
}

/// Whether one of the paths of a document leads to this name. An ARN or URL and its last part are the same name, since
/// the clouds take either; two ARNs must be equal. The empty path is the document itself.
pub fn is_called(document: Value<'_>, paths: &[Path], name: &str) -> bool {
    let mut found = false;
    for path in paths {
        path.visit(document, &mut |value| found |= value.as_str().is_some_and(|own| same_name(own, name)));
    }
    found
}

fn same_name(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (last_part(left), last_part(right)) {
        (Some(part), None) => part == right,
        (None, Some(part)) => left == part,
        // A queue's URL and its ARN.
        (Some(one), Some(other)) => left.starts_with("arn:") != right.starts_with("arn:") && one == other,
        (None, None) => false,
    }
}

/// The name at the end of an ARN or URL; none = the text is a plain name.
fn last_part(text: &str) -> Option<&str> {
    if text.starts_with("arn:") {
        return text.rsplit([':', '/']).next();
    }
    text.starts_with("https://").then(|| text.rsplit('/').next()).flatten()
}

impl MemoryEstate {
    /// Lays a change over the estate. Afterwards the estate answers as if it had been built with these documents.
    ///
    /// A resource that was read again is replaced. A complete listing removes what it did not hold, and what is gone
    /// takes its children with it. A failed listing removes nothing.
    pub fn apply(&mut self, change: EstateChange) -> Applied {
        let read: HashSet<ResourceId> = change.resources.iter().map(|resource| resource.id.clone()).collect();
        let removed = self.removed_by(&change, &read);
        let mut changed: HashSet<ResourceId> = HashSet::new();
        let mut moved = !removed.is_empty();
        self.forget(&removed);
        for mut resource in change.resources {
            let is_copy = change.inline.contains(&resource.id);
            if let Some(scope) = self.scope_of_number(&resource.scope) {
                resource.scope = scope;
            }
            changed.insert(resource.id.clone());
            moved |= self.put(resource, is_copy);
        }
        for (id, answers) in change.answers {
            if self.answer(&id, answers) {
                changed.insert(id);
            }
        }
        for (kind, place, listing) in change.listings {
            self.scopes.entry(place.scope.clone()).or_default();
            self.listings.replace(kind, place, listing);
        }
        for (scope, facts) in change.scopes {
            let known = self.scopes.entry(scope).or_default();
            known.name = facts.name.or(known.name.take());
            if !facts.above.is_empty() {
                known.above = facts.above;
            }
        }
        if moved {
            self.index()
        } else {
            self.forget_referring()
        }
        Applied { changed: sorted(changed), removed: sorted(removed) }
    }

    /// Everything that the change takes away, children included.
    fn removed_by(&self, change: &EstateChange, read: &HashSet<ResourceId>) -> HashSet<ResourceId> {
        let mut first: Vec<Arc<Resource>> = Vec::new();
        for (kind, place, listing) in &change.listings {
            if *listing == Listing::Complete {
                first.extend(self.listed_at(kind, place));
            }
        }
        for gone in &change.gone {
            first.extend(self.gone(gone));
        }
        for resource in change.resources.iter().filter(|resource| !change.inline.contains(&resource.id)) {
            first.extend(self.copies_in(resource));
        }
        let mut removed = HashSet::new();
        let mut left: Vec<Arc<Resource>> = first.into_iter().filter(|resource| !read.contains(&resource.id)).collect();
        while let Some(resource) = left.pop() {
            if !removed.insert(resource.id.clone()) {
                continue;
            }
            let children = self.children_of(&resource);
            left.extend(children.into_iter().filter(|child| !read.contains(&child.id)));
        }
        removed
    }

    /// What was known of a kind where it was listed again. What exists without being listed stays.
    fn listed_at(&self, kind: &Kind, place: &Place) -> Vec<Arc<Resource>> {
        if self.kinds.get(kind).is_some_and(|facts| facts.implied.is_some()) {
            return Vec::new();
        }
        match (&place.parent, &place.region) {
            (Some(parent), _) => {
                self.by_id(parent).map_or_else(Vec::new, |parent| self.children_of_kind(&parent, kind))
            }
            (None, Some(region)) => self.of_kind(kind, Within::Region(&place.scope, region)),
            (None, None) => self.of_kind(kind, Within::Scope(&place.scope)),
        }
    }

    fn gone(&self, gone: &Gone) -> Vec<Arc<Resource>> {
        match gone {
            Gone::Id(id) => match self.by_id(id) {
                Some(resource) => vec![resource],
                // A resource group, say, that was never listed itself.
                None => self.below_id(id),
            },
            Gone::Called { kind, scope, region, paths, name } => {
                let within = match region {
                    Some(region) => Within::Region(scope, region),
                    None => Within::Scope(scope),
                };
                let mut found = self.of_kind(kind, within);
                found.retain(|resource| is_called(resource.document.root(), paths, name));
                found
            }
        }
    }

    /// Copies that stood inside the earlier document of a resource.
    fn copies_in(&self, resource: &Resource) -> Vec<Arc<Resource>> {
        if self.inline.is_empty() || resource.document.root().is_null() {
            return Vec::new();
        }
        let mut copies = self.below_id(&resource.id);
        copies.retain(|copy| copy.kind.is_below(&resource.kind) && self.inline.contains(&copy.id));
        copies
    }

    /// Resources whose id lies below this one, and those of kinds that were asked for below it.
    fn children_of(&self, parent: &Resource) -> Vec<Arc<Resource>> {
        let mut children = self.below_id(&parent.id);
        for (kind, scope) in &self.listings.by_parent {
            if *scope == parent.scope && self.listings.places.contains_key(&(kind.clone(), below(parent))) {
                children.extend(self.children_of_kind(parent, kind));
            }
        }
        children
    }

    /// Children of one kind: by their id, or by a relation of theirs that leads to the parent's kind.
    fn children_of_kind(&self, parent: &Resource, kind: &Kind) -> Vec<Arc<Resource>> {
        let mut children = self.of_kind(kind, Within::Scope(&parent.scope));
        children.retain(|child| is_below(&child.id, &parent.id) || self.leads_to(child, parent));
        children
    }

    fn leads_to(&self, child: &Resource, parent: &Resource) -> bool {
        let Some(facts) = self.kinds.get(&child.kind) else { return false };
        let mut relations = facts.relations.values().filter(|relation| relation.kinds.contains(&parent.kind));
        relations.any(|relation| targets(child, relation).contains(&parent.id))
    }

    fn below_id(&self, id: &ResourceId) -> Vec<Arc<Resource>> {
        let prefix = ResourceId::new(id_cloud(id), format!("{}/", id.as_str().trim_end_matches('/')));
        let mut found = Vec::new();
        for (_, all) in self.by_kind() {
            let start = all.partition_point(|resource| resource.id < prefix);
            let below = all.iter().skip(start).take_while(|resource| is_below(&resource.id, id));
            found.extend(below.cloned());
        }
        found
    }

    fn forget(&mut self, removed: &HashSet<ResourceId>) {
        if removed.is_empty() {
            return;
        }
        self.resources.retain(|resource| !removed.contains(&resource.id));
        self.inline.retain(|id| !removed.contains(id));
        self.listings.places.retain(|(_, place), _| !place.parent.as_ref().is_some_and(|id| removed.contains(id)));
        self.by_id.clear();
        for (place, resource) in self.resources.iter().enumerate() {
            self.by_id.insert(resource.id.clone(), place as u32);
        }
    }

    /// Puts a resource in its place. Whether the order of the resources must be made anew.
    fn put(&mut self, mut resource: Resource, is_copy: bool) -> bool {
        let Some(place) = self.by_id.get(&resource.id).map(|place| *place as usize) else {
            if is_copy {
                self.inline.insert(resource.id.clone());
            }
            self.scopes.entry(resource.scope.clone()).or_default();
            self.by_id.insert(resource.id.clone(), self.resources.len() as u32);
            self.resources.push(Arc::new(resource));
            return true;
        };
        if is_copy && !self.inline.contains(&resource.id) {
            // A copy never replaces what was listed; answers that came with it count.
            let answers = resource.attached.into_iter().map(|answer| (answer.name, answer.answer)).collect();
            self.answer(&resource.id, answers);
            return false;
        }
        if !is_copy {
            self.inline.remove(&resource.id);
        }
        let existing = &mut self.resources[place];
        // Google's documents and policies change apart; all other answers were asked for again.
        if resource.cloud == Cloud::Gcp {
            for older in &existing.attached {
                if resource.attachment(&older.name).is_none() {
                    resource.attached.push(older.clone());
                }
            }
        }
        let moved = existing.kind != resource.kind || existing.scope != resource.scope;
        *existing = Arc::new(resource);
        moved
    }

    /// The scope of a Google project that an asset names by its number, as `projects/ID`.
    fn scope_of_number(&self, scope: &Scope) -> Option<Scope> {
        let number = scope.id().strip_prefix("projects/").filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
        let id = ResourceId::new(Cloud::Gcp, format!("//cloudresourcemanager.googleapis.com/projects/{number}"));
        self.by_id(&id).map(|project| project.scope.clone()).filter(|_| scope.cloud() == Cloud::Gcp)
    }

    /// Hangs answers under a resource; the later one counts. False = there is no such resource.
    fn answer(&mut self, id: &ResourceId, answers: Vec<(Arc<str>, Answer)>) -> bool {
        let Some(place) = self.by_id.get(id).map(|place| *place as usize) else { return false };
        let resource = Arc::make_mut(&mut self.resources[place]);
        for (name, answer) in answers {
            match resource.attached.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&name)) {
                Some(known) => known.answer = answer,
                None => resource.attached.push(Attachment { name, answer }),
            }
        }
        true
    }
}

fn below(parent: &Resource) -> Place {
    Place { scope: parent.scope.clone(), region: None, parent: Some(parent.id.clone()) }
}

fn is_below(id: &ResourceId, above: &ResourceId) -> bool {
    let (id, prefix) = (id.as_str(), above.as_str().trim_end_matches('/'));
    let Some(start) = id.get(..prefix.len()) else { return false };
    let is_same = if above.folds() { start.eq_ignore_ascii_case(prefix) } else { start == prefix };
    is_same && id.as_bytes().get(prefix.len()) == Some(&b'/') && id.len() > prefix.len() + 1
}

/// A cloud whose ids compare as this one does.
fn id_cloud(id: &ResourceId) -> Cloud {
    if id.folds() { Cloud::Azure } else { Cloud::Aws }
}

fn sorted(ids: HashSet<ResourceId>) -> Vec<ResourceId> {
    let mut ids: Vec<ResourceId> = ids.into_iter().collect();
    ids.sort();
    ids
}

#[cfg(test)]
mod tests;
