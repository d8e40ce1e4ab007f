//! `yagura watch`

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use yagura_connect::events::{Changes, LONGEST_MESSAGE, PollOptions, Polled, Source, Watch, poll};
use yagura_connect::live::Target;
use yagura_content::Catalogue;
use yagura_model::{MemoryEstate, Status, Timestamp};
use yagura_posture::{Fixes, Settings, View, assess, secure_score};
use yagura_store::ConnectorKind;

use crate::args::{Format, WatchArguments};
use crate::config;
use crate::estate::{catalogue, derive_answers};
use crate::exit::Exit;
use crate::live::{Followed, block_on, collect_one, connector, open};
use crate::output;

/// `watch -o jsonl`: a public contract. Fields are added, never changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed<'a> {
    at: Timestamp,
    key: &'a str,
    title: &'a str,
    severity: yagura_model::Severity,
    resource: &'a str,
    kind: &'a str,
    /// None = the recommendation did not speak of the resource before, or does not any longer.
    before: Option<Status>,
    now: Option<Status>,
    /// The secure score of everything in sight after the round, 0 to 1.
    score: Option<f64>,
}

/// Collects a connector, then follows its events until it is interrupted.
pub fn run(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    if !matches!(arguments.output, Format::Table | Format::Jsonl) {
        output::not_here(arguments.output, "watch", "table, jsonl")?;
    }
    let (catalogue, _) = catalogue(&arguments.knowledge)?;
    let settings = config::settings(&arguments.knowledge, &catalogue)?;
    let store = open(&arguments.data)?;
    let connector = connector(&store, &arguments.connector)?;
    check_events(&connector.kind, arguments.events.as_deref())?;
    block_on(async {
        let followed = collect_one(&store, &connector, &catalogue, arguments.quiet).await?;
        let sources = sources(arguments, &followed)?;
        let follower = Follower { arguments, catalogue: &catalogue, settings: &settings };
        tokio::select! {
            ended = follower.follow(followed, &sources) => ended,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        }
    })?
}

/// Events that somebody hands over on standard input, a body a line.
const HANDED: &str = "-";
/// Bodies that wait at most: who hands them over waits then.
const MOST_HANDED: usize = 1000;

/// Reads bodies of events from standard input until it ends.
fn handed() -> Receiver<String> {
    let (give, take) = sync_channel(MOST_HANDED);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = (&mut lines).take(LONGEST_MESSAGE as u64 + 1).read_until(b'\n', &mut line);
            if read.is_ok_and(|length| length > LONGEST_MESSAGE) && !line.ends_with(b"\n") {
                output::note(format_args!("warning: an event longer than {LONGEST_MESSAGE} bytes was passed over"));
                let _ = lines.skip_until(b'\n');
                continue;
            }
            let body = String::from_utf8_lossy(&line).trim().to_owned();
            if line.is_empty() || (!body.is_empty() && give.send(body).is_err()) {
                return;
            }
        }
    });
    take
}

/// Refuses what cannot be followed before anything is collected.
fn check_events(kind: &ConnectorKind, events: Option<&str>) -> anyhow::Result<()> {
    if events == Some(HANDED) {
        return Ok(());
    }
    let usable = |source: Result<Source, String>| source.map(drop).map_err(anyhow::Error::msg);
    match (kind, events) {
        (ConnectorKind::Aws { .. }, Some(url)) => usable(Source::sqs("-", "-", url)),
        (ConnectorKind::Gcp { .. }, Some(name)) => usable(Source::pub_sub(name)),
        (ConnectorKind::Azure { .. }, None) => Ok(()),
        (ConnectorKind::Azure { .. }, Some(_)) => {
            bail!("the Activity Log of Azure needs no --events; `-` takes Event Grid's from standard input")
        }
        (ConnectorKind::Aws { .. }, None) => {
            bail!(
                "name the queue of the events: --events https://sqs.REGION.amazonaws.com/ACCOUNT/NAME (docs/events.md)"
            )
        }
        (ConnectorKind::Gcp { .. }, None) => {
            bail!("name the subscription: --events projects/PROJECT/subscriptions/NAME (docs/events.md)")
        }
    }
}

