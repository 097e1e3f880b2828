//! The library against a rendezvous in the same process: accounts, contacts, letters by both roads, files, and what
//! goes wrong between them.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hobnob_peer::core::history::store::Page;
use hobnob_peer::enrol::{EnrolError, Registered, Way, login, register};
use hobnob_peer::{Client, Event, Events, LetterState, OpenError, Options, SessionState, TransferState};
use hobnob_rendezvous::{Config, Server};
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::{Address, LetterId, Name};
use tempfile::TempDir;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A rendezvous and a folder for homes.
struct World {
    server: Option<Server>,
    config: Config,
    folder: TempDir,
    invite: Invite,
}

/// A client and what it tells.
struct Person {
    client: Client,
    events: Events,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(config.clone(), &folder.path().join("rendezvous")).await.unwrap();
        config.server.listen = server.listen();
        let invite = server.invite().clone();
        Self { server: Some(server), config, folder, invite }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn register(&self, name: &str) -> Result<Registered, EnrolError> {
        register(&self.home(name), &parsed(name), way(&self.invite), password(name)).await
    }

    /// Somebody with an account whose session is up.
    async fn person(&self, name: &str) -> Person {
        self.register(name).await.unwrap();
        let mut person = self.open(name).await;
        person.session_up().await;
        person
    }

    async fn open(&self, home: &str) -> Person {
        let client = Client::open(Options::new(self.home(home))).await.unwrap();
        let events = client.events(None);
        Person { client, events }
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().stop().await.unwrap();
    }

    async fn start(&mut self) {
        self.server = Some(Server::start(self.config.clone(), &self.home("rendezvous")).await.unwrap());
    }

    /// Alice and Bob, who are contacts and see each other.
    async fn friends(&self) -> (Person, Person) {
        let (mut alice, mut bob) = (self.person("alice").await, self.person("bob").await);
        alice.client.add_contact(bob.address(), "it is me").await.unwrap();
        let request =
            bob.until(|event| matches!(event, Event::Contact(contact) if contact.pending == "in")).await;
        let Event::Contact(request) = request else { unreachable!() };
        assert_eq!((&request.address, request.text.as_str()), (&alice.address(), "it is me"));
        bob.client.accept_contact(alice.address()).await.unwrap();
        alice.sees_online(&bob.address()).await;
        bob.sees_online(&alice.address()).await;
        (alice, bob)
    }
}

impl Person {
    fn address(&self) -> Address {
        self.client.address().clone()
    }

    /// The next event that is as wanted.
    async fn until(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        let wanted = async {
            loop {
                let (_, event) =
                    self.events.next().await.expect("the client runs").expect("no event is missed");
                if is_it(&event) {
                    return event;
                }
            }
        };
        timeout(PATIENCE, wanted).await.expect("it happens in time")
    }

    async fn session_up(&mut self) {
        if self.client.status().await.unwrap().session == SessionState::Down {
            self.until(|event| matches!(event, Event::Session { session: SessionState::Up, .. })).await;
        }
    }

    async fn session_down(&mut self) -> String {
        let down = |event: &Event| matches!(event, Event::Session { session: SessionState::Down, .. });
        let Event::Session { problem, .. } = self.until(down).await else { unreachable!() };
        problem.expect("a session is down for a reason")
    }

    async fn sees_online(&mut self, other: &Address) {
        let online = |address: &Address, presence: &str| address == other && presence == "online";
        let contacts = self.client.contacts().await.unwrap();
        if !contacts.iter().any(|contact| online(&contact.address, &contact.presence)) {
            self.until(|event| matches!(event, Event::Contact(contact) if online(&contact.address, &contact.presence)))
                .await;
        }
    }

    async fn writes(&self, to: &Address, text: &str) -> LetterId {
        self.client.send(to.clone(), text).await.unwrap().0
    }

    async fn receives(&mut self, text: &str) {
        self.until(|event| matches!(event, Event::Letter(letter) if letter.text == text)).await;
    }

