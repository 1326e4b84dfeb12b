//! How the service rewrites names and prompts, which nobody knows (contract 7, 14).

use std::collections::BTreeSet;

use super::quirk::{DuplicateName, NameRule, PromptRewrite, Quirks, Switch, TooLong};
use super::world::World;

/// Characters that a cleaned name keeps beside letters, digits and blanks.
const KEPT: &str = "-_.[]()&";

/// What a name becomes of which nothing is left.
const NAMELESS: &str = "Task";

impl World {
    /// Returns the name as a task gets it; `own` is the task that is renamed.
    pub(super) fn stored_name(
        &self,
        name: &str,
        rule: NameRule,
        own: Option<u64>,
    ) -> Result<String, String> {
        let name = rewritten(name, rule);
        let refusal = "The name is too long.";
        let quirks = &self.quirks;
        let name = within(name, quirks.name_limit, quirks.long_name, refusal)?;
        if quirks.duplicate_name == DuplicateName::Allow {
            return Ok(name);
        }
        let others = self.tasks.values().filter(|task| Some(task.id) != own);
        let taken: BTreeSet<&str> = others.map(|task| task.name.as_str()).collect();
        if !taken.contains(name.as_str()) {
            return Ok(name);
        }
        let must_be_free = quirks.duplicate_name == DuplicateName::Refuse;
        if must_be_free {
            return Err(format!("A task named {name} exists already."));
        }
        let mut numbered = (2..).map(|number: u32| format!("{name} {number}"));
        let is_free = |name: &String| !taken.contains(name.as_str());
        Ok(numbered.find(is_free).expect("tasks are fewer than numbers"))
    }
}

/// Returns the prompt as the service keeps it.
pub(super) fn stored_prompt(prompt: &str, quirks: &Quirks) -> Result<String, String> {
    let prompt = if quirks.prompt_trim == Switch::On { prompt.trim() } else { prompt };
    let prompt = match quirks.prompt_rewrite {
        PromptRewrite::Verbatim => prompt.to_owned(),
        PromptRewrite::Crlf => prompt.replace('\n', "\r\n"),
        PromptRewrite::Append => format!("{prompt}\n\nAnswer in English."),
    };
    within(prompt, quirks.prompt_limit, quirks.long_prompt, "The prompt is too long.")
}

fn within(text: String, limit: u32, rule: TooLong, refusal: &str) -> Result<String, String> {
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    match text.char_indices().nth(limit) {
        None => Ok(text),
        Some(_) if rule == TooLong::Refuse => Err(refusal.to_owned()),
        Some((end, _)) => Ok(text[..end].to_owned()),
    }
}

fn rewritten(name: &str, rule: NameRule) -> String {
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
    if name.is_empty() { NAMELESS.to_owned() } else { name }
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
            assert_eq!(rewritten(name, rule), expected);
            assert_eq!(rewritten(expected, rule), expected, "{rule:?} settles at once");
        }
        assert_eq!(rewritten("?!", NameRule::Clean), "Task");
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
