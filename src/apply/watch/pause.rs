//! How long until the next look at a deployment: longer each time, and not the same for all.

use std::time::Duration;

use crate::model::SplitMix64;

/// The longest pause between two looks: what a person accepts to wait for news.
const LONGEST: Duration = Duration::from_secs(30);

/// The pauses between the looks at one run.
#[derive(Clone, Debug)]
pub(super) struct Pauses {
    first: Duration,
    next: Duration,
}

impl Pauses {
    /// Begins with `first`.
    pub(super) fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// Begins again: there will soon be news.
    pub(super) fn restart(&mut self) {
        self.next = self.first;
    }

    /// Returns the next pause, shortened by the jitter; each is half as long again as the one
    /// before, up to half a minute. A first pause that is longer than that stays as it is.
    pub(super) fn next(&mut self, jitter: &SplitMix64) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_add(pause / 2).min(LONGEST.max(self.first));
        jitter.shorten(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pauses(first: Duration, seed: u64, count: usize) -> Vec<Duration> {
        let (mut pauses, jitter) = (Pauses::new(first), SplitMix64::new(seed));
        (0..count).map(|_| pauses.next(&jitter)).collect()
    }

    #[test]
    fn without_jitter_they_would_go_from_5_to_30_seconds() {
        let mut pauses = Pauses::new(Duration::from_secs(5));
        let mut seconds = Vec::new();
        for _ in 0..7 {
            seconds.push(pauses.next.as_secs_f64());
            pauses.next(&SplitMix64::new(0));
        }
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
        pauses.restart();
        assert_eq!(pauses.next, Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn each_is_the_grown_one_less_a_quarter_at_most_and_the_seed_tells_them_all(
            first_ms in 1_u64..120_000,
            seed in any::<u64>(),
        ) {
            let first = Duration::from_millis(first_ms);
            let seen = pauses(first, seed, 40);
            let longest = first.max(Duration::from_secs(30));
            let mut whole = first;
            for pause in &seen {
                prop_assert!(*pause <= whole && *pause >= whole * 3 / 4, "{pause:?} of {whole:?}");
                whole = (whole + whole / 2).min(longest);
            }
            prop_assert_eq!(whole, longest, "40 pauses are enough to grow");
            prop_assert_eq!(&seen, &pauses(first, seed, 40));
            prop_assert_ne!(&seen, &pauses(first, seed.wrapping_add(1), 40));
        }

        #[test]
        fn runs_that_share_a_jitter_drift_apart(seed in any::<u64>()) {
            let jitter = SplitMix64::new(seed);
            let (mut one, mut two) = (Pauses::new(LONGEST), Pauses::new(LONGEST));
            let apart = (0..20).filter(|_| one.next(&jitter) != two.next(&jitter)).count();
            prop_assert!(apart > 10, "{apart} of 20");
        }
    }
}