    async fn knows(&mut self, letter: LetterId, reached: LetterState) {
        if self.client.letter(letter).await.unwrap().state < reached {
            self.until(|event| matches!(event, Event::LetterState { id, state, .. } if *id == letter && *state >= reached))
                .await;
        }
    }
}

fn parsed(name: &str) -> Name {
    name.parse().unwrap()
}

fn password(name: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{name} likes long passwords"))
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// To a rendezvous, through nothing.
const fn way(invite: &Invite) -> Way<'_> {
    Way { invite, proxy: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_fills_an_empty_home_and_shows_a_recovery_code() {
    let world = World::new().await;
    let Registered { address, recovery_code } = world.register("alice").await.unwrap();
    assert_eq!(address.as_str(), "alice@localhost");
    assert_eq!(recovery_code.len(), 35);
    assert_eq!(mode(&world.home("alice")), 0o700);
    let again = world.register("alice").await.unwrap_err();
    assert!(
        matches!(again, EnrolError::AlreadyRegistered { address, .. } if address.as_str() == "alice@localhost")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_not_to_get_an_account_is_told_apart() {
    let world = World::new().await;
    world.register("alice").await.unwrap();
    let (name, home) = (parsed("alice"), world.home("other"));
    let taken = register(&home, &name, way(&world.invite), password("mallory")).await;
    assert!(matches!(taken, Err(EnrolError::NameTaken)), "{taken:?}");
    let wrong = login(&home, &name, way(&world.invite), password("mallory")).await;
    assert!(matches!(wrong, Err(EnrolError::WrongCredentials)), "{wrong:?}");
    let unknown = login(&home, &parsed("nobody"), way(&world.invite), password("nobody")).await;
    assert!(matches!(unknown, Err(EnrolError::WrongCredentials)), "{unknown:?}");

    let presented = world.invite.pin;
    let forged = Invite { pin: Pin::new([7; 32]), ..world.invite.clone() };
    let error = login(&home, &name, way(&forged), password("alice")).await.unwrap_err();
    assert!(
        matches!(error, EnrolError::WrongPin { expected, presented: seen } if expected == forged.pin && seen == presented),
        "{error:?}"
    );
    let nowhere = Invite { host: "nowhere.invalid".into(), ..world.invite.clone() };
    let unreachable = login(&home, &name, way(&nowhere), password("alice")).await;
    assert!(matches!(unreachable, Err(EnrolError::Unreachable(_))), "{unreachable:?}");
    let unopened = Client::open(Options::new(&home)).await;
    assert!(matches!(unopened, Err(OpenError::NotRegistered { .. })), "{unopened:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_used_by_one_client_and_is_free_after_it_was_closed() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    assert!(matches!(Client::open(Options::new(world.home("alice"))).await, Err(OpenError::Store(_))));
    alice.client.close().await;
    world.open("alice").await.session_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_go_both_ways_and_both_know_how_far_they_came() {
    let world = World::new().await;
    let (mut alice, mut bob) = world.friends().await;
    let hello = alice.writes(&bob.address(), "hello").await;
    bob.receives("hello").await;
    alice.knows(hello, LetterState::Delivered).await;
    let back = bob.writes(&alice.address(), "hello yourself").await;
    alice.receives("hello yourself").await;
    alice.client.mark_read(bob.address()).await.unwrap();
    bob.knows(back, LetterState::Read).await;
    let history = alice.client.history(bob.address(), Page::Newest, 10).await.unwrap();
    assert_eq!(
        history.iter().map(|letter| letter.text.as_str()).collect::<Vec<_>>(),
        ["hello", "hello yourself"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_to_somebody_who_is_away_waits_in_the_mailbox() {
    let world = World::new().await;
    let (mut alice, bob) = world.friends().await;
    let to = bob.address();
    bob.client.close().await;
    let letter = alice.writes(&to, "for later").await;
    alice.knows(letter, LetterState::Accepted).await;
    let mut bob = world.open("bob").await;
    bob.receives("for later").await;
    alice.knows(letter, LetterState::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_keep_going_over_the_link_while_the_rendezvous_is_off() {
    let mut world = World::new().await;
    let (mut alice, mut bob) = world.friends().await;
    alice.writes(&bob.address(), "first").await;
    let Event::LinkUp(link) = alice.until(|event| matches!(event, Event::LinkUp(_))).await else {
        unreachable!()
    };
    assert_eq!(link.address, bob.address());
    // A link may begin over the relay; it does not stay there.
    if link.path != "lan" {
        alice.until(|event| matches!(event, Event::Path(path) if path.path == "lan")).await;
    }
    bob.receives("first").await;

    world.stop().await;
    alice.session_down().await;
    let letter = alice.writes(&bob.address(), "without you").await;
    bob.receives("without you").await;
    alice.knows(letter, LetterState::Delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_lost_comes_back_by_itself() {
    let mut world = World::new().await;
    let mut alice = world.person("alice").await;
    world.stop().await;
    assert_eq!(alice.session_down().await, "the rendezvous is stopping; trying again");
    world.start().await;
    alice.session_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_pin_is_a_hard_stop_that_names_both_pins() {
    let mut world = World::new().await;
    let mut alice = world.person("alice").await;
    world.stop().await;
    alice.session_down().await;
    std::fs::remove_dir_all(world.home("rendezvous")).unwrap();
    world.start().await;
    let presented = world.server.as_ref().unwrap().invite().pin;
    let pins = [world.invite.pin.to_string(), presented.to_string()];
    let problem = loop {
        let problem = alice.session_down().await;
        if problem.contains("identity") {
            break problem;
        }
    };
    assert!(pins.iter().all(|pin| problem.contains(pin)), "{problem}");
    assert!(problem.ends_with("The app does not connect again until it is restarted"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_closed_on_one_side_is_made_again_when_needed() {
    let world = World::new().await;
    let (mut alice, bob) = world.friends().await;
    alice.writes(&bob.address(), "one").await;
    alice.until(|event| matches!(event, Event::LinkUp(_))).await;
    bob.client.close().await;
    let Event::LinkDown { reason, .. } = alice.until(|event| matches!(event, Event::LinkDown { .. })).await
    else {
        unreachable!()
    };
    assert_eq!(reason, "the app is stopping");
    let mut bob = world.open("bob").await;
    alice.sees_online(&bob.address()).await;
    alice.writes(&bob.address(), "two").await;
    bob.receives("two").await;
    alice.until(|event| matches!(event, Event::LinkUp(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_gets_the_letters_too() {
    let world = World::new().await;
    let (alice, mut bob) = world.friends().await;
    let second =
        login(&world.home("bob-2"), &parsed("bob"), way(&world.invite), password("bob")).await.unwrap();
    assert_eq!(second, bob.address());
    let mut second = world.open("bob-2").await;
    second.session_up().await;
    second.sees_online(&alice.address()).await;
    alice.writes(&bob.address(), "to both of you").await;
    bob.receives("to both of you").await;
    second.receives("to both of you").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_as_it_was_sent() {
    let world = World::new().await;
    let (mut alice, mut bob) = world.friends().await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let path = world.home("picture.raw");
    std::fs::write(&path, &content).unwrap();
    let folder = world.home("received");
    std::fs::create_dir(&folder).unwrap();

    let sent = alice.client.send_files(bob.address(), vec![path], 0).await.unwrap();
    bob.until(|event| matches!(event, Event::Transfer(transfer) if transfer.id == sent.id)).await;
    bob.client.accept_files(sent.id, Some(folder.clone())).await.unwrap();
    let over = |event: &Event| matches!(event, Event::Transfer(transfer) if transfer.id == sent.id && transfer.state.is_final());
    for person in [&mut alice, &mut bob] {
        let Event::Transfer(transfer) = person.until(over).await else { unreachable!() };
        assert_eq!((transfer.state, transfer.error), (TransferState::Done, None));
    }
    assert!(std::fs::read(folder.join("picture.raw")).unwrap() == content, "the bytes differ");
}
