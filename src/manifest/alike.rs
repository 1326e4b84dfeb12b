//! Combinations of a matrix that are alike, because an axis is not used or two of its values are one there.

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
    /// Adds two of one matrix; `message` gets why they are alike. Whether they are of one.
    pub(super) fn add(
        &mut self,
        (one, other): ScopePair<'m>,
        (code, field): (Code, &str),
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
        let is_name = code == Code::EqualName;
        let same = one.zip(other).and_then(|(one, other)| other.same_values(one, is_name));
        let (why, help) = match same {
            Some([one, other]) => (
                format!("`{one}` and `{other}` are one value of `{}` there", first.name),
                "keep one of the two values".to_owned(),
            ),
            None => (
                format!("{field} does not use `{}`", names.join("` or `")),
                format!("use it, as in `{{{{ {} }}}}`, or take the axis out", first.name),
            ),
        };
        let message = message(&why);
        let finding = Diagnostic::error(code, message).at(first.place.clone()).help(help);
        self.found.push((start, names, finding));
        true
    }

    /// Returns a finding for each axis, or several together, that is not used.
    pub(super) fn finish(self) -> impl Iterator<Item = Diagnostic> {
        self.found.into_iter().map(|(.., finding)| finding)
    }
}
