//! The matcher for agents: which agent of the service belongs to which key.
//!
//! Stage by stage over all keys, by the list alone, so that references are resolved and steps are
//! planned by the same matches: pinned id, id in the ledger, declared name with a history, a name
//! that was declared earlier, exact name. Last a veto, which identifies nothing and stops a create
//! beside an agent that may be the declared one. A match is no proof of ownership.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::AgentEvidence;
use crate::kinds::NAME;
use crate::manifest::AgentConfig;
use crate::model::{
    AgentId, FoldedName, Key, fold, fold_looks, is_other_spelling, is_rewriting_of,
};
use crate::observed::ListedAgents;
use crate::plan::lookalikes::SAME_LOOKS;
use crate::plan::matcher::best;
use crate::resource::{Object, Reference, Value};

/// The field whose equal text is a sign that two agents are one.
pub(super) const SYSTEM_PROMPT: &str = "systemPrompt";

/// Which agent of the service each declared one is; `None` where there is none, or where it cannot
/// be told.
pub fn bind_agents(
    declared: &BTreeMap<Key, AgentConfig>,
    listed: &ListedAgents,
    evidence: &BTreeMap<Key, AgentEvidence>,
) -> BTreeMap<Key, Option<AgentId>> {
    let agents = declared.iter().map(|(key, agent)| (key, &agent.object, agent.pin));
    let found = identify_agents(agents, listed, evidence);
    declared.keys().map(|key| (key.clone(), found.by_key.get(key).copied())).collect()
}

/// The agent of each key, or why there is none.
#[derive(Default)]
pub(super) struct AgentMatches<'a> {
    pub(super) by_key: BTreeMap<&'a Key, AgentId>,
    pub(super) errors: BTreeMap<&'a Key, AgentMatchError<'a>>,
}

/// Why no agent can be given to a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AgentMatchError<'a> {
    /// Several agents fit equally well.
    Ambiguous(Vec<AgentId>),
    /// Several keys have an equal right to the agent.
    Contested(AgentId, Vec<&'a Key>),
    /// The pinned id is not on the list.
    PinMissing(AgentId),
    /// Another key pins the same agent.
    PinTaken(AgentId, &'a Key),
    /// Agents look like the declared one, and nothing proves that they are ours.
    Unproven(Vec<AgentId>, &'static str),
}

/// Finds the agent of every declared key.
pub(super) fn identify_agents<'a>(
    declared: impl Iterator<Item = (&'a Key, &'a Object, Option<AgentId>)>,
    listed: &'a ListedAgents,
    evidence: &'a BTreeMap<Key, AgentEvidence>,
) -> AgentMatches<'a> {
    let mut matcher = AgentMatcher::new(declared, listed, evidence);
    matcher.claim_pinned();
    matcher.claim(AgentMatcher::in_ledger);
    matcher.claim(AgentMatcher::under_declared_name);
    matcher.claim(AgentMatcher::under_earlier_name);
    matcher.claim(AgentMatcher::under_exact_name);
    matcher.veto();
    matcher.found
}

/// Whether an agent shows nothing that contradicts a version, its name left out of account.
///
/// Fields that the agent does not show contradict nothing, and references by key cannot be compared.
pub(super) fn may_be(version: &Object, observed: &Object) -> bool {
    compared(version).all(|(field, value)| {
        let shown = observed.get(field);
        !shown.is_known() || shown == value || is_begun(shown, value)
    })
}

/// Whether an agent shows every field that a version declares, and at least one, beside its name.
pub(super) fn equals(version: &Object, observed: &Object) -> bool {
    let mut shown = compared(version).map(|(field, value)| (observed.get(field), value));
    let is_one = compared(version).any(|(field, value)| observed.get(field) == value);
    is_one && shown.all(|(shown, value)| shown == value || is_begun(shown, value))
}

/// The fields that a version declares and an agent does not show so, without the name.
pub(super) fn differences(version: &Object, observed: &Object) -> Vec<&'static str> {
    let differing = compared(version).filter(|(field, value)| {
        let shown = observed.get(field);
        shown != *value && !is_begun(shown, value)
    });
    differing.map(|(field, _)| field).collect()
}

