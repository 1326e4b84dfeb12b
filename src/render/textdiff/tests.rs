use std::time::Instant;

use proptest::prelude::*;

use super::excerpt::{Room, Row};
use super::*;

/// A room that cuts what changed, too.
const SMALL: Room = Room { context: 3, lines: 100, line: 240, around: 60, change: 180, all: 1_200 };

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
    let first_numbers = |context| -> Vec<usize> {
        diff.ranges(context).iter().map(|range| diff.lines[range.start].number).collect()
    };
    assert_eq!(first_numbers(0), [5, 9, 18]);
    assert_eq!(first_numbers(2), [3, 16]);
    assert_eq!(first_numbers(usize::MAX), [1]);
    assert_eq!(diff.ranges(1)[0].len(), 4);
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

/// The rows of an excerpt, marks in braces.
fn excerpt(before: &str, after: &str, room: &Room) -> Vec<String> {
    excerpt_rows(&diff(before, after), room)
}

fn excerpt_rows(diff: &TextDiff, room: &Room) -> Vec<String> {
    let excerpt = diff.excerpt(room);
    let row = |row: &Row| match row {
        Row::Place(number) => format!("@{number}"),
        Row::Line(line) => format!("{}{}", line.sign(), line.braced()),
    };
    excerpt.rows.iter().map(row).collect()
}

#[test]
fn a_place_that_differs_is_shown_whatever_the_line() {
    let words = |count: usize, at: usize, word: &str| -> String {
        let word = |n: usize| if n == at { word.to_owned() } else { format!("word{n}") };
        (0..count).map(word).collect::<Vec<String>>().join(" ")
    };
    let table = [
        (
            "a word of 5,000",
            words(5_000, 2_500, "old"),
            words(5_000, 2_500, "new"),
            "{-old-}",
            "{+new+}",
        ),
        (
            "a word of 60,000",
            words(60_000, 40_000, "old"),
            words(60_000, 40_000, "new"),
            "{-old-}",
            "{+new+}",
        ),
        ("a word less", words(5_000, 2_500, "old"), words(5_000, 2_500, ""), "{- old -}", "{+  +}"),
        (
            "a blank more",
            "a ".repeat(9_000) + "b",
            "a ".repeat(5_000) + " " + &"a ".repeat(4_000) + "b",
            "{- -}",
            "{+  +}",
        ),
        (
            "no blanks",
            "x".repeat(20_000) + "A" + &"y".repeat(20_000),
            "x".repeat(20_000) + "B" + &"y".repeat(20_000),
            "{-A-}",
            "{+B+}",
        ),
        ("no blanks, other ends", "A".repeat(20_000), "B".repeat(20_000), "-AAA", "+BBB"),
        (
            "ideographs",
            "株".repeat(9_000) + "価" + &"株".repeat(9_000),
            "株".repeat(9_000) + "格" + &"株".repeat(9_000),
            "{-価-}",
            "{+格+}",
        ),
        (
            "equal ends, else rewritten",
            format!("{0}{1}{0}", "same ".repeat(100), "old ".repeat(900)),
            format!("{0}{1}{0}", "same ".repeat(100), "new ".repeat(900)),
            "{-old",
            "{+new",
        ),
        (
            "Cyrillic",
            "Report the Sharpe ratio".to_owned(),
            "Report the Sh\u{430}rpe ratio".to_owned(),
            "{-Sh\\u{61}rpe-}",
            "{+Sh\\u{430}rpe+}",
        ),
        ("no-break space", "a b c".to_owned(), "a\u{a0}b c".to_owned(), "\\u{20}", "\\u{a0}"),
        (
            "a hidden character",
            "Buy SPY now".to_owned(),
            "Buy SPY\u{2064} now".to_owned(),
            "{-SPY-}",
            "{+SPY\\u{2064}+}",
        ),
        ("blank lines", "a\nb".to_owned(), "a\n \u{a0}\nb".to_owned(), "", "+{+ \u{a0}+}"),
        (
            "a mark of a stranger",
            "buy {+SPY+} now".to_owned(),
            "buy {+SPY+} soon".to_owned(),
            "buy \\u{7b}+SPY+} {-now-}",
            "{+soon+}",
        ),
        (
            "an end of a stranger",
            "a b-}c d e".to_owned(),
            "a }+}c d e".to_owned(),
            "{-b--}}c",
            "{+\\u{7d}++}}c",
        ),
    ];
    for (kind, before, after, old, new) in table {
        for room in [SMALL, Room { lines: 2, ..SMALL }] {
            let rows = excerpt(&before, &after, &room);
            assert!(rows.iter().any(|row| row.contains(old)), "{kind}: {rows:?}");
            assert!(rows.iter().any(|row| row.contains(new)), "{kind}: {rows:?}");
            assert!(rows.iter().all(|row| row.chars().count() < 700), "{kind}: {rows:?}");
        }
    }
}

