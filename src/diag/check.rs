//! What `doctor` has found: a check each, and what is known of the service's unknowns.

/// Every check by its name, with what it means, in the order in which they are shown.
pub const CHECKS: [(&str, &str); 17] = [
    ("git", "Git history proves which tasks are owned."),
    ("store", "`.qcops/` keeps what this machine has sent: one more proof of ownership."),
    ("credentials", "Every request is signed with a user id and an API token."),
    ("organization", "Every request names the organization."),
    ("network", "The service is reached over TLS, through a proxy where one is set."),
    ("authentication", "The service accepts the signature."),
    ("clock", "A signature holds the time, and the service refuses one that is old."),
    ("permissions", "A plan lists agents and tasks."),
    ("fields", "A field that is missing is unknown, and what is unknown blocks changes."),
    ("lists", "Where list entries equal reads, a plan needs few requests."),
    ("time-zone", "The service's time stamps have no zone, and `since` is compared with them."),
    ("names", "The service may store another name than it was sent."),
    ("prompts", "A prompt is compared with the declared one."),
    ("list-delay", "After a lost answer, the list shows whether a task was created."),
    ("update", "`tasks/update` is documented to change the name alone."),
    ("probe", "`--probe` makes one task, measures, and deletes it."),
    ("leftover", "A probe that was killed leaves its task on the service."),
];

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckStatus {
    /// All is well.
    Passed,
    /// It is not known, or worth knowing and nothing to be done about.
    Noted,
    /// Something should be done about it.
    Warned,
    /// Nothing will work before something is done about it.
    Failed,
}

impl CheckStatus {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Noted => "noted",
            Self::Warned => "warned",
            Self::Failed => "failed",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name in [`CHECKS`].
    pub name: &'static str,
    /// How it ended.
    pub status: CheckStatus,
    /// What was found; it may hold the service's words.
    pub message: String,
    /// What to do.
    pub help: Vec<String>,
}

impl Check {
    /// Makes a check of what was found.
    pub fn new(name: &'static str, status: CheckStatus, message: impl Into<String>) -> Self {
        Self { name, status, message: message.into(), help: Vec::new() }
    }

    /// Adds help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// What it means.
    pub fn meaning(&self) -> &'static str {
        CHECKS.iter().find(|row| row.0 == self.name).map_or("", |row| row.1)
    }
}

/// One unknown of the service that was settled, in the words of the emulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledQuirk {
    /// The quirk.
    pub name: &'static str,
    /// The value that makes the emulator behave alike.
    pub value: String,
    /// What was seen.
    pub seen: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Checkup {
    /// The address of the service, or the emulator.
    pub service: String,
    /// The organization, where it is known.
    pub organization_id: Option<String>,
    /// The checks, in the order of [`CHECKS`] once [`Checkup::merge`] has put them there.
    pub checks: Vec<Check>,
    /// What was settled.
    pub quirks: Vec<SettledQuirk>,
}

impl Checkup {
    /// Adds what was found later; it takes the place of what was found before of the same name.
    pub fn merge(&mut self, later: Self) {
        self.checks.retain(|check| later.checks.iter().all(|other| other.name != check.name));
        self.checks.extend(later.checks);
        let place = |check: &Check| CHECKS.iter().position(|row| row.0 == check.name);
        self.checks.sort_by_key(place);
        self.quirks.retain(|quirk| later.quirks.iter().all(|other| other.name != quirk.name));
        self.quirks.extend(later.quirks);
        self.quirks.sort_by_key(|quirk| quirk.name);
    }

    /// Adds a check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds a quirk.
    pub fn settle(
        &mut self,
        name: &'static str,
        value: impl Into<String>,
        seen: impl Into<String>,
    ) {
        self.quirks.push(SettledQuirk { name, value: value.into(), seen: seen.into() });
    }

    /// The gravest of all.
    pub fn worst(&self) -> CheckStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Passed)
    }
}
