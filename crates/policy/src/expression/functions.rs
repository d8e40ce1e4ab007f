//! The functions of template expressions that need nothing but their arguments.
//!
//! Names and meanings: Azure Resource Manager template functions, as Azure Policy allows them, and Yagura's own.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine;
use serde_json::Value as Json;
use yagura_model::Number;

use crate::datum::{Datum, Shape, order_numbers};
use crate::ip::{self, IpRange};
use crate::{date, operator, text};

/// The longest text and list that a function makes.
const LONGEST: usize = 1 << 20;
const MOST_ITEMS: i64 = 10_000;

/// Who knows a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Azure Policy, and so our own form too.
    Azure,
    /// Our own form alone.
    Own,
}

/// Whether a function wants to see arguments that are nothing; otherwise nothing gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    Gives,
    Seen,
}

type Run = for<'a, 'b> fn(&'b [Datum<'a>]) -> Result<Datum<'a>, String>;

/// A function with its name and how many arguments it takes.
pub(crate) struct Native {
    pub name: &'static str,
    pub least: usize,
    pub most: usize,
    pub scope: Scope,
    nothing: Nothing,
    /// Whether it compares every element with every other.
    pairs: bool,
    run: Run,
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Native {
    /// The same function, which compares every element with every other.
    const fn by_pairs(self) -> Self {
        Self { pairs: true, ..self }
    }

    /// How long it takes with these arguments, in comparisons.
    pub(crate) fn work(&self, arguments: &[Datum<'_>]) -> usize {
        if !self.pairs {
            return arguments.iter().map(Datum::weight).sum();
        }
        let whole: usize = arguments.iter().map(Datum::whole_weight).sum();
        // Elements are mostly different at their first letter.
        whole.saturating_mul(whole) / 8
    }

    /// The value for these arguments, whose count was checked when the rule was compiled.
    pub(crate) fn call<'a>(&self, arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
        if self.nothing == Nothing::Gives && arguments.iter().any(Datum::is_nothing) {
            return Ok(Datum::Missing);
        }
        (self.run)(arguments).map_err(|reason| format!("`{}` {reason}", self.name))
    }
}

/// The function of that name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Native> {
    NATIVES.iter().find(|native| native.name.eq_ignore_ascii_case(name))
}

const ANY: usize = usize::MAX;

const fn of(name: &'static str, least: usize, most: usize, run: Run) -> Native {
    Native { name, least, most, scope: Scope::Azure, nothing: Nothing::Gives, pairs: false, run }
}

const fn seeing(name: &'static str, least: usize, most: usize, run: Run) -> Native {
    Native { name, least, most, scope: Scope::Azure, nothing: Nothing::Seen, pairs: false, run }
}

const fn own(name: &'static str, least: usize, most: usize, run: Run) -> Native {
    Native { name, least, most, scope: Scope::Own, nothing: Nothing::Seen, pairs: false, run }
}

