//! Which steps may begin: what is ready, and what each other step still waits for.
//!
//! Every step is looked at when it is added, when a step that it waits for ends and when it begins,
//! so that ten thousand steps cost no more than ten thousand times one.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::makes;
use crate::model::Key;
use crate::plan::{Step, StepId};

/// The place of a step in its plan.
type StepIndex = usize;

/// The names of the kinds that the service is proven to store as they are sent.
pub(super) type ProvenKinds = BTreeSet<&'static str>;

/// The open steps of a plan that have not begun.
pub(super) struct StepSchedule<'p> {
    steps: Vec<&'p Step>,
    places: BTreeMap<StepId, StepIndex>,
    /// How many steps each one still waits for; a step that has begun or is given up is not in it.
    unmet: BTreeMap<StepIndex, usize>,
    /// By step, those that wait for it.
    waiting: BTreeMap<StepIndex, Vec<StepIndex>>,
    /// Steps that wait for nothing: those that make a resource by its kind, and the others.
    makers: BTreeMap<&'static str, BTreeSet<StepIndex>>,
    others: BTreeSet<StepIndex>,
    /// Resources at work, with the steps that were found to wait for nothing but theirs.
    busy: BTreeMap<(&'static str, &'p Key), Vec<StepIndex>>,
    /// The step that makes the first resource of a kind, while it is under way.
    first: Option<StepId>,
}

impl<'p> StepSchedule<'p> {
    /// Takes the open steps, in the order in which they are to begin.
    pub(super) fn new(steps: impl Iterator<Item = &'p Step>) -> Self {
        let steps: Vec<&Step> = steps.collect();
        let places: BTreeMap<StepId, StepIndex> =
            steps.iter().enumerate().map(|(place, step)| (step.id, place)).collect();
        let mut schedule = Self {
            steps,
            places,
            unmet: BTreeMap::new(),
            waiting: BTreeMap::new(),
            makers: BTreeMap::new(),
            others: BTreeSet::new(),
            busy: BTreeMap::new(),
            first: None,
        };
        for place in 0..schedule.steps.len() {
            let after = schedule.steps[place].after.iter();
            // A step that is not open is not waited for.
            let after: Vec<StepIndex> =
                after.filter_map(|id| schedule.places.get(id).copied()).collect();
            schedule.unmet.insert(place, after.len());
            if after.is_empty() {
                schedule.make_ready(place);
            }
            for before in after {
                schedule.waiting.entry(before).or_default().push(place);
            }
        }
        schedule
    }

    /// Takes the next step that may begin.
    ///
    /// Until the service is proven to store a kind as it is sent, the first step that makes one of it
    /// begins only when nothing is under way, and nothing begins beside it.
    pub(super) fn next(&mut self, proven: &ProvenKinds, is_idle: bool) -> Option<&'p Step> {
        if self.first.is_some() {
            return None;
        }
        loop {
            let makers = |is_proven| {
                let makers =
                    self.makers.iter().filter(move |(kind, _)| proven.contains(*kind) == is_proven);
                makers.filter_map(|(_, places)| places.first()).min().copied()
            };
            let alone = makers(false).filter(|_| is_idle);
            let others = self.others.first().copied();
            let place = alone.or_else(|| makers(true).into_iter().chain(others).min())?;
            for places in self.makers.values_mut() {
                places.remove(&place);
            }
            self.others.remove(&place);
            let step = self.steps[place];
            if let Some(parked) = self.busy.get_mut(&about(step)) {
                parked.push(place);
                continue;
            }
            self.unmet.remove(&place);
            self.busy.insert(about(step), Vec::new());
            self.first = alone.map(|_| step.id);
            return Some(step);
        }
    }

    /// Notes that a step has ended well or not; returns the steps that are given up with it, each
    /// with the step that it waited for.
    pub(super) fn end(&mut self, step: &'p Step, is_done: bool) -> Vec<(&'p Step, StepId)> {
        self.first = self.first.filter(|first| *first != step.id);
        for place in self.busy.remove(&about(step)).unwrap_or_default() {
            self.make_ready(place);
        }
        let mut given_up = Vec::new();
        let mut ended = vec![(self.places[&step.id], is_done)];
        while let Some((before, is_done)) = ended.pop() {
            for place in self.waiting.remove(&before).unwrap_or_default() {
                let Some(unmet) = self.unmet.get_mut(&place) else { continue };
                *unmet -= 1;
                if !is_done {
                    self.unmet.remove(&place);
                    given_up.push((self.steps[place], self.steps[before].id));
                    ended.push((place, false));
                } else if *unmet == 0 {
                    self.make_ready(place);
                }
            }
        }
        given_up
    }

    /// Takes every step that has not begun: nothing more is to begin.
    pub(super) fn drain(&mut self) -> Vec<&'p Step> {
        self.makers.clear();
        self.others.clear();
        self.busy.clear();
        std::mem::take(&mut self.unmet).into_keys().map(|place| self.steps[place]).collect()
    }

    /// Whether every step has begun or is given up.
    pub(super) fn is_empty(&self) -> bool {
        self.unmet.is_empty()
    }

    /// A step waits for no other one any more.
    fn make_ready(&mut self, place: StepIndex) {
        let ready = match makes(&self.steps[place].change) {
            Some(kind) => self.makers.entry(kind).or_default(),
            None => &mut self.others,
        };
        ready.insert(place);
    }
}

