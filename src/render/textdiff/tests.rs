use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn diff(before: &str, after: &str) -> TextDiff {
    TextChange::new(&before.into(), &after.into()).diff()
}

/// One line per line: side, number, text with marks.
fn shown(lines: &[DiffLine]) -> Vec<String> {
    let line = |line: &DiffLine| {
        let sign = match line.side {
            Side::Both => ' ',
            Side::Old => '-',
            Side::New => '+',
        };
        let piece = |piece: &Piece| {
            if piece.is_marked { format!("<{}>", piece.text.part()) } else { piece.text.part() }
        };
        format!("{sign}{} {}", line.number, line.pieces.iter().map(piece).collect::<String>())
    };
    lines.iter().map(line).collect()
}

#[test]
fn the_changed_words_of_a_line_are_marked() {
    let diff = diff("Buy and hold SPY.\nRebalance weekly.", "Buy and hold QQQ.\nRebalance weekly.");
    assert_eq!(
        shown(&diff.lines),
        ["-1 Buy and hold <SPY>.", "+1 Buy and hold <QQQ>.", " 2 Rebalance weekly."]
    );
    assert_eq!((diff.added_count, diff.removed_count), (3, 3));
}

#[test]
fn a_line_that_was_rewritten_has_no_marks() {
    let diff = diff("Buy and hold SPY.", "Trade crypto momentum hourly with stops.");
    assert_eq!(
        shown(&diff.lines),
        ["-1 Buy and hold SPY.", "+1 Trade crypto momentum hourly with stops."]
    );
}

#[test]
fn a_line_that_is_new_as_a_whole_has_no_marks() {
    let diff = diff("Report the ratio and it is done", "Report the ratio\nand it is done");
    assert!(shown(&diff.lines).iter().all(|line| !line.contains("+2 <")), "{:?}", diff.lines);
}

#[test]
fn a_line_added_at_the_end_leaves_the_last_one_alone() {
    let diff = diff("one\ntwo", "one\ntwo\nthree");
    assert_eq!(shown(&diff.lines), [" 1 one", " 2 two", "+3 three"]);
    assert_eq!((diff.added_count, diff.removed_count), (6, 0));
}

#[test]
fn a_changed_blank_is_a_difference_that_shows() {
    let diff = diff("buy  SPY and hold it", "buy SPY and hold it");
    assert_eq!(shown(&diff.lines), ["-1 buy<  >SPY and hold it", "+1 buy< >SPY and hold it"]);
}

#[test]
fn hunks_keep_their_context_and_join_where_they_meet() {
    let before: Vec<String> = (1..=20).map(|n| format!("line {n}")).collect();
    let mut after = before.clone();
    after[4] = "other".to_owned();
    after[8] = "different".to_owned();
    after[17].clear();
    let diff = diff(&before.join("\n"), &after.join("\n"));
    let first_numbers =
        |context| -> Vec<usize> { diff.hunks(context).iter().map(|hunk| hunk[0].number).collect() };
    assert_eq!(first_numbers(0), [5, 9, 18]);
    assert_eq!(first_numbers(2), [3, 16]);
    assert_eq!(first_numbers(usize::MAX), [1]);
    assert_eq!(diff.hunks(1)[0].len(), 4);
}

#[test]
fn large_texts_are_compared_in_bounded_time() {
    let text = |count: usize, part: &dyn Fn(usize) -> String, between: &str| {
        (0..count).map(part).collect::<Vec<String>>().join(between)
    };
    let texts = [
        ("a ".repeat(500_000), "a b ".repeat(250_000)),
        (text(50_000, &|n| format!("old {n}"), "\n"), text(50_000, &|n| format!("new {n}"), "\n")),
        (
            text(30_000, &|n| (n % 7).to_string(), "\n"),
            text(30_000, &|n| (n % 11).to_string(), "\n"),
        ),
        (
            text(3_000, &|n| format!("word{}", n * 7 % 3001), " "),
            text(3_000, &|n| format!("word{}", n * 11 % 3001), " "),
        ),
    ];
    for (at, (before, after)) in texts.iter().enumerate() {
        let start = Instant::now();
        let diff = diff(before, after);
        assert!(!diff.lines.is_empty());
        // Ten times what a slow machine needs, so that only a change of order fails.
        assert!(start.elapsed().as_secs() < 20, "text {at} took {:?}", start.elapsed());
    }
}

proptest! {
    #[test]
    fn each_text_can_be_read_off_its_difference(
        before in "([ab ]|\\n|é){0,40}",
        after in "([ab ]|\\n|é){0,40}",
    ) {
        let diff = diff(&before, &after);
        let side = |other: Side| -> String {
            let lines = diff.lines.iter().filter(|line| line.side != other);
            let lines = lines.map(|line| line.pieces.iter().map(|piece| piece.text.part()));
            lines.map(|line| line.collect::<String>() + "\n").collect()
        };
        // A text that says nothing has no line.
        let lines = |text: String| if text.is_empty() { text } else { text + "\n" };
        prop_assert_eq!(side(Side::New), lines(before));
        prop_assert_eq!(side(Side::Old), lines(after));
    }
}
