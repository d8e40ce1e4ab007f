//! Conditions: their compiled form and their three-valued evaluation.

use std::ops::ControlFlow;

use yagura_model::{Cause, Kind};

use crate::datum::Datum;
use crate::evaluate::{Env, Frame};
use crate::expression::Expr;
use crate::expression::evaluate::evaluate;
use crate::field::{FieldRef, undecidable};
use crate::operator::Operator;
use crate::record;
use crate::related::{self, Related};

/// Whether a condition holds, or why that cannot be told.
pub(crate) type Truth = Result<bool, Cause>;

/// A compiled condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// Always so.
    Always(bool),
    /// `allOf`
    All(Vec<Condition>),
    /// `anyOf`
    Any(Vec<Condition>),
    /// `not`
    Not(Box<Condition>),
    /// `field` or `value` with an operator.
    Comparison(Box<Comparison>),
    /// `count` with an operator.
    Count(Box<Count>),
    /// `related`
    Related(Box<Related>),
}

/// What stands on the left of an operator.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Field(FieldRef),
    Value { expr: Expr, text: Box<str> },
}

/// An operator with its two sides.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    pub operand: Operand,
    pub operator: Operator,
    pub wanted: Expr,
    /// Where it stands in the rule.
    pub place: Box<str>,
    /// Whether `?` in `like` stands for one letter.
    pub question_mark: bool,
}

/// A count of elements that satisfy a condition, with an operator.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    pub over: Operand,
    pub filter: Option<Condition>,
    pub operator: Operator,
    pub wanted: Expr,
    pub place: Box<str>,
}

impl Condition {
    /// Whether the condition holds for the subject.
    pub(crate) fn evaluate(&self, env: &Env<'_>) -> Truth {
        match self {
            Self::Always(held) => Ok(*held),
            Self::All(parts) => combined(parts, env, false),
            Self::Any(parts) => combined(parts, env, true),
            Self::Not(inner) => inner.evaluate(env).map(|held| !held),
            Self::Comparison(comparison) => comparison.evaluate(env),
            Self::Count(count) => count.evaluate(env),
            Self::Related(related) => related::evaluate(related, env),
        }
    }
}

impl Condition {
    /// Whether a policy speaks of a resource at all: conditions on type, name and kind decide, all others count as
    /// true, or as false below a `not` (Azure Policy documentation, "What is applicability in Azure Policy?").
    pub(crate) fn applicability(&self) -> Self {
        self.assuming(true)
    }

    fn assuming(&self, others: bool) -> Self {
        let parts = |parts: &[Self]| parts.iter().map(|part| part.assuming(others)).collect();
        match self {
            Self::Always(held) => Self::Always(*held),
            Self::All(inner) => Self::All(parts(inner)),
            Self::Any(inner) => Self::Any(parts(inner)),
            Self::Not(inner) => Self::Not(Box::new(inner.assuming(!others))),
            Self::Comparison(comparison) if comparison.names_the_resource() => self.clone(),
            Self::Comparison(_) | Self::Count(_) | Self::Related(_) => Self::Always(others),
        }
    }

    /// The kinds for which it is true, where the kind alone decides that.
    pub(crate) fn exact_kinds(&self) -> Option<ExactKinds> {
        match self {
            Self::Always(true) => Some(ExactKinds::Any),
            Self::Always(false) => Some(ExactKinds::Only(Vec::new())),
            Self::Comparison(comparison) => comparison.kinds().map(ExactKinds::Only),
            Self::All(parts) => parts.iter().try_fold(ExactKinds::Any, |all, part| Some(all.and(part.exact_kinds()?))),
            Self::Any(parts) => {
                let none = ExactKinds::Only(Vec::new());
                parts.iter().try_fold(none, |all, part| Some(all.or(part.exact_kinds()?)))
            }
            Self::Not(_) | Self::Count(_) | Self::Related(_) => None,
        }
    }

    /// The same condition for resources of one kind: what the kind decides is decided.
    pub(crate) fn for_kind(&self, kind: &Kind) -> Self {
        match self {
            Self::All(parts) => joined(parts, kind, false),
            Self::Any(parts) => joined(parts, kind, true),
            Self::Not(inner) => match inner.for_kind(kind) {
                Self::Always(held) => Self::Always(!held),
                inner => Self::Not(Box::new(inner)),
            },
            Self::Comparison(comparison) => match comparison.holds_for(kind) {
                Some(held) => Self::Always(held),
                None => {
                    let operand = comparison.operand.for_kind(kind);
                    Self::Comparison(Box::new(Comparison { operand, ..Comparison::clone(comparison) }))
                }
            },
            Self::Count(count) => {
                let filter = count.filter.as_ref().map(|filter| filter.for_kind(kind));
                Self::Count(Box::new(Count { over: count.over.for_kind(kind), filter, ..Count::clone(count) }))
            }
            Self::Always(_) | Self::Related(_) => self.clone(),
        }
    }

