//! What a rule is evaluated in: the resources, the time, the parameters, the elements being counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Cause, Estate, Evidence, KindFacts, Resource, Timestamp};

use crate::datum::Datum;
use crate::field::undecidable;
use crate::text;

/// Comparisons, and other work that takes as long, that one evaluation may make before it is given up, so that no rule
/// can stop the rest.
const MOST_STEPS: u32 = 5_000_000;

/// A resource with what is known of its kind.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub resource: &'a Resource,
    facts: Option<&'a KindFacts>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(resource: &'a Resource, estate: &'a dyn Estate) -> Self {
        Self { resource, facts: estate.kinds().get(&resource.kind) }
    }

    /// A resource whose kind does not matter: Azure Policy knows no attached answers.
    pub(crate) fn bare(resource: &'a Resource) -> Self {
        Self { resource, facts: None }
    }

    /// Where resources of this kind keep tags, if not at one of the usual places.
    pub(crate) fn tag_place(&self) -> Option<&'a yagura_model::Path> {
        self.facts.and_then(|facts| facts.tags.as_ref())
    }

    /// Whether an answer of that name may hang under resources of this kind.
    pub(crate) fn declares(&self, answer: &str) -> bool {
        self.facts.is_some_and(|facts| facts.attached.iter().any(|name| name.eq_ignore_ascii_case(answer)))
    }
}

/// One element that is being counted, above the one before it.
pub(crate) struct Frame<'a> {
    pub element: Datum<'a>,
    pub above: Option<&'a Frame<'a>>,
}

/// Values of parameters: those that were set over the defaults.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a> {
    pub set: Option<&'a BTreeMap<String, Json>>,
    pub defaults: &'a BTreeMap<String, Json>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a Json> {
        let find = |map: &'a BTreeMap<String, Json>| {
            map.get(name).or_else(|| map.iter().find(|(key, _)| text::equal(key, name)).map(|(_, value)| value))
        };
        self.set.and_then(find).or_else(|| find(self.defaults))
    }
}

/// Facts about the request that are not in an estate, for single questions to a policy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `requestContext()`
    pub request: Json,
    /// `resourceGroup()`; null = from the estate.
    pub resource_group: Json,
    /// `subscription()`; null = from the estate.
    pub subscription: Json,
    /// `policy()`
    pub policy: Json,
    /// What the existence check of an effect finds; none = look in the estate.
    pub found: Option<Vec<Arc<Resource>>>,
}

/// Collects the comparisons that decide a verdict.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    evidence: RefCell<Vec<Evidence>>,
}

/// Comparisons that are kept of one verdict.
const MOST_EVIDENCE: usize = 100;

impl Recorder {
    pub(crate) fn len(&self) -> usize {
        self.evidence.borrow().len()
    }

    pub(crate) fn push(&self, evidence: Evidence) {
        let mut kept = self.evidence.borrow_mut();
        if kept.len() < MOST_EVIDENCE {
            kept.push(evidence);
        }
    }

    /// Forgets what was recorded between two marks.
    pub(crate) fn forget(&self, from: usize, to: usize) {
        let mut kept = self.evidence.borrow_mut();
        let to = to.min(kept.len());
        if from < to {
            kept.drain(from..to);
        }
    }

    pub(crate) fn into_evidence(self) -> Vec<Evidence> {
        self.evidence.into_inner()
    }
}

/// Everything a condition may ask for.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    /// The resource the rule is about.
    pub assessed: Subject<'a>,
    /// The resource that `field` reads: the assessed one, or a related one.
    pub subject: Subject<'a>,
    pub estate: &'a dyn Estate,
    pub now: Timestamp,
    pub parameters: Parameters<'a>,
    pub frame: Option<&'a Frame<'a>>,
    pub recorder: Option<&'a Recorder>,
    pub surroundings: Option<&'a Surroundings>,
    pub steps: &'a Cell<u32>,
}

