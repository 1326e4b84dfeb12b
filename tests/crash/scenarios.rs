//! The scenarios of the suite.

use qcops::diag::{Gap, GapReason, Lost};
use qcops::emulator;
use qcops::manifest::DesiredState;
use qcops::plan::{Limits, Options, Prune, Saving, Scope};

use super::scenario::{Scenario, ScenarioStep};
use crate::support::world::{declares_agents, history_of, manifest_of, read};

/// One apply of a scenario: what is committed before it and what the work tree holds.
#[derive(Clone, Default)]
struct Apply {
    tasks: String,
    /// The whole manifest, where it is not one of tasks alone.
    manifest: Option<String>,
    /// The project preference of every task.
    preference: &'static str,
    prunes: bool,
    destroys: Option<Scope>,
    ends_after: Option<usize>,
}

/// An apply that runs to its end.
fn apply(tasks: &str) -> Apply {
    Apply { tasks: tasks.to_owned(), preference: "project-for-task", ..Apply::default() }
}

/// An apply whose process ends after the answer to its n-th request was on its way.
fn interrupted(tasks: &str, ends_after: usize) -> Apply {
    Apply { ends_after: Some(ends_after), ..apply(tasks) }
}

/// An apply that prunes.
fn pruning(tasks: &str) -> Apply {
    Apply { prunes: true, ..apply(tasks) }
}

/// A destroy, with a folder for conversations.
fn destroying(tasks: &str, scope: Scope) -> Apply {
    Apply { destroys: Some(scope), ..apply(tasks) }
}

/// Every manifest is committed before it is applied.
fn scenario(name: &str, foreign: &[(&str, &str)], applies: &[Apply]) -> Scenario {
    let morning = "2026-11-21T09:00:00Z".parse().unwrap();
    let mut start = emulator::World::new(7, morning);
    for (name, prompt) in foreign {
        let id = start.add_task(name, 47, prompt);
        if prompt.contains("schedule") {
            start.set_schedule(id, Some("0 9 * * 1-5"));
        }
    }
    let texts: Vec<String> = applies
        .iter()
        .map(|apply| match &apply.manifest {
            Some(manifest) => manifest.clone(),
            None => manifest_of(&apply.tasks, apply.preference),
        })
        .collect();
    let desired_states: Vec<DesiredState> = texts.iter().map(|text| read(text)).collect();
    let limits = Limits { replace: Some(9), delete: Some(9), runs: Some(99), ..Limits::default() };
    let steps = applies.iter().enumerate().map(|(at, apply)| ScenarioStep {
        desired_state: desired_states[at].clone(),
        evidence: history_of(&desired_states[..=at]),
        texts: declares_agents(&texts).then(|| (texts[at].clone(), texts[..=at].to_vec())),
        options: Options {
            prune: if apply.prunes { Prune::On } else { Prune::Off },
            limits,
            ..Options::default()
        },
        destroys: apply.destroys,
        ends_after: apply.ends_after,
    });
    Scenario {
        name: name.to_owned(),
        start,
        now: "2026-11-21T12:00:00Z".parse().unwrap(),
        needs_ledger: false,
        steps: steps.collect(),
    }
}

const THREE: &str = "spy: {prompt: Buy SPY, deployments: {first: {}}}
qqq: {prompt: Buy QQQ, deployments: {first: {}}}
gld: {prompt: Buy GLD}";

const THREE_EDITED: &str = "spy: {prompt: Buy SPY daily, deployments: {first: {}}}
qqq: {prompt: Buy QQQ, deployments: {first: {}}}
gld: {prompt: Buy GLD}";

const FOREIGN: &[(&str, &str)] = &[
    ("Their research", "Read the news on schedule"),
    ("Another", "Sell everything"),
    ("Buy gold", "Buy gold coins"),
];

const NAMES: &str = "a: {name: One, prompt: p}
b: {name: Two, prompt: q}
c: {name: Three, prompt: r}";

const NAMES_ROTATED: &str = "a: {name: Two, prompt: p}
b: {name: Three, prompt: q}
c: {name: One, prompt: r}";

const ONE_DEPLOYED: &str = "a: {prompt: Buy SPY, deployments: {first: {}}}
b: {prompt: Buy GLD}";

