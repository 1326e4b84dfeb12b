//! The service as its contract describes it: typed calls, honest answers.
//!
//! A [`Client`] speaks through a [`Transport`](crate::exchange::Transport) and never knows which. From
//! the top down: the client decides what is sent again, [`Paced`] when it may leave, [`Signed`] proves
//! who asks, and [`Http`] carries it; the emulator may stand in place of the last. What came back is
//! judged in one function and is an [`CallOutcome`], never a guess: a lost answer stays unknown, and
//! whoever asked settles it by looking (contract 15.2, 15.3).
//!
//! Nothing here decides what should exist, and no signature or token is seen above [`Signed`].

mod answer;
mod client;
mod echo;
mod endpoint;
mod http;
mod mask;
mod network;
mod observe;
mod pace;
mod rate;
mod sign;
mod wire;

pub use answer::{ApiError, CallOutcome, ErrorKind, ResponseSummary};
pub use client::{Client, ClientSettings};
pub use endpoint::{Effect, Endpoint};
pub use http::{BaseUrl, Http, HttpError, UrlError};
pub use network::{Network, NetworkError, ProxyError, TimeLimits, TrustFile, Variable};
pub use observe::{list_agents, observe, observe_rest, observe_tasks};
pub use pace::{OnWait, PaceLimits, Paced, Wait, WaitReason};
pub use sign::{Credentials, Signed, sign};
pub use wire::WholeConversation;
