//! From ciphertext to letters, once each.
//!
//! A letter that comes in is on disk, opened or still sealed, before it is acknowledged; one that cannot
//! be opened is kept and reported, and never stands in the way of those behind it.

use hobnob_wire::bounded::List;
use hobnob_wire::codec::decode;
use hobnob_wire::letter::{Letter, LetterBody, Offer, OfferEnd, Reached, Receipt};
use hobnob_wire::limits::RECEIPT_LETTERS_MAX;
use hobnob_wire::{Address, DeviceId};
use vodozemac::olm::OlmMessage;

use super::compose::{self, Draft};
use super::outbox::{Outbox, ask_devices};
use super::store::{Incoming, Parked};
use crate::core::chat::{Came, Chat};
use crate::core::contact::Contacts;
use crate::core::event::Event;
use crate::core::keys::Keyring;
use crate::core::keys::olm::{self, OlmAccount, OlmSession};
use crate::core::keys::trust::Verdict;
use crate::core::store::{SavedSession, Store};
use crate::core::time::Entropy;
use crate::core::turn::Turn;

/// What came in that is not for this room.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Files are offered.
    Offer(Address, DeviceId, Offer),
    /// An offer is over.
    OfferEnd(Address, DeviceId, OfferEnd),
    /// The letter showed that its author's device list cannot be trusted.
    Stopped(Address, String),
}

/// Why a letter is not opened.
enum Closed {
    /// Its author's devices are not known, or not trusted.
    NoDevices,
    /// It showed that the author's device list was tampered with; the warning.
    Stopped(String),
    /// It never will be.
    Broken,
}

/// Where letters go.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) keys: &'a mut Keyring,
    pub(crate) contacts: &'a Contacts,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) chat: &'a mut Chat,
    pub(crate) session_up: bool,
}

