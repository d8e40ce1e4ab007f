//! A synthetic estate for measuring, made from the tests inside the shipped recommendations.
//!
//! Every recommendation's healthy and unhealthy tests are taken in turn. A tested resource becomes whole by the documents
//! that the other recommendations on its kind test with, so that every rule finds what it reads; the related rows come
//! with it. Names, ids and places are made distinct, the same in every run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use yagura_content::{Catalogue, Expect, Layer, RelatedRow, TemplateValues, Test, TestAnswer, shipped};
use yagura_model::{
    Answer, Cloud, Document, EstateBuilder, Kind, MemoryEstate, Resource, ResourceId, Scope, Sink, Template, Timestamp,
};
use yagura_posture::Settings;

/// Subscriptions, accounts and projects: 20 together.
const SCOPES: [(Cloud, usize); 3] = [(Cloud::Azure, 8), (Cloud::Aws, 7), (Cloud::Gcp, 5)];
/// Resources that share an Azure resource group.
const GROUP_SIZE: usize = 40;
/// What the tests call their places.
const TEST_GUID: &str = "00000000-0000-0000-0000-000000000001";
const TEST_ACCOUNT: &str = "123456789012";
const TEST_PROJECT: &str = "test-project";
const TEST_GROUP: &str = "test-group";
const TENANT: &str = "/tenants/00000000-0000-0000-0000-0000000000aa";
/// Microsoft Graph kinds of which a tenant has many.
const MANY_IN_A_TENANT: [&str; 4] = ["users", "groups", "applications", "serviceprincipals"];

/// The shipped content.
pub fn catalogue() -> Catalogue {
    Catalogue::load(&[Layer { files: shipped(), shipped: true }]).0
}

/// The moment of all evaluations: 2026-01-01T00:00:00Z, the time of the tests.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("a moment of this century")
}

/// Settings with the parameters that the tests set, since many rules apply to nothing without them.
pub fn settings(catalogue: &Catalogue) -> Settings {
    let mut settings = Settings::default();
    for recommendation in catalogue.recommendations() {
        let set =
            recommendation.source.tests.iter().filter(|test| is_usable(test)).find_map(|test| test.parameters.clone());
        if let Some(parameters) = set {
            settings.parameters.insert(recommendation.key.clone(), parameters);
        }
    }
    settings
}

/// An estate of about that many resources.
pub fn estate(catalogue: &Catalogue, count: usize) -> MemoryEstate {
    let mut builder = EstateBuilder::new();
    for (cloud, kind) in kinds_of(catalogue) {
        builder.held(cloud, &kind);
    }
    Generator::new(catalogue, count).fill(&mut builder);
    builder.finish(catalogue.kinds())
}

/// Every kind that is described, assessed or looked for.
fn kinds_of(catalogue: &Catalogue) -> Vec<(Cloud, Kind)> {
    let mut kinds = Vec::new();
    for (kind, described) in catalogue.resource_types() {
        kinds.push((described.cloud, kind.clone()));
        for relation in described.relations.values() {
            kinds.extend(relation.kind.as_slice().iter().map(|kind| (described.cloud, kind.clone())));
        }
    }
    for recommendation in catalogue.recommendations() {
        let read = recommendation.rule.kinds_read().iter().chain(recommendation.source.applies_to.as_slice());
        kinds.extend(read.map(|kind| (recommendation.cloud, kind.clone())));
    }
    kinds
}

/// The tests of one recommendation.
struct Rotation<'a> {
    cloud: Cloud,
    tests: Vec<(Kind, &'a Test)>,
}

struct Generator<'a> {
    catalogue: &'a Catalogue,
    rotations: Vec<Rotation<'a>>,
    /// Tests of every kind, by recommendation.
    by_kind: HashMap<Kind, Vec<Vec<&'a Test>>>,
    scopes: HashMap<Cloud, Vec<Scope>>,
    ids: HashSet<ResourceId>,
    serial: usize,
    left: usize,
}

