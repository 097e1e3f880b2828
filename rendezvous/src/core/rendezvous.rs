//! The whole rendezvous as one machine: it holds the sessions and routes what they say.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hobnob_nat::core::relay::RelayTally;
use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::opaque::Suite;
use hobnob_wire::session::{Answer, ClientFrame, Request, ServerFrame};
use hobnob_wire::{Domain, Refusal, RequestId};
use opaque_ke::ServerSetup;

use super::effect::Effect;
use super::online::Online;
use super::quota::{Block, Limits, Quota};
use super::relay::RelayOffer;
use super::session::{Proof, Session, SessionId, Stage};
use super::store::{Store, StoreError};
use super::turn::{Fault, House, Now, Turn};
use super::{account, device, mailbox, password, prekey, presence, relay, roster, signal};
use crate::random::Random;

/// What comes in from the shell.
#[expect(clippy::large_enum_variant, reason = "nearly all inputs are frames")]
#[derive(Debug)]
pub enum Input {
    /// A session is about to say its first words.
    Opened {
        /// Its number.
        session: SessionId,
        /// The TLS exporter value of [`EXPORTER_LABEL`](hobnob_wire::session::EXPORTER_LABEL).
        exporter: [u8; 32],
        /// Where it comes from.
        from: Block,
    },
    /// A session said something.
    Said {
        /// Which.
        session: SessionId,
        /// What.
        frame: ClientFrame,
        /// Where it is heard from.
        at: IpAddr,
    },
    /// A session is over. Harmless when it is known already.
    Gone {
        /// Which.
        session: SessionId,
    },
}

/// What was done since the start, for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions that proved who they are.
    pub sessions: u64,
    /// Sealed copies of letters that were taken in.
    pub letters: u64,
    /// Their bytes.
    pub letter_bytes: u64,
    /// What the relay did, as the shell that runs it tells.
    pub relay: RelayTally,
}

/// The rendezvous without its shell.
pub struct Rendezvous {
    sessions: BTreeMap<SessionId, Session>,
    house: House,
}

impl std::fmt::Debug for Rendezvous {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendezvous")
            .field("domain", &self.house.domain)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl Rendezvous {
    /// A rendezvous without sessions. `setup` holds OPAQUE's long-term secrets; with another one no password is right
    /// any more.
    #[must_use]
    pub fn new(domain: Domain, setup: ServerSetup<Suite>, limits: Limits) -> Self {
        let quota = Quota::new(&limits);
        let (online, tally, lately) = (Online::default(), Tally::default(), signal::Lately::default());
        let house = House { domain, setup, limits, online, quota, tally, relay: None, lately };
        Self { sessions: BTreeMap::new(), house }
    }

    /// With a relay for all sessions.
    #[must_use]
    pub fn with_relay(mut self, offer: RelayOffer) -> Self {
        self.house.relay = Some(offer);
        self
    }

    /// What was done since the start.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.house.tally
    }

    /// Handles one input. The effects are to be performed after the store's transaction is committed, in their order.
    ///
    /// # Errors
    /// [`StoreError`]: nothing of the transaction may be acknowledged, and this value must not be used any further.
    pub fn handle(
        &mut self,
        store: &mut dyn Store,
        rng: &mut dyn Random,
        now: Now,
        input: Input,
    ) -> Result<Vec<Effect>, StoreError> {
        let mut turn = Turn { house: &mut self.house, store, rng, now, effects: Vec::new() };
        match input {
            Input::Opened { session, exporter, from } => {
                let stage = Stage::Greeted;
                self.sessions.insert(session, Session { exporter, from, failures: 0, stage });
            }
            Input::Said { session, frame, at } => {
                // A session that was closed may still have said something before it heard of it.
                if let Some(state) = self.sessions.get_mut(&session) {
                    said(&mut turn, (session, state), (frame, at))?;
                }
            }
            Input::Gone { session } => forget(&mut turn, &mut self.sessions, session)?,
        }
        for session in closed(&turn.effects) {
            forget(&mut turn, &mut self.sessions, session)?;
        }
        Ok(turn.effects)
    }
}

fn closed(effects: &[Effect]) -> Vec<SessionId> {
    let closed = effects.iter().filter_map(|effect| match effect {
        Effect::Close { session, .. } => Some(*session),
        Effect::Send { .. } | Effect::Admit { .. } | Effect::Relay(_) => None,
    });
    closed.collect()
}

fn forget(
    turn: &mut Turn<'_>,
    sessions: &mut BTreeMap<SessionId, Session>,
    session: SessionId,
) -> Result<(), StoreError> {
    let Some(Session { stage: Stage::Proved(proof), .. }) = sessions.remove(&session) else {
        return Ok(());
    };
    let was_online = turn.house.online.is_online(proof.account);
    turn.house.online.leave(proof.account, session);
    turn.store.note_seen(proof.device, turn.now.unix_s)?;
    relay::release(turn, session);
    if was_online && !turn.house.online.is_online(proof.account) {
        accepted(presence::tell_going(turn, proof.account, &proof.name))?;
    }
    Ok(())
}