static NATIVES: [Native; 66] = [
    seeing("concat", 0, ANY, concat),
    of("split", 2, 2, split),
    of("join", 2, 2, join),
    of("first", 1, 1, first),
    of("last", 1, 1, last),
    of("length", 1, 1, length),
    seeing("empty", 1, 1, |a| Ok(Datum::Bool(is_empty(arg(a, 0))))),
    of("contains", 2, 2, contains),
    of("startsWith", 2, 2, |a| Ok(Datum::Bool(text::fold(text_of(a, 0)?).starts_with(&text::fold(text_of(a, 1)?))))),
    of("endsWith", 2, 2, |a| Ok(Datum::Bool(text::fold(text_of(a, 0)?).ends_with(&text::fold(text_of(a, 1)?))))),
    seeing("equals", 2, 2, |a| Ok(Datum::Bool(operator::equal(arg(a, 0), arg(a, 1))))),
    of("less", 2, 2, |a| ordered(a, Ordering::is_lt)),
    of("lessOrEquals", 2, 2, |a| ordered(a, Ordering::is_le)),
    of("greater", 2, 2, |a| ordered(a, Ordering::is_gt)),
    of("greaterOrEquals", 2, 2, |a| ordered(a, Ordering::is_ge)),
    of("not", 1, 1, |a| bool_of(a, 0).map(|flag| Datum::Bool(!flag))),
    of("bool", 1, 1, bool_function),
    of("true", 0, 0, |_| Ok(Datum::Bool(true))),
    of("false", 0, 0, |_| Ok(Datum::Bool(false))),
    of("null", 0, 0, |_| Ok(Datum::Null)),
    of("toLower", 1, 1, |a| mapped(a, str::to_lowercase)),
    of("toUpper", 1, 1, |a| mapped(a, str::to_uppercase)),
    of("trim", 1, 1, |a| mapped(a, |text| text.trim().to_owned())),
    of("replace", 3, 3, replace),
    of("padLeft", 2, 3, pad_left),
    of("substring", 2, 3, substring),
    of("indexOf", 2, 2, |a| position(a, false)),
    of("lastIndexOf", 2, 2, |a| position(a, true)),
    of("int", 1, 1, int),
    of("float", 1, 1, float),
    seeing("string", 1, 1, string),
    of("format", 1, ANY, format),
    seeing("createArray", 0, ANY, |a| Ok(Datum::List(a.to_vec()))),
    seeing("createObject", 0, ANY, create_object),
    of("items", 1, 1, items),
    seeing("union", 2, ANY, union).by_pairs(),
    seeing("shallowMerge", 1, 1, |a| union(&arg(a, 0).to_items())),
    of("intersection", 2, ANY, intersection).by_pairs(),
    of("take", 2, 2, |a| part(a, true)),
    of("skip", 2, 2, |a| part(a, false)),
    of("min", 1, ANY, |a| extreme(a, Ordering::Less)),
    of("max", 1, ANY, |a| extreme(a, Ordering::Greater)),
    of("range", 2, 2, range),
    of("add", 2, 2, |a| computed(a, i64::checked_add, |left, right| left + right)),
    of("sub", 2, 2, |a| computed(a, i64::checked_sub, |left, right| left - right)),
    of("mul", 2, 2, |a| computed(a, i64::checked_mul, |left, right| left * right)),
    of("div", 2, 2, |a| computed(a, i64::checked_div, |left, right| left / right)),
    of("mod", 2, 2, |a| computed(a, i64::checked_rem, |left, right| left % right)),
    of("json", 1, 1, |a| read_json(text_of(a, 0)?)),
    of("base64", 1, 1, |a| mapped(a, |text| STANDARD.encode(text))),
    of("base64ToString", 1, 1, |a| decoded(text_of(a, 0)?).map(Datum::text)),
    of("base64ToJson", 1, 1, |a| read_json(&decoded(text_of(a, 0)?)?)),
    of("dataUri", 1, 1, |a| mapped(a, |text| format!("data:text/plain;charset=utf8;base64,{}", STANDARD.encode(text)))),
    of("dataUriToString", 1, 1, data_uri_to_string),
    of("uri", 2, 2, uri),
    of("uriComponent", 1, 1, |a| mapped(a, percent_encoded)),
    of("uriComponentToString", 1, 1, |a| percent_decoded(text_of(a, 0)?).map(Datum::text)),
    of("addDays", 2, 2, add_days),
    of("dateTimeAdd", 2, 3, date_time_add),
    of("dateTimeToEpoch", 1, 1, |a| Ok(Datum::Int(date_of(a, 0)?.as_second()))),
    of("dateTimeFromEpoch", 1, 1, date_time_from_epoch),
    of("ipRangeContains", 2, 2, ip_range_contains),
    seeing("array", 1, 1, array),
    own("portRangeContains", 2, 2, port_range_contains),
    own("isInternet", 1, 1, |a| Ok(Datum::Bool(any_text(arg(a, 0), &mut ip::is_internet)))),
    own("isPublicRange", 1, 1, |a| Ok(Datum::Bool(any_text(arg(a, 0), &mut ip::is_public)))),
];