/// Whether an agent does not refer to others yet: of agents that refer to each other, one is made
/// without its references, and whatever ends an apply may end it there.
pub(super) fn is_begun(shown: &Value, declared: &Value) -> bool {
    matches!((shown, declared), (Value::References(none), Value::References(_)) if none.is_empty())
}

/// The declared fields of a version that can be compared, without the name.
fn compared(version: &Object) -> impl Iterator<Item = (&'static str, &Value)> {
    let is_by_id = |value: &Value| match value {
        Value::Unknown | Value::Ref(_) => false,
        Value::References(members) => {
            members.iter().all(|(member, _)| matches!(member, Reference::Id(_)))
        }
        _ => true,
    };
    let fields = version.fields().map(|(field, value)| (field.name, value));
    fields.filter(move |(field, value)| *field != NAME && is_by_id(value))
}

/// A declared agent, as far as it matters here.
#[derive(Clone, Copy)]
struct DeclaredAgent<'a> {
    key: &'a Key,
    object: &'a Object,
    pin: Option<AgentId>,
}

/// What a stage offers to a key: each agent with a rank, the smallest first.
type Offers = Vec<((bool, usize), AgentId)>;

struct AgentMatcher<'a> {
    declared: Vec<DeclaredAgent<'a>>,
    listed: &'a ListedAgents,
    evidence: &'a BTreeMap<Key, AgentEvidence>,
    by_name: BTreeMap<&'a str, Vec<AgentId>>,
    by_folded_name: BTreeMap<FoldedName, Vec<AgentId>>,
    by_looks: BTreeMap<FoldedName, Vec<AgentId>>,
    by_prompt: BTreeMap<&'a str, Vec<AgentId>>,
    pinned_by: BTreeMap<AgentId, &'a Key>,
    taken: BTreeSet<AgentId>,
    found: AgentMatches<'a>,
}

impl<'a> AgentMatcher<'a> {
    fn new(
        declared: impl Iterator<Item = (&'a Key, &'a Object, Option<AgentId>)>,
        listed: &'a ListedAgents,
        evidence: &'a BTreeMap<Key, AgentEvidence>,
    ) -> Self {
        let declared = declared.map(|(key, object, pin)| DeclaredAgent { key, object, pin });
        let mut matcher = Self {
            declared: declared.collect(),
            listed,
            evidence,
            by_name: BTreeMap::new(),
            by_folded_name: BTreeMap::new(),
            by_looks: BTreeMap::new(),
            by_prompt: BTreeMap::new(),
            pinned_by: BTreeMap::new(),
            taken: BTreeSet::new(),
            found: AgentMatches::default(),
        };
        for (id, object) in listed {
            if let Some(name) = object.name() {
                matcher.by_name.entry(name).or_default().push(*id);
                matcher.by_folded_name.entry(fold(name)).or_default().push(*id);
                matcher.by_looks.entry(fold_looks(name)).or_default().push(*id);
            }
            if let Some(prompt) = object.text(SYSTEM_PROMPT).filter(|prompt| !prompt.is_empty()) {
                matcher.by_prompt.entry(prompt).or_default().push(*id);
            }
        }
        for declared in &matcher.declared {
            if let Some(pin) = declared.pin {
                matcher.pinned_by.entry(pin).or_insert(declared.key);
            }
        }
        matcher
    }

    /// Stage 1.
    fn claim_pinned(&mut self) {
        for DeclaredAgent { key, pin, .. } in self.pending() {
            let Some(id) = pin else { continue };
            match self.pinned_by.get(&id) {
                _ if !self.listed.contains_key(&id) => {
                    self.found.errors.insert(key, AgentMatchError::PinMissing(id));
                }
                Some(first) if *first != key => {
                    self.found.errors.insert(key, AgentMatchError::PinTaken(id, first));
                }
                _ => self.matched(key, id),
            }
        }
    }

