//! Which calls read again what an event names.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use yagura_cloud::Call;
use yagura_content::{ListCall, ResourceType};
use yagura_model::{Cloud, Gone, Kind, Path, ResourceId, Scope};

use super::{AssetContent, ChangeEvent, Subject, Watch};
use crate::export::{Wanted, azure::kind_in_id};
use crate::live::{self, Seed, Target};

/// How much is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// Only what the event names; a list that cannot be narrowed is read for that alone.
    Narrow,
    /// A whole kind in its account and region: the event says no more, or the content does not say where it does.
    Relist,
    /// Nothing: the message holds the asset.
    Given,
}

/// What is asked because of one subject of an event.
pub struct Plan {
    /// How much is read again.
    pub how: How,
    /// Whether the kind is described, so that a missing answer is worth a word.
    pub(super) is_described: bool,
    pub(super) seeds: Vec<Seed>,
    /// What is gone when the answers do not hold it.
    pub(super) gone: Vec<Gone>,
    /// Whether an answer without it may come from an index that lags, or hide what the caller may not see.
    pub(super) may_lag: bool,
}

impl Plan {
    /// The calls, without those that follow from their answers.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.seeds.iter().filter(|seed| seed.answer.is_none()).map(|seed| &seed.call)
    }
}

/// What reads the subjects of an event again, one plan a subject. A subject of which no resource type speaks has none.
pub fn plan(event: &ChangeEvent, watch: &Watch<'_>) -> Vec<Plan> {
    let plans = event.subjects.iter();
    plans.filter_map(|subject| plan_of(event.scope.as_str(), event.region.as_deref(), subject, watch)).collect()
}

pub(super) fn plan_of(scope: &str, region: Option<&str>, subject: &Subject, watch: &Watch<'_>) -> Option<Plan> {
    match subject {
        Subject::Id(id) => azure(scope, id, watch.types),
        Subject::Asset { name, content, asset } => Some(google(scope, name, *content, asset.as_ref())),
        Subject::Called { kind, trigger, name } => {
            let place = AwsPlace::of(scope, region, watch)?;
            place.narrow(kind, *trigger, name, watch).or_else(|| place.relist(kind, watch))
        }
        Subject::Kind(kind) => AwsPlace::of(scope, region, watch)?.relist(kind, watch),
    }
}

/// An account with the region of an event, and the one that global services are asked in.
struct AwsPlace<'a> {
    account: &'a str,
    region: &'a str,
    home: &'a str,
}

impl<'a> AwsPlace<'a> {
    fn of(scope: &'a str, region: Option<&'a str>, watch: &'a Watch<'_>) -> Option<Self> {
        let home = watch.targets.iter().find_map(|target| match target {
            Target::Aws { account, home, .. } if account == scope => Some(home.as_str()),
            _ => None,
        })?;
        Some(Self { account: scope, region: region.unwrap_or(home), home })
    }

    /// The list of the kind, narrowed to what is called so.
    fn narrow(&self, kind: &Kind, trigger: usize, name: &str, watch: &Watch<'_>) -> Option<Plan> {
        let described = watch.types.get(kind)?;
        let list = described.described_by()?;
        let written = described.events.as_slice().get(trigger)?;
        let paths: Vec<Path> = watch.triggers.keys(kind, trigger).to_vec();
        let (narrowed, _) = written.params_for(name);
        let mut params: Map<String, Json> =
            list.params.iter().map(|(member, value)| (member.clone(), value.clone())).collect();
        // An entry replaces the parameters that the name stands in.
        params.extend(narrowed.clone());
        let open = params.iter().any(|(member, value)| !narrowed.contains_key(member) && has_hole(value));
        if open || paths.is_empty() {
            return None;
        }
        let is_global = list.scope.as_deref() == Some("global");
        let gone = Gone::Called {
            kind: kind.clone(),
            scope: Scope::account(Cloud::Aws, self.account),
            region: (!is_global).then(|| self.region.into()),
            paths: paths.clone(),
            name: name.to_owned(),
        };
        let call = self.call(list, if is_global { self.home } else { self.region }, params)?;
        let wanted = Wanted::Called { kind: kind.clone(), paths, name: name.to_owned() };
        Some(Plan {
            how: How::Narrow,
            is_described: true,
            seeds: vec![Seed { call, answer: None, only: Some(vec![wanted]) }],
            gone: vec![gone],
            may_lag: false,
        })
    }

