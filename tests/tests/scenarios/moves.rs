//! A device that changes networks while it is in use.

use std::time::{Duration, Instant};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace;
use hobnob_tests::person::Person;
use hobnob_tests::world::World;

/// From the moment at which an interface is gone and another is there.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);

/// Waits until `one` reaches `other` at this address, and says how long it took.
fn until_reached_at(one: &Person, other: &Person, ip: &str) -> Duration {
    let began = Instant::now();
    let at = format!("{ip}:{}", other.port());
    loop {
        let path = &one.ask(["path", &other.address()])[0];
        if path["remote"] == at.as_str() {
            return began.elapsed();
        }
        assert!(began.elapsed() < hobnob_tests::PATIENCE, "{path}");
    }
}

#[test]
fn a_transfer_goes_on_by_itself_when_a_side_changes_networks_and_letters_arrive() {
    namespace::inside(
        "moves::a_transfer_goes_on_by_itself_when_a_side_changes_networks_and_letters_arrive",
        || {
            let [server, mut near, mut far] = namespace::network(["server", "near", "far"]);
            let world = World::placed(&server.ip, &server.prefix);
            let (alice, bob) = (world.person_at("alice", &near.prefix), world.person_at("bob", &far.prefix));
            alice.befriend(&bob);
            let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
            write_file(&file, 48 << 20, 1);
            let id = alice.offer(&bob, &[&file], &["--limit", "4MiB"]);
            bob.accept(&id, &into);
            until_reached_at(&bob, &alice, &near.ip);

            // First who sends, then who receives.
            for (moving, host, ip, other) in
                [(&alice, &mut near, "10.77.0.102", &bob), (&bob, &mut far, "10.77.0.103", &alice)]
            {
                namespace::relocate(host, ip);
                let took = until_reached_at(other, moving, ip);
                assert!(took <= FOLLOWED_WITHIN, "{took:?}");
                moving.tell(["send", other.name(), "from here", "--wait", "delivered"]);
                other.tell(["send", moving.name(), "to there", "--wait", "delivered"]);
                alice.until_transfer(&id, "a transfer that goes on", |view| view["state"] == "running");
            }
            alice.tell(["file", "limit", &id, "0"]);
            for person in [&alice, &bob] {
                person.until_state(&id, "done");
                let events = person.events().since(0);
                let lost: Vec<_> = events.iter().filter(|(_, event)| event["event"] == "link_down").collect();
                assert!(lost.is_empty(), "{lost:?}");
            }
            assert_same_file(&file, &into.join("film.mkv"));
        },
    );
}
