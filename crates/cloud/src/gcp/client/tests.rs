use serde_json::json;

use super::*;
use crate::testing::{Reply, Seen, Server, http_here, quick_retries, wide_limits};
use crate::{CallCounts, Secret};

fn client(server: &Server, change: impl FnOnce(&mut GcpSettings)) -> GcpClient {
    let mut settings = GcpSettings {
        source: GcpSource::Token(Secret::new("own")),
        endpoint_override: Some(server.url.clone()),
        environment: Environment::default(),
        http: http_here(),
        retries: quick_retries(),
        limits: wide_limits(),
        ..GcpSettings::of_process()
    };
    change(&mut settings);
    GcpClient::new(settings).unwrap()
}

fn call(service: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Gcp,
        scope: "projects/p".to_owned(),
        region: None,
        service: service.to_owned(),
        operation: operation.to_owned(),
        params: params.as_object().unwrap().clone(),
    }
}

fn assets(params: Json) -> Call {
    call("cloudasset", "assets.list", params)
}

fn direct(url: &str) -> Call {
    call("service", "things.get", json!({ "url": url }))
}

#[tokio::test]
async fn assets_are_asked_for_by_type_and_content_and_page_by_page() {
    let server = Server::start(|request| match request.path.contains("pageToken=two") {
        true => Reply::new(200, r#"{"assets": [{"name": "b"}]}"#),
        false => Reply::new(200, r#"{"assets": [{"name": "a"}], "nextPageToken": "two"}"#),
    })
    .await;
    let client = client(&server, |_| ());
    let call = assets(json!({"assetTypes": ["a/B", "c/D"], "contentType": "RESOURCE"}));
    let first = client.call(&call).await.unwrap();
    assert_eq!(first.response["assets"][0]["name"], "a");
    let second = client.call(&call.with(&first.next.unwrap())).await.unwrap();
    assert_eq!((&second.response, second.next), (&json!({"assets": [{"name": "b"}]}), None));
    let asked: Vec<String> = server.seen().into_iter().map(|request| request.path).collect();
    let start = "/v1/projects/p/assets?assetTypes=a%2FB&assetTypes=c%2FD&contentType=RESOURCE&pageSize=1000";
    assert_eq!(asked, [start.to_owned(), format!("{start}&pageToken=two")]);
    let seen = &server.seen()[0];
    assert_eq!((seen.header("authorization"), seen.header("x-goog-user-project")), ("Bearer own", ""));
    assert!(seen.header("user-agent").starts_with("yagura/"));
    assert_eq!(client.counters().counts(), CallCounts { requests: 2, throttles: 0, retries: 0 });
}

#[tokio::test]
async fn the_project_that_pays_is_named() {
    let server = Server::start(|_| Reply::new(200, "{}")).await;
    let client = client(&server, |settings| {
        settings.environment = Environment::new([("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")]);
    });
    client.call(&assets(json!({}))).await.unwrap();
    assert_eq!(server.seen()[0].header("x-goog-user-project"), "payer");
}

#[tokio::test]
async fn direct_calls_follow_their_url() {
    let server = Server::start(|_| Reply::new(200, r#"{"nextPageToken": "n"}"#)).await;
    let client = client(&server, |_| ());
    let mut call = direct("https://a.googleapis.com/v1/x?view=FULL");
    call.params.extend([("pageSize".to_owned(), json!(5)), ("all".to_owned(), json!(true))]);
    let page = client.call(&call).await.unwrap();
    client.call(&call.with(&page.next.unwrap())).await.unwrap_err();
    let asked: Vec<String> = server.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/v1/x?view=FULL&all=true&pageSize=5", "/v1/x?view=FULL&all=true&pageSize=5&pageToken=n"]);
}

#[tokio::test]
async fn calls_that_are_none_are_refused_unsent() {
    let server = Server::start(|_| Reply::new(200, "{}")).await;
    let client = client(&server, |_| ());
    let aws = Call { cloud: Cloud::Aws, ..assets(json!({})) };
    let scoped = |scope: &str| Call { scope: scope.to_owned(), ..assets(json!({})) };
    for call in [
        aws,
        call("service", "things.get", json!({})),
        call("service", "things.get", json!({"url": 5})),
        direct("https://evil.example/v1/x"),
        direct("https://a.googleapis.com.evil.example/v1/x"),
        direct("http://a.googleapis.com/v1/x"),
        direct("file:///etc/passwd"),
        direct("v1/x"),
        assets(json!({"filter": {"a": 1}})),
        assets(json!({"filter": [["a"]]})),
        scoped("p"),
        scoped("projects/"),
        scoped("projects/../x"),
        scoped("projects/a?b"),
        scoped("billingAccounts/1"),
    ] {
        let failure = client.call(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Refused, "Refused"), "{call}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn endless_pages_are_an_error() {
    let server = Server::start(|_| Reply::new(200, r#"{"assets": [], "nextPageToken": "same"}"#)).await;
    let client = client(&server, |_| ());
    let call = assets(json!({}));
    let first = client.call(&call).await.unwrap();
    let failure = client.call(&call.with(&first.next.unwrap())).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "LoopingPage"));
}

/// The failure of an answer, and how often it was asked for.
async fn check(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static, kind: FailureKind, code: &str, asked: usize) {
    let server = Server::start(reply).await;
    let client = client(&server, |settings| {
        settings.http.longest_body = 1000;
        settings.retries.attempts = 3;
    });
    let failure = client.call(&assets(json!({}))).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str(), server.seen().len()), (kind, code, asked), "{failure}");
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_failures() {
    let page = format!(r#"{{"assets": ["{}"]}}"#, "a".repeat(2000));
    check(move |_| Reply::new(200, page.clone()), FailureKind::Unreadable, "TooLarge", 1).await;
    check(|_| Reply::new(200, r#"{"assets": ["#), FailureKind::Unreadable, "Unreadable", 3).await;
    check(|_| Reply::new(200, "<html>hunter2</html>"), FailureKind::Unreadable, "Unreadable", 1).await;
    check(|_| Reply::new(200, "[]"), FailureKind::Unreadable, "Unreadable", 1).await;
    let deep = "[".repeat(900);
    check(move |_| Reply::new(200, format!("{{\"a\":{deep}")), FailureKind::Unreadable, "Unreadable", 1).await;
    let moved = |_: &Seen| Reply::new(302, "").with("Location", "https://evil.example/");
    check(moved, FailureKind::Refused, "Refused", 1).await;
}

#[tokio::test]
async fn what_passes_is_asked_for_again() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(429, r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#),
        1 => Reply::new(500, r#"{"error":{"code":500,"message":"oops","status":"INTERNAL"}}"#),
        2 => Reply::new(503, "<html>"),
        3 => Reply::new(200, r#"{"assets": [{"na"#),
        _ => Reply::new(200, "{}"),
    })
    .await;
    let client = client(&server, |_| ());
    client.call(&assets(json!({}))).await.unwrap();
    assert_eq!(client.counters().counts(), CallCounts { requests: 5, throttles: 2, retries: 4 });
}

#[tokio::test]
async fn a_token_of_ones_own_is_not_renewed() {
    let body = r#"{"error":{"code":401,"message":"bad token","status":"UNAUTHENTICATED"}}"#;
    check(move |_| Reply::new(401, body), FailureKind::Credentials, "UNAUTHENTICATED", 1).await;
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    for (taken, expected) in [("new", 200), ("none", 401)] {
        let server = Server::start(move |request| {
            if request.path == "/token" {
                let token = if request.number == 0 { "old" } else { "new" };
                return Reply::new(200, json!({"access_token": token, "expires_in": 3600}).to_string());
            }
            match request.header("authorization").ends_with(taken) {
                true => Reply::new(200, "{}"),
                false => Reply::new(401, r#"{"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}}"#),
            }
        })
        .await;
        let file = json!({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"});
        let client = client(&server, |settings| {
            settings.source = GcpSource::of_stored(&Secret::new(file.to_string())).unwrap();
        });
        let answer = client.call(&assets(json!({}))).await;
        match expected {
            200 => assert!(answer.is_ok()),
            _ => assert_eq!(answer.unwrap_err().kind, FailureKind::Credentials),
        }
        assert_eq!(server.seen().len(), 4, "token, refusal, new token, call");
    }
}

#[tokio::test]
async fn scopes_have_names_where_they_may_be_read() {
    let server = Server::start(|request| match request.path.as_str() {
        "/v3/projects/p" | "/v3/projects/12" => {
            Reply::new(200, r#"{"name": "projects/12", "projectId": "p", "displayName": "Shop"}"#)
        }
        "/v3/folders/34" => Reply::new(200, r#"{"name": "folders/34", "displayName": "Teams"}"#),
        "/v3/projects/closed" | "/v3/projects/56" => {
            Reply::new(403, r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#)
        }
        _ => Reply::new(404, r#"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#),
    })
    .await;
    let client = client(&server, |_| ());
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    for (scope, id, number, name) in [
        ("projects/p", "p", "12", "Shop"),
        ("projects/12", "p", "12", "Shop"),
        ("folders/34", "", "34", "Teams"),
        ("projects/closed", "closed", "", ""),
        ("projects/56", "", "56", ""),
    ] {
        let expected = GcpScope { id: some(id), number: some(number), display_name: some(name) };
        assert_eq!(client.scope_info(scope).await.unwrap(), expected, "{scope}");
    }
    assert_eq!(client.scope_info("projects/gone").await.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(client.scope_info("p").await.unwrap_err().kind, FailureKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn the_published_limit_is_kept() {
    let limiter = Limiter::new(GcpSettings::published_limits());
    let key = |account: &str| LimitKey {
        account: account.to_owned(),
        region: None,
        service: "cloudasset".to_owned(),
        operation: "assets.list".to_owned(),
    };
    let start = tokio::time::Instant::now();
    for _ in 0..100 {
        limiter.acquire(&key("payer")).await;
    }
    limiter.acquire(&key("other")).await;
    assert!(start.elapsed().as_secs() < 1);
    limiter.acquire(&key("payer")).await;
    assert!(start.elapsed().as_secs() >= 59, "{:?}", start.elapsed());
}
