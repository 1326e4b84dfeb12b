//! GitOps for QuantConnect agents: a manifest in Git declares tasks and deployments, a plan shows what
//! differs on the service, and apply carries the plan out.
//!
//! The pipeline, in the order of the modules below: a [`manifest`] is parsed into a desired state, [`api`]
//! observes a [`snapshot`], [`plan`] compares both in the light of [`evidence`], [`render`] prints
//! the plan, and [`apply`] carries it out and reports every step as an [`event`]. [`emulator`] is the
//! service's side of the same contract. [`engine`] puts them together, and only [`cli`] knows the terminal and the environment.
//!
//! `ARCHITECTURE.md` draws the graph; `tests/architecture.rs` holds it.

pub mod api;
pub mod apply;
pub mod cli;
pub mod clock;
pub mod diag;
pub mod doctor;
pub mod emulator;
pub mod engine;
pub mod event;
pub mod evidence;
pub mod exchange;
pub mod files;
pub mod history;
pub mod kinds;
pub mod ledger;
pub mod manifest;
pub mod model;
pub mod observation;
pub mod observed;
pub mod plan;
pub mod pull;
pub mod render;
pub mod resource;
pub mod saved;
pub mod secret;
pub mod store;
pub mod transcript;
