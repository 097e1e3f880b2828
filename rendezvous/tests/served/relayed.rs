//! The relay of a running rendezvous, over real sockets: whom it forwards for, and that it sends nothing to anybody else.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_nat::core::relay::RelayTally;
use hobnob_rendezvous::{Config, Server};
use hobnob_wire::Opaque;
use hobnob_wire::contact::{ContactRequest, ContactText};
use hobnob_wire::datagram::{AllocationId, Channel, Cookie, Datagram, DatagramKey, Transaction, parse};
use hobnob_wire::presence::Availability;
use hobnob_wire::session::{Answer, ClientFrame, Push, Request};
use hobnob_wire::signal::{RelayGrant, SignalRequest};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::support::{Keys, Peer, Session, within};

/// Long enough for an answer over loopback that should not come; several are waited for at the same time.
const SILENCE: Duration = Duration::from_millis(300);

/// A socket beside a session, with what the session was told of the relay.
struct Place {
    socket: UdpSocket,
    relay: SocketAddr,
    grant: RelayGrant,
    count: u64,
}

impl Place {
    async fn of(session: &mut Session, relay: SocketAddr) -> Self {
        // What the session is told at its start comes before any answer.
        session.say(&ClientFrame::Resume { roster: 0 }).await;
        session.push_of(|push| matches!(push, Push::RosterComplete { .. }).then_some(())).await;
        let grant = session.grant.clone().expect("a proved session has a place");
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket, relay, grant, count: 0 }
    }

    async fn ask(
        &mut self,
        to: SocketAddr,
        request: impl FnOnce(AllocationId, Transaction) -> Datagram,
    ) -> Datagram {
        self.count += 1;
        let request = request(self.grant.allocation, Transaction(self.count));
        self.socket.send_to(&request.seal(&self.grant.key), to).await.unwrap();
        let mut bytes = [0; 2048];
        let (len, from) = within(self.socket.recv_from(&mut bytes)).await.unwrap();
        assert_eq!(from, to);
        parse(&bytes[..len]).unwrap().prove(&self.grant.key).expect("the relay has the key")
    }

    async fn challenge(&mut self) -> Cookie {
        let bind =
            |allocation, transaction| Datagram::Bind { allocation, transaction, cookie: Cookie::default() };
        let answer = self.ask(self.relay, bind).await;
        let Datagram::Challenge { cookie, .. } = answer else { panic!("{answer:?}") };
        cookie
    }

    async fn bind(&mut self) {
        let cookie = self.challenge().await;
        let bind = |allocation, transaction| Datagram::Bind { allocation, transaction, cookie };
        let answer = self.ask(self.relay, bind).await;
        assert!(matches!(answer, Datagram::Bound { .. }), "{answer:?}");
    }

    async fn send(&self, channel: Channel, content: &[u8]) {
        let bytes = [channel.header().as_slice(), content].concat();
        self.socket.send_to(&bytes, self.relay).await.unwrap();
    }

    async fn receive(&self) -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        let (len, from) = within(self.socket.recv_from(&mut bytes)).await.unwrap();
        assert_eq!(from, self.relay);
        bytes.truncate(len);
        bytes
    }
}

async fn is_silent(socket: &UdpSocket) -> bool {
    timeout(SILENCE, socket.recv_from(&mut [0; 2048])).await.is_err()
}

/// A rendezvous at which Alice and Bob are contacts.
struct World {
    server: Server,
    sessions: [Session; 2],
    peers: [Peer; 2],
    _home: tempfile::TempDir,
}

fn settings() -> Config {
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config
}

impl World {
    async fn new(config: Config) -> Self {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start(config, home.path()).await.unwrap();
        let mut a = Session::open(server.invite()).await;
        let mut b = Session::open(server.invite()).await;
        let alice = a.register("alice", b"correct horse", &Keys::new(10), 10).await.unwrap();
        let bob = b.register("bob", b"battery staple", &Keys::new(20), 20).await.unwrap();
        let (text, address) = (ContactText::default(), bob.address.clone());
        let asked = a.ask(Request::Contact(ContactRequest::Ask { address, text })).await;
        assert_eq!(asked, Ok(Answer::Done));
        let address = alice.address.clone();
        let accepted = b.ask(Request::Contact(ContactRequest::Accept { address, mutual: true })).await;
        assert_eq!(accepted, Ok(Answer::Done));
        Self { server, sessions: [a, b], peers: [alice, bob], _home: home }
    }

    async fn places(&mut self) -> [Place; 2] {
        let relay = self.server.listen();
        let [a, b] = &mut self.sessions;
        [Place::of(a, relay).await, Place::of(b, relay).await]
    }

    /// Both places, bound, and the channel between them.
    async fn introduced(&mut self) -> ([Place; 2], Channel) {
        let mut places = self.places().await;
        for place in &mut places {
            place.bind().await;
        }
        (places, self.introduce().await.unwrap())
    }