/// The resource that a step is about.
fn about(step: &Step) -> (&'static str, &Key) {
    (step.change.kind().name, &step.key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::TaskId;
    use crate::plan::{AgentChange, Change, StepStatus};
    use crate::resource::Object;

    fn proven(kinds: &[&'static str]) -> ProvenKinds {
        kinds.iter().copied().collect()
    }

    /// A step of a key that makes a task, or renames one.
    fn step(id: usize, key: &str, is_maker: bool, after: &[usize]) -> Step {
        let change = if is_maker {
            let object = Object::task(key, 47, "project-for-task", "p").whole().unwrap();
            Change::Create { object }
        } else {
            Change::Update { id: TaskId(id as u64), edits: Vec::new() }
        };
        Step {
            id: StepId(id),
            key: key.parse().unwrap(),
            deployment: None,
            change,
            reason: String::new(),
            after: after.iter().copied().map(StepId).collect(),
            drift: BTreeSet::new(),
            status: StepStatus::Ready,
        }
    }

    fn id(step: Option<&Step>) -> Option<usize> {
        step.map(|step| step.id.0)
    }

    #[test]
    fn the_first_task_is_made_alone_and_then_all_goes_in_order() {
        let steps = [step(0, "a", true, &[]), step(1, "b", true, &[]), step(2, "c", false, &[])];
        let mut schedule = StepSchedule::new(steps.iter());
        assert_eq!(id(schedule.next(&proven(&[]), false)), Some(2), "something is under way");
        assert_eq!(id(schedule.next(&proven(&[]), false)), None);
        schedule.end(&steps[2], true);
        assert_eq!(id(schedule.next(&proven(&[]), true)), Some(0));
        assert_eq!(id(schedule.next(&proven(&[]), false)), None, "nothing begins beside it");
        schedule.end(&steps[0], true);
        assert_eq!(id(schedule.next(&proven(&["task"]), true)), Some(1));
        assert!(schedule.is_empty());
    }

    #[test]
    fn what_waits_for_a_failed_step_is_given_up_with_the_step_it_waited_for() {
        let steps = [
            step(0, "a", false, &[]),
            step(1, "b", false, &[0]),
            step(2, "c", false, &[1]),
            step(3, "d", false, &[9]),
            step(4, "e", false, &[]),
        ];
        let mut schedule = StepSchedule::new(steps.iter());
        assert_eq!(id(schedule.next(&proven(&["task"]), true)), Some(0));
        let given_up = schedule.end(&steps[0], false);
        let given_up: Vec<_> = given_up.iter().map(|(step, unmet)| (step.id.0, unmet.0)).collect();
        assert_eq!(given_up, [(1, 0), (2, 1)]);
        assert_eq!(
            id(schedule.next(&proven(&["task"]), true)),
            Some(3),
            "a step that is not open holds none up"
        );
        let rest: Vec<usize> = schedule.drain().iter().map(|step| step.id.0).collect();
        assert_eq!(rest, [4]);
        assert!(schedule.is_empty() && schedule.next(&proven(&["task"]), true).is_none());
    }

    #[test]
    fn the_first_of_each_kind_is_made_alone() {
        let agent = |id: usize| Step {
            change: Change::Agent(AgentChange::Create { object: Object::agent("A") }),
            ..step(id, &format!("k{id}"), true, &[])
        };
        let steps = [agent(0), agent(1), step(2, "k0", true, &[]), step(3, "k1", false, &[1])];
        let mut schedule = StepSchedule::new(steps.iter());
        assert_eq!(id(schedule.next(&proven(&[]), true)), Some(0));
        assert_eq!(id(schedule.next(&proven(&[]), false)), None);
        schedule.end(&steps[0], true);
        let mut known = proven(&["agent"]);
        assert_eq!(id(schedule.next(&known, true)), Some(2), "before it is held up by the agents");
        assert_eq!(id(schedule.next(&known, false)), None);
        schedule.end(&steps[2], true);
        known.insert("task");
        assert_eq!(id(schedule.next(&known, true)), Some(1));
        assert_eq!(id(schedule.next(&known, false)), None, "it waits for the agent");
        schedule.end(&steps[1], true);
        assert_eq!(id(schedule.next(&known, true)), Some(3));
        assert!(schedule.is_empty());
    }

    /// For each step its key, whether it makes a task, which earlier ones it waits for, whether it
    /// goes well, and which of those under way ends next.
    fn stories() -> impl Strategy<Value = Vec<(u8, bool, Vec<usize>, bool, usize)>> {
        let after = prop::collection::vec(0_usize..40, 0..3);
        prop::collection::vec((0_u8..6, any::<bool>(), after, any::<bool>(), 0_usize..8), 0..40)
    }

    proptest! {
        #[test]
        fn every_step_begins_once_after_those_it_waits_for_and_beside_none_of_its_key(
            story in stories(), most in 1_usize..5,
        ) {
            let steps: Vec<Step> = story.iter().enumerate().map(|(at, (key, is_maker, after, ..))| {
                let after: Vec<usize> = after.iter().copied().filter(|before| *before < at).collect();
                step(at, &format!("k{key}"), *is_maker, &after)
            }).collect();
            let mut schedule = StepSchedule::new(steps.iter());
            let (mut running, mut done) = (Vec::<&Step>::new(), BTreeSet::new());
            let (mut begun, mut given_up) = (BTreeSet::new(), BTreeSet::new());
            let mut is_proven = ProvenKinds::new();
            for (.., turn) in story.iter().cycle() {
                while running.len() < most
                    && let Some(step) = schedule.next(&is_proven, running.is_empty())
                {
                    prop_assert!(begun.insert(step.id));
                    prop_assert!(step.after.is_subset(&done));
                    prop_assert!(running.iter().all(|other| other.key != step.key));
                    prop_assert!(makes(&step.change).is_none_or(|kind| is_proven.contains(kind)) || running.is_empty());
                    running.push(step);
                }
                if running.is_empty() {
                    break;
                }
                let step = running.remove(turn % running.len());
                let is_well = story[step.id.0].3;
                is_proven.extend(makes(&step.change).filter(|_| is_well));
                if is_well {
                    done.insert(step.id);
                }
                for (step, unmet) in schedule.end(step, is_well) {
                    prop_assert!(given_up.insert(step.id) && step.after.contains(&unmet));
                }
            }
            prop_assert!(schedule.is_empty() && begun.is_disjoint(&given_up));
            prop_assert_eq!(begun.len() + given_up.len(), steps.len());
        }
    }
}
