//! How fast requests leave (contract 12).
//!
//! Nothing about the service's limits is documented, so the pace is found out ([`Rate`]) between a
//! rate that is given and what the answers say. What one caller is told, all of them obey.
//! Sleeping is tokio's, so a paused clock paces too.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

use crate::api::answer::{is_rate_answer, retry_after};
use crate::api::rate::{Rate, Ticket};
use crate::clock::Clock;
use crate::exchange::{
    Exchange, Gate, HeldBack, QueueDeadline, Request, Response, Transport, TransportError,
};

/// How much may be asked at once and in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceLimits {
    /// Requests in flight; at least one.
    pub in_flight: usize,
    /// Requests a second to start with, and never more; 0 is no limit.
    pub rate: f64,
}

impl Default for PaceLimits {
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

/// Whatever is given, one request in a quarter of an hour may leave.
const LOWEST_FULL_RATE: f64 = 0.001;

/// How many requests leave at once at the start, whatever the rate; a short command needs no more.
const INITIAL_BURST: usize = 8;

/// How much of the rate may be made up for where timers were late, once the service has refused
/// something; whoever refuses may count in milliseconds.
const MADE_UP: Duration = Duration::from_millis(20);

/// Holds requests back to what the service bears.
pub struct Paced<T> {
    inner: T,
    clock: Clock,
    full_rate: f64,
    burst: f64,
    permits: Semaphore,
    /// Held by the one request whose turn is next.
    turns: tokio::sync::Mutex<()>,
    /// Wakes it early, when the service takes requests again.
    opened: Notify,
    started: Instant,
    state: Mutex<PaceState>,
    on_wait: OnWait,
    gate: Gate,
}

/// A token bucket whose rate moves. All times count from the pacer's start.
#[derive(Debug)]
struct PaceState {
    rate: Rate,
    tokens: f64,
    filled_at: Duration,
    /// Nothing leaves before.
    closed_until: Duration,
    /// What was said to the observer, so that eight waiting requests say it once: up to when nothing
    /// leaves, and that the rate is below the full one.
    announced: (Duration, bool),
}

impl<T> Paced<T> {
    /// Wraps `inner`; the clock reads dates in `Retry-After`.
    pub fn new(inner: T, limits: PaceLimits, clock: Clock, on_wait: OnWait, gate: Gate) -> Self {
        let in_flight = limits.in_flight.clamp(1, 1024);
        let burst = u32::try_from(in_flight.min(INITIAL_BURST)).map_or(1.0, f64::from);
        let is_limited = limits.rate.is_finite() && limits.rate > 0.0;
        let full_rate = if is_limited { limits.rate.max(LOWEST_FULL_RATE) } else { 0.0 };
        let state = PaceState {
            rate: Rate::new(full_rate),
            tokens: burst,
            filled_at: Duration::ZERO,
            closed_until: Duration::ZERO,
            announced: (Duration::ZERO, false),
        };
        Self {
            inner,
            clock,
            full_rate,
            burst,
            permits: Semaphore::new(in_flight),
            turns: tokio::sync::Mutex::default(),
            opened: Notify::new(),
            started: Instant::now(),
            state: Mutex::new(state),
            on_wait,
            gate,
        }
    }

    fn state(&self) -> MutexGuard<'_, PaceState> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Waits for this request's turn, or says why it does not come while its patience, counted from
    /// `begun`, lasts; that the service asks for more is said at once.
    async fn turn(
        &self,
        queue_deadline: QueueDeadline,
        begun: Duration,
    ) -> Result<Ticket, HeldBack> {
        let _turn = self.turns.lock().await;
        let last = match queue_deadline {
            QueueDeadline::Endless => Duration::MAX,
            QueueDeadline::WhileRefused(limit) | QueueDeadline::Limited(limit) => {
                begun.saturating_add(limit)
            }
        };
        loop {
            let now = self.started.elapsed();
            let (pause, wait) = {
                let mut state = self.state();
                if state.closed_until > last.max(now) {
                    return Err(HeldBack::Asked(state.closed_until.saturating_sub(now)));
                }
                let may_wait =
                    matches!(queue_deadline, QueueDeadline::WhileRefused(_)) && !state.refuses(now);
                if now >= last && !may_wait {
                    return Err(HeldBack::Rate(now.saturating_sub(begun)));
                }
                let Some(pause) = state.take(now, self.full_rate, self.burst) else {
                    return Ok(state.rate.leave(now));
                };
                (pause, state.announce(now, pause, self.full_rate))
            };
            if let Some(wait) = wait {
                (self.on_wait)(wait);
            }
            let pause = if now < last { pause.min(last.saturating_sub(now)) } else { pause };
            // Both ways out are the same: to look again.
            timeout(pause, self.opened.notified()).await.ok();
        }
    }

    fn learn(&self, response: &Response, ticket: Ticket) {
        let is_rate_answer = is_rate_answer(response);
        let now = self.started.elapsed();
        let mut state = self.state();
        if !is_rate_answer {
            let was_trying = state.rate.next_try().is_some();
            state.rate.accept(ticket);
            if was_trying && state.rate.next_try().is_none() {
                (state.tokens, state.filled_at) = (0.0, now);
                self.opened.notify_one();
            }
            return;
        }
        let pause = retry_after(response, self.clock.now());
        state.closed_until = state.closed_until.max(now + pause.unwrap_or_default());
        if self.full_rate > 0.0 {
            state.rate.refuse(now, ticket, pause.is_some());
        }
        state.tokens = 0.0;
        // While nothing may leave, nothing is saved up for a burst right after.
        state.filled_at = state.closed_until.max(now);
    }
}

impl PaceState {
    /// Whether the service takes no requests, as far as is known.
    fn refuses(&self, now: Duration) -> bool {
        self.closed_until > now || self.rate.next_try().is_some()
    }