use base64::engine::general_purpose::STANDARD;

fn arg<'b, 'a>(arguments: &'b [Datum<'a>], position: usize) -> &'b Datum<'a> {
    arguments.get(position).unwrap_or(&Datum::Missing)
}

fn text_of<'b>(arguments: &'b [Datum<'_>], position: usize) -> Result<&'b str, String> {
    let argument = arg(arguments, position);
    argument.as_str().ok_or_else(|| format!("wants a text as argument {}, not {}", position + 1, argument.describe()))
}

fn int_of(arguments: &[Datum<'_>], position: usize) -> Result<i64, String> {
    let argument = arg(arguments, position);
    let number = argument.as_number().and_then(Number::as_i64);
    number.ok_or_else(|| format!("wants a whole number as argument {}, not {}", position + 1, argument.describe()))
}

fn bool_of(arguments: &[Datum<'_>], position: usize) -> Result<bool, String> {
    let argument = arg(arguments, position);
    operator::truthy(argument)
        .ok_or_else(|| format!("wants true or false as argument {}, not {}", position + 1, argument.describe()))
}

fn date_of(arguments: &[Datum<'_>], position: usize) -> Result<jiff::Timestamp, String> {
    let text = text_of(arguments, position)?;
    date::parse(text).ok_or_else(|| format!("wants a date as argument {}, not `{}`", position + 1, shortened(text)))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn bounded(text: String) -> Result<Datum<'static>, String> {
    if text.len() > LONGEST { Err("makes a text of more than 1 MiB".to_owned()) } else { Ok(Datum::text(text)) }
}

fn mapped<'a>(arguments: &[Datum<'a>], change: fn(&str) -> String) -> Result<Datum<'a>, String> {
    bounded(change(text_of(arguments, 0)?))
}

/// A value as a text: texts as they are, all else as JSON.
fn write(value: &Datum<'_>) -> Cow<'static, str> {
    match value.shape() {
        Shape::Missing | Shape::Null => Cow::Borrowed(""),
        Shape::Text(text) => Cow::Owned(text.to_owned()),
        Shape::Bool(true) => Cow::Borrowed("True"),
        Shape::Bool(false) => Cow::Borrowed("False"),
        _ => Cow::Owned(value.to_json().to_string()),
    }
}

fn concat<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    if arguments.iter().any(Datum::is_list) {
        let lists = arguments.iter().filter(|argument| argument.is_list());
        return Ok(Datum::List(lists.flat_map(Datum::to_items).collect()));
    }
    let mut joined = String::new();
    for argument in arguments {
        joined.push_str(&write(argument));
        if joined.len() > LONGEST {
            return Err("makes a text of more than 1 MiB".to_owned());
        }
    }
    Ok(Datum::text(joined))
}

fn split<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let text = text_of(arguments, 0)?;
    let delimiters = match arg(arguments, 1).as_str() {
        Some(delimiter) => vec![delimiter.to_owned()],
        None => arg(arguments, 1).to_items().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
    };
    let delimiters: Vec<&str> = delimiters.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let next = delimiters.iter().filter_map(|delimiter| Some((rest.find(delimiter)?, delimiter.len()))).min();
        let Some((at, length)) = next else { break };
        parts.push(Datum::text(rest.get(..at).unwrap_or_default()));
        rest = rest.get(at + length..).unwrap_or_default();
    }
    parts.push(Datum::text(rest));
    Ok(Datum::List(parts))
}

fn join<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let parts: Vec<_> = arg(arguments, 0).to_items().iter().map(write).collect();
    bounded(parts.join(text_of(arguments, 1)?))
}

