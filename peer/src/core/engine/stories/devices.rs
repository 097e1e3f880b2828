//! Devices that come and go, and identities that the user compares or accepts.

use std::time::Duration;

use hobnob_wire::DeviceId;
use hobnob_wire::account::Arrival;
use hobnob_wire::bounded::{List, Text};
use hobnob_wire::device::{DeviceList, DeviceOperation};
use hobnob_wire::safety::SafetyNumber;
use hobnob_wire::session::Push;

use crate::core::command::{Command, ErrorKind, Reply};
use crate::core::devices::DeviceCommand;
use crate::core::event::Event;
use crate::core::keys::enrol::new_account;
use crate::core::keys::verification::TrustCommand;
use crate::core::testing::{Counted, World};
use crate::core::view::{DeviceView, LetterState, NoticeView, Verification, VerificationView};

const SECOND: Duration = Duration::from_secs(1);
const ALICE: usize = 0;
const BOB: usize = 1;

fn notices(world: &World, node: usize) -> Vec<NoticeView> {
    let notice = |event: &Event| {
        let Event::OtherLocation(notice) = event else { return None };
        Some(notice.clone())
    };
    world.nodes[node].events.iter().filter_map(notice).collect()
}

fn devices(world: &mut World, node: usize) -> Vec<DeviceView> {
    let Reply::Devices(devices) = world.ask(node, Command::Devices(DeviceCommand::List)).unwrap() else {
        panic!()
    };
    devices
}

fn trust(world: &mut World, command: TrustCommand) -> Result<VerificationView, (ErrorKind, String)> {
    match world.ask(ALICE, Command::Trust(command)) {
        Ok(Reply::Verification(view)) => Ok(*view),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err((error.kind, error.text)),
    }
}

fn arrive(world: &mut World, node: usize, device: DeviceId, place: &str) {
    let arrival = Arrival { device, place: Text::new(place).unwrap(), at_unix_s: 1 };
    world.push(node, Push::Arrived(arrival));
    world.run(SECOND);
}

#[test]
fn a_device_that_joins_is_told_with_its_place_and_one_that_moves_again() {
    let mut world = World::of_two(400);
    let tablet = world.add_device(ALICE);
    let id = world.nodes[tablet].device;
    // The rendezvous tells both at once; the list is fetched meanwhile.
    arrive(&mut world, ALICE, id, "192.0.2.0/24");
    let joined = &notices(&world, ALICE)[..];
    let [notice] = joined else { panic!("{joined:?}") };
    assert_eq!((notice.device, notice.joined, notice.place.as_deref()), (id, true, Some("192.0.2.0/24")));
    assert_eq!(notice.name, "second");

    arrive(&mut world, ALICE, id, "192.0.2.0/24");
    assert_eq!(notices(&world, ALICE).len(), 1, "the same place is no news");
    arrive(&mut world, ALICE, id, "198.51.100.0/24");
    let moved = notices(&world, ALICE);
    assert_eq!(
        (moved.len(), moved[1].joined, moved[1].place.as_deref()),
        (2, false, Some("198.51.100.0/24"))
    );

    let Reply::Status(status) = world.ask(ALICE, Command::Status).unwrap() else { panic!() };
    assert_eq!(status.notices, moved);
    world.change_list(ALICE, DeviceOperation::Revoke(id));
    let Reply::Status(status) = world.ask(ALICE, Command::Status).unwrap() else { panic!() };
    assert_eq!(status.notices, [], "who was revoked needs no more attention");
}

#[test]
fn a_device_that_joined_while_this_one_was_away_is_told_at_the_return() {
    let mut world = World::of_two(401);
    world.disconnect(ALICE);
    let tablet = world.add_device(ALICE);
    world.connect(tablet);
    world.connect(ALICE);
    let told = notices(&world, ALICE);
    assert_eq!((told.len(), told[0].joined, told[0].place.as_deref()), (1, true, None));
    world.disconnect(ALICE);
    world.connect(ALICE);
    assert_eq!(notices(&world, ALICE).len(), 1, "once");
    assert_eq!(notices(&world, tablet), [], "what was there before is no news to a new device");
}

