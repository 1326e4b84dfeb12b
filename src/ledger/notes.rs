//! What the lines of a ledger say together about each key.

use std::collections::BTreeMap;

use crate::evidence::{AgentEvidence, Created, StoredValue};
use crate::model::{AgentId, ContentHash, DeploymentId, Key, TaskId};

use super::line::{Line, What};

/// What the lines say about one key, the oldest first.
#[derive(Default)]
pub(super) struct Notes {
    /// Creates; those that were answered or refused leave their place.
    pub(super) created: Vec<Option<Created>>,
    /// Where the unanswered ones of a content are.
    pub(super) unanswered: BTreeMap<ContentHash, Vec<usize>>,
    pub(super) rewritten: Vec<(String, String)>,
    pub(super) started: BTreeMap<DeploymentId, Key>,
}

impl Notes {
    pub(super) fn take(&mut self, line: Line) {
        if let (What::Started | What::Answered, Some(run), Ok(deployment)) =
            (line.what, &line.run, line.name.parse::<Key>())
        {
            self.started.insert(DeploymentId(run.clone()), deployment);
        }
        let Some(content) = ContentHash::from_hex(&line.content) else { return };
        match line.what {
            What::Sending => {
                self.unanswered.entry(content).or_default().push(self.created.len());
                self.created.push(Some(Created { id: None, content, name: line.name }));
            }
            What::Created => {
                self.answer(content);
                let id = line.id.map(TaskId);
                self.created.push(Some(Created { id, content, name: line.name }));
            }
            What::Renamed => {
                self.rewritten.push((line.name, line.stored.unwrap_or_default()));
            }
            What::Refused => self.answer(content),
            _ => {}
        }
    }

    /// Notes that it is known the result of the creates of a content.
    fn answer(&mut self, content: ContentHash) {
        for at in self.unanswered.remove(&content).unwrap_or_default() {
            self.created[at] = None;
        }
    }
}

/// Adds what a line says about an agent, the newest last.
pub(super) fn take_of_agent(known: &mut AgentEvidence, line: Line) {
    let id = line.id.map(AgentId);
    match line.what {
        What::SendingAgent => known.unanswered.push(line.name),
        What::CreatedAgent | What::RefusedAgent => {
            known.unanswered.retain(|name| *name != line.name);
            known.created.extend(id);
        }
        What::StoredAgent => {
            let (Some(id), Some(field)) = (id, line.field) else { return };
            known.stored.retain(|value| (value.id, &value.field) != (id, &field));
            if let (Some(asked), Some(stored)) = (line.asked, line.stored) {
                known.stored.push(StoredValue { id, field, asked, stored });
            }
        }
        _ => {}
    }
}
