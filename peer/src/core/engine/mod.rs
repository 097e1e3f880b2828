//! The engine holds its children and routes between them; it decides nothing itself.
//!
//! | module | routes |
//! | --- | --- |
//! | `commands` | what users ask |
//! | `history` | what users ask about history |
//! | `answers` | what the rendezvous answers |
//! | `pushes` | what the rendezvous says unasked |
//! | `peers` | what links bring |
//! | `devices` | own devices, and whom the user trusts |
//! | `overlay` | what the overlay brings |
//! | `files` | what transfers ask and get |
//! | `chats` | what users ask about letters and chats |

mod answers;
mod chats;
mod commands;
mod devices;
mod files;
mod history;
mod overlay;
mod peers;
mod pushes;
#[cfg(test)]
mod stories;

use std::collections::BTreeSet;
use std::time::Duration;

use hobnob_wire::account::AccountAnswer;
use hobnob_wire::{Address, TransferId};
use thiserror::Error;

use super::chat::Chat;
use super::contact::Contacts;
use super::devices::Devices;
use super::effect::Effect;
use super::event::Event;
use super::history::sweep::Sweep;
use super::input::Input;
use super::keys::olm::OlmAccount;
use super::keys::trust::{Trust, Verdict};
use super::keys::{Identity, Keyring};
use super::letters::inbox::{Arrived, Desk};
use super::letters::outbox::{Outbox, Routes, ask_devices, readdress};
use super::link::{Greeting, Links, OwnSide};
use super::overlay::Overlay;
use super::relaying::Relaying;
use super::session::{Session, foreign_welcome};
use super::settings;
use super::store::Store;
use super::time::{Entropy, Now};
use super::transfer::{TransferInput, Transfers};
use super::turn::{Requests, Turn};

/// How long receipts for letters from the mailbox are gathered, so that one letter confirms many.
const RECEIPTS_WAIT: Duration = Duration::from_millis(100);

/// Why an engine cannot start from a store.
#[derive(Debug, Error)]
pub enum OpenError<E> {
    /// The device belongs to no account yet.
    #[error("this device belongs to no account yet; register one or log in")]
    NotRegistered,
    /// The store holds keys that cannot be read.
    #[error("the keys in the store cannot be read; the file is damaged")]
    Keys,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] E),
}

/// All decisions of the app.
#[derive(Debug)]
pub struct Engine {
    keys: Keyring,
    session: Session,
    contacts: Contacts,
    devices: Devices,
    outbox: Outbox,
    chat: Chat,
    links: Links,
    overlay: Overlay,
    relaying: Relaying,
    transfers: Transfers,
    sweep: Sweep,
    requests: Requests,
    /// When receipts that are owed are written.
    receipts_due: Option<Duration>,
    /// Whether the transfers have been told the user's settings.
    told: bool,
}

