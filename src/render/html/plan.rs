//! A plan as a page: what holds things back first, then every step with what differs.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::model::{Action, counted};
use crate::render::escape::Untrusted;
use crate::render::html::diff::difference;
use crate::render::html::page::{Keys, page};
use crate::render::rows::{DRIFTED, FieldChange, FieldRow, ShownValue, in_line, member_changes};
use crate::render::textdiff::TextChange;
use crate::render::textdiff::excerpt::Likeness;
use crate::render::view::{
    Blocker, Candidate, Entry, EntrySubject, Finding, PlanView, RemovedTask, State, TurnRow,
};

/// The kinds of steps that are not done.
const BLOCKED: &str = "blocked";
const DEFERRED: &str = "deferred";

/// How many steps a page may have that shows all of them open.
const SHORT: usize = 20;

/// How the steps of a plan are shown.
struct PageShape<'p> {
    /// How many unchanged lines surround changed ones.
    context: usize,
    /// The number of each step, by address.
    place_of: &'p BTreeMap<String, usize>,
}

/// Returns a plan as a page, with so many lines of context around changed ones.
pub fn plan(view: &PlanView, context: usize) -> String {
    let body = html! {
        header {
            h1 { "qcops plan" }
            p.verdict { (view.counts.verdict()) }
            (about(view))
        }
        main { (parts(view, context)) }
    };
    page(&format!("qcops: {}", view.counts.verdict()), keys(view), &body)
}

/// The keys that work where a plan is shown.
pub(super) fn keys(view: &PlanView) -> Keys {
    let has_steps = !view.entries.is_empty();
    Keys { filter: has_steps, places: has_steps, folds: has_steps }
}

/// Which plan it is.
pub(super) fn about(view: &PlanView) -> Markup {
    html! {
        dl.about {
            @if let Some(name) = &view.environment { dt { "Environment" } dd { code { (name.part()) } } }
            dt { "Organization" } dd { code { (view.organization_id.part()) } }
            dt { "Digest" } dd { code { (view.digest) } }
        }
        @if let Some(line) = view.counts.budget.line() { p { (line) } }
    }
}

/// All of a plan but its verdict.
pub(super) fn parts(view: &PlanView, context: usize) -> Markup {
    html! {
        (filters(&[view]))
        (sections(view, context, 1))
    }
}

/// What filters the steps of some plans, where there are any.
pub(super) fn filters(views: &[&PlanView]) -> Markup {
    let entries: Vec<&Entry> = views.iter().flat_map(|view| &view.entries).collect();
    html! {
        @if !entries.is_empty() {
            (tools(&entries))
            p #none hidden { "No step matches the filter." }
        }
    }
}

/// A plan without its verdict and its filters; its steps are numbered from `first` on.
pub(super) fn sections(view: &PlanView, context: usize, first: usize) -> Markup {
    let entries = sorted(view);
    let place_of: BTreeMap<String, usize> =
        (first..).zip(&entries).map(|(at, entry)| (entry.address.part(), at)).collect();
    let shown = PageShape { context, place_of: &place_of };
    let is_short = entries.len() <= SHORT;
    // What stops steps is what a reviewer came for.
    let stops = view.stops.iter().rev();
    html! {
        @if !view.stops.is_empty() {
            section aria-label="What holds steps back" {
                @for stop in stops { (held(stop, &place_of)) }
            }
        }
        @if !entries.is_empty() {
            section aria-label="Steps" {
                @for (at, entry) in (first..).zip(&entries) { (step(at, entry, &shown, is_short)) }
            }
        }
        @if !view.notes.is_empty() {
            section aria-label="Notes" {
                @for note in &view.notes { (remark("note", note.code.as_str(), note, &html! {})) }
            }
        }
    }
}

/// Blocked steps first: a page is read from its top.
fn sorted(view: &PlanView) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = view.entries.iter().collect();
    entries.sort_by_key(|entry| match entry.state {
        State::Blocked(_) => 0,
        State::Ready => 1,
        State::Deferred(_) => 2,
    });
    entries
}

/// The word for an action in the page's own attributes.
pub(super) fn word(action: Action) -> String {
    action.to_string().replace(' ', "-")
}

/// By what a step is filtered: its action, or that it is held back.
fn kind(entry: &Entry) -> String {
    match (entry.state, entry.action) {
        (State::Blocked(_), _) | (_, None) => BLOCKED.to_owned(),
        (State::Deferred(_), _) => DEFERRED.to_owned(),
        (State::Ready, Some(action)) => word(action),
    }
}