fn first<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    match value.as_str() {
        Some(text) => Ok(Datum::text(text.chars().take(1).collect::<String>())),
        None if value.is_list() => Ok(value.index(0)),
        None => Err(format!("wants a list or a text, not {}", value.describe())),
    }
}

fn last<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    match value.as_str() {
        Some(text) => Ok(Datum::text(text.chars().next_back().map(String::from).unwrap_or_default())),
        None if value.is_list() => Ok(value.len().checked_sub(1).map_or(Datum::Missing, |end| value.index(end))),
        None => Err(format!("wants a list or a text, not {}", value.describe())),
    }
}

fn length<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    let length = match value.shape() {
        Shape::Text(text) => text.chars().count(),
        Shape::List | Shape::Object => value.len(),
        _ => return Err(format!("wants a list, an object or a text, not {}", value.describe())),
    };
    Ok(Datum::Int(length as i64))
}

fn is_empty(value: &Datum<'_>) -> bool {
    match value.shape() {
        Shape::Missing | Shape::Null => true,
        Shape::Text(text) => text.is_empty(),
        Shape::List | Shape::Object => value.len() == 0,
        Shape::Bool(_) | Shape::Number(_) => false,
    }
}

fn contains<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let (container, wanted) = (arg(arguments, 0), arg(arguments, 1));
    Ok(Datum::Bool(match container.shape() {
        Shape::Text(text) => text::contains(text, &write(wanted)),
        Shape::List => container.any_item(|item| operator::equal(item, wanted)),
        Shape::Object => wanted.as_str().is_some_and(|name| container.has_key(name)),
        _ => return Err(format!("wants a list, an object or a text, not {}", container.describe())),
    }))
}

fn ordered<'a>(arguments: &[Datum<'a>], test: fn(Ordering) -> bool) -> Result<Datum<'a>, String> {
    let (left, right) = (arg(arguments, 0), arg(arguments, 1));
    match operator::order(left, right) {
        Some(order) => Ok(Datum::Bool(test(order))),
        None => Err(format!("cannot compare {} with {}", left.describe(), right.describe())),
    }
}

fn bool_function<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    match arg(arguments, 0).as_number() {
        Some(number) => Ok(Datum::Bool(number.as_f64() != 0.0)),
        None => match arg(arguments, 0).as_str() {
            Some("1") => Ok(Datum::Bool(true)),
            Some("0") => Ok(Datum::Bool(false)),
            _ => bool_of(arguments, 0).map(Datum::Bool),
        },
    }
}

fn replace<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let (text, old, new) = (text_of(arguments, 0)?, text_of(arguments, 1)?, text_of(arguments, 2)?);
    if old.is_empty() {
        return Ok(Datum::text(text));
    }
    let grown = text.matches(old).count().saturating_mul(new.len()).saturating_add(text.len());
    if grown > LONGEST {
        Err("makes a text of more than 1 MiB".to_owned())
    } else {
        Ok(Datum::text(text.replace(old, new)))
    }
}

fn pad_left<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let text = write(arg(arguments, 0));
    let width = int_of(arguments, 1)?;
    let with = if arguments.len() > 2 { write(arg(arguments, 2)) } else { Cow::Borrowed(" ") };
    let with = with.chars().next().unwrap_or(' ');
    let missing = width.saturating_sub(text.chars().count() as i64).clamp(0, MOST_ITEMS);
    let padding: String = std::iter::repeat_n(with, missing as usize).collect();
    bounded(padding + &text)
}

fn substring<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let text = text_of(arguments, 0)?;
    let letters = text.chars().count() as i64;
    let start = int_of(arguments, 1)?;
    let length = if arguments.len() > 2 { int_of(arguments, 2)? } else { letters.saturating_sub(start) };
    if start < 0 || length < 0 || start.saturating_add(length) > letters {
        return Err(format!("reaches beyond the end of a text of {letters} characters"));
    }
    Ok(Datum::text(text.chars().skip(start as usize).take(length as usize).collect::<String>()))
}

