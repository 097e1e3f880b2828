//! What the rules have at hand while they handle one input.

use std::time::Duration;

use hobnob_wire::close::SessionClose;
use hobnob_wire::opaque::Suite;
use hobnob_wire::session::{Push, ServerFrame};
use hobnob_wire::{Address, Domain, Name, Refusal};
use opaque_ke::ServerSetup;

use super::effect::Effect;
use super::online::Online;
use super::quota::{Limits, Quota};
use super::relay::RelayOffer;
use super::rendezvous::Tally;
use super::session::{Proof, SessionId};
use super::signal::Lately;
use super::store::{AccountId, Store, StoreError};
use crate::random::Random;

/// The time of one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since some moment before the first input; never goes back. For rates.
    pub elapsed: Duration,
    /// Unix time in seconds, by the clock of the machine. For records.
    pub unix_s: u64,
}

/// What lasts from input to input outside the store.
pub(super) struct House {
    pub(super) domain: Domain,
    pub(super) setup: ServerSetup<Suite>,
    pub(super) limits: Limits,
    pub(super) online: Online,
    pub(super) quota: Quota,
    pub(super) tally: Tally,
    /// Absent where nothing is relayed.
    pub(super) relay: Option<RelayOffer>,
    pub(super) lately: Lately,
}

/// One input being handled.
pub(super) struct Turn<'a> {
    pub(super) house: &'a mut House,
    pub(super) store: &'a mut dyn Store,
    pub(super) rng: &'a mut dyn Random,
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The request was refused and changed nothing.
    Refused(Refusal),
    /// The store failed; nothing of the transaction may be acknowledged.
    Store(StoreError),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Turn<'_> {
    /// Pushes to some sessions, if there are any.
    pub(super) fn push(&mut self, to: Vec<SessionId>, push: Push) {
        if !to.is_empty() {
            self.effects.push(Effect::Send { to, frame: ServerFrame::Push(push) });
        }
    }

    /// Closes a session after what was sent to it.
    pub(super) fn close(&mut self, session: SessionId, code: SessionClose) {
        self.effects.push(Effect::Close { session, code });
    }

    /// The complete address of one of our accounts.
    pub(super) fn address(&self, name: &Name) -> Address {
        Address::new(name, &self.house.domain)
    }

    /// The name in an address of ours.
    ///
    /// # Errors
    /// [`Refusal::RemoteServerNotFound`] for another domain: rendezvous do not talk to each other.
    pub(super) fn local_name(&self, address: &Address) -> Result<Name, Refusal> {
        if address.domain() == self.house.domain {
            Ok(address.name())
        } else {
            Err(Refusal::RemoteServerNotFound)
        }
    }

    /// The account behind an address that `me` may write to and whose devices it may know: oneself, or a
    /// contact in either direction.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`], alike for strangers and for names that nobody has.
    pub(super) fn correspondent(&mut self, me: &Proof, address: &Address) -> Result<AccountId, Fault> {
        let name = self.local_name(address)?;
        if name == me.name {
            return Ok(me.account);
        }
        let contact = self.store.contact(me.account, &name)?;
        if !contact.is_some_and(|contact| contact.standing.is_contact()) {
            return Err(Refusal::Forbidden.into());
        }
        Ok(self.store.account(&name)?.ok_or(Refusal::Forbidden)?)
    }
}
