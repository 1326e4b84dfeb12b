//! A text without one of its tasks or agents, so that one that is not YAML hides nothing of the others.

use std::ops::Range;

/// Blanks out the task or agent whose lines hold the byte `at`, so that every other byte keeps its place;
/// `None` where the tasks are no lines of their own, or none of them holds it.
pub(super) fn without_task(text: &str, at: usize) -> Option<String> {
    Some(blanked(text, task_lines(text, at)?))
}

/// Blanks out a part of a text but for its line breaks.
pub(super) fn blanked(text: &str, part: Range<usize>) -> String {
    let mut rest = String::with_capacity(text.len());
    rest.push_str(&text[..part.start]);
    for byte in text[part.clone()].bytes() {
        rest.push(if matches!(byte, b'\n' | b'\r') { byte.into() } else { ' ' });
    }
    rest.push_str(&text[part.end..]);
    rest
}

/// The lines of the task or agent that holds the byte `at`.
fn task_lines(text: &str, at: usize) -> Option<Range<usize>> {
    let (mut indent, mut is_within) = (None, false);
    let (mut start, mut task) = (0, None);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end().trim_start_matches(' ');
        let depth = line.trim_end().len() - content.len();
        let is_idle = content.is_empty() || content.starts_with('#');
        if is_within && !is_idle && !content.starts_with(['}', ']']) {
            let least = *indent.get_or_insert(depth);
            if depth <= least {
                if let Some(begin) = task
                    && at < start
                {
                    return (at >= begin).then_some(begin..start);
                }
                (is_within, task) = (depth > 0, Some(start).filter(|_| depth > 0));
            }
        }
        if !is_within {
            let begins = |section: &str| {
                let rest = line.strip_prefix(section);
                rest.is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with(" #"))
            };
            (is_within, indent) = (begins("tasks:") || begins("agents:"), None);
        }
        start += line.len();
    }
    task.filter(|begin| at >= *begin).map(|begin| begin..text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_is_blanked_out_and_the_rest_keeps_its_place() {
        let text = "version: 1\ntasks:\n  # first\n  a:\n    prompt: |\n      x\n  b: {y\n\n  ä: z\nforget: [q]\n";
        for (word, left) in [
            ("prompt", "version: 1\ntasks:\n  # first\n  b: {y\n\n  ä: z\nforget: [q]\n"),
            (
                "y",
                "version: 1\ntasks:\n  # first\n  a:\n    prompt: |\n      x\n  ä: z\nforget: [q]\n",
            ),
            (
                "ä",
                "version: 1\ntasks:\n  # first\n  a:\n    prompt: |\n      x\n  b: {y\nforget: [q]\n",
            ),
        ] {
            let rest = without_task(text, text.find(word).unwrap()).unwrap();
            assert_eq!(rest.len(), text.len(), "{word}");
            let lines = |text: &str| -> Vec<String> {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                lines.map(str::to_owned).collect()
            };
            assert_eq!(lines(&rest), lines(left), "{word}");
        }
        for word in ["version", "tasks", "first", "forget", "q"] {
            assert_eq!(without_task(text, text.find(word).unwrap()), None, "{word}");
        }
        assert_eq!(without_task("tasks: {a: {\n", 10), None);
    }
}
