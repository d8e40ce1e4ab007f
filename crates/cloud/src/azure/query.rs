//! Azure Resource Graph: what is sent, and whether what came back is whole.
//!
//! Source: Microsoft, "Working with large Azure resource data sets" (`$top`, `$skipToken`, `resultTruncated`) and the
//! REST reference of Resource Graph (request and response).

use serde_json::{Map, Value as Json, json};

use crate::call::{Call, CallFailure, FailureKind, Page};

/// The parameters that say which page of a query is asked for.
pub(super) const PAGE_TOKENS: [&str; 1] = ["$skipToken"];
/// Rows of a page, which is as many as there may be.
const ROWS: usize = 1000;
/// Subscriptions of one query.
pub(super) const MOST_SUBSCRIPTIONS: usize = 1000;
/// Rows of the pages before this one.
const READ: &str = "rowsRead";
/// The least number of rows that a page so far has promised.
const PROMISED: &str = "rowsPromised";

/// The body of the request.
pub(super) fn body(call: &Call) -> Result<Json, CallFailure> {
    let refused = |message: String| CallFailure { kind: FailureKind::Refused, code: "Refused".to_owned(), message };
    let Some(query) = call.params.get("query").and_then(Json::as_str) else {
        return Err(refused(format!("{call} has no query")));
    };
    let subscriptions = call.params.get("subscriptions").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    // Without subscriptions the query would read whatever the credential sees.
    if subscriptions.is_empty() || !subscriptions.iter().all(Json::is_string) {
        return Err(refused(format!("{call} names no subscriptions")));
    }
    if subscriptions.len() > MOST_SUBSCRIPTIONS {
        let count = subscriptions.len();
        return Err(refused(format!(
            "{call} is for {count} subscriptions, more than {MOST_SUBSCRIPTIONS}: it must be split into several calls"
        )));
    }
    let mut options = json!({ "$top": ROWS, "resultFormat": "objectArray" });
    if let (Some(token), Some(options)) = (call.params.get("$skipToken"), options.as_object_mut()) {
        options.insert("$skipToken".to_owned(), token.clone());
    }
    Ok(json!({ "query": query, "subscriptions": subscriptions, "options": options }))
}

/// The page, with what the next one is asked by. An error when rows are missing: the answer says that it was cut without
/// a way to the rest, or the last page ends before as many rows came as were promised.
///
/// The promise is the least `totalRecords` of all pages, so that rows which come or go meanwhile are no error.
pub(super) fn page(call: &Call, answer: Json) -> Result<Page, CallFailure> {
    let unreadable = |code: &str, message: String| CallFailure {
        kind: FailureKind::Unreadable,
        code: code.to_owned(),
        message: format!("{call}: {message}"),
    };
    let Some(rows) = answer.get("data").and_then(Json::as_array).map(Vec::len) else {
        return Err(unreadable("Unreadable", "the answer holds no list of rows".to_owned()));
    };
    let Some(total) = answer.get("totalRecords").and_then(Json::as_u64) else {
        return Err(unreadable("Unreadable", "the answer does not say how many rows there are".to_owned()));
    };
    let before = |name: &str| call.params.get(name).and_then(Json::as_u64);
    let read = before(READ).unwrap_or_default().saturating_add(rows as u64);
    let promised = before(PROMISED).unwrap_or(total).min(total);
    let token = answer.get("$skipToken").and_then(Json::as_str).filter(|token| !token.is_empty());
    if let Some(token) = token {
        let next = [
            ("$skipToken".to_owned(), json!(token)),
            (READ.to_owned(), json!(read)),
            (PROMISED.to_owned(), json!(promised)),
        ];
        let next = Map::from_iter(next);
        return Ok(Page { response: answer, next: Some(next) });
    }
    if is_truncated(&answer) {
        let message = format!("the answer was cut after {read} of {total} rows, without a way to the rest");
        return Err(unreadable("Truncated", message));
    }
    if read < promised {
        let message = format!("the pages hold {read} of {promised} rows");
        return Err(unreadable("MissingRows", message));
    }
    Ok(Page { response: answer, next: None })
}

