//! Request signatures (contract 5), made at the last moment.
//!
//! The only place that opens the API token. [`Signed`] stands right above what carries a request, so
//! that pacing, retrying and recording never see a signature, and a request that waited is not stale.

use std::fmt;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::api::echo::Signatures;
use crate::api::mask::Mask;
use crate::clock::Clock;
use crate::exchange::{Exchange, Request, Signature, Transport};
use crate::secret::Secret;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The number of the user.
    pub user_id: u64,
    /// The API token; it never travels.
    pub token: Secret,
}

/// Signs for a request that leaves at `now`: `base64("<user>:<sha256 of token:seconds>")`.
pub fn sign(credentials: &Credentials, now: Timestamp) -> Signature {
    let timestamp = now.as_second().to_string();
    let hash = Sha256::digest(format!("{}:{timestamp}", credentials.token.expose()));
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hash: String = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect();
    let authorization =
        format!("Basic {}", STANDARD.encode(format!("{}:{hash}", credentials.user_id)));
    Signature { authorization, timestamp }
}

/// Signs every request afresh, right before it leaves (contract 15.4).
#[derive(Debug)]
pub struct Signed<T> {
    inner: T,
    credentials: Credentials,
    clock: Clock,
    made: Mutex<Signatures>,
    last: Mutex<Option<Arc<MaskedSignature>>>,
}

/// A signature, and what hides it in answers; it is the same for all that leaves in one second.
struct MaskedSignature {
    signature: Signature,
    mask: Mask,
}

impl fmt::Debug for MaskedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signature.fmt(f)
    }
}

impl<T> Signed<T> {
    /// Wraps `inner`, signing for `credentials` by the time that `clock` shows.
    pub fn new(inner: T, credentials: Credentials, clock: Clock) -> Self {
        Self { inner, credentials, clock, made: Mutex::default(), last: Mutex::default() }
    }

    /// The signature for what leaves now.
    fn sign_now(&self) -> Arc<MaskedSignature> {
        let now = self.clock.now();
        let mut last = self.last.lock().expect("nothing panics");
        let seconds = now.as_second().to_string();
        if let Some(last) = last.as_ref().filter(|last| last.signature.timestamp == seconds) {
            return Arc::clone(last);
        }
        let signature = sign(&self.credentials, now);
        self.made.lock().expect("nothing panics").remember(&signature);
        let made = Arc::new(MaskedSignature { mask: Mask::new(&signature), signature });
        *last = Some(Arc::clone(&made));
        made
    }
}

impl<T: Transport> Transport for Signed<T> {
    fn exchange(&self, mut request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let signed = self.sign_now();
            request.signature = Some(signed.signature.clone());
            let mut outcome = self.inner.exchange(request).await;
            if let Ok(response) = &mut outcome {
                signed.mask.apply(response);
                self.made.lock().expect("nothing panics").withhold(response);
            }
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{QueueDeadline, Response};

    fn credentials() -> Credentials {
        Credentials { user_id: 123, token: Secret::new("456".to_owned()) }
    }

    fn then() -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("a time stamp")
    }

    #[test]
    fn the_signature_is_that_of_the_contract() {
        let signature = sign(&credentials(), then());
        assert_eq!(signature.timestamp, "1700000000");
        assert_eq!(
            signature.authorization,
            "Basic MTIzOjVkZjVlYzViMzJiM2EzZjhhYzZjZjM4NDZkMDQ3ZDhkYTc5YjI4NDg0ZWU4YzYyOWFjOGEzOGEzNjA2MzU5NDU=",
        );
        assert!(!format!("{:?}", credentials()).contains("456"), "the token is hidden");
    }

    /// Answers with the headers it was sent.
    struct Echo;

    impl Transport for Echo {
        fn exchange(&self, request: Request) -> Exchange<'_> {
            let signature = request.signature.expect("it is signed");
            let hash = STANDARD.decode(&signature.authorization[6..]).expect("it is encoded");
            let mut body =
                format!("{} {} ", signature.timestamp, signature.authorization).into_bytes();
            body.extend(hash);
            Box::pin(std::future::ready(Ok(Response { body, ..Response::default() })))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_signed_as_it_leaves_and_no_answer_repeats_the_signature() {
        let signed = Signed::new(Echo, credentials(), Clock::starting_at(then()));
        let request = Request {
            path: "/x".to_owned(),
            body: Vec::new(),
            signature: None,
            queue_deadline: QueueDeadline::Endless,
        };
        let later = signed.exchange(request);
        tokio::time::advance(std::time::Duration::from_secs(90)).await;
        let body = String::from_utf8(later.await.expect("an answer").body).expect("text");
        assert_eq!(body, format!("1700000090 Basic {}= 123:{}", "*".repeat(91), "*".repeat(64)));
    }
}