    /// The kinds for which it can hold; none = any.
    pub(crate) fn kinds(&self) -> Option<Vec<Kind>> {
        match self {
            Self::All(parts) => parts.iter().filter_map(Self::kinds).min_by_key(Vec::len),
            Self::Any(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(part.kinds()?);
                }
                Some(all)
            }
            Self::Always(false) => Some(Vec::new()),
            Self::Comparison(comparison) => comparison.kinds(),
            _ => None,
        }
    }
}

/// Parts of `anyOf` (`deciding` is true) or `allOf` for one kind, without those that are decided.
fn joined(parts: &[Condition], kind: &Kind, deciding: bool) -> Condition {
    let mut left = Vec::new();
    for part in parts {
        match part.for_kind(kind) {
            Condition::Always(held) if held == deciding => return Condition::Always(deciding),
            Condition::Always(_) => {}
            part => left.push(part),
        }
    }
    match left.len() {
        0 => Condition::Always(!deciding),
        1 => left.remove(0),
        _ if deciding => Condition::Any(left),
        _ => Condition::All(left),
    }
}

/// Kinds for which something is true.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ExactKinds {
    Any,
    Only(Vec<Kind>),
}

impl ExactKinds {
    pub(crate) fn contains(&self, kind: &Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Only(kinds) => kinds.contains(kind),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, other) | (other, Self::Any) => other,
            (Self::Only(own), Self::Only(other)) => {
                Self::Only(own.into_iter().filter(|kind| other.contains(kind)).collect())
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Only(mut own), Self::Only(other)) => {
                own.extend(other);
                Self::Only(own)
            }
        }
    }
}

/// `anyOf` (`deciding` is true) and `allOf` (false): one deciding part wins over unknown ones.
fn combined(parts: &[Condition], env: &Env<'_>, deciding: bool) -> Truth {
    let start = env.recorder.map_or(0, |recorder| recorder.len());
    let mut undecided = None;
    for part in parts {
        let mark = env.recorder.map_or(0, |recorder| recorder.len());
        match part.evaluate(env) {
            Ok(held) if held == deciding => {
                // Only the part that decided explains the verdict.
                if let Some(recorder) = env.recorder {
                    recorder.forget(start, mark);
                }
                return Ok(deciding);
            }
            Ok(_) => {}
            Err(cause) => {
                undecided.get_or_insert(cause);
            }
        }
    }
    undecided.map_or(Ok(!deciding), Err)
}

impl Operand {
    fn for_kind(&self, kind: &Kind) -> Self {
        match self {
            Self::Field(FieldRef::Fixed(field)) => Self::Field(FieldRef::Fixed(field.for_kind(kind))),
            other => other.clone(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Field(field) => field.text(),
            Self::Value { text, .. } => text,
        }
    }
}

impl Comparison {
    fn names_the_resource(&self) -> bool {
        matches!(&self.operand, Operand::Field(FieldRef::Fixed(field)) if field.names_the_resource())
    }

    /// Whether a comparison of the type with a literal holds for a kind; none for every other comparison.
    fn holds_for(&self, kind: &Kind) -> Option<bool> {
        let Operand::Field(FieldRef::Fixed(field)) = &self.operand else { return None };
        let Expr::Literal(wanted) = &self.wanted else { return None };
        let found = Datum::text(kind.as_str());
        field.is_kind().then(|| self.operator.holds(&found, &Datum::Node(wanted.root()), self.question_mark))
    }

    /// The kinds that a comparison of the type with literals allows; none = any.
    fn kinds(&self) -> Option<Vec<Kind>> {
        let Operand::Field(FieldRef::Fixed(field)) = &self.operand else { return None };
        let Expr::Literal(wanted) = &self.wanted else { return None };
        let wanted = wanted.root();
        if !field.is_kind() {
            return None;
        }
        match self.operator {
            Operator::Equals => wanted.as_str().map(|kind| vec![Kind::new(kind)]),
            Operator::In => wanted.items().map(|kind| kind.as_str().map(Kind::new)).collect(),
            _ => None,
        }
    }

    fn evaluate(&self, env: &Env<'_>) -> Truth {
        env.step()?;
        let outcome = self.compare(env);
        if env.recorder.is_some() {
            self.record(env, &outcome);
        }
        outcome.map(|(held, _)| held)
    }

