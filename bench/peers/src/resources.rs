//! The resources: of the kinds that the definitions speak of, the same in every run.

use serde_json::{Value as Json, json};

/// Numbers that look like chance and are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick(&mut self, values: &[Json]) -> Json {
        values[self.below(values.len())].clone()
    }

    /// One of the values, or nothing.
    fn maybe(&mut self, object: &mut Json, name: &str, values: &[Json]) {
        let place = self.below(values.len() + 1);
        if let Some(value) = values.get(place) {
            object[name] = value.clone();
        }
    }
}

/// One kind: its name and what makes its properties.
type Maker = (&'static str, fn(&mut Chance, &mut Json));

const MAKERS: [Maker; 7] = [
    ("Microsoft.Storage/storageAccounts", storage),
    ("Microsoft.KeyVault/vaults", vault),
    ("Microsoft.ContainerService/managedClusters", cluster),
    ("Microsoft.ContainerRegistry/registries", registry),
    ("Microsoft.DocumentDB/databaseAccounts", cosmos),
    ("Microsoft.Web/sites", site),
    ("Microsoft.Network/networkInterfaces", interface),
];

/// The JSON texts of that many resources.
pub fn texts(count: usize) -> Vec<String> {
    let mut chance = Chance(20_260_101);
    (0..count).map(|number| resource(&mut chance, number).to_string()).collect()
}

fn resource(chance: &mut Chance, number: usize) -> Json {
    let (kind, make) = MAKERS[number % MAKERS.len()];
    let name = match chance.below(10) {
        0 => format!("cluster{number:05}"),
        _ => format!("bench{number:05}"),
    };
    let (subscription, group) = (number % 10, number / 40);
    let group = if chance.below(20) == 0 { format!("aro-{group}") } else { format!("rg-{group}") };
    let mut resource = json!({
        "id": format!("/subscriptions/00000000-0000-0000-0000-{subscription:012}/resourceGroups/{group}/providers/{kind}/{name}"),
        "name": name,
        "type": kind,
        "location": "japaneast",
        "tags": {"environment": "production", "owner": "bench"},
        "properties": {"provisioningState": "Succeeded"},
    });
    make(chance, &mut resource);
    resource
}

fn flags() -> [Json; 2] {
    [json!(true), json!(false)]
}

fn network_access() -> [Json; 2] {
    [json!("Enabled"), json!("Disabled")]
}

/// Up to three private endpoint connections.
fn connections(chance: &mut Chance) -> Json {
    let one = |chance: &mut Chance, place: usize| {
        let status = chance.pick(&[json!("Approved"), json!("Pending"), json!("Rejected")]);
        json!({"name": format!("pe-{place}"), "properties": {
            "privateEndpoint": {"id": format!("/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/privateEndpoints/pe-{place}")},
            "privateLinkServiceConnectionState": {"status": status, "description": ""},
        }})
    };
    let count = chance.below(4);
    (0..count).map(|place| one(chance, place)).collect()
}

fn storage(chance: &mut Chance, resource: &mut Json) {
    resource["sku"] = json!({"name": "Standard_LRS", "tier": "Standard"});
    resource["kind"] = json!("StorageV2");
    let rules = chance.below(3);
    let rules: Json =
        (0..rules).map(|place| json!({"value": format!("203.0.113.{place}"), "action": "Allow"})).collect();
    let networks = chance.below(2);
    let networks: Json =
        (0..networks).map(|place| json!({"id": format!("/x/subnets/{place}"), "action": "Allow"})).collect();
    let properties = &mut resource["properties"];
    chance.maybe(properties, "allowBlobPublicAccess", &flags());
    chance.maybe(properties, "minimumTlsVersion", &[json!("TLS1_0"), json!("TLS1_2"), json!("tls1_2")]);
    properties["supportsHttpsTrafficOnly"] = json!(true);
    properties["primaryEndpoints"] =
        json!({"blob": "https://x.blob.core.windows.net/", "dfs": "https://x.dfs.core.windows.net/"});
    properties["encryption"] = json!({"keySource": "Microsoft.Storage", "services": {"blob": {"enabled": true}}});
    properties["networkAcls"] = json!({
        "defaultAction": chance.pick(&[json!("Allow"), json!("Deny")]),
        "bypass": chance.pick(&[json!("AzureServices"), json!("None"), json!("Logging, Metrics")]),
        "ipRules": rules,
        "virtualNetworkRules": networks,
        "resourceAccessRules": [],
    });
}

fn vault(chance: &mut Chance, resource: &mut Json) {
    let connections = connections(chance);
    let properties = &mut resource["properties"];
    properties["sku"] = json!({"family": "A", "name": "standard"});
    chance.maybe(properties, "createMode", &[json!("default"), json!("recover")]);
    chance.maybe(properties, "enableSoftDelete", &flags());
    chance.maybe(properties, "enablePurgeProtection", &flags());
    chance.maybe(properties, "enableRbacAuthorization", &flags());
    properties["networkAcls"] = json!({"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": []});
    properties["accessPolicies"] =
        json!([{"objectId": "o", "permissions": {"keys": ["get"], "secrets": ["get", "list"]}}]);
    if chance.below(3) > 0 {
        properties["privateEndpointConnections"] = connections;
    }
}

fn cluster(chance: &mut Chance, resource: &mut Json) {
    let pools = 1 + chance.below(3);
    let pools: Json = (0..pools).map(|place| pool(chance, place)).collect();
    let properties = &mut resource["properties"];
    let versions = ["1.9.11", "1.12.6", "1.13.0", "1.28.3", "1.31.2"].map(Json::from);
    properties["kubernetesVersion"] = chance.pick(&versions);
    properties["agentPoolProfiles"] = pools;
    properties["networkProfile"] = json!({"networkPlugin": "azure", "networkPolicy": "cilium"});
    let mut access = json!({});
    chance.maybe(&mut access, "authorizedIPRanges", &[json!(["203.0.113.0/24"])]);
    chance.maybe(&mut access, "enablePrivateCluster", &flags());
    chance.maybe(properties, "apiServerAccessProfile", &[access]);
}

fn pool(chance: &mut Chance, place: usize) -> Json {
    let mut pool = json!({"name": format!("pool{place}"), "vmSize": "Standard_D4s_v5", "mode": "System", "osType": "Linux", "count": 3});
    chance.maybe(&mut pool, "enableEncryptionAtHost", &[json!(true), json!(true), json!(false)]);
    let ssh = chance.pick(&[json!("LocalUser"), json!("Disabled"), json!("Disabled")]);
    chance.maybe(&mut pool, "securityProfile", &[json!({"sshAccess": ssh}), json!({"sshAccess": "Disabled"})]);
    pool
}

fn registry(chance: &mut Chance, resource: &mut Json) {
    resource["sku"] = json!({"name": "Premium", "tier": "Premium"});
    let connections = connections(chance);
    let properties = &mut resource["properties"];
    properties["adminUserEnabled"] = json!(false);
    properties["loginServer"] = json!("bench.azurecr.io");
    chance.maybe(properties, "publicNetworkAccess", &network_access());
    let action = chance.pick(&[json!("Allow"), json!("Deny")]);
    chance.maybe(properties, "networkRuleSet", &[json!({"defaultAction": action, "ipRules": []})]);
    let export = chance.pick(&[json!("enabled"), json!("disabled")]);
    properties["policies"] = json!({"exportPolicy": {"status": export}, "quarantinePolicy": {"status": "disabled"}});
    properties["privateEndpointConnections"] = connections;
}

fn cosmos(chance: &mut Chance, resource: &mut Json) {
    resource["kind"] = json!("GlobalDocumentDB");
    let connections = connections(chance);
    let capabilities = chance.pick(&[
        json!([]),
        json!([{"name": "EnableServerless"}]),
        json!([{"name": "EnableServerless"}, {"name": "EnableMongo"}]),
    ]);
    let rules = chance.pick(&[
        json!([]),
        json!([{"ipAddressOrRange": "0.0.0.0"}]),
        json!([{"ipAddressOrRange": "203.0.113.7"}, {"ipAddressOrRange": "203.0.113.0/28"}]),
    ]);
    let properties = &mut resource["properties"];
    properties["databaseAccountOfferType"] = json!("Standard");
    properties["consistencyPolicy"] = json!({"defaultConsistencyLevel": "Session", "maxStalenessPrefix": 100});
    properties["locations"] = json!([{"locationName": "Japan East", "failoverPriority": 0, "isZoneRedundant": false}]);
    properties["capabilities"] = capabilities;
    chance.maybe(properties, "publicNetworkAccess", &network_access());
    chance.maybe(properties, "isVirtualNetworkFilterEnabled", &flags());
    chance.maybe(properties, "ipRules", &[rules]);
    chance.maybe(properties, "ipRangeFilter", &[json!(""), json!("0.0.0.0,203.0.113.7")]);
    chance.maybe(properties, "disableLocalAuth", &flags());
    chance.maybe(properties, "privateEndpointConnections", &[connections]);
}

fn site(chance: &mut Chance, resource: &mut Json) {
    let kinds = ["app", "app,linux", "functionapp", "FunctionApp,linux", "functionapp,workflowapp"].map(Json::from);
    resource["kind"] = chance.pick(&kinds);
    let properties = &mut resource["properties"];
    properties["state"] = json!("Running");
    properties["hostNames"] = json!(["bench.azurewebsites.net"]);
    properties["siteConfig"] = json!({"linuxFxVersion": "NODE|20-lts", "minTlsVersion": "1.2", "http20Enabled": true});
    chance.maybe(properties, "httpsOnly", &flags());
    chance.maybe(properties, "endToEndEncryptionEnabled", &flags());
}

fn interface(chance: &mut Chance, resource: &mut Json) {
    let configurations = 1 + chance.below(3);
    let one = |chance: &mut Chance, place: usize| {
        let mut configuration = json!({"name": format!("ipconfig{place}"), "properties": {
            "privateIPAddress": format!("10.0.0.{place}"),
            "subnet": {"id": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/virtualNetworks/v/subnets/s"},
        }});
        let address = json!({"id": format!("/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/publicIPAddresses/ip{place}")});
        chance.maybe(&mut configuration["properties"], "publicIPAddress", &[address]);
        configuration
    };
    let configurations: Json = (0..configurations).map(|place| one(chance, place)).collect();
    let properties = &mut resource["properties"];
    properties["ipConfigurations"] = configurations;
    properties["enableIPForwarding"] = json!(false);
}
