//! Reads conditions from their text form.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_model::{Cloud, Document, EstateBuilder, Kind, Resource, ResourceId, Scope, Segment, Timestamp};

use crate::azure::Effect;
use crate::azure::definition::member;
use crate::condition::{Comparison, Condition, Count, Operand};
use crate::diagnostic::Diagnostic;
use crate::evaluate::{Env, Parameters, Subject};
use crate::expression::evaluate::evaluate;
use crate::expression::{Expr, ExpressionContext, compile, compile_value, is_expression};
use crate::field::{Counted, Dialect, Field, FieldRef, bind};
use crate::operator::Operator;
use crate::related::{Existence, Quantifier, Related, SamePlace, Step};

/// How deep conditions may stand inside each other.
const DEEPEST: usize = 100;
/// The longest chain of `via`.
const LONGEST_CHAIN: usize = 8;

/// Reads conditions of one rule and collects what is wrong with them and what they use.
pub(crate) struct Compiler<'c> {
    pub dialect: &'c Dialect,
    /// Names of the declared parameters; none when they are not known.
    pub parameters: Option<&'c [String]>,
    /// Faults found.
    pub faults: Vec<Diagnostic>,
    /// Kinds that steps name.
    pub kinds: BTreeSet<Kind>,
    /// Relations that steps name, with the kind they start from where it is known.
    pub relations: Vec<(Option<Kind>, String)>,
    /// The text of every literal field.
    pub fields: Vec<String>,
    scopes: Vec<Counted>,
    subject: u16,
    depth: usize,
}

impl<'c> Compiler<'c> {
    pub(crate) fn new(dialect: &'c Dialect, parameters: Option<&'c [String]>) -> Self {
        Self {
            dialect,
            parameters,
            faults: Vec::new(),
            kinds: BTreeSet::new(),
            relations: Vec::new(),
            fields: Vec::new(),
            scopes: Vec::new(),
            subject: 0,
            depth: 0,
        }
    }

    fn fault(&mut self, at: &str, message: impl Into<String>) -> Condition {
        self.faults.push(Diagnostic::new(at, message));
        Condition::Always(false)
    }

    /// Compiles one condition that stands at `at`.
    pub(crate) fn condition(&mut self, source: &Json, at: &str) -> Condition {
        let Json::Object(entries) = source else {
            return self.fault(at, format!("is {}, no condition", describe(source)));
        };
        if self.depth >= DEEPEST {
            return self.fault(at, format!("stands more than {DEEPEST} conditions deep"));
        }
        let mut head = None;
        let mut operator = None;
        for (key, value) in entries {
            if let Some(found) = Head::of(key) {
                if head.replace((found, key.as_str(), value)).is_some() {
                    return self.fault(at, "has two of allOf, anyOf, not, field, value, count, related");
                }
                continue;
            }
            match Operator::of(key) {
                Some(found) if operator.is_none() => operator = Some((found, value, key.as_str())),
                Some(_) => return self.fault(at, "has two operators"),
                None => {
                    return self.fault(
                        at,
                        format!("`{key}` is no operator and no kind of condition; operators are {}", Operator::names()),
                    );
                }
            }
        }
        let Some((head, key, value)) = head else {
            return self.fault(at, "has none of allOf, anyOf, not, field, value, count, related");
        };
        self.depth += 1;
        let below = format!("{at}.{key}");
        let condition = match (head, operator) {
            (Head::AllOf, None) => Condition::All(self.conditions(value, &below)),
            (Head::AnyOf, None) => Condition::Any(self.conditions(value, &below)),
            (Head::Not, None) => Condition::Not(Box::new(self.condition(value, &below))),
            (Head::Related, None) => self.related(value, at),
            (Head::AllOf | Head::AnyOf | Head::Not | Head::Related, Some((_, _, name))) => {
                self.fault(at, format!("`{key}` takes no operator, but has `{name}`"))
            }
            (Head::Field | Head::Value | Head::Count, None) => self.fault(at, format!("`{key}` has no operator")),
            (Head::Count, Some((operator, wanted, name))) => self.count(value, operator, wanted, at, name),
            (head, Some((operator, wanted, name))) => self.comparison(head, value, operator, wanted, at, name),
        };
        self.depth -= 1;
        condition
    }

