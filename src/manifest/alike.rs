//! Combinations of a matrix that are alike, because an axis is not used.

use crate::diag::{Code, Diagnostic};
use crate::manifest::scope::TemplateScope;

/// What two resources see that are alike.
pub(super) type ScopePair<'m> = (Option<&'m TemplateScope>, Option<&'m TemplateScope>);

/// Combinations that are alike, by where their matrix stands and by the axes that differ.
#[derive(Default)]
pub(super) struct AlikeCombinations<'m> {
    found: Vec<(usize, Vec<&'m str>, Diagnostic)>,
}

impl<'m> AlikeCombinations<'m> {
    /// Adds two of one matrix; `message` gets the axes that are not used. Whether they are of one.
    pub(super) fn add(
        &mut self,
        (one, other): ScopePair<'m>,
        code: Code,
        message: impl FnOnce(&str) -> String,
    ) -> bool {
        let axes = one.zip(other).map(|(one, other)| one.differing(other)).unwrap_or_default();
        let Some(first) = axes.first() else { return false };
        let start = first.place.span.start;
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        let is_part = |one: &[&str], of: &[&str]| one.iter().all(|name| of.contains(name));
        // Of a matrix the fewest axes say the most.
        if self.found.iter().any(|(at, known, _)| *at == start && is_part(known, &names)) {
            return true;
        }
        self.found.retain(|(_, known, _)| !is_part(&names, known));
        let message = message(&format!("`{}`", names.join("` or `")));
        let help = format!("use it, as in `{{{{ {} }}}}`, or take the axis out", first.name);
        let finding = Diagnostic::error(code, message).at(first.place.clone()).help(help);
        self.found.push((start, names, finding));
        true
    }

    /// Returns a finding for each axis, or several together, that is not used.
    pub(super) fn finish(self) -> impl Iterator<Item = Diagnostic> {
        self.found.into_iter().map(|(.., finding)| finding)
    }
}
