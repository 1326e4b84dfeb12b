//! How many requests a second a service takes, found out from its answers.
//!
//! A state machine without a clock or a lock, for [`super::pace`] alone. It knows three things: a
//! rate at which the service said no, how many requests it took since the last no, and how long
//! that lasted. The quotient of the last two is what it takes; the rate goes just below, stays
//! there, and rises slowly past it. Every step is counted in requests, so that a service of any
//! speed says no equally often.
//!
//! A no may mean that requests come too close, or that a window is used up and everything is
//! refused until it ends. Whether the first request after a no is taken tells the two apart.

use std::time::Duration;

/// The lowest rate: one request in four seconds, so that recovery can be noticed at all.
const LOWEST: f64 = 0.25;

/// The longest pause between two tries, so that a service that comes back is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many requests must have been taken before their number over time is believed.
const ENOUGH: u32 = 20;

/// The rate after a no that nothing was measured before, as a part of the rate at that time.
const GUESS: f64 = 0.7;

/// How many guesses may follow one another, down to a twelfth. If even then hardly anything is
/// taken in a row, the rate is not the reason, and half of what was given is as good as any.
const MOST_GUESSES: u32 = 7;

/// Where the rate starts below what the service is believed to take.
const BELOW: f64 = 0.97;

/// How many requests it takes to rise to what is believed, and as many again as far beyond.
const CLIMB: f64 = 150.0;

/// The same where a no closes everything for whole seconds, and costs that much more.
const SLOW_CLIMB: f64 = 300.0;

/// It never takes longer, so that a slow rate, which may be the trace of an outage, recovers.
const LONGEST_CLIMB: Duration = Duration::from_secs(60);

/// What a request knows when it leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// How often the rate had been cut.
    cuts: u64,
    left: Duration,
}

/// A rate that follows the answers. All times count from one start.
#[derive(Debug)]
pub(super) struct Rate {
    full: f64,
    now: f64,
    /// From where the rate rises, to where, and in how many requests.
    low: f64,
    ceiling: f64,
    climb: f64,
    /// How many were taken since the rate was found, and since when.
    good: u32,
    found: Duration,
    /// How many were taken of those that left since, for the measurement.
    taken: u32,
    since: Duration,
    cuts: u64,
    /// How many cuts in a row were guessed, and the rate before the first.
    guesses: u32,
    guessed_from: f64,
    has_settled: bool,
    cut: Option<Cut>,
}

/// From a no to the first request after it that is taken.
#[derive(Debug)]
struct Cut {
    /// The rate that was too much.
    rate: f64,
    /// How many requests that left after the cut were refused too, and when the last one left.
    refused: u32,
    last_refused: Duration,
    /// Single requests leave, each after twice the pause of the one before.
    tries: Option<Tries>,
    has_retry_after: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    pause: Duration,
    next: Duration,
}

impl Rate {
    /// Starts at `full` requests a second, which it never exceeds.
    pub(super) fn new(full: f64) -> Self {
        Self {
            full,
            now: full,
            low: full,
            ceiling: full,
            climb: CLIMB,
            good: 0,
            found: Duration::ZERO,
            taken: 0,
            since: Duration::ZERO,
            cuts: 0,
            guesses: 0,
            guessed_from: full,
            has_settled: false,
            cut: None,
        }
    }

    /// Requests a second.
    pub(super) fn per_second(&self) -> f64 {
        self.now
    }

    /// Whether the service ever said no.
    pub(super) fn was_cut(&self) -> bool {
        self.cuts > 0
    }

    /// When the next request may leave, whatever the rate; until it is taken, it goes alone.
    pub(super) fn next_try(&self) -> Option<Duration> {
        Some(self.cut.as_ref()?.tries?.next)
    }

    /// Notes that a request leaves.
    pub(super) fn leave(&mut self, now: Duration) -> Ticket {
        if let Some(tries) = self.cut.as_mut().and_then(|cut| cut.tries.as_mut()) {
            *tries = Tries::after(now, (tries.pause * 2).min(LONGEST_PAUSE));
        }
        Ticket { cuts: self.cuts, left: now }
    }

    /// Learns that the service took a request.
    pub(super) fn accept(&mut self, ticket: Ticket) {
        if ticket.cuts == self.cuts
            && let Some(cut) = self.cut.take()
        {
            self.settle(&cut, ticket.left);
        }
        self.taken += u32::from(ticket.left >= self.since);
        if ticket.cuts != self.cuts {
            return;
        }
        self.good += 1;
        let risen = f64::from(self.good.saturating_sub(ENOUGH)) / self.climb;
        let quiet = ticket.left.saturating_sub(self.found).div_duration_f64(LONGEST_CLIMB);
        let beyond = (risen.max(quiet) - 1.0).powi(3);
        self.set(self.ceiling + (self.ceiling - self.low) * beyond);
    }

    /// Learns that the service refused a request, and whether it said for how long.
    pub(super) fn refuse(&mut self, now: Duration, ticket: Ticket, has_retry_after: bool) {
        let round_trip = now.saturating_sub(ticket.left);
        // Whatever left before the last cut says nothing new.
        if ticket.cuts == self.cuts {
            self.cuts += 1;
            let rate = self.now;
            let pause = round_trip.max(Duration::from_secs_f64(2.0 / rate));
            let tries = Some(Tries::after(now, pause));
            if let Some(cut) = &mut self.cut {
                cut.refused += 1;
                cut.last_refused = ticket.left;
                cut.tries = cut.tries.or(tries);
            } else {
                // What was measured is near, so no time is lost with trying.
                let is_near = self.has_settled && self.taken >= ENOUGH;
                self.cut = Some(Cut {
                    rate,
                    refused: 0,
                    last_refused: now,
                    tries: tries.filter(|_| !is_near),
                    has_retry_after: false,
                });
                self.set(rate * BELOW * BELOW);
            }
        }
        if let Some(cut) = self.cut.as_mut().filter(|_| has_retry_after) {
            cut.has_retry_after = true;
            cut.tries = cut.tries.or(Some(Tries::after(now, round_trip)));
        }
    }

