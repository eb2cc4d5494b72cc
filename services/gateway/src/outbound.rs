//! Requests to addresses that users name: webhooks and imports.
//!
//! A user must not reach through the gateway what only the gateway can reach
//! (server-side request forgery): addresses that are not public are refused, when an
//! address is given and again at each connection, where a name may have become
//! another address meanwhile. Redirects are not followed here, and no proxy is used, for
//! both would lead around that.

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use ragstream_core::fault::{Fault, Result};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;
use url::Url;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a name may take to resolve when a user gives it.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request, and how many for a server:
/// a burst reuses them, a quiet server is left alone.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 4;

/// How those who are asked find us in their logs.
pub(crate) const USER_AGENT: &str = concat!("ragstream/", env!("CARGO_PKG_VERSION"));

/// Sends requests to public addresses, or to any where that is allowed.
#[derive(Clone)]
pub(crate) struct Outbound {
    client: Client<HttpsConnector<HttpConnector<Names>>, Full<Bytes>>,
    allow_private: bool,
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Its address is not public.
    Refused(Refused),
    /// Nobody could be reached there, or the connection broke.
    Unreachable(String),
}

impl Outbound {
    pub(crate) fn new(allow_private: bool) -> Self {
        let mut http = HttpConnector::new_with_resolver(Names { allow_private });
        // The connector around it takes both schemes.
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        let provider = Arc::new(ring::default_provider());
        let builder = HttpsConnectorBuilder::new();
        let tls = match builder.with_provider_and_native_roots(provider.clone()) {
            Ok(tls) => tls,
            Err(error) => {
                tracing::warn!(%error, "no certificate authorities were found: no https:// address can be reached");
                HttpsConnectorBuilder::new().with_tls_config(without_authorities(provider))
            }
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(tls.https_or_http().enable_http1().wrap_connector(http));
        Self { client, allow_private }
    }

    /// Checks an address that a user gives.
    ///
    /// # Errors
    /// `Invalid`: it is not `http://` or `https://`, not public, or not known.
    pub(crate) async fn check(&self, url: &Url) -> Result<()> {
        let refused = |message: String| Fault::invalid("address_refused", message);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused(format!("{}:// is not possible: give an https:// address", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("the address holds a user name or password: leave them out".to_owned()));
        }
        let Some(host) = url.host_str().filter(|_| url.as_str().parse::<hyper::Uri>().is_ok()) else {
            return Err(refused("the address names no host that can be reached".to_owned()));
        };
        if self.allow_private {
            return Ok(());
        }
        let host = host.trim_matches(['[', ']']);
        match tokio::time::timeout(RESOLVE_TIMEOUT, resolve(host, false)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is::<Refused>() => Err(refused(format!("{host} {error}"))),
            Ok(Err(_)) | Err(_) => {
                Err(Fault::invalid("address_unknown", format!("{host} can't be resolved: check the address")))
            }
        }
    }

    /// Sends a request. The answer's body is left to the caller, and so is the time that
    /// all of it may take.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unanswered> {
        // A literal address is never resolved.
        let literal = request.uri().host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if let Some(address) = literal
            && !self.allow_private
            && !is_public(address)
        {
            return Err(Unanswered::Refused(Refused));
        }
        self.client.request(request).await.map_err(|error| match find::<Refused>(&error) {
            Some(refused) => Unanswered::Refused(refused),
            None => Unanswered::Unreachable(causes(&error)),
        })
    }
}

fn without_authorities(provider: Arc<rustls::crypto::CryptoProvider>) -> ClientConfig {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of the default versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// An address that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "is not a public address: give another one, or have RAGSTREAM_GATEWAY_ALLOW_PRIVATE_ADDRESSES=true set",
        )
    }
}

impl Error for Refused {}

/// Resolves names, and leaves out what is not public.
#[derive(Clone)]
struct Names {
    allow_private: bool,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.allow_private;
        Box::pin(async move { Ok(resolve(name.as_str(), allow_private).await?.into_iter()) })
    }
}

/// The addresses of a host that may be reached; the port is the connector's business.
async fn resolve(host: &str, allow_private: bool) -> Result<Vec<SocketAddr>, BoxError> {
    let all: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
    let found = !all.is_empty();
    let allowed: Vec<_> = all.into_iter().filter(|at| allow_private || is_public(at.ip())).collect();
    if found && allowed.is_empty() { Err(Refused.into()) } else { Ok(allowed) }
}

/// Whether an address is one of the public internet, by IANA's registries of special
/// purpose addresses.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0 // this network
        || a == 10
        || (a == 100 && (64..128).contains(&b)) // shared by customers of a carrier
        || a == 127
        || (a == 169 && b == 254) // link local: metadata of clouds
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && matches!(c, 0 | 2)) // protocols, documentation
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && matches!(b, 18 | 19)) // benchmarks
        || (a == 198 && b == 51 && c == 100) // documentation
        || (a == 203 && b == 0 && c == 113) // documentation
        || a >= 224; // multicast, reserved, broadcast
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // An IPv4 address behind NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        // Protocols (Teredo among them), documentation, 6to4, documentation.
        [0x2001, b, ..] if b < 0x200 || b == 0xdb8 => false,
        [0x2002, ..] => false,
        [0x3fff, b, ..] if b < 0x1000 => false,
        // All that is global unicast; mapped, unique local and link local addresses are not.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// The first error of this type among an error and its causes.
fn find<T: Error + Copy + 'static>(error: &(dyn Error + 'static)) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(*found);
        }
        next = error.source();
    }
    None
}

fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.1",
            "64:ff9b::8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_when_given_whatever_their_spelling() {
        let guarded = Outbound::new(false);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1:8000/x",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "http://169.254.169.254/latest/meta-data/",
            "ftp://8.8.8.8/",
            "http://user:password@8.8.8.8/",
        ] {
            let fault = guarded.check(&url.parse().expect("a URL")).await.expect_err(url);
            assert_eq!(fault.class, "address_refused", "{url}: {fault}");
        }
        guarded.check(&"https://8.8.8.8/hook".parse().expect("a URL")).await.expect("public");
        let open = Outbound::new(true);
        open.check(&"http://127.0.0.1:9/".parse().expect("a URL")).await.expect("allowed");
        assert!(open.check(&"file:///etc/passwd".parse().expect("a URL")).await.is_err());
    }

    /// Answers one request, and tells that it was asked.
    async fn server() -> (u16, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let served = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await;
            let answer = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(answer).await.expect("writes");
        });
        (port, served)
    }

    fn get(url: String) -> Request<Full<Bytes>> {
        Request::get(url).body(Full::default()).expect("a request")
    }

    #[tokio::test]
    async fn private_addresses_are_refused_at_each_connection_and_redirects_are_not_followed() {
        let (port, served) = server().await;
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            let outcome = Outbound::new(false).send(get(format!("http://{host}:{port}/"))).await;
            assert!(matches!(outcome, Err(Unanswered::Refused(_))), "{host}: {outcome:?}");
        }
        assert!(!served.is_finished(), "nobody connected");
        // The name leads there where that is allowed; and the answer is the server's own.
        let answer = Outbound::new(true).send(get(format!("http://localhost:{port}/"))).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::FOUND);
        served.await.expect("was asked once");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let outcome = Outbound::new(true).send(get(format!("http://127.0.0.1:{port}/"))).await;
        assert!(matches!(outcome, Err(Unanswered::Unreachable(_))), "{outcome:?}");
    }
}
