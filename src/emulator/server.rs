//! The emulator over HTTP, for any client that can be told another base address.
//!
//! A fault that loses the answer closes the connection. The way there is a response whose body
//! fails: hyper then drops the connection without the end of the answer. Where nothing of it may be
//! seen the body fails at once, before hyper has flushed the head; `tests/contract.rs` holds us to
//! that.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER,
};
use axum::http::{HeaderValue, Method, Response as HttpResponse, StatusCode};
use futures_util::stream;
use serde_json::json;
use tokio::net::TcpListener;

use super::corrupt::Delivery;
use super::routes::plain_path;
use super::service::Emulator;
use super::world::Reply;
use crate::exchange::{QueueDeadline, Request, Signature};

/// The largest body that is read, in bytes; more is answered with 413 (contract 6.1).
const LARGEST_BODY: usize = 64 << 20;

/// Serves the emulator on `listener` until `shutdown` ends.
///
/// Paths may begin with `/api/v2` or without it. Exchanges in flight are finished first.
pub async fn serve(
    listener: TcpListener,
    emulator: Arc<Emulator>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(emulator);
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

async fn answer(State(emulator): State<Arc<Emulator>>, request: HttpRequest) -> HttpResponse<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    // Every endpoint is a POST; clients check their credentials with GET too (contract 5).
    let is_check = head.method == Method::GET && plain_path(&path) == "/authenticate";
    if head.method != Method::POST && !is_check {
        return refused(&emulator, 405, "Only POST is supported.");
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return refused(&emulator, 413, "The request is too large.");
    };
    let signature = signature_of(&head.headers);
    let outcome = emulator
        .handle(Request {
            path,
            body: body.to_vec(),
            signature,
            queue_deadline: QueueDeadline::Endless,
        })
        .await;
    match outcome {
        Ok(Delivery::Answered(reply)) => http(&emulator, reply),
        Ok(Delivery::Cut(reply)) => cut(&emulator, reply),
        Ok(Delivery::Lost | Delivery::NotConnected) => {
            let nothing = stream::once(async { Err::<Vec<u8>, _>(broken()) });
            HttpResponse::new(Body::from_stream(nothing))
        }
        Err(error) => {
            // Who runs the emulator must learn why, and has no other place to look.
            let causes = [Some(error.to_string()), source_of(&error)];
            let text = causes.into_iter().flatten().collect::<Vec<_>>().join(": ");
            refused(&emulator, 503, &text)
        }
    }
}

fn signature_of(headers: &HeaderMap) -> Option<Signature> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    let authorization = text(AUTHORIZATION)?;
    Some(Signature { authorization, timestamp: text(HeaderName::from_static("timestamp"))? })
}

fn http(emulator: &Emulator, reply: Reply) -> HttpResponse<Body> {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("we only make known ones");
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).expect("headers are plain text"));
    };
    if !reply.content_type.is_empty() {
        put(CONTENT_TYPE, reply.content_type);
    }
    if let Some(challenge) = reply.www_authenticate {
        put(HeaderName::from_static("www_authenticate"), challenge);
    }
    if let Some(seconds) = &reply.retry_after {
        put(RETRY_AFTER, seconds);
    }
    if let Some(date) = emulator.date() {
        put(DATE, &date);
    }
    *response.body_mut() = Body::from(reply.body);
    response
}

/// Promises the whole reply and sends half of it.
fn cut(emulator: &Emulator, reply: Reply) -> HttpResponse<Body> {
    let half = reply.body[..reply.body.len() / 2].to_vec();
    let length = HeaderValue::from(reply.body.len());
    let mut response = http(emulator, reply);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    let steps = stream::unfold(Some(half), |half| async {
        if let Some(half) = half {
            return Some((Ok(half), None));
        }
        // Hyper flushes what it has when the body lets it wait.
        tokio::task::yield_now().await;
        Some((Err(broken()), None))
    });
    *response.body_mut() = Body::from_stream(steps);
    response
}

fn refused(emulator: &Emulator, status: u16, text: &str) -> HttpResponse<Body> {
    http(emulator, Reply::json(status, &json!({"success": false, "errors": [text]})))
}

fn broken() -> io::Error {
    io::Error::other("the connection is broken on purpose")
}

fn source_of(error: &dyn std::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}
