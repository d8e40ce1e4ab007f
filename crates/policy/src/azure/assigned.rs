//! Definitions, initiatives and assignments together: which policy holds where, with which parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Problem, Resource};

use super::AliasCatalogue;
use super::definition::{CompiledPolicy, Definition, ParameterSpec, member, text_member};
use crate::compile::constant_of;

/// Policies as files hold them, in any order.
#[derive(Debug, Default)]
pub struct PolicyFolder {
    definitions: BTreeMap<String, (String, Definition)>,
    initiatives: BTreeMap<String, Initiative>,
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
struct Initiative {
    file: String,
    title: String,
    defaults: BTreeMap<String, Json>,
    members: Vec<Reference>,
}

#[derive(Clone, Debug)]
struct Reference {
    definition: String,
    parameters: BTreeMap<String, Json>,
}

#[derive(Debug)]
struct Assignment {
    file: String,
    id: String,
    title: String,
    target: String,
    scope: String,
    excluded: Vec<String>,
    parameters: BTreeMap<String, Json>,
}

/// One definition that holds somewhere.
#[derive(Clone, Debug)]
pub struct AssignedPolicy {
    /// The definition's name, else its title.
    pub name: String,
    /// The definition's display name.
    pub title: String,
    /// The assignment or initiative that brings it; none = the definition alone, with its defaults.
    pub assignment: Option<String>,
    /// The scope it holds in; empty = everywhere.
    pub scope: String,
    /// Scopes below that it leaves out.
    pub excluded: Vec<String>,
    /// Values of parameters over the definition's defaults.
    pub parameters: BTreeMap<String, Json>,
    /// The rule.
    pub policy: CompiledPolicy,
}

impl AssignedPolicy {
    /// Whether it holds for a resource by scope; whether it speaks of its kind is the rule's business.
    pub fn covers(&self, resource: &Resource) -> bool {
        let id = resource.id.as_str();
        lies_in(id, &self.scope) && !self.excluded.iter().any(|scope| lies_in(id, scope))
    }
}

/// Whether an id is a scope or lies below it. Management groups hold everything: which subscriptions lie below them is
/// not in the assignment.
fn lies_in(id: &str, scope: &str) -> bool {
    let scope = scope.trim_end_matches('/');
    if scope.is_empty() || scope.to_ascii_lowercase().starts_with("/providers/microsoft.management/managementgroups/") {
        return true;
    }
    let start = id.get(..scope.len()).is_some_and(|start| start.eq_ignore_ascii_case(scope));
    start && matches!(id.as_bytes().get(scope.len()), None | Some(b'/'))
}

/// The last part of a resource id, lower case: how files refer to each other.
fn key_of(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase()
}

impl PolicyFolder {
    /// Adds what a JSON file holds: a definition, initiative, assignment, or a list of such (also under `value`).
    /// The error says that it is none of them.
    pub fn add(&mut self, file: &str, json: &Json) -> Result<(), Vec<Problem>> {
        let list = json.as_array().or_else(|| member(json, "value").and_then(Json::as_array));
        let items = list.map_or_else(|| std::slice::from_ref(json), Vec::as_slice);
        let mut problems = Vec::new();
        for (position, item) in items.iter().enumerate() {
            let record = list.map(|_| position as u64 + 1);
            if let Err(reason) = self.add_one(file, item) {
                problems.push(Problem::lost(file, record, reason));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn add_one(&mut self, file: &str, json: &Json) -> Result<(), String> {
        let properties = member(json, "properties").unwrap_or(json);
        if member(properties, "policyDefinitions").is_some() {
            return self.add_initiative(file, json, properties);
        }
        if member(properties, "policyDefinitionId").is_some() {
            self.assignments.push(assignment(file, json, properties));
            return Ok(());
        }
        let mut definition = Definition::from_json(json).map_err(|error| error.to_string())?;
        if definition.title.is_empty() {
            // A bare rule is known by its file.
            definition.title = file.rsplit(['/', '\\']).next().unwrap_or(file).to_owned();
        }
        let named = [&definition.name, &definition.id].into_iter().find(|name| !name.is_empty());
        let key = named.map_or_else(|| file.to_ascii_lowercase(), |name| key_of(name));
        match self.definitions.insert(key, (file.to_owned(), definition)) {
            Some((earlier, _)) if earlier != file => Err(format!("the definition stands in {earlier} too")),
            _ => Ok(()),
        }
    }

    fn add_initiative(&mut self, file: &str, json: &Json, properties: &Json) -> Result<(), String> {
        let references = member(properties, "policyDefinitions").and_then(Json::as_array);
        let Some(references) = references else { return Err("`policyDefinitions` is no list".to_owned()) };
        let mut members = Vec::new();
        for reference in references {
            let definition = key_of(&text_member(reference, "policyDefinitionId"));
            members.push(Reference { definition, parameters: values(member(reference, "parameters")) });
        }
        let name = text_member(json, "name");
        let title = text_member(properties, "displayName");
        let key = key_of(if name.is_empty() { file } else { &name });
        let declared = member(properties, "parameters").and_then(Json::as_object);
        let defaults = declared
            .into_iter()
            .flatten()
            .filter_map(|(name, spec)| Some((name.clone(), member(spec, "defaultValue")?.clone())));
        let initiative = Initiative {
            file: file.to_owned(),
            title: if title.is_empty() { name } else { title },
            defaults: defaults.collect(),
            members,
        };
        self.initiatives.insert(key, initiative);
        Ok(())
    }

    /// Count of definitions, initiatives and assignments.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.definitions.len(), self.initiatives.len(), self.assignments.len())
    }

    /// Everything that holds somewhere, compiled, with what could not be used.
    ///
    /// Assignments say what holds. Without any, every initiative holds everywhere with its defaults, and every
    /// definition that no initiative names holds by itself.
    pub fn assigned(&self, aliases: &Arc<AliasCatalogue>) -> (Vec<AssignedPolicy>, Vec<Problem>) {
        let mut plan =
            Plan { folder: self, aliases, compiled: BTreeMap::new(), assigned: Vec::new(), problems: Vec::new() };
        for assignment in &self.assignments {
            plan.assignment(assignment);
        }
        if self.assignments.is_empty() {
            plan.everything();
        }
        (plan.assigned, plan.problems)
    }
}

fn assignment(file: &str, json: &Json, properties: &Json) -> Assignment {
    let id = text_member(json, "id");
    let title = text_member(properties, "displayName");
    let stated = text_member(properties, "scope");
    let at = id.to_ascii_lowercase().find("/providers/microsoft.authorization/policyassignments/");
    let scope = at.and_then(|at| id.get(..at)).unwrap_or_default().to_owned();
    let excluded = member(properties, "notScopes").and_then(Json::as_array);
    Assignment {
        file: file.to_owned(),
        title: if title.is_empty() { text_member(json, "name") } else { title },
        target: key_of(&text_member(properties, "policyDefinitionId")),
        scope: if stated.is_empty() { scope } else { stated },
        excluded: excluded.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect(),
        parameters: values(member(properties, "parameters")),
        id,
    }
}

/// `{name: {value: x}}` as name to value.
fn values(parameters: Option<&Json>) -> BTreeMap<String, Json> {
    let parameters = parameters.and_then(Json::as_object);
    let set =
        parameters.into_iter().flatten().filter_map(|(name, set)| Some((name.clone(), member(set, "value")?.clone())));
    set.collect()
}

struct Plan<'f> {
    folder: &'f PolicyFolder,
    aliases: &'f Arc<AliasCatalogue>,
    compiled: BTreeMap<&'f str, Option<CompiledPolicy>>,
    assigned: Vec<AssignedPolicy>,
    problems: Vec<Problem>,
}

/// Where a policy holds and on whose word.
struct Holding<'h> {
    file: &'h str,
    assignment: Option<&'h str>,
    scope: &'h str,
    excluded: &'h [String],
}

impl<'f> Plan<'f> {
    fn everything(&mut self) {
        let mut named = BTreeSet::new();
        for initiative in self.folder.initiatives.values() {
            let holding =
                Holding { file: &initiative.file, assignment: Some(&initiative.title), scope: "", excluded: &[] };
            self.initiative(initiative, &BTreeMap::new(), &holding);
            named.extend(initiative.members.iter().map(|member| member.definition.as_str()));
        }
        for (key, (file, _)) in &self.folder.definitions {
            if !named.contains(key.as_str()) {
                let holding = Holding { file, assignment: None, scope: "", excluded: &[] };
                self.definition(key, BTreeMap::new(), &holding);
            }
        }
    }

