//! What the service has made of a name and of a prompt, in the emulator's words.

/// Characters that a cleaned name keeps beside letters, digits and blanks.
const KEPT: &str = "-_.[]()&";

/// How a name was rewritten, and after how many characters it was cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NameRewriting {
    pub(super) rule: &'static str,
    pub(super) limit: Option<usize>,
}

/// Says how `stored` was made of `sent`, where the emulator has a word for it.
pub(super) fn name_rewriting(sent: &str, stored: &str) -> Option<NameRewriting> {
    let rules = rewritten(sent);
    let whole = rules.iter().find(|(_, name)| name == stored);
    let whole = whole.map(|(rule, _)| NameRewriting { rule, limit: None });
    let limit = Some(stored.chars().count());
    let cut = || {
        let cut = rules.iter().find(|(_, name)| name.starts_with(stored))?;
        Some(NameRewriting { rule: cut.0, limit })
    };
    if stored.is_empty() { None } else { whole.or_else(cut) }
}

/// What each rule makes of a name.
fn rewritten(name: &str) -> [(&'static str, String); 5] {
    let collapsed = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_kept = |c: &char| c.is_alphanumeric() || c.is_whitespace() || KEPT.contains(*c);
    let clean = collapsed(&name.chars().filter(is_kept).collect::<String>());
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + &letters.as_str().to_lowercase()
    };
    let title = clean.split(' ').map(capitalized).collect::<Vec<_>>().join(" ");
    let blank = |c: char| if c.is_alphanumeric() { c } else { ' ' };
    let words: String = name.to_lowercase().chars().map(blank).collect();
    let fold = words.split_whitespace().collect::<Vec<_>>().join("-");
    [
        ("verbatim", name.to_owned()),
        ("collapse", collapsed(name)),
        ("clean", clean),
        ("title", title),
        ("fold", fold),
    ]
}

/// How a prompt was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PromptRewriting {
    /// Whether blanks around it were dropped; unknown where its end was cut off.
    pub(super) trim: Option<&'static str>,
    pub(super) rule: &'static str,
    /// After how many characters it was cut.
    pub(super) limit: Option<usize>,
}

/// Says how `stored` was made of `sent`, which has blanks at its end, where the emulator has a word
/// for it.
pub(super) fn prompt_rewriting(sent: &str, stored: &str) -> Option<PromptRewriting> {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let forms = [
        ("off", "verbatim", sent.to_owned()),
        ("on", "verbatim", sent.trim().to_owned()),
        ("off", "crlf", crlf(sent)),
        ("on", "crlf", crlf(sent.trim())),
    ];
    let made = |trim, rule, limit| Some(PromptRewriting { trim, rule, limit });
    if let Some((trim, rule, _)) = forms.iter().find(|form| form.2 == stored) {
        return made(Some(trim), rule, None);
    }
    if let Some((trim, ..)) = forms[..2].iter().find(|form| stored.starts_with(&form.2)) {
        return made(Some(trim), "append", None);
    }
    let (_, rule, _) = forms.iter().find(|form| form.2.starts_with(stored))?;
    if stored.is_empty() { None } else { made(None, rule, Some(stored.chars().count())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_keep_a_text_has_its_word() {
        let sent = "qcops doctor  probe: 1a2b [a] 50%";
        for (stored, expected) in [
            (sent, Some(("verbatim", None))),
            ("qcops doctor probe: 1a2b [a] 50%", Some(("collapse", None))),
            ("qcops doctor probe 1a2b [a] 50", Some(("clean", None))),
            ("Qcops Doctor Probe 1a2b [a] 50", Some(("title", None))),
            ("qcops-doctor-probe-1a2b-a-50", Some(("fold", None))),
            ("Qcops Doctor Pr", Some(("title", Some(15)))),
            ("Task", None),
            ("", None),
        ] {
            let found = name_rewriting(sent, stored).map(|found| (found.rule, found.limit));
            assert_eq!(found, expected, "{stored}");
        }
        for (stored, expected) in [
            ("a\n\n b \n", Some((Some("off"), "verbatim", None))),
            ("a\n\n b", Some((Some("on"), "verbatim", None))),
            ("a\r\n\r\n b \r\n", Some((Some("off"), "crlf", None))),
            ("a\r\n\r\n b", Some((Some("on"), "crlf", None))),
            ("a\n\n b \n\n\nMore.", Some((Some("off"), "append", None))),
            ("a\n\n b\n\nMore.", Some((Some("on"), "append", None))),
            ("a\n\n", Some((None, "verbatim", Some(3)))),
            ("b", None),
        ] {
            let found = prompt_rewriting("a\n\n b \n", stored);
            let found = found.map(|found| (found.trim, found.rule, found.limit));
            assert_eq!(found, expected, "{stored:?}");
        }
    }
}