/// Azure writes it as text.
fn is_truncated(answer: &Json) -> bool {
    match answer.get("resultTruncated") {
        Some(Json::Bool(cut)) => *cut,
        Some(Json::String(cut)) => cut.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use yagura_model::Cloud;

    use super::*;

    fn call(params: Json) -> Call {
        Call {
            cloud: Cloud::Azure,
            scope: "s".to_owned(),
            region: None,
            service: "resourcegraph".to_owned(),
            operation: "resources".to_owned(),
            params: params.as_object().unwrap().clone(),
        }
    }

    /// Reads these pages one after the other: rows, total, whether there is a token, `resultTruncated`.
    fn outcome(pages: &[(usize, u64, bool, Json)]) -> String {
        let mut now = call(json!({}));
        for (number, (rows, total, more, cut)) in pages.iter().enumerate() {
            let mut answer = json!({ "data": vec![json!({}); *rows], "totalRecords": total, "resultTruncated": cut });
            if *more {
                answer["$skipToken"] = json!(format!("t{number}"));
            }
            match page(&now, answer) {
                Err(failure) => return failure.code,
                Ok(Page { next: Some(next), .. }) => now = now.with(&next),
                Ok(Page { next: None, .. }) => return format!("{} pages", number + 1),
            }
        }
        "open".to_owned()
    }

    #[test]
    fn missing_rows_do_not_pass_silently() {
        let no = || json!("false");
        for (pages, expected) in [
            (vec![(3, 3, false, no())], "1 pages"),
            (vec![(0, 0, false, no())], "1 pages"),
            (vec![(2, 5, true, no()), (2, 5, true, no()), (1, 5, false, no())], "3 pages"),
            (vec![(2, 5, true, json!("true")), (3, 5, false, no())], "2 pages"),
            (vec![(2, 3, false, no())], "MissingRows"),
            (vec![(2, 5, true, no()), (2, 5, false, no())], "MissingRows"),
            (vec![(2, 2, false, json!("true"))], "Truncated"),
            (vec![(2, 9, false, json!(true))], "Truncated"),
            // Rows came meanwhile; rows went meanwhile.
            (vec![(2, 4, true, no()), (2, 6, false, no())], "2 pages"),
            (vec![(2, 6, true, no()), (2, 4, false, no())], "2 pages"),
            (vec![(2, 6, true, no()), (1, 4, false, no())], "MissingRows"),
        ] {
            assert_eq!(outcome(&pages), expected, "{pages:?}");
        }
        let unreadable = |answer: Json| page(&call(json!({})), answer).unwrap_err().kind;
        for answer in [json!({}), json!({ "data": {}, "totalRecords": 0 }), json!({ "data": [] }), json!([])] {
            assert_eq!(unreadable(answer), FailureKind::Unreadable);
        }
    }

    #[test]
    fn queries_name_their_subscriptions() {
        let sent = body(&call(json!({ "query": "q", "subscriptions": ["a"], "$skipToken": "t", READ: 5 }))).unwrap();
        let options = json!({ "$top": 1000, "resultFormat": "objectArray", "$skipToken": "t" });
        assert_eq!(sent, json!({ "query": "q", "subscriptions": ["a"], "options": options }));
        let many = |count: usize| json!({ "query": "q", "subscriptions": vec!["a"; count] });
        assert!(body(&call(many(1000))).is_ok());
        for (params, part) in [
            (json!({ "subscriptions": ["a"] }), "no query"),
            (json!({ "query": "q" }), "names no subscriptions"),
            (json!({ "query": "q", "subscriptions": [] }), "names no subscriptions"),
            (json!({ "query": "q", "subscriptions": [1] }), "names no subscriptions"),
            (many(1001), "must be split"),
        ] {
            let failure = body(&call(params)).unwrap_err();
            assert!(failure.kind == FailureKind::Refused && failure.message.contains(part), "{failure}");
        }
    }
}
