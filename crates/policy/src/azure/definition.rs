//! Policy definitions: reading, compiling, evaluating.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Cause, Evidence, Kind, Resource, Verdict};

use super::AliasCatalogue;
use super::effect::{Effect, Meaning};
use crate::compile::Compiler;
use crate::condition::{Condition, ExactKinds, Truth};
use crate::diagnostic::{Diagnostic, PolicyError};
use crate::evaluate::{Env, Parameters, Recorder, Subject, Surroundings};
use crate::expression::Expr;
use crate::expression::evaluate::evaluate;
use crate::field::{Dialect, undecidable};
use crate::rule::Context;

/// A policy definition as it was read, not yet compiled.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The resource id; empty where the file gives none.
    pub id: String,
    /// The name, usually a GUID; empty where the file gives none.
    pub name: String,
    /// The display name, else the name.
    pub title: String,
    /// `Indexed`, `All`, or a data plane such as `Microsoft.Kubernetes.Data`.
    pub mode: String,
    /// Declared parameters.
    pub parameters: BTreeMap<String, ParameterSpec>,
    /// Whether the file is a bare rule, whose parameters are not declared.
    bare: bool,
    rule: Json,
}

/// A declared parameter.
#[derive(Clone, Debug, Default)]
pub struct ParameterSpec {
    /// `defaultValue`
    pub default: Option<Json>,
    /// `allowedValues`; empty = any.
    pub allowed: Vec<Json>,
}

/// The member of an object by its name in any case, as Resource Manager reads.
pub(crate) fn member<'j>(object: &'j Json, name: &str) -> Option<&'j Json> {
    let members = object.as_object()?;
    members.get(name).or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

