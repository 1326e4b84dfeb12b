//! Two texts that differ: every format marks a place, however long the lines and however little room.

use std::sync::Arc;

use super::*;
use crate::model::canonical_text;
use crate::render::{html, markdown};

/// What each format writes of a prompt that changes: text, a comment, a short comment, a page.
fn written(old: &str, new: &str) -> [(&'static str, String); 5] {
    let reason = "prompt cannot be changed in place";
    let plan = plan(vec![("spy", replace("Spy", old, new), reason, StepStatus::Ready)]);
    let view = PlanView::new(&plan);
    let full = TextOptions { length: Length::Full, ..TextOptions::default() };
    [
        ("text", shown(&plan, &TextOptions::default())),
        ("full text", shown(&plan, &full)),
        ("markdown", markdown::render(&view, 3, markdown::DEFAULT_BYTES)),
        ("short markdown", markdown::render(&view, 3, 1_200)),
        ("html", html::plan(&view, 3)),
    ]
}

/// The lines of the old and of the new text that a format shows as changed.
fn changed(format: &str, output: &str) -> (Vec<String>, Vec<String>) {
    if format == "html" {
        let lines = |tag: &str| -> Vec<String> {
            let tag = format!("<{tag} class=\"row");
            let rows = output.split(&tag).skip(1);
            rows.map(|row| row.split("</code>").next().unwrap_or_default())
                .map(|row| row.split("<code>").nth(1).unwrap_or_default().to_owned())
                .collect()
        };
        return (lines("del"), lines("ins"));
    }
    let lines = |sign: char| -> Vec<String> {
        let lines = output.lines().map(str::trim_start).skip_while(|line| !line.contains("prompt"));
        let is_step = |line: &&str| line.starts_with("-/+") || line.starts_with("- `-/+`");
        let lines = lines.filter(|line| !is_step(line));
        lines.filter_map(|line| line.strip_prefix(sign)).map(str::to_owned).collect()
    };
    (lines('-'), lines('+'))
}

fn check(kind: &str, old: &str, new: &str) -> Result<(), TestCaseError> {
    for (format, output) in written(old, new) {
        let (old_lines, new_lines) = changed(format, &output);
        let is_shown = !old_lines.is_empty() || !new_lines.is_empty();
        prop_assert!(is_shown, "{kind}, {format}: {output}");
        let bare = |lines: &[String]| -> Vec<String> {
            // A page marks with elements.
            let marks = if format == "html" { &[][..] } else { &["{-", "-}", "{+", "+}"] };
            let bare = |line: &String| {
                marks.iter().fold(line.clone(), |line, mark| line.replace(mark, ""))
            };
            lines.iter().map(bare).collect()
        };
        prop_assert!(bare(&old_lines) != bare(&new_lines), "{kind}, {format}: {output}");
        if format == "short markdown" {
            prop_assert!(output.len() <= 1_200, "{kind}: {} bytes", output.len());
            prop_assert!(!output.contains("left out for size"), "{kind}: {output}");
        }
    }
    Ok(())
}

#[test]
fn a_changed_word_is_marked_in_every_format() {
    let words = |count: usize, word: &str| -> String {
        let word = |n: usize| if n == count / 2 { word.to_owned() } else { format!("word{n}") };
        (0..count).map(word).collect::<Vec<String>>().join(" ")
    };
    let lines = |word: &str| words(300, word).replace(' ', " is a word of a line.\n");
    let table = [
        (
            "a short line",
            "Use SPY as the benchmark".to_owned(),
            "Use QQQ as the benchmark".to_owned(),
        ),
        ("a paragraph", words(300, "SPY"), words(300, "QQQ")),
        ("44 kB", words(5_000, "SPY"), words(5_000, "QQQ")),
        ("600 kB", words(60_000, "SPY"), words(60_000, "QQQ")),
        ("many lines", lines("SPY"), lines("QQQ")),
        ("no blanks", words(5_000, "SPY").replace(' ', ""), words(5_000, "QQQ").replace(' ', "")),
        ("markup", "a <b> & SPY </b> `c`".to_owned(), "a <b> & QQQ </b> `c`".to_owned()),
    ];
    for (kind, old, new) in table {
        check(kind, &old, &new).unwrap();
        for (format, output) in written(&old, &new) {
            // What no blank delimits is narrowed down to the characters.
            let (gone, come) = match format {
                "html" => ("<mark>SPY</mark>", "<mark>QQQ</mark>"),
                _ => ("{-SPY-}", "{+QQQ+}"),
            };
            let is_marked = output.contains(gone) && output.contains(come);
            assert!(is_marked, "{kind}, {format}: {output:.3000}");
        }
    }
}

#[test]
fn what_looks_alike_is_told_apart_in_every_format() {
    let table = [
        ("Cyrillic", "Report the Sharpe ratio", "Report the Sh\u{430}rpe ratio", "\\u{430}"),
        ("a blank", "Report the ratio", "Report\u{a0}the ratio", "\\u{a0}"),
        ("invisible", "Report the ratio", "Report the\u{2063} ratio", "\\u{2063}"),
        ("selectors", "Buy SPY", "Buy SPY\u{fe01}\u{fe0f}", "\\u{fe01}\\u{fe0f}"),
        ("Braille", "Buy SPY now", "Buy SPY\u{2800} now", "\\u{2800}"),
        ("an escape", "Buy \\u{2063} SPY", "Buy \u{2063} SPY", "\\u{5c}u{2063}"),
        ("a whole line", "\u{421}\u{410}\u{420}", "CAP", "\\u{421}\\u{410}\\u{420}"),
    ];
    for (kind, old, new, spelled) in table {
        check(kind, old, new).unwrap();
        for (format, output) in written(old, new) {
            assert!(output.contains(spelled), "{kind}, {format}: {output}");
        }
    }
}

#[test]
fn a_comment_with_room_for_one_difference_shows_it() {
    let words =
        |word: &str| format!("{}{word} {}", "before ".repeat(9_000), "after ".repeat(9_000));
    let lines = |word: &str| {
        (0..900).map(|n| format!("{word} {n} of words")).collect::<Vec<_>>().join("\n")
    };
    for (old, new) in [(words("SPY"), words("QQQ")), (lines("old"), lines("new"))] {
        for most in [1_100, 1_500, 5_000, 20_000] {
            let reason = "prompt cannot be changed in place";
            let plan = plan(vec![("spy", replace("Spy", &old, &new), reason, StepStatus::Ready)]);
            let text = markdown::render(&PlanView::new(&plan), 3, most);
            assert!(text.len() <= most && !text.contains("left out"), "{most}: {text}");
            let is_whole = new.contains("QQQ");
            assert_eq!(text.contains("1 change is cut for size"), !is_whole, "{most}: {text}");
            assert!(text.contains("\n- ") && text.contains("```diff\n"), "{most}: {text}");
        }
    }
}

#[test]
fn what_is_left_out_of_a_comment_is_counted_in_its_number() {
    let step = |key| (key, replace("Spy", "old", "new"), "prompt", StepStatus::Ready);
    let one = PlanView::new(&plan(vec![step("a")]));
    let two = PlanView::new(&plan(vec![step("a"), step("b")]));
    assert!(markdown::render(&one, 3, 0).contains("everything: 1 part is left out for size.**"));
    assert!(markdown::render(&two, 3, 0).contains("everything: 2 parts are left out for size.**"));
}

/// What each format for reviewers writes of a text that will be sent, wherever it stands.
fn sent(old: &str, new: &str) -> Vec<(String, String)> {
    let text = |text: &str| -> Arc<str> { text.into() };
    let deploy = |later| match run(TaskRef::Existing(TaskId(512))) {
        Change::Deploy { task, seen, since, content, .. } => {
            Change::Deploy { task, seen, since, content, later }
        }
        other => other,
    };
    let prompt = |prompt: &str, later| Change::Prompt {
        run: DeploymentId("A-1".to_owned()),
        prompt: text(prompt),
        turns: Vec::new(),
        later,
    };
    let changes = [
        ("a new prompt", "spy", create("Spy", new)),
        ("a changed prompt", "spy", replace("Spy", old, new)),
        ("a follow-up of a new deployment", "spy/d", deploy(vec![text("Report"), text(new)])),
        ("a follow-up", "spy/d", prompt(new, Vec::new())),
        ("a later follow-up", "spy/d", prompt("Report", vec![text(new)])),
    ];
    let mut shown_texts = Vec::new();
    for (place, address, change) in changes {
        let plan = plan(vec![(address, change, "it is due", StepStatus::Ready)]);
        let view = PlanView::new(&plan);
        let narrow = TextOptions { width: Some(60), ..TextOptions::default() };
        let formats = [
            ("text", shown(&plan, &TextOptions::default())),
            ("text of 60 columns", shown(&plan, &narrow)),
            ("markdown", markdown::render(&view, 3, markdown::DEFAULT_BYTES)),
            ("html", html::plan(&view, 3)),
        ];
        let name = |(format, text)| (format!("{place} as {format}"), text);
        shown_texts.extend(formats.into_iter().map(name));
    }
    shown_texts
}

/// Without marks and without what a terminal's end or a page adds between letters.
fn letters(output: &str) -> String {
    let marks = ["{-", "-}", "{+", "+}", "<mark>", "</mark>"];
    let bare = marks.iter().fold(output.to_owned(), |text, mark| text.replace(mark, ""));
    bare.chars().filter(|c| !c.is_whitespace() && *c != '|').collect()
}

/// So many words, none of them twice.
fn numbered(count: usize, between: &str) -> String {
    (0..count).map(|n| format!("q{n}z")).collect::<Vec<_>>().join(between)
}

#[test]
fn what_will_be_sent_is_shown_whole_where_only_unchanged_text_is_cut() {
    let same = "These words stay as they were. ".repeat(30);
    let lines = "A line that stays.\n".repeat(100);
    let table = [
        ("a line of 280 characters", String::new(), numbered(60, " ")),
        ("a line of 20 kB", String::new(), numbered(1_200, " ")),
        ("a line without blanks", String::new(), numbered(600, ".")),
        ("13 lines", String::new(), numbered(13, "\n")),
        ("400 lines", String::new(), numbered(400, " is a word of a line of a prompt.\n")),
        ("a new long line", lines.clone(), format!("{lines}{}\n{lines}", numbered(300, " "))),
        ("400 added lines", lines.clone(), format!("{lines}{}\n{lines}", numbered(400, "\n"))),
        ("a long stretch", same.clone(), format!("{same}{} {same}", numbered(400, " "))),
        ("30 changes in a line", same.repeat(8), same.repeat(8).replace("stay", "q1z q2z stay")),
        ("a rewritten line", same.replace("stay", "q0z"), numbered(500, " ")),
        ("a rewritten text", lines.replace("stays", "q0z"), numbered(600, "\n")),
    ];
    for (kind, old, new) in &table {
        for (place, output) in sent(old, new) {
            let output = letters(&output);
            let words = new.split([' ', '.', '\n']).filter(|word| word.starts_with('q'));
            let lost: Vec<&str> = words.filter(|word| !output.contains(word)).collect();
            assert!(lost.is_empty(), "{kind}: {place} lacks {lost:?}");
            assert!(!output.contains("doesnotshoweverything"), "{kind}: {place}");
        }
    }
}

#[test]
fn what_is_longer_than_a_comment_says_so_in_its_verdict() {
    let lines = numbered(9_000, "\n");
    let table = [
        ("one line", String::new(), numbered(9_000, " "), "1 change is cut"),
        ("lines", String::new(), lines.clone(), "1 change is cut"),
        ("added lines", lines.clone(), format!("{lines}\n{}", lines.replace('q', "p")), "1 change"),
    ];
    for (kind, old, new, words) in &table {
        for (place, output) in sent(old, new) {
            let is_cut = place.ends_with("markdown");
            let words = format!("\n**This does not show everything: {words}");
            assert_eq!(output.contains(&words), is_cut, "{kind}: {place}");
            assert!(!is_cut || output.len() <= markdown::DEFAULT_BYTES, "{kind}: {}", output.len());
            // The rest of the room is used.
            assert!(output.len() > 15_000, "{kind}: {place}: {}", output.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every inserted letter stands in the text and in the comment, whatever stays around it.
    #[test]
    fn every_letter_that_is_new_is_shown(
        kept in prop::collection::vec("([a-c]{1,5}|株|\u{a0}|<b>|`|\\{\\+|\n)", 0..20),
        times in prop_oneof![Just(1_usize), Just(60)],
        inserted in prop::collection::vec((any::<prop::sample::Index>(), 1..200_usize), 1..4),
        between in "[ \n.]",
    ) {
        let old: Vec<String> = kept.iter().cloned().cycle().take(kept.len() * times).collect();
        let mut new = old.clone();
        for (at, count) in inserted {
            new.insert(at.index(new.len() + 1), numbered(count, &between));
        }
        let (old, new) = (old.join(" "), new.join(" "));
        let (old, new) = (canonical_text(&old), canonical_text(&new));
        for (place, output) in sent(&old, &new) {
            let output = letters(&output);
            let lost = (0..200).map(|n| format!("q{n}z"));
            let lost = lost.filter(|word| new.contains(word) && !output.contains(word));
            prop_assert!(lost.clone().next().is_none(), "{place} lacks {:?}", lost.collect::<Vec<_>>());
        }
    }

    #[test]
    fn two_texts_that_differ_look_different_in_every_format(
        words in prop::collection::vec("([a-c]{1,5}|株|\u{430}|\u{200b}|\u{a0}|<b>|`|::error::|\\{\\+|\n)", 1..30),
        at in any::<prop::sample::Index>(),
        word in "([a-d]{1,5}|價|\u{430}|\u{2064}|-|\\+\\})?",
        times in prop_oneof![Just(1_usize), Just(300)],
    ) {
        let old: Vec<&str> = words.iter().map(String::as_str).cycle().take(words.len() * times).collect();
        let mut new = old.clone();
        new[at.index(old.len())] = &word;
        let (old, new) = (old.join(" "), new.join(" "));
        let (old, new) = (canonical_text(&old), canonical_text(&new));
        prop_assume!(old != new);
        check("any", &old, &new)?;
    }
}
