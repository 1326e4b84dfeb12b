//! `${NAME}` and `${NAME:-default}` in a text.

/// A stretch of a text that holds variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Ordinary words; `${` where `$${` was written.
    Words(&'t str),
    /// A variable.
    Reference(Reference<'t>),
    /// What begins like a variable and is none: as written, and why.
    Flawed(&'t str, Flaw),
}

/// A variable as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    /// All of it.
    pub(super) written: &'t str,
    pub(super) name: &'t str,
    /// What counts where it has no value.
    pub(super) default: Option<&'t str>,
}

/// Why something is no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
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
pub(super) fn parts(text: &str) -> Vec<Piece<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Piece::Words(before), Piece::Words("${")]);
            rest = &reference[2..];
            continue;
        }
        parts.push(Piece::Words(before));
        let (part, behind) = first(reference);
        parts.push(part);
        rest = behind;
    }
    parts.push(Piece::Words(rest));
    parts
}

/// Reads the variable that a text begins with, and returns what stands behind it.
fn first(text: &str) -> (Piece<'_>, &str) {
    let Some(end) = text.find('}') else { return (Piece::Flawed(text, Flaw::Open), "") };
    let inner = &text[2..end];
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let (written, behind) = text.split_at(end + 1);
    if !is_name(name) {
        let has_operator =
            name.find(['-', ':', '=', '?', '+']).is_some_and(|at| is_name(&name[..at]));
        let flaw = if has_operator { Flaw::Operator } else { Flaw::Name };
        return (Piece::Flawed(written, flaw), behind);
    }
    if default.is_some_and(|default| default.contains("${")) {
        let end = behind.find('}').map_or(text.len(), |more| end + more + 2);
        return (Piece::Flawed(&text[..end], Flaw::Nested), &text[end..]);
    }
    (Piece::Reference(Reference { written, name, default }), behind)
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
                Piece::Words(words) => words.to_owned(),
                Piece::Reference(Reference { name, default: None, .. }) => format!("<{name}>"),
                Piece::Reference(Reference { name, default: Some(default), .. }) => {
                    format!("<{name}|{default}>")
                }
                Piece::Flawed(written, flaw) => format!("<{flaw:?} {written}>"),
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
