use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::keys::{AgreementKey, Purpose};
use hobnob_wire::mailbox::{Delivery, LetterCopy, MailboxRequest, Prekey, Sealed};
use hobnob_wire::session::{Answer, ClientFrame, Push, Request};
use hobnob_wire::signal::{SignalDelivery, SignalRequest};
use hobnob_wire::{DeviceId, LetterId, List, Opaque, Refusal};

use super::{Person, World};
use crate::core::{Limits, SessionId};

fn letter(number: u16) -> LetterId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    LetterId::new(bytes)
}

fn deposit_to(devices: &[DeviceId], to: &Person, number: u16, bytes: usize) -> Request {
    let sealed = Sealed::new(vec![7; bytes]).unwrap();
    let copies = devices.iter().map(|device| LetterCopy { device: *device, sealed: sealed.clone() });
    let copies = List::new(copies.collect()).unwrap();
    let (to, letter) = (to.address(), letter(number));
    Request::Mailbox(MailboxRequest::Deposit { to, letter, copies })
}

fn deposit(to: &Person, number: u16, bytes: usize) -> Request {
    deposit_to(&[to.device()], to, number, bytes)
}

fn delivery(seq: u64, from: &Person, number: u16, bytes: usize) -> Push {
    let sealed = Sealed::new(vec![7; bytes]).unwrap();
    let (device, letter) = (from.device(), letter(number));
    Push::Letter(Delivery { seq, from: from.address(), device, letter, sealed })
}

/// Places of the letters that were pushed.
fn letters(world: &mut World, session: SessionId) -> Vec<u64> {
    let mut places = Vec::new();
    for push in world.pushes(session) {
        if let Push::Letter(delivery) = push {
            places.push(delivery.seq);
        }
    }
    places
}

#[test]
fn a_letter_is_pushed_at_once_and_again_until_it_is_acknowledged() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    assert_eq!(world.ask(a, deposit(&bob, 1, 100)), Ok(Answer::Done));
    assert_eq!(world.pushes(b), [delivery(1, &alice, 1, 100)]);
    world.gone(b);
    assert_eq!(world.ask(a, deposit(&bob, 2, 100)), Ok(Answer::Done));
    let b = world.resume(&bob, 0);
    assert_eq!(letters(&mut world, b), [1, 2]);
    world.say(b, ClientFrame::MailboxAck { up_to: 1 });
    world.gone(b);
    let b = world.resume(&bob, 0);
    assert_eq!(letters(&mut world, b), [2]);
    world.say(b, ClientFrame::MailboxAck { up_to: 2 });
    world.gone(b);
    assert_eq!(world.ask(a, deposit(&bob, 3, 100)), Ok(Answer::Done));
    let b = world.resume(&bob, 0);
    assert_eq!(letters(&mut world, b), [3], "places are never used twice");
}

#[test]
fn a_letter_deposited_twice_waits_once() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    assert_eq!(world.ask(a, deposit(&bob, 1, 100)), Ok(Answer::Done));
    assert_eq!(world.ask(a, deposit(&bob, 1, 100)), Ok(Answer::Done));
    assert_eq!(letters(&mut world, b), [1]);
    assert_eq!(world.rendezvous.tally().letters, 1);
    assert_eq!(world.rendezvous.tally().letter_bytes, 100);
}

#[test]
fn strangers_and_names_that_nobody_has_cannot_be_written_to_alike() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let a = world.resume(&alice, 0);
    assert_eq!(world.ask(a, deposit(&bob, 1, 1)), Err(Refusal::Forbidden));
    let nobody = Person { name: "nobody".parse().unwrap(), ..bob };
    assert_eq!(world.ask(a, deposit(&nobody, 1, 1)), Err(Refusal::Forbidden));
    assert_eq!(world.ask(a, deposit(&alice, 1, 1)), Ok(Answer::Done), "own devices can");
}

#[test]
fn a_deposit_with_one_wrong_device_changes_nothing() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let mixed = [bob.device(), alice.device()];
    assert_eq!(world.ask(a, deposit_to(&mixed, &bob, 1, 1)), Err(Refusal::UnknownDevice));
    let twice = [bob.device(), bob.device()];
    assert_eq!(world.ask(a, deposit_to(&twice, &bob, 1, 1)), Err(Refusal::NotAcceptable));
    assert_eq!(world.pushes(b), []);
}

#[test]
fn a_full_mailbox_refuses_by_number_and_by_bytes() {
    let limits = Limits { mailbox_letters_max: 2, mailbox_bytes_max: 100, ..Limits::default() };
    let mut world = World::with(limits);
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    assert_eq!(world.ask(a, deposit(&bob, 1, 101)), Err(Refusal::ResourceConstraint));
    assert_eq!(world.ask(a, deposit(&bob, 1, 50)), Ok(Answer::Done));
    assert_eq!(world.ask(a, deposit(&bob, 2, 51)), Err(Refusal::ResourceConstraint));
    assert_eq!(world.ask(a, deposit(&bob, 2, 50)), Ok(Answer::Done));
    assert_eq!(world.ask(a, deposit(&bob, 3, 0)), Err(Refusal::ResourceConstraint));
    assert_eq!(world.ask(a, deposit(&bob, 2, 50)), Ok(Answer::Done), "it waits already");
    world.say(b, ClientFrame::MailboxAck { up_to: 1 });
    assert_eq!(world.ask(a, deposit(&bob, 3, 50)), Ok(Answer::Done));
}

