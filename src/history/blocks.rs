//! Cuts a manifest's text into its tasks, so that a version costs what it changed.
//!
//! Parsing a thousand tasks takes about twenty milliseconds, and from version to version nearly all
//! of them are the same lines. Where every task is in lines of its own, lines that were
//! parsed before under the same other fields are left out of the text that is parsed. What cannot
//! be cut with certainty is parsed as a whole.

/// A manifest's text in pieces.
pub(super) struct Blocks<'a> {
    /// The lines up to the first task.
    pub(super) before: &'a str,
    /// The lines of each task.
    pub(super) tasks: Vec<&'a str>,
    /// The lines after the last task.
    pub(super) after: &'a str,
}

/// Cuts a text; `None` where its tasks might depend on each other or are not lines of their own.
pub(super) fn cut(text: &str) -> Option<Blocks<'_>> {
    if refers(text) {
        return None;
    }
    let mut before = None;
    let mut starts: Vec<usize> = Vec::new();
    let mut end = None;
    let mut indent = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim();
        let depth = line.len() - line.trim_start_matches(' ').len();
        if line.starts_with("---") || line.starts_with("...") || line.starts_with('%') {
            return None;
        }
        if before.is_none() {
            if line.trim_end() == "tasks:" {
                before = Some(at);
            }
        } else if content.is_empty() || content.starts_with('#') || end.is_some() {
        } else if depth == 0 {
            end = Some(start);
        } else if starts.is_empty() || depth == indent {
            indent = depth;
            starts.push(start);
        } else if depth < indent {
            return None;
        }
    }
    let before = before?;
    let end = end.unwrap_or(text.len());
    let ends = starts.iter().skip(1).copied().chain([end]);
    let tasks = starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect();
    let first = starts.first().copied().unwrap_or(before);
    Some(Blocks { before: &text[..first], tasks, after: &text[end..] })
}

/// Whether the text may hold an anchor or an alias, which ties its parts together.
fn refers(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).any(|window| {
        let [before, sign, after] = window else { return false };
        matches!(sign, b'&' | b'*')
            && b" \t\n-:,[{".contains(before)
            && !after.is_ascii_whitespace()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_cut_at_their_keys() {
        let text = "version: 1\ntasks:\n  # first\n  a:\n    prompt: |\n      x\n\n  'b': {prompt: y}\n# c\nforget: [z]\n";
        let blocks = cut(text).unwrap();
        assert_eq!(blocks.before, "version: 1\ntasks:\n  # first\n");
        assert_eq!(blocks.tasks, ["  a:\n    prompt: |\n      x\n\n", "  'b': {prompt: y}\n# c\n"]);
        assert_eq!(blocks.after, "forget: [z]\n");
    }

    #[test]
    fn what_might_hang_together_is_not_cut() {
        for text in [
            "tasks: {a: {prompt: p}}\n",
            "tasks:\n  a: &x\n    prompt: p\n  b: *x\n",
            "tasks:\n  a:\n    prompt: p\n b: q\n",
            "---\ntasks:\n  a:\n    prompt: p\n",
            "version: 1\n",
        ] {
            assert!(cut(text).is_none(), "{text}");
        }
    }
}