impl<'a> Generator<'a> {
    fn new(catalogue: &'a Catalogue, count: usize) -> Self {
        let mut rotations = Vec::new();
        let mut by_kind: HashMap<Kind, Vec<Vec<&Test>>> = HashMap::new();
        for recommendation in catalogue.recommendations() {
            let Some(first) = recommendation.source.applies_to.as_slice().first() else { continue };
            let usable = recommendation.source.tests.iter().filter(|test| is_usable(test));
            let tests: Vec<_> = usable.map(|test| (test.kind.clone().unwrap_or_else(|| first.clone()), test)).collect();
            for kind in recommendation.source.applies_to.as_slice() {
                let own = tests.iter().filter(|(tested, _)| tested == kind).map(|(_, test)| *test).collect::<Vec<_>>();
                if !own.is_empty() {
                    by_kind.entry(kind.clone()).or_default().push(own);
                }
            }
            if !tests.is_empty() {
                rotations.push(Rotation { cloud: recommendation.cloud, tests });
            }
        }
        let scopes = SCOPES.map(|(cloud, count)| (cloud, (0..count).map(|place| scope(cloud, place)).collect()));
        Self { catalogue, rotations, by_kind, scopes: scopes.into(), ids: HashSet::new(), serial: 0, left: count }
    }

    /// Takes every recommendation in turn until there are enough resources.
    fn fill(mut self, builder: &mut EstateBuilder) {
        let rotations = std::mem::take(&mut self.rotations);
        let longest = SCOPES.iter().map(|(_, count)| *count).max().unwrap_or(1);
        let mut idle = vec![0; rotations.len()];
        for round in 0.. {
            let before = self.left;
            for (position, rotation) in rotations.iter().enumerate() {
                // What exists once a scope is there after as many rounds as there are scopes.
                if idle[position] >= longest {
                    continue;
                }
                let made = self.cluster(rotation, round, position, builder);
                idle[position] = if made == 0 { idle[position] + 1 } else { 0 };
                if self.left == 0 {
                    return;
                }
            }
            assert!(self.left < before || round < longest, "nothing is left that could be made again");
        }
    }

    /// One tested resource with its related ones; the count of those that are new.
    fn cluster(
        &mut self,
        rotation: &Rotation<'a>,
        round: usize,
        position: usize,
        builder: &mut EstateBuilder,
    ) -> usize {
        let (kind, test) = &rotation.tests[round % rotation.tests.len()];
        let scopes = &self.scopes[&rotation.cloud];
        let scope = scopes[(round + position) % scopes.len()].clone();
        self.serial += 1;
        let mut rows = vec![self.tested(kind, rotation.cloud, test)];
        let (own_id, own_region) = (rows[0].id.clone(), rows[0].region.clone());
        rows.extend(test.related.iter().map(|row| self.related(row, rotation.cloud, kind, &own_id, &own_region)));
        let renaming = Renaming::of(&rows, &scope, self.serial);
        let mut made = 0;
        for row in rows {
            let resource = self.resource(row, &scope, &renaming);
            if self.left > 0 && self.ids.insert(resource.id.clone()) {
                builder.resource(resource);
                self.left -= 1;
                made += 1;
            }
        }
        made
    }

    fn tested(&self, kind: &Kind, cloud: Cloud, test: &Test) -> Row {
        let mut document = object_of(&test.document);
        let mut answers = test.attached.clone();
        for (place, others) in self.by_kind.get(kind).into_iter().flatten().enumerate() {
            let pick = mixed(self.serial.wrapping_mul(31).wrapping_add(place)) % others.len();
            merge(&mut document, &others[pick].document);
            for (call, answer) in &others[pick].attached {
                answers.entry(call.clone()).or_insert_with(|| answer.clone());
            }
        }
        let region = test.region.clone().unwrap_or_else(|| usual_region(cloud).to_owned());
        let name = test.name.clone().unwrap_or_else(|| "test".to_owned());
        let id = match &test.id {
            Some(id) => id.replace("{scope}", test_scope(cloud)),
            None => self.id(kind, cloud, &region, &name, &document),
        };
        Row { kind: kind.clone(), id, name, region, document, answers, below: false }
    }

