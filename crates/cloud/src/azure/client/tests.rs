use super::*;
use crate::secret::Secret;
use crate::testing::{Reply, Seen, Server, http_here, quick_retries};

const OWN: &str = "22222222-2222-2222-2222-222222222222";

fn client(server: &Server, change: impl FnOnce(&mut AzureSettings)) -> AzureClient {
    let mut settings = AzureSettings {
        source: AzureSource::Token(Secret::new("hunter2")),
        endpoints: AzureEndpoints::at(&server.url),
        environment: Environment::default(),
        http: http_here(),
        retries: quick_retries(),
        limits: LimiterSettings { rate: 1e6, burst: 1e6, slowest: 1e6, ..LimiterSettings::default() },
        ..AzureSettings::of_process()
    };
    change(&mut settings);
    AzureClient::new(settings).unwrap()
}

fn call(service: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Azure,
        scope: OWN.to_owned(),
        region: None,
        service: service.to_owned(),
        operation: operation.to_owned(),
        params: params.as_object().unwrap().clone(),
    }
}

fn arm(path: &str) -> Call {
    call("arm", "Microsoft.Sql/servers/auditingSettings", json!({ "path": path, "api_version": "2024-01-01" }))
}

fn users(params: Json) -> Call {
    call("graph", "users", params)
}

async fn asked(call: &Call) -> Result<Vec<Seen>, CallFailure> {
    let server = Server::start(|_| Reply::new(200, r#"{"value":[]}"#)).await;
    client(&server, |_| ()).call(call).await?;
    Ok(server.seen())
}

#[tokio::test]
async fn calls_become_requests() {
    for (call, expected) in [
        (arm("/subscriptions/s/a b"), "/subscriptions/s/a%20b?api-version=2024-01-01"),
        (arm("/subscriptions/s/a?b#c"), "/subscriptions/s/a%3Fb%23c?api-version=2024-01-01"),
        (users(json!({ "path": "users", "select": ["id", "mail"] })), "/v1.0/users?$select=id,mail&$top=999"),
        (users(json!({ "path": "users", "select": [] })), "/v1.0/users?$top=999"),
        (users(json!({ "path": "groups/g/members" })), "/v1.0/groups/g/members?$top=999"),
        (
            users(json!({ "path": "policies/authorizationPolicy", "select": null })),
            "/v1.0/policies/authorizationPolicy",
        ),
    ] {
        let seen = asked(&call).await.unwrap();
        assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].path.as_str()), (1, "GET", expected));
        assert_eq!(seen[0].header("authorization"), "Bearer hunter2");
    }
}

#[tokio::test]
async fn calls_that_make_no_sense_are_not_sent() {
    let elsewhere = Call { cloud: Cloud::Aws, ..arm("/a") };
    for (call, part) in [
        (elsewhere, "not a call to Azure"),
        (call("storage", "x", json!({})), "storage is not a service"),
        (call("arm", "A/b", json!({ "path": "/a" })), "no api_version"),
        (call("arm", "A/b", json!({ "api_version": "1" })), "no path"),
        (arm("a"), "does not begin with /"),
        (arm("/a/../b"), "no path"),
        (arm("/a/%2E%2e/b"), "no path"),
        (arm("/a/..\\b"), "no path"),
        (arm("/a\n"), "no path"),
        (users(json!({ "path": "users", "select": ["id&$filter=x"] })), "selects"),
        (users(json!({ "path": "users", "select": [5] })), "selects"),
        (users(json!({ "path": "users", "next_link": 5 })), "link"),
        (users(json!({ "path": "users", "next_link": "https://evil.example/" })), "refused to follow a link"),
        (call("resourcegraph", "resources", json!({ "query": "q" })), "no subscriptions"),
    ] {
        let failure = asked(&call).await.unwrap_err();
        assert!(failure.kind == FailureKind::Refused && failure.message.contains(part), "{failure}");
    }
}

