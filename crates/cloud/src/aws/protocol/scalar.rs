//! Single values: text, numbers, moments, bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Number, Value as Json};

use super::{Outcome, ProtocolError, bad_input, bad_output};
use crate::aws::model::{Reference, Shape, TimeFormat};

/// What RFC 3986 leaves as it is.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const UNRESERVED_AND_SLASH: AsciiSet = UNRESERVED.remove(b'/');

/// A text, percent-encoded as AWS wants it in paths, query strings and forms.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}

/// The same with slashes left as they are, for greedy labels of a path.
pub fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED_AND_SLASH).to_string()
}

/// An input value as text, for forms, paths, query strings, headers and XML.
pub fn to_text(shape: &Shape, reference: &Reference, value: &Json, times: TimeFormat, what: &str) -> Outcome<String> {
    match (shape, value) {
        (Shape::Timestamp, _) => to_time(value, reference.time.unwrap_or(times), what).map(|time| match time {
            Json::String(text) => text,
            other => other.to_string(),
        }),
        (Shape::Blob, Json::String(text)) => Ok(text.clone()),
        (Shape::Boolean, _) => to_boolean(value, what).map(|value| value.to_string()),
        (Shape::Integer | Shape::Float, Json::Number(number)) => Ok(number.to_string()),
        (Shape::Integer | Shape::Float, Json::String(text)) if text.parse::<f64>().is_ok() => Ok(text.clone()),
        (Shape::Text | Shape::Policy, Json::String(text)) => Ok(text.clone()),
        (Shape::Text | Shape::Policy, Json::Number(number)) => Ok(number.to_string()),
        (Shape::Text | Shape::Policy, Json::Bool(value)) => Ok(value.to_string()),
        _ => bad_input(format!("{what} cannot be {}", kind_of(value))),
    }
}

/// An input value as JSON, for JSON bodies.
pub fn to_json(shape: &Shape, reference: &Reference, value: &Json, what: &str) -> Outcome<Json> {
    match (shape, value) {
        (Shape::Timestamp, _) => to_time(value, reference.time.unwrap_or(TimeFormat::Unix), what),
        (Shape::Boolean, _) => to_boolean(value, what).map(Json::Bool),
        (Shape::Integer | Shape::Float, Json::Number(_)) => Ok(value.clone()),
        (Shape::Integer | Shape::Float, Json::String(text)) => match text.parse::<Number>() {
            Ok(number) => Ok(Json::Number(number)),
            Err(_) => bad_input(format!("{what} is not a number")),
        },
        _ => to_text(shape, reference, value, TimeFormat::Unix, what).map(Json::String),
    }
}

fn to_boolean(value: &Json, what: &str) -> Outcome<bool> {
    match value {
        Json::Bool(value) => Ok(*value),
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => bad_input(format!("{what} is neither true nor false")),
    }
}

