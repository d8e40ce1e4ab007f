use serde_json::json;

use super::*;
use crate::azure::credentials::{AzureSource, Provider};
use crate::azure::endpoints::{Api, AzureEndpoints};
use crate::azure::login::Login;
use crate::environment::Environment;
use crate::http::{Http, HttpSettings};
use crate::limiter::{LimitKey, Limiter, LimiterSettings};
use crate::retry::{RetrySettings, Retrying};
use crate::secret::Secret;
use crate::testing::{Reply, Seen, Server};

const QUICK: Patience = Patience {
    polls: 5,
    total: Duration::from_secs(20),
    wait: Duration::from_millis(1),
    longest_wait: Duration::from_millis(5),
};

/// Asks with this method and sees the operation to its end. The addresses that were asked come with the end.
async fn run(
    method: Method,
    answer: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static,
) -> (Result<Json, CallFailure>, Vec<String>) {
    let server = Server::start(move |request| {
        let base = format!("http://{}", request.header("host"));
        answer(request, &base)
    })
    .await;
    let endpoints = AzureEndpoints::at(&server.url);
    let limiter = std::sync::Arc::new(Limiter::new(LimiterSettings::default()));
    let retrying =
        Retrying::new(RetrySettings { attempts: 1, ..RetrySettings::default() }, limiter, Default::default());
    let http = Http::new(HttpSettings { allow_private: true, ..HttpSettings::default() }).unwrap();
    let login = Login::new(endpoints.clone(), http.clone(), retrying.clone());
    let provider = Provider::new(login, AzureSource::Token(Secret::new("t")), Environment::default(), false);
    let url = endpoints.url(Api::Arm, "/r").unwrap();
    let wire = Wire::new(endpoints, provider, http, retrying);
    let key = LimitKey { account: "s".to_owned(), region: None, service: "a".to_owned(), operation: "A/b".to_owned() };
    let body = (method != Method::GET).then(|| json!({}));
    let ask = Ask { api: Api::Arm, method, url, body, key, shared: None };
    let first = wire.ask(&ask).await.unwrap();
    let end = settle(&wire, &ask, first, QUICK).await;
    let asked = server.seen().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    (end.map(|answer| answer.body), asked)
}

fn status(state: &str) -> Reply {
    Reply::new(200, json!({ "status": state, "properties": { "output": 7 } }).to_string())
}

#[tokio::test]
async fn a_location_is_followed_until_it_answers() {
    let (end, asked) = run(Method::GET, |request, base| match request.number {
        0 => Reply::new(202, "").with("location", format!("{base}/one")).with("retry-after", "0"),
        1 => Reply::new(202, "").with("location", format!("{base}/two")),
        2 => Reply::new(202, ""),
        _ => Reply::new(200, r#"{"value":[1]}"#),
    })
    .await;
    assert_eq!(end.unwrap(), json!({ "value": [1] }));
    assert_eq!(asked, ["GET /r", "GET /one", "GET /two", "GET /two"]);
}

#[tokio::test]
async fn a_write_ends_with_the_resource() {
    let (end, asked) = run(Method::PUT, |request, base| match request.number {
        0 => Reply::new(201, "{}").with("azure-asyncoperation", format!("{base}/op")),
        1 => status("InProgress"),
        2 => status("Succeeded"),
        _ => Reply::new(200, r#"{"id":"/r"}"#),
    })
    .await;
    assert_eq!(end.unwrap(), json!({ "id": "/r" }));
    assert_eq!(asked, ["PUT /r", "GET /op", "GET /op", "GET /r"]);
}

#[tokio::test]
async fn an_action_ends_with_its_result() {
    let (end, asked) = run(Method::POST, |request, base| match request.number {
        0 => Reply::new(202, "")
            .with("azure-asyncoperation", format!("{base}/op"))
            .with("location", format!("{base}/result")),
        1 => status("Succeeded"),
        _ => Reply::new(200, r#"{"keys":[]}"#),
    })
    .await;
    assert_eq!((end.unwrap(), asked.last().map(String::as_str)), (json!({ "keys": [] }), Some("GET /result")));
    let (end, _) = run(Method::POST, |request, base| match request.number {
        0 => Reply::new(202, "").with("azure-asyncoperation", format!("{base}/op")),
        _ => status("succeeded"),
    })
    .await;
    assert_eq!(end.unwrap()["properties"]["output"], 7);
}

#[tokio::test]
async fn what_began_nothing_is_its_own_end() {
    let (end, asked) = run(Method::DELETE, |_, _| Reply::new(204, "")).await;
    assert_eq!((end.unwrap(), asked.len()), (Json::Null, 1));
}

#[tokio::test]
async fn operations_that_do_not_succeed_are_failures() {
    let failed = |state: &'static str, error: Json| {
        run(Method::PUT, move |request, base| match request.number {
            0 => Reply::new(201, "{}").with("azure-asyncoperation", format!("{base}/op")),
            _ => Reply::new(200, json!({ "status": state, "error": error }).to_string()),
        })
    };
    let failure = failed("Failed", json!({ "code": "Quota", "message": "no more" })).await.0.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Refused, "Quota"));
    assert_eq!(failure.message, "A/b ended as Failed: no more");
    let failure = failed("Canceled", Json::Null).await.0.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("Canceled", "A/b ended as Canceled"));
    let (end, asked) = failed("Running", Json::Null).await;
    assert_eq!((end.unwrap_err().code.as_str(), asked.len()), ("Timeout", 1 + QUICK.polls as usize));
}

#[tokio::test]
async fn other_hosts_are_not_asked_about_operations() {
    for header in ["location", "azure-asyncoperation"] {
        let (end, asked) =
            run(Method::GET, move |_, _| Reply::new(202, "").with(header, "https://evil.example/op")).await;
        let failure = end.unwrap_err();
        assert_eq!((failure.kind, asked.len()), (FailureKind::Refused, 1), "{failure}");
    }
    let (end, _) = run(Method::GET, |_, _| Reply::new(202, "")).await;
    assert_eq!(end.unwrap_err().code, "NoOperation");
}
