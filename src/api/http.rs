//! HTTP, the way to the real service (contract 1, 15.13).
//!
//! Carries what it is given and judges nothing, but for one thing only it can know: whether a request
//! ever left. Redirects are never followed, since they would take the signature elsewhere.

use std::fmt;
use std::net::Ipv4Addr;

use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use crate::api::network::{Network, ProxyError, ServiceRoute, TimeLimits};
use crate::exchange::{Exchange, Request, Response, Transport, TransportError};

/// The largest body that is read; a conversation is the largest there is.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Where the service is: an address that is safe to send a signature to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    is_loopback: bool,
}

/// Why an address cannot be that of the service. No message repeats a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no address.
    #[error("the service address is not a URL, such as `https://www.quantconnect.com/api/v2`")]
    Unreadable,
    /// It holds a user name or password.
    #[error("the service address holds a user name or password; credentials are given separately")]
    Credentials,
    /// It is neither HTTPS nor HTTP.
    #[error("the service address `{url}` does not begin with `https://`")]
    Scheme {
        /// The address.
        url: String,
    },
    /// It would send the signature in clear text.
    #[error(
        "the service address `{url}` is not encrypted; `http://` is only for this machine, use `https://`"
    )]
    Clear {
        /// The address.
        url: String,
    },
    /// It has a query or a fragment, where paths cannot be added.
    #[error("the service address `{url}` has a part behind `?` or `#`")]
    Tail {
        /// The address.
        url: String,
    },
}

impl BaseUrl {
    /// Checks an address: encrypted unless it is this machine, without credentials or a query.
    ///
    /// It may end in `/`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text.trim()).map_err(|_| UrlError::Unreadable)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        let is_loopback = is_loopback(url.host_str().unwrap_or_default());
        let text = url.as_str().trim_end_matches('/').to_owned();
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            "http" => return Err(UrlError::Clear { url: text }),
            _ => return Err(UrlError::Scheme { url: text }),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::Tail { url: text });
        }
        Ok(Self { text, is_loopback })
    }

    fn join(&self, path: &str) -> String {
        format!("{}/{}", self.text, path.trim_start_matches('/'))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a host, as a parsed address writes it, is this machine and nothing else.
fn is_loopback(host: &str) -> bool {
    let is_ipv4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_ipv4 || host == "[::1]" || host == "localhost"
}

/// Why no HTTP client could be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The library refused.
    #[error("no HTTP client could be made")]
    Client {
        /// What it said.
        source: reqwest::Error,
    },
    /// The environment names no usable proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// Sends requests over HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    base: BaseUrl,
    route: ServiceRoute,
}