    /// Everything of the kind in this account and region.
    fn relist(&self, kind: &Kind, watch: &Watch<'_>) -> Option<Plan> {
        let described = watch.types.get(kind)?;
        let calls = live::calls_of_kind(described, self.account, &[self.region.to_owned()], self.home);
        let seeds: Vec<Seed> = calls.into_iter().map(|call| Seed { call, answer: None, only: None }).collect();
        (!seeds.is_empty()).then_some(Plan {
            how: How::Relist,
            is_described: true,
            seeds,
            gone: Vec::new(),
            may_lag: false,
        })
    }

    fn call(&self, list: &ListCall, region: &str, params: Map<String, Json>) -> Option<Call> {
        Some(Call {
            cloud: Cloud::Aws,
            scope: self.account.to_owned(),
            region: Some(region.to_owned()),
            service: list.service.clone()?,
            operation: list.operation.clone()?,
            params,
        })
    }
}

fn has_hole(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('{'),
        Json::Array(items) => items.iter().any(has_hole),
        _ => false,
    }
}

/// An ARM id: the resource itself, or the nearest one above it that is described, since a document may hold its children.
fn azure(scope: &str, id: &str, types: &BTreeMap<Kind, ResourceType>) -> Option<Plan> {
    let own = kind_in_id(id).map(Kind::new)?;
    let (mut seeds, mut may_lag) = (Vec::new(), false);
    let mut at = Some(id);
    while let Some(current) = at {
        let kind = kind_in_id(current).map(Kind::new)?;
        let described = types.get(&kind);
        if let Some((call, lags)) = described.and_then(|described| azure_call(scope, current, described)) {
            may_lag |= lags && current == id;
            let wanted = Wanted::Id(ResourceId::new(Cloud::Azure, current));
            seeds.push(Seed { call, answer: None, only: Some(vec![wanted]) });
            // The parent is read too where its document holds a copy of the child.
            if current != id || !is_inline(&own, types) {
                break;
            }
        }
        at = above(current);
    }
    let is_described = !seeds.is_empty();
    if !is_described {
        seeds.push(undescribed(scope, id, &own, types)?);
    }
    // Where only the resource above it is read, nothing is known of the resource itself.
    let own_id = ResourceId::new(Cloud::Azure, id);
    let is_read = seeds.iter().flat_map(|seed| &seed.only).flatten().any(|only| *only == Wanted::Id(own_id.clone()));
    let gone = if is_read { vec![Gone::Id(own_id)] } else { Vec::new() };
    Some(Plan { how: How::Narrow, is_described, seeds, gone, may_lag: may_lag || !is_described })
}

/// A row of the inventory of which no resource type speaks, in a service that some type speaks of.
fn undescribed(scope: &str, id: &str, kind: &Kind, types: &BTreeMap<Kind, ResourceType>) -> Option<Seed> {
    let provider = kind.as_str().split('/').next()?;
    let is_known = types
        .keys()
        .any(|known| known.as_str().split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(provider)));
    if !is_known || kind.as_str().matches('/').count() != 1 {
        return None;
    }
    let wanted = Wanted::Id(ResourceId::new(Cloud::Azure, id));
    Some(Seed { call: row("resources", scope, id), answer: None, only: Some(vec![wanted]) })
}

/// The call that reads one resource of a described kind, and whether its answer may lag.
fn azure_call(scope: &str, id: &str, described: &ResourceType) -> Option<(Call, bool)> {
    for list in described.list.as_slice() {
        if let Some(table) = &list.table {
            return Some((row(table, scope, id), true));
        }
        if let (Some(_), Some(version)) = (&list.arm, &list.api_version) {
            let params = json!({ "path": id, "api_version": version, "parent": above(id).unwrap_or_default() });
            return Some((live::azure_call(scope, "arm", described.kind.as_str(), params), false));
        }
    }
    None
}

/// The row of a Resource Graph table with this id.
fn row(table: &str, scope: &str, id: &str) -> Call {
    let query = format!("{table} | where id =~ {}", kql_text(id));
    live::azure_call(scope, "resourcegraph", table, json!({ "query": query, "subscriptions": [scope] }))
}

