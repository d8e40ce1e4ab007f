//! Template expressions: `[concat(field('name'), '-x')]`.

pub(crate) mod evaluate;
pub(crate) mod functions;
mod parse;

use yagura_model::{Document, Kind};

use crate::field::FieldRef;

pub(crate) use functions::Native;
pub(crate) use parse::{ExpressionContext, compile, is_expression, unescape};

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// A value as written.
    Literal(Document),
    /// A list with expressions in it.
    List(Vec<Expr>),
    /// An object with expressions in it.
    Object(Vec<(Box<str>, Expr)>),
    /// `parameters('name')`
    Parameter(Box<Expr>),
    /// `field('path')`, read on the assessed resource.
    Field(Box<FieldRef>),
    /// `current()`, `current('name')`
    Current(Current),
    /// `a.name`
    Member(Box<Expr>, Box<str>),
    /// `a[expression]`
    Index(Box<Expr>, Box<Expr>),
    /// `matchesRegex(text, 'pattern')` with a pattern that is written out.
    Matches(Box<Expr>, regex::Regex),
    /// A function that only needs its arguments and the time.
    Call(&'static Native, Vec<Expr>),
    /// A function that decides which arguments it reads, or that asks its surroundings.
    Special(Special, Vec<Expr>),
}

/// What `current` stands for, as a count of surrounding elements upwards from the innermost.
#[derive(Clone, Debug)]
pub(crate) enum Current {
    /// The element of a `count.value`, or the innermost element.
    Element(u16),
    /// A path below the element of a `count.field`.
    Path(Box<FieldRef>),
}

/// Functions that are not plain functions of their arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    If,
    And,
    Or,
    Coalesce,
    TryGet,
    UtcNow,
    DaysSince,
    MatchesRegex,
    ResourceGroup,
    Subscription,
    RequestContext,
    Policy,
}

/// The kind under which Azure lists resource groups.
pub(crate) fn resource_group_kind() -> Kind {
    Kind::new("Microsoft.Resources/subscriptions/resourceGroups")
}

/// The kind under which Azure lists subscriptions.
pub(crate) fn subscription_kind() -> Kind {
    Kind::new("Microsoft.Resources/subscriptions")
}

thread_local! {
    static LAST: std::cell::RefCell<Option<(String, regex::Regex)>> = const { std::cell::RefCell::new(None) };
}

/// A regular expression of bounded size. The last one of a thread is kept.
pub(crate) fn regex(pattern: &str) -> Result<regex::Regex, String> {
    if let Some(known) =
        LAST.with_borrow(|last| last.as_ref().filter(|(own, _)| own == pattern).map(|(_, known)| known.clone()))
    {
        return Ok(known);
    }
    let compiled = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
    let compiled = compiled.map_err(|error| format!("`{pattern}` is no regular expression: {error}"))?;
    LAST.set(Some((pattern.to_owned(), compiled.clone())));
    Ok(compiled)
}

/// Compiles what a rule compares with: a literal, an expression, or a list or object that holds expressions.
pub(crate) fn compile_value(value: &serde_json::Value, context: &mut ExpressionContext<'_>) -> Result<Expr, String> {
    use serde_json::Value as Json;
    match value {
        Json::String(text) if is_expression(text) => compile(text, context),
        Json::String(text) => Ok(Expr::Literal(Document::from(Json::from(unescape(text))))),
        Json::Array(items) if items.iter().any(holds_expression) => {
            let compiled: Result<Vec<_>, _> = items.iter().map(|item| compile_value(item, context)).collect();
            compiled.map(Expr::List)
        }
        Json::Object(entries) if entries.values().any(holds_expression) => {
            let mut compiled = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                compiled.push((name.as_str().into(), compile_value(value, context)?));
            }
            Ok(Expr::Object(compiled))
        }
        other => Ok(Expr::Literal(Document::from(other))),
    }
}

fn holds_expression(value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => is_expression(text) || text.starts_with("[["),
        Json::Array(items) => items.iter().any(holds_expression),
        Json::Object(entries) => entries.values().any(holds_expression),
        _ => false,
    }
}
