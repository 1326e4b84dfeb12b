//! The world of the emulated service: everything it knows, and how a request changes it.
//!
//! A pure state machine. [`World::accept`] takes the time and a request and returns the reply; what
//! time brings by itself happens in [`World::advance`]. No clock, no file, no network in here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ORGANIZATION_ID;
use super::agenda::Due;
use super::auth;
use super::objects::{Agent, Deployment, Task};
use super::quirk::Quirks;
use super::script::RunRule;

/// The version of the stored form of a world.
pub const VERSION: u32 = 1;

/// What the service answers, before any fault spoils it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header, empty for none.
    pub content_type: &'static str,
    /// The `www_authenticate` header, spelled as the service's specification spells it.
    pub www_authenticate: Option<&'static str>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Makes a reply with a JSON body.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, content_type: "application/json", body, ..Self::default() }
    }

    /// Makes a 401 (contract 1.1).
    pub(super) fn unauthorized(text: &str) -> Self {
        let body = json!({"success": false, "errors": [text]});
        Self { www_authenticate: Some("Basic"), ..Self::json(401, &body) }
    }
}

/// Everything the emulated service knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    version: u32,
    seed: u64,
    /// Tells this world from those before it; empty in one that an older program made.
    #[serde(default)]
    identity: String,
    /// The organizations that the user is a member of.
    #[serde(default = "only_organization")]
    pub(super) organizations: BTreeSet<String>,
    /// The unknowns of the service, decided.
    pub quirks: Quirks,
    /// How runs end; the quirk `run-outcome` decides where no rule matches.
    pub rules: Vec<RunRule>,
    /// The latest time the world has seen, in milliseconds since 1970.
    pub(super) clock: i64,
    pub(super) last_agent: u64,
    pub(super) last_task: u64,
    pub(super) last_number: u64,
    pub(super) last_project: u64,
    pub(super) last_order: u64,
    pub(super) agents: BTreeMap<u64, Agent>,
    pub(super) tasks: BTreeMap<u64, Task>,
    pub(super) deployments: BTreeMap<String, Deployment>,
    /// What is going to happen, earliest first.
    pub(super) agenda: BTreeSet<Due>,
    /// Deployments whose time in the queue is over, but that found no place.
    pub(super) waiting: VecDeque<String>,
    /// How many deployments run.
    pub(super) running: u32,
}

impl World {
    /// Makes a world with the agents 47, 48 and 49 and nothing else; equal seeds give equal ids.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let mut world = Self {
            version: VERSION,
            seed,
            identity: auth::hex(&Sha256::digest(format!("{seed} {}", now.as_nanosecond()))[..8]),
            organizations: only_organization(),
            quirks: Quirks::default(),
            rules: Vec::new(),
            clock: now.as_millisecond(),
            last_agent: 46,
            last_task: 331,
            last_number: 900,
            last_project: 23_456_788,
            last_order: 0,
            agents: BTreeMap::new(),
            tasks: BTreeMap::new(),
            deployments: BTreeMap::new(),
            agenda: BTreeSet::new(),
            waiting: VecDeque::new(),
            running: 0,
        };
        for name in ["Research Assistant", "Momentum Researcher", "Risk Reviewer"] {
            world.seed_agent(name);
        }
        world
    }

    /// What tells this world from those before it in the same place.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns the id of the deployment with this number: `A-` and 32 hexadecimal digits.
    pub(super) fn deployment_id(&self, number: u64) -> String {
        let hash = Sha256::digest(format!("{}:{number}", self.seed));
        format!("A-{}", auth::hex(&hash[..16]))
    }

    /// Never gives an id again that `other` has given.
    pub(super) fn use_up_ids(&mut self, other: &Self) {
        self.last_agent = other.last_agent;
        self.last_task = other.last_task;
        self.last_number = other.last_number;
        self.last_project = other.last_project;
    }

    /// Returns the stored form.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a world is texts, numbers and lists")
    }

    /// Reads the stored form; the error says what is wrong with it.
    pub fn from_json(stored: &[u8]) -> Result<Self, LoadError> {
        /// The one member that every version has.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(stored).map_err(|_| LoadError::Damaged)?;
        if head.version > VERSION {
            return Err(LoadError::Newer { found: head.version });
        }
        serde_json::from_slice(stored).map_err(|_| LoadError::Damaged)
    }
}

fn only_organization() -> BTreeSet<String> {
    BTreeSet::from([ORGANIZATION_ID.to_owned()])
}

/// Why a stored world cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A newer program wrote it.
    #[error(
        "the emulator's file has version {found}, and this program knows versions up to {VERSION}; \
         use a newer qcops, or another file"
    )]
    Newer {
        /// The version it has.
        found: u32,
    },
    /// It is not what this program writes; it is never taken for an empty one.
    #[error("the emulator's file is damaged; move it away to start with a fresh one")]
    Damaged,
}
