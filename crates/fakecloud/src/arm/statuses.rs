//! What Azure answers writes with, per resource type.
//!
//! `statuses.tsv` is read out of Microsoft's SDKs by `tools/arm_statuses.py`: clients made from the same specifications
//! refuse other codes ("Operation returned an invalid status").

use std::collections::HashMap;
use std::sync::OnceLock;

/// The table of the SDKs.
const TABLE: &str = include_str!("statuses.tsv");
/// Types of other SDKs (`Microsoft.Resources`: azure-mgmt-resource 26.0.0; the others from memory of the REST reference).
const BY_HAND: &str = "\
Microsoft.Resources/subscriptions\t2022-12-01\t-\t-\t-
Microsoft.Resources/resourceGroups\t2025-04-01\t200,201\t200\t~200,202
Microsoft.Resources/providers\t2025-04-01\t-\t-\t-
Microsoft.Resources/tags\t2025-04-01\t200\t200\t200
Microsoft.Authorization/locks\t2020-05-01\t200,201\t-\t200,204
Microsoft.Authorization/policyAssignments\t2025-01-01\t201\t200\t200,204
Microsoft.Authorization/policyDefinitions\t2025-01-01\t201\t-\t200,204
Microsoft.Authorization/policySetDefinitions\t2025-01-01\t200,201\t-\t200,204
Microsoft.Authorization/policyExemptions\t2022-07-01-preview\t200,201\t200\t200,204
Microsoft.Insights/diagnosticSettings\t2021-05-01-preview\t200\t-\t200,204
Microsoft.ManagedIdentity/userAssignedIdentities\t2024-11-30\t200,201\t200\t200,204
";
/// Namespaces whose types are all in [`TABLE`], so that another type of theirs does not exist.
const COMPLETE: [&str; 5] =
    ["microsoft.compute", "microsoft.containerservice", "microsoft.sql", "microsoft.storage", "microsoft.web"];

/// The codes that a method is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codes {
    accepted: Vec<u16>,
    /// Whether it is a long-running operation.
    pub(crate) long: bool,
}

impl Codes {
    fn parse(text: &str) -> Self {
        let codes = text.trim_start_matches('~');
        Self { accepted: codes.split(',').filter_map(|code| code.parse().ok()).collect(), long: text.starts_with('~') }
    }

    /// Whether there is such a method at all.
    pub(crate) fn exist(&self) -> bool {
        !self.accepted.is_empty()
    }

    /// The first of these codes that clients accept, else the first that they accept.
    pub(crate) fn choose(&self, wanted: &[u16]) -> u16 {
        let found = wanted.iter().find(|code| self.accepted.contains(code));
        found.or(self.accepted.first()).copied().unwrap_or(200)
    }

    /// Whether clients accept this code.
    pub(crate) fn accept(&self, code: u16) -> bool {
        self.accepted.contains(&code)
    }
}

/// What is known of a resource type.
#[derive(Clone, Debug)]
pub(crate) struct TypeFacts {
    /// The type as Azure spells it.
    pub(crate) kind: &'static str,
    /// The newest api-version that the SDK speaks.
    pub(crate) version: &'static str,
    /// Answers to PUT.
    pub(crate) put: Codes,
    /// Answers to PATCH.
    pub(crate) patch: Codes,
    /// Answers to DELETE.
    pub(crate) delete: Codes,
}

fn table() -> &'static HashMap<String, TypeFacts> {
    static FACTS: OnceLock<HashMap<String, TypeFacts>> = OnceLock::new();
    FACTS.get_or_init(|| BY_HAND.lines().chain(TABLE.lines()).filter_map(row).collect())
}

fn row(line: &'static str) -> Option<(String, TypeFacts)> {
    let cells: Vec<&'static str> = line.split('\t').collect();
    let [kind, version, put, patch, delete] = cells.as_slice() else { return None };
    let (put, patch, delete) = (Codes::parse(put), Codes::parse(patch), Codes::parse(delete));
    Some((kind.to_lowercase(), TypeFacts { kind, version, put, patch, delete }))
}

/// What is known of a type.
pub(crate) fn known(kind: &str) -> Option<&'static TypeFacts> {
    table().get(&kind.to_lowercase())
}

/// What is known of a type, or what most providers do: all writes are long-running operations.
pub(crate) fn facts(kind: &str) -> TypeFacts {
    known(kind).cloned().unwrap_or_else(|| TypeFacts {
        kind: "",
        version: "2024-01-01",
        put: Codes::parse("~200,201"),
        patch: Codes::parse("~200,202"),
        delete: Codes::parse("~200,202,204"),
    })
}

/// A type as Azure spells it, or as it is spelt here where it is not known.
pub(crate) fn canonical(kind: &str) -> String {
    known(kind).map_or_else(|| kind.to_owned(), |facts| facts.kind.to_owned())
}

/// Whether a namespace has no such type.
pub(crate) fn is_invalid(kind: &str) -> bool {
    let lower = kind.to_lowercase();
    let namespace = lower.split('/').next().unwrap_or_default();
    if !COMPLETE.contains(&namespace) || table().contains_key(&lower) {
        return false;
    }
    let below = format!("{lower}/");
    !table().keys().any(|known| known.starts_with(&below))
}

/// The known types of a namespace, without the namespace, with their api-versions.
pub(crate) fn types_of(namespace: &str) -> Vec<(&'static str, &'static str)> {
    let start = format!("{}/", namespace.to_lowercase());
    let own = table().iter().filter(|(kind, _)| kind.starts_with(&start));
    let mut types: Vec<_> = own.map(|(_, facts)| (&facts.kind[start.len()..], facts.version)).collect();
    types.sort_unstable();
    types
}

/// All known namespaces.
pub(crate) fn namespaces() -> Vec<&'static str> {
    let mut all: Vec<_> = table().values().filter_map(|facts| facts.kind.split('/').next()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let disk = known("microsoft.compute/DISKS").unwrap();
        assert_eq!((disk.kind, disk.put.long, disk.put.choose(&[201, 202])), ("Microsoft.Compute/disks", true, 202));
        assert_eq!(facts("Microsoft.Security/workspaceSettings").delete.choose(&[202, 200, 204]), 204);
        assert_eq!(facts("Microsoft.Storage/storageAccounts").put.choose(&[201, 202]), 202);
        assert!(facts("Some.Provider/things").put.long);
    }

    #[test]
    fn only_complete_namespaces_refuse_types() {
        assert!(is_invalid("Microsoft.Compute/nonsense"));
        assert!(!is_invalid("Microsoft.Compute/virtualMachines"));
        assert!(!is_invalid("Microsoft.Compute/locations"));
        assert!(!is_invalid("Microsoft.Network/frontDoors"));
    }
}
