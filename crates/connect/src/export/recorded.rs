//! Recorded answers: what a cloud said to one call.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use yagura_content::TemplateValues;
use yagura_model::{
    Answer, Cause, Cloud, Document, Kind, Listing, Place, Problem, Resource, ResourceId, Scope, ScopeLevel, Sink,
    Timestamp, Value, implied_id,
};

use super::calls::{Calls, Purpose, Use};
use super::items::{Found, has_shape, items_of, part_of, with_json_text};
use super::{FileState, Reader, azure, gcp};

/// What an answer is called that is not formed as its cloud forms answers.
const SHAPELESS: &str = "an answer of a shape that nobody knows";

/// One line: a call and its answer.
struct Recorded<'a> {
    cloud: Cloud,
    scope: Scope,
    /// The account number, subscription or project id.
    account: String,
    region: Option<Arc<str>>,
    service: &'a str,
    operation: &'a str,
    params: Option<Value<'a>>,
    observed_at: Option<Timestamp>,
    /// The answer, or the code and text of an error.
    answer: Result<Value<'a>, Refused>,
}

/// An answer that is an error.
struct Refused {
    code: String,
    message: String,
    /// The service is not offered, enabled or opted into there, so that there is nothing of it.
    not_offered: bool,
}

impl Refused {
    fn read(error: Value<'_>) -> Self {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = if part("code").is_empty() { "an error without a code".to_owned() } else { part("code") };
        let not_offered = error.get("notOffered").and_then(Value::as_bool) == Some(true);
        Self { code, message: part("message"), not_offered }
    }

    /// An answer that is none: what should stand in it does not.
    fn shapeless() -> Self {
        Self { code: SHAPELESS.to_owned(), message: String::new(), not_offered: false }
    }

    /// Whether it says that there is none of what the call asks for.
    fn means_none(&self, made: &Use<'_>) -> bool {
        self.not_offered || made.is_none(&self.code, &self.message)
    }
}

impl Recorded<'_> {
    fn call(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    fn failure(&self, Refused { code, message, .. }: &Refused) -> Cause {
        let place = self.region.as_deref().map(|region| format!(" in {region}")).unwrap_or_default();
        let message = if message.is_empty() { String::new() } else { format!(": {message}") };
        Cause::CallFailed(format!("{}{place} said {code}{message}", self.call()).into())
    }

    fn partition(&self) -> &'static str {
        match self.region.as_deref() {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    fn values(&self) -> TemplateValues<'_> {
        TemplateValues {
            account: &self.account,
            region: self.region.as_deref().unwrap_or_default(),
            partition: self.partition(),
            params: self.params,
        }
    }

    fn place(&self, regional: bool) -> Place {
        Place { scope: self.scope.clone(), region: self.region.clone().filter(|_| regional), parent: None }
    }
}

