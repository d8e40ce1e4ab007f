//! Asks for one page of everything, to learn what a connector may read and what will be unknown.
//!
//! Nothing that is read is kept. A right that was not tried is said as such: it counts neither as given nor as missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_content::{Catalogue, ListCall, Readings, ResourceType};
use yagura_model::{Cloud, Document, Kind, Sink, Timestamp};

use super::{Target, line_of, plan};
use crate::export::calls::{Calls, Purpose, Use};
use crate::export::{FileState, FollowUp, Reader};

/// How a probe runs.
pub struct ProbeOptions<'p> {
    /// Calls under way at once.
    pub at_once: usize,
    /// The moment that answers are stamped with.
    pub now: Timestamp,
    /// Is told how many calls are answered and how many are known to be left.
    pub progress: Option<&'p dyn Fn(u64, u64)>,
}

/// One call that was tried, or that could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// The cloud.
    pub cloud: Cloud,
    /// The subscription, tenant, account number, or `projects/x`, `folders/1`, `organizations/1`.
    pub scope: String,
    /// The region that was asked, for AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The service (see [`Call`]).
    pub service: String,
    /// The operation (see [`Call`]).
    pub operation: String,
    /// What the answer is read for.
    pub subjects: Vec<Subject>,
    /// How it went.
    pub outcome: Outcome,
    /// The permissions that the content names for the call, sorted.
    pub permissions: Vec<String>,
    /// Keys of the recommendations that need one of the subjects, sorted; empty where the outcome loses nothing.
    pub unknown: Vec<String>,
}

/// What an answer is read for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// The kind.
    pub kind: Kind,
    /// The attached answer about it; none = its list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// It was answered, or the cloud said that there is none.
    Ok,
    /// The caller may not do this.
    Denied {
        /// The cloud's error code.
        code: String,
        /// The cloud's message.
        message: String,
    },
    /// The service is not offered, enabled or opted into: there is nothing to read.
    NotOffered,
    /// It failed for another reason.
    Failed {
        /// The cloud's error code, or a word of ours.
        code: String,
        /// The message.
        message: String,
    },
    /// It was not made, since nothing was found that it could be made for.
    NotTried,
}

impl Outcome {
    /// Whether something that should be read was not.
    fn loses(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Failed { .. })
    }
}

/// What a probe came to, small enough for a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSummary {
    /// Calls that were answered.
    pub ok: usize,
    /// Calls that the caller may not make.
    pub denied: usize,
    /// Calls of services that are not offered.
    pub not_offered: usize,
    /// Calls that failed otherwise.
    pub failed: usize,
    /// Calls that there was nothing for.
    pub not_tried: usize,
    /// Permissions of the denied calls, sorted, with the scopes where they are missing. Where the content names several
    /// for one call, any of them may be the one.
    pub missing: Vec<MissingPermission>,
    /// Kinds that will be unknown, in whole or in part, sorted.
    pub kinds: Vec<Kind>,
    /// Keys of the recommendations that will be unknown for some resources, sorted.
    pub recommendations: Vec<String>,
}

/// A permission that a denied call needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingPermission {
    /// The cloud.
    pub cloud: Cloud,
    /// The cloud's own name of it.
    pub permission: String,
    /// Where calls were denied, sorted.
    pub scopes: Vec<String>,
}

impl ProbeSummary {
    /// The sum of what was probed.
    pub fn of(probed: &[Probed]) -> Self {
        let mut summary = Self::default();
        let mut missing: BTreeMap<(Cloud, &str), BTreeSet<&str>> = BTreeMap::new();
        let (mut kinds, mut recommendations) = (BTreeSet::new(), BTreeSet::new());
        for one in probed {
            match one.outcome {
                Outcome::Ok => summary.ok += 1,
                Outcome::Denied { .. } => summary.denied += 1,
                Outcome::NotOffered => summary.not_offered += 1,
                Outcome::Failed { .. } => summary.failed += 1,
                Outcome::NotTried => summary.not_tried += 1,
            }
            if matches!(one.outcome, Outcome::Denied { .. }) {
                for permission in &one.permissions {
                    missing.entry((one.cloud, permission)).or_default().insert(&one.scope);
                }
            }
            if one.outcome.loses() {
                kinds.extend(one.subjects.iter().map(|subject| &subject.kind));
                recommendations.extend(&one.unknown);
            }
        }
        let missing = missing.into_iter().map(|((cloud, permission), scopes)| MissingPermission {
            cloud,
            permission: permission.to_owned(),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
        });
        summary.missing = missing.collect();
        summary.kinds = kinds.into_iter().cloned().collect();
        summary.recommendations = recommendations.into_iter().cloned().collect();
        summary
    }

