//! What was applied before, and what waits to be read again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use yagura_model::{Cloud, Timestamp};

use super::{AssetContent, Change, ChangeEvent, Passed, Subject};

/// Ids of events that are remembered.
const MOST_SEEN: usize = 200_000;
/// Subjects that may wait; no more messages are received then.
const MOST_WAITING: usize = 50_000;
/// How long the time of a reading is remembered, in seconds: Pub/Sub keeps messages for at most 31 days.
const LONGEST_MEMORY: i64 = 31 * 24 * 3600;
/// How far the clocks of cloud and reader may differ, and how late a cloud's own answers may follow a change, in seconds.
const CLOCK_MARGIN: i64 = 60;
/// The longest pause between two attempts, in seconds.
const LONGEST_PAUSE: i64 = 3600;

/// What one event names, in a form that is the same for all events about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey(String);

/// A message of a source, by the source and the message's own id.
pub(super) type MessageKey = (String, String);

/// Something that waits to be read again.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub cloud: Cloud,
    pub scope: String,
    pub region: Option<String>,
    pub subject: Subject,
    /// What the newest event said.
    pub change: Change,
    /// When the oldest and the newest event happened.
    pub oldest: Timestamp,
    pub newest: Timestamp,
    pub due: Timestamp,
    pub attempts: u32,
    messages: BTreeSet<MessageKey>,
}

struct Message {
    receipt: Option<String>,
    /// Subjects of it that still wait.
    open: usize,
}

/// Remembers which events were applied, so that those that come twice or late do no harm, and gathers bursts.
///
/// An event is dropped when it was seen before, or when its subject was read after it happened. All others wait for a
/// moment, so that a burst of events about one subject is one reading.
pub struct Changes {
    since: Timestamp,
    seen: HashSet<String>,
    order: VecDeque<String>,
    read_at: HashMap<SubjectKey, Timestamp>,
    /// When Google assets were deleted, by name.
    deleted: HashMap<String, Timestamp>,
    waiting: BTreeMap<SubjectKey, Waiting>,
    messages: HashMap<MessageKey, Message>,
    /// Up to where each polled log was read.
    watermarks: BTreeMap<String, Timestamp>,
    /// When each whole kind was listed last.
    listed: HashMap<SubjectKey, Timestamp>,
}

impl Changes {
    /// Nothing applied yet; the estate was collected at `since`, so that older events change nothing.
    pub fn new(since: Timestamp) -> Self {
        Self {
            since,
            seen: HashSet::new(),
            order: VecDeque::new(),
            read_at: HashMap::new(),
            deleted: HashMap::new(),
            waiting: BTreeMap::new(),
            messages: HashMap::new(),
            watermarks: BTreeMap::new(),
            listed: HashMap::new(),
        }
    }

    /// How many subjects wait to be read again.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When the next of them is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// Up to where a polled log was read; at first the moment of the collection. Kept over restarts by the caller.
    pub fn watermark(&self, source: &str) -> Timestamp {
        self.watermarks.get(source).copied().unwrap_or(self.since)
    }

    /// Sets where a polled log goes on, after a restart.
    pub fn set_watermark(&mut self, source: &str, to: Timestamp) {
        self.watermarks.insert(source.to_owned(), to);
    }

