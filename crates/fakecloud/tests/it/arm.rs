//! Azure Resource Manager.

use serde_json::json;
use yagura_fakecloud::{Fault, Options};

use super::{SUBSCRIPTION, World};

const NSG: &str = "Microsoft.Network/networkSecurityGroups/nsg";

fn rule(priority: u32) -> serde_json::Value {
    json!({ "properties": { "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp" } })
}

#[tokio::test]
async fn a_write_is_asked_for_until_it_is_done() {
    let world = World::with_group(Options::default());
    let id = world.id("Microsoft.Compute/disks/d");
    let made = world.put(&id, json!({ "location": "japaneast", "properties": { "diskSizeGB": 8 } })).await;
    assert_eq!((made.status, made.body["properties"]["provisioningState"].as_str()), (202, Some("Creating")));
    assert_eq!(made.header("retry-after"), Some("0"));
    let (status, outcome) = (made.header("azure-asyncoperation").unwrap(), made.header("location").unwrap());
    assert_eq!(world.get(status).await.body["status"], "InProgress");
    assert_eq!(world.get(status).await.body["status"], "Succeeded");
    let disk = world.get(outcome).await;
    assert_eq!((disk.status, disk.body["properties"]["provisioningState"].as_str()), (200, Some("Succeeded")));
    let gone = world.send("DELETE", &id, None).await;
    assert_eq!(gone.status, 202);
    let outcome = gone.header("location").unwrap();
    assert_eq!(world.get(&id).await.body["properties"]["provisioningState"], "Deleting");
    assert_eq!(world.put(&id, json!({ "location": "japaneast" })).await.outcome(), (409, "AnotherOperationInProgress"));
    assert_eq!(world.get(outcome).await.status, 204);
    assert_eq!(world.get(&id).await.outcome(), (404, "ResourceNotFound"));
    assert_eq!(world.send("DELETE", &id, None).await.status, 204);
}

#[tokio::test]
async fn a_write_may_fail_at_its_end() {
    let world = World::with_group(Options { operation_polls: 0, ..Options::default() });
    let id = world.id(NSG);
    world.cloud.fail_operation("Microsoft.Network/networkSecurityGroups", "QuotaExceeded", "no more");
    let made = world.put(&id, json!({ "location": "japaneast" })).await;
    assert_eq!(made.status, 201);
    let status = world.get(made.header("azure-asyncoperation").unwrap()).await;
    assert_eq!((status.body["status"].as_str(), status.code()), (Some("Failed"), "QuotaExceeded"));
    assert_eq!(world.get(&id).await.body["properties"]["provisioningState"], "Failed");
}

#[tokio::test]
async fn children_are_inside_and_beside() {
    let world = World::with_group(Options::default());
    let id = world.id(NSG);
    let mut inside = rule(100);
    inside["name"] = "a".into();
    let body = json!({ "location": "japaneast", "properties": { "securityRules": [inside] } });
    assert_eq!(
        world.put(&id, body.clone()).await.body["properties"]["securityRules"][0]["id"],
        format!("{id}/securityRules/a")
    );
    assert_eq!(world.put(&format!("{id}/securityRules/b"), rule(200)).await.status, 201);
    assert_eq!(world.get(&format!("{id}/securityRules")).await.value().len(), 2);
    assert_eq!(world.get(&id.to_uppercase()).await.body["properties"]["securityRules"][1]["name"], "b");
    let conflict = world.put(&format!("{id}/securityRules/c"), rule(200)).await;
    assert_eq!(conflict.outcome(), (400, "SecurityRuleConflict"));
    // A PUT of the group without the rule takes it away.
    assert_eq!(world.put(&id, body).await.status, 200);
    assert_eq!(world.get(&format!("{id}/securityRules/b")).await.status, 404);
}