    fn conditions(&mut self, source: &Json, at: &str) -> Vec<Condition> {
        let Json::Array(parts) = source else {
            self.fault(at, format!("is {}, no list of conditions", describe(source)));
            return Vec::new();
        };
        parts.iter().enumerate().map(|(position, part)| self.condition(part, &format!("{at}[{position}]"))).collect()
    }

    fn comparison(
        &mut self,
        head: Head,
        operand: &Json,
        operator: Operator,
        wanted: &Json,
        at: &str,
        name: &str,
    ) -> Condition {
        let operand = match head {
            Head::Field => self.field_operand(operand, at),
            _ => self.value_operand(operand, at),
        };
        let wanted = self.wanted(wanted, operator, &format!("{at}.{name}"));
        let (Some(operand), Some(wanted)) = (operand, wanted) else { return Condition::Always(false) };
        Condition::Comparison(Box::new(Comparison {
            operand,
            operator,
            wanted,
            place: at.into(),
            question_mark: !self.dialect.is_own(),
        }))
    }

    fn wanted(&mut self, source: &Json, operator: Operator, at: &str) -> Option<Expr> {
        let is_dynamic = source.as_str().is_some_and(is_expression);
        let fault = match operator {
            Operator::In | Operator::NotIn if !is_dynamic && !source.is_array() => Some("wants a list"),
            Operator::Exists if !is_dynamic && !is_boolean(source) => Some("wants true or false"),
            Operator::Like | Operator::NotLike | Operator::ContainsKey | Operator::NotContainsKey
                if source.is_array() || source.is_object() =>
            {
                Some("wants a text")
            }
            _ => None,
        };
        if let Some(fault) = fault {
            self.fault(at, format!("{fault}, not {}", describe(source)));
            return None;
        }
        self.expression(source, at)
    }

    fn expression(&mut self, source: &Json, at: &str) -> Option<Expr> {
        let mut context = ExpressionContext {
            dialect: self.dialect,
            scopes: &self.scopes,
            parameters: self.parameters,
            fields: &mut self.fields,
        };
        match compile_value(source, &mut context) {
            Ok(expr) => Some(expr),
            Err(message) => {
                self.fault(at, message);
                None
            }
        }
    }

    fn field_operand(&mut self, source: &Json, at: &str) -> Option<Operand> {
        self.field(source, &format!("{at}.field")).map(|field| {
            Operand::Field(match field {
                FieldRef::Fixed(field) => FieldRef::Fixed(bind(field, &self.scopes, self.subject)),
                dynamic => dynamic,
            })
        })
    }

    /// The field a text names, not yet bound to the elements around it.
    fn field(&mut self, source: &Json, at: &str) -> Option<FieldRef> {
        let Some(text) = source.as_str() else {
            self.fault(at, format!("is {}, no path", describe(source)));
            return None;
        };
        if is_expression(text) {
            let mut context = ExpressionContext {
                dialect: self.dialect,
                scopes: &self.scopes,
                parameters: self.parameters,
                fields: &mut self.fields,
            };
            return match compile(text, &mut context) {
                Ok(expr) => Some(FieldRef::dynamic(expr, text, self.dialect, &self.scopes, self.subject)),
                Err(message) => {
                    self.fault(at, message);
                    None
                }
            };
        }
        match self.dialect.field(text) {
            Ok(field) => {
                self.fields.push(text.to_owned());
                Some(FieldRef::Fixed(field))
            }
            Err(message) => {
                self.fault(at, message);
                None
            }
        }
    }

    fn value_operand(&mut self, source: &Json, at: &str) -> Option<Operand> {
        let text: Box<str> = match source.as_str() {
            Some(text) => text.into(),
            None => source.to_string().into(),
        };
        let expr = self.expression(source, &format!("{at}.value"))?;
        Some(Operand::Value { expr, text })
    }

