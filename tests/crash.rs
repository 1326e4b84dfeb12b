//! Nothing twice, nothing lost: the cut sweep over many stories, under every quirk.

use std::collections::{BTreeMap, BTreeSet};

use qcops::emulator;
use qcops::manifest::DesiredState;
use qcops::plan::{Limits, Options, Prune, Saving, Scope};
use qcops::rehearse::{Act, Depth, Setting, Story, Tally, history_of, sweep};

use crate::support::world::read;

/// One apply of a story: what is committed before it and what the work tree holds.
#[derive(Default)]
struct Told {
    tasks: &'static str,
    prunes: bool,
    destroys: Option<Scope>,
    ends_after: Option<usize>,
}

/// An act that goes through.
fn act(tasks: &'static str) -> Told {
    Told { tasks, ..Told::default() }
}

/// An act whose process ends after the answer to its n-th request was on its way.
fn cut(tasks: &'static str, ends_after: usize) -> Told {
    Told { tasks, ends_after: Some(ends_after), ..Told::default() }
}

/// An act that prunes.
fn pruning(tasks: &'static str) -> Told {
    Told { tasks, prunes: true, ..Told::default() }
}

/// An act that destroys, with a folder for conversations.
fn destroying(tasks: &'static str, scope: Scope) -> Told {
    Told { tasks, destroys: Some(scope), ..Told::default() }
}

fn manifest(tasks: &str, preference: &str) -> String {
    let mut text =
        format!("version: 1\ndefaults: {{agentId: 47, projectPreference: {preference}}}\ntasks:");
    text.push_str(if tasks.trim().is_empty() { " {}" } else { "" });
    for line in tasks.trim().lines() {
        text.push_str("\n  ");
        text.push_str(line.trim());
    }
    text.push('\n');
    text
}

/// Every manifest is committed before it is applied.
fn story(name: &str, foreign: &[(&str, &str)], acts: &[Told]) -> Story {
    story_of(name, foreign, acts, &vec!["project-for-task"; acts.len()])
}

fn story_of(name: &str, foreign: &[(&str, &str)], acts: &[Told], preferences: &[&str]) -> Story {
    let morning = "2026-11-21T09:00:00Z".parse().unwrap();
    let mut start = emulator::World::new(7, morning);
    for (name, prompt) in foreign {
        let id = start.add_task(name, 47, prompt);
        if prompt.contains("schedule") {
            start.set_schedule(id, Some("0 9 * * 1-5"));
        }
    }
    let desired_states: Vec<DesiredState> = acts
        .iter()
        .zip(preferences)
        .map(|(told, preference)| read(&manifest(told.tasks, preference)))
        .collect();
    let acts = acts.iter().enumerate().map(|(at, told)| Act {
        desired_state: desired_states[at].clone(),
        evidence: history_of(&desired_states[..=at]),
        options: Options {
            prune: if told.prunes { Prune::On } else { Prune::Off },
            limits: Limits {
                replace: Some(9),
                delete: Some(9),
                runs: Some(99),
                ..Limits::default()
            },
            ..Options::default()
        },
        destroys: told.destroys,
        ends_after: told.ends_after,
    });
    Story {
        name: name.to_owned(),
        start,
        now: "2026-11-21T12:00:00Z".parse().unwrap(),
        acts: acts.collect(),
    }
}

const THREE: &str = "spy: {prompt: Buy SPY, deployments: {first: {}}}
qqq: {prompt: Buy QQQ, deployments: {first: {}}}
gld: {prompt: Buy GLD}";

const FOREIGN: &[(&str, &str)] = &[
    ("Their research", "Read the news on schedule"),
    ("Another", "Sell everything"),
    ("Buy gold", "Buy gold coins"),
];