impl Engine {
    /// Takes up the work that a store holds.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<S: Store>(store: &mut S) -> Result<Self, OpenError<S::Error>> {
        let mut identity = store.identity()?.ok_or(OpenError::NotRegistered)?;
        identity.rendezvous = settings::place(store, identity.rendezvous)?;
        let account = store.olm_account()?.ok_or(OpenError::NotRegistered)?;
        let olm = OlmAccount::from_pickle(&account).map_err(|_| OpenError::Keys)?;
        Ok(Self {
            keys: Keyring { identity, olm, trust: Trust::default() },
            session: Session::open(store)?,
            contacts: Contacts::open(store)?,
            devices: Devices::default(),
            outbox: Outbox::default(),
            chat: Chat::new(),
            links: Links::new(settings::paths(store)?),
            overlay: Overlay::default(),
            relaying: Relaying::new(settings::relay(store)?.is_some()),
            transfers: Transfers::open(store)?,
            sweep: Sweep::default(),
            requests: Requests::default(),
            // Some may be owed from before.
            receipts_due: Some(Duration::ZERO),
            told: false,
        })
    }

    /// Who this device is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.keys.identity
    }

    /// Transfers that are not over, or whose end the other side may not know.
    #[must_use]
    pub fn open_transfers(&self) -> BTreeSet<TransferId> {
        self.transfers.open_ids()
    }

    /// Handles one input inside the store's transaction. The effects must wait for its commit.
    ///
    /// # Errors
    /// The store's. Memory and disk have parted then: the process must end.
    pub fn handle<S: Store>(
        &mut self,
        store: &mut S,
        input: Input,
        now: Now,
        entropy: &mut impl Entropy,
    ) -> Result<Vec<Effect>, S::Error> {
        let mut requests = std::mem::take(&mut self.requests);
        let mut turn = Turn { store, entropy, now, requests: &mut requests, effects: Vec::new() };
        let result = self
            .begin(&mut turn)
            .and_then(|()| self.route(&mut turn, input))
            .and_then(|()| self.settle(&mut turn));
        let effects = turn.effects;
        self.requests = requests;
        result.map(|()| effects)
    }

    /// When [`Input::Tick`] is due, on [`Now::monotonic`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let links = self.links.deadline(self.session.is_up());
        let overlay = self.overlay.deadline();
        let letters = [self.receipts_due, self.outbox.deadline(), self.chat.deadline()];
        let others = letters.into_iter().chain([self.transfers.deadline(), self.sweep.deadline()]);
        others.chain([links, overlay]).flatten().min()
    }

    /// What must be known before the first input.
    fn begin<S: Store, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        if std::mem::replace(&mut self.told, true) { Ok(()) } else { self.tell_settings(turn) }
    }

    fn route<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        input: Input,
    ) -> Result<(), S::Error> {
        match input {
            Input::Command { id, command } => self.command(turn, id, command),
            Input::SessionUp { welcome } => self.session_up(turn, *welcome),
            Input::SessionDown { problem } => {
                self.session_down(turn, problem);
                Ok(())
            }
            Input::Answered { id, result } => self.answered(turn, id, result),
            Input::Pushed(push) => self.pushed(turn, *push),
            Input::Own { candidates, mapping } => {
                self.links.set_own(OwnSide { candidates, mapping });
                Ok(())
            }
            Input::Path { device, report } => self.path_changed(turn, device, report),
            Input::Overlay(report) => self.overlay_report(turn, report),
            Input::LinkGreeting { link, attempt, hello, noise } => {
                self.greeted(turn, &Greeting { link, attempt, hello, noise })
            }
            Input::LinkUp { link, handshake } => self.link_up(turn, link, handshake),
            Input::LinkFrame { link, frame } => self.link_frame(turn, link, *frame),
            Input::LinkDown { link, reason } => self.link_down(turn, link, reason),
            Input::DialFailed { attempt, .. } => {
                self.links.attempt_failed(attempt, turn.now.monotonic);
                Ok(())
            }
            Input::Transfer(report) => self.transfers(turn, TransferInput::Report(report)),
            Input::UtcOffset(seconds) => self.transfers(turn, TransferInput::UtcOffset(seconds)),
            Input::Tick => self.tick(turn),
        }
    }

    /// What may follow from any input: letters that can go now, links that are due.
    fn settle<S: Store, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        self.chat.settle(turn)?;
        let routes =
            Routes { session_up: self.session.is_up(), links: &self.links, contacts: &self.contacts };
        self.overlay.tick(turn, &mut self.keys, &self.contacts, &self.links)?;
        let wanted = self.outbox.pump(turn, &mut self.keys, routes)?;
        let helpers = self.links.ask_helpers(turn);
        for (address, device) in wanted.into_iter().chain(helpers) {
            self.links.want(turn, &mut self.keys, &self.contacts, (&address, device))?;
        }
        self.links.tick(turn, &mut self.keys, self.session.is_up())
    }

    fn tick<S: Store, E: Entropy>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        let now = turn.now.monotonic;
        if self.receipts_due.is_some_and(|due| due <= now) {
            self.receipts_due = None;
            self.desk().send_owed(turn)?;
        }
        self.chat_tick(turn)?;
        self.outbox.tick(now);
        self.sweep.tick(turn)?;
        let (transfers, relaying) = (&self.transfers, &self.relaying);
        self.links.close_idle(turn, |link| transfers.uses_link(link) || relaying.uses_link(link));
        if self.transfers.deadline().is_some_and(|due| due <= now) {
            self.transfers(turn, TransferInput::Tick)?;
        }
        Ok(())
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk {
            session_up: self.session.is_up(),
            keys: &mut self.keys,
            contacts: &self.contacts,
            outbox: &mut self.outbox,
            chat: &mut self.chat,
        }
    }

    fn session_up<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        welcome: AccountAnswer,
    ) -> Result<(), S::Error> {
        let own = self.keys.identity.address.clone();
        let AccountAnswer::Welcome { address, list, .. } = welcome else {
            return Ok(());
        };
        if address != own {
            self.session.went_down(turn, foreign_welcome(&own));
            return Ok(());
        }
        match self.keys.trust.offered(turn.store, &own, &list)? {
            Verdict::Stopped(text) => {
                turn.event(Event::Warning { address: own, text: text.clone() });
                self.session.went_down(turn, text);
                return Ok(());
            }
            Verdict::StillStopped => {
                let text = self.keys.trust.warning(turn.store, &own)?.unwrap_or_default();
                self.session.went_down(turn, text);
                return Ok(());
            }
            Verdict::Same | Verdict::Renewed | Verdict::Newer => self.devices_renewed(turn, &own)?,
        }
        self.session.came_up(turn, &mut self.keys)?;
        self.outbox.session_up();
        self.overlay.session_up(turn);
        self.links.set_overlay(BTreeSet::new());
        self.links.session_up();
        // Device lists that something waits for, and those that might be trustworthy again.
        let waiting = [turn.store.parked()?, self.contacts.warned()].concat();
        waiting.iter().for_each(|address| ask_devices(turn, address));
        Ok(())
    }

    fn session_down<S, E>(&mut self, turn: &mut Turn<'_, S, E>, problem: String) {
        self.session.went_down(turn, problem);
        self.overlay.session_down(turn.now.monotonic);
        for address in self.contacts.all_offline() {
            self.contact_event(turn, &address);
        }
    }

    /// A device list was judged: goes on with what waited for it, or warns.
    fn judged<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
        verdict: Verdict,
    ) -> Result<(), S::Error> {
        let renewed = matches!(verdict, Verdict::Renewed);
        let verified = self.retrust(turn, address)?;
        match verdict {
            Verdict::Stopped(text) => self.stopped(turn, address, text),
            Verdict::StillStopped => {}
            Verdict::Newer => ask_devices(turn, address),
            Verdict::Same | Verdict::Renewed => {
                self.overlay.contacts_changed();
                if self.contacts.warn(address, None) || verified {
                    self.contact_event(turn, address);
                }
                if renewed {
                    self.devices_renewed(turn, address)?;
                }
                readdress(turn, &mut self.keys, address)?;
                let arrived = self.desk().reopen(turn, address)?;
                for arrived in arrived {
                    self.arrived(turn, arrived)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing is exchanged with an account any more until its true list is seen again.
    fn stopped<S, E>(&mut self, turn: &mut Turn<'_, S, E>, address: &Address, text: String) {
        self.links.close_all(turn, address, hobnob_wire::close::LinkClose::BadDeviceList);
        self.overlay.contacts_changed();
        turn.event(Event::Warning { address: address.clone(), text: text.clone() });
        if self.contacts.warn(address, Some(text)) {
            self.contact_event(turn, address);
        }
    }

    /// A letter brought something for another child.
    fn arrived<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        arrived: Arrived,
    ) -> Result<(), S::Error> {
        match arrived {
            Arrived::Offer(from, device, offer) => {
                self.transfers(turn, TransferInput::Offer { from, device, offer })
            }
            Arrived::OfferEnd(from, device, end) => {
                self.transfers(turn, TransferInput::OfferEnd { from, device, end })
            }
            Arrived::Stopped(address, text) => {
                self.stopped(turn, &address, text);
                Ok(())
            }
        }
    }

    fn contact_event<S, E>(&self, turn: &mut Turn<'_, S, E>, address: &Address) {
        if let Some(view) = self.contacts.view(address, self.links.path(address)) {
            turn.event(Event::Contact(view));
        }
    }
}