    fn related(&self, row: &RelatedRow, cloud: Cloud, tested: &Kind, own_id: &str, own_region: &str) -> Row {
        let region = row.region.clone().unwrap_or_else(|| own_region.to_owned());
        let name = row.name.clone().unwrap_or_else(|| "test".to_owned());
        let document = object_of(&row.document);
        let id = match &row.id {
            Some(id) => id.replace("{self}", own_id).replace("{scope}", test_scope(cloud)),
            None if row.kind.is_below(tested) => {
                let below = &row.kind.as_str()[tested.as_str().len() + 1..];
                let segments: Vec<&str> = below.split('/').collect();
                let (last, above) = segments.split_last().expect("a kind below another has a part of its own");
                let above: String = above.iter().map(|segment| format!("/{segment}/default")).collect();
                format!("{own_id}{above}/{last}/{name}")
            }
            None => self.id(&row.kind, cloud, &region, &name, &document),
        };
        let below = id.len() > own_id.len() && id.starts_with(own_id);
        Row { kind: row.kind.clone(), id, name, region, document, answers: row.attached.clone(), below }
    }

    /// The id that a resource of that kind has in the place of the tests.
    fn id(&self, kind: &Kind, cloud: Cloud, region: &str, name: &str, document: &Json) -> String {
        match cloud {
            Cloud::Azure => azure_id(kind, name, document),
            Cloud::Aws => self.aws_id(kind, region, name, document),
            Cloud::Gcp => {
                let (service, what) = kind.as_str().split_once('/').unwrap_or((kind.as_str(), "thing"));
                match what {
                    "Project" => format!("//{service}/{}", test_scope(cloud)),
                    _ => format!("//{service}/{}/{}s/{name}", test_scope(cloud), what.to_ascii_lowercase()),
                }
            }
        }
    }

    fn aws_id(&self, kind: &Kind, region: &str, name: &str, document: &Json) -> String {
        let item = Document::from(document);
        let values = TemplateValues { account: TEST_ACCOUNT, region, partition: "aws", params: None };
        let template = self.catalogue.resource_types().get(kind).and_then(|described| described.id.as_deref());
        let filled = template.and_then(|text| values.fill(&Template::parse(text).ok()?, item.root()).ok());
        let service = kind.as_str().to_ascii_lowercase().replace("::", "-");
        filled.unwrap_or_else(|| format!("arn:aws:{service}:{region}:{TEST_ACCOUNT}:{name}"))
    }

    fn resource(&self, row: Row, scope: &Scope, renaming: &Renaming) -> Resource {
        let cloud = scope.cloud();
        let (id, name) = (renaming.text(&row.id), renaming.text(&row.name));
        let mut document = renaming.json(row.document);
        let in_tenant = is_graph(&row.kind);
        if cloud == Cloud::Azure && !in_tenant {
            envelope(&mut document, &row.kind, &id, &name, &row.region, self.serial);
        }
        let group = id.split_once("/resourceGroups/").and_then(|(_, rest)| rest.split('/').next()).map(Arc::from);
        let mut resource = Resource {
            id: ResourceId::new(cloud, id),
            kind: row.kind,
            cloud,
            scope: if in_tenant { Scope::tenant(cloud, TENANT) } else { scope.clone() },
            group,
            name: name.into(),
            region: (!row.region.is_empty()).then(|| row.region.into()),
            observed_at: None,
            document: document.into(),
            attached: Vec::new(),
        };
        attach(self.catalogue, &mut resource, row.answers, renaming);
        resource
    }
}

