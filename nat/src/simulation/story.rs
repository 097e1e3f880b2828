//! What hosts experience, over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

const MS: Duration = Duration::from_millis(1);
const ANY: &str = "0.0.0.0:0";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Two machines in their places and a mirror that tells senders where it sees them.
fn world(pair: [Place; 2]) -> (Simulation, [Machine; 2]) {
    let mut internet = Internet::new(1);
    let line = Shape::delay(10 * MS);
    let hosts = Place::settle(pair, &mut internet, &line);
    let mirror =
        internet.add_host(RealmId::PUBLIC, &[RENDEZVOUS_V4.into(), RENDEZVOUS_V6.into()], &Shape::default());
    let simulation = Simulation::start(internet);
    let socket = simulation.machine(mirror).socket(at("[::]:7700")).unwrap();
    tokio::spawn(async move {
        loop {
            let (from, _) = socket.recv_from().await;
            socket.send_to(from, from.to_string().as_bytes());
        }
    });
    let machines = hosts.map(|host| simulation.machine(host));
    (simulation, machines)
}

async fn hears(socket: &SimulatedSocket) -> Option<(SocketAddr, Vec<u8>)> {
    timeout(Duration::from_secs(1), socket.recv_from()).await.ok()
}

async fn seen(socket: &SimulatedSocket) -> Option<SocketAddr> {
    let rendezvous = SocketAddr::new(RENDEZVOUS_V4.into(), 7700);
    socket.send_to(rendezvous, b"?");
    let (_, text) = hears(socket).await?;
    Some(at(std::str::from_utf8(&text).unwrap()))
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_as_long_as_the_lines_say() {
    let (simulation, [one, _]) = world([Place::PortRestricted, Place::Open]);
    let socket = one.socket(at(ANY)).unwrap();
    let before = simulation.now();
    assert_eq!(seen(&socket).await, Some(at(&format!("203.0.113.1:{}", socket.port()))));
    assert_eq!(simulation.now() - before, 20 * MS);
    assert_eq!(one.counts().sent_packets, 1);
    assert_eq!(one.counts().received_packets, 1);
}

#[tokio::test(start_paused = true)]
async fn packets_that_cross_open_the_way_where_the_nats_allow_it() {
    let cases = [
        ([Place::PortRestricted, Place::PortRestricted], true),
        ([Place::DoubleNat, Place::PortRestricted], true),
        ([Place::Hairpin, Place::Hairpin], true),
        ([Place::Lan, Place::Lan], false),
        ([Place::SymmetricRandom, Place::PortRestricted], false),
        ([Place::SymmetricRandom, Place::FullCone], true),
        ([Place::Poisonable, Place::PortRestricted], true),
    ];
    for (pair, works) in cases {
        let (_simulation, machines) = world(pair);
        let [one, other] = machines.map(|machine| machine.socket(at("0.0.0.0:7700")).unwrap());
        let (here, there) = (seen(&one).await.unwrap(), seen(&other).await.unwrap());
        one.send_to(there, b"hello");
        other.send_to(here, b"hello");
        let heard = (hears(&one).await, hears(&other).await);
        assert_eq!(heard.0.is_some() || heard.1.is_some(), works, "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn udp_that_is_blocked_gets_nowhere_and_broken_ipv6_neither() {
    let (_simulation, [blocked, broken]) = world([Place::UdpBlocked, Place::BrokenV6]);
    assert_eq!(seen(&blocked.socket(at(ANY)).unwrap()).await, None);
    let socket = broken.socket(at("[::]:0")).unwrap();
    assert!(seen(&socket).await.is_some());
    socket.send_to(SocketAddr::new(RENDEZVOUS_V6.into(), 7700), b"?");
    assert_eq!(hears(&socket).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_moves_is_reached_at_its_new_address_only() {
    let (simulation, [one, other]) = world([Place::Open, Place::Open]);
    let (sender, receiver) = (one.socket(at(ANY)).unwrap(), other.socket(at("[::]:7700")).unwrap());
    let moved = "203.0.113.77".parse().unwrap();
    simulation.with(|internet| internet.move_host(other.host(), RealmId::PUBLIC, &[moved]));
    sender.send_to(at("203.0.113.102:7700"), b"old");
    sender.send_to(at("203.0.113.77:7700"), b"new");
    assert_eq!(hears(&receiver).await.unwrap().1, b"new");
    assert_eq!(hears(&receiver).await, None);
}

#[tokio::test(start_paused = true)]
async fn severed_hosts_still_reach_a_third() {
    let (simulation, [one, other]) = world([Place::Open, Place::Open]);
    let (sender, receiver) = (one.socket(at(ANY)).unwrap(), other.socket(at("[::]:7700")).unwrap());
    simulation.with(|internet| internet.sever(one.host(), other.host()));
    sender.send_to(at("203.0.113.102:7700"), b"lost");
    assert_eq!(hears(&receiver).await, None);
    assert!(seen(&sender).await.is_some());
    simulation.with(|internet| internet.mend(one.host(), other.host()));
    sender.send_to(at("203.0.113.102:7700"), b"there");
    assert!(hears(&receiver).await.is_some());
}
