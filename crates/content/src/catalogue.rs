//! All content, read, linked and compiled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use yagura_model::{Cloud, Kind, KindCatalogue};
use yagura_policy::{Rule, RuleSource};

use crate::diagnostic::{Diagnostic, Gravity};
use crate::escalation::{EscalationsFile, Primitive};
use crate::files::ContentFile;
use crate::permissions;
use crate::recommendation::{Expect, Mappings, Recommendation};
use crate::resource_type::ResourceType;
use crate::standard::{ControlsFile, Plan, PlansFile, SecureScoreControl, Standard};
use crate::text::Text;

/// One content folder: the shipped one, or a user's overlay.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its files.
    pub files: Vec<ContentFile>,
    /// Whether texts must be there in both languages.
    pub shipped: bool,
}

/// All knowledge, ready for use.
pub struct Catalogue {
    recommendations: Vec<CompiledRecommendation>,
    by_key: HashMap<String, usize>,
    resource_types: BTreeMap<Kind, ResourceType>,
    kinds: Arc<KindCatalogue>,
    controls: Vec<SecureScoreControl>,
    plans: Vec<Plan>,
    standards: Vec<Standard>,
    escalations: Vec<Primitive>,
    digest: String,
}

/// A recommendation with its key and its compiled rule.
pub struct CompiledRecommendation {
    /// The key, lower case.
    pub key: String,
    /// The cloud it speaks of.
    pub cloud: Cloud,
    /// The file it came from.
    pub file: String,
    /// Whether it is a user's own, which the secure score never counts.
    pub custom: bool,
    /// What was written.
    pub source: Recommendation,
    /// The rule.
    pub rule: Rule,
}

impl CompiledRecommendation {
    /// Secure-score controls with whether the mapping is our own judgement.
    pub fn controls(&self) -> impl Iterator<Item = (&str, bool)> {
        let published = self.source.controls.iter().map(|id| (id.as_str(), false));
        published.chain(self.source.inferred.controls.iter().map(|id| (id.as_str(), true)))
    }

    /// (standard, control) pairs with whether the mapping is our own judgement.
    pub fn standards(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        fn pairs(mappings: &BTreeMap<String, Vec<String>>, inferred: bool) -> impl Iterator<Item = (&str, &str, bool)> {
            mappings.iter().flat_map(move |(standard, controls)| {
                controls.iter().map(move |control| (standard.as_str(), control.as_str(), inferred))
            })
        }
        pairs(&self.source.standards, false).chain(pairs(&self.source.inferred.standards, true))
    }
}

/// The UUIDv5 (URL namespace) of `yagura/<cloud>/<slug>`.
fn key_of_slug(cloud: Cloud, slug: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("yagura/{cloud}/{slug}").as_bytes()).to_string()
}

impl Catalogue {
    /// Reads layers, later ones over earlier ones. What is wrong is left out and said; the rest is used.
    pub fn load(layers: &[Layer]) -> (Self, Vec<Diagnostic>) {
        let mut loader = Loader::default();
        for layer in layers {
            for file in &layer.files {
                loader.file(file, layer.shipped);
            }
        }
        loader.finish()
    }

    /// Recommendations, by cloud and file.
    pub fn recommendations(&self) -> &[CompiledRecommendation] {
        &self.recommendations
    }

    /// The position of the recommendation with a key, an older key or another tool's check id.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.by_key.get(&key.to_ascii_lowercase()).copied()
    }

    /// Resource types by kind.
    pub fn resource_types(&self) -> &BTreeMap<Kind, ResourceType> {
        &self.resource_types
    }

    /// What estates need to know of kinds.
    pub fn kinds(&self) -> Arc<KindCatalogue> {
        self.kinds.clone()
    }

    /// The controls of the secure score in their order.
    pub fn controls(&self) -> &[SecureScoreControl] {
        &self.controls
    }

    /// The protection plans in their order.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The standards by id.
    pub fn standards(&self) -> &[Standard] {
        &self.standards
    }

    /// Escalation primitives by id.
    pub fn escalations(&self) -> &[Primitive] {
        &self.escalations
    }

    /// SHA-256 over all files in use, as hex: which knowledge an evaluation was made with.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

#[derive(Default)]
struct Loader {
    recommendations: BTreeMap<String, (Origin, Recommendation)>,
    resource_types: BTreeMap<Kind, (Origin, ResourceType)>,
    standards: BTreeMap<String, (Origin, Standard)>,
    standard_files: BTreeMap<String, ContentFile>,
    controls: ControlsFile,
    plans: PlansFile,
    escalations: BTreeMap<String, (String, Primitive)>,
    hashes: BTreeMap<String, [u8; 32]>,
    diagnostics: Vec<Diagnostic>,
}

