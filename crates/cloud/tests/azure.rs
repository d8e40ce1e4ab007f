//! The Azure client against an Azure on this machine: every credential, paging, quotas, and everything that goes wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::rsa::KeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};
use yagura_cloud::azure::{AzureClient, AzureEndpoints, AzureSettings, AzureSource, SubscriptionState, azure_limits};
use yagura_cloud::{
    Call, CallFailure, Caller as _, Environment, FailureKind, HttpSettings, LimiterSettings, RetrySettings, Secret,
};
use yagura_fakecloud::{FakeCloud, Fault, Options, Running};
use yagura_model::Cloud;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const SUBSCRIPTION: &str = "22222222-2222-2222-2222-222222222222";
const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
const TEST_ONLY: &str = include_str!("azure_test_only_certificate.pem");
const GROUPS: &str =
    "/subscriptions/22222222-2222-2222-2222-222222222222/providers/Microsoft.Network/networkSecurityGroups";
const QUERY_PATH: &str = "/providers/Microsoft.ResourceGraph/resources";

fn cloud(options: Options) -> Running {
    FakeCloud::start(options).unwrap()
}

fn by_secret(secret: &str) -> AzureSource {
    AzureSource::ClientSecret { tenant: TENANT.to_owned(), client: CLIENT.to_owned(), secret: Secret::new(secret) }
}

fn settings(cloud: &Running) -> AzureSettings {
    AzureSettings {
        source: by_secret("secret"),
        endpoints: AzureEndpoints::at(&cloud.base_url),
        environment: Environment::default(),
        http: HttpSettings {
            allow_private: true,
            extra_ca: vec![cloud.ca_pem.clone().into_bytes()],
            ..HttpSettings::default()
        },
        retries: RetrySettings {
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
            ..RetrySettings::default()
        },
        limits: LimiterSettings { rate: 1e6, burst: 1e6, slowest: 1e6, ..LimiterSettings::default() },
        ..AzureSettings::of_process()
    }
}

fn client(cloud: &Running) -> AzureClient {
    AzureClient::new(settings(cloud)).unwrap()
}

fn client_of(cloud: &Running, source: AzureSource, variables: &[(&str, &str)]) -> AzureClient {
    let environment = Environment::new(variables.iter().copied());
    AzureClient::new(AzureSettings { source, environment, ..settings(cloud) }).unwrap()
}

fn call(scope: &str, service: &str, operation: &str, params: Json) -> Call {
    Call {
        cloud: Cloud::Azure,
        scope: scope.to_owned(),
        region: None,
        service: service.to_owned(),
        operation: operation.to_owned(),
        params: params.as_object().unwrap().clone(),
    }
}

fn query(table: &str) -> Call {
    let params = json!({ "query": format!("{table} | order by id asc"), "subscriptions": [SUBSCRIPTION] });
    call(SUBSCRIPTION, "resourcegraph", table, params)
}

fn groups() -> Call {
    let kind = "Microsoft.Network/networkSecurityGroups";
    call(SUBSCRIPTION, "arm", kind, json!({ "path": GROUPS, "api_version": "2024-01-01" }))
}

fn users() -> Call {
    call(TENANT, "graph", "users", json!({ "path": "users", "select": ["id", "accountEnabled"] }))
}

/// The items of all pages, and how many pages there were.
async fn all(client: &AzureClient, first: Call) -> Result<(Vec<Json>, usize), CallFailure> {
    let (mut call, mut items, mut pages) = (first, Vec::new(), 0);
    loop {
        let page = client.call(&call).await?;
        let found = page.response.get("data").or_else(|| page.response.get("value"));
        items.extend(found.and_then(Json::as_array).unwrap().iter().cloned());
        pages += 1;
        match page.next {
            Some(next) => call = call.with(&next),
            None => return Ok((items, pages)),
        }
    }
}