#[test]
fn a_device_list_says_which_is_this_one_and_what_each_is_called() {
    let mut world = World::of_two(402);
    let tablet = world.add_device(ALICE);
    world.run(SECOND);
    let (laptop, id) = (world.nodes[ALICE].device, world.nodes[tablet].device);
    let shown: Vec<_> =
        devices(&mut world, ALICE).into_iter().map(|device| (device.id, device.name, device.this)).collect();
    assert_eq!(shown, [(laptop, "alice".to_owned(), true), (id, "second".to_owned(), false)]);
    let rename = DeviceOperation::Rename { device: id, name: Text::new("tablet").unwrap() };
    world.change_list(ALICE, rename);
    assert_eq!(devices(&mut world, ALICE)[1].name, "tablet");
    assert_eq!(notices(&world, ALICE).len(), 1, "a new name is no news");
}

#[test]
fn a_revoked_device_loses_its_links_and_gets_nothing_that_is_written_afterwards() {
    let mut world = World::of_two(403);
    let tablet = world.add_device(ALICE);
    world.connect(tablet);
    world.send(BOB, ALICE, "to both");
    world.send(BOB, ALICE, "over links");
    world.run(2 * SECOND);
    assert_eq!(world.words(tablet, BOB), ["to both", "over links"]);
    assert_eq!(world.links(tablet), 1);

    let id = world.nodes[tablet].device;
    world.change_list(ALICE, DeviceOperation::Revoke(id));
    assert_eq!(world.links(tablet), 0, "bob has closed it");
    let before = world.rendezvous.deposits.len();
    world.send(BOB, ALICE, "secret");
    world.run(SECOND);
    world.send(ALICE, BOB, "carbon");
    world.run(2 * SECOND);
    assert_eq!(world.words(ALICE, BOB), ["to both", "over links", "secret", "carbon"]);
    assert_eq!(world.words(tablet, BOB), ["to both", "over links"]);
    let copies = world.rendezvous.deposits[before..].iter().flat_map(|(_, copies)| copies);
    assert!(copies.clone().all(|(device, _)| *device != id), "nothing is sealed to it");
    let states: Vec<_> = world.history(ALICE, BOB).into_iter().map(|letter| letter.error).collect();
    assert_eq!(states, [None, None, None, None]);
}

#[test]
fn a_revoked_device_that_dials_a_contact_is_refused() {
    let mut world = World::of_two(404);
    let tablet = world.add_device(ALICE);
    world.connect(tablet);
    let id = world.nodes[tablet].device;
    world.run(SECOND);
    world.change_list(ALICE, DeviceOperation::Revoke(id));
    let before = world.nodes[BOB].engine.as_ref().map(|_| world.connected_pairs());
    world.greet(tablet, BOB, crate::core::input::LinkId(9_999));
    world.run(SECOND);
    assert_eq!(Some(world.connected_pairs()), before);
    assert_eq!(world.links(tablet), 0);
}

#[test]
fn a_letter_that_waits_for_a_revoked_device_only_goes_to_the_one_that_replaced_it() {
    let mut world = World::of_two(405);
    world.reachable = false;
    world.disconnect(ALICE);
    let waiting = world.send(BOB, ALICE, "for whichever device you have");
    world.run(SECOND);
    let phone = world.add_device(ALICE);
    world.connect(phone);
    let lost = world.nodes[ALICE].device;
    world.change_list(phone, DeviceOperation::Revoke(lost));
    world.run(2 * SECOND);
    assert_eq!(world.words(phone, BOB), ["for whichever device you have"]);
    let letter = world.history(BOB, ALICE).into_iter().find(|letter| letter.id == waiting).unwrap();
    assert_eq!((letter.state, letter.error), (LetterState::Delivered, None));
}

#[test]
fn who_hears_of_a_new_device_by_the_head_of_a_letter_only_fetches_the_list() {
    let mut world = World::of_two(406);
    world.reachable = false;
    world.send(ALICE, BOB, "first");
    world.run(SECOND);
    // The rendezvous says nothing of the new list to Alice, who has her session all the time.
    world.untold = Some(ALICE);
    world.add_device(BOB);
    let list = world.rendezvous.list(&world.nodes[BOB].address.clone());
    world.run(SECOND);
    world.send(BOB, ALICE, "I have a new tablet");
    world.run(SECOND);
    world.send(ALICE, BOB, "to both of them");
    world.run(SECOND);
    let letter = world.history(ALICE, BOB).pop().unwrap();
    let known: Vec<_> = letter.devices.iter().map(|device| device.device).collect();
    let expected: Vec<_> = list.verify().unwrap().devices().iter().map(|(id, _)| *id).collect();
    assert_eq!(known, expected);
}

