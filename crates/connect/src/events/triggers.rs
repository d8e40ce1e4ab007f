//! Which AWS events speak of which kinds.

use std::collections::{BTreeMap, HashMap};

use yagura_content::{EventTrigger, ResourceType};
use yagura_model::{Cloud, Kind, Path, Value};

use super::{Subject, usable};

/// Names in one event of which more are not followed one by one: the kind is listed again.
const MOST_NAMES: usize = 100;

/// The kinds that the events of each service may change.
pub struct Triggers<'t> {
    by_source: HashMap<String, Vec<Claim<'t>>>,
    by_kind: HashMap<Kind, Vec<Vec<Path>>>,
}

/// How one kind follows the events of one service.
struct Claim<'t> {
    kind: &'t Kind,
    /// The kind to list when the event says no more: itself, or the one it is asked for below.
    listed: &'t Kind,
    /// Its entries for this service by their number; empty = events whose name holds its own name.
    triggers: Vec<Trigger<'t>>,
    noun: &'t str,
}

struct Trigger<'t> {
    number: usize,
    written: &'t EventTrigger,
    ids: Vec<Path>,
}

/// What one kind makes of an event.
enum Claimed {
    Not,
    Names(Vec<(usize, String)>),
    Kind,
}

impl<'t> Triggers<'t> {
    /// The events that these resource types speak of.
    pub fn new(types: &'t BTreeMap<Kind, ResourceType>) -> Self {
        let mut triggers = Self { by_source: HashMap::new(), by_kind: HashMap::new() };
        for described in types.values().filter(|described| described.cloud == Cloud::Aws) {
            let mut by_source: BTreeMap<String, Vec<Trigger<'t>>> = BTreeMap::new();
            for (number, written) in described.events.as_slice().iter().enumerate() {
                let ids = written.ids.iter().filter_map(|path| Path::parse(path).ok()).collect();
                by_source.entry(written.source.clone()).or_default().push(Trigger { number, written, ids });
            }
            if by_source.is_empty() && described.list.as_slice().iter().any(|list| list.operation.is_some()) {
                by_source.extend(sources_of(described).map(|source| (source, Vec::new())));
            }
            let kind = &described.kind;
            let listed = parent_of(described).unwrap_or(kind);
            let noun = kind.as_str().rsplit("::").next().unwrap_or_default();
            for (source, own) in by_source {
                triggers.by_source.entry(source).or_default().push(Claim { kind, listed, triggers: own, noun });
            }
            let keys = described.events.as_slice().iter().map(keys_of).collect();
            triggers.by_kind.insert(kind.clone(), keys);
        }
        triggers
    }

    /// Where the documents of a kind hold what an entry's events call them.
    pub(super) fn keys(&self, kind: &Kind, trigger: usize) -> &[Path] {
        self.by_kind.get(kind).and_then(|keys| keys.get(trigger)).map_or(&[], Vec::as_slice)
    }

    /// Whether an entry names this event of a service.
    pub(super) fn names_notice(&self, source: &str, name: &str) -> bool {
        let claims = self.by_source.get(source).map_or(&[][..], Vec::as_slice);
        claims.iter().flat_map(|claim| &claim.triggers).any(|trigger| trigger.written.names_event(name))
    }

    /// The resources that an event names; none = no kind speaks of its service.
    ///
    /// An event that no kind claims means every kind of the service that has no `events`: which of them it changed
    /// cannot be told.
    pub(super) fn subjects(&self, source: &str, name: &str, detail: Value<'_>) -> Option<Vec<Subject>> {
        let claims = self.by_source.get(source)?;
        let mut subjects = Vec::new();
        let mut is_claimed = false;
        for claim in claims {
            match claim.of(name, detail) {
                Claimed::Not => continue,
                Claimed::Kind => add(&mut subjects, Subject::Kind(claim.listed.clone())),
                Claimed::Names(names) => {
                    for (trigger, name) in names {
                        add(&mut subjects, Subject::Called { kind: claim.kind.clone(), trigger, name });
                    }
                }
            }
            is_claimed = true;
        }
        if !is_claimed {
            for claim in claims.iter().filter(|claim| claim.triggers.is_empty()) {
                add(&mut subjects, Subject::Kind(claim.listed.clone()));
            }
        }
        let named: Vec<Kind> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Called { kind, .. } => Some(kind.clone()),
                _ => None,
            })
            .collect();
        // A child that is read with its parent needs no list of all parents where the parent is named.
        subjects.retain(|subject| !matches!(subject, Subject::Kind(kind) if named.contains(kind)));
        Some(subjects)
    }
}

impl Claim<'_> {
    fn of(&self, event: &str, detail: Value<'_>) -> Claimed {
        if self.triggers.is_empty() {
            return if event.contains(self.noun) { Claimed::Kind } else { Claimed::Not };
        }
        let mut is_meant = false;
        for trigger in self.triggers.iter().filter(|trigger| trigger.written.names_event(event)) {
            let (names, others) = trigger.names_in(detail);
            if names.len() > MOST_NAMES {
                return Claimed::Kind;
            }
            if !names.is_empty() {
                return Claimed::Names(names.into_iter().map(|name| (trigger.number, name)).collect());
            }
            // What the event names is of another kind.
            is_meant |= !others;
        }
        if is_meant { Claimed::Kind } else { Claimed::Not }
    }
}

impl Trigger<'_> {
    /// The names that the first path with any gives, and whether some were of other kinds.
    fn names_in(&self, detail: Value<'_>) -> (Vec<String>, bool) {
        let mut others = false;
        for path in &self.ids {
            let mut names: Vec<String> = Vec::new();
            path.visit(detail, &mut |value| {
                let Some(name) = value.as_str().filter(|name| usable(name)) else { return };
                let is_own = self.written.starts_with.as_deref().is_none_or(|start| name.starts_with(start));
                others |= !is_own;
                if is_own && names.len() <= MOST_NAMES && !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            });
            if !names.is_empty() {
                return (names, others);
            }
        }
        (Vec::new(), others)
    }
}

fn add(subjects: &mut Vec<Subject>, subject: Subject) {
    if !subjects.contains(&subject) {
        subjects.push(subject);
    }
}

fn keys_of(trigger: &EventTrigger) -> Vec<Path> {
    let paths = trigger.key.as_slice().iter().map(|path| if path == "@" { "" } else { path.as_str() });
    paths.filter_map(|path| Path::parse(path).ok()).collect()
}

/// The kind that this one is asked for below.
pub(super) fn parent_of(described: &ResourceType) -> Option<&Kind> {
    let mut parents = described.list.as_slice().iter().filter_map(|list| list.parent.as_ref());
    parents.find(|parent| **parent != described.kind)
}

/// The event sources of the services that a kind's permissions name: `elasticloadbalancing.amazonaws.com`.
fn sources_of(described: &ResourceType) -> impl Iterator<Item = String> {
    let services = described.permissions.names().iter().filter_map(|permission| permission.split(':').next());
    services.map(|service| match service {
        // CloudWatch is called by its old name in events.
        "cloudwatch" => "monitoring.amazonaws.com".to_owned(),
        service => format!("{service}.amazonaws.com"),
    })
}
