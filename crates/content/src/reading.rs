//! Which recommendations need a kind, or an answer about resources of a kind.

use serde_json::Value as Json;
use yagura_model::Kind;

use crate::catalogue::{Catalogue, CompiledRecommendation};

impl Catalogue {
    /// The recommendations that cannot be decided without a kind; with `answer`, without that attached answer of it.
    ///
    /// Errs on the side of naming too many: a relation of one name counts for every kind that declares it.
    pub fn recommendations_reading<'a>(
        &'a self,
        kind: &'a Kind,
        answer: Option<&'a str>,
    ) -> impl Iterator<Item = &'a CompiledRecommendation> {
        let reads = move |recommendation: &&CompiledRecommendation| {
            self.reaches(recommendation, kind) && answer.is_none_or(|answer| mentions(recommendation, answer))
        };
        self.recommendations().iter().filter(reads)
    }

    /// Whether a rule speaks of a kind or walks to it.
    fn reaches(&self, recommendation: &CompiledRecommendation, kind: &Kind) -> bool {
        if recommendation.source.applies_to.as_slice().contains(kind) || recommendation.rule.kinds_read().contains(kind)
        {
            return true;
        }
        let kinds = self.kinds();
        recommendation.rule.relations_used().iter().any(|(from, name)| {
            kinds.iter().any(|facts| {
                let starts_here = from.as_ref().is_none_or(|from| facts.kind == *from);
                let relation = facts.relations.get(name.as_str());
                starts_here && relation.is_some_and(|relation| relation.kinds.contains(kind))
            })
        })
    }
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
            let found = catalogue.recommendations_reading(&kind, answer);
            let mut slugs: Vec<_> = found.filter_map(|found| found.source.slug.as_deref()).collect();
            slugs.sort_unstable();
            assert_eq!(slugs, wanted, "{kind} {answer:?}");
        }
    }
}
