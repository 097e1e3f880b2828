//! Sessions over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hobnob_nat::{
    AdmissionLimits, DialError, Endpoint, EstablishError, ServerIdentity, Strangers, System, exporter,
    raise_session_limits, remote_address,
};
use hobnob_wire::session::EXPORTER_LABEL;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1:0";

fn identity() -> ServerIdentity {
    ServerIdentity::generate(&["127.0.0.1".to_owned()]).unwrap()
}

fn rendezvous(identity: &ServerIdentity, limits: AdmissionLimits) -> (Endpoint, SocketAddr) {
    let endpoint = Endpoint::rendezvous(LOOPBACK.parse().unwrap(), identity, limits).unwrap();
    let addr = endpoint.local_addr().unwrap();
    (endpoint, addr)
}

fn peer() -> Endpoint {
    Endpoint::peer(LOOPBACK.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_session_opens_under_the_right_pin_and_both_sides_export_one_value() {
    let identity = identity();
    let (rendezvous, addr) = rendezvous(&identity, AdmissionLimits::RENDEZVOUS);
    let peer = peer();
    let (dialed, accepted) = tokio::join!(peer.open_session(addr, identity.pin()), async {
        rendezvous.accept().await.unwrap().establish().await
    });
    let (dialed, (accepted, place)) = (dialed.unwrap(), accepted.unwrap());
    assert_eq!(rendezvous.unproved(), 1);
    drop(place);
    assert_eq!(rendezvous.unproved(), 0);
    assert_eq!(remote_address(&dialed), addr);
    assert_eq!(remote_address(&accepted), peer.local_addr().unwrap());
    let value = exporter(&dialed, EXPORTER_LABEL).unwrap();
    assert_eq!(value, exporter(&accepted, EXPORTER_LABEL).unwrap());
    assert_ne!(value, exporter(&dialed, b"EXPORTER-another").unwrap());
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused_and_both_pins_are_told() {
    let (expected, presented) = (identity().pin(), identity());
    let (rendezvous, addr) = rendezvous(&presented, AdmissionLimits::RENDEZVOUS);
    let peer = peer();
    let (dialed, accepted) = tokio::join!(peer.open_session(addr, expected), async {
        rendezvous.accept().await.unwrap().establish().await
    });
    assert_eq!(dialed.err(), Some(DialError::PinMismatch { expected, presented: presented.pin() }));
    assert!(matches!(accepted.err(), Some(EstablishError::Failed(_))));
    assert_eq!(rendezvous.unproved(), 0);
}

#[tokio::test]
async fn a_peer_is_not_taken_for_a_rendezvous() {
    let strangers = Strangers::Admitted;
    let other = Endpoint::peer_on(Arc::new(System), LOOPBACK.parse().unwrap(), strangers).unwrap();
    let peer = peer();
    let addr = other.local_addr().unwrap();
    let (dialed, accepted) = tokio::join!(peer.open_session(addr, identity().pin()), async {
        other.accept().await.unwrap().establish().await
    });
    assert_eq!(dialed.err(), Some(DialError::Incompatible));
    assert!(matches!(accepted.err(), Some(EstablishError::Failed(_))));
}

#[tokio::test]
async fn an_address_without_a_port_cannot_be_dialed() {
    let dialed = peer().open_session(LOOPBACK.parse().unwrap(), identity().pin()).await;
    assert_eq!(dialed.err(), Some(DialError::Unroutable));
}

/// Carries datagrams from the dialer to `to` and none back.
async fn one_way_street(to: SocketAddr) -> SocketAddr {
    let street = UdpSocket::bind(LOOPBACK).await.unwrap();
    let addr = street.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = street.recv_from(&mut buffer).await {
            if from != to {
                street.send_to(&buffer[..length], to).await.unwrap();
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_newcomer_that_does_not_finish_its_handshake_is_dropped_in_time() {
    let limit = Duration::from_millis(300);
    let identity = identity();
    let limits = AdmissionLimits { handshake_within: limit, ..AdmissionLimits::RENDEZVOUS };
    let (rendezvous, addr) = rendezvous(&identity, limits);
    let street = one_way_street(addr).await;
    let peer = peer();
    let dial = tokio::spawn(async move { peer.open_session(street, identity.pin()).await });
    let arrival = timeout(PATIENCE, rendezvous.accept()).await.unwrap().unwrap();
    assert_eq!(rendezvous.unproved(), 1);
    let outcome = timeout(PATIENCE, arrival.establish()).await.unwrap();
    assert_eq!(outcome.err(), Some(EstablishError::TimedOut(limit)));
    assert_eq!(rendezvous.unproved(), 0);
    dial.abort();
}

#[tokio::test]
async fn newcomers_are_refused_while_too_many_are_unproved_and_welcome_again_afterwards() {
    let identity = identity();
    // Every newcomer must validate its address first, so this dials through QUIC Retry too.
    let limits = AdmissionLimits { unproved_max: 1, retry_from: 0, ..AdmissionLimits::RENDEZVOUS };
    let (rendezvous, addr) = rendezvous(&identity, limits);
    let (accepted, mut arrivals) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(arrival) = rendezvous.accept().await {
            accepted.send(arrival.establish().await.unwrap()).await.unwrap();
        }
    });
    let peer = peer();
    let _first = peer.open_session(addr, identity.pin()).await.unwrap();
    let (connection, place) = arrivals.recv().await.unwrap();
    assert_eq!(peer.open_session(addr, identity.pin()).await.err(), Some(DialError::Refused));
    drop(place);
    assert!(peer.open_session(addr, identity.pin()).await.is_ok());
    assert_eq!(connection.close_reason(), None);
}

#[tokio::test]
async fn an_unproved_session_has_one_stream_and_16_kib_and_a_proved_one_has_more() {
    let identity = identity();
    let (rendezvous, addr) = rendezvous(&identity, AdmissionLimits::RENDEZVOUS);
    let peer = peer();
    let (dialed, accepted) = tokio::join!(peer.open_session(addr, identity.pin()), async {
        rendezvous.accept().await.unwrap().establish().await
    });
    let (dialed, (accepted, _place)) = (dialed.unwrap(), accepted.unwrap());
    let (mut control, _answers) = dialed.open_bi().await.unwrap();
    assert_eq!(control.write(&[7; 100_000]).await.unwrap(), 16 << 10);
    assert!(control.write(&[7]).now_or_never().is_none());
    assert!(dialed.open_bi().now_or_never().is_none());
    assert!(dialed.open_uni().now_or_never().is_none());

    raise_session_limits(&accepted);
    timeout(PATIENCE, dialed.open_uni()).await.unwrap().unwrap();
    timeout(PATIENCE, dialed.open_bi()).await.unwrap().unwrap();
    let more = timeout(PATIENCE, control.write(&[7; 100_000])).await.unwrap().unwrap();
    assert_eq!(more, 48 << 10, "the stream's own window is 64 KiB");
}

#[tokio::test]
async fn closing_the_endpoint_ends_accepting_and_tells_the_other_side_why() {
    let identity = identity();
    let (rendezvous, addr) = rendezvous(&identity, AdmissionLimits::RENDEZVOUS);
    let peer = peer();
    let (dialed, accepted) = tokio::join!(peer.open_session(addr, identity.pin()), async {
        rendezvous.accept().await.unwrap().establish().await
    });
    let (dialed, _accepted) = (dialed.unwrap(), accepted.unwrap());
    rendezvous.close(1, b"going away");
    assert!(rendezvous.accept().await.is_none());
    let reason = timeout(PATIENCE, dialed.closed()).await.unwrap();
    let quinn::ConnectionError::ApplicationClosed(close) = reason else {
        panic!("{reason}");
    };
    assert_eq!((close.error_code.into_inner(), &close.reason[..]), (1, &b"going away"[..]));
    timeout(PATIENCE, rendezvous.wait_idle()).await.unwrap();
}
