//! A small client of the rendezvous, written on the protocol and nothing else.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob_nat::{Endpoint, exporter};
use hobnob_rendezvous::random::SystemRandom;
use hobnob_wire::account::{AccountAnswer, AccountRequest, OpaqueMessage, WrappedKey};
use hobnob_wire::close::SessionClose;
use hobnob_wire::codec::{self, LENGTH_BYTES, encode_prefixed, prefixed_len};
use hobnob_wire::contact::{ContactRequest, ContactText};
use hobnob_wire::device::{Device, DeviceEntry, DeviceList, DeviceOperation, RootCertificate, SignedEntry};
use hobnob_wire::invite::Invite;
use hobnob_wire::keys::{AgreementKey, Purpose, SigningKey};
use hobnob_wire::mailbox::{LetterCopy, MailboxRequest, Sealed};
use hobnob_wire::opaque::{Suite, VERSION, key_stretching};
use hobnob_wire::session::{Answer, ClientFrame, EXPORTER_LABEL, Push, Request, ServerFrame};
use hobnob_wire::signal::RelayGrant;
use hobnob_wire::{Address, DeviceId, Frame, LetterId, List, Name, Refusal, RequestId, Text};
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it happens in time")
}

/// An account's keys, as its first device holds them.
pub(crate) struct Keys {
    root: SigningKey,
    self_signing: SigningKey,
}

/// A device of an account, with or without a session.
pub(crate) struct Peer {
    pub(crate) address: Address,
    pub(crate) key: SigningKey,
    pub(crate) list: DeviceList,
}

/// A session with the rendezvous.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    send: SendStream,
    recv: RecvStream,
    next: u32,
    pushes: VecDeque<Push>,
    /// The place at the relay, once it was told.
    pub(crate) grant: Option<RelayGrant>,
}

impl Keys {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            root: SigningKey::from_seed(&[seed; 32]),
            self_signing: SigningKey::from_seed(&[seed + 1; 32]),
        }
    }

    fn entry(&self, list: Option<&DeviceList>, key: &SigningKey) -> SignedEntry {
        let certificate = self.certificate();
        let (seq, previous) = list.map_or((0, certificate.hash()), |list| list.verify().unwrap().next());
        let (noise, olm) = (AgreementKey::new([1; 32]), AgreementKey::new([2; 32]));
        let device = Device { signing: key.verify_key(), noise, olm, name: Text::new("test").unwrap() };
        let operation = DeviceOperation::Add(device);
        let entry = DeviceEntry { seq, previous, at_unix_s: 1, operation };
        SignedEntry::sign(&entry, &self.self_signing, Some(key)).unwrap()
    }

    fn certificate(&self) -> RootCertificate {
        RootCertificate::issue(&self.root, self.self_signing.verify_key())
    }
}

impl Peer {
    pub(crate) fn device(&self) -> DeviceId {
        DeviceId::of(&self.key.verify_key())
    }
}

fn message(bytes: &[u8]) -> OpaqueMessage {
    OpaqueMessage::new(bytes).unwrap()
}