pub(crate) fn text_member(object: &Json, name: &str) -> String {
    member(object, name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn shape(reason: impl Into<String>) -> PolicyError {
    PolicyError::Shape { what: "policy definition", reason: reason.into() }
}

impl Definition {
    /// Reads a definition resource (`{id, name, properties}`), its properties alone, or a bare rule (`{if, then}`).
    pub fn from_json(source: &Json) -> Result<Self, PolicyError> {
        if !source.is_object() {
            return Err(shape("it is no object"));
        }
        let properties = member(source, "properties").unwrap_or(source);
        let bare = member(properties, "if").is_some() || member(properties, "then").is_some();
        let rule = match member(properties, "policyRule") {
            Some(rule) => rule,
            None if bare => properties,
            None => return Err(shape("it has no `policyRule`")),
        };
        if !rule.is_object() {
            return Err(shape("`policyRule` is no object"));
        }
        let name = text_member(source, "name");
        let title = text_member(properties, "displayName");
        let mode = text_member(properties, "mode");
        Ok(Self {
            id: text_member(source, "id"),
            title: if title.is_empty() { name.clone() } else { title },
            name,
            mode: if mode.is_empty() { "Indexed".to_owned() } else { mode },
            parameters: parameters_of(properties),
            bare,
            rule: rule.clone(),
        })
    }

    /// The effect that the definition has when nobody sets a parameter.
    fn own_effect(&self) -> Option<Effect> {
        let written = member(member(&self.rule, "then")?, "effect")?.as_str()?;
        let Some(inner) = written.strip_prefix("[parameters('").and_then(|rest| rest.strip_suffix("')]")) else {
            return Effect::of(written);
        };
        let declared = self.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(inner));
        declared.and_then(|(_, spec)| Effect::of(spec.default.as_ref()?.as_str()?))
    }

    /// Compiles the rule with aliases, as they are at an API version or at none in particular.
    pub fn compile(
        &self,
        aliases: &Arc<AliasCatalogue>,
        api_version: Option<&str>,
    ) -> Result<CompiledPolicy, PolicyError> {
        let Some(condition) = member(&self.rule, "if") else { return Err(shape("the rule has no `if`")) };
        let Some(then) = member(&self.rule, "then") else { return Err(shape("the rule has no `then`")) };
        let Some(effect) = member(then, "effect") else { return Err(shape("`then` has no `effect`")) };
        let details = member(then, "details").cloned().unwrap_or(Json::Null);
        let dialect = Dialect::Azure(aliases.clone(), api_version.map(Into::into));
        let names: Vec<String> = self.parameters.keys().cloned().collect();
        let mut compiler = Compiler::new(&dialect, (!self.bare).then_some(&names));
        let condition = compiler.condition(condition, "if");
        let effect = compiler.effect(effect, "then.effect");
        let existence = compiler.existence(&details, "then.details");
        let (faults, fields) = (std::mem::take(&mut compiler.faults), std::mem::take(&mut compiler.fields));
        if !faults.is_empty() {
            return Err(PolicyError::Rule(faults));
        }
        let effect = effect.ok_or_else(|| shape("`effect` is no text"))?;
        check_modifiable(&details, aliases, api_version)?;
        let derived = fields.into_iter().filter(|text| aliases.resolve(text, None).is_some_and(|alias| alias.derived));
        let mut derived: Vec<String> = derived.collect();
        derived.sort_unstable();
        derived.dedup();
        let defaults = self.parameters.iter().filter_map(|(name, spec)| Some((name.clone(), spec.default.clone()?)));
        let applies = condition.applicability();
        let exact = applies.exact_kinds();
        let lean = match &exact {
            Some(ExactKinds::Only(kinds)) if kinds.len() <= MOST_LEAN => kinds.as_slice(),
            _ => &[],
        };
        let mode = Mode::of(&self.mode);
        let own_effect = self.own_effect().map(Effect::meaning);
        let covered = mode == Mode::All || mode == Mode::Indexed && !lean.iter().any(is_container);
        Ok(CompiledPolicy {
            is_plain: own_effect == Some(Meaning::Condition) && covered,
            lean: lean.iter().map(|kind| (kind.clone(), condition.for_kind(kind))).collect(),
            exact,
            applies,
            kinds: condition.kinds(),
            condition,
            effect,
            existence,
            details,
            dialect: dialect.clone(),
            defaults: defaults.collect(),
            mode,
            derived,
        })
    }
}

fn parameters_of(properties: &Json) -> BTreeMap<String, ParameterSpec> {
    let declared = member(properties, "parameters").and_then(Json::as_object);
    let mut parameters = BTreeMap::new();
    for (name, spec) in declared.into_iter().flatten() {
        let allowed = member(spec, "allowedValues").and_then(Json::as_array).cloned().unwrap_or_default();
        parameters.insert(name.clone(), ParameterSpec { default: member(spec, "defaultValue").cloned(), allowed });
    }
    parameters
}

/// `modify` may only change aliases that the catalogue calls modifiable, or does not speak of.
fn check_modifiable(details: &Json, aliases: &AliasCatalogue, api_version: Option<&str>) -> Result<(), PolicyError> {
    let operations = member(details, "operations").and_then(Json::as_array);
    for (position, operation) in operations.into_iter().flatten().enumerate() {
        let field = text_member(operation, "field");
        let alias =
            Some(&field).filter(|field| field.contains('/')).and_then(|field| aliases.resolve(field, api_version));
        if alias.is_some_and(|alias| alias.modifiable == Some(false)) {
            let at = format!("then.details.operations[{position}].field");
            return Err(PolicyError::Forbidden(Diagnostic::new(at, format!("`{field}` cannot be modified"))));
        }
    }
    Ok(())
}

/// Kinds for which a condition of its own is kept.
const MOST_LEAN: usize = 8;

fn named(effect: &str) -> Result<Effect, Cause> {
    Effect::of(effect).ok_or_else(|| undecidable(format!("`{effect}` is no effect of Azure Policy")))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    /// Every resource.
    All,
    /// Resources with tags and a location.
    Indexed,
    /// Objects inside a service.
    DataPlane(String),
}

impl Mode {
    fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "all" => Self::All,
            "indexed" => Self::Indexed,
            _ => Self::DataPlane(text.to_owned()),
        }
    }

    fn covers(&self, resource: &Resource) -> bool {
        *self != Self::Indexed || !is_container(&resource.kind)
    }
}

/// Subscriptions and resource groups, which the mode `Indexed` leaves out.
fn is_container(kind: &Kind) -> bool {
    let containers = ["Microsoft.Resources/subscriptions", "Microsoft.Resources/subscriptions/resourceGroups"];
    containers.iter().any(|known| known.eq_ignore_ascii_case(kind.as_str()))
}