fn stories() -> Vec<Story> {
    vec![
        story("first apply", &[], &[act(THREE)]),
        story("foreign tasks around", FOREIGN, &[act(THREE)]),
        story(
            "edit",
            &[],
            &[
                act(THREE),
                act("spy: {prompt: Buy SPY daily, deployments: {first: {}}}
                qqq: {prompt: Buy QQQ, deployments: {first: {}}}\ngld: {prompt: Buy GLD}"),
            ],
        ),
        story(
            "revert",
            &[],
            &[
                act("spy: {prompt: Buy SPY, deployments: {first: {}}}\nqqq: {prompt: Buy QQQ}"),
                act(
                    "spy: {prompt: Buy SPY daily, deployments: {first: {}}}\nqqq: {prompt: Buy QQQ}",
                ),
                act("spy: {prompt: Buy SPY, deployments: {first: {}}}\nqqq: {prompt: Buy QQQ}"),
            ],
        ),
        story(
            "rename",
            FOREIGN,
            &[act("spy: {name: Old, prompt: Buy SPY}"), act("spy: {name: New, prompt: Buy SPY}")],
        ),
        story(
            "names in a ring",
            &[],
            &[
                act(
                    "a: {name: One, prompt: p}\nb: {name: Two, prompt: q}\nc: {name: Three, prompt: r}",
                ),
                act(
                    "a: {name: Two, prompt: p}\nb: {name: Three, prompt: q}\nc: {name: One, prompt: r}",
                ),
            ],
        ),
        story(
            "drop with prune",
            FOREIGN,
            &[
                act(
                    "a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ, deployments: {first: {}}}\nc: {prompt: Buy GLD}",
                ),
                pruning("a: {prompt: Buy SPY}"),
            ],
        ),
        story(
            "two unfinished replaces",
            &[],
            &[
                act("a: {prompt: one, deployments: {first: {}}}\nb: {prompt: stays}"),
                cut("a: {prompt: two, deployments: {first: {}}}\nb: {prompt: stays}", 5),
                cut("a: {prompt: three, deployments: {first: {}}}\nb: {prompt: stays}", 5),
                act("a: {prompt: four, deployments: {first: {}}}\nb: {prompt: stays}"),
            ],
        ),
        story_of(
            "default changed",
            &[],
            &[
                act("a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ}"),
                act("a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ}"),
            ],
            &["project-for-task", "project-each-task-deployment"],
        ),
        story(
            "a follow-up",
            &[],
            &[
                act("a: {prompt: Buy SPY, deployments: {first: {}}}\nb: {prompt: Buy GLD}"),
                act(
                    "a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}\nb: {prompt: Buy GLD}",
                ),
            ],
        ),
        story(
            "two runs of one task",
            &[],
            &[act("a: {prompt: Buy SPY, deployments: {first: {}, second: {}}}")],
        ),
    ]
}

const BOTH: &str = "a: {prompt: Buy SPY, deployments: {first: {}}}\nb: {prompt: Buy QQQ}";

fn destroy_stories() -> Vec<Story> {
    let archived = Scope::Archived { older_than: None, saving: Saving::Asked };
    vec![
        story("destroy", FOREIGN, &[act(BOTH), destroying(BOTH, Scope::Owned)]),
        story(
            "destroy what is archived",
            FOREIGN,
            &[
                act(
                    "a: {prompt: Sell SPY, deployments: {first: {}, second: {}}}\nb: {prompt: Buy QQQ}",
                ),
                act("a: {prompt: Hold SPY, deployments: {first: {}}}\nb: {prompt: Buy QQQ}"),
                act(BOTH),
                destroying(BOTH, archived),
            ],
        ),
    ]
}

fn setting(seed: u64, quirks: &[&str]) -> Setting {
    Setting { seed, quirks: quirks.iter().map(|quirk| (*quirk).to_owned()).collect() }
}

/// `SWEEP=full` tells everything where a sample is told otherwise.
fn is_full() -> bool {
    std::env::var_os("SWEEP").is_some_and(|sweep| sweep == "full")
}

fn depth(sample: usize) -> Depth {
    if is_full() { Depth::Every } else { Depth::Sample(sample) }
}

/// Of creates whose answer was lost at least 99 % are settled, and the rest ended as unclear, which
/// is a law of the sweep.
fn expect_settled(tally: &Tally) {
    let settled = tally.settled_creates * 100 >= tally.unclear_creates * 99;
    assert!(settled, "{} of {}", tally.settled_creates, tally.unclear_creates);
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Fails with the violation that is the easiest to understand; prints what was counted.
#[expect(clippy::print_stdout, reason = "the table of the documents comes from here")]
fn expect_no_violation(name: &str, tally: &Tally) {
    println!(
        "{name}: {} runs, {} requests, creates per key {}, paid runs per declared run {}, \
         duplicate tasks {}, duplicate runs {}, follow-ups twice {}, unproven touched {}, unclear creates settled {} of {}",
        tally.runs,
        tally.requests,
        tally.most_creates,
        tally.most_runs,
        tally.duplicate_tasks,
        tally.duplicate_runs,
        tally.duplicate_follow_ups,
        tally.unproven_touched,
        tally.settled_creates,
        tally.unclear_creates,
    );
    for (why, (all, settled)) in &tally.hidden_creates {
        println!("  apart: {all} unclear creates, of which {settled} settled: {why}");
    }
    let mut causes: BTreeMap<(String, &str), (usize, BTreeSet<&str>, &str)> = BTreeMap::new();
    for (unsettled, count) in &tally.unsettled {
        let cause = (unsettled.quirks.join(" "), unsettled.finding.as_str());
        let row = causes.entry(cause).or_insert((0, BTreeSet::new(), &unsettled.course));
        row.0 += count;
        row.1.insert(&unsettled.story);
    }
    for ((quirks, finding), (count, stories, course)) in causes {
        println!("  {count} not settled: {quirks} | {finding} | {stories:?} | {course}");
    }
    if let Some(shortest) = tally.shortest() {
        let broken = tally.violations.iter().take(40).map(|violation| {
            let quirks = violation.quirks.join(" ");
            format!("{} / {quirks} / {}: {}", violation.story, violation.cut, violation.wrong[0])
        });
        panic!(
            "{} laws are broken; the shortest: story `{}`, seed {}, quirks {:?}, cut {}\n{}\n{}\n\n{}",
            tally.violations.len(),
            shortest.story,
            shortest.seed,
            shortest.quirks,
            shortest.cut,
            shortest.wrong.join("\n"),
            shortest.log.join("\n"),
            broken.collect::<Vec<_>>().join("\n"),
        );
    }
}

#[test]
fn every_cut_of_every_story_is_made_good_by_one_apply() {
    let settings: Vec<Setting> = (1..=5).map(|seed| setting(seed, &[])).collect();
    let stories = [stories(), destroy_stories()].concat();
    let tally = sweep(&stories, &settings, Depth::Every, threads());
    expect_no_violation("every cut", &tally);
    assert!(tally.runs >= 20_000, "{} runs", tally.runs);
    assert_eq!(tally.duplicate_follow_ups, 0);
    assert!(tally.restless.is_empty(), "{:?}", tally.restless);
    expect_settled(&tally);
    assert_eq!((tally.most_creates, tally.most_runs), (1, 1));
}

/// Whole numbers that matter for quirks which take one.
fn values(spec: &emulator::QuirkSpec) -> Vec<&'static str> {
    if !spec.values.is_empty() {
        return spec.values.to_vec();
    }
    match spec.name {
        "queue-ms" | "run-ms" | "stop-ms" => vec!["0", "120000"],
        "concurrent-runs" => vec!["1"],
        "name-limit" => vec!["30"],
        "prompt-limit" => vec!["100"],
        // A request that is 40 s late is on a lagging list before settling ends, after 59 s.
        "list-lag-ms" | "deployment-lag-ms" => vec!["1000", "5000", "15000"],
        // A list that hides things for good has a test of its own below.
        "list-cap" => vec!["50"],
        _ => vec!["0", "-300", "600"],
    }
}

#[test]
fn every_law_holds_under_each_quirk_alone() {
    let mut settings = Vec::new();
    for (spec, seed) in emulator::QUIRKS.iter().zip(100..) {
        for value in values(spec) {
            if spec.name == "utc-offset-minutes" || value != "-300" {
                settings.push(setting(seed, &[&format!("{}={value}", spec.name)]));
            }
        }
    }
    let tally = sweep(&stories(), &settings, depth(8), threads());
    expect_no_violation("each quirk alone", &tally);
    expect_settled(&tally);
    let restless: Vec<String> =
        tally.restless.iter().map(|(quirk, codes)| format!("{quirk}: {codes}")).collect();
    // Some cannot be decided and say so; a busy task is run once it is free; a run that has ended by
    // an error takes no follow-up.
    let expected = [
        "create-while-active=refuse: ",
        "deployment-prompt=missing: deployment-unlike-task",
        "deployment-prompt=null: deployment-unlike-task",
        "prompt-rewrite=append: unproven, waits-for-blocked",
        "run-outcome=failed: deployment-ended",
        "run-outcome=stopped: deployment-ended",
    ];
    assert_eq!(restless, expected);
}

/// Told whole, and by who comes back at once: a sample has missed it.
#[test]
fn who_was_killed_at_the_end_waits_for_a_list_that_lags_and_has_nothing_to_do() {
    let stories: Vec<Story> =
        stories().into_iter().filter(|story| story.name == "default changed").collect();
    let settings = [setting(114, &["list-lag-ms=1000"]), setting(117, &["list-lag-ms=15000"])];
    let tally = sweep(&stories, &settings, Depth::Every, threads());
    expect_no_violation("a list that lags", &tally);
    assert!(tally.runs > 500, "{} runs", tally.runs);
}

/// The next number of `SplitMix64`.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0)
}

