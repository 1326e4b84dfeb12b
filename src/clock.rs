//! Wall time, the only place it comes from.
//!
//! Sleeping and time limits are tokio's; this clock only says what the calendar shows.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The system's clock, or one that starts at a given moment and follows tokio's time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock for tests: `origin` at the moment it was made, then as tokio's clock runs.
    Following {
        /// The time the clock showed when it was made.
        origin: Timestamp,
        /// The moment it was made.
        started: Instant,
    },
}

impl Clock {
    /// Makes a clock that shows `origin` now and follows tokio's clock, paused or not.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self::Following { origin, started: Instant::now() }
    }

    /// Returns the time it shows; one that no calendar holds is the last that it does.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads wall time")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX),
            Self::Following { origin, started } => {
                let elapsed = SignedDuration::try_from(started.elapsed()).unwrap_or_default();
                origin.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

/// Whether times that follow `now` can be told: the calendar ends with the year 9999.
pub fn is_usable(now: Timestamp) -> bool {
    /// The beginning of the year 9999, in seconds since 1970.
    const LAST: i64 = 253_370_764_800;
    now.as_second() < LAST
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_near_the_end_of_the_calendar_is_not_usable() {
        let table = [
            ("1970-01-01", true),
            ("2026-11-21", true),
            ("9998-12-31", true),
            ("9999-01-01", false),
        ];
        for (date, expected) in table {
            let now: Timestamp = format!("{date}T00:00:00Z").parse().expect("a time stamp");
            assert_eq!(is_usable(now), expected, "{date}");
        }
        assert!(!is_usable(Timestamp::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_following_clock_moves_with_tokio() {
        let origin: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time stamp");
        let clock = Clock::starting_at(origin);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_string(), "2026-11-21T12:01:30Z");
    }
}
