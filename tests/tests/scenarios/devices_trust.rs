//! Whom people trust: numbers that they compare, identities that change, accounts that are recovered.

use std::fs;
use std::path::PathBuf;

use hobnob_tests::output::Output;
use hobnob_tests::person::{Person, text};
use hobnob_tests::world::World;
use rusqlite::Connection;
use serde_json::Value;

/// The number that one sees of another.
fn number(person: &Person, of: &Person) -> String {
    person.ask(["verify", of.name()])[0]["number"].as_str().unwrap().to_owned()
}

#[test]
fn x22_two_who_compare_their_safety_number_see_that_the_other_is_verified() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let seen = number(&alice, &bob);
    assert_eq!(seen.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
    assert_eq!(seen, number(&bob, &alice));

    let wrong = "12345 ".repeat(12);
    let refused = alice.run(["verify", "bob", "--number", wrong.trim()]);
    assert!(refused.refusal(7).contains("The numbers differ."), "{refused:?}");
    let contact = |state: &'static str| move |contact: &Value| contact["verification"] == state;
    alice.until_contact(&bob, "nothing compared", contact("unverified"));

    // Bob's code for cameras says the same as his digits.
    let link = bob.ask(["verify", "alice"])[0]["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with("hobnob:verify?from=bob@localhost&number="), "{link}");
    assert_eq!(alice.ask(["verify", "bob", "--number", &link])[0]["verification"], "verified");
    alice.until_contact(&bob, "a verified contact", contact("verified"));
    assert_eq!(alice.ask(["verify", "bob", "--undo"])[0]["verification"], "unverified");
    alice.until_contact(&bob, "nothing compared", contact("unverified"));
}

#[test]
fn a_number_is_shown_in_groups_and_as_a_code_for_cameras() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let shown = alice.read(&["verify", "bob"]);
    let digits: String = number(&alice, &bob).split(' ').take(4).collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&digits), "{shown}");
    assert!(shown.contains('█'), "{shown}");
}

#[test]
fn x22_an_account_that_was_set_up_anew_gets_nothing_until_its_new_number_is_accepted() {
    let mut world = World::new();
    let (alice, mut bob) = world.friends("alice", "bob");
    alice.tell(["verify", "bob", "--number", &number(&alice, &bob)]);
    alice.tell(["send", "bob", "to the bob I know", "--wait", "delivered", "--timeout", "60"]);
    bob.stop();

    // The operator gives Bob's name to an account that he sets up anew, because he has lost everything.
    set_name(&mut world, "bob", "former");
    let mut anew = world.second_home(&bob);
    assert_eq!(anew.register().code, 0);
    move_contacts(&mut world, "former", "bob");
    anew.up();

    let warning = alice.wait_for("a warning", |event| event["event"] == "warning");
    assert!(warning["text"].as_str().unwrap().contains("hobnob contact trust bob@localhost"), "{warning}");
    alice.until_contact(&anew, "a changed identity", |contact| contact["verification"] == "changed");
    alice.run(["send", "bob", "secret"]).refusal(4);
    let seen = alice.ask(["verify", "bob"]);
    let (old, new) = (seen[0]["number"].as_str().unwrap(), seen[0]["new_number"].as_str().unwrap());
    assert_eq!(new, number(&anew, &alice), "what the new bob sees");
    assert_ne!(old, new);

    alice.run(["contact", "trust", "bob"]).refusal(2);
    alice.run(["contact", "trust", "bob", "--number", old]).refusal(7);
    let accepted = alice.ask(["contact", "trust", "bob", "--number", new]);
    assert_eq!(
        (&accepted[0]["verification"], accepted[0]["number"].as_str()),
        (&"changed".into(), Some(new))
    );
    alice.tell(["send", "bob", "to the new bob", "--wait", "delivered", "--timeout", "60"]);
    let letters = anew.until_letters(&alice, 1);
    assert_eq!(letters[0]["text"], "to the new bob");
    assert_eq!(alice.ask(["verify", "bob", "--number", new])[0]["verification"], "verified");
    alice.run(["contact", "trust", "bob", "--number", new]).refusal(7);
}

/// A file of a world with one line in it.
fn file(world: &World, name: &str, line: &str) -> PathBuf {
    let path = world.path(name);
    fs::write(&path, format!("{line}\n")).unwrap();
    path
}

/// Recovers the account of `person` in its home, which is empty.
fn recover(world: &World, person: &Person, (code, password): (&str, &str), options: &[&str]) -> Output {
    let files = [file(world, "code", code), file(world, "new", password)];
    let [code, password] = files.each_ref().map(|path| text(path));
    let words = ["recover", person.name(), "--server", &world.rendezvous.invite];
    let files = ["--code-file", code, "--password-file", password];
    person.run(words.into_iter().chain(files).chain(options.iter().copied()))
}

