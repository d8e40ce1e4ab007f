//! From one page to the next, by the model's paginator.

use serde_json::{Map, Value as Json};

use super::model::Paging;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
