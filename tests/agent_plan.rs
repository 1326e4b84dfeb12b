//! Small desired and observed agents, and what the plan makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use qcops::diag::{Code, Diagnostic, Gap, GapReason, Place};
use qcops::evidence::StoredValue;
use qcops::kinds::AGENT_ID;
use qcops::manifest::{self, AgentNames, DesiredAgent, DesiredState, ExpandInputs};
use qcops::model::{AgentId, OrganizationId, TaskId};
use qcops::observed::{Completeness, ObservedAgent, ReadRequest, ReadResult};
use qcops::plan::{
    self, AgentChange, AgentRef, AgentUser, Change, Neighbor, Plan, Prune, Remove, Scope, Step,
    StepStatus,
};
use qcops::resource::{Address, Edit, Object, Reference, Value};

use crate::support::scene::{Scene, key};
use crate::support::world::NoFiles;

/// The fields of an agent, `Name | model m | prompt p | tools a,b | calls 7,other`: what is called by
/// a number is an agent of the service, and otherwise one of the manifest.
fn agent(text: &str) -> Object {
    let mut fields = text.split(" | ");
    let named = Object::agent(fields.next().unwrap());
    fields.fold(named, |object, field| {
        let (field, value) = field.split_once(' ').unwrap_or((field, ""));
        let words = || value.split(',').filter(|word| !word.is_empty());
        match field {
            "prompt" => object.with("systemPrompt", Value::Text(value.into())),
            "tools" => {
                let words: BTreeSet<_> = words().map(Into::into).collect();
                object.with("tools", Value::Set(words.into_iter().collect()))
            }
            "calls" => {
                let members = words().map(|word| match word.parse() {
                    Ok(id) => (Reference::Id(id), Some(1)),
                    Err(_) => (Reference::Ref(address(word)), Some(1)),
                });
                object.with("subAgents", Value::references(members))
            }
            field => object.with(field, Value::Text(value.into())),
        }
    })
}

fn address(key: &str) -> Address {
    Address { kind: "agent", key: key.into() }
}