#[test]
fn rg4_who_has_lost_everything_gets_the_account_back_with_the_recovery_code() {
    let world = World::new();
    let (mut alice, carol) = (world.newcomer("alice"), world.newcomer("carol"));
    let [code, carols] = [&alice, &carol]
        .map(|person| person.register().object()["recovery_code"].as_str().unwrap().to_owned());
    alice.up();
    let bob = world.person("bob");
    alice.befriend(&bob);
    let before = number(&bob, &alice);
    bob.tell(["verify", "alice", "--number", &before]);
    alice.stop();
    bob.tell(["send", "alice", "are you still there?", "--wait", "accepted", "--timeout", "60"]);

    let mut phone = world.second_home(&alice);
    let password = "a new long password";
    recover(&world, &phone, ("0000", password), &[]).refusal(2);
    let refused = recover(&world, &phone, (&carols, password), &[]);
    assert!(refused.refusal(4).contains("does not belong"), "{refused:?}");
    let recovered = recover(&world, &phone, (&code, password), &["--revoke-others"]).object();
    assert_eq!((&recovered["event"], &recovered["revoked"]), (&"recovered".into(), &1.into()));

    phone.up();
    phone.until_contact(&bob, "the account's contact", |contact| contact["subscription"] == "both");
    let letters = phone.until_letters(&bob, 1);
    assert_eq!(letters[0]["text"], "are you still there?", "it followed to the new device");
    assert_eq!(number(&bob, &phone), before, "to contacts the account is the same");
    bob.until_contact(&phone, "still verified", |contact| {
        contact["verification"] == "verified" && contact["warning"].is_null()
    });

    alice.up_without_session();
    let told = alice.until(&["status"], "that it was revoked", |lines| {
        lines[0]["problem"].as_str().is_some_and(|problem| problem.contains("revoked"))
    });
    assert_eq!(told[0]["session"], "down");
    let third = world.home_of(&alice, "third");
    third.login().refusal(4);
    assert_eq!(third.enrol("login", &world.rendezvous.invite, password).code, 0);
}

#[test]
fn the_password_is_changed_by_who_knows_it_and_the_old_one_is_worth_nothing() {
    let world = World::new();
    let alice = world.person("alice");
    let (new, next) = ("even longer than before", file(&world, "next", "even longer than before"));
    let change = |old: &str| {
        let old = file(&world, "old", old);
        let words = ["account", "password", "--password-file", text(&old)];
        alice.run(words.into_iter().chain(["--new-password-file", text(&next)]))
    };
    change("a guess").refusal(4);
    assert_eq!(change(&alice.password()).code, 0);
    let tablet = world.second_home(&alice);
    tablet.login().refusal(4);
    assert_eq!(tablet.enrol("login", &world.rendezvous.invite, new).code, 0);
    assert_eq!(alice.ask(["status"])[0]["session"], "up", "devices stay logged in");
}

/// Gives an account another name, as an operator can.
fn set_name(world: &mut World, from: &str, to: &str) {
    at_rest(world, |database| {
        database.execute("UPDATE account SET name = ?2 WHERE name = ?1", [from, to]).unwrap();
    });
}

/// The roster of one account becomes that of another.
fn move_contacts(world: &mut World, from: &str, to: &str) {
    at_rest(world, |database| {
        let account = "(SELECT id FROM account WHERE name = ?)";
        let take = format!("UPDATE contact SET owner = {account} WHERE owner = {account}");
        database.execute(&take, [to, from]).unwrap();
        let versions = "UPDATE account SET roster_version = roster_version + 100";
        database.execute(versions, []).unwrap();
        let told = "UPDATE contact SET version = 50, devices_version =
            (SELECT roster_version FROM account WHERE id = owner)";
        database.execute(told, []).unwrap();
    });
}

/// Changes the database of the rendezvous while it is stopped.
fn at_rest(world: &mut World, change: impl FnOnce(&Connection)) {
    world.rendezvous.stop();
    let files = fs::read_dir(world.rendezvous.home()).unwrap().map(|entry| entry.unwrap().path());
    let mut databases =
        files.filter(|path| path.is_file() && fs::read(path).unwrap().starts_with(b"SQLite format 3\0"));
    let database = Connection::open(databases.next().unwrap()).unwrap();
    change(&database);
    database.close().unwrap();
    let _ = world.rendezvous.serve();
}