fn position<'a>(arguments: &[Datum<'a>], from_end: bool) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    if value.is_list() {
        let wanted = arg(arguments, 1);
        let items = value.to_items();
        let mut places =
            items.iter().enumerate().filter(|(_, item)| operator::equal(item, wanted)).map(|(place, _)| place);
        let place = if from_end { places.next_back() } else { places.next() };
        return Ok(Datum::Int(place.map_or(-1, |place| place as i64)));
    }
    let (text, part) = (text::fold(text_of(arguments, 0)?), text::fold(text_of(arguments, 1)?));
    let at = if from_end { text.rfind(&part) } else { text.find(&part) };
    Ok(Datum::Int(at.map_or(-1, |at| text.get(..at).map_or(0, |before| before.chars().count()) as i64)))
}

fn int<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    let whole = match value.shape() {
        Shape::Number(number) => number.as_i64().or_else(|| truncated(number.as_f64())),
        Shape::Text(text) => {
            let number = || text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            text.trim().parse().ok().or_else(|| number().and_then(truncated))
        }
        _ => None,
    };
    whole.map(Datum::Int).ok_or_else(|| format!("cannot make a whole number of `{}`", shortened(&write(value))))
}

fn truncated(number: f64) -> Option<i64> {
    // Beyond 2^53 a float says no whole number for certain.
    (number.abs() <= 9_007_199_254_740_992.0).then_some(number.trunc() as i64)
}

fn float<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    let number = match value.shape() {
        Shape::Number(number) => Some(number.as_f64()),
        Shape::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    number.map(Datum::Float).ok_or_else(|| format!("cannot make a number of `{}`", shortened(&write(value))))
}

fn string<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    bounded(write(arg(arguments, 0)).into_owned())
}

fn format<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let pattern = text_of(arguments, 0)?;
    let mut written = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            written.push_str(&from[..1]);
            rest = after;
            continue;
        }
        let Some((hole, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
            return Err(format!("has a brace without a partner in `{}`", shortened(pattern)));
        };
        let place: usize = hole
            .split([':', ','])
            .next()
            .unwrap_or_default()
            .trim()
            .parse()
            .map_err(|_| format!("has `{{{}}}` where the number of an argument is wanted", shortened(hole)))?;
        let value = arguments.get(place + 1).ok_or_else(|| format!("has no argument {place}"))?;
        written.push_str(&write(value));
        rest = after;
    }
    written.push_str(rest);
    bounded(written)
}

fn create_object<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    if !arguments.len().is_multiple_of(2) {
        return Err("wants a value for every name".to_owned());
    }
    let mut entries = Vec::with_capacity(arguments.len() / 2);
    for pair in arguments.chunks_exact(2) {
        entries.push((Cow::Owned(text_of(pair, 0)?.to_owned()), arg(pair, 1).clone()));
    }
    Ok(Datum::Object(entries))
}

fn items<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let mut entries = arg(arguments, 0).to_entries();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    let pair = |(key, value)| Datum::Object(vec![("key".into(), Datum::Text(key)), ("value".into(), value)]);
    Ok(Datum::List(entries.into_iter().map(pair).collect()))
}

fn union<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    if arguments.iter().any(|argument| argument.shape() == Shape::Object) {
        let mut merged: Vec<(Cow<'a, str>, Datum<'a>)> = Vec::new();
        for (key, value) in arguments.iter().flat_map(Datum::to_entries) {
            match merged.iter_mut().find(|(known, _)| text::equal(known, &key)) {
                Some(entry) => entry.1 = value,
                None => merged.push((key, value)),
            }
        }
        return Ok(Datum::Object(merged));
    }
    let mut merged: Vec<Datum<'a>> = Vec::new();
    for item in arguments.iter().flat_map(Datum::to_items) {
        if merged.len() as i64 > MOST_ITEMS {
            return Err(format!("makes a list of more than {MOST_ITEMS} elements"));
        }
        if !merged.iter().any(|known| operator::equal(known, &item)) {
            merged.push(item);
        }
    }
    Ok(Datum::List(merged))
}

