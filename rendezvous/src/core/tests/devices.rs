//! Own devices: who hears of them, who is gone, and passwords that change or are lost.

use hobnob_wire::account::{AccountAnswer, AccountRequest, Arrival, OpaqueMessage, Sighting, WrappedKey};
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::{DeviceList, DeviceOperation, SignedEntry};
use hobnob_wire::keys::{Purpose, SigningKey};
use hobnob_wire::limits::DEVICE_ENTRIES_MAX;
use hobnob_wire::mailbox::{LetterCopy, MailboxRequest};
use hobnob_wire::opaque::{Suite, VERSION, key_stretching};
use hobnob_wire::session::{Answer, Push, Request};
use hobnob_wire::{DeviceId, LetterId, List, Name, Opaque, Refusal, Text};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};

use super::{EXPORTER, Person, World, device, random};
use crate::core::store::{MailboxStore, Page};
use crate::core::{Effect, Limits, SessionId};

fn append(entry: SignedEntry) -> Request {
    Request::Account(AccountRequest::AppendEntry { entry })
}

const DONE: Result<Answer, Refusal> = Ok(Answer::Account(AccountAnswer::Done));

/// One more device of a person, with its session.
fn second(world: &mut World, person: &mut Person, session: SessionId, seed: u8) -> (Person, SessionId) {
    let (key, tablet) = device(seed);
    let entry = person.entry(DeviceOperation::Add(tablet), Some(&key));
    assert_eq!(world.ask(session, append(entry.clone())), DONE);
    grow(person, entry);
    let self_signing = SigningKey::from_seed(&person.self_signing.seed());
    let list = person.list.clone();
    let second = Person { name: person.name.clone(), account: person.account, self_signing, list, key };
    let session = world.resume(&second, 0);
    (second, session)
}

fn grow(person: &mut Person, entry: SignedEntry) {
    let mut entries = person.list.entries.clone().into_vec();
    entries.push(entry);
    person.list = DeviceList { entries: List::new(entries).unwrap(), ..person.list.clone() };
}

fn arrivals(world: &mut World, session: SessionId) -> Vec<Arrival> {
    let arrival = |push| {
        let Push::Arrived(arrival) = push else { return None };
        Some(arrival)
    };
    world.pushes(session).into_iter().filter_map(arrival).collect()
}

