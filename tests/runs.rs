//! Stories about declared deployments: each deployment and each follow-up once, whatever happens.

mod limits;
mod standing;

use std::time::Duration;

use qcops::apply::{self, DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT, Effects, Stop, Waited, Waiting};
use qcops::diag::Code;
use qcops::event::{DeploymentEnd, StepOutcome};
use qcops::model::Action;
use qcops::plan::StepStatus;

use crate::support::world::World;

/// What users said in each deployment, the oldest first: turns by `/`, runs by blanks.
async fn said(world: &World) -> String {
    world
        .edit_service(|service| {
            let mut runs: Vec<_> = service.deployments().collect();
            runs.sort_by_key(|run| run.number);
            let said = runs.iter().map(|run| {
                let turns = run.messages.iter().filter(|message| message.role == "user");
                let texts = turns.map(|turn| turn.parts[0]["text"].as_str().unwrap().to_owned());
                texts.collect::<Vec<_>>().join("/")
            });
            said.collect::<Vec<_>>().join(" ")
        })
        .await
}

async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Speaks in the oldest deployment as a person in the web interface does.
async fn person_says(world: &World, text: &str) {
    let id = world
        .edit_service(|service| {
            service.deployments().min_by_key(|run| run.number).unwrap().id.clone()
        })
        .await;
    let id = qcops::model::DeploymentId(id);
    world.client().prompt_deployment(&id, text).await.into_result().unwrap();
    seconds(10).await;
}

/// What the next plan says about deployments that are still to be started, and what helps.
async fn reasons(world: &World) -> (Vec<String>, String) {
    let plan = world.plan().await;
    let deploys = plan.steps.iter().filter(|step| step.change.action() == Action::Deploy);
    let help = plan.steps.iter().filter_map(|step| match &step.status {
        StepStatus::Deferred(finding) => Some(finding.help.join(" ")),
        _ => None,
    });
    (deploys.map(|step| step.reason.clone()).collect(), help.collect())
}

#[tokio::test(start_paused = true)]
async fn the_reason_of_a_deployment_counts_those_that_exist_and_do_not_serve() {
    let since = "{since: 2026-11-23T00:00:00Z}";
    let mut world = World::new("spy: {prompt: p, deployments: {a: {}, b: {}}}");
    let (new, _) = reasons(&world).await;
    assert_eq!(new, ["a new task has no deployment yet"; 2]);
    world.commit().converge().await;
    let table = [
        (
            format!("{{a: {{}}, b: {{}}, c: {since}}}"),
            "2 deployments of it exist, created before `since`",
        ),
        (format!("{{c: {since}}}"), "2 deployments of it exist, created before `since`"),
        (
            "{a: {}, b: {}, c: {}}".to_owned(),
            "2 deployments of it exist, serving another declaration",
        ),
    ];
    tokio::time::sleep(Duration::from_secs(72 * 3600)).await;
    for (deployments, reason) in table {
        world.edit(&format!("spy: {{prompt: p, deployments: {deployments}}}"));
        assert_eq!(reasons(&world).await.0, [reason], "{deployments}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_waits_is_not_told_to_wait() {
    let mut world = World::new(THREE);
    world.apply().await;
    let planned = world.plan().await;
    let (_, help) = reasons(&world).await;
    assert!(help.contains("`apply --wait`"), "{help}");
    world.options.waits = true;
    let (_, help) = reasons(&world).await;
    assert!(help.contains("this apply waits for it") && !help.contains("--wait"), "{help}");
    assert_eq!(world.plan().await.digest(), planned.digest());
}

const THREE: &str = "spy: {prompt: p, deployments: {d: {followUps: [a, b, c]}}}";

#[tokio::test(start_paused = true)]
async fn follow_ups_are_sent_in_order_each_once_and_only_to_an_idle_run() {
    let world = World::new(THREE);
    world.apply().await;
    for expected in ["p/a", "p/a/b", "p/a/b/c", "p/a/b/c", "p/a/b/c"] {
        // While the deployment is busy, nothing is sent and nothing is blocked.
        let busy = world.plan().await;
        assert_eq!(busy.blocks().count(), 0);
        world.apply().await;
        seconds(10).await;
        world.apply().await;
        assert_eq!(said(&world).await, expected);
    }
    assert_eq!(world.run_count().await, 1);
    seconds(10).await;
    world.expect_nothing_to_do().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_follow_up_sends_it_once_or_says_that_it_is_unknown() {
    for (fault, after, unknown) in
        [("lost-after", "p/a", 0), ("lost-before", "p", 1), ("500-after", "p/a", 0)]
    {
        let mut world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a]}}}");
        world.apply().await;
        seconds(10).await;
        world.faults(&format!("deployments/prompt#1={fault}"));
        let outcome = world.apply().await;
        assert_eq!(said(&world).await, after, "{fault}");
        let count = outcome.count(|ended| matches!(ended, StepOutcome::Unknown(_)));
        assert_eq!(count, unknown, "{fault}: {outcome:#?}");
        world.faults("");
        seconds(10).await;
        world.apply().await;
        seconds(10).await;
        world.expect_nothing_to_do().await;
        assert_eq!(said(&world).await, "p/a", "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_persons_turn_between_two_follow_ups_blocks_that_run_and_no_other() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a, b]}}}");
    for _ in 0..2 {
        world.apply().await;
        seconds(10).await;
    }
    person_says(&world, "my own").await;
    // In one apply: a follow-up and a deployment of two other tasks, beside the one that is blocked.
    let spy = "spy: {prompt: p, deployments: {d: {followUps: [a, b]}}}";
    let qqq = "qqq: {prompt: q, deployments: {d: {}}}";
    world.edit(&format!("{spy}\n{qqq}")).apply().await;
    seconds(10).await;
    let qqq = "qqq: {prompt: q, deployments: {d: {followUps: [e, f]}}}";
    let gld = "gld: {prompt: g, deployments: {d: {}}}";
    world.edit(&format!("{spy}\n{qqq}\n{gld}"));
    let plan = world.plan().await;
    let codes: Vec<Code> = plan.blocks().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::Diverged]);
    let outcome = world.carry_out(&plan).await;
    assert_eq!(outcome.count(|ended| matches!(ended, StepOutcome::Done(_))), 3, "{outcome:#?}");
    assert_eq!(said(&world).await, "p/a/my own q/e g");
    // Waiting sends the rest of the others, too, and nothing to this one.
    seconds(10).await;
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["gld/d Completed", "qqq/d Completed"]);
    assert_eq!(said(&world).await, "p/a/my own q/e/f g");
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::Diverged]);
}