struct Origin {
    file: ContentFile,
    cloud: Option<Cloud>,
    shipped: bool,
}

impl Loader {
    fn file(&mut self, file: &ContentFile, shipped: bool) {
        let mut parts = file.path.split('/');
        let (folder, second) = (parts.next().unwrap_or_default(), parts.next());
        let cloud = second.and_then(|word| word.parse().ok());
        let origin = Origin { file: file.clone(), cloud, shipped };
        let outcome = match (folder, second) {
            ("recommendations", Some(_)) => self.recommendation(origin),
            ("resource-types", Some(_)) => self.resource_type(origin),
            ("standards", Some(_)) => self.standard(origin),
            ("escalations", Some(_)) => file.read().map(|read: EscalationsFile| self.escalations(&origin, read)),
            ("controls.yaml", None) => file.read().map(|controls: ControlsFile| self.controls(&origin, controls)),
            ("plans.yaml", None) => file.read().map(|plans: PlansFile| self.plans(&origin, plans)),
            _ => Err(Diagnostic::warning(&file.path, "place", "lies where no content is read from")),
        };
        match outcome {
            Ok(()) => {
                self.hashes.insert(file.path.clone(), Sha256::digest(file.text()).into());
            }
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    fn recommendation(&mut self, origin: Origin) -> Result<(), Diagnostic> {
        let read: Recommendation = origin.file.read()?;
        let path = &origin.file.path;
        let Some(cloud) = origin.cloud else {
            return Err(Diagnostic::error(
                path,
                "place",
                "lies in no folder of a cloud: recommendations/azure, aws or gcp",
            ));
        };
        let key = match (&read.key, &read.slug) {
            (Some(key), None) => key.to_ascii_lowercase(),
            (None, Some(slug)) => key_of_slug(cloud, slug),
            _ => return Err(Diagnostic::error(path, "key", "needs either `key` or `slug`")),
        };
        if let Some((earlier, _)) = self.recommendations.get(&key)
            && !read.overrides
        {
            let message = format!("key {key} is taken by {}; say `overrides: true` to replace it", earlier.file.path);
            let line = origin.file.line_of("key").or_else(|| origin.file.line_of("slug"));
            return Err(Diagnostic::error(path, "duplicate-key", message).at_line(line));
        }
        self.recommendations.insert(key, (origin, read));
        Ok(())
    }

    fn resource_type(&mut self, origin: Origin) -> Result<(), Diagnostic> {
        let read: ResourceType = origin.file.read()?;
        if let Some((earlier, _)) = self.resource_types.get(&read.kind)
            && !read.overrides
        {
            let message = format!(
                "kind {} is described by {}; say `overrides: true` to replace it",
                read.kind, earlier.file.path
            );
            return Err(Diagnostic::error(&origin.file.path, "duplicate-kind", message));
        }
        if origin.cloud != Some(read.cloud) {
            let message = format!("says cloud {} but does not lie in resource-types/{}", read.cloud, read.cloud);
            return Err(Diagnostic::error(&origin.file.path, "place", message));
        }
        self.resource_types.insert(read.kind.clone(), (origin, read));
        Ok(())
    }

    fn standard(&mut self, origin: Origin) -> Result<(), Diagnostic> {
        let read: Standard = origin.file.read()?;
        if let Some((earlier, _)) = self.standards.get(&read.id)
            && !read.overrides
        {
            let message =
                format!("standard {} is in {}; say `overrides: true` to replace it", read.id, earlier.file.path);
            return Err(Diagnostic::error(&origin.file.path, "duplicate-standard", message));
        }
        self.standards.insert(read.id.clone(), (origin, read));
        Ok(())
    }

    /// One faulty primitive costs itself alone.
    fn escalations(&mut self, origin: &Origin, read: EscalationsFile) {
        let path = &origin.file.path;
        for written in read.primitives {
            let id = written.id().to_owned();
            let at = origin.file.line_with(&format!("id: {id}"));
            if let Some((earlier, _)) = self.escalations.get(&id)
                && !written.overrides()
            {
                let message = format!("{id} is in {earlier}; say `overrides: true` to replace it");
                self.diagnostics.push(Diagnostic::error(path, "duplicate-escalation", message).at_line(at));
                continue;
            }
            let faults = written.faults(read.cloud, origin.shipped);
            if faults.is_empty() {
                self.escalations.insert(id, (path.clone(), written.of(read.cloud)));
                continue;
            }
            let told = faults.into_iter().map(|fault| format!("{id}: {fault}"));
            self.diagnostics.extend(told.map(|text| Diagnostic::error(path, "escalation", text).at_line(at)));
        }
    }

    fn controls(&mut self, origin: &Origin, controls: ControlsFile) {
        if !self.controls.controls.is_empty() && !controls.overrides {
            let message = "secure-score controls are there already; say `overrides: true` to replace them";
            return self.diagnostics.push(Diagnostic::error(&origin.file.path, "duplicate-controls", message));
        }
        self.controls = controls;
    }

    fn plans(&mut self, origin: &Origin, plans: PlansFile) {
        if !self.plans.plans.is_empty() && !plans.overrides {
            let message = "plans are there already; say `overrides: true` to replace them";
            return self.diagnostics.push(Diagnostic::error(&origin.file.path, "duplicate-plans", message));
        }
        self.plans = plans;
    }

    fn finish(mut self) -> (Catalogue, Vec<Diagnostic>) {
        let (resource_types, kinds) = self.linked_resource_types();
        let standards: Vec<Standard> = self.linked_standards();
        let ids = Ids {
            controls: self.controls.controls.iter().map(|control| control.id.clone()).collect(),
            plans: self.plans.plans.iter().map(|plan| plan.id.clone()).collect(),
            standards: standards
                .iter()
                .map(|standard| {
                    (standard.id.clone(), standard.controls.iter().map(|control| control.id.clone()).collect())
                })
                .collect(),
        };
        let mut recommendations = Vec::new();
        for (key, (origin, source)) in std::mem::take(&mut self.recommendations) {
            let linter = Linter { origin: &origin, ids: &ids, kinds: &kinds };
            let (rule, found) = linter.check(&key, &source);
            let refused = found.iter().any(|diagnostic| diagnostic.gravity == Gravity::Error);
            self.diagnostics.extend(found);
            if let (Some(rule), Some(cloud), false) = (rule, origin.cloud, refused) {
                let custom = !origin.shipped && !source.overrides;
                recommendations.push(CompiledRecommendation {
                    key,
                    cloud,
                    file: origin.file.path,
                    custom,
                    source,
                    rule,
                });
            }
        }
        recommendations.sort_by(|left, right| (left.cloud, &left.file).cmp(&(right.cloud, &right.file)));
        let by_key = names_of(&recommendations, &mut self.diagnostics);
        self.check_own_standards(&standards, &by_key);
        let mut digest = Sha256::new();
        for (path, hash) in &self.hashes {
            digest.update(path);
            digest.update(hash);
        }
        let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let catalogue = Catalogue {
            recommendations,
            by_key,
            resource_types,
            kinds: Arc::new(kinds),
            controls: self.controls.controls,
            plans: self.plans.plans,
            standards,
            escalations: self.escalations.into_values().map(|(_, primitive)| primitive).collect(),
            digest,
        };
        (catalogue, self.diagnostics)
    }

    fn linked_resource_types(&mut self) -> (BTreeMap<Kind, ResourceType>, KindCatalogue) {
        let mut types = BTreeMap::new();
        let mut kinds = KindCatalogue::default();
        for (kind, (origin, read)) in std::mem::take(&mut self.resource_types) {
            let path = &origin.file.path;
            if origin.shipped && read.title.ja.is_none() {
                self.diagnostics.push(Diagnostic::error(path, "japanese", "title has no `ja`"));
            }
            // What is missing here keeps no export from being read: the type is used.
            self.diagnostics.extend(permissions::check(&read, &origin.file));
            match read.facts() {
                Ok(facts) => {
                    kinds.insert(facts);
                    types.insert(kind, read);
                }
                Err(faults) => {
                    self.diagnostics
                        .extend(faults.into_iter().map(|fault| Diagnostic::error(path, "resource-type", fault)));
                }
            }
        }
        (types, kinds)
    }

    fn linked_standards(&mut self) -> Vec<Standard> {
        let mut standards = Vec::new();
        for (_, (origin, standard)) in std::mem::take(&mut self.standards) {
            self.standard_files.insert(standard.id.clone(), origin.file.clone());
            let mut seen = BTreeSet::new();
            for control in &standard.controls {
                if !seen.insert(&control.id) {
                    let message = format!("control {} stands twice", control.id);
                    self.diagnostics.push(Diagnostic::error(&origin.file.path, "duplicate-control", message));
                }
                if origin.shipped && control.title.ja.is_none() {
                    let message = format!("control {} has no `ja` title", control.id);
                    self.diagnostics.push(Diagnostic::error(&origin.file.path, "japanese", message));
                }
                if origin.shipped && !control.recommendations.is_empty() {
                    let message = format!(
                        "control {} lists recommendations: shipped mappings stand in the recommendations",
                        control.id
                    );
                    self.diagnostics.push(Diagnostic::error(&origin.file.path, "mapping-place", message));
                }
            }
            standards.push(standard);
        }
        standards
    }

    fn check_own_standards(&mut self, standards: &[Standard], by_key: &HashMap<String, usize>) {
        for standard in standards {
            for control in &standard.controls {
                for key in &control.recommendations {
                    if by_key.contains_key(&key.to_ascii_lowercase()) {
                        continue;
                    }
                    let message = format!("control {} lists {key}, which is no recommendation", control.id);
                    let file = self.standard_files.get(&standard.id);
                    let path = file.map_or(standard.id.as_str(), |file| &file.path);
                    let line = file.and_then(|file| file.line_with(key));
                    self.diagnostics.push(Diagnostic::error(path, "unknown-recommendation", message).at_line(line));
                }
            }
        }
    }
}

fn names_of(recommendations: &[CompiledRecommendation], diagnostics: &mut Vec<Diagnostic>) -> HashMap<String, usize> {
    let mut names: HashMap<String, usize> = HashMap::new();
    for (position, recommendation) in recommendations.iter().enumerate() {
        names.insert(recommendation.key.clone(), position);
    }
    for (position, recommendation) in recommendations.iter().enumerate() {
        let older = recommendation.source.also_known_as.iter().chain(&recommendation.source.slug);
        for name in older {
            names.entry(name.to_ascii_lowercase()).or_insert(position);
        }
        for policy in &recommendation.source.azure_policies {
            if Uuid::parse_str(policy).is_err()
                && !policy.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            {
                let message = format!("`{policy}` is not the id of a policy definition");
                diagnostics.push(Diagnostic::error(&recommendation.file, "policy-id", message));
            }
            names.entry(policy.to_ascii_lowercase()).or_insert(position);
        }
    }
    names
}

/// Ids that recommendations may name.
struct Ids {
    controls: BTreeSet<String>,
    plans: BTreeSet<String>,
    standards: BTreeMap<String, BTreeSet<String>>,
}

struct Linter<'a> {
    origin: &'a Origin,
    ids: &'a Ids,
    kinds: &'a KindCatalogue,
}

impl Linter<'_> {
    fn check(&self, key: &str, source: &Recommendation) -> (Option<Rule>, Vec<Diagnostic>) {
        let mut found = Vec::new();
        if Uuid::parse_str(key).is_err() {
            found.push(self.error("key", format!("key `{key}` is not a UUID"), "key"));
        }
        if source.applies_to.as_slice().is_empty() {
            found.push(self.error("applies-to", "applies_to names no kind", "applies_to"));
        }
        for kind in source.applies_to.as_slice() {
            if self.kinds.get(kind).is_none() {
                found.push(self.warning("unknown-kind", format!("no resource type describes {kind}"), "applies_to"));
            }
        }
        self.check_texts(source, &mut found);
        self.check_mappings(source, &mut found);
        let parameters = defaults(source);
        let rule = RuleSource {
            applies_when: source.applies_when.as_ref(),
            unhealthy_when: &source.unhealthy_when,
            parameters: &parameters,
        };
        let rule = match Rule::compile(&rule) {
            Ok(rule) => Some(rule),
            Err(faults) => {
                for fault in faults {
                    let field = fault.at.split(['.', '[']).next().unwrap_or_default();
                    found.push(self.error("rule", format!("{}: {}", fault.at, fault.message), field));
                }
                None
            }
        };
        if let Some(rule) = &rule {
            self.check_relations(source, rule, &mut found);
            self.check_tests(source, rule, &mut found);
        }
        (rule, found)
    }