    /// One stage: every key takes the best that is offered to it, and the best of a key is not
    /// given where several are equal or several keys take it.
    fn claim(&mut self, offers: impl Fn(&Self, DeclaredAgent<'a>) -> Offers) {
        let mut proposals: BTreeMap<AgentId, Vec<&'a Key>> = BTreeMap::new();
        for declared in self.pending() {
            let offers = offers(self, declared);
            let free = offers.iter().filter(|(_, id)| self.is_free(declared.key, *id));
            let chosen: BTreeSet<AgentId> =
                best(free, |(rank, _)| *rank).into_iter().map(|(_, id)| *id).collect();
            match chosen.iter().collect::<Vec<_>>().as_slice() {
                [] => {}
                [id] => proposals.entry(**id).or_default().push(declared.key),
                _ => {
                    let chosen: Vec<AgentId> = chosen.into_iter().collect();
                    self.failed(declared.key, &chosen, AgentMatchError::Ambiguous(chosen.clone()));
                }
            }
        }
        for (id, keys) in proposals {
            match keys.as_slice() {
                // What another key cannot tell from others is nobody's.
                _ if self.taken.contains(&id) => {
                    for key in keys {
                        self.failed(key, &[id], AgentMatchError::Ambiguous(vec![id]));
                    }
                }
                [key] => self.matched(key, id),
                several => {
                    for key in several {
                        let error = AgentMatchError::Contested(id, several.to_vec());
                        self.failed(key, &[id], error);
                    }
                }
            }
        }
    }

    /// Stage 2: the newest agent that an apply on this machine made for the key.
    fn in_ledger(&self, declared: DeclaredAgent<'a>) -> Offers {
        let created = self.known(declared.key).into_iter().flat_map(|known| &known.created);
        let listed = created.copied().filter(|id| self.listed.contains_key(id));
        listed.enumerate().map(|(age, id)| ((false, age), id)).collect()
    }

    /// Stage 3: the declared name, or what the service may have made of it, where history declared
    /// that name for the key.
    fn under_declared_name(&self, declared: DeclaredAgent<'a>) -> Offers {
        let Some(name) = declared.object.name() else { return Vec::new() };
        let mut offers = self.under_name_of(declared.key, |version| version.name() == Some(name));
        // A create was sent, and nobody learned its result.
        let mut unanswered = self.known(declared.key).into_iter().flat_map(|k| &k.unanswered);
        if unanswered.any(|sent| sent == name) {
            let named = self.by_name.get(name).into_iter().flatten();
            let fitting = named.filter(|id| may_be(declared.object, &self.listed[id]));
            offers.extend(fitting.map(|id| ((false, 0), *id)));
        }
        offers
    }

    /// Stage 4: a name that was declared for the key earlier.
    fn under_earlier_name(&self, declared: DeclaredAgent<'a>) -> Offers {
        self.under_name_of(declared.key, |version| version.name() != declared.object.name())
    }

    /// The agents under the names of versions, as far as they may be what those declared.
    fn under_name_of(&self, key: &Key, is_meant: impl Fn(&Object) -> bool) -> Offers {
        let Some(known) = self.known(key).filter(|known| known.is_established) else {
            return Vec::new();
        };
        let mut offers = Vec::new();
        for (age, version) in known.versions.iter().enumerate().filter(|(_, v)| is_meant(v)) {
            let Some(name) = version.name() else { continue };
            for id in self.named(name) {
                let observed = &self.listed[&id];
                if may_be(version, observed) {
                    offers.push(((observed.name() != Some(name), age), id));
                }
            }
        }
        offers
    }

    /// Stage 5.
    fn under_exact_name(&self, declared: DeclaredAgent<'a>) -> Offers {
        let named = declared.object.name().and_then(|name| self.by_name.get(name));
        named.into_iter().flatten().map(|id| ((false, 0), *id)).collect()
    }

    /// The last stage: what may be the declared agent.
    fn veto(&mut self) {
        for DeclaredAgent { key, object, .. } in self.pending() {
            let folded = object.name().map(fold).filter(|name| !name.to_string().is_empty());
            let by_name = folded.and_then(|name| self.by_folded_name.get(&name));
            let by_looks = object.name().map(|name| self.looking_like(name));
            let by_prompt = object.text(SYSTEM_PROMPT).and_then(|text| self.by_prompt.get(&**text));
            let versions = self.known(key).into_iter().flat_map(|known| &known.versions);
            let by_earlier_name: Vec<AgentId> = versions
                .filter_map(|version| self.by_name.get(version.name()?))
                .flatten()
                .copied()
                .collect();
            let signs = [
                (
                    by_name.cloned().unwrap_or_default(),
                    "the same name but for case, blanks and punctuation",
                ),
                (by_looks.unwrap_or_default(), SAME_LOOKS),
                (by_prompt.cloned().unwrap_or_default(), "the same system prompt"),
                (by_earlier_name, "a name that was declared for it earlier"),
            ];
            let found = signs.into_iter().find_map(|(ids, why)| {
                let ids: BTreeSet<_> =
                    ids.into_iter().filter(|id| self.is_free(key, *id)).collect();
                (!ids.is_empty()).then(|| (ids.into_iter().collect::<Vec<_>>(), why))
            });
            if let Some((ids, why)) = found {
                self.failed(key, &ids, AgentMatchError::Unproven(ids.clone(), why));
            }
        }
    }

    /// The agents under a name that looks the same and has other letters.
    fn looking_like(&self, name: &str) -> Vec<AgentId> {
        let alike = self.by_looks.get(&fold_looks(name)).into_iter().flatten();
        let is_meant = |id: &&AgentId| {
            self.listed[*id].name().is_some_and(|other| is_other_spelling(other, name))
        };
        alike.filter(is_meant).copied().collect()
    }

    /// The agents that bear a name, or what the service may have made of it.
    fn named(&self, name: &str) -> BTreeSet<AgentId> {
        let exact = self.by_name.get(name).into_iter().flatten().copied();
        let folded = fold(name).to_string();
        let mut named: BTreeSet<AgentId> = exact.collect();
        if folded.is_empty() {
            return named;
        }
        // A name that was cut is a prefix, so it stands before the whole one, behind its beginning.
        let first: String = folded.chars().take(1).collect();
        let near = self.by_folded_name.range(fold(&first)..=fold(&folded));
        let rewritten = near.filter(|(stored, _)| is_rewriting_of(&stored.to_string(), name));
        named.extend(rewritten.flat_map(|(_, ids)| ids.iter().copied()));
        named
    }

    fn known(&self, key: &Key) -> Option<&'a AgentEvidence> {
        self.evidence.get(key)
    }

