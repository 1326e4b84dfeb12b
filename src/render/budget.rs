//! What a plan pays for: runs and follow-ups, counted, and what past deployments say they will cost.

use crate::model::{counted, grouped};
use crate::plan::{Change, Plan, Spread, Step, StepStatus};
use crate::render::words::span;

/// What is paid for: runs and follow-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Deployments that are started.
    pub runs: usize,
    /// How many deployments one apply may start.
    pub deployment_limit: usize,
    /// Follow-ups that are sent now.
    pub follow_ups: usize,
    /// Follow-ups that come later, each once its deployment is idle.
    pub later: usize,
    /// What all of it is likely to cost; `None` where there is no past deployment to go by.
    pub cost: Option<Cost>,
}

/// What prompts are likely to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How many prompts.
    pub prompts: usize,
    /// Tokens, read and written.
    pub tokens: Option<Spread>,
    /// Seconds at work; those of deployments side by side are added up.
    pub seconds: Option<Spread>,
}

impl Budget {
    /// Counts what a plan pays for; what is blocked is not paid.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut budget = Self { deployment_limit: plan.deployment_limit, ..Self::default() };
        let mut tasks = std::collections::BTreeMap::new();
        for step in plan.steps.iter().filter(|step| !matches!(step.status, StepStatus::Blocked(_)))
        {
            let is_open = usize::from(step.status == StepStatus::Ready);
            match &step.change {
                Change::Deploy { later, .. } if is_open == 1 => {
                    budget.runs += 1;
                    budget.later += later.len();
                }
                Change::Prompt { later, .. } => {
                    budget.follow_ups += is_open;
                    budget.later += later.len() + 1 - is_open;
                }
                _ => continue,
            }
            *tasks.entry(&step.key).or_insert(0) += prompts(step);
        }
        for (key, prompts) in tasks {
            let Some(estimate) = plan.estimates.get(key) else { continue };
            let cost = budget.cost.get_or_insert_default();
            cost.prompts += prompts;
            cost.tokens = sum(cost.tokens, times(estimate.tokens, prompts));
            cost.seconds = sum(cost.seconds, times(estimate.seconds, prompts));
        }
        budget
    }

    /// What is paid for, as one line of our own words; nothing where nothing is.
    pub fn line(&self) -> Option<String> {
        let Self { runs, deployment_limit, follow_ups, later, cost } = self;
        let mut paid = Vec::new();
        if *runs > 0 {
            let runs = counted(*runs, "new deployment", "new deployments");
            paid.push(format!("{runs} of at most {deployment_limit}"));
        }
        if *follow_ups > 0 {
            paid.push(counted(*follow_ups, "follow-up now", "follow-ups now"));
        }
        if *later > 0 {
            let count = counted(*later, "follow-up", "follow-ups");
            paid.push(format!("{count} later, once the deployments are idle"));
        }
        let all = runs + follow_ups + later;
        let estimated = cost.map_or_else(String::new, |cost| {
            let known = cost.prompts;
            let part =
                if known < all { format!(" for {known} of {all} prompts") } else { String::new() };
            format!(" Estimated{part}: {}.", cost.words())
        });
        (!paid.is_empty()).then(|| format!("Paid for: {}.{estimated}", paid.join(", ")))
    }
}

impl Cost {
    /// The cost in our own words, such as `4,100 tokens (median of 3 deployments, 4,000 to 5,000), 12 min`.
    pub(super) fn words(&self) -> String {
        let range = |spread: Spread, shown: fn(u64) -> String, runs: Option<String>| {
            let ends = (spread.least != spread.most)
                .then(|| format!("{} to {}", shown(spread.least), shown(spread.most)));
            let inner: Vec<String> = runs.into_iter().chain(ends).collect();
            if inner.is_empty() { String::new() } else { format!(" ({})", inner.join(", ")) }
        };
        let of_runs = |spread: Spread| match spread.count {
            1 => "as in 1 past deployment".to_owned(),
            count => format!("median of {count} past deployments"),
        };
        let tokens = self.tokens.map(|tokens| {
            let range = range(tokens, grouped, Some(of_runs(tokens)));
            format!("{} tokens{range}", grouped(tokens.median))
        });
        let seconds = self.seconds.map(|seconds| {
            let runs = self.tokens.is_none().then(|| of_runs(seconds));
            format!("{}{}", span(seconds.median), range(seconds, span, runs))
        });
        tokens.into_iter().chain(seconds).collect::<Vec<_>>().join(", ")
    }
}

/// What a step is likely to cost, with the follow-ups to come.
pub(super) fn cost(plan: &Plan, step: &Step) -> Option<Cost> {
    let prompts = prompts(step);
    let estimate = plan.estimates.get(&step.key).filter(|_| prompts > 0)?;
    let is_blocked = matches!(step.status, StepStatus::Blocked(_));
    let (tokens, seconds) = (times(estimate.tokens, prompts), times(estimate.seconds, prompts));
    (!is_blocked).then_some(Cost { prompts, tokens, seconds })
}

/// How many prompts a step and what follows it send.
fn prompts(step: &Step) -> usize {
    match &step.change {
        Change::Deploy { later, .. } | Change::Prompt { later, .. } => later.len() + 1,
        _ => 0,
    }
}

fn times(spread: Option<Spread>, prompts: usize) -> Option<Spread> {
    let Spread { median, least, most, count } = spread?;
    let times = |value: u64| value.saturating_mul(prompts as u64);
    Some(Spread { median: times(median), least: times(least), most: times(most), count })
}

fn sum(one: Option<Spread>, other: Option<Spread>) -> Option<Spread> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    Some(Spread {
        median: one.median.saturating_add(other.median),
        least: one.least.saturating_add(other.least),
        most: one.most.saturating_add(other.most),
        count: one.count + other.count,
    })
}
