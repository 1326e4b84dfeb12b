//! A plan as Markdown, for comments at a pull request.
//!
//! The verdict comes first; what is risky (blocked, removed, replaced) is always named; differences of
//! prompts are folded. Where the size is limited, the least risky goes first: its difference is cut to
//! fewer lines, then left out, and a count says what is missing. Words that differ are marked as in the
//! text form, because nothing else is seen within a block of code. Foreign text stands only inside code, behind more backticks than it holds itself, so
//! that no mention, link, table or tag in it does anything.

use std::fmt::Write as _;

use crate::model::{Action, counted};
use crate::render::escape::{self, Untrusted};
use crate::render::rows::{FieldChange, ShownValue};
use crate::render::textdiff::excerpt::{Room, Row, whole};
use crate::render::textdiff::{Side, TextChange};
use crate::render::view::{Entry, Finding, PlanView, State, TurnRow};

/// How the first line begins, by which a bot finds its comment again; the digest comes behind it.
pub const MARKER: &str = "<!-- qcops-plan";

/// The most bytes unless told otherwise: GitHub takes 65,536 characters.
pub const DEFAULT_BYTES: usize = 60_000;

/// Bytes kept for the line that says what was left out.
const RESERVE: usize = 200;

/// How much of a step's differences is shown: the most that fits. The whole is in the text form.
const ROOMS: [Room; 4] = [
    Room { context: usize::MAX, lines: 200, ..Room::TEXT },
    Room { context: 2, lines: 40, ..Room::TEXT },
    Room { context: 0, lines: 10, around: 40, change: 120, all: 400, ..Room::TEXT },
    Room { context: 0, lines: 2, line: 100, around: 20, change: 60, all: 100 },
];

/// How many addresses are named that one reason affects; each has a line of its own, with the code.
const ADDRESSES: usize = 10;

/// Returns a plan as Markdown of at most `most` bytes.
///
/// The verdict, the digest and a line for each risky step are always there; they are what a limit
/// must leave room for.
pub fn render(view: &PlanView, context: usize, most: usize) -> String {
    let mut page = Page { text: String::new(), most: most.saturating_sub(RESERVE), left_out: 0 };
    page.must(&head(view));
    let mut entries: Vec<&Entry> = view.entries.iter().collect();
    entries.sort_by_key(|entry| risk(entry));
    for entry in &entries {
        let line = line(entry);
        if risk(entry) <= RISKY { page.must(&line) } else { page.may(line) }
    }
    for stop in &view.stops {
        let addresses: Vec<String> = stop.addresses.iter().map(Untrusted::part).collect();
        let (word, code) = match stop.state {
            State::Blocked(code) => ("blocked", code),
            State::Deferred(code) => ("deferred", code),
            State::Ready => continue,
        };
        let title = format!("{word}[{code}]");
        page.may(finding(&title, &stop.finding, &addresses));
    }
    for entry in &entries {
        page.may_any(ROOMS.iter().map_while(|room| {
            details(entry, &Room { context: context.min(room.context), ..*room })
        }));
    }
    for note in &view.notes {
        page.may(finding(&format!("note[{}]", note.code), note, &[]));
    }
    page.finish()
}

/// Returns the result of a plan, as its text form has it, as a block of code.
pub fn block(text: &str) -> String {
    format!("\n{}", fenced(text.trim_start_matches('\n'), "text"))
}

/// Returns the page of a command that ended before there was a plan: what it said, of at most `most`
/// bytes as long as the first line fits.
pub fn failure(command: &str, exit_code: u8, said: &str, most: usize) -> String {
    page(&format!("**`qcops {command}` ended with exit code {exit_code}.**\n"), said, most)
}

/// Returns the page of a valid manifest: its sentence, and what was found all the same.
pub fn said(words: &str, findings: &str, most: usize) -> String {
    page(&format!("**{words}**\n"), findings, most)
}