/// Where the events of a connector come from.
fn sources(arguments: &WatchArguments, followed: &Followed) -> anyhow::Result<Vec<Source>> {
    if arguments.events.as_deref() == Some(HANDED) {
        return Ok(Vec::new());
    }
    let usable = |source: Result<Source, String>| source.map_err(anyhow::Error::msg);
    let mut sources = Vec::new();
    for target in &followed.targets {
        match (target, &arguments.events) {
            (Target::Azure { subscriptions, .. }, _) => {
                for subscription in subscriptions {
                    sources.push(usable(Source::activity_log(subscription))?);
                }
            }
            (Target::Aws { account, home, .. }, Some(url)) if sources.is_empty() => {
                let region = region_of_queue(url).unwrap_or(home);
                sources.push(usable(Source::sqs(account, region, url))?);
            }
            (Target::Gcp { .. }, Some(name)) if sources.is_empty() => sources.push(usable(Source::pub_sub(name))?),
            // One queue carries the events of all accounts of an organization.
            _ => {}
        }
    }
    if sources.is_empty() {
        bail!("the connector {} reaches nothing that could be followed", arguments.connector);
    }
    Ok(sources)
}

/// The region in `https://sqs.eu-west-1.amazonaws.com/123456789012/changes`.
fn region_of_queue(url: &str) -> Option<&str> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    host.strip_prefix("sqs.")?.split('.').next()
}

/// The bodies that were handed over so far, and whether no more will come.
fn bodies_of(delivered: &Receiver<String>) -> (Vec<String>, bool) {
    let mut bodies = Vec::new();
    loop {
        match delivered.try_recv() {
            Ok(body) => bodies.push(body),
            Err(TryRecvError::Empty) => return (bodies, false),
            Err(TryRecvError::Disconnected) => return (bodies, true),
        }
        if bodies.len() >= MOST_HANDED {
            return (bodies, false);
        }
    }
}

/// A verdict, by recommendation and resource.
type Verdicts = BTreeMap<(u32, String), (Status, String)>;

struct Follower<'a> {
    arguments: &'a WatchArguments,
    catalogue: &'a Catalogue,
    settings: &'a Settings,
}

