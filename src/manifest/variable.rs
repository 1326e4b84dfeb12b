//! Variables in the fields of a manifest.
//!
//! Their values may be secrets: no finding repeats one.

use std::borrow::Cow;
use std::ops::Range;

use crate::diag::Code;
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;

/// Variables that no manifest may read: what proves who asks is no business of a stranger's file.
const CREDENTIALS: [&str; 4] =
    ["QC_API_TOKEN", "QC_USER_ID", "QUANTCONNECT_API_TOKEN", "QUANTCONNECT_USER_ID"];

impl Reader<'_> {
    /// Puts the values of variables in the place of `${NAME}`; `$${` is a literal `${`.
    pub(super) fn expand<'n>(
        &mut self,
        written: &'n str,
        span: &Range<usize>,
        field: &str,
        owner: Owner<'_>,
    ) -> Option<Cow<'n, str>> {
        if !written.contains("${") {
            return Some(Cow::Borrowed(written));
        }
        let mut expanded = String::new();
        let mut rest = written;
        let mut is_whole = true;
        while let Some(at) = rest.find("${") {
            let (before, reference) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str("${");
                rest = &reference[2..];
                continue;
            }
            expanded.push_str(before);
            let length = reference.find('}').map_or(reference.len(), |end| end + 1);
            let (reference, behind) = reference.split_at(length);
            rest = behind;
            let name = reference[2..].strip_suffix('}').filter(|name| is_variable(name));
            let readable = name.filter(|name| !CREDENTIALS.contains(name));
            if let Some(value) = readable.and_then(self.variables) {
                expanded.push_str(&value);
            } else {
                is_whole = false;
                self.unresolved(reference, name.is_some(), span, field, owner);
            }
        }
        expanded.push_str(rest);
        is_whole.then_some(Cow::Owned(expanded))
    }

    fn unresolved(
        &mut self,
        reference: &str,
        is_well_formed: bool,
        span: &Range<usize>,
        field: &str,
        owner: Owner<'_>,
    ) {
        let Range { start, end } = self.place(span).span;
        // Escapes and aliases hide the reference; the whole value is then the place.
        let inner = match self.text[start..end].find(reference) {
            Some(at) => start + at..start + at + reference.len(),
            None => start..end,
        };
        let finding = if is_well_formed {
            let name = &reference[2..reference.len() - 1];
            if CREDENTIALS.contains(&name) {
                let message = format!(
                    "`{reference}` in `{field}` of {owner} is a credential, which no manifest may read"
                );
                self.error(Code::UnresolvedVariable, message, &inner)
                    .help("write what is meant; credentials never come by way of a manifest")
            } else {
                let message = format!("`{reference}` in `{field}` of {owner} has no value");
                self.error(Code::UnresolvedVariable, message, &inner)
                    .help(format!("set the environment variable `{name}`"))
            }
        } else {
            let message = format!("`${{` in `{field}` of {owner} does not begin a variable");
            self.error(Code::UnresolvedVariable, message, &inner)
                .help("a variable is written `${NAME}`, with letters, digits and `_`")
        };
        self.report(finding.help("for a literal `${` write `$${`"));
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