/// A compiled policy definition.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    condition: Condition,
    /// What of the condition decides whether the policy speaks of a resource at all.
    applies: Condition,
    kinds: Option<Vec<Kind>>,
    /// The kinds it speaks of, where the kind alone decides that.
    exact: Option<ExactKinds>,
    /// Whether the definition's own effect judges resources, and its mode covers the kinds it speaks of.
    is_plain: bool,
    /// The condition for single kinds, for evaluation without evidence.
    lean: Vec<(Kind, Condition)>,
    effect: Expr,
    /// True when no resource satisfies the effect.
    existence: Option<Condition>,
    details: Json,
    dialect: Dialect,
    defaults: BTreeMap<String, Json>,
    mode: Mode,
    derived: Vec<String>,
}

/// What a single question to a policy gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Triggered {
    /// The effect as the definition (or its parameter) writes it.
    pub effect: String,
    /// What the effect needs, expressions resolved; null when it needs nothing.
    pub details: Json,
}

impl CompiledPolicy {
    /// The kinds the condition can hold for; none = any.
    pub fn kinds(&self) -> Option<&[Kind]> {
        self.kinds.as_deref()
    }

    /// Aliases whose path was not looked up but made by the usual rule.
    pub fn derived_aliases(&self) -> &[String] {
        &self.derived
    }

    /// Whether the resource complies.
    pub fn evaluate(&self, resource: &Resource, context: &Context<'_>) -> Verdict {
        self.judge(resource, context, None)
    }

    /// Whether it complies, with the comparisons that decided.
    pub fn explain(&self, resource: &Resource, context: &Context<'_>) -> (Verdict, Vec<Evidence>) {
        let recorder = Recorder::default();
        let verdict = self.judge(resource, context, Some(&recorder));
        (verdict, recorder.into_evidence())
    }

    fn judge(&self, resource: &Resource, context: &Context<'_>, recorder: Option<&Recorder>) -> Verdict {
        self.within(resource, context, recorder, None, |env| match self.judged(env) {
            Ok(verdict) => verdict,
            Err(cause) => Verdict::Unknown(cause),
        })
    }

    /// What the policy would do with a resource: its effect, or nothing. The cause says why that cannot be told.
    pub(super) fn ask(
        &self,
        resource: &Resource,
        context: &Context<'_>,
        surroundings: &Surroundings,
    ) -> Result<Option<Triggered>, Cause> {
        self.within(resource, context, None, Some(surroundings), |env| {
            if !self.condition.evaluate(env)? {
                return Ok(None);
            }
            let text = self.effect_text(env)?;
            let effect = named(&text)?;
            match effect.meaning() {
                Meaning::Off => return Ok(None),
                Meaning::Existence if !self.is_missing(env)? => return Ok(None),
                _ => {}
            }
            Ok(Some(Triggered { effect: text, details: self.details(effect, env)? }))
        })
    }