#[tokio::test]
async fn every_credential_opens_both_services() {
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(TEST_ONLY.as_bytes()).unwrap() else {
        panic!("the test key is PKCS#8")
    };
    let public = KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap().public().as_ref().to_vec();
    let cloud = cloud(Options { seed: 50, keys: [(CLIENT.to_owned(), public)].into(), ..Options::default() });
    let federated = tempfile::NamedTempFile::new().unwrap();
    // A token of another issuer, as a cluster writes it: {"alg":"none"}, {"iss","sub","aud","exp"}.
    let claims = json!({ "iss": "https://cluster.example", "sub": "system:serviceaccount:a:b",
        "aud": "api://AzureADTokenExchange", "exp": 4_102_444_800_u64 });
    std::fs::write(federated.path(), token_of(&claims)).unwrap();
    let federated = federated.path().to_str().unwrap();
    let stored = json!({ "tenantId": TENANT, "clientId": CLIENT, "clientCertificate": TEST_ONLY }).to_string();
    let certificate = AzureSource::of_stored(&Secret::new(stored)).unwrap();
    let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.plain_url.as_str());
    let app = format!("{}/msi/token", cloud.plain_url);
    let app = [("IDENTITY_ENDPOINT", app.as_str()), ("IDENTITY_HEADER", "h")];
    let ids = [("AZURE_TENANT_ID", TENANT), ("AZURE_CLIENT_ID", CLIENT)];
    let managed = |id: Option<&str>| AzureSource::ManagedIdentity { client_id: id.map(str::to_owned) };
    let system = "44444444-4444-4444-4444-444444444444";
    for (source, variables, application) in [
        (by_secret("secret"), vec![], CLIENT),
        (certificate, vec![], CLIENT),
        (AzureSource::Default, [&ids[..], &[("AZURE_CLIENT_SECRET", "secret")]].concat(), CLIENT),
        (AzureSource::WorkloadIdentity, [&ids[..], &[("AZURE_FEDERATED_TOKEN_FILE", federated)]].concat(), CLIENT),
        (AzureSource::Default, [&ids[..], &[("AZURE_FEDERATED_TOKEN_FILE", federated)]].concat(), CLIENT),
        (managed(None), vec![machine], system),
        (managed(Some("55")), vec![machine], "55"),
        (managed(None), app.to_vec(), system),
        (AzureSource::Default, vec![machine], system),
    ] {
        let client = client_of(&cloud, source.clone(), &variables);
        let identity = client.whoami().await.unwrap_or_else(|failure| panic!("{source:?}: {failure}"));
        assert_eq!((identity.tenant.as_deref(), identity.application.as_deref()), (Some(TENANT), Some(application)));
        assert!(identity.object_id.is_some());
        assert!(client.call(&groups()).await.is_ok() && client.call(&users()).await.is_ok(), "{source:?}");
    }
}

fn token_of(claims: &Json) -> String {
    use base64::Engine as _;
    let part = |json: &Json| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.c2ln", part(&json!({ "alg": "none" })), part(claims))
}

#[tokio::test]
async fn refused_credentials_say_why() {
    // Another key than the certificate's is registered.
    let keys = [(CLIENT.to_owned(), b"another key".to_vec())].into();
    let cloud = cloud(Options { keys, ..Options::default() });
    let other = |tenant: &str, client: &str| AzureSource::ClientSecret {
        tenant: tenant.to_owned(),
        client: client.to_owned(),
        secret: Secret::new("hunter2"),
    };
    let certificate = AzureSource::ClientCertificate {
        tenant: TENANT.to_owned(),
        client: CLIENT.to_owned(),
        certificate: Secret::new(TEST_ONLY),
    };
    let expired = tempfile::NamedTempFile::new().unwrap();
    let claims = json!({ "iss": "https://cluster.example", "aud": "api://AzureADTokenExchange", "exp": 1 });
    std::fs::write(expired.path(), token_of(&claims)).unwrap();
    let federated = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_FEDERATED_TOKEN_FILE", expired.path().to_str().unwrap()),
    ];
    for (source, variables, code, part) in [
        (by_secret("hunter2"), &[][..], "AADSTS7000215", "is wrong"),
        (other(TENANT, "nobody"), &[], "AADSTS700016", "has no application nobody"),
        (other("nowhere", CLIENT), &[], "AADSTS90002", "no tenant nowhere"),
        (certificate, &[], "AADSTS700027", "not one of application"),
        (AzureSource::Default, &federated, "AADSTS700024", "clock"),
    ] {
        let client = client_of(&cloud, source, variables);
        let failure = client.call(&groups()).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Credentials, code), "{failure}");
        assert!(failure.message.contains(part) && !failure.message.contains("hunter2"), "{failure}");
    }
    let description = "AADSTS7000222: The provided client secret keys for app are expired. Trace ID: x";
    let body = json!({ "error": "invalid_client", "error_description": description, "error_codes": [7_000_222] });
    cloud.answer("POST", &format!("/{TENANT}/oauth2/v2.0/token"), 401, body);
    let failure = client(&cloud).whoami().await.unwrap_err();
    assert!(failure.code == "AADSTS7000222" && failure.message.contains("make a new one"), "{failure}");
    assert_eq!(cloud.count("GET", GROUPS), 0, "nothing is asked without a token");
}