#[test]
fn the_other_own_devices_hear_of_one_that_comes_and_nobody_else_does() {
    let mut world = World::new();
    let (mut alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    world.now.unix_s = 1_700_000_000;
    let (tablet, t) = second(&mut world, &mut alice, a, 50);
    let place = Text::new("192.0.2.0/24").unwrap();
    let arrival = Arrival { device: tablet.device(), place, at_unix_s: 1_700_000_000 };
    assert_eq!(arrivals(&mut world, a), [arrival]);
    assert_eq!(arrivals(&mut world, b), []);
    assert_eq!(arrivals(&mut world, t), []);
}

#[test]
fn own_devices_are_seen_with_the_time_of_their_last_session_and_their_place() {
    let mut world = World::new();
    let mut alice = world.person("alice", 10);
    world.now.unix_s = 100;
    let a = world.resume(&alice, 0);
    let (tablet, t) = second(&mut world, &mut alice, a, 50);
    world.now.unix_s = 200;
    world.gone(t);
    let Ok(Answer::Account(AccountAnswer::Sightings { sightings })) =
        world.ask(a, Request::Account(AccountRequest::Sightings))
    else {
        panic!("a device may ask");
    };
    let mut seen = sightings.into_vec();
    seen.sort_by_key(|sighting| sighting.seen_at_unix_s);
    let here = Some(Text::new("192.0.2.0/24").unwrap());
    let laptop = Sighting { device: alice.device(), seen_at_unix_s: 100, here };
    assert_eq!(seen, [laptop, Sighting { device: tablet.device(), seen_at_unix_s: 200, here: None }]);
    let stranger = world.open();
    assert_eq!(
        world.ask(stranger, Request::Account(AccountRequest::Sightings)),
        Err(Refusal::SessionRequired)
    );
}

#[test]
fn a_revoked_device_has_no_session_no_mailbox_and_gets_no_letter() {
    let mut world = World::new();
    let (mut alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let (tablet, t) = second(&mut world, &mut alice, a, 50);
    let deposit = |letter: u8| {
        let copy = LetterCopy { device: tablet.device(), sealed: Opaque::new(vec![1]).unwrap() };
        Request::Mailbox(MailboxRequest::Deposit {
            to: alice.address(),
            letter: LetterId::new([letter; 16]),
            copies: List::new(vec![copy]).unwrap(),
        })
    };
    assert_eq!(world.ask(b, deposit(1)), Ok(Answer::Done));
    world.effects.clear();
    assert_eq!(world.ask(a, append(alice.entry(DeviceOperation::Revoke(tablet.device()), None))), DONE);
    assert!(world.effects.contains(&Effect::Close { session: t, code: SessionClose::Revoked }));
    assert_eq!(world.ask(b, deposit(2)), Err(Refusal::UnknownDevice));
    let mut tx = world.store.begin().unwrap();
    let page = Page { letters: 9, bytes: 9 };
    assert_eq!(tx.letters_after(tablet.device(), 0, page).unwrap(), []);
    drop(tx);
    let again = world.open();
    let signature = tablet.key.sign(Purpose::Session, &EXPORTER);
    let (address, device) = (tablet.address(), tablet.device());
    let request = AccountRequest::Authenticate { address, device, signature };
    assert_eq!(world.ask(again, Request::Account(request)), Err(Refusal::UnknownDevice));
}

#[test]
fn new_names_leave_room_and_so_every_device_can_be_revoked() {
    let mut world = World::new();
    let mut alice = world.person("alice", 10);
    let a = world.resume(&alice, 0);
    let id = alice.device();
    let rename = |n: usize| DeviceOperation::Rename { device: id, name: Text::new(n.to_string()).unwrap() };
    let mut renamed = 0;
    loop {
        let entry = alice.entry(rename(renamed), None);
        match world.ask(a, append(entry.clone())) {
            DONE => grow(&mut alice, entry),
            refused => break assert_eq!(refused, Err(Refusal::QuotaRequired)),
        }
        renamed += 1;
    }
    assert_eq!(renamed, 79);
    // Devices that come and go fill the list to where one more could not be revoked any more.
    let mut seed = 100;
    while alice.list.entries.len() + 1 < DEVICE_ENTRIES_MAX {
        let (key, tablet) = device(seed);
        let id = tablet.id();
        let entry = alice.entry(DeviceOperation::Add(tablet), Some(&key));
        assert_eq!(
            world.ask(a, append(entry.clone())),
            if alice.list.entries.len() <= 125 { DONE } else { Err(Refusal::QuotaRequired) }
        );
        if alice.list.entries.len() > 125 {
            break;
        }
        grow(&mut alice, entry);
        let entry = alice.entry(DeviceOperation::Revoke(id), None);
        assert_eq!(world.ask(a, append(entry.clone())), DONE);
        grow(&mut alice, entry);
        seed += 1;
    }
    let last = alice.entry(DeviceOperation::Revoke(id), None);
    assert_eq!(world.ask(a, append(last)), DONE);
}

/// A password that is set: OPAQUE's first message and what finishes it.
struct NewPassword(ClientRegistration<Suite>, &'static [u8]);

impl NewPassword {
    fn start(password: &'static [u8]) -> (Self, OpaqueMessage) {
        let started = ClientRegistration::<Suite>::start(&mut random(), password).unwrap();
        (Self(started.state, password), OpaqueMessage::new(started.message.serialize().to_vec()).unwrap())
    }

    fn finish(self, answer: &OpaqueMessage) -> OpaqueMessage {
        let stretching = key_stretching();
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
        let response = RegistrationResponse::deserialize(answer.as_slice()).unwrap();
        let finished = self.0.finish(&mut random(), self.1, response, parameters).unwrap();
        OpaqueMessage::new(finished.message.serialize().to_vec()).unwrap()
    }
}

/// Logs in; what comes of it.
fn login(world: &mut World, name: &str, password: &[u8]) -> (SessionId, Result<WrappedKey, Refusal>) {
    let session = world.open();
    let started = ClientLogin::<Suite>::start(&mut random(), password).unwrap();
    let message = OpaqueMessage::new(started.message.serialize().to_vec()).unwrap();
    let name: Name = name.parse().unwrap();
    let start = AccountRequest::LoginStart { name, opaque_version: VERSION, message };
    let Ok(Answer::Account(AccountAnswer::Challenge { message })) =
        world.ask(session, Request::Account(start))
    else {
        panic!("everybody gets a challenge");
    };
    let stretching = key_stretching();
    let parameters = ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&stretching));
    let response = CredentialResponse::deserialize(message.as_slice()).unwrap();
    let Ok(finished) = started.state.finish(&mut random(), password, response, parameters) else {
        return (session, Err(Refusal::WrongCredentials));
    };
    let message = OpaqueMessage::new(finished.message.serialize().to_vec()).unwrap();
    match world.ask(session, Request::Account(AccountRequest::LoginFinish { message })) {
        Ok(Answer::Account(AccountAnswer::LoggedIn { wrapped, .. })) => (session, Ok(wrapped)),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => (session, Err(refusal)),
    }
}

/// Begins a recovery, signed by `root` over `exporter`.
fn recover_start(name: &str, root: &SigningKey, exporter: &[u8], message: OpaqueMessage) -> Request {
    let signature = root.sign(Purpose::Recovery, exporter);
    let name: Name = name.parse().unwrap();
    Request::Account(AccountRequest::RecoverStart { name, opaque_version: VERSION, message, signature })
}

/// The root of the person whose keys grow from this seed.
fn root(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

#[test]
fn the_root_sets_a_new_password_and_signing_key_and_device_in_one_step() {
    let mut world = World::new();
    let (mut alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (_, b) = world.befriend(&alice, &bob);
    let session = world.open();
    let (new, message) = NewPassword::start(b"a new one");
    let Ok(Answer::Account(AccountAnswer::Recovering { message, list })) =
        world.ask(session, recover_start("alice", &root(10), &EXPORTER, message))
    else {
        panic!("the root may");
    };
    assert_eq!(list, alice.list);

    let renewed = SigningKey::from_seed(&[77; 32]);
    let place = alice.list.verify().unwrap().next();
    let renewal = SignedEntry::renew(&root(10), place, 2, renewed.verify_key()).unwrap();
    grow(&mut alice, renewal.clone());
    alice.self_signing = renewed;
    let (key, phone) = device(50);
    let entry = alice.entry(DeviceOperation::Add(phone), Some(&key));
    let wrapped = WrappedKey::new(vec![9]).unwrap();
    let message = new.finish(&message);
    world.effects.clear();
    let renewal = Box::new(renewal);
    let finish = AccountRequest::RecoverFinish { message, renewal, entry: entry.clone(), wrapped };
    let answer = world.ask(session, Request::Account(finish));
    grow(&mut alice, entry);
    let Ok(Answer::Account(AccountAnswer::Welcome { list, .. })) = answer else { panic!("{answer:?}") };
    assert_eq!(list, alice.list);
    assert!(world.effects.contains(&Effect::Admit { session }));
    assert!(matches!(world.pushes(b)[..], [Push::DevicesChanged { .. }]), "contacts hear of the new list");

    assert_eq!(login(&mut world, "alice", b"a new one").1, Ok(WrappedKey::new(vec![9]).unwrap()));
    assert_eq!(login(&mut world, "alice", b"").1, Err(Refusal::WrongCredentials));
    let revoke = alice.entry(DeviceOperation::Revoke(DeviceId::of(&alice.key.verify_key())), None);
    assert_eq!(world.ask(session, append(revoke)), DONE, "the new key signs");
}

#[test]
fn nobody_recovers_an_account_without_its_root_over_this_very_session() {
    let mut world = World::with(Limits { failures_per_session_max: 9, ..Limits::default() });
    world.person("alice", 10);
    let session = world.open();
    let message = || NewPassword::start(b"mine now").1;
    let attempts = [
        recover_start("alice", &root(11), &EXPORTER, message()),
        recover_start("alice", &root(10), &[1; 32], message()),
        recover_start("nobody", &root(10), &EXPORTER, message()),
    ];
    for attempt in attempts {
        assert_eq!(world.ask(session, attempt), Err(Refusal::WrongCredentials));
    }
    let (key, phone) = device(50);
    let alice = world.person("carol", 30);
    let entry = alice.entry(DeviceOperation::Add(phone), Some(&key));
    let (renewal, wrapped) = (Box::new(entry.clone()), WrappedKey::default());
    let finish = AccountRequest::RecoverFinish { message: message(), renewal, entry, wrapped };
    assert_eq!(world.ask(session, Request::Account(finish)), Err(Refusal::Conflict));
}

#[test]
fn recoveries_cannot_be_tried_without_end() {
    let mut world = World::with(Limits { attempts_per_name_max: 2, ..Limits::default() });
    world.person("alice", 10);
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let session = world.open();
        let message = NewPassword::start(b"mine now").1;
        outcomes.push(world.ask(session, recover_start("alice", &root(11), &EXPORTER, message)).unwrap_err());
    }
    let (wrong, refused) = (Refusal::WrongCredentials, Refusal::TooManyRequests);
    assert_eq!(outcomes, [wrong, wrong, refused]);
}

#[test]
fn a_recovery_that_does_not_renew_the_key_or_add_a_device_changes_nothing() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let session = world.open();
    let (new, message) = NewPassword::start(b"a new one");
    let Ok(Answer::Account(AccountAnswer::Recovering { message, .. })) =
        world.ask(session, recover_start("alice", &root(10), &EXPORTER, message))
    else {
        panic!("the root may");
    };
    let (key, phone) = device(50);
    let entry = alice.entry(DeviceOperation::Add(phone), Some(&key));
    let finish = AccountRequest::RecoverFinish {
        message: new.finish(&message),
        renewal: Box::new(alice.entry(DeviceOperation::Revoke(alice.device()), None)),
        entry,
        wrapped: WrappedKey::default(),
    };
    assert_eq!(world.ask(session, Request::Account(finish)), Err(Refusal::NotAcceptable));
    world.authenticate(&alice);
}

#[test]
fn the_signing_key_is_renewed_in_a_recovery_only() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let a = world.resume(&alice, 0);
    let place = alice.list.verify().unwrap().next();
    let renewal = SignedEntry::renew(&root(10), place, 2, root(12).verify_key()).unwrap();
    assert_eq!(world.ask(a, append(renewal)), Err(Refusal::NotAllowed));
}

