//! A bucket in memory that speaks as S3 does; each answer after a given latency.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// The address of the store in it.
pub(crate) const STORE: &str = "s3://bench/qcops";

/// How many names one answer lists.
const PAGE: usize = 1000;

/// The bucket, on a port of its own until the program ends.
pub(crate) struct Bucket {
    address: String,
    inner: Arc<Inner>,
}

struct Inner {
    latency: Duration,
    values: Mutex<Values>,
}

/// By name, each with its version.
#[derive(Default)]
struct Values {
    by_name: BTreeMap<String, (Bytes, u64)>,
    written: u64,
}

impl Bucket {
    /// Starts an empty one.
    pub(crate) fn start(latency: Duration) -> Self {
        let inner = Arc::new(Inner { latency, values: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("the socket is ours");
        let address = listener.local_addr().expect("it is bound");
        let served = Arc::clone(&inner);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a thread can sleep").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it is ours");
                let router = Router::new().fallback(answer).with_state(served);
                axum::serve(listener, router).await.expect("it is never shut down");
            });
        });
        Self { address: format!("http://{address}"), inner }
    }

    /// The variables that lead to it.
    pub(crate) fn environment(&self) -> [(&str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.address),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
        ]
    }

    /// Forgets all values.
    pub(crate) fn clear(&self) {
        *self.inner.values.lock().expect("no holder panics") = Values::default();
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = inner.reply(&method, &uri, &headers, body);
    if !inner.latency.is_zero() {
        let latency = inner.latency;
        let slept = tokio::task::spawn_blocking(move || thread::sleep(latency)).await;
        slept.expect("sleeping does not fail");
    }
    reply
}

impl Inner {
    fn reply(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
        let mut values = self.values.lock().expect("no holder panics");
        let name = uri.path().trim_start_matches("/bench").trim_start_matches('/').to_owned();
        let query = uri.query().unwrap_or_default();
        if name.is_empty() && method == Method::GET {
            return values.list(query).into_response();
        }
        if name.is_empty() {
            return values.delete(std::str::from_utf8(&body).expect("names are text"));
        }
        let known = values.by_name.get(&name).cloned();
        match *method {
            Method::PUT => values.put(name, headers, body),
            Method::DELETE => {
                values.by_name.remove(&name);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => match known {
                Some((bytes, version)) => {
                    let modified = "Sat, 21 Nov 2026 12:00:00 GMT".to_owned();
                    let headers = [(header::ETAG, tag(version)), (header::LAST_MODIFIED, modified)];
                    (headers, bytes).into_response()
                }
                None => {
                    (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response()
                }
            },
        }
    }
}

impl Values {
    fn put(&mut self, name: String, headers: &HeaderMap, body: Bytes) -> Response {
        let now = self.by_name.get(&name).map(|(_, version)| tag(*version));
        let asked = |header| headers.get(header).and_then(|value| value.to_str().ok());
        let is_met = match (asked(header::IF_NONE_MATCH), asked(header::IF_MATCH)) {
            (Some(_), _) => now.is_none(),
            (None, Some(expected)) => now.as_deref() == Some(expected),
            (None, None) => true,
        };
        if !is_met {
            return StatusCode::PRECONDITION_FAILED.into_response();
        }
        self.written += 1;
        self.by_name.insert(name, (body, self.written));
        [(header::ETAG, tag(self.written))].into_response()
    }

    /// Deletes the values that a list names.
    fn delete(&mut self, list: &str) -> Response {
        let mut text = String::from("<DeleteResult>");
        for name in list.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()) {
            self.by_name.remove(name);
            write!(text, "<Deleted><Key>{name}</Key></Deleted>").expect("a string takes all");
        }
        (text + "</DeleteResult>").into_response()
    }

    fn list(&self, query: &str) -> String {
        let asked = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.unwrap_or_default().replace("%2F", "/")
        };
        let (prefix, last) = (asked("prefix"), asked("continuation-token"));
        let from = if last.is_empty() { Bound::Unbounded } else { Bound::Excluded(last) };
        let behind = self.by_name.range((from, Bound::Unbounded));
        let mut named = behind.filter(|(name, _)| name.starts_with(&prefix));
        let mut text = String::from("<ListBucketResult>");
        let mut last = "";
        for (name, (bytes, version)) in named.by_ref().take(PAGE) {
            let (size, tag) = (bytes.len(), tag(*version).replace('"', "&quot;"));
            write!(
                text,
                "<Contents><Key>{name}</Key><LastModified>2026-11-21T12:00:00.000Z</LastModified>\
                 <ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            )
            .expect("a string takes everything");
            last = name;
        }
        if named.next().is_some() {
            write!(text, "<NextContinuationToken>{last}</NextContinuationToken>")
                .expect("a string takes everything");
        }
        text + "</ListBucketResult>"
    }
}

fn tag(version: u64) -> String {
    format!("\"{version}\"")
}
