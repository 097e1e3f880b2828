//! A rendezvous that lies about whose devices are whose.
//!
//! It is the real one. What it tells stands in its database, so between two starts the list of Alice's devices is
//! changed there as an operator could, and Bob is told that it has changed.

use std::fs;
use std::path::PathBuf;

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use hobnob_wire::bounded::{List, Opaque};
use hobnob_wire::codec::{decode, encode};
use hobnob_wire::device::{DeviceEntry, DeviceList, DeviceOperation, ListHead, RootCertificate, SignedEntry};
use hobnob_wire::keys::{AgreementKey, SigningKey};
use rusqlite::Connection;

const WORDS: &str = "Nobody but Alice may read this.";

#[test]
fn a_device_key_that_was_swapped_is_refused_with_a_clear_message() {
    told_a_lie(swap_a_key, "forged");
}

#[test]
fn a_device_list_that_was_rolled_back_is_refused_with_a_clear_message() {
    told_a_lie(
        |list| {
            let first = list.entries[0].clone();
            DeviceList { entries: List::new(vec![first]).unwrap(), ..list }
        },
        "rolled back from entry 1 to 0",
    );
}

#[test]
fn an_account_that_was_replaced_by_another_of_the_same_name_is_refused_with_a_clear_message() {
    told_a_lie(|list| replaced(&list), "another root key");
}

#[test]
fn who_has_never_seen_an_account_refuses_a_list_that_its_owner_did_not_sign() {
    let mut world = World::new();
    let (alice, mut bob) = (world.person("alice"), world.person("bob"));
    bob.tell(["contact", "add", "alice"]);
    alice.until_contact(&bob, "a request", |contact| contact["pending"] == "in");
    bob.stop();
    alice.tell(["contact", "accept", "bob"]);
    rewrite(&mut world, &bob, swap_a_key);
    bob.up();
    bob.until_contact(&alice, "a contact", |contact| contact["subscription"] == "both");
    is_refused(&bob, &alice, "forged");
}

/// Bob knows Alice and her two devices; then the rendezvous tells him `lie` and, in the end, the truth again.
fn told_a_lie(lie: impl Fn(DeviceList) -> DeviceList, complaint: &str) {
    let mut world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    let mut tablet = world.second_device(&alice);
    bob.tell(["send", "alice", "I know both your devices."]);
    bob.until(&["history", "alice"], "both devices", |lines| {
        lines[0]["devices"].as_array().is_some_and(|devices| {
            devices.len() == 2 && devices.iter().all(|device| device["state"] == "delivered")
        })
    });
    tablet.stop();
    bob.stop();

    let mut truth = None;
    rewrite(&mut world, &bob, |list| {
        truth = Some(list.clone());
        lie(list)
    });
    bob.up();
    is_refused(&bob, &alice, complaint);
    let told = alice.until(&["status"], "a warning about the own list", |lines| {
        lines[0]["problem"].as_str().is_some_and(|problem| problem.contains(complaint))
    });
    assert_eq!(told[0]["session"], "down", "the owner refuses the lie about itself too");

    bob.stop();
    rewrite(&mut world, &bob, |_| truth.take().unwrap());
    bob.up();
    bob.until_contact(&alice, "trust again", |contact| contact["warning"].is_null());
    bob.tell(["send", "alice", WORDS, "--wait", "delivered", "--timeout", "60"]);
}

/// Bob is warned, and nothing that he writes leaves him.
fn is_refused(bob: &Person, alice: &Person, complaint: &str) {
    let warning = bob.wait_for("a warning", |event| event["event"] == "warning");
    assert_eq!(warning["address"], "alice@localhost");
    let text = warning["text"].as_str().unwrap();
    assert!(text.contains(complaint), "{warning}");
    let contact = bob.until_contact(alice, "a warning", |contact| contact["warning"].is_string());
    assert_eq!(contact["warning"], text);
    let refused = bob.run(["send", "alice", WORDS]);
    assert!(refused.refusal(4).contains(complaint), "{refused:?}");
    let letters = bob.ask(["history", "alice"]);
    assert!(letters.iter().all(|letter| letter["text"] != WORDS), "{letters:?}");
}

/// The first device gets a Noise key of the attacker's; its owner's signatures stay as they are.
fn swap_a_key(list: DeviceList) -> DeviceList {
    let mut entries = list.entries.to_vec();
    let mut entry = entries[0].entry().unwrap();
    let DeviceOperation::Add(device) = &mut entry.operation else { panic!("the first entry adds a device") };
    device.noise = AgreementKey::new([9; 32]);
    entries[0].body = Opaque::new(encode(&entry).unwrap()).unwrap();
    DeviceList { entries: List::new(entries).unwrap(), ..list }
}

/// A list that is valid in itself, made by somebody who has none of Alice's keys.
fn replaced(list: &DeviceList) -> DeviceList {
    let [root, self_signing, device] = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]));
    let certificate = RootCertificate::issue(&root, self_signing.verify_key());
    let first = list.entries[0].entry().unwrap();
    let DeviceOperation::Add(mut theirs) = first.operation else { panic!("the first entry adds a device") };
    theirs.signing = device.verify_key();
    let operation = DeviceOperation::Add(theirs);
    let entry = DeviceEntry { previous: certificate.hash(), operation, ..first };
    let entry = SignedEntry::sign(&entry, &self_signing, Some(&device)).unwrap();
    DeviceList { certificate, entries: List::new(vec![entry]).unwrap() }
}

/// Stops the rendezvous, changes Alice's list in its database, makes it say so to `told`, and starts it again.
fn rewrite(world: &mut World, told: &Person, lie: impl FnOnce(DeviceList) -> DeviceList) {
    world.rendezvous.stop();
    let database = Connection::open(database(world)).unwrap();
    let account = "SELECT devices FROM account WHERE name = 'alice'";
    let list: Vec<u8> = database.query_row(account, [], |row| row.get(0)).unwrap();
    let list = lie(decode(&list).unwrap());
    database
        .execute("UPDATE account SET devices = ? WHERE name = 'alice'", [encode(&list).unwrap()])
        .unwrap();
    // A list that is not valid gets a head that Bob has not seen, or he would not ask for it.
    let head = list.verify().map_or(ListHead { seq: 1, hash: [7; 32] }, |verified| verified.head());
    let head = rusqlite::params![head.seq, head.hash];
    database.execute("UPDATE account SET head_seq = ?, head_hash = ? WHERE name = 'alice'", head).unwrap();
    let bump = "UPDATE account SET roster_version = roster_version + 1 WHERE name = ?";
    database.execute(bump, [told.name()]).unwrap();
    let tell = "UPDATE contact SET devices_version = (SELECT roster_version FROM account WHERE id = owner)
        WHERE owner = (SELECT id FROM account WHERE name = ?)";
    database.execute(tell, [told.name()]).unwrap();
    database.close().unwrap();
    let _ = world.rendezvous.serve();
}

/// The file in the rendezvous' home that SQLite wrote.
fn database(world: &World) -> PathBuf {
    let files = fs::read_dir(world.rendezvous.home()).unwrap().map(|entry| entry.unwrap().path());
    let mut databases =
        files.filter(|path| path.is_file() && fs::read(path).unwrap().starts_with(b"SQLite format 3\0"));
    databases.next().unwrap()
}
