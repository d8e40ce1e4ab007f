//! Live collection: asks the clouds what the resource types name and reads every answer as a recorded one.
//!
//! What is asked follows from `content/resource-types` alone. Each answered page is one line of the form that
//! [`crate::export`] reads; so a recording of a collection is read back by the same code, and a collection that was
//! killed goes on by reading the lines it kept. A failed call becomes the line of its error: it ends nothing, and what
//! it should have listed is unknown.

mod parts;
mod plan;
mod probe;
mod replay;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value as Json, json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_content::ResourceType;
use yagura_model::{Checkpoints, Cloud, Document, Kind, NoCheckpoints, Problem, Sink, Timestamp};

use crate::export::{FileState, ReadSummary, Reader, Wanted};

pub use plan::{Target, regions_of};
pub(crate) use plan::{azure_call, calls_of_kind};
pub use probe::{MissingPermission, Outcome, ProbeOptions, ProbeSummary, Probed, Subject, probe};
pub use replay::Replay;

/// How a collection runs.
pub struct CollectOptions<'p> {
    /// Calls under way at once.
    pub at_once: usize,
    /// Pages of one list after which it is given up.
    pub most_pages: usize,
    /// The moment that answers are stamped with.
    pub now: Timestamp,
    /// Kept answers of an unfinished collection are gone on with if they are not older than this. Later than `now` =
    /// everything is asked anew.
    pub oldest_kept: Timestamp,
    /// What could not be found out before: it leaves the result incomplete, and is kept and recorded with it.
    pub lost: &'p [Problem],
    /// Is told how far it is.
    pub progress: Option<&'p dyn Fn(Progress)>,
    /// Receives every line as it is read, for recordings.
    pub record: Option<&'p mut Recorder<'p>>,
}

/// Writes one line of a recording.
pub type Recorder<'p> = dyn FnMut(&str) -> std::io::Result<()> + 'p;

/// How far a collection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages that were answered.
    pub answered: u64,
    /// Pages taken from an earlier, unfinished collection.
    pub resumed: u64,
    /// Pages whose answer never changes, taken from the last collection.
    pub reused: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls known to be left.
    pub left: u64,
    /// Resources read.
    pub resources: u64,
}

/// What a collection came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectSummary {
    /// What was read.
    pub read: ReadSummary,
    /// How far it got.
    pub progress: Progress,
}

/// Asks the clouds for everything that the targets hold and reads it into a sink.
pub async fn collect<C: Caller>(
    caller: &C,
    targets: &[Target],
    types: &BTreeMap<Kind, ResourceType>,
    sink: &mut dyn Sink,
    checkpoints: &mut dyn Checkpoints,
    mut options: CollectOptions<'_>,
) -> CollectSummary {
    let mut run = Run::new(types, sink, checkpoints, plan::homes(targets), options.now);
    run.go_on(options.now, options.oldest_kept);
    for (number, problem) in options.lost.iter().enumerate() {
        run.take_lost(number, problem, &mut options);
    }
    for target in targets {
        for call in plan::calls(target, types) {
            run.enqueue(call, 1);
        }
    }
    run.ask(caller, &mut options).await;
    run.finish()
}

/// A line of a recording that says what could not be found out: `{"lost": "...", "source": "..."}`.
pub fn lost_line(problem: &Problem) -> String {
    json!({ "lost": problem.message, "source": problem.source }).to_string()
}

/// Reads the answers of a collection that were kept, as [`collect`] read them. `each` hands every line on.
pub fn read_kept(
    types: &BTreeMap<Kind, ResourceType>,
    sink: &mut dyn Sink,
    each: impl FnOnce(&mut dyn FnMut(&str)) -> Result<(), Problem>,
) -> ReadSummary {
    let mut reader = Reader::new(types, sink);
    let mut file = FileState::new("collection".to_owned(), true);
    let (mut record, mut problems) = (0, Vec::new());
    let outcome = each(&mut |line| {
        record += 1;
        match Document::parse(line.as_bytes()) {
            Ok(document) => reader.document(document, record, &mut file),
            Err(error) => {
                let message = format!("a kept answer could not be read: {error}");
                problems.push(Problem::lost("collection", Some(record), message));
            }
        }
    });
    problems.extend(outcome.err());
    reader.close_collection(file);
    reader.finish_with(problems)
}

