//! Transport failures in words, in one place: what stood in the way, and what helps.
//!
//! It also knows what HTTP says was never processed, which is then safe to send again.
#![expect(
    clippy::unnecessary_box_returns,
    reason = "every caller hands the error on as a boxed cause"
)]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderValue;
use reqwest::{ClientBuilder, Url};
use rustls::CertificateError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exchange::TransportError;

/// How long a proxy may take to say why it opened no way.
const PROXY_ANSWER: Duration = Duration::from_secs(5);

/// A variable of the environment that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value, which may hold a password.
    pub value: String,
}

/// What the environment says about the way to the service.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The variables that name a proxy, the first that is valid for `https` first.
    pub proxies: Vec<Variable>,
    /// The value of `NO_PROXY`.
    pub no_proxy: String,
    /// The file of `SSL_CERT_FILE`.
    pub trust: Option<TrustFile>,
}

/// The file that takes the place of the system's certificate authorities.
#[derive(Clone, Debug)]
pub struct TrustFile {
    /// Its path, safe to print.
    pub path: String,
    /// Why it is of no use, where it is not.
    pub problem: Option<String>,
}

/// A variable that names no proxy this program can use. The value may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It is no address.
    #[error("`{0}` is not the address of a proxy; write `http://HOST:PORT`")]
    Malformed(&'static str),
    /// Its port is none.
    #[error(
        "`{0}` has an invalid port: a port is a number from 1 to 65535; write `http://HOST:PORT`"
    )]
    Port(&'static str),
    /// It is of a kind that is not supported.
    #[error("`{0}` names a SOCKS proxy, which is not supported; write `http://HOST:PORT`")]
    Socks(&'static str),
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NetworkError {
    message: String,
    help: Option<String>,
}

impl NetworkError {
    /// Returns what helps, where something is known to.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// A proxy that is in force.
#[derive(Clone, Debug)]
struct Proxy {
    variable: &'static str,
    /// Its address without a password.
    shown: String,
    host: String,
    port: u16,
    is_encrypted: bool,
    /// It hides itself in `Debug`.
    authorization: Option<HeaderValue>,
}

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub total: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(60) }
    }
}

/// The way to the service.
#[derive(Clone, Debug)]
pub(super) struct ServiceRoute {
    base: String,
    host: String,
    port: u16,
    is_local: bool,
    proxy: Option<Proxy>,
    trust: Option<TrustFile>,
    has_authorities: bool,
    limits: TimeLimits,
}

impl ServiceRoute {
    /// Finds the way to `base`; `is_local` is this machine, which no proxy leads to.
    pub(super) fn find(
        base: &str,
        is_local: bool,
        network: &Network,
        limits: TimeLimits,
    ) -> Result<Self, ProxyError> {
        let url = Url::parse(base).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
        let proxy = if is_local { None } else { Proxy::find(base, network)? };
        let (base, trust) = (base.to_owned(), network.trust.clone());
        Ok(Self { base, host, port, is_local, proxy, trust, has_authorities: true, limits })
    }

    /// Lets a client take this way. Where no variable names a proxy, the system's own settings hold.
    pub(super) fn build(&self, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        let builder = builder.connect_timeout(self.limits.connect).timeout(self.limits.total);
        let builder = builder.dns_resolver(Arc::new(Names));
        match &self.proxy {
            // A proxy of the environment stands somewhere else and cannot reach this machine.
            None if self.is_local => Ok(builder.no_proxy()),
            None => Ok(builder),
            Some(proxy) => {
                let mut used = reqwest::Proxy::all(&proxy.shown)?;
                if let Some(authorization) = &proxy.authorization {
                    used = used.custom_http_auth(authorization.clone());
                }
                Ok(builder.no_proxy().proxy(used))
            }
        }
    }

    /// Notes that no certificate authority could be loaded.
    pub(super) fn without_authorities(self) -> Self {
        Self { has_authorities: false, ..self }
    }

    /// Says why a request brought no answer, and whether it may have been processed.
    pub(super) async fn explain(&self, error: &reqwest::Error) -> TransportError {
        if let Some(why) = never_processed(&chain(error)) {
            let message = format!("{why} by `{}`", self.base);
            return TransportError::NotProcessed { source: failure(message, None) };
        }
        if !error.is_connect() && !error.is_builder() {
            return TransportError::Lost { source: failure(self.lost(error, &chain(error)), None) };
        }
        let closed = self.proxy.as_ref().filter(|_| is_of_a_tunnel(error));
        let said = match closed {
            Some(proxy) => proxy.ask(&self.target()).await,
            None => None,
        };
        TransportError::NotSent { source: self.no_connection(error, said) }
    }

    /// The host and port that a proxy is asked for.
    fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Says why the rest of an answer did not come.
    pub(super) fn explain_rest(&self, error: &reqwest::Error) -> TransportError {
        TransportError::Lost { source: failure(self.lost(error, &chain(error)), None) }
    }

