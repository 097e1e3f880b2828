//! A rendezvous that goes away and comes back.

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::world::World;

#[test]
fn a_transfer_goes_on_while_the_rendezvous_is_stopped_and_started() {
    let mut world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("file.bin"), world.new_folder("arrived"));
    write_file(&file, 48 << 20, 1);
    let id = alice.offer(&bob, &[&file], &["--limit", "2MiB"]);
    bob.accept(&id, &into);
    bob.until_transfer(&id, "bytes that move", |view| view["done"].as_u64() > Some(0));

    world.rendezvous.stop();
    for person in [&alice, &bob] {
        person.until(&["status"], "no session", |lines| lines[0]["session"] == "down");
    }
    let at_stop = bob.until_transfer(&id, "a transfer", |_| true);
    let done = at_stop["done"].as_u64().unwrap();
    let later = bob.until_transfer(&id, "bytes without a rendezvous", |view| {
        view["done"].as_u64() >= Some(done + (4 << 20))
    });
    assert_eq!(later["state"], "running");

    let _ = world.rendezvous.serve();
    for person in [&alice, &bob] {
        person.until(&["status"], "a session again", |lines| lines[0]["session"] == "up");
    }
    alice.tell(["file", "limit", &id, "0"]);
    for person in [&alice, &bob] {
        let ended = person.until_state(&id, "done");
        assert_eq!(ended["done"], 48 << 20);
        let downs = person.events().since(0).into_iter().filter(|(_, event)| event["event"] == "link_down");
        assert_eq!(downs.count(), 0, "the link was never touched");
    }
    assert_same_file(&file, &into.join("file.bin"));
}

#[test]
fn who_was_online_is_seen_online_again_after_a_crash_of_the_rendezvous() {
    let mut world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    bob.tell(["presence", "set", "busy", "-m", "writing"]);
    world.rendezvous.kill();
    let _ = world.rendezvous.serve();
    for person in [&alice, &bob] {
        person.wait_for("the session is down", |event| {
            event["event"] == "session" && event["session"] == "down"
        });
        person.until(&["status"], "a session again", |lines| lines[0]["session"] == "up");
    }
    alice.until_contact(&bob, "busy and writing", |contact| {
        contact["presence"] == "busy" && contact["status_text"] == "writing"
    });
}
