//! Resources to start with: the same ones for the same number, in all services.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::state::State;

/// Resources of one resource group.
const OF_A_GROUP: usize = 50;
const LOCATION: &str = "japaneast";
/// The built-in role Owner (Microsoft, "Azure built-in roles").
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
/// The template of the directory role Global Administrator (Microsoft, "Microsoft Entra built-in roles").
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// Fills a cloud with this many ARM resources, and users, groups and assets in proportion. 0 = nothing at all.
pub(crate) fn fill(state: &mut State, resources: usize) {
    if resources == 0 {
        return;
    }
    for (number, subscription) in state.options.subscriptions.clone().into_iter().enumerate() {
        let all = state.options.subscriptions.len();
        let share = resources / all + usize::from(number < resources % all);
        for at in 0..share {
            resource(state, &subscription, at);
        }
        scope(state, &subscription);
    }
    directory(state, (resources / 10).max(5));
    assets(state, resources);
}

fn put(state: &mut State, id: &str, document: Json) {
    state.arm.store.put_plain(id, document);
}

/// A GUID that belongs to a text.
fn guid(text: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
}

/// One top-level resource of ten kinds of places; those of one ten refer to each other.
fn resource(state: &mut State, subscription: &str, at: usize) {
    let group = format!("/subscriptions/{subscription}/resourceGroups/rg-{}", at / OF_A_GROUP);
    if at.is_multiple_of(OF_A_GROUP) {
        let properties = json!({ "provisioningState": "Succeeded" });
        put(state, &group, json!({ "location": LOCATION, "tags": { "seed": "fake" }, "properties": properties }));
    }
    let place = Place { group: &group, ten: at - at % 10, at };
    let (id, mut properties) = match at % 10 {
        0 => (place.id("Microsoft.Network/virtualNetworks/vnet", place.ten), network(&place)),
        1 => (place.rules(), rules()),
        2 | 5 => (place.id("Microsoft.Network/networkInterfaces/nic", at), interface(&place)),
        3 | 6 => (place.id("Microsoft.Compute/disks/disk", at), disk()),
        4 | 7 => (place.id("Microsoft.Compute/virtualMachines/vm", at), machine(&place)),
        8 => (format!("{group}/providers/Microsoft.Storage/storageAccounts/fakestore{at:06}"), account(&place)),
        _ => (place.id("Microsoft.KeyVault/vaults/kv", at), vault(&place)),
    };
    properties["provisioningState"] = "Succeeded".into();
    let tags = json!({ "owner": format!("team-{}", at % 7) });
    put(state, &id, json!({ "location": LOCATION, "tags": tags, "properties": properties }));
}

/// Where a resource is among the others.
struct Place<'g> {
    group: &'g str,
    ten: usize,
    at: usize,
}

impl Place<'_> {
    fn id(&self, start: &str, number: usize) -> String {
        format!("{}/providers/{start}-{number:06}", self.group)
    }

    fn rules(&self) -> String {
        self.id("Microsoft.Network/networkSecurityGroups/nsg", self.ten + 1)
    }

    fn front(&self) -> String {
        format!("{}/subnets/front", self.id("Microsoft.Network/virtualNetworks/vnet", self.ten))
    }
}