const ONE_FOLLOWED_UP: &str = "a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}
b: {prompt: Buy GLD}";

const THREE_TO_PRUNE: &str = "a: {prompt: Buy SPY}
b: {prompt: Buy QQQ, deployments: {first: {}}}
c: {prompt: Buy GLD}";

const BOTH: &str = "a: {prompt: Buy SPY, deployments: {first: {}}}
b: {prompt: Buy QQQ}";

/// Scenarios of applies.
pub(super) fn applies() -> Vec<Scenario> {
    let spy = |prompt: &str| {
        format!("spy: {{prompt: {prompt}, deployments: {{first: {{}}}}}}\nqqq: {{prompt: Buy QQQ}}")
    };
    let replaced = |prompt: &str| {
        format!("a: {{prompt: {prompt}, deployments: {{first: {{}}}}}}\nb: {{prompt: stays}}")
    };
    let two = "a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ}";
    let each = Apply { preference: "project-each-task-deployment", ..apply(two) };
    vec![
        scenario("first apply", &[], &[apply(THREE)]),
        scenario("foreign tasks around", FOREIGN, &[apply(THREE)]),
        scenario("edit", &[], &[apply(THREE), apply(THREE_EDITED)]),
        scenario(
            "revert",
            &[],
            &[apply(&spy("Buy SPY")), apply(&spy("Buy SPY daily")), apply(&spy("Buy SPY"))],
        ),
        scenario(
            "rename",
            FOREIGN,
            &[
                apply("spy: {name: Old, prompt: Buy SPY}"),
                apply("spy: {name: New, prompt: Buy SPY}"),
            ],
        ),
        scenario("names in a ring", &[], &[apply(NAMES), apply(NAMES_ROTATED)]),
        scenario(
            "drop with prune",
            FOREIGN,
            &[apply(THREE_TO_PRUNE), pruning("a: {prompt: Buy SPY}")],
        ),
        scenario(
            "two unfinished replaces",
            &[],
            &[
                apply(&replaced("one")),
                interrupted(&replaced("two"), 5),
                interrupted(&replaced("three"), 5),
                apply(&replaced("four")),
            ],
        ),
        scenario("default changed", &[], &[apply(two), each]),
        scenario("a follow-up", &[], &[apply(ONE_DEPLOYED), apply(ONE_FOLLOWED_UP)]),
        scenario(
            "two deployments of one task",
            &[],
            &[apply("a: {prompt: Buy SPY, deployments: {first: {}, second: {}}}")],
        ),
    ]
}

/// An apply of a manifest with agents.
fn whole(agents: &str, tasks: &str) -> Apply {
    let lines = |text: &str| text.replace('\n', "\n  ");
    let manifest = format!(
        "version: 1\ndefaults: {{agent: scout, projectPreference: project-for-task}}\nagents:\n  {}\ntasks:\n  {}\n",
        lines(agents),
        lines(tasks)
    );
    Apply { manifest: Some(manifest), ..apply("") }
}

const AGENTS: &str = "scout: {name: Momentum Scout, systemPrompt: Be brief, subAgents: {critic: 2}}
critic: {name: Critic, systemPrompt: Be harsh, tools: [datasets, read_backtest]}";

/// Scenarios with agents, each beside an agent and tasks of somebody else.
pub(super) fn with_agents() -> Vec<Scenario> {
    let tasks =
        "spy: {prompt: Buy SPY, deployments: {first: {}}}\nqqq: {agent: critic, prompt: Buy QQQ}";
    let edited = AGENTS.replace("brief", "very brief").replace("datasets, ", "");
    let ring = AGENTS.replace("Be harsh", "Be harsh, chainedAgents: [scout]");
    let dropped = "scout: {name: Momentum Scout, systemPrompt: Be brief, subAgents: {}}";
    let (spy, _) = tasks.split_once('\n').expect("there are two");
    let prune = Apply { prunes: true, ..whole(dropped, spy) };
    vec![
        scenario("first apply with agents", FOREIGN, &[whole(AGENTS, tasks)]),
        scenario("edited agents", FOREIGN, &[whole(AGENTS, tasks), whole(&edited, tasks)]),
        // One commit proves nothing: of agents that are half made only the ledger knows whose they are.
        Scenario { needs_ledger: true, ..scenario("agents in a ring", &[], &[whole(&ring, spy)]) },
        scenario(
            "a new agent for a task",
            &[],
            &[
                whole(dropped, spy),
                whole(AGENTS, &spy.replace("{prompt", "{agent: critic, prompt")),
            ],
        ),
        scenario("drop an agent with prune", FOREIGN, &[whole(AGENTS, spy), prune]),
    ]
}

