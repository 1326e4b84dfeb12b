//! Numbers as they are typed behind a flag; an error names the range.

use std::str::FromStr;

/// Reads a whole number.
pub(super) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.parse().map_err(|_| {
        let why = match (digits.is_empty(), digits.bytes().all(|byte| byte.is_ascii_digit())) {
            (false, true) if digits != text => "it must be at least 0",
            (false, true) => "it is too large",
            _ => "it must be a whole number, written with digits alone, such as 5",
        };
        why.to_owned()
    })
}

/// Reads a whole number that is not zero.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match whole(text)? {
        0 => Err("it must be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// Reads how many requests are in flight at once.
pub(super) fn in_flight(text: &str) -> Result<usize, String> {
    let number = whole(text)?;
    let is_within = (1..=1_000).contains(&number);
    is_within.then_some(number).ok_or_else(|| "it must be from 1 to 1000".to_owned())
}

/// Reads how many requests are sent in a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number| (0.0..=1e6).contains(number));
    number.ok_or_else(|| "it must be a number from 0 to 1000000, such as 10 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_of_its_range_is_told_the_range() {
        let table = [
            ("-1", "it must be at least 0"),
            ("99999999999999999999", "it is too large"),
            ("x", "digits alone"),
            ("", "digits alone"),
            ("-", "digits alone"),
            ("1.5", "digits alone"),
        ];
        for (text, why) in table {
            assert!(whole::<usize>(text).unwrap_err().contains(why), "{text}");
            assert!(at_least_one(text).unwrap_err().contains(why), "{text}");
            assert!(in_flight(text).unwrap_err().contains(why), "{text}");
        }
        assert!(
            at_least_one("0").is_err() && in_flight("0").is_err() && in_flight("1001").is_err()
        );
        for text in ["-1", "x", "", "nan", "inf", "-inf", "1e9"] {
            assert!(rate(text).unwrap_err().contains("from 0 to 1000000"), "{text}");
        }
        assert_eq!((whole("0"), at_least_one("1"), in_flight("8")), (Ok(0_usize), Ok(1), Ok(8)));
        assert_eq!((rate("0"), rate("0.5"), rate("1e3")), (Ok(0.0), Ok(0.5), Ok(1_000.0)));
    }
}
