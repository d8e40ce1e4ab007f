//! Evaluates compiled expressions.

use std::ops::ControlFlow;

use serde_json::Value as Json;
use yagura_model::{Cause, Resource, ResourceId, Segment};

use super::{Current, Expr, Special, resource_group_kind, subscription_kind};
use crate::datum::{Datum, Shape};
use crate::evaluate::{Env, Subject};
use crate::field::{Field, FieldRef, undecidable};
use crate::{date, operator};

/// The value of an expression. The cause says why there is none.
pub(crate) fn evaluate<'a>(expr: &'a Expr, env: &Env<'a>) -> Result<Datum<'a>, Cause> {
    match expr {
        Expr::Literal(document) => Ok(Datum::Node(document.root())),
        Expr::List(items) => {
            env.work(items.len())?;
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(evaluate(item, env)?);
            }
            Ok(Datum::List(values))
        }
        Expr::Object(entries) => {
            env.work(entries.len())?;
            let mut values = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                values.push(((&**name).into(), evaluate(value, env)?));
            }
            Ok(Datum::Object(values))
        }
        Expr::Parameter(name) => parameter(name, env),
        Expr::Field(field) => read(field, env.assessed, env, false),
        Expr::Current(Current::Element(up)) => Ok(env.frame(*up)),
        Expr::Current(Current::Path(field)) => read(field, env.assessed, env, true),
        Expr::Member(object, name) => Ok(evaluate(object, env)?.get(name)),
        Expr::Index(list, index) => indexed(&evaluate(list, env)?, &evaluate(index, env)?),
        Expr::Matches(text, pattern) => {
            let text = evaluate(text, env)?;
            Ok(Datum::Bool(matches(&text, &|text| pattern.is_match(text))))
        }
        Expr::Call(native, arguments) => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(evaluate(argument, env)?);
            }
            env.work(native.work(&values))?;
            let made = native.call(&values).map_err(undecidable)?;
            env.work(made.weight())?;
            Ok(made)
        }
        Expr::Special(special, arguments) => special_function(*special, arguments, env),
    }
}

fn parameter<'a>(name: &'a Expr, env: &Env<'a>) -> Result<Datum<'a>, Cause> {
    let name = evaluate(name, env)?;
    let Some(text) = name.as_str() else {
        return Err(undecidable(format!("the name of a parameter is {}", name.describe())));
    };
    match env.parameters.get(text) {
        Some(value) => Ok(Datum::Json(value)),
        None => Err(undecidable(format!("parameter `{text}` has no value"))),
    }
}

/// What a field gives inside an expression: a list where it names a collection, else one value.
fn read<'a>(field: &'a FieldRef, subject: Subject<'a>, env: &Env<'a>, is_current: bool) -> Result<Datum<'a>, Cause> {
    let field = field.resolve(env)?;
    if collects(&field, is_current) {
        let mut values = Vec::new();
        field.visit(env, subject, &mut |value| {
            if !matches!(value, Datum::Missing) {
                values.push(value);
            }
            ControlFlow::Continue(())
        })?;
        env.work(values.len())?;
        return Ok(Datum::List(values));
    }
    let mut only = Datum::Missing;
    field.visit(env, subject, &mut |value| {
        only = value;
        ControlFlow::Break(())
    })?;
    Ok(only)
}

/// Azure's `field('a[*].b')` is a list even where one element is being counted; `current` and our own form give the
/// element's own value.
fn collects(field: &Field, is_current: bool) -> bool {
    if is_current || field.is_own() {
        return field.steps().is_some_and(|steps| steps.contains(&Segment::Each));
    }
    field.collects
}

fn indexed<'a>(value: &Datum<'a>, index: &Datum<'a>) -> Result<Datum<'a>, Cause> {
    match index.shape() {
        Shape::Text(name) => Ok(value.get(name)),
        Shape::Number(number) => {
            let position = number.as_i64().and_then(|position| usize::try_from(position).ok());
            Ok(position.map_or(Datum::Missing, |position| value.index(position)))
        }
        Shape::Missing | Shape::Null => Ok(Datum::Missing),
        _ => Err(undecidable(format!("an index is {}", index.describe()))),
    }
}

fn special_function<'a>(special: Special, arguments: &'a [Expr], env: &Env<'a>) -> Result<Datum<'a>, Cause> {
    let argument = |position: usize| match arguments.get(position) {
        Some(expr) => evaluate(expr, env),
        None => Ok(Datum::Missing),
    };
    match special {
        Special::If => {
            let condition = argument(0)?;
            match operator::truthy(&condition) {
                Some(true) => argument(1),
                Some(false) => argument(2),
                None if condition.is_nothing() => argument(2),
                None => Err(undecidable(format!("`if` asks whether {} is true", condition.describe()))),
            }
        }
        Special::And => logical(arguments, env, false),
        Special::Or => logical(arguments, env, true),
        Special::Coalesce => {
            for expr in arguments {
                let value = evaluate(expr, env)?;
                if !value.is_nothing() {
                    return Ok(value);
                }
            }
            Ok(Datum::Null)
        }
        Special::TryGet => {
            let mut value = argument(0)?;
            for expr in arguments.iter().skip(1) {
                value = indexed(&value, &evaluate(expr, env)?)?;
            }
            Ok(value)
        }
        Special::UtcNow => utc_now(&argument(0)?, env),
        Special::DaysSince => Ok(days_since(&argument(0)?, env)),
        Special::MatchesRegex => {
            let (text, pattern) = (argument(0)?, argument(1)?);
            let Some(pattern) = pattern.as_str() else { return Ok(Datum::Missing) };
            let pattern = super::regex(pattern).map_err(undecidable)?;
            Ok(Datum::Bool(matches(&text, &|text| pattern.is_match(text))))
        }
        Special::ResourceGroup => Ok(resource_group(env)),
        Special::Subscription => Ok(subscription(env)),
        Special::RequestContext => Ok(fact(env.surroundings.map(|surroundings| &surroundings.request))),
        Special::Policy => Ok(fact(env.surroundings.map(|surroundings| &surroundings.policy))),
    }
}

