//! What a command has said and shown so far, for the page that it leaves if it fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a command has said and shown so far.
#[derive(Debug, Default)]
pub(super) struct Progressed {
    /// The findings, without colors.
    findings: Mutex<String>,
    /// Whether the manifests are known, so that no output takes the place of one.
    knows_inputs: AtomicBool,
    is_shown: AtomicBool,
    is_written: AtomicBool,
}

impl Progressed {
    /// Notes findings that were printed.
    pub(super) fn note_findings(&self, text: &str) {
        self.findings.lock().expect("no holder panics").push_str(text);
    }

    /// Notes that no output is a manifest or anything else that was read.
    pub(super) fn note_inputs(&self) {
        self.knows_inputs.store(true, Ordering::Relaxed);
    }

    /// Notes that standard output shows the plan.
    pub(super) fn note_shown(&self) {
        self.is_shown.store(true, Ordering::Relaxed);
    }

    /// Notes that the files hold the plan.
    pub(super) fn note_written(&self) {
        self.is_written.store(true, Ordering::Relaxed);
    }

    /// The findings that were printed.
    pub(super) fn findings(&self) -> String {
        self.findings.lock().expect("no holder panics").clone()
    }

    /// Whether standard output shows the plan.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown.load(Ordering::Relaxed)
    }

    /// Whether the files may be written and do not hold the plan.
    pub(super) fn may_write(&self) -> bool {
        self.knows_inputs.load(Ordering::Relaxed) && !self.is_written.load(Ordering::Relaxed)
    }
}
