//! Template expressions: `[concat(field('name'), '-x')]`.

pub(crate) mod evaluate;
mod functions;
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
