//! The resources, by lower-case id; inline children are resources of their own and appear in their parent.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value as Json, json};

use super::links::{Link, links, write_back};
use super::path::ArmPath;

/// Children that Azure also shows inside their parent: (parent, member of `properties`, last word of the child's type).
/// Source: NetworkSecurityGroup, VirtualNetwork and RouteTable of azure-mgmt-network 33.1.0.
const INLINE: [(&str, &str); 4] = [
    ("microsoft.network/networksecuritygroups", "securityRules"),
    ("microsoft.network/routetables", "routes"),
    ("microsoft.network/virtualnetworks", "subnets"),
    ("microsoft.network/virtualnetworks", "virtualNetworkPeerings"),
];

/// What a long-running operation is doing to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// `Creating`, `Updating` or `Deleting`: what `provisioningState` says meanwhile.
    pub(crate) phase: &'static str,
    /// The operation's id.
    pub(crate) operation: String,
}

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Where it is.
    pub(crate) path: ArmPath,
    /// What was put there, without `id`, `name`, `type` and inline children.
    pub(crate) document: Map<String, Json>,
    /// Counts up with every write of anything; the entity tag.
    pub(crate) serial: u64,
    /// When it came, in the order of writes.
    born: u64,
    /// What is being done to it.
    pub(crate) pending: Option<Pending>,
}

impl Stored {
    /// The entity tag; the network provider shows it.
    pub(crate) fn etag(&self) -> String {
        format!("W/\"{:08x}-0000-0000-0000-000000000000\"", self.serial)
    }
}

/// All resources.
#[derive(Debug, Default)]
pub(crate) struct Store {
    by_id: BTreeMap<String, Stored>,
    /// References by the lower-case id they lead to.
    links: BTreeMap<String, Vec<Link>>,
    writes: u64,
}

impl Store {
    /// A resource.
    pub(crate) fn get(&self, id: &str) -> Option<&Stored> {
        self.by_id.get(&id.to_lowercase())
    }

    /// A resource to change the state of; its references stay as they are.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Stored> {
        self.by_id.get_mut(&id.to_lowercase())
    }

    /// All resources in the order of their ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.by_id.values()
    }

    /// The ids of all resources.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.all().map(|stored| stored.path.id.clone()).collect()
    }

    /// All resources below an id.
    pub(crate) fn below<'s>(&'s self, id: &str) -> impl Iterator<Item = &'s Stored> + use<'s> {
        let start = format!("{}/", id.to_lowercase());
        let range = (Bound::Excluded(start.clone()), Bound::Unbounded);
        self.by_id.range::<String, _>(range).take_while(move |(id, _)| id.starts_with(&start)).map(|(_, stored)| stored)
    }

    /// Puts a resource there, whatever was there before. Inline children must have been taken out.
    pub(crate) fn put(&mut self, path: ArmPath, document: Map<String, Json>) {
        let key = path.id.to_lowercase();
        self.writes += 1;
        self.unlink(&key);
        for link in links(&path.kind, &path.id, &document) {
            self.links.entry(link.target.to_lowercase()).or_default().push(link);
        }
        let old = self.by_id.remove(&key);
        // A resource keeps the spelling that it was made with.
        let path = old.as_ref().map_or(path, |old| old.path.clone());
        let born = old.map_or(self.writes, |old| old.born);
        self.by_id.insert(key, Stored { path, document, serial: self.writes, born, pending: None });
    }

    /// Puts a whole document there, its inline children beside it.
    pub(crate) fn put_plain(&mut self, id: &str, document: Json) {
        let Json::Object(mut document) = document else { return };
        let path = ArmPath::parse(id);
        for (word, children) in take_inline(&path.kind, &mut document) {
            for child in children.unwrap_or_default() {
                let Some(name) = child["name"].as_str() else { continue };
                self.put_plain(&format!("{}/{word}/{name}", path.id), child.clone());
            }
        }
        strip(&mut document);
        self.put(path, document);
    }

    /// Takes a resource away with all below it; says whether it was there.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let gone: Vec<String> = self.below(id).map(|stored| stored.path.id.to_lowercase()).collect();
        let key = id.to_lowercase();
        for id in gone.iter().chain([&key]) {
            self.unlink(id);
            self.writes += 1;
        }
        for id in &gone {
            self.by_id.remove(id);
        }
        self.by_id.remove(&key).is_some()
    }

    fn unlink(&mut self, key: &str) {
        let Some(old) = self.by_id.get(key) else { return };
        for link in links(&old.path.kind, &old.path.id, &old.document) {
            if let Some(others) = self.links.get_mut(&link.target.to_lowercase()) {
                others.retain(|other| *other != link);
            }
        }
    }

    /// Who refers to a resource.
    pub(crate) fn users(&self, id: &str) -> &[Link] {
        self.links.get(&id.to_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// A resource as GET answers it.
    pub(crate) fn rendered(&self, id: &str) -> Option<Json> {
        self.get(id).map(|stored| self.render(stored))
    }

    /// A resource as GET answers it.
    pub(crate) fn render(&self, stored: &Stored) -> Json {
        let path = &stored.path;
        let mut document = Json::Object(stored.document.clone());
        document["id"] = path.id.as_str().into();
        // Subscriptions have neither (Microsoft, "Subscriptions - Get").
        if path.kind != "Microsoft.Resources/subscriptions" {
            document["name"] = path.name.as_deref().unwrap_or_default().into();
            document["type"] = path.kind.as_str().into();
        }
        if path.namespace() == "Microsoft.Network" {
            document["etag"] = stored.etag().into();
        }
        for (word, children) in self.inline_children(stored) {
            document["properties"][word] = children;
        }
        for link in self.users(&path.id) {
            write_back(link, &mut document);
        }
        if path.kind == "Microsoft.Compute/disks" && document["managedBy"].is_string() {
            document["properties"]["diskState"] = "Attached".into();
        }
        if let (Some(pending), Some(properties)) = (&stored.pending, document["properties"].as_object_mut()) {
            properties.insert("provisioningState".to_owned(), pending.phase.into());
        }
        document
    }

    fn inline_children(&self, stored: &Stored) -> Vec<(&'static str, Json)> {
        let words = inline_words(&stored.path.kind);
        let children = |word: &'static str| {
            let mut children: Vec<&Stored> = self.below(&format!("{}/{word}", stored.path.id)).collect();
            children.retain(|child| child.path.parent.eq_ignore_ascii_case(&stored.path.id));
            children.sort_by_key(|child| child.born);
            (word, children.into_iter().map(|child| self.render(child)).collect::<Json>())
        };
        words.map(children).collect()
    }
}