#[test]
fn who_knows_the_password_changes_it_and_the_old_one_is_worth_nothing() {
    let mut world = World::new();
    super::proofs::register(&mut world, "alice", 10);
    let (session, wrapped) = login(&mut world, "alice", b"password");
    assert!(wrapped.is_ok());
    let (new, message) = NewPassword::start(b"another");
    let start = AccountRequest::PasswordStart { opaque_version: VERSION, message };
    let Ok(Answer::Account(AccountAnswer::Challenge { message })) =
        world.ask(session, Request::Account(start))
    else {
        panic!("who is logged in may");
    };
    let wrapped = WrappedKey::new(vec![5]).unwrap();
    let finish = AccountRequest::PasswordFinish { message: new.finish(&message), wrapped: wrapped.clone() };
    assert_eq!(world.ask(session, Request::Account(finish)), DONE);
    assert_eq!(login(&mut world, "alice", b"password").1, Err(Refusal::WrongCredentials));
    assert_eq!(login(&mut world, "alice", b"another").1, Ok(wrapped));
}

#[test]
fn a_device_alone_does_not_change_the_password() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let a = world.resume(&alice, 0);
    let (new, message) = NewPassword::start(b"mine now");
    let start = AccountRequest::PasswordStart { opaque_version: VERSION, message: message.clone() };
    assert_eq!(world.ask(a, Request::Account(start)), Err(Refusal::SessionRequired));
    drop(new);
    let finish = AccountRequest::PasswordFinish { message, wrapped: WrappedKey::default() };
    assert_eq!(world.ask(a, Request::Account(finish)), Err(Refusal::SessionRequired));
}