    fn lost(&self, error: &reqwest::Error, chain: &[&(dyn Error + 'static)]) -> String {
        if error.is_timeout() {
            return format!("no whole answer came within {} s", self.limits.total.as_secs());
        }
        if find::<hyper::Error>(chain).is_some_and(hyper::Error::is_parse) {
            return format!("what answers at `{}` does not speak HTTP: {}", self.base, last(chain));
        }
        last(chain)
    }

    fn no_connection(&self, error: &reqwest::Error, said: Option<String>) -> Box<NetworkError> {
        let chain = &chain(error);
        let to = match &self.proxy {
            Some(proxy) => format!("the proxy `{}` of `{}`", proxy.shown, proxy.variable),
            None => format!("`{}`", self.base),
        };
        let help = self.proxy.as_ref().map(|proxy| {
            format!("correct `{}`, or name `{}` in `NO_PROXY`", proxy.variable, self.host)
        });
        if let Some(name) = find::<NameError>(chain) {
            let message = format!(
                "no connection to {to}: the name `{}` cannot be resolved: {}",
                name.host, name.source
            );
            let spelling = || format!("check the spelling of `{}`, and the network", name.host);
            return failure(message, help.or_else(|| Some(spelling())));
        }
        if let Some(tls) = find::<rustls::Error>(chain) {
            return self.no_trust(tls);
        }
        if error.is_timeout() {
            let within = self.limits.connect.as_secs();
            return failure(format!("no connection to {to} within {within} s"), help);
        }
        if is_of_a_tunnel(error) && self.proxy.is_some() {
            let why = said.unwrap_or_else(|| last(chain));
            return failure(
                format!("{to} opens no connection to `{}`: {why}", self.target()),
                help,
            );
        }
        failure(format!("no connection to {to}: {}", last(chain)), help)
    }

    /// Says why the certificate was not accepted.
    fn no_trust(&self, error: &rustls::Error) -> Box<NetworkError> {
        let (base, host) = (&self.base, &self.host);
        let said = |words: String, help: Option<String>| {
            failure(format!("no secure connection to `{base}`: {words}"), help)
        };
        let certificate = match error {
            rustls::Error::InvalidCertificate(certificate) => certificate,
            rustls::Error::InvalidMessage(_) => {
                let help = format!("check the port, and that `{host}` is reached over HTTPS");
                return said("what answers there does not speak TLS".to_owned(), Some(help));
            }
            other => return said(other.to_string(), None),
        };
        match certificate {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => said(
                format!(
                    "the certificate of `{host}` is not valid at the time this machine's clock shows"
                ),
                Some("check the clock of this machine".to_owned()),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let help = "check `--api`; something else may answer in place of the service";
                said(format!("the certificate is not for `{host}`"), Some(help.to_owned()))
            }
            CertificateError::UnknownIssuer => {
                self.untrusted(&format!("the issuer of the certificate of `{host}` is not trusted"))
            }
            CertificateError::Other(other) => {
                self.untrusted(&format!("the certificate of `{host}` is not trusted ({})", other.0))
            }
            other => {
                self.untrusted(&format!("the certificate of `{host}` is not trusted: {other}"))
            }
        }
    }

    fn untrusted(&self, what: &str) -> Box<NetworkError> {
        let (more, help) = match &self.trust {
            Some(TrustFile { path, problem: Some(problem) }) => (
                format!(", and `SSL_CERT_FILE` is of no use: `{path}` {problem}"),
                "correct `SSL_CERT_FILE`: it takes the place of this machine's certificate authorities"
                    .to_owned(),
            ),
            Some(TrustFile { path, problem: None }) => (
                String::new(),
                format!(
                    "`SSL_CERT_FILE` names `{path}`, which lacks the root certificate of that \
                     issuer; add it there in PEM form"
                ),
            ),
            None if !self.has_authorities => (
                ", and this machine has no certificate authorities".to_owned(),
                "install the package `ca-certificates`, or set `SSL_CERT_FILE` to a PEM file"
                    .to_owned(),
            ),
            None => (
                String::new(),
                "where a proxy or firewall reads TLS, set `SSL_CERT_FILE` to a PEM file with its \
                 root certificate"
                    .to_owned(),
            ),
        };
        failure(format!("no secure connection to `{}`: {what}{more}", self.base), Some(help))
    }
}

impl Proxy {
    /// Finds the proxy that leads to `base`, if any does.
    fn find(base: &str, network: &Network) -> Result<Option<Self>, ProxyError> {
        let Ok(target) = base.parse::<hyper::Uri>() else { return Ok(None) };
        let any = Matcher::builder().all("http://proxy.invalid").no(network.no_proxy.as_str());
        let set = network.proxies.iter().find(|variable| !variable.value.is_empty());
        let (Some(set), Some(_)) = (set, any.build().intercept(&target)) else { return Ok(None) };
        let found = Matcher::builder().all(set.value.as_str()).build().intercept(&target);
        if has_bad_port(&set.value) {
            return Err(ProxyError::Port(set.name));
        }
        let found = found.ok_or(ProxyError::Malformed(set.name))?;
        let uri = found.uri();
        let scheme = uri.scheme_str().unwrap_or_default();
        if scheme.starts_with("socks") {
            return Err(ProxyError::Socks(set.name));
        }
        let is_encrypted = scheme == "https";
        Ok(Some(Self {
            variable: set.name,
            shown: uri.to_string().trim_end_matches('/').to_owned(),
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 }),
            is_encrypted,
            authorization: found.basic_auth().cloned(),
        }))
    }

