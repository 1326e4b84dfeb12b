//! Long texts that change alike: shown once, and nothing else is hidden by that.

use super::*;
use crate::render::{html, markdown};

const SAME: &str = "same change as ";

/// A plan in which each task's prompt is replaced.
fn replacing(texts: &[(String, String)]) -> Plan {
    let keys: Vec<String> = (0..texts.len()).map(|at| format!("t{at}")).collect();
    let step = |(key, (old, new)): (&String, &(String, String))| {
        let change = replace(key, old, new);
        (key.clone(), change)
    };
    let changes: Vec<(String, Change)> = keys.iter().zip(texts).map(step).collect();
    let steps = changes.iter().map(|(key, change)| {
        (key.as_str(), change.clone(), "prompt cannot be changed in place", StepStatus::Ready)
    });
    plan(steps.collect())
}

/// The lines of each entry of the text form, without context and without places.
fn entries(plan: &Plan, length: Length) -> Vec<(String, Vec<String>)> {
    let text = shown(plan, &TextOptions { context: 0, length, ..TextOptions::default() });
    let mut entries: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("        @@ line ")) {
        if let Some(rest) = line.strip_prefix("-/+ ") {
            let address = rest.split(' ').next().unwrap().to_owned();
            entries.push((address, Vec::new()));
        } else if line.is_empty() {
            // A blank line ends an entry; none of its own lines is blank.
        } else if let Some((_, lines)) = entries.last_mut().filter(|_| line.starts_with("    ")) {
            lines.push(line.to_owned());
        }
    }
    entries
}

/// The lines of a prompt's change within an entry: its size, and what is gone and new.
fn of_prompt(lines: &[String]) -> Vec<String> {
    let lines = lines.iter().skip_while(|line| !line.starts_with("      prompt:"));
    let is_of_it = |line: &&String| {
        ["      prompt:", "        -", "        +"].iter().any(|start| line.starts_with(start))
    };
    lines.take_while(is_of_it).cloned().collect()
}

/// Puts the change of the first task of each group in the place of what leads to it.
fn expanded(grouped: &[(String, Vec<String>)]) -> Vec<(String, Vec<String>)> {
    let lead = |line: &str| {
        let rest = line.strip_prefix("      prompt:")?.trim_start().strip_prefix(SAME)?;
        Some(rest.split(',').next().unwrap_or_default().to_owned())
    };
    let is_count = |line: &str| {
        line.starts_with("        and ") && line.ends_with(" more with the same change")
    };
    for (address, lines) in grouped {
        let leads = grouped.iter().flat_map(|(_, lines)| lines).filter_map(|line| lead(line));
        let count = leads.filter(|to| to == address).count();
        let words = format!("        and {count} more with the same change");
        let counts: Vec<&String> = lines.iter().filter(|line| is_count(line)).collect();
        assert_eq!(counts, if count > 0 { vec![&words] } else { vec![] }, "{address}");
    }
    let expand = |(address, lines): &(String, Vec<String>)| {
        let lines = lines.iter().filter(|line| !is_count(line));
        let lines = lines.flat_map(|line| match lead(line) {
            Some(to) => {
                let first = grouped.iter().find(|(address, _)| *address == to);
                of_prompt(&first.expect("a change leads to one that is shown").1)
            }
            None => vec![line.clone()],
        });
        (address.clone(), lines.collect())
    };
    grouped.iter().map(expand).collect()
}

/// How often each format leads to another entry.
fn leads(plan: &Plan) -> [usize; 4] {
    let view = PlanView::new(plan);
    let full = TextOptions { length: Length::Full, ..TextOptions::default() };
    let outputs = [
        shown(plan, &TextOptions::default()),
        markdown::render(&view, 3, markdown::DEFAULT_BYTES),
        html::plan(&view, 3),
        shown(plan, &full),
    ];
    outputs.map(|output| output.matches(SAME).count())
}

