use hobnob_wire::account::{AccountAnswer, AccountRequest, OpaqueMessage, WrappedKey};
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::DeviceOperation;
use hobnob_wire::keys::{Purpose, SigningKey};
use hobnob_wire::opaque::{Suite, VERSION, key_stretching};
use hobnob_wire::session::{Answer, ClientFrame, Push, Request};
use hobnob_wire::{Name, Refusal};
use opaque_ke::{
    ClientLogin, ClientRegistration, ClientRegistrationFinishParameters, Identifiers, RegistrationResponse,
    ServerRegistration,
};

use super::{EXPORTER, Person, World, contacts, device, keys, random};
use crate::core::{Effect, Limits, SessionId};

fn authenticate(person: &Person, key: &SigningKey) -> Request {
    let signature = key.sign(Purpose::Session, &EXPORTER);
    let (address, device) = (person.address(), person.device());
    Request::Account(AccountRequest::Authenticate { address, device, signature })
}

fn login_start(name: &str) -> Request {
    let started = ClientLogin::<Suite>::start(&mut random(), b"password").unwrap();
    let message = OpaqueMessage::new(started.message.serialize().to_vec()).unwrap();
    let name: Name = name.parse().unwrap();
    Request::Account(AccountRequest::LoginStart { name, opaque_version: VERSION, message })
}

fn closes(world: &World) -> Vec<(SessionId, SessionClose)> {
    let effects = world.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Close { session, code } => Some((*session, *code)),
            Effect::Send { .. } | Effect::Admit { .. } | Effect::Relay(_) => None,
        })
        .collect()
}

#[test]
fn only_the_device_itself_over_this_very_session_is_admitted() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let session = world.open();
    let stranger = SigningKey::from_seed(&[99; 32]);
    assert_eq!(world.ask(session, authenticate(&alice, &stranger)), Err(Refusal::WrongCredentials));
    let nobody = Person { name: "nobody".parse().unwrap(), ..world.person("bob", 20) };
    assert_eq!(world.ask(session, authenticate(&nobody, &nobody.key)), Err(Refusal::UnknownDevice));
    assert!(!world.effects.contains(&Effect::Admit { session }));
    assert!(world.ask(session, authenticate(&alice, &alice.key)).is_ok());
    assert!(world.effects.contains(&Effect::Admit { session }));
    assert_eq!(world.ask(session, authenticate(&alice, &alice.key)), Err(Refusal::Conflict));
}

#[test]
fn before_the_proof_nothing_but_the_proof_is_taken() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let session = world.open();
    assert_eq!(world.ask(session, contacts::ask(&alice)), Err(Refusal::SessionRequired));
    let devices = AccountRequest::Devices { address: alice.address() };
    assert_eq!(world.ask(session, Request::Account(devices)), Err(Refusal::SessionRequired));
    world.say(session, ClientFrame::Resume { roster: 0 });
    world.say(session, ClientFrame::MailboxAck { up_to: 1 });
    assert_eq!(world.effects, []);
}

#[test]
fn a_session_is_closed_after_too_many_failed_proofs() {
    let mut world = World::with(Limits { failures_per_session_max: 2, ..Limits::default() });
    let alice = world.person("alice", 10);
    let session = world.open();
    let stranger = SigningKey::from_seed(&[99; 32]);
    assert_eq!(world.ask(session, authenticate(&alice, &stranger)), Err(Refusal::WrongCredentials));
    assert_eq!(closes(&world), []);
    assert_eq!(world.ask(session, authenticate(&alice, &stranger)), Err(Refusal::WrongCredentials));
    assert_eq!(closes(&world), [(session, SessionClose::TooManyFailures)]);
    world.effects.clear();
    world.say(session, ClientFrame::Request { id: hobnob_wire::RequestId(1), request: login_start("alice") });
    assert_eq!(world.effects, [], "a closed session is not heard any more");
}

#[test]
fn a_block_of_addresses_has_a_limited_number_of_failures() {
    let mut world = World::with(Limits { attempts_per_block_max: 1, ..Limits::default() });
    let alice = world.person("alice", 10);
    let stranger = SigningKey::from_seed(&[99; 32]);
    let (first, second) = (world.open(), world.open());
    assert_eq!(world.ask(first, authenticate(&alice, &stranger)), Err(Refusal::WrongCredentials));
    assert_eq!(world.ask(second, authenticate(&alice, &stranger)), Err(Refusal::TooManyRequests));
    assert!(world.ask(second, authenticate(&alice, &alice.key)).is_ok(), "who succeeds is not counted");
}