/// A call that reads a part of a cloud again.
pub(crate) struct Seed {
    /// The call.
    pub call: Call,
    /// Its answer, where it is known without asking.
    pub answer: Option<Json>,
    /// The only resources that its answer is read for; none = it lists whole places.
    pub only: Option<Vec<Wanted>>,
}

/// Asks a few calls and what follows from them. Gives, in the order of the seeds, the failure of each.
pub(crate) async fn read_again<C: Caller>(
    caller: &C,
    seeds: Vec<Seed>,
    targets: &[Target],
    types: &BTreeMap<Kind, ResourceType>,
    sink: &mut dyn Sink,
    mut options: CollectOptions<'_>,
) -> (Vec<Option<CallFailure>>, Progress) {
    let mut checkpoints = NoCheckpoints;
    let mut run = Run::new(types, sink, &mut checkpoints, plan::homes(targets), options.now);
    for seed in seeds {
        run.enqueue_seed(seed);
    }
    run.ask(caller, &mut options).await;
    run.finish_part()
}

/// A call with the number of its page, and the seed it is a page of.
#[derive(Clone, Debug)]
struct Asked {
    call: Call,
    page: usize,
    seed: Option<usize>,
}

struct Run<'r> {
    reader: Reader<'r>,
    file: FileState,
    /// Answers that are known without asking, by the keys of their calls.
    given: HashMap<String, String>,
    /// Whether an unfinished collection left answers.
    goes_on: bool,
    /// Whether answers can be kept.
    keeps: bool,
    /// Operations whose answers never change.
    immutable: HashSet<(Cloud, &'r str, &'r str)>,
    checkpoints: &'r mut dyn Checkpoints,
    /// The region that global AWS services are asked in, by account.
    homes: BTreeMap<String, String>,
    /// Keys of all calls so far: two resource types may read one answer.
    asked: HashSet<String>,
    queue: VecDeque<Asked>,
    /// What the answers of each seed are limited to.
    limits: Vec<Option<Vec<Wanted>>>,
    /// Why the answers of each seed are not whole.
    failures: Vec<Option<CallFailure>>,
    progress: Progress,
    problems: Vec<Problem>,
    now: Timestamp,
}