impl Session {
    pub(crate) async fn open(invite: &Invite) -> Self {
        let endpoint = Endpoint::peer("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::open_from(&endpoint, invite).await
    }

    pub(crate) async fn open_from(endpoint: &Endpoint, invite: &Invite) -> Self {
        let connection = dial(endpoint, invite).await;
        let (send, recv) = within(connection.open_bi()).await.unwrap();
        Self { connection, send, recv, next: 0, pushes: VecDeque::new(), grant: None }
    }

    pub(crate) async fn say(&mut self, frame: &ClientFrame) {
        let bytes = encode_prefixed(frame).unwrap();
        within(self.send.write_all(&bytes)).await.unwrap();
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        within(self.send.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> ServerFrame {
        self.hear_what_is_left().await.expect("the session goes on")
    }

    /// The next frame; `None` when the session has ended.
    pub(crate) async fn hear_what_is_left(&mut self) -> Option<ServerFrame> {
        let mut prefix = [0; LENGTH_BYTES];
        within(self.recv.read_exact(&mut prefix)).await.ok()?;
        let mut body = vec![0; prefixed_len(prefix, "", ServerFrame::BYTES_MAX).unwrap()];
        within(self.recv.read_exact(&mut body)).await.ok()?;
        Some(codec::decode(&body).unwrap())
    }

    /// Asks and waits for the answer; what is pushed meanwhile is kept.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        let id = RequestId(self.next);
        self.next += 1;
        self.say(&ClientFrame::Request { id, request }).await;
        loop {
            match self.hear().await {
                ServerFrame::Answer { id: answered, answer } if answered == id => return Ok(answer),
                ServerFrame::Refused { id: refused, refusal } if refused == id => return Err(refusal),
                ServerFrame::Push(Push::Relay(grant)) => self.grant = Some(grant),
                ServerFrame::Push(push) => self.pushes.push_back(push),
                other @ (ServerFrame::Answer { .. } | ServerFrame::Refused { .. }) => {
                    panic!("not asked for: {other:?}")
                }
            }
        }
    }

    pub(crate) async fn push(&mut self) -> Push {
        if let Some(push) = self.pushes.pop_front() {
            return push;
        }
        loop {
            match self.hear().await {
                ServerFrame::Push(Push::Relay(grant)) => self.grant = Some(grant),
                ServerFrame::Push(push) => return push,
                heard @ (ServerFrame::Answer { .. } | ServerFrame::Refused { .. }) => {
                    panic!("not asked for: {heard:?}")
                }
            }
        }
    }

    /// The first push that `wanted` picks; those before it are passed over.
    pub(crate) async fn push_of<T>(&mut self, wanted: impl Fn(Push) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.push().await) {
                return found;
            }
        }
    }

    pub(crate) async fn account(&mut self, request: AccountRequest) -> Result<AccountAnswer, Refusal> {
        let answer = self.ask(Request::Account(request)).await?;
        let Answer::Account(answer) = answer else { panic!("not about accounts: {answer:?}") };
        Ok(answer)
    }

    async fn challenge(&mut self, request: AccountRequest) -> Result<OpaqueMessage, Refusal> {
        let answer = self.account(request).await?;
        let AccountAnswer::Challenge { message } = answer else { panic!("no challenge: {answer:?}") };
        Ok(message)
    }

    fn welcomed(answer: AccountAnswer, key: SigningKey) -> Peer {
        let AccountAnswer::Welcome { address, list, .. } = answer else { panic!("no welcome: {answer:?}") };
        Peer { address, key, list }
    }

