//! `${NAME}` and `${NAME:-default}` in a text.

/// A stretch of a text that holds variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum VarPiece<'t> {
    /// Ordinary words; `${` where `$${` was written.
    Words(&'t str),
    /// A variable.
    VarReference(VarReference<'t>),
    /// What begins like a variable and is none: as written, and why.
    Flawed(&'t str, VarFlaw),
}

/// A variable as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VarReference<'t> {
    /// All of it.
    pub(super) written: &'t str,
    pub(super) name: &'t str,
    /// What counts where it has no value.
    pub(super) default: Option<&'t str>,
}

/// Why something is no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VarFlaw {
    /// Its `}` is missing.
    Open,
    /// What it names cannot be a name.
    Name,
    /// Something other than `:-` stands behind its name.
    Operator,
    /// Its default holds another variable.
    Nested,
}

/// Cuts a text into its words and its variables.
pub(super) fn parts(text: &str) -> Vec<VarPiece<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([VarPiece::Words(before), VarPiece::Words("${")]);
            rest = &reference[2..];
            continue;
        }
        parts.push(VarPiece::Words(before));
        let (part, behind) = first(reference);
        parts.push(part);
        rest = behind;
    }
    parts.push(VarPiece::Words(rest));
    parts
}

/// Reads the variable that a text begins with, and returns what stands behind it.
fn first(text: &str) -> (VarPiece<'_>, &str) {
    let Some(end) = text.find('}') else { return (VarPiece::Flawed(text, VarFlaw::Open), "") };
    let inner = &text[2..end];
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let (written, behind) = text.split_at(end + 1);
    if !is_name(name) {
        let has_operator =
            name.find(['-', ':', '=', '?', '+']).is_some_and(|at| is_name(&name[..at]));
        let flaw = if has_operator { VarFlaw::Operator } else { VarFlaw::Name };
        return (VarPiece::Flawed(written, flaw), behind);
    }
    if default.is_some_and(|default| default.contains("${")) {
        let end = behind.find('}').map_or(text.len(), |more| end + more + 2);
        return (VarPiece::Flawed(&text[..end], VarFlaw::Nested), &text[end..]);
    }
    (VarPiece::VarReference(VarReference { written, name, default }), behind)
}

/// Whether a word can be the name of a variable.
pub(super) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_words() {
        let shown = |text: &str| {
            let parts = parts(text).into_iter().map(|part| match part {
                VarPiece::Words(words) => words.to_owned(),
                VarPiece::VarReference(VarReference { name, default: None, .. }) => {
                    format!("<{name}>")
                }
                VarPiece::VarReference(VarReference { name, default: Some(default), .. }) => {
                    format!("<{name}|{default}>")
                }
                VarPiece::Flawed(written, flaw) => format!("<{flaw:?} {written}>"),
            });
            parts.collect::<String>()
        };
        let table = [
            ("plain $5 {x} $ {", "plain $5 {x} $ {"),
            ("a ${A} b ${_b1:-c d} e", "a <A> b <_b1|c d> e"),
            ("$${A} and $$${B}", "${A} and $${B}"),
            ("${A:-}", "<A|>"),
            ("${A:-x:-y}", "<A|x:-y>"),
            ("${A", "<Open ${A>"),
            ("${A:-b", "<Open ${A:-b>"),
            ("${} ${1A} ${a b}", "<Name ${}> <Name ${1A}> <Name ${a b}>"),
            ("${A-b} ${A:=b}", "<Operator ${A-b}> <Operator ${A:=b}>"),
            ("${A:-${B}} c", "<Nested ${A:-${B}}> c"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