    fn within<T>(
        &self,
        resource: &Resource,
        context: &Context<'_>,
        recorder: Option<&Recorder>,
        surroundings: Option<&Surroundings>,
        run: impl FnOnce(&Env<'_>) -> T,
    ) -> T {
        let subject = Subject::bare(resource);
        let steps = Cell::new(0);
        run(&Env {
            assessed: subject,
            subject,
            estate: context.estate,
            now: context.now,
            parameters: Parameters { set: context.parameters, defaults: &self.defaults },
            frame: None,
            recorder,
            surroundings,
            steps: &steps,
        })
    }

    /// Applicability: documentation, "What is applicability in Azure Policy?".
    fn judged(&self, env: &Env<'_>) -> Result<Verdict, Cause> {
        if let Some(lean) = self.plainly(env) {
            return Ok(crate::rule::verdict_of(lean.evaluate(env)));
        }
        let effect = self.effect(env)?;
        if effect.meaning() == Meaning::Off || !self.mode.covers(env.assessed.resource) {
            return Ok(Verdict::NotApplicable);
        }
        let mark = env.recorder.map_or(0, Recorder::len);
        let applies = match &self.exact {
            Some(kinds) => kinds.contains(&env.assessed.resource.kind),
            None => self.applies.evaluate(env)?,
        };
        if !applies {
            return Ok(Verdict::NotApplicable);
        }
        if let Some(recorder) = env.recorder {
            recorder.forget(mark, recorder.len());
        }
        if let Mode::DataPlane(mode) = &self.mode {
            return Err(undecidable(format!("mode {mode} is decided inside the service, not from its resources")));
        }
        match effect.meaning() {
            Meaning::Manual => Err(undecidable("the policy is manual: only a person can attest it")),
            Meaning::Elsewhere => {
                Err(undecidable(format!("the effect {effect} does not speak of the state of resources")))
            }
            Meaning::Existence if !self.condition(env).evaluate(env)? => Ok(Verdict::NotApplicable),
            Meaning::Existence => {
                if let Some(recorder) = env.recorder {
                    recorder.forget(mark, recorder.len());
                }
                Ok(crate::rule::verdict_of(self.is_missing(env)))
            }
            Meaning::Condition | Meaning::Off => Ok(crate::rule::verdict_of(self.condition(env).evaluate(env))),
        }
    }

    /// The condition that alone decides, for the usual case: the effect is the definition's own and judges the
    /// resource itself, and the kind of the resource is one that the policy speaks of.
    fn plainly(&self, env: &Env<'_>) -> Option<&Condition> {
        let own_effect = env.parameters.set.is_none_or(BTreeMap::is_empty);
        if !self.is_plain || !own_effect || env.recorder.is_some() {
            return None;
        }
        self.lean.iter().find(|(kind, _)| *kind == env.assessed.resource.kind).map(|(_, lean)| lean)
    }

    /// The condition to evaluate: with evidence the one that was written, else the one for the resource's kind.
    fn condition(&self, env: &Env<'_>) -> &Condition {
        let lean = || self.lean.iter().find(|(kind, _)| *kind == env.assessed.resource.kind);
        if env.recorder.is_some() { &self.condition } else { lean().map_or(&self.condition, |(_, lean)| lean) }
    }

    fn effect(&self, env: &Env<'_>) -> Result<Effect, Cause> {
        let value = evaluate(&self.effect, env)?;
        match value.as_str() {
            Some(text) => named(text),
            None => Err(undecidable(format!("the effect is {}", value.describe()))),
        }
    }

    /// The effect as it is written.
    fn effect_text(&self, env: &Env<'_>) -> Result<String, Cause> {
        let value = evaluate(&self.effect, env)?;
        value.as_str().map(str::to_owned).ok_or_else(|| undecidable(format!("the effect is {}", value.describe())))
    }

    fn is_missing(&self, env: &Env<'_>) -> Truth {
        match &self.existence {
            Some(existence) => existence.evaluate(env),
            None => Err(undecidable("the effect looks for a resource, but `details` names no `type`")),
        }
    }

    fn details(&self, effect: Effect, env: &Env<'_>) -> Result<Json, Cause> {
        if self.details.is_null() {
            return Ok(Json::Null);
        }
        match effect {
            Effect::Append => self.resolved(&self.details, env),
            Effect::Modify => self.parts(&["roleDefinitionIds", "operations"], env),
            // The template below `deployment` has expressions of its own, which the deployment resolves.
            Effect::AuditIfNotExists | Effect::DeployIfNotExists => {
                self.parts(&["type", "name", "kind", "resourceGroupName", "existenceScope", "roleDefinitionIds"], env)
            }
            _ => Ok(self.details.clone()),
        }
    }

    /// Those members of `details`, expressions resolved.
    fn parts(&self, names: &[&str], env: &Env<'_>) -> Result<Json, Cause> {
        let mut kept = serde_json::Map::new();
        for (name, value) in self.details.as_object().into_iter().flatten() {
            if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                kept.insert(name.clone(), self.resolved(value, env)?);
            }
        }
        Ok(Json::Object(kept))
    }

    /// A value with its expressions resolved; a `condition` is for the moment of the change and stays as it is.
    fn resolved(&self, value: &Json, env: &Env<'_>) -> Result<Json, Cause> {
        match value {
            Json::String(_) => {
                let expr = crate::compile::expression_of(value, &self.dialect).map_err(undecidable)?;
                Ok(evaluate(&expr, env)?.to_json())
            }
            Json::Array(items) => items.iter().map(|item| self.resolved(item, env)).collect(),
            Json::Object(entries) => {
                let mut resolved = serde_json::Map::new();
                for (name, value) in entries {
                    let value = if name == "condition" { value.clone() } else { self.resolved(value, env)? };
                    resolved.insert(name.clone(), value);
                }
                Ok(Json::Object(resolved))
            }
            other => Ok(other.clone()),
        }
    }
}
