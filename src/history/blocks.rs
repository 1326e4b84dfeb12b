//! Cuts a manifest's text into its tasks, so that a version costs what it changed.
//!
//! Parsing a thousand tasks takes about twenty milliseconds, and from version to version nearly all
//! of them are the same lines. Where every task is in lines of its own, lines that were
//! parsed before under the same other fields are left out of the text that is parsed. What cannot
//! be cut with certainty is parsed as a whole.

use sha2::{Digest, Sha256};

use crate::history::earlier::Blob;
use crate::history::numbers::Hash;

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

/// A text in pieces, each task with the hash of its lines.
pub(super) struct Hashed<'t> {
    pub(super) before: &'t str,
    pub(super) tasks: Vec<(Hash, &'t str)>,
    pub(super) after: &'t str,
    pub(super) fields: Hash,
}

impl<'t> Hashed<'t> {
    /// Cuts a text, where it can be cut.
    pub(super) fn cut(text: &'t Blob) -> Option<Self> {
        let cut = cut(&text.text)?;
        let fields = fields(&text.path, text.vars.0, &cut);
        let Blocks { before, tasks, after } = cut;
        let tasks = tasks.into_iter().map(|block| (hash(block), block)).collect();
        Some(Self { before, tasks, after, fields })
    }
}

/// Returns the hash of all that a block's meaning depends on beside its own lines.
pub(super) fn fields(path: &str, vars: usize, cut: &Blocks<'_>) -> Hash {
    hash(&[path, &vars.to_string(), cut.before, cut.after].join("\0"))
}

/// Returns the hash of a text.
pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// Tells which tasks are in each of some blocks, one behind the other from `start` on, by where their keys are.
pub(super) fn in_blocks<'t, T>(
    start: usize,
    blocks: impl Iterator<Item = &'t str>,
    mut tasks: Vec<(usize, T)>,
) -> Vec<(&'t str, Vec<T>)> {
    tasks.sort_by_key(|(at, _)| *at);
    let (mut end, mut tasks) = (start, tasks.into_iter().peekable());
    let of_block = |block: &'t str| {
        end += block.len();
        let of_it = std::iter::from_fn(|| tasks.next_if(|(at, _)| *at < end));
        (block, of_it.map(|(_, task)| task).collect())
    };
    blocks.map(of_block).collect()
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