#[tokio::test]
async fn a_refused_write_changes_nothing() {
    let world = World::with_group(Options { operation_polls: 0, ..Options::default() });
    let (network, rules) = (world.id("Microsoft.Network/virtualNetworks/v"), world.id(NSG));
    world.put(&rules, json!({ "location": "japaneast", "properties": { "securityRules": [] } })).await;
    let subnet = |name: &str, rules: &str| {
        let prefix = "10.0.0.0/24";
        json!({ "name": name, "properties": { "addressPrefix": prefix, "networkSecurityGroup": { "id": rules } } })
    };
    let body =
        |subnets: Vec<serde_json::Value>| json!({ "location": "japaneast", "properties": { "subnets": subnets } });
    assert_eq!(world.put(&network, body(vec![subnet("a", &rules)])).await.status, 201);
    let before = world.get(&network).await.body;
    let refused = world.put(&network, body(vec![subnet("b", &rules), subnet("c", "/none")])).await;
    assert_eq!(refused.outcome(), (400, "InvalidResourceReference"));
    assert_eq!(world.put(&network, json!({ "location": "japaneast", "properties": [] })).await.status, 400);
    assert_eq!(world.get(&network).await.body, before);
    assert_eq!(world.send("DELETE", &rules, None).await.code(), "InUseNetworkSecurityGroupCannotBeDeleted");
    assert_eq!(
        world.put(&network, json!({ "location": "japaneast" })).await.body["properties"]["subnets"][0]["name"],
        "a"
    );
    let patch = json!({ "tags": { "a": "b" } });
    let tagged = world.send("PATCH", &network, Some(patch)).await;
    assert_eq!((tagged.status, tagged.body["tags"]["a"].as_str()), (200, Some("b")));
}

#[tokio::test]
async fn entity_tags_guard_writes() {
    let world = World::with_group(Options::default());
    let id = world.id(NSG);
    let made = world.put(&id, json!({ "location": "japaneast" })).await;
    let tag = made.body["etag"].as_str().unwrap().to_owned();
    world.put(&format!("{id}/securityRules/a"), rule(100)).await;
    let with = |tag: &str| {
        let url = format!("{}{id}/securityRules/a?api-version=2024-01-01", world.cloud.base_url);
        super::answer(
            world.client.put(url).bearer_auth(&world.token).header("if-match", tag).body(rule(150).to_string()),
        )
    };
    assert_eq!(with(&tag).await.outcome(), (412, "PreconditionFailed"));
    let tag = world.get(&format!("{id}/securityRules/a")).await.body["etag"].as_str().unwrap().to_owned();
    assert_eq!(with(&tag).await.status, 200);
}

