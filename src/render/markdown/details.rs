//! What differs in one entry of a plan, folded.

use std::fmt::Write as _;
use std::slice;

use crate::model::counted;
use crate::render::escape::{self, Untrusted};
use crate::render::rows::{DRIFTED, FieldChange, ShownValue, in_line, member_changes};
use crate::render::textdiff::excerpt::{Room, Row, WholeText, whole};
use crate::render::textdiff::{Side, TextChange, TextDiff};
use crate::render::view::{Entry, TurnRow};

/// An entry with its differences, in the order in which they are shown.
pub(super) struct Details<'e> {
    entry: &'e Entry,
    diffs: Vec<TextDiff>,
}

/// An entry as there is room for it.
pub(super) struct Form {
    pub(super) text: String,
    /// Whether everything that is new or changed is in it.
    pub(super) is_whole: bool,
}

/// A block of code on its way out.
struct Body<'d> {
    text: String,
    room: &'d Room,
    diffs: slice::Iter<'d, TextDiff>,
    is_whole: bool,
}

impl<'e> Details<'e> {
    /// Compares the texts of an entry; `None` where its line says all.
    pub(super) fn of(entry: &'e Entry) -> Option<Self> {
        let is_plain = entry.fields.is_empty()
            && entry.removals.is_empty()
            && entry.candidates.is_empty()
            && entry.users.is_empty()
            && entry.terms.is_empty()
            && entry.prompt.is_none()
            && entry.later.is_empty()
            && entry.turns.is_empty();
        let fields = entry.fields.iter().filter_map(|row| match &row.change {
            FieldChange::Text(change) => {
                change.likeness().instead().is_none().then(|| change.diff())
            }
            _ => None,
        });
        let turns = entry.turns.iter().filter_map(|turn| match (&turn.said, &turn.declared) {
            (Some(said), Some(declared)) if said != declared => {
                Some(TextChange::new(said.shared(), declared.shared()).diff())
            }
            _ => None,
        });
        (!is_plain).then(|| Self { entry, diffs: fields.chain(turns).collect() })
    }

    /// Why the entry is there and what differs, as there is room for it.
    pub(super) fn form(&self, room: &Room) -> Form {
        let Self { entry, diffs } = self;
        let mut body = Body { text: String::new(), room, diffs: diffs.iter(), is_whole: true };
        body.line(&format!("# {}", entry.reason.part()));
        for row in &entry.fields {
            if row.is_drifted {
                body.line(&format!("# {}: {DRIFTED}", row.label()));
            }
            body.field(row.label(), &row.change);
        }
        for removal in &entry.removals {
            let kept = removal.archived_as.as_ref().map_or_else(
                || "deleted".to_owned(),
                |name| format!("archived as {}", name.quoted()),
            );
            body.line(&format!("# task {} {}: {kept}", removal.id, removal.name.quoted()));
        }
        for candidate in &entry.candidates {
            body.line(&format!(
                "# candidate: {} {} {}",
                candidate.kind,
                candidate.id,
                candidate.name.quoted()
            ));
        }
        if !entry.users.is_empty() {
            let users: Vec<String> = entry.users.iter().map(Untrusted::part).collect();
            body.line(&format!("# used by: {}", users.join(", ")));
        }
        for (field, value) in &entry.terms {
            body.line(&format!("+ {field}: {}", value.part()));
        }
        if let Some(prompt) = &entry.prompt {
            body.new_text(prompt, "follow-up");
        }
        for text in &entry.later {
            body.new_text(text, "then, once it is idle");
        }
        for turn in &entry.turns {
            body.follow_up(turn);
        }
        let title = format!("<code>{}</code> {}", entry.symbol(), html(&entry.address));
        let block = fenced(&body.text, "diff");
        Form {
            text: format!("\n<details><summary>{title}</summary>\n\n{block}\n</details>\n"),
            is_whole: body.is_whole,
        }
    }
}

