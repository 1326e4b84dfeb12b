//! The service's time stamps (contract 1.1): no zone, so none is invented here.

use jiff::civil::DateTime;

/// Reads `2026-05-06 19:09:52`, also with a `T`, a fraction or a trailing `Z`; otherwise `None`.
///
/// A stamp with an offset is declined: the contract knows none, and dropping it would shift the time.
pub(super) fn service_time(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T', 't'])?;
    let is_date = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let is_time = time.len() >= 8 && time.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b));
    (is_date && is_time).then(|| format!("{date}T{time}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_written_or_not_at_all() {
        let table = [
            ("2026-05-06 19:09:52", Some("2026-05-06T19:09:52")),
            ("2026-05-06T19:09:52", Some("2026-05-06T19:09:52")),
            ("2026-05-06T19:09:52Z", Some("2026-05-06T19:09:52")),
            ("2026-05-06 19:09:52.250", Some("2026-05-06T19:09:52.25")),
            (" 2026-05-06 19:09:52 ", Some("2026-05-06T19:09:52")),
            ("2026-05-06T19:09:52+02:00", None),
            ("2026-05-06 19:09:52[UTC]", None),
            ("0000-00-00 00:00:00", None),
            ("2026-02-30 00:00:00", None),
            ("2026-05-06", None),
            ("1778094592", None),
            ("yesterday ", None),
            ("", None),
        ];
        for (text, expected) in table {
            let seen = service_time(text).map(|time| time.to_string());
            assert_eq!(seen.as_deref(), expected, "{text}");
        }
    }
}
