//! Accounts: who may have one, and what is said when not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hobnob_tests::person::text;
use hobnob_tests::world::World;

#[test]
fn registration_gives_an_address_and_the_recovery_code_once() {
    let world = World::new();
    let alice = world.newcomer("alice");
    let made = alice.register().object();
    assert_eq!(made["address"], "alice@localhost");
    let code = made["recovery_code"].as_str().unwrap();
    assert!(code.len() >= 26, "128 bits take 26 letters and digits: {code}");
    for file in files_in(alice.home()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!contains(&bytes, code.as_bytes()), "{} holds the recovery code", file.display());
    }
}

#[test]
fn the_recovery_code_can_go_to_a_new_file_that_only_its_owner_reads() {
    let world = World::new();
    let (alice, kit) = (world.newcomer("alice"), world.path("kit"));
    fs::write(world.path("password"), "correct horse battery staple").unwrap();
    let password = world.path("password");
    let args =
        ["register", "alice", "--server", &world.rendezvous.invite, "--password-file", text(&password)];
    let made = alice.run(args.into_iter().chain(["--recovery-file", text(&kit)]));
    assert_eq!(made.code, 0, "{made:?}");
    let code = fs::read_to_string(&kit).unwrap();
    assert!(code.trim().len() >= 26, "{code}");
    assert_eq!(mode(&kit), 0o600);
}

#[test]
fn a_home_is_readable_by_its_owner_only() {
    let world = World::new();
    let alice = world.person("alice");
    for home in [alice.home(), world.rendezvous.home()] {
        assert_eq!(mode(home), 0o700, "{}", home.display());
        for file in files_in(home) {
            assert_eq!(mode(&file) & 0o077, 0, "{} is open to others", file.display());
        }
    }
}

#[test]
fn a_taken_name_is_a_conflict_and_stays_with_its_owner() {
    let world = World::new();
    let alice = world.person("alice");
    let impostor = world.second_home(&alice);
    let refusal = impostor.register();
    assert!(refusal.refusal(7).contains("taken"), "{refusal:?}");
    assert_eq!(alice.ask(["status"])[0]["session"], "up");
}

#[test]
fn a_wrong_password_is_denied_in_the_same_words_as_an_unknown_name() {
    let world = World::new();
    let alice = world.person("alice");
    let thief = world.second_home(&alice);
    let wrong = thief.enrol("login", &world.rendezvous.invite, "a guess");
    let nobody = world.newcomer("nobody");
    let unknown = nobody.login();
    assert_eq!(wrong.refusal(4), unknown.refusal(4));
    assert_eq!(thief.login().code, 0, "the home is still free for the right password");
}

#[test]
fn a_rendezvous_with_another_pin_than_the_invite_is_refused() {
    let world = World::new();
    let (host, pin) = world.rendezvous.invite.split_once('#').unwrap();
    let other = if pin.starts_with('a') { "b" } else { "a" };
    let invite = format!("{host}#{other}{}", &pin[1..]);
    let alice = world.newcomer("alice");
    let refusal = alice.enrol("register", &invite, "a password");
    assert!(refusal.refusal(4).contains(pin), "the pin that was shown is named: {refusal:?}");
    assert_eq!(alice.register().code, 0, "nothing is left behind by the attempt");
}

#[test]
fn a_rendezvous_that_changes_its_identity_gets_no_session() {
    let mut world = World::new();
    let alice = world.person("alice");
    world.rendezvous.stop();
    fs::remove_dir_all(world.rendezvous.home()).unwrap();
    let _ = world.rendezvous.serve();
    let refused = alice.until(&["status"], "a session that is refused", |lines| {
        lines[0]["problem"].as_str().is_some_and(|problem| problem.contains("identity"))
    });
    assert_eq!(refused[0]["session"], "down");
}

#[test]
fn au2_the_rendezvous_keeps_nothing_that_holds_the_password() {
    let mut world = World::new();
    let alice = world.person("alice");
    assert_eq!(world.second_home(&alice).login().code, 0);
    world.rendezvous.stop();
    let password = alice.password();
    let logs = ["rendezvous.log", "alice.log"].map(|log| world.path(log));
    for file in files_in(world.rendezvous.home()).into_iter().chain(files_in(alice.home())).chain(logs) {
        let bytes = fs::read(&file).unwrap();
        assert!(!contains(&bytes, password.as_bytes()), "{} holds the password", file.display());
    }
}

#[test]
fn a_command_without_its_daemon_says_that_it_is_offline() {
    let world = World::new();
    let alice = world.newcomer("alice");
    assert_eq!(alice.register().code, 0);
    let status = alice.run(["status"]);
    assert!(status.refusal(5).contains("hobnob up"), "what to do is said: {status:?}");
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let world = World::new();
    let alice = world.person("alice");
    for args in [&["fly"][..], &["send", "bob"], &["presence", "set", "sleepy"], &["send", "b b", "hi"]] {
        alice.run(args).refusal(2);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_in(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
