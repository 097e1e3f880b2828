//! Who is let in: devices of accepted contacts and own devices, whose trusted list certifies the Noise
//! key that they proved.

use hobnob_wire::AttemptId;
use hobnob_wire::close::LinkClose;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::LinkHello;

use super::{HANDSHAKE_WAIT, Link, Links, State, hello};
use crate::core::contact::Contacts;
use crate::core::effect::Effect;
use crate::core::input::LinkId;
use crate::core::keys::Keyring;
use crate::core::keys::trust::Verdict;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;

/// What the other side of a handshake said and proved.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) link: LinkId,
    /// Set when we dialed.
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) hello: Box<LinkHello>,
    pub(crate) noise: AgreementKey,
}

/// What the list was found to be, and what to do with the link.
type Judgement = (Option<Verdict>, Result<Effect, LinkClose>);

impl Links {
    /// Admits a link or closes it. The verdict on the list that was shown, if it came to that.
    pub(crate) fn greeted<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        greeting: &Greeting,
    ) -> Result<Option<Verdict>, S::Error> {
        let (verdict, admitted) = self.check(turn, keys, contacts, greeting)?;
        match admitted {
            Ok(effect) => turn.effect(effect),
            Err(code) => turn.effect(Effect::CloseLink { link: greeting.link, code }),
        }
        Ok(verdict)
    }

    fn check<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        contacts: &Contacts,
        greeting: &Greeting,
    ) -> Result<Judgement, S::Error> {
        let LinkHello { address, device, list } = &*greeting.hello;
        let own = (&keys.identity.address, keys.identity.device);
        if *device == own.1 || (address != own.0 && !contacts.accepted(address)) {
            return Ok((None, Err(LinkClose::NotAContact)));
        }
        let expected = match greeting.attempt {
            Some(attempt) => self.attempts.target(attempt) == Some((address, *device)),
            // The smaller device dials, nobody else.
            None => *device < own.1,
        };
        if !expected {
            return Ok((None, Err(LinkClose::HandshakeFailed)));
        }
        let Ok(verdict) = keys.trust.shown(turn.store, address, list)? else {
            return Ok((None, Err(LinkClose::BadDeviceList)));
        };
        let known = keys.trust.list(turn.store, address)?.and_then(|list| list.device(*device));
        if known.is_none_or(|known| known.noise != greeting.noise) {
            return Ok((Some(verdict), Err(LinkClose::BadDeviceList)));
        }
        let dialer = if greeting.attempt.is_some() { keys.identity.device } else { *device };
        let Some(hello) = hello(turn.store, keys)? else {
            return Ok((Some(verdict), Err(LinkClose::BadDeviceList)));
        };
        if greeting.attempt.is_none() {
            self.give_up_earlier(turn, *device);
        }
        let state = State::Admitted { until: turn.now.monotonic + HANDSHAKE_WAIT };
        let link = Link { address: address.clone(), device: *device, dialer, state };
        self.links.insert(greeting.link, link);
        Ok((Some(verdict), Ok(Effect::AdmitLink { link: greeting.link, hello })))
    }
}