impl Desk<'_> {
    /// A letter came in. Afterwards it may be acknowledged, whatever became of it.
    pub(crate) fn receive<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
    ) -> Result<Option<Arrived>, S::Error> {
        let own = incoming.from == self.keys.identity.address;
        if !own && !self.contacts.accepted(&incoming.from) {
            return Ok(None);
        }
        if turn.store.seen(&incoming.from, incoming.letter)? {
            // The author may have sent it again because it never heard.
            if incoming.by_mailbox {
                turn.store.owe_receipt(&incoming.from, incoming.letter)?;
            }
            return Ok(None);
        }
        turn.store.mark_seen(&incoming.from, incoming.letter)?;
        self.open_and_file(turn, incoming)
    }

    /// An author's device list came: letters that waited for it are opened.
    pub(crate) fn reopen<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        author: &Address,
    ) -> Result<Vec<Arrived>, S::Error> {
        let mut arrived = Vec::new();
        for incoming in turn.store.take_parked(author)? {
            let known = self.keys.trust.list(turn.store, author)?;
            if known.is_some_and(|list| list.was_revoked(incoming.device)) {
                Self::keep_revoked(turn, &incoming)?;
                continue;
            }
            if known.is_some_and(|list| list.device(incoming.device).is_none()) {
                self.keep_unopened(turn, &incoming)?;
                continue;
            }
            arrived.extend(self.open_and_file(turn, &incoming)?);
        }
        Ok(arrived)
    }

    fn open_and_file<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
    ) -> Result<Option<Arrived>, S::Error> {
        match self.open(turn, incoming)? {
            Ok(letter) => self.file(turn, incoming, letter),
            Err(Closed::NoDevices) => {
                turn.store.park(incoming, Parked::ForDevices)?;
                if self.session_up {
                    ask_devices(turn, &incoming.from);
                }
                Ok(None)
            }
            Err(Closed::Stopped(text)) => {
                turn.store.park(incoming, Parked::ForDevices)?;
                Ok(Some(Arrived::Stopped(incoming.from.clone(), text)))
            }
            Err(Closed::Broken) => {
                self.keep_unopened(turn, incoming)?;
                Ok(None)
            }
        }
    }

    fn keep_unopened<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
    ) -> Result<(), S::Error> {
        turn.store.park(incoming, Parked::Unopened)?;
        let (address, letter) = (incoming.from.clone(), incoming.letter);
        let text = format!(
            "A letter from {address} could not be opened with the keys of this device. It is kept. Ask \
             {address} to send it again. ({letter})"
        );
        turn.event(Event::Warning { address, text });
        Ok(())
    }

    /// The author has revoked the device that sent the letter: whoever has the device now may have written it.
    fn keep_revoked<S: Store, E: Entropy>(
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
    ) -> Result<(), S::Error> {
        turn.store.park(incoming, Parked::Unopened)?;
        let (address, letter) = (incoming.from.clone(), incoming.letter);
        let text = format!(
            "A letter came from a device that {address} has revoked. It is kept and not shown, because somebody \
             else may have written it. If it matters, ask {address} to send it again. ({letter})"
        );
        turn.event(Event::Warning { address, text });
        Ok(())
    }

    fn open<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
    ) -> Result<Result<Letter, Closed>, S::Error> {
        let list = self.keys.trust.list(turn.store, &incoming.from)?;
        let Some(device) = list.and_then(|list| list.device(incoming.device)) else {
            return Ok(Err(Closed::NoDevices));
        };
        let Ok((sender, message)) = olm::parse(&incoming.sealed) else {
            return Ok(Err(Closed::Broken));
        };
        if sender != device.olm {
            return Ok(Err(Closed::Broken));
        }
        let sessions = turn.store.olm_sessions(incoming.device)?;
        let Some((session, content)) = decrypt(&mut self.keys.olm, &sender, &message, sessions) else {
            return Ok(Err(Closed::Broken));
        };
        let letter: Option<Letter> = decode(&content).ok();
        let Some(letter) = letter.filter(|letter| self.belongs(incoming, letter)) else {
            self.keep_ratchet(turn, incoming.device, &session)?;
            return Ok(Err(Closed::Broken));
        };
        match self.keys.trust.heard(turn.store, &incoming.from, &letter.head)? {
            Verdict::Stopped(text) => {
                // The ratchet's step is forgotten, so that the sealed letter can be opened later.
                if let Some(Ok(olm)) =
                    turn.store.olm_account()?.map(|pickle| OlmAccount::from_pickle(&pickle))
                {
                    self.keys.olm = olm;
                }
                return Ok(Err(Closed::Stopped(text)));
            }
            Verdict::Newer if self.session_up => ask_devices(turn, &incoming.from),
            Verdict::Newer | Verdict::Same | Verdict::Renewed | Verdict::StillStopped => {}
        }
        self.keep_ratchet(turn, incoming.device, &session)?;
        Ok(Ok(letter))
    }

    /// Whether the inside fits the outside, and the letter is for us.
    fn belongs(&self, incoming: &Incoming, letter: &Letter) -> bool {
        let own = &self.keys.identity.address;
        letter.id == incoming.letter && (incoming.from == *own || letter.to == *own)
    }

    fn keep_ratchet<S: Store, E: Entropy>(
        &self,
        turn: &mut Turn<'_, S, E>,
        device: DeviceId,
        session: &OlmSession,
    ) -> Result<(), S::Error> {
        if let (Ok(pickle), Ok(account)) = (session.pickle(), self.keys.olm.pickle()) {
            turn.store.put_olm_session(device, &SavedSession { id: session.id(), pickle }, true)?;
            turn.store.set_olm_account(&account)?;
        }
        Ok(())
    }

    fn file<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        incoming: &Incoming,
        letter: Letter,
    ) -> Result<Option<Arrived>, S::Error> {
        let (from, device) = (incoming.from.clone(), incoming.device);
        let carbon = from == self.keys.identity.address;
        let Ok(body) = LetterBody::decode(letter.kind, letter.body.as_slice()) else {
            self.keep_unopened(turn, incoming)?;
            return Ok(None);
        };
        let confirms = matches!(&body, LetterBody::Receipt(receipt) if receipt.reached == Reached::Delivered);
        if incoming.by_mailbox && !confirms {
            turn.store.owe_receipt(&from, letter.id)?;
        }
        match body {
            LetterBody::Receipt(receipt) => {
                let own = self.keys.identity.address.clone();
                self.outbox.receipt(turn, &own, (&from, device), &receipt)?;
                Ok(None)
            }
            LetterBody::Offer(_) | LetterBody::OfferEnd(_) if carbon => Ok(None),
            LetterBody::Offer(offer) => Ok(Some(Arrived::Offer(from, device, offer))),
            LetterBody::OfferEnd(end) => Ok(Some(Arrived::OfferEnd(from, device, end))),
            body @ (LetterBody::Text(_)
            | LetterBody::Edit(_)
            | LetterBody::Delete(_)
            | LetterBody::Reaction(_)
            | LetterBody::Nudge(_)
            | LetterBody::ContactCard(_)
            | LetterBody::Location(_)
            | LetterBody::Poll(_)
            | LetterBody::Vote(_)
            | LetterBody::OwnSync(_)
            | LetterBody::Unknown { .. }) => {
                let own = &self.keys.identity.address;
                self.chat.arrived(turn, own, Came { from, letter, body })?;
                Ok(None)
            }
        }
    }

    /// Tells authors which of their letters came by the mailbox.
    pub(crate) fn send_owed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
    ) -> Result<(), S::Error> {
        while let Some((to, letters)) = turn.store.take_owed(RECEIPT_LETTERS_MAX)? {
            if to == self.keys.identity.address || self.contacts.accepted(&to) {
                confirm(turn, self.keys, to, (Reached::Delivered, letters))?;
            }
        }
        Ok(())
    }
}

fn confirm<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    to: Address,
    (reached, letters): (Reached, Vec<hobnob_wire::LetterId>),
) -> Result<(), S::Error> {
    if let Ok(letters) = List::new(letters) {
        let body = LetterBody::Receipt(Receipt { reached, letters });
        compose::write(turn, keys, &Draft { to, device: None, body })?;
    }
    Ok(())
}

/// Opens a message with the session it belongs to, or with a new one that it begins.
fn decrypt(
    account: &mut OlmAccount,
    sender: &hobnob_wire::keys::AgreementKey,
    message: &OlmMessage,
    saved: Vec<SavedSession>,
) -> Option<(OlmSession, zeroize::Zeroizing<Vec<u8>>)> {
    let begun = match message {
        OlmMessage::PreKey(message) => Some((message.session_id(), message)),
        OlmMessage::Normal(_) => None,
    };
    for saved in saved {
        if begun.as_ref().is_some_and(|(id, _)| *id != saved.id) {
            continue;
        }
        let mut session = OlmSession::from_pickle(&saved.pickle).ok()?;
        match session.open(message) {
            Ok(content) => return Some((session, content)),
            Err(_) if begun.is_some() => return None,
            Err(_) => {}
        }
    }
    account.join(sender, begun?.1).ok()
}
