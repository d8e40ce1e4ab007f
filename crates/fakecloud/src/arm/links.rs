//! References between resources, and what Azure writes into the one that is referred to.
//!
//! Source of the properties: the read-only members of the models of azure-mgmt-network 33.1.0 and azure-mgmt-compute 39.0.0
//! (`NetworkSecurityGroup.network_interfaces`, `Subnet.ip_configurations`, `Disk.managed_by`, ...).

use serde_json::{Map, Value as Json, json};

/// How the reference back is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `[{ "id": ... }]`
    Many,
    /// `{ "id": ... }`
    One,
    /// The id alone.
    Text,
}

/// A reference: from where, along which members (`*` = every element), and how it shows at the other end.
struct Rule {
    from: &'static str,
    path: &'static [&'static str],
    back: &'static [&'static str],
    shape: Shape,
    /// The other end refers to the element of `ipConfigurations`, not to the whole resource.
    of_element: bool,
}

const NIC: &str = "microsoft.network/networkinterfaces";
const SUBNET: &str = "microsoft.network/virtualnetworks/subnets";
const VM: &str = "microsoft.compute/virtualmachines";

const RULES: [Rule; 8] = [
    Rule {
        from: NIC,
        path: &["properties", "networkSecurityGroup", "id"],
        back: &["properties", "networkInterfaces"],
        shape: Shape::Many,
        of_element: false,
    },
    Rule {
        from: SUBNET,
        path: &["properties", "networkSecurityGroup", "id"],
        back: &["properties", "subnets"],
        shape: Shape::Many,
        of_element: false,
    },
    Rule {
        from: SUBNET,
        path: &["properties", "routeTable", "id"],
        back: &["properties", "subnets"],
        shape: Shape::Many,
        of_element: false,
    },
    Rule {
        from: NIC,
        path: &["properties", "ipConfigurations", "*", "properties", "subnet", "id"],
        back: &["properties", "ipConfigurations"],
        shape: Shape::Many,
        of_element: true,
    },
    Rule {
        from: NIC,
        path: &["properties", "ipConfigurations", "*", "properties", "publicIPAddress", "id"],
        back: &["properties", "ipConfiguration"],
        shape: Shape::One,
        of_element: true,
    },
    Rule {
        from: VM,
        path: &["properties", "networkProfile", "networkInterfaces", "*", "id"],
        back: &["properties", "virtualMachine"],
        shape: Shape::One,
        of_element: false,
    },
    Rule {
        from: VM,
        path: &["properties", "storageProfile", "osDisk", "managedDisk", "id"],
        back: &["managedBy"],
        shape: Shape::Text,
        of_element: false,
    },
    Rule {
        from: VM,
        path: &["properties", "storageProfile", "dataDisks", "*", "managedDisk", "id"],
        back: &["managedBy"],
        shape: Shape::Text,
        of_element: false,
    },
];

/// A reference of one resource to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The id that is referred to.
    pub(crate) target: String,
    /// The id that refers.
    pub(crate) source: String,
    rule: usize,
}

/// All references of a resource.
pub(crate) fn links(kind: &str, id: &str, document: &Map<String, Json>) -> Vec<Link> {
    let mut links = Vec::new();
    for (rule, facts) in RULES.iter().enumerate().filter(|(_, facts)| kind.eq_ignore_ascii_case(facts.from)) {
        let Some((first, rest)) = facts.path.split_first() else { continue };
        let Some(value) = document.get(*first) else { continue };
        let mut found = Vec::new();
        follow(value, rest, None, &mut found);
        for (target, element) in found {
            let source = match element.filter(|_| facts.of_element) {
                Some(element) => format!("{id}/ipConfigurations/{element}"),
                None => id.to_owned(),
            };
            links.push(Link { target, source, rule });
        }
    }
    links
}

fn follow(value: &Json, path: &[&str], element: Option<&str>, found: &mut Vec<(String, Option<String>)>) {
    match path.split_first() {
        None => {
            if let Some(id) = value.as_str() {
                found.push((id.to_owned(), element.map(str::to_owned)));
            }
        }
        Some((&"*", rest)) => {
            for item in value.as_array().into_iter().flatten() {
                follow(item, rest, item.get("name").and_then(Json::as_str).or(element), found);
            }
        }
        Some((member, rest)) => {
            if let Some(value) = value.get(member) {
                follow(value, rest, element, found);
            }
        }
    }
}

/// Writes the reference back into the resource that is referred to.
pub(crate) fn write_back(link: &Link, document: &mut Json) {
    let Some(rule) = RULES.get(link.rule) else { return };
    let mut place = document;
    for member in rule.back {
        if !place.is_object() {
            return;
        }
        place = &mut place[*member];
    }
    let reference = json!({ "id": link.source });
    match (rule.shape, place.as_array_mut()) {
        (Shape::Many, Some(references)) => references.push(reference),
        (Shape::Many, None) => *place = json!([reference]),
        (Shape::One, _) => *place = reference,
        (Shape::Text, _) => *place = link.source.as_str().into(),
    }
}

/// What Azure says when a resource is to be deleted that others refer to; none = it lets go.
/// Source: Microsoft, "Resolve errors for resource deletion"; codes as the network and disk providers return them.
pub(crate) fn in_use(kind: &str) -> Option<(u16, &'static str)> {
    match kind.to_lowercase().as_str() {
        "microsoft.network/networksecuritygroups" => Some((400, "InUseNetworkSecurityGroupCannotBeDeleted")),
        SUBNET => Some((400, "InUseSubnetCannotBeDeleted")),
        "microsoft.network/routetables" => Some((400, "InUseRouteTableCannotBeDeleted")),
        "microsoft.network/publicipaddresses" => Some((400, "PublicIPAddressCannotBeDeleted")),
        NIC => Some((400, "NicInUse")),
        "microsoft.compute/disks" => Some((409, "OperationNotAllowed")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_show_at_the_other_end() {
        let nic = json!({ "properties": {
            "networkSecurityGroup": { "id": "/nsg" },
            "ipConfigurations": [{ "name": "one", "properties": { "subnet": { "id": "/subnet" } } }],
        } });
        let links = links("Microsoft.Network/networkInterfaces", "/nic", nic.as_object().unwrap());
        let ends: Vec<_> = links.iter().map(|link| (link.target.as_str(), link.source.as_str())).collect();
        assert_eq!(ends, [("/nsg", "/nic"), ("/subnet", "/nic/ipConfigurations/one")]);
        let mut group = json!({ "properties": {} });
        write_back(&links[0], &mut group);
        assert_eq!(group, json!({ "properties": { "networkInterfaces": [{ "id": "/nic" }] } }));
    }
}
