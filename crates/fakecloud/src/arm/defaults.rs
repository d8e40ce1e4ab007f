//! What Azure adds to a document when a resource is written.
//!
//! Sources: the read-only and defaulted members of the models of azure-mgmt-network 33.1.0, azure-mgmt-compute 39.0.0 and
//! azure-mgmt-storage 25.3.0, and the answers shown in Microsoft's REST reference of the same operations.

use serde_json::{Map, Value as Json, json};

use super::path::ArmPath;

/// What providers make up once and keep.
const KEPT: [&str; 13] = [
    "properties.vmId",
    "properties.timeCreated",
    "properties.creationTime",
    "properties.uniqueId",
    "properties.resourceGuid",
    "properties.macAddress",
    "properties.ipAddress",
    "properties.primaryEndpoints",
    "properties.keyCreationTime",
    "properties.vaultUri",
    "properties.defaultSecurityRules",
    "properties.storageProfile.osDisk.managedDisk",
    "properties.storageProfile.osDisk.name",
];

/// Providers whose resources have no `provisioningState`.
const WITHOUT_STATE: [&str; 5] =
    ["Microsoft.Authorization", "Microsoft.Security", "Microsoft.Insights", "Microsoft.Management", "Microsoft.Web"];

/// What a document is completed with.
pub(crate) struct Fresh<'f> {
    /// Makes a GUID.
    pub(crate) guid: &'f mut dyn FnMut() -> String,
    /// The moment.
    pub(crate) now: String,
    /// The tenant.
    pub(crate) tenant: String,
}

/// Completes a document; `old` is what was there before.
pub(crate) fn complete(
    path: &ArmPath,
    document: &mut Map<String, Json>,
    old: Option<&Map<String, Json>>,
    fresh: &mut Fresh<'_>,
) {
    let mut whole = Json::Object(std::mem::take(document));
    for place in KEPT {
        let kept = old.and_then(|old| find_in(old, place)).cloned();
        if let Some(kept) = kept {
            set(&mut whole, place, kept);
        }
    }
    match path.kind.to_lowercase().as_str() {
        "microsoft.network/networksecuritygroups" => security_group(path, &mut whole, fresh),
        "microsoft.network/virtualnetworks" => {
            set(&mut whole, "properties.resourceGuid", (fresh.guid)().into());
            set(&mut whole, "properties.enableDdosProtection", false.into());
        }
        "microsoft.network/virtualnetworks/subnets" => subnet(&mut whole),
        "microsoft.network/networkinterfaces" => network_interface(path, &mut whole, fresh),
        "microsoft.network/publicipaddresses" => public_address(&mut whole, fresh),
        "microsoft.compute/virtualmachines" => machine(path, &mut whole, fresh),
        "microsoft.compute/disks" | "microsoft.compute/snapshots" => disk(&mut whole, fresh),
        "microsoft.storage/storageaccounts" => storage_account(path, &mut whole, fresh),
        "microsoft.keyvault/vaults" => vault(path, &mut whole, fresh),
        _ => (),
    }
    if !WITHOUT_STATE.contains(&path.namespace()) {
        whole["properties"]["provisioningState"] = "Succeeded".into();
    }
    if let Json::Object(members) = whole {
        *document = members;
    }
}

fn find_in<'d>(document: &'d Map<String, Json>, place: &str) -> Option<&'d Json> {
    let mut parts = place.split('.');
    let first = document.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Sets what is not set; a place whose way is not made of objects is left alone.
fn set(whole: &mut Json, place: &str, value: Json) {
    let mut at = whole;
    for part in place.split('.') {
        if !(at.is_object() || at.is_null()) {
            return;
        }
        at = &mut at[part];
    }
    if at.is_null() {
        *at = value;
    }
}

