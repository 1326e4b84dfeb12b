//! What came of a call, judged in one place.
//!
//! Four classes, of which only one may be sent again without thinking (contract 15.1, 15.2): done,
//! refused, not processed, and unknown. A 200 is not success, a 500 is not failure, and whatever is
//! not plainly one of the first three is unknown.

use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use memchr::memmem;

use crate::api::endpoint::Endpoint;
use crate::api::wire::{ReplyBody, UnreadableReply};
use crate::exchange::{HeldBack, Response, TransportError};
use crate::resource::ObjectInterner;

/// What came of a call.
#[derive(Debug)]
#[must_use]
pub enum CallOutcome<T> {
    /// The service did it, and this is what it said.
    Done(T),
    /// The service definitely did not do it and will not.
    Refused(ApiError),
    /// The service definitely did not look at it; sending it again is safe.
    NotProcessed(ApiError),
    /// It may have been done or not; only looking tells.
    Unknown(ApiError),
}

impl<T> CallOutcome<T> {
    /// Returns the word for its class.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::NotProcessed(_) => "not processed",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Returns what was done, or the trouble of whichever class; for calls that only read.
    pub fn into_result(self) -> Result<T, ApiError> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Refused(error) | Self::NotProcessed(error) | Self::Unknown(error) => Err(error),
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call was not plainly done. It holds no signature and no token.
///
/// Texts of the service are kept raw; whoever prints them escapes them.
#[derive(Debug, thiserror::Error)]
pub struct ApiError {
    /// The path of the call.
    pub path: &'static str,
    /// What happened.
    pub what: ErrorKind,
    /// What the service answered, where it did.
    pub shown: Option<Box<ResponseSummary>>,
    /// What lies beneath.
    pub source: Option<Cause>,
}

/// What happened to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It never left.
    Unreachable,
    /// The other side says that it did not look at it.
    NotProcessed,
    /// It was held back for too long and never left.
    HeldBack(HeldBack),
    /// The emulator on this machine cannot be used.
    Unusable,
    /// It left, and no answer came back.
    Lost,
    /// The service does not accept the signature (contract 6.1).
    Auth {
        /// How far the service's clock is ahead of this machine's, where that is more than a minute.
        skew: Option<SignedDuration>,
    },
    /// The service said no.
    Refused,
    /// The service is at its limit: a rate or a capacity (contract 12).
    Busy,
    /// An answer that says where to go instead; it is never followed.
    Redirected,
    /// A server error, which proves nothing (contract 6.1).
    Broken,
    /// The body is no JSON object.
    NotJson,
    /// The answer does not say whether it succeeded, or says two things.
    NoVerdict,
    /// It succeeded, but what it should have brought is missing; the words say what.
    Incomplete(String),
}