    fn count(&mut self, source: &Json, operator: Operator, wanted: &Json, at: &str, name: &str) -> Condition {
        let below = format!("{at}.count");
        let Json::Object(entries) = source else {
            return self.fault(&below, format!("is {}, no count", describe(source)));
        };
        let find =
            |wanted: &str| entries.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
        for key in entries.keys() {
            if !["field", "value", "name", "where"].iter().any(|known| known.eq_ignore_ascii_case(key)) {
                return self.fault(&below, format!("`{key}` is no part of a count: use field, value, name, where"));
            }
        }
        if find("name").is_some() && find("value").is_none() {
            return self.fault(&below, "`name` goes with `value`, not with `field`");
        }
        let counted = match (find("field"), find("value")) {
            (Some(field), None) => self.counted_field(field, &below),
            (None, Some(list)) => self.counted_value(list, find("name"), &below),
            _ => {
                self.fault(&below, "needs either `field` or `value`");
                None
            }
        };
        let wanted = self.wanted(wanted, operator, &format!("{at}.{name}"));
        let Some((over, scope)) = counted else { return Condition::Always(false) };
        self.scopes.push(scope);
        let filter = find("where").map(|filter| self.condition(filter, &format!("{below}.where")));
        self.scopes.pop();
        let Some(wanted) = wanted else { return Condition::Always(false) };
        Condition::Count(Box::new(Count { over, filter, operator, wanted, place: at.into() }))
    }

    fn counted_field(&mut self, source: &Json, at: &str) -> Option<(Operand, Counted)> {
        let at = format!("{at}.field");
        let field = self.field(source, &at)?;
        let FieldRef::Fixed(field) = field else {
            let scope = Counted::Value { name: None };
            return Some((Operand::Field(field), scope));
        };
        let steps = field.steps().filter(|steps| steps.contains(&Segment::Each));
        let Some(steps) = steps else {
            self.fault(&at, format!("`{}` has no [*] whose elements could be counted", field.text));
            return None;
        };
        let scope = Counted::Path { steps: steps.into(), subject: self.subject };
        let bound: Field = bind(field, &self.scopes, self.subject);
        Some((Operand::Field(FieldRef::Fixed(bound)), scope))
    }

    fn counted_value(&mut self, source: &Json, name: Option<&Json>, at: &str) -> Option<(Operand, Counted)> {
        let name = match name {
            None => None,
            Some(Json::String(name)) => Some(name.as_str().into()),
            Some(other) => {
                self.fault(at, format!("`name` is {}, no text", describe(other)));
                return None;
            }
        };
        let operand = self.value_operand(source, at)?;
        Some((operand, Counted::Value { name }))
    }

    fn related(&mut self, source: &Json, at: &str) -> Condition {
        let below = format!("{at}.related");
        if !self.dialect.is_own() {
            return self.fault(&below, "is not known to Azure Policy");
        }
        let Json::Object(entries) = source else {
            return self.fault(&below, format!("is {}, no related", describe(source)));
        };
        let mut via = None;
        let mut quantified = None;
        for (key, value) in entries {
            let quantifier = match key.as_str() {
                "via" => {
                    via = Some(value);
                    continue;
                }
                "any" => Quantifier::Any,
                "all" => Quantifier::All,
                "none" => Quantifier::None,
                _ => {
                    return self
                        .fault(&below, format!("`{key}` is no part of related: use via and one of any, all, none"));
                }
            };
            if quantified.replace((quantifier, key, value)).is_some() {
                return self.fault(&below, "has two of any, all, none");
            }
        }
        let (Some(Json::Array(steps)), Some((quantifier, word, condition))) = (via, quantified) else {
            return self.fault(&below, "needs a list `via` and one of any, all, none");
        };
        if steps.is_empty() || steps.len() > LONGEST_CHAIN {
            return self.fault(&below, format!("`via` has {} steps; 1 to {LONGEST_CHAIN} are followed", steps.len()));
        }
        let Some(via) = self.steps(steps, &below) else { return Condition::Always(false) };
        let text = via.iter().map(step_text).collect::<Vec<_>>().join(" > ").into();
        let place = format!("{below}.{word}");
        self.subject += 1;
        let condition = match condition {
            Json::Object(entries) if entries.is_empty() => Condition::Always(true),
            condition => self.condition(condition, &place),
        };
        self.subject -= 1;
        Condition::Related(Box::new(Related { via, quantifier, condition, place: place.into(), text }))
    }

