//! A plan's view made again of its JSON: what no format could be rendered from is missing there.

use std::collections::BTreeMap;
use std::sync::Arc;

use qcops::diag::Code;
use qcops::kinds::{AGENT, KINDS, Shape, TASK};
use qcops::model::{Action, TaskId};
use qcops::plan::Spread;
use qcops::render::budget::{Budget, Cost};
use qcops::render::escape::Untrusted;
use qcops::render::rows::{FieldChange, FieldRow, ShownValue};
use qcops::render::textdiff::TextChange;
use qcops::render::view::{
    Blocker, Candidate, Counts, DeploymentStatus, Entry, EntrySubject, Finding, KindCounts,
    PlanView, RemovedTask, State, TurnRow, note_alike,
};
use serde_json::Value;

/// Makes a view of a plan's JSON, by what `docs/formats.md` says about its fields.
pub(crate) fn of_json(json: &Value) -> PlanView {
    let (counts, budget) = (&json["counts"], &json["budget"]);
    let kinds = KINDS.iter().filter_map(|kind| Some((kind.name, counts["kinds"].get(kind.name)?)));
    PlanView {
        evidence: Vec::new(),
        unmanaged: Vec::new(),
        unmanaged_agents: Vec::new(),
        organization_id: foreign(&json["organization_id"]),
        environment: option(&json["environment"]),
        digest: text(&json["digest"]),
        counts: Counts {
            ready: ready(counts),
            drifted: size(&counts["drifted"]),
            kinds: kinds
                .map(|(kind, of)| {
                    let counts = KindCounts {
                        ready: ready(of),
                        deferred: size(&of["deferred"]),
                        blocked: size(&of["blocked"]),
                        drifted: size(&of["drifted"]),
                        unchanged: size(&of["unchanged"]),
                    };
                    (kind, counts)
                })
                .collect(),
            deferred: size(&counts["deferred"]),
            blocked: size(&counts["blocked"]),
            unchanged: size(&counts["unchanged"]),
            stored_otherwise: size(&counts["stored_otherwise"]),
            unmanaged: size(&counts["unmanaged"]),
            archived: size(&counts["archived"]),
            scheduled: size(&counts["scheduled"]),
            budget: Budget {
                runs: size(&budget["new_deployments"]),
                deployment_limit: size(&budget["deployment_limit"]),
                follow_ups: size(&budget["follow_ups"]),
                later: size(&budget["later_follow_ups"]),
                cost: cost(&budget["estimate"]),
            },
        },
        entries: {
            let mut entries: Vec<_> = all(&json["steps"], entry);
            note_alike(&mut entries);
            entries
        },
        stops: all(&json["blocks"], |block| Blocker {
            state: state(block),
            finding: finding(block),
            addresses: all(&block["addresses"], foreign),
        }),
        notes: all(&json["notes"], finding),
    }
}

fn ready(counts: &Value) -> BTreeMap<Action, usize> {
    let ready = counts["ready"].as_object().unwrap().iter();
    ready.map(|(word, count)| (action(word), size(count))).collect()
}

/// The kind and the id that `task_id` or `agent_id` give.
fn resource(of: &Value) -> Option<(&'static str, u64)> {
    let task = of["task_id"].as_u64().map(|id| (TASK.name, id));
    task.or_else(|| Some((AGENT.name, of["agent_id"].as_u64()?)))
}

