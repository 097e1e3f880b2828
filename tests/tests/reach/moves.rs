//! What a link goes through while it is in use: better paths, lost ones, other networks.

use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_nat::simulation::{Packet, Place, RealmId, Shape};
use hobnob_wire::datagram::{AllocationId, Channel, Cookie, Datagram, DatagramKey, Transaction};
use quinn::Connection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{LINE, PATIENCE, World, fresh_address};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Waits until the path of a side is as wanted.
async fn until(world: &World, side: usize, what: &str, is_so: impl Fn(PathKind) -> bool) {
    let so = async {
        while !is_so(world.report(side).await.kind) {
            sleep(10 * MS).await;
        }
    };
    timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("the path of side {side} is not {what}"));
}

async fn until_direct(world: &World) {
    for side in 0..2 {
        until(world, side, "direct", PathKind::is_direct).await;
    }
}

/// Something small that is sent every 10 ms on one stream, and when it arrived.
struct Pulse {
    stop: oneshot::Sender<()>,
    arrivals: JoinHandle<Vec<Instant>>,
}

impl Pulse {
    fn start([from, to]: &[Connection; 2]) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (from, to) = (from.clone(), to.clone());
        tokio::spawn(async move {
            let mut stream = from.open_uni().await.unwrap();
            while stopped.try_recv().is_err() {
                stream.write_all(&[0; 8]).await.unwrap();
                sleep(10 * MS).await;
            }
            stream.finish().unwrap();
            stream.stopped().await.unwrap();
        });
        let arrivals = tokio::spawn(async move {
            let mut stream = to.accept_uni().await.unwrap();
            let (mut arrivals, mut bytes) = (Vec::new(), [0; 8]);
            while stream.read_exact(&mut bytes).await.is_ok() {
                arrivals.push(Instant::now());
            }
            arrivals
        });
        Self { stop, arrivals }
    }

    /// The longest time without an arrival.
    async fn longest_pause(self) -> Duration {
        self.stop.send(()).unwrap();
        let arrivals = timeout(PATIENCE, self.arrivals).await.unwrap().unwrap();
        arrivals.windows(2).map(|two| two[1] - two[0]).max().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_transfer_moves_from_the_relay_to_a_direct_path_without_a_pause_or_another_stream() {
    const BYTES: usize = 20_000_000;
    let line = Shape { rate: Some(100_000_000), queue_bytes: 500_000, ..Shape::delay(LINE) };
    let world = World::new(1, [Place::PortRestricted, Place::PortRestricted], &line).await;
    world.open_channel();
    let [dialed, accepted] = world.link().await;
    let receiving = tokio::spawn(async move {
        let mut stream = accepted.accept_uni().await.unwrap();
        let (mut last, mut longest, mut bytes) = (None, Duration::ZERO, 0);
        while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.unwrap() {
            bytes += chunk.bytes.len();
            let now = Instant::now();
            longest = longest.max(last.map_or(Duration::ZERO, |last| now - last));
            last = Some(now);
        }
        (bytes, longest, accepted)
    });
    let mut stream = dialed.open_uni().await.unwrap();
    let content = vec![7; BYTES];
    stream.write_all(&content[..BYTES / 2]).await.unwrap();
    assert_eq!(world.report(0).await.kind, PathKind::Relayed);
    let (window, lost_before) = (dialed.stats().path.cwnd, dialed.stats().path.lost_bytes);
    let relayed_before = world.relay.tally().bytes;
    let ((), ()) = tokio::join!(world.signal(0), async {
        stream.write_all(&content[BYTES / 2..]).await.unwrap();
        stream.finish().unwrap();
    });
    stream.stopped().await.unwrap();
    let (bytes, longest, _accepted) = receiving.await.unwrap();
    assert_eq!(bytes, BYTES);
    assert_eq!(world.report(0).await.kind, PathKind::Punched);
    assert!(world.relay.tally().bytes - relayed_before < BYTES as u64 / 2);
    assert!(longest < 100 * MS, "a pause of {longest:?}");
    let sent_again = dialed.stats().path.lost_bytes - lost_before;
    assert!(sent_again <= window, "{sent_again} bytes were sent again, the window was {window}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_path_is_left_for_the_relay_within_200_ms_and_taken_again_when_it_works() {
    let world = World::new(1, [Place::PortRestricted, Place::Open], &Shape::delay(LINE)).await;
    world.signal(0).await;
    let link = world.link().await;
    until_direct(&world).await;
    let pulse = Pulse::start(&link);
    sleep(SECOND).await;
    let hosts = world.peers.each_ref().map(|peer| peer.host);
    world.simulation.with(|internet| internet.sever(hosts[0], hosts[1]));
    until(&world, 0, "relayed", |kind| kind == PathKind::Relayed).await;
    sleep(3 * SECOND).await;
    assert_eq!(world.report(1).await.kind, PathKind::Relayed);
    let pause = pulse.longest_pause().await;
    assert!(pause <= 200 * MS, "a pause of {pause:?}");
    world.simulation.with(|internet| internet.mend(hosts[0], hosts[1]));
    let pulse = Pulse::start(&link);
    until_direct(&world).await;
    assert!(pulse.longest_pause().await < 200 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_moves_to_another_network_is_heard_again_within_300_ms() {
    // Whatever moment it is between two looks at the network.
    let cases = [0, 1].into_iter().flat_map(|side| [0, 35, 70, 95].map(|phase| (side, phase * MS)));
    for (moving, phase) in cases {
        let world = World::new(1, [Place::PortRestricted, Place::PortRestricted], &Shape::delay(LINE)).await;
        let _updates = {
            world.signal(0).await;
            world.pass_updates()
        };
        let link = world.link().await;
        until_direct(&world).await;
        let pulse = Pulse::start(&link);
        sleep(SECOND + phase).await;
        let host = world.peers[moving].host;
        world.simulation.with(|internet| {
            internet.move_host(host, RealmId::PUBLIC, &[fresh_address()]);
            internet.reshape(host, Shape::delay(LINE), Shape::delay(LINE));
        });
        sleep(5 * SECOND).await;
        until_direct(&world).await;
        let pause = pulse.longest_pause().await;
        assert!(pause <= 300 * MS, "side {moving} moved: a pause of {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_side_whose_only_addresses_are_of_the_other_family_now_is_heard_again_within_300_ms() {
    let world = World::new(1, [Place::Open, Place::Open], &Shape::delay(LINE)).await;
    world.signal(0).await;
    let _updates = world.pass_updates();
    let link = world.link().await;
    until_direct(&world).await;
    let host = world.peers[0].host;
    let both = world.simulation.with(|internet| internet.addresses(host).to_vec());
    let of = |is_v4: bool| -> Vec<_> { both.iter().copied().filter(|ip| ip.is_ipv4() == is_v4).collect() };
    for (to, kind) in [(of(true), PathKind::DirectV4), (of(false), PathKind::DirectV6)] {
        let pulse = Pulse::start(&link);
        sleep(SECOND + 35 * MS).await;
        world.simulation.with(|internet| internet.move_host(host, RealmId::PUBLIC, &to));
        sleep(5 * SECOND).await;
        for side in 0..2 {
            until(&world, side, "of the other family", |now| now == kind).await;
        }
        let pause = pulse.longest_pause().await;
        assert!(pause <= 300 * MS, "a pause of {pause:?} before {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_in_one_network_talk_within_it() {
    let world = World::new(1, [Place::Lan, Place::Lan], &Shape::delay(LINE)).await;
    world.signal(0).await;
    let _link = world.link().await;
    until_direct(&world).await;
    for side in 0..2 {
        assert_eq!(world.report(side).await.kind, PathKind::Lan);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_from_forged_sources_gets_nothing_out_of_the_relay() {
    let world = World::new(1, [Place::Open, Place::Open], &Shape::delay(LINE)).await;
    world.signal(0).await;
    let _link = world.link().await;
    let rendezvous = "198.51.100.1:7700".parse().unwrap();
    let [victim, mallory] = world.simulation.with(|internet| {
        [[192, 0, 2, 7], [192, 0, 2, 66]]
            .map(|ip| internet.add_host(RealmId::PUBLIC, &[ip.into()], &Shape::default()))
    });
    let before = world.relay.tally();
    let (key, cookie) = (DatagramKey::new([0; 32]), Cookie::default());
    for number in 0..10_000_u64 {
        let (allocation, transaction) = (AllocationId(number % 4), Transaction(number));
        let bind = Datagram::Bind { allocation, transaction, cookie }.seal(&key);
        let reflect = Datagram::Reflect { allocation, transaction, room: [0; 16] }.seal(&key);
        let known = [Channel::new([7; 7]).header().as_slice(), &[0x40; 100]].concat();
        for content in [bind, reflect, known] {
            let source = std::net::SocketAddr::from(([192, 0, 2, 7], 7700));
            world.simulation.send(mallory, Packet::udp(source, rendezvous, content));
        }
    }
    sleep(2 * SECOND).await;
    let counts = [victim, mallory].map(|host| world.simulation.with(|internet| internet.counts(host)));
    assert_eq!(counts.map(|counts| counts.received_bytes), [0, 0]);
    assert_eq!(world.relay.tally().answers, before.answers);
}