impl<'a> Env<'a> {
    /// The element that many frames up.
    pub(crate) fn frame(&self, up: u16) -> Datum<'a> {
        let mut frame = self.frame;
        for _ in 0..up {
            frame = frame.and_then(|frame| frame.above);
        }
        frame.map_or(Datum::Missing, |frame| frame.element.clone())
    }

    /// Counts one comparison.
    pub(crate) fn step(&self) -> Result<(), Cause> {
        self.work(1)
    }

    /// Counts work that takes as long as so many comparisons. Bounds the memory of what functions make, too.
    pub(crate) fn work(&self, comparisons: usize) -> Result<(), Cause> {
        let left = MOST_STEPS - self.steps.get();
        match u32::try_from(comparisons).ok().filter(|wanted| *wanted <= left) {
            Some(wanted) => {
                self.steps.set(MOST_STEPS - left + wanted);
                Ok(())
            }
            None => {
                self.steps.set(MOST_STEPS);
                Err(undecidable(format!("the rule needs more than {MOST_STEPS} comparisons")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yagura_model::{Cloud, Document, EstateBuilder, Kind, ResourceId, Scope, Verdict};

    use super::*;
    use crate::rule::{Context, Rule, RuleSource};

    /// Whether a rule over `letters` (1,000 of them) and `numbers` (10,000) is given up.
    fn check(what: &str, rule: Json, is_given_up: bool) {
        let parameters = BTreeMap::from([
            ("letters".to_owned(), Json::from("x".repeat(1000))),
            ("numbers".to_owned(), (0..10_000).collect()),
        ]);
        let rule = Rule::compile(&RuleSource { applies_when: None, unhealthy_when: &rule, parameters: &parameters });
        let resource = Resource {
            id: ResourceId::new(Cloud::Azure, "/a"),
            kind: Kind::new("k"),
            cloud: Cloud::Azure,
            scope: Scope::account(Cloud::Azure, "/a"),
            group: None,
            name: "a".into(),
            region: None,
            observed_at: None,
            document: Document::null(),
            attached: Vec::new(),
        };
        let estate = EstateBuilder::new().finish(Arc::default());
        let context = Context { estate: &estate, now: Timestamp::UNIX_EPOCH, parameters: None };
        let verdict = rule.unwrap().evaluate(&resource, &context);
        let given_up = match &verdict {
            Verdict::Unknown(cause) => cause.to_string().contains("more than 5000000 comparisons"),
            _ => false,
        };
        assert_eq!(given_up, is_given_up, "{what}: {verdict:?}");
    }

    /// A condition for each of so many numbers.
    fn each(condition: Json) -> Json {
        json!({"count": {"value": "[parameters('numbers')]", "name": "n", "where": condition}, "greater": 0})
    }

    fn compared(expression: &str) -> Json {
        json!({"value": format!("[{expression}]"), "equals": "y"})
    }

    #[test]
    fn work_is_bounded_whatever_it_is() {
        let often = |text: &str, times: usize| vec![text; times].join(",");
        let long = format!("concat({})", often("parameters('letters')", 800));
        for (what, rule, is_given_up) in [
            ("comparisons", each(compared("current('n')")), false),
            ("comparisons of comparisons", each(each(compared("'x'"))), true),
            ("a long text", compared(&long), false),
            ("long texts", each(compared(&long)), true),
            ("lists that are thrown away", each(compared("first(take(parameters('numbers'), 1))")), true),
            ("a list of lists", compared(&format!("createArray({})", often("range(0, 10000)", 600))), true),
            ("two short lists", compared("first(union(range(0, 99), range(50, 99)))"), false),
            ("every element with every other", compared("first(union(range(0, 9999), range(0, 9999)))"), true),
            ("long lists compared", each(json!({"value": "[parameters('numbers')]", "equals": []})), true),
        ] {
            check(what, rule, is_given_up);
        }
    }
}