    fn assignment(&mut self, assignment: &'f Assignment) {
        let title = if assignment.title.is_empty() { &assignment.id } else { &assignment.title };
        let holding = Holding {
            file: &assignment.file,
            assignment: Some(title),
            scope: &assignment.scope,
            excluded: &assignment.excluded,
        };
        match self.folder.initiatives.get(&assignment.target) {
            Some(initiative) => self.initiative(initiative, &assignment.parameters, &holding),
            None => self.definition(&assignment.target, assignment.parameters.clone(), &holding),
        }
    }

    fn initiative(&mut self, initiative: &'f Initiative, given: &BTreeMap<String, Json>, holding: &Holding<'_>) {
        let mut own = initiative.defaults.clone();
        own.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        for reference in &initiative.members {
            let mut parameters = BTreeMap::new();
            for (name, value) in &reference.parameters {
                match constant_of(value, &own) {
                    Ok(value) => {
                        parameters.insert(name.clone(), value);
                    }
                    Err(reason) => {
                        let message = format!("parameter `{name}` of {}: {reason}", reference.definition);
                        self.problems.push(Problem::lost(holding.file, None, message));
                    }
                }
            }
            self.definition(&reference.definition, parameters, holding);
        }
    }

    fn definition(&mut self, key: &str, parameters: BTreeMap<String, Json>, holding: &Holding<'_>) {
        let Some((key, (file, definition))) = self.folder.definitions.get_key_value(key) else {
            let message = format!("names the definition {key}, which is in no file");
            return self.problems.push(Problem::lost(holding.file, None, message));
        };
        if let Some(reason) = refused_parameter(&definition.parameters, &parameters) {
            return self.problems.push(Problem::lost(holding.file, None, format!("{}: {reason}", definition.title)));
        }
        let problems = &mut self.problems;
        let compiled = self.compiled.entry(key).or_insert_with(|| match definition.compile(self.aliases, None) {
            Ok(compiled) => Some(compiled),
            Err(error) => {
                problems.push(Problem::lost(file.as_str(), None, format!("{}: {error}", definition.title)));
                None
            }
        });
        let Some(policy) = compiled.clone() else { return };
        self.assigned.push(AssignedPolicy {
            name: if definition.name.is_empty() { definition.title.clone() } else { definition.name.clone() },
            title: definition.title.clone(),
            assignment: holding.assignment.map(str::to_owned),
            scope: holding.scope.to_owned(),
            excluded: holding.excluded.to_vec(),
            parameters,
            policy,
        });
    }
}

/// Azure refuses an assignment with a value that is not allowed, or a parameter that is not declared.
fn refused_parameter(declared: &BTreeMap<String, ParameterSpec>, given: &BTreeMap<String, Json>) -> Option<String> {
    for (name, value) in given {
        let Some((_, spec)) = declared.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) else {
            return Some(format!("there is no parameter `{name}`"));
        };
        let same = |allowed: &Json| match (allowed.as_str(), value.as_str()) {
            (Some(allowed), Some(value)) => allowed.eq_ignore_ascii_case(value),
            _ => allowed == value,
        };
        let every = |value: &Json| spec.allowed.iter().any(|allowed| allowed == value);
        let all_listed = value.as_array().is_some_and(|values| values.iter().all(every));
        if !spec.allowed.is_empty() && !spec.allowed.iter().any(same) && !all_listed {
            return Some(format!("{value} is no allowed value of parameter `{name}`"));
        }
    }
    None
}
