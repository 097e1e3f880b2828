//! Links over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hobnob_nat::{
    DialError, Endpoint, EstablishError, Loopback, ServerIdentity, Strangers, System, exporter,
    local_candidates, raise_link_limits, remote_address,
};
use hobnob_wire::link::EXPORTER_LABEL;
use quinn::Connection;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1:0";

fn peer() -> Endpoint {
    peer_at(LOOPBACK.parse().unwrap())
}

/// A peer that takes links from anybody.
fn peer_at(listen: SocketAddr) -> Endpoint {
    Endpoint::peer_on(Arc::new(System), listen, Strangers::Admitted).unwrap()
}

async fn accept(endpoint: &Endpoint) -> Connection {
    let arrival = timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
    arrival.establish().await.unwrap().0
}

/// A link between the two, as the dialer and as the acceptor hold it.
async fn link(dialer: &Endpoint, acceptor: &Endpoint) -> (Connection, Connection) {
    let addr = acceptor.local_addr().unwrap();
    let (dialed, accepted) = tokio::join!(dialer.open_link(addr), accept(acceptor));
    (dialed.unwrap(), accepted)
}

fn exported(connection: &Connection) -> [u8; 32] {
    exporter(connection, EXPORTER_LABEL).unwrap()
}

#[tokio::test]
async fn either_peer_may_dial_and_each_link_exports_a_value_of_its_own() {
    let (alice, bob) = (peer(), peer());
    let (at_alice, at_bob) = link(&alice, &bob).await;
    let (other_at_bob, other_at_alice) = link(&bob, &alice).await;
    let (again_at_alice, again_at_bob) = link(&alice, &bob).await;
    assert_eq!(exported(&at_alice), exported(&at_bob));
    assert_eq!(exported(&other_at_alice), exported(&other_at_bob));
    assert_eq!(exported(&again_at_alice), exported(&again_at_bob));
    assert_ne!(exported(&at_alice), exported(&other_at_alice));
    assert_ne!(exported(&at_alice), exported(&again_at_alice));
    assert!(at_alice.peer_identity().is_some() && at_bob.peer_identity().is_some());
}

#[tokio::test]
async fn somebody_who_ends_tls_on_both_sides_sees_two_exporter_values() {
    let (alice, mallory, bob) = (peer(), peer(), peer());
    let (at_alice, from_alice) = link(&alice, &mallory).await;
    let (to_bob, at_bob) = link(&mallory, &bob).await;
    assert_eq!(exported(&at_alice), exported(&from_alice));
    assert_eq!(exported(&to_bob), exported(&at_bob));
    assert_ne!(exported(&at_alice), exported(&at_bob));
}

#[tokio::test]
async fn a_rendezvous_takes_no_links() {
    let identity = ServerIdentity::generate(&["127.0.0.1".to_owned()]).unwrap();
    let limits = hobnob_nat::AdmissionLimits::RENDEZVOUS;
    let rendezvous = Endpoint::rendezvous(LOOPBACK.parse().unwrap(), &identity, limits).unwrap();
    let (peer, addr) = (peer(), rendezvous.local_addr().unwrap());
    let (dialed, accepted) =
        tokio::join!(peer.open_link(addr), async { rendezvous.accept().await.unwrap().establish().await });
    assert_eq!(dialed.err(), Some(DialError::Incompatible));
    assert!(matches!(accepted.err(), Some(EstablishError::Failed(_))));
}

#[tokio::test]
async fn an_unproved_link_has_one_stream_and_16_kib_and_a_proved_one_has_a_transfers_worth() {
    let (alice, bob) = (peer(), peer());
    let (at_alice, at_bob) = link(&alice, &bob).await;
    let (mut control, _answers) = at_alice.open_bi().await.unwrap();
    assert_eq!(control.write(&[7; 100_000]).await.unwrap(), 16 << 10);
    assert!(at_alice.open_bi().now_or_never().is_none());
    assert!(at_alice.open_uni().now_or_never().is_none());

    raise_link_limits(&at_alice);
    raise_link_limits(&at_bob);
    timeout(PATIENCE, at_alice.open_bi()).await.unwrap().unwrap();
    let mut file = timeout(PATIENCE, at_alice.open_uni()).await.unwrap().unwrap();
    let content = vec![7; 4 << 20];
    // The windows travel in frames of their own, so the first write may see only a part of them.
    let mut written = 0;
    while written < 2 << 20 {
        written += timeout(PATIENCE, file.write(&content)).await.unwrap().unwrap();
    }
    assert_eq!(written, 2 << 20, "one stream's window");
    assert!(file.write(&content).now_or_never().is_none());
}

#[tokio::test]
async fn on_loopback_a_link_finds_that_large_packets_pass() {
    let (alice, bob) = (peer(), peer());
    let (at_alice, at_bob) = link(&alice, &bob).await;
    raise_link_limits(&at_alice);
    raise_link_limits(&at_bob);
    let receive = tokio::spawn(async move {
        let mut stream = at_bob.accept_uni().await.unwrap();
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).await.is_ok_and(|read| read.is_some()) {}
    });
    let content = vec![7; 64 << 10];
    let grow = async {
        let mut stream = at_alice.open_uni().await.unwrap();
        while at_alice.stats().path.current_mtu < 6400 {
            stream.write_all(&content).await.unwrap();
        }
    };
    timeout(PATIENCE, grow).await.unwrap();
    assert!(at_alice.stats().path.current_mtu <= 6500);
    receive.abort();
}

#[tokio::test]
async fn a_socket_for_both_families_reaches_ipv4_and_says_so_plainly() {
    let alice = peer_at(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
    let bob = peer();
    let (at_alice, at_bob) = link(&alice, &bob).await;
    assert_eq!(remote_address(&at_alice), bob.local_addr().unwrap());
    let port = alice.local_addr().unwrap().port();
    assert_eq!(remote_address(&at_bob), SocketAddr::from(([127, 0, 0, 1], port)));
}

#[tokio::test]
async fn the_own_interfaces_are_candidates_that_can_be_dialed() {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let (alice, bob) = (peer_at(any), peer_at(any));
    let candidates = local_candidates(bob.local_addr().unwrap(), Loopback::Allowed).unwrap();
    assert!(!candidates.is_empty());
    for candidate in candidates {
        let (dialed, _accepted) = tokio::join!(alice.open_link(candidate), accept(&bob));
        assert_eq!(remote_address(&dialed.unwrap()), candidate);
    }
}

#[tokio::test]
async fn an_address_without_a_port_cannot_be_dialed() {
    let portless = LOOPBACK.parse().unwrap();
    assert_eq!(peer().open_link(portless).await.err(), Some(DialError::Unroutable));
}
