//! Aliases: the names by which Azure Policy reads properties of resources.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;
use yagura_model::{Kind, Path};

use crate::diagnostic::PolicyError;

/// Where an alias leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The paths in a resource's document, as Resource Manager writes it; one for each group of resource types.
    pub places: Vec<AliasPlace>,
    /// Where the value stands if no path is listed, or the listed one leads to nothing: documents of another API version.
    pub usual: Option<Path>,
    /// Whether the path was made by the usual rule and not looked up.
    pub derived: bool,
    /// Whether `modify` may change it; none when the list does not say.
    pub modifiable: Option<bool>,
}

/// A path of an alias and the resource types it holds for.
#[derive(Clone, Debug, PartialEq)]
pub struct AliasPlace {
    /// The path.
    pub path: Path,
    /// The resource types; empty = any.
    pub kinds: Vec<Kind>,
}

/// All aliases that are known.
#[derive(Clone, Debug, Default)]
pub struct AliasCatalogue {
    by_name: HashMap<Box<str>, Vec<Entry>>,
    /// Lower-case provider namespaces whose aliases are all known, so that others do not exist.
    complete: std::collections::HashSet<Box<str>>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: Path,
    versions: Vec<(Path, Vec<Box<str>>)>,
    kind: Option<Kind>,
    modifiable: Option<bool>,
}

#[derive(Deserialize)]
struct Provider {
    namespace: String,
    #[serde(rename = "resourceTypes", default)]
    resource_types: Vec<ProviderType>,
}

#[derive(Deserialize)]
struct ProviderType {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    aliases: Vec<ProviderAlias>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProviderAlias {
    name: String,
    default_path: Option<String>,
    #[serde(default)]
    paths: Option<Vec<VersionedPath>>,
    #[serde(default)]
    default_metadata: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionedPath {
    path: String,
    #[serde(default)]
    api_versions: Vec<String>,
}

/// The aliases of live built-in definitions with their default paths, from Azure/azure-policy (see NOTICE).
const BUNDLED: &str = include_str!("../../data/aliases.tsv");

impl AliasCatalogue {
    /// The aliases that built-in definitions use. Others get the usual path and are marked derived.
    pub fn bundled() -> Self {
        Self::from_table(BUNDLED).unwrap_or_default()
    }

    /// Reads a table of alias, default path and resource type, separated by tabs, with a header line.
    pub fn from_table(text: &str) -> Result<Self, PolicyError> {
        let mut catalogue = Self::default();
        for (number, line) in text.lines().enumerate().skip(1) {
            let mut cells = line.split('\t');
            let (Some(name), Some(path), Some(kind)) = (cells.next(), cells.next(), cells.next()) else {
                return Err(shape(format!("line {} has not three cells", number + 1)));
            };
            let path = Path::parse(path).map_err(|error| shape(format!("line {}: {error}", number + 1)))?;
            let kind = (!kind.is_empty()).then(|| Kind::new(kind));
            catalogue.insert(name, Entry { path, versions: Vec::new(), kind, modifiable: None });
        }
        Ok(catalogue)
    }

    /// Reads what `az provider list --expand resourceTypes/aliases` prints.
    pub fn from_provider_list(json: &[u8]) -> Result<Self, PolicyError> {
        let providers: Vec<Provider> = serde_json::from_slice(json).map_err(|error| shape(error.to_string()))?;
        let mut catalogue = Self::default();
        for provider in providers {
            catalogue.complete.insert(provider.namespace.to_ascii_lowercase().into());
            for described in provider.resource_types {
                let kind = Kind::new(format!("{}/{}", provider.namespace, described.resource_type));
                for alias in described.aliases {
                    catalogue.insert_described(alias, &kind)?;
                }
            }
        }
        Ok(catalogue)
    }

    fn insert_described(&mut self, alias: ProviderAlias, kind: &Kind) -> Result<(), PolicyError> {
        let parse = |text: &str| Path::parse(text).map_err(|error| shape(format!("alias {}: {error}", alias.name)));
        let mut versions = Vec::new();
        for versioned in alias.paths.iter().flatten() {
            versions.push((
                parse(&versioned.path)?,
                versioned.api_versions.iter().map(|text| text.as_str().into()).collect(),
            ));
        }
        let first = || alias.paths.iter().flatten().next().map(|versioned| versioned.path.as_str());
        let Some(path) = alias.default_path.as_deref().or_else(first) else { return Ok(()) };
        let attributes = alias.default_metadata.as_ref().and_then(|metadata| metadata.get("attributes")?.as_str());
        let modifiable =
            attributes.map(|text| text.to_ascii_lowercase().split(',').any(|word| word.trim() == "modifiable"));
        let entry = Entry { path: parse(path)?, versions, kind: Some(kind.clone()), modifiable };
        self.insert(&alias.name, entry);
        Ok(())
    }

    /// Short aliases such as `Microsoft.Compute/imageSku` stand under several types with paths of their own.
    fn insert(&mut self, name: &str, entry: Entry) {
        let entries = self.by_name.entry(name.to_ascii_lowercase().into()).or_default();
        match entries.iter_mut().find(|known| known.kind == entry.kind) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }

    /// This catalogue with the aliases of another one over its own.
    pub fn overlaid(mut self, other: Self) -> Self {
        self.by_name.extend(other.by_name);
        self.complete.extend(other.complete);
        self
    }

