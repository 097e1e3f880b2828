//! Paths to peers over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hobnob_nat::reach::Session;
use hobnob_nat::{Endpoint, Loopback, Reach, Strangers, System, raise_link_limits, remote_address};
use hobnob_wire::bounded::List;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::ids::DeviceId;
use hobnob_wire::signal::RelayGrant;
use quinn::Connection;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1:0";
const ALICE: DeviceId = DeviceId::new([1; 16]);
const BOB: DeviceId = DeviceId::new([2; 16]);
const CHANNEL: Channel = Channel::new([7; 7]);

fn peer() -> Endpoint {
    Endpoint::peer_on(Arc::new(System), LOOPBACK.parse().unwrap(), Strangers::Ignored).unwrap()
}

/// Passes datagrams between two addresses as they are, as a relay does with those of a channel.
async fn forwarder(between: [SocketAddr; 2]) -> SocketAddr {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let to = if from == between[0] { between[1] } else { between[0] };
            // Like a router, it drops what it cannot send.
            let _ = socket.send_to(&buffer[..length], to).await;
        }
    });
    addr
}

/// Two peers that a relay forwards between.
async fn relayed() -> (Endpoint, Endpoint) {
    let (alice, bob) = (peer(), peer());
    let relay = forwarder([alice.local_addr().unwrap(), bob.local_addr().unwrap()]).await;
    for (own, other) in [(&alice, BOB), (&bob, ALICE)] {
        let reach = own.reach().unwrap();
        let key = DatagramKey::new([9; 32]);
        let grant = RelayGrant { allocation: AllocationId(1), key, reflectors: List::default() };
        reach.session(Some(Session { rendezvous: relay, grant, loopback: Loopback::Forbidden }));
        reach.channel(other, Some(CHANNEL));
    }
    (alice, bob)
}

async fn accept(endpoint: &Endpoint) -> Connection {
    let arrival = timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
    arrival.establish().await.unwrap().0
}

async fn link(alice: &Endpoint, bob: &Endpoint) -> (Connection, Connection) {
    let (dialed, accepted) = tokio::join!(alice.open_link(Reach::address(BOB)), accept(bob));
    let (dialed, accepted) = (dialed.unwrap(), accepted);
    raise_link_limits(&dialed);
    raise_link_limits(&accepted);
    (dialed, accepted)
}

#[tokio::test]
async fn a_relayed_link_runs_between_virtual_addresses_and_carries_everything_whole() {
    let (alice, bob) = relayed().await;
    let (at_alice, at_bob) = link(&alice, &bob).await;
    assert_eq!(remote_address(&at_alice), Reach::address(BOB));
    assert_eq!(remote_address(&at_bob), Reach::address(ALICE));

    let content: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let sent = content.clone();
    let sending = tokio::spawn(async move {
        let mut stream = at_alice.open_uni().await.unwrap();
        stream.write_all(&sent).await.unwrap();
        stream.finish().unwrap();
        stream.stopped().await.unwrap();
    });
    let mut stream = timeout(PATIENCE, at_bob.accept_uni()).await.unwrap().unwrap();
    let received = timeout(PATIENCE, stream.read_to_end(content.len())).await.unwrap().unwrap();
    assert!(received == content);
    timeout(PATIENCE, sending).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stranger_learns_not_even_that_somebody_is_there() {
    let (alice, bob) = relayed().await;
    let stranger = UdpSocket::bind(LOOPBACK).await.unwrap();
    let at = bob.local_addr().unwrap();
    // A packet of an unknown version asks for a list of those that are known.
    let mut unknown_version = vec![0; 1200];
    unknown_version[..7].copy_from_slice(&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1]);
    for datagram in [&unknown_version[..], &[0x40; 100], &[0; 80], &CHANNEL.header(), &[0x20; 60]] {
        stranger.send_to(datagram, at).await.unwrap();
    }
    let guessed = Endpoint::peer(LOOPBACK.parse().unwrap()).unwrap();
    let dial = tokio::spawn(async move { guessed.open_link(at).await });
    link(&alice, &bob).await;
    assert!(bob.accept().now_or_never().is_none());
    assert!(stranger.recv_from(&mut [0; 2048]).now_or_never().is_none());
    assert!(!dial.is_finished());
    dial.abort();
}

#[tokio::test]
async fn datagrams_travel_by_road_where_there_is_one() {
    let (alice, bob) = (
        Endpoint::peer(LOOPBACK.parse().unwrap()).unwrap(),
        Endpoint::peer(LOOPBACK.parse().unwrap()).unwrap(),
    );
    let (to_bob, to_alice) = (alice.road().unwrap(), bob.road().unwrap());
    let (at, from) = (to_bob.address(), to_alice.address());
    for (mut exit, entry) in [(to_bob.exit, to_alice.entry), (to_alice.exit, to_bob.entry)] {
        tokio::spawn(async move {
            while let Some(datagram) = exit.next().await {
                entry.deliver(datagram).await;
            }
        });
    }
    let (dialed, accepted) = tokio::join!(alice.open_link(at), accept(&bob));
    assert_eq!(remote_address(&dialed.unwrap()), at);
    assert_eq!(remote_address(&accepted), from);
}