fn fact(value: Option<&Json>) -> Datum<'_> {
    value.filter(|value| !value.is_null()).map_or(Datum::Missing, Datum::Json)
}

/// `and` and `or` stop at the argument that decides, as policies rely on to guard later arguments.
fn logical<'a>(arguments: &'a [Expr], env: &Env<'a>, deciding: bool) -> Result<Datum<'a>, Cause> {
    let mut undecided = None;
    for expr in arguments {
        match evaluate(expr, env) {
            Ok(value) if operator::truthy(&value) == Some(deciding) => return Ok(Datum::Bool(deciding)),
            Ok(value) if operator::truthy(&value).is_some() || value.is_nothing() && deciding => {}
            Ok(value) if value.is_nothing() => return Ok(Datum::Bool(false)),
            Ok(value) => undecided = Some(undecidable(format!("a logical function was given {}", value.describe()))),
            Err(cause) => {
                undecided = Some(cause);
                if !deciding {
                    break;
                }
            }
        }
    }
    undecided.map_or(Ok(Datum::Bool(!deciding)), Err)
}

fn utc_now<'a>(format: &Datum<'a>, env: &Env<'a>) -> Result<Datum<'a>, Cause> {
    match format.as_str() {
        None => Ok(Datum::text(date::write(env.now))),
        Some("d" | "yyyy-MM-dd") => Ok(Datum::text(env.now.strftime("%Y-%m-%d").to_string())),
        Some("u") => Ok(Datum::text(env.now.strftime("%Y-%m-%d %H:%M:%SZ").to_string())),
        Some("yyyy-MM-ddTHH:mm:ssZ" | "s") => Ok(Datum::text(date::write(env.now))),
        Some(other) => Err(undecidable(format!("the date format `{other}` is not supported"))),
    }
}

fn days_since<'a>(value: &Datum<'a>, env: &Env<'a>) -> Datum<'a> {
    let then = match value.shape() {
        Shape::Text(text) => date::parse(text).map(|moment| moment.as_second()),
        Shape::Number(number) => number.as_i64().or(Some(number.as_f64() as i64)),
        _ => None,
    };
    then.map_or(Datum::Null, |then| Datum::Int(env.now.as_second().saturating_sub(then).div_euclid(86_400)))
}

fn matches(text: &Datum<'_>, test: &dyn Fn(&str) -> bool) -> bool {
    match text.shape() {
        Shape::Text(text) => test(text),
        Shape::Number(number) => test(&number.to_json().to_string()),
        Shape::List => text.any_item(|item| matches(item, test)),
        _ => false,
    }
}

/// The facts of `resourceGroup()`: from the question, from the estate, else what the id says.
fn resource_group<'a>(env: &Env<'a>) -> Datum<'a> {
    if let Some(given) = env.surroundings.map(|surroundings| &surroundings.resource_group).filter(|v| !v.is_null()) {
        return Datum::Json(given);
    }
    let resource = env.assessed.resource;
    let Some(name) = resource.group.as_deref() else { return Datum::Missing };
    let id = format!("{}/resourceGroups/{name}", resource.scope.id());
    let found = env.estate.by_id(&ResourceId::new(resource.cloud, id.as_str()));
    facts_of(found.as_deref(), &[("id", &id), ("name", name), ("type", resource_group_kind().as_str())])
}

/// The facts of `subscription()`, likewise.
fn subscription<'a>(env: &Env<'a>) -> Datum<'a> {
    if let Some(given) = env.surroundings.map(|surroundings| &surroundings.subscription).filter(|v| !v.is_null()) {
        return Datum::Json(given);
    }
    let id = env.assessed.resource.scope.id();
    let found = env.estate.by_id(&ResourceId::new(env.assessed.resource.cloud, id));
    let guid = id.rsplit('/').next().unwrap_or_default();
    facts_of(found.as_deref(), &[("id", id), ("subscriptionId", guid), ("type", subscription_kind().as_str())])
}

fn facts_of(found: Option<&Resource>, known: &[(&str, &str)]) -> Datum<'static> {
    let mut entries: Vec<_> =
        known.iter().map(|(name, value)| ((*name).to_owned().into(), Datum::text(*value))).collect();
    if let Some(resource) = found {
        for (name, value) in resource.document.root().entries() {
            if !known.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                entries.push((name.to_owned().into(), super::functions::owned(&value.to_json())));
            }
        }
    }
    Datum::Object(entries)
}