impl Reader<'_> {
    pub(super) fn recorded_answer(&mut self, line: Value<'_>, record: u64, file: &mut FileState) -> Result<(), String> {
        if line.get("error").is_some_and(|error| error.get("again").is_some()) {
            // Asked again in parts, whose answers are lines of their own.
            return Ok(());
        }
        let recorded = self.recorded(line)?;
        let service = recorded.service.to_ascii_lowercase();
        match (recorded.cloud, service.as_str()) {
            (Cloud::Azure, "arm") => return self.arm_answer(&recorded, record),
            (Cloud::Azure, "resourcegraph") => return self.resource_graph_answer(&recorded, record),
            (Cloud::Gcp, "cloudasset") => return self.asset_answer(&recorded, record, file),
            _ => {}
        }
        if self.calls.of(recorded.cloud, recorded.service, recorded.operation).is_empty() {
            if self.unread.insert(recorded.call()) {
                let message = format!("no resource type reads the answers of {} ({})", recorded.call(), recorded.cloud);
                self.sink.problem(Problem::note(file.name.clone(), Some(record), message));
            }
            return Ok(());
        }
        if recorded.cloud == Cloud::Aws && recorded.scope.level() == ScopeLevel::Account {
            self.sink.scope(recorded.scope.clone(), None, Vec::new());
        }
        for place in self.calls.meant(recorded.cloud, recorded.service, recorded.operation, recorded.params) {
            if let Err(reason) = self.answer(place, &recorded, record) {
                file.lost(record, reason);
            }
        }
        Ok(())
    }

    fn recorded<'v>(&mut self, line: Value<'v>) -> Result<Recorded<'v>, String> {
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let need = |name: &str| text(name).ok_or_else(|| format!("a recorded answer without `{name}`"));
        let (service, operation, scope) = (need("service")?, need("operation")?, need("scope")?);
        let cloud: Cloud = need("cloud")?.parse()?;
        let scope = match cloud {
            Cloud::Azure => azure::scope_of(service, scope),
            Cloud::Aws => self.names.account(cloud, scope),
            Cloud::Gcp => gcp::scope_of(scope),
        };
        let answer = match (line.get("response"), line.get("error")) {
            (Some(response), None) => Ok(response),
            (_, Some(error)) => Err(Refused::read(error)),
            (None, None) => return Err("a recorded answer with neither `response` nor `error`".to_owned()),
        };
        Ok(Recorded {
            cloud,
            account: scope.id().rsplit('/').next().unwrap_or_default().to_owned(),
            scope,
            region: text("region").filter(|region| !region.is_empty()).map(|region| self.names.text(region)),
            service,
            operation,
            params: line.get("params").filter(|params| params.is_object()),
            observed_at: text("observedAt").or_else(|| text("observed_at")).and_then(|time| time.parse().ok()),
            answer,
        })
    }

    /// One use of an answer.
    fn answer(&mut self, place: usize, recorded: &Recorded<'_>, record: u64) -> Result<(), String> {
        let calls = self.calls.clone();
        let Some(made) = calls.at(place) else { return Ok(()) };
        match (&made.purpose, &recorded.answer) {
            (Purpose::Attach(name), answer) => {
                let answer = attached_answer(made, recorded, answer.as_ref().copied())?;
                let name = self.names.text(name);
                self.waiting.answers.push(WaitingAnswer::new(place, made, recorded, name, answer));
                Ok(())
            }
            (Purpose::List(list), Err(refused)) => {
                let is_none = refused.means_none(made);
                let listing = if is_none { Listing::Complete } else { Listing::Failed(recorded.failure(refused)) };
                if list.names_only || !is_described_by_name(made) || !is_none {
                    self.listing(place, recorded, listing);
                }
                Ok(())
            }
            (Purpose::List(_), Ok(answer)) => self.list(place, recorded, *answer, record),
        }
    }

    fn list(&mut self, place: usize, recorded: &Recorded<'_>, answer: Value<'_>, record: u64) -> Result<(), String> {
        let calls = self.calls.clone();
        let Some(made) = calls.at(place) else { return Ok(()) };
        let Purpose::List(list) = &made.purpose else { return Ok(()) };
        let kind = made.described.kind.clone();
        let found = match items_of(&made.items, answer) {
            Ok(found) if has_shape(&made.items, answer) => found,
            Ok(_) => return self.shapeless(recorded, |reader, failed| reader.listing(place, recorded, failed)),
            Err(reason) => return Err(format!("{}: {reason}", recorded.call())),
        };
        if list.names_only {
            self.waiting.named(&kind, recorded, &found);
            self.follow_names(&kind, &recorded.scope, recorded.region.as_deref(), recorded.params, &found);
            self.listing(place, recorded, Listing::Complete);
            return Ok(());
        }
        if is_described_by_name(made) {
            self.waiting.described(&kind, recorded);
        } else {
            self.listing(place, recorded, Listing::Complete);
        }
        let regional = list.scope.as_deref() != Some("global");
        let is_graph = list.graph.is_some();
        let json_text = made.json_text;
        let mut faults = Vec::new();
        let resources: Vec<Resource> = {
            let mut make = |item: Value<'_>| {
                let made = if is_graph {
                    graph(&kind, recorded, item)
                } else {
                    self.resource_of(&kind, recorded, regional, item)
                };
                made.map_err(|hole| {
                    faults.push(format!("an item of {} has no `{hole}`, of which its id is made", recorded.call()))
                })
                .ok()
            };
            match &found {
                Found::Values(values) => values.iter().filter_map(|value| make(*value)).collect(),
                Found::Rows(rows) => rows.iter().filter_map(|row| make(row.root())).collect(),
            }
        };
        for mut resource in resources {
            if !json_text.is_empty() {
                resource.document = with_json_text(resource.document, json_text);
            }
            self.resource(resource, record, None);
        }
        faults.pop().map_or(Ok(()), Err)
    }

    /// An item as a resource; the error names the hole of its id that nothing fills.
    fn resource_of(
        &mut self,
        kind: &Kind,
        recorded: &Recorded<'_>,
        regional: bool,
        item: Value<'_>,
    ) -> Result<Resource, String> {
        let values = recorded.values();
        let facts = self.names.facts(kind);
        let id = match facts.and_then(|facts| facts.id.as_ref()) {
            Some(template) => values.fill(template, item)?,
            None => own_id(item).ok_or("id")?.to_owned(),
        };
        let given = facts.and_then(|facts| facts.name.as_ref()).and_then(|template| values.fill(template, item).ok());
        let name =
            given.or_else(|| own_name(item)).unwrap_or_else(|| id.rsplit(['/', ':']).next().unwrap_or(&id).to_owned());
        Ok(Resource {
            id: ResourceId::new(recorded.cloud, id),
            kind: kind.clone(),
            cloud: recorded.cloud,
            scope: recorded.scope.clone(),
            group: None,
            name: name.into(),
            region: recorded.region.clone().filter(|_| regional),
            observed_at: recorded.observed_at,
            document: item.to_document(),
            attached: Vec::new(),
        })
    }

    /// An answer in which no list can be told from an empty one: its place is unknown, and the record is said.
    fn shapeless(&mut self, recorded: &Recorded<'_>, fail: impl FnOnce(&mut Self, Listing)) -> Result<(), String> {
        fail(self, Listing::Failed(recorded.failure(&Refused::shapeless())));
        Err(format!("{} gave {SHAPELESS}", recorded.call()))
    }

    /// That a kind was asked for. A list made for each resource of another kind counts for that resource alone.
    fn listing(&mut self, place: usize, recorded: &Recorded<'_>, listing: Listing) {
        let calls = self.calls.clone();
        let Some(made) = calls.at(place) else { return };
        let Purpose::List(list) = &made.purpose else { return };
        let kind = made.described.kind.clone();
        if list.graph.is_some() && listing == Listing::Complete {
            // The directory is one for all subscriptions of the tenant.
            self.sink.held(Cloud::Azure, &kind);
        }
        if list.parent.as_ref().is_some_and(|parent| *parent != kind) {
            let key = made.params.key_asked(recorded.params);
            let listing = WaitingListing {
                place,
                kind,
                scope: recorded.scope.clone(),
                region: recorded.region.clone(),
                key: key.unwrap_or_default(),
                listing,
            };
            return self.waiting.listings.push(listing);
        }
        let regional = list.scope.as_deref() != Some("global");
        self.say_listing(kind, recorded.place(regional), listing);
    }

    /// Resources that Azure Resource Manager answered: `operation` is the kind, `params.parent` the resource it was asked for.
    fn arm_answer(&mut self, recorded: &Recorded<'_>, record: u64) -> Result<(), String> {
        let kind = match recorded.operation.starts_with('/') {
            true => azure::kind_in_id(&format!("{}/x", recorded.operation.split('?').next().unwrap_or_default()))
                .ok_or_else(|| format!("`{}` names no kind", recorded.operation))?,
            false => recorded.operation.to_owned(),
        };
        let kind = self.names.kind(&kind);
        let parent = recorded.params.and_then(|params| params.get("parent")).and_then(Value::as_str);
        let place = Place { parent: parent.map(|id| ResourceId::new(Cloud::Azure, id)), ..recorded.place(false) };
        match &recorded.answer {
            Err(refused) => {
                // What is not there has no children of that kind.
                let gone = ["NotFound", "ResourceNotFound", "ParentResourceNotFound"].contains(&refused.code.as_str());
                let is_none = gone || refused.not_offered;
                let listing = if is_none { Listing::Complete } else { Listing::Failed(recorded.failure(refused)) };
                self.say_listing(kind, place, listing);
                Ok(())
            }
            Ok(answer) => {
                let list = answer.get("value");
                let is_list_or_row = list.is_some_and(Value::is_array) || answer.get("id").is_some();
                if !is_list_or_row {
                    return self.shapeless(recorded, |reader, failed| reader.sink.listing(kind, place, failed));
                }
                let list = list.filter(|list| list.is_array());
                let rows: Vec<Value<'_>> = list.map_or_else(|| vec![*answer], |list| list.items().collect());
                let mut fault = None;
                for row in rows {
                    if let Err(reason) = self.azure_row(row.to_document(), Some(&kind), record, None) {
                        fault = Some(reason);
                    }
                }
                self.say_listing(kind, place, Listing::Complete);
                fault.map_or(Ok(()), Err)
            }
        }
    }
}

