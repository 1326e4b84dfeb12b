//! A server that takes little from what is measured beside it: a thread for each connection, HTTP/1.1, and each answer
//! leaves in one piece when its time has come.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};

/// What was sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// When its last byte was here.
    pub(crate) arrived: Instant,
}

/// Serves on a port of its own until the program ends; each answer leaves so long after its request was here.
pub(crate) fn start(
    latency: Duration,
    answer: impl Fn(&Request) -> Response<Bytes> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, answer) = (connection.expect("it is ours"), Arc::clone(&answer));
            // A client that is gone ends the connection, not the measurement.
            thread::spawn(move || drop(serve(&connection, latency, &*answer)));
        }
    });
    address
}

fn serve(
    connection: &TcpStream,
    latency: Duration,
    answer: &dyn Fn(&Request) -> Response<Bytes>,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut writer = BufWriter::new(connection);
    while let Some(request) = read(&mut reader)? {
        let response = answer(&request);
        if !latency.is_zero() {
            thread::sleep((request.arrived + latency).saturating_duration_since(Instant::now()));
        }
        write!(writer, "HTTP/1.1 {}\r\n", response.status())?;
        for (name, value) in response.headers() {
            writer.write_all(
                &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat(),
            )?;
        }
        write!(writer, "content-length: {}\r\n\r\n", response.body().len())?;
        writer.write_all(response.body())?;
        writer.flush()?;
    }
    Ok(())
}

/// Reads the next request, where there is one.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut lines);
    parsed.parse(&head).expect("a client sends HTTP");
    let method = parsed.method.and_then(|method| method.parse().ok()).expect("it was parsed");
    let uri = parsed.path.and_then(|path| path.parse().ok()).expect("it was parsed");
    let mut headers = HeaderMap::new();
    for line in parsed.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).expect("it was parsed");
        headers.append(name, HeaderValue::from_bytes(line.value).expect("it was parsed"));
    }
    assert!(!headers.contains_key("transfer-encoding"), "a body of unknown length is not read");
    let length =
        headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, uri, headers, body, arrived: Instant::now() }))
}

/// An answer of this status without a body.
pub(crate) fn empty(status: u16) -> Response<Bytes> {
    with(status, Bytes::new())
}

/// An answer of this status and body.
pub(crate) fn with(status: u16, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().expect("it is one of ours");
    response
}
