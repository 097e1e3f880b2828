//! The rules at work, on a real SQLite database in memory.

mod contacts;
mod devices;
mod letters;
mod proofs;
mod relayed;

use hobnob_wire::account::{AccountAnswer, AccountRequest, WrappedKey};
use hobnob_wire::device::{Device, DeviceEntry, DeviceList, DeviceOperation, RootCertificate, SignedEntry};
use hobnob_wire::keys::{AgreementKey, Purpose, SigningKey};
use hobnob_wire::session::{Answer, ClientFrame, Push, Request, ServerFrame};
use hobnob_wire::{Address, DeviceId, List, Name, Refusal, RequestId, Text};

use super::quota::Block;
use super::store::{AccountId, AccountStore, ContactStore, KnownDevice, NewAccount};
use super::{Effect, Input, Limits, Now, RelayOffer, Rendezvous, SessionId};
use crate::random::SystemRandom;
use crate::store::Sqlite;
use zeroize::Zeroizing;

const EXPORTER: [u8; 32] = [9; 32];

/// A rendezvous with everything that it has sent.
struct World {
    store: Sqlite,
    rendezvous: Rendezvous,
    now: Now,
    sessions: u64,
    effects: Vec<Effect>,
}

/// An account with one device, made without OPAQUE.
struct Person {
    name: Name,
    account: AccountId,
    self_signing: SigningKey,
    list: DeviceList,
    key: SigningKey,
}

impl Person {
    fn address(&self) -> Address {
        format!("{}@localhost", self.name).parse().unwrap()
    }

    fn device(&self) -> DeviceId {
        DeviceId::of(&self.key.verify_key())
    }

    /// The list with one more entry.
    fn entry(&self, operation: DeviceOperation, device: Option<&SigningKey>) -> SignedEntry {
        let (seq, previous) = self.list.verify().unwrap().next();
        let entry = DeviceEntry { seq, previous, at_unix_s: 2, operation };
        SignedEntry::sign(&entry, &self.self_signing, device).unwrap()
    }
}

fn device(seed: u8) -> (SigningKey, Device) {
    let key = SigningKey::from_seed(&[seed; 32]);
    let (noise, olm) = (AgreementKey::new([seed; 32]), AgreementKey::new([seed; 32]));
    let device = Device { signing: key.verify_key(), noise, olm, name: Text::new("laptop").unwrap() };
    (key, device)
}

fn random() -> SystemRandom {
    SystemRandom
}

