//! What programs ask of a client about letters and chats.

use hobnob_wire::{Address, LetterId};

use super::Client;
use super::typed::{one, unexpected};
use crate::core::chat::command::{ChatCommand, ChatReply, Saying, Wish};
use crate::core::chat::view::{ChatView, ScheduledView};
use crate::core::command::{Command, CommandError, Reply};
use crate::core::view::{LetterState, LetterView};

/// A letter that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is on its way: which it is, and how far.
    Now(LetterId, LetterState),
    /// It will be sent later.
    Later(ScheduledView),
}

impl Client {
    /// Writes to a contact, or to oneself: now, or at a time in Unix milliseconds by this device's clock. Returns once
    /// the letter is on this device's disk.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact, it does not fit a letter, the time is over.
    pub async fn write(
        &self,
        to: Address,
        what: Saying,
        due_unix_ms: Option<u64>,
    ) -> Result<Written, CommandError> {
        let reply = self.command(Command::Chat(ChatCommand::Write { to, what, due_unix_ms })).await?;
        if let Reply::Sent { id, state } = reply {
            return Ok(Written::Now(id, state));
        }
        let Reply::Chat(ChatReply::Scheduled(later)) = reply else { return Err(unexpected()) };
        Ok(Written::Later(one(later)?))
    }

    /// Changes something: edits or takes back a letter, reacts, votes, keeps a draft, unschedules.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter, not one's own, taken back already.
    pub async fn alter(&self, command: ChatCommand) -> Result<(), CommandError> {
        self.command(Command::Chat(command)).await.map(drop)
    }

    /// All chats, that with the newest letter first.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn chats(&self) -> Result<Vec<ChatView>, CommandError> {
        self.chat_views(ChatCommand::List).await
    }

    /// One chat.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn chat(&self, with: Address) -> Result<ChatView, CommandError> {
        one(self.chat_views(ChatCommand::Show { with }).await?)
    }

    /// Changes what the user wants of a chat, on all own devices.
    ///
    /// # Errors
    /// [`CommandError`]: no such contact.
    pub async fn mark_chat(&self, with: Address, wish: Wish) -> Result<ChatView, CommandError> {
        one(self.chat_views(ChatCommand::Mark { with, wish }).await?)
    }

    /// The thread that a letter belongs to, oldest first.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter.
    pub async fn thread(&self, id: LetterId) -> Result<Vec<LetterView>, CommandError> {
        let Reply::Letters(letters) = self.command(Command::Chat(ChatCommand::Thread { id })).await? else {
            return Err(unexpected());
        };
        Ok(letters)
    }

    /// Letters that are sent later, the next first.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn scheduled(&self) -> Result<Vec<ScheduledView>, CommandError> {
        self.scheduled_views(ChatCommand::Scheduled).await
    }

    /// Changes a letter that is sent later: its time, its words.
    ///
    /// # Errors
    /// [`CommandError`]: no such letter waits, the time is over.
    pub async fn reschedule(
        &self,
        id: LetterId,
        due_unix_ms: Option<u64>,
        text: Option<String>,
    ) -> Result<ScheduledView, CommandError> {
        one(self.scheduled_views(ChatCommand::Reschedule { id, due_unix_ms, text }).await?)
    }

    async fn chat_views(&self, command: ChatCommand) -> Result<Vec<ChatView>, CommandError> {
        let Reply::Chat(ChatReply::Chats(chats)) = self.command(Command::Chat(command)).await? else {
            return Err(unexpected());
        };
        Ok(chats)
    }

    async fn scheduled_views(&self, command: ChatCommand) -> Result<Vec<ScheduledView>, CommandError> {
        let Reply::Chat(ChatReply::Scheduled(letters)) = self.command(Command::Chat(command)).await? else {
            return Err(unexpected());
        };
        Ok(letters)
    }
}