impl<'r> Run<'r> {
    fn new(
        types: &'r BTreeMap<Kind, ResourceType>,
        sink: &'r mut dyn Sink,
        checkpoints: &'r mut dyn Checkpoints,
        homes: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Self {
        let mut reader = Reader::new(types, sink);
        reader.remember_follow_ups();
        Self {
            reader,
            file: FileState::new("collection".to_owned(), true),
            given: HashMap::new(),
            goes_on: false,
            keeps: true,
            immutable: plan::immutable(types),
            checkpoints,
            homes,
            asked: HashSet::new(),
            queue: VecDeque::new(),
            limits: Vec::new(),
            failures: Vec::new(),
            progress: Progress::default(),
            problems: Vec::new(),
            now,
        }
    }

    /// Goes on with what an unfinished collection left, unless it is too old.
    fn go_on(&mut self, now: Timestamp, oldest: Timestamp) {
        match self.checkpoints.begin(now, oldest) {
            Ok(left) => self.goes_on = left > 0,
            // A collection whose checkpoints cannot be read starts anew, and nothing is lost.
            Err(problem) => self.problems.push(Problem { incomplete: false, ..problem }),
        }
    }

    /// The answer to a call that is known without asking.
    fn kept(&mut self, call: &Call) -> Option<String> {
        if self.given.is_empty() && !self.goes_on {
            return None;
        }
        let key = call.key();
        if let Some(given) = self.given.remove(&key) {
            return Some(given);
        }
        if !self.goes_on {
            return None;
        }
        self.checkpoints.kept(&key).unwrap_or_else(|problem| {
            // Nothing is lost: the call is made again.
            self.problems.push(Problem { incomplete: false, ..problem });
            None
        })
    }

    /// Takes the answer of the last collection to a call whose answer never changes; false = it must be asked.
    fn take_earlier(&mut self, asked: &Asked, options: &mut CollectOptions<'_>) -> bool {
        let call = &asked.call;
        // Who begins anew wants every answer anew.
        if options.oldest_kept > options.now || !self.immutable.contains(&(call.cloud, &call.service, &call.operation))
        {
            return false;
        }
        let key = call.key();
        let Ok(Some(line)) = self.checkpoints.earlier(&key) else { return false };
        self.keep(&key, &line, false);
        self.progress.reused += 1;
        self.take_line(asked, &line, options);
        true
    }

    /// Says what could not be found out before, as a line like the others. It is found out again when the collection goes
    /// on, as what failed is.
    fn take_lost(&mut self, number: usize, problem: &Problem, options: &mut CollectOptions<'_>) {
        let line = lost_line(problem);
        self.keep(&format!("lost {number}"), &line, true);
        self.record(&line, options);
        if let Ok(document) = Document::parse(line.as_bytes()) {
            self.reader.document(document, 0, &mut self.file);
        }
    }

    /// Keeps a line. What cannot be kept is said once: a disk that is full stays full.
    fn keep(&mut self, key: &str, line: &str, failed: bool) {
        if self.keeps
            && let Err(problem) = self.checkpoints.keep(key, line, self.now, failed)
        {
            self.keeps = false;
            self.problems.push(problem);
        }
    }

    fn record(&mut self, line: &str, options: &mut CollectOptions<'_>) {
        if let Some(record) = options.record.as_mut()
            && let Err(error) = record(line)
        {
            self.problems.push(Problem::lost("recording", None, format!("could not be written: {error}")));
            options.record = None;
        }
    }

    /// Asks what is in the queue and what follows from it, until nothing is left.
    async fn ask<C: Caller>(&mut self, caller: &C, options: &mut CollectOptions<'_>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < options.at_once.max(1) {
                let Some(next) = self.queue.pop_front() else { break };
                match self.kept(&next.call) {
                    Some(line) => {
                        self.progress.resumed += 1;
                        self.take_line(&next, &line, options);
                    }
                    None if self.take_earlier(&next, options) => {}
                    None => under_way.push(async move { (caller.call(&next.call).await, next) }),
                }
            }
            let Some((outcome, asked)) = under_way.next().await else {
                if self.queue.is_empty() {
                    break;
                }
                continue;
            };
            self.take_outcome(&asked, outcome, options);
            self.say(under_way.len(), options);
        }
    }

    fn enqueue(&mut self, call: Call, page: usize) {
        self.enqueue_page(call, page, None);
    }

    fn enqueue_page(&mut self, call: Call, page: usize, seed: Option<usize>) {
        if self.asked.insert(call.key()) {
            self.queue.push_back(Asked { call, page, seed });
        }
    }

    fn enqueue_seed(&mut self, seed: Seed) {
        let number = self.limits.len();
        self.limits.push(seed.only);
        self.failures.push(None);
        if let Some(answer) = seed.answer {
            let page = Page { response: answer, next: None };
            self.given.insert(seed.call.key(), line_of(&seed.call, &Ok(page), self.now).to_string());
        }
        self.enqueue_page(seed.call, 1, Some(number));
    }

    /// Remembers the first reason for which the answers of a seed are not whole.
    fn not_whole(&mut self, asked: &Asked, failure: CallFailure) {
        if let Some(known) = asked.seed.and_then(|seed| self.failures.get_mut(seed)) {
            known.get_or_insert(failure);
        }
    }

    fn take_outcome(&mut self, asked: &Asked, outcome: Result<Page, CallFailure>, options: &mut CollectOptions<'_>) {
        let has_failed = outcome.as_ref().is_err_and(|failure| !is_not_there(&asked.call, failure));
        self.progress.failed += u64::from(has_failed);
        self.progress.answered += u64::from(!has_failed);
        if let Err(failure) = &outcome
            && parts::of(&asked.call, failure).is_empty()
        {
            self.not_whole(asked, failure.clone());
        }
        let line = line_of(&asked.call, &outcome, self.now).to_string();
        self.keep(&asked.call.key(), &line, has_failed);
        self.take_line(asked, &line, options);
    }

    /// Reads one line and asks for what follows from it.
    fn take_line(&mut self, asked: &Asked, line: &str, options: &mut CollectOptions<'_>) {
        self.record(line, options);
        let document = match Document::parse(line.as_bytes()) {
            Ok(document) => document,
            Err(error) => {
                let message = format!("the answer of {} could not be read: {error}", asked.call);
                self.not_whole(asked, unreadable("Unreadable", &message));
                return self.problems.push(Problem::lost("collection", None, message));
            }
        };
        let next = document.root().get("next").filter(|next| next.is_object()).map(|next| next.to_json());
        let again = again_of(&document);
        let limit = asked.seed.and_then(|seed| self.limits.get(seed)).cloned().flatten();
        self.reader.limit(limit);
        self.reader.document(
            document,
            self.progress.answered + self.progress.resumed + self.progress.reused,
            &mut self.file,
        );
        if let Some(Json::Object(next)) = next {
            let call = asked.call.with(&next);
            if asked.page < options.most_pages {
                self.enqueue_page(call, asked.page + 1, asked.seed);
            } else {
                // The page that is not asked for has failed, so that its place does not count as listed.
                let message = format!("there are more than {} pages; the rest was not asked for", options.most_pages);
                let beyond = Asked { call, page: asked.page + 1, seed: asked.seed };
                self.take_outcome(&beyond, Err(unreadable("TooManyPages", &message)), options);
            }
        }
        for follow_up in self.reader.take_follow_ups() {
            let call = plan::call_of(follow_up, &self.homes);
            self.enqueue(call, 1);
        }
        for part in again {
            self.enqueue_page(asked.call.with(&part), 1, asked.seed);
        }
    }

    fn say(&mut self, under_way: usize, options: &CollectOptions<'_>) {
        let Some(progress) = options.progress else { return };
        self.progress.left = (self.queue.len() + under_way) as u64;
        self.progress.resources = self.reader.resources_read();
        progress(self.progress);
    }

    fn finish(mut self) -> CollectSummary {
        // A collection of which something was not kept is not the one that counts from now on.
        if self.keeps
            && let Err(problem) = self.checkpoints.finish(self.now)
        {
            self.problems.push(problem);
        }
        self.progress.resources = self.reader.resources_read();
        self.reader.close_collection(self.file);
        let progress = self.progress;
        CollectSummary { read: self.reader.finish_with(self.problems), progress }
    }

    /// Ends the reading of a part: the failures of the seeds, and what was asked.
    fn finish_part(mut self) -> (Vec<Option<CallFailure>>, Progress) {
        self.progress.resources = self.reader.resources_read();
        self.reader.close_collection(self.file);
        self.reader.finish_part(self.problems);
        (self.failures, self.progress)
    }
}