/// The store's fault, if there is one; that something was not allowed concerns nobody here.
fn accepted(result: Result<(), Fault>) -> Result<(), StoreError> {
    match result {
        Err(Fault::Store(error)) => Err(error),
        Err(Fault::Refused(_)) | Ok(()) => Ok(()),
    }
}

fn said(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    (frame, at): (ClientFrame, IpAddr),
) -> Result<(), StoreError> {
    match frame {
        ClientFrame::Request { id: request_id, request } => {
            let result = asked(turn, (id, session), (request, at));
            answer(turn, id, request_id, result)
        }
        // Before a session has proved who it is, these two mean nothing.
        ClientFrame::Resume { roster } => match proof(session) {
            Ok(me) => accepted(resume(turn, me, roster)),
            Err(_) => Ok(()),
        },
        ClientFrame::MailboxAck { up_to } => match proof(session) {
            Ok(me) => accepted(mailbox::acknowledge(turn, me, up_to)),
            Err(_) => Ok(()),
        },
    }
}

/// Puts the answer before everything else that came of the request, except for what the relay does: a channel is there before
/// anybody hears of it.
fn answer(
    turn: &mut Turn<'_>,
    session: SessionId,
    id: RequestId,
    result: Result<Answer, Fault>,
) -> Result<(), StoreError> {
    let frame = match result {
        Ok(answer) => ServerFrame::Answer { id, answer },
        Err(Fault::Refused(refusal)) => ServerFrame::Refused { id, refusal },
        Err(Fault::Store(error)) => return Err(error),
    };
    let at = turn.effects.iter().take_while(|effect| matches!(effect, Effect::Relay(_))).count();
    turn.effects.insert(at, Effect::Send { to: vec![session], frame });
    Ok(())
}

fn asked(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    (request, at): (Request, IpAddr),
) -> Result<Answer, Fault> {
    match request {
        Request::Account(request) => about_account(turn, (id, session), request).map(Answer::Account),
        Request::Contact(request) => roster::handle(turn, proof(session)?, &request).map(|()| Answer::Done),
        Request::Presence(wish) => presence::set(turn, proof(session)?, &wish).map(|()| Answer::Done),
        Request::Mailbox(request) => mailbox::handle(turn, proof(session)?, request),
        Request::Signal(request) => {
            signal::pass_on(turn, (proof(session)?, at), request).map(|channel| Answer::Signalled { channel })
        }
    }
}

fn about_account(
    turn: &mut Turn<'_>,
    (id, session): (SessionId, &mut Session),
    request: AccountRequest,
) -> Result<AccountAnswer, Fault> {
    match request {
        AccountRequest::RegisterStart { name, opaque_version, message } => {
            account::register_start(turn, session, name, opaque_version, &message)
        }
        AccountRequest::RegisterFinish { message, certificate, entry, wrapped } => {
            account::register_finish(turn, (id, session), &message, (certificate, entry), &wrapped)
        }
        AccountRequest::LoginStart { name, opaque_version, message } => {
            account::login_start(turn, session, name, opaque_version, &message)
        }
        AccountRequest::LoginFinish { message } => account::login_finish(turn, (id, session), &message),
        AccountRequest::AppendEntry { entry } => device::append(turn, (id, session), entry),
        AccountRequest::Authenticate { address, device, signature } => {
            account::authenticate(turn, (id, session), &address, device, &signature)
        }
        AccountRequest::Devices { address } => device::devices(turn, proof(session)?, address),
        AccountRequest::Sightings => device::sightings(turn, proof(session)?),
        AccountRequest::RecoverStart { name, opaque_version, message, signature } => {
            password::recover_start(turn, (id, session), name, (opaque_version, &message), &signature)
        }
        AccountRequest::RecoverFinish { message, renewal, entry, wrapped } => {
            password::recover_finish(turn, (id, session), &message, [*renewal, entry], &wrapped)
        }
        AccountRequest::PasswordStart { opaque_version, message } => {
            password::change_start(turn, session, opaque_version, &message)
        }
        AccountRequest::PasswordFinish { message, wrapped } => {
            password::change_finish(turn, session, &message, &wrapped)
        }
    }
}

fn proof(session: &Session) -> Result<&Proof, Refusal> {
    match &session.stage {
        Stage::Proved(proof) => Ok(proof),
        Stage::Greeted
        | Stage::Registering { .. }
        | Stage::Recovering { .. }
        | Stage::LoggingIn(_)
        | Stage::LoggedIn { .. } => Err(Refusal::SessionRequired),
    }
}

/// A device says where it left off, and hears what changed and what waits.
fn resume(turn: &mut Turn<'_>, me: &Proof, roster: u64) -> Result<(), Fault> {
    let seat = turn.house.online.seat(me.account, me.device);
    if seat.is_none_or(|seat| seat.tray.is_some()) {
        return Ok(());
    }
    roster::catch_up(turn, me, roster)?;
    presence::show_all(turn, me)?;
    mailbox::open(turn, me)?;
    prekey::remind(turn, me.session, me.device)
}