/// The outside of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseSummary {
    /// The HTTP status.
    pub status: u16,
    /// The content type, empty where there was none.
    pub content_type: String,
    /// The first line of a body that is no JSON object, cut short.
    pub first_line: Option<String>,
    /// The service's own texts.
    pub texts: Vec<String>,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Whether the service does not accept who asks: every other call would fail alike.
    pub fn is_auth(&self) -> bool {
        matches!(self.what, ErrorKind::Auth { .. })
    }

    /// How long the service asks to wait before it is asked again.
    pub fn asks_to_wait(&self) -> Option<Duration> {
        match (&self.what, &self.shown) {
            (ErrorKind::HeldBack(HeldBack::Asked(wait)), _) => Some(*wait),
            (ErrorKind::Busy, Some(shown)) => shown.retry_after.filter(|wait| !wait.is_zero()),
            _ => None,
        }
    }

    /// Makes trouble about an answer that succeeded but does not hold what was asked for.
    pub(super) fn incomplete(endpoint: Endpoint, words: impl Into<String>) -> Self {
        Self {
            path: endpoint.path,
            what: ErrorKind::Incomplete(excerpt(&words.into())),
            shown: None,
            source: None,
        }
    }

    /// Returns the message with all its causes, for places that keep words only.
    pub(super) fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut beneath = std::error::Error::source(self);
        while let Some(error) = beneath {
            words = format!("{words}: {error}");
            beneath = error.source();
        }
        words
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path;
        let shown = self.shown.as_deref();
        let status = shown.map_or(0, |shown| shown.status);
        match &self.what {
            ErrorKind::Unreachable => write!(f, "`{path}` could not be reached")?,
            ErrorKind::NotProcessed => write!(f, "`{path}` was not processed")?,
            ErrorKind::HeldBack(why) => write!(f, "`{path}` was not sent: {why}")?,
            ErrorKind::Unusable => write!(f, "the emulator cannot be used")?,
            ErrorKind::Lost => write!(f, "the answer to `{path}` was lost")?,
            ErrorKind::Auth { skew } => {
                write!(
                    f,
                    "the service did not accept the credentials for `{path}` (status {status})"
                )?;
                if let Some(skew) = skew {
                    let (seconds, side) = (skew.as_secs().abs(), skew.as_secs() < 0);
                    let side = if side { "ahead of" } else { "behind" };
                    write!(f, ", and this machine's clock is {seconds} s {side} the service's")?;
                }
            }
            ErrorKind::Refused => write!(f, "the service refused `{path}`")?,
            ErrorKind::Busy => {
                write!(f, "the service is too busy for `{path}` (status {status})")?;
                if let Some(wait) = self.asks_to_wait() {
                    write!(f, " and asks to wait {} s", wait.as_millis().div_ceil(1000))?;
                }
            }
            ErrorKind::Redirected => {
                write!(
                    f,
                    "`{path}` was answered with a redirect (status {status}), which is never followed"
                )?;
            }
            ErrorKind::Broken => write!(f, "the service failed at `{path}` (status {status})")?,
            ErrorKind::NotJson => {
                write!(f, "the answer to `{path}` is not usable (status {status})")?;
            }
            ErrorKind::NoVerdict => {
                write!(
                    f,
                    "the answer to `{path}` does not say whether it succeeded (status {status})"
                )?;
            }
            ErrorKind::Incomplete(words) => write!(f, "`{path}` succeeded, but {words}")?,
        }
        shown.map_or(Ok(()), |shown| shown.write_contents(f, &self.what))
    }
}

impl ResponseSummary {
    /// Writes what the service said, or what came instead.
    fn write_contents(&self, f: &mut fmt::Formatter<'_>, what: &ErrorKind) -> fmt::Result {
        if !self.texts.is_empty() {
            return write!(f, ": {}", self.texts.join("; "));
        }
        match (&self.first_line, what) {
            (Some(line), ErrorKind::Broken | ErrorKind::NotJson) if line.is_empty() => {
                f.write_str(", with an empty body")
            }
            (Some(line), _) if line.is_empty() => Ok(()),
            (Some(line), _) if self.content_type.is_empty() => {
                write!(f, ", beginning with: {line}")
            }
            (Some(line), _) => write!(f, ", {} beginning with: {line}", self.content_type),
            (None, ErrorKind::Refused) => f.write_str(" without saying why"),
            (None, _) => Ok(()),
        }
    }
}

