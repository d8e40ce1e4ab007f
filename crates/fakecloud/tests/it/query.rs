//! Azure Resource Graph.

use std::time::Duration;

use serde_json::{Value as Json, json};
use yagura_fakecloud::Options;

use super::{Answer, SUBSCRIPTION, World};

const PATH: &str = "/providers/Microsoft.ResourceGraph/resources";

async fn ask(world: &World, table: &str, options: Json) -> Answer {
    let own = SUBSCRIPTION.rsplit('/').next().unwrap();
    let body = json!({ "subscriptions": [own], "query": format!("{table} | order by id asc"), "options": options });
    world.send("POST", PATH, Some(body)).await
}

#[tokio::test]
async fn a_thousand_rows_a_page() {
    let world = World::new(Options { seed: 2_350, ..Options::default() });
    let mut options = json!({ "$top": 1000, "resultFormat": "objectArray" });
    let mut ids: Vec<String> = Vec::new();
    loop {
        let page = ask(&world, "resources", options.clone()).await;
        assert_eq!((page.status, page.body["totalRecords"].as_u64()), (200, Some(2_350)));
        let rows = page.body["data"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["type"].as_str().unwrap().starts_with("microsoft.")));
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match page.body.get("$skipToken") {
            Some(token) => options["$skipToken"] = token.clone(),
            None => break,
        }
    }
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| id.to_lowercase());
    sorted.dedup();
    assert_eq!((ids.len(), ids == sorted), (2_350, true));
    assert_eq!(world.cloud.count("POST", PATH), 3);
    options["$top"] = 1001.into();
    assert_eq!(ask(&world, "resources", options).await.status, 400);
}

#[tokio::test]
async fn fifteen_queries_in_five_seconds() {
    let world = World::new(Options::default());
    for left in (0..15).rev() {
        let answer = ask(&world, "resources", json!({})).await;
        assert_eq!((answer.status, answer.header("x-ms-user-quota-remaining")), (200, Some(left.to_string().as_str())));
        assert!(answer.header("x-ms-user-quota-resets-after").unwrap().starts_with("00:00:0"));
    }
    let refused = ask(&world, "resources", json!({})).await;
    assert_eq!(refused.outcome(), (429, "RateLimiting"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() <= 5);
    world.cloud.advance(Duration::from_secs(5));
    assert_eq!(ask(&world, "resources", json!({})).await.status, 200);
}

#[tokio::test]
async fn every_table_has_its_types() {
    let world = World::new(Options { seed: 20, ..Options::default() });
    let group = format!("{SUBSCRIPTION}/resourceGroups/rg-0");
    let vault = format!("{group}/providers/Microsoft.KeyVault/vaults/kv-000009");
    world.cloud.put(
        &format!("{vault}/providers/Microsoft.Security/assessments/a"),
        json!({ "properties": { "status": { "code": "Healthy" } } }),
    );
    world.cloud.put(
        &format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/p"),
        json!({ "properties": {} }),
    );
    let row = json!({ "id": "/x/patch", "type": "microsoft.compute/virtualmachines/patchassessmentresults",
        "subscriptionId": SUBSCRIPTION.rsplit('/').next() });
    world.cloud.add_rows("patchassessmentresources", vec![row]);
    let kinds = async |table: &str| {
        let answer = ask(&world, table, json!({ "$top": 1000 })).await;
        let rows = answer.body["data"].as_array().unwrap().clone();
        let mut kinds: Vec<String> = rows.iter().map(|row| row["type"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds.dedup();
        kinds.join(" ")
    };
    assert_eq!(
        kinds("resourcecontainers").await,
        "microsoft.resources/subscriptions microsoft.resources/subscriptions/resourcegroups"
    );
    assert_eq!(
        kinds("authorizationresources").await,
        "microsoft.authorization/roleassignments microsoft.authorization/roledefinitions"
    );
    assert_eq!(kinds("securityresources").await, "microsoft.security/assessments microsoft.security/pricings");
    assert_eq!(kinds("policyresources").await, "microsoft.authorization/policyassignments");
    assert_eq!(kinds("patchassessmentresources").await, "microsoft.compute/virtualmachines/patchassessmentresults");
    let resources = kinds("resources").await;
    assert!(
        resources.contains("microsoft.keyvault/vaults")
            && !resources.contains("microsoft.network/virtualnetworks/subnets")
    );
}

#[tokio::test]
async fn rows_look_like_azures() {
    let world = World::new(Options { seed: 20, ..Options::default() });
    let answer = ask(&world, "resources | where type =~ 'Microsoft.Network/networkSecurityGroups'", json!({})).await;
    let row = &answer.body["data"][0];
    assert_eq!(
        (row["resourceGroup"].as_str(), row["kind"].as_str(), &row["sku"]),
        (Some("rg-0"), Some(""), &Json::Null)
    );
    assert_eq!(row["properties"]["securityRules"].as_array().unwrap().len(), 2);
    assert_eq!(row["properties"]["subnets"].as_array().unwrap().len(), 1);
    let table = ask(&world, "resourcecontainers", json!({ "resultFormat": "table" })).await;
    assert_eq!(table.body["data"]["rows"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn queries_are_refused_as_azure_does() {
    let world = World::new(Options::default());
    let refused = ask(&world, "nonsense", json!({})).await;
    assert_eq!(refused.outcome(), (400, "BadRequest"));
    assert_eq!(refused.body["error"]["details"][1]["code"], "DisallowedLogicalTableName");
    let body = json!({ "subscriptions": ["99999999-2222-2222-2222-222222222222"], "query": "resources" });
    let refused = world.send("POST", PATH, Some(body)).await;
    assert_eq!(refused.body["error"]["details"][0]["code"], "NoValidSubscriptionsInQueryRequest");
    let world = World::new(Options { seed: 10, ..Options::default() });
    let cut = ask(&world, "resources | project name", json!({ "$top": 3 })).await;
    assert_eq!((cut.body["resultTruncated"].as_str(), cut.body.get("$skipToken")), (Some("true"), None));
    let stale = ask(&world, "resources", json!({ "$skipToken": "nonsense" })).await;
    assert_eq!(stale.status, 400);
}
