//! The task that `doctor --probe` makes, and how one that was left behind is recognized.

use crate::model::name::fold;

/// What the name of every probe begins with, but for blanks and punctuation.
pub const PROBE_NAME: &str = "qcops doctor probe";

/// What the prompt of every probe begins with.
pub const PROBE_PROMPT: &str = "This task was made by `qcops doctor --probe` to measure how the \
                                service keeps texts. It can be deleted.";

/// The shortest beginning of a name or a prompt that is taken for one which the service has cut.
const SHORTEST_CUT: usize = 8;

/// Whether a stored name may be a probe's; it proves nothing.
pub fn is_probe_name(stored: &str) -> bool {
    begins_like(&fold(stored).0, &fold(PROBE_NAME).0)
}

/// Whether a stored prompt is a probe's, however the service keeps it.
pub fn is_probe_prompt(stored: &str) -> bool {
    begins_like(stored.trim(), PROBE_PROMPT)
}

/// Whether `stored` begins with `ours`, or is a cut of it.
fn begins_like(stored: &str, ours: &str) -> bool {
    stored.starts_with(ours) || (stored.chars().count() >= SHORTEST_CUT && ours.starts_with(stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_recognized_after_rewriting_and_another_task_is_not() {
        for (name, expected) in [
            ("qcops doctor  probe: 1a2b [a] 50%", true),
            ("Qcops Doctor Probe 1a2b [a] 50", true),
            ("qcops-doctor-probe-1a2b-a-50", true),
            ("qcops doc", true),
            ("qcops", false),
            ("doctor probe", false),
        ] {
            assert_eq!(is_probe_name(name), expected, "{name}");
        }
        for (prompt, expected) in [
            (format!(" {PROBE_PROMPT}\r\nmore"), true),
            (PROBE_PROMPT[..10].to_owned(), true),
            ("This".to_owned(), false),
            ("This task was made by hand".to_owned(), false),
        ] {
            assert_eq!(is_probe_prompt(&prompt), expected, "{prompt}");
        }
    }
}
