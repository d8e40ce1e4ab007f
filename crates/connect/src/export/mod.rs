//! Reads what the clouds export, and answers that were recorded.
//!
//! Understood are Azure Resource Graph exports (`{"data": [...]}`, `{"value": [...]}`, a list, JSON lines), Google
//! Cloud Asset Inventory exports (JSON lines, RESOURCE and IAM_POLICY), and recorded answers of all clouds (JSON lines
//! of `{cloud, scope, region?, service, operation, params?, response | error}`); each plain, gzip or zstd. docs/estates.md
//! describes them with examples.

pub(crate) mod azure;
pub(crate) mod calls;
mod follow;
mod frames;
mod gcp;
mod items;
mod names;
mod recorded;
mod source;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::rc::Rc;

use yagura_content::ResourceType;
use yagura_model::{Document, Kind, Listing, Path, Place, Problem, Resource, ResourceId, Sink, Value, is_called};

pub(crate) use self::follow::FollowUp;

use self::calls::Calls;
use self::frames::{Frame, Frames};
use self::gcp::GoogleProjects;
use self::names::Names;
use self::recorded::Waiting;
use self::source::Source;

/// How an estate is read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'p> {
    /// The longest record in bytes; longer ones are passed over and said.
    pub longest_record: usize,
    /// Is told how many packed bytes were read so far.
    pub progress: Option<&'p dyn Fn(u64)>,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        Self { longest_record: 64 << 20, progress: None }
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Files that held records.
    pub files: u64,
    /// Files in a folder that are no export.
    pub skipped_files: u64,
    /// Records that were understood.
    pub records: u64,
    /// Resources handed on, inline copies left out.
    pub resources: u64,
    /// Packed bytes.
    pub bytes: u64,
}

impl std::ops::Add for ReadSummary {
    type Output = Self;

    fn add(self, own: Self) -> Self {
        Self {
            files: self.files + own.files,
            skipped_files: self.skipped_files + own.skipped_files,
            records: self.records + own.records,
            resources: self.resources + own.resources,
            bytes: self.bytes + own.bytes,
        }
    }
}

/// Problems of one file that are said one by one.
const MOST_PROBLEMS: usize = 100;
/// Records without meaning after which a file of a folder is taken for no export.
const PATIENCE: u64 = 100;

/// Reads files and folders (`-` is standard input) into a sink. What cannot be read becomes a problem of the sink.
pub fn read_paths(
    paths: &[PathBuf],
    types: &BTreeMap<Kind, ResourceType>,
    sink: &mut dyn Sink,
    options: &ReadOptions<'_>,
) -> ReadSummary {
    let (sources, problems) = source::sources(paths);
    for problem in problems {
        sink.problem(problem);
    }
    let bytes = std::cell::Cell::new(0);
    let count = |more: u64| {
        bytes.set(bytes.get() + more);
        if let Some(progress) = options.progress {
            progress(bytes.get());
        }
    };
    let mut reader = Reader::new(types, sink);
    for source in &sources {
        reader.file(source, &count, options.longest_record);
    }
    reader.finish(bytes.get())
}

/// Reads one stream of records, plain, gzip or zstd, under a name, for callers that hold the bytes already.
pub fn read_stream(
    name: &str,
    stream: impl std::io::Read,
    types: &BTreeMap<Kind, ResourceType>,
    sink: &mut dyn Sink,
    options: &ReadOptions<'_>,
) -> ReadSummary {
    let mut reader = Reader::new(types, sink);
    let mut file = FileState::new(name.to_owned(), true);
    let unpacked = source::unpacked(stream);
    let outcome = unpacked.and_then(|stream| reader.records(stream, &mut file, options.longest_record));
    reader.close(file, outcome);
    reader.finish(0)
}

