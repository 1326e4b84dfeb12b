//! A plan's view made again of its JSON: what no format could be rendered from is missing there.

use std::sync::Arc;

use qcops::diag::Code;
use qcops::kinds::TASK;
use qcops::model::{Action, TaskId};
use qcops::plan::Spread;
use qcops::render::budget::{Budget, Cost};
use qcops::render::escape::Untrusted;
use qcops::render::rows::{FieldChange, FieldRow, ShownValue};
use qcops::render::textdiff::TextChange;
use qcops::render::view::{
    Blocker, Candidate, Counts, DeploymentStatus, Entry, Finding, PlanView, RemovedTask, State,
    TurnRow,
};
use serde_json::Value;

/// Makes a view of a plan's JSON, by what `docs/formats.md` says about its fields.
pub(crate) fn of_json(json: &Value) -> PlanView {
    let (counts, budget) = (&json["counts"], &json["budget"]);
    let ready = counts["ready"].as_object().unwrap().iter();
    PlanView {
        evidence: Vec::new(),
        unmanaged: Vec::new(),
        organization_id: foreign(&json["organization_id"]),
        digest: text(&json["digest"]),
        counts: Counts {
            ready: ready.map(|(word, count)| (action(word), size(count))).collect(),
            deferred: size(&counts["deferred"]),
            blocked: size(&counts["blocked"]),
            unchanged: size(&counts["unchanged"]),
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
        entries: all(&json["steps"], entry),
        stops: all(&json["blocks"], |block| Blocker {
            state: state(block),
            finding: finding(block),
            addresses: all(&block["addresses"], foreign),
        }),
        notes: all(&json["notes"], finding),
    }
}

fn entry(step: &Value) -> Entry {
    Entry {
        address: foreign(&step["address"]),
        action: step["action"].as_str().map(action),
        state: state(step),
        subject: step["task_id"].as_u64().map(|id| (TaskId(id), option(&step["task_name"]))),
        reason: foreign(&step["reason"]),
        fields: all(&step["fields"], field),
        removals: all(&step["removes"], |removed| RemovedTask {
            id: id(removed),
            name: foreign(&removed["name"]),
            archived_as: option(&removed["archived_as"]),
        }),
        candidates: all(&step["candidates"], |candidate| Candidate {
            id: id(candidate),
            name: foreign(&candidate["name"]),
            created: candidate["created"].as_str().map(|at| at.parse().unwrap()),
        }),
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
    let name = TASK.fields.iter().map(|field| field.name).find(|name| row["name"] == *name);
    let name = name.unwrap();
    let value = |value: &Value| match name {
        "name" => ShownValue::Name(foreign(value)),
        "prompt" => ShownValue::Text(foreign(value)),
        _ => ShownValue::Word(foreign(value)),
    };
    let change = match (row.get("before"), row.get("after")) {
        (None, Some(new)) => FieldChange::Set(value(new)),
        (Some(old), None) => FieldChange::Gone(value(old)),
        (Some(old), Some(new)) if name == "prompt" => {
            let words = |value: &Value| Arc::<str>::from(text(value));
            FieldChange::Text(TextChange::new(&words(old), &words(new)))
        }
        (Some(old), Some(new)) => FieldChange::Changed(value(old), value(new)),
        (None, None) => panic!("{name} has no value"),
    };
    FieldRow { name, change }
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