    fn pending(&self) -> Vec<DeclaredAgent<'a>> {
        let is_open = |declared: &&DeclaredAgent<'a>| {
            !self.found.by_key.contains_key(declared.key)
                && !self.found.errors.contains_key(declared.key)
        };
        self.declared.iter().filter(is_open).copied().collect()
    }

    /// Whether nobody has the agent and no other key pins it.
    fn is_free(&self, key: &Key, id: AgentId) -> bool {
        let is_pinned_here = self.pinned_by.get(&id).is_none_or(|pinning| *pinning == key);
        is_pinned_here && !self.taken.contains(&id)
    }

    fn matched(&mut self, key: &'a Key, id: AgentId) {
        self.taken.insert(id);
        self.found.by_key.insert(key, id);
    }

    /// What a failed match is about is free for no later stage.
    fn failed(&mut self, key: &'a Key, about: &[AgentId], error: AgentMatchError<'a>) {
        self.taken.extend(about);
        self.found.errors.insert(key, error);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::diag::Place;

    /// `Name: prompt`, or a name alone, of which the prompt is unknown.
    fn object(text: &str) -> Object {
        let (name, prompt) = text.split_once(": ").map_or((text, None), |(n, p)| (n, Some(p)));
        let object = Object::agent(name);
        match prompt {
            Some(prompt) => object.with(SYSTEM_PROMPT, Value::Text(prompt.into())),
            None => object,
        }
    }

    /// Declared agents as `key=7 Name: prompt`, their evidence as `key Name: prompt` (an established
    /// version), `key? Name: prompt` (one of the newest commit alone) or `key #7` (in the ledger), and
    /// the list as `7 Name: prompt`.
    fn matched(declared: &[&str], evidence: &[&str], listed: &[&str]) -> String {
        let key = |text: &str| text.parse::<Key>().unwrap();
        let listed = listed.iter().map(|line| {
            let (id, text) = line.split_once(' ').unwrap();
            (AgentId(id.parse().unwrap()), object(text))
        });
        let listed: ListedAgents = listed.collect();
        let mut known = BTreeMap::<Key, AgentEvidence>::new();
        for line in evidence {
            let (name, text) = line.split_once(' ').unwrap();
            let known = known.entry(key(name.trim_end_matches('?'))).or_default();
            if let Some(id) = text.strip_prefix('#') {
                known.created.push(AgentId(id.parse().unwrap()));
            } else {
                known.is_established |= !name.ends_with('?');
                known.versions.push(object(text));
            }
        }
        let declared = declared.iter().map(|line| {
            let (name, text) = line.split_once(' ').unwrap();
            let (name, pin) = name.split_once('=').map_or((name, None), |(n, id)| (n, Some(id)));
            let agent = AgentConfig {
                scope: None,
                object: object(text),
                files: Vec::new(),
                references: Vec::new(),
                pin: pin.map(|id| AgentId(id.parse().unwrap())),
                protect: false,
                place: Place { file: Path::new("tasks.yaml").into(), span: 0..0 },
            };
            (key(name), agent)
        });
        let declared: BTreeMap<Key, AgentConfig> = declared.collect();
        let agents = declared.iter().map(|(key, agent)| (key, &agent.object, agent.pin));
        let found = identify_agents(agents, &listed, &known);
        let bound = bind_agents(&declared, &listed, &known);
        let said = bound.iter().map(|(key, id)| match (found.errors.get(key), id) {
            (None, Some(id)) => format!("{key}={id}"),
            (None, None) => format!("{key} new"),
            (Some(AgentMatchError::Ambiguous(ids)), None) => format!("{key} ambiguous {ids:?}"),
            (Some(AgentMatchError::Contested(id, keys)), None) => {
                format!("{key} contested {id} by {}", keys.len())
            }
            (Some(AgentMatchError::PinMissing(id)), None) => format!("{key} pin {id} missing"),
            (Some(AgentMatchError::PinTaken(id, first)), None) => {
                format!("{key} pin {id} of {first}")
            }
            (Some(AgentMatchError::Unproven(ids, _)), None) => format!("{key} unproven {ids:?}"),
            (Some(error), Some(_)) => panic!("{key} is bound and has {error:?}"),
        });
        said.collect::<Vec<_>>().join(", ").replace("AgentId", "")
    }

    /// What it is, the declared agents, the evidence, the list, and the matches.
    type StageRow = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
        &'static str,
    );

    const STAGES: &[StageRow] = &[
        ("nothing there", &["r R: p"], &[], &[], "r new"),
        ("another there", &["r R: p"], &[], &["7 Other: q"], "r new"),
        ("exact name", &["r R: p"], &[], &["7 R: q"], "r=7"),
        ("pin before name", &["r=8 R: p"], &[], &["7 R: p", "8 Other: q"], "r=8"),
        ("pin of nothing", &["r=9 R: p"], &[], &["7 R: p"], "r pin 9 missing"),
        ("pin of another key", &["a=7 A: p", "r=7 R: q"], &[], &["7 R: q"], "a=7, r pin 7 of a"),
        (
            "a pinned one is free for no other",
            &["a=7 A: p", "r R: q"],
            &[],
            &["7 R: q"],
            "a=7, r new",
        ),
        ("ledger before name", &["r R: p"], &["r #8"], &["7 R: p", "8 Other: q"], "r=8"),
        ("the newest of the ledger", &["r R: p"], &["r #9", "r #8"], &["8 R: p", "9 R: p"], "r=9"),
        ("the newest that is there", &["r R: p"], &["r #9", "r #8"], &["8 X: p"], "r=8"),
        ("ledger of another key", &["a R: p", "r S: q"], &["r #7"], &["7 R: p"], "a new, r=7"),
        ("a renamed key", &["r R: p"], &["r Old: p"], &["7 Old: p"], "r=7"),
        ("renamed and edited", &["r R: q"], &["r Old: p"], &["7 Old: p"], "r=7"),
        ("renamed twice", &["r R: p"], &["r Old: p", "r Older: p"], &["7 Older: p"], "r=7"),
        (
            "the newest earlier name",
            &["r R: p"],
            &["r Old: p", "r Older: p"],
            &["7 Older: p", "8 Old: p"],
            "r=8",
        ),
        (
            "an earlier name of the newest commit",
            &["r R: p"],
            &["r? Old: q"],
            &["7 Old: q"],
            "r unproven [(7)]",
        ),
        (
            "an earlier name with other fields",
            &["r R: p"],
            &["r Old: q"],
            &["7 Old: x"],
            "r unproven [(7)]",
        ),
        (
            "an earlier name on a list without prompts",
            &["r R: p"],
            &["r Old: q"],
            &["7 Old"],
            "r=7",
        ),
        (
            "a rewritten name with history",
            &["r Some Agent: p"],
            &["r Some Agent: p"],
            &["7 some-agent: p"],
            "r=7",
        ),
        (
            "a cut name with history",
            &["r The Agent Of Many Words: p"],
            &["r The Agent Of Many Words: p"],
            &["7 The Agent Of Many Wo: p"],
            "r=7",
        ),
        (
            "a rewritten name alone",
            &["r Some Agent: p"],
            &[],
            &["7 some-agent: q"],
            "r unproven [(7)]",
        ),
        ("a name in other letters", &["r SPY"], &[], &["7 \u{405}PY"], "r unproven [(7)]"),
        ("a series", &["r Model l"], &[], &["7 Model I"], "r new"),
        ("the same prompt alone", &["r R: p"], &[], &["7 Other: p"], "r unproven [(7)]"),
        ("no prompt is no sign", &["r R"], &[], &["7 Other"], "r new"),
        ("an empty prompt is no sign", &["r R: "], &[], &["7 Other: "], "r new"),
        ("two of one name", &["r R: p"], &[], &["7 R: q", "8 R: p"], "r ambiguous [(7), (8)]"),
        (
            "two of one name, one of them ours",
            &["r R: p"],
            &["r R: p"],
            &["7 R: q", "8 R: p"],
            "r=8",
        ),
        (
            "two of one name, both alike",
            &["r R: p"],
            &["r R: p"],
            &["7 R: p", "8 R: p"],
            "r ambiguous [(7), (8)]",
        ),
        (
            "exact before rewritten",
            &["r Some Agent: p"],
            &["r Some Agent: p"],
            &["7 some agent: p", "8 Some Agent: p"],
            "r=8",
        ),
        ("two with its prompt", &["r R: p"], &[], &["7 A: p", "8 B: p"], "r unproven [(7), (8)]"),
        (
            "two keys of one earlier name",
            &["a A: p", "b B: p"],
            &["a Old: p", "b Old: p"],
            &["7 Old: p"],
            "a contested 7 by 2, b contested 7 by 2",
        ),
        (
            "names that change hands",
            &["a B: p", "b A: q"],
            &["a A: p", "b B: q"],
            &["7 A: p", "8 B: q"],
            "a=7, b=8",
        ),
    ];

    #[test]
    fn an_agent_is_matched_by_the_first_stage_that_fits() {
        for (row, declared, evidence, listed, expected) in STAGES {
            assert_eq!(matched(declared, evidence, listed), *expected, "{row}");
        }
    }
}
