//! What the rendezvous answers, to whoever asked.

use hobnob_wire::account::AccountAnswer;
use hobnob_wire::session::Answer;
use hobnob_wire::{Address, DeviceId, RequestId};

use super::Engine;
use crate::core::command::{CommandId, Reply};
use crate::core::contact::refused;
use crate::core::input::RequestError;
use crate::core::letters::seal::begin_session;
use crate::core::link::Lost;
use crate::core::session::published;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::{Asked, Turn};

type Answered = Result<Box<Answer>, RequestError>;

impl Engine {
    pub(super) fn answered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: RequestId,
        result: Answered,
    ) -> Result<(), S::Error> {
        match turn.requests.answered(id) {
            // Presence is kept here and shown again with the next session.
            None | Some(Asked::Presence) => Ok(()),
            Some(Asked::ForCommand(command)) => {
                self.command_answered(turn, command, result.map(drop));
                Ok(())
            }
            Some(Asked::Sightings(command)) => self.sightings_answered(turn, command, result),
            Some(Asked::Append(command, entry)) => {
                self.append_answered(turn, (command, *entry), result.map(drop))
            }
            Some(Asked::Devices(address)) => self.devices_answered(turn, &address, result),
            Some(Asked::Prekey(address, device)) => self.prekey_answered(turn, (&address, device), result),
            Some(Asked::Deposit(letter, to, devices)) => {
                let own = self.keys.identity.address.clone();
                self.outbox.deposited(turn, &own, (letter, to, devices), result.map(drop))
            }
            Some(Asked::Publish) if result.is_ok() => published(turn.store, &mut self.keys),
            // Tried again with the next session.
            Some(Asked::Publish) => Ok(()),
            Some(Asked::Signal(attempt)) => {
                match result.map(|answer| *answer) {
                    Ok(Answer::Signalled { channel }) => self.links.passed_on(turn, attempt, channel),
                    Ok(_) | Err(_) => self.links.attempt_failed(attempt, turn.now.monotonic),
                }
                Ok(())
            }
            Some(Asked::Update(device)) => {
                let passed_on = match result.map(|answer| *answer) {
                    Ok(Answer::Signalled { channel }) => Ok(channel),
                    Ok(_) | Err(RequestError::Refused(_)) => Err(Lost::Refused),
                    Err(RequestError::SessionLost) => Err(Lost::Session),
                };
                self.links.update_answered(turn, device, passed_on);
                Ok(())
            }
        }
    }

    fn command_answered<S, E>(
        &self,
        turn: &mut Turn<'_, S, E>,
        command: CommandId,
        result: Result<(), RequestError>,
    ) {
        let result = match result {
            Ok(()) => Ok(Reply::Done),
            Err(RequestError::Refused(refusal)) => Err(refused(refusal)),
            Err(RequestError::SessionLost) => Err(self.session.offline()),
        };
        turn.reply(command, result);
    }

    fn devices_answered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
        result: Answered,
    ) -> Result<(), S::Error> {
        match result.map(|answer| *answer) {
            Ok(Answer::Account(AccountAnswer::Devices { address: named, list })) if named == *address => {
                let verdict = self.keys.trust.offered(turn.store, address, &list)?;
                self.judged(turn, address, verdict)
            }
            Err(RequestError::Refused(refusal)) => {
                let own = self.keys.identity.address.clone();
                self.outbox.devices_refused(turn, &own, address, refusal)
            }
            Ok(_) | Err(RequestError::SessionLost) => Ok(()),
        }
    }

    fn prekey_answered<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        (address, device): (&Address, DeviceId),
        result: Answered,
    ) -> Result<(), S::Error> {
        match result.map(|answer| *answer) {
            Ok(Answer::Prekey(prekey)) => {
                if begin_session(turn, &mut self.keys, (address, device), &prekey)? {
                    return Ok(());
                }
                let verdict = self.keys.trust.forged_prekey(turn.store, address)?;
                self.judged(turn, address, verdict)
            }
            Err(RequestError::Refused(refusal)) => {
                let own = self.keys.identity.address.clone();
                self.outbox.prekey_refused(turn, &own, (address, device), refusal)
            }
            Ok(_) | Err(RequestError::SessionLost) => Ok(()),
        }
    }
}