#[tokio::test]
async fn a_token_that_the_cloud_calls_expired_is_renewed_once() {
    let cloud = cloud(Options { seed: 20, ..Options::default() });
    let client = client(&cloud);
    client.call(&groups()).await.unwrap();
    client.call(&users()).await.unwrap();
    cloud.advance(Duration::from_secs(7200));
    cloud.clear_requests();
    client.call(&groups()).await.unwrap();
    client.call(&users()).await.unwrap();
    let token = format!("/{TENANT}/oauth2/v2.0/token");
    assert_eq!((cloud.count("POST", &token), cloud.count("GET", GROUPS)), (2, 2));
    cloud.fault(Fault::on("/networkSecurityGroups").with(401, "InvalidAuthenticationToken"));
    cloud.clear_requests();
    assert_eq!(client.call(&groups()).await.unwrap_err().kind, FailureKind::Credentials);
    assert_eq!((cloud.count("POST", &token), cloud.count("GET", GROUPS)), (1, 2));
}

#[tokio::test]
async fn all_pages_of_all_services_are_read() {
    let cloud = cloud(Options { seed: 2_500, page_size: 60, ..Options::default() });
    let client = client(&cloud);
    let (rows, pages) = all(&client, query("resources")).await.unwrap();
    let mut ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_lowercase()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((rows.len(), ids.len(), pages, cloud.count("POST", QUERY_PATH)), (2_500, 2_500, 3, 3));
    let (found, pages) = all(&client, groups()).await.unwrap();
    assert_eq!((found.len(), pages), (250, 5));
    let (found, pages) = all(&client, users()).await.unwrap();
    assert_eq!((found.len(), pages), (250, 1));
    assert!(found.iter().all(|user| user["accountEnabled"].is_boolean()));
    let roles = call(TENANT, "graph", "directoryRoles", json!({ "path": "directoryRoles" }));
    assert_eq!(all(&client, roles).await.unwrap().0.len(), 1);
    let single = "policies/authorizationPolicy";
    let page = client.call(&call(TENANT, "graph", "authorizationPolicies", json!({ "path": single }))).await.unwrap();
    assert_eq!((page.response["allowInvitesFrom"].as_str(), page.next), (Some("everyone"), None));
}

#[tokio::test]
async fn a_busy_cloud_gives_the_same_documents() {
    let quiet = Options { seed: 2_500, page_size: 10, retry_after: 0, ..Options::default() };
    let mut answers: Vec<Vec<Vec<Json>>> = Vec::new();
    for (throttle_every, fail_every) in [(None, None), (Some(10), None), (None, Some(10)), (Some(10), Some(7))] {
        let cloud = cloud(Options { throttle_every, fail_every, ..quiet.clone() });
        let client = client(&cloud);
        let mut found = Vec::new();
        for first in [query("resources"), groups(), users()] {
            found.push(all(&client, first).await.unwrap().0);
        }
        let retries = client.counters().counts().retries;
        assert_eq!(retries > 0, throttle_every.or(fail_every).is_some());
        answers.push(found);
    }
    let (calm, busy) = answers.split_first().unwrap();
    assert!(calm.iter().all(|items| items.len() >= 250));
    assert!(busy.iter().all(|found| found == calm));
}

