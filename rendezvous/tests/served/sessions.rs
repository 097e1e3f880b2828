//! The library served on loopback, seen by peers.

use hobnob_rendezvous::{Config, Server, Tally};
use hobnob_wire::account::AccountRequest;
use hobnob_wire::close::SessionClose;
use hobnob_wire::contact::{ContactChange, ContactRequest, ContactText, Pending, Subscription};
use hobnob_wire::device::ListHead;
use hobnob_wire::limits::HELLO_FRAME_BYTES_MAX;
use hobnob_wire::mailbox::Delivery;
use hobnob_wire::presence::Availability;
use hobnob_wire::session::{Answer, ClientFrame, Push, Request, ServerFrame};
use hobnob_wire::signal::{SignalDelivery, SignalRequest};
use hobnob_wire::{Address, Opaque, Refusal, RequestId};

use super::support::{Keys, Peer, Session, deposit, within};

/// Settings for a rendezvous on a free port of this machine.
fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config
}

async fn start(home: &tempfile::TempDir) -> Server {
    Server::start(config(), home.path()).await.unwrap()
}

fn letter(push: Push) -> Option<Delivery> {
    if let Push::Letter(delivery) = push { Some(delivery) } else { None }
}

fn availability(push: Push) -> Option<Availability> {
    if let Push::Presence(change) = push { Some(change.presence.availability) } else { None }
}

fn devices_changed(push: Push) -> Option<(Address, ListHead)> {
    if let Push::DevicesChanged { address, head } = push { Some((address, head)) } else { None }
}

fn signal(push: Push) -> Option<SignalDelivery> {
    if let Push::Signal(delivery) = push { Some(delivery) } else { None }
}

fn befriended(push: Push) -> Option<ContactChange> {
    if let Push::Contact(change) = push { Some(change) } else { None }
        .filter(|change| change.subscription == Subscription::Both)
}

/// Two people with a session each, who are contacts.
async fn two_friends(server: &Server) -> ((Peer, Session), (Peer, Session)) {
    let (mut a, mut b) = (Session::open(server.invite()).await, Session::open(server.invite()).await);
    let alice = a.register("alice", b"correct horse", &Keys::new(10), 10).await.unwrap();
    let bob = b.register("bob", b"battery staple", &Keys::new(20), 20).await.unwrap();
    for session in [&mut a, &mut b] {
        session.say(&ClientFrame::Resume { roster: 0 }).await;
    }
    a.befriend(&mut b, &alice, &bob).await;
    ((alice, a), (bob, b))
}

#[tokio::test]
async fn a_password_brings_a_second_device_and_a_wrong_one_does_not() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let keys = Keys::new(10);
    let mut first = Session::open(server.invite()).await;
    let alice = first.register("alice", b"correct horse", &keys, 10).await.unwrap();
    assert_eq!(alice.address.as_str(), "alice@localhost");

    let mut second = Session::open(server.invite()).await;
    assert_eq!(second.log_in("alice", b"wrong").await, Ok(None));
    assert_eq!(second.log_in("nobody", b"wrong").await, Ok(None));
    let (wrapped, list) = second.log_in("alice", b"correct horse").await.unwrap().unwrap();
    assert_eq!(wrapped.as_slice(), [5; 60]);
    assert_eq!(list, alice.list);
    let laptop = second.join(&keys, &list, 12).await.unwrap();
    assert_eq!(laptop.list.verify().unwrap().devices().len(), 2);
    let changed = first.push_of(devices_changed);
    assert_eq!(changed.await, (alice.address.clone(), laptop.list.verify().unwrap().head()));

    let mut third = Session::open(server.invite()).await;
    let taken = third.register("alice", b"mine now", &Keys::new(30), 30).await;
    assert_eq!(taken.err(), Some(Refusal::NameTaken));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_device_proves_itself_only_over_its_own_session() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let mut session = Session::open(server.invite()).await;
    let alice = session.register("alice", b"correct horse", &Keys::new(10), 10).await.unwrap();

    let mut newer = Session::open(server.invite()).await;
    newer.authenticate(&alice).await.unwrap();
    assert_eq!(session.closed().await, Some(SessionClose::Replaced));

    let mut thief = Session::open(server.invite()).await;
    let forged = Peer { key: hobnob_wire::keys::SigningKey::from_seed(&[99; 32]), ..alice };
    assert_eq!(
        thief.authenticate(&forged).await,
        Err(Refusal::UnknownDevice),
        "its key names another device"
    );
}