    /// Alice signals Bob.
    async fn introduce(&mut self) -> Option<Channel> {
        let [a, b] = &mut self.sessions;
        let (to, device) = (self.peers[1].address.clone(), self.peers[1].device());
        let request = SignalRequest { to, device, sealed: Opaque::new(vec![1]).unwrap(), at: None };
        let Ok(Answer::Signalled { channel }) = a.ask(Request::Signal(request)).await else {
            panic!("Bob is there")
        };
        let told =
            b.push_of(|push| if let Push::Signal(delivery) = push { Some(delivery.channel) } else { None });
        assert_eq!(told.await, channel);
        channel
    }
}

#[tokio::test]
async fn two_introduced_peers_talk_through_the_relay_byte_for_byte() {
    let mut world = World::new(settings()).await;
    let ([a, b], channel) = world.introduced().await;
    a.send(channel, b"hello").await;
    assert_eq!(b.receive().await, [channel.header().as_slice(), b"hello"].concat());
    b.send(channel, b"and back").await;
    assert_eq!(a.receive().await, [channel.header().as_slice(), b"and back"].concat());
}

#[tokio::test]
async fn each_reflector_tells_a_session_where_it_is_seen_and_nothing_else() {
    let mut world = World::new(settings()).await;
    let [mut a, _] = world.places().await;
    let own = a.socket.local_addr().unwrap();
    assert_eq!(a.grant.reflectors.len(), 2);
    let reflect = |allocation, transaction| Datagram::Reflect { allocation, transaction, room: [0; 16] };
    let ports: Vec<u16> = a.grant.reflectors.iter().map(|at| SocketAddr::from(*at).port()).collect();
    for port in [a.relay.port(), ports[0], ports[1]] {
        let answer = a.ask(SocketAddr::new(a.relay.ip(), port), reflect).await;
        let transaction = Transaction(a.count);
        assert_eq!(answer, Datagram::Reflected { transaction, seen: own.into() });
    }
    a.count += 1;
    let bind = Datagram::Bind {
        allocation: a.grant.allocation,
        transaction: Transaction(a.count),
        cookie: Cookie::default(),
    };
    a.socket.send_to(&bind.seal(&a.grant.key), (a.relay.ip(), ports[0])).await.unwrap();
    assert!(is_silent(&a.socket).await, "only the relay binds");
}

#[tokio::test]
async fn a_flood_from_sources_without_a_place_gets_no_byte_and_disturbs_nobody() {
    let mut world = World::new(settings()).await;
    let ([a, b], channel) = world.introduced().await;
    let forger = DatagramKey::new([9; 32]);
    let mut forged = vec![vec![], vec![0], vec![0x3f; 1200], channel.header().to_vec()];
    forged.push([channel.header().as_slice(), b"the number was overheard"].concat());
    for transaction in (0..200).map(Transaction) {
        let (allocation, cookie) = (a.grant.allocation, Cookie([transaction.0 as u8; 16]));
        forged.push(Datagram::Bind { allocation, transaction, cookie }.seal(&forger));
        forged.push(Datagram::Reflect { allocation, transaction, room: [0; 16] }.seal(&forger));
        forged.push(Channel::new([transaction.0 as u8; 7]).header().repeat(10));
    }
    let strangers = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.2:0").await.unwrap(),
        UdpSocket::bind("127.0.0.3:0").await.unwrap(),
    ];
    let reflector = SocketAddr::from(a.grant.reflectors[0]).port();
    for (number, bytes) in forged.iter().enumerate() {
        let stranger = &strangers[number % strangers.len()];
        stranger.send_to(bytes, a.relay).await.unwrap();
        stranger.send_to(bytes, (a.relay.ip(), reflector)).await.unwrap();
    }
    let [first, second, third] = &strangers;
    assert_eq!(tokio::join!(is_silent(first), is_silent(second), is_silent(third)), (true, true, true));
    a.send(channel, b"still here").await;
    assert_eq!(b.receive().await, [channel.header().as_slice(), b"still here"].concat());
}

#[tokio::test]
async fn what_a_session_was_given_is_worth_nothing_to_another() {
    let mut world = World::new(settings()).await;
    let [mut a, mut b] = world.places().await;
    b.bind().await;
    let channel = world.introduce().await.unwrap();
    let stolen = a.challenge().await;
    // Carol is known here, and has Alice's cookie and her channel, but not her key.
    let mut session = Session::open(world.server.invite()).await;
    session.register("carol", b"purple monkey", &Keys::new(30), 30).await.unwrap();
    let mut c = Place::of(&mut session, a.relay).await;
    c.bind().await;
    c.send(channel, b"hello").await;
    let bind =
        Datagram::Bind { allocation: a.grant.allocation, transaction: Transaction(99), cookie: stolen };
    c.socket.send_to(&bind.seal(&c.grant.key), c.relay).await.unwrap();
    // Nor does the cookie hold at another address, even for Alice.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.send_to(&bind.seal(&a.grant.key), a.relay).await.unwrap();
    let mut bytes = [0; 2048];
    let (len, _) = within(other.recv_from(&mut bytes)).await.unwrap();
    assert!(matches!(parse(&bytes[..len]).unwrap().claims(), Datagram::Challenge { .. }));
    assert_eq!(tokio::join!(is_silent(&b.socket), is_silent(&c.socket)), (true, true));
}

