//! From one page to the next, by the model's paginator.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use serde_json::{Map, Value as Json};

use super::model::Paging;
use crate::call::{Call, CallFailure, FailureKind};
use crate::limiter::lock;

/// The parameters that ask for the next page; none = this was the last one. A token that is missing this time is
/// null, which takes away the one of the page before.
pub fn next_of(paging: &Paging, output: &Json) -> Option<Map<String, Json>> {
    if let Some(more) = &paging.more {
        find(output, more).filter(|value| is_true(value))?;
    }
    let tokens: Map<String, Json> = paging
        .input
        .iter()
        .zip(&paging.output)
        .map(|(input, expression)| (input.clone(), find(output, expression).cloned().unwrap_or_default()))
        .collect();
    tokens.values().any(|token| !token.is_null()).then_some(tokens)
}

/// The value of an expression of a paginator: paths such as `A.B` and `A[-1].B`, alternatives with `||`. Values that
/// are empty or false count as none.
fn find<'a>(output: &'a Json, expression: &str) -> Option<&'a Json> {
    expression.split("||").find_map(|path| follow(output, path.trim()).filter(|value| is_true(value)))
}

fn follow<'a>(output: &'a Json, path: &str) -> Option<&'a Json> {
    path.split('.').try_fold(output, |value, segment| match segment.strip_suffix("[-1]") {
        Some(name) => value.get(name)?.as_array()?.last(),
        None => value.get(segment),
    })
}

fn is_true(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(_) => true,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
    }
}

/// How many listings are watched at a time.
const MOST_LISTINGS: usize = 10_000;

/// Notices listings whose pages lead to pages that were there before, so that they would never end.
#[derive(Debug, Default)]
pub struct Loops {
    /// Of each listing under way, which page led to which: hashes of their tokens.
    seen: Mutex<HashMap<u64, HashMap<u64, u64>>>,
}

