//! Links between two rooms on loopback, with this test as both engines.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::agent::{Exchange, Policy, Remote, Role};
use hobnob_nat::reach::Session as RelayAccess;
use hobnob_nat::{Endpoint, Loopback, Reach, Strangers, System, exporter};
use hobnob_wire::bounded::{List, Opaque, Text};
use hobnob_wire::close::LinkClose;
use hobnob_wire::datagram::{AllocationId, DatagramKey};
use hobnob_wire::device::{Device, DeviceEntry, DeviceList, DeviceOperation, RootCertificate, SignedEntry};
use hobnob_wire::keys::SigningKey;
use hobnob_wire::link::{EXPORTER_LABEL, LinkFrame, LinkHello, seal_frame};
use hobnob_wire::noise::{Initiator, LinkKeys, NoiseKeypair};
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping, RelayGrant};
use hobnob_wire::{AttemptId, DeviceId, LetterId, codec};
use quinn::{Connection, RecvStream, SendStream};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::frames::read_body;
use super::streams::TransferShell;
use super::{Dial, LinkRoom, LinkTable, Order};
use crate::core::input::{Input, LinkId};
use crate::driver::{Message, channel};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A device: a room for links, and what it tells its engine.
struct Side {
    seed: u8,
    room: Arc<LinkRoom>,
    endpoint: Endpoint,
    messages: mpsc::Receiver<Message>,
    table: LinkTable,
    _home: TempDir,
}

fn endpoint() -> Endpoint {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Endpoint::peer_on(Arc::new(System), listen, Strangers::Ignored).unwrap()
}

fn noise(seed: u8) -> NoiseKeypair {
    NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
}

fn hello(seed: u8) -> Box<LinkHello> {
    let (root, self_signing, signing) = (
        SigningKey::from_seed(&[seed; 32]),
        SigningKey::from_seed(&[seed + 1; 32]),
        SigningKey::from_seed(&[seed + 100; 32]),
    );
    let certificate = RootCertificate::issue(&root, self_signing.verify_key());
    let noise = noise(seed).public();
    let device = Device { signing: signing.verify_key(), noise, olm: noise, name: Text::truncated("device") };
    let operation = DeviceOperation::Add(device);
    let entry = DeviceEntry { seq: 0, previous: certificate.hash(), at_unix_s: 0, operation };
    let entry = SignedEntry::sign(&entry, &self_signing, Some(&signing)).unwrap();
    let list = DeviceList { certificate, entries: List::new(vec![entry]).unwrap() };
    let address = format!("device{seed}@localhost").parse().unwrap();
    Box::new(LinkHello { address, device: DeviceId::of(&signing.verify_key()), list })
}

impl Side {
    fn new(seed: u8) -> Self {
        let endpoint = endpoint();
        let (inputs, messages) = channel();
        let home = tempfile::tempdir().unwrap();
        let transfers = TransferShell::new(home.path(), &[].into(), mpsc::channel(1).0).unwrap();
        let room = Arc::new(LinkRoom::new(endpoint.clone(), noise(seed), inputs, transfers));
        tokio::spawn(Arc::clone(&room).accept_all());
        Self { seed, room, endpoint, messages, table: LinkTable::default(), _home: home }
    }

    /// Dials `other`, expecting the device with the key of `expected`.
    fn dial(&self, other: &Self, expected: u8) {
        meet((&self.endpoint, self.seed), (&other.endpoint, other.seed));
        let dial = Dial {
            attempt: AttemptId::new([1; 16]),
            device: hello(other.seed).device,
            noise: noise(expected).public(),
            hello: hello(self.seed),
        };
        tokio::spawn(Arc::clone(&self.room).dial(dial));
    }

    async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.messages.recv()).await.unwrap().unwrap()
    }

    async fn input(&mut self) -> Input {
        let Message::Input(input) = self.next().await else { panic!("no input") };
        input
    }

    /// The greeting of the device with this seed.
    async fn greeted_by(&mut self, seed: u8) -> LinkId {
        let Message::Greeting { link, hello: said, noise: proved, control, .. } = self.next().await else {
            panic!("no greeting")
        };
        assert_eq!((said, proved), (hello(seed), noise(seed).public()));
        self.table.insert(link, control);
        link
    }

    fn admit(&self, link: LinkId) {
        self.table.order(link, Order::Admit(hello(self.seed)));
    }

    async fn up(&mut self) {
        let input = self.input().await;
        assert!(matches!(input, Input::LinkUp { .. }), "{input:?}");
    }

    async fn down(&mut self) -> String {
        let input = self.input().await;
        let (Input::LinkDown { reason, .. } | Input::DialFailed { reason, .. }) = input else {
            panic!("{input:?}")
        };
        reason
    }
}