/// Judges what came of one sending of a call.
///
/// `finish` takes what was asked for out of an answer that succeeded, or says what is missing; the
/// answer is then unknown, since an effect without its id can only be found by looking. `now` is
/// when the answer came, by our clock; tasks that are interned are shared.
pub(super) fn classify<T>(
    endpoint: Endpoint,
    outcome: Result<Response, TransportError>,
    (now, interner): (Timestamp, &ObjectInterner),
    finish: impl FnOnce(ReplyBody<'_>) -> Result<T, String>,
) -> CallOutcome<T> {
    let path = endpoint.path;
    let response = match outcome {
        Ok(response) => response,
        Err(error) => return unanswered(path, error),
    };
    let status = response.status;
    let reply = ReplyBody::parse_interned(&response.body, interner);
    let success = reply.as_ref().ok().and_then(ReplyBody::success);
    let texts = reply.as_ref().map(ReplyBody::texts).unwrap_or_default();
    let has = |is_meant: fn(&str) -> bool| texts.iter().any(|text| is_meant(text));

    let what = match (status, success) {
        (200..=299, Some(true)) => None,
        // Success and an error status contradict each other, so neither is believed.
        (_, Some(true)) => Some(ErrorKind::NoVerdict),
        (401, _) => Some(ErrorKind::Auth { skew: skew(&response, now) }),
        _ if has(is_about_credentials) => Some(ErrorKind::Auth { skew: skew(&response, now) }),
        (429 | 503, _) => Some(ErrorKind::Busy),
        (_, Some(false)) if has(is_about_limits) => Some(ErrorKind::Busy),
        (300..=399, _) => Some(ErrorKind::Redirected),
        (500.., _) => Some(ErrorKind::Broken),
        (_, Some(false)) => Some(ErrorKind::Refused),
        (_, None) if reply.is_ok() => Some(ErrorKind::NoVerdict),
        (_, None) => Some(ErrorKind::NotJson),
    };
    let shown = ResponseSummary {
        status,
        content_type: excerpt(&response.content_type),
        first_line: reply.is_err().then(|| first_line(&response.body)),
        texts: excerpts(&texts),
        retry_after: retry_after(&response, now),
    };
    let (what, source) = match (what, reply) {
        (None, Ok(reply)) => match finish(reply) {
            Ok(value) => return CallOutcome::Done(value),
            Err(words) => (ErrorKind::Incomplete(excerpt(&words)), None),
        },
        (what, reply) => (what.unwrap_or(ErrorKind::NotJson), reply.err().as_ref().and_then(cause)),
    };
    let error = ApiError { path, what, shown: Some(Box::new(shown)), source };
    match error.what {
        ErrorKind::Auth { .. } | ErrorKind::Refused => CallOutcome::Refused(error),
        ErrorKind::Busy | ErrorKind::Unreachable => CallOutcome::NotProcessed(error),
        _ => CallOutcome::Unknown(error),
    }
}

/// What it means that there is no answer.
fn unanswered<T>(path: &'static str, error: TransportError) -> CallOutcome<T> {
    let failed = |what, source| ApiError { path, what, shown: None, source };
    match error {
        TransportError::NotSent { source } => {
            CallOutcome::NotProcessed(failed(ErrorKind::Unreachable, Some(source)))
        }
        TransportError::NotProcessed { source } => {
            CallOutcome::NotProcessed(failed(ErrorKind::NotProcessed, Some(source)))
        }
        TransportError::HeldBack(why) => {
            CallOutcome::NotProcessed(failed(ErrorKind::HeldBack(why), None))
        }
        TransportError::Unusable { source } => {
            CallOutcome::NotProcessed(failed(ErrorKind::Unusable, Some(source)))
        }
        TransportError::Lost { source } => {
            CallOutcome::Unknown(failed(ErrorKind::Lost, Some(source)))
        }
    }
}

/// What lies beneath an unreadable body, where its first line does not say it already.
fn cause(unreadable: &UnreadableReply) -> Option<Cause> {
    match unreadable {
        // The parser's words can quote the body.
        UnreadableReply::Broken { .. } => Some(excerpt(&with_source(unreadable)).into()),
        UnreadableReply::Empty | UnreadableReply::NotAnObject => None,
    }
}

/// Whether a text of the service says that the signature is wrong (contract 6.1).
fn is_about_credentials(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("Hash doesn't match") || text.starts_with("UserID not valid")
}

/// Whether a text of the service says that there is too much of something (contract 12).
fn is_about_limits(text: &str) -> bool {
    let text = text.to_lowercase();
    ["too many", "slow down", "rate limit", "spare node"].iter().any(|words| text.contains(words))
}

/// Whether an answer asks for fewer requests, by its status or by its texts (contract 12).
pub(super) fn is_rate_answer(response: &Response) -> bool {
    /// No refusal is longer; a longer body is a list, and reading it twice would cost.
    const LONGEST_REFUSAL: usize = 64 * 1024;
    if matches!(response.status, 429 | 503) {
        return true;
    }
    response.body.len() <= LONGEST_REFUSAL
        // Most answers succeed, and need not be parsed twice.
        && memmem::find(&response.body, b"false").is_some()
        && ReplyBody::parse(&response.body).is_ok_and(|reply| {
            reply.success() == Some(false) && reply.texts().iter().any(|text| is_about_limits(text))
        })
}

/// Reads a date as HTTP writes it.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// How long an answer asks to wait, in seconds or until a date of its own clock, where `now` is ours.
pub(super) fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    /// Nobody waits for longer, and times beyond would not fit.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let text = response.retry_after.as_deref()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let service = response.date.as_deref().and_then(http_date);
    let until = http_date(text)?.duration_since(service.unwrap_or(now));
    Some(Duration::try_from(until).unwrap_or_default().min(LONGEST))
}

