//! Tunnels over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hobnob_nat::core::proxy::Proxy;
use hobnob_nat::tunnel::{ProxyError, bind};
use hobnob_nat::{
    AdmissionLimits, Destination, Endpoint, Proved, ServerIdentity, Tunnel, TunnelError, TunnelLimits,
    TunnelServer, raise_session_limits, remote_address,
};
use hobnob_wire::invite::Pin;
use quinn::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1:0";

const LIMITS: TunnelLimits = TunnelLimits {
    tunnels_max: 4,
    unproved: AdmissionLimits::RENDEZVOUS,
    unused_max: PATIENCE,
    idle_max: PATIENCE,
};

/// A rendezvous that takes sessions by UDP and in tunnels.
struct Rendezvous {
    endpoint: Endpoint,
    identity: ServerIdentity,
    /// Where it listens for tunnels.
    tcp: SocketAddr,
    _tunnels: TunnelServer,
}

impl Rendezvous {
    fn new(limits: TunnelLimits) -> Self {
        let identity = ServerIdentity::generate(&["127.0.0.1".to_owned()]).unwrap();
        let endpoint =
            Endpoint::rendezvous(LOOPBACK.parse().unwrap(), &identity, AdmissionLimits::RENDEZVOUS).unwrap();
        let listener = bind(LOOPBACK.parse().unwrap()).unwrap();
        let tcp = listener.local_addr().unwrap();
        let tunnels = endpoint.take_tunnels(vec![listener], &identity, limits).unwrap();
        Self { endpoint, identity, tcp, _tunnels: tunnels }
    }

    fn destination(&self) -> Destination {
        destination(self.tcp, self.identity.pin())
    }

    /// A session of `peer` in a tunnel, as both sides see it.
    async fn session(&self, peer: &Endpoint) -> (Tunnel, Connection, Connection, Proved) {
        let tunnel = peer.open_tunnel(&self.destination()).await.unwrap();
        let (dialed, accepted) =
            tokio::join!(peer.open_session(tunnel.address(), self.identity.pin()), async {
                self.endpoint.accept().await.unwrap().establish().await.unwrap()
            });
        let (accepted, place) = accepted;
        assert_eq!(place.origin(), self.tcp.ip());
        (tunnel, dialed.unwrap(), accepted, place.prove())
    }
}

fn destination(tcp: SocketAddr, pin: Pin) -> Destination {
    Destination { host: tcp.ip().to_string(), port: tcp.port(), pin, addresses: vec![tcp], proxy: None }
}