/// A scene told in lines:
///
/// * `declared r Name | …`, `declared r=7 Name | …` with a pin, `protected r Name | …`;
/// * `before r Name | …`: a version of an established key, the newest first; `now r Name | …`: the
///   one version of a key that is declared since the newest commit;
/// * `made r 7`: the ledger knows that agent; `stored r 7 model sent kept`: and what was stored there;
/// * `listed 7 Name | …`, `read 7 Name | …`, `unreadable 7`, `refused 7`;
/// * `task t 7`: a declared task of agent 7 or of the agent of a key, which is there where the number
///   is one (`+t` if it is not); `foreign 512 7`: a task of somebody else;
/// * `neighbor YAML`: a manifest that is not applied;
/// * `forget r`, `prune`, `target agent.r`, `target t`, `stale`, `allow code`, `gap`, `archive`,
///   `ledger`, `elsewhere r`, `partial`, `lost-file`.
#[expect(clippy::too_many_lines, reason = "an arm for each line of a scene")]
fn scene(lines: &str) -> Scene {
    let mut scene = Scene::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (subject, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let id = || AgentId(subject.parse().unwrap());
        let Scene { plan_context: inputs, state } = &mut scene;
        match verb {
            "declared" | "protected" => {
                let (name, pin) = match subject.split_once('=') {
                    Some((name, id)) => (name, Some(AgentId(id.parse().unwrap()))),
                    None => (subject, None),
                };
                let place = Place { file: Path::new("tasks.yaml").into(), span: 0..0 };
                let (object, protect) = (agent(text), verb == "protected");
                let desired = DesiredAgent { object, pin, protect, place };
                inputs.desired_state.agents.insert(key(name), desired);
            }
            "before" | "now" => {
                let known = inputs.evidence.agents.entry(key(subject)).or_default();
                known.is_established |= verb == "before";
                known.versions.push(agent(text));
            }
            "was-protected" => {
                inputs.evidence.agents.entry(key(subject)).or_default().protect = true;
            }
            "was-pinned" => {
                let known = inputs.evidence.agents.entry(key(subject)).or_default();
                known.pinned.insert(AgentId(text.parse().unwrap()));
            }
            "made" => {
                let known = inputs.evidence.agents.entry(key(subject)).or_default();
                known.created.push(AgentId(text.parse().unwrap()));
            }
            "unanswered" => {
                let known = inputs.evidence.agents.entry(key(subject)).or_default();
                known.unanswered.push(text.to_owned());
            }
            "stored" => {
                let words: Vec<&str> = text.split(' ').collect();
                let value =
                    |text: &str| agent(&format!("x | {} {text}", words[1])).get(words[1]).clone();
                let id = AgentId(words[0].parse().unwrap());
                let (asked, stored) = (value(words[2]), value(words[3]));
                let known = inputs.evidence.agents.entry(key(subject)).or_default();
                known.stored.push(StoredValue::new(id, words[1], &asked, &stored));
            }
            "listed" => drop(inputs.agents.insert(id(), agent(text))),
            "read" => {
                let seen = ObservedAgent { id: id(), object: agent(text) };
                state.agent_reads.insert(id(), ReadResult::Seen(seen));
            }
            "unreadable" => {
                let words = "status 500".to_owned();
                state.agent_reads.insert(id(), ReadResult::Unreadable(words));
            }
            "refused" => {
                let words = "no".to_owned();
                state.agent_reads.insert(id(), ReadResult::Refused(words));
            }
            "task" => {
                let name = subject.trim_start_matches('+');
                let value = match text.parse() {
                    Ok(id) => Value::Integer(id),
                    Err(_) => Value::Ref(Box::new(address(text))),
                };
                let desired = scene.declare(name, name);
                desired.object = desired.object.with(AGENT_ID, value.clone()).whole().unwrap();
                if let (false, Value::Integer(_)) = (subject.starts_with('+'), &value) {
                    let count = scene.state.tasks.items.len() as u64;
                    let task = scene.show(TaskId(100 + count), name, name);
                    task.object = task.object.with(AGENT_ID, value);
                }
            }
            "foreign" => {
                let agent = Value::Integer(text.parse().unwrap());
                let task =
                    scene.show(TaskId(subject.parse().unwrap()), "Foreign", "something else");
                task.object = task.object.with(AGENT_ID, agent);
            }
            "runs" => scene.declare_runs(subject, 1),
            "undeclared-task" => {
                // Owned, without deployments, and no longer declared: it can be deleted.
                scene.remember(subject, subject).is_established = true;
                let agent = Value::Integer(text.parse().unwrap());
                let task = scene.show(TaskId(300), subject, subject);
                task.object = task.object.with(AGENT_ID, agent);
                let content = task.object.content().unwrap();
                let known = scene.plan_context.evidence.keys.get_mut(&key(subject)).unwrap();
                known.versions[0].content = content;
            }
            "forget" => drop(inputs.desired_state.forgotten.insert(key(subject))),
            "prune" => inputs.options.prune = Prune::On,
            "target" => match subject.strip_prefix("agent.") {
                Some(name) => drop(inputs.options.target_agents.insert(key(name))),
                None => drop(inputs.options.targets.insert(key(subject))),
            },
            "stale" => inputs.options.is_stale = true,
            "limit" => inputs.options.limits.create = Some(subject.parse().unwrap()),
            "allow" => {
                let code = Code::ALL.iter().find(|code| code.as_str() == subject);
                inputs.options.allow.insert(*code.unwrap());
            }
            "archive" => inputs.evidence.gaps.push(Gap::history(GapReason::NoRepository)),
            "ledger" => inputs.evidence.has_ledger = true,
            "gap" => inputs.evidence.gaps.push(Gap::history(GapReason::ShallowClone)),
            "elsewhere" => drop(inputs.other_manifests.agent_keys.insert(key(subject))),
            "named-elsewhere" => {
                inputs.other_manifests.agent_names.extend([qcops::model::fold(subject)]);
            }
            "neighbor" => {
                let text = format!("version: 1\n{}", rest.replace("; ", "\n"));
                let inputs_of = ExpandInputs::of(&|_| None);
                let path = Path::new("other.yaml");
                let (manifest, found) = manifest::parse(path, &text, &NoFiles, inputs_of);
                assert_eq!(found, []);
                let neighbor =
                    Neighbor { path, manifest: &manifest, flaw: None, is_only_committed: false };
                let organization = OrganizationId("0123456789abcdef0123456789abcdef".to_owned());
                let (agents, declared) = (AgentNames::default(), DesiredState::default());
                inputs.other_manifests.add(neighbor, &organization, &agents, &declared);
            }
            "partial" => state.tasks.coverage = Completeness::Partial("it was cut".to_owned()),
            "lost-file" => {
                let (path, said) = ("other/tasks.yaml".into(), "it is empty".to_owned());
                let gap = Gap::other_manifests(GapReason::ManifestUnclear { path, said });
                inputs.other_manifests.gaps.push(gap);
            }
            other => panic!("{other} is no line of a scene"),
        }
    }
    scene
}

fn edits(edits: &[Edit]) -> String {
    let edits = edits.iter().map(|edit| {
        let word = |value: &Value| value.to_string().replace(' ', "_");
        format!("{} {}->{}", edit.field, word(&edit.before), word(&edit.after))
    });
    edits.collect::<Vec<_>>().join(" ")
}

fn step(plan: &Plan, step: &Step) -> String {
    let name = |id| plan.steps.iter().find(|step| step.id == id).map(|step| step.key.to_string());
    let what = match &step.change {
        Change::Agent(AgentChange::Create { object }) => {
            let calls = object.get("subAgents").to_string();
            let calls = if object.get("subAgents").is_known() {
                format!(" calls {calls}")
            } else {
                String::new()
            };
            format!("+ {}{calls}", step.key)
        }
        Change::Agent(AgentChange::Update { agent, edits: changes }) => {
            let agent = match agent {
                AgentRef::Existing(id) => id.to_string(),
                AgentRef::MadeBy(step) => format!("made by {}", name(*step).unwrap()),
            };
            format!("~ {} {agent} {}", step.key, edits(changes))
        }
        Change::Agent(AgentChange::Delete { id, .. }) => format!("- {} {id}", step.key),
        Change::Agent(AgentChange::Undecided { candidates, .. }) => {
            let ids: Vec<String> = candidates.iter().map(|agent| agent.id.to_string()).collect();
            format!("? {} {}", step.key, ids.join(","))
        }
        Change::Create { .. } => format!("+ task.{}", step.key),
        Change::Replace { .. } => format!("-/+ task.{}", step.key),
        Change::Remove { removal, .. } if removal.how == Remove::Delete => {
            format!("- task.{}", step.key)
        }
        Change::Remove { .. } => format!("archive task.{}", step.key),
        Change::Deploy { .. } => format!("> task.{}", step.key),
        other => other.action().to_string(),
    };
    let drift = step.drift.iter().map(|field| format!(" drift:{field}"));
    let after = step.after.iter().filter_map(|id| {
        let at = plan.steps.iter().position(|other| other.id == *id)?;
        Some(format!(" after #{at}"))
    });
    let status = match &step.status {
        StepStatus::Ready => String::new(),
        StepStatus::Deferred(finding) => format!(" deferred[{}]", finding.code),
        StepStatus::Blocked(finding) => format!(" blocked[{}]", finding.code),
    };
    format!("{what}{}{}{status}", drift.collect::<String>(), after.collect::<String>())
}