impl Http {
    /// Makes a client for `base`, which `network` leads to; nothing is sent yet.
    pub fn new(base: BaseUrl, limits: TimeLimits, network: &Network) -> Result<Self, HttpError> {
        // Fails only where a provider is installed already, which is then as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let route = ServiceRoute::find(&base.text, base.is_loopback, network, limits)?;
        // Certificates are many files to read, and `http://` needs none.
        let is_plain = base.text.starts_with("http://");
        let builder = || {
            let builder = ClientBuilder::new();
            let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
            let builder = builder
                .user_agent(concat!("qcops/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                // What is sent again is decided in one place, and it is not this one.
                .retry(reqwest::retry::never());
            route.build(builder)
        };
        // A slim container without certificates can still talk to an emulator; HTTPS fails there
        // later, with a message about trust.
        let failed = |source| HttpError::Client { source };
        let (client, route) = if let Ok(client) = builder().map_err(failed)?.build() {
            (client, route)
        } else {
            let client = builder().map_err(failed)?.tls_certs_only([]).build();
            (client.map_err(failed)?, route.without_authorities())
        };
        Ok(Self { client, base, route })
    }

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(signature) = &request.signature {
            let header = |text: &str| {
                let mut value = HeaderValue::from_str(text).map_err(not_sent)?;
                value.set_sensitive(true);
                Ok::<_, TransportError>(value)
            };
            headers.insert(AUTHORIZATION, header(&signature.authorization)?);
            headers.insert(HeaderName::from_static("timestamp"), header(&signature.timestamp)?);
        }
        let sending = self.client.post(self.base.join(&request.path)).headers(headers);
        let mut answer = match sending.body(request.body).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.route.explain(&error).await),
        };
        let announced =
            answer.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(0));
        let mut response = Response {
            status: answer.status().as_u16(),
            content_type: text_of(answer.headers(), CONTENT_TYPE).unwrap_or_default(),
            date: text_of(answer.headers(), DATE),
            retry_after: text_of(answer.headers(), RETRY_AFTER),
            body: Vec::with_capacity(announced.min(LARGEST_BODY)),
        };
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| self.route.explain_rest(&error))?
        {
            if response.body.len() + chunk.len() > LARGEST_BODY {
                return Err(lost(format!("the answer is larger than {LARGEST_BODY} bytes")));
            }
            response.body.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

impl Transport for Http {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(self.send(request))
    }
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn not_sent(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError::NotSent { source: source.into() }
}

fn lost(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TransportError {
    TransportError::Lost { source: source.into() }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::exchange::{QueueDeadline, Signature};

    #[test]
    fn only_an_encrypted_address_or_this_machine_will_do() {
        let table = [
            ("https://www.quantconnect.com/api/v2", "https://www.quantconnect.com/api/v2"),
            ("https://www.quantconnect.com/api/v2/", "https://www.quantconnect.com/api/v2"),
            (" https://example.com ", "https://example.com"),
            ("http://localhost:5612/api/v2/", "http://localhost:5612/api/v2"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://127.9.8.7:1", "http://127.9.8.7:1"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://example.com", "not encrypted"),
            ("http://localhost.example.com", "not encrypted"),
            ("http://127.0.0.1.example.com", "not encrypted"),
            ("http://128.0.0.1", "not encrypted"),
            ("http://0.0.0.0", "not encrypted"),
            ("http://[::2]", "not encrypted"),
            ("http://localhost@example.com", "user name or password"),
            ("https://user:hunter2@example.com", "user name or password"),
            ("ftp://localhost", "does not begin with"),
            ("file:///etc/passwd", "does not begin with"),
            ("https://example.com/?a=b", "behind `?`"),
            ("https://example.com/#x", "behind `?`"),
            ("example.com", "is not a URL"),
            ("https://", "is not a URL"),
            ("", "is not a URL"),
        ];
        for (text, expected) in table {
            match BaseUrl::parse(text) {
                Ok(base) => assert_eq!(base.to_string(), expected, "{text}"),
                Err(error) => {
                    assert!(error.to_string().contains(expected), "{text}: {error}");
                    assert!(!format!("{error:?}").contains("hunter2"), "{text}: {error:?}");
                }
            }
        }
        let base = BaseUrl::parse("https://example.com/api/v2/").expect("a good address");
        assert_eq!(base.join("/agents/list"), "https://example.com/api/v2/agents/list");
    }

    fn http(port: u16) -> Http {
        let base = BaseUrl::parse(&format!("http://127.0.0.1:{port}/api/v2/")).expect("loopback");
        Http::new(base, TimeLimits::default(), &Network::default()).expect("a client")
    }

    fn request() -> Request {
        let signature =
            Signature { authorization: "Basic abc".to_owned(), timestamp: "17".to_owned() };
        let path = "/agents/tasks/list".to_owned();
        Request {
            path,
            body: b"{}".to_vec(),
            signature: Some(signature),
            queue_deadline: QueueDeadline::Endless,
        }
    }

    /// Serves one connection with a fixed answer; returns what came of it and what was asked.
    async fn served(answer: &'static str) -> (Result<Response, TransportError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let server = async {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n{}") {
                assert!(socket.read_buf(&mut asked).await.expect("a request") > 0);
            }
            socket.write_all(answer.as_bytes()).await.expect("it listens");
            socket.shutdown().await.expect("it listens");
            String::from_utf8(asked).expect("text").to_lowercase()
        };
        let http = http(port);
        tokio::join!(http.exchange(request()), server)
    }

    #[tokio::test]
    async fn an_answer_arrives_as_it_is_and_a_redirect_is_not_followed() {
        let (html, asked) = served(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: 6\r\n\r\n<html>",
        )
        .await;
        let html = html.expect("an answer");
        assert_eq!(
            (html.status, &*html.content_type, &*html.body),
            (200, "text/html", &b"<html>"[..])
        );
        assert_eq!(html.date.as_deref(), Some("Sat, 21 Nov 2026 12:00:00 GMT"));
        assert!(asked.starts_with("post /api/v2/agents/tasks/list http/1.1"), "{asked}");
        for header in
            ["authorization: basic abc", "timestamp: 17", "user-agent: qcops/", "application/json"]
        {
            assert!(asked.contains(header), "{header} in {asked}");
        }

        let (empty, _) =
            served("HTTP/1.1 500 Oops\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n").await;
        let empty = empty.expect("an answer");
        assert_eq!(
            (empty.status, empty.body.len(), empty.retry_after.as_deref()),
            (500, 0, Some("5"))
        );

        let (moved, _) = served(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        assert_eq!(moved.expect("an answer").status, 302);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_lost_and_a_closed_port_was_never_reached() {
        for cut in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"succ", "nonsense\r\n\r\n"]
        {
            let (outcome, _) = served(cut).await;
            assert!(matches!(outcome, Err(TransportError::Lost { .. })), "{cut:?}: {outcome:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let outcome = http(port).exchange(request()).await;
        let Err(TransportError::NotSent { source }) = outcome else { panic!("{outcome:?}") };
        let words =
            format!("no connection to `http://127.0.0.1:{port}/api/v2`: Connection refused");
        assert!(source.to_string().starts_with(&words), "{source}");
    }

    /// An HTTP/2 frame without flags: its type, its stream and what it holds.
    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, 0, 0, 0, 0, stream][..], payload].concat()
    }

    #[tokio::test]
    async fn what_http_2_says_was_not_processed_was_not_and_all_else_may_have_been() {
        const HEADERS: u8 = 1;
        let reset = |reason: u8| frame(3, 1, &[0, 0, 0, reason]);
        let go_away = |last: u8, reason: u8| frame(7, 0, &[0, 0, 0, last, 0, 0, 0, reason]);
        let table = [
            ("REFUSED_STREAM", reset(7), "refused unprocessed (HTTP/2 REFUSED_STREAM)"),
            ("GOAWAY before", go_away(0, 0), "before it was processed (HTTP/2 GOAWAY)"),
            ("GOAWAY before, calm", go_away(0, 11), "before it was processed (HTTP/2 GOAWAY)"),
            ("INTERNAL_ERROR", reset(2), "lost"),
            ("CANCEL", reset(8), "lost"),
            ("GOAWAY after", go_away(1, 0), "lost"),
        ];
        for (name, answer, expected) in table {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let port = listener.local_addr().expect("it is bound").port();
            let mut http = http(port);
            let builder = ClientBuilder::new().no_proxy().retry(reqwest::retry::never());
            http.client = builder.http2_prior_knowledge().build().expect("a client");
            let server = async {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                socket.write_all(&frame(4, 0, &[])).await.expect("it listens");
                let mut asked = Vec::new();
                let has_headers = |asked: &[u8]| {
                    // Frames follow the 24 bytes that begin a connection.
                    let mut frames = asked.get(24..).unwrap_or_default();
                    while let [a, b, c, kind, ..] = *frames {
                        if kind == HEADERS {
                            return true;
                        }
                        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                        frames = frames.get(9 + length..).unwrap_or_default();
                    }
                    false
                };
                while !has_headers(&asked) {
                    assert!(socket.read_buf(&mut asked).await.expect("a request") > 0);
                }
                socket.write_all(&answer).await.expect("it listens");
                socket.shutdown().await.expect("it listens");
                // What is unread when it closes would take the answer with it.
                while socket.read_buf(&mut asked).await.is_ok_and(|read| read > 0) {}
                std::future::pending::<()>().await;
            };
            let outcome = tokio::select! {
                outcome = http.exchange(request()) => outcome,
                () = server => unreachable!("it never ends"),
            };
            let said = match outcome {
                Err(TransportError::NotProcessed { source }) => source.to_string(),
                Err(TransportError::Lost { .. }) => "lost".to_owned(),
                other => format!("{other:?}"),
            };
            assert!(said.contains(expected), "{name}: {said}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_opens_no_way_is_named_with_what_it_said() {
        let table = [
            ("HTTP/1.1 403 Not on my list\r\n\r\n", "it answered 403 Not on my list"),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "it answered 407 Proxy"),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answered 502 Bad Gateway"),
            ("", "unexpected end of file"),
        ];
        for (answer, expected) in table {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let port = listener.local_addr().expect("it is bound").port();
            let proxy = crate::api::Variable {
                name: "HTTPS_PROXY",
                value: format!("http://me:hunter2@127.0.0.1:{port}"),
            };
            let network = Network { proxies: vec![proxy], ..Network::default() };
            let base = BaseUrl::parse("https://qc.example.test/api/v2").expect("an address");
            let http = Http::new(base, TimeLimits::default(), &network).expect("a client");
            assert!(!format!("{http:?}").contains("hunter2"), "{http:?}");
            let server = async {
                loop {
                    let (mut socket, _) = listener.accept().await.expect("a connection");
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") {
                        assert!(socket.read_buf(&mut asked).await.expect("a request") > 0);
                    }
                    let asked = String::from_utf8_lossy(&asked).to_lowercase();
                    assert!(asked.contains("proxy-authorization: basic "), "{asked}");
                    socket.write_all(answer.as_bytes()).await.expect("it listens");
                }
            };
            let outcome = tokio::select! {
                outcome = http.exchange(request()) => outcome,
                () = server => unreachable!("it serves for ever"),
            };
            let Err(TransportError::NotSent { source }) = outcome else { panic!("{outcome:?}") };
            let words = format!(
                "the proxy `http://127.0.0.1:{port}` of `HTTPS_PROXY` opens no connection to `qc.example.test:443`: "
            );
            assert!(source.to_string().starts_with(&words), "{source}");
            assert!(source.to_string().contains(expected), "{answer}: {source}");
        }
    }
}