    fn error(&self, label: &'static str, message: impl Into<String>, field: &str) -> Diagnostic {
        Diagnostic::error(&self.origin.file.path, label, message).at_line(self.origin.file.line_of(field))
    }

    fn warning(&self, label: &'static str, message: impl Into<String>, field: &str) -> Diagnostic {
        Diagnostic::warning(&self.origin.file.path, label, message).at_line(self.origin.file.line_of(field))
    }

    fn check_texts(&self, source: &Recommendation, found: &mut Vec<Diagnostic>) {
        if !self.origin.shipped {
            return;
        }
        let missing =
            |text: &Text| text.en.trim().is_empty() || text.ja.as_deref().is_none_or(|ja| ja.trim().is_empty());
        for (name, text) in [("title", &source.title), ("why", &source.why)] {
            if missing(text) {
                found.push(self.error("japanese", format!("{name} needs `en` and `ja`"), name));
            }
        }
        let steps = &source.fix.steps;
        if steps.en.is_empty() || steps.ja.len() != steps.en.len() {
            found.push(self.error("japanese", "fix.steps needs `en` and `ja` with as many steps", "fix"));
        }
    }

    fn check_mappings(&self, source: &Recommendation, found: &mut Vec<Diagnostic>) {
        if !self.ids.plans.contains(&source.plan) {
            found.push(self.error("unknown-plan", format!("plan `{}` is not in plans.yaml", source.plan), "plan"));
        }
        let Mappings { controls: inferred, standards: inferred_standards, .. } = &source.inferred;
        let mut controls = BTreeSet::new();
        let own = source.controls.iter().map(|id| ("controls", id));
        for (field, id) in own.chain(inferred.iter().map(|id| ("inferred", id))) {
            if !self.ids.controls.contains(id) {
                found.push(self.error("unknown-control", format!("control `{id}` is not in controls.yaml"), field));
            }
            if !controls.insert(id) {
                found.push(self.error("mapping-twice", format!("control `{id}` is mapped twice"), field));
            }
        }
        let mut pairs = BTreeSet::new();
        let own = source.standards.iter().map(|mapping| ("standards", mapping));
        for (field, (standard, ids)) in own.chain(inferred_standards.iter().map(|mapping| ("inferred", mapping))) {
            let Some(known) = self.ids.standards.get(standard) else {
                found.push(self.error("unknown-standard", format!("`{standard}` is no standard"), field));
                continue;
            };
            for id in ids {
                if !known.contains(id) {
                    found.push(self.error("unknown-control", format!("{standard} has no control `{id}`"), field));
                }
                if !pairs.insert((standard, id)) {
                    found.push(self.error("mapping-twice", format!("{standard} {id} is mapped twice"), field));
                }
            }
        }
    }

