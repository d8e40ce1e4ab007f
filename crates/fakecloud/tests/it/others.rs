//! TLS, tokens, Microsoft Graph, Cloud Asset Inventory, starting and stopping.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use yagura_fakecloud::{FakeCloud, Fault, Options};

use super::{SUBSCRIPTION, World, answer, builder, client};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "33333333-3333-3333-3333-333333333333";

#[tokio::test]
async fn only_its_own_authority_is_believed() {
    let (cloud, other) = (FakeCloud::start(Options::default()).unwrap(), FakeCloud::start(Options::default()).unwrap());
    let url = format!("{}/metadata/endpoints?api-version=2022-09-01", cloud.base_url);
    let good = client(&cloud.ca_pem).get(&url).send().await.unwrap();
    assert_eq!((good.status().as_u16(), good.version()), (200, reqwest::Version::HTTP_2));
    assert!(client(&other.ca_pem).get(&url).send().await.is_err());
}

#[tokio::test]
async fn links_lead_to_where_the_client_believes_to_be() {
    let cloud = FakeCloud::start(Options { any_token: true, page_size: 1, seed: 60, ..Options::default() }).unwrap();
    let address: SocketAddr = cloud.base_url.trim_start_matches("https://").parse().unwrap();
    assert!(address.ip().is_loopback());
    let client = builder(&cloud.ca_pem).resolve("management.azure.com", address).build().unwrap();
    let base = format!("https://management.azure.com:{}", address.port());
    let mut next = Some(format!("{base}{SUBSCRIPTION}/resourcegroups?api-version=2022-12-01"));
    let mut names = Vec::new();
    while let Some(url) = next {
        assert!(url.starts_with(&base), "{url}");
        let page = answer(client.get(url).bearer_auth("any")).await;
        names.push(page.value()[0]["name"].clone());
        next = page.body["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(names, ["rg-0", "rg-1"]);
}

#[tokio::test]
async fn tokens_are_bought_used_and_expire() {
    let world = World::new(Options::default());
    let base = &world.cloud.base_url;
    let discovery = answer(world.client.get(format!("{base}/{TENANT}/v2.0/.well-known/openid-configuration"))).await;
    let endpoint = discovery.body["token_endpoint"].as_str().unwrap().to_owned();
    assert_eq!(endpoint, format!("{base}/{TENANT}/oauth2/v2.0/token"));
    let form = format!("grant_type=client_credentials&client_id={CLIENT}&client_secret=secret&scope={base}/.default");
    let token =
        answer(world.client.post(&endpoint).header("content-type", "application/x-www-form-urlencoded").body(form))
            .await;
    let token = token.body["access_token"].as_str().unwrap().to_owned();
    let subscriptions =
        || answer(world.client.get(format!("{base}/subscriptions?api-version=2022-12-01")).bearer_auth(&token));
    assert_eq!(subscriptions().await.value().len(), 1);
    world.cloud.advance(Duration::from_secs(4000));
    let late = subscriptions().await;
    assert_eq!(late.outcome(), (401, "ExpiredAuthenticationToken"));
    assert!(late.header("www-authenticate").unwrap().contains("invalid_token"));
    let bare = answer(world.client.get(format!("{base}/subscriptions?api-version=2022-12-01"))).await;
    assert_eq!(bare.outcome(), (401, "AuthenticationFailed"));
    let unknown = answer(world.client.post(format!("{base}/nobody/oauth2/v2.0/token")).body("")).await;
    assert_eq!((unknown.status, unknown.body["error_codes"][0].as_i64()), (400, Some(90002)));
}

#[tokio::test]
async fn the_directory_is_read_page_by_page() {
    let mut world = World::new(Options { seed: 300, page_size: 10, ..Options::default() });
    assert_eq!(world.get("/v1.0/users?$top=5").await.outcome(), (401, "InvalidAuthenticationToken"));
    world.token = world.cloud.token("https://graph.microsoft.com");
    let (mut next, mut users, mut pages) = (Some("/v1.0/users?$select=id,userType".to_owned()), 0, 0);
    while let Some(to) = next {
        let page = world.get(&to).await;
        users += page.value().len();
        pages += 1;
        next = page.body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!((users, pages), (30, 3));
    for (path, count) in [
        ("reports/authenticationMethods/userRegistrationDetails", 10),
        ("groups", 1),
        ("directoryRoles", 1),
        ("servicePrincipals", 1),
        ("applications", 1),
        ("identity/conditionalAccess/policies", 0),
        ("identity/conditionalAccess/namedLocations", 0),
        ("roleManagement/directory/roleAssignments", 1),
    ] {
        let list = world.get(&format!("/v1.0/{path}?$count=true")).await;
        assert_eq!((list.status, list.value().len()), (200, count), "{path}");
    }
    let role = world.get("/v1.0/directoryRoles?$select=id").await.value()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/v1.0/directoryRoles/{role}/members?$select=id")).await.value().len(), 2);
    world.cloud.set_directory("identity/conditionalAccess/policies", json!([{ "id": "p", "state": "enabled" }]));
    assert_eq!(world.get("/v1.0/identity/conditionalAccess/policies?$top=1").await.value()[0]["state"], "enabled");
    world.cloud.fault(
        Fault::on("/userRegistrationDetails").with(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"),
    );
    let refused = world.get("/v1.0/reports/authenticationMethods/userRegistrationDetails?$top=1").await;
    assert_eq!(refused.outcome(), (403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant"));
    assert!(refused.body["error"]["innerError"]["request-id"].is_string());
}

#[tokio::test]
async fn assets_are_read_page_by_page() {
    let world = World::new(Options { seed: 25, any_token: true, ..Options::default() });
    let get = |query: &str| {
        let url = format!("{}/v1/projects/fake-project/assets?{query}", world.cloud.base_url);
        answer(world.client.get(url).bearer_auth("any"))
    };
    let query = "assetTypes=storage.googleapis.com/Bucket&assetTypes=compute.googleapis.com/Instance&contentType=RESOURCE&pageSize=10";
    let (mut token, mut count) = (String::new(), 0);
    loop {
        let page = get(&format!("{query}&pageToken={token}")).await;
        count += page.body["assets"].as_array().unwrap().len();
        match page.body["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(count, 25);
    world.cloud.add_asset(
        json!({ "name": "//x/y", "assetType": "x/Y", "ancestors": ["projects/123456789012"], "iamPolicy": {} }),
    );
    let policies = get("assetTypes=x/Y&contentType=IAM_POLICY").await;
    assert_eq!(policies.body["assets"][0]["name"], "//x/y");
    world.cloud.fault(Fault::on("/assets").with(429, "RESOURCE_EXHAUSTED").retry_after(3));
    let throttled = get(query).await;
    assert_eq!((throttled.status, throttled.body["error"]["code"].as_u64()), (429, Some(429)));
    assert_eq!(throttled.body["error"]["status"], "RESOURCE_EXHAUSTED");
    let bare = answer(world.client.get(format!("{}/v1/projects/p/assets", world.cloud.plain_url))).await;
    assert_eq!(bare.status, 429);
    world.cloud.clear_faults();
    let bare = answer(world.client.get(format!("{}/v1/projects/p/assets", world.cloud.plain_url))).await;
    assert_eq!((bare.status, bare.body["error"]["status"].as_str()), (401, Some("UNAUTHENTICATED")));
}

#[test]
fn it_starts_and_stops_anywhere() {
    let cloud = FakeCloud::start(Options::default()).unwrap();
    let address = cloud.plain_url.trim_start_matches("http://").to_owned();
    let open = std::net::TcpStream::connect(&address).unwrap();
    let started = Instant::now();
    cloud.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "an open connection must not keep it up");
    drop(open);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