    fn steps(&mut self, sources: &[Json], at: &str) -> Option<Vec<Step>> {
        let mut steps = Vec::with_capacity(sources.len());
        let mut from: Option<Kind> = None;
        for (position, source) in sources.iter().enumerate() {
            let at = format!("{at}.via[{position}]");
            match self.step(source, from.as_ref(), &at) {
                Ok((step, kind)) => {
                    if let Some(kind) = &kind {
                        self.kinds.insert(kind.clone());
                    }
                    from = kind;
                    steps.push(step);
                }
                Err(message) => {
                    self.fault(&at, message);
                    return None;
                }
            }
        }
        Some(steps)
    }

    /// One step with the kind it leads to, where the step says it.
    fn step(&mut self, source: &Json, from: Option<&Kind>, at: &str) -> Result<(Step, Option<Kind>), String> {
        let entries = match source {
            Json::String(word) if word == "parent" => return Ok((Step::Parent, None)),
            Json::String(name) => {
                self.relations.push((from.cloned(), name.clone()));
                return Ok((Step::Relation(name.as_str().into()), None));
            }
            Json::Object(entries) => entries,
            other => return Err(format!("is {}, no step", describe(other))),
        };
        let text = |name: &str| entries.get(name).and_then(Json::as_str);
        let kind = text("kind").map(Kind::new);
        let keys: Vec<&str> = entries.keys().map(String::as_str).collect();
        match keys.as_slice() {
            ["children"] => {
                let kind = text("children").map(Kind::new).ok_or("`children` names no kind")?;
                Ok((Step::Children(kind.clone()), Some(kind)))
            }
            ["kind", "referring"] | ["referring", "kind"] => {
                let (Some(relation), Some(kind)) = (text("referring"), kind) else {
                    return Err("`referring` needs texts".into());
                };
                self.relations.push((Some(kind.clone()), relation.to_owned()));
                Ok((Step::Referring { relation: relation.into(), kind: kind.clone() }, Some(kind)))
            }
            ["kind", "same"] | ["same", "kind"] => {
                let place = match text("same") {
                    Some("scope") => SamePlace::Scope,
                    Some("region") => SamePlace::Region,
                    Some("resourceGroup") => SamePlace::ResourceGroup,
                    Some("tenant") => SamePlace::Tenant,
                    _ => return Err("`same` is one of scope, region, resourceGroup, tenant".into()),
                };
                let kind = kind.ok_or("`kind` is no text")?;
                Ok((Step::Same { place, kind: kind.clone() }, Some(kind)))
            }
            ["id", "kind"] | ["kind", "id"] => {
                let kind = kind.ok_or("`kind` is no text")?;
                let id = entries
                    .get("id")
                    .and_then(|id| self.expression(id, &format!("{at}.id")))
                    .ok_or("`id` cannot be read")?;
                Ok((Step::Id { id, kind: kind.clone() }, Some(kind)))
            }
            _ => Err(format!(
                "has {}; a step is a relation's name, `parent`, or has children, referring and kind, same and kind, or id and kind",
                keys.join(", ")
            )),
        }
    }
}

