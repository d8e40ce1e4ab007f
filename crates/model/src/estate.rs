//! How engines read an estate, and how readers fill one.

use std::sync::Arc;

use crate::Timestamp;
use crate::assessment::Cause;
use crate::kind::{Kind, KindCatalogue};
use crate::problem::Problem;
use crate::resource::{Answer, Resource, ResourceId};
use crate::scope::{Cloud, Scope};

/// Whether all resources of a kind are known somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// They were listed: what is not there does not exist.
    Complete,
    /// Nobody asked.
    Never,
    /// Somebody asked and got no answer.
    Failed(Cause),
}

/// Where to look for resources of a kind.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// Everywhere in one cloud.
    Cloud(Cloud),
    /// One subscription, account, project or tenant.
    Scope(&'a Scope),
    /// One region of a scope.
    Region(&'a Scope, &'a str),
    /// One resource group of a subscription.
    Group(&'a Scope, &'a str),
}

/// A consistent set of resources to ask questions about.
pub trait Estate: Sync {
    /// What is known of kinds: relations, attached answers.
    fn kinds(&self) -> &KindCatalogue;

    /// The resource with this id.
    fn by_id(&self, id: &ResourceId) -> Option<Arc<Resource>>;

    /// All resources of a kind there, in a stable order.
    fn of_kind(&self, kind: &Kind, within: Within<'_>) -> Vec<Arc<Resource>>;

    /// Resources of a kind whose id lies below that of `parent`, at any depth.
    fn below(&self, parent: &Resource, kind: &Kind) -> Vec<Arc<Resource>>;

    /// Resources of a kind whose relation of that name points at `target`.
    fn referring(&self, target: &Resource, kind: &Kind, relation: &str) -> Vec<Arc<Resource>>;

    /// Whether that kind was listed there.
    fn listing(&self, kind: &Kind, scope: &Scope, region: Option<&str>) -> Listing;

    /// Whether that kind was listed below `parent`, for kinds that are asked for parent by parent.
    fn listing_below(&self, kind: &Kind, parent: &Resource) -> Listing;
}

/// What one listing covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The subscription, account, project or tenant.
    pub scope: Scope,
    /// The region, for kinds that are listed region by region.
    pub region: Option<Arc<str>>,
    /// The resource whose children were asked for, for kinds that are listed parent by parent.
    pub parent: Option<ResourceId>,
}

impl Place {
    /// A whole scope.
    pub fn scope(scope: Scope) -> Self {
        Self { scope, region: None, parent: None }
    }
}

/// Receives what readers and collectors find. Order does not matter.
pub trait Sink {
    /// A resource with its document. The same id twice is one resource; the later document wins, unless it is
    /// an inline copy (see [`Sink::inline_copy`]).
    fn resource(&mut self, resource: Resource);

    /// A resource known only from a copy inside another document; never replaces one that was listed.
    fn inline_copy(&mut self, resource: Resource);

    /// An answer that hangs under the resource with that id, whether that resource was seen already or not.
    fn attach(&mut self, id: ResourceId, call: Arc<str>, answer: Answer);

    /// That a kind was asked for, and how it went. A failed part makes the whole place failed.
    fn listing(&mut self, kind: Kind, place: Place, listing: Listing);

    /// That an export without listing records holds this kind: it counts as listed in the whole cloud.
    fn held(&mut self, cloud: Cloud, kind: &Kind);

    /// That a scope exists: a name for people and the ids of the scopes above it, nearest first.
    fn scope(&mut self, scope: Scope, name: Option<String>, above: Vec<Scope>);

    /// Something that could not be read.
    fn problem(&mut self, problem: Problem);
}

/// Keeps the answers of a collection, so that one that was killed goes on where it stopped.
///
/// An answer is one line: a recorded answer under the key of its call. What was kept is there after a crash.
pub trait Checkpoints {
    /// Goes on with a collection that was not finished, or begins one. What was kept before `oldest` is too old to go on
    /// with and is forgotten. Gives how many answers are left.
    fn begin(&mut self, now: Timestamp, oldest: Timestamp) -> Result<u64, Problem>;

    /// The answer that was kept under a key; none if the call failed.
    fn kept(&mut self, key: &str) -> Result<Option<String>, Problem>;

    /// The answer under a key in the last collection that was finished.
    fn earlier(&mut self, key: &str) -> Result<Option<String>, Problem>;

    /// Keeps one answer, or that a call failed, which is asked again when the collection goes on.
    fn keep(&mut self, key: &str, line: &str, at: Timestamp, failed: bool) -> Result<(), Problem>;

    /// The collection is done: it is the one that counts from now on.
    fn finish(&mut self, at: Timestamp) -> Result<(), Problem>;
}

/// Keeps nothing: a collection that starts anew every time.
#[derive(Debug, Default)]
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn begin(&mut self, _now: Timestamp, _oldest: Timestamp) -> Result<u64, Problem> {
        Ok(0)
    }

    fn kept(&mut self, _key: &str) -> Result<Option<String>, Problem> {
        Ok(None)
    }

    fn earlier(&mut self, _key: &str) -> Result<Option<String>, Problem> {
        Ok(None)
    }

    fn keep(&mut self, _key: &str, _line: &str, _at: Timestamp, _failed: bool) -> Result<(), Problem> {
        Ok(())
    }

    fn finish(&mut self, _at: Timestamp) -> Result<(), Problem> {
        Ok(())
    }
}
