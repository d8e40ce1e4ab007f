//! Listings that would never end.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use serde_json::{Map, Value as Json};

use crate::call::{Call, CallFailure, FailureKind};
use crate::limiter::lock;

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
    /// `tokens` are the names of the parameters that say which page is asked for.
    pub fn step(
        &self,
        call: &Call,
        tokens: &[impl AsRef<str>],
        next: Option<&Map<String, Json>>,
    ) -> Result<(), CallFailure> {
        let tokens_of = |params: &Map<String, Json>| -> Vec<Json> {
            tokens.iter().map(|name| params.get(name.as_ref()).cloned().unwrap_or_default()).collect()
        };
        let mut first = call.clone();
        first.params.retain(|name, _| !tokens.iter().any(|token| token.as_ref() == name));
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
        let loops = Loops::default();
        let mut now = call(json!({"PathPrefix": "/"}));
        for number in 0..most {
            let token = tokens[number % tokens.len()];
            let next = (!token.is_empty()).then(|| Map::from_iter([("Marker".to_owned(), json!(token))]));
            loops.step(&now, &["Marker"], next.as_ref())?;
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
        let loops = Loops::default();
        let steps = [(None, "a"), (Some("a"), "b"), (Some("a"), "b"), (Some("b"), "c"), (Some("a"), "b")];
        for (asked, coming) in steps {
            let next = json!({ "Marker": coming });
            assert_eq!(loops.step(&call(json!({ "Marker": asked })), &["Marker"], next.as_object()), Ok(()));
        }
    }

    #[test]
    fn a_listing_may_begin_anew() {
        let loops = Loops::default();
        let next = json!({"Marker": "a"});
        for _ in 0..3 {
            assert_eq!(loops.step(&call(json!({})), &["Marker"], next.as_object()), Ok(()));
        }
        for number in 0..2 * MOST_LISTINGS {
            loops.step(&call(json!({ "PathPrefix": number })), &["Marker"], next.as_object()).unwrap();
        }
        assert!(loops.seen.lock().unwrap().len() <= MOST_LISTINGS);
    }
}
