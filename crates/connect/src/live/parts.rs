//! Asking again in parts.
//!
//! `assets.list` refuses all asset types when it does not know one of them (`INVALID_ARGUMENT`: "No RESOURCE found that
//! matches asset type ..."). So that one type does not hide the others, the call is asked again without the types that the
//! refusal names, or by halves when it names none. The refused type is asked for alone: its own failure says what is
//! unknown.

use serde_json::{Map, Value as Json, json};
use yagura_cloud::{Call, CallFailure};
use yagura_model::Cloud;

const TYPES: &str = "assetTypes";

/// Parameters that ask for the same in smaller parts, to be laid over those of the call; none = the failure stays.
pub(super) fn of(call: &Call, failure: &CallFailure) -> Vec<Map<String, Json>> {
    let is_list = call.cloud == Cloud::Gcp && call.service == "cloudasset" && call.operation == "assets.list";
    let is_first_page = call.params.get("pageToken").is_none_or(Json::is_null);
    if !is_list || !is_first_page || failure.code != "INVALID_ARGUMENT" {
        return Vec::new();
    }
    let types: Vec<&str> =
        call.params.get(TYPES).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    if types.len() < 2 {
        return Vec::new();
    }
    let (named, others): (Vec<&str>, Vec<&str>) = types.iter().partition(|name| names(&failure.message, name));
    let parts = match named.is_empty() || others.is_empty() {
        true => types.split_at(types.len() / 2),
        false => (others.as_slice(), named.as_slice()),
    };
    [parts.0, parts.1].map(|part| Map::from_iter([(TYPES.to_owned(), json!(part))])).into()
}

/// Whether a message names a type as a whole word.
fn names(message: &str, asset_type: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '/' | '-' | '_');
    message.split(|letter| !is_part(letter)).any(|word| word.trim_matches('.') == asset_type)
}

#[cfg(test)]
mod tests {
    use yagura_cloud::FailureKind;

    use super::*;

    fn call(params: Json) -> Call {
        Call {
            cloud: Cloud::Gcp,
            scope: "projects/p".to_owned(),
            region: None,
            service: "cloudasset".to_owned(),
            operation: "assets.list".to_owned(),
            params: params.as_object().unwrap().clone(),
        }
    }

    fn parts(call: &Call, code: &str, message: &str) -> Vec<Vec<String>> {
        let failure = CallFailure { kind: FailureKind::Refused, code: code.to_owned(), message: message.to_owned() };
        let types = |part: Map<String, Json>| serde_json::from_value(part[TYPES].clone()).unwrap();
        of(call, &failure).into_iter().map(types).collect()
    }

    fn check(types: &[&str], message: &str, expected: &[&[&str]]) {
        let found =
            parts(&call(json!({ "assetTypes": types, "contentType": "RESOURCE" })), "INVALID_ARGUMENT", message);
        assert_eq!(found, expected, "{message}");
    }

    #[test]
    fn the_types_that_are_named_are_asked_for_apart() {
        let all = ["a.googleapis.com/A", "a.googleapis.com/AB", "b.googleapis.com/B"];
        let [a, ab, b] = all;
        check(&all, "No RESOURCE found that matches asset type a.googleapis.com/A for", &[&[ab, b], &[a]]);
        check(&all, "Unsupported asset type: a.googleapis.com/AB. See", &[&[a, b], &[ab]]);
        check(&all, "not known: \"a.googleapis.com/A\", \"b.googleapis.com/B\"", &[&[ab], &[a, b]]);
    }

    #[test]
    fn a_refusal_that_names_none_or_all_is_halved() {
        let all = ["a/A", "b/B", "c/C"];
        check(&all, "Request contains an invalid argument.", &[&["a/A"], &["b/B", "c/C"]]);
        check(&all, "a/A b/B c/C", &[&["a/A"], &["b/B", "c/C"]]);
        check(&["a/A"], "a/A", &[]);
        check(&[], "", &[]);
    }

    #[test]
    fn every_other_failure_stays() {
        let types = json!({ "assetTypes": ["a/A", "b/B"] });
        let paged = json!({ "assetTypes": ["a/A", "b/B"], "pageToken": "2" });
        let other = Call { service: "compute".to_owned(), ..call(types.clone()) };
        assert!(parts(&call(types), "PERMISSION_DENIED", "a/A").is_empty());
        assert!(parts(&call(paged), "INVALID_ARGUMENT", "a/A").is_empty());
        assert!(parts(&other, "INVALID_ARGUMENT", "a/A").is_empty());
    }
}
