//! Which stored names belong to a key, and which differences are the service's own doing.

use crate::evidence::KeyEvidence;
use crate::model::{archived_base, fold, is_rewriting_of};

/// How well a stored name fits a key, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameFit {
    /// It is the declared name.
    Declared,
    /// It is what the service may have made of the declared name.
    Rewritten,
    /// It was declared earlier, or is a rewriting of such a name.
    Earlier,
    /// It is another name.
    Untrusted,
}

/// A name as the service compares it; nobody knows how, so the same rule holds as for the veto.
///
/// Names without letters and digits all look alike folded: they are told apart as they are.
pub(super) fn comparable(name: &str) -> String {
    let folded = fold(name).to_string();
    if folded.is_empty() { name.to_owned() } else { folded }
}

/// Tells how well `stored` fits; an archived name counts without its ending.
pub(super) fn name_fit(
    stored: Option<&str>,
    declared: &str,
    evidence: Option<&KeyEvidence>,
) -> NameFit {
    let Some(stored) = stored else { return NameFit::Untrusted };
    if stored == declared {
        return NameFit::Declared;
    }
    let base = archived_base(stored);
    let is_form_of = |desired: &str| match &base {
        // The name was cut to make room for the ending, so the longer one may begin with it.
        Some(base) => fold(desired).to_string().starts_with(&base.to_string()),
        // Names without letters and digits all look alike folded: that proves nothing.
        None => !fold(stored).to_string().is_empty() && is_rewriting_of(stored, desired),
    };
    if is_form_of(declared) {
        NameFit::Rewritten
    } else if evidence.is_some_and(|evidence| evidence.names().any(is_form_of)) {
        NameFit::Earlier
    } else {
        NameFit::Untrusted
    }
}

/// Whether a stored name was given on the service since one was applied: no version declared it.
pub(super) fn is_name_drift(stored: &str, evidence: Option<&KeyEvidence>) -> bool {
    let Some(known) = evidence else { return false };
    let is_applied = known.is_established || known.has_created();
    is_applied && !known.names().any(|name| name == stored || is_rewriting_of(stored, name))
}

/// Whether this machine has seen the service store this name in place of the declared one.
pub(super) fn is_kept_as(stored: &str, declared: &str, evidence: Option<&KeyEvidence>) -> bool {
    evidence.is_some_and(|evidence| evidence.stored_as(declared) == Some(stored))
}

/// Whether a stored name that differs from the declared one is left as it is.
///
/// A service may rewrite names (contract 7), and renaming again would never end. But a stored name
/// that was itself declared earlier was not rewritten: the manifest has changed since.
pub(super) fn is_accepted(stored: &str, declared: &str, evidence: Option<&KeyEvidence>) -> bool {
    let was_declared = || {
        let mut earlier = evidence.into_iter().flat_map(KeyEvidence::names);
        earlier.any(|name| name == stored)
    };
    stored == declared || (is_rewriting_of(stored, declared) && !was_declared())
}