#[tokio::test]
async fn links_that_are_no_links() {
    for (body, outcome) in [
        (r#"{"value":[]}"#, Ok(None)),
        (r#"{"value":[],"nextLink":null}"#, Ok(None)),
        (r#"{"value":[],"nextLink":""}"#, Ok(None)),
        (r#"{"value":[],"nextLink":"/b"}"#, Ok(Some(json!({ "next_link": "/b" })))),
        (r#"{"value":[],"nextLink":5}"#, Err(FailureKind::Unreadable)),
        (r#"{"value":["#, Err(FailureKind::Unreadable)),
        ("", Ok(None)),
    ] {
        let server = Server::start(move |_| Reply::new(200, body)).await;
        let found = client(&server, |_| ()).call(&arm("/a")).await;
        assert_eq!(found.map(|page| page.next.map(Json::Object)).map_err(|failure| failure.kind), outcome, "{body}");
    }
}

#[tokio::test]
async fn nesting_is_bounded() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let server = Server::start(move |_| Reply::new(200, deep.clone())).await;
    let failure = client(&server, |_| ()).call(&arm("/a")).await.unwrap_err();
    assert_eq!((failure.kind, server.seen().len()), (FailureKind::Unreadable, 1), "{failure}");
}

#[tokio::test]
async fn the_quota_that_headers_tell_is_obeyed() {
    let server = Server::start(|request| {
        let reply = Reply::new(200, r#"{"data":[],"totalRecords":0}"#);
        match request.number {
            0 => reply.with("x-ms-user-quota-remaining", "0").with("x-ms-user-quota-resets-after", "00:00:01"),
            _ => reply.with("x-ms-user-quota-remaining", "14").with("x-ms-user-quota-resets-after", "00:04:00"),
        }
    })
    .await;
    let client = client(&server, |_| ());
    let query = |table: &str| call("resourcegraph", table, json!({ "query": table, "subscriptions": [OWN] }));
    let start = std::time::Instant::now();
    client.call(&query("resources")).await.unwrap();
    // Another table, but the same user.
    client.call(&query("securityresources")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let third = tokio::time::timeout(Duration::from_secs(60), async { client.call(&query("resources")).await });
    assert!(third.await.is_ok(), "what is left may be used");
}

#[tokio::test]
async fn subscriptions_share_the_limit_of_their_reads() {
    let server = Server::start(|_| Reply::new(200, r#"{"value":[]}"#)).await;
    let limit = Limit { requests: 2, per: Duration::from_secs(120) };
    let fixed = vec![FixedLimit { service: "arm".to_owned(), operation: Some("reads".to_owned()), limit }];
    let client = client(&server, |settings| settings.limits.fixed = fixed);
    let within = async |milliseconds, kind: &str, scope: &str| {
        let call = Call { operation: kind.to_owned(), scope: scope.to_owned(), ..arm("/a") };
        tokio::time::timeout(Duration::from_millis(milliseconds), client.call(&call)).await.is_ok()
    };
    assert!(within(60_000, "A/a", OWN).await && within(60_000, "B/b", OWN).await);
    assert!(!within(300, "C/c", OWN).await, "another kind, the same subscription");
    assert!(within(60_000, "C/c", "another").await);
}

#[tokio::test]
async fn fixed_tokens_are_not_renewed() {
    let server =
        Server::start(|_| Reply::new(401, r#"{"error":{"code":"ExpiredAuthenticationToken","message":"m"}}"#)).await;
    let failure = client(&server, |_| ()).call(&arm("/a")).await.unwrap_err();
    assert_eq!((failure.kind, server.seen().len()), (FailureKind::Credentials, 1));
}

#[tokio::test]
async fn the_read_that_is_answered_later() {
    let server = Server::start(|request| match request.path.as_str() {
        "/done" => Reply::new(200, r#"{"value":[1]}"#),
        _ => Reply::new(202, "").with("location", format!("http://{}/done", request.header("host"))),
    })
    .await;
    let client = client(&server, |settings| settings.patience.wait = Duration::from_millis(1));
    assert_eq!(client.call(&arm("/a")).await.unwrap().response, json!({ "value": [1] }));
}

#[tokio::test]
async fn subscriptions_say_their_state() {
    let body = r#"{"value":[
        {"subscriptionId":"a","displayName":"A","tenantId":"t","state":"Warned"},
        {"subscriptionId":"b","state":"Deleted"},
        {"subscriptionId":"c","state":"Somehow"}]}"#;
    let server = Server::start(move |_| Reply::new(200, body)).await;
    let found = client(&server, |_| ()).subscriptions().await.unwrap();
    let states: Vec<_> =
        found.iter().map(|found| (found.name.as_str(), found.state, found.state.is_readable())).collect();
    let expected = [
        ("A", SubscriptionState::Warned, true),
        ("b", SubscriptionState::Deleted, false),
        ("c", SubscriptionState::Other, true),
    ];
    assert_eq!(states, expected);
    for body in ["[]", r#"{"value":[{}]}"#, r#"{"value":{}}"#] {
        let server = Server::start(move |_| Reply::new(200, body)).await;
        let failure = client(&server, |_| ()).subscriptions().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable);
    }
}

#[tokio::test]
async fn subscriptions_below_a_management_group() {
    let body = r#"{"value":[
        {"type":"Microsoft.Management/managementGroups","name":"child"},
        {"type":"Microsoft.Management/managementGroups/subscriptions","name":"a"},
        {"type":"/subscriptions","name":"b"}]}"#;
    let server = Server::start(move |_| Reply::new(200, body)).await;
    let client = client(&server, |_| ());
    assert_eq!(client.management_group_subscriptions("root_1").await.unwrap(), ["a", "b"]);
    assert!(server.seen()[0].path.starts_with("/providers/Microsoft.Management/managementGroups/root_1/descendants?"));
    for name in ["", "a/b", "a?b", "../x"] {
        assert!(client.management_group_subscriptions(name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn opaque_tokens_say_nothing_about_whom_they_are() {
    let server = Server::start(|_| Reply::new(200, "")).await;
    let identity = client(&server, |_| ()).whoami().await.unwrap();
    assert_eq!((identity.tenant, identity.object_id, server.seen().len()), (None, None, 0));
}