#[tokio::test]
async fn everything_that_waits_survives_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let ((alice, mut a), (bob, b)) = two_friends(&server).await;
    drop(b);
    assert_eq!(a.deposit(&bob, 1, b"sealed one").await, Ok(Answer::Done));
    assert_eq!(a.deposit(&bob, 1, b"sealed one").await, Ok(Answer::Done));
    assert_eq!(a.deposit(&bob, 2, b"sealed two").await, Ok(Answer::Done));
    let pin = server.invite().pin;
    let tally = server.stop().await.unwrap();
    assert_eq!(tally, Tally { sessions: 2, letters: 2, letter_bytes: 20, ..Tally::default() });
    assert_eq!(a.closed().await, Some(SessionClose::GoingAway));

    let server = start(&home).await;
    assert_eq!(server.invite().pin, pin);
    let mut b = Session::resume(server.invite(), &bob).await;
    for (seq, sealed) in [(1, b"sealed one"), (2, b"sealed two")] {
        let delivery = b.push_of(letter).await;
        assert_eq!((delivery.seq, delivery.sealed.as_slice()), (seq, &sealed[..]));
        assert_eq!((&delivery.from, delivery.device), (&alice.address, alice.device()));
    }
    b.say(&ClientFrame::MailboxAck { up_to: 1 }).await;
    let mut login = Session::open(server.invite()).await;
    assert!(login.log_in("alice", b"correct horse").await.unwrap().is_some());
    // Whatever is answered after it proves that the acknowledgement is on disk.
    let devices = AccountRequest::Devices { address: alice.address.clone() };
    assert!(b.account(devices).await.is_ok());
    server.stop().await.unwrap();

    let server = start(&home).await;
    let mut b = Session::resume(server.invite(), &bob).await;
    assert_eq!(b.push_of(letter).await.seq, 2);
}

#[tokio::test]
async fn a_removed_contact_learns_of_it_when_it_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let ((alice, mut a), (bob, mut b)) = two_friends(&server).await;
    let version = b.push_of(befriended).await.version;
    drop(b);
    let text = ContactText::new("goodbye").unwrap();
    let remove = ContactRequest::Remove { address: bob.address.clone(), text };
    assert_eq!(a.ask(Request::Contact(remove)).await, Ok(Answer::Done));

    let mut b = Session::open(server.invite()).await;
    b.authenticate(&bob).await.unwrap();
    b.say(&ClientFrame::Resume { roster: version }).await;
    let Push::Contact(change) = b.push().await else { panic!("what changed comes first") };
    assert_eq!((change.address, change.text.as_str()), (alice.address.clone(), "goodbye"));
    assert_eq!((change.subscription, change.pending), (Subscription::None, Pending::None));
    assert_eq!(b.push().await, Push::RosterComplete { version: change.version });
    assert_eq!(a.deposit(&bob, 1, b"still there?").await, Err(Refusal::Forbidden));
}

#[tokio::test]
async fn contacts_see_each_other_come_and_go_and_pass_signals() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let ((alice, mut a), (bob, b)) = two_friends(&server).await;
    assert_eq!(a.push_of(availability).await, Availability::Online);
    drop(b);
    assert_eq!(a.push_of(availability).await, Availability::Offline);
    let sealed = Opaque::new(vec![1, 2, 3]).unwrap();
    let request =
        SignalRequest { to: bob.address.clone(), device: bob.device(), sealed: sealed.clone(), at: None };
    assert_eq!(a.ask(Request::Signal(request.clone())).await, Err(Refusal::RecipientUnavailable));
    let mut b = Session::resume(server.invite(), &bob).await;
    assert_eq!(a.push_of(availability).await, Availability::Online);
    let answer = a.ask(Request::Signal(request)).await;
    let delivered = b.push_of(signal).await;
    assert_eq!(answer, Ok(Answer::Signalled { channel: delivered.channel }));
    assert!(delivered.channel.is_some());
    assert_eq!(
        (delivered.from, delivered.device, delivered.sealed),
        (alice.address.clone(), alice.device(), sealed)
    );
    assert_eq!(b.deposit(&alice, 1, b"sealed").await, Ok(Answer::Done));
    assert_eq!(a.push_of(letter).await.sealed.as_slice(), b"sealed");
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_or_too_much_is_closed_before_it_has_proved_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut config = config();
    config.session.authenticate_within_ms = 1_500;
    let server = Server::start(config, home.path()).await.unwrap();

    let silent = Session::open(server.invite()).await;
    let mut half = Session::open(server.invite()).await;
    half.say_bytes(&[0, 0]).await;
    let mut nonsense = Session::open(server.invite()).await;
    nonsense.say_bytes(&[0, 0, 0, 2, 0xff, 0xff]).await;
    let mut large = Session::open(server.invite()).await;
    let len = u32::try_from(HELLO_FRAME_BYTES_MAX + 1).unwrap();
    large.say_bytes(&len.to_be_bytes()).await;
    assert_eq!(nonsense.closed().await, Some(SessionClose::BadFrame));
    assert_eq!(large.closed().await, Some(SessionClose::BadFrame));
    assert_eq!(silent.closed().await, Some(SessionClose::AuthenticationTimeout));
    assert_eq!(half.closed().await, Some(SessionClose::AuthenticationTimeout));
}