/// Registers a name with the password "password"; gives back the session, which is then proved.
pub(super) fn register(world: &mut World, name: &str, seed: u8) -> SessionId {
    let session = world.open();
    let opaque = ClientRegistration::<Suite>::start(&mut random(), b"password").unwrap();
    let message = OpaqueMessage::new(opaque.message.serialize().to_vec()).unwrap();
    let name: Name = name.parse().unwrap();
    let start = AccountRequest::RegisterStart { name, opaque_version: VERSION, message };
    let Ok(Answer::Account(AccountAnswer::Challenge { message })) =
        world.ask(session, Request::Account(start))
    else {
        panic!("a new name gets a challenge");
    };
    let stretching = key_stretching();
    let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
    let response = RegistrationResponse::deserialize(message.as_slice()).unwrap();
    let finished = opaque.state.finish(&mut random(), b"password", response, parameters).unwrap();
    let message = OpaqueMessage::new(finished.message.serialize().to_vec()).unwrap();
    let (_, _, list) = keys(seed);
    let (certificate, entry) = (list.certificate, list.entries[0].clone());
    let wrapped = WrappedKey::default();
    let finish = AccountRequest::RegisterFinish { message, certificate, entry, wrapped };
    let answer = world.ask(session, Request::Account(finish));
    assert!(matches!(answer, Ok(Answer::Account(AccountAnswer::Welcome { .. }))), "{answer:?}");
    session
}

#[test]
fn a_name_that_nobody_has_answers_a_login_like_one_that_somebody_has() {
    let mut world = World::new();
    register(&mut world, "alice", 10);
    let mut outcomes = Vec::new();
    for name in ["alice", "nobody"] {
        let session = world.open();
        let challenge = world.ask(session, login_start(name));
        let Ok(Answer::Account(AccountAnswer::Challenge { message })) = challenge else {
            panic!("{challenge:?}");
        };
        let finish = AccountRequest::LoginFinish { message: OpaqueMessage::new(vec![0; 64]).unwrap() };
        outcomes.push((message.as_slice().len(), world.ask(session, Request::Account(finish))));
    }
    assert_eq!(outcomes[0], (320, Err(Refusal::WrongCredentials)));
    assert_eq!(outcomes[0], outcomes[1]);
}

#[test]
fn a_request_to_a_name_that_nobody_had_waits_for_who_registers_it() {
    let mut world = World::new();
    let alice = world.person("alice", 20);
    let bob = Person { name: "bob".parse().unwrap(), ..world.person("carol", 30) };
    let a = world.resume(&alice, 0);
    assert!(world.ask(a, contacts::ask(&bob)).is_ok());
    let b = register(&mut world, "bob", 40);
    world.say(b, ClientFrame::Resume { roster: 0 });
    let pushes = world.pushes(b);
    let Some(Push::Contact(change)) = pushes.first() else { panic!("{pushes:?}") };
    assert_eq!((change.address.as_str(), change.text.as_str()), ("alice@localhost", "hello"));
    assert_eq!(world.ask(b, contacts::accept(&alice, true)), Ok(Answer::Done));
}

#[test]
fn a_name_is_given_once() {
    let mut world = World::new();
    register(&mut world, "alice", 10);
    let session = world.open();
    let opaque = ClientRegistration::<Suite>::start(&mut random(), b"password").unwrap();
    let message = OpaqueMessage::new(opaque.message.serialize().to_vec()).unwrap();
    let name: Name = "alice".parse().unwrap();
    let start = AccountRequest::RegisterStart { name, opaque_version: VERSION, message };
    assert_eq!(world.ask(session, Request::Account(start)), Err(Refusal::NameTaken));
}

#[test]
fn there_are_only_so_many_sessions() {
    let mut world = World::with(Limits { sessions_max: 1, ..Limits::default() });
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let a = world.authenticate(&alice);
    let session = world.open();
    assert_eq!(world.ask(session, authenticate(&bob, &bob.key)), Err(Refusal::ServiceUnavailable));
    world.gone(a);
    assert!(world.ask(session, authenticate(&bob, &bob.key)).is_ok());
}

#[test]
fn passwords_cannot_be_tried_without_end() {
    let limits = Limits { attempts_per_name_max: 2, attempts_per_block_max: 4, ..Limits::default() };
    let mut world = World::with(limits);
    let mut outcomes = Vec::new();
    for name in ["alice", "alice", "alice", "bob", "carol"] {
        let session = world.open();
        outcomes.push(world.ask(session, login_start(name)).err());
    }
    let refused = Some(Refusal::TooManyRequests);
    assert_eq!(outcomes, [None, None, refused, None, refused], "by name, then by block");
}

#[test]
fn another_version_of_the_password_protocol_is_refused() {
    let mut world = World::new();
    let session = world.open();
    let (name, message): (Name, _) = ("alice".parse().unwrap(), OpaqueMessage::new(vec![0; 32]).unwrap());
    let start = AccountRequest::LoginStart { name, opaque_version: 2, message };
    assert_eq!(world.ask(session, Request::Account(start)), Err(Refusal::UnsupportedVersion));
}

