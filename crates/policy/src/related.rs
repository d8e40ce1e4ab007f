//! `related`: conditions on other resources of the estate.

use std::collections::HashSet;
use std::sync::Arc;

use yagura_model::memory::targets;
use yagura_model::{Answer, Cause, Cloud, Kind, Listing, Resource, ResourceId, Segment, Within};

use crate::condition::{Condition, Truth};
use crate::evaluate::{Env, Subject};
use crate::expression::Expr;
use crate::expression::evaluate::evaluate as value_of;
use crate::record;

/// A chain of steps to other resources and what must hold for them.
#[derive(Clone, Debug)]
pub(crate) struct Related {
    pub via: Vec<Step>,
    pub quantifier: Quantifier,
    pub condition: Condition,
    pub place: Box<str>,
    /// The chain as people read it.
    pub text: Box<str>,
}

/// For how many of the resources reached the condition must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
    None,
}

/// One step from resources to other resources.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// What a declared relation points at.
    Relation(Box<str>),
    /// Resources of a kind whose relation points at us.
    Referring { relation: Box<str>, kind: Kind },
    /// The resource above in the id.
    Parent,
    /// Resources of a kind below us.
    Children(Kind),
    /// Resources of a kind at the same place.
    Same { place: SamePlace, kind: Kind },
    /// The resource with an id.
    Id { id: Expr, kind: Kind },
    /// Resources that an Azure Policy effect looks for.
    Existence(Box<Existence>),
}

/// How near `same` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SamePlace {
    Scope,
    Region,
    ResourceGroup,
    Tenant,
}

/// `details` of `auditIfNotExists` and `deployIfNotExists`: which resources count.
#[derive(Clone, Debug)]
pub(crate) struct Existence {
    pub kind: Expr,
    pub name: Option<Expr>,
    pub group: Option<Expr>,
    pub whole_subscription: Option<Expr>,
}

/// Resources that were reached, and what could not be looked at on the way.
#[derive(Default)]
struct Reached {
    resources: Vec<Arc<Resource>>,
    /// Where `resources` lie, so that adding one more stays cheap; filled when it is first needed.
    seen: HashSet<*const Resource>,
    gap: Option<Cause>,
}

impl Reached {
    fn add(&mut self, resource: Arc<Resource>) {
        if self.seen.len() != self.resources.len() {
            self.seen = self.resources.iter().map(Arc::as_ptr).collect();
        }
        if self.seen.insert(Arc::as_ptr(&resource)) {
            self.resources.push(resource);
        }
    }

    fn extend(&mut self, resources: Vec<Arc<Resource>>) {
        if self.resources.is_empty() {
            self.resources = resources;
            return;
        }
        for resource in resources {
            self.add(resource);
        }
    }

    fn missed(&mut self, cause: Cause) {
        self.gap.get_or_insert(cause);
    }

    fn listed(&mut self, kind: &Kind, listing: Listing) {
        match listing {
            Listing::Complete => {}
            Listing::Never => self.missed(Cause::NotListed(kind.clone())),
            Listing::Failed(cause) => self.missed(cause),
        }
    }
}

/// Whether the condition holds for the resources that the chain reaches.
pub(crate) fn evaluate(related: &Related, env: &Env<'_>) -> Truth {
    let reached = reach(&related.via, env)?;
    let deciding = related.quantifier != Quantifier::All;
    let mut undecided = None;
    let start = env.recorder.map_or(0, |recorder| recorder.len());
    for resource in &reached.resources {
        env.step()?;
        let mark = env.recorder.map_or(0, |recorder| recorder.len());
        let subject = Subject::new(resource, env.estate);
        match related.condition.evaluate(&Env { subject, ..*env }) {
            Ok(held) if held == deciding => {
                if let Some(recorder) = env.recorder {
                    recorder.forget(start, mark);
                    if recorder.len() == start {
                        found_one(related, resource, env);
                    }
                }
                return Ok(related.quantifier == Quantifier::Any);
            }
            Ok(_) => {}
            Err(cause) => {
                undecided.get_or_insert(cause);
            }
        }
    }
    let truth = match undecided.or(reached.gap) {
        Some(cause) => Err(cause),
        None => Ok(related.quantifier != Quantifier::Any),
    };
    if env.recorder.is_some() {
        let found = reached.resources.len().into();
        record::push(
            env,
            &related.place,
            &related.text,
            found,
            "related",
            serde_json::Value::Null,
            truth.as_ref().ok().copied(),
        );
    }
    truth
}