#[tokio::test]
async fn a_proved_session_may_stay_silent_and_send_large_frames() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let ((alice, _), (bob, _)) = two_friends(&server).await;
    server.stop().await.unwrap();
    let mut config = config();
    config.session.authenticate_within_ms = 1_500;
    let server = Server::start(config, home.path()).await.unwrap();
    let mut a = Session::resume(server.invite(), &alice).await;
    let mut b = Session::resume(server.invite(), &bob).await;
    let silent = Session::open(server.invite()).await;
    assert_eq!(silent.closed().await, Some(SessionClose::AuthenticationTimeout));
    let sealed = vec![7; 48 * 1024];
    assert_eq!(a.deposit(&bob, 1, &sealed).await, Ok(Answer::Done));
    assert_eq!(b.push_of(letter).await.sealed.as_slice(), sealed);
}

#[tokio::test]
async fn too_many_failures_close_the_session_after_the_last_refusal() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let mut session = Session::open(server.invite()).await;
    let alice = session.register("alice", b"correct horse", &Keys::new(10), 10).await.unwrap();
    let mut thief = Session::open(server.invite()).await;
    let stranger = Peer { key: hobnob_wire::keys::SigningKey::from_seed(&[99; 32]), ..alice };
    for _ in 0..5 {
        assert_eq!(thief.authenticate(&stranger).await, Err(Refusal::UnknownDevice));
    }
    assert_eq!(thief.closed().await, Some(SessionClose::TooManyFailures));
}

#[tokio::test]
async fn who_does_not_read_is_closed_as_too_slow_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut config = config();
    config.session.queue_bytes_max = 100_000;
    let server = Server::start(config, home.path()).await.unwrap();
    let ((_alice, mut a), (bob, b)) = two_friends(&server).await;
    for number in 0..20 {
        assert_eq!(a.deposit(&bob, number, &[7; 40_000]).await, Ok(Answer::Done));
    }
    assert_eq!(b.closed().await, Some(SessionClose::TooSlow));
    server.stop().await.unwrap();
    let server = start(&home).await;
    let mut b = Session::resume(server.invite(), &bob).await;
    for seq in 1..=20 {
        assert_eq!(b.push_of(letter).await.seq, seq);
        b.say(&ClientFrame::MailboxAck { up_to: seq }).await;
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged_and_ends_the_rendezvous() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let ((alice, _), (bob, _)) = two_friends(&server).await;
    server.stop().await.unwrap();
    let database = rusqlite::Connection::open(home.path().join("rendezvous.db")).unwrap();
    let broken =
        "CREATE TRIGGER broken BEFORE INSERT ON letter BEGIN SELECT RAISE(FAIL, 'the disk is gone'); END";
    database.execute_batch(broken).unwrap();
    drop(database);

    let mut server = start(&home).await;
    let mut a = Session::resume(server.invite(), &alice).await;
    a.say(&ClientFrame::Request { id: RequestId(9), request: deposit(&bob, 1, b"sealed") }).await;
    assert_eq!(within(server.failed()).await.to_string(), "the store failed: the disk is gone");
    assert_eq!(a.closed().await, Some(SessionClose::InternalError));
    while let Some(frame) = a.hear_what_is_left().await {
        assert!(matches!(frame, ServerFrame::Push(_)), "{frame:?}");
    }
}

#[tokio::test]
async fn a_second_rendezvous_cannot_use_the_same_home() {
    let home = tempfile::tempdir().unwrap();
    let server = start(&home).await;
    let error = Server::start(config(), home.path()).await.unwrap_err().to_string();
    assert!(error.starts_with("another rendezvous (process "), "{error}");
    server.stop().await.unwrap();
    start(&home).await.stop().await.unwrap();
}

#[tokio::test]
async fn the_domain_is_settled_at_the_first_start() {
    let home = tempfile::tempdir().unwrap();
    let mut named = config();
    named.server.domain = Some("chat.example.org".parse().unwrap());
    Server::start(named.clone(), home.path()).await.unwrap().stop().await.unwrap();
    let server = start(&home).await;
    assert_eq!(server.domain().as_str(), "chat.example.org");
    server.stop().await.unwrap();
    named.server.domain = Some("other.example.org".parse().unwrap());
    let error = Server::start(named, home.path()).await.unwrap_err().to_string();
    let expected =
        "the accounts here are at chat.example.org, not at other.example.org; a domain cannot be changed";
    assert_eq!(error, expected);
}
