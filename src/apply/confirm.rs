//! Confirming: a success is no proof, so what was changed or deleted is read until it shows.

use std::time::Duration;

use crate::api::CallOutcome;
use crate::apply::Work;
use crate::apply::finding::{no_effect, unsettled};
use crate::apply::settle::Ended;
use crate::diag::with_causes;
use crate::kinds::NAME;
use crate::model::{has_new_number, is_rewriting_of};
use crate::plan::Step;
use crate::resource::{Edit, Value};

/// Whether something that was to be deleted is still there (contract 15.7).
pub(super) enum Presence {
    /// A complete list leaves it out, and reading it is refused.
    Gone,
    /// It can be read, and no list leaves it out.
    Present,
    /// It cannot be told.
    Unknown,
}

impl Presence {
    /// Tells it by a read and by whether a complete list shows it.
    pub(super) fn of<T>(read: &CallOutcome<T>, is_listed: Option<bool>) -> Self {
        match (read, is_listed) {
            (CallOutcome::Refused(_), Some(false)) => Self::Gone,
            (CallOutcome::Done(_), None | Some(true)) => Self::Present,
            _ => Self::Unknown,
        }
    }
}

impl Work<'_, '_> {
    /// Reads what was updated until it shows a change, or for the last time.
    pub(super) async fn read_updated<T>(
        &self,
        what: &str,
        read: impl AsyncFn() -> CallOutcome<T>,
        is_changed: impl Fn(&T) -> bool,
    ) -> Ended<T> {
        let (mut seen, mut last) = (None, String::new());
        for delay in self.tries() {
            self.effects.stop.sleep(delay).await;
            match read().await {
                CallOutcome::Done(now) if is_changed(&now) => return Ok(now),
                CallOutcome::Done(now) => seen = Some(now),
                CallOutcome::Refused(error) if error.is_auth() => return Err(self.refused(&error)),
                CallOutcome::Refused(error)
                | CallOutcome::NotProcessed(error)
                | CallOutcome::Unknown(error) => last = with_causes(&error),
            }
        }
        seen.ok_or_else(|| {
            let message = format!("{what} was updated and cannot be read: {last}");
            unsettled(message, "`qcops plan` once the service answers again".to_owned())
        })
    }

    /// Waits until what was answered as deleted is gone.
    pub(super) async fn expect_gone(
        &self,
        step: &Step,
        what: &str,
        presence: impl AsyncFn() -> Presence,
    ) -> Ended<()> {
        let mut is_present = false;
        for delay in std::iter::once(&Duration::ZERO).chain(&self.settings.settle_delays) {
            if !delay.is_zero() {
                self.wait(step, *delay).await;
            }
            is_present = match presence().await {
                Presence::Gone => return Ok(()),
                Presence::Present => true,
                Presence::Unknown => false,
            };
        }
        Err(if is_present {
            no_effect(&format!("{what} was deleted, and it is still there"))
        } else {
            let message = format!("{what} was deleted, and whether it is gone is unknown");
            unsettled(message, "`qcops plan`: it shows whether it is still there".to_owned())
        })
    }
}

/// Whether an update has left a field as it was; a name may be what the service makes of the new one.
pub(super) fn is_kept(stored: &Value, edit: &Edit) -> bool {
    let is_rewritten = match (stored, &edit.after) {
        (Value::Text(stored), Value::Text(name)) if edit.field == NAME => {
            is_rewriting_of(stored, name) || has_new_number(stored, name)
        }
        (stored, after) => stored == after,
    };
    stored.is_known() && *stored == edit.before && !is_rewritten
}