    /// Registers `name` with its first device, whose key grows from `seed`.
    pub(crate) async fn register(
        &mut self,
        name: &str,
        password: &[u8],
        keys: &Keys,
        seed: u8,
    ) -> Result<Peer, Refusal> {
        let opaque = ClientRegistration::<Suite>::start(&mut SystemRandom, password).unwrap();
        let name: Name = name.parse().unwrap();
        let request = message(&opaque.message.serialize());
        let start = AccountRequest::RegisterStart { name, opaque_version: VERSION, message: request };
        let challenge = self.challenge(start).await?;
        let stretching = key_stretching();
        let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretching));
        let response = RegistrationResponse::deserialize(challenge.as_slice()).unwrap();
        let finished = opaque.state.finish(&mut SystemRandom, password, response, parameters).unwrap();
        let key = SigningKey::from_seed(&[seed; 32]);
        let answer = self
            .account(AccountRequest::RegisterFinish {
                message: message(&finished.message.serialize()),
                certificate: keys.certificate(),
                entry: keys.entry(None, &key),
                wrapped: WrappedKey::new([5; 60]).unwrap(),
            })
            .await?;
        Ok(Self::welcomed(answer, key))
    }

    /// The password's part of a login; `None` when the challenge shows that it is wrong.
    pub(crate) async fn log_in(
        &mut self,
        name: &str,
        password: &[u8],
    ) -> Result<Option<(WrappedKey, DeviceList)>, Refusal> {
        let opaque = ClientLogin::<Suite>::start(&mut SystemRandom, password).unwrap();
        let name: Name = name.parse().unwrap();
        let request = message(&opaque.message.serialize());
        let start = AccountRequest::LoginStart { name, opaque_version: VERSION, message: request };
        let challenge = self.challenge(start).await?;
        let stretching = key_stretching();
        let parameters = ClientLoginFinishParameters::new(None, Identifiers::default(), Some(&stretching));
        let response = CredentialResponse::deserialize(challenge.as_slice()).unwrap();
        let Ok(finished) = opaque.state.finish(&mut SystemRandom, password, response, parameters) else {
            return Ok(None);
        };
        let finish = AccountRequest::LoginFinish { message: message(&finished.message.serialize()) };
        let answer = self.account(finish).await?;
        let AccountAnswer::LoggedIn { wrapped, list } = answer else { panic!("not logged in: {answer:?}") };
        Ok(Some((wrapped, list)))
    }

    /// Adds a device to the account that has logged in.
    pub(crate) async fn join(&mut self, keys: &Keys, list: &DeviceList, seed: u8) -> Result<Peer, Refusal> {
        let key = SigningKey::from_seed(&[seed; 32]);
        let entry = keys.entry(Some(list), &key);
        let answer = self.account(AccountRequest::AppendEntry { entry }).await?;
        Ok(Self::welcomed(answer, key))
    }

    pub(crate) async fn authenticate(&mut self, peer: &Peer) -> Result<(), Refusal> {
        let exporter = exporter(&self.connection, EXPORTER_LABEL).unwrap();
        let signature = peer.key.sign(Purpose::Session, &exporter);
        let (address, device) = (peer.address.clone(), peer.device());
        self.account(AccountRequest::Authenticate { address, device, signature }).await.map(drop)
    }

    /// A session of a known device that has heard everything up to the complete roster.
    pub(crate) async fn resume(invite: &Invite, peer: &Peer) -> Self {
        let mut session = Self::open(invite).await;
        session.authenticate(peer).await.unwrap();
        session.say(&ClientFrame::Resume { roster: 0 }).await;
        session
    }

    pub(crate) async fn befriend(&mut self, other: &mut Self, me: &Peer, them: &Peer) {
        let text = ContactText::new("hello").unwrap();
        let ask = ContactRequest::Ask { address: them.address.clone(), text };
        assert_eq!(self.ask(Request::Contact(ask)).await, Ok(Answer::Done));
        let accept = ContactRequest::Accept { address: me.address.clone(), mutual: true };
        assert_eq!(other.ask(Request::Contact(accept)).await, Ok(Answer::Done));
    }

    pub(crate) async fn deposit(&mut self, to: &Peer, number: u8, sealed: &[u8]) -> Result<Answer, Refusal> {
        self.ask(deposit(to, number, sealed)).await
    }

    /// Why the rendezvous closed the session.
    pub(crate) async fn closed(&self) -> Option<SessionClose> {
        let reason = within(self.connection.closed()).await;
        let ConnectionError::ApplicationClosed(close) = reason else { panic!("{reason}") };
        SessionClose::from_code(close.error_code.into_inner())
    }
}

/// A letter for one device.
pub(crate) fn deposit(to: &Peer, number: u8, sealed: &[u8]) -> Request {
    let copy = LetterCopy { device: to.device(), sealed: Sealed::new(sealed).unwrap() };
    let copies = List::new(vec![copy]).unwrap();
    let (to, letter) = (to.address.clone(), LetterId::new([number; 16]));
    Request::Mailbox(MailboxRequest::Deposit { to, letter, copies })
}

/// A connection that has said nothing.
pub(crate) async fn dial(endpoint: &Endpoint, invite: &Invite) -> Connection {
    let address = SocketAddr::new(invite.host.parse().unwrap(), invite.port);
    within(endpoint.open_session(address, invite.pin)).await.unwrap()
}