#[tokio::test]
async fn nothing_is_forwarded_for_a_session_that_has_ended() {
    let mut world = World::new(settings()).await;
    let ([a, b], channel) = world.introduced().await;
    a.send(channel, b"hello").await;
    b.receive().await;

    let [alice, bob] = &mut world.sessions;
    bob.connection.close(0_u32.into(), b"");
    let gone = |push| {
        let Push::Presence(change) = push else { return None };
        (change.presence.availability == Availability::Offline).then_some(())
    };
    alice.push_of(gone).await;
    a.send(channel, b"anybody there?").await;
    let reflect =
        Datagram::Reflect { allocation: b.grant.allocation, transaction: Transaction(99), room: [0; 16] };
    b.socket.send_to(&reflect.seal(&b.grant.key), b.relay).await.unwrap();
    assert!(is_silent(&b.socket).await, "the ticket has expired");
}

#[tokio::test]
async fn a_channel_carries_no_more_than_its_budget() {
    let mut config = settings();
    config.relay.channel_bytes_max = 3_000;
    let mut world = World::new(config).await;
    let ([a, b], channel) = world.introduced().await;
    for _ in 0..10 {
        a.send(channel, &[7; 992]).await;
    }
    for _ in 0..3 {
        assert_eq!(b.receive().await.len(), 1_000);
    }
    assert!(is_silent(&b.socket).await);
}

#[tokio::test]
async fn a_rendezvous_without_a_relay_gives_no_places() {
    let mut config = settings();
    config.relay.enabled = false;
    let mut world = World::new(config).await;
    assert_eq!(world.introduce().await, None);
    assert!(world.sessions[0].grant.is_none());
}

#[tokio::test]
async fn on_a_server_with_several_addresses_everything_comes_from_the_one_that_was_asked() {
    let mut config = settings();
    config.server.listen = "0.0.0.0:0".parse().unwrap();
    let mut world = World::new(config).await;
    let [mut a, mut b] = world.places().await;
    // The system would choose 127.0.0.1; `ask` and `receive` want what comes to come from here.
    a.relay.set_ip([127, 0, 0, 2].into());
    b.relay.set_ip([127, 0, 0, 3].into());
    a.bind().await;
    b.bind().await;
    let channel = world.introduce().await.unwrap();
    a.send(channel, b"hello").await;
    b.receive().await;
    b.send(channel, b"and back").await;
    a.receive().await;
    let reflect = |allocation, transaction| Datagram::Reflect { allocation, transaction, room: [0; 16] };
    let reflector = SocketAddr::new(a.relay.ip(), SocketAddr::from(a.grant.reflectors[0]).port());
    a.ask(reflector, reflect).await;
}

#[tokio::test]
async fn beside_another_rendezvous_on_the_next_port_the_reflectors_find_ports_of_their_own() {
    const TRIES: usize = 100;
    let is_free = |port: u16| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok();
    let mut tries = 0..TRIES;
    let (neighbor, port) = loop {
        tries.next().expect("some port has a free one before it");
        let neighbor = World::new(settings()).await;
        let port = neighbor.server.listen().port() - 1;
        if is_free(port) {
            break (neighbor, port);
        }
    };
    let mut config = settings();
    config.server.listen.set_port(port);
    let mut world = World::new(config).await;
    let [mut a, _] = world.places().await;
    let reflectors: Vec<SocketAddr> = a.grant.reflectors.iter().map(|at| SocketAddr::from(*at)).collect();
    assert_eq!(reflectors.len(), 2);
    for reflector in reflectors {
        assert_ne!(reflector.port(), neighbor.server.listen().port());
        let reflect = |allocation, transaction| Datagram::Reflect { allocation, transaction, room: [0; 16] };
        a.ask(SocketAddr::new(a.relay.ip(), reflector.port()), reflect).await;
    }
}

#[tokio::test]
async fn the_operator_is_told_what_was_relayed() {
    let mut world = World::new(settings()).await;
    let ([a, b], channel) = world.introduced().await;
    a.send(channel, b"hello").await;
    b.receive().await;
    b.socket.send_to(b"nonsense", b.relay).await.unwrap();
    b.send(channel, b"and back").await;
    a.receive().await;
    let World { server, sessions, .. } = world;
    drop(sessions);
    let tally = server.stop().await.unwrap().relay;
    let bytes = 8 + 5 + 8 + 8;
    assert_eq!(tally, RelayTally { bytes, datagrams: 2, over_budget: 0, refused: 0, answers: 4 });
}
