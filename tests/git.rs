//! Stories told in Git commits: Git is the state.

// Files that are committed as another text.
mod converted;
// What is evidence, and where it comes from.
mod evidence;
// Evidence that is out of sight.
mod gaps;
// What a plan is stopped from doing, and that the help which is printed works.
mod guards;
// Other manifests of the repository.
mod neighbors;
// What a checkout may lack.
mod partial;
// What people do in the web interface.
mod web;

use crate::support::repo::Repo;

/// A repository whose one task `spy` was made from its one commit.
fn with_spy() -> Repo {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo
}

/// A repository whose one task `spy` was made and run from its one commit.
fn with_spy_and_a_run() -> Repo {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {first: {}}}").commit("first").converge("");
    repo
}

/// A repository whose tasks `spy` and `qqq` were made from its one commit.
fn with_two() -> Repo {
    let repo = Repo::new();
    repo.tasks("qqq: {prompt: Buy QQQ}\nspy: {prompt: Buy SPY}").commit("first").converge("");
    repo
}
