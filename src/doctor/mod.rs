//! What a user needs to know before the first plan: is everything in order here, and how does the
//! service behave where no document says?
//!
//! [`Doctor::examine`] only reads. [`Doctor::probe`] makes one task, changes its name, and deletes it
//! again, which costs nothing; [`Doctor::remove_leftovers`] deletes what a killed probe has left.
//! What was found are [`Check`]s, and quirks in the words of the emulator. Nothing is printed.

mod local;
mod probe;
mod reply;
mod service;
mod texts;

pub use local::{check_git, check_store};

use crate::api::{ApiError, Client};
use crate::clock::Clock;
use crate::diag::{Check, CheckStatus, with_causes};

/// Asks one service.
pub struct Doctor<'a> {
    /// Who asks it.
    pub client: &'a Client,
    /// This machine's calendar.
    pub clock: Clock,
    /// What helps against a failed call.
    pub help: &'a (dyn Fn(&ApiError) -> String + Sync),
    /// Whether somebody has asked to stop: then what was made is deleted, and nothing more is measured.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// The `serviceUtcOffset` of the manifest, in minutes.
    pub declared_offset: Option<i64>,
}

impl Doctor<'_> {
    /// A check that failed because a call did.
    fn failed(&self, name: &'static str, error: &ApiError) -> Check {
        let check = Check::new(name, CheckStatus::Failed, with_causes(error));
        check.help((self.help)(error))
    }
}