#[test]
fn every_law_holds_under_two_hundred_random_combinations_of_quirks() {
    let mut state = 42;
    let settings: Vec<Setting> = (0..200)
        .map(|seed| {
            let mut quirks = Vec::new();
            for spec in emulator::QUIRKS {
                if random(&mut state).is_multiple_of(4) {
                    let values = values(spec);
                    quirks.push(format!(
                        "{}={}",
                        spec.name,
                        values[random(&mut state) % values.len()]
                    ));
                }
            }
            Setting { seed: 1000 + seed, quirks }
        })
        .collect();
    let tally = sweep(&stories(), &settings, depth(3), threads());
    expect_no_violation("200 combinations", &tally);
    expect_settled(&tally);
}

/// Stories of at most four objects.
fn small_stories() -> Vec<Story> {
    vec![
        story("a task and its run", &[], &[act("a: {prompt: Buy SPY, deployments: {first: {}}}")]),
        story("two tasks", &[], &[act("a: {prompt: Buy SPY}\nb: {prompt: Buy QQQ}")]),
        story(
            "one edit",
            &[],
            &[
                act("a: {prompt: Buy SPY, deployments: {first: {}}}"),
                act("a: {prompt: Buy QQQ, deployments: {first: {}}}"),
            ],
        ),
        story(
            "one follow-up",
            &[],
            &[
                act("a: {prompt: Buy SPY, deployments: {first: {}}}"),
                act("a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}"),
            ],
        ),
        story(
            "a follow-up beside another task",
            &[],
            &[act(
                "a: {prompt: Buy SPY, deployments: {first: {followUps: [Now QQQ]}}}\nb: {prompt: Buy QQQ}",
            )],
        ),
        story(
            "a name and a drop",
            &[("Theirs", "Sell")],
            &[
                act("a: {name: One, prompt: Buy SPY}\nb: {prompt: Buy QQQ}"),
                pruning("a: {name: Two, prompt: Buy SPY}"),
            ],
        ),
    ]
}