#[tokio::test]
async fn lists_have_pages_and_scopes() {
    let world = World::with_group(Options { page_size: 2, ..Options::default() });
    let other = format!("{SUBSCRIPTION}/resourceGroups/h");
    world.cloud.put(&other, json!({ "location": "japaneast" }));
    for number in 0..5 {
        let place = if number == 4 { format!("{other}/providers/") } else { world.id("") };
        world.cloud.put(
            &format!("{place}Microsoft.KeyVault/vaults/kv{number}"),
            json!({ "location": "japaneast", "properties": {} }),
        );
    }
    let mut next = Some(format!("{SUBSCRIPTION}/providers/microsoft.keyvault/VAULTS"));
    let (mut names, mut pages) = (Vec::new(), 0);
    while let Some(to) = next {
        let page = world.get(&to).await;
        names.extend(page.value().iter().map(|vault| vault["name"].as_str().unwrap().to_owned()));
        next = page.body["nextLink"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!((names.join(" "), pages), ("kv0 kv1 kv2 kv3 kv4".to_owned(), 3));
    assert_eq!(world.get(&format!("{other}/providers/Microsoft.KeyVault/vaults")).await.value().len(), 1);
    assert_eq!(world.cloud.count("GET", &format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/vaults")), 3);
    let groups = world.get(&format!("{SUBSCRIPTION}/resourcegroups")).await;
    assert_eq!(groups.value().len(), 2);
}

#[tokio::test]
async fn errors_have_azures_codes() {
    let world = World::with_group(Options::default());
    let url = format!("{}{SUBSCRIPTION}", world.cloud.base_url);
    let bare = super::answer(world.client.get(&url).bearer_auth(&world.token)).await;
    assert_eq!(bare.outcome(), (400, "MissingApiVersionParameter"));
    let nothing = json!({ "location": "japaneast" });
    for (method, path, status, code) in [
        ("GET", format!("{SUBSCRIPTION}?api-version=latest"), 400, "InvalidApiVersionParameter"),
        ("GET", "/subscriptions/none".to_owned(), 400, "InvalidSubscriptionId"),
        ("GET", "/subscriptions/99999999-2222-2222-2222-222222222222".to_owned(), 404, "SubscriptionNotFound"),
        ("GET", format!("{SUBSCRIPTION}/resourceGroups/none"), 404, "ResourceGroupNotFound"),
        ("GET", world.id("Microsoft.Compute/disks/none"), 404, "ResourceNotFound"),
        ("GET", world.id("Microsoft.Compute/nonsense/none"), 404, "InvalidResourceType"),
        ("GET", world.id("Microsoft.Compute/nonsense"), 404, "InvalidResourceType"),
        ("GET", world.id("Nonsense/things/none"), 404, "InvalidResourceNamespace"),
        ("GET", world.id("Microsoft.Sql/servers/none/firewallRules"), 404, "ResourceNotFound"),
        ("PUT", world.id("Microsoft.Sql/servers/none/firewallRules/r"), 404, "ParentResourceNotFound"),
        ("PUT", format!("{SUBSCRIPTION}/resourceGroups/none/providers/{NSG}"), 404, "ResourceGroupNotFound"),
        ("PUT", world.id("Microsoft.Security/secureScores/s"), 405, "HttpMethodNotSupported"),
        ("POST", world.id("Microsoft.Compute/disks/none/beginGetAccess"), 404, "ResourceNotFound"),
    ] {
        let body = (method != "GET").then(|| nothing.clone());
        assert_eq!(world.send(method, &path, body).await.outcome(), (status, code), "{method} {path}");
    }
    assert_eq!(world.put(&world.id(NSG), json!({})).await.outcome(), (400, "LocationRequired"));
    world.put(&world.id(NSG), nothing).await;
    let moved = world.put(&world.id(NSG), json!({ "location": "eastus" })).await;
    assert_eq!(moved.outcome(), (409, "InvalidResourceLocation"));
}

#[tokio::test]
async fn extensions_are_listed_where_azure_lists_them() {
    let world = World::with_group(Options::default());
    let vault = world.id("Microsoft.KeyVault/vaults/v");
    world.cloud.put(&vault, json!({ "location": "japaneast", "properties": {} }));
    for scope in [SUBSCRIPTION, &vault] {
        let setting = format!("{scope}/providers/Microsoft.Insights/diagnosticSettings/all");
        assert_eq!(world.put(&setting, json!({ "properties": { "logs": [] } })).await.status, 200);
        let assignment = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", scope.len());
        assert_eq!(world.put(&assignment, json!({ "properties": {} })).await.status, 201);
    }
    let list = |kind: &str| format!("{SUBSCRIPTION}/providers/{kind}");
    assert_eq!(world.get(&list("Microsoft.Insights/diagnosticSettings")).await.value().len(), 1);
    assert_eq!(world.get(&list("Microsoft.Authorization/roleAssignments")).await.value().len(), 2);
    // One segment may hold a whole id.
    let encoded = vault.replace('/', "%2F");
    let path = format!("/{encoded}/providers/Microsoft.Insights/diagnosticSettings");
    assert_eq!(world.get(&path).await.value().len(), 1);
}

#[tokio::test]
async fn faults_come_as_asked_and_are_written_down() {
    let world = World::with_group(Options { throttle_every: Some(2), retry_after: 9, ..Options::default() });
    let path = format!("{SUBSCRIPTION}/resourceGroups/g");
    assert_eq!(world.get(&path).await.status, 200);
    let throttled = world.get(&path).await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("9")));
    world.cloud.fault(Fault::on("/resourcegroups/g").method("GET").with(403, "AuthorizationFailed").times(1));
    assert_eq!(world.get(&path).await.outcome(), (403, "AuthorizationFailed"));
    assert_eq!(world.get(&path).await.status, 200);
    assert_eq!(world.cloud.count("GET", &path), 4);
    let statuses: Vec<u16> = world.cloud.requests().iter().map(|logged| logged.status).collect();
    assert_eq!(statuses, [200, 429, 403, 200]);
    world.cloud.answer("GET", "/subscriptions/x/odd", 200, json!({ "canned": true }));
    world.cloud.clear_requests();
    let canned = world.get("/subscriptions/x/odd").await;
    assert!(canned.status == 429 || canned.body["canned"] == true);
    assert_eq!(world.cloud.counts().len(), 1);
}

#[tokio::test]
async fn groups_take_all_that_is_in_them_along() {
    let world = World::with_group(Options { operation_polls: 0, ..Options::default() });
    world.put(&world.id(NSG), json!({ "location": "japaneast" })).await;
    let group = format!("{SUBSCRIPTION}/resourceGroups/g");
    let gone = world.send("DELETE", &group, None).await;
    assert_eq!((gone.status, gone.header("azure-asyncoperation")), (202, None));
    let late = world.put(&world.id("Microsoft.KeyVault/vaults/v"), json!({ "location": "japaneast" })).await;
    assert_eq!(late.outcome(), (409, "ResourceGroupBeingDeleted"));
    assert_eq!(world.get(gone.header("location").unwrap()).await.status, 204);
    assert!(world.cloud.get(&world.id(NSG)).is_none());
    assert_eq!(world.send("HEAD", &group, None).await.status, 404);
    assert_eq!(world.send("DELETE", &group, None).await.outcome(), (404, "ResourceGroupNotFound"));
}
