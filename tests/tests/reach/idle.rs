//! What a link costs on which nothing is said, and what contacts cost that are not linked.

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_nat::simulation::{Counts, Place, Shape};
use tokio::time::sleep;

use crate::world::{LINE, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What one contact that is linked may cost in a day, both ways, in bytes.
const DAY_BYTES_MAX: u64 = 1_000_000;

/// What IPv4 and UDP put before each packet.
const HEADER_BYTES: u64 = 28;

/// What was sent and received by each side within a day, in bytes of UDP payload.
async fn per_day(world: &World) -> [u64; 2] {
    let bytes = |counts: Counts| {
        counts.sent_bytes + counts.received_bytes
            - HEADER_BYTES * (counts.sent_packets + counts.received_packets)
    };
    let count = || world.peers.each_ref().map(|peer| bytes(world.simulation.with(|it| it.counts(peer.host))));
    let before = count();
    sleep(DAY).await;
    let after = count();
    [0, 1].map(|side| after[side] - before[side])
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_costs_a_megabyte_a_day_at_most() {
    let paths = [
        ([Place::PortRestricted, Place::PortRestricted], PathKind::Punched),
        ([Place::SymmetricRandom, Place::SymmetricRandom], PathKind::Relayed),
    ];
    for (pair, kind) in paths {
        let world = World::new(1, pair, &Shape::delay(LINE)).await;
        world.signal(0).await;
        let _link = world.link().await;
        // Checks for better paths have ended by then.
        sleep(HOUR).await;
        for (side, bytes) in per_day(&world).await.into_iter().enumerate() {
            assert!(bytes <= DAY_BYTES_MAX, "{kind:?}, side {side}: {bytes} bytes a day");
            assert_eq!(world.report(side).await.kind, kind);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn contacts_without_a_link_send_each_other_nothing() {
    let world = World::new(1, [Place::Open, Place::Open], &Shape::delay(LINE)).await;
    world.signal(0).await;
    drop(world.link().await);
    let [one, other] = &world.peers;
    one.reach.forget(other.device);
    other.reach.forget(one.device);
    // What says goodbye is gone by then.
    sleep(Duration::from_secs(10)).await;
    let hosts = world.peers.each_ref().map(|peer| peer.host);
    world.simulation.with(|internet| internet.sever(hosts[0], hosts[1]));
    let relayed = world.relay.tally().datagrams;
    let before = hosts.map(|host| world.simulation.with(|internet| internet.counts(host)));
    sleep(DAY).await;
    let after = hosts.map(|host| world.simulation.with(|internet| internet.counts(host)));
    assert_eq!(world.relay.tally().datagrams, relayed);
    // The place at the relay is kept, whoever is linked: that is all.
    for (before, after) in before.iter().zip(after) {
        let (sent, received) =
            (after.sent_packets - before.sent_packets, after.received_packets - before.received_packets);
        assert_eq!(sent, received);
        // Two requests every four minutes.
        assert!(sent <= 2 * 24 * 60 / 4 + 2, "{sent} packets");
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_shorter_keep_alive_sends_it_on_either_side_of_a_link() {
    for side in [0, 1] {
        let mut world = World::new(1, [Place::Open, Place::Open], &Shape::delay(LINE)).await;
        let endpoint = world.peers[side].endpoint.clone();
        world.peers[side].endpoint = endpoint.with_keep_alive(Some(Duration::from_secs(2)));
        world.signal(0).await;
        let _link = world.link().await;
        sleep(HOUR).await;
        let host = world.peers[side].host;
        let sent = || world.simulation.with(|internet| internet.counts(host).sent_packets);
        let before = sent();
        sleep(HOUR).await;
        let sent = sent() - before;
        assert!((1_790..=1_900).contains(&sent), "side {side}: {sent} packets in an hour");
    }
}
