//! Numbers as people read them, and their nouns.

/// Returns a count with its noun in the right number, such as `1 task` or `2 tasks`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", noun(count, one, many))
}

/// Returns the one of two words that goes with a count.
pub fn noun<'w>(count: usize, one: &'w str, many: &'w str) -> &'w str {
    if count == 1 { one } else { many }
}

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
    fn one_is_not_many() {
        assert_eq!(counted(0, "task", "tasks"), "0 tasks");
        assert_eq!(counted(1, "task is", "tasks are"), "1 task is");
        assert_eq!(counted(2, "entry", "entries"), "2 entries");
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let numbers = [0, 999, 1_000, 41_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "41,000", "1,234,567"]);
    }
}
