//! A rendezvous that lies.

use std::time::Duration;

use hobnob_wire::bounded::{List, Text};
use hobnob_wire::device::{Device, DeviceEntry, DeviceList, DeviceOperation, SignedEntry};
use hobnob_wire::keys::{Purpose, SigningKey};
use hobnob_wire::mailbox::Prekey;
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::session::Push;

use crate::core::command::{Command, ErrorKind, Reply};
use crate::core::event::Event;
use crate::core::keys::enrol::new_account;
use crate::core::testing::{Counted, World};

const SECOND: Duration = Duration::from_secs(1);

fn warnings(world: &World, node: usize) -> Vec<String> {
    let text = |event: &Event| {
        let Event::Warning { text, .. } = event else { return None };
        Some(text.clone())
    };
    world.nodes[node].events.iter().filter_map(text).collect()
}

/// The rendezvous tells `node` to look at another's devices, which it forged.
fn show(world: &mut World, node: usize, of: usize, list: DeviceList) {
    let address = world.nodes[of].address.clone();
    let mut head = list
        .verify()
        .map_or_else(|_| world.rendezvous.list(&address).verify().unwrap().head(), |it| it.head());
    head.hash[0] ^= 1;
    world.rendezvous.forged_lists.insert(address.clone(), list);
    world.push(node, Push::DevicesChanged { address, head });
    world.run(SECOND);
}

/// Bob's account as somebody else would make it.
fn other_root() -> DeviceList {
    let account = new_account("bob", &[1; 64], 0, &mut Counted::new(77)).unwrap();
    let entries = List::new(vec![account.device.entry]).unwrap();
    DeviceList { certificate: account.certificate, entries }
}

/// Alice has stopped talking to Bob, and says why.
fn assert_stopped(world: &mut World, expected: &str) {
    let told = warnings(world, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(expected), "{}", told[0]);
    let Reply::Contacts(contacts) = world.ask(0, Command::Contacts).unwrap() else { panic!() };
    assert_eq!(contacts[0].warning.as_ref(), Some(&told[0]));
    assert_eq!(world.links(0), 0);
    let to = world.nodes[1].address.clone();
    let error = world.ask(0, Command::Send { to, text: "secret".to_owned() }).unwrap_err();
    assert_eq!((error.kind, &error.text), (ErrorKind::Denied, &told[0]));
}

#[test]
fn a_changed_root_is_a_hard_stop_until_the_true_list_is_back() {
    let mut world = World::of_two(200);
    world.send(0, 1, "first");
    world.run(SECOND);
    show(&mut world, 0, 1, other_root());
    assert_stopped(&mut world, "another root key");

    // What Bob writes meanwhile is kept, not shown.
    world.send(1, 0, "can you hear me?");
    world.run(SECOND);
    assert_eq!(world.words(0, 1), ["first"]);

    world.rendezvous.forged_lists.clear();
    world.disconnect(0);
    world.connect(0);
    world.run(SECOND);
    assert_eq!(world.words(0, 1), ["first", "can you hear me?"]);
    world.send(0, 1, "again");
    world.run(SECOND);
    assert_eq!(world.words(1, 0), ["first", "can you hear me?", "again"]);
}

#[test]
fn a_list_that_was_rolled_back_is_a_hard_stop() {
    let mut world = World::of_two(201);
    let address = world.nodes[1].address.clone();
    let old = world.rendezvous.list(&address);
    world.add_device(1);
    world.run(SECOND);
    show(&mut world, 0, 1, old);
    assert_stopped(&mut world, "rolled back from entry 1 to 0");
}