/// A resource in the place of the tests.
struct Row {
    kind: Kind,
    id: String,
    name: String,
    region: String,
    document: Json,
    answers: BTreeMap<String, TestAnswer>,
    /// Whether it lies below the tested resource, by whose name it is distinct already.
    below: bool,
}

impl Row {
    /// The part of the id that makes it distinct; none for what exists once in a scope.
    fn token(&self) -> Option<&str> {
        if self.id.starts_with('/') && !self.id.starts_with("//") {
            return self.azure_token();
        }
        let last = self.id.rsplit(['/', ':']).next()?;
        let is_place = [TEST_ACCOUNT, TEST_PROJECT, "root", "region", ""].contains(&last);
        (!is_place).then_some(last)
    }

    fn azure_token(&self) -> Option<&str> {
        let (above, below) = self.id.split_once("/providers/")?;
        let mut parts = below.split('/');
        let (provider, what, name) = (parts.next()?, parts.next()?, parts.next()?);
        if provider.eq_ignore_ascii_case("microsoft.graph") {
            return MANY_IN_A_TENANT.iter().any(|many| many.eq_ignore_ascii_case(what)).then_some(name);
        }
        above.contains("/resourceGroups/").then_some(name)
    }
}

/// New names for the names of the tests.
struct Renaming(Vec<(String, String)>);

impl Renaming {
    fn of(rows: &[Row], scope: &Scope, serial: usize) -> Self {
        let own = scope.id().rsplit('/').next().unwrap_or_default().to_owned();
        let test = match scope.cloud() {
            Cloud::Azure => TEST_GUID,
            Cloud::Aws => TEST_ACCOUNT,
            Cloud::Gcp => TEST_PROJECT,
        };
        let mut pairs = vec![(test.to_owned(), own), (TEST_GROUP.to_owned(), format!("rg-{}", serial / GROUP_SIZE))];
        for token in rows.iter().filter(|row| !row.below).filter_map(Row::token) {
            if !pairs.iter().any(|(known, _)| known == token) {
                pairs.push((token.to_owned(), format!("{token}x{serial:05x}")));
            }
        }
        Self(pairs)
    }

    fn text(&self, text: &str) -> String {
        let mut renamed = text.to_owned();
        for (old, new) in &self.0 {
            if renamed.contains(old.as_str()) {
                renamed = replace_word(&renamed, old, new);
            }
        }
        renamed
    }

    fn json(&self, value: Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.text(&text)),
            Json::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Json::Object(entries) => entries.into_iter().map(|(key, inner)| (key, self.json(inner))).collect(),
            other => other,
        }
    }
}

/// Replaces a name where it stands alone, not as a part of another name.
fn replace_word(text: &str, old: &str, new: &str) -> String {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    let mut replaced = String::with_capacity(text.len() + new.len());
    let mut done = 0;
    for (at, _) in text.match_indices(old) {
        let alone = !text[..at].ends_with(part_of_name) && !text[at + old.len()..].starts_with(part_of_name);
        if alone && at >= done {
            replaced.push_str(&text[done..at]);
            replaced.push_str(new);
            done = at + old.len();
        }
    }
    replaced.push_str(&text[done..]);
    replaced
}

/// Tests that say something of a resource in an estate that is known whole.
fn is_usable(test: &Test) -> bool {
    matches!(test.expect, Expect::Healthy | Expect::Unhealthy) && test.not_listed.is_empty()
}

fn scope(cloud: Cloud, place: usize) -> Scope {
    match cloud {
        Cloud::Azure => Scope::account(cloud, &format!("/subscriptions/5ca1ab1e-0000-4000-8000-{place:012}")),
        Cloud::Aws => Scope::account(cloud, &format!("2100000000{place:02}")),
        Cloud::Gcp => Scope::account(cloud, &format!("projects/bench-project-{place:02}")),
    }
}

