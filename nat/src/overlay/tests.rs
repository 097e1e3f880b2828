//! Nodes on this machine that find each other by the hash table. (Those on one network, by mDNS, need a network: see the
//! stories between real processes.)

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::overlay::{PairSecret, Tag};
use libp2p::Swarm;
use libp2p::futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::kad::RecordKey;
use libp2p::kad::store::RecordStore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::guard::multiaddr;
use super::swarm::{Behaviour, build, table_size};
use super::*;

/// Longest wait for something that happens within a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn device(seed: u8) -> DeviceId {
    DeviceId::new([seed; 16])
}

fn secret(own: u8, other: u8) -> PairSecret {
    let pair = |seed: u8| NoiseKeypair::from_secret(Zeroizing::new([seed; 32]));
    PairSecret::of(&pair(own), &pair(other).public()).unwrap()
}

fn config(seed: u8, role: Role, listen: SocketAddr, bootstrap: &[SocketAddr]) -> Config {
    Config {
        device: device(seed),
        role,
        listen: vec![listen],
        discover: false,
        bootstrap: bootstrap.iter().map(SocketAddr::to_string).collect(),
        loopback: Loopback::Allowed,
    }
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// An address that was free just now.
fn free() -> SocketAddr {
    TcpListener::bind(any()).unwrap().local_addr().unwrap()
}

fn first_node(seed: u8, others: &[SocketAddr]) -> (SocketAddr, Overlay) {
    let at = free();
    let role = Role::Bootstrap { external: vec![at] };
    (at, Overlay::start(config(seed, role, at, others)).unwrap().0)
}

fn member(seed: u8, contact: u8, bootstrap: &[SocketAddr]) -> (Overlay, Events) {
    let (overlay, events) = Overlay::start(config(seed, Role::Member, any(), bootstrap)).unwrap();
    overlay.set_contacts(vec![Acquaintance { device: device(contact), secret: secret(seed, contact) }]);
    (overlay, events)
}

async fn until(events: &mut Events, wanted: &Event) {
    let wait = async {
        while let Some(event) = events.next().await {
            if event == *wanted {
                return;
            }
        }
        panic!("the overlay ended");
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {wanted:?}"));
}

/// A first node that does what the test wants.
fn own_node(seed: u8, others: &[SocketAddr]) -> (SocketAddr, Swarm<Behaviour>) {
    let at = free();
    let role = Role::Bootstrap { external: vec![at] };
    let mut swarm = build(&Keypair::generate_ed25519(), &config(seed, role, at, others)).unwrap();
    others.iter().for_each(|at| swarm.dial(multiaddr(*at)).unwrap());
    (at, swarm)
}

fn today() -> u32 {
    let now_s = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    u32::try_from(now_s / 86_400).unwrap()
}

#[tokio::test]
async fn contacts_among_twenty_nodes_meet_and_strangers_see_only_numbers_of_the_day() {
    let (spied, spy) = own_node(100, &[]);
    let (spy_now, mut spy_then) = tokio::sync::oneshot::channel();
    let spy = tokio::spawn(async move {
        let mut spy: Swarm<Behaviour> = spy;
        loop {
            tokio::select! {
                _ = spy.select_next_some() => {}
                _ = &mut spy_then => return spy,
            }
        }
    });
    let mut firsts = vec![first_node(101, &[spied])];
    for seed in 102..104 {
        let known: Vec<SocketAddr> = firsts.iter().map(|(at, _)| *at).collect();
        firsts.push(first_node(seed, &known));
    }
    let known: Vec<SocketAddr> = firsts.iter().map(|(at, _)| *at).chain([spied]).collect();
    let mut members: Vec<(u8, u8, Overlay, Events)> = Vec::new();
    for pair in 0..8 {
        for (own, other) in [(2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)] {
            let (overlay, events) = member(own, other, &known[usize::from(pair) % 4..][..1]);
            members.push((own, other, overlay, events));
        }
    }
    for (_, other, _, events) in &mut members {
        until(events, &Event::Seen(device(*other))).await;
    }
    for (own, other, overlay, _) in &members {
        overlay.signal(device(*other), vec![*own; 300]);
    }
    for (_, other, _, events) in &mut members {
        until(events, &Event::Signal { device: device(*other), sealed: vec![*other; 300] }).await;
    }

    spy_now.send(()).unwrap();
    let mut spy = spy.await.unwrap();
    let tags = |day: u32| -> BTreeSet<Tag> {
        members.iter().map(|(own, other, ..)| secret(*own, *other).tag(day, device(*own))).collect()
    };
    let store = spy.behaviour_mut().table.as_mut().unwrap().store_mut();
    let of_today = tags(today());
    let kept = of_today.iter().filter(|tag| !store.providers(&RecordKey::new(tag.as_bytes())).is_empty());
    assert_eq!((kept.count(), of_today.len()), (store.len(), 16));
    assert!(store.len() > 0);
    assert!(of_today.is_disjoint(&tags(today() + 1)));
}

#[tokio::test]
async fn forged_providers_do_not_keep_contacts_apart_and_prove_nothing() {
    let (forged, mut forger) = own_node(100, &[]);
    for (own, other) in [(1, 2), (2, 1)] {
        for day in [today() - 1, today(), today() + 1] {
            let tag = secret(own, other).tag(day, device(own));
            let table = forger.behaviour_mut().table.as_mut().unwrap();
            table.start_providing(RecordKey::new(tag.as_bytes())).unwrap();
        }
    }
    tokio::spawn(async move {
        loop {
            forger.select_next_some().await;
        }
    });
    let (alice, mut alices) = member(1, 2, &[forged]);
    let mut status = alice.status();
    let joined = status.wait_for(|status| status.table > 0 && status.relays > 0);
    timeout(PATIENCE, joined).await.unwrap().unwrap();

    let (_bob, mut bobs) = member(2, 1, &[forged]);
    until(&mut bobs, &Event::Seen(device(1))).await;
    until(&mut alices, &Event::Seen(device(2))).await;
    assert_eq!(alice.status().borrow().here, [device(2)]);
    assert_eq!(alices.0.try_recv().ok(), None);
}

#[tokio::test]
async fn a_node_without_first_nodes_uses_no_table_and_one_that_is_dropped_stops_listening() {
    let (overlay, mut events) = Overlay::start(config(1, Role::Member, any(), &[])).unwrap();
    let mut status = overlay.status();
    let listens = timeout(PATIENCE, status.wait_for(|status| !status.listens.is_empty())).await.unwrap();
    let at = listens.unwrap().listens[0];
    let mut swarm = build(&Keypair::generate_ed25519(), &config(2, Role::Member, any(), &[])).unwrap();
    assert_eq!(table_size(&mut swarm), 0);
    drop(overlay);
    assert_eq!(timeout(PATIENCE, events.next()).await, Ok(None));
    assert!(TcpListener::bind(at).is_ok());
}