/// Filters, and how differences are shown. Boxes work without the script.
fn tools(entries: &[&Entry]) -> Markup {
    let mut count_of: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        *count_of.entry(kind(entry)).or_default() += 1;
    }
    let actions = Action::ALL.into_iter().map(word);
    let kinds: Vec<(String, usize)> = [BLOCKED.to_owned()]
        .into_iter()
        .chain(actions)
        .chain([DEFERRED.to_owned()])
        .filter_map(|kind| count_of.get(&kind).map(|count| (kind, *count)))
        .collect();
    html! {
        div.tools role="search" {
            input #find .js hidden type="search" placeholder="Filter by key  /"
                aria-label="Filter steps by key" autocomplete="off" spellcheck="false";
            fieldset {
                legend { "Show" }
                @for (kind, count) in &kinds {
                    label.chip data-kind=(kind) {
                        input type="checkbox" id={ "show-" (kind) } checked;
                        " " (count) " " (kind.replace('-', " "))
                    }
                }
            }
            fieldset {
                legend { "Prompts" }
                label.chip { input #inline type="radio" name="view" checked; " inline" }
                label.chip { input #side type="radio" name="view"; " side by side" }
            }
            button #all .js hidden type="button" { "Open or close all" }
            output #shown .js hidden { (entries.len()) " of " (entries.len()) }
        }
    }
}

fn held(stop: &Blocker, place_of: &BTreeMap<String, usize>) -> Markup {
    let (kind, code) = match stop.state {
        State::Blocked(code) => (BLOCKED, code),
        State::Deferred(code) => (DEFERRED, code),
        State::Ready => return html! {},
    };
    let addresses = html! {
        @if !stop.addresses.is_empty() {
            p {
                "Affects "
                @for (at, address) in stop.addresses.iter().map(Untrusted::part).enumerate() {
                    @if at > 0 { ", " }
                    @match place_of.get(&address) {
                        Some(place) => a href={ "#step-" (place) } { code { (address) } },
                        None => code { (address) },
                    }
                }
            }
        }
    };
    remark(kind, code.as_str(), &stop.finding, &addresses)
}

/// A finding: what is the matter, and help.
pub(super) fn remark(kind: &str, code: &str, finding: &Finding, about: &Markup) -> Markup {
    html! {
        div.remark data-kind=(kind) {
            p { strong { (kind) "[" (code) "]" } ": " (sentence(&finding.message)) }
            (about)
            @if !finding.ways.is_empty() {
                ul.ways aria-label="Help" {
                    @for way in &finding.ways { li { (sentence(way)) } }
                }
            }
        }
    }
}

/// A sentence of the program, in which code stands between backticks; a lone one is only a character.
fn sentence(words: &Untrusted) -> Markup {
    let words = words.part();
    let pieces: Vec<&str> = words.split('`').collect();
    let is_paired = pieces.len() % 2 == 1;
    html! {
        @for (at, piece) in pieces.iter().enumerate() {
            @if !is_paired {
                @if at > 0 { "`" }
                (piece)
            } @else if at % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

fn step(at: usize, entry: &Entry, shown: &PageShape<'_>, is_short: bool) -> Markup {
    let is_risky = !matches!(entry.state, State::Ready)
        || matches!(entry.action, Some(Action::Replace | Action::Delete | Action::Archive));
    let address = entry.address.part();
    html! {
        details.step id={ "step-" (at) } data-kind=(kind(entry)) data-key=(address)
            open[is_short || is_risky] {
            summary {
                span.symbol aria-hidden="true" { (entry.symbol()) }
                strong.address { (address) }
                " " span.what { (what(entry)) }
                @if let State::Blocked(code) | State::Deferred(code) = entry.state {
                    " " span.badge { (kind(entry)) ": " (code) }
                }
            }
            div.body { (body(entry, shown)) }
        }
    }
}

fn what(entry: &Entry) -> Markup {
    html! {
        @match (entry.action, entry.state) {
            (None, _) => "cannot be decided",
            (Some(action), State::Ready) => { "will be " (action.participle()) },
            (Some(action), _) => { "would be " (action.participle()) },
        }
        @if let Some(EntrySubject { kind, id, name }) = &entry.subject {
            " (" (kind) " " (id)
            @if let Some(name) = name { " " bdi { (name.quoted()) } }
            ")"
        }
        @if let Some(run) = &entry.run { " (run " bdi { (run.part()) } ")" }
    }
}

fn body(entry: &Entry, shown: &PageShape<'_>) -> Markup {
    let because = if entry.action == Some(Action::Replace) { "Replaced because " } else { "" };
    html! {
        p.reason { (because) (sentence(&entry.reason)) }
        @if !entry.candidates.is_empty() {
            ul { @for candidate in &entry.candidates { li { (candidate_line(candidate)) } } }
        }
        @if let ([first, ..], false) = (entry.candidates.as_slice(), entry.fields.is_empty()) {
            p { "Compared with " (first.kind) " " (first.id) ":" }
        }
        @if !entry.fields.is_empty() {
            dl.fields { @for row in &entry.fields { (field(row, shown)) } }
        }
        @for removal in &entry.removals { p.removal { (removal_line(removal, entry.state)) } }
        @if !entry.users.is_empty() {
            p {
                "Used by "
                @for (at, user) in entry.users.iter().enumerate() {
                    @if at > 0 { ", " }
                    code { (user.part()) }
                }
            }
        }
        @if !entry.terms.is_empty() {
            dl.fields {
                @for (field, value) in &entry.terms { dt { (field) } dd { code { (value.part()) } } }
            }
        }
        @if let Some(prompt) = &entry.prompt {
            p { "Follow-up:" }
            (text(prompt))
        }
        @if !entry.turns.is_empty() { (turns(&entry.turns, shown.context)) }
        @for later in &entry.later {
            p { "Then, once it is idle:" }
            (text(later))
        }
    }
}

fn candidate_line(Candidate { kind, id, name, created }: &Candidate) -> Markup {
    html! {
        "Candidate: " (kind) " " (id) " " bdi { (name.quoted()) }
        @if let Some(created) = created { ", made " (created) }
    }
}

fn removal_line(RemovedTask { id, name, archived_as }: &RemovedTask, state: State) -> Markup {
    let verb = if state == State::Ready { "will" } else { "would" };
    html! {
        "Task " (id) " " bdi { (name.quoted()) } " " (verb) " be "
        @match archived_as {
            Some(archived) => { "archived as " bdi { (archived.quoted()) } "." },
            None => "deleted: it has no deployments, no schedule and no notifications.",
        }
    }
}

fn field(row: &FieldRow, shown: &PageShape<'_>) -> Markup {
    html! {
        dt { (row.label()) }
        dd {
            @match &row.change {
                FieldChange::Set(value) | FieldChange::Gone(value) => (whole(value)),
                FieldChange::Changed(ShownValue::Members(old), ShownValue::Members(new)) => {
                    (members(old, new))
                },
                FieldChange::Changed(old, new) => {
                    del { (short(old)) } " " span.arrow { "→" } " " ins { (short(new)) }
                },
                FieldChange::Text(change) => (long_text(change, shown)),
            }
            @if row.is_drifted { p.reason { (DRIFTED) } }
        }
    }
}

/// How a long text changes; the same change is shown once, and the others lead to it.
fn long_text(change: &TextChange, shown: &PageShape<'_>) -> Markup {
    let Likeness::SameAs(address, _) = change.likeness() else {
        return html! {
            (difference(change, shown.context))
            @if let Some(words) = change.likeness().behind() { p.reason { (words) } }
        };
    };
    let words = change.likeness().instead();
    html! {
        p.reason {
            @match shown.place_of.get(&address.part()) {
                Some(place) => a href={ "#step-" (place) } { (words.unwrap_or_default()) },
                None => (words.unwrap_or_default()),
            }
        }
    }
}

/// The members that come and those that go.
fn members(old: &[Untrusted], new: &[Untrusted]) -> Markup {
    let (added, removed) = member_changes(old, new);
    html! {
        @for member in removed { del { code { "-" (member.part()) } } " " }
        @for member in added { ins { code { "+" (member.part()) } } " " }
    }
}

fn whole(value: &ShownValue) -> Markup {
    match value {
        ShownValue::Text(words) => html! {
            p.size {
                (counted(words.lines().count(), "line", "lines")) ", "
                (counted(words.char_count(), "character", "characters"))
            }
            (text(words))
        },
        _ => short(value),
    }
}

fn short(value: &ShownValue) -> Markup {
    html! {
        @match value {
            ShownValue::Word(_) | ShownValue::Pending(_) | ShownValue::Members(_) => {
                code { (in_line(value)) }
            },
            ShownValue::Name(name) | ShownValue::Text(name) => code { (name.quoted()) },
            ShownValue::Reference(name, id) => { code { (name.quoted()) } " (" (id.part()) ")" },
        }
    }
}

/// A text of several lines.
pub(super) fn text(words: &Untrusted) -> Markup {
    let lines: Vec<String> = words.lines().map(|line| line.line()).collect();
    html! { div.text { (lines.join("\n")) } }
}

fn turns(turns: &[TurnRow], context: usize) -> Markup {
    let cell = |words: &Option<Untrusted>| {
        html! { @match words { Some(words) => (text(words)), None => em { "nothing" } } }
    };
    html! {
        table {
            thead { tr { th { "Follow-up" } th { "said" } th { "declared" } } }
            tbody {
                @for TurnRow { number, said, declared } in turns {
                    tr.differs[said != declared] {
                        th { (number) }
                        td { (cell(said)) }
                        td { (cell(declared)) }
                    }
                    @if let (Some(said), Some(declared), true) = (said, declared, said != declared) {
                        tr {
                            th {}
                            td colspan="2" {
                                (difference(&TextChange::new(said.shared(), declared.shared()), context))
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_step_can_be_filtered_without_the_script() {
        let style = include_str!("page.css");
        let kinds = Action::ALL.into_iter().map(word);
        for kind in kinds.chain([BLOCKED, DEFERRED].map(str::to_owned)) {
            let rule = format!("body:has(#show-{kind}:not(:checked)) .step[data-kind={kind}]");
            assert!(style.contains(&rule), "page.css has no rule\n{rule}");
        }
    }
}
