//! Dates and durations as rules write them.

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp};

/// A moment from RFC 3339, `YYYY-MM-DD`, or a date and time without offset (UTC).
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if !looks_like_date(text) {
        return None;
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if text.len() == 10 {
        let day: Date = text.parse().ok()?;
        return Some(day.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    }
    let civil: DateTime = text.trim_end_matches(['Z', 'z']).parse().ok()?;
    Some(civil.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// Cheap test that spares parsers texts that are clearly no dates: `dddd-dd-dd`, and then nothing, `T` or a blank.
fn looks_like_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    digits(0, 4)
        && bytes.get(4) == Some(&b'-')
        && digits(5, 7)
        && bytes.get(7) == Some(&b'-')
        && digits(8, 10)
        && matches!(bytes.get(10), None | Some(b'T' | b't' | b' '))
}

/// The moment so many days later (or earlier).
pub(crate) fn add_days(moment: Timestamp, days: i64) -> Option<Timestamp> {
    let seconds = days.checked_mul(86_400)?;
    let total = moment.as_second().checked_add(seconds)?;
    Timestamp::new(total, moment.subsec_nanosecond()).ok()
}

/// The moment moved by an ISO 8601 duration: `P1DT2H`, `-PT30M`.
pub(crate) fn add_duration(moment: Timestamp, duration: &str) -> Option<Timestamp> {
    let span: Span = duration.parse().ok()?;
    Some(moment.to_zoned_datetime(jiff::tz::TimeZone::UTC).checked_add(span).ok()?.timestamp())
}

/// The text of a moment as Azure writes it: whole seconds, or seven digits after the point.
pub(crate) fn write(moment: Timestamp) -> String {
    if moment.subsec_nanosecond() == 0 {
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    moment.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: Option<&str>) {
        assert_eq!(parse(text).map(write).as_deref(), wanted, "{text}");
    }

    #[test]
    fn dates_are_read_in_their_usual_forms() {
        check("2024-01-15T12:00:00Z", Some("2024-01-15T12:00:00Z"));
        check("2024-01-15T12:00:00+02:00", Some("2024-01-15T10:00:00Z"));
        check("2024-01-15", Some("2024-01-15T00:00:00Z"));
        check("2024-01-15 12:00:00", Some("2024-01-15T12:00:00Z"));
        check("2024-01-15T12:00:00.5Z", Some("2024-01-15T12:00:00.5000000Z"));
        check("2024-01-15-preview", None);
        check("2024-13-15", None);
        check("", None);
    }

    #[test]
    fn moments_move_and_never_overflow() {
        let moment = parse("2024-01-30T00:00:00Z").unwrap();
        assert_eq!(write(add_days(moment, 5).unwrap()), "2024-02-04T00:00:00Z");
        assert_eq!(write(add_duration(moment, "P1M").unwrap()), "2024-02-29T00:00:00Z");
        assert_eq!(write(add_duration(moment, "-PT2H").unwrap()), "2024-01-29T22:00:00Z");
        assert!(add_days(moment, i64::MAX).is_none());
        assert!(add_duration(moment, "P99999Y").is_none());
    }
}