/// How far the service's clock is ahead of this machine's, where it matters.
fn skew(response: &Response, now: Timestamp) -> Option<SignedDuration> {
    let service = http_date(response.date.as_deref()?)?;
    let skew = service.duration_since(now);
    (skew.abs() > SignedDuration::from_secs(60)).then_some(skew)
}

/// The most texts of an answer that a message repeats.
const MOST_TEXTS: usize = 5;

/// The longest text of the service that a message repeats, in characters.
const LONGEST_TEXT: usize = 500;

/// Cuts a text of the service to what a message can bear.
fn excerpt(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) else { return text.to_owned() };
    format!("{}... ({} bytes in all)", &text[..end], text.len())
}

/// The same for all texts of an answer.
fn excerpts(texts: &[String]) -> Vec<String> {
    let left_out = texts.len().saturating_sub(MOST_TEXTS);
    let mut shown: Vec<String> = texts.iter().take(MOST_TEXTS).map(|text| excerpt(text)).collect();
    if left_out > 0 {
        shown.push(format!("and {left_out} more"));
    }
    shown
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The first line of a body that holds something, cut to what a message can bear.
fn first_line(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    // A character has at most four bytes, and blank lines before the first are few.
    let start = String::from_utf8_lossy(&body[..body.len().min(LONGEST * 8)]);
    let line = start.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, content_type: &str, body: &str) -> Response {
        Response {
            status,
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
            ..Response::default()
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("a time stamp")
    }

    fn judged(response: Response) -> CallOutcome<()> {
        classify(Endpoint::CREATE_TASK, Ok(response), (now(), &ObjectInterner::default()), |_| {
            Ok(())
        })
    }

    fn class<T>(answer: &CallOutcome<T>) -> (&'static str, String) {
        match answer {
            CallOutcome::Done(_) => ("done", String::new()),
            CallOutcome::Refused(error) => ("refused", error.in_words()),
            CallOutcome::NotProcessed(error) => ("not processed", error.in_words()),
            CallOutcome::Unknown(error) => ("unknown", error.in_words()),
        }
    }

    #[test]
    fn answers_are_judged_by_what_they_prove() {
        let table = [
            (200, r#"{"success":true}"#, "done"),
            (201, r#"{"success":true,"errors":["filler"]}"#, "done"),
            (200, r#"{"success":false,"errors":["name taken"]}"#, "refused"),
            (200, r#"{"success":false}"#, "refused"),
            (404, r#"{"success":false,"errors":["no such task"]}"#, "refused"),
            (401, "", "refused"),
            (401, "<html>", "refused"),
            (200, r#"{"success":false,"errors":["Hash doesn't match. Stale."]}"#, "refused"),
            (500, r#"{"success":false,"errors":["UserID not valid"]}"#, "refused"),
            (429, "", "not processed"),
            (503, "<html>", "not processed"),
            (
                200,
                r#"{"success":false,"errors":["Too many requests; please slow down."]}"#,
                "not processed",
            ),
            (
                200,
                r#"{"success":false,"messages":["There are no spare nodes available"]}"#,
                "not processed",
            ),
            (200, r#"{"success":false,"Message":"Rate limit"}"#, "not processed"),
            (200, r#"{"errors":["too many"]}"#, "unknown"),
            (200, "{}", "unknown"),
            (200, r#"{"success":"true"}"#, "unknown"),
            (200, r#"{"success":true"#, "unknown"),
            (200, r#"[{"success":true}]"#, "unknown"),
            (200, "", "unknown"),
            (204, "", "unknown"),
            (200, "<!doctype html>", "unknown"),
            (302, "", "unknown"),
            (413, "<html>", "unknown"),
            (500, "", "unknown"),
            (500, r#"{"success":false,"errors":["Internal Error 21"]}"#, "unknown"),
            (500, r#"{"success":true}"#, "unknown"),
            (429, r#"{"success":true}"#, "unknown"),
            (502, "<html>", "unknown"),
        ];
        for (status, body, expected) in table {
            let answer = judged(response(status, "", body));
            assert_eq!(class(&answer).0, expected, "{status} {body}: {answer:?}");
        }
    }

    #[test]
    fn a_success_without_what_it_should_bring_is_unclear() {
        let ok = response(200, "application/json", r#"{"success":true}"#);
        let answer: CallOutcome<()> =
            classify(Endpoint::CREATE_TASK, Ok(ok), (now(), &ObjectInterner::default()), |_| {
                Err("the answer has no `task`".to_owned())
            });
        let words = "`/agents/tasks/create` succeeded, but the answer has no `task`";
        assert_eq!(class(&answer), ("unknown", words.to_owned()));
    }

    #[test]
    fn what_never_left_was_not_processed_and_what_was_lost_is_unclear() {
        let not_sent = Err(TransportError::NotSent { source: "refused".into() });
        let lost = Err(TransportError::Lost { source: "reset".into() });
        let answer =
            classify(Endpoint::CREATE_TASK, not_sent, (now(), &ObjectInterner::default()), |_| {
                Ok(())
            });
        let words = "`/agents/tasks/create` could not be reached: refused";
        assert_eq!(class(&answer), ("not processed", words.to_owned()));
        let answer =
            classify(Endpoint::CREATE_TASK, lost, (now(), &ObjectInterner::default()), |_| Ok(()));
        let words = "the answer to `/agents/tasks/create` was lost: reset";
        assert_eq!(class(&answer), ("unknown", words.to_owned()));
    }

    #[test]
    fn trouble_says_what_happened_in_one_sentence() {
        let html = "\n<!DOCTYPE html>\n<p>maintenance";
        let table = [
            (
                response(200, "text/html", html),
                "the answer to `/agents/tasks/create` is not usable (status 200), text/html beginning with: <!DOCTYPE html>",
            ),
            (
                response(500, "", ""),
                "the service failed at `/agents/tasks/create` (status 500), with an empty body",
            ),
            (
                response(200, "application/json", r#"{"success":false,"errors":["a","b"]}"#),
                "the service refused `/agents/tasks/create`: a; b",
            ),
            (
                response(200, "application/json", r#"{"success":false}"#),
                "the service refused `/agents/tasks/create` without saying why",
            ),
            (
                response(429, "application/json", r#"{"success":false}"#),
                "the service is too busy for `/agents/tasks/create` (status 429)",
            ),
        ];
        for (response, expected) in table {
            assert_eq!(class(&judged(response)).1, expected);
        }
        let long = class(&judged(response(200, "text/plain", &"x".repeat(5000)))).1;
        assert!(long.len() < 400, "{}", long.len());
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let with_date = |date: &str| {
            let mut response = response(401, "", "");
            response.date = Some(date.to_owned());
            class(&judged(response)).1
        };
        let behind = with_date("Sat, 21 Nov 2026 12:02:00 GMT");
        assert!(behind.contains("this machine's clock is 120 s behind the service's"), "{behind}");
        let ahead = with_date("Sat, 21 Nov 2026 10:00:00 GMT");
        assert!(ahead.contains("this machine's clock is 7200 s ahead of the service's"), "{ahead}");
        let right = with_date("Sat, 21 Nov 2026 12:00:30 GMT");
        assert!(!right.contains("clock"), "{right}");
    }
}
