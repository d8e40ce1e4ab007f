#!/usr/bin/env python3
"""Microsoft's own SDKs against the fake Azure, over TLS with its authority: create, change, list, query, delete.

    cargo build -p yagura-fakecloud -p yagura-app && python3 tests/clients/azure_sdk.py

What the SDKs have made is then read back by `yagura --live`: every resource, document for document. Prints as JSON what exists at the end, by kind; checks are said on standard error; exit code 0 = all held. Every 13th call
is throttled and every 17th fails, which the SDKs have to live with.
"""

import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import environment
from fakecloud import CLIENT, SECRET, SUBSCRIPTION, TENANT, binary, check, pem_of, running, signer

GROUP, PLACE = "rg-sdk", "japaneast"


class StaticToken:
    """A credential that has one token and no other."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_scopes, **_options):
        """The token; the SDK is told that it lives for an hour."""
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, int(time.time()) + 3600)


def first_token(base):
    """A token by hand: the client-credentials form of the token endpoint."""
    import requests

    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "scope": f"{base}/.default"}
    answer = requests.post(f"{base}/{TENANT}/oauth2/v2.0/token", data=form, timeout=10)
    answer.raise_for_status()
    return answer.json()["access_token"]


class Clients:
    """One client per service."""

    def __init__(self, base, ca, credential):
        from azure.mgmt.compute import ComputeManagementClient
        from azure.mgmt.network import NetworkManagementClient
        from azure.mgmt.resource.resources import ResourceManagementClient
        from azure.mgmt.resourcegraph import ResourceGraphClient
        from azure.mgmt.storage import StorageManagementClient

        told = {"base_url": base, "credential_scopes": [f"{base}/.default"], "connection_verify": ca, "polling_interval": 0.05}
        self.resource = ResourceManagementClient(credential, SUBSCRIPTION, **told)
        self.network = NetworkManagementClient(credential, SUBSCRIPTION, **told)
        self.compute = ComputeManagementClient(credential, SUBSCRIPTION, **told)
        self.storage = StorageManagementClient(credential, SUBSCRIPTION, **told)
        self.graph = ResourceGraphClient(credential, **told)


def code_of(call):
    """The code of the error that a call ends in; none = it ended well."""
    from azure.core.exceptions import HttpResponseError

    try:
        call()
    except HttpResponseError as error:
        return error.error.code if error.error else str(error.status_code)
    return None


def rule(name, priority, port):
    """A security rule."""
    return {
        "name": name,
        "properties": {
            "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": port,
        },
    }  # fmt: skip


def groups(clients):
    """Resource groups: made, looked for, changed."""
    resource = clients.resource
    made = resource.resource_groups.create_or_update(GROUP, {"location": PLACE, "tags": {"made": "by sdk"}})
    check("a resource group is made", made.properties.provisioning_state == "Succeeded" and made.name == GROUP)
    check("it exists, another does not", resource.resource_groups.check_existence(GROUP) and not resource.resource_groups.check_existence("none"))
    changed = resource.resource_groups.update(GROUP, {"tags": {"changed": "yes"}})
    check("tags are replaced", changed.tags == {"changed": "yes"})
    check("a missing group is said", code_of(lambda: resource.resource_groups.get("none")) == "ResourceGroupNotFound")
    no_group = lambda: clients.network.virtual_networks.begin_create_or_update("none", "v", {"location": PLACE})  # noqa: E731
    check("nothing is made in a missing group", code_of(no_group) == "ResourceGroupNotFound")


def networks(clients):
    """A group of rules, a network with subnets, an address, an interface; children inside and beside their parents."""
    network = clients.network
    body = {"location": PLACE, "properties": {"securityRules": [rule("ssh", 100, "22"), rule("web", 110, "443")]}}
    nsg = network.network_security_groups.begin_create_or_update(GROUP, "nsg", body).result()
    check("rules given inside are there", [one.name for one in nsg.security_rules] == ["ssh", "web"])
    check("default rules are there", len(nsg.default_security_rules) == 6)
    child = network.security_rules.get(GROUP, "nsg", "ssh")
    check("such a rule is a resource of its own", child.id == f"{nsg.id}/securityRules/ssh" and child.priority == 100)
    network.security_rules.begin_create_or_update(GROUP, "nsg", "jit", rule("jit", 120, "3389")).result()
    nsg = network.network_security_groups.get(GROUP, "nsg")
    check("a rule made beside is inside", [one.name for one in nsg.security_rules] == ["ssh", "web", "jit"])
    twice = lambda: network.security_rules.begin_create_or_update(GROUP, "nsg", "other", rule("other", 120, "80"))  # noqa: E731
    check("two rules of one priority conflict", code_of(twice) == "SecurityRuleConflict")
    network.security_rules.begin_delete(GROUP, "nsg", "jit").result()
    check("a deleted rule is gone", [one.name for one in network.security_rules.list(GROUP, "nsg")] == ["ssh", "web"])

    subnets = [
        {"name": "front", "properties": {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": nsg.id}}},
        {"name": "back", "properties": {"addressPrefix": "10.0.1.0/24"}},
    ]
    body = {"location": PLACE, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}}
    vnet = network.virtual_networks.begin_create_or_update(GROUP, "vnet", body).result()
    check("subnets given inside are there", [one.name for one in vnet.subnets] == ["front", "back"] and vnet.subnets[0].id)
    made = network.subnets.begin_create_or_update(GROUP, "vnet", "third", {"properties": {"addressPrefix": "10.0.2.0/24"}}).result()
    check("a subnet is made beside", made.provisioning_state == "Succeeded")
    check("it is inside", len(network.virtual_networks.get(GROUP, "vnet").subnets) == 3)

    address = network.public_ip_addresses.begin_create_or_update(GROUP, "pip", {"location": PLACE, "sku": {"name": "Standard"}}).result()
    configuration = {"name": "ipconfig1", "properties": {"subnet": {"id": vnet.subnets[0].id}, "publicIPAddress": {"id": address.id}}}
    body = {"location": PLACE, "properties": {"ipConfigurations": [configuration]}}
    nic = network.network_interfaces.begin_create_or_update(GROUP, "nic", body).result()
    check("an interface has an address", nic.ip_configurations[0].private_ip_address.startswith("10.0."))
    configuration["properties"]["subnet"] = {"id": f"{vnet.id}/subnets/none"}
    lost = lambda: network.network_interfaces.begin_create_or_update(GROUP, "lost", body)  # noqa: E731
    check("a reference to nothing is refused", code_of(lost) == "InvalidResourceReference")
    nsg = network.network_security_groups.get(GROUP, "nsg")
    check("the group knows its subnets", [one.id for one in nsg.subnets] == [vnet.subnets[0].id])
    in_use = lambda: network.network_security_groups.begin_delete(GROUP, "nsg")  # noqa: E731
    check("a group in use stays", code_of(in_use) == "InUseNetworkSecurityGroupCannotBeDeleted")
    return nic.id


def machines(clients, nic):
    """A machine with its disk, and a disk of its own; power, tags, a snapshot's address."""
    compute = clients.compute
    body = {
        "location": PLACE,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"osDisk": {"createOption": "FromImage"}, "imageReference": {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}},
            "osProfile": {"computerName": "vm", "adminUsername": "someone"},
            "networkProfile": {"networkInterfaces": [{"id": nic}]},
        },
    }
    vm = compute.virtual_machines.begin_create_or_update(GROUP, "vm", body).result()
    check("a machine is made", vm.provisioning_state == "Succeeded" and len(vm.vm_id) == 36)
    os_disk = compute.disks.get(GROUP, vm.storage_profile.os_disk.name)
    check("its disk came along and knows it", os_disk.managed_by == vm.id and os_disk.disk_state == "Attached")
    check("its interface knows it", clients.network.network_interfaces.get(GROUP, "nic").virtual_machine.id == vm.id)
    changed = compute.virtual_machines.begin_update(GROUP, "vm", {"tags": {"env": "test"}}).result()
    check("a machine is changed and stays itself", changed.tags == {"env": "test"} and changed.vm_id == vm.vm_id)
    compute.virtual_machines.begin_power_off(GROUP, "vm").result()
    states = [one.code for one in compute.virtual_machines.instance_view(GROUP, "vm").statuses]
    check("it is switched off", "PowerState/stopped" in states)
    body = {"location": PLACE, "sku": {"name": "Premium_LRS"}, "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 64}}
    disk = compute.disks.begin_create_or_update(GROUP, "data", body).result()
    check("a disk is made", disk.disk_size_bytes == 64 << 30 and disk.sku.tier == "Premium")
    disk = compute.disks.begin_update(GROUP, "data", {"properties": {"networkAccessPolicy": "DenyAll"}}).result()
    check("a disk is changed", disk.network_access_policy == "DenyAll" and disk.disk_size_gb == 64)
    body = {"location": PLACE, "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": disk.id}}}
    snapshot = compute.snapshots.begin_create_or_update(GROUP, "snap", body).result()
    access = compute.snapshots.begin_grant_access(GROUP, snapshot.name, {"access": "Read", "durationInSeconds": 600}).result()
    check("a snapshot can be read", access.access_sas.startswith("https://"))
    compute.snapshots.begin_revoke_access(GROUP, "snap").result()
    compute.snapshots.begin_delete(GROUP, "snap").result()
    check("a deleted snapshot is gone", code_of(lambda: compute.snapshots.get(GROUP, "snap")) == "ResourceNotFound")


