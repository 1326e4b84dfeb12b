//! A plan as text: the verdict first, every change with its reason, and the counts again.
//!
//! What is new or changed in an entry is shown whole: somebody approves that it is sent. Many entries
//! of a kind, and what stays or goes, are cut, each with a count. [`Length::Full`] shows all. Colors
//! only repeat what the characters say.

mod long;

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{Action, counted};
use crate::render::escape::Untrusted;
use crate::render::paint::{Color, Label};
use crate::render::rows::{DRIFTED, FieldChange, FieldRow, ShownValue, in_line, member_changes};
use crate::render::view::{
    Blocker, Candidate, Entry, EntrySubject, Finding, PlanView, RemovedTask, State,
};
use crate::render::words::label;
use crate::render::wrap::Wrapped;

/// How many entries of one action are shown, and how many findings of one code.
///
/// A screen or two of each; who reviews more at once does it in a file, with `-v`.
pub(super) const MOST_OF_A_KIND: usize = 50;

/// How many addresses are named that one reason affects.
const ADDRESSES: usize = 10;

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// Whether in colors.
    pub color: Color,
    /// How many unchanged lines surround changed ones.
    pub context: usize,
    /// How much is written.
    pub length: Length,
    /// How many columns the reader's terminal has; `None` where lines are not broken.
    pub width: Option<usize>,
}

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// What a reader can take in.
    #[default]
    Cut,
    /// Everything.
    Full,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { color: Color::Off, context: 3, length: Length::Cut, width: None }
    }
}

/// Writes a plan as text.
pub fn render(view: &PlanView, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut wrapped = Wrapped::new(options.width, out);
    let out: &mut dyn fmt::Write = &mut wrapped;
    environment(view.environment.as_ref(), &view.organization_id, options, out)?;
    let verdict = options.color.paint(Label::Verdict, view.counts.verdict());
    writeln!(out, "{verdict}")?;
    if view.entries.is_empty() && view.notes.is_empty() && view.stops.is_empty() {
        return Ok(());
    }
    let mut text = TextWriter { options, out };
    text.entries(&view.entries)?;
    text.notes(&view.notes)?;
    text.stops(&view.stops)?;
    if let Some(line) = view.counts.budget.line() {
        writeln!(out, "\n{line}")?;
    }
    writeln!(out, "\n{verdict}")?;
    writeln!(out, "Digest: {}", view.digest)
}

/// Writes which environment something is about, where the manifest declares environments.
pub(super) fn environment(
    name: Option<&Untrusted>,
    organization_id: &Untrusted,
    options: &TextOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let Some(name) = name else { return Ok(()) };
    let words = format!("Environment {}, organization {}", name.part(), organization_id.part());
    writeln!(out, "{}", options.color.paint(Label::Verdict, words))
}

/// Text on its way out.
pub(super) struct TextWriter<'o> {
    pub(super) options: &'o TextOptions,
    pub(super) out: &'o mut dyn fmt::Write,
}