impl Follower<'_> {
    async fn follow(&self, followed: Followed, sources: &[Source]) -> anyhow::Result<Exit> {
        let Followed { client, targets, mut estate, since } = followed;
        let cloud = client.cloud();
        for problem in estate.problems().iter().filter(|problem| problem.incomplete) {
            output::note(format_args!("warning: {problem}"));
        }
        let watch = Watch::new(&targets, self.catalogue.resource_types());
        let mut changes = Changes::new(since);
        derive_answers(&mut estate, self.catalogue, Timestamp::now());
        let (mut known, score) = self.verdicts(&estate);
        if !self.arguments.quiet {
            let resources = estate.resources().len();
            output::note(format_args!("{resources} resources, secure score {}; following", output::percent(score)));
        }
        let (mut incomplete, mut said) = (false, BTreeSet::new());
        let delivered = (self.arguments.events.as_deref() == Some(HANDED)).then(handed);
        for look in 1.. {
            let mut problems = BTreeSet::new();
            incomplete = false;
            let (bodies, has_ended) = delivered.as_ref().map(bodies_of).unwrap_or_default();
            let given = delivered.is_some().then(|| Source::handed(cloud, bodies));
            let mut has_changed = false;
            for source in sources.iter().chain(&given) {
                let options = PollOptions {
                    settle: self.arguments.settle,
                    wait_seconds: u32::try_from(self.arguments.every.min(10)).unwrap_or(10),
                    ..PollOptions::at(Timestamp::now())
                };
                let polled = poll(&client, source, &mut changes, &watch, &mut estate, options).await;
                incomplete |= self.say(&polled, &said);
                problems.extend(polled.problems.iter().map(ToString::to_string));
                has_changed |= !polled.changed.is_empty() || !polled.removed.is_empty();
            }
            if has_changed {
                derive_answers(&mut estate, self.catalogue, Timestamp::now());
                let (verdicts, score) = self.verdicts(&estate);
                self.print(&known, &verdicts, score).context("could not print a change")?;
                known = verdicts;
            }
            said = problems;
            if self.arguments.looks.is_some_and(|looks| look >= looks) || has_ended && changes.waiting() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_secs(self.arguments.every)).await;
        }
        Ok(if incomplete { Exit::Incomplete } else { Exit::Done })
    }

    /// Says how a round went, what the round before said left out; true = something could not be read.
    fn say(&self, polled: &Polled, before: &BTreeSet<String>) -> bool {
        let mut incomplete = false;
        for problem in &polled.problems {
            incomplete |= problem.incomplete;
            let is_new = !before.contains(&problem.to_string());
            if is_new && (problem.incomplete || !self.arguments.quiet) {
                output::note(format_args!("{}: {problem}", if problem.incomplete { "warning" } else { "note" }));
            }
        }
        if polled.events > 0 && !self.arguments.quiet {
            output::note(format_args!(
                "{} events, {} calls, {} resources read again, {} gone, {} wait",
                polled.events,
                polled.calls,
                polled.changed.len(),
                polled.removed.len(),
                polled.waiting
            ));
        }
        incomplete
    }

    fn verdicts(&self, estate: &MemoryEstate) -> (Verdicts, Option<f64>) {
        let assessed = assess(estate, self.catalogue, self.settings, Timestamp::now());
        let score = secure_score(&assessed, self.catalogue, self.settings, View::Adjusted, &Fixes::default());
        let mut verdicts = Verdicts::new();
        for own in &assessed.assessments {
            let (id, kind) = (own.resource.id.to_string(), own.resource.kind.to_string());
            verdicts.insert((own.recommendation, id), (own.status, kind));
        }
        (verdicts, score.percentage)
    }

    fn print(&self, before: &Verdicts, now: &Verdicts, score: Option<f64>) -> anyhow::Result<()> {
        let at = Timestamp::now();
        let keys: BTreeSet<_> = before.keys().chain(now.keys()).collect();
        let mut changed = Vec::new();
        for key in keys {
            let (old, new) = (before.get(key), now.get(key));
            if old.map(|(status, _)| status) == new.map(|(status, _)| status) {
                continue;
            }
            let recommendation = &self.catalogue.recommendations()[key.0 as usize];
            changed.push(Changed {
                at,
                key: &recommendation.key,
                title: recommendation.source.title.get(self.arguments.knowledge.lang),
                severity: recommendation.source.severity,
                resource: &key.1,
                kind: new.or(old).map_or("", |(_, kind)| kind.as_str()),
                before: old.map(|(status, _)| *status),
                now: new.map(|(status, _)| *status),
                score,
            });
        }
        if self.arguments.output == Format::Jsonl {
            return output::json_lines(&changed);
        }
        let word = |status: Option<Status>| status.map_or("-", Status::as_str);
        for own in &changed {
            output::line(format_args!(
                "{} {} -> {}  {}  {} ({})",
                own.at,
                word(own.before),
                word(own.now),
                own.resource,
                own.title,
                own.severity
            ))?;
        }
        if !changed.is_empty() {
            output::line(format_args!("{at} secure score {}", output::percent(score)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_a_queue_stands_in_its_url() {
        let rows = [
            ("https://sqs.eu-west-1.amazonaws.com/1/q", Some("eu-west-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", Some("cn-north-1")),
            ("http://127.0.0.1:5000/1/q", None),
            ("nonsense", None),
        ];
        for (url, region) in rows {
            assert_eq!(region_of_queue(url), region, "{url}");
        }
    }
}