pub(crate) struct Reader<'a> {
    names: Names<'a>,
    calls: Rc<Calls<'a>>,
    projects: GoogleProjects,
    waiting: Waiting,
    /// Rows read by the total that their queries stated: the pages of one query state one total.
    totals: BTreeMap<u64, u64>,
    /// Operations nobody reads, said once each.
    unread: HashSet<String>,
    hasher: RandomState,
    /// Calls that follow from what was read; none = nobody asks.
    follow_ups: Option<Vec<FollowUp>>,
    /// The only resources that the line being read may hand on; none = it speaks for whole places.
    only: Option<Vec<Wanted>>,
    sink: &'a mut dyn Sink,
    summary: ReadSummary,
}

/// What is known of the file being read.
pub(crate) struct FileState {
    name: String,
    named: bool,
    understood: u64,
    passed_over: u64,
    problems: Vec<Problem>,
    more_problems: u64,
    /// Whether something in it is broken JSON.
    broken: bool,
    /// How many rows the query of this file counted, as its answer says.
    stated_total: Option<u64>,
    /// Ids of the export rows of this file: the record and the hash of the document.
    seen: HashMap<u64, (u64, u64)>,
}

impl FileState {
    pub(crate) fn new(name: String, named: bool) -> Self {
        Self {
            name,
            named,
            understood: 0,
            passed_over: 0,
            problems: Vec::new(),
            more_problems: 0,
            broken: false,
            stated_total: None,
            seen: HashMap::new(),
        }
    }

