//! Change events against clouds that are played in memory, with the shipped resource types.

mod aws;
mod azure;
mod forms;
mod gcp;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use serde_json::Value as Json;
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_connect::events::{Changes, PollOptions, Polled, Source, Watch, poll};
use yagura_connect::live::{CollectOptions, Target, collect};
use yagura_content::{Catalogue, Layer, ResourceType, shipped};
use yagura_model::{Estate, EstateBuilder, Kind, Listing, MemoryEstate, NoCheckpoints, Place, Timestamp};

/// The shipped content.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let (catalogue, diagnostics) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        catalogue
    })
}

/// The shipped resource types of these kinds.
pub fn types(kinds: &[&str]) -> BTreeMap<Kind, ResourceType> {
    let all = catalogue().resource_types();
    let own = kinds.iter().map(|kind| all.get_key_value(&Kind::new(*kind)).unwrap_or_else(|| panic!("no {kind}")));
    own.map(|(kind, described)| (kind.clone(), described.clone())).collect()
}

/// A moment: 2026-06-01T00:00:00Z and so many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_272_000 + seconds).unwrap()
}

/// A cloud that answers from a function and counts what it was asked.
struct Played<F> {
    answer: F,
    asked: Mutex<Vec<Call>>,
}

impl<F: Fn(&Call) -> Result<Json, CallFailure> + Send + Sync> Played<F> {
    fn new(answer: F) -> Self {
        Self { answer, asked: Mutex::default() }
    }

    /// The calls since the last time, as `service:Operation`.
    fn asked(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.asked.lock().unwrap());
        calls.iter().map(|call| format!("{}:{}", call.service, call.operation)).collect()
    }

    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl<F: Fn(&Call) -> Result<Json, CallFailure> + Send + Sync> Caller for Played<F> {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        self.asked.lock().unwrap().push(call.clone());
        (self.answer)(call).map(|response| Page { response, next: None })
    }
}

fn failure(kind: FailureKind, code: &str) -> CallFailure {
    CallFailure { kind, code: code.to_owned(), message: "no".to_owned() }
}

/// A full collection.
fn collected(caller: &impl Caller, targets: &[Target], types: &BTreeMap<Kind, ResourceType>) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    let options = CollectOptions {
        at_once: 4,
        most_pages: 100,
        now: at(0),
        oldest_kept: at(0),
        lost: &[],
        progress: None,
        record: None,
    };
    futures_executor::block_on(collect(caller, targets, types, &mut builder, &mut NoCheckpoints, options));
    builder.finish(catalogue().kinds())
}

/// One round at a moment, without waiting for bursts.
fn round(
    caller: &impl Caller,
    source: &Source,
    changes: &mut Changes,
    watch: &Watch<'_>,
    estate: &mut MemoryEstate,
    now: Timestamp,
) -> Polled {
    let options = PollOptions { settle: 0, relist_every: 0, ..PollOptions::at(now) };
    futures_executor::block_on(poll(caller, source, changes, watch, estate, options))
}

/// What an estate says: documents, answers, and which kinds were listed where, for the kinds that are described.
pub fn said(estate: &MemoryEstate, types: &BTreeMap<Kind, ResourceType>) -> String {
    let mut text = String::new();
    for resource in estate.resources() {
        let mut attached: Vec<String> =
            resource.attached.iter().map(|answer| format!("{} {:?}", answer.name, answer.answer)).collect();
        attached.sort();
        text.push_str(&format!(
            "{} {} {:?} {attached:?}\n",
            resource.kind,
            resource.id,
            resource.document.root().to_json()
        ));
        for kind in types.keys() {
            let below: Vec<_> = estate.below(resource, kind).iter().map(|child| child.id.clone()).collect();
            if !below.is_empty() {
                text.push_str(&format!("  below: {below:?}\n"));
            }
        }
    }
    for kind in types.keys() {
        for scope in estate.scopes().keys() {
            let listing: Listing = estate.listing(kind, scope, Some("eu-west-1"));
            text.push_str(&format!("{kind} {:?} {listing:?}\n", Place::scope(scope.clone()).scope.id()));
        }
    }
    text
}
