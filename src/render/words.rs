//! The words and symbols that every output shares, and how they are counted.

use crate::model::Action;
use crate::render::paint::Label;

/// Counts with their words, those that are zero left out, such as `1 failed, 2 skipped`.
pub(super) fn counts<'w>(counts: impl IntoIterator<Item = (usize, &'w str)>) -> String {
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// A length of time as people say it, such as `12 min`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The symbol of an action (design 4).
pub(super) fn symbol(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Update | Action::Restore => "~",
        Action::Undecided => "!",
        Action::Replace => "-/+",
        Action::Archive | Action::Delete => "-",
        Action::Deploy => "▶",
        Action::Prompt => "»",
        Action::Stop => "■",
        Action::NoChange => "=",
    }
}

/// What an action is, for the eye.
pub(super) fn label(action: Action) -> Label {
    match action {
        Action::Create => Label::Create,
        Action::Update | Action::Restore => Label::Change,
        Action::Replace => Label::Replace,
        Action::Archive | Action::Delete | Action::Stop => Label::Remove,
        Action::Deploy | Action::Prompt => Label::Deploy,
        Action::Undecided | Action::NoChange => Label::Aside,
    }
}

/// The form at the start of a progress line.
pub(super) fn gerund(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "updating",
        Action::Restore => "restoring",
        Action::Replace => "replacing",
        Action::Archive => "archiving",
        Action::Delete => "deleting",
        Action::Deploy => "deploying",
        Action::Prompt => "prompting",
        Action::Stop => "stopping",
        Action::Undecided | Action::NoChange => "leaving",
    }
}

/// The form in `was <...>` and behind what it was done to.
pub(super) fn past(action: Action) -> &'static str {
    match action {
        // `run` alone reads as an order.
        Action::Deploy => "started",
        _ => action.participle(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let times = [0, 59, 60, 7_199, 90_000, 200_000].map(span);
        assert_eq!(times, ["0 s", "59 s", "1 min", "1 h", "25 h", "2 d"]);
    }
}