/// The self-signing key, the first device's key and the device list that grow from `seed`.
fn keys(seed: u8) -> (SigningKey, SigningKey, DeviceList) {
    let root = SigningKey::from_seed(&[seed; 32]);
    let self_signing = SigningKey::from_seed(&[seed + 1; 32]);
    let certificate = RootCertificate::issue(&root, self_signing.verify_key());
    let (key, first) = device(seed);
    let (previous, operation) = (certificate.hash(), DeviceOperation::Add(first));
    let entry = DeviceEntry { seq: 0, previous, at_unix_s: 1, operation };
    let entry = SignedEntry::sign(&entry, &self_signing, Some(&key)).unwrap();
    let list = DeviceList { certificate, entries: List::new(vec![entry]).unwrap() };
    (self_signing, key, list)
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let mut store = Sqlite::in_memory().unwrap();
        let mut tx = store.begin().unwrap();
        let setup = tx.opaque_setup(&mut SystemRandom).unwrap();
        tx.commit().unwrap();
        let rendezvous = Rendezvous::new("localhost".parse().unwrap(), setup, limits);
        Self { store, rendezvous, now: Now::default(), sessions: 0, effects: Vec::new() }
    }

    /// An account whose keys grow from `seed`; seeds must differ by more than one.
    fn person(&mut self, name: &str, seed: u8) -> Person {
        let name: Name = name.parse().unwrap();
        let (self_signing, key, list) = keys(seed);
        let mut tx = self.store.begin().unwrap();
        let account = tx
            .create_account(&NewAccount {
                name: &name,
                registration: &[],
                wrapped: &WrappedKey::default(),
                list: &list,
                head: list.verify().unwrap().head(),
                created_at_unix_s: 1,
            })
            .unwrap();
        let known = KnownDevice { account, signing: key.verify_key() };
        tx.add_device(DeviceId::of(&known.signing), known).unwrap();
        tx.commit().unwrap();
        Person { name, account, self_signing, list, key }
    }

    /// With a relay.
    fn relaying() -> Self {
        let mut world = Self::new();
        let offer = RelayOffer::new(Zeroizing::new([3; 32]), List::default());
        world.rendezvous = world.rendezvous.with_relay(offer);
        world
    }

    fn handle(&mut self, input: Input) {
        let mut tx = self.store.begin().unwrap();
        let effects = self.rendezvous.handle(&mut tx, &mut SystemRandom, self.now, input).unwrap();
        tx.commit().unwrap();
        self.effects.extend(effects);
    }

    /// A session that has said nothing.
    fn open(&mut self) -> SessionId {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let from = Block::of("192.0.2.1".parse().unwrap());
        self.handle(Input::Opened { session, exporter: EXPORTER, from });
        session
    }

    fn say(&mut self, session: SessionId, frame: ClientFrame) {
        let at = "192.0.2.1".parse().unwrap();
        self.handle(Input::Said { session, frame, at });
    }

    fn gone(&mut self, session: SessionId) {
        self.handle(Input::Gone { session });
    }

    /// Asks, and gives back the answer; what else comes of it stays in `effects`.
    fn ask(&mut self, session: SessionId, request: Request) -> Result<Answer, Refusal> {
        let before = self.effects.len();
        self.say(session, ClientFrame::Request { id: RequestId(7), request });
        let orders =
            self.effects[before..].iter().take_while(|effect| matches!(effect, Effect::Relay(_))).count();
        let Effect::Send { to, frame } = self.effects.remove(before + orders) else {
            panic!("the answer comes first");
        };
        assert_eq!(to, [session]);
        match frame {
            ServerFrame::Answer { id: RequestId(7), answer } => Ok(answer),
            ServerFrame::Refused { id: RequestId(7), refusal } => Err(refusal),
            other @ (ServerFrame::Answer { .. } | ServerFrame::Refused { .. } | ServerFrame::Push(_)) => {
                panic!("the answer comes first, not {other:?}")
            }
        }
    }

    /// A session in which the person's device has proved itself.
    fn authenticate(&mut self, person: &Person) -> SessionId {
        let session = self.open();
        let signature = person.key.sign(Purpose::Session, &EXPORTER);
        let (address, device) = (person.address(), person.device());
        let request = AccountRequest::Authenticate { address, device, signature };
        let answer = self.ask(session, Request::Account(request));
        assert!(matches!(answer, Ok(Answer::Account(AccountAnswer::Welcome { .. }))), "{answer:?}");
        session
    }

    /// The same, and it has heard what it missed since `roster`.
    fn resume(&mut self, person: &Person, roster: u64) -> SessionId {
        let session = self.authenticate(person);
        self.say(session, ClientFrame::Resume { roster });
        session
    }

    /// What was pushed to a session since the last look.
    fn pushes(&mut self, session: SessionId) -> Vec<Push> {
        let mut pushes = Vec::new();
        self.effects.retain_mut(|effect| {
            let Effect::Send { to, frame: ServerFrame::Push(push) } = effect else { return true };
            if let Some(at) = to.iter().position(|other| *other == session) {
                pushes.push(push.clone());
                to.swap_remove(at);
            }
            !to.is_empty()
        });
        pushes
    }

    /// Makes two people contacts, with a session each.
    fn befriend(&mut self, left: &Person, right: &Person) -> (SessionId, SessionId) {
        let (a, b) = (self.resume(left, 0), self.resume(right, 0));
        assert_eq!(self.ask(a, contacts::ask(right)), Ok(Answer::Done));
        assert_eq!(self.ask(b, contacts::accept(left, true)), Ok(Answer::Done));
        self.effects.clear();
        (a, b)
    }

    fn roster_version(&mut self, person: &Person) -> u64 {
        let mut tx = self.store.begin().unwrap();
        tx.roster_version(person.account).unwrap()
    }
}
