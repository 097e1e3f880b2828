//! A passphrase that guards everything a device keeps.

use std::fs;
use std::path::Path;

use hobnob_tests::person::{Person, text};
use hobnob_tests::process::Process;
use hobnob_tests::world::World;

/// A file with a passphrase in it.
fn file(world: &World, name: &str, passphrase: &str) -> String {
    let path = world.path(name);
    fs::write(&path, format!("{passphrase}\n")).unwrap();
    text(&path).to_owned()
}

/// Starts a daemon with a passphrase, and waits until commands are answered.
fn up(person: &Person, file: &str) -> Process {
    let mut daemon = person.begin(["up", "--passphrase-file", file]);
    assert_eq!(daemon.next_object()["event"], "ready");
    daemon
}

fn found(person: &Person, query: &str) -> usize {
    person.ask(["history", "search", query]).len()
}

/// Names of the files of a home that hold these bytes.
fn holding(home: &Path, wanted: &str) -> Vec<String> {
    let entries = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &Path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes())
    };
    entries.filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

#[test]
fn x40_a_passphrase_encrypts_letters_names_and_the_index_and_can_be_changed_and_taken_off() {
    let world = World::new();
    let (mut alice, bob) = world.friends("alice", "bob");
    alice.tell(["send", "bob", "zebracanary", "--wait", "delivered", "--timeout", "60"]);
    alice.run(["store", "lock", "--passphrase-file", "-"]).refusal(7);
    alice.stop();
    for word in ["zebracanary", "bob@localhost"] {
        assert!(!holding(alice.home(), word).is_empty(), "the test can see {word}");
    }

    let (first, second) = (file(&world, "first", "correct horse"), file(&world, "second", "battery staple"));
    alice.run(["store", "unlock", "--passphrase-file", &first]).refusal(7);
    assert_eq!(alice.ask(["store", "lock", "--passphrase-file", &first])[0]["locked"], true);
    for word in ["zebracanary", "bob@localhost", "correct horse"] {
        assert_eq!(holding(alice.home(), word), Vec::<String>::new(), "{word}");
    }
    assert!(alice.run(["up"]).refusal(2).contains("--passphrase-file"));
    assert!(alice.run(["up", "--passphrase-file", &second]).refusal(4).contains("wrong"));
    alice.run(["store", "lock", "--passphrase-file", &first]).refusal(7);

    let mut daemon = up(&alice, &first);
    assert_eq!(found(&alice, "zebracanary"), 1);
    alice.tell(["send", "bob", "secondcanary", "--wait", "delivered", "--timeout", "60"]);
    assert_eq!(holding(alice.home(), "secondcanary"), Vec::<String>::new());
    daemon.kill();
    let mut daemon = up(&alice, &first);
    assert_eq!(found(&alice, "secondcanary"), 1, "what was taken survives a crash");
    assert!(daemon.stop().success());

    let change = ["store", "passphrase", "--passphrase-file", &first, "--new-passphrase-file", &second];
    alice.tell(change);
    alice.run(["up", "--passphrase-file", &first]).refusal(4);
    let mut daemon = up(&alice, &second);
    assert_eq!(found(&alice, "zebracanary"), 1);
    assert!(daemon.stop().success());

    alice.run(["store", "unlock", "--passphrase-file", &first]).refusal(4);
    assert_eq!(alice.ask(["store", "unlock", "--passphrase-file", &second])[0]["locked"], false);
    alice.up();
    assert_eq!((found(&alice, "zebracanary"), found(&alice, "secondcanary")), (1, 1));
    bob.until_letters(&alice, 2);
}
