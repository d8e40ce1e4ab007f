//! regorus, as its own tests and its example run Azure Policy: normalised inputs, one virtual machine for a definition.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use regorus::languages::azure_policy::aliases::{AliasRegistry, normalizer};
use regorus::languages::azure_policy::{compiler, parser};
use regorus::rvm::RegoVM;
use regorus::{Rc, Source, Value};
use serde_json::{Value as Json, json};

use crate::{Answer, Definition};

/// The aliases that Yagura's engine has too.
const ALIASES: &str = include_str!("../../../crates/policy/data/aliases.tsv");

/// A virtual machine for each definition.
pub struct Engine {
    machines: Vec<Machine>,
    aliases: Rc<AliasRegistry>,
}

struct Machine {
    machine: RegoVM,
    /// The kind that the definition speaks of.
    kind: String,
}

/// A resource that is ready, with its kind.
pub struct Input {
    value: Value,
    kind: String,
}

impl Engine {
    /// Compiles the definitions.
    pub fn new(definitions: &[Definition]) -> Result<Self> {
        let mut registry = AliasRegistry::new();
        registry.load_from_json(&alias_list().to_string())?;
        let aliases = Rc::new(registry);
        let machines =
            definitions.iter().map(|definition| Machine::new(definition, &aliases)).collect::<Result<_>>()?;
        Ok(Self { machines, aliases })
    }

    /// Makes inputs of the JSON text of resources.
    pub fn inputs(&self, texts: &[String]) -> Result<Vec<Input>> {
        texts.iter().map(|text| self.input(text)).collect()
    }

    fn input(&self, text: &str) -> Result<Input> {
        let raw = Value::from_json_str(text)?;
        let kind = raw["type"].as_string()?.to_lowercase();
        let mut resource = normalizer::normalize(&raw, Some(&self.aliases), None);
        let name = raw["name"].clone();
        resource.as_object_mut()?.insert(Value::from("fullname"), name);
        let mut value = Value::new_object();
        let members = value.as_object_mut()?;
        members.insert(Value::from("resource"), resource);
        members.insert(Value::from("parameters"), Value::new_object());
        Ok(Input { value, kind })
    }

    /// What one definition says of one resource.
    pub fn answer(&mut self, place: usize, input: &Input) -> Result<Answer> {
        self.machines[place].answer(input)
    }

    /// How many pairs are triggered.
    pub fn count(&mut self, inputs: &[Input]) -> Result<usize> {
        self.count_where(inputs, |_, _| true)
    }

    /// The same, asking only definitions that speak of the resource's kind.
    pub fn count_by_kind(&mut self, inputs: &[Input]) -> Result<usize> {
        self.count_where(inputs, |machine, input| machine.kind == input.kind)
    }

    fn count_where(&mut self, inputs: &[Input], speaks: impl Fn(&Machine, &Input) -> bool) -> Result<usize> {
        let mut triggered = 0;
        for input in inputs {
            for machine in self.machines.iter_mut().filter(|machine| speaks(machine, input)) {
                triggered += usize::from(machine.answer(input)? == Answer::Triggered);
            }
        }
        Ok(triggered)
    }
}

impl Machine {
    fn new(definition: &Definition, aliases: &Rc<AliasRegistry>) -> Result<Self> {
        let source = Source::from_contents(definition.name.clone(), definition.text.clone())?;
        let parsed =
            parser::parse_policy_definition(&source).map_err(|error| anyhow!("{}: {error}", definition.name))?;
        let program = compiler::compile_policy_definition_with_aliases(&parsed, Rc::clone(aliases))?;
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine.set_context(Value::new_object());
        let json: Json = serde_json::from_str(&definition.text)?;
        let conditions = json["properties"]["policyRule"]["if"]["allOf"].as_array();
        let kind = conditions.and_then(|conditions| conditions.iter().find(|condition| condition["field"] == "type"));
        let kind = kind.and_then(|condition| condition["equals"].as_str()).unwrap_or_default().to_lowercase();
        Ok(Self { machine, kind })
    }

    fn answer(&mut self, input: &Input) -> Result<Answer> {
        self.machine.set_input(input.value.clone());
        Ok(match self.machine.execute_entry_point_by_index(0).map_err(|error| anyhow!("{error}"))? {
            Value::Undefined => Answer::Not,
            Value::Object(_) | Value::String(_) => Answer::Triggered,
            _ => Answer::Undecided,
        })
    }
}

/// The alias table in the form of `az provider list --expand resourceTypes/aliases`.
fn alias_list() -> Json {
    let mut providers: BTreeMap<&str, BTreeMap<&str, Vec<Json>>> = BTreeMap::new();
    for line in ALIASES.lines().skip(1) {
        let mut cells = line.split('\t');
        let (Some(name), Some(path), Some(kind)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let Some((namespace, types)) = kind.split_once('/') else { continue };
        let aliases = providers.entry(namespace).or_default().entry(types).or_default();
        aliases.push(json!({"name": name, "defaultPath": path, "paths": []}));
    }
    let described = |types: BTreeMap<&str, Vec<Json>>| {
        let each = types.into_iter().map(|(name, aliases)| json!({"resourceType": name, "aliases": aliases}));
        each.collect::<Json>()
    };
    let list = providers.into_iter().map(|(name, types)| json!({"namespace": name, "resourceTypes": described(types)}));
    list.collect()
}
