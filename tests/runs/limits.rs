//! Stories about how long runs are waited for, and how often they are looked at.

use std::cell::RefCell;
use std::time::Duration;

use qcops::apply::Waiting;
use qcops::emulator::run_rules;
use qcops::event::{DeploymentEnd, DeploymentProgress, Event};
use qcops::manifest::read_yaml_as;
use qcops::observed::Status;
use tokio::time::Instant;

use super::{ends, said, seconds, waiting};
use crate::support::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A world whose agents never end where the prompt says so.
async fn world(tasks: &str) -> World {
    let world = World::new(tasks);
    let rules = "version: 1\nruns: [{promptContains: forever, outcome: hangs}]";
    let rules = read_yaml_as(rules).and_then(run_rules).unwrap();
    world.edit_service(|service| service.rules = rules).await;
    world
}

fn stops(world: &World) -> usize {
    world.writes().iter().filter(|path| path.ends_with("deployments/stop")).count()
}

#[tokio::test(start_paused = true)]
async fn when_all_waiting_takes_too_long_what_this_apply_started_is_stopped_and_nothing_else() {
    let early = "spy: {prompt: forever old, deployments: {d: {}}}";
    let mut world = world(early).await;
    world.apply().await;
    seconds(10).await;
    let ours = "qqq: {prompt: forever, deployments: {d: {}, e: {followUps: [a]}}}";
    world.edit(&format!("{early}\n{ours}\ngld: {{prompt: g, deployments: {{d: {{}}}}}}"));
    let start = Instant::now();
    let limited = Waiting { wait_timeout: Some(MINUTE), ..waiting() };
    let waited = world.apply_and_wait(&limited).await;
    assert!(start.elapsed() < Duration::from_secs(90), "{:?}", start.elapsed());
    assert_eq!(
        ends(&waited),
        ["gld/d Completed", "qqq/d Stopped status", "qqq/e Stopped status", "spy/d Running"]
    );
    let over = DeploymentEnd::WaitOver { limit: MINUTE };
    let reported: Vec<(&DeploymentEnd, bool)> =
        waited.reports.iter().map(|report| (&report.end, report.is_failed())).collect();
    assert_eq!(
        reported,
        [(&DeploymentEnd::Ended, false), (&over, true), (&over, true), (&over, true)]
    );
    assert!(waited.reports[1..3].iter().all(|report| report.transcript.is_ok()));
    assert_eq!(stops(&world), 2);
    assert_eq!(
        said(&world).await,
        "forever old g forever forever",
        "no follow-up to what was stopped"
    );
    // The next apply begins none of them again.
    let waited = world.apply_and_wait(&limited).await;
    assert_eq!((world.run_count().await, stops(&world)), (4, 2));
    let ended = waited.reports.iter().filter(|report| report.end == DeploymentEnd::Ended).count();
    assert_eq!(ended, 3, "{waited:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_by_itself_before_the_time_was_over_is_looked_at_once_more() {
    let world = world("spy: {prompt: p, deployments: {d: {}}}").await;
    let hour = Duration::from_secs(3600);
    let limited =
        Waiting { wait_timeout: Some(MINUTE), poll_interval: hour, timeout: hour, ..waiting() };
    let waited = world.apply_and_wait(&limited).await;
    assert_eq!(ends(&waited), ["spy/d Completed"]);
    assert_eq!((&waited.reports[0].end, stops(&world)), (&DeploymentEnd::Ended, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_idle_when_the_time_is_over_is_not_stopped_and_keeps_its_follow_up() {
    let mut world = world("spy: {prompt: p, deployments: {d: {followUps: [a]}}}").await;
    // What was said cannot be read, so that nothing is sent.
    world.faults("deployments/conversation/read%1=500-before");
    let limited = Waiting { wait_timeout: Some(MINUTE), ..waiting() };
    let waited = world.apply_and_wait(&limited).await;
    let [report] = waited.reports.as_slice() else { panic!("{waited:#?}") };
    assert_eq!((&report.end, report.missing), (&DeploymentEnd::WaitOver { limit: MINUTE }, 1));
    assert_eq!((report.status.as_str(), report.is_failed()), ("Completed", true));
    let mut text = String::new();
    let options = qcops::render::text::TextOptions::default();
    qcops::render::deployments::text(&waited.reports, &options, &mut text).unwrap();
    let why = "time for all waiting: it took longer than 60 s; 1 follow-up still to be sent";
    assert!(text.contains(why), "{text}");
    assert_eq!((said(&world).await.as_str(), stops(&world)), ("p", 0));
    world.faults("");
    let waited = world.apply_and_wait(&limited).await;
    assert_eq!(
        (ends(&waited), said(&world).await),
        (vec!["spy/d Completed".to_owned()], "p/a".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn looks_at_a_run_come_at_longer_and_longer_intervals_and_a_follow_up_starts_them_again() {
    for seed in [1, 7, 2026] {
        let world = world("spy: {prompt: forever, deployments: {d: {timeout: 10m}}}").await;
        let reads = RefCell::new(Vec::new());
        let start = Instant::now();
        let note = |event: &Event<'_>| {
            if let Event::Standing([DeploymentProgress { next_look: Some(pause), .. }]) = event {
                reads.borrow_mut().push((start.elapsed(), *pause));
            }
        };
        world.apply_and_wait_told(&Waiting { seed, ..waiting() }, &note).await;
        let reads = reads.into_inner();
        let pauses: Vec<Duration> = reads.iter().map(|(_, pause)| *pause).collect();
        // Without the last one, which the time limit cuts.
        let pauses = &pauses[..pauses.len() - 1];
        assert!(pauses.len() > 20, "{pauses:?}");
        let mut whole = Duration::from_secs(5);
        for pause in pauses {
            assert!(*pause <= whole && *pause >= whole * 3 / 4, "{pause:?} of {whole:?}");
            whole = (whole + whole / 2).min(Duration::from_secs(30));
        }
        // What was said is what was done: a request takes a few milliseconds.
        for pair in reads.windows(2) {
            let apart = pair[1].0.abs_diff(pair[0].0);
            assert!(
                apart >= pair[0].1 && apart < pair[0].1 + Duration::from_millis(50),
                "{pair:?}"
            );
        }
    }
    let mut world = world("spy: {prompt: p, deployments: {d: {followUps: [a]}}}").await;
    world.quirk("run-ms=120000").await;
    let pauses = RefCell::new(Vec::new());
    let note = |event: &Event<'_>| {
        if let Event::Standing([run]) = event
            && let Some(pause) = run.next_look
        {
            pauses.borrow_mut().push((run.missing, pause));
        }
    };
    world.apply_and_wait_told(&waiting(), &note).await;
    let pauses = pauses.into_inner();
    let sent = pauses.iter().position(|(missing, _)| *missing == 0).unwrap();
    assert!(pauses[sent - 1].1 > Duration::from_secs(20), "{pauses:?}");
    assert!(pauses[sent].1 <= Duration::from_secs(5), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_on_hears_how_every_run_stands() {
    let early = "spy: {prompt: forever, deployments: {d: {timeout: 2m}}}";
    let mut world = world(early).await;
    world.apply().await;
    seconds(3600).await;
    world.edit(&format!("{early}\nqqq: {{prompt: q, deployments: {{d: {{followUps: [a]}}}}}}"));
    let told = RefCell::new(Vec::new());
    let note = |event: &Event<'_>| {
        if let Event::Standing(runs) = event {
            told.borrow_mut().push(runs.to_vec());
        }
    };
    world.apply_and_wait_told(&waiting(), &note).await;
    let told = told.into_inner();
    let names = |runs: &[DeploymentProgress]| {
        runs.iter().map(|run| format!("{}/{}", run.key, run.deployment)).collect::<Vec<_>>()
    };
    assert!(told.iter().all(|runs| names(runs) == ["qqq/d", "spy/d"]), "{told:?}");
    let (first, last) = (&told[0], told.last().unwrap());
    assert!(
        first.iter().all(|run| run.status.is_none() && run.is_followed && run.tokens.is_none())
    );
    assert!(first[0].age.unwrap() < Duration::from_secs(1), "ours has just begun");
    assert!(first[1].age.unwrap() >= Duration::from_secs(3600), "{:?}", first[1]);
    let ended = |run: &DeploymentProgress| {
        (run.status.clone(), run.is_followed, run.next_look, run.missing)
    };
    assert_eq!(ended(&last[0]), (Some(Status::Completed), false, None, 0));
    assert_eq!(ended(&last[1]), (Some(Status::Running), false, None, 0));
    assert!(last[0].tokens.unwrap() > 0);
}