    fn lost(&mut self, record: u64, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem::lost(self.name.clone(), Some(record), message));
        } else {
            self.more_problems += 1;
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(types: &'a BTreeMap<Kind, ResourceType>, sink: &'a mut dyn Sink) -> Self {
        Self {
            names: Names::new(types),
            calls: Rc::new(Calls::new(types)),
            projects: GoogleProjects::default(),
            waiting: Waiting::default(),
            totals: BTreeMap::new(),
            unread: HashSet::new(),
            hasher: RandomState::new(),
            follow_ups: None,
            only: None,
            sink,
            summary: ReadSummary::default(),
        }
    }

    fn file(&mut self, source: &Source, count: &dyn Fn(u64), longest: usize) {
        let mut file = FileState::new(source.name(), source.named);
        let outcome = source.open(count).and_then(|stream| self.records(stream, &mut file, longest));
        self.close(file, outcome);
    }

    fn records(&mut self, stream: impl std::io::Read, file: &mut FileState, longest: usize) -> std::io::Result<()> {
        let mut frames = Frames::new(stream, longest);
        frames.read(|position, frame| {
            match frame {
                Frame::Record(bytes) => self.record(bytes, position.record, file),
                Frame::Fault(reason) => {
                    file.broken = true;
                    file.passed_over += 1;
                    file.lost(position.record, reason);
                }
                Frame::Beside(name, value) => beside(name, value, position.record, file),
            }
            file.named || file.understood > 0 || file.passed_over < PATIENCE
        })
    }

    pub(crate) fn close(&mut self, file: FileState, outcome: std::io::Result<()>) {
        let is_export = file.named || file.understood > 0 || looks_like_export(&file.name) && file.broken;
        if let Err(error) = &outcome {
            let message = format!("could not be read after {} records: {error}", file.understood);
            self.sink.problem(Problem::lost(file.name.clone(), None, message));
        } else if !is_export {
            self.summary.skipped_files += 1;
            return self.sink.problem(Problem::note(file.name, None, "is no export of a cloud; skipped"));
        }
        if outcome.is_ok() && file.understood == 0 && file.passed_over == 0 && file.problems.is_empty() {
            self.sink.problem(Problem::note(file.name.clone(), None, "holds no record"));
        }
        self.close_collection(file);
    }

    /// Ends what a live collection gave, or what stands in a file.
    pub(crate) fn close_collection(&mut self, file: FileState) {
        self.summary.files += u64::from(file.understood > 0);
        if let Some(total) = file.stated_total {
            *self.totals.entry(total).or_default() += file.understood;
        }
        for problem in file.problems {
            self.sink.problem(problem);
        }
        if file.more_problems > 0 {
            let message = format!("{} more records could not be read", file.more_problems);
            self.sink.problem(Problem::lost(file.name, None, message));
        }
    }

    fn record(&mut self, bytes: &[u8], record: u64, file: &mut FileState) {
        match Document::parse(bytes) {
            Ok(document) => self.document(document, record, file),
            Err(error) => {
                file.broken = true;
                file.passed_over += 1;
                file.lost(record, format!("could not be read as JSON: {error}"));
            }
        }
    }

    pub(crate) fn document(&mut self, document: Document, record: u64, file: &mut FileState) {
        let outcome = match Shape::of(document.root()) {
            Shape::AzureRow => self.azure_row(document, None, record, Some(file)),
            Shape::GoogleAsset => self.google_asset(document.root(), record, file),
            Shape::RecordedAnswer => self.recorded_answer(document.root(), record, file),
            Shape::Lost(message) => {
                let source = document.root().get("source").and_then(Value::as_str).unwrap_or_default();
                self.sink.problem(Problem::lost(source, None, message));
                Ok(())
            }
            Shape::Page(list) => {
                for (name, value) in
                    document.root().entries().filter(|(_, value)| !value.is_array() && !value.is_object())
                {
                    beside(name.as_bytes(), value.to_json().to_string().as_bytes(), record, file);
                }
                for item in list.items() {
                    self.document(item.to_document(), record, file);
                }
                return;
            }
            Shape::Unknown => {
                Err("is neither an Azure resource (`id`, `type`), a Google asset (`name`, `assetType`) nor a recorded \
                 answer (`cloud`, `service`, `operation`)"
                    .to_owned())
            }
        };
        match outcome {
            Ok(()) => {
                file.understood += 1;
                self.summary.records += 1;
            }
            Err(reason) => {
                file.passed_over += 1;
                file.lost(record, reason);
            }
        }
    }

    /// Hands a resource on. `file` is given for rows of exports, where one id should stand once.
    fn resource(&mut self, resource: Resource, record: u64, file: Option<&mut FileState>) {
        if let Some(file) = file {
            let hashes = (self.hasher.hash_one(&resource.id), self.hasher.hash_one(FingerPrint(&resource.document)));
            match file.seen.insert(hashes.0, (record, hashes.1)) {
                Some((earlier, document)) if document != hashes.1 => {
                    let message = format!("{} stands in record {earlier} too, with another document", resource.id);
                    file.lost(record, message);
                }
                _ => {}
            }
        }
        if self.only.as_ref().is_some_and(|only| !only.iter().any(|wanted| wanted.is(&resource))) {
            return;
        }
        self.waiting.seen(&self.calls, &resource);
        self.follow(&resource);
        self.summary.resources += 1;
        self.sink.resource(resource);
    }

    /// Limits the lines that follow to these resources; they say nothing of whole places then.
    pub(crate) fn limit(&mut self, only: Option<Vec<Wanted>>) {
        self.only = only;
    }

    /// Says that a kind was asked for somewhere, unless the line is limited to single resources.
    fn say_listing(&mut self, kind: Kind, place: Place, listing: Listing) {
        if self.only.is_none() {
            self.sink.listing(kind, place, listing);
        }
    }

    /// Ends the reading of a part of an estate.
    pub(crate) fn finish_part(mut self, problems: Vec<Problem>) {
        self.only = None;
        self.finish_google();
        let Self { waiting, calls, sink, .. } = self;
        problems.into_iter().for_each(|problem| sink.problem(problem));
        waiting.finish(&calls, sink);
    }

    /// Resources handed on so far.
    pub(crate) fn resources_read(&self) -> u64 {
        self.summary.resources
    }

    /// Ends a collection: problems of the run itself go to the sink too.
    pub(crate) fn finish_with(self, problems: Vec<Problem>) -> ReadSummary {
        for problem in problems {
            self.sink.problem(problem);
        }
        self.finish(0)
    }

    pub(crate) fn finish(mut self, bytes: u64) -> ReadSummary {
        self.finish_google();
        let Self { waiting, calls, sink, totals, .. } = self;
        waiting.finish(&calls, sink);
        for (total, read) in totals.into_iter().filter(|(total, read)| read < total) {
            let message = format!("a query counted {total} rows and {read} of them were read: pages are missing");
            sink.problem(Problem::lost("estate", None, message));
        }
        self.summary.bytes = bytes;
        if self.summary.resources == 0 {
            sink.problem(Problem::lost("estate", None, "no resource was read: the estate is empty"));
        }
        self.summary
    }
}

