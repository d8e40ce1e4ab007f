//! Which recommendations need a kind, or an answer about resources of a kind.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;
use yagura_model::Kind;

use crate::catalogue::{Catalogue, CompiledRecommendation};

/// The recommendations of a catalogue by the kinds that they need.
pub struct Readings<'a> {
    by_kind: HashMap<Kind, Vec<&'a CompiledRecommendation>>,
}

impl<'a> Readings<'a> {
    /// The recommendations that cannot be decided without a kind; with `answer`, without that attached answer of it.
    ///
    /// Errs on the side of naming too many: a relation whose kind the rule does not say counts for every kind that
    /// declares one of that name.
    pub fn of(&self, kind: &Kind, answer: Option<&str>) -> impl Iterator<Item = &'a CompiledRecommendation> {
        let reading = self.by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        reading.iter().copied().filter(move |found| answer.is_none_or(|answer| mentions(found, answer)))
    }
}

/// The kinds that relations lead to, by name and by the kind that declares them.
type Relations = HashMap<String, Vec<(Kind, Vec<Kind>)>>;

impl Catalogue {
    /// Which recommendations need which kind.
    pub fn readings(&self) -> Readings<'_> {
        let mut relations = Relations::new();
        for facts in self.kinds().iter() {
            for (name, relation) in &facts.relations {
                let leads = (facts.kind.clone(), relation.kinds.clone());
                relations.entry(name.to_string()).or_default().push(leads);
            }
        }
        let mut by_kind: HashMap<Kind, Vec<&CompiledRecommendation>> = HashMap::new();
        for recommendation in self.recommendations() {
            for kind in reached(recommendation, &relations) {
                by_kind.entry(kind).or_default().push(recommendation);
            }
        }
        Readings { by_kind }
    }
}

/// The kinds that a rule speaks of, or walks to.
fn reached(recommendation: &CompiledRecommendation, relations: &Relations) -> BTreeSet<Kind> {
    let own = recommendation.source.applies_to.as_slice();
    let mut kinds: BTreeSet<Kind> = own.iter().chain(recommendation.rule.kinds_read()).cloned().collect();
    for (from, name) in recommendation.rule.relations_used() {
        let declared = relations.get(&name).into_iter().flatten();
        let from_here = declared.filter(|(kind, _)| from.as_ref().is_none_or(|from| kind == from));
        kinds.extend(from_here.flat_map(|(_, leads_to)| leads_to.iter().cloned()));
    }
    kinds
}

/// Whether some path or expression of a rule begins with the name of an attached answer.
fn mentions(recommendation: &CompiledRecommendation, answer: &str) -> bool {
    let source = &recommendation.source;
    source.applies_when.iter().chain([&source.unhealthy_when]).any(|condition| mentions_in(condition, answer))
}

fn mentions_in(condition: &Json, answer: &str) -> bool {
    match condition {
        Json::String(text) => begins_a_path(text, answer),
        Json::Array(items) => items.iter().any(|item| mentions_in(item, answer)),
        Json::Object(members) => members.values().any(|value| mentions_in(value, answer)),
        _ => false,
    }
}

/// `GetBucketAcl.Grants[*]` and `[length(field('GetBucketAcl.Grants'))]` begin a path with `GetBucketAcl`;
/// `GetBucketAclOther` and `a.GetBucketAcl` do not.
fn begins_a_path(text: &str, answer: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let lower = text.to_ascii_lowercase();
    lower.match_indices(&answer.to_ascii_lowercase()).any(|(start, found)| {
        let before = lower.get(..start).and_then(|before| before.chars().next_back());
        let after = lower.get(start + found.len()..).and_then(|after| after.chars().next());
        before.is_none_or(|letter| !is_word(letter) && letter != '.') && after.is_none_or(|letter| !is_word(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentFile, Layer};

    #[test]
    fn an_answer_is_mentioned_where_a_path_begins_with_it() {
        let rows = [
            ("GetBucketAcl", true),
            ("getbucketacl.Grants[*]", true),
            ("GetBucketAcl[0]", true),
            ("[length(field('GetBucketAcl.Grants'))]", true),
            ("[concat(field('Name'), field('GetBucketAcl'))]", true),
            ("GetBucketAclOther", false),
            ("Other.GetBucketAcl", false),
            ("MyGetBucketAcl", false),
            ("", false),
        ];
        for (text, wanted) in rows {
            assert_eq!(begins_a_path(text, "GetBucketAcl"), wanted, "{text}");
        }
    }

    #[test]
    fn a_recommendation_needs_what_it_speaks_of_what_it_walks_to_and_the_answers_it_names() {
        let described = |kind: &str, more: &str| {
            let file = kind.to_ascii_lowercase().replace("::", "-");
            let text = format!(
                "kind: {kind}\ncloud: aws\ntitle: {{ en: A }}\ncategory: other\npermissions: {{ none: test }}\n{more}"
            );
            ContentFile::yaml(format!("resource-types/aws/t/{file}.yaml"), text)
        };
        let rule = |name: &str, condition: &str| {
            let text = format!(
                "slug: {name}\ntitle: {{ en: A }}\nseverity: low\napplies_to: AWS::T::Bucket\nwhy: {{ en: A }}\nfix: {{ steps: {{ en: [A] }} }}\nunhealthy_when: {condition}\ntests: [{{ expect: healthy }}, {{ expect: unhealthy }}]\n"
            );
            ContentFile::yaml(format!("recommendations/aws/t/{name}.yaml"), text)
        };
        let relation = "relations: { trails: { path: Trail, kind: AWS::T::Trail } }\nattached: { GetAcl: { permissions: { none: test } } }\n";
        let files = vec![
            ContentFile::yaml("plans.yaml", "plans: [{ id: free, title: { en: Free } }]"),
            described("AWS::T::Bucket", relation),
            described("AWS::T::Trail", ""),
            described("AWS::T::Key", ""),
            rule("plain", "{ field: Name, equals: a }"),
            rule("answer", "{ field: 'GetAcl.Grants', exists: true }"),
            rule("walk", "{ related: { via: [trails], any: {} } }"),
            rule("same", "{ related: { via: [{ same: region, kind: AWS::T::Key }], any: {} } }"),
        ];
        let (catalogue, diagnostics) = Catalogue::load(&[Layer { files, shipped: false }]);
        assert!(diagnostics.iter().all(|found| found.gravity == crate::Gravity::Warning), "{diagnostics:?}");
        let rows: [(&str, Option<&str>, &[&str]); 6] = [
            ("AWS::T::Bucket", None, &["answer", "plain", "same", "walk"]),
            ("AWS::T::Bucket", Some("GetAcl"), &["answer"]),
            ("AWS::T::Bucket", Some("GetPolicy"), &[]),
            ("AWS::T::Trail", None, &["walk"]),
            ("AWS::T::Key", None, &["same"]),
            ("AWS::T::Other", None, &[]),
        ];
        for (kind, answer, wanted) in rows {
            let kind = Kind::new(kind);
            let mut slugs: Vec<_> =
                catalogue.readings().of(&kind, answer).filter_map(|found| found.source.slug.as_deref()).collect();
            slugs.sort_unstable();
            assert_eq!(slugs, wanted, "{kind} {answer:?}");
        }
    }
}