fn network(place: &Place<'_>) -> Json {
    let subnet = |name: &str, prefix: &str, rules: Option<String>| {
        let mut properties = json!({ "provisioningState": "Succeeded", "addressPrefix": prefix });
        if let Some(rules) = rules {
            properties["networkSecurityGroup"] = json!({ "id": rules });
        }
        json!({ "name": name, "properties": properties })
    };
    let subnets = [subnet("front", "10.0.0.0/24", Some(place.rules())), subnet("back", "10.0.1.0/24", None)];
    json!({ "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] }, "subnets": subnets })
}

fn rules() -> Json {
    let rule = |name: &str, priority: u32, port: &str| {
        json!({ "name": name, "properties": {
            "provisioningState": "Succeeded", "priority": priority, "direction": "Inbound", "access": "Allow",
            "protocol": "Tcp", "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*",
            "destinationPortRange": port,
        } })
    };
    json!({ "securityRules": [rule("ssh", 100, "22"), rule("web", 200, "443")] })
}

fn interface(place: &Place<'_>) -> Json {
    let address = format!("10.0.0.{}", place.at % 10 + 4);
    let properties = json!({
        "provisioningState": "Succeeded", "primary": true, "privateIPAddress": address,
        "subnet": { "id": place.front() },
    });
    json!({ "ipConfigurations": [{ "name": "ipconfig1", "properties": properties }] })
}

fn disk() -> Json {
    json!({
        "diskSizeGB": 32, "diskState": "Unattached", "osType": "Linux", "networkAccessPolicy": "AllowAll",
        "encryption": { "type": "EncryptionAtRestWithPlatformKey" },
    })
}

/// A machine with the interface and the disk that came before it.
fn machine(place: &Place<'_>) -> Json {
    let interface = place.id("Microsoft.Network/networkInterfaces/nic", place.at - 2);
    let disk = place.id("Microsoft.Compute/disks/disk", place.at - 1);
    json!({
        "vmId": guid(&disk), "hardwareProfile": { "vmSize": "Standard_D2s_v5" },
        "storageProfile": {
            "osDisk": { "osType": "Linux", "createOption": "FromImage", "managedDisk": { "id": disk } },
            "dataDisks": [],
        },
        "networkProfile": { "networkInterfaces": [{ "id": interface }] },
    })
}

fn account(place: &Place<'_>) -> Json {
    json!({
        "supportsHttpsTrafficOnly": place.at % 20 == 8, "allowBlobPublicAccess": place.at % 30 == 8,
        "minimumTlsVersion": "TLS1_2",
        "networkAcls": {
            "defaultAction": "Allow", "bypass": "AzureServices", "ipRules": [], "virtualNetworkRules": [],
        },
    })
}

fn vault(place: &Place<'_>) -> Json {
    json!({ "enableSoftDelete": true, "enableRbacAuthorization": place.at % 20 == 9 })
}

/// What hangs under a subscription itself.
fn scope(state: &mut State, subscription: &str) {
    let scope = format!("/subscriptions/{subscription}");
    let permissions = json!({ "actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": [] });
    let owner = json!({
        "roleName": "Owner", "type": "BuiltInRole", "assignableScopes": ["/"], "permissions": [permissions],
    });
    let roles = "providers/Microsoft.Authorization/roleDefinitions";
    put(state, &format!("/{roles}/{OWNER}"), json!({ "properties": owner }));
    for number in 0..3 {
        let name = guid(&format!("{scope}/{number}"));
        let properties = json!({
            "roleDefinitionId": format!("{scope}/{roles}/{OWNER}"), "principalId": user_id(number),
            "principalType": "User", "scope": scope,
        });
        let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
        put(state, &id, json!({ "properties": properties }));
    }
    for plan in ["VirtualMachines", "StorageAccounts", "KeyVaults", "SqlServers", "Containers", "CloudPosture", "Arm"] {
        let properties = json!({ "pricingTier": "Free", "freeTrialRemainingTime": "P30D" });
        put(
            state,
            &format!("{scope}/providers/Microsoft.Security/pricings/{plan}"),
            json!({ "properties": properties }),
        );
    }
}

fn user_id(number: usize) -> String {
    guid(&format!("user/{number}"))
}

/// Users with their sign-in methods; groups, roles and applications.
fn directory(state: &mut State, users: usize) {
    for number in 0..users {
        user(state, number);
    }
    principals(state);
    let (group, role) = (guid("group"), guid("role"));
    let directory = &mut state.directory;
    directory.push(
        "groups",
        json!({
            "id": group, "displayName": "Operators", "securityEnabled": true, "mailEnabled": false, "groupTypes": [],
            "isAssignableToRole": true,
        }),
    );
    let administrators = json!({
        "id": role, "displayName": "Global Administrator", "roleTemplateId": GLOBAL_ADMINISTRATOR,
    });
    directory.push("directoryRoles", administrators);
    let assignment = json!({
        "id": "assignment1", "principalId": user_id(0), "roleDefinitionId": GLOBAL_ADMINISTRATOR, "directoryScopeId": "/",
    });
    directory.push("roleManagement/directory/roleAssignments", assignment);
    let (zero, one) = (user_id(0), user_id(1));
    directory.set_members("groups", &group, &[&zero, &one]);
    directory.set_members("directoryRoles", &role, &[&zero, &group]);
}

fn user(state: &mut State, number: usize) {
    let (id, shown) = (user_id(number), format!("User {number}"));
    let name = format!("user{number}@contoso.onmicrosoft.com");
    let strong = !number.is_multiple_of(3);
    let methods = if strong { json!(["microsoftAuthenticatorPush"]) } else { json!([]) };
    let user = json!({
        "id": id, "displayName": shown, "userPrincipalName": name, "mail": name, "accountEnabled": number % 11 != 10,
        "userType": if number % 5 == 4 { "Guest" } else { "Member" }, "createdDateTime": "2024-01-01T00:00:00Z",
        "assignedLicenses": [],
    });
    state.directory.push("users", user);
    let registration = json!({
        "id": id, "userPrincipalName": name, "userDisplayName": shown, "isMfaRegistered": strong, "isMfaCapable": strong,
        "isAdmin": number < 2, "methodsRegistered": methods,
    });
    state.directory.push("reports/authenticationMethods/userRegistrationDetails", registration);
}

fn principals(state: &mut State) {
    let client = "33333333-3333-3333-3333-333333333333";
    let application = json!({
        "id": guid("application"), "appId": client, "displayName": "Yagura", "signInAudience": "AzureADMyOrg",
        "keyCredentials": [], "passwordCredentials": [],
    });
    let principal = json!({
        "id": guid("principal"), "appId": client, "displayName": "Yagura", "servicePrincipalType": "Application",
        "accountEnabled": true, "keyCredentials": [], "passwordCredentials": [],
    });
    state.directory.push("applications", application);
    state.directory.push("servicePrincipals", principal);
}

/// Google's side: machines and buckets of one project.
fn assets(state: &mut State, count: usize) {
    state.google.add_project("fake-project", 123_456_789_012);
    for number in 0..count {
        let asset = if number % 2 == 0 { bucket(number) } else { instance(number) };
        state.google.add(asset);
    }
}

fn bucket(number: usize) -> Json {
    let name = format!("fake-bucket-{number:06}");
    let access = json!({ "publicAccessPrevention": "inherited" });
    let data = json!({ "name": name, "location": "ASIA-NORTHEAST1", "iamConfiguration": access });
    let mut asset = asset(&format!("//storage.googleapis.com/{name}"), "storage.googleapis.com/Bucket", data);
    let member = if number.is_multiple_of(6) { "allUsers" } else { "user:someone@example.com" };
    let binding = json!({ "role": "roles/storage.objectViewer", "members": [member] });
    asset["iamPolicy"] = json!({ "bindings": [binding], "etag": "CAE=" });
    asset
}

fn instance(number: usize) -> Json {
    let name = format!("vm-{number:06}");
    let full = format!("//compute.googleapis.com/projects/fake-project/zones/asia-northeast1-a/instances/{name}");
    let data = json!({ "name": name, "status": "RUNNING", "networkInterfaces": [] });
    asset(&full, "compute.googleapis.com/Instance", data)
}

/// Source: Google, "Asset" and "Resource" of the Cloud Asset API v1.
fn asset(name: &str, kind: &str, data: Json) -> Json {
    let resource = json!({
        "version": "v1", "discoveryName": kind.rsplit('/').next(), "location": "asia-northeast1", "data": data,
        "parent": "//cloudresourcemanager.googleapis.com/projects/123456789012",
    });
    let ancestors = json!(["projects/123456789012", "folders/111", "organizations/222"]);
    json!({
        "name": name, "assetType": kind, "ancestors": ancestors, "updateTime": "2026-01-01T00:00:00Z",
        "resource": resource,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::store::Stored;
    use crate::options::Options;

    #[test]
    fn as_many_as_asked_for() {
        let mut state = State::new(Options::default());
        fill(&mut state, 120);
        let is_resource = |stored: &&Stored| {
            stored.document.contains_key("location") && stored.path.kind != "Microsoft.Resources/resourceGroups"
        };
        assert_eq!(state.arm.store.all().filter(is_resource).count(), 120);
        let mut empty = State::new(Options::default());
        let before = empty.arm.store.ids();
        fill(&mut empty, 0);
        assert_eq!(empty.arm.store.ids(), before);
    }
}