    /// Moves a watermark to `to`, but not past what still waits in that scope.
    pub(super) fn advance(&mut self, source: &str, scope: &str, to: Timestamp) {
        let own = self.waiting.values().filter(|waiting| waiting.scope.eq_ignore_ascii_case(scope));
        let oldest = own.map(|waiting| waiting.oldest).min();
        let reached = oldest.map_or(to, |oldest| oldest.min(to));
        if reached > self.watermark(source) {
            self.set_watermark(source, reached);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING
    }

    /// Notes a message that was received; one that comes again has a new receipt.
    pub(super) fn received(&mut self, message: &MessageKey, receipt: Option<String>) {
        self.messages.entry(message.clone()).or_insert(Message { receipt: None, open: 0 }).receipt = receipt;
    }

    /// Lets the subjects of an event wait until `settle` has passed; a kind is listed at most once in `relist_every`.
    pub(super) fn admit(
        &mut self,
        event: ChangeEvent,
        message: &MessageKey,
        now: Timestamp,
        settle: i64,
        relist_every: i64,
    ) -> Result<(), Passed> {
        if !self.see(format!("{} {}", event.cloud, event.id)) {
            return Err(Passed::Old);
        }
        // A time in the future would let everything after it look old.
        let at = event.at.min(now);
        if later(at, CLOCK_MARGIN) < self.since {
            return Err(Passed::Old);
        }
        let mut is_new = false;
        for subject in event.subjects {
            let region = event.region.clone();
            let key = key_of(event.cloud, &event.scope, region.as_deref(), &subject);
            if self.is_old(&key, event.cloud, at) || self.is_outlived(&subject, at) {
                continue;
            }
            is_new = true;
            let mut due = later(now, settle);
            if let (Subject::Kind(_), Some(listed)) = (&subject, self.listed.get(&key)) {
                due = due.max(later(*listed, relist_every));
            }
            let waiting = self.waiting.entry(key).or_insert_with(|| Waiting {
                cloud: event.cloud,
                scope: event.scope.clone(),
                region,
                subject: subject.clone(),
                change: event.change,
                oldest: at,
                newest: at,
                due,
                attempts: 0,
                messages: BTreeSet::new(),
            });
            if at >= waiting.newest {
                (waiting.newest, waiting.change, waiting.subject) = (at, event.change, subject);
            }
            waiting.oldest = waiting.oldest.min(at);
            if waiting.messages.insert(message.clone())
                && let Some(message) = self.messages.get_mut(message)
            {
                message.open += 1;
            }
        }
        if is_new { Ok(()) } else { Err(Passed::Old) }
    }

    fn see(&mut self, id: String) -> bool {
        if !self.seen.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MOST_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    fn is_old(&self, key: &SubjectKey, cloud: Cloud, at: Timestamp) -> bool {
        let Some(read) = self.read_at.get(key) else { return false };
        match cloud {
            // Google's messages hold the asset of that moment.
            Cloud::Gcp => at < *read,
            _ => later(at, CLOCK_MARGIN) < *read,
        }
    }

    /// Documents and policies of a Google asset come apart: a policy from before the asset's deletion is gone with it,
    /// and a policy from after it means that the asset was made again.
    fn is_outlived(&self, subject: &Subject, at: Timestamp) -> bool {
        let Subject::Asset { name, content, asset } = subject else { return false };
        if *content != AssetContent::Resource {
            return self.deleted.get(name).is_some_and(|deleted| at < *deleted);
        }
        let policies = [AssetContent::IamPolicy, AssetContent::OrgPolicy].map(|content| asset_key(name, content));
        asset.is_none() && policies.iter().any(|key| self.read_at.get(key).is_some_and(|read| at < *read))
    }

    /// Where the deletion of a Google asset waits together with a policy of it, the later one counts.
    fn settle_assets(&mut self, now: Timestamp) {
        let mut outlived = Vec::new();
        for (key, deletion) in &self.waiting {
            let Subject::Asset { name, content: AssetContent::Resource, asset: None } = &deletion.subject else {
                continue;
            };
            for content in [AssetContent::IamPolicy, AssetContent::OrgPolicy] {
                let policy = asset_key(name, content);
                let Some(waiting) = self.waiting.get(&policy) else { continue };
                outlived.push(if waiting.newest <= deletion.newest { policy } else { key.clone() });
            }
        }
        for key in outlived {
            self.done(&key, now);
        }
    }

    /// What is due now, oldest first, at most `most`.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<(SubjectKey, Waiting)> {
        self.settle_assets(now);
        let mut due: Vec<_> = self.waiting.iter().filter(|(_, waiting)| waiting.due <= now).collect();
        due.sort_by_key(|(_, waiting)| waiting.oldest);
        due.into_iter().take(most).map(|(key, waiting)| (key.clone(), waiting.clone())).collect()
    }

    /// A subject was read again and kept.
    pub(super) fn done(&mut self, key: &SubjectKey, now: Timestamp) {
        let Some(waiting) = self.waiting.remove(key) else { return };
        let read = if waiting.cloud == Cloud::Gcp { waiting.newest } else { now };
        self.read_at.insert(key.clone(), read);
        match &waiting.subject {
            Subject::Kind(_) => drop(self.listed.insert(key.clone(), now)),
            Subject::Asset { name, content: AssetContent::Resource, asset: None } => {
                self.deleted.insert(name.clone(), waiting.newest);
            }
            _ => {}
        }
        for message in &waiting.messages {
            if let Some(message) = self.messages.get_mut(message) {
                message.open = message.open.saturating_sub(1);
            }
        }
    }

    /// A subject is still there although its deletion was told: it is looked at again later. Its messages are done.
    pub(super) fn look_again(&mut self, key: &SubjectKey, waiting: Waiting, now: Timestamp, pause: i64) {
        self.done(key, now);
        let again = Waiting {
            due: later(now, pause),
            attempts: waiting.attempts.saturating_add(1),
            messages: BTreeSet::new(),
            ..waiting
        };
        self.waiting.insert(key.clone(), again);
    }

    /// A subject could not be read: it is tried again after a pause that doubles.
    pub(super) fn failed(&mut self, key: &SubjectKey, now: Timestamp, first_pause: i64) {
        let Some(waiting) = self.waiting.get_mut(key) else { return };
        let pause = first_pause.saturating_mul(1 << waiting.attempts.min(16)).min(LONGEST_PAUSE);
        waiting.due = later(now, pause);
        waiting.attempts = waiting.attempts.saturating_add(1);
    }

    /// Takes out the messages of a source of which nothing waits any longer, with their receipts.
    pub(super) fn take_done(&mut self, source: &str) -> Vec<(String, Option<String>)> {
        let is_done = |(key, message): (&MessageKey, &Message)| key.0 == source && message.open == 0;
        let done: Vec<MessageKey> =
            self.messages.iter().filter(|(key, message)| is_done((key, message))).map(|(key, _)| key.clone()).collect();
        let mut taken = Vec::new();
        for key in done {
            let receipt = self.messages.remove(&key).and_then(|message| message.receipt);
            taken.push((key.1, receipt));
        }
        taken.sort();
        taken
    }

    /// Forgets readings so old that no message from before them can come.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let keep = |at: &Timestamp| later(*at, LONGEST_MEMORY) > now;
        self.read_at.retain(|_, at| keep(at));
        self.listed.retain(|_, at| keep(at));
        self.deleted.retain(|_, at| keep(at));
    }
}

pub(super) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

fn asset_key(name: &str, content: AssetContent) -> SubjectKey {
    SubjectKey(format!("{} {name} {content:?}", Cloud::Gcp))
}

fn key_of(cloud: Cloud, scope: &str, region: Option<&str>, subject: &Subject) -> SubjectKey {
    let region = region.unwrap_or("-");
    SubjectKey(match subject {
        Subject::Id(id) => format!("{cloud} {}", id.to_ascii_lowercase()),
        Subject::Asset { name, content, .. } => return asset_key(name, *content),
        Subject::Called { kind, trigger, name } => format!("{cloud} {scope} {region} {kind} {trigger} {name}"),
        Subject::Kind(kind) => format!("{cloud} {scope} {region} {kind}"),
    })
}
