//! Plans with agents in every format.

use std::sync::Arc;

use super::*;
use crate::kinds::{AGENT, Shape};
use crate::observed::ObservedAgent;
use crate::plan::{AgentChange, AgentRef, AgentUser};
use crate::render::{html, json, markdown};
use crate::resource::{Address, Reference};

fn words(words: &[&str]) -> Value {
    Value::Set(words.iter().map(|word| Arc::from(*word)).collect())
}

fn address(key: &str) -> Address {
    Address { kind: AGENT.name, key: key.into() }
}

/// An agent that is made, one that is changed, one that is deleted, one that cannot be told, and a
/// task that uses the first.
fn agents() -> Plan {
    let refers = [
        (Reference::Ref(address("writer")), Some(1)),
        (Reference::Id(7), Some(2)),
        (Reference::Id(9), None),
    ];
    let writer = Object::agent("Writer")
        .with("systemPrompt", Value::Text("Write.\nBe brief.".into()))
        .with("subAgents", Value::references(refers))
        .with("tools", words(&[]));
    let text = |text: &str| Value::Text(text.into());
    let edit = |field, before, after| Edit { field, before, after };
    let edits = vec![
        edit("systemPrompt", text(PROMPT), text(EDITED)),
        edit("model", text("claude-opus-4-6"), text("claude-opus-4-7")),
        edit(
            "tools",
            words(&["datasets", "object_store_get"]),
            words(&["datasets", "read_backtest"]),
        ),
        edit("maxTurns", Value::Unknown, Value::Integer(50)),
    ];
    let equal = |id| ObservedAgent { id: AgentId(id), object: Object::agent("Same") };
    let task = Object::task("Report", 1, "project-for-task", "p");
    let task = task.with("agentId", Value::Ref(Box::new(address("writer")))).whole().unwrap();
    let agent = Change::Agent;
    let update = AgentChange::Update { agent: AgentRef::Existing(AgentId(5)), edits };
    let delete = AgentChange::Delete { id: AgentId(6), before: Object::agent("Old") };
    let (object, candidates) = (Object::agent("Same"), vec![equal(8), equal(9)]);
    let blocked =
        StepStatus::Blocked(Diagnostic::error(Code::Ambiguous, "two agents match".to_owned()));
    let mut plan = plan(vec![
        (
            "writer",
            agent(AgentChange::Create { object: writer }),
            "no agent has its name",
            StepStatus::Ready,
        ),
        ("researcher", agent(update), "fields differ", StepStatus::Ready),
        ("old", agent(delete), "no longer declared", StepStatus::Ready),
        ("same", agent(AgentChange::Undecided { object, candidates }), "two match", blocked),
        ("report", Change::Create { object: task }, "no task has its content", StepStatus::Ready),
    ]);
    plan.steps[1].drift.insert("model");
    plan.kept_agents = 1;
    plan.kept_count = 2;
    plan.agent_keys.insert(AgentId(7), "validator".parse().unwrap());
    let keys = (0..12).map(|n| AgentUser::Task(format!("t{n:02}").parse().unwrap()));
    let others = [AgentUser::Unmanaged(TaskId(332)), AgentUser::UnmanagedAgent(AgentId(47))];
    plan.agent_users.insert("researcher".parse().unwrap(), keys.chain(others).collect());
    plan
}

/// Two values of a shape that look the same; `None` where a value is a number or a flag.
fn alike(shape: Shape) -> Option<(Value, Value)> {
    let both = |of: &dyn Fn(&str) -> Value| Some((of("api"), of("\u{430}pi")));
    match shape {
        Shape::Line | Shape::LongText | Shape::Word(_) => both(&|text| Value::Text(text.into())),
        Shape::Set => both(&|text| words(&["read", text])),
        Shape::References(_) | Shape::Sequence(_) => {
            both(&|key| Value::references([(Reference::Ref(address(key)), Some(1))]))
        }
        Shape::Integer | Shape::Flag | Shape::Reference(_) | Shape::Member(_) | Shape::Setting => {
            None
        }
    }
}

#[test]
fn a_changed_field_that_looks_the_same_is_spelled_whatever_its_shape_and_format() {
    let rows = AGENT.fields.iter().filter_map(|field| Some((field.name, alike(field.shape)?)));
    let mut count = 0;
    for (field, (before, after)) in rows {
        let edits = vec![Edit { field, before, after }];
        let update = AgentChange::Update { agent: AgentRef::Existing(AgentId(5)), edits };
        let plan = plan(vec![("a", Change::Agent(update), "fields differ", StepStatus::Ready)]);
        let view = PlanView::new(&plan);
        let formats = [
            ("text", shown(&plan, &TextOptions::default())),
            ("markdown", markdown::render(&view, 3, markdown::DEFAULT_BYTES)),
            ("html", html::plan(&view, 3)),
        ];
        for (format, output) in formats {
            assert!(output.contains("\\u{430}pi"), "{field} as {format}:\n{output}");
            assert!(output.contains("\\u{61}pi"), "{field} as {format}:\n{output}");
            count += 1;
        }
    }
    assert_eq!(count, 3 * 10, "a row for each field and format");
}

