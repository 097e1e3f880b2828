//! Own devices, and what the user decides about the identities of contacts.

use hobnob_wire::Address;
use hobnob_wire::account::{AccountAnswer, AccountRequest, Arrival, Sighting};
use hobnob_wire::device::SignedEntry;
use hobnob_wire::session::{Answer, Request};

use super::Engine;
use crate::core::command::{CommandError, CommandId, Reply};
use crate::core::contact::refused;
use crate::core::devices::{self, DeviceCommand, extended};
use crate::core::input::RequestError;
use crate::core::keys::verification::{TrustCommand, decide};
use crate::core::letters::former;
use crate::core::letters::outbox::ask_devices;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};
use crate::core::view::StatusView;

impl Engine {
    pub(super) fn device_command<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: CommandId,
        command: DeviceCommand,
    ) -> Result<(), S::Error> {
        match command {
            DeviceCommand::List if self.session.is_up() => {
                turn.ask(Asked::Sightings(id), Request::Account(AccountRequest::Sightings));
            }
            DeviceCommand::List => self.show_devices(turn, id, &[])?,
            DeviceCommand::Chain => {
                let own = self.keys.identity.address.clone();
                let list = self.keys.trust.travelling(turn.store, &own)?;
                let list = list.ok_or_else(|| self.session.offline());
                turn.reply(id, list.map(|list| Reply::OwnList(Box::new(list))));
            }
            DeviceCommand::Append(_) if !self.session.is_up() => turn.reply(id, Err(self.session.offline())),
            DeviceCommand::Append(entry) => {
                let request = AccountRequest::AppendEntry { entry: (*entry).clone() };
                turn.ask(Asked::Append(id, entry), Request::Account(request));
            }
        }
        Ok(())
    }

    fn show_devices<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: CommandId,
        sightings: &[Sighting],
    ) -> Result<(), S::Error> {
        let (own, this) = (self.keys.identity.address.clone(), self.keys.identity.device);
        let list = self.keys.trust.travelling(turn.store, &own)?;
        let views = match (list, self.keys.trust.list(turn.store, &own)?) {
            (Some(list), Some(verified)) => devices::views((&list, verified), this, sightings),
            _ => Vec::new(),
        };
        turn.reply(id, Ok(Reply::Devices(views)));
        Ok(())
    }

    /// The rendezvous says when own devices were there; what is known here is shown in any case.
    pub(super) fn sightings_answered<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: CommandId,
        result: Result<Box<Answer>, RequestError>,
    ) -> Result<(), S::Error> {
        match result.map(|answer| *answer) {
            Ok(Answer::Account(AccountAnswer::Sightings { sightings })) => {
                self.show_devices(turn, id, &sightings)
            }
            Ok(_) | Err(_) => self.show_devices(turn, id, &[]),
        }
    }

    /// The own list has one more entry, or has not.
    pub(super) fn append_answered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        (id, entry): (CommandId, SignedEntry),
        result: Result<(), RequestError>,
    ) -> Result<(), S::Error> {
        let result = match result {
            Ok(()) => {
                let own = self.keys.identity.address.clone();
                // What is asked next sees it already.
                let list = self.keys.trust.travelling(turn.store, &own)?;
                if let Some(list) = list.and_then(|list| extended(&list, entry)) {
                    let verdict = self.keys.trust.offered(turn.store, &own, &list)?;
                    self.judged(turn, &own, verdict)?;
                }
                Ok(Reply::Done)
            }
            Err(RequestError::Refused(refusal)) => Err(refused(refusal)),
            Err(RequestError::SessionLost) => Err(self.session.offline()),
        };
        turn.reply(id, result);
        Ok(())
    }

    /// Another own device has a session.
    pub(super) fn device_arrived<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        arrival: Arrival,
    ) -> Result<(), S::Error> {
        self.devices.arrived(turn, &mut self.keys, arrival)
    }

    /// Devices of an account may have come and gone: nothing goes to those that are gone.
    pub(super) fn devices_renewed<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
    ) -> Result<(), S::Error> {
        if *address == self.keys.identity.address {
            self.devices.listed(turn, &mut self.keys)?;
        }
        if let Some(list) = self.keys.trust.list(turn.store, address)? {
            self.links.close_revoked(turn, address, list);
        }
        former::redirect(turn, &mut self.keys, address)
    }

    /// What the user decides about the identity of a contact.
    pub(super) fn trust_command<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        command: &TrustCommand,
    ) -> Result<Result<Reply, CommandError>, S::Error> {
        let address = command.address();
        let former = match command {
            TrustCommand::Accept { .. } => former::devices(turn.store, address)?,
            TrustCommand::Show { .. } | TrustCommand::Compare { .. } | TrustCommand::Undo { .. } => {
                Vec::new()
            }
        };
        let (view, verdict) = match decide(turn.store, &mut self.keys, command)? {
            Ok(decided) => decided,
            Err(error) => return Ok(Err(error)),
        };
        if self.contacts.verified(address, view.verification) && verdict.is_none() {
            self.contact_event(turn, address);
        }
        if let Some(verdict) = verdict {
            let own = self.keys.identity.address.clone();
            former::give_up(turn, (&own, address), &former)?;
            self.judged(turn, address, verdict)?;
            // The list that was accepted may have grown since it was offered.
            if self.session.is_up() {
                ask_devices(turn, address);
            }
        }
        Ok(Ok(Reply::Verification(Box::new(view))))
    }

    pub(super) fn status<S: Store, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<StatusView, S::Error> {
        let mut status = self.session.view(&self.keys);
        status.links = self.links.views();
        let own = self.keys.identity.address.clone();
        let list = self.keys.trust.list(turn.store, &own)?;
        status.notices = devices::notices(turn.store, list, turn.now.unix_ms)?;
        Ok(status)
    }

    /// Whether the user is to be told something new about the trust in a contact.
    pub(super) fn retrust<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
    ) -> Result<bool, S::Error> {
        let (_, verification) = turn.store.standing(address)?;
        Ok(self.contacts.verified(address, verification))
    }
}
