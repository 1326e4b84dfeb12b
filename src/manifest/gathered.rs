//! Findings of the resources of one matrix: what is wrong with all of them is told once.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diag::{Code, Diagnostic, Findings};
use crate::model::Key;

/// What makes two findings one: their code, their place and their sentence but for the key.
type FindingKind = (Code, Option<usize>, String);

/// The findings of the resources of one matrix, each with the number of resources it is about.
#[derive(Default)]
pub(super) struct GatheredFindings {
    /// Where the key of the matrix stands.
    of: Range<usize>,
    found: Vec<(Key, Diagnostic, usize)>,
    known: BTreeMap<FindingKind, usize>,
}

impl GatheredFindings {
    /// Begins with a resource whose key stands at `of`; those of the matrix before are complete then.
    pub(super) fn begin(&mut self, of: &Range<usize>, findings: &mut Findings) {
        if self.of != *of {
            self.end(findings);
            self.of = of.clone();
        }
    }

    /// Adds the findings of one resource.
    pub(super) fn add(&mut self, key: &Key, found: Vec<Diagnostic>) {
        for finding in found {
            let message = finding.message.replace(key.as_str(), key.base());
            let place = finding.place.as_ref().map(|place| place.span.start);
            let at = *self.known.entry((finding.code, place, message)).or_insert(self.found.len());
            match self.found.get_mut(at) {
                Some((.., count)) => *count += 1,
                None => self.found.push((key.clone(), finding, 1)),
            }
        }
    }

    /// Gives all that was gathered to `findings`.
    pub(super) fn end(&mut self, findings: &mut Findings) {
        self.known.clear();
        for (key, mut finding, count) in std::mem::take(&mut self.found) {
            if count > 1 {
                let (one, more) = (format!("`{key}`"), format!("`{key}` and {} more", count - 1));
                finding.message = finding.message.replacen(&one, &more, 1);
            }
            findings.push(finding);
        }
    }
}