#[tokio::test(start_paused = true)]
async fn a_divergence_is_shown_turn_by_turn() {
    let world = World::new(THREE);
    world.apply().await;
    seconds(10).await;
    world.apply().await;
    seconds(10).await;
    person_says(&world, "my own").await;
    let text = world.plan_text().await;
    assert!(text.contains("blocked[diverged]"), "{text}");
    assert!(text.contains("follow-up 1: said as declared: \"a\""), "{text}");
    assert!(text.contains("follow-up 2: said \"my own\""), "{text}");
    assert!(text.contains("declared \"b\""), "{text}");
    world.apply().await;
    assert_eq!(said(&world).await, "p/a/my own");
}

#[tokio::test(start_paused = true)]
async fn a_persons_turn_after_the_last_follow_up_changes_nothing() {
    let world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a]}}}");
    for _ in 0..2 {
        world.apply().await;
        seconds(10).await;
    }
    person_says(&world, "thanks").await;
    world.expect_nothing_to_do().await;
    assert_eq!(said(&world).await, "p/a/thanks");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_counts_and_is_not_repeated() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {}, e: {followUps: [a]}}}");
    world.quirk("run-outcome=failed").await;
    world.apply().await;
    seconds(10).await;
    let plan = world.plan().await;
    let codes: Vec<Code> = plan.blocks().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::DeploymentEnded]);
    assert_eq!(plan.notes.iter().filter(|note| note.code == Code::DeploymentFailed).count(), 2);
    world.apply().await;
    assert_eq!(world.run_count().await, 2);
}