/// Signals have told both devices where the other is. They are on one machine, as the rendezvous that they know is.
fn meet(one: (&Endpoint, u8), other: (&Endpoint, u8)) {
    let attempt = AttemptId::new([one.1 * 16 + other.1; 16]);
    let key = |seed| DatagramKey::new([seed; 32]);
    let device = |seed| hello(seed).device;
    for ((own, own_seed), (other, other_seed)) in [(one, other), (other, one)] {
        let reach = own.reach().unwrap();
        let grant = RelayGrant {
            allocation: AllocationId(0),
            key: key(0),
            reflectors: List::new(Vec::new()).unwrap(),
        };
        let rendezvous = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let (grant, loopback) = (Some(grant), Loopback::Allowed);
        reach.session(Some(RelayAccess { rendezvous, v4: None, grant, loopback }));
        let role = Role::of(device(own_seed), device(other_seed));
        let own_key = key(own_seed);
        let exchange = Exchange { attempt, role, policy: Policy::All, own_key, seed: 1 };
        reach.exchange(device(other_seed), exchange);
        let at = other.local_addr().unwrap().into();
        let candidates = vec![Candidate { kind: CandidateKind::Host, at }];
        let (key, mapping) = (key(other_seed), Mapping::NoNat);
        let remote = Remote { attempt, key, mapping, candidates, witnessed: None };
        reach.remote(device(other_seed), remote);
    }
}

/// Two devices with a link between them, and its number on each side.
async fn linked() -> ((Side, LinkId), (Side, LinkId)) {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    alice.dial(&bob, 2);
    let at_bob = bob.greeted_by(1).await;
    bob.admit(at_bob);
    let at_alice = alice.greeted_by(2).await;
    alice.admit(at_alice);
    alice.up().await;
    bob.up().await;
    ((alice, at_alice), (bob, at_bob))
}

/// A device that follows the protocol by hand, up to the keys.
async fn by_hand(bob: &mut Side) -> (Endpoint, Connection, SendStream, RecvStream, LinkKeys) {
    let endpoint = endpoint();
    meet((&endpoint, 3), (&bob.endpoint, 2));
    let connection = endpoint.open_link(Reach::address(hello(2).device)).await.unwrap();
    let psk = exporter(&connection, EXPORTER_LABEL).unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let payload = codec::encode(&*hello(3)).unwrap();
    let (initiator, first) = Initiator::start(&noise(3), &noise(2).public(), &psk, &payload).unwrap();
    send.write_all(&codec::prefix(&first).unwrap()).await.unwrap();
    let link = bob.greeted_by(3).await;
    bob.admit(link);
    let (_, second) = read_body(&mut receive, "answer", 65_535).await.unwrap();
    let (_, keys) = initiator.finish(&second).unwrap();
    (endpoint, connection, send, receive, keys)
}

fn typing() -> LinkFrame {
    LinkFrame::Typing { active: true }
}

#[tokio::test]
async fn frames_cross_a_link_both_ways_and_each_side_hears_of_its_end_once() {
    let ((mut alice, at_alice), (mut bob, at_bob)) = linked().await;
    alice.table.order(at_alice, Order::Send(Box::new(typing())));
    let input = bob.input().await;
    assert!(
        matches!(&input, Input::LinkFrame { link, frame } if *link == at_bob && **frame == typing()),
        "{input:?}"
    );
    bob.table.order(at_bob, Order::Send(Box::new(typing())));
    assert!(matches!(alice.input().await, Input::LinkFrame { link, .. } if link == at_alice));

    alice.table.close(at_alice, LinkClose::Idle);
    alice.table.close(at_alice, LinkClose::Done);
    assert_eq!(alice.down().await, "the link was idle");
    assert_eq!(bob.down().await, "the link was idle");
    drop((alice.room, bob.room));
    for mut side in [alice.messages, bob.messages] {
        assert!(side.try_recv().is_err(), "nothing more is said about the link");
    }
}

#[tokio::test]
async fn an_app_that_stops_brings_its_last_frames_across() {
    let ((mut alice, at_alice), (mut bob, _)) = linked().await;
    for _ in 0..50 {
        alice.table.order(at_alice, Order::Send(Box::new(typing())));
    }
    alice.table = LinkTable::default();
    for _ in 0..50 {
        assert!(matches!(bob.input().await, Input::LinkFrame { .. }));
    }
    assert_eq!(bob.down().await, "the app is stopping");
    assert_eq!(alice.down().await, "the app is stopping");
}

