//! Letters and chats.

use hobnob_wire::LetterId;
use reqwest::Method;
use serde::Serialize;

use super::ApiClient;
use crate::api::bodies::{
    ChatWish, DraftSet, LetterEdit, LetterSend, LetterSent, ReactionSet, Rendered, ScheduledChange, Sent,
    Typing, VoteSet,
};
use crate::core::chat::view::{ChatView, LetterView, ScheduledView};
use crate::core::command::CommandError;

impl ApiClient {
    /// Writes a letter: `path` says what it is, as in `/v1/letters`, and `letter` is its body.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn write<B: Serialize + Sync>(&self, path: &str, letter: &B) -> Result<Sent, CommandError> {
        self.ask(Method::POST, path, letter).await
    }

    /// Sends words.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn send(&self, to: String, text: String) -> Result<LetterSent, CommandError> {
        let letter = LetterSend { to, text: Some(text), ..LetterSend::default() };
        self.ask(Method::POST, "/v1/letters", &letter).await
    }

    /// Gives a letter other words.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn edit_letter(&self, id: LetterId, edit: &LetterEdit) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/letters/{id}"), edit).await
    }

    /// Takes a letter back.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn delete_letter(&self, id: LetterId) -> Result<(), CommandError> {
        self.tell(Method::DELETE, &format!("/v1/letters/{id}"), &()).await
    }

    /// Shows what one feels about a letter; nothing any more when empty.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn react(&self, id: LetterId, reaction: String) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/letters/{id}/reaction"), &ReactionSet { reaction }).await
    }

    /// Answers a poll.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn vote(&self, id: LetterId, choices: Vec<u8>) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/letters/{id}/vote"), &VoteSet { choices }).await
    }

    /// The thread that a letter belongs to.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn thread(&self, id: LetterId) -> Result<Vec<LetterView>, CommandError> {
        self.get(&format!("/v1/letters/{id}/thread")).await
    }

    /// The words of a letter as plain text and as HTML.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn rendered(&self, id: LetterId) -> Result<Rendered, CommandError> {
        self.get(&format!("/v1/letters/{id}/rendered")).await
    }

    /// All chats, that with the newest letter first.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn chats(&self) -> Result<Vec<ChatView>, CommandError> {
        self.get("/v1/chats").await
    }

    /// One chat.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn chat(&self, address: &str) -> Result<ChatView, CommandError> {
        self.get(&format!("/v1/chats/{address}")).await
    }

    /// Changes what is wanted of a chat.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn mark_chat(&self, address: &str, wish: &ChatWish) -> Result<ChatView, CommandError> {
        self.ask(Method::PUT, &format!("/v1/chats/{address}"), wish).await
    }

    /// Keeps a draft.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn set_draft(&self, address: &str, draft: &DraftSet) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/chats/{address}/draft"), draft).await
    }

    /// Tells a contact that the user writes, or does so no longer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn typing(&self, typing: &Typing) -> Result<(), CommandError> {
        self.tell(Method::POST, "/v1/typing", typing).await
    }

    /// Letters that are sent later.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn scheduled(&self) -> Result<Vec<ScheduledView>, CommandError> {
        self.get("/v1/scheduled").await
    }

    /// Changes a letter that is sent later.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn reschedule(
        &self,
        id: LetterId,
        change: &ScheduledChange,
    ) -> Result<ScheduledView, CommandError> {
        self.ask(Method::PUT, &format!("/v1/scheduled/{id}"), change).await
    }

    /// Does not send a letter after all.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn unschedule(&self, id: LetterId) -> Result<(), CommandError> {
        self.tell(Method::DELETE, &format!("/v1/scheduled/{id}"), &()).await
    }
}