fn intersection<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let Some((head, others)) = arguments.split_first() else { return Ok(Datum::Missing) };
    if head.shape() == Shape::Object {
        let in_all = |key: &str, value: &Datum<'_>| {
            others.iter().all(|other| other.has_key(key) && operator::equal(&other.get(key), value))
        };
        return Ok(Datum::Object(head.to_entries().into_iter().filter(|(key, value)| in_all(key, value)).collect()));
    }
    let in_all = |item: &Datum<'a>| others.iter().all(|other| other.any_item(|own| operator::equal(own, item)));
    Ok(Datum::List(head.to_items().into_iter().filter(in_all).collect()))
}

fn part<'a>(arguments: &[Datum<'a>], from_start: bool) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    let count = usize::try_from(int_of(arguments, 1)?.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = value.as_str() {
        let letters = text.chars();
        let kept: String = if from_start { letters.take(count).collect() } else { letters.skip(count).collect() };
        return Ok(Datum::text(kept));
    }
    let items = value.to_items().into_iter();
    Ok(Datum::List(if from_start { items.take(count).collect() } else { items.skip(count).collect() }))
}

fn extreme<'a>(arguments: &[Datum<'a>], wanted: Ordering) -> Result<Datum<'a>, String> {
    let values = match arguments {
        [only] if only.is_list() => only.to_items(),
        _ => arguments.to_vec(),
    };
    let mut best: Option<(Number, Datum<'a>)> = None;
    for value in values {
        let number = value.as_number().ok_or_else(|| format!("wants numbers, not {}", value.describe()))?;
        if best.as_ref().is_none_or(|(known, _)| order_numbers(number, *known) == Some(wanted)) {
            best = Some((number, value));
        }
    }
    Ok(best.map_or(Datum::Missing, |(_, value)| value))
}

fn range<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let (start, count) = (int_of(arguments, 0)?, int_of(arguments, 1)?);
    let end = start.checked_add(count).filter(|_| (0..=MOST_ITEMS).contains(&count));
    let end = end.ok_or_else(|| format!("makes no list of {count} numbers"))?;
    Ok(Datum::List((start..end).map(Datum::Int).collect()))
}

fn computed<'a>(
    arguments: &[Datum<'a>],
    whole: fn(i64, i64) -> Option<i64>,
    broken: fn(f64, f64) -> f64,
) -> Result<Datum<'a>, String> {
    let numbers = (arg(arguments, 0).as_number(), arg(arguments, 1).as_number());
    let (Some(left), Some(right)) = numbers else { return Err("wants two numbers".to_owned()) };
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return whole(left, right)
            .map(Datum::Int)
            .ok_or_else(|| "has no result: overflow or division by zero".to_owned());
    }
    let result = broken(left.as_f64(), right.as_f64());
    if result.is_finite() { Ok(Datum::Float(result)) } else { Err("has no finite result".to_owned()) }
}

fn read_json(text: &str) -> Result<Datum<'static>, String> {
    let value: Json = serde_json::from_str(text).map_err(|error| format!("cannot read JSON: {error}"))?;
    Ok(owned(&value))
}

/// A JSON tree as values of their own.
pub(crate) fn owned(value: &Json) -> Datum<'static> {
    match value {
        Json::Null => Datum::Null,
        Json::Bool(flag) => Datum::Bool(*flag),
        Json::Number(number) => match crate::datum::number_of(number) {
            Number::Int(whole) => Datum::Int(whole),
            other => Datum::Float(other.as_f64()),
        },
        Json::String(text) => Datum::text(text.as_str()),
        Json::Array(items) => Datum::List(items.iter().map(owned).collect()),
        Json::Object(entries) => {
            Datum::Object(entries.iter().map(|(key, value)| (Cow::Owned(key.clone()), owned(value))).collect())
        }
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|_| "wants base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "decodes to what is no UTF-8".to_owned())
}