/// Text that was printed below a first line.
fn page(head: &str, said: &str, most: usize) -> String {
    if said.is_empty() {
        return head.to_owned();
    }
    let room = most.saturating_sub(head.len() + RESERVE);
    let mut kept = String::new();
    let mut lines = said.lines();
    let mut left_out = 0;
    for line in lines.by_ref() {
        if kept.len() + line.len() >= room {
            left_out = 1;
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    left_out += lines.count();
    let page = format!("{head}{}", block(&kept));
    if left_out == 0 {
        return page;
    }
    let words = counted(left_out, "line is", "lines are");
    format!("{page}\n*{words} left out for size; the log has all.*\n")
}

/// Text that grows up to a limit.
struct Page {
    text: String,
    most: usize,
    left_out: usize,
}

impl Page {
    fn must(&mut self, block: &str) {
        self.text.push_str(block);
    }

    fn may(&mut self, block: String) {
        self.may_any(std::iter::once(block));
    }

    /// Adds the first of several forms of one part that fits; none where there are none.
    fn may_any(&mut self, forms: impl Iterator<Item = String>) {
        let mut is_there = false;
        for form in forms {
            if self.text.len() + form.len() <= self.most {
                return self.text.push_str(&form);
            }
            is_there = true;
        }
        self.left_out += usize::from(is_there);
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            let parts = counted(self.left_out, "part is", "parts are");
            let words = format!("\n*{parts} left out for size; `qcops plan -v` shows all.*\n");
            self.text.push_str(&words);
        }
        self.text
    }
}

fn head(view: &PlanView) -> String {
    let counts = &view.counts;
    let mut rows: Vec<(String, usize)> =
        counts.ready.iter().map(|(action, count)| (action.to_string(), *count)).collect();
    let others = [
        ("deferred", counts.deferred),
        ("blocked", counts.blocked),
        ("unchanged", counts.unchanged),
        ("unmanaged", counts.unmanaged),
    ];
    for (word, count) in others {
        if count > 0 {
            rows.push((word.to_owned(), count));
        }
    }
    let cells = |cell: fn(&(String, usize)) -> String| {
        rows.iter().map(cell).collect::<Vec<_>>().join(" | ")
    };
    let table = format!(
        "| {} |\n|{}\n| {} |\n\n",
        cells(|(word, _)| word.clone()),
        " ---: |".repeat(rows.len()),
        cells(|(_, count)| count.to_string()),
    );
    format!(
        "{MARKER} digest={digest} -->\n**{}**\n\n{}{}Digest: `{digest}`\n\n",
        counts.verdict(),
        counts.budget.line().map_or_else(String::new, |line| format!("{line}\n\n")),
        if rows.is_empty() { "" } else { &table },
        digest = view.digest,
    )
}

/// The last rank that is always shown.
const RISKY: u8 = 3;

/// How much a reviewer has to look at an entry, the most first.
fn risk(entry: &Entry) -> u8 {
    match (entry.state, entry.action) {
        (State::Blocked(_), _) | (_, None) => 0,
        (_, Some(Action::Delete)) => 1,
        (_, Some(Action::Archive)) => 2,
        (_, Some(Action::Replace)) => RISKY,
        (_, Some(Action::Deploy | Action::Prompt | Action::Stop)) => 4,
        (_, Some(Action::Update | Action::Restore)) => 5,
        (_, Some(Action::Create | Action::Undecided | Action::NoChange)) => 6,
    }
}

fn line(entry: &Entry) -> String {
    let what = entry.action.map_or("cannot be decided", Action::participle);
    let subject = entry.subject.as_ref().map(|(id, _)| format!(", task {id}")).unwrap_or_default();
    let state = match entry.state {
        State::Ready => String::new(),
        State::Deferred(code) => format!(": deferred[{code}]"),
        State::Blocked(code) => format!(": blocked[{code}]"),
    };
    let cost = entry.cost.map_or_else(String::new, |cost| format!("; estimated {}", cost.words()));
    format!("- `{}` {} {what}{subject}{state}{cost}\n", entry.symbol(), code(&entry.address))
}

/// Why an entry is there and what differs, folded.
fn details(entry: &Entry, room: &Room) -> Option<String> {
    let mut body = String::new();
    writeln!(body, "# {}", entry.reason.part()).expect("a string takes everything");
    for row in &entry.fields {
        field(&mut body, row.label(), &row.change, room);
    }
    for removal in &entry.removals {
        let kept = removal
            .archived_as
            .as_ref()
            .map_or_else(|| "deleted".to_owned(), |name| format!("archived as {}", name.quoted()));
        writeln!(body, "# task {} {}: {kept}", removal.id, removal.name.quoted())
            .expect("a string takes everything");
    }
    for candidate in &entry.candidates {
        writeln!(body, "# candidate: task {} {}", candidate.id, candidate.name.quoted())
            .expect("a string takes everything");
    }
    if let Some(prompt) = &entry.prompt {
        lines_of(&mut body, &prefixed(prompt, '+', "follow-up", room));
    }
    for text in &entry.later {
        lines_of(&mut body, &prefixed(text, '+', "then, once it is idle", room));
    }
    for turn in &entry.turns {
        follow_up(&mut body, turn, room);
    }
    let is_plain = entry.fields.is_empty()
        && entry.removals.is_empty()
        && entry.candidates.is_empty()
        && entry.prompt.is_none()
        && entry.later.is_empty()
        && entry.turns.is_empty();
    let title = format!("<code>{}</code> {}", entry.symbol(), html(&entry.address));
    (!is_plain).then(|| {
        format!("\n<details><summary>{title}</summary>\n\n{}\n</details>\n", fenced(&body, "diff"))
    })
}

fn field(body: &mut String, name: &str, change: &FieldChange, room: &Room) {
    let shown = |value: &ShownValue| match value {
        ShownValue::Word(text) => text.part(),
        ShownValue::Name(text) | ShownValue::Text(text) => text.quoted(),
        ShownValue::Reference(name, id) => format!("{} ({})", name.quoted(), id.part()),
    };
    let lines = match change {
        FieldChange::Set(ShownValue::Text(text)) => prefixed(text, '+', name, room),
        FieldChange::Gone(ShownValue::Text(text)) => prefixed(text, '-', name, room),
        FieldChange::Set(value) => vec![format!("+ {name}: {}", shown(value))],
        FieldChange::Gone(value) => vec![format!("- {name}: {}", shown(value))],
        FieldChange::Changed(old, new) => {
            vec![format!("- {name}: {}", shown(old)), format!("+ {name}: {}", shown(new))]
        }
        FieldChange::Text(change) => difference(name, change, room),
    };
    lines_of(body, &lines);
}

/// The lines that differ, with their words marked, below a title.
fn difference(title: &str, change: &TextChange, room: &Room) -> Vec<String> {
    let excerpt = change.diff().excerpt(room);
    let shown = |row: &Row| match row {
        Row::Place(number) => format!("@@ line {number} @@"),
        Row::Line(line) => {
            let text = line.braced();
            // Behind a mere blank a stranger's `::` would begin the line.
            let text = if line.side == Side::Both { escape::line(&text) } else { text };
            format!("{} {text}", line.sign()).trim_end().to_owned()
        }
    };
    let rows = excerpt.rows.iter().map(shown);
    let rest = more(excerpt.left_out);
    std::iter::once(format!("# {title}")).chain(rows).chain(rest).collect()
}

/// What is said about lines that are left out.
fn more(count: usize) -> Option<String> {
    (count > 0).then(|| format!("# ... {}", counted(count, "more line", "more lines")))
}

fn lines_of(body: &mut String, lines: &[String]) {
    for line in lines {
        body.push_str(line);
        body.push('\n');
    }
}

/// What was said at a place, against what is declared there.
fn follow_up(body: &mut String, TurnRow { number, said, declared }: &TurnRow, room: &Room) {
    let lines = match (said, declared) {
        _ if said == declared => vec![format!("# follow-up {number}: said as declared")],
        (Some(said), Some(declared)) => {
            let change = TextChange::new(said.shared(), declared.shared());
            difference(&format!("follow-up {number}: said (-), declared (+)"), &change, room)
        }
        (Some(said), None) => prefixed(said, '-', &format!("follow-up {number}: said"), room),
        (None, Some(text)) => prefixed(text, '+', &format!("follow-up {number}: declared"), room),
        (None, None) => Vec::new(),
    };
    lines_of(body, &lines);
}

fn prefixed(text: &Untrusted, sign: char, name: &str, room: &Room) -> Vec<String> {
    let (lines, rest) = whole(text, room);
    let lines = lines.into_iter().map(|line| format!("{sign} {line}").trim_end().to_owned());
    std::iter::once(format!("# {name}")).chain(lines).chain(more(rest)).collect()
}

fn finding(title: &str, finding: &Finding, addresses: &[String]) -> String {
    let mut body = format!("{title}: {}\n", finding.message.part());
    if !addresses.is_empty() {
        let shown = addresses[..addresses.len().min(ADDRESSES)].join(", ");
        let rest = addresses.len().saturating_sub(ADDRESSES);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        writeln!(body, "  affects: {shown}{rest}").expect("a string takes everything");
    }
    for way in &finding.ways {
        writeln!(body, "  help: {}", way.part()).expect("a string takes everything");
    }
    format!("\n{}\n", fenced(&body, "text"))
}

/// A block of code behind more backticks than it holds.
fn fenced(body: &str, language: &str) -> String {
    let fence = "`".repeat((longest_run(body) + 1).max(3));
    format!("{fence}{language}\n{body}{fence}\n")
}

/// A stretch of code within a line.
fn code(text: &Untrusted) -> String {
    let text = text.part();
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
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

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}
