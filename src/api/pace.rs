//! How fast requests leave (contract 12).
//!
//! Nothing about the service's limits is documented, so the pace is found out: a start rate, halved
//! by every answer that says it is too much, recovered a little by every answer that does not. What
//! one caller is told, all of them obey. Sleeping is tokio's, so a paused clock paces too.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::api::answer::{http_date, is_rate_answer};
use crate::clock::Clock;
use crate::exchange::{Exchange, Request, Response, Transport};

/// How much may be asked at once and in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Requests in flight; at least one.
    pub in_flight: usize,
    /// Requests a second to start with, and never more; 0 is no limit.
    pub rate: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 8, rate: 10.0 }
    }
}

/// A pause that the service asked for, in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// How long from now.
    pub duration: Duration,
}

/// Why requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// An answer carried `Retry-After`.
    Asked,
    /// An answer said it is too much, so requests leave at a lower rate.
    Slowed,
    /// The service was too busy for one call, which is sent again.
    Busy,
    /// The service could not be reached; the call is sent again.
    Unreachable,
}

/// Hears of waits, so that progress can say why nothing moves. It must return at once.
pub type OnWait = Arc<dyn Fn(Wait) + Send + Sync>;

/// The longest `Retry-After` that is obeyed.
///
/// Two minutes, the whole retry time: whoever asks for more gets a failure that names it instead.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// The lowest rate: one request in four seconds, so that recovery can be noticed at all.
const LOWEST_RATE: f64 = 0.25;

/// What one good answer gives back, as a part of the full rate: 50 of them from nothing to all.
const RECOVERY: f64 = 0.02;

/// Holds requests back to what the service bears.
pub struct Paced<T> {
    inner: T,
    clock: Clock,
    full_rate: f64,
    burst: f64,
    permits: Semaphore,
    state: Mutex<State>,
    on_wait: OnWait,
}

/// A token bucket whose rate moves.
#[derive(Debug)]
struct State {
    rate: f64,
    tokens: f64,
    filled_at: Instant,
    /// Nothing leaves before.
    closed_until: Instant,
    /// How often the rate was halved. A request that left before the last halving says nothing new.
    halvings: u64,
    /// What was last said to the observer, so that eight waiting requests say it once.
    announced: (u64, Instant),
}

impl<T> Paced<T> {
    /// Wraps `inner`; the clock reads dates in `Retry-After`.
    pub fn new(inner: T, limits: Limits, clock: Clock, on_wait: OnWait) -> Self {
        let in_flight = limits.in_flight.clamp(1, 1024);
        let burst = u32::try_from(in_flight).map_or(1.0, f64::from);
        let full_rate = if limits.rate.is_finite() { limits.rate.max(0.0) } else { 0.0 };
        let now = Instant::now();
        let state = State {
            rate: full_rate,
            tokens: burst,
            filled_at: now,
            closed_until: now,
            halvings: 0,
            announced: (0, now),
        };
        let permits = Semaphore::new(in_flight);
        Self { inner, clock, full_rate, burst, permits, state: Mutex::new(state), on_wait }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Waits for this request's turn; returns the number of halvings it knows of.
    async fn turn(&self) -> u64 {
        loop {
            let (pause, wait) = {
                let mut state = self.state();
                let Some(pause) = state.take(self.full_rate, self.burst) else {
                    return state.halvings;
                };
                (pause, state.announce(pause, self.full_rate))
            };
            if let Some(wait) = wait {
                (self.on_wait)(wait);
            }
            sleep(pause).await;
        }
    }

    fn learn(&self, response: &Response, halvings: u64) {
        let is_rate_answer = is_rate_answer(response);
        let mut state = self.state();
        if !is_rate_answer {
            state.rate = (state.rate + self.full_rate * RECOVERY).min(self.full_rate);
            return;
        }
        if let Some(pause) = self.retry_after(response) {
            state.closed_until = state.closed_until.max(Instant::now() + pause);
        }
        if state.halvings == halvings {
            state.halvings += 1;
            state.rate = (state.rate / 2.0).max(LOWEST_RATE).min(self.full_rate);
            state.tokens = 0.0;
            // While nothing may leave, nothing is saved up for a burst right after.
            state.filled_at = state.closed_until.max(Instant::now());
        }
    }

    /// The pause an answer asks for, in seconds or until a date of its own clock.
    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let text = response.retry_after.as_deref()?.trim();
        let pause = if let Ok(seconds) = text.parse() {
            Duration::from_secs(seconds)
        } else {
            let now = response.date.as_deref().and_then(http_date);
            let until = http_date(text)?.duration_since(now.unwrap_or_else(|| self.clock.now()));
            Duration::try_from(until).unwrap_or_default()
        };
        Some(pause.min(LONGEST_WAIT))
    }
}