impl TextWriter<'_> {
    fn is_full(&self) -> bool {
        self.options.length == Length::Full
    }

    /// How much of `all` is shown where `most` is what a reader can take in.
    pub(super) fn shown(&self, all: usize, most: usize) -> usize {
        if self.is_full() { all } else { all.min(most) }
    }

    fn paint(&self, label: Label, text: impl fmt::Display) -> String {
        self.options.color.paint(label, text)
    }

    /// Writes what is left out, if something is.
    pub(super) fn left_out(&mut self, indent: &str, count: usize, what: &str) -> fmt::Result {
        if count == 0 {
            return Ok(());
        }
        let words = self.paint(Label::Aside, format!("... {count} more {what} (`-v` shows all)"));
        writeln!(self.out, "{indent}{words}")
    }

    fn entries(&mut self, entries: &[Entry]) -> fmt::Result {
        let kind = |entry: &Entry| {
            let state = match entry.state {
                State::Ready => 0,
                State::Deferred(_) => 1,
                State::Blocked(_) => 2,
            };
            (state, entry.action)
        };
        let mut totals: BTreeMap<(usize, Option<Action>), (usize, usize)> = BTreeMap::new();
        for entry in entries {
            totals.entry(kind(entry)).or_default().0 += 1;
        }
        for entry in entries {
            let Some((total, seen)) = totals.get_mut(&kind(entry)) else { continue };
            *seen += 1;
            let (total, seen) = (*total, *seen);
            let shown = self.shown(total, MOST_OF_A_KIND);
            if seen <= shown {
                writeln!(self.out)?;
                self.entry(entry)?;
            } else if seen == shown + 1 {
                let what = match (entry.state, entry.action) {
                    (_, None) => "that cannot be decided".to_owned(),
                    (State::Ready, Some(action)) => format!("to {action}"),
                    (State::Deferred(_), Some(action)) => format!("to {action}, deferred"),
                    (State::Blocked(_), Some(action)) => format!("to {action}, blocked"),
                };
                writeln!(self.out)?;
                self.left_out("    ", total - shown, &what)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> fmt::Result {
        self.head(entry)?;
        let because = if entry.action == Some(Action::Replace) { "replaced because " } else { "" };
        let reason = self.paint(Label::Aside, format!("# {because}{}", entry.reason.part()));
        writeln!(self.out, "      {reason}")?;
        for candidate in &entry.candidates {
            self.candidate(candidate)?;
        }
        if let ([first, ..], false) = (entry.candidates.as_slice(), entry.fields.is_empty()) {
            writeln!(self.out, "      compared with {} {}:", first.kind, first.id)?;
        }
        let width = entry.fields.iter().map(|row| row.label().len()).max().unwrap_or_default();
        for row in &entry.fields {
            self.field(row, width)?;
        }
        let verb = if entry.state == State::Ready { "will" } else { "would" };
        for removal in &entry.removals {
            self.removal(removal, verb)?;
        }
        self.users(&entry.users)?;
        self.talk(entry)
    }

    /// Who uses an agent that changes.
    fn users(&mut self, users: &[Untrusted]) -> fmt::Result {
        if users.is_empty() {
            return Ok(());
        }
        let shown = self.shown(users.len(), ADDRESSES);
        let names: Vec<String> = users[..shown].iter().map(Untrusted::part).collect();
        let rest = users.len() - shown;
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        writeln!(self.out, "      used by: {}{rest}", names.join(", "))
    }

    /// The line that says what is done to what; whether it is not stands at its end.
    fn head(&mut self, entry: &Entry) -> fmt::Result {
        let (kind, end) = match entry.state {
            State::Ready => (entry.action.map_or(Label::Blocked, label), String::new()),
            State::Deferred(code) => {
                (Label::Deferred, self.paint(Label::Deferred, format!(": deferred[{code}]")))
            }
            State::Blocked(code) => {
                (Label::Blocked, self.paint(Label::Blocked, format!(": blocked[{code}]")))
            }
        };
        let symbol = self.paint(kind, format!("{:>3}", entry.symbol()));
        let what = match (entry.action, entry.state) {
            (None, _) => "cannot be decided".to_owned(),
            (Some(action), State::Ready) => format!("will be {}", action.participle()),
            (Some(action), _) => format!("would be {}", action.participle()),
        };
        let subject = match &entry.subject {
            None => String::new(),
            Some(EntrySubject { kind, id, name: None }) => format!(" ({kind} {id})"),
            Some(EntrySubject { kind, id, name: Some(name) }) => {
                format!(" ({kind} {id} {})", name.quoted())
            }
        };
        let subject = match &entry.run {
            None => subject,
            Some(run) => format!("{subject} (deployment {})", run.part()),
        };
        let address = self.paint(kind, entry.address.part());
        writeln!(self.out, "{symbol} {address} {what}{subject}{end}")
    }

    fn candidate(&mut self, candidate: &Candidate) -> fmt::Result {
        let Candidate { kind, id, name, created } = candidate;
        let created = created.map_or_else(String::new, |at| format!(", made {at}"));
        writeln!(self.out, "      candidate: {kind} {id} {}{created}", name.quoted())
    }

    fn removal(&mut self, removal: &RemovedTask, verb: &str) -> fmt::Result {
        let RemovedTask { id, name, archived_as } = removal;
        match archived_as {
            Some(archived) => writeln!(
                self.out,
                "      task {id} {} {verb} be archived as {}",
                name.quoted(),
                archived.quoted()
            ),
            None => writeln!(
                self.out,
                "      task {id} {} {verb} be deleted: it has no deployments, no schedule and no \
                 notifications.",
                name.quoted()
            ),
        }
    }

    fn field(&mut self, row: &FieldRow, width: usize) -> fmt::Result {
        let name = format!("{}:", row.label());
        let width = width + 1;
        let drift = if row.is_drifted {
            format!("  {}", self.paint(Label::Aside, format!("# {DRIFTED}")))
        } else {
            String::new()
        };
        match &row.change {
            FieldChange::Set(ShownValue::Text(text))
            | FieldChange::Gone(ShownValue::Text(text)) => {
                let lines = counted(text.lines().count(), "line", "lines");
                let characters = counted(text.char_count(), "character", "characters");
                writeln!(self.out, "      {name:width$} ({lines}, {characters})")?;
                if matches!(row.change, FieldChange::Set(_)) {
                    self.whole_text(text)
                } else {
                    self.gone_text(text)
                }
            }
            FieldChange::Set(value) | FieldChange::Gone(value) => {
                writeln!(self.out, "      {name:width$} {}{drift}", in_line(value))
            }
            FieldChange::Changed(ShownValue::Members(old), ShownValue::Members(new)) => {
                let (added, removed) = member_changes(old, new);
                let sign = |label, sign: char, members: Vec<&Untrusted>| {
                    let shown = |member: &Untrusted| format!("{sign}{}", member.part());
                    members.into_iter().map(|member| self.paint(label, shown(member))).collect()
                };
                let mut words: Vec<String> = sign(Label::Added, '+', added);
                words.extend::<Vec<String>>(sign(Label::Removed, '-', removed));
                writeln!(self.out, "      {name:width$} {}{drift}", words.join(" "))
            }
            FieldChange::Changed(old, new) => {
                let old = self.paint(Label::Removed, in_line(old));
                let new = self.paint(Label::Added, in_line(new));
                writeln!(self.out, "      {name:width$} {old} -> {new}{drift}")
            }
            FieldChange::Text(change) => {
                let words = change.likeness().instead().filter(|_| !self.is_full());
                if let Some(words) = words {
                    return writeln!(self.out, "      {name:width$} {words}{drift}");
                }
                let diff = change.diff();
                let size = format!("+{} / -{} characters", diff.added_count, diff.removed_count);
                writeln!(self.out, "      {name:width$} {size}{drift}")?;
                self.difference(&diff)?;
                if let Some(words) = change.likeness().behind().filter(|_| !self.is_full()) {
                    writeln!(self.out, "        {}", self.paint(Label::Aside, words))?;
                }
                Ok(())
            }
        }
    }

    fn notes(&mut self, notes: &[Finding]) -> fmt::Result {
        let mut seen: BTreeMap<_, usize> = BTreeMap::new();
        for note in notes {
            let seen = seen.entry(note.code).or_default();
            *seen += 1;
            if *seen <= MOST_OF_A_KIND || self.is_full() {
                writeln!(self.out)?;
                let title = self.paint(Label::Note, format!("note[{}]", note.code));
                self.finding(&title, note)?;
            }
        }
        for (code, seen) in seen {
            let rest = seen - self.shown(seen, MOST_OF_A_KIND);
            self.left_out("", rest, &format!("of note[{code}]"))?;
        }
        Ok(())
    }

    fn stops(&mut self, stops: &[Blocker]) -> fmt::Result {
        let mut seen: BTreeMap<State, usize> = BTreeMap::new();
        for stop in stops {
            let seen = seen.entry(stop.state).or_default();
            *seen += 1;
            if *seen <= MOST_OF_A_KIND || self.is_full() {
                writeln!(self.out)?;
                self.stop(stop)?;
            }
        }
        for (state, seen) in seen {
            let rest = seen - self.shown(seen, MOST_OF_A_KIND);
            let what = match state {
                State::Blocked(code) => format!("of blocked[{code}]"),
                State::Deferred(code) => format!("of deferred[{code}]"),
                State::Ready => continue,
            };
            self.left_out("", rest, &what)?;
        }
        Ok(())
    }

    fn stop(&mut self, stop: &Blocker) -> fmt::Result {
        let title = match stop.state {
            State::Blocked(code) => self.paint(Label::Blocked, format!("blocked[{code}]")),
            State::Deferred(code) => self.paint(Label::Deferred, format!("deferred[{code}]")),
            State::Ready => return Ok(()),
        };
        writeln!(self.out, "{title}: {}", stop.finding.message.part())?;
        let all = stop.addresses.len();
        let shown = self.shown(all, ADDRESSES);
        let names: Vec<String> = stop.addresses[..shown].iter().map(Untrusted::part).collect();
        let rest = if all > shown { format!(" and {} more", all - shown) } else { String::new() };
        if !names.is_empty() {
            writeln!(self.out, "  affects: {}{rest}", names.join(", "))?;
        }
        self.ways(&stop.finding)
    }

    /// Writes a finding below its title.
    pub(super) fn finding(&mut self, title: &str, finding: &Finding) -> fmt::Result {
        writeln!(self.out, "{title}: {}", finding.message.part())?;
        self.ways(finding)
    }

    pub(super) fn ways(&mut self, finding: &Finding) -> fmt::Result {
        for way in &finding.ways {
            writeln!(self.out, "  help: {}", way.part())?;
        }
        Ok(())
    }
}