def accounts(clients):
    """A storage account: made without a body in the first answer, changed, its keys and containers."""
    storage = clients.storage
    body = {"location": PLACE, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    account = storage.storage_accounts.begin_create(GROUP, "fakesdkstore", body).result()
    check("an account is made", account.primary_endpoints.blob == "https://fakesdkstore.blob.core.windows.net/")
    account = storage.storage_accounts.update(GROUP, "fakesdkstore", {"properties": {"minimumTlsVersion": "TLS1_2"}})
    check("an account is changed", account.minimum_tls_version == "TLS1_2" and account.enable_https_traffic_only is True)
    check("it has keys", len(storage.storage_accounts.list_keys(GROUP, "fakesdkstore").keys_property) == 2)
    storage.blob_containers.create(GROUP, "fakesdkstore", "box", {"properties": {"publicAccess": "None"}})
    check("it has containers", [one.name for one in storage.blob_containers.list(GROUP, "fakesdkstore")] == ["box"])
    check("its blob service is there", storage.blob_services.get_service_properties(GROUP, "fakesdkstore").name == "default")


def lists(clients):
    """Lists over several pages, by group and by subscription, and the resource graph."""
    from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

    network, resource = clients.network, clients.resource
    for number in range(7):
        network.network_security_groups.begin_create_or_update(GROUP, f"page{number}", {"location": PLACE}).result()
    pages = [[one.name for one in page] for page in network.network_security_groups.list_all().by_page()]
    check("a list has pages of three", [len(page) for page in pages] == [3, 3, 2])
    own = [one.name for one in network.network_security_groups.list(GROUP)]
    check("the group's list is the same", own == [name for page in pages for name in page])
    resource.resource_groups.create_or_update("rg-other", {"location": PLACE})
    network.network_security_groups.begin_create_or_update("rg-other", "page0", {"location": PLACE}).result()
    check("another group's is not in it", len(list(network.network_security_groups.list(GROUP))) == 8)
    filtered = list(resource.resources.list(filter="resourceType eq 'Microsoft.Network/networkSecurityGroups'"))
    check("resources are filtered by type", len(filtered) == 9)
    query = lambda **options: clients.graph.resources(  # noqa: E731
        QueryRequest(subscriptions=[SUBSCRIPTION], query="resources | order by id asc", options=QueryRequestOptions(result_format="objectArray", **options))
    )
    rows, answer = [], query(top=5)
    while True:
        rows += answer.data
        if not answer.skip_token:
            break
        answer = query(top=5, skip_token=answer.skip_token)
    wanted = sorted(one.id.lower() for one in resource.resources.list())
    check("the resource graph has the same resources", [row["id"].lower() for row in rows] == wanted and answer.total_records == len(wanted))
    check("its types are in lower case", all(row["type"] == row["type"].lower() for row in rows))


def endings(clients):
    """Deleting one resource, one that is missing, a whole group."""
    from azure.core.exceptions import ResourceNotFoundError

    clients.compute.disks.begin_delete(GROUP, "data").result()
    try:
        clients.compute.disks.get(GROUP, "data")
        check("a deleted disk is gone", False)
    except ResourceNotFoundError as error:
        check("a deleted disk is gone", error.error.code == "ResourceNotFound")
    clients.compute.disks.begin_delete(GROUP, "data").result()
    check("deleting it again is no error", True)
    clients.resource.resource_groups.begin_delete("rg-other").result()
    check("a group goes with all that is in it", len(list(clients.network.network_security_groups.list_all())) == 8)


def yagura(data, *words, given=None):
    """Runs yagura with a data folder; 4 means that something could not be read."""
    command = [str(binary("yagura", "YAGURA_BINARY", "yagura-app")), *words, "--data", str(data)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    check(f"yagura {words[0]} {words[1]} ends well", done.returncode == 0 or print(done.stderr, file=sys.stderr))
    return done.stdout


def collected(base, ca, clients):
    """Everything that the SDKs have made is read back by yagura: the resources, their children, their documents."""
    import requests

    with tempfile.TemporaryDirectory() as folder:
        data, recording = Path(folder) / "data", Path(folder) / "recording"
        credential = json.dumps({"tenantId": TENANT, "clientId": CLIENT, "clientSecret": SECRET})
        reached = ["--endpoint", base, "--ca-file", ca, "--credential-file", "-"]
        yagura(data, "connect", "add", "azure", "sdk", "--tenant", TENANT, *reached, given=credential)
        listed = yagura(data, "inventory", "--live", "sdk", "--record", str(recording), "-o", "jsonl", "--quiet")
        found = {json.loads(line)["id"].lower() for line in listed.splitlines()}
        made = [one.id for one in clients.resource.resources.list()]
        made += [one.id for one in clients.resource.resource_groups.list()]
        made += [one.id for one in clients.network.subnets.list(GROUP, "vnet")]
        made += [one.id for one in clients.network.security_rules.list(GROUP, "nsg")]
        made += [one.id for one in clients.storage.blob_containers.list(GROUP, "fakesdkstore")]
        check(f"yagura reads all {len(made)} resources", [one for one in made if one.lower() not in found] == [])
        rows = {}
        for line in (recording / "sdk.jsonl").read_text(encoding="utf-8").splitlines():
            answer = json.loads(line)
            if answer["service"] == "resourcegraph":
                rows.update({row["id"].lower(): row for row in answer["response"]["data"]})
        header = {"Authorization": f"Bearer {first_token(base)}"}
        for one in clients.resource.resources.list():
            # A version that the fake, like Azure, takes for every kind that the SDKs have made here.
            address = f"{base}{one.id}?api-version=2023-04-01"
            for _ in range(5):
                answer = requests.get(address, headers=header, timeout=10)
                if answer.status_code == 200:
                    break
                time.sleep(float(answer.headers.get("Retry-After", "1")))
            check(f"its document of {one.name} is Azure's", rows[one.id.lower()]["properties"] == answer.json()["properties"])


def existing(clients):
    """What exists at the end, by kind."""
    found = {}
    for one in clients.resource.resources.list():
        found.setdefault(one.type, []).append(one.name)
    found["Microsoft.Resources/resourceGroups"] = [one.name for one in clients.resource.resource_groups.list()]
    found["subnets"] = [one.name for one in clients.network.subnets.list(GROUP, "vnet")]
    found["securityRules"] = [one.name for one in clients.network.security_rules.list(GROUP, "nsg")]
    return found


def certificate(key):
    """A self-signed certificate with its key, as text."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sdk")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return pem_of(key) + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def identities(base, ca, key, stranger):
    """The same calls with Microsoft's own credentials: discovery and token endpoint over TLS; secrets, certificates."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CertificateCredential, ClientSecretCredential

    told = {"authority": base, "disable_instance_discovery": True, "connection_verify": ca}
    clients = Clients(base, ca, ClientSecretCredential(TENANT, CLIENT, SECRET, **told))
    check("azure-identity signs in", [one.name for one in clients.resource.resource_groups.list()] == [GROUP])
    try:
        ClientSecretCredential(TENANT, CLIENT, "wrong", **told).get_token(f"{base}/.default")
        check("a wrong secret is refused", False)
    except ClientAuthenticationError as error:
        check("a wrong secret is refused", "AADSTS7000215" in str(error))
    signed = lambda own: CertificateCredential(TENANT, CLIENT, certificate_data=certificate(own).encode(), **told)  # noqa: E731
    clients = Clients(base, ca, signed(key))
    check("a certificate signs in", [one.name for one in clients.resource.resource_groups.list()] == [GROUP])
    try:
        signed(stranger).get_token(f"{base}/.default")
        check("another's certificate is refused", False)
    except ClientAuthenticationError as error:
        check("another's certificate is refused", "AADSTS700027" in str(error))
    refused = Clients(base, ca, StaticToken("nonsense"))
    check("a wrong token is refused", code_of(lambda: list(refused.resource.resource_groups.list())) == "InvalidAuthenticationToken")


def run(base, plain, ca, key, stranger):
    """Everything, against one fake."""
    import requests

    clients = Clients(base, ca, StaticToken(first_token(base)))
    groups(clients)
    machines(clients, networks(clients))
    accounts(clients)
    lists(clients)
    endings(clients)
    collected(base, ca, clients)
    identities(base, ca, key, stranger)
    print(json.dumps(existing(clients), indent=2))
    lines = requests.get(f"{plain}/_fake/requests", timeout=10).json()
    statuses = [line["status"] for line in lines]
    check("faults were lived through", statuses.count(429) > 5 and statuses.count(500) + statuses.count(503) > 5)
    polls = [line for line in lines if "/locations/fake/operation" in line["path"]]
    check("operations were asked until they were done", len(polls) > 30)
    print(f"{len(lines)} requests, {len(polls)} of them about operations, {statuses.count(429)} throttled", file=sys.stderr)


def main():
    """Runs it all."""
    environment.inside()
    with tempfile.TemporaryDirectory() as folder:
        (key, public), (stranger, _) = signer(folder), signer(folder)
        told = ["--page-size", "3", "--throttle", "13", "--fail", "17", "--key", f"{CLIENT}={public}"]
        with running(*told) as (base, plain, ca):
            run(base, plain, ca, key, stranger)
    return 0


if __name__ == "__main__":
    sys.exit(main())
