use hobnob_wire::contact::{ContactChange, ContactRequest, Pending, Subscription};
use hobnob_wire::presence::{Availability, Presence, PresenceChange, PresenceSet};
use hobnob_wire::session::{Answer, Push, Request};
use hobnob_wire::{Refusal, Text};
use proptest::prelude::*;

use super::{Person, World};
use crate::core::contact::Standing;
use crate::core::store::ContactStore;
use crate::core::{Effect, Limits, SessionId};

pub(super) fn ask(whom: &Person) -> Request {
    let text = Text::new("hello").unwrap();
    Request::Contact(ContactRequest::Ask { address: whom.address(), text })
}

pub(super) fn accept(whom: &Person, mutual: bool) -> Request {
    Request::Contact(ContactRequest::Accept { address: whom.address(), mutual })
}

fn reject(whom: &Person) -> Request {
    Request::Contact(ContactRequest::Reject { address: whom.address() })
}

fn remove(whom: &Person) -> Request {
    let text = Text::new("goodbye").unwrap();
    Request::Contact(ContactRequest::Remove { address: whom.address(), text })
}

fn show(availability: Availability, text: &str, hidden: bool) -> Request {
    let presence = Presence { availability, text: Text::new(text).unwrap() };
    Request::Presence(PresenceSet { presence, hidden })
}

fn change(version: u64, who: &Person, standing: (Subscription, Pending), text: &str) -> Push {
    let (subscription, pending) = standing;
    let text = Text::new(text).unwrap();
    Push::Contact(ContactChange { version, address: who.address(), subscription, pending, text })
}

fn presence(who: &Person, availability: Availability, text: &str) -> Push {
    let presence = Presence { availability, text: Text::new(text).unwrap() };
    Push::Presence(PresenceChange { address: who.address(), presence })
}

#[test]
fn a_request_that_was_made_while_the_other_was_away_waits_with_its_text() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let a = world.resume(&alice, 0);
    assert_eq!(world.pushes(a), [Push::RosterComplete { version: 0 }, Push::PrekeysLow { left: 0 }]);
    assert_eq!(world.ask(a, ask(&bob)), Ok(Answer::Done));
    assert_eq!(world.pushes(a), [change(1, &bob, (Subscription::None, Pending::Out), "")]);

    let b = world.resume(&bob, 0);
    let waits = change(1, &alice, (Subscription::None, Pending::In), "hello");
    let [complete, low] = [Push::RosterComplete { version: 1 }, Push::PrekeysLow { left: 0 }];
    assert_eq!(world.pushes(b), [waits, complete, low]);

    assert_eq!(world.ask(b, accept(&alice, true)), Ok(Answer::Done));
    let both = (Subscription::Both, Pending::None);
    let seen = [change(2, &bob, both, ""), presence(&bob, Availability::Online, "")];
    assert_eq!(world.pushes(a), seen);
    let seen = [change(2, &alice, both, "hello"), presence(&alice, Availability::Online, "")];
    assert_eq!(world.pushes(b), seen);
}

#[test]
fn a_contact_removed_while_away_is_gone_at_the_next_session_and_says_why() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    world.gone(b);
    let version = world.roster_version(&bob);
    world.effects.clear();
    assert_eq!(world.ask(a, remove(&bob)), Ok(Answer::Done));
    assert_eq!(world.pushes(a), [change(3, &bob, (Subscription::None, Pending::None), "")]);

    let b = world.resume(&bob, version);
    let gone = change(version + 1, &alice, (Subscription::None, Pending::None), "goodbye");
    let [complete, low] = [Push::RosterComplete { version: version + 1 }, Push::PrekeysLow { left: 0 }];
    assert_eq!(world.pushes(b), [gone, complete.clone(), low.clone()]);
    let b = world.resume(&bob, 0);
    assert_eq!(world.pushes(b), [complete, low], "a device that knows nothing needs no tombstones");
}

#[test]
fn a_name_that_nobody_has_is_asked_like_any_other() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let bob = world.person("bob", 20);
    let nobody = Person { name: "nobody".parse().unwrap(), ..world.person("carol", 30) };
    let a = world.resume(&alice, 0);
    world.effects.clear();
    for (version, whom) in [(1, &bob), (2, &nobody)] {
        assert_eq!(world.ask(a, ask(whom)), Ok(Answer::Done));
        assert_eq!(world.pushes(a), [change(version, whom, (Subscription::None, Pending::Out), "")]);
    }
    for (version, whom) in [(3, &bob), (4, &nobody)] {
        assert_eq!(world.ask(a, remove(whom)), Ok(Answer::Done));
        assert_eq!(world.pushes(a), [change(version, whom, (Subscription::None, Pending::None), "")]);
    }
}

#[test]
fn a_rejected_asker_is_not_told() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = (world.resume(&alice, 0), world.resume(&bob, 0));
    assert_eq!(world.ask(a, ask(&bob)), Ok(Answer::Done));
    world.effects.clear();
    assert_eq!(world.ask(b, reject(&alice)), Ok(Answer::Done));
    assert_eq!(world.pushes(a), []);
    assert_eq!(world.pushes(b), [change(2, &alice, (Subscription::None, Pending::None), "")]);
    assert_eq!(world.ask(b, reject(&alice)), Err(Refusal::Conflict));
}

#[test]
fn one_does_not_ask_oneself_or_another_rendezvous() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let a = world.resume(&alice, 0);
    assert_eq!(world.ask(a, ask(&alice)), Err(Refusal::NotAllowed));
    let (address, text) = ("bob@elsewhere.net".parse().unwrap(), Text::default());
    let request = Request::Contact(ContactRequest::Ask { address, text });
    assert_eq!(world.ask(a, request), Err(Refusal::RemoteServerNotFound));
}