const fn test_scope(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Azure => "/subscriptions/00000000-0000-0000-0000-000000000001",
        Cloud::Aws => TEST_ACCOUNT,
        Cloud::Gcp => "projects/test-project",
    }
}

const fn usual_region(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Azure => "japaneast",
        Cloud::Aws => "us-east-1",
        Cloud::Gcp => "asia-northeast1",
    }
}

fn is_graph(kind: &Kind) -> bool {
    kind.as_str().to_ascii_lowercase().starts_with("microsoft.graph/")
}

fn azure_id(kind: &Kind, name: &str, document: &Json) -> String {
    if let Some(id) = document.get("id").and_then(Json::as_str).filter(|id| id.starts_with('/')) {
        return id.to_owned();
    }
    let scope = test_scope(Cloud::Azure);
    let (provider, types) = kind.as_str().split_once('/').unwrap_or((kind.as_str(), "things"));
    match (provider.to_ascii_lowercase().as_str(), types.to_ascii_lowercase().as_str()) {
        ("microsoft.graph", _) => {
            let id = document.get("id").and_then(Json::as_str).unwrap_or(name);
            return format!("/providers/{provider}/{types}/{id}");
        }
        ("microsoft.resources", "subscriptions") => return scope.to_owned(),
        ("microsoft.resources", "resourcegroups" | "subscriptions/resourcegroups") => {
            return format!("{scope}/resourceGroups/{TEST_GROUP}");
        }
        ("microsoft.authorization" | "microsoft.security", _) => {
            return format!("{scope}/providers/{provider}/{types}/{name}");
        }
        _ => {}
    }
    let segments: Vec<&str> = types.split('/').collect();
    let (last, above) = segments.split_last().expect("a text splits into one part at least");
    let above: String = above.iter().map(|segment| format!("/{segment}/test-parent")).collect();
    format!("{scope}/resourceGroups/{TEST_GROUP}/providers/{provider}{above}/{last}/{name}")
}

/// What every row of Resource Graph carries.
fn envelope(document: &mut Json, kind: &Kind, id: &str, name: &str, region: &str, serial: usize) {
    let Json::Object(fields) = document else { return };
    fields.insert("id".to_owned(), id.into());
    fields.entry("name").or_insert_with(|| name.into());
    fields.entry("type").or_insert_with(|| kind.as_str().into());
    fields.entry("location").or_insert_with(|| region.into());
    let tags = || json!({"environment": if serial.is_multiple_of(3) { "production" } else { "development" }, "owner": "bench"});
    fields.entry("tags").or_insert_with(tags);
}

/// The answers of the tests; what a kind may carry besides counts as absent.
fn attach(catalogue: &Catalogue, resource: &mut Resource, answers: BTreeMap<String, TestAnswer>, renaming: &Renaming) {
    for (call, answer) in answers {
        match answer {
            TestAnswer::None => resource.attach(call.into(), Answer::Absent),
            TestAnswer::Found(found) => resource.attach(call.into(), Answer::Found(renaming.json(found).into())),
            TestAnswer::Unknown => {}
        }
    }
    let kinds = catalogue.kinds();
    for call in kinds.get(&resource.kind).iter().flat_map(|facts| &facts.attached) {
        if resource.attachment(call).is_none() {
            resource.attach(call.as_ref().into(), Answer::Absent);
        }
    }
}

fn object_of(document: &Json) -> Json {
    if document.is_null() { json!({}) } else { document.clone() }
}

/// Adds what is not there yet.
fn merge(into: &mut Json, from: &Json) {
    let (Json::Object(into), Json::Object(from)) = (into, from) else { return };
    for (key, value) in from {
        match into.get_mut(key) {
            Some(known) => merge(known, value),
            None => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A number that looks like chance and is the same in every run (the finalizer of SplitMix64).
fn mixed(number: usize) -> usize {
    let mut mixed = (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}
