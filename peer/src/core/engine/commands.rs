//! What users ask.

use hobnob_nat::core::agent::Policy;
use hobnob_wire::presence::PresenceSet;
use hobnob_wire::session::Request;
use hobnob_wire::{Address, LetterId};

use super::Engine;
use crate::core::chat::{Shown, shown};
use crate::core::command::{Command, CommandError, CommandId, ErrorKind, Reply};
use crate::core::contact::{Change, not_a_contact};
use crate::core::letters::show;
use crate::core::session::place;
use crate::core::settings;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::transfer::TransferInput;
use crate::core::turn::{Asked, Turn};

/// How a command is answered at once.
pub(super) type Replied<S> = Result<Result<Reply, CommandError>, S>;

impl Engine {
    pub(super) fn command<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        id: CommandId,
        command: Command,
    ) -> Result<(), S::Error> {
        let result = match command {
            Command::Status => Ok(Reply::Status(self.status(turn)?)),
            Command::Contacts => Ok(Reply::Contacts(self.contact_views())),
            Command::ContactAdd { address, text } => {
                self.change_contact(turn, id, Change::Add(address, text));
                return Ok(());
            }
            Command::ContactAccept { address } => {
                self.change_contact(turn, id, Change::Accept(address));
                return Ok(());
            }
            Command::ContactReject { address } => {
                self.change_contact(turn, id, Change::Reject(address));
                return Ok(());
            }
            Command::ContactRemove { address, text } => {
                self.change_contact(turn, id, Change::Remove(address, text));
                return Ok(());
            }
            Command::ContactPaths { address, paths } => self.set_paths(turn, &address, paths)?,
            Command::Path { address } => self.paths(&address),
            Command::Presence { availability, hidden, text } => {
                match settings::presence_set(availability, hidden, text) {
                    Ok(set) => return self.set_presence(turn, id, set),
                    Err(error) => Err(error),
                }
            }
            Command::Send { to, text } => self.send(turn, to, text)?,
            Command::Chat(command) => self.chat_command(turn, command)?,
            Command::History(ask) => self.history(turn, ask)?,
            Command::Letter { id } => self.letter(turn, id)?,
            Command::MarkRead { with } => self.mark_read(turn, &with)?,
            Command::Typing { to, active } => self.typing(turn, &to, active)?,
            Command::Devices(command) => return self.device_command(turn, id, command),
            Command::Trust(command) => self.trust_command(turn, &command)?,
            Command::Config => Ok(Reply::Config(settings::all(turn.store)?)),
            Command::ConfigSet { key, value } => self.configure(turn, &key, &value)?,
            Command::FileSend { ref to, .. } if to.iter().any(|to| self.may_write(to).is_err()) => {
                to.iter().map(|to| self.may_write(to)).find(Result::is_err).unwrap_or(Ok(Reply::Done))
            }
            command @ (Command::FileSend { .. }
            | Command::Files
            | Command::File { .. }
            | Command::FileAccept { .. }
            | Command::FileReject { .. }
            | Command::FileCancel { .. }
            | Command::FileLimit { .. }
            | Command::FilePause { .. }
            | Command::FileResume { .. }
            | Command::FileRetry { .. }
            | Command::FileMove { .. }
            | Command::FilePriority { .. }) => {
                return self.transfers(turn, TransferInput::Command { id, command });
            }
        };
        turn.reply(id, result);
        Ok(())
    }

    fn contact_views(&self) -> Vec<crate::core::view::ContactView> {
        let view = |address| self.contacts.view(address, self.links.path(address));
        self.contacts.addresses().filter_map(view).collect()
    }

    fn set_paths<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        address: &Address,
        paths: Option<Policy>,
    ) -> Replied<S::Error> {
        let set = self.contacts.set_paths(turn.store, address, paths)?;
        if set.is_ok() {
            self.links.follow_policies(turn, &self.contacts);
            self.overlay.contacts_changed();
            self.contact_event(turn, address);
        }
        Ok(set.map(|()| Reply::Done))
    }

    fn paths(&self, address: &Address) -> Result<Reply, CommandError> {
        if *address != self.keys.identity.address && self.contacts.view(address, "").is_none() {
            return Err(not_a_contact(address));
        }
        Ok(Reply::Paths(self.links.paths(address, &self.relay())))
    }

    /// Who relays for us, as users read it.
    pub(super) fn relay(&self) -> String {
        place(&self.keys.identity.rendezvous)
    }

    fn change_contact<S, E>(&self, turn: &mut Turn<'_, S, E>, id: CommandId, change: Change) {
        match self.contacts.request(&self.keys.identity.address, change) {
            Ok(_) if !self.session.is_up() => turn.reply(id, Err(self.session.offline())),
            Ok(request) => turn.ask(Asked::ForCommand(id), Request::Contact(request)),
            Err(error) => turn.reply(id, Err(error)),
        }
    }

    fn set_presence<S: Store, E: Entropy>(
        &self,
        turn: &mut Turn<'_, S, E>,
        id: CommandId,
        set: PresenceSet,
    ) -> Result<(), S::Error> {
        settings::set_presence(turn.store, &set)?;
        if self.session.is_up() {
            turn.ask(Asked::ForCommand(id), Request::Presence(set));
        } else {
            // It is kept, and shown when the session is back.
            turn.reply(id, Ok(Reply::Done));
        }
        Ok(())
    }

    /// Whether letters and files may be written to an account.
    fn may_write(&self, to: &Address) -> Result<Reply, CommandError> {
        self.contacts.may_write(to).map(|()| Reply::Done)
    }

    fn letter<S: Store, E: Entropy>(&self, turn: &mut Turn<'_, S, E>, id: LetterId) -> Replied<S::Error> {
        let Some(letter) = turn.store.any_letter(id)?.filter(|letter| shown(letter.kind) != Shown::Not)
        else {
            let text = format!("There is no letter {id}. See the letters with `hobnob history ADDRESS`.");
            return Ok(Err(CommandError::new(ErrorKind::NotFound, text)));
        };
        let view = show::view(turn.store, &self.keys.identity.address, &letter)?;
        Ok(Ok(Reply::Letters(vec![view])))
    }

    fn configure<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        key: &str,
        value: &str,
    ) -> Replied<S::Error> {
        if let Err(error) = settings::check(key, value) {
            return Ok(Err(error));
        }
        turn.store.set_setting(key, value)?;
        self.tell_settings(turn)?;
        let general = settings::paths(turn.store)?;
        self.links.set_policy(turn, &self.contacts, general);
        self.overlay.contacts_changed();
        self.sweep.setting_changed();
        Ok(Ok(Reply::Done))
    }
}
