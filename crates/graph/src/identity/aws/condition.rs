//! Conditions of statements: operators, keys, values.

use std::net::IpAddr;

use base64::Engine;
use jiff::Timestamp;
use jiff::civil::Date;
use yagura_model::{Value, View};

use super::context::{Context, KeyState};
use super::pattern::{Pattern, Reading};
use crate::error::GraphError;
use crate::truth::Truth;

/// One operator on one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    operator: Box<str>,
    key: Box<str>,
    /// Lower case.
    folded_key: Box<str>,
    quantifier: Option<Quantifier>,
    if_exists: bool,
    negated: bool,
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    ForAllValues,
    ForAnyValue,
}

/// What the values of the request are held against.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Texts(Vec<Pattern>),
    Arns(Vec<ArnPattern>),
    Numbers(Order, Vec<f64>),
    Moments(Order, Vec<Timestamp>),
    Truths(Vec<bool>),
    Ranges(Vec<Range>),
    Bytes(Vec<Vec<u8>>),
    /// Whether the key must be missing.
    Missing(Vec<bool>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// The kinds of operators by what they compare.
#[derive(Clone, Copy)]
enum Family {
    Text { wildcards: bool, folds: bool },
    Arn,
    Number(Order),
    Moment(Order),
    Truth,
    Address,
    Bytes,
    Null,
}

/// Operators in lower case, with whether they are negated.
const OPERATORS: [(&str, Family, bool); 28] = {
    use Family::{Address, Arn, Bytes, Moment, Null, Number, Text, Truth};
    use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    const EXACT: Family = Text { wildcards: false, folds: false };
    const FOLDED: Family = Text { wildcards: false, folds: true };
    const LIKE: Family = Text { wildcards: true, folds: false };
    [
        ("stringequals", EXACT, false),
        ("stringnotequals", EXACT, true),
        ("stringequalsignorecase", FOLDED, false),
        ("stringnotequalsignorecase", FOLDED, true),
        ("stringlike", LIKE, false),
        ("stringnotlike", LIKE, true),
        ("arnequals", Arn, false),
        ("arnlike", Arn, false),
        ("arnnotequals", Arn, true),
        ("arnnotlike", Arn, true),
        ("numericequals", Number(Equal), false),
        ("numericnotequals", Number(Equal), true),
        ("numericlessthan", Number(Less), false),
        ("numericlessthanequals", Number(LessOrEqual), false),
        ("numericgreaterthan", Number(Greater), false),
        ("numericgreaterthanequals", Number(GreaterOrEqual), false),
        ("dateequals", Moment(Equal), false),
        ("datenotequals", Moment(Equal), true),
        ("datelessthan", Moment(Less), false),
        ("datelessthanequals", Moment(LessOrEqual), false),
        ("dategreaterthan", Moment(Greater), false),
        ("dategreaterthanequals", Moment(GreaterOrEqual), false),
        ("bool", Truth, false),
        ("ipaddress", Address, false),
        ("notipaddress", Address, true),
        ("binaryequals", Bytes, false),
        ("null", Null, false),
        // The reference names no negation of this one; policies in use write it.
        ("boolnotequals", Truth, true),
    ]
};

impl Condition {
    /// Reads one operator on one key.
    pub(crate) fn parse(
        operator: &str,
        key: &str,
        values: Value<'_>,
        variables: bool,
        at: &str,
    ) -> Result<Self, GraphError> {
        let fault = |text: String| GraphError::at(format!("{at}.{operator}"), text);
        let folded = operator.to_ascii_lowercase();
        let (quantifier, base) = match folded.split_once(':') {
            Some(("forallvalues", base)) => (Some(Quantifier::ForAllValues), base),
            Some(("foranyvalue", base)) => (Some(Quantifier::ForAnyValue), base),
            _ => (None, folded.as_str()),
        };
        let (base, if_exists) = match base.strip_suffix("ifexists") {
            Some(base) => (base, true),
            None => (base, false),
        };
        let known = OPERATORS.iter().find(|(name, _, _)| *name == base);
        let Some((_, family, negated)) = known.copied() else {
            return Err(fault("is no condition operator".to_owned()));
        };
        if key.is_empty() {
            return Err(fault("names an empty key".to_owned()));
        }
        let values =
            texts(values).ok_or_else(|| fault(format!("{key} has a value that is no text, number or boolean")))?;
        let wanted = Wanted::parse(family, &values, variables).map_err(|text| fault(format!("{key}: {text}")))?;
        Ok(Self {
            operator: operator.into(),
            key: key.into(),
            folded_key: key.to_ascii_lowercase().into(),
            quantifier,
            if_exists,
            negated,
            wanted,
        })
    }

    /// The operator as it was written.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The condition key as it was written.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the request satisfies it.
    pub fn holds(&self, context: &Context<'_>) -> Truth {
        match context.state(&self.folded_key) {
            KeyState::Present(values) => self.with(values, context),
            KeyState::Absent => self.without().into(),
            KeyState::Perhaps(values) => self.with(values, context).agreed(self.without().into()),
            KeyState::Unknown => Truth::Unknown,
        }
    }

    /// What it says of a request that does not carry the key.
    fn without(&self) -> bool {
        if let Wanted::Missing(wanted) = &self.wanted {
            return wanted.contains(&true);
        }
        match self.quantifier {
            Some(Quantifier::ForAllValues) => true,
            Some(Quantifier::ForAnyValue) => self.if_exists,
            None => self.if_exists || self.negated,
        }
    }

    fn with(&self, values: &[String], context: &Context<'_>) -> Truth {
        if let Wanted::Missing(wanted) = &self.wanted {
            return wanted.contains(&false).into();
        }
        let matched = values.iter().map(|value| self.wanted.matches(value, context));
        match (self.quantifier, self.negated) {
            (Some(Quantifier::ForAllValues), false) => Truth::all(matched),
            (Some(Quantifier::ForAllValues), true) => Truth::all(matched.map(|one| !one)),
            (Some(Quantifier::ForAnyValue), true) => Truth::any(matched.map(|one| !one)),
            (Some(Quantifier::ForAnyValue) | None, false) => Truth::any(matched),
            (None, true) => !Truth::any(matched),
        }
    }
}

/// One value or a list of values, as texts.
fn texts(values: Value<'_>) -> Option<Vec<String>> {
    if values.is_array() {
        return values.items().map(text).collect();
    }
    Some(vec![text(values)?])
}

fn text(value: Value<'_>) -> Option<String> {
    match value.view() {
        View::String(text) => Some(text.to_owned()),
        View::Bool(holds) => Some(holds.to_string()),
        View::Number(number) => Some(number.to_json().to_string()),
        _ => None,
    }
}

impl Wanted {
    fn parse(family: Family, values: &[String], variables: bool) -> Result<Self, String> {
        fn each<T>(values: &[String], read: impl Fn(&str) -> Option<T>, what: &str) -> Result<Vec<T>, String> {
            values.iter().map(|text| read(text).ok_or_else(|| format!("`{text}` is no {what}"))).collect()
        }
        Ok(match family {
            Family::Text { wildcards, folds } => {
                let reading = Reading { wildcards, variables, folds };
                Self::Texts(values.iter().map(|text| Pattern::parse(text, reading)).collect::<Result<_, _>>()?)
            }
            Family::Arn => {
                Self::Arns(values.iter().map(|text| ArnPattern::parse(text, variables)).collect::<Result<_, _>>()?)
            }
            Family::Number(order) => Self::Numbers(order, each(values, number, "number")?),
            Family::Moment(order) => Self::Moments(order, each(values, moment, "date")?),
            Family::Truth => Self::Truths(each(values, boolean, "boolean")?),
            Family::Address => Self::Ranges(each(values, Range::parse, "address or range of addresses")?),
            Family::Bytes => Self::Bytes(each(values, bytes, "base64 text")?),
            Family::Null => Self::Missing(each(values, boolean, "boolean")?),
        })
    }

    /// Whether one value of the request equals, or is like, one of those wanted. A value of another type is like none.
    fn matches(&self, value: &str, context: &Context<'_>) -> Truth {
        match self {
            Self::Texts(patterns) => Truth::any(patterns.iter().map(|pattern| pattern.matches(value, context))),
            Self::Arns(patterns) => Truth::any(patterns.iter().map(|pattern| pattern.matches(value, context))),
            Self::Numbers(order, wanted) => among(number(value), wanted, |own, other| order.holds(own, other)),
            Self::Moments(order, wanted) => among(moment(value), wanted, |own, other| order.holds(own, other)),
            Self::Truths(wanted) => among(boolean(value), wanted, |own, other| own == other),
            Self::Ranges(wanted) => among(value.trim().parse().ok(), wanted, |own, range| range.holds(own)),
            Self::Bytes(wanted) => among(bytes(value), wanted, |own, other| own == other),
            Self::Missing(_) => Truth::No,
        }
    }
}

fn among<T, W>(own: Option<T>, wanted: &[W], fits: impl Fn(&T, &W) -> bool) -> Truth {
    own.is_some_and(|own| wanted.iter().any(|other| fits(&own, other))).into()
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()
}

/// A moment as the W3C profile of ISO 8601 writes it, or in seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Some(seconds) = text.parse::<i64>().ok().filter(|_| text.len() != 4) {
        return Timestamp::from_second(seconds).ok();
    }
    let day = |text: &str| text.parse::<Date>().ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok();
    let whole_day = match text.len() {
        4 => day(&format!("{text}-01-01")),
        7 => day(&format!("{text}-01")),
        10 => day(text),
        _ => None,
    };
    if let Some(day) = whole_day {
        return Some(day.timestamp());
    }
    // Hours and minutes without seconds: 2026-01-01T10:00Z
    let (date, time) = text.split_once('T')?;
    let zone = time.find(['Z', '+', '-'])?;
    let (clock, zone) = (time.get(..zone)?, time.get(zone..)?);
    if clock.len() != 5 {
        return None;
    }
    format!("{date}T{clock}:00{zone}").parse().ok()
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    base: IpAddr,
    prefix: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base.parse().ok()?, Some(prefix.parse::<u32>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let longest = if matches!(base, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { base, prefix })
    }

    /// Whether an address of the same family has the same first bits.
    fn holds(&self, address: &IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = u32::from(base) ^ u32::from(*address);
                differing.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = u128::from(base) ^ u128::from(*address);
                differing.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An ARN whose six parts are compared one by one, so that `*` never reaches over a colon into the next part.
#[derive(Clone, Debug, PartialEq)]
struct ArnPattern {
    parts: Vec<Pattern>,
}

impl ArnPattern {
    fn parse(text: &str, variables: bool) -> Result<Self, String> {
        let reading = Reading { wildcards: true, variables, folds: false };
        let parts = arn_parts(text);
        // `*` and a variable that holds a whole ARN are one part.
        let parts = if parts.len() == 6 { parts } else { vec![text] };
        Ok(Self { parts: parts.into_iter().map(|part| Pattern::parse(part, reading)).collect::<Result<_, _>>()? })
    }

    fn matches(&self, value: &str, context: &Context<'_>) -> Truth {
        if let [whole] = self.parts.as_slice() {
            return whole.matches(value, context);
        }
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        if parts.len() != self.parts.len() {
            return Truth::No;
        }
        Truth::all(self.parts.iter().zip(parts).map(|(pattern, part)| pattern.matches(part, context)))
    }
}

/// The six parts of an ARN; colons in variables do not count.
pub(crate) fn arn_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut inside) = (0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if text.get(..at).is_some_and(|before| before.ends_with('$')) => inside = true,
            '}' => inside = false,
            ':' if !inside && parts.len() < 5 => {
                parts.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yagura_model::Document;

    use super::super::context::{Keys, Rest};
    use super::*;

    fn verdict(operator: &str, wanted: serde_json::Value, state: KeyState) -> Truth {
        let document = Document::from(wanted);
        let condition = Condition::parse(operator, "k", document.root(), true, "Condition").unwrap();
        let mut keys = Keys::new();
        keys.set("K", state);
        condition.holds(&Context::new(&[&keys], Rest::Unknown))
    }

    fn check(operator: &str, wanted: serde_json::Value, state: KeyState, expected: Truth) {
        let got = verdict(operator, wanted.clone(), state.clone());
        assert_eq!(got, expected, "{operator} {wanted} with {state:?}");
    }

    #[test]
    fn a_key_that_is_not_known_leaves_every_operator_open() {
        for (operator, _, _) in OPERATORS {
            for name in [operator.to_owned(), format!("ForAnyValue:{operator}"), format!("ForAllValues:{operator}")] {
                let wanted = match operator {
                    "bool" | "boolnotequals" | "null" => json!("true"),
                    name if name.starts_with("date") => json!("2026-01-01"),
                    name if name.contains("ipaddress") => json!("10.0.0.0/8"),
                    _ => json!("1234"),
                };
                check(&name, wanted, KeyState::Unknown, Truth::Unknown);
            }
        }
    }

    #[test]
    fn a_key_that_is_perhaps_there_decides_where_both_ways_agree() {
        let now = || KeyState::Perhaps(vec!["2026-06-01T00:00:00Z".into()]);
        check("DateLessThan", json!("2020-01-01T00:00:00Z"), now(), Truth::No);
        check("DateGreaterThan", json!("2020-01-01T00:00:00Z"), now(), Truth::Unknown);
        check("DateGreaterThanIfExists", json!("2020-01-01T00:00:00Z"), now(), Truth::Yes);
    }

    #[test]
    fn values_are_read_in_all_their_forms() {
        let one = |text: &str| KeyState::one(text);
        let rows = [
            ("DateEquals", json!("2026-01-01"), one("2026-01-01T00:00:00Z"), Truth::Yes),
            ("DateEquals", json!("2026-01"), one("2026-01-01T00:00Z"), Truth::Yes),
            ("DateEquals", json!("2026"), one("1767225600"), Truth::Yes),
            ("DateEquals", json!("2026-01-01T09:00+09:00"), one("2026-01-01T00:00:00Z"), Truth::Yes),
            ("BinaryEquals", json!("QmluYXJ5"), one("QmluYXJ5"), Truth::Yes),
            ("BinaryEquals", json!("QmluYXJ5"), one("QmluYXJ4"), Truth::No),
            ("Bool", json!("TRUE"), one("true"), Truth::Yes),
            ("NumericEquals", json!(10), one("10.0"), Truth::Yes),
            ("NumericLessThan", json!(10), one("many"), Truth::No),
            ("IpAddress", json!("0.0.0.0/0"), one("198.51.100.7"), Truth::Yes),
            ("IpAddress", json!("0.0.0.0/0"), one("2001:db8::1"), Truth::No),
            ("IpAddress", json!("::/0"), one("2001:db8::1"), Truth::Yes),
            ("ArnLike", json!("arn:aws:sns:*:1:t"), one("arn:aws:sns:eu-west-1:2:1:t"), Truth::No),
            ("ArnLike", json!("arn:aws:sns:*:*:t*"), one("arn:aws:sns:eu-west-1:2:topic:sub"), Truth::Yes),
            ("ArnEquals", json!("*"), one("arn:aws:sns:eu-west-1:2:topic"), Truth::Yes),
            ("StringEquals", json!("a*"), one("ab"), Truth::No),
            ("StringEquals", json!("a${*}"), one("a*"), Truth::Yes),
            ("StringEquals", json!("${missing, 'team'}"), one("team"), Truth::Unknown),
            ("StringEqualsIgnoreCase", json!("Äb"), one("ÄB"), Truth::Yes),
            ("Null", json!([true, false]), one("x"), Truth::Yes),
            ("ForAnyValue:StringEqualsIfExists", json!("a"), KeyState::Absent, Truth::Yes),
            ("ForAnyValue:StringNotEquals", json!("a"), KeyState::Absent, Truth::No),
            ("ForAllValues:StringNotEquals", json!("a"), KeyState::Absent, Truth::Yes),
            ("ForAllValues:StringEquals", json!("a"), KeyState::Present(vec![]), Truth::Yes),
        ];
        for (operator, wanted, state, expected) in rows {
            check(operator, wanted, state, expected);
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_its_place() {
        let rows = [
            ("StringMatches", json!("a"), "Condition.StringMatches: is no condition operator"),
            ("ForSomeValues:StringLike", json!("a"), "Condition.ForSomeValues:StringLike: is no condition operator"),
            (
                "IpAddress",
                json!("10.0.0.0/33"),
                "Condition.IpAddress: k: `10.0.0.0/33` is no address or range of addresses",
            ),
            ("DateLessThan", json!("soon"), "Condition.DateLessThan: k: `soon` is no date"),
            ("NumericEquals", json!("NaN"), "Condition.NumericEquals: k: `NaN` is no number"),
            ("Bool", json!({"a": 1}), "Condition.Bool: k has a value that is no text, number or boolean"),
            ("StringLike", json!("${aws:username"), "Condition.StringLike: k: `${aws:username` has a `${` without `}`"),
            (
                "StringLike",
                json!("${a, b}"),
                "Condition.StringLike: k: `${a, b}` has a variable whose default is not in quotes",
            ),
        ];
        for (operator, wanted, expected) in rows {
            let document = Document::from(wanted);
            let fault = Condition::parse(operator, "k", document.root(), true, "Condition").unwrap_err();
            assert_eq!(fault.to_string(), expected);
        }
    }
}