#[test]
fn agents_are_shown_by_address_with_their_fields_and_who_uses_them() {
    let mut shown = String::new();
    plan_text::render(&PlanView::new(&agents()), &TextOptions::default(), &mut shown).unwrap();
    insta::assert_snapshot!(shown.replace(&agents().digest().to_string(), "(digest)"), @r#"
    Plan: 2 to create, 1 to update, 1 to delete; 1 blocked. 1 changed on the service, 3 unchanged, 3 unmanaged, 1 archived.

      + agent.writer will be created
          # no agent has its name
          name:         "Writer"
          systemPrompt: (2 lines, 16 characters)
            | Write.
            | Be brief.
          tools:        none
          subAgents:    validator (2), 9, writer (1) (known after apply)

      ~ agent.researcher will be updated in place (agent 5)
          # fields differ
          systemPrompt: +3 / -3 characters
            | Research momentum.
            |
            - Use {-SPY-} as the benchmark.
            + Use {+QQQ+} as the benchmark.
            | Report the Sharpe ratio.
          model:        "claude-opus-4-6" -> "claude-opus-4-7"  # changed on the service since it was applied
          tools:        +read_backtest -object_store_get
          maxTurns:     50
          used by: task.t00, task.t01, task.t02, task.t03, task.t04, task.t05, task.t06, task.t07, task.t08, task.t09 and 4 more

      - agent.old will be deleted (agent 6)
          # no longer declared
          name: "Old"

      + task.report will be created
          # no task has its content
          name:              "Report"
          agent:             agent.writer (known after apply)
          projectPreference: project-for-task
          prompt:            (1 line, 1 character)
            | p

      ! agent.same cannot be decided: blocked[ambiguous]
          # two match
          candidate: agent 8 "Same"
          candidate: agent 9 "Same"

    blocked[ambiguous]: two agents match
      affects: agent.same

    Plan: 2 to create, 1 to update, 1 to delete; 1 blocked. 1 changed on the service, 3 unchanged, 3 unmanaged, 1 archived.
    Digest: (digest)
    "#);
}

#[test]
fn agents_are_counted_apart_from_tasks() {
    let mut kept = plan(Vec::new());
    (kept.kept_agents, kept.kept_count) = (2, 5);
    (kept.unmanaged, kept.archived_count) = (Vec::new(), 0);
    let verdict = |plan: &Plan| PlanView::new(plan).counts.verdict();
    assert_eq!(verdict(&kept), "No changes: 2 agents and 5 tasks are as declared.");
    kept.kept_count = 0;
    assert_eq!(verdict(&kept), "No changes: 2 agents are as declared.");
    kept.kept_agents = 0;
    assert_eq!(verdict(&kept), "No changes: nothing to do.");
    let json: serde_json::Value =
        serde_json::from_str(&json::render(&PlanView::new(&agents()))).unwrap();
    let count = |of: &str| {
        let counts = &json["counts"]["kinds"][of];
        let number = |field: &str| counts[field].as_u64().unwrap();
        (counts["ready"].to_string(), number("blocked"), number("drifted"), number("unchanged"))
    };
    let ready = r#"{"create":1,"delete":1,"update":1}"#;
    assert_eq!(count("agent"), (ready.to_owned(), 1, 1, 1));
    assert_eq!(count("task"), (r#"{"create":1}"#.to_owned(), 0, 0, 2));
    let steps = json["steps"].as_array().unwrap();
    let ids: Vec<_> = steps.iter().map(|step| step["agent_id"].as_u64()).collect();
    assert_eq!(ids, [None, Some(5), Some(6), None, None]);
    assert_eq!(steps[4]["candidates"][1]["agent_id"], 9);
}

#[test]
fn drift_users_and_members_are_in_every_format() {
    let view = PlanView::new(&agents());
    let markdown = markdown::render(&view, 3, markdown::DEFAULT_BYTES);
    let page = html::plan(&view, 3);
    let json = json::render(&view);
    for (format, parts) in [
        (
            &markdown,
            [
                "# model: changed on the service since it was applied",
                "# used by: task.t00, task.t01",
                "+ tools: read_backtest",
                "agent.writer (known after apply)",
                "| drifted |",
            ],
        ),
        (
            &page,
            [
                "changed on the service since it was applied",
                "<code>task.t00</code>",
                "<code>+read_backtest</code>",
                "agent.writer (known after apply)",
                "1 changed on the service",
            ],
        ),
        (
            &json,
            [
                "\"drifted\": true",
                "\"task.t00\"",
                "datasets, read_backtest",
                "agent.writer (known after apply)",
                "\"drifted\": 1",
            ],
        ),
    ] {
        for part in parts {
            assert!(format.contains(part), "{part}\n{format}");
        }
    }
}