impl Loops {
    /// Takes note of the step from a page to the next. An error when that next page, by way of pages read before, leads
    /// back to this one. Asking for a page twice is none.
    pub fn step(&self, call: &Call, paging: &Paging, next: Option<&Map<String, Json>>) -> Result<(), CallFailure> {
        let tokens_of = |params: &Map<String, Json>| -> Vec<Json> {
            paging.input.iter().map(|name| params.get(name).cloned().unwrap_or_default()).collect()
        };
        let mut first = call.clone();
        first.params.retain(|name, _| !paging.input.contains(name));
        let listing = hash(&first.key());
        let mut seen = lock(&self.seen);
        let Some(next) = next else {
            seen.remove(&listing);
            return Ok(());
        };
        let (asked, coming) = (tokens_of(&call.params), tokens_of(next));
        if asked.iter().all(Json::is_null) {
            // The listing begins, perhaps anew.
            seen.remove(&listing);
        }
        if seen.len() >= MOST_LISTINGS {
            seen.clear();
        }
        let steps = seen.entry(listing).or_default();
        let (here, there) = (hash(&asked), hash(&coming));
        steps.insert(here, there);
        // Mostly the next page was not read yet, and the way ends at once.
        let way = std::iter::successors(Some(there), |page| steps.get(page).copied());
        if !way.take(steps.len() + 1).any(|page| page == here) {
            return Ok(());
        }
        seen.remove(&listing);
        Err(CallFailure {
            kind: FailureKind::Unreadable,
            code: "LoopingPage".to_owned(),
            message: format!("the pages of {call} lead back to a page that was read before"),
        })
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yagura_model::Cloud;

    use super::*;

    fn paging(input: &[&str], output: &[&str], more: Option<&str>) -> Paging {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Paging { input: texts(input), output: texts(output), more: more.map(str::to_owned), ..Paging::default() }
    }

    fn next(paging: &Paging, output: Json) -> Option<Json> {
        next_of(paging, &output).map(Json::Object)
    }

    #[test]
    fn tokens_are_handed_on() {
        let simple = paging(&["NextToken"], &["NextToken"], None);
        assert_eq!(next(&simple, json!({"NextToken": "a"})), Some(json!({"NextToken": "a"})));
        assert_eq!(next(&simple, json!({"NextToken": ""})), None);
        assert_eq!(next(&simple, json!({})), None);
        let marker = paging(&["Marker"], &["NextMarker"], Some("IsTruncated"));
        assert_eq!(next(&marker, json!({"NextMarker": "a", "IsTruncated": true})), Some(json!({"Marker": "a"})));
        assert_eq!(next(&marker, json!({"NextMarker": "a", "IsTruncated": false})), None);
        assert_eq!(next(&marker, json!({"NextMarker": "a"})), None);
        let nested = paging(&["Marker"], &["List.Next"], Some("List.IsTruncated"));
        let output = json!({"List": {"Next": "a", "IsTruncated": true}});
        assert_eq!(next(&nested, output), Some(json!({"Marker": "a"})));
    }

    #[test]
    fn expressions_of_paginators_are_followed() {
        let several = paging(&["Name", "Type"], &["NextName", "NextType"], Some("IsTruncated"));
        let output = json!({"IsTruncated": true, "NextName": "n"});
        assert_eq!(next(&several, output), Some(json!({"Name": "n", "Type": null})));
        let last = paging(&["Marker"], &["NextMarker || Contents[-1].Key"], None);
        assert_eq!(next(&last, json!({"Contents": [{"Key": "a"}, {"Key": "b"}]})), Some(json!({"Marker": "b"})));
        assert_eq!(next(&last, json!({"NextMarker": "m", "Contents": []})), Some(json!({"Marker": "m"})));
        assert_eq!(next(&last, json!({"Contents": []})), None);
    }

    fn call(params: Json) -> Call {
        Call {
            cloud: Cloud::Aws,
            scope: "123456789012".to_owned(),
            region: None,
            service: "iam".to_owned(),
            operation: "ListUsers".to_owned(),
            params: params.as_object().unwrap().clone(),
        }
    }

    /// How many pages are read when the tokens of the answers are these, over and over.
    fn pages(tokens: &[&str], most: usize) -> Result<usize, CallFailure> {
        let (loops, paging) = (Loops::default(), paging(&["Marker"], &["Marker"], None));
        let mut now = call(json!({"PathPrefix": "/"}));
        for number in 0..most {
            let token = tokens[number % tokens.len()];
            let next = next_of(&paging, &json!({ "Marker": token }));
            loops.step(&now, &paging, next.as_ref())?;
            match next {
                Some(next) => now = now.with(&next),
                None => return Ok(number + 1),
            }
        }
        Ok(most)
    }

    #[test]
    fn loops_are_noticed() {
        assert_eq!(pages(&["a", "b", "c", ""], 10), Ok(4));
        for tokens in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
            assert_eq!(pages(tokens, 10).unwrap_err().code, "LoopingPage");
        }
    }

    #[test]
    fn a_page_may_be_read_twice() {
        let (loops, paging) = (Loops::default(), paging(&["Marker"], &["Marker"], None));
        let steps = [(None, "a"), (Some("a"), "b"), (Some("a"), "b"), (Some("b"), "c"), (Some("a"), "b")];
        for (asked, coming) in steps {
            let next = json!({ "Marker": coming });
            assert_eq!(loops.step(&call(json!({ "Marker": asked })), &paging, next.as_object()), Ok(()));
        }
    }

    #[test]
    fn a_listing_may_begin_anew() {
        let (loops, paging) = (Loops::default(), paging(&["Marker"], &["Marker"], None));
        let next = json!({"Marker": "a"});
        for _ in 0..3 {
            assert_eq!(loops.step(&call(json!({})), &paging, next.as_object()), Ok(()));
        }
        for number in 0..2 * MOST_LISTINGS {
            loops.step(&call(json!({ "PathPrefix": number })), &paging, next.as_object()).unwrap();
        }
        assert!(loops.seen.lock().unwrap().len() <= MOST_LISTINGS);
    }
}