/// A KQL string literal that holds exactly this text: quotes and backslashes are escaped ("The string data type", KQL),
/// and control characters, which no ARM id holds, are left out.
pub(super) fn kql_text(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for letter in text.chars().filter(|letter| !ends_a_line(*letter)) {
        if matches!(letter, '\'' | '"' | '\\') {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal.push('\'');
    literal
}

fn ends_a_line(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

fn is_inline(kind: &Kind, types: &BTreeMap<Kind, ResourceType>) -> bool {
    types.values().any(|described| described.inline.iter().any(|child| child.kind == *kind))
}

/// The id of the resource that this one lies below; none = it lies in a group or subscription.
fn above(id: &str) -> Option<&str> {
    let (rest, _) = id.rsplit_once('/')?;
    let (parent, kind) = rest.rsplit_once('/')?;
    // `…/providers/Microsoft.Insights/diagnosticSettings/x` extends what stands before `/providers/`.
    let lower = parent.to_ascii_lowercase();
    if let Some((before, provider)) = lower.rsplit_once("/providers/")
        && !provider.contains('/')
    {
        let owner = parent.get(..before.len())?;
        return owner.to_ascii_lowercase().contains("/providers/").then_some(owner);
    }
    (!kind.is_empty() && lower.contains("/providers/")).then_some(parent)
}

/// The asset of a message, as `assets.list` would have answered with it.
fn google(scope: &str, name: &str, content: AssetContent, asset: Option<&Json>) -> Plan {
    let id = ResourceId::new(Cloud::Gcp, name);
    let Some(asset) = asset else {
        let gone = if content == AssetContent::Resource { vec![Gone::Id(id)] } else { Vec::new() };
        return Plan { how: How::Given, is_described: true, seeds: Vec::new(), gone, may_lag: false };
    };
    let content = match content {
        AssetContent::Resource => "RESOURCE",
        AssetContent::IamPolicy => "IAM_POLICY",
        AssetContent::OrgPolicy => "ORG_POLICY",
    };
    // No type is asked for as a whole: one asset lists nothing.
    let params = json!({ "assetTypes": [], "contentType": content, "assetNames": [name] });
    let call = Call {
        cloud: Cloud::Gcp,
        scope: scope.to_owned(),
        region: None,
        service: "cloudasset".to_owned(),
        operation: "assets.list".to_owned(),
        params: params.as_object().cloned().unwrap_or_default(),
    };
    let seed = Seed { call, answer: Some(json!({ "assets": [asset] })), only: None };
    Plan { how: How::Given, is_described: true, seeds: vec![seed], gone: Vec::new(), may_lag: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text that a KQL reader takes from a literal; none = something stands behind its end.
    fn read_literal(literal: &str) -> Option<String> {
        let mut letters = literal.strip_prefix('\'')?.chars();
        let mut text = String::new();
        loop {
            match letters.next()? {
                '\'' => return letters.next().is_none().then_some(text),
                '\\' => text.push(letters.next()?),
                letter => text.push(letter),
            }
        }
    }

    proptest! {
        #[test]
        fn no_id_gets_out_of_its_literal(id in "[ -~\u{a0}-\u{2fff}'\"\\\\|]{0,60}") {
            let literal = kql_text(&id);
            let held: String = id.chars().filter(|letter| !ends_a_line(*letter)).collect();
            prop_assert_eq!(read_literal(&literal), Some(held));
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_query() {
        assert_eq!(kql_text("a\n' or true //"), "'a\\' or true //'");
    }

    #[test]
    fn the_parent_of_an_id_is_the_resource_it_lies_below() {
        const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v";
        for (id, parent) in [
            (format!("{VAULT}/keys/k"), Some(VAULT)),
            (format!("{VAULT}/providers/Microsoft.Insights/diagnosticSettings/x"), Some(VAULT)),
            (VAULT.to_owned(), None),
            ("/subscriptions/s/resourceGroups/g".to_owned(), None),
            ("/subscriptions/s/providers/Microsoft.Security/pricings/p".to_owned(), None),
        ] {
            assert_eq!(above(&id), parent, "{id}");
        }
    }
}