impl State {
    /// Takes a token, or returns how long to wait before trying again.
    fn take(&mut self, full_rate: f64, burst: f64) -> Option<Duration> {
        let now = Instant::now();
        if self.closed_until > now {
            return Some(self.closed_until - now);
        }
        if full_rate == 0.0 {
            return None;
        }
        let gained = (now - self.filled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(burst);
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        // A millisecond more than needed, so that rounding never makes it try twice.
        let missing = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
        Some(missing + Duration::from_millis(1))
    }

    /// What to tell about a pause: nothing, unless it is the first one since an answer caused it.
    fn announce(&mut self, pause: Duration, full_rate: f64) -> Option<Wait> {
        let is_asked = self.closed_until > Instant::now();
        let is_slowed = self.rate < full_rate;
        let news = (self.halvings, self.closed_until);
        if !(is_asked || is_slowed) || self.announced == news {
            return None;
        }
        self.announced = news;
        let reason = if is_asked { WaitReason::Asked } else { WaitReason::Slowed };
        Some(Wait { reason, duration: pause })
    }
}

impl<T: Transport> Transport for Paced<T> {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let permit = self.permits.acquire().await.expect("it is never closed");
            let halvings = self.turn().await;
            let outcome = self.inner.exchange(request).await;
            drop(permit);
            if let Ok(response) = &outcome {
                self.learn(response, halvings);
            }
            outcome
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Paced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use jiff::Timestamp;

    use super::*;

    /// Answers from a list, then with success; notes when each request came.
    #[derive(Default)]
    struct Scripted {
        answers: Mutex<Vec<Response>>,
        arrivals: Mutex<Vec<Instant>>,
        latency: Duration,
        in_flight: AtomicUsize,
        most_in_flight: AtomicUsize,
    }

    impl Transport for Scripted {
        fn exchange(&self, _request: Request) -> Exchange<'_> {
            Box::pin(async move {
                self.arrivals.lock().unwrap().push(Instant::now());
                let count = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_in_flight.fetch_max(count, Ordering::SeqCst);
                let answer = self.answers.lock().unwrap().pop();
                sleep(self.latency).await;
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                let success = Response {
                    status: 200,
                    body: b"{\"success\":true}".to_vec(),
                    ..Response::default()
                };
                Ok(answer.unwrap_or(success))
            })
        }
    }

    fn request() -> Request {
        Request { path: "/x".to_owned(), body: Vec::new(), signature: None }
    }

    fn noon() -> Clock {
        Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().expect("a time stamp"))
    }

    type Waits = Arc<Mutex<Vec<Wait>>>;

    fn paced(script: Scripted, in_flight: usize, rate: f64) -> (Paced<Scripted>, Waits) {
        let waits = Waits::default();
        let heard = Arc::clone(&waits);
        let on_wait: OnWait = Arc::new(move |wait| heard.lock().unwrap().push(wait));
        (Paced::new(script, Limits { in_flight, rate }, noon(), on_wait), waits)
    }

    async fn send(paced: &Paced<Scripted>, count: usize) -> Duration {
        let start = Instant::now();
        let sent = join_all((0..count).map(|_| paced.exchange(request()))).await;
        assert!(sent.iter().all(Result::is_ok));
        start.elapsed()
    }

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Response {
        Response {
            status,
            retry_after: retry_after.map(str::to_owned),
            body: body.as_bytes().to_vec(),
            ..Response::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_are_in_flight() {
        let script = Scripted { latency: Duration::from_millis(500), ..Scripted::default() };
        let (paced, _) = paced(script, 3, 0.0);
        send(&paced, 10).await;
        assert_eq!(paced.inner.most_in_flight.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_leave_at_the_rate_after_a_first_handful() {
        let (paced, waits) = paced(Scripted::default(), 8, 10.0);
        let took = send(&paced, 28).await;
        assert!((2000..2100).contains(&took.as_millis()), "{took:?}");
        assert!(waits.lock().unwrap().is_empty(), "the service asked for nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let (paced, _) = paced(Scripted::default(), 8, 0.0);
        assert_eq!(send(&paced, 1000).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_answer_halves_the_rate_once_and_good_ones_recover_it() {
        let slow = r#"{"success":false,"errors":["Too many requests; please slow down."]}"#;
        let answers = vec![answer(200, None, slow), answer(429, None, ""), answer(503, None, "")];
        let latency = Duration::from_millis(10);
        let script = Scripted { answers: Mutex::new(answers), latency, ..Scripted::default() };
        let (paced, waits) = paced(script, 3, 10.0);
        send(&paced, 3).await;
        assert!((paced.state().rate - 5.0).abs() < f64::EPSILON, "{}", paced.state().rate);
        send(&paced, 1).await;
        let wait = waits.lock().unwrap()[0];
        assert_eq!(wait.reason, WaitReason::Slowed);
        assert!(wait.duration > Duration::from_millis(150), "{wait:?}");
        send(&paced, 40).await;
        assert!((paced.state().rate - 10.0).abs() < f64::EPSILON, "{}", paced.state().rate);
        assert_eq!(waits.lock().unwrap().len(), 1, "it is said once");
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_obeys_retry_after_up_to_its_cap() {
        let table = [
            ("30", 30),
            ("3600", 120),
            ("Sat, 21 Nov 2026 12:00:45 GMT", 45),
            ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
            ("soon", 0),
        ];
        for (text, seconds) in table {
            let answers = Mutex::new(vec![answer(429, Some(text), "")]);
            let (paced, waits) = paced(Scripted { answers, ..Scripted::default() }, 8, 0.0);
            send(&paced, 1).await;
            let took = send(&paced, 5).await;
            assert_eq!(took.as_secs(), seconds, "{text}");
            let said = usize::from(seconds > 0);
            assert_eq!(waits.lock().unwrap().len(), said, "{text}");
        }
    }
}