    /// Asks once more for a way to `host`, to learn the status that the library keeps to itself.
    async fn ask(&self, host: &str) -> Option<String> {
        if self.is_encrypted {
            return None;
        }
        let mut asked = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            asked.extend_from_slice(b"Proxy-Authorization: ");
            asked.extend_from_slice(authorization.as_bytes());
            asked.extend_from_slice(b"\r\n");
        }
        asked.extend_from_slice(b"\r\n");
        let answer = async {
            let mut socket = TcpStream::connect((self.host.as_str(), self.port)).await.ok()?;
            socket.write_all(&asked).await.ok()?;
            let mut start = [0; 256];
            let mut length = 0;
            while length < start.len() && !start[..length].contains(&b'\n') {
                match socket.read(&mut start[length..]).await.ok()? {
                    0 => break,
                    read => length += read,
                }
            }
            let line = String::from_utf8_lossy(&start[..length]);
            let (version, status) = line.lines().next()?.split_once(' ')?;
            version.starts_with("HTTP/").then(|| format!("it answered {}", status.trim()))
        };
        timeout(PROXY_ANSWER, answer).await.ok()?
    }
}

/// Whether an address names a port that is none.
fn has_bad_port(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let end = host.rfind(']').map_or(0, |end| end + 1);
    let Some((name, port)) = host[end..].rsplit_once(':') else { return false };
    let is_named = !name.contains(':') && (end > 0 || !name.is_empty());
    is_named && !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// A name that led to no address.
#[derive(Debug, thiserror::Error)]
#[error("the name `{host}` cannot be resolved")]
struct NameError {
    host: String,
    source: io::Error,
}

/// Resolves names as the system does, and says which one failed.
#[derive(Debug)]
struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            let found = found.map(Iterator::collect::<Vec<SocketAddr>>);
            match found {
                Ok(found) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(source) => Err(NameError { host, source }.into()),
            }
        })
    }
}