    /// Takes a token, or returns how long to wait before trying again.
    fn take(&mut self, now: Duration, full_rate: f64, burst: f64) -> Option<Duration> {
        if self.closed_until > now {
            return Some(self.closed_until.saturating_sub(now));
        }
        if full_rate == 0.0 {
            return None;
        }
        if let Some(next) = self.rate.next_try() {
            self.tokens = 0.0;
            self.filled_at = now;
            return (next > now).then(|| next.saturating_sub(now));
        }
        let rate = self.rate.per_second();
        let most = if self.rate.was_cut() { 1.0 + rate * MADE_UP.as_secs_f64() } else { burst };
        let gained = now.saturating_sub(self.filled_at).as_secs_f64() * rate;
        self.tokens = (self.tokens + gained).min(most);
        self.filled_at = now;
        // Rounding must not make it sleep twice.
        if self.tokens >= 1.0 - 1e-6 {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - self.tokens) / rate))
    }

    /// What to tell about a pause: nothing, unless it is the first one since an answer caused it.
    fn announce(&mut self, now: Duration, pause: Duration, full_rate: f64) -> Option<Wait> {
        let is_asked = self.closed_until > now;
        let is_slowed = self.rate.per_second() < full_rate;
        let (said, has_said_slowed) = self.announced;
        let reason = if is_asked && said != self.closed_until {
            WaitReason::Asked
        } else if is_slowed && !is_asked && !has_said_slowed {
            WaitReason::Slowed
        } else {
            self.announced.1 &= is_slowed;
            return None;
        };
        self.announced = (self.closed_until, is_slowed);
        Some(Wait { reason, duration: pause })
    }
}

impl<T: Transport> Transport for Paced<T> {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let begun = self.started.elapsed();
            let permit = self.permits.acquire().await.expect("it is never closed");
            let turn = self.turn(request.queue_deadline, begun).await;
            let ticket = turn.map_err(TransportError::HeldBack)?;
            let changes = matches!(request.queue_deadline, QueueDeadline::Limited(_));
            if changes && self.gate.is_closed() {
                return Err(TransportError::HeldBack(HeldBack::Closed));
            }
            let outcome = self.inner.exchange(request).await;
            drop(permit);
            if let Ok(response) = &outcome {
                self.learn(response, ticket);
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
    mod services;

    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use jiff::Timestamp;

    use tokio::time::sleep;

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
        Request {
            path: "/x".to_owned(),
            body: Vec::new(),
            signature: None,
            queue_deadline: QueueDeadline::Endless,
        }
    }

    fn noon() -> Clock {
        Clock::starting_at("2026-11-21T12:00:00Z".parse::<Timestamp>().expect("a time stamp"))
    }

    type Waits = Arc<Mutex<Vec<Wait>>>;

    fn paced(script: Scripted, in_flight: usize, rate: f64) -> (Paced<Scripted>, Waits) {
        let waits = Waits::default();
        let heard = Arc::clone(&waits);
        let on_wait: OnWait = Arc::new(move |wait| heard.lock().unwrap().push(wait));
        let limits = PaceLimits { in_flight, rate };
        (Paced::new(script, limits, noon(), on_wait, Gate::default()), waits)
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
    async fn what_changes_something_leaves_only_while_the_gate_is_open() {
        let (paced, _) = paced(Scripted::default(), 1, 1.0);
        let send = async |queue_deadline| {
            paced.exchange(Request { queue_deadline, ..request() }).await.map(drop)
        };
        let change = QueueDeadline::Limited(Duration::from_secs(9));
        assert!(send(change).await.is_ok());
        let close = async { paced.gate.close() };
        // One that waits for its turn while the gate is closed does not leave either.
        let (held_back, ()) = tokio::join!(send(change), close);
        let closed = TransportError::HeldBack(HeldBack::Closed);
        assert_eq!(held_back.unwrap_err().to_string(), closed.to_string());
        assert!(send(QueueDeadline::WhileRefused(Duration::ZERO)).await.is_ok());
        assert_eq!(paced.inner.arrivals.lock().unwrap().len(), 2);
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
    async fn a_burst_of_rate_answers_lowers_the_rate_once_and_good_ones_recover_it() {
        let slow = r#"{"success":false,"errors":["Too many requests; please slow down."]}"#;
        let answers = vec![answer(200, None, slow), answer(429, None, ""), answer(503, None, "")];
        let latency = Duration::from_millis(10);
        let script = Scripted { answers: Mutex::new(answers), latency, ..Scripted::default() };
        let (paced, waits) = paced(script, 3, 10.0);
        send(&paced, 3).await;
        assert!((9.0..10.0).contains(&paced.state().rate.per_second()), "until it is tried");
        send(&paced, 1).await;
        assert!((paced.state().rate.per_second() - 7.0).abs() < 0.01);
        let wait = waits.lock().unwrap()[0];
        assert_eq!(wait.reason, WaitReason::Slowed);
        assert!(wait.duration > Duration::from_millis(150), "{wait:?}");
        send(&paced, 200).await;
        assert!((paced.state().rate.per_second() - 10.0).abs() < 0.01);
        assert_eq!(waits.lock().unwrap().len(), 1, "it is said once");
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_obeys_retry_after() {
        let table = [
            ("30", 30),
            ("3600", 3600),
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