fn found_one(related: &Related, resource: &Resource, env: &Env<'_>) {
    let found = resource.id.as_str().into();
    let held = Some(related.quantifier == Quantifier::Any);
    record::push(env, &related.place, &related.text, found, "related", serde_json::Value::Null, held);
}

fn reach(via: &[Step], env: &Env<'_>) -> Result<Reached, Cause> {
    let Some((first, rest)) = via.split_first() else { return Ok(Reached::default()) };
    let mut reached = Reached::default();
    take(first, env.subject.resource, env, &mut reached)?;
    for step in rest {
        let from = std::mem::take(&mut reached.resources);
        reached.seen.clear();
        for resource in &from {
            env.step()?;
            take(step, resource, env, &mut reached)?;
        }
    }
    Ok(reached)
}

fn take(step: &Step, from: &Resource, env: &Env<'_>, reached: &mut Reached) -> Result<(), Cause> {
    let estate = env.estate;
    match step {
        Step::Relation(name) => relation(name, from, env, reached),
        Step::Referring { relation, kind } => {
            reached.extend(estate.referring(from, kind, relation));
            reached.listed(kind, estate.listing(kind, &from.scope, None));
        }
        Step::Parent => parent(from, env, reached),
        Step::Children(kind) => {
            reached.extend(estate.below(from, kind));
            reached.listed(kind, estate.listing_below(kind, from));
        }
        Step::Same { place, kind } => same(*place, kind, from, env, reached),
        Step::Id { id, kind } => {
            let id = value_of(id, &Env { subject: Subject::new(from, estate), ..*env })?;
            let Some(text) = id.as_str().filter(|text| !text.is_empty()) else { return Ok(()) };
            match estate.by_id(&ResourceId::new(from.cloud, text)) {
                Some(resource) => reached.add(resource),
                None => reached.listed(kind, estate.listing(kind, &from.scope, None)),
            }
        }
        Step::Existence(existence) => return existing(existence, from, env, reached),
    }
    Ok(())
}

fn relation(name: &str, from: &Resource, env: &Env<'_>, reached: &mut Reached) {
    let Some(facts) = env.estate.kinds().get(&from.kind) else { return };
    let Some(relation) = facts.relations.get(name) else { return };
    if let Some(Segment::Key(first)) = relation.path.segments().first() {
        match from.attachment(first) {
            Some(Answer::Failed(cause)) => return reached.missed(cause.clone()),
            None if facts.attached.iter().any(|answer| answer.eq_ignore_ascii_case(first)) => {
                return reached.missed(Cause::NotAsked(first.as_ref().into()));
            }
            _ => {}
        }
    }
    for id in targets(from, relation) {
        if let Some(resource) = env.estate.by_id(&id) {
            reached.add(resource);
            continue;
        }
        // Points at nothing we know: gone, if the kind was listed; else not looked at.
        let listings =
            relation.kinds.iter().map(|kind| (kind, env.estate.listing(kind, &from.scope, from.region.as_deref())));
        let mut listings: Vec<_> = listings.collect();
        if listings.iter().any(|(_, listing)| *listing == Listing::Complete) {
            continue;
        }
        match listings.pop() {
            Some((kind, listing)) => reached.listed(kind, listing),
            None => reached.missed(Cause::NotAsked(name.into())),
        }
    }
}

fn parent(from: &Resource, env: &Env<'_>, reached: &mut Reached) {
    let Some(id) = parent_id(from) else { return };
    match env.estate.by_id(&ResourceId::new(from.cloud, id)) {
        Some(resource) => reached.add(resource),
        None => {
            let kind = from.kind.as_str().rsplit_once('/').map_or(from.kind.as_str(), |(above, _)| above);
            reached.missed(Cause::NotListed(Kind::new(kind)));
        }
    }
}

/// The id of the resource above: two parts less, or what an extension resource extends.
fn parent_id(resource: &Resource) -> Option<&str> {
    let id = resource.id.as_str();
    if resource.cloud != Cloud::Azure {
        let above = id.rsplit_once('/')?.0;
        return Some(above.rsplit_once('/').map_or(above, |(above, _)| above));
    }
    let at = id.to_ascii_lowercase().rfind("/providers/")?;
    let below = id.get(at + "/providers/".len()..)?;
    if below.split('/').count() <= 3 {
        return id.get(..at).filter(|above| !above.is_empty());
    }
    let above = id.rsplit_once('/')?.0;
    above.rsplit_once('/').map(|(above, _)| above)
}