/// What HTTP itself says was not processed (RFC 9113, 6.8 and 8.7; RFC 9110, 9.2.2).
fn never_processed(chain: &[&(dyn Error + 'static)]) -> Option<&'static str> {
    if let Some(error) = find::<h2::Error>(chain).filter(|error| error.is_remote()) {
        if error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return Some("it was refused unprocessed (HTTP/2 REFUSED_STREAM)");
        }
        // Only streams beyond the last one that was processed end with the other side's GOAWAY.
        if error.is_go_away() {
            return Some("the connection was closed before it was processed (HTTP/2 GOAWAY)");
        }
    }
    let is_unwritten = find::<hyper::Error>(chain).is_some_and(hyper::Error::is_canceled);
    is_unwritten.then_some("the connection was closed before it was written")
}

/// An error and all beneath it, those that an I/O error holds too.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    let mut next = error.source();
    while let Some(error) = next {
        chain.push(error);
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map_or_else(|| error.source(), |held| Some(held as &(dyn Error + 'static)));
    }
    chain
}

/// Whether a proxy was reached and opened no way: neither the network nor TLS had anything to say.
fn is_of_a_tunnel(error: &reqwest::Error) -> bool {
    let chain = chain(error);
    let has_network = find::<io::Error>(&chain).is_some() || find::<NameError>(&chain).is_some();
    error.is_connect()
        && !error.is_timeout()
        && !has_network
        && find::<rustls::Error>(&chain).is_none()
}

fn find<'a, T: Error + 'static>(chain: &[&'a (dyn Error + 'static)]) -> Option<&'a T> {
    chain.iter().find_map(|error| error.downcast_ref::<T>())
}

/// What the layer says that saw it; those above only repeat that a request failed.
fn last(chain: &[&(dyn Error + 'static)]) -> String {
    chain.last().map(ToString::to_string).unwrap_or_default()
}

fn failure(message: String, help: Option<String>) -> Box<NetworkError> {
    Box::new(NetworkError { message, help })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(proxies: &[(&'static str, &str)], no_proxy: &str) -> Network {
        let variable =
            |&(name, value): &(&'static str, &str)| Variable { name, value: value.to_owned() };
        let proxies = proxies.iter().map(variable).collect();
        Network { proxies, no_proxy: no_proxy.to_owned(), trust: None }
    }

    #[test]
    fn a_proxy_that_is_in_force_must_have_an_address() {
        type Row<'r> = (&'r [(&'r str, &'r str)], &'r str, &'r str);
        let table: [Row<'_>; 22] = [
            (&[], "", "none"),
            (&[("HTTPS_PROXY", "")], "", "none"),
            (&[("HTTPS_PROXY", "http://p:3128")], "", "http://p:3128"),
            (&[("https_proxy", "p:3128")], "", "http://p:3128"),
            (&[("HTTPS_PROXY", "http://me:hunter2@p:3128/x")], "", "http://p:3128"),
            (&[("HTTPS_PROXY", ""), ("ALL_PROXY", "https://p")], "", "https://p"),
            (&[("HTTPS_PROXY", "::::")], "", "`HTTPS_PROXY` is not the address"),
            (&[("HTTPS_PROXY", "http://")], "", "`HTTPS_PROXY` is not the address"),
            (&[("HTTPS_PROXY", "http://p:99999")], "", "`HTTPS_PROXY` has an invalid port"),
            (&[("https_proxy", "http://p:0")], "", "`https_proxy` has an invalid port"),
            (&[("ALL_PROXY", "p:65536")], "", "`ALL_PROXY` has an invalid port"),
            (&[("HTTPS_PROXY", "http://p:31x8/")], "", "`HTTPS_PROXY` has an invalid port"),
            (&[("HTTPS_PROXY", "http://[::1]:70000")], "", "`HTTPS_PROXY` has an invalid port"),
            (&[("HTTPS_PROXY", "http://me:hunter2@p:-1")], "", "`HTTPS_PROXY` has an invalid port"),
            (&[("HTTPS_PROXY", "http://me:hunter2")], "", "`HTTPS_PROXY` has an invalid port"),
            (&[("HTTPS_PROXY", "http://p:65535")], "", "http://p:65535"),
            (&[("HTTPS_PROXY", "http://[::1]:3128")], "", "http://[::1]:3128"),
            (&[("HTTPS_PROXY", "ftp://hunter2")], "", "`HTTPS_PROXY` is not the address"),
            (&[("all_proxy", "hunter2 hunter2")], "", "`all_proxy` is not the address"),
            (&[("ALL_PROXY", "socks5://p:1080")], "", "`ALL_PROXY` names a SOCKS proxy"),
            (&[("HTTPS_PROXY", "::::")], "example.org", "none"),
            (&[("HTTPS_PROXY", "::::")], "*", "none"),
        ];
        for (set, no_proxy, expected) in table {
            let found = Proxy::find("https://qc.example.org/api/v2", &network(set, no_proxy));
            let found = match found {
                Ok(None) => "none".to_owned(),
                Ok(Some(proxy)) => proxy.shown,
                Err(error) => error.to_string(),
            };
            assert!(found.starts_with(expected), "{set:?}, {no_proxy}: {found}");
            assert!(!found.contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_accepted_says_why_and_what_helps() {
        use rustls::Error::InvalidCertificate as Invalid;
        let file = |problem: Option<&str>| {
            Some(TrustFile { path: "/x.pem".to_owned(), problem: problem.map(str::to_owned) })
        };
        let missing = file(Some("cannot be read"));
        let table: [(rustls::Error, Option<TrustFile>, &str, &str); 7] = [
            (Invalid(CertificateError::UnknownIssuer), None, "issuer", "set `SSL_CERT_FILE`"),
            (
                Invalid(CertificateError::UnknownIssuer),
                file(None),
                "issuer",
                "`/x.pem`, which lacks",
            ),
            (
                Invalid(CertificateError::UnknownIssuer),
                missing,
                "`/x.pem` cannot be read",
                "correct",
            ),
            (Invalid(CertificateError::BadSignature), None, "not trusted", "SSL_CERT_FILE"),
            (Invalid(CertificateError::Expired), None, "clock", "clock"),
            (Invalid(CertificateError::NotValidForName), None, "not for `qc.example.org`", "--api"),
            (rustls::InvalidMessage::InvalidContentType.into(), None, "not speak TLS", "port"),
        ];
        for (error, trust, message, help) in table {
            let network = Network { trust, ..Network::default() };
            let base = "https://qc.example.org/api/v2";
            let route = ServiceRoute::find(base, false, &network, TimeLimits::default()).unwrap();
            let said = route.no_trust(&error);
            assert!(said.to_string().contains(message), "{error}: {said}");
            assert!(said.help().unwrap_or_default().contains(help), "{error}: {:?}", said.help());
        }
    }
}
