//! Where two stretches of text differ, by words.
//!
//! Linear for what is large: equal ends are cut off first, and what is left is compared word by word
//! only up to a size that does not depend on the time it takes.

use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffableStr, capture_diff_slices};

use crate::render::lookalike::common_ends;

/// How many bytes, old and new together, are compared by words in one block, without its equal ends.
const LARGEST_BLOCK: usize = 512 * 1024;

/// A changed stretch longer than this, in bytes, is narrowed down to the characters that differ.
///
/// No word is that long: it is a table, an encoded file, or a text without blanks.
const LONGEST_WORD: usize = 80;

/// Of lines that resemble each other less than this, in percent, no words are marked.
const LEAST_ALIKE: usize = 40;

/// A stretch of the old text and what stands in its place in the new one; either may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Bytes of the old text.
    pub(super) old: Range<usize>,
    /// Bytes of the new text.
    pub(super) new: Range<usize>,
}

/// Returns where two texts differ; what lies between two stretches is equal.
///
/// `budget` is how many bytes may still be compared by words. Where the texts have little in common and
/// every line can be shown whole (it is no longer than `longest`), that is all of both.
pub(super) fn regions(old: &str, new: &str, longest: usize, budget: &mut usize) -> Vec<Region> {
    let mut regions = compared(old, new, budget);
    join(&mut regions, old);
    for region in &mut regions {
        narrow(region, old, new);
    }
    let changed: usize = regions.iter().map(|region| region.old.len() + region.new.len()).sum();
    let all = old.len() + new.len();
    let is_rewritten = (all - changed) * 100 < all * LEAST_ALIKE;
    if !is_rewritten {
        return regions;
    }
    let is_short = |text: &str| text.split('\n').all(|line| line.len() <= longest);
    if is_short(old) && is_short(new) {
        return vec![Region { old: 0..old.len(), new: 0..new.len() }];
    }
    // A line that is cut has to be cut where it differs.
    match (regions.first(), regions.last()) {
        (Some(first), Some(last)) => {
            vec![Region { old: first.old.start..last.old.end, new: first.new.start..last.new.end }]
        }
        _ => regions,
    }
}

/// The words in which two texts differ.
fn compared(old: &str, new: &str, budget: &mut usize) -> Vec<Region> {
    let (old_words, new_words) = (words(old), words(new));
    let (start, end) = common_ends(&old_words, &new_words, |word| *word);
    let (old_words, old_at) = middle(&old_words, start, end);
    let (new_words, new_at) = middle(&new_words, start, end);
    let size = |words: &[&str]| words.iter().map(|word| word.len()).sum::<usize>();
    let all = size(old_words) + size(new_words);
    if all > LARGEST_BLOCK.min(*budget) || old_words.is_empty() || new_words.is_empty() {
        return vec![Region {
            old: old_at..old_at + size(old_words),
            new: new_at..new_at + size(new_words),
        }];
    }
    *budget -= all;
    let mut regions: Vec<Region> = Vec::new();
    let (mut old_end, mut new_end) = (old_at, new_at);
    for op in capture_diff_slices(Algorithm::Myers, old_words, new_words) {
        let old = old_end..old_end + size(&old_words[op.old_range()]);
        let new = new_end..new_end + size(&new_words[op.new_range()]);
        (old_end, new_end) = (old.end, new.end);
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        match regions.last_mut() {
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                (last.old.end, last.new.end) = (old.end, new.end);
            }
            _ => regions.push(Region { old, new }),
        }
    }
    regions
}

fn words(text: &str) -> Vec<&str> {
    text.tokenize_unicode_words()
}

/// The words without those at both ends, and the byte at which the first of them begins.
fn middle<'w, 't>(words: &'w [&'t str], start: usize, end: usize) -> (&'w [&'t str], usize) {
    let before = words[..start].iter().map(|word| word.len()).sum();
    (&words[start..words.len() - end], before)
}

/// Joins stretches between which little is equal beside what differs in each: a blank between two new
/// words, a letter that both happen to hold.
fn join(regions: &mut Vec<Region>, old: &str) {
    let size = |region: &Region| region.old.len().max(region.new.len());
    let mut joined: Vec<Region> = Vec::with_capacity(regions.len());
    for mut region in regions.drain(..) {
        while let Some(last) = joined.last() {
            let between = last.old.end..region.old.start;
            let words = &old[between.clone()];
            let is_little =
                words.trim().is_empty() || between.len() * 2 <= size(last).min(size(&region));
            // A line that stayed stays.
            if words.contains('\n') || !is_little {
                break;
            }
            region =
                Region { old: last.old.start..region.old.end, new: last.new.start..region.new.end };
            joined.pop();
        }
        joined.push(region);
    }
    *regions = joined;
}

/// Cuts equal ends off a stretch that is no mere word.
fn narrow(region: &mut Region, old: &str, new: &str) {
    if region.old.len().max(region.new.len()) <= LONGEST_WORD {
        return;
    }
    let chars = |text: &str| text.chars().collect::<Vec<char>>();
    let (old, new) = (chars(&old[region.old.clone()]), chars(&new[region.new.clone()]));
    let (start, end) = common_ends(&old, &new, |c| *c);
    let size = |chars: &[char]| chars.iter().map(|c| c.len_utf8()).sum::<usize>();
    let (start, end) = (size(&old[..start]), size(&old[old.len() - end..]));
    region.old = region.old.start + start..region.old.end - end;
    region.new = region.new.start + start..region.new.end - end;
}
