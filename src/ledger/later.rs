//! Which lines of a ledger are still needed, as compacting asks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::line::{Line, What};

/// What the lines behind one say, when they are gone through from the end.
#[derive(Default)]
pub(super) struct Later {
    /// Keys and contents of creates of which it is known their results.
    creates: BTreeSet<(String, String)>,
    /// Keys and names of creates of agents of which it is known their results.
    agents: BTreeSet<(String, String)>,
    /// Keys, ids and fields of agents that were stored otherwise, or asked for again.
    stored: BTreeSet<(String, Option<u64>, Option<String>)>,
    /// Keys and names of deployments that were answered, with their ids.
    deployments: BTreeMap<(String, String), BTreeSet<Option<String>>>,
    is_listed: bool,
    applied: BTreeSet<Option<PathBuf>>,
}

impl Later {
    /// Whether a line says something that the lines behind it do not say.
    pub(super) fn needs(&mut self, line: Line) -> bool {
        match line.what {
            What::Sending => !self.creates.contains(&(line.key, line.content)),
            What::Created | What::Refused => {
                self.creates.insert((line.key, line.content));
                true
            }
            What::SendingAgent => !self.agents.contains(&(line.key, line.name)),
            What::CreatedAgent | What::RefusedAgent => {
                self.agents.insert((line.key, line.name));
                true
            }
            What::Starting => !self.deployments.contains_key(&(line.key, line.name)),
            What::Started => {
                let answered = self.deployments.get(&(line.key, line.name));
                answered.is_none_or(|ids| !ids.contains(&line.run))
            }
            What::Answered => {
                self.deployments.entry((line.key, line.name)).or_default().insert(line.run);
                true
            }
            What::Listed => !std::mem::replace(&mut self.is_listed, true),
            What::Applied => self.applied.insert(line.manifest),
            What::StoredAgent => self.stored.insert((line.key, line.id, line.field)),
            What::Renamed | What::Unseen => true,
        }
    }
}
