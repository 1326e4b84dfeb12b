//! Times as they are typed behind a flag.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a time of hours at most.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span: SignedDuration = text.parse().map_err(|_| unit_missing(text, "s", "m"))?;
    Duration::try_from(span).map_err(|_| "it is negative".to_owned())
}

/// What is said of a text that is no time, with two units that fit.
fn unit_missing(text: &str, short: &str, long: &str) -> String {
    let is_number = !text.is_empty() && text.len() < 10 && text.bytes().all(|c| c.is_ascii_digit());
    if is_number {
        format!("write a unit, as in `{text}{short}` or `{text}{long}`")
    } else {
        format!("write a number with a unit, as in `5{short}` or `5{long}`")
    }
}

/// Reads a time in which a day has 24 hours.
pub(super) fn span_of_days(text: &str) -> Result<SignedDuration, String> {
    let span: jiff::Span = text.parse().map_err(|_| unit_missing(text, "h", "d"))?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "write days, hours or minutes, such as `30d`".to_owned())?;
    if duration.is_negative() { Err("it is negative".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_unit_is_told_which_to_write() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("5").unwrap_err(), "write a unit, as in `5s` or `5m`");
        assert_eq!(span_of_days("30").unwrap_err(), "write a unit, as in `30h` or `30d`");
        assert_eq!(span_of_days("2d"), Ok(SignedDuration::from_hours(48)));
        for text in ["", "x", "5 parsecs", "99999999999999999999", "1e9"] {
            let why = duration(text).unwrap_err();
            assert_eq!(why, "write a number with a unit, as in `5s` or `5m`", "{text}");
            assert!(span_of_days(text).unwrap_err().contains("`5h` or `5d`"), "{text}");
        }
        assert_eq!(duration("-5s").unwrap_err(), "it is negative");
    }
}