    /// Whether nothing that was tried was denied or failed.
    pub fn is_whole(&self) -> bool {
        self.denied == 0 && self.failed == 0
    }
}

/// Asks for the first page of every list that the targets start with, in one region of each AWS account, and for every
/// answer about single resources and children once, for the first resource found. Sorted by cloud, scope and call.
///
/// Azure's Resource Graph gives only what the caller may read and says nothing of the rest, so that a right missing there
/// is not seen here.
pub async fn probe<C: Caller>(
    caller: &C,
    targets: &[Target],
    catalogue: &Catalogue,
    options: ProbeOptions<'_>,
) -> Vec<Probed> {
    let types = catalogue.resource_types();
    let mut nowhere = Nowhere;
    let mut reader = Reader::new(types, &mut nowhere);
    reader.remember_follow_ups();
    let mut run = Run {
        catalogue,
        readings: catalogue.readings(),
        calls: Calls::new(types),
        reader,
        file: FileState::new("probe".to_owned(), true),
        homes: plan::homes(targets),
        asked: HashSet::new(),
        tried: HashSet::new(),
        queue: VecDeque::new(),
        probed: Vec::new(),
        now: options.now,
    };
    for (place, target) in targets.iter().enumerate() {
        for call in first_calls(target, types) {
            run.enqueue(place, call);
        }
    }
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < options.at_once.max(1) {
            let Some(asked) = run.queue.pop_front() else { break };
            under_way.push(async move { (caller.call(&asked.call).await, asked) });
        }
        let Some((outcome, asked)) = under_way.next().await else { break };
        run.take(asked, &outcome);
        if let Some(progress) = options.progress {
            progress(run.probed.len() as u64, (run.queue.len() + under_way.len()) as u64);
        }
    }
    run.finish(targets)
}

/// A call with the target that it is made for.
struct Asked {
    target: usize,
    call: Call,
    subjects: Vec<Subject>,
}

/// One use of one call for one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tried {
    target: usize,
    service: String,
    operation: String,
    subject: Subject,
}

impl Tried {
    fn new(target: usize, (service, operation): (&str, &str), subject: Subject) -> Self {
        Self { target, service: service.to_owned(), operation: operation.to_owned(), subject }
    }
}

struct Run<'r> {
    catalogue: &'r Catalogue,
    readings: Readings<'r>,
    calls: Calls<'r>,
    reader: Reader<'r>,
    file: FileState,
    homes: BTreeMap<String, String>,
    /// Keys of the calls so far.
    asked: HashSet<String>,
    /// What was tried.
    tried: HashSet<Tried>,
    queue: VecDeque<Asked>,
    probed: Vec<Probed>,
    now: Timestamp,
}

/// The calls of a target, in one region.
fn first_calls(target: &Target, types: &BTreeMap<Kind, ResourceType>) -> Vec<Call> {
    let Target::Aws { account, regions, home } = target else { return plan::calls(target, types) };
    let region = if regions.contains(home) { home } else { regions.first().unwrap_or(home) };
    let narrowed = Target::Aws { account: account.clone(), regions: vec![region.clone()], home: home.clone() };
    let mut calls = plan::calls(&narrowed, types);
    // Which regions there are is asked whatever the content says.
    calls.push(Call {
        cloud: Cloud::Aws,
        scope: account.clone(),
        region: Some(home.clone()),
        service: "ec2".to_owned(),
        operation: "DescribeRegions".to_owned(),
        params: Map::new(),
    });
    calls
}

