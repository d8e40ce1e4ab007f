//! Change events: what a cloud says has changed is read again, and nothing else.
//!
//! [`aws`], [`azure`] and [`gcp`] read messages in the forms in which the clouds deliver them; [`plan`] says which calls
//! read the named resources again; [`Changes`] drops what was applied before and gathers bursts; [`poll`] is one round
//! of receiving, reading again, laying the result over the estate, and acknowledging. An event is only a reason to
//! look: what counts is the answer, so that events may come twice, late, or in any order. Google alone sends the whole
//! asset; there the later one counts. **Invariant**: messages are hostile input; requests of other callers are not kept.

pub mod aws;
pub mod azure;
mod changes;
pub mod gcp;
pub mod plan;
mod poll;
mod source;
mod triggers;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use yagura_content::ResourceType;
use yagura_model::{Cloud, Document, Kind, Timestamp, Value};

use crate::live::Target;

pub use changes::{Changes, SubjectKey};
pub use poll::{Keeper, PollOptions, Polled, poll};
pub use source::Source;
pub use triggers::Triggers;

/// The longest message that is read, in bytes; the clouds' own limits are 1 MiB (SQS, Event Grid) and 10 MB (Pub/Sub).
pub const LONGEST_MESSAGE: usize = 16 << 20;
/// The longest id or name that is taken from an event.
const LONGEST_NAME: usize = 2048;
/// The longest text about who made a change.
const LONGEST_ACTOR: usize = 256;

/// Why a message was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than [`LONGEST_MESSAGE`].
    #[error("is longer than {LONGEST_MESSAGE} bytes")]
    TooLong,
    /// It is no JSON, or nested too deep.
    #[error("is no JSON: {0}")]
    NotJson(String),
    /// It has none of the forms that are known.
    #[error("is none of the known forms of change events")]
    UnknownForm,
    /// It has a known form and lacks something.
    #[error("has no usable `{0}`")]
    Lacks(&'static str),
}

/// Why an event changes nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passed {
    /// It reads.
    ReadOnly,
    /// The call failed, or is not done yet.
    NotDone,
    /// It concerns data inside a resource.
    Data,
    /// It sets up or tests the delivery of events.
    Handshake,
    /// No resource type speaks of its service or kind.
    OtherService,
    /// It is of an account, subscription, project or region that is not collected.
    OtherScope,
    /// It is no event about resources.
    OtherEvent,
    /// It was seen before, or the resource was read after it.
    Old,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was created or changed.
    Written,
    /// It was deleted.
    Deleted,
}

/// One event that changes resources.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEvent {
    /// The cloud.
    pub cloud: Cloud,
    /// As in a [`yagura_cloud::Call`]: an account number, a subscription's GUID, `projects/x`.
    pub scope: String,
    /// Google: the folders and the organization above the scope, as the asset names them.
    pub above: Vec<String>,
    /// The region it happened in (AWS).
    pub region: Option<String>,
    /// When it happened, by the cloud's clock.
    pub at: Timestamp,
    /// What tells it from all other events of its cloud.
    pub id: String,
    /// The cloud's name of it: `AuthorizeSecurityGroupIngress`.
    pub name: String,
    /// What happened.
    pub change: Change,
    /// Who did it, for people: an ARN, a user or an application.
    pub actor: Option<String>,
    /// The resources that it names.
    pub subjects: Vec<Subject>,
}

/// A resource, or resources, that an event names.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Azure: an ARM id.
    Id(String),
    /// Google: an asset with what the message says of it; none = it was deleted.
    Asset {
        /// The asset's name.
        name: String,
        /// Which part of it the message is about.
        content: AssetContent,
        /// The asset, as Cloud Asset Inventory lists it.
        asset: Option<Json>,
    },
    /// AWS: resources of a kind that are called so.
    Called {
        /// The kind.
        kind: Kind,
        /// Which `events` entry of the resource type names it.
        trigger: usize,
        /// What the record calls it.
        name: String,
    },
    /// AWS: a kind of which the event says no more.
    Kind(Kind),
}

/// The part of a Google asset that a feed tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetContent {
    /// Its document.
    Resource,
    /// Its IAM policy.
    IamPolicy,
    /// The organization policies set on it.
    OrgPolicy,
}

/// What a message held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Events that change something.
    pub events: Vec<ChangeEvent>,
    /// How many events change nothing, and why.
    pub passed: BTreeMap<Passed, u64>,
    /// Events that could not be read.
    pub refused: Vec<Refusal>,
}

impl Parsed {
    fn pass(&mut self, why: Passed) {
        *self.passed.entry(why).or_default() += 1;
    }

    fn take(&mut self, outcome: Result<Result<ChangeEvent, Passed>, Refusal>) {
        match outcome {
            Ok(Ok(event)) => self.events.push(event),
            Ok(Err(why)) => self.pass(why),
            Err(refusal) => self.refused.push(refusal),
        }
    }
}

/// What is watched: the collected accounts, and what the content says of kinds and their events.
pub struct Watch<'t> {
    /// What is collected; events of other places are passed over.
    pub targets: &'t [Target],
    /// The resource types.
    pub types: &'t BTreeMap<Kind, ResourceType>,
    /// The events that the resource types speak of.
    pub triggers: Triggers<'t>,
}

impl<'t> Watch<'t> {
    /// What these targets and resource types watch.
    pub fn new(targets: &'t [Target], types: &'t BTreeMap<Kind, ResourceType>) -> Self {
        Self { targets, types, triggers: Triggers::new(types) }
    }

    /// Whether an event is of a place that is collected.
    fn covers(&self, event: &ChangeEvent) -> bool {
        self.targets.iter().any(|target| match target {
            Target::Aws { account, regions, home } => {
                let region = event.region.as_ref().is_none_or(|region| regions.contains(region) || region == home);
                event.cloud == Cloud::Aws && *account == event.scope && region
            }
            Target::Azure { subscriptions, .. } => {
                let own = |subscription: &String| subscription.eq_ignore_ascii_case(&event.scope);
                event.cloud == Cloud::Azure && subscriptions.iter().any(own)
            }
            Target::Gcp { scope } => event.cloud == Cloud::Gcp && event.is_below(scope),
        })
    }
}

impl ChangeEvent {
    /// Whether a Google asset lies in this project, folder or organization.
    fn is_below(&self, scope: &str) -> bool {
        let held = |subject: &Subject| match subject {
            Subject::Asset { name, .. } => name.contains(&format!("/{scope}/")),
            _ => false,
        };
        self.scope == scope || self.above.iter().any(|own| own == scope) || self.subjects.iter().any(held)
    }
}

/// The JSON of a message, bounded in size and depth.
fn read(text: &str) -> Result<Document, Refusal> {
    if text.len() > LONGEST_MESSAGE {
        return Err(Refusal::TooLong);
    }
    Document::parse(text.trim_start_matches('\u{feff}').as_bytes()).map_err(|error| Refusal::NotJson(error.to_string()))
}

fn text<'v>(value: Value<'v>, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn time(value: Value<'_>, name: &'static str) -> Result<Timestamp, Refusal> {
    text(value, name).and_then(|time| time.parse().ok()).ok_or(Refusal::Lacks(name))
}

/// An id or name that may go into a call: of bearable length, without control characters.
fn usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// A text about who did it, cut and without control characters.
fn actor(text: &str) -> Option<String> {
    let shown: String = text.chars().filter(|letter| !letter.is_control()).take(LONGEST_ACTOR).collect();
    (!shown.is_empty()).then_some(shown)
}