fn same(place: SamePlace, kind: &Kind, from: &Resource, env: &Env<'_>, reached: &mut Reached) {
    let estate = env.estate;
    let scope = &from.scope;
    match place {
        SamePlace::Scope => {
            reached.extend(estate.of_kind(kind, Within::Scope(scope)));
            reached.listed(kind, estate.listing(kind, scope, None));
        }
        SamePlace::Region => {
            let Some(region) = from.region.as_deref() else { return reached.missed(Cause::NotListed(kind.clone())) };
            reached.extend(estate.of_kind(kind, Within::Region(scope, region)));
            reached.listed(kind, estate.listing(kind, scope, Some(region)));
        }
        SamePlace::ResourceGroup => {
            let Some(group) = from.group.as_deref() else { return };
            reached.extend(estate.of_kind(kind, Within::Group(scope, group)));
            reached.listed(kind, estate.listing(kind, scope, None));
        }
        SamePlace::Tenant => {
            reached.extend(estate.of_kind(kind, Within::Cloud(from.cloud)));
            reached.listed(kind, estate.listing(kind, scope, None));
        }
    }
}

/// Resource types that hang under any resource of Azure rather than standing in a resource group.
const EXTENSIONS: [&str; 12] = [
    "microsoft.insights/diagnosticsettings",
    "microsoft.insights/datacollectionruleassociations",
    "microsoft.guestconfiguration/guestconfigurationassignments",
    "microsoft.maintenance/configurationassignments",
    "microsoft.authorization/locks",
    "microsoft.authorization/roleassignments",
    "microsoft.authorization/policyassignments",
    "microsoft.security/assessments",
    "microsoft.security/defenderforstoragesettings",
    "microsoft.recoveryservices/backupprotecteditems",
    "microsoft.changeanalysis/profile",
    "microsoft.automanage/configurationprofileassignments",
];

/// Azure Policy documentation, "Effects", auditIfNotExists: a type below that of the condition's resource is looked
/// for below it; any other in its resource group, or in the subscription with `existenceScope`.
fn existing(existence: &Existence, from: &Resource, env: &Env<'_>, reached: &mut Reached) -> Result<(), Cause> {
    if let Some(found) = env.surroundings.and_then(|surroundings| surroundings.found.as_ref()) {
        reached.extend(found.clone());
        return Ok(());
    }
    let text = |expr: &Option<Expr>| -> Result<Option<String>, Cause> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(value_of(expr, env)?.as_str().map(str::to_owned))
    };
    let Some(kind) = value_of(&existence.kind, env)?.as_str().map(Kind::new) else { return Ok(()) };
    let estate = env.estate;
    let is_scope = from.id.as_str().eq_ignore_ascii_case(from.scope.id());
    let is_extension = EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(kind.as_str()));
    let scope = text(&existence.whole_subscription)?;
    let candidates = if kind.is_below(&from.kind) || is_extension && !is_scope {
        reached.listed(&kind, estate.listing_below(&kind, from));
        estate.below(from, &kind)
    } else {
        reached.listed(&kind, estate.listing(&kind, &from.scope, None));
        let group = text(&existence.group)?.or_else(|| from.group.as_deref().map(str::to_owned));
        match group {
            Some(group) if !scope.is_some_and(|scope| scope.eq_ignore_ascii_case("subscription")) => {
                estate.of_kind(&kind, Within::Group(&from.scope, &group))
            }
            _ => estate.of_kind(&kind, Within::Scope(&from.scope)),
        }
    };
    let name = text(&existence.name)?;
    for candidate in candidates {
        if name.as_deref().is_none_or(|name| ends_with_name(&candidate, name)) {
            reached.add(candidate);
        }
    }
    Ok(())
}

/// Whether the names in an id, from its end, are those of `parent/child`.
fn ends_with_name(resource: &Resource, name: &str) -> bool {
    let own: Vec<&str> = resource.id.as_str().rsplit('/').step_by(2).collect();
    name.rsplit('/').enumerate().all(|(up, wanted)| own.get(up).is_some_and(|part| part.eq_ignore_ascii_case(wanted)))
}