impl Run<'_> {
    fn enqueue(&mut self, target: usize, call: Call) {
        if !self.asked.insert(call.key()) {
            return;
        }
        let subjects = self.subjects_of(&call);
        let name = (call.service.as_str(), call.operation.as_str());
        self.tried.extend(subjects.iter().map(|subject| Tried::new(target, name, subject.clone())));
        self.queue.push_back(Asked { target, call, subjects });
    }

    /// Enqueues a call about one resource, if no such call was made for another one.
    fn follow(&mut self, target: usize, follow_up: FollowUp) {
        let call = plan::call_of(follow_up, &self.homes);
        let name = (call.service.as_str(), call.operation.as_str());
        let subjects = self.subjects_of(&call);
        let is_new = |subject: Subject| !self.tried.contains(&Tried::new(target, name, subject));
        if subjects.into_iter().any(is_new) {
            self.enqueue(target, call);
        }
    }

    fn take(&mut self, asked: Asked, outcome: &Result<Page, CallFailure>) {
        if outcome.is_ok() {
            let line = line_of(&asked.call, outcome, self.now);
            self.reader.document(Document::from(&line), self.probed.len() as u64, &mut self.file);
            for follow_up in self.reader.take_follow_ups() {
                self.follow(asked.target, follow_up);
            }
        }
        let outcome = match outcome {
            Ok(_) => Outcome::Ok,
            Err(failure) => self.outcome_of(&asked.call, failure),
        };
        let probed = self.said(asked.call, asked.subjects, outcome);
        self.probed.push(probed);
    }

    fn outcome_of(&self, call: &Call, failure: &CallFailure) -> Outcome {
        let (code, message) = (failure.code.clone(), failure.message.clone());
        let positions = self.calls.of(call.cloud, &call.service, &call.operation);
        let mut uses = positions.iter().filter_map(|place| self.calls.at(*place));
        let is_none = uses.any(|made| made.is_none(&code, &message));
        // What is not there has no children.
        let is_gone = call.service == "arm" && failure.kind == FailureKind::NotFound;
        match failure.kind {
            _ if is_none || is_gone => Outcome::Ok,
            FailureKind::NotOffered => Outcome::NotOffered,
            FailureKind::Denied => Outcome::Denied { code, message },
            _ => Outcome::Failed { code, message },
        }
    }

    fn said(&self, call: Call, subjects: Vec<Subject>, outcome: Outcome) -> Probed {
        let mut unknown = BTreeSet::new();
        if outcome.loses() {
            for subject in &subjects {
                let needing = self.readings.of(&subject.kind, subject.answer.as_deref());
                unknown.extend(needing.map(|recommendation| recommendation.key.clone()));
            }
        }
        let permissions = self.permissions_of(&call, &subjects);
        Probed {
            cloud: call.cloud,
            scope: call.scope,
            region: call.region,
            service: call.service,
            operation: call.operation,
            subjects,
            outcome,
            permissions,
            unknown: unknown.into_iter().collect(),
        }
    }

    /// The permissions of a call. A kind's list calls share theirs: where one is named as the operation, it is the one.
    fn permissions_of(&self, call: &Call, subjects: &[Subject]) -> Vec<String> {
        let mut permissions = BTreeSet::new();
        for subject in subjects {
            let Some(described) = self.catalogue.resource_types().get(&subject.kind) else { continue };
            let said = match &subject.answer {
                Some(answer) => described.attached.get(answer).map(|attached| &attached.permissions),
                None => Some(&described.permissions),
            };
            let names = said.map_or(&[][..], |said| said.names());
            let is_it =
                |name: &&String| name.rsplit(':').next().is_some_and(|own| own.eq_ignore_ascii_case(&call.operation));
            let own: Vec<&String> = names.iter().filter(is_it).collect();
            match own.is_empty() {
                true => permissions.extend(names.iter().cloned()),
                false => permissions.extend(own.into_iter().cloned()),
            }
        }
        permissions.into_iter().collect()
    }

    /// What the answer of a call is read for.
    fn subjects_of(&self, call: &Call) -> Vec<Subject> {
        let types = self.catalogue.resource_types();
        let list = |kind: &Kind| Subject { kind: kind.clone(), answer: None };
        let listed_by = |is_it: &dyn Fn(&ListCall) -> bool| {
            let own = types.values().filter(|described| described.cloud == call.cloud);
            let found = own.filter(|described| described.list.as_slice().iter().any(is_it));
            found.map(|described| list(&described.kind)).collect::<Vec<_>>()
        };
        match (call.cloud, call.service.as_str()) {
            (Cloud::Azure, "resourcegraph") => {
                let is_it = |list: &ListCall| {
                    list.table.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(&call.operation))
                };
                listed_by(&is_it)
            }
            (Cloud::Azure, "arm") => {
                let kind = Kind::new(call.operation.as_str());
                vec![list(types.get(&kind).map_or(&kind, |described| &described.kind))]
            }
            (Cloud::Gcp, "cloudasset") => self.assets_of(&call.params),
            _ => self.uses_of(call),
        }
    }

    fn uses_of(&self, call: &Call) -> Vec<Subject> {
        let params = Document::from(&Json::Object(call.params.clone()));
        let positions = self.calls.meant(call.cloud, &call.service, &call.operation, Some(params.root()));
        let uses = positions.iter().filter_map(|place| self.calls.at(*place));
        let subject = |made: &Use<'_>| Subject {
            kind: made.described.kind.clone(),
            answer: match made.purpose {
                Purpose::List(_) => None,
                Purpose::Attach(name) => Some(name.to_owned()),
            },
        };
        uses.map(subject).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The kinds of an asset query: their list, or the policies that hang under them.
    fn assets_of(&self, params: &Map<String, Json>) -> Vec<Subject> {
        let asked = params.get("assetTypes").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let asked: HashSet<&str> = asked.collect();
        let content = params.get("contentType").and_then(Json::as_str).unwrap_or_default();
        let mut subjects = Vec::new();
        for described in self.catalogue.resource_types().values() {
            let mut lists = described.list.as_slice().iter();
            if !lists.any(|list| list.asset.as_deref().is_some_and(|asset| asked.contains(asset))) {
                continue;
            }
            if content == "RESOURCE" {
                subjects.push(Subject { kind: described.kind.clone(), answer: None });
                continue;
            }
            let attached = described.attached.iter().filter(|(_, call)| call.content.as_deref() == Some(content));
            subjects
                .extend(attached.map(|(name, _)| Subject { kind: described.kind.clone(), answer: Some(name.clone()) }));
        }
        subjects
    }

    fn finish(mut self, targets: &[Target]) -> Vec<Probed> {
        for (place, target) in targets.iter().enumerate() {
            let left = self.not_tried(place, target);
            self.probed.extend(left);
        }
        let order = |one: &Probed| {
            (one.cloud, one.scope.clone(), one.service.clone(), one.operation.clone(), one.subjects.clone())
        };
        self.probed.sort_by_cached_key(order);
        self.probed
    }

    /// The calls that nothing was found for: children of kinds of which there is none, answers about such.
    fn not_tried(&self, place: usize, target: &Target) -> Vec<Probed> {
        let (cloud, scope) = match target {
            Target::Aws { account, .. } => (Cloud::Aws, account.as_str()),
            Target::Azure { tenant, subscriptions } => {
                (Cloud::Azure, subscriptions.first().or(tenant.as_ref()).map_or("", String::as_str))
            }
            Target::Gcp { scope } => (Cloud::Gcp, scope.as_str()),
        };
        let mut found: HashMap<(String, String), Vec<Subject>> = HashMap::new();
        for described in self.catalogue.resource_types().values().filter(|described| described.cloud == cloud) {
            let mut add = |service: &str, operation: &str, answer: Option<&String>| {
                let subject = Subject { kind: described.kind.clone(), answer: answer.cloned() };
                if !self.tried.contains(&Tried::new(place, (service, operation), subject.clone())) {
                    let subjects = found.entry((service.to_owned(), operation.to_owned())).or_default();
                    if !subjects.contains(&subject) {
                        subjects.push(subject);
                    }
                }
            };
            for list in described.list.as_slice() {
                let (service, operation) = name_of_list(described, list);
                add(service, operation, None);
            }
            for (name, call) in described.attached.iter().filter(|(_, call)| !call.derived) {
                let service = call.service.as_deref().unwrap_or("cloudasset");
                add(service, call.operation.as_deref().unwrap_or("assets.list"), Some(name));
            }
        }
        let call = |service: String, operation: String| Call {
            cloud,
            scope: scope.to_owned(),
            region: None,
            service,
            operation,
            params: Map::new(),
        };
        let said = |((service, operation), subjects)| self.said(call(service, operation), subjects, Outcome::NotTried);
        found.into_iter().map(said).collect()
    }
}

