//! One exchange with the service as data, and who carries it.
//!
//! A [`Transport`] carries a [`Request`] and brings a [`Response`]. Two kinds exist, HTTP and the
//! emulator in process; pacing, signing and recording wrap either.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One call before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path below the base address, such as `/agents/tasks/list`.
    pub path: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// The signature, filled in right before the request leaves.
    pub signature: Option<Signature>,
    /// How long it may wait until it leaves.
    pub queue_deadline: QueueDeadline,
}

/// How long a request may wait for its turn; then it is not sent at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueDeadline {
    /// As long as it takes.
    #[default]
    Endless,
    /// So long where the service refuses everything; as long as it takes while it takes requests.
    WhileRefused(Duration),
    /// So long, whatever it waits for: it changes something, and leaves only while the gate is open.
    Limited(Duration),
}

/// Whether what changes something may leave; it is open until it is closed.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Lets nothing leave any more that changes something.
    pub fn close(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The two headers that prove who asks (contract 5).
///
/// They stay valid for up to two hours, so `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// The value of the `Authorization` header.
    pub authorization: String,
    /// The value of the `Timestamp` header: seconds since 1970, in decimal.
    pub timestamp: String,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// One answer, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status; 200 is not success (contract 6.1).
    pub status: u16,
    /// The `Content-Type` header, empty where there was none.
    pub content_type: String,
    /// The `Date` header: the service's clock.
    pub date: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// Why an exchange brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The request never left: no address, no connection, no TLS. Sending it again is safe.
    #[error("could not connect")]
    NotSent {
        /// What the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The other side says that it did not look at the request. Sending it again is safe.
    #[error("it was not processed")]
    NotProcessed {
        /// What the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request was held back for as long as it may wait, or would have been.
    #[error("{0}")]
    HeldBack(HeldBack),
    /// What stands for the service on this machine cannot be used; nothing will change that.
    #[error("the emulator cannot be used")]
    Unusable {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request may have arrived, and its answer is lost.
    #[error("the answer was lost")]
    Lost {
        /// What the network said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a request was held back until it was too late to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// The service asks to wait for longer than the request may.
    Asked(Duration),
    /// At the rate in force it was not sent within this time.
    Rate(Duration),
    /// Nothing leaves any more that changes something.
    Closed,
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: &Duration| time.as_millis().div_ceil(1000);
        match self {
            Self::Asked(wait) => write!(
                f,
                "the service asks to wait {} s, which is longer than the retry time",
                seconds(wait)
            ),
            Self::Rate(waited) => {
                write!(f, "the rate of requests left no room for it within {} s", seconds(waited))
            }
            Self::Closed => f.write_str("the lease was lost before that"),
        }
    }
}

/// The future of one exchange.
pub type Exchange<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Carries requests to the service, or to what stands for it.
pub trait Transport: Send + Sync {
    /// Sends `request` and waits for the answer.
    ///
    /// Dropping the future gives up waiting; whether the request took effect is then unknown.
    fn exchange(&self, request: Request) -> Exchange<'_>;
}
