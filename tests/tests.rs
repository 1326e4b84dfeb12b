//! The one test program beside the unit tests; each module is a kind of question.
//!
//! A new module costs a compile of all: think before adding one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

// Does the source keep the shape that was agreed on?
mod architecture;
// Does a browser show our pages as they should be, and run nothing of a stranger's?
mod browser;
// Do stories through the emulator end as they should?
mod agents;
mod apply;
// Is one manifest in each environment what it should be there, and nothing of another?
mod environments;
// Do templates and matrices make the tasks that they should, and prove whose they are?
mod templates;
// Do `pull`, `status` and `destroy` show and take what they should?
mod commands;
// Does the command line say clearly what is wrong, and end as documented?
mod cli;
// Does our client speak the contract that the emulator keeps?
mod client;
// Does the emulator keep the contract, in process and over a socket, in raw requests?
mod contract;
// Is what the documents say true, and do they say everything?
mod docs;
// Does a plan say what its deployments will cost, at little cost?
mod estimate;
// Does the engine work without a command line?
mod engine;
// Has every fact one name and one place, whoever asks for it?
mod facts;
// Do stories told in Git commits end as they should?
mod git;
// Do completions complete, and do manual pages hold what they should?
mod help;
// Does every task belong to the key it should, and to none without proof?
mod identity;
// Does everything come right again, wherever it was cut?
mod crash;
// Does the program survive kills, signals, neighbors and storms, over a socket?
mod process;
// Do the laws hold over random histories, worlds and manifests?
mod laws;
// Does every patch that removes a safety rule still apply?
mod mutants;
// Does a small desired and observed state of agents give the expected plan?
mod agent_plan;
// Does A small desired and observed state give the expected plan?
mod plan;
// Is what is written complete, where it was asked for, and nowhere else?
mod outputs;
// Are finished deployments read once, and again wherever they may have changed?
mod recall;
// Is what was reviewed what is done?
mod review;
// Does what was kept of a sight give the same plan again, and nobody away?
mod replay;
// Do declared deployments come true, each follow-up once?
mod runs;
// Do the schemas take what is written, and nothing else?
mod schema;
// Do settings of a manifest decide what they say, and does a plan tell?
mod settings;
// Is a manifest that is not what was meant refused in words that fit?
mod manifest;
// Does `doctor` name how a service behaves, and leave nothing behind?
mod doctor;
// What stories are told with.
mod support;
// Does what a stranger, a service or a checkout brings stay where it belongs?
mod threats;
// Do the pipelines that people copy do what they say?
mod workflow;