#[tokio::test]
async fn a_device_that_the_engine_refuses_learns_why_and_not_who_we_are() {
    let (mut alice, mut bob) = (Side::new(1), Side::new(2));
    alice.dial(&bob, 2);
    let link = bob.greeted_by(1).await;
    bob.table.close(link, LinkClose::NotAContact);
    assert_eq!(alice.down().await, "the other device is not a contact's");
    assert_eq!(bob.down().await, "the other device is not a contact's");
}

#[tokio::test]
async fn who_comes_from_the_address_of_another_device_is_not_even_asked_for_a_list() {
    let mut bob = Side::new(2);
    let endpoint = endpoint();
    meet((&endpoint, 4), (&bob.endpoint, 2));
    let connection = endpoint.open_link(Reach::address(hello(2).device)).await.unwrap();
    let psk = exporter(&connection, EXPORTER_LABEL).unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    let payload = codec::encode(&*hello(3)).unwrap();
    let (_, first) = Initiator::start(&noise(3), &noise(2).public(), &psk, &payload).unwrap();
    send.write_all(&codec::prefix(&first).unwrap()).await.unwrap();
    let ended = timeout(PATIENCE, connection.closed()).await.unwrap();
    let quinn::ConnectionError::ApplicationClosed(close) = ended else { panic!("{ended}") };
    assert_eq!(close.error_code.into_inner(), u64::from(LinkClose::HandshakeFailed.code()));
    assert!(bob.messages.try_recv().is_err(), "the engine hears nothing of it");
}

#[tokio::test]
async fn who_answers_without_the_expected_key_is_not_linked() {
    let (mut alice, bob) = (Side::new(1), Side::new(2));
    alice.dial(&bob, 3);
    assert_eq!(alice.down().await, "the handshake failed");
}

#[tokio::test]
async fn the_answering_side_takes_nothing_before_the_dialer_has_shown_that_it_has_the_keys() {
    let mut bob = Side::new(2);
    let (_endpoint, _connection, mut send, _receive, mut keys) = by_hand(&mut bob).await;
    // Well sealed, but not what must come first.
    send.write_all(&seal_frame(&mut keys.send, &typing()).unwrap()).await.unwrap();
    assert_eq!(bob.down().await, "a frame could not be read");

    let (_endpoint, _connection, mut send, _receive, mut keys) = by_hand(&mut bob).await;
    let mut ready = seal_frame(&mut keys.send, &LinkFrame::Ready).unwrap();
    ready[5] ^= 1;
    send.write_all(&ready).await.unwrap();
    assert_eq!(bob.down().await, "a frame could not be read");

    let (_endpoint, _connection, mut send, _receive, mut keys) = by_hand(&mut bob).await;
    send.write_all(&seal_frame(&mut keys.send, &LinkFrame::Ready).unwrap()).await.unwrap();
    bob.up().await;
}

#[tokio::test]
async fn a_contact_that_says_nothing_keeps_no_other_out() {
    let (alice, mut bob) = (Side::new(1), Side::new(2));
    let mute = endpoint();
    meet((&mute, 3), (&bob.endpoint, 2));
    let mut silent = Vec::new();
    while let Ok(connection) = mute.open_link(Reach::address(hello(2).device)).await {
        silent.push(connection);
    }
    assert_eq!(silent.len(), 16, "one device has so many newcomers at a time");
    assert_eq!(bob.room.free_places(), 64);
    alice.dial(&bob, 2);
    bob.greeted_by(1).await;
    assert_eq!(bob.room.free_places(), 63);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_left_before_much_piles_up() {
    let mut bob = Side::new(2);
    let (_endpoint, connection, mut send, _receive, mut keys) = by_hand(&mut bob).await;
    send.write_all(&seal_frame(&mut keys.send, &LinkFrame::Ready).unwrap()).await.unwrap();
    let Input::LinkUp { link, .. } = bob.input().await else { panic!("the link is not up") };
    let sealed = Opaque::new(vec![7; 48 << 10]).unwrap();
    // Twice what fits into the queue and the windows.
    for _ in 0..600 {
        let frame = LinkFrame::Letter { letter: LetterId::new([4; 16]), sealed: sealed.clone() };
        bob.table.order(link, Order::Send(Box::new(frame)));
    }
    assert_eq!(bob.down().await, "the other side reads too slowly");
    timeout(PATIENCE, connection.closed()).await.unwrap();
}