#[tokio::test]
async fn the_quota_of_queries_is_never_exceeded() {
    let cloud = cloud(Options { seed: 20, ..Options::default() });
    let client = AzureClient::new(AzureSettings { limits: azure_limits(), ..settings(&cloud) }).unwrap();
    let client = Arc::new(client);
    let start = Instant::now();
    let tables = ["resources", "resourcecontainers", "securityresources", "policyresources"];
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&query(tables[number % tables.len()])).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let throttled = cloud.requests().iter().filter(|logged| logged.status == 429).count();
    assert_eq!((cloud.count("POST", QUERY_PATH), throttled), (20, 0));
    assert!(start.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn queries_of_others_are_waited_for() {
    let cloud = cloud(Options { seed: 20, query_quota: (3, Duration::from_secs(5)), ..Options::default() });
    let (one, other) = (client(&cloud), client(&cloud));
    for _ in 0..3 {
        one.call(&query("resources")).await.unwrap();
    }
    // The second client has not seen the quota yet: it is refused, and told how long to wait.
    let start = Instant::now();
    other.call(&query("resources")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(other.counters().counts().throttles, 1);
}

#[tokio::test]
async fn links_lead_nowhere_else_and_not_in_circles() {
    let cloud = cloud(Options { seed: 20, ..Options::default() });
    let client = client(&cloud);
    let elsewhere = json!({ "value": [], "nextLink": "https://evil.example/next" });
    cloud.answer("GET", GROUPS, 200, elsewhere);
    let page = client.call(&groups()).await.unwrap();
    let failure = client.call(&groups().with(&page.next.unwrap())).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.contains("evil.example")), (FailureKind::Refused, true));
    assert_eq!(cloud.count("GET", GROUPS), 1);
    let itself = format!("{}{GROUPS}?$skiptoken=a", cloud.base_url);
    cloud.answer("GET", GROUPS, 200, json!({ "value": [], "nextLink": itself }));
    assert_eq!(all(&client, groups()).await.unwrap_err().code, "LoopingPage");
    let itself = format!("{}/v1.0/users?$skiptoken=a", cloud.base_url);
    cloud.answer("GET", "/v1.0/users", 200, json!({ "value": [], "@odata.nextLink": itself }));
    assert_eq!(all(&client, users()).await.unwrap_err().code, "LoopingPage");
    let same = json!({ "data": [{}], "totalRecords": 9, "$skipToken": "a" });
    cloud.answer("POST", QUERY_PATH, 200, same);
    assert_eq!(all(&client, query("resources")).await.unwrap_err().code, "LoopingPage");
    cloud.answer("POST", QUERY_PATH, 200, json!({ "data": [{}], "totalRecords": 9 }));
    assert_eq!(all(&client, query("resources")).await.unwrap_err().code, "MissingRows");
}

#[tokio::test]
async fn rows_that_cannot_be_had_are_no_success() {
    let cloud = cloud(Options { seed: 1_500, ..Options::default() });
    let mut cut = query("resources");
    // Without ids in the rows the cloud cannot go on.
    cut.params.insert("query".to_owned(), json!("resources | project name"));
    let failure = client(&cloud).call(&cut).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "Truncated"), "{failure}");
}

#[tokio::test]
async fn broken_answers_are_failures() {
    let cloud = cloud(Options { seed: 2_500, ..Options::default() });
    let client = client(&cloud);
    cloud.fault(Fault::on("/networkSecurityGroups").with(200, "Cut").cut_off().times(2));
    assert!(client.call(&groups()).await.is_ok(), "a broken connection is tried again");
    assert_eq!(client.counters().counts().retries, 2);
    cloud.fault(Fault::on("/networkSecurityGroups").with(200, "Cut").cut_off());
    let failure = client.call(&groups()).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "CutOff"), "{failure}");
    cloud.clear_faults();
    let mut small = settings(&cloud);
    small.http.longest_body = 50_000;
    let small = AzureClient::new(small).unwrap();
    cloud.clear_requests();
    let failure = small.call(&query("resources")).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Unreadable, "TooLarge"), "{failure}");
    assert_eq!(cloud.count("POST", QUERY_PATH), 1, "it would be as large again");
}

