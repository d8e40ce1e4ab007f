//! Asking the clouds: connectors -> clients -> an estate.

mod bar;
mod client;
mod record;
mod shared;
mod store;
mod values;

use std::cell::RefCell;
use std::path::Path;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use yagura_connect::export::ReadSummary;
use yagura_connect::live::{CollectOptions, Progress, Replay, Target, collect, lost_line, read_kept};
use yagura_content::Catalogue;
use yagura_model::{EstateBuilder, MemoryEstate, NoCheckpoints, Problem, Sink, Timestamp};
use yagura_store::{Connector, DEFAULT_TENANT, Store};

use crate::args::LiveArguments;
use crate::output;

use self::record::Recording;
use self::shared::SharedSink;

pub use self::bar::Bar;
pub use self::client::{Client, Patience, Targets};
pub use self::store::{connector, open};
pub use self::values::{account, connector_name, endpoint, gcp_scope, guid, region};

/// Calls of one connector under way at once.
pub const AT_ONCE: usize = 48;
/// Pages of one list after which it is given up: 10,000 pages of 1,000 rows.
const MOST_PAGES: usize = 10_000;
/// Answers of an interrupted collection are gone on with for this long: page tokens of the clouds live about as long.
const GOES_ON_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Runs what waits for the network: one thread, since the work beside waiting is reading answers one after the other.
pub fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("could not start the network runtime")?.block_on(future))
}

/// The estate that the clouds, or a recording of them, answer.
pub fn read(
    arguments: &LiveArguments,
    catalogue: &Catalogue,
    quiet: bool,
) -> anyhow::Result<(MemoryEstate, ReadSummary)> {
    match &arguments.replay {
        Some(folder) => replay(folder, catalogue, quiet),
        None if arguments.kept => kept(arguments, catalogue, quiet),
        None => ask(arguments, catalogue, quiet),
    }
}

fn options<'p>(now: Timestamp) -> CollectOptions<'p> {
    CollectOptions {
        at_once: AT_ONCE,
        most_pages: MOST_PAGES,
        now,
        oldest_kept: now - GOES_ON_FOR,
        lost: &[],
        progress: None,
        record: None,
    }
}

fn replay(folder: &Path, catalogue: &Catalogue, quiet: bool) -> anyhow::Result<(MemoryEstate, ReadSummary)> {
    let (replay, problems) =
        Replay::read(folder).with_context(|| format!("could not read the recording {}", folder.display()))?;
    let targets = replay.targets();
    if targets.is_empty() {
        bail!("{} holds no recorded answers; `--record` writes them", folder.display());
    }
    let mut builder = EstateBuilder::new();
    problems.into_iter().for_each(|problem| builder.problem(problem));
    let bar = Bar::new(quiet, 1);
    let say = |progress| bar.say(0, progress, 0);
    let options = CollectOptions { progress: Some(&say), ..options(replay.newest()) };
    let types = catalogue.resource_types();
    let summary = block_on(collect(&replay, &targets, types, &mut builder, &mut NoCheckpoints, options))?;
    bar.clear();
    Ok((builder.finish(catalogue.kinds()), summary.read))
}

/// What the last collections of the connectors gave.
fn kept(arguments: &LiveArguments, catalogue: &Catalogue, quiet: bool) -> anyhow::Result<(MemoryEstate, ReadSummary)> {
    let store = store::open(&arguments.data)?;
    let mut builder = EstateBuilder::new();
    let mut sum = ReadSummary::default();
    for connector in store::chosen(&store, arguments.live.as_deref().unwrap_or_default())? {
        let name = &connector.name;
        let Some(last) = store.last_collection(DEFAULT_TENANT, &connector.id)? else {
            bail!("{name} was never collected: `yagura scan --live {name}` does it");
        };
        if !quiet {
            output::note(format_args!("{name} as it was at {}", last.began_at));
        }
        let summary = read_kept(catalogue.resource_types(), &mut builder, |take| {
            let lost = |error| Problem::lost(format!("connector {name}"), None, format!("{error}"));
            store.each_answer(DEFAULT_TENANT, last.number, take).map_err(lost)
        });
        sum = sum + summary;
    }
    Ok((builder.finish(catalogue.kinds()), sum))
}

fn ask(arguments: &LiveArguments, catalogue: &Catalogue, quiet: bool) -> anyhow::Result<(MemoryEstate, ReadSummary)> {
    let store = store::open(&arguments.data)?;
    let connectors = store::chosen(&store, arguments.live.as_deref().unwrap_or_default())?;
    if let Some(folder) = &arguments.record {
        record::prepare(folder)?;
    }
    let builder = RefCell::new(EstateBuilder::new());
    let bar = Bar::new(quiet, connectors.len());
    let asked = connectors.iter().enumerate().map(|(position, connector)| {
        let (record, anew) = (arguments.record.as_deref(), arguments.anew);
        Asked { store: &store, connector, position, bar: &bar, builder: &builder, catalogue, record, anew, quiet }.run()
    });
    let sums = block_on(futures_util::future::join_all(asked))?;
    bar.clear();
    let summary = sums.into_iter().fold(ReadSummary::default(), |sum, own| sum + own);
    Ok((builder.into_inner().finish(catalogue.kinds()), summary))
}