/// Scenarios that end with a destroy.
pub(super) fn destroys() -> Vec<Scenario> {
    let archived = Scope::Archived { older_than: None, saving: Saving::Asked };
    let old = |prompt: &str, more: &str| {
        format!(
            "a: {{prompt: {prompt}, deployments: {{first: {{}}{more}}}}}\nb: {{prompt: Buy QQQ}}"
        )
    };
    vec![
        scenario("destroy", FOREIGN, &[apply(BOTH), destroying(BOTH, Scope::Owned)]),
        scenario(
            "destroy what is archived",
            FOREIGN,
            &[
                apply(&old("Sell SPY", ", second: {}")),
                apply(&old("Hold SPY", "")),
                apply(BOTH),
                destroying(BOTH, archived),
            ],
        ),
    ]
}

/// Scenarios of at most four resources.
pub(super) fn small() -> Vec<Scenario> {
    let deployed = "a: {prompt: Buy SPY, deployments: {first: {}}}";
    let edited = "a: {prompt: Buy QQQ, deployments: {first: {}}}";
    let followed_up = "a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}";
    let beside = format!("{followed_up}\nb: {{prompt: Buy QQQ}}");
    vec![
        scenario("a task and its deployment", &[], &[apply(deployed)]),
        scenario("two tasks", &[], &[apply("a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ}")]),
        scenario("one edit", &[], &[apply(deployed), apply(edited)]),
        scenario("one follow-up", &[], &[apply(deployed), apply(followed_up)]),
        scenario("a follow-up beside another task", &[], &[apply(&beside)]),
        scenario(
            "a name and a drop",
            &[("Theirs", "Sell")],
            &[
                apply("a: {name: One, prompt: Buy SPY}\nb: {prompt: Buy QQQ}"),
                pruning("a: {name: Two, prompt: Buy SPY}"),
            ],
        ),
    ]
}

/// Thirty tasks, ten of them with a deployment, that are changed in all ways at once.
pub(super) fn large() -> Scenario {
    let lines = |edited: usize| {
        let line = |n: usize| {
            let (run, name) = (
                if n.is_multiple_of(3) { ", deployments: {first: {}}" } else { "" },
                if n.is_multiple_of(4) && edited > 0 { "Renamed" } else { "Task" },
            );
            let prompt = if n < edited { "Sell" } else { "Buy" };
            format!("t{n}: {{name: {name} {n}, prompt: {prompt} number {n}{run}}}")
        };
        (0..30).filter(|n| *n < 25 || edited == 0).map(line).collect::<Vec<_>>().join("\n")
    };
    scenario("thirty tasks", FOREIGN, &[apply(&lines(0)), pruning(&lines(6))])
}

/// An edit and a new task where part of the evidence is out of sight, beside tasks of somebody else:
/// by what is out of sight.
pub(super) fn out_of_sight() -> Vec<Scenario> {
    let (head, what) = ("main".to_owned(), "`tasks.yaml`".to_owned());
    let gaps = [
        GapReason::ShallowClone,
        GapReason::HeadUnreadable { head, lost: Lost::Damaged },
        GapReason::ObjectsMissing { what, lost: Lost::PartialClone },
        GapReason::BeyondHistory { path: "tasks.yaml".to_owned(), count: 1 },
    ];
    let edited = THREE_EDITED.replace("gld: {prompt: Buy GLD}", "slv: {prompt: Buy SLV}");
    let with_gap = |gap: GapReason| {
        let name = format!("out of sight: {}", gap.code());
        let mut scenario = scenario(&name, FOREIGN, &[apply(THREE), pruning(&edited)]);
        let last = scenario.steps.last_mut().expect("there are two");
        last.evidence.keys.clear();
        last.evidence.gaps.push(Gap::history(gap));
        scenario
    };
    gaps.into_iter().map(with_gap).collect()
}