#[tokio::test(start_paused = true)]
async fn content_that_failed_three_times_is_not_run_again_before_since_moves() {
    let mut world = World::new("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}}}");
    world.quirk("run-outcome=failed").await;
    world.apply().await;
    seconds(10).await;
    world.edit("spy: {prompt: p, deployments: {a: {}, b: {}, c: {}, d: {}}}");
    world.options.limits.runs = Some(9);
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::FailedRepeatedly]);
    let since = "{since: 2026-11-21T12:00:05Z}";
    world.edit(&format!(
        "spy: {{prompt: p, deployments: {{a: {{}}, b: {{}}, c: {{}}, d: {since}}}}}"
    ));
    world.apply().await;
    assert_eq!(world.run_count().await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_run_declared_as_stopped_is_stopped_once_and_never_started() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {}}}");
    world.quirk("run-outcome=hangs").await;
    world.apply().await;
    seconds(10).await;
    world.edit("spy: {prompt: p, deployments: {d: {state: stopped}}}");
    let plan = world.plan().await;
    assert_eq!(plan.counts()[&Action::Stop], 1);
    world.faults("deployments/stop#1=lost-after");
    world.converge().await;
    world.edit("spy: {prompt: p, deployments: {d: {state: stopped}, e: {state: stopped}}}");
    world.expect_nothing_to_do().await;
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_declaration_to_stop_takes_no_run_from_one_that_needs_it() {
    for others in ["on: {}", "on: {followUps: [a]}"] {
        let mut world = World::new(&format!(
            "spy: {{prompt: p, deployments: {{off: {{state: stopped}}, {others}}}}}"
        ));
        world.quirk("run-outcome=hangs").await;
        for _ in 0..3 {
            world.apply().await;
            seconds(10).await;
        }
        let active = world
            .edit_service(|service| service.deployments().filter(|run| run.ended.is_none()).count())
            .await;
        assert_eq!((world.run_count().await, active), (1, 1), "{others}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_not_known_gets_nothing_sent_and_nothing_begun_anew() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a]}}}");
    world.quirk("conversation-in-queue=null").await;
    world.apply().await;
    let plan = world.plan().await;
    assert_eq!((plan.ready_steps().count(), plan.blocks().count()), (0, 0));
    seconds(10).await;
    world.faults("deployments/conversation/read%1=500-before");
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::ConversationUnknown]);
    world.apply().await;
    world.faults("");
    assert_eq!((said(&world).await.as_str(), world.run_count().await), ("p", 1));
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_somebody_else_sent_meanwhile_is_not_sent_again() {
    let world = World::new("spy: {prompt: p, deployments: {d: {followUps: [a]}}}");
    world.apply().await;
    seconds(10).await;
    let plan = world.plan().await;
    world.apply().await;
    seconds(10).await;
    let outcome = world.carry_out(&plan).await;
    assert!(
        matches!(outcome.steps.values().next(), Some(StepOutcome::Failed(finding)) if finding.code == Code::ChangedSincePlan)
    );
    assert_eq!(said(&world).await, "p/a");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_shows_a_time_before_its_since_says_in_which_zone() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {since: 2026-11-21T11:00:00Z}}}");
    world.quirk("utc-offset-minutes=-300").await;
    let outcome = world.apply().await;
    let findings: Vec<_> = outcome
        .steps
        .values()
        .filter_map(|ended| match ended {
            StepOutcome::Unknown(finding) => Some((finding.code, finding.help[0].clone())),
            _ => None,
        })
        .collect();
    let way = "set `serviceUtcOffset: \"-05:00\"` in the manifest before the next apply";
    assert_eq!(findings, [(Code::DeploymentBeforeSince, way.to_owned())]);
    assert_eq!(Vec::from_iter(world.blocks().await), [Code::ZoneUnknown], "no second deployment");
}

#[tokio::test(start_paused = true)]
async fn the_plan_says_what_will_be_paid_for() {
    let world = World::new(THREE);
    let text = world.plan_text().await;
    let line = "Paid for: 1 new deployment of at most 5, 3 follow-ups later, once the deployments are idle.";
    assert!(text.contains(line), "{text}");
    world.apply().await;
    seconds(10).await;
    let text = world.plan_text().await;
    let line = "Paid for: 1 follow-up now, 2 follow-ups later, once the deployments are idle.";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("  » task.spy/d will be prompted (deployment A-"), "{text}");
}

/// Which deployment was started for which declaration, as `deployment id`.
fn started(world: &World) -> Vec<String> {
    let evidence = world.plan_context().evidence;
    let known = evidence.keys.values().flat_map(|known| &known.started);
    let mut pairs: Vec<String> = known.map(|(id, key)| format!("{key} {id}")).collect();
    pairs.sort();
    pairs
}

