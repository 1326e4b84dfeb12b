//! Services that limit in every way one could expect, and what it takes to make 1,000 things there.
//!
//! The clock is paused, so each figure is exact: one run, no noise.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::sleep;

use super::super::*;

const LATENCY: Duration = Duration::from_millis(20);
const IN_FLIGHT: usize = 16;
const COUNT: u32 = 1000;

/// How a service limits; all times in seconds.
enum Limit {
    /// Tokens come steadily, and so many are saved.
    Bucket { rate: f64, holds: f64, tokens: f64, at: f64 },
    /// So many in each window, which began before the first request; it may say when it ends.
    Window { most: u32, seconds: f64, began: f64, has_retry_after: bool, index: f64, taken: u32 },
    /// So many in any stretch of so many seconds.
    Sliding { most: usize, seconds: f64, taken: VecDeque<f64> },
    /// Every second one, whatever the rate.
    Storm(bool),
}

fn bucket(rate: f64, holds: f64) -> Limit {
    Limit::Bucket { rate, holds, tokens: holds, at: 0.0 }
}

fn window(most: u32, seconds: f64, began: f64, has_retry_after: bool) -> Limit {
    Limit::Window { most, seconds, began, has_retry_after, index: -1.0, taken: 0 }
}

fn sliding(most: usize, seconds: f64) -> Limit {
    Limit::Sliding { most, seconds, taken: VecDeque::new() }
}

impl Limit {
    /// Whether a request is taken, and otherwise what `Retry-After` says.
    fn take(&mut self, now: f64) -> Result<(), Option<String>> {
        let (is_taken, retry_after) = match self {
            Self::Bucket { rate, holds, tokens, at } => {
                *tokens = (*tokens + (now - *at) * *rate).min(*holds);
                *at = now;
                // Sums of parts are a little below one.
                let is_taken = *tokens > 0.999_999;
                *tokens -= f64::from(u8::from(is_taken));
                (is_taken, None)
            }
            Self::Window { most, seconds, began, has_retry_after, index, taken } => {
                let current = ((now + *began) / *seconds).floor();
                if current.total_cmp(index).is_ne() {
                    (*index, *taken) = (current, 0);
                }
                *taken += 1;
                let left = ((current + 1.0) * *seconds - now - *began).ceil();
                (*taken <= *most, has_retry_after.then(|| left.to_string()))
            }
            Self::Sliding { most, seconds, taken } => {
                while taken.front().is_some_and(|at| *at <= now - *seconds) {
                    taken.pop_front();
                }
                let is_taken = taken.len() < *most;
                taken.extend(is_taken.then_some(now));
                (is_taken, None)
            }
            Self::Storm(is_next_taken) => {
                *is_next_taken = !*is_next_taken;
                (*is_next_taken, None)
            }
        };
        if is_taken { Ok(()) } else { Err(retry_after) }
    }
}

struct Service {
    limit: Mutex<Limit>,
    is_text: bool,
    started: Instant,
    refused: AtomicUsize,
}

impl Transport for Service {
    fn exchange(&self, _request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let now = self.started.elapsed().as_secs_f64();
            let taken = self.limit.lock().unwrap().take(now);
            sleep(LATENCY).await;
            let body = |text: &str| text.as_bytes().to_vec();
            let Err(retry_after) = taken else {
                let body = body(r#"{"success":true}"#);
                return Ok(Response { status: 200, body, ..Response::default() });
            };
            self.refused.fetch_add(1, Ordering::SeqCst);
            let words = r#"{"success":false,"errors":["Too many requests, slow down."]}"#;
            let status = if self.is_text { 200 } else { 429 };
            Ok(Response { status, body: body(words), retry_after, ..Response::default() })
        })
    }
}

struct Created {
    seconds: f64,
    refused: usize,
    /// How many were refused for so long that the client gives up.
    lost: usize,
}

/// Makes all of them as `apply` does.
async fn make(limit: Limit, limits: PaceLimits, is_text: bool) -> Created {
    let (limit, refused) = (Mutex::new(limit), AtomicUsize::new(0));
    let service = Service { limit, is_text, started: Instant::now(), refused };
    let clock = Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().unwrap());
    let paced = Paced::new(service, limits, clock, Arc::new(|_| ()), Gate::default());
    let start = Instant::now();
    let make_one = async |_| {
        let (first, mut pause) = (Instant::now(), Duration::from_millis(400));
        loop {
            let request = Request {
                path: "/x".to_owned(),
                body: Vec::new(),
                signature: None,
                queue_deadline: QueueDeadline::Endless,
            };
            let response = paced.exchange(request).await.unwrap();
            if !is_rate_answer(&response) {
                return false;
            }
            if first.elapsed() + pause > Duration::from_secs(120) {
                return true;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(15));
        }
    };
    let all = stream::iter(0..COUNT).map(make_one).buffer_unordered(3 * limits.in_flight);
    let lost = all.filter(|is_lost| std::future::ready(*is_lost)).count().await;
    let refused = paced.inner.refused.load(Ordering::SeqCst);
    Created { seconds: start.elapsed().as_secs_f64(), refused, lost }
}