    fn check_relations(&self, source: &Recommendation, rule: &Rule, found: &mut Vec<Diagnostic>) {
        for (kind, relation) in rule.relations_used() {
            let kinds = match &kind {
                Some(kind) => std::slice::from_ref(kind),
                None => source.applies_to.as_slice(),
            };
            let declares =
                |kind: &Kind| self.kinds.get(kind).is_some_and(|facts| facts.relations.contains_key(relation.as_str()));
            let anywhere =
                kind.is_none() && self.kinds.iter().any(|facts| facts.relations.contains_key(relation.as_str()));
            if !kinds.iter().any(declares) && !anywhere {
                let names: Vec<_> = kinds.iter().map(Kind::as_str).collect();
                found.push(self.error(
                    "unknown-relation",
                    format!("no relation `{relation}` is declared for {}", names.join(", ")),
                    "unhealthy_when",
                ));
            }
        }
    }

    fn check_tests(&self, source: &Recommendation, rule: &Rule, found: &mut Vec<Diagnostic>) {
        let has = |expect| source.tests.iter().any(|test| test.expect == expect);
        let mut wanted = vec![(Expect::Healthy, "healthy"), (Expect::Unhealthy, "unhealthy")];
        if source.applies_when.is_some() {
            wanted.push((Expect::NotApplicable, "notApplicable"));
        }
        if !rule.kinds_read().is_empty() || !rule.relations_used().is_empty() {
            wanted.push((Expect::Unknown, "unknown"));
        }
        for (expect, word) in wanted {
            if !has(expect) {
                let diagnostic = self.error("test-missing", format!("has no test that expects {word}"), "tests");
                let gravity = if expect == Expect::Healthy || expect == Expect::Unhealthy {
                    Gravity::Error
                } else {
                    Gravity::Warning
                };
                found.push(Diagnostic { gravity, ..diagnostic });
            }
        }
    }
}

/// The default values of a recommendation's parameters.
pub(crate) fn defaults(source: &Recommendation) -> BTreeMap<String, Json> {
    source.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.default.clone())).collect()
}
