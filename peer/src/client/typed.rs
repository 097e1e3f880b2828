//! What programs ask of a client, as methods with types.

use std::path::PathBuf;

use hobnob_nat::core::agent::Policy;
use hobnob_wire::choice::Choice;
use hobnob_wire::presence::Availability;
use hobnob_wire::{Address, LetterId, TransferId};

use super::Client;
use crate::core::check::{NetcheckView, assess};
use crate::core::command::{Command, CommandError, ErrorKind, Reply};
use crate::core::settings::{self, Applies};
use crate::core::view::{ContactView, LetterState, LetterView, PathView, Priority, StatusView, TransferView};

impl Client {
    /// Own state: session, device, links.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn status(&self) -> Result<StatusView, CommandError> {
        let Reply::Status(status) = self.command(Command::Status).await? else { return Err(unexpected()) };
        Ok(status)
    }

    /// All contacts.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn contacts(&self) -> Result<Vec<ContactView>, CommandError> {
        let Reply::Contacts(contacts) = self.command(Command::Contacts).await? else {
            return Err(unexpected());
        };
        Ok(contacts)
    }

    /// Asks somebody to become a contact.
    ///
    /// # Errors
    /// [`CommandError`]: no such account, no session, already contacts.
    pub async fn add_contact(&self, address: Address, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::ContactAdd { address, text: text.into() }).await
    }

    /// Accepts a request; both see each other then.
    ///
    /// # Errors
    /// [`CommandError`]: no request, no session.
    pub async fn accept_contact(&self, address: Address) -> Result<(), CommandError> {
        self.done(Command::ContactAccept { address }).await
    }

    /// Rejects a request.
    ///
    /// # Errors
    /// [`CommandError`]: no request, no session.
    pub async fn reject_contact(&self, address: Address) -> Result<(), CommandError> {
        self.done(Command::ContactReject { address }).await
    }

    /// Removes a contact on both sides, with a last word.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, no session.
    pub async fn remove_contact(
        &self,
        address: Address,
        text: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.done(Command::ContactRemove { address, text: text.into() }).await
    }

    /// Chooses over which paths a contact may reach us, and so what it learns of our addresses; without a choice it is
    /// as `net.paths` says. Links under another choice are closed.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact.
    pub async fn allow_paths(&self, address: Address, paths: Option<Policy>) -> Result<(), CommandError> {
        self.done(Command::ContactPaths { address, paths }).await
    }

    /// How the devices of a contact are reached, or were lately.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact.
    pub async fn paths(&self, address: Address) -> Result<Vec<PathView>, CommandError> {
        let Reply::Paths(mut paths) = self.command(Command::Path { address }).await? else {
            return Err(unexpected());
        };
        for path in &mut paths {
            if let Some(measured) = self.shared.links.measured(path.device) {
                path.rtt_us = Some(measured.rtt_us);
                path.loss_ppm = Some(measured.loss_ppm);
                path.mtu = Some(measured.mtu);
            }
        }
        Ok(paths)
    }

    /// What the network allows, and what would help. Takes up to 3 s.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn netcheck(&self) -> Result<NetcheckView, CommandError> {
        Ok(assess(&self.shared.surroundings.facts().await))
    }

    /// Shows a state and a text to the contacts.
    ///
    /// # Errors
    /// [`CommandError`]: the text is too long.
    pub async fn show(
        &self,
        availability: Availability,
        text: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.done(Command::Presence { availability, hidden: false, text: text.into() }).await
    }

    /// Seems offline to everybody.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn hide(&self) -> Result<(), CommandError> {
        let availability = Availability::Offline;
        self.done(Command::Presence { availability, hidden: true, text: String::new() }).await
    }

    /// Writes to a contact. Returns once the letter is on this device's disk; the events tell how far it comes.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, the text is too long.
    pub async fn send(
        &self,
        to: Address,
        text: impl Into<String>,
    ) -> Result<(LetterId, LetterState), CommandError> {
        let command = Command::Send { to, text: text.into() };
        let Reply::Sent { id, state } = self.command(command).await? else { return Err(unexpected()) };
        Ok((id, state))
    }

    /// One letter.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter.
    pub async fn letter(&self, id: LetterId) -> Result<LetterView, CommandError> {
        one(self.letters(Command::Letter { id }).await?)
    }

    /// Marks everything received in a chat as read, and tells its author.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn mark_read(&self, with: Address) -> Result<(), CommandError> {
        self.done(Command::MarkRead { with }).await
    }

    /// Tells a contact that the user is, or is no longer, writing.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact.
    pub async fn typing(&self, to: Address, active: bool) -> Result<(), CommandError> {
        self.done(Command::Typing { to, active }).await
    }

    /// Offers files and folders to a contact: absolute paths, at most `limit` bytes per second (0 for no limit),
    /// sealed with keys of their own inside QUIC.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, a path that cannot be read.
    pub async fn send_files(
        &self,
        to: Address,
        paths: Vec<PathBuf>,
        limit: u64,
    ) -> Result<TransferView, CommandError> {
        one(self.share_files(vec![to], paths, limit).await?)
    }

    /// Offers the same files and folders to several contacts, who get them from each other, too; returns a transfer for each of
    /// them, in their order. `limit` holds for each.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, a path that cannot be read, too many contacts.
    pub async fn share_files(
        &self,
        to: Vec<Address>,
        paths: Vec<PathBuf>,
        limit: u64,
    ) -> Result<Vec<TransferView>, CommandError> {
        let text = String::new();
        self.transfers(Command::FileSend {
            to,
            paths,
            limit,
            sealed: true,
            links: false,
            text,
            priority: Priority::Normal,
        })
        .await
    }

    /// All transfers.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn files(&self) -> Result<Vec<TransferView>, CommandError> {
        self.transfers(Command::Files).await
    }

    /// One transfer.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer.
    pub async fn file(&self, id: TransferId) -> Result<TransferView, CommandError> {
        one(self.transfers(Command::File { id }).await?)
    }

    /// Accepts an offer, into an absolute folder or the configured one.
    ///
    /// # Errors
    /// [`CommandError`]: no such offer.
    pub async fn accept_files(&self, id: TransferId, to: Option<PathBuf>) -> Result<(), CommandError> {
        self.accept_some_files(id, to, Choice::default()).await
    }

    /// Accepts some of the files of an offer, into an absolute folder or the configured one.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or not an offer any more.
    pub async fn accept_some_files(
        &self,
        id: TransferId,
        to: Option<PathBuf>,
        choice: Choice,
    ) -> Result<(), CommandError> {
        self.done(Command::FileAccept { id, to, update: false, choice }).await
    }

    /// Rejects an offer.
    ///
    /// # Errors
    /// [`CommandError`]: no such offer.
    pub async fn reject_files(&self, id: TransferId, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::FileReject { id, text: text.into() }).await
    }

    /// Stops a transfer, or takes an offer back.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is over.
    pub async fn cancel_files(&self, id: TransferId, text: impl Into<String>) -> Result<(), CommandError> {
        self.done(Command::FileCancel { id, text: text.into() }).await
    }

    /// Limits a transfer, in bytes per second; 0 for no limit.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is over.
    pub async fn limit_files(&self, id: TransferId, limit: u64) -> Result<(), CommandError> {
        self.done(Command::FileLimit { id, limit }).await
    }

    /// Pauses a transfer.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it cannot be paused now.
    pub async fn pause_files(&self, id: TransferId) -> Result<(), CommandError> {
        self.done(Command::FilePause { id }).await
    }

    /// Lets a paused transfer go on.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is not paused.
    pub async fn resume_files(&self, id: TransferId) -> Result<(), CommandError> {
        self.done(Command::FileResume { id }).await
    }

    /// Offers again what did not come through; returns the new transfer.
    ///
    /// # Errors
    /// [`CommandError`]: no such transfer, or it is not over, or is not ours.
    pub async fn retry_files(&self, id: TransferId) -> Result<TransferView, CommandError> {
        one(self.transfers(Command::FileRetry { id }).await?)
    }

    /// All settings and their values.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn config(&self) -> Result<Vec<(String, String)>, CommandError> {
        let Reply::Config(config) = self.command(Command::Config).await? else { return Err(unexpected()) };
        Ok(config)
    }

    /// Changes a setting, and says when that counts.
    ///
    /// # Errors
    /// [`CommandError`]: no such setting, or not a value of it.
    pub async fn configure(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Applies, CommandError> {
        let key = key.into();
        self.done(Command::ConfigSet { key: key.clone(), value: value.into() }).await?;
        Ok(settings::applies(&key))
    }

    /// For commands of whose answer only the success matters; some tell the new state with it.
    async fn done(&self, command: Command) -> Result<(), CommandError> {
        self.command(command).await.map(drop)
    }

    pub(super) async fn letters(&self, command: Command) -> Result<Vec<LetterView>, CommandError> {
        let Reply::Letters(letters) = self.command(command).await? else { return Err(unexpected()) };
        Ok(letters)
    }

    async fn transfers(&self, command: Command) -> Result<Vec<TransferView>, CommandError> {
        let Reply::Transfers(transfers) = self.command(command).await? else { return Err(unexpected()) };
        Ok(transfers)
    }
}

pub(super) fn unexpected() -> CommandError {
    CommandError::new(ErrorKind::Failure, "the app answers something else than was asked; please report this")
}

pub(super) fn one<T>(mut many: Vec<T>) -> Result<T, CommandError> {
    many.pop().ok_or_else(|| CommandError::new(ErrorKind::NotFound, "there is no such thing"))
}