fn to_time(value: &Json, format: TimeFormat, what: &str) -> Outcome<Json> {
    let moment = match value {
        Json::String(text) => moment_of_text(text),
        Json::Number(number) => number.as_f64().and_then(moment_of_seconds),
        _ => None,
    };
    let Some(moment) = moment else {
        return bad_input(format!("{what} is not a moment"));
    };
    Ok(match format {
        TimeFormat::Iso8601 => Json::String(moment.to_string()),
        TimeFormat::Rfc822 => Json::String(moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        TimeFormat::Unix if moment.subsec_nanosecond() == 0 => Json::from(moment.as_second()),
        TimeFormat::Unix => Json::from(moment.as_microsecond() as f64 / 1e6),
    })
}

/// What kind of JSON a value is, for messages that must not show it.
pub fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// An answered text (of an XML element or a header) as the shape says.
pub fn from_text(shape: &Shape, text: &str, what: &str) -> Outcome<Json> {
    let unfit = |wanted: &str| ProtocolError::Output(format!("{what} is not {wanted}"));
    match shape {
        Shape::Text => Ok(Json::from(text)),
        Shape::Policy => Ok(from_policy(text)),
        Shape::Boolean => Ok(Json::Bool(text == "true")),
        Shape::Integer => text.trim().parse::<i64>().map(Json::from).map_err(|_| unfit("a whole number")),
        Shape::Float => text.trim().parse::<f64>().map(from_float).map_err(|_| unfit("a number")),
        Shape::Timestamp => moment_of_text(text).map(from_moment).ok_or_else(|| unfit("a moment")),
        Shape::Blob => from_blob(text).ok_or_else(|| unfit("base64")),
        Shape::Structure(_) | Shape::List(_) | Shape::Map(..) => bad_output(format!("{what} is only a text")),
    }
}

/// A number that JSON has no word for becomes its name, as in JSON answers of AWS.
pub fn from_float(value: f64) -> Json {
    match Number::from_f64(value) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => Json::from("NaN"),
        None if value > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

/// An answered JSON moment: seconds since 1970, or text.
pub fn from_json_moment(value: &Json, what: &str) -> Outcome<Json> {
    let moment = match value {
        Json::Number(number) => number.as_f64().and_then(moment_of_seconds),
        Json::String(text) => moment_of_text(text),
        _ => None,
    };
    match moment {
        Some(moment) => Ok(from_moment(moment)),
        None => bad_output(format!("{what} is not a moment")),
    }
}

/// IAM's policies are URL-coded JSON; what is not stays text (botocore/handlers.py, `decode_quoted_jsondoc`).
pub fn from_policy(text: &str) -> Json {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    serde_json::from_str(&decoded).unwrap_or_else(|_| Json::from(text))
}

/// Base64 with whatever white space and missing padding services send, written anew.
pub fn from_blob(text: &str) -> Option<Json> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(text).ok()?;
    Some(blob(&bytes))
}

/// Bytes as base64 text.
pub fn blob(bytes: &[u8]) -> Json {
    Json::String(STANDARD.encode(bytes))
}

fn from_moment(moment: Timestamp) -> Json {
    Json::String(moment.to_string())
}

/// Seconds since 1970, to the microsecond.
fn moment_of_seconds(seconds: f64) -> Option<Timestamp> {
    if !seconds.is_finite() || seconds.abs() > 1e12 {
        return None;
    }
    let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
    Timestamp::from_microsecond(seconds.trunc() as i64 * 1_000_000 + micros).ok()
}

/// ISO 8601 with or without zone (then UTC), an HTTP date, or seconds since 1970 in text; to the microsecond.
fn moment_of_text(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return moment_of_seconds(seconds);
    }
    let moment = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| jiff::fmt::rfc2822::parse(text).ok().map(|moment| moment.timestamp()))
        .or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())?;
    Timestamp::from_microsecond(moment.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_in_all_their_forms() {
        for (text, wanted) in [
            ("2023-03-29T13:53:08Z", "2023-03-29T13:53:08Z"),
            ("2023-03-29T13:53:08.000Z", "2023-03-29T13:53:08Z"),
            ("2023-03-29T13:53:08.120Z", "2023-03-29T13:53:08.12Z"),
            ("2023-03-29T15:53:08+02:00", "2023-03-29T13:53:08Z"),
            ("2023-03-29T13:53:08", "2023-03-29T13:53:08Z"),
            ("2023-03-29 13:53:08", "2023-03-29T13:53:08Z"),
            ("2023-03-29", "2023-03-29T00:00:00Z"),
            ("Wed, 29 Mar 2023 13:53:08 GMT", "2023-03-29T13:53:08Z"),
            ("1680097988", "2023-03-29T13:53:08Z"),
            ("1680097988.5", "2023-03-29T13:53:08.5Z"),
            ("2023-03-29T13:53:08.123456789Z", "2023-03-29T13:53:08.123456Z"),
        ] {
            assert_eq!(from_text(&Shape::Timestamp, text, "t"), Ok(Json::from(wanted)), "{text}");
        }
        for text in ["", "yesterday", "NaN", "1e300"] {
            assert!(from_text(&Shape::Timestamp, text, "t").is_err(), "{text}");
        }
        let number = serde_json::from_str("1680097988.0").unwrap();
        assert_eq!(from_json_moment(&number, "t"), Ok(Json::from("2023-03-29T13:53:08Z")));
    }

    /// The last digits count: a reader of JSON that is one bit off gives another microsecond.
    #[test]
    fn a_moment_in_a_json_number_is_that_of_its_text() {
        for step in 0..20_000 {
            let text = (1_795_525_692.0 + f64::from(step) * 0.000_050_3).to_string();
            let number = serde_json::from_str(&text).unwrap();
            assert_eq!(from_json_moment(&number, "t"), from_text(&Shape::Timestamp, &text, "t"), "{text}");
        }
    }

    #[test]
    fn moments_are_written_in_all_their_forms() {
        let value = Json::from("2023-03-29T13:53:08Z");
        assert_eq!(to_time(&value, TimeFormat::Iso8601, "t"), Ok(value.clone()));
        assert_eq!(to_time(&value, TimeFormat::Unix, "t"), Ok(Json::from(1680097988)));
        assert_eq!(to_time(&value, TimeFormat::Rfc822, "t"), Ok(Json::from("Wed, 29 Mar 2023 13:53:08 GMT")));
        assert_eq!(to_time(&Json::from(1680097988.5), TimeFormat::Unix, "t"), Ok(Json::from(1680097988.5)));
        assert!(to_time(&Json::from("soon"), TimeFormat::Unix, "t").is_err());
    }

    #[test]
    fn policies_are_decoded() {
        assert_eq!(
            from_policy("%7B%22Version%22%3A%20%222012-10-17%22%7D"),
            serde_json::json!({"Version": "2012-10-17"})
        );
        assert_eq!(from_policy("no policy+"), Json::from("no policy+"));
    }

    #[test]
    fn numbers_and_blobs() {
        assert_eq!(from_text(&Shape::Integer, " 7 ", "n"), Ok(Json::from(7)));
        assert!(from_text(&Shape::Integer, "", "n").is_err());
        assert_eq!(from_text(&Shape::Float, "3", "n"), Ok(Json::from(3.0)));
        assert_eq!(from_float(f64::NEG_INFINITY), Json::from("-Infinity"));
        assert_eq!(from_text(&Shape::Blob, "aGVs\nbG8=", "b"), Ok(Json::from("aGVsbG8=")));
        assert!(from_text(&Shape::Blob, "a", "b").is_err());
        assert_eq!(from_text(&Shape::Boolean, "True", "b"), Ok(Json::Bool(false)));
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text in "\\PC*") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(percent_decode_str(&encoded).decode_utf8().unwrap(), text);
        }

        #[test]
        fn moments_come_back(seconds in -62_135_596_800i64..253_402_300_799, micros in 0i64..1_000_000) {
            let moment = Timestamp::from_microsecond(seconds * 1_000_000 + micros).unwrap();
            prop_assert_eq!(moment_of_text(&moment.to_string()), Some(moment));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            for shape in [Shape::Timestamp, Shape::Integer, Shape::Float, Shape::Blob, Shape::Boolean, Shape::Policy] {
                let _ = from_text(&shape, &text, "x");
            }
        }
    }
}
