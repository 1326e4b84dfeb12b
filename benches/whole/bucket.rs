//! A bucket in memory that speaks as S3 does; each answer after a given latency.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Response, header};

use crate::serve::{self, Request, empty, with};

/// The address of the store in it.
pub(crate) const STORE: &str = "s3://bench/qcops";

/// How many names one answer lists.
const PAGE: usize = 1000;

/// The bucket, on a port of its own until the program ends.
pub(crate) struct Bucket {
    address: String,
    values: Arc<Mutex<Values>>,
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
        let values: Arc<Mutex<Values>> = Arc::default();
        let served = Arc::clone(&values);
        let address = serve::start(latency, move |request| {
            served.lock().expect("no holder panics").reply(request)
        });
        Self { address: format!("http://{address}"), values }
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
        *self.values.lock().expect("no holder panics") = Values::default();
    }
}

impl Values {
    fn reply(&mut self, request: &Request) -> Response<Bytes> {
        let Request { method, uri, headers, body, .. } = request;
        let name = uri.path().trim_start_matches("/bench").trim_start_matches('/').to_owned();
        if name.is_empty() && method == Method::GET {
            return with(200, self.list(uri.query().unwrap_or_default()));
        }
        if name.is_empty() {
            return self.delete(std::str::from_utf8(body).expect("names are text"));
        }
        match *method {
            Method::PUT => self.put(name, headers, body),
            Method::DELETE => {
                self.by_name.remove(&name);
                empty(204)
            }
            _ => match self.by_name.get(&name) {
                Some((bytes, version)) => {
                    let mut response = tagged(with(200, bytes.clone()), *version);
                    let modified = HeaderValue::from_static("Sat, 21 Nov 2026 12:00:00 GMT");
                    response.headers_mut().insert(header::LAST_MODIFIED, modified);
                    response
                }
                None => with(404, "<Error><Code>NoSuchKey</Code></Error>"),
            },
        }
    }

    fn put(&mut self, name: String, headers: &HeaderMap, body: &[u8]) -> Response<Bytes> {
        let now = self.by_name.get(&name).map(|(_, version)| tag(*version));
        let asked = |header| headers.get(header).and_then(|value| value.to_str().ok());
        let is_met = match (asked(header::IF_NONE_MATCH), asked(header::IF_MATCH)) {
            (Some(_), _) => now.is_none(),
            (None, Some(expected)) => now.as_deref() == Some(expected),
            (None, None) => true,
        };
        if !is_met {
            return empty(412);
        }
        self.written += 1;
        self.by_name.insert(name, (Bytes::copy_from_slice(body), self.written));
        tagged(empty(200), self.written)
    }

    /// Deletes the values that a list names.
    fn delete(&mut self, list: &str) -> Response<Bytes> {
        let mut text = String::from("<DeleteResult>");
        for name in list.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()) {
            self.by_name.remove(name);
            write!(text, "<Deleted><Key>{name}</Key></Deleted>").expect("a string takes all");
        }
        with(200, text + "</DeleteResult>")
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

fn tagged(mut response: Response<Bytes>, version: u64) -> Response<Bytes> {
    let tag = HeaderValue::from_str(&tag(version)).expect("a number in quotes");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

fn tag(version: u64) -> String {
    format!("\"{version}\"")
}