/// The parts of an Azure Policy definition that stand outside of its condition.
impl Compiler<'_> {
    /// `then.effect`: a literal must be an effect that exists.
    pub(crate) fn effect(&mut self, source: &Json, at: &str) -> Option<Expr> {
        let text = source.as_str()?;
        if !is_expression(text) && Effect::of(text).is_none() {
            self.fault(at, format!("`{text}` is no effect of Azure Policy"));
            return None;
        }
        self.expression(source, at)
    }

    /// `then.details` of an effect that looks for a resource: true when none satisfies it. None without a `type`.
    pub(crate) fn existence(&mut self, details: &Json, at: &str) -> Option<Condition> {
        let part = |name: &str| member(details, name);
        let kind = part("type")?;
        let existence = Existence {
            kind: self.expression(kind, &format!("{at}.type"))?,
            name: part("name").and_then(|name| self.expression(name, &format!("{at}.name"))),
            group: part("resourceGroupName").and_then(|name| self.expression(name, &format!("{at}.resourceGroupName"))),
            whole_subscription: part("existenceScope")
                .and_then(|scope| self.expression(scope, &format!("{at}.existenceScope"))),
        };
        let place = format!("{at}.existenceCondition");
        self.subject += 1;
        let condition =
            part("existenceCondition").map_or(Condition::Always(true), |source| self.condition(source, &place));
        self.subject -= 1;
        let via = vec![Step::Existence(Box::new(existence))];
        let text = via.iter().map(step_text).collect::<String>().into();
        Some(Condition::Related(Box::new(Related {
            via,
            quantifier: Quantifier::None,
            condition,
            place: place.into(),
            text,
        })))
    }
}

/// An expression that stands alone, outside of any count.
pub(crate) fn expression_of(source: &Json, dialect: &Dialect) -> Result<Expr, String> {
    let mut fields = Vec::new();
    compile_value(source, &mut ExpressionContext { dialect, scopes: &[], parameters: None, fields: &mut fields })
}

/// The value of an expression that reads parameters alone, as initiatives hand them on.
pub(crate) fn constant_of(source: &Json, parameters: &BTreeMap<String, Json>) -> Result<Json, String> {
    let dialect = Dialect::Azure(Arc::default(), None);
    let expr = expression_of(source, &dialect)?;
    let resource = nothing();
    let estate = EstateBuilder::new().finish(Arc::default());
    let subject = Subject::new(&resource, &estate);
    let env = Env {
        assessed: subject,
        subject,
        estate: &estate,
        now: Timestamp::UNIX_EPOCH,
        parameters: Parameters { set: None, defaults: parameters },
        frame: None,
        recorder: None,
        surroundings: None,
        steps: &Cell::new(0),
    };
    evaluate(&expr, &env).map(|value| value.to_json()).map_err(|cause| cause.to_string())
}

fn nothing() -> Resource {
    Resource {
        id: ResourceId::new(Cloud::Azure, ""),
        kind: Kind::new(""),
        cloud: Cloud::Azure,
        scope: Scope::tenant(Cloud::Azure, ""),
        group: None,
        name: "".into(),
        region: None,
        observed_at: None,
        document: Document::null(),
        attached: Vec::new(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    AllOf,
    AnyOf,
    Not,
    Field,
    Value,
    Count,
    Related,
}

impl Head {
    fn of(key: &str) -> Option<Self> {
        Some(match key.to_ascii_lowercase().as_str() {
            "allof" => Self::AllOf,
            "anyof" => Self::AnyOf,
            "not" => Self::Not,
            "field" => Self::Field,
            "value" => Self::Value,
            "count" => Self::Count,
            "related" => Self::Related,
            _ => return None,
        })
    }
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Relation(name) => name.to_string(),
        Step::Referring { relation, kind } => format!("{kind} by its {relation}"),
        Step::Parent => "parent".to_owned(),
        Step::Children(kind) => format!("{kind} below"),
        Step::Same { place, kind } => {
            let place = match place {
                SamePlace::Scope => "scope",
                SamePlace::Region => "region",
                SamePlace::ResourceGroup => "resource group",
                SamePlace::Tenant => "tenant",
            };
            format!("{kind} in the same {place}")
        }
        Step::Id { kind, .. } => format!("{kind} by id"),
        Step::Existence(_) => "resources of the effect's type".to_owned(),
    }
}

fn is_boolean(value: &Json) -> bool {
    match value {
        Json::Bool(_) => true,
        Json::String(text) => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
        _ => false,
    }
}

/// What a JSON value is, for messages.
pub(crate) fn describe(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