fn text(whole: &Json, pointer: &str) -> String {
    whole.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// Four hexadecimal digits that are as good as random.
fn digits(fresh: &mut Fresh<'_>) -> u16 {
    u16::from_str_radix((fresh.guid)().get(..4).unwrap_or_default(), 16).unwrap_or_default()
}

fn security_group(path: &ArmPath, whole: &mut Json, fresh: &mut Fresh<'_>) {
    set(whole, "properties.resourceGuid", (fresh.guid)().into());
    let rule = |name: &str, priority: u32, direction: &str, access: &str, from: &str, to: &str| {
        json!({
            "name": name, "id": format!("{}/defaultSecurityRules/{name}", path.id),
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded", "priority": priority, "direction": direction, "access": access,
                "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
                "sourceAddressPrefix": from, "destinationAddressPrefix": to,
            },
        })
    };
    let rules = json!([
        rule("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        rule("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
        rule("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
        rule("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        rule("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
        rule("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
    ]);
    set(whole, "properties.defaultSecurityRules", rules);
}

fn subnet(whole: &mut Json) {
    set(whole, "properties.privateEndpointNetworkPolicies", "Disabled".into());
    set(whole, "properties.privateLinkServiceNetworkPolicies", "Enabled".into());
    set(whole, "properties.delegations", json!([]));
}

fn network_interface(path: &ArmPath, whole: &mut Json, fresh: &mut Fresh<'_>) {
    let number = digits(fresh);
    set(whole, "properties.resourceGuid", (fresh.guid)().into());
    set(whole, "properties.macAddress", format!("00-0D-3A-00-{:02X}-{:02X}", number >> 8, number & 255).into());
    for (member, value) in [("enableIPForwarding", false), ("enableAcceleratedNetworking", false), ("primary", true)] {
        set(whole, &format!("properties.{member}"), value.into());
    }
    let configurations = whole.pointer_mut("/properties/ipConfigurations").and_then(Json::as_array_mut);
    for (at, configuration) in configurations.into_iter().flatten().enumerate() {
        let name = text(configuration, "/name");
        set(configuration, "id", format!("{}/ipConfigurations/{name}", path.id).into());
        set(configuration, "type", "Microsoft.Network/networkInterfaces/ipConfigurations".into());
        set(configuration, "properties.provisioningState", "Succeeded".into());
        set(configuration, "properties.privateIPAllocationMethod", "Dynamic".into());
        set(configuration, "properties.privateIPAddressVersion", "IPv4".into());
        set(
            configuration,
            "properties.privateIPAddress",
            format!("10.0.{}.{}", number >> 8, (number & 255).max(4)).into(),
        );
        set(configuration, "properties.primary", (at == 0).into());
    }
}

fn public_address(whole: &mut Json, fresh: &mut Fresh<'_>) {
    set(whole, "properties.resourceGuid", (fresh.guid)().into());
    set(whole, "properties.publicIPAllocationMethod", "Dynamic".into());
    set(whole, "properties.publicIPAddressVersion", "IPv4".into());
    set(whole, "properties.idleTimeoutInMinutes", 4.into());
    // TEST-NET-3 (RFC 5737): addresses that are nobody's.
    let address = format!("203.0.113.{}", digits(fresh) % 254 + 1);
    set(whole, "properties.ipAddress", address.into());
}

fn machine(path: &ArmPath, whole: &mut Json, fresh: &mut Fresh<'_>) {
    set(whole, "properties.vmId", (fresh.guid)().into());
    set(whole, "properties.timeCreated", fresh.now.clone().into());
    if !whole["properties"]["storageProfile"]["osDisk"].is_object() {
        return;
    }
    let name = path.name.clone().unwrap_or_default();
    let made_up = format!("{name}_OsDisk_1_{}", (fresh.guid)().replace('-', ""));
    set(whole, "properties.storageProfile.osDisk.name", made_up.into());
    let disk = text(whole, "/properties/storageProfile/osDisk/name");
    let group = path.group_id().unwrap_or_default();
    set(
        whole,
        "properties.storageProfile.osDisk.managedDisk.id",
        format!("{group}/providers/Microsoft.Compute/disks/{disk}").into(),
    );
    set(whole, "properties.storageProfile.osDisk.managedDisk.storageAccountType", "Premium_LRS".into());
    set(whole, "properties.storageProfile.osDisk.osType", os_type(whole).into());
    set(whole, "properties.storageProfile.osDisk.diskSizeGB", 30.into());
    set(whole, "properties.storageProfile.dataDisks", json!([]));
}

fn os_type(machine: &Json) -> &'static str {
    if machine["properties"]["osProfile"]["windowsConfiguration"].is_object() { "Windows" } else { "Linux" }
}

fn disk(whole: &mut Json, fresh: &mut Fresh<'_>) {
    let gigabytes = whole["properties"]["diskSizeGB"].as_u64().unwrap_or(30);
    set(whole, "properties.diskSizeGB", gigabytes.into());
    set(whole, "properties.diskSizeBytes", (gigabytes << 30).into());
    set(whole, "properties.timeCreated", fresh.now.clone().into());
    set(whole, "properties.uniqueId", (fresh.guid)().into());
    set(whole, "properties.diskState", "Unattached".into());
    set(whole, "properties.encryption", json!({ "type": "EncryptionAtRestWithPlatformKey" }));
    set(whole, "properties.networkAccessPolicy", "AllowAll".into());
    set(whole, "properties.publicNetworkAccess", "Enabled".into());
    set(whole, "sku", json!({ "name": "Standard_LRS" }));
    let tier = tier(&text(whole, "/sku/name"));
    set(whole, "sku.tier", tier.into());
}

fn tier(sku: &str) -> &'static str {
    if sku.starts_with("Premium") { "Premium" } else { "Standard" }
}

fn storage_account(path: &ArmPath, whole: &mut Json, fresh: &mut Fresh<'_>) {
    let name = path.name.clone().unwrap_or_default();
    let address = |service: &str| format!("https://{name}.{service}.core.windows.net/");
    let endpoints: Map<String, Json> = ["blob", "dfs", "file", "queue", "table"]
        .into_iter()
        .map(|service| (service.to_owned(), address(service).into()))
        .collect();
    let location = text(whole, "/location");
    let key = json!({ "enabled": true, "keyType": "Account", "lastEnabledTime": fresh.now });
    let properties = json!({
        "primaryEndpoints": endpoints, "primaryLocation": location, "statusOfPrimary": "available",
        "creationTime": fresh.now, "keyCreationTime": { "key1": fresh.now, "key2": fresh.now },
        "accessTier": "Hot", "supportsHttpsTrafficOnly": true, "minimumTlsVersion": "TLS1_0",
        "allowBlobPublicAccess": false, "privateEndpointConnections": [],
        "networkAcls": {
            "bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow",
        },
        "encryption": { "keySource": "Microsoft.Storage", "services": { "blob": key, "file": key } },
    });
    for (member, value) in properties.as_object().into_iter().flatten() {
        set(whole, &format!("properties.{member}"), value.clone());
    }
    set(whole, "kind", "StorageV2".into());
    let tier = tier(&text(whole, "/sku/name"));
    set(whole, "sku.tier", tier.into());
}

fn vault(path: &ArmPath, whole: &mut Json, fresh: &mut Fresh<'_>) {
    let name = path.name.clone().unwrap_or_default();
    set(whole, "properties.vaultUri", format!("https://{name}.vault.azure.net/").into());
    set(whole, "properties.tenantId", fresh.tenant.clone().into());
    set(whole, "properties.enableSoftDelete", true.into());
    set(whole, "properties.softDeleteRetentionInDays", 90.into());
    set(whole, "properties.publicNetworkAccess", "Enabled".into());
}

/// Resources that come along with one: the disk of a machine, the services of a storage account.
pub(crate) fn implied(path: &ArmPath, document: &Map<String, Json>) -> Vec<(String, Json)> {
    match path.kind.as_str() {
        "Microsoft.Compute/virtualMachines" => os_disk(document).into_iter().collect(),
        "Microsoft.Storage/storageAccounts" => ["blobServices", "fileServices", "queueServices", "tableServices"]
            .into_iter()
            .map(|service| {
                (format!("{}/{service}/default", path.id), json!({ "properties": { "cors": { "corsRules": [] } } }))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn os_disk(machine: &Map<String, Json>) -> Option<(String, Json)> {
    let os = find_in(machine, "properties.storageProfile.osDisk")?;
    let id = os["managedDisk"]["id"].as_str().filter(|_| os["createOption"] != "Attach")?;
    let disk = json!({
        "location": machine.get("location"), "sku": { "name": os["managedDisk"]["storageAccountType"] },
        "properties": {
            "osType": os["osType"], "diskSizeGB": os["diskSizeGB"], "creationData": { "createOption": "FromImage" },
        },
    });
    Some((id.to_owned(), disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(id: &str, document: Json, old: Option<&Map<String, Json>>) -> Map<String, Json> {
        let Json::Object(mut document) = document else { panic!("an object") };
        let mut count = 0;
        let mut guid = || {
            count += 1;
            format!("0000000{count}-0000-0000-0000-000000000000")
        };
        let mut fresh = Fresh { guid: &mut guid, now: "2026-01-01T00:00:00Z".to_owned(), tenant: "t".to_owned() };
        complete(&ArmPath::parse(id), &mut document, old, &mut fresh);
        document
    }

    const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";

    #[test]
    fn a_machine_gets_an_id_that_it_keeps_and_a_disk() {
        let id = format!("{GROUP}/Microsoft.Compute/virtualMachines/v");
        let body = json!({ "location": "l",
            "properties": { "storageProfile": { "osDisk": { "createOption": "FromImage" } } } });
        let first = completed(&id, body.clone(), None);
        let again = completed(&id, json!({ "properties": {} }), Some(&first));
        assert_eq!(first["properties"]["vmId"], again["properties"]["vmId"]);
        let disks = implied(&ArmPath::parse(&id), &first);
        assert_eq!(disks.len(), 1);
        assert!(disks[0].0.starts_with(&format!("{GROUP}/Microsoft.Compute/disks/v_OsDisk_1_")), "{}", disks[0].0);
    }

    #[test]
    fn what_the_client_said_stays() {
        let id = format!("{GROUP}/Microsoft.Storage/storageAccounts/a");
        let account = completed(&id, json!({ "properties": { "supportsHttpsTrafficOnly": false } }), None);
        assert_eq!(account["properties"]["supportsHttpsTrafficOnly"], false);
        assert_eq!(account["properties"]["primaryEndpoints"]["blob"], "https://a.blob.core.windows.net/");
        let assignment =
            completed("/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/r", json!({}), None);
        assert_eq!(assignment.get("properties"), None);
    }
}
