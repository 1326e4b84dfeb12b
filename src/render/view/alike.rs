//! Entries whose long texts change alike: what changes is shown once for all of them.

use std::collections::BTreeMap;

use crate::model::Action;
use crate::render::rows::{FieldChange, FieldRow};
use crate::render::textdiff::TextChange;
use crate::render::textdiff::excerpt::{ChangedLines, Likeness};

use super::{Entry, State};

/// What entries have in common besides: kind, action, state and field.
///
/// Every format keeps the order of entries with the same state and action, so the first of them stands
/// before the others wherever they are shown.
type Sort = (&'static str, Action, State, &'static str);

/// A text that changes: the numbers of its entry and of its field.
type TextAt = (usize, usize);

/// Notes at each long text that changes which others change just so.
pub fn note_alike(entries: &mut [Entry]) {
    let mut sorts: BTreeMap<Sort, Vec<TextAt>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        for (field, row) in entry.fields.iter().enumerate() {
            // What cannot be decided is looked at one by one.
            if let (Some(action), Some(subject), FieldChange::Text(_)) =
                (entry.action, &entry.subject, &row.change)
            {
                let sort = (subject.kind, action, entry.state, row.name);
                sorts.entry(sort).or_default().push((at, field));
            }
        }
    }
    for texts in sorts.into_values().filter(|texts| texts.len() > 1) {
        let mut groups: BTreeMap<ChangedLines, Vec<(TextAt, Vec<usize>)>> = BTreeMap::new();
        for at in texts {
            let Some(change) = text(entries, at) else { continue };
            let (lines, places) = change.diff().changed_lines();
            groups.entry(lines).or_default().push((at, places));
        }
        for group in groups.into_values() {
            let [(first, first_places), others @ ..] = group.as_slice() else { continue };
            let address = entries[first.0].address.clone();
            for (at, places) in others {
                let line = places.first().filter(|_| places != first_places).copied();
                resemble(entries, *at, Likeness::SameAs(address.clone(), line));
            }
            if !others.is_empty() {
                resemble(entries, *first, Likeness::First(others.len()));
            }
        }
    }
}

fn text(entries: &[Entry], (at, field): TextAt) -> Option<&TextChange> {
    match &entries[at].fields[field] {
        FieldRow { change: FieldChange::Text(change), .. } => Some(change),
        _ => None,
    }
}

fn resemble(entries: &mut [Entry], (at, field): TextAt, likeness: Likeness) {
    if let FieldChange::Text(change) = &mut entries[at].fields[field].change {
        change.resemble(likeness);
    }
}
