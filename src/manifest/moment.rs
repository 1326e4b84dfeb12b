//! What to write in place of a moment that is none.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::manifest::node::{Node, NodeValue, Origin};

/// What to write in place of a moment.
pub(super) fn of_value(node: &Node<'_>) -> String {
    let usual = "write `2026-11-01` or `2026-11-01T09:30:00Z`";
    match &node.value {
        _ if node.origin != Origin::Written => usual.to_owned(),
        NodeValue::Integer(number) => of_number(*number).unwrap_or_else(|| usual.to_owned()),
        NodeValue::Text(text) => {
            let text = text.trim();
            if let Some(number) = text.parse().ok().and_then(of_number) {
                return number;
            }
            if let Some(help) = of_date(text) {
                return help;
            }
            let zoned = format!("{}Z", text.replacen(' ', "T", 1));
            let is_time = text.contains(':') && zoned.parse::<Timestamp>().is_ok();
            if is_time { format!("add the zone, as in `{zoned}`") } else { usual.to_owned() }
        }
        _ => usual.to_owned(),
    }
}

/// Says of a date what is wrong with it: a month or a day that is none, digits that are left out.
fn of_date(text: &str) -> Option<String> {
    let date = text.split(['T', 't', ' ']).next()?;
    let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let is_number =
        |part: &&&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4
        || month.len() > 2
        || day.len() > 2
        || !parts.iter().all(|part| is_number(&part))
    {
        return None;
    }
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse::<i8>().ok()?);
    if !(1..=12).contains(&month) {
        return Some(format!(
            "there is no month {month}; write `YYYY-MM-DD`, the month before the day"
        ));
    }
    let last = Date::new(year, month, 1).ok()?.days_in_month();
    let Ok(meant) = Date::new(year, month, day) else {
        return Some(format!("there is no day {day} in {year:04}-{month:02}, which has {last}"));
    };
    let rest = &text[date.len()..];
    let is_written_so = meant.to_string() == date;
    (!is_written_so).then(|| format!("write `{meant}{rest}`"))
}

/// Reads a number as a date without its hyphens, or as the time since 1970.
fn of_number(number: i128) -> Option<String> {
    let parts = (number / 10_000, number / 100 % 100, number % 100);
    if (19_900_000..22_000_000).contains(&number)
        && let (Ok(year), Ok(month), Ok(day)) =
            (i16::try_from(parts.0), i8::try_from(parts.1), i8::try_from(parts.2))
        && let Ok(date) = Date::new(year, month, day)
    {
        return Some(format!("write `{date}`, with hyphens"));
    }
    let (seconds, unit) = match number {
        100_000_000..=9_999_999_999 => (number, "seconds"),
        100_000_000_000..=9_999_999_999_999 => (number / 1000, "milliseconds"),
        _ => return None,
    };
    let moment = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(format!("write `{moment}`, if {unit} since 1970 are meant"))
}
