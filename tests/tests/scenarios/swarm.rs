//! One send to several people, who get the file from each other.

use std::path::{Path, PathBuf};

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::namespace::{self, Host};
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use serde_json::Value;

/// What Alice sends.
const BYTES: u64 = 48 << 20;
/// What her line takes in a second: others have quicker ones.
const LINE: &str = "8MiB";

/// Four people, each on a machine of their own.
struct Crowd {
    world: World,
    alice: Person,
    friends: [Person; 3],
    host: Host,
    file: PathBuf,
}

impl Crowd {
    /// All know each other, or only Alice.
    fn new(is_close: bool) -> Self {
        let [server, alice, bob, carol, dave] =
            namespace::network(["server", "alice", "bob", "carol", "dave"]);
        let world = World::placed(&server.ip, &server.prefix);
        let host = alice.clone();
        let person = |name, host: Host| world.person_at(name, &host.prefix);
        let (alice, bob, carol, dave) =
            (person("alice", alice), person("bob", bob), person("carol", carol), person("dave", dave));
        alice.tell(["config", "set", "limits.up", LINE]);
        let pairs = [(&alice, &bob), (&alice, &carol), (&alice, &dave)];
        pairs.iter().for_each(|(one, other)| one.befriend(other));
        if is_close {
            let pairs = [(&bob, &carol), (&bob, &dave), (&carol, &dave)];
            pairs.iter().for_each(|(one, other)| one.befriend(other));
        }
        let file = world.path("film.mkv");
        write_file(&file, BYTES, 1);
        Self { world, alice, friends: [bob, carol, dave], host, file }
    }

    /// Alice offers the file to all three in one command; returns the transfers in their order.
    fn offer(&self) -> Vec<String> {
        let to: Vec<&str> = self.friends.iter().map(Person::name).collect();
        let lines = self.alice.ask(["file", "send", &to.join(","), text(&self.file)]);
        assert!(lines.iter().all(|line| line["swarm"].is_string() && line["swarm"] == lines[0]["swarm"]));
        let ids = |line: &Value| line["id"].as_str().unwrap().to_owned();
        lines.iter().map(ids).collect()
    }

    fn folder(&self, person: &Person) -> PathBuf {
        self.world.path(&format!("arrived at {}", person.name()))
    }

    fn accept(&self, person: &Person, id: &str) {
        person.accept(id, &self.world.new_folder(&format!("arrived at {}", person.name())));
    }

    /// All are done, with the same bytes and digests.
    fn until_done(&self, people: &[&Person], ids: &[&String]) -> Vec<Value> {
        let mut views = Vec::new();
        for (person, id) in people.iter().zip(ids) {
            let sent = self.alice.until_state(id, "done");
            let received = person.until_state(id, "done");
            assert_eq!(sent["digest"], received["digest"]);
            assert_same_file(&self.file, &self.folder(person).join("film.mkv"));
            views.push(received);
        }
        assert!(views.iter().all(|view| view["digest"] == views[0]["digest"]), "one file, one digest");
        views
    }
}

fn bytes_from(view: &Value, from: &Person) -> u64 {
    let sources = view["sources"].as_array().unwrap();
    let is_it = |source: &&Value| source["address"] == from.address().as_str();
    sources.iter().find(is_it).map_or(0, |source| source["bytes"].as_u64().unwrap())
}

/// Whether something of a transfer came from somebody else than its sender.
fn is_helped(view: &Value) -> bool {
    view["sources"].as_array().is_some_and(|sources| sources.len() > 1)
}