/// Service and operation of a list call, as [`Call`] names them.
fn name_of_list<'l>(described: &'l ResourceType, list: &'l ListCall) -> (&'l str, &'l str) {
    if let (Some(service), Some(operation)) = (&list.service, &list.operation) {
        return (service, operation);
    }
    match (&list.table, &list.graph) {
        (Some(table), _) => ("resourcegraph", table),
        (None, Some(collection)) => ("graph", collection),
        (None, None) if list.asset.is_some() => ("cloudasset", "assets.list"),
        (None, None) if list.arm.is_some() => ("arm", described.kind.as_str()),
        (None, None) => ("data", described.kind.as_str()),
    }
}

/// Keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn resource(&mut self, _: yagura_model::Resource) {}
    fn inline_copy(&mut self, _: yagura_model::Resource) {}
    fn attach(&mut self, _: yagura_model::ResourceId, _: std::sync::Arc<str>, _: yagura_model::Answer) {}
    fn listing(&mut self, _: Kind, _: yagura_model::Place, _: yagura_model::Listing) {}
    fn held(&mut self, _: Cloud, _: &Kind) {}
    fn scope(&mut self, _: yagura_model::Scope, _: Option<String>, _: Vec<yagura_model::Scope>) {}
    fn problem(&mut self, _: yagura_model::Problem) {}
}