/// The last words of the types that are shown inside a parent of this kind.
pub(crate) fn inline_words(kind: &str) -> impl Iterator<Item = &'static str> {
    INLINE.iter().filter(|(parent, _)| kind.eq_ignore_ascii_case(parent)).map(|(_, word)| *word)
}

/// Takes the inline children out of a document; none = the document does not speak of them.
pub(crate) fn take_inline(kind: &str, document: &mut Map<String, Json>) -> Vec<(&'static str, Option<Vec<Json>>)> {
    let Some(properties) = document.get_mut("properties").and_then(Json::as_object_mut) else {
        return inline_words(kind).map(|word| (word, None)).collect();
    };
    let take = |word: &'static str| match properties.remove(word) {
        Some(Json::Array(children)) => (word, Some(children)),
        _ => (word, None),
    };
    inline_words(kind).map(take).collect()
}

/// Takes out what the address says already.
pub(crate) fn strip(document: &mut Map<String, Json>) {
    for member in ["id", "name", "type", "etag"] {
        document.remove(member);
    }
}

/// Lays one object over another: objects are merged, `null` takes away, all else replaces (RFC 7396).
pub(crate) fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Json::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NSG: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n";

    #[test]
    fn inline_children_are_resources() {
        let mut store = Store::default();
        store.put_plain(
            NSG,
            json!({ "properties": { "securityRules": [{ "name": "b",
            "properties": { "priority": 100 } }, { "name": "a" }] } }),
        );
        let rule = store.rendered(&format!("{}/SECURITYRULES/b", NSG.to_uppercase())).unwrap();
        assert_eq!((rule["properties"]["priority"].as_i64(), rule["name"].as_str()), (Some(100), Some("b")));
        store.put_plain(&format!("{NSG}/securityRules/c"), json!({}));
        let group = store.rendered(NSG).unwrap();
        let names: Vec<_> = group["properties"]["securityRules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["b", "a", "c"]);
    }

    #[test]
    fn what_is_removed_takes_children_and_references_along() {
        let mut store = Store::default();
        let nic = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/i";
        store.put_plain(NSG, json!({ "properties": { "securityRules": [{ "name": "a" }] } }));
        store.put_plain(nic, json!({ "properties": { "networkSecurityGroup": { "id": NSG.to_uppercase() } } }));
        assert_eq!(store.rendered(NSG).unwrap()["properties"]["networkInterfaces"], json!([{ "id": nic }]));
        store.put_plain(nic, json!({ "properties": {} }));
        assert!(store.users(NSG).is_empty());
        assert!(store.remove(NSG));
        assert_eq!(store.ids(), [nic]);
        assert!(!store.remove(NSG));
    }

    #[test]
    fn patches_merge() {
        let mut target = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 4 });
        merge(&mut target, &json!({ "a": { "c": [3], "e": 5 }, "d": null }));
        assert_eq!(target, json!({ "a": { "b": 1, "c": [3], "e": 5 } }));
    }
}
