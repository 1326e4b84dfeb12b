//! The service again, from the other side of the contract, for tests and for `--emulator`.
//!
//! [`World`] is the service as a pure state machine, [`Quirks`] decide what no source says about
//! it, a [`Script`] of [`Fault`]s spoils exchanges, and [`Emulator`] puts the three together: a
//! [`Transport`](crate::exchange::Transport) in process, and over HTTP what [`serve`] serves.
//!
//! It shares no code with the client: own paths, own signatures, raw JSON. A misreading of the
//! contract in the client must not be mirrored in its judge, so this module never imports the
//! program's words, its client or its planner.
//!
//! It is not the service. What it does beyond `api-contract.md` is a choice with a quirk, and a
//! client that passes here is only known to follow the contract as we read it.

mod accept;
mod agenda;
mod agents;
mod auth;
mod corrupt;
mod deployments;
mod fault;
mod fields;
mod handler;
mod lifecycle;
mod names;
mod objects;
mod quirk;
mod routes;
mod script;
mod server;
mod service;
mod shape;
mod storage;
mod tasks;
mod tools;
mod web;
mod world;

pub use fault::{FAULTS, Fault, LATE, Script, fault_rules};
pub use objects::{Agent, Deployment, DeploymentPhase, StoredMessage, Task};
pub use quirk::{PromptRewrite, QUIRKS, QuirkSpec, Quirks, RunOutcome, TooLong};
pub use script::{RunRule, ScriptFile, ScriptedTokens, ScriptedTool, ScriptedTurn, run_rules};
pub use server::serve;
pub use service::{Emulator, Logged};
pub use storage::{Storage, StorageError};
pub use world::{LoadError, Reply, VERSION, World};

/// The only user the emulated service knows.
pub const USER_ID: u64 = 1;
/// That user's API token; it opens nothing but an emulator.
pub const API_TOKEN: &str = "emulator-token";
/// The organization that every emulated world has.
pub const ORGANIZATION_ID: &str = "e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0";