#[test]
fn however_much_context_there_is_a_line_that_differs_is_shown() {
    let before: Vec<String> = (0..1_000).map(|n| format!("line {n}")).collect();
    let before = before.join("\n");
    let after = before.replace("line 700\n", "line of another kind\n");
    for context in [0, 3, 60, 500, usize::MAX] {
        let room = Room { context, ..SMALL };
        let rows = excerpt(&before, &after, &room);
        assert!(rows.iter().any(|row| row.starts_with('-')), "{context}: {rows:?}");
        assert!(rows.len() <= 101, "{context}");
    }
}

/// The stretches of one side that are marked, or that are lines with a sign, in bytes of the text.
fn marked(diff: &TextDiff, other: Side) -> Vec<Range<usize>> {
    let (mut at, mut ranges) = (0, Vec::new());
    for line in diff.lines.iter().filter(|line| line.side != other) {
        for piece in &line.pieces {
            let end = at + piece.text.raw().len();
            if piece.is_marked {
                ranges.push(at..end);
            }
            at = end;
        }
        at += 1;
    }
    ranges
}

/// A text of words, some of them changed; lines of any length.
fn texts() -> impl Strategy<Value = (String, String)> {
    let word = r"([a-c]{1,6}|株|é|\u{430}|\u{200b}|\{\+|\+\}|::|##\[|\n| |\u{a0}|x{90})";
    let between = prop_oneof![Just(" "), Just(""), Just("\n")];
    let words = prop::collection::vec((word, between), 0..60);
    let times = prop_oneof![Just(1_usize), Just(40), Just(400)];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), word), 1..4);
    (words, times, edits).prop_map(|(words, times, edits)| {
        let join = |words: &[String]| words.concat();
        let words: Vec<String> = words.into_iter().map(|(word, between)| word + between).collect();
        let old: Vec<String> = words.iter().cycle().take(words.len() * times).cloned().collect();
        let mut new = old.clone();
        for (at, word) in edits {
            if new.is_empty() {
                new.push(word);
            } else {
                let at = at.index(new.len());
                new[at] = word;
            }
        }
        (join(&old), join(&new))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is marked begins no sooner and ends no later than the texts differ, but for the rest of a
    /// word; what is not marked is equal; and a place that differs is always shown, and looks different.
    #[test]
    fn at_least_one_place_is_marked_and_at_most_what_differs((before, after) in texts()) {
        prop_assume!(before != after);
        let diff = diff(&before, &after);
        prop_assert!(diff.added_count + diff.removed_count > 0);
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        let (start, end) = lookalike::common_ends(&chars(&before), &chars(&after), |c| *c);
        for (text, other) in [(&before, Side::New), (&after, Side::Old)] {
            let all = chars(text);
            let size = |chars: &[char]| chars.iter().map(|c| c.len_utf8()).sum::<usize>();
            let first = size(&all[..start]);
            let last = text.len() - size(&all[all.len() - end..]);
            for range in marked(&diff, other) {
                // A run of blanks is a word, too.
                let is_far = |words: &str| words.trim().contains([' ', '\n']);
                let is_far = is_far(&text[range.start.min(first)..first])
                    || is_far(&text[last..range.end.max(last)]);
                let is_line = diff.lines.len() > 2;
                prop_assert!(!is_far || is_line, "{:?} of {text:?}", &text[range]);
            }
        }
        for room in [Room::ALL, Room::CHANGES, SMALL, Room { context: 0, lines: 2, line: 100, around: 20, change: 60, all: 100 }] {
            let rows = excerpt_rows(&diff, &room);
            let side = |sign: char| -> Vec<&String> {
                rows.iter().filter(|row| row.starts_with(sign)).collect()
            };
            let (old, new) = (side('-'), side('+'));
            prop_assert!(!old.is_empty() || !new.is_empty(), "{rows:?}");
            let bare = |rows: &[&String]| -> Vec<String> {
                rows.iter().map(|row| row[1..].replace("{-", "{").replace("{+", "{")
                    .replace("-}", "}").replace("+}", "}")).collect()
            };
            prop_assert!(bare(&old) != bare(&new), "{rows:?}");
        }
    }

    #[test]
    fn texts_without_a_word_in_common_differ_wherever_they_are_cut(
        before in "[a-c株 ]{0,30}", after in "[a-c株 ]{0,30}", times in 1..60_usize,
    ) {
        prop_assume!(before != after);
        let rows = excerpt(&before.repeat(times), &after.repeat(times), &SMALL);
        prop_assert!(rows.iter().any(|row| row.starts_with(['-', '+'])), "{rows:?}");
    }
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