    /// Whether it holds, with the value that decided.
    fn compare<'a>(&'a self, env: &Env<'a>) -> Result<(bool, Datum<'a>), Cause> {
        let wanted = evaluate(&self.wanted, env)?;
        let field = match &self.operand {
            Operand::Value { expr, .. } => {
                let found = evaluate(expr, env)?;
                env.work((found.weight() + wanted.weight()) / 16)?;
                return Ok((self.operator.holds(&found, &wanted, self.question_mark), found));
            }
            Operand::Field(field) => field.resolve(env)?,
        };
        let mut every = true;
        let mut decided = Datum::Missing;
        let mut steps = Ok(());
        field.visit(env, env.subject, &mut |found| {
            steps = env.work(1 + (found.weight() + wanted.weight()) / 16);
            if steps.is_err() {
                return ControlFlow::Break(());
            }
            every = self.operator.holds(&found, &wanted, self.question_mark);
            decided = found;
            if every { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        steps?;
        Ok((every, decided))
    }

    fn record(&self, env: &Env<'_>, outcome: &Result<(bool, Datum<'_>), Cause>) {
        let path = self.operand.text();
        let found = outcome.as_ref().map_or(serde_json::Value::Null, |(_, found)| record::shown(path, found));
        let wanted = evaluate(&self.wanted, env).map_or(serde_json::Value::Null, |wanted| record::shown("", &wanted));
        let held = outcome.as_ref().ok().map(|(held, _)| *held);
        record::push(env, &self.place, path, found, self.operator.name(), wanted, held);
    }
}

impl Count {
    fn evaluate(&self, env: &Env<'_>) -> Truth {
        let wanted = evaluate(&self.wanted, env)?;
        let start = env.recorder.map_or(0, |recorder| recorder.len());
        let outcome = self.tally(env);
        let truth = match &outcome {
            Ok(tally) => tally.compare(self.operator, &wanted),
            Err(cause) => Err(cause.clone()),
        };
        if let Some(recorder) = env.recorder {
            let inner = recorder.len();
            let found = outcome.map_or(serde_json::Value::Null, |tally| tally.certain.into());
            let shown = record::shown("", &wanted);
            record::push(
                env,
                &self.place,
                self.over.text(),
                found,
                self.operator.name(),
                shown,
                truth.as_ref().ok().copied(),
            );
            recorder.forget(start + record::ELEMENTS_SHOWN, inner);
        }
        truth
    }

    fn tally(&self, env: &Env<'_>) -> Result<Tally, Cause> {
        let mut tally = Tally::default();
        match &self.over {
            Operand::Field(field) => {
                let field = field.resolve(env)?;
                let mut outcome = Ok(());
                field.visit(env, env.subject, &mut |element| {
                    outcome = self.add(&mut tally, element, env);
                    if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                outcome?;
            }
            Operand::Value { expr, text } => {
                let list = evaluate(expr, env)?;
                if !list.is_list() && !list.is_nothing() {
                    return Err(undecidable(format!("`{text}` is {}, no list to count", list.describe())));
                }
                for element in list.to_items() {
                    self.add(&mut tally, element, env)?;
                }
            }
        }
        Ok(tally)
    }

    fn add(&self, tally: &mut Tally, element: Datum<'_>, env: &Env<'_>) -> Result<(), Cause> {
        env.step()?;
        let Some(filter) = &self.filter else {
            tally.certain += 1;
            return Ok(());
        };
        let frame = Frame { element, above: env.frame };
        let mark = env.recorder.map_or(0, |recorder| recorder.len());
        match filter.evaluate(&Env { frame: Some(&frame), ..*env }) {
            Ok(true) => tally.certain += 1,
            Ok(false) => {
                // What an element that was not counted looked like explains nothing.
                if let Some(recorder) = env.recorder {
                    recorder.forget(mark, recorder.len());
                }
            }
            Err(cause) => {
                tally.possible += 1;
                tally.cause.get_or_insert(cause);
            }
        }
        Ok(())
    }
}

/// How many elements satisfy a condition, and how many more might.
#[derive(Default)]
struct Tally {
    certain: i64,
    possible: i64,
    cause: Option<Cause>,
}

impl Tally {
    fn compare(&self, operator: Operator, wanted: &Datum<'_>) -> Truth {
        let holds = |count: i64| operator.holds(&Datum::Int(count), wanted, false);
        let held = holds(self.certain);
        let same = (1..=self.possible).all(|more| holds(self.certain + more) == held);
        match &self.cause {
            Some(cause) if !same => Err(cause.clone()),
            _ => Ok(held),
        }
    }
}