fn peer() -> Endpoint {
    Endpoint::peer("[::]:0".parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_in_a_tunnel_carries_a_megabyte_each_way() {
    const BYTES: usize = 1 << 20;
    let rendezvous = Rendezvous::new(LIMITS);
    let peer = peer();
    let (tunnel, dialed, accepted, _proved) = rendezvous.session(&peer).await;
    raise_session_limits(&accepted);
    assert_eq!(remote_address(&dialed), tunnel.address());
    assert_ne!(remote_address(&accepted).ip(), rendezvous.tcp.ip());
    let echo = async {
        let (mut send, mut recv) = accepted.accept_bi().await.unwrap();
        let bytes = recv.read_to_end(BYTES).await.unwrap();
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
        send.stopped().await.unwrap();
    };
    let sent: Vec<u8> = (0..BYTES).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let round = async {
        let (mut send, mut recv) = dialed.open_bi().await.unwrap();
        send.write_all(&sent).await.unwrap();
        send.finish().unwrap();
        recv.read_to_end(BYTES).await.unwrap()
    };
    let (received, ()) = timeout(PATIENCE, async { tokio::join!(round, echo) }).await.unwrap();
    assert!(received == sent, "what came back is not what was sent");
}

#[tokio::test]
async fn a_session_that_is_closed_before_its_tunnel_is_heard_to_close() {
    let rendezvous = Rendezvous::new(LIMITS);
    let peer = peer();
    let (tunnel, dialed, accepted, _proved) = rendezvous.session(&peer).await;
    dialed.close(7_u32.into(), b"goodbye");
    timeout(PATIENCE, peer.wait_idle()).await.unwrap();
    drop(tunnel);
    let end = timeout(PATIENCE, accepted.closed()).await.unwrap().to_string();
    assert_eq!(end, "closed by peer: goodbye (code 7)");
}

#[tokio::test]
async fn another_rendezvous_is_found_out_by_the_tunnel_already() {
    let (rendezvous, other) = (Rendezvous::new(LIMITS), Rendezvous::new(LIMITS));
    let to = destination(rendezvous.tcp, other.identity.pin());
    let error = peer().open_tunnel(&to).await.unwrap_err();
    assert!(matches!(error, TunnelError::Foreign { port } if port == rendezvous.tcp.port()), "{error}");
}

#[tokio::test]
async fn a_tunnel_without_a_proved_session_is_closed_after_a_while() {
    let limits = TunnelLimits { unused_max: Duration::from_millis(100), ..LIMITS };
    let rendezvous = Rendezvous::new(limits);
    let peer = peer();
    let (tunnel, dialed, accepted, proved) = rendezvous.session(&peer).await;
    let unused = peer.open_tunnel(&rendezvous.destination()).await.unwrap();
    timeout(PATIENCE, unused.ended()).await.unwrap();
    assert!(dialed.close_reason().is_none() && tunnel.ended().now_or_never().is_none());
    drop((proved, accepted));
    timeout(PATIENCE, tunnel.ended()).await.unwrap();
}

#[tokio::test]
async fn tunnels_are_limited_in_number() {
    let rendezvous = Rendezvous::new(LIMITS);
    let peer = peer();
    let mut tunnels = Vec::new();
    for _ in 0..LIMITS.tunnels_max {
        tunnels.push(peer.open_tunnel(&rendezvous.destination()).await.unwrap());
    }
    assert!(peer.open_tunnel(&rendezvous.destination()).await.is_err());
    tunnels.pop();
    let begin = Instant::now();
    while peer.open_tunnel(&rendezvous.destination()).await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "the place of a closed tunnel is never free again");
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_in_time_is_disconnected() {
    let unproved =
        AdmissionLimits { handshake_within: Duration::from_millis(200), ..AdmissionLimits::RENDEZVOUS };
    let rendezvous = Rendezvous::new(TunnelLimits { unproved, ..LIMITS });
    let mut silent = TcpStream::connect(rendezvous.tcp).await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap().unwrap(), 0);
}

/// What an open with a proxy that answers everything with `answer` ends in.
async fn refused_by(proxy: &str, answer: &'static [u8]) -> String {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        }
    });
    let proxy: Proxy = proxy.replace("PROXY", &at.to_string()).parse().unwrap();
    let pin = Rendezvous::new(LIMITS).identity.pin();
    let to = Destination { proxy: Some(Arc::new(proxy)), ..destination(at, pin) };
    let error = peer().open_tunnel(&to).await.unwrap_err();
    assert!(matches!(error, TunnelError::Proxy(ProxyError::Http(_) | ProxyError::Socks(_))), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn the_refusal_of_a_proxy_is_told_without_the_password() {
    assert_eq!(
        refused_by("http://me:secret@PROXY", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
        "the proxy asks for another user or password"
    );
    assert_eq!(
        refused_by("http://PROXY", b"HTTP/1.1 403 Forbidden\r\n\r\n").await,
        "the proxy answers with status 403"
    );
    assert_eq!(refused_by("http://PROXY", b"SSH-2.0-x\r\n\r\n").await, "the proxy does not speak HTTP");
    let socks = refused_by("socks5://me:secret@PROXY", &[5, 0xff]).await;
    assert_eq!(socks, "the proxy refuses: No acceptable auth methods");
}