#[test]
fn a_full_roster_refuses_its_owner_and_hides_from_askers_that_it_is_full() {
    let mut world = World::with(Limits { contacts_max: 1, ..Limits::default() });
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let carol = world.person("carol", 30);
    let (a, b) = (world.resume(&alice, 0), world.resume(&bob, 0));
    let c = world.resume(&carol, 0);
    assert_eq!(world.ask(a, ask(&bob)), Ok(Answer::Done));
    assert_eq!(world.ask(a, ask(&carol)), Err(Refusal::QuotaRequired));
    world.effects.clear();
    assert_eq!(world.ask(c, ask(&bob)), Ok(Answer::Done));
    assert_eq!(world.pushes(c), [change(1, &bob, (Subscription::None, Pending::Out), "")]);
    assert_eq!(world.pushes(b), []);
}

#[test]
fn contacts_see_who_comes_changes_hides_and_goes() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    assert_eq!(world.ask(b, show(Availability::Busy, "reading", false)), Ok(Answer::Done));
    assert_eq!(world.ask(b, show(Availability::Busy, "reading", true)), Ok(Answer::Done));
    assert_eq!(world.ask(b, show(Availability::Away, "unseen", true)), Ok(Answer::Done));
    let offline = || presence(&bob, Availability::Offline, "");
    assert_eq!(world.pushes(a), [presence(&bob, Availability::Busy, "reading"), offline()]);
    world.gone(b);
    assert_eq!(world.pushes(a), [], "who hides is not seen to go");

    let b = world.resume(&bob, 0);
    assert_eq!(world.ask(b, show(Availability::Away, "tea", false)), Ok(Answer::Done));
    world.gone(b);
    let b = world.resume(&bob, 0);
    let away = || presence(&bob, Availability::Away, "tea");
    assert_eq!(world.pushes(a), [away(), offline(), away()], "what was wished last is kept");
    assert!(world.pushes(b).contains(&presence(&alice, Availability::Online, "")));
}

#[test]
fn an_account_goes_offline_with_its_last_session() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let newer = world.resume(&bob, 0);
    world.gone(b);
    assert_eq!(world.pushes(a), [], "a newer session of the same device took over");
    world.gone(newer);
    assert_eq!(world.pushes(a), [presence(&bob, Availability::Offline, "")]);
}

#[test]
fn who_is_seen_but_does_not_see_is_shown_nothing() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = (world.resume(&alice, 0), world.resume(&bob, 0));
    assert_eq!(world.ask(a, ask(&bob)), Ok(Answer::Done));
    assert_eq!(world.ask(b, accept(&alice, false)), Ok(Answer::Done));
    world.effects.clear();
    assert_eq!(world.ask(a, show(Availability::Away, "", false)), Ok(Answer::Done));
    assert_eq!(world.ask(b, show(Availability::Busy, "", false)), Ok(Answer::Done));
    assert_eq!(world.pushes(a), [presence(&bob, Availability::Busy, "")]);
    assert_eq!(world.pushes(b), []);
}

/// What a device knows of one contact after these pushes.
fn known(pushes: &[Push], mut standing: Standing) -> Standing {
    for push in pushes {
        if let Push::Contact(ContactChange { subscription, pending, .. }) = push {
            standing = Standing { subscription: *subscription, pending: *pending };
        }
    }
    standing
}

fn stored(world: &mut World, owner: &Person, peer: &Person) -> Standing {
    let mut tx = world.store.begin().unwrap();
    tx.contact(owner.account, &peer.name).unwrap().unwrap_or_default().standing
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn devices_know_what_is_on_disk_whatever_the_two_do(
        acts in prop::collection::vec((any::<bool>(), 0..6_u8), 0..25),
    ) {
        let mut world = World::new();
        let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
        // Alice stays; bob comes and goes, and hears at the end what he missed.
        let a = world.resume(&alice, 0);
        let mut b: Option<SessionId> = None;
        let (mut alice_knows, mut bob_knows, mut bob_left_at) = (Standing::NONE, Standing::NONE, 0);
        for (is_bob, act) in acts {
            if act == 5 {
                match b.take() {
                    Some(session) => {
                        bob_knows = known(&world.pushes(session), bob_knows);
                        bob_left_at = world.roster_version(&bob);
                        world.gone(session);
                    }
                    None => b = Some(world.resume(&bob, bob_left_at)),
                }
                continue;
            }
            let (session, other) = if is_bob { (b, &alice) } else { (Some(a), &bob) };
            let Some(session) = session else { continue };
            let request = match act {
                0 => ask(other),
                1 => accept(other, true),
                2 => accept(other, false),
                3 => reject(other),
                _ => remove(other),
            };
            let _ = world.ask(session, request);
        }
        let b = b.unwrap_or_else(|| world.resume(&bob, bob_left_at));
        alice_knows = known(&world.pushes(a), alice_knows);
        bob_knows = known(&world.pushes(b), bob_knows);
        prop_assert_eq!(alice_knows, stored(&mut world, &alice, &bob));
        prop_assert_eq!(bob_knows, stored(&mut world, &bob, &alice));
        prop_assert_eq!(alice_knows.sees(), matches!(bob_knows.subscription, Subscription::From | Subscription::Both));
        prop_assert_eq!(bob_knows.sees(), matches!(alice_knows.subscription, Subscription::From | Subscription::Both));
        prop_assert!(alice_knows.pending != Pending::In || bob_knows.pending == Pending::Out);
        prop_assert!(bob_knows.pending != Pending::In || alice_knows.pending == Pending::Out);
        let closes = world.effects.iter().filter(|effect| matches!(effect, Effect::Close { .. })).count();
        prop_assert_eq!(closes, 0);
    }
}
