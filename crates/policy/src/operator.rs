//! The operators of conditions.

use std::cmp::Ordering;

use crate::datum::{Datum, Shape, order_numbers, parse_number};
use crate::{date, text};

/// How a value compares with what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    NotEquals,
    Like,
    NotLike,
    Match,
    NotMatch,
    MatchInsensitively,
    NotMatchInsensitively,
    Contains,
    NotContains,
    In,
    NotIn,
    ContainsKey,
    NotContainsKey,
    Less,
    LessOrEquals,
    Greater,
    GreaterOrEquals,
    Exists,
}

use Operator as Op;

/// Every operator with its name as the documentation writes it.
const NAMES: [(&str, Operator); 19] = [
    ("equals", Op::Equals),
    ("notEquals", Op::NotEquals),
    ("like", Op::Like),
    ("notLike", Op::NotLike),
    ("match", Op::Match),
    ("notMatch", Op::NotMatch),
    ("matchInsensitively", Op::MatchInsensitively),
    ("notMatchInsensitively", Op::NotMatchInsensitively),
    ("contains", Op::Contains),
    ("notContains", Op::NotContains),
    ("in", Op::In),
    ("notIn", Op::NotIn),
    ("containsKey", Op::ContainsKey),
    ("notContainsKey", Op::NotContainsKey),
    ("less", Op::Less),
    ("lessOrEquals", Op::LessOrEquals),
    ("greater", Op::Greater),
    ("greaterOrEquals", Op::GreaterOrEquals),
    ("exists", Op::Exists),
];

impl Operator {
    /// The operator of that name, in any case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, operator)| *operator)
    }

    /// The name as the documentation writes it.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, operator)| *operator == self).map_or("", |(name, _)| name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// Whether the value found holds against what is wanted.
    ///
    /// A missing value makes the plain operators false and the `not...` ones true; `equals: null` holds for it.
    pub(crate) fn holds(self, found: &Datum<'_>, wanted: &Datum<'_>, question_mark: bool) -> bool {
        match self {
            Op::Equals => equal(found, wanted),
            Op::NotEquals => !equal(found, wanted),
            Op::Like => like(found, wanted, question_mark),
            Op::NotLike => !like(found, wanted, question_mark),
            Op::Match => matches(found, wanted, true),
            Op::NotMatch => !matches(found, wanted, true),
            Op::MatchInsensitively => matches(found, wanted, false),
            Op::NotMatchInsensitively => !matches(found, wanted, false),
            Op::Contains => contains(found, wanted),
            Op::NotContains => !contains(found, wanted),
            Op::In => is_in(found, wanted),
            Op::NotIn => !is_in(found, wanted),
            Op::ContainsKey => contains_key(found, wanted),
            Op::NotContainsKey => !contains_key(found, wanted),
            Op::Less => order(found, wanted).is_some_and(Ordering::is_lt),
            Op::LessOrEquals => order(found, wanted).is_some_and(Ordering::is_le),
            Op::Greater => order(found, wanted).is_some_and(Ordering::is_gt),
            Op::GreaterOrEquals => order(found, wanted).is_some_and(Ordering::is_ge),
            Op::Exists => found.is_nothing() != truthy(wanted).unwrap_or(true),
        }
    }
}