#[tokio::test]
async fn tokens_do_not_follow_redirects() {
    let cloud = cloud(Options { seed: 20, ..Options::default() });
    for status in [301, 302, 307, 308] {
        cloud.clear_faults();
        cloud.fault(Fault::on("/networkSecurityGroups").with(status, "Moved").location("https://evil.example/"));
        let failure = client(&cloud).call(&groups()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
        assert!(failure.message.contains("evil.example"), "{failure}");
    }
    cloud.clear_faults();
    let operation = format!("{}/operations/1", cloud.base_url);
    cloud.fault(Fault::on("/networkSecurityGroups").with(202, "Accepted").location(&operation));
    cloud.answer("GET", "/operations/1", 200, json!({ "value": [7] }));
    let mut quick = settings(&cloud);
    quick.patience.wait = Duration::from_millis(1);
    let page = AzureClient::new(quick).unwrap().call(&groups()).await.unwrap();
    assert_eq!(page.response, json!({ "value": [7] }), "an answer that is made in the background");
}

#[tokio::test]
async fn refusals_keep_the_clouds_words() {
    let cloud = cloud(Options { seed: 20, ..Options::default() });
    let client = client(&cloud);
    let missing = |path: &str, version: &str| {
        call(SUBSCRIPTION, "arm", "Microsoft.Sql/servers", json!({ "path": path, "api_version": version }))
    };
    let child = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-0/providers/Microsoft.Sql/servers/none");
    let mut unseen = query("resources");
    unseen.params.insert("subscriptions".to_owned(), json!(["99999999-2222-2222-2222-222222222222"]));
    for (asked, kind, code) in [
        (missing(&child, "2024-01-01"), FailureKind::NotFound, "ResourceNotFound"),
        (missing(&child, "yesterday"), FailureKind::Refused, "InvalidApiVersionParameter"),
        (
            missing("/subscriptions/99999999-2222-2222-2222-222222222222", "2024-01-01"),
            FailureKind::NotFound,
            "SubscriptionNotFound",
        ),
        (
            call(TENANT, "graph", "x", json!({ "path": "users/none" })),
            FailureKind::NotFound,
            "Request_ResourceNotFound",
        ),
        (call(TENANT, "graph", "x", json!({ "path": "nonsense" })), FailureKind::Refused, "BadRequest"),
        (query("nonsense"), FailureKind::Refused, "BadRequest"),
        (unseen, FailureKind::Denied, "BadRequest"),
    ] {
        let failure = client.call(&asked).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{failure}");
    }
    let fault = |path: &str, status, code: &str| cloud.fault(Fault::on(path).with(status, code));
    fault("/networkSecurityGroups", 403, "AuthorizationFailed");
    fault("/users", 403, "Authorization_RequestDenied");
    fault("/ResourceGraph", 409, "MissingSubscriptionRegistration");
    fault("/Microsoft.ResourceGraph", 409, "MissingSubscriptionRegistration");
    for (asked, kind) in
        [(groups(), FailureKind::Denied), (users(), FailureKind::Denied), (query("resources"), FailureKind::NotOffered)]
    {
        assert_eq!(client.call(&asked).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn subscriptions_are_found() {
    let second = "66666666-6666-6666-6666-666666666666";
    let subscriptions = vec![SUBSCRIPTION.to_owned(), second.to_owned()];
    let cloud = cloud(Options { subscriptions, page_size: 1, ..Options::default() });
    let client = client(&cloud);
    let found = client.subscriptions().await.unwrap();
    let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, [SUBSCRIPTION, second]);
    assert!(found.iter().all(|found| found.tenant == TENANT && found.state == SubscriptionState::Enabled));
    let below = json!({ "value": [
        { "type": "Microsoft.Management/managementGroups", "name": "child" },
        { "type": "Microsoft.Management/managementGroups/subscriptions", "name": second },
    ] });
    cloud.answer("GET", "/providers/Microsoft.Management/managementGroups/root/descendants", 200, below);
    assert_eq!(client.management_group_subscriptions("root").await.unwrap(), [second]);
}
