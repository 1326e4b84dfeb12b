//! The digest covers every text that would be sent and every resource that would be touched, and
//! nothing that time alone moves.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use qcops::manifest::DesiredDeployment;
use qcops::model::{DeploymentId, TaskId};
use qcops::observed::{ReadResult, Status};
use qcops::transcript::{Message, Part, Transcript};

use super::cases;
use crate::support::scene::{Scene, key};

/// Declared deployments, each with its follow-ups, and of those that exist how many were sent.
#[derive(Clone, Debug)]
struct World {
    prompt: String,
    declared: Vec<(Vec<String>, Option<usize>)>,
    /// A declaration whose date comes on the next day.
    is_one_not_due: bool,
    exists: bool,
}

fn worlds() -> impl Strategy<Value = World> {
    // No two texts begin alike, so what was sent tells whose it is.
    let deployment = (vec("[a-z]{1,8}", 1..4), any::<Option<Index>>());
    (vec(deployment, 1..4), any::<bool>(), any::<bool>()).prop_map(|(declared, late, exists)| {
        let declared = declared.into_iter().enumerate().map(|(at, (texts, sent))| {
            let texts: Vec<String> = texts
                .iter()
                .enumerate()
                .map(|(place, text)| format!("{at}.{place} {text}"))
                .collect();
            let sent = sent.filter(|_| exists).map(|sent| 1 + sent.index(texts.len()));
            (texts, sent)
        });
        World {
            prompt: "prompt 0".to_owned(),
            declared: declared.collect(),
            is_one_not_due: late,
            exists,
        }
    })
}

impl World {
    /// The digest of the plan `hours` after noon, where every deployment that exists has `status`.
    fn digest(&self, status: &Status, hours: i64) -> String {
        let mut scene = if self.exists { Scene::established(1) } else { Scene::new() };
        scene.plan_context.options.limits.runs = Some(9);
        scene.state.observed_at += SignedDuration::from_hours(hours);
        let desired = scene.declare("k0", &self.prompt);
        for (at, (texts, _)) in self.declared.iter().enumerate() {
            let is_late = self.is_one_not_due && at == 0;
            let declared = DesiredDeployment {
                since: is_late.then(|| "2026-11-22T00:00:00Z".parse().unwrap()),
                follow_ups: texts.iter().map(|text| Arc::from(text.as_str())).collect(),
                ..DesiredDeployment::default()
            };
            Arc::make_mut(&mut desired.deployments).insert(key(&format!("d{at}")), declared);
        }
        for (at, (texts, sent)) in self.declared.iter().enumerate() {
            let Some(sent) = sent.filter(|_| !(self.is_one_not_due && at == 0)) else { continue };
            scene.show_run(1, &self.prompt, Some("2026-11-20T08:00:00"));
            let run =
                scene.state.deployments.get_mut(&TaskId(1)).unwrap().items.last_mut().unwrap();
            run.id = DeploymentId(format!("A-{at}"));
            run.status = status.clone();
            let said = |role: &str, text: &str| Message {
                role: Some(role.to_owned()),
                time: None,
                parts: Some(vec![Part::Text(text.to_owned())]),
            };
            let prompts = std::iter::once(&self.prompt).chain(&texts[..sent]);
            let mut messages: Vec<Message> = prompts
                .flat_map(|prompt| [said("user", prompt), said("assistant", "done")])
                .collect();
            if *status != Status::Completed {
                messages.pop();
            }
            let transcript = Transcript { messages, ..Transcript::default() };
            scene.state.conversations.insert(run.id.clone(), ReadResult::Seen(transcript));
        }
        scene.plan().digest().to_string()
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_deployment_that_becomes_idle_and_a_clock_that_goes_on_leave_the_digest(
        world in worlds(),
        hours in 0_i64..24 * 40,
    ) {
        let before = world.digest(&Status::Running, 0);
        prop_assert_eq!(world.digest(&Status::Completed, 0), before.as_str());
        prop_assert_eq!(world.digest(&Status::InQueue, hours), before.as_str());
        prop_assert_eq!(world.digest(&Status::Completed, hours), before.as_str());
    }

    #[test]
    fn every_letter_of_every_text_that_would_be_sent_moves_the_digest(
        world in worlds(),
        of in any::<Index>(),
        letter in any::<Index>(),
    ) {
        let before = world.digest(&Status::Completed, 0);
        let unsent: Vec<(usize, usize)> = world
            .declared
            .iter()
            .enumerate()
            .flat_map(|(at, (texts, sent))| {
                let is_late = world.is_one_not_due && at == 0;
                let from = sent.filter(|_| !is_late).unwrap_or(0);
                (from..texts.len()).map(move |place| (at, place))
            })
            .collect();
        let mut changed = world.clone();
        match unsent.get(of.index(unsent.len() + 1)) {
            Some((at, place)) => {
                let text = &mut changed.declared[*at].0[*place];
                let from = letter.index(text.len());
                let other = if text.as_bytes()[from] == b'~' { "^" } else { "~" };
                text.replace_range(from..=from, other);
            }
            // The prompt of the task itself: it is made, or replaced.
            None => changed.prompt.push('!'),
        }
        prop_assert_ne!(changed.digest(&Status::Completed, 0), before);
    }
}