/// What limits; how many requests a second; the length of a window; the most answers in a thousand
/// that are no, and the most time beside what the rate allows, one window left out.
type Case = (&'static str, fn() -> Limit, f64, f64, f64, f64);

/// What is asked for is 2 % of the answers, 20 of 1,020, and a twentieth of the time.
const CASES: &[Case] = &[
    // What comes a millisecond late is lost where nothing is saved.
    ("a bucket of one", || bucket(100.0, 1.0), 100.0, 0.0, 20.0, 1.06),
    ("a bucket of a quarter of a second", || bucket(100.0, 25.0), 100.0, 0.0, 20.0, 1.05),
    ("a bucket of a second", || bucket(100.0, 100.0), 100.0, 0.0, 20.0, 1.05),
    ("a slow bucket of one", || bucket(10.0, 1.0), 10.0, 0.0, 20.0, 1.05),
    ("a slow bucket of a second", || bucket(10.0, 10.0), 10.0, 0.0, 20.0, 1.05),
    ("a very slow bucket of one", || bucket(2.0, 1.0), 2.0, 0.0, 20.0, 1.05),
    ("slow windows of a second", || window(10, 1.0, 0.3, false), 10.0, 1.0, 20.0, 1.05),
    ("any second", || sliding(100, 1.0), 100.0, 1.0, 20.0, 1.05),
    ("any second, slow", || sliding(10, 1.0), 10.0, 1.0, 20.0, 1.05),
    ("any minute", || sliding(300, 60.0), 5.0, 60.0, 20.0, 1.05),
    ("minutes that say when they end", || window(60, 60.0, 13.0, true), 1.0, 60.0, 20.0, 1.05),
    ("fast minutes", || window(300, 60.0, 13.0, false), 5.0, 60.0, 20.0, 1.05),
    ("fast minutes that say it", || window(300, 60.0, 13.0, true), 5.0, 60.0, 20.0, 1.05),
    // Only trying tells when a window ends, and each try before that is refused.
    ("windows of a second", || window(100, 1.0, 0.3, false), 100.0, 1.0, 35.0, 1.05),
    ("minutes", || window(60, 60.0, 13.0, false), 1.0, 60.0, 25.0, 1.05),
    // Whole seconds are rounded up, so obeying costs up to a second each time.
    ("seconds that say when they end", || window(100, 1.0, 0.3, true), 100.0, 1.0, 20.0, 1.3),
];

#[tokio::test(start_paused = true)]
async fn an_unknown_limit_costs_few_answers_and_little_time() {
    let mut found = Vec::new();
    for (name, limit, rate, window, most_refused, most_time) in CASES {
        for (times, is_text) in [(1.3, false), (1.5, true), (2.0, false)] {
            let limits = PaceLimits { in_flight: IN_FLIGHT, rate: rate * times };
            let created = make(limit(), limits, is_text).await;
            let refused = f64::from(u32::try_from(created.refused).unwrap());
            let share = 1000.0 * refused / (f64::from(COUNT) + refused);
            let beside = (created.seconds - window) * rate / f64::from(COUNT);
            if share > *most_refused || beside > *most_time || created.lost > 0 {
                let lost = created.lost;
                let line = format!("{share:.1} of 1,000, {beside:.3} of the time, {lost} lost");
                found.push(format!("{name}, {times} times too fast: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_never_refused() {
    let limits = PaceLimits { in_flight: IN_FLIGHT, rate: 100.0 };
    let created = make(bucket(100.0, 25.0), limits, false).await;
    assert_eq!((created.refused, created.lost), (0, 0));
    assert!(created.seconds < 10.0, "{}", created.seconds);
}

#[tokio::test(start_paused = true)]
async fn what_is_far_too_fast_is_found_out_too() {
    for (name, limit, rate, ..) in CASES {
        let limits = PaceLimits { in_flight: IN_FLIGHT, rate: rate * 10.0 };
        let created = make(limit(), limits, false).await;
        let is_little = created.refused <= 60 && created.lost == 0;
        assert!(is_little, "{name}: {} refused, {} lost", created.refused, created.lost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_that_no_pace_ends_is_not_waited_out_at_a_crawl() {
    for is_text in [false, true] {
        let limits = PaceLimits { in_flight: 8, rate: 10.0 };
        let created = make(Limit::Storm(false), limits, is_text).await;
        // The client gives up after two minutes, which ten refusals in a row take.
        assert!(created.lost <= 2, "{} lost", created.lost);
        assert!(created.seconds < 800.0, "{}", created.seconds);
    }
}