/// A connector that was signed in to and collected, to be followed from now on.
pub struct Followed {
    pub client: Client,
    pub targets: Vec<Target>,
    pub estate: MemoryEstate,
    /// When the collection began: what happened later may not be in it.
    pub since: Timestamp,
}

/// Signs in to one connector and collects it whole.
pub async fn collect_one(
    store: &Store,
    connector: &Connector,
    catalogue: &Catalogue,
    quiet: bool,
) -> anyhow::Result<Followed> {
    let since = Timestamp::now();
    let (builder, bar) = (RefCell::new(EstateBuilder::new()), Bar::new(quiet, 1));
    let asked = Asked {
        store,
        connector,
        position: 0,
        bar: &bar,
        builder: &builder,
        catalogue,
        record: None,
        anew: true,
        quiet,
    };
    let (client, reached) = asked.sign_in().await?;
    asked.collect(&client, &reached).await;
    bar.clear();
    Ok(Followed { client, targets: reached.targets, estate: builder.into_inner().finish(catalogue.kinds()), since })
}

/// One connector of a collection.
struct Asked<'a> {
    store: &'a Store,
    connector: &'a Connector,
    position: usize,
    bar: &'a Bar,
    builder: &'a RefCell<EstateBuilder>,
    catalogue: &'a Catalogue,
    record: Option<&'a Path>,
    anew: bool,
    quiet: bool,
}

impl Asked<'_> {
    /// Collects. A connector that cannot sign in is a problem of its own and ends nothing.
    async fn run(self) -> ReadSummary {
        match self.sign_in().await {
            Ok((client, reached)) => self.collect(&client, &reached).await,
            Err(error) => {
                let lost = self.lost(format!("{error:#}; nothing of it was read"));
                if let Some(Err(error)) = self.record.map(|folder| self.record_lost(folder, &lost)) {
                    self.not_recorded(&error);
                }
                self.say(lost);
                ReadSummary::default()
            }
        }
    }

    /// A recording that says that nothing was read, so that it is not taken for one of a connector that was not asked.
    fn record_lost(&self, folder: &Path, lost: &Problem) -> anyhow::Result<()> {
        let mut recording = Recording::new(folder, &self.connector.name)?;
        recording.line(&lost_line(lost))?;
        Ok(recording.finish()?)
    }

    async fn collect(&self, client: &Client, reached: &Targets) -> ReadSummary {
        let name = &self.connector.name;
        let mut recording = match self.record.map(|folder| Recording::new(folder, name)) {
            Some(Ok(recording)) => Some(recording),
            Some(Err(error)) => {
                self.not_recorded(&error);
                None
            }
            None => None,
        };
        let now = Timestamp::now();
        let say = |progress: Progress| self.bar.say(self.position, progress, client.throttles());
        let mut checkpoints = self.store.checkpoints(DEFAULT_TENANT, &self.connector.id);
        let mut sink = SharedSink(self.builder);
        let mut write = |line: &str| recording.as_mut().map_or(Ok(()), |recording| recording.line(line));
        let lost: Vec<Problem> = reached.lost.iter().map(|message| self.lost(message.clone())).collect();
        let mut options =
            CollectOptions { lost: &lost, progress: Some(&say), record: Some(&mut write), ..options(now) };
        if self.anew {
            options.oldest_kept = Timestamp::MAX;
        }
        let types = self.catalogue.resource_types();
        let summary = collect(client, &reached.targets, types, &mut sink, &mut checkpoints, options).await;
        if summary.progress.resumed > 0 && !self.quiet {
            let resumed = summary.progress.resumed;
            output::note(format_args!("{name}: went on with {resumed} answers of a collection that was interrupted"));
        }
        if let Some(Err(error)) = recording.map(Recording::finish) {
            self.not_recorded(&error.into());
        }
        summary.read
    }

    /// Signs in and says what the connector reaches.
    async fn sign_in(&self) -> anyhow::Result<(Client, Targets)> {
        let credential = self.store.credential(DEFAULT_TENANT, &self.connector.id)?;
        let client = Client::new(self.connector, credential, Patience::Collection)?;
        let reached = client.targets(self.connector).await?;
        Ok((client, reached))
    }

    fn lost(&self, message: String) -> Problem {
        Problem::lost(format!("connector {}", self.connector.name), None, message)
    }

    fn not_recorded(&self, error: &anyhow::Error) {
        self.say(self.lost(format!("the recording could not be written: {error:#}")));
    }

    fn say(&self, problem: Problem) {
        self.builder.borrow_mut().problem(problem);
    }
}