/// A resource that is read again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// By its id.
    Id(ResourceId),
    /// By what it is called (see [`is_called`]).
    Called { kind: Kind, paths: Vec<Path>, name: String },
}

impl Wanted {
    /// Whether this is the resource.
    pub(crate) fn is(&self, resource: &Resource) -> bool {
        match self {
            Self::Id(id) => resource.id == *id,
            Self::Called { kind, paths, name } => {
                resource.kind == *kind && is_called(resource.document.root(), paths, name)
            }
        }
    }
}

/// Hashes what a document says.
struct FingerPrint<'a>(&'a Document);

impl std::hash::Hash for FingerPrint<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        fold(self.0.root(), state);
    }
}

fn fold<H: std::hash::Hasher>(value: Value<'_>, state: &mut H) {
    use std::hash::Hash;
    use yagura_model::{Number, View};
    match value.view() {
        View::Null => 0u8.hash(state),
        View::Bool(flag) => (1u8, flag).hash(state),
        View::Number(Number::Int(number)) => (2u8, number).hash(state),
        View::Number(Number::Unsigned(number)) => (3u8, number).hash(state),
        View::Number(Number::Float(number)) => (4u8, number.to_bits()).hash(state),
        View::String(text) => (5u8, text).hash(state),
        View::Array(items) => {
            (6u8, value.len()).hash(state);
            items.for_each(|item| fold(item, state));
        }
        View::Object(entries) => {
            (7u8, value.len()).hash(state);
            for (name, inner) in entries {
                name.hash(state);
                fold(inner, state);
            }
        }
    }
}

/// What a record is.
enum Shape<'a> {
    AzureRow,
    GoogleAsset,
    RecordedAnswer,
    /// What a collection could not find out.
    Lost(&'a str),
    /// One page of an answer, on one line.
    Page(Value<'a>),
    Unknown,
}

impl<'a> Shape<'a> {
    fn of(root: Value<'a>) -> Self {
        let text = |name: &str| root.get(name).and_then(Value::as_str);
        if text("cloud").is_some() && text("operation").is_some() {
            return Self::RecordedAnswer;
        }
        if let Some(message) = text("lost").filter(|_| text("source").is_some()) {
            return Self::Lost(message);
        }
        if text("assetType").or_else(|| text("asset_type")).is_some() && text("name").is_some() {
            return Self::GoogleAsset;
        }
        if text("id").is_some_and(|id| id.starts_with('/')) {
            return Self::AzureRow;
        }
        let lists = ["data", "value", "assets"].into_iter().filter_map(|name| root.get(name));
        match lists.into_iter().find(|list| list.is_array()) {
            Some(list) => Self::Page(list),
            None => Self::Unknown,
        }
    }
}

/// What an answer says beside its records about being whole.
fn beside(name: &[u8], value: &[u8], record: u64, file: &mut FileState) {
    let value = value.trim_ascii();
    match name {
        b"resultTruncated" if value == b"true" || value == b"\"true\"" => {
            file.lost(record, "the query's result was truncated: the export is not whole");
        }
        b"totalRecords" | b"total_records" => {
            file.stated_total =
                std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).or(file.stated_total);
        }
        b"nextLink" | b"$skipToken" | b"skip_token" | b"nextPageToken"
            if value.starts_with(b"\"") && value.len() > 2 =>
        {
            let name = String::from_utf8_lossy(name).into_owned();
            file.problems.push(Problem::note(file.name.clone(), Some(record), format!("names a next page (`{name}`)")));
        }
        _ => {}
    }
}

fn looks_like_export(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
    [".json", ".jsonl", ".ndjson"].iter().any(|ending| plain.ends_with(ending))
}