#[test]
fn every_cut_of_a_small_story_is_made_good() {
    // One comes back after ten seconds, one at once.
    let settings = [setting(1, &[]), setting(3, &[])];
    let tally = sweep(&small_stories(), &settings, Depth::Every, threads());
    expect_no_violation("small stories", &tally);
    expect_settled(&tally);
}

#[test]
fn every_cut_of_a_destroy_is_made_good_and_every_conversation_was_saved_before() {
    let mut settings = vec![setting(1, &[])];
    for (seed, value) in (2..).zip(["refuse-active", "refuse-any", "cascade", "keep"]) {
        settings.push(setting(seed, &[&format!("delete-task={value}")]));
    }
    let tally = sweep(&destroy_stories(), &settings, Depth::Every, threads());
    expect_no_violation("destroy", &tally);
}

#[test]
fn every_law_holds_where_two_things_go_wrong() {
    let count = if is_full() { None } else { Some(400) };
    let settings: Vec<Setting> = (1..=2).map(|seed| setting(seed, &[])).collect();
    let tally = sweep(&small_stories(), &settings, Depth::Pairs(count), threads());
    expect_no_violation("pairs", &tally);
    assert_eq!((tally.most_creates, tally.most_runs), (1, 1));
}

/// Thirty tasks, ten of them with a run, that are changed in all ways at once.
fn large_story() -> Story {
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
    let (before, after) = (lines(0), lines(6));
    let told =
        [act(Box::leak(before.into_boxed_str())), pruning(Box::leak(after.into_boxed_str()))];
    story("thirty tasks", FOREIGN, &told)
}

#[test]
fn every_law_holds_where_much_goes_wrong_on_two_machines() {
    let mut stories = stories();
    let count = if is_full() { 10_000 } else { 300 };
    let each = count / stories.len() + 1;
    let settings = [setting(77, &[])];
    let tally = sweep(&stories, &settings, Depth::Long(each as u64), threads());
    expect_no_violation("long runs", &tally);
    stories = vec![large_story()];
    let tally = sweep(&stories, &settings, Depth::Long(count as u64 / 20), threads());
    expect_no_violation("long runs of thirty tasks", &tally);
}

/// Only what an answer has told is known where a list hides things: lost answers, kills and a lost
/// ledger are left out.
#[test]
fn what_a_list_hides_for_good_is_made_once_while_the_ledger_is_kept() {
    let settings = [setting(301, &["list-cap=2"]), setting(302, &["list-cap=1"])];
    let tally = sweep(&stories(), &settings, Depth::Every, threads());
    expect_no_violation("lists that hide", &tally);
    assert_eq!(tally.violations.len() + tally.duplicate_runs + tally.duplicate_tasks, 0);
}
