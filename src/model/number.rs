//! Numbers as people read them.

/// Returns a number with its digits in groups of three, such as `41,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let numbers = [0, 999, 1_000, 41_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "41,000", "1,234,567"]);
    }
}