    /// Finds the new rate when a request that left at `left` is the first one taken after `cut`.
    fn settle(&mut self, cut: &Cut, left: Duration) {
        let reopened = if cut.has_retry_after {
            // Whole seconds are rounded up, so it opened half a second before on average.
            left.saturating_sub(Duration::from_millis(500)).max(cut.last_refused.min(left))
        } else if cut.refused > 0 {
            // It opened somewhere between the two.
            (cut.last_refused + left) / 2
        } else {
            left
        };
        let span = reopened.saturating_sub(self.since).as_secs_f64();
        let is_measured = self.taken >= ENOUGH && span > 0.0;
        let measured = (f64::from(self.taken) / span).min(cut.rate);
        let was_shut = cut.refused >= 2 || cut.has_retry_after;
        self.climb = CLIMB;
        if is_measured && (self.has_settled || was_shut) {
            // What it takes lies between what was measured, part of it while the rate rose, and the
            // rate at the end. A window that was used up at the full rate is exactly measured.
            let share = match (self.has_settled, cut.has_retry_after) {
                (false, _) => 0.0,
                (true, false) if was_shut => 0.5,
                (true, _) => 0.75,
            };
            if self.has_settled && cut.has_retry_after {
                self.climb = SLOW_CLIMB;
            }
            self.ceiling = measured + (cut.rate - measured) * share;
            self.low = self.ceiling * BELOW;
            self.guesses = 0;
        } else {
            if self.guesses == 0 {
                self.guessed_from = cut.rate;
            }
            self.guesses += 1;
            let is_the_rate = self.guesses <= MOST_GUESSES;
            self.low = if is_the_rate { cut.rate * GUESS } else { self.guessed_from / 2.0 };
            self.ceiling = cut.rate;
        }
        // It always has somewhere to rise.
        self.ceiling = self.ceiling.max(LOWEST.min(self.full)).max(self.low / BELOW);
        self.low = self.low.min(self.ceiling * BELOW);
        self.since = reopened;
        self.taken = 0;
        self.has_settled = true;
        self.good = 0;
        self.found = left;
    }

    fn set(&mut self, rate: f64) {
        self.now = rate.max(LOWEST).min(self.full);
    }
}

impl Tries {
    fn after(now: Duration, pause: Duration) -> Self {
        Self { pause, next: now + pause }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plays seconds between answers, and how each one was, on requests that left one before.
    fn play(full: f64, answers: &[(u16, u8)]) -> (Rate, Duration) {
        let (mut rate, mut now) = (Rate::new(full), Duration::ZERO);
        let mut earlier = rate.leave(now);
        for (pause, answer) in answers {
            let ticket = rate.leave(now);
            now += Duration::from_millis(u64::from(*pause));
            // Every fourth answer belongs to the request before, so that they overtake each other.
            let ticket = if answer % 4 == 0 { earlier } else { ticket };
            earlier = ticket;
            match answer / 4 % 4 {
                0 | 1 => rate.accept(ticket),
                2 => rate.refuse(now, ticket, false),
                _ => rate.refuse(now, ticket, true),
            }
            let lowest = LOWEST.min(full);
            assert!((lowest..=full).contains(&rate.per_second()), "{}", rate.per_second());
        }
        (rate, now)
    }

    fn answers() -> impl Strategy<Value = Vec<(u16, u8)>> {
        prop::collection::vec((0..2000u16, any::<u8>()), 0..200)
    }

    proptest! {
        #[test]
        fn whatever_was_answered_the_rate_returns_when_the_service_takes_everything(
            full in 0.001..1000.0f64, answers in answers(),
        ) {
            let (mut rate, mut now) = play(full, &answers);
            // From the lowest rate to ten a second it takes eleven minutes.
            for _ in 0..4_000 {
                now = rate.next_try().unwrap_or_default().max(now) + Duration::from_secs(1);
                let ticket = rate.leave(now);
                rate.accept(ticket);
                prop_assert!(rate.next_try().is_none(), "it is open once a request was taken");
            }
            prop_assert!(rate.per_second() >= full);
        }

        #[test]
        fn what_left_before_a_cut_cuts_no_more(
            full in 1.0..1000.0f64, answers in answers(), more in 1..20usize,
        ) {
            let (mut rate, now) = play(full, &answers);
            let tickets: Vec<Ticket> = (0..=more).map(|_| rate.leave(now)).collect();
            rate.refuse(now, tickets[0], false);
            let (cuts, before) = (rate.cuts, rate.per_second());
            for ticket in &tickets[1..] {
                rate.refuse(now, *ticket, false);
            }
            prop_assert_eq!((rate.cuts, rate.per_second()), (cuts, before));
        }
    }

    #[test]
    fn while_everything_is_refused_single_requests_try_at_twice_the_pause() {
        let (mut rate, mut now) = (Rate::new(100.0), Duration::from_secs(1));
        let first = rate.leave(now);
        rate.refuse(now, first, false);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let next = rate.next_try().expect("nothing was taken yet");
            pauses.push(next.saturating_sub(now).as_millis());
            now = next;
            let ticket = rate.leave(now);
            rate.refuse(now, ticket, false);
        }
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640]);
    }
}