#[test]
fn a_newer_session_of_the_same_device_replaces_the_older() {
    let mut world = World::new();
    let alice = world.person("alice", 10);
    let (older, newer) = (world.authenticate(&alice), world.authenticate(&alice));
    assert_eq!(closes(&world), [(older, SessionClose::Replaced)]);
    world.gone(older);
    assert!(world.ask(newer, contacts::ask(&alice)).is_err_and(|refusal| refusal == Refusal::NotAllowed));
}

#[test]
fn a_new_entry_must_continue_the_own_list_and_is_told_to_contacts() {
    let mut world = World::new();
    let (mut alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let (key, laptop) = device(50);
    let entry = alice.entry(DeviceOperation::Add(laptop), Some(&key));
    let append = |entry| Request::Account(AccountRequest::AppendEntry { entry });
    let done = Ok(Answer::Account(AccountAnswer::Done));
    assert_eq!(world.ask(a, append(entry.clone())), done);
    let pushed = [world.pushes(a), world.pushes(b)].concat();
    let [Push::DevicesChanged { address, head }, Push::DevicesChanged { .. }] = &pushed[..] else {
        panic!("{pushed:?}");
    };
    assert_eq!((address, head.seq), (&alice.address(), 1));

    assert_eq!(world.ask(a, append(entry)), done, "the same entry again is harmless");
    let (key, phone) = device(52);
    let forked = alice.entry(DeviceOperation::Add(phone), Some(&key));
    assert_eq!(world.ask(a, append(forked)), Err(Refusal::StaleDeviceList));
    assert_eq!(world.ask(b, append(bob_signs(&alice, &bob))), Err(Refusal::NotAcceptable));

    let devices = AccountRequest::Devices { address: alice.address() };
    let Ok(Answer::Account(AccountAnswer::Devices { list, .. })) = world.ask(b, Request::Account(devices))
    else {
        panic!("a contact reads the list");
    };
    assert_eq!(list.verify().unwrap().head(), *head);
    alice.list = list;
    let revoke = alice.entry(DeviceOperation::Revoke(alice.device()), None);
    world.effects.clear();
    assert_eq!(world.ask(a, append(revoke)), done);
    assert_eq!(closes(&world), [(a, SessionClose::Revoked)]);
    let again = world.open();
    assert_eq!(world.ask(again, authenticate(&alice, &alice.key)), Err(Refusal::UnknownDevice));
}

/// An entry for bob's list that alice's key signed.
fn bob_signs(alice: &Person, bob: &Person) -> hobnob_wire::device::SignedEntry {
    let (key, tablet) = device(54);
    let (seq, previous) = bob.list.verify().unwrap().next();
    let operation = DeviceOperation::Add(tablet);
    let entry = hobnob_wire::device::DeviceEntry { seq, previous, at_unix_s: 3, operation };
    hobnob_wire::device::SignedEntry::sign(&entry, &alice.self_signing, Some(&key)).unwrap()
}

#[test]
fn a_contact_that_was_away_hears_of_new_devices_once() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let (a, b) = world.befriend(&alice, &bob);
    let version = world.roster_version(&bob);
    world.gone(b);
    let (key, laptop) = device(50);
    let entry = alice.entry(DeviceOperation::Add(laptop), Some(&key));
    assert!(world.ask(a, Request::Account(AccountRequest::AppendEntry { entry })).is_ok());

    let b = world.resume(&bob, version);
    let pushes = world.pushes(b);
    assert!(matches!(pushes[0], Push::DevicesChanged { .. }), "{pushes:?}");
    assert_eq!(pushes[1], Push::RosterComplete { version: version + 1 });
    let b = world.resume(&bob, version + 1);
    assert_eq!(world.pushes(b)[0], Push::RosterComplete { version: version + 1 });
}

#[test]
fn device_lists_of_strangers_and_of_nobody_are_closed_alike() {
    let mut world = World::new();
    let (alice, bob) = (world.person("alice", 10), world.person("bob", 20));
    let a = world.authenticate(&alice);
    let devices = |address| Request::Account(AccountRequest::Devices { address });
    assert_eq!(world.ask(a, devices(bob.address())), Err(Refusal::Forbidden));
    assert_eq!(world.ask(a, devices("nobody@localhost".parse().unwrap())), Err(Refusal::Forbidden));
    assert!(world.ask(a, devices(alice.address())).is_ok());
}

#[test]
fn the_secrets_of_the_password_protocol_stay_the_same() {
    let mut world = World::new();
    let request = ClientRegistration::<Suite>::start(&mut random(), b"password").unwrap().message;
    let mut evaluate = || {
        let mut tx = world.store.begin().unwrap();
        let setup = tx.opaque_setup(&mut random()).unwrap();
        ServerRegistration::start(&setup, request.clone(), b"alice").unwrap().message.serialize()
    };
    assert_eq!(evaluate(), evaluate());
}
