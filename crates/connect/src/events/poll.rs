//! One round: receive, read again, keep, acknowledge.

use std::collections::BTreeMap;

use yagura_cloud::{CallFailure, Caller, FailureKind};
use yagura_model::{Applied, EstateBuilder, EstateChange, MemoryEstate, Problem, ResourceId, Sink, Timestamp};

use super::changes::{Changes, MessageKey, SubjectKey, Waiting};
use super::plan::{How, Plan, plan_of};
use super::{AssetContent, Change, Passed, Source, Subject, Watch};
use crate::export::Wanted;
use crate::live::{CollectOptions, Recorder, Seed, read_again};

/// Readings after which a resource that an event wrote, and no answer holds, is believed to be gone.
const MOST_LOOKS: u32 = 3;
/// The pause before the second look, in seconds.
const FIRST_PAUSE: i64 = 30;
/// The pause before looking again at what is being deleted, in seconds.
const DELETING_PAUSE: i64 = 300;

/// How a round runs.
pub struct PollOptions<'p> {
    /// The moment of the round, before its first call.
    pub now: Timestamp,
    /// Calls under way at once.
    pub at_once: usize,
    /// Pages of one list after which it is given up.
    pub most_pages: usize,
    /// Batches of messages that one round receives.
    pub most_batches: usize,
    /// Subjects that one round reads again.
    pub most_subjects: usize,
    /// For how long an empty queue is waited at (SQS), in seconds.
    pub wait_seconds: u32,
    /// For how long events are gathered before their subject is read, in seconds. The clouds' own answers follow a
    /// change after a while, Resource Graph's after some seconds.
    pub settle: i64,
    /// The shortest time between two lists of one whole kind, in seconds.
    pub relist_every: i64,
    /// Receives every answer that is read, for recordings.
    pub record: Option<&'p mut Recorder<'p>>,
}

impl PollOptions<'_> {
    /// The usual round at this moment.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            at_once: 8,
            most_pages: 1000,
            most_batches: 10,
            most_subjects: 500,
            wait_seconds: 10,
            settle: 15,
            relist_every: 300,
            record: None,
        }
    }
}

/// Keeps what was read again. Only what was kept is acknowledged.
pub trait Keeper {
    /// Lays a change over the estate that is kept.
    fn keep(&mut self, change: EstateChange) -> Result<Applied, Problem>;
}

impl Keeper for MemoryEstate {
    fn keep(&mut self, change: EstateChange) -> Result<Applied, Problem> {
        Ok(self.apply(change))
    }
}

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Messages or pages that were received.
    pub messages: u64,
    /// Events that name something to read again.
    pub events: u64,
    /// Events that change nothing here, and why.
    pub passed: BTreeMap<Passed, u64>,
    /// Calls of the round, those to the source among them.
    pub calls: u64,
    /// Subjects that were read again, and how much for each.
    pub read: BTreeMap<How, u64>,
    /// Resources that were read again.
    pub changed: Vec<ResourceId>,
    /// Resources that are gone.
    pub removed: Vec<ResourceId>,
    /// Subjects that wait for a later round.
    pub waiting: usize,
    /// What went wrong.
    pub problems: Vec<Problem>,
}

/// Receives events from a source, reads again what they name, keeps it and acknowledges the messages.
///
/// A message is acknowledged when everything that it named was read and kept. What could not be read stays as it was,
/// is said, and is tried again in later rounds.
pub async fn poll<C: Caller>(
    caller: &C,
    source: &Source,
    changes: &mut Changes,
    watch: &Watch<'_>,
    keeper: &mut dyn Keeper,
    options: PollOptions<'_>,
) -> Polled {
    let mut polled = Polled::default();
    let now = options.now;
    changes.forget(now);
    let reached = if changes.is_full() {
        polled.problems.push(Problem::note(source.name(), None, "waits: too much is left to be read again"));
        None
    } else {
        receive(caller, source, changes, watch, &options, &mut polled).await
    };
    read_due(caller, changes, watch, keeper, options, &mut polled).await;
    if let (Some(to), Some(scope)) = (reached, source.log_scope()) {
        changes.advance(&source.name(), scope, to);
    }
    let acknowledged = source.acknowledge(caller, changes.take_done(&source.name())).await;
    polled.calls += acknowledged.calls;
    polled.problems.extend(acknowledged.problems);
    polled.waiting = changes.waiting();
    polled
}