fn unreadable(code: &str, message: &str) -> CallFailure {
    CallFailure { kind: FailureKind::Unreadable, code: code.to_owned(), message: message.to_owned() }
}

/// Whether a failure means that the place holds nothing. Google speaks of the project that pays for the call, not of the
/// one that is asked about: there, nothing is known.
fn is_not_there(call: &Call, failure: &CallFailure) -> bool {
    failure.kind == FailureKind::NotOffered && call.cloud != Cloud::Gcp
}

/// The parts in which a line says that its call is asked again.
fn again_of(line: &Document) -> Vec<Map<String, Json>> {
    let again = line.root().get("error").and_then(|error| error.get("again"));
    let parts = again.into_iter().flat_map(|again| again.items()).map(|part| part.to_json());
    parts.filter_map(|part| if let Json::Object(part) = part { Some(part) } else { None }).collect()
}

/// A page, or the failure of a call, as a recorded answer. `next` says how the following page is asked for, `again` in
/// which parts a refused call is asked anew.
fn line_of(call: &Call, outcome: &Result<Page, CallFailure>, now: Timestamp) -> Json {
    let mut line = json!({
        "cloud": call.cloud, "scope": call.scope, "service": call.service, "operation": call.operation,
        "params": call.params, "observedAt": now,
    });
    let mut set = |name: &str, value: Json| {
        if let Json::Object(members) = &mut line {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(region) = &call.region {
        set("region", region.as_str().into());
    }
    match outcome {
        Ok(page) => {
            set("response", page.response.clone());
            if let Some(next) = &page.next {
                set("next", Json::Object(next.clone()));
            }
        }
        Err(failure) => {
            let mut error = Map::from_iter([
                ("code".to_owned(), failure.code.as_str().into()),
                ("message".to_owned(), failure.message.as_str().into()),
            ]);
            let again = parts::of(call, failure);
            if !again.is_empty() {
                error.insert("again".to_owned(), again.into());
            }
            if is_not_there(call, failure) {
                error.insert("notOffered".to_owned(), true.into());
            }
            set("error", Json::Object(error));
        }
    }
    line
}
