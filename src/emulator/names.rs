//! How the service rewrites names and prompts, which nobody knows (contract 7, 14).

use std::collections::BTreeSet;

use super::quirk::{DuplicateName, NameRule, PromptRewrite, Quirks, Switch, SystemPrompt, TooLong};

/// Characters that a cleaned name keeps beside letters, digits and blanks.
const KEPT: &str = "-_.[]()&";

/// How the service treats a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamePolicy {
    /// How it rewrites the name.
    pub(super) rewrite: NameRule,
    /// What it does with one that is taken.
    pub(super) duplicate: DuplicateName,
    /// What a name becomes of which nothing is left.
    pub(super) nameless: &'static str,
}

/// Returns the name as the service keeps it, beside the names of the others of its kind.
pub(super) fn stored_name<'a>(
    name: &str,
    policy: NamePolicy,
    quirks: &Quirks,
    others: impl Iterator<Item = &'a str>,
) -> Result<String, String> {
    let name = rewritten(name, policy.rewrite, policy.nameless);
    let name = within(name, quirks.name_limit, quirks.long_name, "The name is too long.")?;
    if policy.duplicate == DuplicateName::Allow {
        return Ok(name);
    }
    let taken: BTreeSet<&str> = others.collect();
    if !taken.contains(name.as_str()) {
        return Ok(name);
    }
    if policy.duplicate == DuplicateName::Refuse {
        return Err(format!("The name {name} is taken."));
    }
    let mut numbered = (2..).map(|number: u32| format!("{name} {number}"));
    let is_free = |name: &String| !taken.contains(name.as_str());
    Ok(numbered.find(is_free).expect("names are fewer than numbers"))
}

/// Returns the prompt as the service keeps it.
pub(super) fn stored_prompt(prompt: &str, quirks: &Quirks) -> Result<String, String> {
    let prompt = if quirks.prompt_trim == Switch::On { prompt.trim() } else { prompt };
    let prompt = match quirks.prompt_rewrite {
        PromptRewrite::Verbatim => prompt.to_owned(),
        PromptRewrite::Crlf => with_crlf(prompt),
        PromptRewrite::Append => appended(prompt),
    };
    within(prompt, quirks.prompt_limit, quirks.long_prompt, "The prompt is too long.")
}

/// Returns the system prompt of an agent as the service keeps it.
pub(super) fn stored_system_prompt(prompt: &str, quirks: &Quirks) -> Result<String, String> {
    let prompt = match quirks.system_prompt {
        SystemPrompt::Verbatim => prompt.to_owned(),
        SystemPrompt::Trim => prompt.trim().to_owned(),
        SystemPrompt::Crlf => with_crlf(prompt),
        SystemPrompt::Append => appended(prompt),
    };
    within(prompt, quirks.prompt_limit, quirks.long_prompt, "The system prompt is too long.")
}

fn with_crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn appended(text: &str) -> String {
    format!("{text}\n\nAnswer in English.")
}

fn within(text: String, limit: u32, rule: TooLong, refusal: &str) -> Result<String, String> {
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    match text.char_indices().nth(limit) {
        None => Ok(text),
        Some(_) if rule == TooLong::Refuse => Err(refusal.to_owned()),
        Some((end, _)) => Ok(text[..end].to_owned()),
    }
}

fn rewritten(name: &str, rule: NameRule, nameless: &str) -> String {
    let is_kept = |c: &char| c.is_alphanumeric() || c.is_whitespace() || KEPT.contains(*c);
    let collapsed = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = || collapsed(&name.chars().filter(is_kept).collect::<String>());
    let name = match rule {
        NameRule::Verbatim => name.to_owned(),
        NameRule::Collapse => collapsed(name),
        NameRule::Clean => clean(),
        NameRule::Title => clean().split(' ').map(capitalized).collect::<Vec<_>>().join(" "),
        NameRule::Fold => {
            let is_alphanumeric = |c: char| if c.is_alphanumeric() { c } else { ' ' };
            let words: String = name.to_lowercase().chars().map(is_alphanumeric).collect();
            words.split_whitespace().collect::<Vec<_>>().join("-")
        }
    };
    if name.is_empty() { nameless.to_owned() } else { name }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + &letters.as_str().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_rewrites_a_name_its_own_way() {
        let name = "  Buy & hold:  SPY [v2] (50%) ";
        let cases = [
            (NameRule::Verbatim, name),
            (NameRule::Collapse, "Buy & hold: SPY [v2] (50%)"),
            (NameRule::Clean, "Buy & hold SPY [v2] (50)"),
            (NameRule::Title, "Buy & Hold Spy [v2] (50)"),
            (NameRule::Fold, "buy-hold-spy-v2-50"),
        ];
        for (rule, expected) in cases {
            assert_eq!(rewritten(name, rule, "Task"), expected);
            assert_eq!(rewritten(expected, rule, "Task"), expected, "{rule:?} settles at once");
        }
        assert_eq!(rewritten("?!", NameRule::Clean, "Task"), "Task");
    }

    #[test]
    fn a_prompt_is_cut_between_letters() {
        let mut quirks = Quirks::default();
        quirks.set("prompt-limit=3").unwrap();
        assert_eq!(stored_prompt("größer", &quirks).unwrap(), "grö");
        quirks.set("long-prompt=refuse").unwrap();
        assert_eq!(stored_prompt("größer", &quirks).unwrap_err(), "The prompt is too long.");
        assert_eq!(stored_prompt("abc", &quirks).unwrap(), "abc");
    }
}