async fn receive<C: Caller>(
    caller: &C,
    source: &Source,
    changes: &mut Changes,
    watch: &Watch<'_>,
    options: &PollOptions<'_>,
    polled: &mut Polled,
) -> Option<Timestamp> {
    let batch = source.receive(caller, changes, watch, options).await;
    polled.calls += batch.calls;
    polled.problems.extend(batch.problems);
    for message in batch.messages {
        polled.messages += 1;
        let key: MessageKey = (source.name(), message.id);
        changes.received(&key, message.receipt);
        let parsed = match message.content {
            Ok(parsed) => parsed,
            Err(refusal) => {
                polled.problems.push(Problem::lost(source.name(), None, format!("a message {refusal}")));
                continue;
            }
        };
        for (why, count) in parsed.passed {
            *polled.passed.entry(why).or_default() += count;
        }
        for refusal in parsed.refused {
            polled.problems.push(Problem::lost(source.name(), None, format!("an event {refusal}")));
        }
        for event in parsed.events {
            let outcome = match watch.covers(&event) {
                true => changes.admit(event, &key, options.now, options.settle, options.relist_every),
                false => Err(Passed::OtherScope),
            };
            match outcome {
                Ok(()) => polled.events += 1,
                Err(why) => *polled.passed.entry(why).or_default() += 1,
            }
        }
    }
    batch.reached
}

/// A subject that is read in this round.
struct Reading {
    key: SubjectKey,
    waiting: Waiting,
    plan: Plan,
    /// The calls that its plan asks, by their position among all.
    seeds: Vec<usize>,
    /// The resources that its own answer is read for.
    wanted: Vec<Wanted>,
}

async fn read_due<C: Caller>(
    caller: &C,
    changes: &mut Changes,
    watch: &Watch<'_>,
    keeper: &mut dyn Keeper,
    options: PollOptions<'_>,
    polled: &mut Polled,
) {
    let now = options.now;
    let (mut readings, mut seeds) = (Vec::new(), Seeds::default());
    let mut builder = EstateBuilder::new();
    for (key, waiting) in changes.due(now, options.most_subjects) {
        let planned = plan_of(&waiting.scope, waiting.region.as_deref(), &waiting.subject, watch);
        let Some(mut plan) = planned else {
            *polled.passed.entry(Passed::OtherService).or_default() += 1;
            changes.done(&key, now);
            continue;
        };
        if let Some(id) = policy_without_asset(&waiting.subject) {
            builder.attach(id, "iamPolicy".into(), yagura_model::Answer::Absent);
        }
        let wanted = plan.seeds.first().and_then(|seed| seed.only.clone()).unwrap_or_default();
        let seeds = std::mem::take(&mut plan.seeds).into_iter().map(|seed| seeds.add(seed)).collect();
        readings.push(Reading { key, waiting, plan, seeds, wanted });
    }
    if readings.is_empty() {
        return;
    }
    let collect = CollectOptions {
        at_once: options.at_once,
        most_pages: options.most_pages,
        now,
        oldest_kept: now,
        lost: &[],
        progress: None,
        record: options.record,
    };
    let (failures, progress) = read_again(caller, seeds.all, watch.targets, watch.types, &mut builder, collect).await;
    polled.calls += progress.answered + progress.failed;
    let mut change = builder.into_change();
    polled.problems.extend(change.take_problems());
    let outcomes: Vec<Outcome> = readings.iter().map(|reading| reading.outcome(&failures, &change)).collect();
    for (reading, outcome) in readings.iter().zip(&outcomes) {
        if let Outcome::Read { .. } = outcome {
            change.gone.extend(reading.plan.gone.iter().cloned());
        }
    }
    let kept = keeper.keep(change);
    for (reading, outcome) in readings.into_iter().zip(outcomes) {
        let outcome = if kept.is_err() { Outcome::Failed(None) } else { outcome };
        reading.settle(outcome, changes, now, polled);
    }
    match kept {
        Ok(applied) => {
            polled.changed.extend(applied.changed);
            polled.removed.extend(applied.removed);
        }
        Err(problem) => polled.problems.push(problem),
    }
}

/// A Google asset whose IAM policy was taken away.
fn policy_without_asset(subject: &Subject) -> Option<ResourceId> {
    match subject {
        Subject::Asset { name, content: AssetContent::IamPolicy, asset: None } => {
            Some(ResourceId::new(yagura_model::Cloud::Gcp, name.as_str()))
        }
        _ => None,
    }
}

/// How the reading of one subject went.
enum Outcome {
    /// It was read; `is_there` = the answer holds it.
    Read { is_there: bool },
    /// The answer does not hold it, and should: it is looked at again.
    Unsure,
    /// The answer never held it, and may not be believed.
    GivenUp,
    /// The call failed, or the result was not kept.
    Failed(Option<CallFailure>),
}

