//! Every call of the service, one row each (contract 1.1).
//!
//! The class of a call stands here and nowhere else: retrying asks the row, never the HTTP method,
//! which is always POST.

use Effect::{HappensOnce, Reads, Repeatable};

/// What sending a call twice does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing and may be sent as often as needed.
    Reads,
    /// Its second effect is that of the first; it is sent again after a read.
    Repeatable,
    /// Each time makes something new or spends something; an unknown answer is settled by looking.
    HappensOnce,
}

/// One call of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its path below the base address.
    pub path: &'static str,
    /// What sending it twice does.
    pub effect: Effect,
    /// The key of its answer that holds what was asked for, where there is one.
    pub payload: Option<&'static str>,
}

const fn row(path: &'static str, effect: Effect, payload: Option<&'static str>) -> Endpoint {
    Endpoint { path, effect, payload }
}

#[rustfmt::skip]
#[expect(missing_docs, reason = "the rows say it themselves")]
impl Endpoint {
    pub const AUTHENTICATE: Self = row("/authenticate", Reads, None);
    pub const CREATE_AGENT: Self = row("/agents/create", HappensOnce, Some("agent"));
    pub const READ_AGENT: Self = row("/agents/read", Reads, Some("agent"));
    pub const UPDATE_AGENT: Self = row("/agents/update", Repeatable, None);
    pub const DELETE_AGENT: Self = row("/agents/delete", Repeatable, None);
    pub const LIST_AGENTS: Self = row("/agents/list", Reads, Some("agents"));
    pub const CREATE_TASK: Self = row("/agents/tasks/create", HappensOnce, Some("task"));
    pub const READ_TASK: Self = row("/agents/tasks/read", Reads, Some("task"));
    pub const UPDATE_TASK: Self = row("/agents/tasks/update", Repeatable, None);
    pub const DELETE_TASK: Self = row("/agents/tasks/delete", Repeatable, None);
    pub const LIST_TASKS: Self = row("/agents/tasks/list", Reads, Some("tasks"));
    pub const CREATE_DEPLOYMENT: Self = row("/agents/deployments/create", HappensOnce, Some("deployment"));
    pub const READ_DEPLOYMENT: Self = row("/agents/deployments/read", Reads, Some("deployment"));
    pub const PROMPT_DEPLOYMENT: Self = row("/agents/deployments/prompt", HappensOnce, None);
    pub const LIST_DEPLOYMENTS: Self = row("/agents/deployments/list", Reads, Some("deployments"));
    pub const STOP_DEPLOYMENT: Self = row("/agents/deployments/stop", Repeatable, None);
    pub const DELETE_DEPLOYMENT: Self = row("/agents/deployments/delete", Repeatable, None);
    pub const READ_CONVERSATION: Self = row("/agents/deployments/conversation/read", Reads, Some("conversation"));
}

impl Endpoint {
    /// Every call, in the order of contract 1.1, the credential check before them.
    pub const ALL: [Self; 18] = [
        Self::AUTHENTICATE,
        Self::CREATE_AGENT,
        Self::READ_AGENT,
        Self::UPDATE_AGENT,
        Self::DELETE_AGENT,
        Self::LIST_AGENTS,
        Self::CREATE_TASK,
        Self::READ_TASK,
        Self::UPDATE_TASK,
        Self::DELETE_TASK,
        Self::LIST_TASKS,
        Self::CREATE_DEPLOYMENT,
        Self::READ_DEPLOYMENT,
        Self::PROMPT_DEPLOYMENT,
        Self::LIST_DEPLOYMENTS,
        Self::STOP_DEPLOYMENT,
        Self::DELETE_DEPLOYMENT,
        Self::READ_CONVERSATION,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_one_row_and_whatever_makes_or_spends_happens_once() {
        let mut paths: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), Endpoint::ALL.len());
        for endpoint in Endpoint::ALL {
            let last = endpoint.path.rsplit('/').next().unwrap_or_default();
            let expected = match last {
                "create" | "prompt" => HappensOnce,
                "read" | "list" | "authenticate" => Reads,
                _ => Repeatable,
            };
            assert_eq!(endpoint.effect, expected, "{}", endpoint.path);
        }
    }
}