fn data_uri_to_string<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let text = text_of(arguments, 0)?;
    let (head, body) = text
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
        .ok_or_else(|| "wants a data URI".to_owned())?;
    let content = if head.ends_with(";base64") { decoded(body)? } else { percent_decoded(body)? };
    Ok(Datum::text(content))
}

fn uri<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let (base, relative) = (text_of(arguments, 0)?, text_of(arguments, 1)?);
    if base.ends_with('/') {
        return bounded(format!("{base}{}", relative.trim_start_matches('/')));
    }
    let path_start = base.find("://").map_or(0, |at| at + 3);
    let folder = match base.get(path_start..).and_then(|rest| rest.rfind('/')) {
        Some(at) => base.get(..path_start + at).unwrap_or(base),
        None => base,
    };
    bounded(format!("{folder}/{}", relative.trim_start_matches('/')))
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| "wants two hexadecimal digits after each %".to_owned())?);
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "decodes to what is no UTF-8".to_owned())
}

fn add_days<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let moved = date::add_days(date_of(arguments, 0)?, int_of(arguments, 1)?);
    moved.map(|moment| Datum::text(date::write(moment))).ok_or_else(|| "leaves the calendar".to_owned())
}

fn date_time_add<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let moved = date::add_duration(date_of(arguments, 0)?, text_of(arguments, 1)?);
    moved.map(|moment| Datum::text(date::write(moment))).ok_or_else(|| "wants an ISO 8601 duration".to_owned())
}

fn date_time_from_epoch<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let moment = jiff::Timestamp::from_second(int_of(arguments, 0)?).map_err(|_| "leaves the calendar".to_owned())?;
    Ok(Datum::text(date::write(moment)))
}

fn ip_range_contains<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let read = |position| {
        let text = text_of(arguments, position)?;
        IpRange::parse(text).ok_or_else(|| format!("wants a range of addresses, not `{}`", shortened(text)))
    };
    Ok(Datum::Bool(read(0)?.contains(&read(1)?)))
}

fn array<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let value = arg(arguments, 0);
    Ok(match value.shape() {
        Shape::List => value.clone(),
        Shape::Missing | Shape::Null => Datum::List(Vec::new()),
        _ => Datum::List(vec![value.clone()]),
    })
}

/// Whether the test holds for a text, or for one in a list of texts at any depth.
fn any_text(value: &Datum<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.shape() {
        Shape::Text(text) => test(text),
        Shape::Number(number) => test(&number.to_json().to_string()),
        Shape::List => value.any_item(|item| any_text(item, test)),
        _ => false,
    }
}

fn port_range_contains<'a>(arguments: &[Datum<'a>]) -> Result<Datum<'a>, String> {
    let wanted = arg(arguments, 1);
    let port = match wanted.as_str() {
        Some(text) => text.trim().parse().map_err(|_| format!("wants a port, not `{}`", shortened(text)))?,
        None => int_of(arguments, 1)?,
    };
    let mut holds = |text: &str| {
        text.split(',').any(|part| match part.trim() {
            "*" => true,
            part if part.eq_ignore_ascii_case("any") || part.eq_ignore_ascii_case("all") => true,
            part => match part.split_once('-') {
                Some((from, to)) => {
                    let ends = (from.trim().parse::<i64>(), to.trim().parse::<i64>());
                    matches!(ends, (Ok(from), Ok(to)) if (from..=to).contains(&port))
                }
                None => part.parse() == Ok(port),
            },
        })
    };
    Ok(Datum::Bool(any_text(arg(arguments, 0), &mut holds)))
}