impl Body<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn field(&mut self, name: &str, change: &FieldChange) {
        match change {
            FieldChange::Set(ShownValue::Text(text)) => self.new_text(text, name),
            FieldChange::Gone(ShownValue::Text(text)) => self.gone_text(text, name),
            FieldChange::Set(value) => self.line(&format!("+ {name}: {}", in_line(value))),
            FieldChange::Gone(value) => self.line(&format!("- {name}: {}", in_line(value))),
            FieldChange::Changed(ShownValue::Members(old), ShownValue::Members(new)) => {
                let (added, removed) = member_changes(old, new);
                for member in removed {
                    self.line(&format!("- {name}: {}", member.part()));
                }
                for member in added {
                    self.line(&format!("+ {name}: {}", member.part()));
                }
            }
            FieldChange::Changed(old, new) => {
                self.line(&format!("- {name}: {}", in_line(old)));
                self.line(&format!("+ {name}: {}", in_line(new)));
            }
            FieldChange::Text(change) => {
                if let Some(words) = change.likeness().instead() {
                    return self.line(&format!("# {name}: {words}"));
                }
                self.difference(name);
                if let Some(words) = change.likeness().behind() {
                    self.line(&format!("# {words}"));
                }
            }
        }
    }

    /// What was said at a place, against what is declared there.
    fn follow_up(&mut self, TurnRow { number, said, declared }: &TurnRow) {
        match (said, declared) {
            _ if said == declared => self.line(&format!("# follow-up {number}: said as declared")),
            (Some(_), Some(_)) => {
                self.difference(&format!("follow-up {number}: said (-), declared (+)"));
            }
            (Some(said), None) => self.gone_text(said, &format!("follow-up {number}: said")),
            (None, Some(text)) => self.new_text(text, &format!("follow-up {number}: declared")),
            (None, None) => {}
        }
    }

    /// The lines that differ, with their words marked, below a title.
    fn difference(&mut self, title: &str) {
        self.line(&format!("# {title}"));
        let Some(diff) = self.diffs.next() else { return };
        let excerpt = diff.excerpt(self.room);
        self.is_whole &= excerpt.is_whole;
        for row in &excerpt.rows {
            match row {
                Row::Place(number) => self.line(&format!("@@ line {number} @@")),
                Row::Line(line) => {
                    let text = line.braced();
                    // Behind a mere blank a stranger's `::` would begin the line.
                    let text = if line.side == Side::Both { escape::line(&text) } else { text };
                    self.line(&format!("{} {text}", line.sign()));
                }
            }
        }
        self.more(excerpt.left_out);
    }

    /// A text that is new, and that is sent.
    fn new_text(&mut self, text: &Untrusted, name: &str) {
        let shown = whole(text, self.room);
        self.is_whole &= shown.is_whole;
        self.lines(&shown, '+', name);
    }

    /// The head of a text that goes.
    fn gone_text(&mut self, text: &Untrusted, name: &str) {
        self.lines(&whole(text, &self.room.of_gone()), '-', name);
    }

    fn lines(&mut self, WholeText { lines, left_out, .. }: &WholeText, sign: char, name: &str) {
        self.line(&format!("# {name}"));
        for line in lines {
            self.line(&format!("{sign} {line}"));
        }
        self.more(*left_out);
    }

    /// Says how many lines are left out.
    fn more(&mut self, count: usize) {
        if count > 0 {
            self.line(&format!("# ... {}", counted(count, "more line", "more lines")));
        }
    }
}

/// A block of code behind more backticks than it holds.
pub(super) fn fenced(body: &str, language: &str) -> String {
    let fence = "`".repeat((longest_run(body) + 1).max(3));
    format!("{fence}{language}\n{body}{fence}\n")
}

/// Text inside a tag, where Markdown does not reach.
fn html(text: &Untrusted) -> String {
    let mut safe = String::new();
    for c in text.part().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '@' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '\\' | '~' | '|' | ':' => {
                write!(safe, "&#{};", u32::from(c)).expect("a string takes everything");
            }
            _ => safe.push(c),
        }
    }
    safe
}

pub(super) fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}