fn entry(step: &Value) -> Entry {
    Entry {
        address: foreign(&step["address"]),
        action: step["action"].as_str().map(action),
        state: state(step),
        subject: resource(step).map(|(kind, id)| EntrySubject {
            kind,
            id,
            name: option(&step["task_name"]),
        }),
        reason: foreign(&step["reason"]),
        fields: all(&step["fields"], field),
        removals: all(&step["removes"], |removed| RemovedTask {
            id: id(removed),
            name: foreign(&removed["name"]),
            archived_as: option(&removed["archived_as"]),
        }),
        candidates: all(&step["candidates"], |candidate| {
            let (kind, id) = resource(candidate).unwrap();
            let created = candidate["created"].as_str().map(|at| at.parse().unwrap());
            Candidate { kind, id, name: foreign(&candidate["name"]), created }
        }),
        users: all(&step["used_by"], foreign),
        run: option(&step["deployment_id"]),
        standing: step["deployment"].as_object().map(|run| DeploymentStatus {
            status: foreign(&run["status"]),
            age_seconds: run["age_seconds"].as_u64(),
            tokens: run["tokens"].as_u64(),
            started_by_this_ledger: run["started_by_this_ledger"].as_bool().unwrap(),
        }),
        terms: all(&step["declared"], |row| {
            let name: &'static str = row["name"].as_str().unwrap().to_owned().leak();
            (name, foreign(&row["value"]))
        }),
        prompt: option(&step["prompt"]),
        later: all(&step["later_follow_ups"], foreign),
        cost: cost(&step["estimate"]),
        turns: all(&step["turns"], |turn| TurnRow {
            number: size(&turn["follow_up"]),
            said: option(&turn["said"]),
            declared: option(&turn["declared"]),
        }),
    }
}

fn cost(estimate: &Value) -> Option<Cost> {
    let spread = |spread: &Value| {
        let number = |name: &str| spread[name].as_u64();
        Some(Spread {
            median: number("median")?,
            least: number("least")?,
            most: number("most")?,
            count: size(&spread["past_deployments"]),
        })
    };
    let prompts = size(estimate.get("prompts")?);
    let (tokens, seconds) = (spread(&estimate["tokens"]), spread(&estimate["seconds"]));
    Some(Cost { prompts, tokens, seconds })
}

/// The name of a field says of which kind its values are.
fn field(row: &Value) -> FieldRow {
    let fields = KINDS.iter().flat_map(|kind| kind.fields);
    let field = fields.into_iter().find(|field| row["name"] == field.name).unwrap();
    let name = field.name;
    let value = |value: &Value| match field.shape {
        Shape::Line => ShownValue::Name(foreign(value)),
        Shape::LongText => ShownValue::Text(foreign(value)),
        Shape::Set | Shape::References(_) | Shape::Sequence(_) => {
            let members = text(value);
            let members = members.split(", ").filter(|member| !member.is_empty());
            ShownValue::Members(members.map(Untrusted::new).collect())
        }
        _ if text(value).ends_with("(known after apply)") => ShownValue::Pending(foreign(value)),
        _ => ShownValue::Word(foreign(value)),
    };
    let change = match (row.get("before"), row.get("after")) {
        (None, Some(new)) => FieldChange::Set(value(new)),
        (Some(old), None) => FieldChange::Gone(value(old)),
        (Some(old), Some(new)) if matches!(field.shape, Shape::LongText) => {
            let words = |value: &Value| Arc::<str>::from(text(value));
            FieldChange::Text(TextChange::new(&words(old), &words(new)))
        }
        (Some(old), Some(new)) => FieldChange::changed(&value(old), &value(new)),
        (None, None) => panic!("{name} has no value"),
    };
    let is_drifted = row.get("drifted").is_some();
    FieldRow { name, change, is_drifted }
}

fn state(of: &Value) -> State {
    match text(&of["status"]).as_str() {
        "ready" => State::Ready,
        "deferred" => State::Deferred(code(of)),
        "blocked" => State::Blocked(code(of)),
        other => panic!("{other} is no state"),
    }
}

fn finding(of: &Value) -> Finding {
    let (message, ways) = (foreign(&of["message"]), all(&of["help"], foreign));
    Finding { code: code(of), message, ways }
}

fn code(of: &Value) -> Code {
    *Code::ALL.iter().find(|code| of["code"] == code.as_str()).unwrap()
}

fn action(word: impl AsRef<str>) -> Action {
    *Action::ALL.iter().find(|action| action.to_string() == word.as_ref()).unwrap()
}

fn all<T>(list: &Value, one: impl Fn(&Value) -> T) -> Vec<T> {
    list.as_array().unwrap().iter().map(one).collect()
}

fn id(of: &Value) -> TaskId {
    TaskId(of["task_id"].as_u64().unwrap())
}

fn size(count: &Value) -> usize {
    usize::try_from(count.as_u64().unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn foreign(value: &Value) -> Untrusted {
    Untrusted::new(text(value))
}

fn option(value: &Value) -> Option<Untrusted> {
    value.as_str().map(Untrusted::new)
}