#[test]
fn a_swapped_device_key_is_a_hard_stop() {
    let mut world = World::of_two(202);
    let address = world.nodes[1].address.clone();
    let mut list = world.rendezvous.list(&address);
    let (own, noise) = (SigningKey::from_seed(&[3; 32]), NoiseKeypair::from_secret([4; 32].into()));
    let device = Device {
        signing: own.verify_key(),
        noise: noise.public(),
        olm: noise.public(),
        name: Text::truncated("bob"),
    };
    let entry = DeviceEntry {
        seq: 0,
        previous: list.certificate.hash(),
        at_unix_s: 0,
        operation: DeviceOperation::Add(device),
    };
    // The rendezvous has no S and signs with a key of its own.
    let entry = SignedEntry::sign(&entry, &SigningKey::from_seed(&[5; 32]), Some(&own)).unwrap();
    list.entries = List::new(vec![entry]).unwrap();
    show(&mut world, 0, 1, list);
    assert_stopped(&mut world, "forged or damaged: a signature in the device list is not valid");
}

#[test]
fn a_swapped_prekey_is_a_hard_stop() {
    let mut world = World::of_two(203);
    let key = NoiseKeypair::from_secret([4; 32].into()).public();
    let signature = SigningKey::from_seed(&[5; 32]).sign(Purpose::Prekey, key.as_bytes());
    world.rendezvous.forged_prekey = Some(Prekey { key, signature });
    world.send(0, 1, "first");
    world.run(SECOND);
    assert_stopped(&mut world, "a key for bob@localhost that its device did not sign");
    assert!(world.rendezvous.deposits.is_empty());
}

#[test]
fn a_changed_root_is_noticed_although_the_contact_was_removed_meanwhile() {
    let mut world = World::of_two(204);
    let address = world.nodes[1].address.clone();
    world.ask(0, Command::ContactRemove { address, text: String::new() }).unwrap();
    world.run(SECOND);
    world.befriend(0, 1);
    show(&mut world, 0, 1, other_root());
    assert_stopped(&mut world, "another root key");
}

#[test]
fn an_own_list_that_was_forged_stops_the_session() {
    let mut world = World::of_two(205);
    world.disconnect(0);
    let own = world.nodes[0].address.clone();
    world.rendezvous.forged_lists.insert(own, other_root());
    world.connect(0);
    let Reply::Status(status) = world.ask(0, Command::Status).unwrap() else { panic!() };
    assert_eq!(status.session, crate::core::view::SessionState::Down);
    assert!(status.problem.unwrap().contains("another root key"));
    assert_eq!(warnings(&world, 0).len(), 1);
}

#[test]
fn a_rendezvous_that_hides_a_new_device_is_found_out_by_the_next_letter() {
    let mut world = World::of_two(206);
    // Over a link Bob would show his true list.
    world.reachable = false;
    world.send(0, 1, "first");
    world.run(SECOND);
    let address = world.nodes[1].address.clone();
    let old = world.rendezvous.list(&address);
    world.disconnect(0);
    world.cut_links(0);
    world.run(SECOND);
    world.add_device(1);
    world.run(SECOND);
    world.rendezvous.forged_lists.insert(address, old);
    world.connect(0);
    world.send(1, 0, "I have a new phone");
    world.run(SECOND);
    assert_stopped(&mut world, "rolled back from entry 1 to 0");
}

#[test]
fn letters_wait_without_asking_for_ever_while_no_list_can_be_trusted() {
    let mut world = World::new(207);
    world.register("alice");
    world.register("bob");
    world.connect(1);
    let address = world.nodes[1].address.clone();
    let mut broken = world.rendezvous.list(&address);
    broken.certificate.signature = other_root().certificate.signature;
    world.rendezvous.forged_lists.insert(address, broken);
    world.connect(0);
    let (alice, bob) = (world.nodes[0].address.clone(), world.nodes[1].address.clone());
    world.ask(0, Command::ContactAdd { address: bob.clone(), text: String::new() }).unwrap();
    world.run(SECOND);
    world.command(1, Command::ContactAccept { address: alice });
    // Written in the moment between the contact's acceptance and its list.
    while world.ask(0, Command::Send { to: bob.clone(), text: "patience".to_owned() }).is_err() {
        world.run(SECOND / 1_000);
    }
    world.run(30 * SECOND);
    assert_eq!(warnings(&world, 0).len(), 1);
    world.rendezvous.forged_lists.clear();
    world.disconnect(0);
    world.connect(0);
    world.run(SECOND);
    assert_eq!(world.words(1, 0), ["patience"]);
}