#[test]
fn a_rendezvous_that_hides_a_revocation_is_found_out_by_the_head_of_a_letter() {
    let mut world = World::of_two(407);
    world.reachable = false;
    let tablet = world.add_device(BOB);
    world.run(SECOND);
    world.send(ALICE, BOB, "first");
    world.run(SECOND);
    let address = world.nodes[BOB].address.clone();
    let before = world.rendezvous.list(&address);
    let id = world.nodes[tablet].device;
    world.untold = Some(ALICE);
    world.change_list(BOB, DeviceOperation::Revoke(id));
    world.rendezvous.forged_lists.insert(address.clone(), before);
    world.send(BOB, ALICE, "my tablet was stolen");
    world.run(SECOND);
    let Reply::Contacts(contacts) = world.ask(ALICE, Command::Contacts).unwrap() else { panic!() };
    let warning = contacts[0].warning.clone().unwrap_or_default();
    assert!(warning.contains("rolled back from entry 2 to 1"), "{warning}");
    let error = world.ask(ALICE, Command::Send { to: address, text: "secret".to_owned() }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
}

#[test]
fn both_sides_compare_the_same_number_and_it_is_verified_until_it_is_taken_back() {
    let mut world = World::of_two(408);
    let bob = world.nodes[BOB].address.clone();
    let alice = world.nodes[ALICE].address.clone();
    let seen = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    assert_eq!(seen.verification, Verification::Unverified);
    let Ok(Reply::Verification(theirs)) =
        world.ask(BOB, Command::Trust(TrustCommand::Show { address: alice }))
    else {
        panic!()
    };
    assert_eq!(seen.number, theirs.number);

    let wrong: SafetyNumber = "1".repeat(60).parse().unwrap();
    let (kind, text) =
        trust(&mut world, TrustCommand::Compare { address: bob.clone(), number: wrong }).unwrap_err();
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(text.starts_with("The numbers differ."), "{text}");

    let number: SafetyNumber = theirs.link.parse().unwrap();
    let view = trust(&mut world, TrustCommand::Compare { address: bob.clone(), number }).unwrap();
    assert_eq!(view.verification, Verification::Verified);
    world.kill(ALICE);
    world.start(ALICE);
    let Reply::Contacts(contacts) = world.ask(ALICE, Command::Contacts).unwrap() else { panic!() };
    assert_eq!(contacts[0].verification, Verification::Verified, "after a restart");
    // Another device of Bob's changes nothing.
    world.connect(ALICE);
    world.add_device(BOB);
    world.run(SECOND);
    let view = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    assert_eq!((view.verification, view.number), (Verification::Verified, seen.number));
    let view = trust(&mut world, TrustCommand::Undo { address: bob }).unwrap();
    assert_eq!(view.verification, Verification::Unverified);
}

/// Bob's account, set up anew: it replaces the one there was.
fn set_up_anew(world: &mut World) -> usize {
    let address = world.nodes[BOB].address.clone();
    world.kill(BOB);
    world.replace_account(&address)
}

#[test]
fn an_identity_that_was_set_up_anew_is_accepted_by_its_number_and_nothing_goes_to_it_before() {
    let mut world = World::of_two(409);
    let bob = world.nodes[BOB].address.clone();
    world.send(ALICE, BOB, "first");
    world.run(SECOND);
    let old = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    let number = old.number.parse().unwrap();
    trust(&mut world, TrustCommand::Compare { address: bob.clone(), number }).unwrap();
    world.disconnect(BOB);
    world.cut_links(BOB);
    world.rendezvous.refuse_deposits = Some(hobnob_wire::Refusal::ServiceUnavailable);
    let to_the_former = world.send(ALICE, BOB, "to the bob I know");
    world.run(SECOND);

    let anew = set_up_anew(&mut world);
    world.rendezvous.refuse_deposits = None;
    world.connect(anew);
    world.run(10 * SECOND);
    let seen = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    assert_eq!((seen.verification, &seen.number), (Verification::Changed, &old.number));
    let new = seen.new_number.clone().unwrap();
    assert!(seen.warning.as_ref().unwrap().contains("contact trust"), "{seen:?}");
    let send = |text: &str| Command::Send { to: bob.clone(), text: text.to_owned() };
    assert_eq!(world.ask(ALICE, send("secret")).unwrap_err().kind, ErrorKind::Denied);
    let accept =
        |number: &str| TrustCommand::Accept { address: bob.clone(), number: number.parse().unwrap() };
    assert_eq!(trust(&mut world, accept(&old.number)).unwrap_err().0, ErrorKind::Conflict);

    let accepted = trust(&mut world, accept(&new)).unwrap();
    assert_eq!((accepted.verification, &accepted.number), (Verification::Changed, &new));
    assert_eq!((accepted.new_number, accepted.warning), (None, None));
    world.run(SECOND);
    let failed = world.history(ALICE, BOB).into_iter().find(|letter| letter.id == to_the_former).unwrap();
    assert_eq!(failed.state, LetterState::Failed);
    assert!(failed.error.unwrap().contains("the identity that bob@localhost had before"));
    world.ask(ALICE, send("to the new bob")).unwrap();
    world.run(2 * SECOND);
    assert_eq!(world.words(anew, ALICE), ["to the new bob"]);

    let number: SafetyNumber = new.parse().unwrap();
    let view = trust(&mut world, TrustCommand::Compare { address: bob, number }).unwrap();
    assert_eq!(view.verification, Verification::Verified, "compared anew");
}

#[test]
fn a_fork_or_a_rollback_cannot_be_accepted() {
    let mut world = World::of_two(410);
    let bob = world.nodes[BOB].address.clone();
    let old = world.rendezvous.list(&bob);
    world.add_device(BOB);
    world.run(SECOND);
    let mut head = old.verify().unwrap().head();
    head.hash[0] ^= 1;
    world.rendezvous.forged_lists.insert(bob.clone(), old);
    world.push(ALICE, Push::DevicesChanged { address: bob.clone(), head });
    world.run(SECOND);
    let seen = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    assert_eq!(seen.new_number, None);
    let number = seen.number.parse().unwrap();
    let (kind, text) = trust(&mut world, TrustCommand::Accept { address: bob, number }).unwrap_err();
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(text.contains("rolled back from entry 1 to 0") && text.contains("cannot be accepted"), "{text}");
}

#[test]
fn nothing_is_accepted_where_nothing_has_changed() {
    let mut world = World::of_two(411);
    let bob = world.nodes[BOB].address.clone();
    let seen = trust(&mut world, TrustCommand::Show { address: bob.clone() }).unwrap();
    let number = seen.number.parse().unwrap();
    let (kind, text) = trust(&mut world, TrustCommand::Accept { address: bob, number }).unwrap_err();
    assert_eq!(kind, ErrorKind::Conflict);
    assert_eq!(text, "There is nothing to decide: the identity of bob@localhost has not changed.");
}

#[test]
fn a_device_that_the_rendezvous_invents_is_never_believed() {
    let mut world = World::of_two(412);
    let bob = world.nodes[BOB].address.clone();
    let account = new_account("bob", &[1; 64], 0, &mut Counted::new(78)).unwrap();
    // An entry that is valid in another account's chain, slipped into Bob's.
    let mut entries = world.rendezvous.list(&bob).entries.into_vec();
    entries.push(account.device.entry);
    let forged = DeviceList { entries: List::new(entries).unwrap(), ..world.rendezvous.list(&bob) };
    let mut head = world.rendezvous.list(&bob).verify().unwrap().head();
    head.seq += 1;
    world.rendezvous.forged_lists.insert(bob.clone(), forged);
    world.push(ALICE, Push::DevicesChanged { address: bob.clone(), head });
    world.run(SECOND);
    let error = world.ask(ALICE, Command::Send { to: bob, text: "secret".to_owned() }).unwrap_err();
    assert!(error.text.contains("forged or damaged"), "{}", error.text);
    assert_eq!(world.links(ALICE), 0);
}
