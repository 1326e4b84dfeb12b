//! A plan as Markdown, for comments at a pull request.
//!
//! The verdict comes first; what is risky (blocked, removed, replaced) is always named; differences of
//! prompts are folded. What is new or changed is shown whole as long as the size allows it. Where it
//! does not, every change gets a part of the room, and the verdict says that the page does not show
//! everything. Words that differ are marked as in the text form, because nothing else is seen within a
//! block of code. Foreign text stands only inside code, behind more backticks than it holds itself, so
//! that no mention, link, table or tag in it does anything.

mod details;

use std::fmt::Write as _;

use crate::model::{Action, counted};
use crate::render::escape::Untrusted;
use crate::render::textdiff::excerpt::Room;
use crate::render::view::{Entry, Finding, PlanView, State};

use details::{Details, Form, fenced, longest_run};

/// How the first line begins, by which a bot finds its comment again; the digest comes behind it.
pub const MARKER: &str = "<!-- qcops-plan";

/// The most bytes unless told otherwise: GitHub takes 65,536 characters.
pub const DEFAULT_BYTES: usize = 60_000;

/// Bytes kept for the line that says what was left out.
const RESERVE: usize = 250;

/// How much of a step's differences is shown, the least first; the last three show all that is new or
/// changed.
const ROOMS: [Room; 9] = [
    Room { context: 0, lines: 2, line: 100, around: 20, change: 60, all: 100 },
    cut(1),
    cut(6),
    cut(25),
    cut(100),
    cut(400),
    Room { context: 0, ..Room::CHANGES },
    Room { context: 2, ..Room::CHANGES },
    Room { context: usize::MAX, ..Room::CHANGES },
];

/// Room for a part of what is new or changed.
const fn cut(times: usize) -> Room {
    let (lines, change, all) = (10 * times, 120 * times, 400 * times);
    Room { context: 0, lines, around: 40, change, all, ..Room::CHANGES }
}

/// How many addresses are named that one reason affects; each has a line of its own, with the code.
const ADDRESSES: usize = 10;

/// Returns a plan as Markdown of at most `most` bytes.
///
/// The verdict, the digest and a line for each risky step are always there; they are what a limit
/// must leave room for.
pub fn render(view: &PlanView, context: usize, most: usize) -> String {
    let mut page = Page { text: String::new(), most: most.saturating_sub(RESERVE), left_out: 0 };
    let head_size = head(view, "").len();
    page.most = page.most.saturating_sub(head_size);
    let mut entries: Vec<&Entry> = view.entries.iter().collect();
    entries.sort_by_key(|entry| risk(entry));
    for entry in &entries {
        let line = line(entry);
        if risk(entry) <= RISKY { page.must(&line) } else { page.may(&line) }
    }
    for stop in &view.stops {
        let addresses: Vec<String> = stop.addresses.iter().map(Untrusted::part).collect();
        let (word, code) = match stop.state {
            State::Blocked(code) => ("blocked", code),
            State::Deferred(code) => ("deferred", code),
            State::Ready => continue,
        };
        let title = format!("{word}[{code}]");
        page.may(&finding(&title, &stop.finding, &addresses));
    }
    let note = |note: &Finding| finding(&format!("note[{}]", note.code), note, &[]);
    let notes: Vec<String> = view.notes.iter().map(note).collect();
    let size_of_notes: usize = notes.iter().map(String::len).sum();
    let room = page.most.saturating_sub(page.text.len());
    let cut_count = page.details(&entries, context, room - size_of_notes.min(room / 4));
    for note in &notes {
        page.may(note);
    }
    let warning = warning(cut_count, page.left_out);
    format!("{}{}", head(view, &warning), page.text)
}

/// Returns a plan as [`render`] does, with what was found in its manifests below it: what a person
/// reads on a terminal belongs to a review, too.
pub fn render_with(view: &PlanView, context: usize, most: usize, findings: &str) -> String {
    let below = page("", findings, most / FINDINGS_PART);
    let plan = render(view, context, most.saturating_sub(below.len()));
    format!("{plan}{below}")
}

/// The part of a page that findings take at most.
const FINDINGS_PART: usize = 4;

/// Says that a page does not show everything, and what does.
fn warning(cut: usize, left_out: usize) -> String {
    let parts = [
        (cut, counted(cut, "change is cut", "changes are cut")),
        (left_out, counted(left_out, "part is left out", "parts are left out")),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(count, words)| (count > 0).then_some(words)).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        "**This does not show everything: {} for size.** `qcops plan -v`, `--format html` and \
         `--format json` show all, and `--max-bytes` sets the size.\n\n",
        parts.join(" and ")
    )
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

    fn may(&mut self, block: &str) {
        if self.text.len() + block.len() <= self.most {
            self.text.push_str(block);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds what differs in each entry, within so many bytes, and returns of how many a part is missing.
    ///
    /// All get a little before one gets more, so that whatever can be whole within the size is.
    fn details(&mut self, entries: &[&Entry], context: usize, most: usize) -> usize {
        let mut left = most;
        let mut shown: Vec<(Details<'_>, Form)> = Vec::new();
        for entry in entries {
            let Some(details) = Details::of(entry) else { continue };
            let form = details.form(&ROOMS[0]);
            match left.checked_sub(form.text.len()) {
                Some(rest) => {
                    left = rest;
                    shown.push((details, form));
                }
                None => self.left_out += 1,
            }
        }
        for room in &ROOMS[1..] {
            let room = Room { context: context.min(room.context), ..*room };
            for (details, form) in &mut shown {
                let larger = details.form(&room);
                if let Some(rest) = (left + form.text.len()).checked_sub(larger.text.len()) {
                    (left, *form) = (rest, larger);
                }
            }
        }
        for (_, form) in &shown {
            self.text.push_str(&form.text);
        }
        shown.iter().filter(|(_, form)| !form.is_whole).count()
    }
}

/// What a page begins with; a warning stands below the verdict.
fn head(view: &PlanView, warning: &str) -> String {
    let counts = &view.counts;
    let mut rows: Vec<(String, usize)> =
        counts.ready.iter().map(|(action, count)| (action.to_string(), *count)).collect();
    let others = [
        ("deferred", counts.deferred),
        ("blocked", counts.blocked),
        ("drifted", counts.drifted),
        ("unchanged", counts.unchanged),
        ("stored otherwise", counts.stored_otherwise),
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
        "{MARKER} digest={digest} -->\n{}**{}**\n\n{warning}{}{}Digest: `{digest}`\n\n",
        view.environment.as_ref().map_or_else(String::new, |name| {
            format!("Environment {}, organization {}\n\n", code(name), code(&view.organization_id))
        }),
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
    let subject = entry
        .subject
        .as_ref()
        .map(|subject| format!(", {} {}", subject.kind, subject.id))
        .unwrap_or_default();
    let state = match entry.state {
        State::Ready => String::new(),
        State::Deferred(code) => format!(": deferred[{code}]"),
        State::Blocked(code) => format!(": blocked[{code}]"),
    };
    let cost = entry.cost.map_or_else(String::new, |cost| format!("; estimated {}", cost.words()));
    format!("- `{}` {} {what}{subject}{state}{cost}\n", entry.symbol(), code(&entry.address))
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

/// A stretch of code within a cell of a table.
pub(super) fn cell(text: &Untrusted) -> String {
    code(text).replace('|', "\\|")
}

/// A stretch of code within a line.
fn code(text: &Untrusted) -> String {
    let text = text.part();
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