impl Reading {
    fn outcome(&self, failures: &[Option<CallFailure>], change: &EstateChange) -> Outcome {
        let mut is_missing = false;
        for failure in self.seeds.iter().filter_map(|seed| failures.get(*seed)).flatten() {
            // A list that was narrowed to one name may answer that there is none.
            if failure.kind != FailureKind::NotFound || self.plan.how != How::Narrow {
                return Outcome::Failed(Some(failure.clone()));
            }
            is_missing = true;
        }
        if self.plan.how != How::Narrow {
            return Outcome::Read { is_there: true };
        }
        let is_wanted = |resource: &yagura_model::Resource| self.wanted.iter().any(|wanted| wanted.is(resource));
        let is_there = !is_missing && change.resources().iter().any(is_wanted);
        if is_there || self.waiting.change == Change::Deleted {
            return Outcome::Read { is_there };
        }
        if self.waiting.attempts + 1 < MOST_LOOKS && self.plan.is_described {
            return Outcome::Unsure;
        }
        if self.plan.may_lag { Outcome::GivenUp } else { Outcome::Read { is_there } }
    }

    fn settle(self, outcome: Outcome, changes: &mut Changes, now: Timestamp, polled: &mut Polled) {
        let Self { key, waiting, plan, .. } = self;
        let name = waiting.subject.shown();
        match outcome {
            Outcome::Read { is_there } => {
                *polled.read.entry(plan.how).or_default() += 1;
                let is_still_there = is_there && waiting.change == Change::Deleted && plan.how == How::Narrow;
                if is_still_there && waiting.attempts + 1 < MOST_LOOKS {
                    changes.look_again(&key, waiting, now, DELETING_PAUSE);
                } else {
                    changes.done(&key, now);
                }
            }
            Outcome::Unsure => changes.failed(&key, now, FIRST_PAUSE),
            Outcome::GivenUp => {
                if plan.is_described {
                    let message = "was changed, and no answer holds it: it stays as it was";
                    polled.problems.push(Problem::lost(name, None, message));
                }
                changes.done(&key, now);
            }
            Outcome::Failed(failure) => {
                if let Some(failure) = failure {
                    let message = format!("was changed and could not be read again: {failure}");
                    polled.problems.push(Problem::lost(name, None, message));
                }
                changes.failed(&key, now, FIRST_PAUSE);
            }
        }
    }
}

impl Subject {
    /// The subject for people.
    fn shown(&self) -> String {
        match self {
            Self::Id(id) => id.clone(),
            Self::Asset { name, .. } => name.clone(),
            Self::Called { kind, name, .. } => format!("{kind} {name}"),
            Self::Kind(kind) => kind.to_string(),
        }
    }
}

/// Calls of one round, each once: two subjects may be read from one answer.
#[derive(Default)]
struct Seeds {
    all: Vec<Seed>,
    by_key: BTreeMap<String, usize>,
}

impl Seeds {
    fn add(&mut self, seed: Seed) -> usize {
        let key = seed.call.key();
        let known = self.by_key.get(&key).copied().and_then(|place| Some((place, self.all.get_mut(place)?)));
        let Some((place, known)) = known else {
            self.by_key.insert(key, self.all.len());
            self.all.push(seed);
            return self.all.len() - 1;
        };
        known.only = match (known.only.take(), seed.only) {
            (Some(mut own), Some(more)) => {
                own.extend(more);
                Some(own)
            }
            // One of them asks for everything.
            _ => None,
        };
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_serves_all_who_ask_for_it() {
        let call = || yagura_cloud::Call {
            cloud: yagura_model::Cloud::Aws,
            scope: "1".into(),
            region: None,
            service: "kms".into(),
            operation: "ListKeys".into(),
            params: Default::default(),
        };
        let wanted = |name: &str| vec![Wanted::Id(ResourceId::new(yagura_model::Cloud::Aws, name))];
        let mut seeds = Seeds::default();
        assert_eq!(seeds.add(Seed { call: call(), answer: None, only: Some(wanted("a")) }), 0);
        assert_eq!(seeds.add(Seed { call: call(), answer: None, only: Some(wanted("b")) }), 0);
        assert_eq!(seeds.all[0].only.as_ref().map(Vec::len), Some(2));
        assert_eq!(seeds.add(Seed { call: call(), answer: None, only: None }), 0);
        assert_eq!(seeds.all[0].only, None);
    }
}