/// `true`, `false` and their texts.
pub(crate) fn truthy(value: &Datum<'_>) -> Option<bool> {
    match value.shape() {
        Shape::Bool(value) => Some(value),
        Shape::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Shape::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Equality of Azure Policy: texts without case, a text equals the number or boolean it writes, lists and objects
/// element by element.
pub(crate) fn equal(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    match (left.shape(), right.shape()) {
        (Shape::Missing | Shape::Null, Shape::Missing | Shape::Null) => true,
        (Shape::Text(left), Shape::Text(right)) => text::equal(left, right),
        (Shape::Number(left), Shape::Number(right)) => order_numbers(left, right) == Some(Ordering::Equal),
        (Shape::Number(number), Shape::Text(text)) | (Shape::Text(text), Shape::Number(number)) => {
            parse_number(text).is_some_and(|written| order_numbers(written, number) == Some(Ordering::Equal))
        }
        (Shape::Bool(left), Shape::Bool(right)) => left == right,
        (Shape::Bool(flag), Shape::Text(_)) => truthy(right) == Some(flag),
        (Shape::Text(_), Shape::Bool(flag)) => truthy(left) == Some(flag),
        (Shape::List, Shape::List) => equal_lists(left, right),
        (Shape::Object, Shape::Object) => equal_objects(left, right),
        _ => false,
    }
}

fn equal_lists(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (left, right) = (left.to_items(), right.to_items());
    left.iter().zip(&right).all(|(left, right)| equal(left, right))
}

fn equal_objects(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    left.len() == right.len()
        && left.to_entries().iter().all(|(key, value)| right.has_key(key) && equal(value, &right.get(key)))
}

/// The order of numbers, dates or texts; none for what has no order.
pub(crate) fn order(left: &Datum<'_>, right: &Datum<'_>) -> Option<Ordering> {
    match (left.shape(), right.shape()) {
        (Shape::Number(left), Shape::Number(right)) => order_numbers(left, right),
        (Shape::Number(left), Shape::Text(right)) => order_numbers(left, parse_number(right)?),
        (Shape::Text(left), Shape::Number(right)) => order_numbers(parse_number(left)?, right),
        (Shape::Text(left), Shape::Text(right)) => match (date::parse(left), date::parse(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => Some(text::order(left, right)),
        },
        _ => None,
    }
}

/// Numbers and booleans compare as their text where an operator asks for a text.
fn with_text<R>(value: &Datum<'_>, then: impl FnOnce(&str) -> R) -> Option<R> {
    match value.shape() {
        Shape::Text(text) => Some(then(text)),
        Shape::Bool(flag) => Some(then(if flag { "true" } else { "false" })),
        Shape::Number(number) => Some(then(&number.to_json().to_string())),
        _ => None,
    }
}

fn like(found: &Datum<'_>, wanted: &Datum<'_>, question_mark: bool) -> bool {
    let Some(pattern) = wanted.as_str() else { return false };
    with_text(found, |text| text::like(text, pattern, question_mark)).unwrap_or(false)
}

fn matches(found: &Datum<'_>, wanted: &Datum<'_>, with_case: bool) -> bool {
    let Some(pattern) = wanted.as_str() else { return false };
    with_text(found, |text| text::matches(text, pattern, with_case)).unwrap_or(false)
}

fn contains(found: &Datum<'_>, wanted: &Datum<'_>) -> bool {
    match found.shape() {
        Shape::List => found.any_item(|item| equal(item, wanted)),
        Shape::Text(text) => with_text(wanted, |part| text::contains(text, part)).unwrap_or(false),
        _ => false,
    }
}

fn is_in(found: &Datum<'_>, wanted: &Datum<'_>) -> bool {
    wanted.any_item(|item| equal(found, item))
}

fn contains_key(found: &Datum<'_>, wanted: &Datum<'_>) -> bool {
    wanted.as_str().is_some_and(|name| found.has_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `found operator wanted` with `null` for a missing value.
    fn check(found: serde_json::Value, operator: &str, wanted: serde_json::Value, holds: bool) {
        let operator = Operator::of(operator).unwrap();
        let value = if found.is_null() { Datum::Missing } else { Datum::Json(&found) };
        assert_eq!(operator.holds(&value, &Datum::Json(&wanted), false), holds, "{found} {} {wanted}", operator.name());
    }

    #[test]
    fn values_compare_across_types_as_azure_policy_does() {
        check(json!("80"), "equals", json!(80), true);
        check(json!(443), "EQUALS", json!("443"), true);
        check(json!("not-a-number"), "equals", json!(80), false);
        check(json!("TRUE"), "equals", json!(true), true);
        check(json!(false), "notEquals", json!("true"), true);
        check(json!(1), "equals", json!(true), false);
        check(json!(["A", 1]), "equals", json!(["a", "1"]), true);
        check(json!({"A": 1}), "equals", json!({"a": 1}), true);
        check(json!(18446744073709551615u64), "greater", json!(1), true);
        check(json!(0.75), "greater", json!(0.5), true);
    }

    #[test]
    fn a_missing_value_fails_every_plain_operator_and_passes_every_negated_one() {
        for (operator, wanted) in [
            ("equals", json!("")),
            ("like", json!("*")),
            ("match", json!("")),
            ("matchInsensitively", json!("")),
            ("contains", json!("")),
            ("in", json!(["a"])),
            ("containsKey", json!("a")),
        ] {
            check(json!(null), operator, wanted.clone(), false);
            check(json!(null), &format!("not{operator}"), wanted, true);
        }
        for operator in ["less", "lessOrEquals", "greater", "greaterOrEquals"] {
            check(json!(null), operator, json!(0), false);
        }
        check(json!(null), "exists", json!("false"), true);
        check(json!(null), "exists", json!(true), false);
        check(json!(null), "equals", json!(null), true);
    }

    #[test]
    fn order_is_of_numbers_dates_and_texts() {
        check(json!("2024-01-01T02:00:00+02:00"), "lessOrEquals", json!("2024-01-01T00:00:00Z"), true);
        check(json!("2023-01-01-preview"), "greaterOrEquals", json!("2021-04-01"), true);
        check(json!("beta"), "greater", json!("ALPHA"), true);
        check(json!("10"), "greater", json!(9), true);
        check(json!([1]), "greater", json!(0), false);
    }

    #[test]
    fn lists_texts_and_objects_contain() {
        check(json!(["eastus"]), "contains", json!("EASTUS"), true);
        check(json!("my-prod-vm"), "contains", json!("PROD"), true);
        check(json!("port 80"), "contains", json!(80), true);
        check(json!({"Env": 1}), "containsKey", json!("env"), true);
        check(json!("x"), "notContainsKey", json!("env"), true);
        check(json!("x"), "in", json!("x"), false);
    }

    #[test]
    fn every_operator_is_found_by_its_name_in_any_case() {
        for (name, operator) in NAMES {
            assert_eq!(Operator::of(&name.to_uppercase()), Some(operator));
            assert_eq!(operator.name(), name);
        }
        assert_eq!(Operator::of("matches"), None);
    }
}