#[tokio::test(start_paused = true)]
async fn deployments_of_one_second_stay_with_the_declaration_they_were_started_for() {
    let declared = [
        "r1: {}, r2: {}, r3: {}, talk: {followUps: [a, b]}",
        "a: {followUps: [x]}, b: {followUps: [y]}, c: {followUps: [x, z]}",
        "z: {}, y: {followUps: [same]}, x: {followUps: [same]}, w: {expect: {maxTurns: 20}}",
    ];
    for declared in declared {
        let mut world = World::new(&format!("spy: {{prompt: p, deployments: {{{declared}}}}}"));
        world.options.limits.runs = Some(9);
        let waited = world.apply_and_wait(&waiting()).await;
        assert!(
            !waited.reports.iter().any(qcops::event::DeploymentReport::is_failed),
            "{waited:#?}"
        );
        assert!(waited.reports.iter().all(|report| report.missing == 0), "{waited:#?}");
        let reported: Vec<String> = waited
            .reports
            .iter()
            .map(|report| format!("{} {}", report.deployment, report.id))
            .collect();
        assert_eq!(reported, started(&world), "{declared}");
        // A later plan and a later apply say the same of them.
        world.expect_nothing_to_do().await;
        let again = world.apply_and_wait(&waiting()).await;
        let again: Vec<String> = again
            .reports
            .iter()
            .map(|report| format!("{} {}", report.deployment, report.id))
            .collect();
        assert_eq!(again, reported, "{declared}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_queued_at_work_or_idle_leaves_the_digest_as_it_is() {
    for quirk in ["conversation-in-queue=null", "conversation-in-queue=empty"] {
        let mut world = World::new(THREE);
        if world.edit_service(|service| service.quirks.set(quirk)).await.is_err() {
            continue;
        }
        world.on_another_machine().apply().await;
        let queued = world.plan().await;
        for pause in [0, 1, 1, 10, 3_600, 90_000] {
            seconds(pause).await;
            let later = world.plan().await;
            assert_eq!(later.fingerprints(), queued.fingerprints(), "{quirk}, {pause} s later");
        }
        assert_eq!(queued.ready_steps().count(), 0);
        assert_eq!(world.plan().await.ready_steps().count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_nothing_is_sent_that_the_approved_plan_does_not_name() {
    let world = World::new(THREE);
    let plan = world.plan().await;
    let outcome = world.carry_out(&plan).await;
    seconds(10).await;
    let mut changed = world.beside();
    changed.edit("spy: {prompt: p, deployments: {d: {followUps: [a, go live, c]}}}");
    let (client, ledger, stop) = (world.client(), world.ledger(), Stop::default());
    let effects = Effects {
        client: &client,
        ledger: &ledger,
        clock: world.clock,
        stop: &stop,
        on_event: &|_| (),
    };
    let replan = async || Some(changed.plan().await);
    let settings = &world.settings;
    let waited = apply::watch(&plan, &outcome, &effects, settings, &waiting(), replan).await;
    assert_eq!(waited.reports[0].end, DeploymentEnd::Blocked);
    let codes: Vec<Code> = waited.rounds[0].0.blocks().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::ChangedSincePlan]);
    assert_eq!(said(&world).await, "p");
}

fn waiting() -> Waiting {
    Waiting {
        timeout: DEFAULT_TIMEOUT,
        wait_timeout: None,
        token_budget: None,
        poll_interval: DEFAULT_POLL_INTERVAL,
        keeps_transcripts: false,
        tells_standings: true,
        seed: 7,
    }
}

/// The result of each deployment: `key/deployment status failures`.
fn ends(waited: &Waited) -> Vec<String> {
    let end = |report: &qcops::event::DeploymentReport| {
        let fields: Vec<&str> = report.failures.iter().map(|failure| failure.field).collect();
        format!("{}/{} {} {}", report.key, report.deployment, report.status, fields.join(","))
            .trim_end()
            .to_owned()
    };
    waited.reports.iter().map(end).collect()
}

#[tokio::test(start_paused = true)]
async fn six_runs_with_follow_ups_come_true_and_further_applies_send_nothing() {
    let run = "{one: {followUps: [a, b]}, two: {followUps: [c]}}";
    let mut world = World::new(&format!(
        "spy: {{prompt: p, deployments: {run}}}\nqqq: {{prompt: q, deployments: {run}}}\niwm: {{prompt: r, deployments: {run}}}"
    ));
    world.options.limits.runs = Some(6);
    let waited = world.apply_and_wait(&waiting()).await;
    assert!(!waited.reports.iter().any(qcops::event::DeploymentReport::is_failed), "{waited:#?}");
    assert_eq!(waited.reports.len(), 6);
    let mut texts: Vec<String> = said(&world).await.split(' ').map(str::to_owned).collect();
    texts.sort();
    assert_eq!(texts, ["p/a/b", "p/c", "q/a/b", "q/c", "r/a/b", "r/c"]);
    let before = world.writes().len();
    for round in 0..10 {
        seconds(round).await;
        if round % 2 == 0 {
            world.apply_and_wait(&waiting()).await;
        } else {
            world.apply().await;
        }
    }
    assert_eq!(world.writes().len(), before);
}

#[tokio::test(start_paused = true)]
async fn applies_at_any_moment_send_nothing_twice() {
    // Three tasks, six deployments, nine follow-ups.
    const WRITES: usize = 3 + 6 + 9;
    let run = "{one: {followUps: [a, b]}, two: {followUps: [c]}}";
    let manifest = format!(
        "spy: {{prompt: p, deployments: {run}}}\nqqq: {{prompt: q, deployments: {run}}}\niwm: {{prompt: r, deployments: {run}}}"
    );
    // Pauses between applies, in milliseconds: within the queue, at work, at the end, and long after.
    for (pause, waits) in
        [(100, false), (700, false), (1_900, true), (4_000, false), (60_000, true)]
    {
        let mut world = World::new(&manifest);
        world.options.limits.runs = Some(6);
        let (mut active, mut rounds) = (0, 0);
        while world.writes().len() < WRITES {
            rounds += 1;
            assert!(rounds < 400, "{}", world.plan_text().await);
            world.apply().await;
            let at_work = |service: &mut qcops::emulator::World| {
                usize::from(service.deployments().any(|run| run.ended.is_none()))
            };
            active += world.edit_service(at_work).await;
            tokio::time::advance(Duration::from_millis(pause)).await;
            if waits && rounds == 3 {
                assert_eq!(ends(&world.apply_and_wait(&waiting()).await).len(), 6);
            }
        }
        assert!(active > 1, "some came while runs were at work");
        let mut texts: Vec<String> = said(&world).await.split(' ').map(str::to_owned).collect();
        texts.sort();
        assert_eq!(texts, ["p/a/b", "p/c", "q/a/b", "q/c", "r/a/b", "r/c"], "{pause}");
        for round in 0..10 {
            let waited = world.apply_and_wait(&waiting()).await;
            assert!(!waited.reports.iter().any(qcops::event::DeploymentReport::is_failed));
            world.apply().await;
            seconds(round).await;
        }
        assert_eq!(world.writes().len(), WRITES);
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_sends_the_rest_in_order_after_an_interrupt() {
    let mut world = World::new(THREE);
    world.apply().await;
    seconds(10).await;
    world.apply().await;
    assert_eq!(said(&world).await, "p/a");
    world.on_another_machine();
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(said(&world).await, "p/a/b/c");
    assert_eq!(ends(&waited), ["spy/d Completed"]);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_while_waiting_send_every_follow_up_once() {
    for fault in ["lost-after", "500-after", "cut-answer", "429", "503"] {
        let mut world = World::new(THREE);
        world.faults(&format!("deployments/prompt%2={fault}"));
        world.apply_and_wait(&waiting()).await;
        assert_eq!(said(&world).await, "p/a/b/c", "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ends_is_stopped_at_its_timeout_if_this_apply_started_it() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {timeout: 90s}}}");
    world.quirk("run-outcome=hangs").await;
    let start = tokio::time::Instant::now();
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Stopped status"]);
    let limit = Duration::from_secs(90);
    assert_eq!(waited.reports[0].end, DeploymentEnd::TimedOut { limit });
    assert!(waited.reports[0].transcript.is_ok() && waited.reports[0].is_failed());
    assert!(start.elapsed() < Duration::from_secs(100), "{:?}", start.elapsed());

    let mut world = World::new("spy: {prompt: p, deployments: {d: {timeout: 90s}}}");
    world.quirk("run-outcome=hangs").await;
    world.apply().await;
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Running"], "somebody else's run goes on");
    assert!(waited.reports[0].is_failed());
}

#[tokio::test(start_paused = true)]
async fn a_failing_expectation_stays_red_and_says_what_was_found() {
    let mut world = World::new(
        "spy: {prompt: p, deployments: {d: {expect: {transcript: {contains: Sortino}, number: {pattern: 'of ([0-9.]+)', min: 1}}}}}",
    );
    for _ in 0..2 {
        let waited = world.apply_and_wait(&waiting()).await;
        assert_eq!(ends(&waited), ["spy/d Completed transcript.contains,number"]);
        assert_eq!(waited.reports[0].failures[1].found, "0.87 in turn 2");
    }
    world.edit(
        "spy: {prompt: p, deployments: {d: {expect: {status: Completed, transcript: {contains: Sharpe}, toolCalled: create_backtest, noToolFailure: true, maxTurns: 1}}}}",
    );
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Completed"]);
    assert_eq!(world.run_count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_this_apply_has_to_be_completed_where_nothing_else_is_expected() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {}}}");
    world.quirk("run-outcome=failed").await;
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Failed status"]);
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Failed"], "an earlier one is reported by the plan alone");
}

#[tokio::test(start_paused = true)]
async fn the_token_budget_stops_what_this_apply_started_and_nothing_else() {
    let mut world = World::new("spy: {prompt: p, deployments: {d: {}}}");
    world.quirk("run-outcome=hangs").await;
    world.apply().await;
    seconds(10).await;
    world.edit(
        "spy: {prompt: p, deployments: {d: {}}}\nqqq: {prompt: q, deployments: {d: {}, e: {}}}",
    );
    let budget = Waiting { token_budget: Some(2_000), ..waiting() };
    let waited = world.apply_and_wait(&budget).await;
    assert_eq!(ends(&waited), ["qqq/d Stopped status", "qqq/e Stopped status", "spy/d Running"],);
    let over = waited
        .reports
        .iter()
        .filter(|report| matches!(report.end, DeploymentEnd::OverBudget { .. }));
    assert_eq!(over.count(), 2);
    let stops = world.writes().iter().filter(|path| path.ends_with("deployments/stop")).count();
    assert_eq!(stops, 2, "each of ours once");
    // Three were started, of which the earlier one is at work as if nothing had been.
    let active = world
        .edit_service(|service| {
            let active = service.deployments().filter(|run| run.ended.is_none());
            active.map(|run| run.prompt.clone()).collect::<Vec<_>>()
        })
        .await;
    assert_eq!((world.run_count().await, active), (3, vec!["p".to_owned()]));
    // What was stopped counts as run: it is not begun again.
    world.apply_and_wait(&budget).await;
    assert_eq!(world.run_count().await, 3);
}

#[tokio::test(start_paused = true)]
async fn agents_play_the_script_of_the_documents() {
    let text = include_str!("../docs/deployments.md");
    let script = text.split("```yaml\n").find(|block| block.contains("promptContains")).unwrap();
    let script = script.split("```").next().unwrap();
    let rules = qcops::emulator::run_rules(qcops::manifest::read_yaml_as(script).unwrap()).unwrap();
    let world = World::new(
        "spy: {prompt: p, deployments: {d: {followUps: [Halve the turnover], expect: {number: {pattern: 'of (.*) is', min: 1}, toolCalled: edit_file, noToolFailure: true, maxTurns: 3}}}}",
    );
    world.edit_service(|service| service.rules = rules).await;
    let waited = world.apply_and_wait(&waiting()).await;
    assert_eq!(ends(&waited), ["spy/d Completed noToolFailure,maxTurns"]);
    let failures: Vec<&str> =
        waited.reports[0].failures.iter().map(|failure| failure.found.as_str()).collect();
    assert_eq!(
        failures,
        ["a failure of `create_backtest` in turn 4: No data", "4, the last of them turn 6"]
    );
    for (bad, why) in [
        ("version: 2", "version 2"),
        ("version: 1\nrnus: []", "unknown field `rnus`"),
        ("version: 1\nruns: [{takes: soon}]", "`takes: soon` of rule 1 is no length of time"),
        ("version: 1\nversion: 1", "`version` is not allowed here, at line 2"),
        ("version: 1\nruns:\n  - says: a\n    outcom: b", "unknown field `outcom`"),
        ("version: 1\nruns:\n  - says: a\n    outcom: b", "line 4"),
        ("version: 1\nruns:\n  - turns: [{sayz: b}]", "line 3"),
    ] {
        let read = qcops::manifest::read_yaml_as(bad).and_then(qcops::emulator::run_rules);
        assert!(read.as_ref().unwrap_err().contains(why), "{read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_speaks_while_it_waits_ends_the_follow_ups_and_not_the_other_runs() {
    let world = World::new(THREE);
    world.apply().await;
    seconds(10).await;
    person_says(&world, "my own").await;
    let waited = world.apply_and_wait(&waiting()).await;
    assert!(waited.reports.is_empty(), "the plan has blocked it: {waited:#?}");
    assert_eq!(said(&world).await, "p/my own");
}
