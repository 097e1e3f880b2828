use std::time::Duration;

use hobnob_nat::core::relay::{Order, Payer};
use hobnob_wire::datagram::Channel;
use hobnob_wire::presence::{Availability, Presence, PresenceSet};
use hobnob_wire::session::{Answer, Push, Request};
use hobnob_wire::signal::{RelayGrant, SignalDelivery, SignalRequest};
use hobnob_wire::{Opaque, Refusal, Text};

use super::{Person, World};
use crate::core::{Effect, SessionId};

fn signal(to: &Person) -> Request {
    let (to, device) = (to.address(), to.device());
    Request::Signal(SignalRequest { to, device, sealed: Opaque::new(vec![1, 2, 3]).unwrap(), at: None })
}

fn delivery(from: &Person, channel: Option<Channel>) -> Push {
    let sealed = Opaque::new(vec![1, 2, 3]).unwrap();
    Push::Signal(SignalDelivery { from: from.address(), device: from.device(), sealed, channel, at: None })
}

fn hide(hidden: bool) -> Request {
    let presence = Presence { availability: Availability::Online, text: Text::new("").unwrap() };
    Request::Presence(PresenceSet { presence, hidden })
}

fn orders(world: &mut World) -> Vec<Order> {
    let mut orders = Vec::new();
    world.effects.retain(|effect| {
        let Effect::Relay(order) = effect else { return true };
        orders.push(order.clone());
        false
    });
    orders
}

fn grant(world: &mut World, session: SessionId) -> RelayGrant {
    let granted = |push| if let Push::Relay(grant) = push { Some(grant) } else { None };
    world.pushes(session).into_iter().rev().find_map(granted).expect("a session has a place")
}

fn channel(answer: Result<Answer, Refusal>) -> Channel {
    match answer {
        Ok(Answer::Signalled { channel: Some(channel) }) => channel,
        Ok(other) => panic!("{other:?} names no channel"),
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn a_session_has_a_place_at_the_relay_from_its_proof_to_its_end() {
    let mut world = World::relaying();
    let alice = world.person("alice", 10);
    let a = world.authenticate(&alice);
    let RelayGrant { allocation, key, .. } = grant(&mut world, a);
    let payer = Payer(alice.account.0.cast_unsigned());
    assert_eq!(orders(&mut world), [Order::Allocate { allocation, key: key.clone(), payer }]);

    let again = world.authenticate(&alice);
    let other = grant(&mut world, again);
    assert!(other.allocation != allocation && other.key != key, "nothing of a place serves another session");
    let moved = orders(&mut world);
    let new = Order::Allocate { allocation: other.allocation, key: other.key, payer };
    assert_eq!(moved, [new, Order::Release { allocation }]);
    world.gone(a);
    assert_eq!(orders(&mut world), [], "it is gone already");
    world.gone(again);
    assert_eq!(orders(&mut world), [Order::Release { allocation: other.allocation }]);
}

#[test]
fn two_sessions_that_are_introduced_are_told_of_one_channel_which_is_there_before_they_hear_of_it() {
    let mut world = World::relaying();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let offered = channel(world.ask(a, signal(&bob)));
    assert!(matches!(world.effects[0], Effect::Relay(Order::Open { .. })), "{:?}", world.effects);
    assert_eq!(world.pushes(b), [delivery(&alice, Some(offered))]);
    assert_eq!(channel(world.ask(b, signal(&alice))), offered, "the same both ways");
    assert_eq!(world.pushes(a), [delivery(&bob, Some(offered))]);
    let opened = orders(&mut world);
    let [Order::Open { between: first, .. }, Order::Open { between: second, .. }] = &opened[..] else {
        panic!("{opened:?}")
    };
    assert_eq!(*first, [second[1], second[0]]);

    world.gone(b);
    let b = world.resume(&bob, 0);
    assert_ne!(channel(world.ask(b, signal(&alice))), offered, "another session, another channel");
}

#[test]
fn a_refused_signal_opens_no_channel() {
    let mut world = World::relaying();
    let (alice, bob, carol) = (world.person("alice", 10), world.person("bob", 20), world.person("carol", 30));
    let (a, b) = world.befriend(&alice, &bob);
    world.resume(&carol, 0);
    world.gone(b);
    world.effects.clear();
    assert_eq!(world.ask(a, signal(&bob)), Err(Refusal::RecipientUnavailable));
    assert_eq!(world.ask(a, signal(&carol)), Err(Refusal::Forbidden));
    assert_eq!(orders(&mut world), []);
}

#[test]
fn who_hides_looks_away_to_those_who_signal_but_hears_the_answer_to_an_own_signal() {
    let mut world = World::relaying();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    assert_eq!(world.ask(b, hide(true)), Ok(Answer::Done));
    world.effects.clear();
    assert_eq!(world.ask(a, signal(&bob)), Err(Refusal::RecipientUnavailable));
    assert_eq!(world.effects, [], "nothing tells it from one who is away");

    let opened = channel(world.ask(b, signal(&alice)));
    world.now.elapsed += Duration::from_secs(10);
    assert_eq!(channel(world.ask(a, signal(&bob))), opened);
    world.now.elapsed += Duration::from_millis(1);
    assert_eq!(world.ask(a, signal(&bob)), Err(Refusal::RecipientUnavailable));

    assert_eq!(world.ask(b, hide(false)), Ok(Answer::Done));
    assert_eq!(channel(world.ask(a, signal(&bob))), opened);
}