#[test]
fn ft13_three_friends_get_a_file_for_little_more_than_one_upload() {
    namespace::inside("swarm::ft13_three_friends_get_a_file_for_little_more_than_one_upload", || {
        let crowd = Crowd::new(true);
        let before = namespace::sent_bytes(&crowd.host);
        let ids = crowd.offer();
        for (friend, id) in crowd.friends.iter().zip(&ids) {
            crowd.accept(friend, id);
        }
        let friends: Vec<&Person> = crowd.friends.iter().collect();
        let views = crowd.until_done(&friends, &ids.iter().collect::<Vec<_>>());
        let uploaded = namespace::sent_bytes(&crowd.host) - before;
        let by_alice: u64 = views.iter().map(|view| bytes_from(view, &crowd.alice)).sum();
        let told = format!("{uploaded} bytes for a file of {BYTES}: {views:#?}");
        // Three uploads without help; what is above one are headers, and what was sent before friends were linked.
        assert!(uploaded < BYTES * 13 / 10, "{told}");
        assert!(by_alice < BYTES * 12 / 10, "{told}");
        for view in &views {
            let sources = view["sources"].as_array().unwrap();
            let sum: u64 = sources.iter().map(|source| source["bytes"].as_u64().unwrap()).sum();
            assert_eq!(sum, BYTES, "every byte came from somebody: {view}");
            assert!(is_helped(view), "{view}");
        }
        let sent: u64 =
            ids.iter().map(|id| crowd.alice.until_state(id, "done")["sent"].as_u64().unwrap()).sum();
        assert_eq!(sent, by_alice, "both sides count the same");
    });
}

#[test]
fn ft13_strangers_to_each_other_get_everything_from_the_sender() {
    namespace::inside("swarm::ft13_strangers_to_each_other_get_everything_from_the_sender", || {
        let crowd = Crowd::new(false);
        crowd.alice.tell(["config", "set", "limits.up", "0"]);
        let ids = crowd.offer();
        for (friend, id) in crowd.friends.iter().zip(&ids) {
            crowd.accept(friend, id);
        }
        let friends: Vec<&Person> = crowd.friends.iter().collect();
        for view in crowd.until_done(&friends, &ids.iter().collect::<Vec<_>>()) {
            assert_eq!(bytes_from(&view, &crowd.alice), BYTES, "{view}");
        }
    });
}

#[test]
fn ft13_a_friend_who_leaves_in_the_middle_holds_nobody_up() {
    namespace::inside("swarm::ft13_a_friend_who_leaves_in_the_middle_holds_nobody_up", || {
        let mut crowd = Crowd::new(true);
        let ids = crowd.offer();
        for (friend, id) in crowd.friends.iter().zip(&ids) {
            crowd.accept(friend, id);
        }
        crowd.friends[1].until_transfer(&ids[1], "help", is_helped);
        crowd.friends[0].kill();
        let friends: Vec<&Person> = crowd.friends[1..].iter().collect();
        crowd.until_done(&friends, &ids[1..].iter().collect::<Vec<_>>());
        crowd.friends[0].up();
        crowd.until_done(&[&crowd.friends[0]], &[&ids[0]]);
    });
}

#[test]
fn ft13_who_got_it_gives_it_to_who_comes_later_unless_its_owner_minds() {
    namespace::inside("swarm::ft13_who_got_it_gives_it_to_who_comes_later_unless_its_owner_minds", || {
        let crowd = Crowd::new(true);
        let [bob, carol, dave] = &crowd.friends;
        carol.tell(["config", "set", "files.serve_minutes", "0"]);
        let ids = crowd.offer();
        for (friend, id) in [(bob, &ids[0]), (carol, &ids[1])] {
            crowd.accept(friend, id);
        }
        crowd.until_done(&[bob, carol], &[&ids[0], &ids[1]]);
        crowd.accept(dave, &ids[2]);
        let views = crowd.until_done(&[dave], &[&ids[2]]);
        assert_eq!(bytes_from(&views[0], carol), 0, "{}", views[0]);
        assert!(bytes_from(&views[0], bob) > BYTES * 8 / 10, "{}", views[0]);
        let shown = dave.read(&["file", "show", &ids[2]]);
        assert!(shown.contains(&format!("{} ", bob.address())), "{shown}");
        assert_folder_is_clean(&crowd.folder(bob));
    });
}

fn assert_folder_is_clean(folder: &Path) {
    let names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["film.mkv"], "what is kept for others takes no room of its own");
}
