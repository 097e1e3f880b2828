//! Paths to peers over real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hobnob_nat::core::agent::{Exchange, Local, PathKind, Policy, Remote, Role};
use hobnob_nat::core::relay::{Order, Payer, RelayLimits};
use hobnob_nat::reach::{Event, Session};
use hobnob_nat::relay::RelayServer;
use hobnob_nat::{
    AdmissionLimits, Endpoint, Loopback, Reach, ServerIdentity, Strangers, System, raise_link_limits,
    remote_address,
};
use hobnob_wire::bounded::List;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::ids::{AttemptId, DeviceId};
use hobnob_wire::signal::RelayGrant;
use quinn::Connection;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1:0";
const ALICE: DeviceId = DeviceId::new([1; 16]);
const BOB: DeviceId = DeviceId::new([2; 16]);
const CHANNEL: Channel = Channel::new([7; 7]);

fn peer() -> Endpoint {
    Endpoint::peer(LOOPBACK.parse().unwrap()).unwrap()
}

/// A rendezvous that relays between the two.
fn relay() -> (Endpoint, Arc<RelayServer>) {
    let limits = RelayLimits {
        channel_bytes_per_s: 1 << 30,
        channel_bytes_max: 1 << 40,
        account_bytes_per_s: 1 << 30,
        account_bytes_per_day: 1 << 40,
        idle: Duration::from_secs(60),
    };
    let relay = RelayServer::new(limits, Zeroizing::new([5; 32]));
    let identity = ServerIdentity::generate(&["127.0.0.1".to_owned()]).unwrap();
    let limits = AdmissionLimits::RENDEZVOUS;
    let beside = Arc::<RelayServer>::clone(&relay);
    let endpoint =
        Endpoint::rendezvous_on(&System, LOOPBACK.parse().unwrap(), &identity, limits, beside).unwrap();
    (endpoint, relay)
}

struct Pair {
    _rendezvous: Endpoint,
    alice: Endpoint,
    bob: Endpoint,
}

impl Pair {
    /// Two peers that a relay forwards between.
    async fn relayed() -> Self {
        let (rendezvous, relay) = relay();
        let (alice, bob) = (peer(), peer());
        let places = [AllocationId(1), AllocationId(2)];
        let key = |place: AllocationId| DatagramKey::new([u8::try_from(place.0).unwrap(); 32]);
        for allocation in places {
            relay.order(Order::Allocate { allocation, key: key(allocation), payer: Payer(allocation.0) });
        }
        relay.order(Order::Open { channel: CHANNEL, between: places });
        for (own, other, allocation) in [(&alice, BOB, places[0]), (&bob, ALICE, places[1])] {
            let reach = own.reach().unwrap();
            let grant = RelayGrant { allocation, key: key(allocation), reflectors: List::default() };
            let rendezvous = rendezvous.local_addr().unwrap();
            let (grant, loopback) = (Some(grant), Loopback::Allowed);
            reach.session(Some(Session { rendezvous, v4: None, grant, loopback }));
            reach.channel(other, Some(CHANNEL));
            let mut own = reach.own();
            timeout(PATIENCE, own.wait_for(|own| own.relay_rtt.is_some())).await.unwrap().unwrap();
        }
        Self { _rendezvous: rendezvous, alice, bob }
    }

    /// Exchanges signals, so that both look for direct paths.
    fn signal(&self) {
        let attempt = AttemptId::new([3; 16]);
        let (at_alice, at_bob) = (self.alice.reach().unwrap(), self.bob.reach().unwrap());
        for (own, device, other, peer) in [(&at_alice, ALICE, &at_bob, BOB), (&at_bob, BOB, &at_alice, ALICE)]
        {
            let key = DatagramKey::new(*blake3::hash(device.as_bytes()).as_bytes());
            let Local { candidates, mapping, .. } = own.own().borrow().local.clone();
            let role = Role::of(device, peer);
            let (policy, seed) = (Policy::All, 7);
            own.exchange(peer, Exchange { attempt, role, policy, own_key: key.clone(), seed });
            let remote = Remote { attempt, key, mapping, candidates, witnessed: None };
            other.remote(device, remote);
        }
    }

    async fn link(&self) -> (Connection, Connection) {
        let (dialed, accepted) = tokio::join!(self.alice.open_link(Reach::address(BOB)), accept(&self.bob));
        let (dialed, accepted) = (dialed.unwrap(), accepted);
        raise_link_limits(&dialed);
        raise_link_limits(&accepted);
        (dialed, accepted)
    }
}

async fn accept(endpoint: &Endpoint) -> Connection {
    let arrival = timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
    arrival.establish().await.unwrap().0
}

#[tokio::test]
async fn a_relayed_link_runs_between_virtual_addresses_and_carries_everything_whole() {
    let pair = Pair::relayed().await;
    let (at_alice, at_bob) = pair.link().await;
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
async fn a_link_moves_from_the_relay_to_a_direct_path_while_a_stream_runs() {
    let pair = Pair::relayed().await;
    let (at_alice, at_bob) = pair.link().await;
    let reach = pair.alice.reach().unwrap();
    assert_eq!(reach.report(BOB).await.unwrap().kind, PathKind::Relayed);

    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let sending = tokio::spawn(async move {
        let mut stream = at_alice.open_uni().await.unwrap();
        let mut sum = 0;
        while stopped.try_recv().is_err() {
            stream.write_all(&[7; 10_000]).await.unwrap();
            sum += 10_000;
        }
        stream.finish().unwrap();
        stream.stopped().await.unwrap();
        (sum, at_alice)
    });
    let receiving = tokio::spawn(async move {
        let mut stream = at_bob.accept_uni().await.unwrap();
        let (mut sum, mut chunk) = (0, vec![0; 64 << 10]);
        while let Some(length) = stream.read(&mut chunk).await.unwrap() {
            sum += length;
        }
        (sum, at_bob)
    });
    let mut events = reach.events();
    pair.signal();
    let direct = async {
        loop {
            match events.recv().await.unwrap() {
                Event::Report(BOB, report) if report.kind == PathKind::Lan => break report,
                Event::Report(..) | Event::Signal(_) => {}
            }
        }
    };
    let report = timeout(PATIENCE, direct).await.unwrap();
    assert_eq!(report.way.unwrap().to, pair.bob.local_addr().unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.send(()).unwrap();
    let (received, _at_bob) = timeout(PATIENCE, receiving).await.unwrap().unwrap();
    let (sent, _at_alice) = timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(received, sent);
}

#[tokio::test]
async fn a_stranger_learns_not_even_that_somebody_is_there() {
    let pair = Pair::relayed().await;
    let bob = &pair.bob;
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
    pair.link().await;
    assert!(bob.accept().now_or_never().is_none());
    assert!(stranger.recv_from(&mut [0; 2048]).now_or_never().is_none());
    assert!(!dial.is_finished());
    dial.abort();
}

#[tokio::test]
async fn datagrams_travel_by_road_where_there_is_one() {
    let any = || Endpoint::peer_on(Arc::new(System), LOOPBACK.parse().unwrap(), Strangers::Admitted).unwrap();
    let (alice, bob) = (any(), any());
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