#[test]
fn many_letters_are_pushed_a_window_at_a_time_in_order() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    world.gone(b);
    for number in 0..300 {
        assert_eq!(world.ask(a, deposit(&bob, number, 10)), Ok(Answer::Done));
    }
    let b = world.resume(&bob, 0);
    assert_eq!(letters(&mut world, b), (1..=256).collect::<Vec<_>>());
    assert_eq!(world.ask(a, deposit(&bob, 300, 10)), Ok(Answer::Done));
    assert_eq!(letters(&mut world, b), [], "nothing overtakes what waits");
    world.say(b, ClientFrame::MailboxAck { up_to: 100 });
    assert_eq!(letters(&mut world, b), (257..=301).collect::<Vec<_>>());
    world.say(b, ClientFrame::MailboxAck { up_to: u64::MAX });
    assert_eq!(world.ask(a, deposit(&bob, 301, 10)), Ok(Answer::Done));
    assert_eq!(letters(&mut world, b), [302]);
}

#[test]
fn large_letters_are_bounded_by_bytes() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    world.gone(b);
    for number in 0..60 {
        assert_eq!(world.ask(a, deposit(&bob, number, 48 * 1024)), Ok(Answer::Done));
    }
    let b = world.resume(&bob, 0);
    let pushed = letters(&mut world, b);
    assert_eq!(pushed, (1..=43).collect::<Vec<_>>(), "2 MiB and what began within them");
    world.say(b, ClientFrame::MailboxAck { up_to: 43 });
    assert_eq!(letters(&mut world, b), (44..=60).collect::<Vec<_>>());
}

fn prekey(person: &Person, seed: u8) -> Prekey {
    let key = AgreementKey::new([seed; 32]);
    Prekey { signature: person.key.sign(Purpose::Prekey, key.as_bytes()), key }
}

#[test]
fn an_account_takes_prekeys_only_so_often() {
    let mut world = World::with(Limits { claims_per_account_max: 2, ..Limits::default() });
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let publish = MailboxRequest::PublishPrekeys { fallback: prekey(&bob, 9), one_time: List::default() };
    assert_eq!(world.ask(b, Request::Mailbox(publish)), Ok(Answer::Done));
    let (address, device) = (bob.address(), bob.device());
    let claim = Request::Mailbox(MailboxRequest::ClaimPrekey { address, device });
    let answer = Ok(Answer::Prekey(prekey(&bob, 9)));
    assert_eq!(world.ask(a, claim.clone()), answer);
    assert_eq!(world.ask(a, claim.clone()), answer);
    assert_eq!(world.ask(a, claim.clone()), Err(Refusal::TooManyRequests));
    assert_eq!(world.ask(b, claim.clone()), answer, "others are not held up");
    world.now.elapsed += Duration::from_secs(2);
    assert_eq!(world.ask(a, claim), answer);
}

#[test]
fn each_one_time_prekey_is_handed_out_once_and_then_the_fallback() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let claim = |of: &Person| {
        let (address, device) = (of.address(), of.device());
        Request::Mailbox(MailboxRequest::ClaimPrekey { address, device })
    };
    assert_eq!(world.ask(a, claim(&bob)), Err(Refusal::ItemNotFound));
    let one_time = List::new(vec![prekey(&bob, 1), prekey(&bob, 2)]).unwrap();
    let publish = MailboxRequest::PublishPrekeys { fallback: prekey(&bob, 9), one_time };
    assert_eq!(world.ask(b, Request::Mailbox(publish.clone())), Ok(Answer::Done));
    assert_eq!(world.ask(b, Request::Mailbox(publish)), Ok(Answer::Done), "once more is harmless");
    for (seed, left) in [(1, 1), (2, 0), (9, 0), (9, 0)] {
        assert_eq!(world.ask(a, claim(&bob)), Ok(Answer::Prekey(prekey(&bob, seed))));
        assert_eq!(world.pushes(b), [Push::PrekeysLow { left }]);
    }
    let carol = world.person("carol", 30);
    assert_eq!(world.ask(a, claim(&carol)), Err(Refusal::Forbidden));
}

#[test]
fn signals_reach_a_contacts_device_that_is_there_and_nobody_else() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let carol = world.person("carol", 30);
    let (a, b) = world.befriend(&alice, &bob);
    let sealed = Opaque::new(vec![1, 2, 3]).unwrap();
    let signal = |to: &Person| {
        let (to, device) = (to.address(), to.device());
        Request::Signal(SignalRequest { to, device, sealed: sealed.clone(), at: None })
    };
    assert_eq!(world.ask(a, signal(&bob)), Ok(Answer::Signalled { channel: None }));
    let (from, device) = (alice.address(), alice.device());
    let delivery = SignalDelivery { from, device, sealed: sealed.clone(), channel: None, at: None };
    assert_eq!(world.pushes(b), [Push::Signal(delivery)]);
    for (named, told) in [("192.0.2.1:4000", true), ("192.0.2.2:4000", false)] {
        let at = Some(named.parse::<SocketAddr>().unwrap().into());
        let (to, device) = (bob.address(), bob.device());
        let named = SignalRequest { to, device, sealed: sealed.clone(), at };
        world.ask(a, Request::Signal(named)).unwrap();
        let [Push::Signal(delivery)] = &world.pushes(b)[..] else { panic!("no signal") };
        assert_eq!(delivery.at, at.filter(|_| told), "Alice's session comes from 192.0.2.1");
    }
    world.gone(b);
    assert_eq!(world.ask(a, signal(&bob)), Err(Refusal::RecipientUnavailable));
    assert_eq!(world.ask(a, signal(&carol)), Err(Refusal::Forbidden));
}