/// The live side of answers: queries that speak of many kinds at once.
impl Reader<'_> {
    /// Rows of one Resource Graph table: every kind that is listed there was asked for in these subscriptions.
    fn resource_graph_answer(&mut self, recorded: &Recorded<'_>, record: u64) -> Result<(), String> {
        let subscriptions = recorded.params.and_then(|params| params.get("subscriptions"));
        let scopes: Vec<Scope> = match subscriptions.filter(|list| !list.is_empty()) {
            Some(list) => list.items().filter_map(Value::as_str).map(|id| azure::scope_of("arm", id)).collect(),
            None => vec![recorded.scope.clone()],
        };
        let rows = recorded.answer.as_ref().ok().and_then(|answer| answer.get("data")).filter(|rows| rows.is_array());
        let listing = match &recorded.answer {
            Ok(_) if rows.is_some() => Listing::Complete,
            Ok(_) => Listing::Failed(recorded.failure(&Refused::shapeless())),
            Err(refused) => Listing::Failed(recorded.failure(refused)),
        };
        let shapeless = recorded.answer.is_ok() && rows.is_none();
        for kind in self.names.kinds_of_table(recorded.operation) {
            for scope in &scopes {
                self.say_listing(kind.clone(), Place::scope(scope.clone()), listing.clone());
            }
        }
        let mut fault = shapeless.then(|| format!("{} gave {SHAPELESS}", recorded.call()));
        for row in rows.into_iter().flat_map(Value::items) {
            if let Err(reason) = self.azure_row(row.to_document(), None, record, None) {
                fault = Some(reason);
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Assets of one `assets.list`: every type that was asked for was listed.
    fn asset_answer(&mut self, recorded: &Recorded<'_>, record: u64, file: &mut FileState) -> Result<(), String> {
        let kinds = recorded.params.and_then(|params| params.get("assetTypes")).into_iter().flat_map(Value::items);
        let kinds: Vec<Kind> = kinds.filter_map(Value::as_str).map(|kind| self.names.kind(kind)).collect();
        let is_resource =
            recorded.params.and_then(|params| params.get("contentType")).and_then(Value::as_str) != Some("IAM_POLICY");
        match &recorded.answer {
            // An inventory that is switched off says nothing about what there is.
            Err(refused) => {
                for kind in kinds {
                    let cause = recorded.failure(refused);
                    if is_resource {
                        self.say_listing(kind, Place::scope(recorded.scope.clone()), Listing::Failed(cause));
                    } else {
                        self.projects.policies_failed(kind, cause);
                    }
                }
                Ok(())
            }
            Ok(answer) if !answer.is_object() || answer.get("assets").is_some_and(|assets| !assets.is_array()) => self
                .shapeless(recorded, |reader, failed| {
                    for kind in kinds.into_iter().filter(|_| is_resource) {
                        reader.sink.listing(kind, Place::scope(recorded.scope.clone()), failed.clone());
                    }
                }),
            Ok(answer) => {
                for kind in kinds.iter().filter(|_| is_resource) {
                    self.sink.held(Cloud::Gcp, kind);
                }
                let mut fault = None;
                for asset in answer.get("assets").into_iter().flat_map(Value::items) {
                    if let Err(reason) = self.google_asset(asset, record, file) {
                        fault = Some(reason);
                    }
                }
                fault.map_or(Ok(()), Err)
            }
        }
    }
}

/// Whether the call asks for one resource by a name that another call listed.
fn is_described_by_name(made: &Use<'_>) -> bool {
    let Purpose::List(list) = &made.purpose else { return false };
    !list.names_only && made.described.list.as_slice().iter().any(|other| other.names_only)
}

fn graph(kind: &Kind, recorded: &Recorded<'_>, item: Value<'_>) -> Result<Resource, String> {
    let id = azure::graph_id(kind, item).ok_or("id")?;
    Ok(azure::graph_resource(kind, &recorded.scope, &id, item))
}

fn own_id(item: Value<'_>) -> Option<&str> {
    ["Arn", "arn", "ARN", "id", "Id"].iter().find_map(|name| item.get(name)).and_then(Value::as_str)
}

fn own_name(item: Value<'_>) -> Option<String> {
    let name = item.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.map(str::to_owned)
}

fn attached_answer(
    made: &Use<'_>,
    recorded: &Recorded<'_>,
    answer: Result<Value<'_>, &Refused>,
) -> Result<Answer, String> {
    match answer {
        Err(refused) if refused.means_none(made) => Ok(Answer::Absent),
        Err(refused) => Ok(Answer::Failed(recorded.failure(refused))),
        Ok(answer) if !answer.is_object() && !answer.is_array() => {
            Ok(Answer::Failed(recorded.failure(&Refused::shapeless())))
        }
        Ok(answer) => {
            let part = part_of(&made.items, answer).map_err(|reason| format!("{}: {reason}", recorded.call()))?;
            Ok(part.map_or(Answer::Absent, |part| Answer::Found(with_json_text(part, made.json_text))))
        }
    }
}

/// Answers and listings that wait for the resource they were asked for, since files come in any order.
#[derive(Default)]
pub(super) struct Waiting {
    answers: Vec<WaitingAnswer>,
    listings: Vec<WaitingListing>,
    /// Resources that a call is made for: by use, account and what tells them apart.
    parents: HashMap<(usize, Scope, String), Vec<Parent>>,
    names: Vec<WaitingName>,
    described: HashSet<(Kind, Scope, Option<Arc<str>>, String)>,
}

/// A resource with its region.
type Parent = (Option<Arc<str>>, ResourceId);

struct WaitingAnswer {
    place: usize,
    kind: Kind,
    implied: bool,
    scope: Scope,
    region: Option<Arc<str>>,
    key: Option<String>,
    name: Arc<str>,
    answer: Answer,
    /// The parameters, for people.
    asked: String,
    /// Whether the call was asked for a further page.
    continues: bool,
}

struct WaitingListing {
    place: usize,
    kind: Kind,
    scope: Scope,
    region: Option<Arc<str>>,
    key: String,
    listing: Listing,
}

/// A name that a call listed and that another call should describe.
struct WaitingName {
    kind: Kind,
    scope: Scope,
    region: Option<Arc<str>>,
    name: String,
}

/// Parameters by which a further page is asked for.
const PAGE_PARAMS: [&str; 6] = ["NextToken", "nextToken", "Marker", "marker", "ContinuationToken", "PaginationToken"];

impl WaitingAnswer {
    fn new(place: usize, made: &Use<'_>, recorded: &Recorded<'_>, name: Arc<str>, answer: Answer) -> Self {
        Self {
            place,
            kind: made.described.kind.clone(),
            implied: made.described.implied.is_some(),
            scope: recorded.scope.clone(),
            region: recorded.region.clone(),
            key: made.params.key_asked(recorded.params),
            name,
            answer,
            asked: recorded.params.map(|params| params.to_json().to_string()).unwrap_or_default(),
            continues: recorded.params.is_some_and(|params| PAGE_PARAMS.iter().any(|name| params.get(name).is_some())),
        }
    }
}

impl Waiting {
    /// Remembers a resource for the calls that are made for it.
    pub(super) fn seen(&mut self, calls: &Calls<'_>, resource: &Resource) {
        for place in calls.for_each(&resource.kind) {
            let Some(made) = calls.at(*place) else { continue };
            let account = resource.scope.id().rsplit('/').next().unwrap_or_default();
            let values = TemplateValues {
                account,
                region: resource.region.as_deref().unwrap_or_default(),
                partition: "aws",
                params: None,
            };
            let Some(key) = made.params.key_of(resource.document.root(), &values) else { continue };
            let parents = self.parents.entry((*place, resource.scope.clone(), key)).or_default();
            if !parents.iter().any(|(_, id)| *id == resource.id) {
                parents.push((resource.region.clone(), resource.id.clone()));
            }
        }
    }

    fn named(&mut self, kind: &Kind, recorded: &Recorded<'_>, found: &Found<'_>) {
        let Found::Values(values) = found else { return };
        for value in values {
            let name = value.as_str().or_else(|| value.entries().find_map(|(_, inner)| inner.as_str()));
            let Some(name) = name else { continue };
            self.names.push(WaitingName {
                kind: kind.clone(),
                scope: recorded.scope.clone(),
                region: recorded.region.clone(),
                name: name.to_owned(),
            });
        }
    }

    fn described(&mut self, kind: &Kind, recorded: &Recorded<'_>) {
        for (_, value) in recorded.params.into_iter().flat_map(Value::entries) {
            let texts = value.as_str().into_iter().chain(value.items().filter_map(Value::as_str));
            for text in texts {
                self.described.insert((kind.clone(), recorded.scope.clone(), recorded.region.clone(), text.to_owned()));
            }
        }
    }

    fn parent(&self, place: usize, scope: &Scope, region: Option<&str>, key: &str) -> Option<ResourceId> {
        let parents = self.parents.get(&(place, scope.clone(), key.to_owned()))?;
        let here = parents.iter().find(|(own, _)| own.as_deref() == region || own.is_none());
        here.or_else(|| parents.first().filter(|_| parents.len() == 1)).map(|(_, id)| id.clone())
    }

    /// Gives everything to the resources that are known by now.
    pub(super) fn finish(mut self, calls: &Calls<'_>, sink: &mut dyn Sink) {
        let mut pages: HashMap<(ResourceId, Arc<str>), Document> = HashMap::new();
        for waiting in std::mem::take(&mut self.answers) {
            let found = waiting
                .key
                .as_deref()
                .and_then(|key| self.parent(waiting.place, &waiting.scope, waiting.region.as_deref(), key));
            let implied = || waiting.implied.then(|| implied_of(&waiting, calls));
            let Some(id) = found.or_else(implied) else {
                let asked = if waiting.asked.is_empty() { String::new() } else { format!(" {}", waiting.asked) };
                let message = format!("{}{asked} came for a {} that was never listed", waiting.name, waiting.kind);
                sink.problem(Problem::note(waiting.scope.id(), None, message));
                continue;
            };
            let answer = joined(waiting, &id, &mut pages);
            sink.attach(id, answer.0, answer.1);
        }
        for waiting in std::mem::take(&mut self.listings) {
            let parent = self.parent(waiting.place, &waiting.scope, waiting.region.as_deref(), &waiting.key);
            let region = waiting.region.filter(|_| parent.is_none());
            sink.listing(waiting.kind, Place { scope: waiting.scope, region, parent }, waiting.listing);
        }
        for waiting in self.names {
            let WaitingName { kind, scope, region, name } = waiting;
            let key = (kind, scope, region, name);
            if self.described.contains(&key) {
                continue;
            }
            let (kind, scope, region, name) = key;
            let message = format!("{kind} `{name}` was listed, but the answer that describes it is missing");
            sink.problem(Problem::lost(scope.id(), None, message.clone()));
            let place = Place { scope, region, parent: None };
            sink.listing(kind, place, Listing::Failed(Cause::CallFailed(message.into())));
        }
    }
}

/// The id of the account or region an answer speaks of, where that kind exists without being listed.
fn implied_of(waiting: &WaitingAnswer, calls: &Calls<'_>) -> ResourceId {
    use yagura_content::ImpliedPlace;
    let place = calls.at(waiting.place).and_then(|made| made.described.implied);
    let region = waiting.region.as_deref().filter(|_| place == Some(ImpliedPlace::Region));
    ResourceId::new(waiting.scope.cloud(), implied_id(&waiting.scope, region))
}

/// The pages of one answer become one: their lists follow each other.
fn joined(
    waiting: WaitingAnswer,
    id: &ResourceId,
    pages: &mut HashMap<(ResourceId, Arc<str>), Document>,
) -> (Arc<str>, Answer) {
    let Answer::Found(page) = waiting.answer else { return (waiting.name, waiting.answer) };
    let key = (id.clone(), waiting.name.clone());
    let whole = match pages.get(&key) {
        Some(earlier) if waiting.continues => Document::from(append(earlier.root().to_json(), page.root().to_json())),
        _ => page,
    };
    pages.insert(key, whole.clone());
    (waiting.name, Answer::Found(whole))
}

fn append(earlier: serde_json::Value, later: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match (earlier, later) {
        (Json::Array(mut items), Json::Array(more)) => {
            items.extend(more);
            Json::Array(items)
        }
        (Json::Object(mut members), Json::Object(more)) => {
            for (name, value) in more {
                let before = members.remove(&name).unwrap_or(Json::Null);
                let value = if before.is_array() && value.is_array() { append(before, value) } else { value };
                members.insert(name, value);
            }
            Json::Object(members)
        }
        (_, later) => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_of_one_answer_follow_each_other() {
        let whole = append(json!({"Keys": [1], "Token": "a"}), json!({"Keys": [2], "Token": "b"}));
        assert_eq!(whole, json!({"Keys": [1, 2], "Token": "b"}));
        assert_eq!(append(json!([1]), json!([2])), json!([1, 2]));
    }
}
