//! How much one apply may do, and why not more.

/// How much one apply may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--max-deletes`: tasks removed because they are no longer declared.
    pub delete: Option<usize>,
    /// `--max-replaces`: tasks replaced.
    pub replace: Option<usize>,
    /// `--max-creates`: tasks made.
    pub create: Option<usize>,
    /// `--max-deployments`: deployments started.
    pub runs: Option<usize>,
}

/// Tasks made by one apply at most.
///
/// A slip in a template makes tasks by the hundred, and they do not go away by reverting it.
pub(super) const CREATES_PER_APPLY: usize = 50;

/// Deployments started by one apply at most.
///
/// Five, because a deployment spends tokens and cannot be taken back, and a slip in a template multiplies.
/// Raising it is one flag; lowering a bill is not.
pub(super) const RUNS_PER_APPLY: usize = 5;

/// Deployments started of one task within a day at most.
pub(super) const RUNS_PER_TASK_AND_DAY: usize = 3;

/// Failed deployments of one content after which it is not run again by itself.
///
/// A prompt that failed three times is wrong more often than unlucky, and each try is paid for.
pub(super) const FAILURES: usize = 3;

/// Follow-ups of one run at most.
///
/// Each is paid for with the whole conversation before it, so the cost grows with their square.
pub(super) const FOLLOW_UPS_PER_RUN: usize = 10;

/// The most of `owned` tasks that may be missing from the service's list: 30 %, 1 to 10.
///
/// The strictest share: a list that lacks tasks is the service's doing, and nobody's intention.
pub fn missing_limit(owned: usize) -> usize {
    share(owned).clamp(1, 10)
}

/// The most of `owned` tasks that one apply removes because they are no longer declared: 30 %, 3 to
/// 10.
pub fn delete_limit(owned: usize) -> usize {
    share(owned).clamp(3, 10)
}

/// The most of `owned` tasks that one apply replaces: 30 %, 5 to 20.
///
/// A replace loses nothing, so editing a few prompts in one commit is normal work.
pub fn replace_limit(owned: usize) -> usize {
    share(owned).clamp(5, 20)
}

/// octoDNS's 30 %.
fn share(owned: usize) -> usize {
    owned * 3 / 10
}