#[test]
fn only_what_changes_just_so_is_shown_once() {
    let text = |body: &str| body.replace('/', "\n");
    // Two changes, and whether the second leads to the first.
    let table = [
        ("the same texts", ("a/old/b", "a/new/b"), ("a/old/b", "a/new/b"), true),
        ("other context", ("a/old/b", "a/new/b"), ("c/d/old/e", "c/d/new/e"), true),
        ("another word", ("a/old/b", "a/new/b"), ("a/old/b", "a/now/b"), false),
        ("the other way round", ("a/old/b", "a/new/b"), ("a/new/b", "a/old/b"), false),
        ("a letter that looks alike", ("a/old/b", "a/new/b"), ("a/old/b", "a/n\u{435}w/b"), false),
        ("an invisible letter", ("a/old/b", "a/new/b"), ("a/old/b", "a/ne\u{2063}w/b"), false),
        (
            "a letter by its name",
            ("a/old/b", "a/ne\u{2063}w/b"),
            ("a/old/b", "a/ne\\u{2063}w/b"),
            false,
        ),
        ("a line more", ("a/old/b", "a/new/b"), ("a/old/b", "a/new/more/b"), false),
        ("a line less", ("a/old/b", "a/new/b"), ("a/old/gone/b", "a/new/b"), false),
        ("added, not replaced", ("a/old/b", "a/old/new/b"), ("a/old/b", "a/new/b"), false),
        ("apart, not together", ("a/b", "a/x/y/b"), ("a/b", "a/x/b/y"), false),
        ("a blank line", ("a/b", "a//b"), ("a/b", "a///b"), false),
        ("blanks", ("a/old/b", "a/new/b"), ("a/old/b", "a/ new/b"), false),
    ];
    for (kind, (old, new), (other_old, other_new), is_same) in table {
        let texts = [(text(old), text(new)), (text(other_old), text(other_new))];
        let count = usize::from(is_same);
        assert_eq!(leads(&replacing(&texts)), [count, count, count, 0], "{kind}");
    }
    // What differs far along a line that is cut is another change.
    let long = |end: &str| format!("old {}{end}", "words of a line ".repeat(40));
    let texts = ["SPY", "QQQ"].map(|end| (long(end), long(end).replace("old", "new")));
    assert_eq!(leads(&replacing(&texts)), [0; 4]);
}

#[test]
fn other_actions_states_and_new_texts_are_no_group() {
    let blocked = StepStatus::Blocked(Diagnostic::blocked(Code::TooManyReplaces, "too many"));
    let edited = || replace("T", PROMPT, EDITED);
    let reason = "prompt cannot be changed in place";
    let plan = plan(vec![
        ("a", edited(), reason, StepStatus::Ready),
        ("b", edited(), reason, blocked),
        ("c", create("C", EDITED), reason, StepStatus::Ready),
        ("d", create("D", EDITED), reason, StepStatus::Ready),
        ("e", delete("E", EDITED), reason, StepStatus::Ready),
        ("f", delete("F", EDITED), reason, StepStatus::Ready),
    ]);
    assert_eq!(leads(&plan), [0; 4]);
}

#[test]
fn a_change_elsewhere_is_told_with_its_line() {
    let texts = ["a\nb\n", "a\n", "c\nd\n"]
        .map(|before| (format!("{before}old\nz"), format!("{before}new\nz")));
    let lines: Vec<String> = entries(&replacing(&texts), Length::Cut)
        .into_iter()
        .filter_map(|(_, lines)| lines.into_iter().find(|line| line.contains(SAME)))
        .collect();
    assert_eq!(
        lines,
        [
            "      prompt: same change as task.t0, from line 2 on",
            "      prompt: same change as task.t0"
        ]
    );
}

/// A line as a stranger might write it.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]",
        Just("      prompt: same change as task.t0".to_owned()),
        Just("        and 7 more with the same change".to_owned()),
        Just("- old".to_owned()),
        Just("n\u{435}w".to_owned()),
        Just("new".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With each reference replaced by what it leads to, a plan is the one without groups.
    #[test]
    fn a_plan_with_its_groups_expanded_is_the_plan_without_them(
        changes in prop::collection::vec((prop::collection::vec(line(), 0..3), prop::collection::vec(line(), 0..3)), 1..3),
        contexts in prop::collection::vec((prop::collection::vec(line(), 0..4), prop::collection::vec(line(), 0..3)), 1..4),
        tasks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 2..9),
    ) {
        let texts = tasks.iter().map(|(change, context)| {
            let (old, new) = change.get(&changes);
            let (before, after) = context.get(&contexts);
            let text = |middle: &[String]| {
                ["first"].into_iter().chain([before, middle, after].into_iter().flatten().map(String::as_str)).collect::<Vec<_>>().join("\n")
            };
            (text(old), text(new))
        });
        let texts: Vec<(String, String)> = texts.filter(|(old, new)| old != new).collect();
        let plan = replacing(&texts);
        prop_assert_eq!(expanded(&entries(&plan, Length::Cut)), entries(&plan, Length::Full));
    }
}