    /// Count of known aliases.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether no alias is known.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Where an alias leads, for documents of an API version or of none in particular.
    ///
    /// An alias that is not in the list gets the path that most aliases have (`properties.` and what follows the
    /// resource type) and is marked derived, unless the list is complete for its provider: then there is none.
    pub fn resolve(&self, name: &str, api_version: Option<&str>) -> Option<Alias> {
        let folded = name.to_ascii_lowercase();
        if let Some(entries) = self.by_name.get(folded.as_str()) {
            return Some(listed(name, entries, api_version));
        }
        let provider = folded.split('/').next().unwrap_or_default();
        if self.complete.contains(provider) {
            return self.above_a_listed_one(name, &folded, api_version);
        }
        derived(name)
    }

    /// A list names `rules[*]` and `rules[*].x`; `rules` alone follows from them: the path with as many steps less.
    fn above_a_listed_one(&self, name: &str, folded: &str, api_version: Option<&str>) -> Option<Alias> {
        let below = |known: &str| {
            let rest = known.strip_prefix(folded)?;
            (rest.starts_with('.') || rest.starts_with('[')).then(|| rest.matches(['.', '[']).count())
        };
        let found = self.by_name.iter().filter_map(|(known, entries)| Some((below(known)?, known, entries)));
        let (steps, _, entries) = found.min_by(|left, right| (left.0, left.1).cmp(&(right.0, right.1)))?;
        let mut alias = listed(name, entries, api_version);
        for place in &mut alias.places {
            let segments = place.path.segments();
            let kept = segments.len().checked_sub(steps)?;
            place.path = Path::of(segments.get(..kept)?);
        }
        Some(alias)
    }
}

fn listed(name: &str, entries: &[Entry], api_version: Option<&str>) -> Alias {
    let places = entries.iter().map(|entry| {
        let versioned = api_version.and_then(|version| entry.at(version));
        let own = kind_in(name);
        // `Microsoft.Sql/auditingSettings.state` names no type: one listed type does not mean that there are no others.
        if own.is_none() && entries.len() == 1 {
            return AliasPlace { path: versioned.unwrap_or(&entry.path).clone(), kinds: Vec::new() };
        }
        let mut kinds: Vec<Kind> = entry.kind.iter().cloned().collect();
        // Some lists put a child's aliases under its parent's type.
        kinds.extend(own.filter(|kind| !kinds.contains(kind)));
        AliasPlace { path: versioned.unwrap_or(&entry.path).clone(), kinds }
    });
    let places: Vec<AliasPlace> = places.collect();
    let usual = usual_path(name).filter(|usual| places.iter().all(|place| place.path != *usual));
    Alias { places, usual, derived: false, modifiable: entries.iter().find_map(|entry| entry.modifiable) }
}

fn kind_in(name: &str) -> Option<Kind> {
    let (kind, _) = name.rsplit_once('/')?;
    kind.contains('/').then(|| Kind::new(kind))
}

impl Entry {
    fn at(&self, version: &str) -> Option<&Path> {
        let names = |versions: &[Box<str>]| versions.iter().any(|known| known.eq_ignore_ascii_case(version));
        self.versions.iter().find(|(_, versions)| names(versions)).map(|(path, _)| path)
    }
}

/// Properties that stand beside `properties` in every resource.
const TOP_LEVEL: [&str; 10] =
    ["sku", "kind", "identity", "zones", "plan", "tags", "location", "managedby", "extendedlocation", "name"];

fn derived(name: &str) -> Option<Alias> {
    let path = usual_path(name)?;
    let places = vec![AliasPlace { path, kinds: kind_in(name).into_iter().collect() }];
    Some(Alias { places, usual: None, derived: true, modifiable: None })
}

/// The path that most aliases have: `properties.` and what follows the resource type.
fn usual_path(name: &str) -> Option<Path> {
    let (_, property) = name.rsplit_once('/').filter(|(kind, property)| kind.contains('/') && !property.is_empty())?;
    let first = property.split(['.', '[']).next().unwrap_or_default().to_ascii_lowercase();
    let path = match TOP_LEVEL.contains(&first.as_str()) {
        true => property.to_owned(),
        false => format!("properties.{property}"),
    };
    Path::parse(&path).ok()
}

fn shape(reason: String) -> PolicyError {
    PolicyError::Shape { what: "alias list", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_table_can_be_read() {
        let catalogue = AliasCatalogue::from_table(BUNDLED).unwrap();
        assert!(catalogue.len() > 1000);
        let alias = catalogue.resolve("microsoft.storage/storageaccounts/SUPPORTSHTTPSTRAFFICONLY", None).unwrap();
        assert_eq!(
            (alias.places[0].path.to_string().as_str(), alias.derived),
            ("properties.supportsHttpsTrafficOnly", false)
        );
    }

    #[test]
    fn an_alias_that_names_no_type_holds_for_more_than_the_one_it_is_listed_for() {
        let alias = AliasCatalogue::bundled().resolve("Microsoft.Sql/auditingSettings.state", None).unwrap();
        assert_eq!(alias.places[0].kinds, []);
        let own = AliasCatalogue::bundled()
            .resolve("Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", None)
            .unwrap();
        assert_eq!(own.places[0].kinds, [Kind::new("Microsoft.Storage/storageAccounts")]);
    }

    #[test]
    fn an_alias_that_is_not_listed_gets_the_usual_path_and_says_so() {
        let alias = AliasCatalogue::default().resolve("Microsoft.New/things/setting.mode", None).unwrap();
        assert_eq!((alias.places[0].path.to_string().as_str(), alias.derived), ("properties.setting.mode", true));
        let sku = AliasCatalogue::default().resolve("Microsoft.New/things/sku.name", None).unwrap();
        assert_eq!(sku.places[0].path.to_string(), "sku.name");
    }
}