/// The steps of a plan, the agents that are kept, and the codes of its notes.
fn told(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|one| step(plan, one));
    let kept = (plan.kept_agents > 0).then(|| format!("{} kept", plan.kept_agents));
    let is_of_agents =
        |note: &&Diagnostic| note.code != Code::UnknownAgent && !note.message.starts_with("task ");
    let notes = plan.notes.iter().filter(is_of_agents);
    let notes = notes.map(|note| format!("note {}", note.code));
    let stored = &plan.stored_otherwise;
    let differing = stored.agents.iter().map(|key| format!("{key} stored otherwise"));
    let ended = stored.ended.iter().map(|(_, _, field)| format!("{field} asked again"));
    let all = steps.chain(kept).chain(differing).chain(ended).chain(notes);
    all.collect::<Vec<_>>().join("; ")
}

fn planned(lines: &str) -> String {
    told(&scene(lines).plan())
}

fn check(table: &[(&str, &str, &str)]) {
    check_after("", table);
}

/// Plans each row after the lines that all of them begin with.
fn check_after(before: &str, table: &[(&str, &str, &str)]) {
    let told = table.iter().map(|(row, lines, _)| (*row, planned(&format!("{before}{lines}"))));
    let expected = table.iter().map(|(row, _, expected)| (*row, (*expected).to_owned()));
    let differing = told.zip(expected).filter(|(told, expected)| told != expected);
    assert_eq!(differing.collect::<Vec<_>>(), []);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn an_agent_is_created_kept_or_changed_by_what_proves_it() {
    check(&[
        ("nothing there", "declared r R | model a", "+ r"),
        (
            "as declared",
            "declared r R | model a\nbefore r R | model a\nlisted 7 R | model a",
            "1 kept",
        ),
        (
            "of unknown origin",
            "declared r R | model a\nnow r R | model a\nlisted 7 R | model a",
            "1 kept",
        ),
        (
            "edited in Git",
            "declared r R | model b\nbefore r R | model b\nbefore r R | model a\nlisted 7 R | model a",
            "~ r 7 model a->b",
        ),
        (
            "two fields at once",
            "declared r R | model b | prompt q\nmade r 7\nlisted 7 R | model a | prompt p",
            "~ r 7 systemPrompt p->q model a->b",
        ),
        (
            "only what is declared is managed",
            "declared r R | model a\nmade r 7\nlisted 7 R | model a | prompt theirs | tools x",
            "1 kept",
        ),
        (
            "a name alone proves nothing",
            "declared r R | model b\nlisted 7 R | model a",
            "~ r 7 model a->b blocked[unproven]",
        ),
        (
            "a name that was declared often proves nothing",
            "declared r R | model b\nbefore r R | model b\nbefore r R | model c\nlisted 7 R | model a",
            "~ r 7 model a->b blocked[unproven]",
        ),
        (
            "pinned",
            "declared r=7 R | model b\nlisted 7 Other | model a",
            "~ r 7 name Other->R model a->b",
        ),
        (
            "pinned and not there",
            "declared r=9 R\nlisted 7 R\nrefused 9",
            "? r  blocked[pin-missing]",
        ),
        (
            "pinned and there, although the list leaves it out",
            "declared r=9 R\nlisted 7 R\nread 9 R",
            "? r  blocked[incomplete-read]",
        ),
        (
            "pinned and perhaps there",
            "declared r=9 R\nlisted 7 R\nunreadable 9",
            "? r  blocked[incomplete-read]",
        ),
        (
            "pinned twice",
            "declared a=7 A\ndeclared b=7 B\nlisted 7 A",
            "? b  blocked[pin-taken]; 1 kept",
        ),
        (
            "renamed in Git",
            "declared r New | model a\nbefore r Old | model a\nlisted 7 Old | model a",
            "~ r 7 name Old->New",
        ),
        (
            "an earlier name with other fields",
            "declared r New | model a\nbefore r Old | model a\nlisted 7 Old | model x",
            "? r 7 blocked[unproven]",
        ),
        (
            "a rewritten name",
            "declared r Some Agent | model a\nmade r 7\nlisted 7 some-agent | model a",
            "1 kept",
        ),
        (
            "a rewritten name that was declared before",
            "declared r Some Agent | model a\nmade r 7\nbefore r some-agent | model a\nlisted 7 some-agent | model a",
            "~ r 7 name some-agent->Some_Agent",
        ),
        (
            "an equal name but for case",
            "declared r R Two\nlisted 7 r-two",
            "? r 7 blocked[unproven]",
        ),
        (
            "an equal prompt",
            "declared r R | prompt p\nlisted 7 Other | prompt p",
            "? r 7 blocked[unproven]",
        ),
        ("equal names", "declared r R\nlisted 7 R\nlisted 8 R", "? r 7,8 blocked[ambiguous]"),
        (
            "agents of the platform stop nothing",
            "declared r R | prompt p\nlisted 1 Coder | prompt c",
            "+ r",
        ),
        (
            "an answer that was lost",
            "declared r R | model b\nnow r R | model b\nunanswered r R\nlisted 7 R | model b",
            "1 kept",
        ),
        (
            "the second of two that were made",
            "declared r R | model a\nmade r 8\nmade r 7\nlisted 7 R | model a\nlisted 8 R | model a",
            "1 kept; note duplicate",
        ),
        ("tools are a set", "declared r R | tools b,a\nmade r 7\nlisted 7 R | tools a,b", "1 kept"),
        (
            "tools that trade",
            "declared r R | tools a,create_live_algorithm\nmade r 7\nlisted 7 R | tools a",
            "~ r 7 tools a->a,_create_live_algorithm; note trading-tools",
        ),
        (
            "tools that trade already",
            "declared r R | tools b,liquidate_live_algorithm\nmade r 7\nlisted 7 R | tools liquidate_live_algorithm",
            "~ r 7 tools liquidate_live_algorithm->b,_liquidate_live_algorithm",
        ),
    ]);
}

#[test]
fn what_the_service_stores_otherwise_is_planned_once() {
    check(&[
        (
            "just that was sent, and just that was stored",
            "declared r R | model b\nmade r 7\nstored r 7 model b a\nlisted 7 R | model a",
            "r stored otherwise; note stored-otherwise",
        ),
        (
            "something else is declared",
            "declared r R | model c\nmade r 7\nstored r 7 model b a\nlisted 7 R | model a",
            "~ r 7 model a->c; model asked again",
        ),
        (
            "something else is stored",
            "declared r R | model b\nmade r 7\nstored r 7 model b a\nlisted 7 R | model x",
            "~ r 7 model x->b; model asked again",
        ),
        (
            "as declared, by hand or after all",
            "declared r R | model b\nmade r 7\nstored r 7 model b a\nlisted 7 R | model b",
            "1 kept; model asked again",
        ),
        (
            "no longer declared",
            "declared r R | tools a\nmade r 7\nstored r 7 model b a\nlisted 7 R | model a | tools a",
            "1 kept; model asked again",
        ),
        (
            "of another agent",
            "declared r R | model b\nmade r 7\nstored r 8 model b a\nlisted 7 R | model a",
            "~ r 7 model a->b",
        ),
        (
            "a default tool",
            "declared r R | tools a\nmade r 7\nstored r 7 tools a a,default\nlisted 7 R | tools default,a",
            "r stored otherwise; note stored-otherwise",
        ),
        (
            "the other field is still sent",
            "declared r R | model b | tools a\nmade r 7\nstored r 7 model b a\nlisted 7 R | model a | tools b",
            "~ r 7 tools b->a; note stored-otherwise",
        ),
    ]);
    let plan = scene(
        "declared r R | tools a,b\nmade r 7\nstored r 7 tools a,b a,c\nlisted 7 R | tools a,c",
    )
    .plan();
    assert_eq!(
        plan.notes[0].message,
        "agent 7 of `r` stores `tools` otherwise than it was sent: `+c`, `-b`"
    );
}

#[test]
fn a_name_that_another_agent_keeps_is_not_fought_over() {
    check_after(
        "made a 7\nmade b 8\nlisted 7 A | model m\n",
        &[
            (
                "kept by somebody else's",
                "declared a B | model m\nlisted 9 b!",
                "1 kept; note name-held",
            ),
            (
                "another field is changed all the same",
                "declared a B | model n\nlisted 9 B",
                "~ a 7 model m->n; note name-held",
            ),
            (
                "given up by the next key",
                "declared a B\ndeclared b C\nlisted 8 B",
                "~ b 8 name B->C; ~ a 7 name A->B after #0",
            ),
            (
                "kept, because somebody else's keeps the next one",
                "declared a B\ndeclared b C\nlisted 8 B\nlisted 9 C",
                "2 kept; note name-held; note name-held",
            ),
            (
                "kept, because nothing proves that its agent may change",
                "declared a B\ndeclared b=9 C | model m\ndeclared c D | model m\nlisted 9 B\nlisted 10 D | model x",
                "~ b 9 name B->C; ~ a 7 name A->B after #0; ~ c 10 model x->m blocked[unproven]",
            ),
            (
                "swapped",
                "declared a B\ndeclared b A\nlisted 8 B",
                "~ a 7 name A->B; ~ b 8 name B->A after #0",
            ),
            (
                "of a key that goes",
                "prune\ndeclared a B\nbefore b B | model m\nlisted 8 B | model m",
                "~ a 7 name A->B; - b 8",
            ),
        ],
    );
}

#[test]
fn an_agent_of_the_same_name_beside_the_matched_one_is_named() {
    check(&[
        (
            "known by the ledger",
            "declared r R\nmade r 7\nlisted 7 R\nlisted 8 R",
            "1 kept; note duplicate",
        ),
        ("pinned", "declared r=7 R\nlisted 7 R\nlisted 8 R", "1 kept; note duplicate"),
        ("of another name", "declared r R\nmade r 7\nlisted 7 R\nlisted 8 r", "1 kept"),
    ]);
}

#[test]
fn drift_is_what_git_never_declared() {
    let history = "before r R | model b\nbefore r R | model a\nmade r 7\n";
    check_after(
        history,
        &[
            ("declared before", "declared r R | model b\nlisted 7 R | model a", "~ r 7 model a->b"),
            (
                "never declared",
                "declared r R | model b\nlisted 7 R | model x",
                "~ r 7 model x->b drift:model",
            ),
            (
                "a field that is declared for the first time",
                "declared r R | model b | prompt p\nlisted 7 R | model b | prompt q",
                "~ r 7 systemPrompt q->p",
            ),
            (
                "both",
                "declared r R | model c\nbefore r R | model a\nlisted 7 Other | model x",
                "~ r 7 name Other->R model x->c drift:model drift:name",
            ),
            (
                "what was stored in place of what was sent",
                "declared r R | model b\nstored r 7 model z x\nlisted 7 R | model x",
                "~ r 7 model x->b; model asked again",
            ),
            (
                "with part of the history out of sight",
                "gap\ndeclared r R | model b\nlisted 7 R | model x",
                "~ r 7 model x->b; note history-gap",
            ),
        ],
    );
    check(&[
        (
            "of the one version that was applied",
            "declared r R | model a\nbefore r R | model a\nmade r 7\nlisted 7 R | model x",
            "~ r 7 model x->a drift:model",
        ),
        (
            "adopted by the newest commit",
            "declared r=7 R | model a\nbefore r R | model a\nlisted 7 R | model x",
            "~ r 7 model x->a",
        ),
        (
            "adopted in place of one that was made",
            "declared r=7 R | model a\nbefore r R | model a\nmade r 8\nlisted 7 R | model x\nlisted 8 S",
            "~ r 7 model x->a; note duplicate",
        ),
        (
            "adopted earlier",
            "declared r=7 R | model a\nbefore r R | model a\nwas-pinned r 7\nlisted 7 R | model x",
            "~ r 7 model x->a drift:model",
        ),
        (
            "made here and pinned later",
            "declared r=7 R | model a\nbefore r R | model a\nmade r 7\nlisted 7 R | model x",
            "~ r 7 model x->a drift:model",
        ),
    ]);
}

#[test]
fn unknown_is_not_empty_and_a_field_that_no_read_shows_is_left_alone() {
    let reads = |lines: &str| {
        let scene = scene(lines);
        let reads = plan::desired(&scene.plan_context.with(&scene.state));
        let ids = reads.into_iter().filter_map(|read| match read {
            ReadRequest::Agent(id) => Some(id.0),
            _ => None,
        });
        ids.collect::<Vec<u64>>()
    };
    let hidden = "declared r R | prompt q\nmade r 7\nlisted 7 R | model a\n";
    for (row, lines, expected) in [
        ("shown by the list", "declared r R | model a\nmade r 7\nlisted 7 R | model a", vec![]),
        ("not shown by the list", hidden, vec![7]),
        ("not declared", "declared r R\nmade r 7\nlisted 7 R", vec![]),
        ("about to change", "declared r R | model b\nmade r 7\nlisted 7 R | model a", vec![7]),
        ("in the ledger and not listed", "declared r R\nmade r 7", vec![7]),
        (
            "about to be deleted",
            "prune\ntask t 1\nbefore r R | model a\nlisted 7 R | model a",
            vec![7],
        ),
        ("not asked to be deleted", "task t 1\nbefore r R | model a\nlisted 7 R | model a", vec![]),
        ("perhaps of a former key", "task t 1\nbefore r R | prompt p\nlisted 7 R", vec![7]),
    ] {
        assert_eq!(reads(lines), expected, "{row}");
    }
    let read = |rest: &str| planned(&format!("{hidden}{rest}"));
    assert_eq!(read("read 7 R | model a | prompt p"), "~ r 7 systemPrompt p->q");
    assert_eq!(read("read 7 R | model a | prompt q"), "1 kept");
    assert_eq!(read("read 7 R | model a"), "1 kept; note not-shown");
}

#[test]
fn nothing_is_done_on_what_was_not_seen_whole() {
    check(&[
        (
            "an agent that the list leaves out",
            "declared r R\nmade r 7\nread 7 R",
            "+ r blocked[incomplete-read]",
        ),
        ("an agent that is gone", "declared r R\nmade r 7\nrefused 7", "+ r"),
        (
            "an agent that cannot be read is not changed",
            "declared r R | model b\nmade r 7\nlisted 7 R | model a\nunreadable 7",
            "~ r 7 model a->b blocked[incomplete-read]",
        ),
        (
            "nor is another one made or deleted",
            "prune\ndeclared r R\ndeclared s S\nmade r 7\nlisted 7 R\nunreadable 7\nbefore t T | model a\nlisted 8 T | model a",
            "+ s blocked[incomplete-read]; - t 8 blocked[incomplete-read]; 1 kept",
        ),
        (
            "a list of tasks that was cut stops deletes of agents alone",
            "prune\npartial\ndeclared s S\nbefore t T | model a\nlisted 8 T | model a",
            "+ s; - t 8 blocked[incomplete-read]",
        ),
        ("a stale checkout", "stale\ndeclared s S", "+ s blocked[stale-checkout]"),
        (
            "a shallow clone makes none beside one that nothing explains",
            "gap\ndeclared r R\nlisted 1 Coder | prompt c",
            "+ r blocked[lost-evidence]; note history-gap",
        ),
        (
            "an archive makes none beside one that nothing explains",
            "archive\ndeclared r R\nlisted 1 Coder | prompt c",
            "+ r blocked[lost-evidence]; note history-gap",
        ),
        (
            "an archive makes none beside one that was renamed and edited",
            "archive\ndeclared r New | prompt b\nlisted 7 Old | prompt a",
            "+ r blocked[lost-evidence]; note history-gap",
        ),
        (
            "an archive whose ledger knows the organization makes one",
            "archive\nledger\ndeclared r R\nlisted 1 Coder | prompt c",
            "+ r; note history-gap",
        ),
        (
            "an archive makes one for an organization without agents of its own",
            "archive\ndeclared r R\nlisted 47 Research Assistant",
            "+ r; note history-gap",
        ),
        (
            "an archive makes one beside an agent that a task names",
            "archive\ndeclared r R\nlisted 7 Coder\ntask t 7",
            "+ r; note history-gap",
        ),
        (
            "an archive makes one where it is allowed",
            "archive\nallow lost-evidence\ndeclared r R\nlisted 1 Coder",
            "+ r; note history-gap",
        ),
        (
            "a shallow clone makes one beside those that are explained",
            "gap\ndeclared r R\ndeclared s S\nlisted 1 S",
            "+ r; 1 kept; note history-gap",
        ),
        (
            "a shallow clone makes no duplicate",
            "gap\ndeclared r R | prompt p\nlisted 7 Old | prompt p",
            "? r 7 blocked[unproven]; note history-gap",
        ),
        (
            "a shallow clone deletes nothing",
            "gap\nprune\ndeclared s S\nmade t 8\nbefore t T | model a\nlisted 8 T | model a",
            "+ s; - t 8 blocked[lost-evidence]; note history-gap",
        ),
        (
            "many that are gone at once",
            "declared a A\ndeclared b B\nmade a 7\nmade b 8",
            "+ a blocked[mass-missing]; + b blocked[mass-missing]",
        ),
        ("one that is gone", "declared a A\nmade a 7", "+ a"),
        (
            "more creates than the limit",
            "limit 1\ndeclared a A\ndeclared b B",
            "+ a blocked[too-many-creates]; + b blocked[too-many-creates]",
        ),
    ]);
}

#[test]
fn agents_are_created_before_what_refers_to_them() {
    check(&[
        (
            "an agent after the one it calls",
            "declared a A | calls z\ndeclared z Z",
            "+ z; + a calls agent.z (1) after #0",
        ),
        ("one that is there", "declared a A | calls 7\nlisted 7 Z", "+ a calls 7 (1)"),
        (
            "a ring",
            "declared a A | calls b\ndeclared b B | calls a",
            "+ a calls ; + b calls agent.a (1) after #0; \
             ~ a made by a subAgents ->agent.b_(1) after #0 after #1",
        ),
        (
            "one that calls itself",
            "declared a A | calls a",
            "+ a calls ; ~ a made by a subAgents ->agent.a_(1) after #0",
        ),
        (
            "a ring that another one leads to",
            "declared a A | calls b\ndeclared b B | calls c\ndeclared c C | calls b",
            "+ b calls ; + a calls agent.b (1) after #0; + c calls agent.b (1) after #0; \
             ~ b made by b subAgents ->agent.c_(1) after #0 after #2",
        ),
        (
            "one that exists gets a new one",
            "declared a A | calls z\ndeclared z Z\nmade a 7\nlisted 7 A | calls ",
            "+ z; ~ a 7 subAgents ->agent.z_(1) after #0",
        ),
        ("a task after its agent", "declared r R\ntask t r", "+ r; + task.t after #0"),
        (
            "a deployment after both",
            "declared r R\ntask t r\nruns t",
            "+ r; + task.t after #0; > task.t after #0 after #1",
        ),
        (
            "a deployment after a change of its agent",
            "declared r R | model b\nmade r 7\nlisted 7 R | model a\ntask t 7\nruns t",
            "~ r 7 model a->b; > task.t after #0",
        ),
        (
            "a deployment after a change of what its agent calls",
            "declared r R | calls 8\ndeclared s S | model b\nmade r 7\nmade s 8\n\
             listed 7 R | calls 8\nlisted 8 S | model a\ntask t 7\nruns t",
            "~ s 8 model a->b; > task.t after #0; 1 kept",
        ),
        (
            "a changed agent replaces no task",
            "declared r R | model b\nmade r 7\nlisted 7 R | model a\ntask t 7",
            "~ r 7 model a->b",
        ),
        (
            "a task of an agent that cannot be told waits",
            "declared r R\nlisted 7 R\nlisted 8 R\ntask t r",
            "? r 7,8 blocked[ambiguous]; + task.t after #0 blocked[waits-for-blocked]",
        ),
        (
            "an agent that calls one that cannot be told waits",
            "declared a A | calls r\ndeclared r R\nlisted 7 R\nlisted 8 R",
            "? r 7,8 blocked[ambiguous]; + a calls agent.r (1) after #0 blocked[waits-for-blocked]",
        ),
        (
            "a task of an agent of a like name uses it as it is",
            "declared r R | model b\nlisted 7 R | model a\ntask +t 7",
            "~ r 7 model a->b blocked[unproven]; + task.t",
        ),
    ]);
}

#[test]
fn an_agent_goes_only_if_nothing_is_lost_and_nobody_uses_it() {
    let gone = "before r R | model a\nlisted 7 R | model a\ntask t 1\n";
    check_after(
        gone,
        &[
            ("without prune", "", "- r 7 deferred[prune-off]"),
            ("with prune", "prune", "- r 7"),
            ("forgotten", "prune\nforget r", ""),
            ("of another manifest, by key", "prune\nelsewhere r", ""),
            ("of another manifest, by name", "prune\nnamed-elsewhere R", ""),
            (
                "named by a task of another manifest",
                "prune\nneighbor tasks: {n: {agent: R, prompt: x, projectPreference: project-for-task}}",
                "",
            ),
            (
                "its id in a task of another manifest",
                "prune\nneighbor tasks: {n: {agentId: 7, prompt: x, projectPreference: project-for-task}}",
                "",
            ),
            (
                "another agent in a task of another manifest",
                "prune\nneighbor tasks: {n: {agentId: 8, prompt: x, projectPreference: project-for-task}}",
                "- r 7",
            ),
            (
                "the key of another manifest's own agent",
                "prune\nneighbor agents: {R: {name: S, model: m}}; tasks: {n: {agent: R, prompt: x, projectPreference: project-for-task}}",
                "- r 7",
            ),
            (
                "beside a manifest that cannot be read",
                "prune\nlost-file",
                "- r 7 blocked[unreadable-neighbor]; note history-gap",
            ),
            ("protected", "prune\nwas-protected r", "- r 7 blocked[protected]"),
            ("used by somebody else's task", "prune\nforeign 512 7", "- r 7 blocked[agent-in-use]"),
            ("used, and nobody asked", "foreign 512 7", "- r 7 deferred[prune-off]"),
            ("used by a declared task", "prune\ntask u 7", "- r 7 blocked[agent-in-use]"),
            (
                "used by a task that is to be created",
                "prune\ntask +u 7",
                "+ task.u; - r 7 blocked[agent-in-use]",
            ),
            (
                "used by another agent",
                "prune\nlisted 8 Other | calls 7",
                "- r 7 blocked[agent-in-use]",
            ),
            (
                "used by a declared agent until then",
                "prune\ndeclared s S | calls \nmade s 8\nlisted 8 S | calls 7",
                "~ s 8 subAgents 7_(1)->; - r 7 after #0",
            ),
            (
                "used by a declared agent whose calls are not managed",
                "prune\ndeclared s S\nmade s 8\nlisted 8 S | calls 7",
                "- r 7 blocked[agent-in-use]; 1 kept",
            ),
            (
                "used by an agent that goes too",
                "prune\nbefore s S | model a\nlisted 8 S | model a | calls 7",
                "- s 8; - r 7 after #0",
            ),
            (
                "used by a task that goes too",
                "prune\nundeclared-task u 7",
                "- task.u; - r 7 after #0",
            ),
        ],
    );
    check(&[
        (
            "made here, and changed since",
            "prune\ntask t 1\nmade r 7\nbefore r R | model a\nlisted 7 R | model x",
            "- r 7 blocked[not-in-history]",
        ),
        (
            "made here, with a prompt that nobody declared",
            "prune\ntask t 1\nmade r 7\nbefore r R | model a\nlisted 7 R | model a | prompt theirs",
            "- r 7 blocked[not-in-history]",
        ),
        (
            "of the same name, and otherwise not ours",
            "prune\ntask t 1\nbefore r R | model a\nlisted 7 R | model x",
            "note unproven",
        ),
        (
            "an empty manifest",
            "prune\nbefore r R | model a\nlisted 7 R | model a",
            "- r 7 blocked[empty-manifest]",
        ),
        (
            "more than the limit",
            "prune\ntask t 1\nbefore a A | model a\nbefore b B | model a\nbefore c C | model a\nbefore d D | model a\n\
             listed 11 A | model a\nlisted 12 B | model a\nlisted 13 C | model a\nlisted 14 D | model a",
            "- a 11 blocked[too-many-deletes]; - b 12 blocked[too-many-deletes]; \
             - c 13 blocked[too-many-deletes]; - d 14 blocked[too-many-deletes]",
        ),
    ]);
}

#[test]
fn what_became_of_an_agent_that_was_declared_is_said() {
    let renamed = scene(
        "declared r2 R Two | prompt p\nmade r 7\nbefore r R | prompt p\nlisted 7 R | prompt p",
    )
    .plan();
    let blocks: Vec<&Diagnostic> = renamed.blocks().collect();
    assert_eq!(
        (blocks[0].code, &*blocks[0].message),
        (
            Code::Unproven,
            "agent 7 has the same system prompt, and is that of `r`, which is no longer declared"
        )
    );
    assert!(blocks[0].help[0].starts_with("if `r` became `r2`, pin the agent"));
    let unknown = |name: &str| {
        let (path, name) = ("tasks.yaml".to_owned(), name.to_owned());
        Gap::history(GapReason::AgentUnknown { path, name, several: false })
    };
    for (name, notes) in [("old", 0), ("Somebody", 1)] {
        let mut scene =
            scene("declared r R | model a\nmade r 7\nlisted 7 R | model a\nbefore old O | model a");
        scene.plan_context.evidence.gaps.push(unknown(name));
        let is_gap = |note: &&Diagnostic| note.code == Code::HistoryGap;
        assert_eq!(scene.plan().notes.iter().filter(is_gap).count(), notes, "{name}");
    }
}

#[test]
fn a_finding_names_who_uses_an_agent() {
    let plan =
        scene("prune\nbefore r R | model a\nlisted 7 R | model a\nforeign 512 7\ntask t 7").plan();
    let blocks: Vec<&Diagnostic> = plan.blocks().collect();
    assert_eq!(blocks[0].message, "agent 7 is used by `task.t` and task 512 `Foreign`");
    assert!(!blocks[0].help.iter().any(|help| help.contains("--archived")), "{:?}", blocks[0].help);
    let plan = scene(
        "declared r R | model b\nmade r 7\nlisted 7 R | model a\ntask t 7\nforeign 512 7\n\
         declared s S | calls 7\nlisted 9 Other | calls 7",
    )
    .plan();
    let users = [
        AgentUser::Task(key("t")),
        AgentUser::Agent(key("s")),
        AgentUser::Unmanaged(TaskId(512)),
        AgentUser::UnmanagedAgent(AgentId(9)),
    ];
    assert_eq!(plan.agent_users, BTreeMap::from([(key("r"), users.into())]));
}

#[test]
fn a_target_brings_the_agents_that_it_needs() {
    let all = "declared r R | calls s\ndeclared s S\ndeclared x X\ntask t r\ntask u x\n";
    let row = |lines: &str| planned(&format!("{all}{lines}"));
    assert_eq!(row("target agent.x"), "+ x");
    assert_eq!(row("target agent.r"), "+ s; + r calls agent.s (1) after #0");
    assert_eq!(row("target t"), "+ s; + r calls agent.s (1) after #0; + task.t after #1");
    // A deployment runs with what its agents are, so that a change of one comes with its task.
    let changed = "declared r R | model b\nmade r 7\nlisted 7 R | model a\ntask t 7\ntask u 9\n";
    assert_eq!(planned(&format!("{changed}target t")), "~ r 7 model a->b");
    assert_eq!(planned(&format!("{changed}target u")), "");
}

#[test]
fn the_digest_covers_every_field_of_an_agent() {
    let digest = |lines: &str| scene(lines).plan().digest().to_string();
    let base = "made r 7\nlisted 7 R | model a | prompt p\n";
    let changed = [
        "declared r R | model b",
        "declared r R | model c",
        "declared r R | prompt q",
        "declared r S",
    ];
    let digests: BTreeSet<String> =
        changed.iter().map(|lines| digest(&format!("{base}{lines}"))).collect();
    assert_eq!(digests.len(), changed.len());
    assert_ne!(digest("declared r R | prompt p"), digest("declared r R | prompt q"));
    assert_eq!(
        digest("declared r R | prompt p"),
        digest("declared r R | prompt p\nlisted 1 Coder")
    );
}

#[test]
fn destroy_takes_owned_agents_after_their_tasks() {
    let destroyed = |lines: &str| {
        let scene = scene(lines);
        let reads = plan::destroy_reads(&scene.plan_context.with(&scene.state), Scope::Owned);
        let plan = plan::destroy(&scene.plan_context.with(&scene.state), Scope::Owned);
        (told(&plan), reads.contains(&ReadRequest::Agent(AgentId(7))))
    };
    let owned = "declared r R | model a\nmade r 7\nbefore r R | model a\nlisted 7 R | model a\n";
    for (row, lines, expected) in [
        ("unused", "", "- r 7"),
        ("protected", "protected r R | model a", "- r 7 deferred[protected]"),
        ("used by somebody else", "foreign 512 7", "- r 7 deferred[agent-in-use]"),
        ("with its task", "undeclared-task u 7", "- task.u; - r 7 after #0"),
        ("of another manifest too", "elsewhere r", "- r 7 deferred[still-declared]"),
        ("beside one of unknown origin", "declared s S\nlisted 8 S", "- r 7"),
    ] {
        assert_eq!(destroyed(&format!("{owned}{lines}")), (expected.to_owned(), true), "{row}");
    }
}

#[test]
fn a_protected_agent_may_change_and_says_so() {
    let plan = scene("protected r R | model b\nmade r 7\nlisted 7 R | model a").plan();
    assert_eq!(told(&plan), "~ r 7 model a->b");
    assert_eq!(plan.terms.of_step(&plan.steps[0]), [("protect", "true".to_owned())]);
}
