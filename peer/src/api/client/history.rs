//! What the command line asks about history.

use reqwest::Method;

use super::ApiClient;
use crate::api::bodies::RecordsPut;
use crate::core::command::CommandError;
use crate::core::history::export::reference;
use crate::core::history::record::Record;
use crate::core::history::view::{ForgottenView, HoldingView, ImportedView, RecordsView, SearchView};
use crate::core::view::LetterView;

/// Which letters of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letters {
    /// The newest.
    Newest,
    /// Those before the letter with this id.
    Before(String),
    /// Those after it.
    After(String),
    /// The letter and those on both sides.
    Around(String),
    /// The first as young as this date, and those after it.
    Since(String),
}

impl ApiClient {
    /// Letters of a chat, oldest first.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn letters(
        &self,
        address: &str,
        which: &Letters,
        limit: u32,
    ) -> Result<Vec<LetterView>, CommandError> {
        let which = match which {
            Letters::Newest => String::new(),
            Letters::Before(id) => format!("&before={}", reference(id)),
            Letters::After(id) => format!("&after={}", reference(id)),
            Letters::Around(id) => format!("&around={}", reference(id)),
            Letters::Since(date) => format!("&since={}", reference(date)),
        };
        self.get(&format!("/v1/chats/{address}/letters?limit={limit}{which}")).await
    }

    /// How many letters each chat holds.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn holdings(&self) -> Result<Vec<HoldingView>, CommandError> {
        self.get("/v1/history").await
    }

    /// Letters that a query finds, newest first; `before` is the `next` of the answer before.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn search(
        &self,
        query: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<SearchView, CommandError> {
        let before = before.map_or(String::new(), |before| format!("&before={before}"));
        self.get(&format!("/v1/search?q={}&limit={limit}{before}", reference(query))).await
    }

    /// Forgets some letters of a chat, or of all; asked until there is no more. With `dry` they are only counted.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn forget(
        &self,
        chat: Option<&str>,
        before: Option<&str>,
        dry: bool,
    ) -> Result<ForgottenView, CommandError> {
        let before = before.map_or(String::new(), |before| format!("&before={}", reference(before)));
        let path = match chat {
            Some(chat) => format!("/v1/chats/{chat}/letters?dry={dry}{before}"),
            None => format!("/v1/letters?dry={dry}{before}"),
        };
        self.ask(Method::DELETE, &path, &()).await
    }

    /// Letters to be carried elsewhere, newest first; `before` is the `next` of the answer before.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn records(
        &self,
        chat: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<RecordsView, CommandError> {
        let chat = chat.map_or(String::new(), |chat| format!("&chat={}", reference(chat)));
        let before = before.map_or(String::new(), |before| format!("&before={before}"));
        self.get(&format!("/v1/records?limit={limit}{chat}{before}")).await
    }

    /// Brings letters from elsewhere, newest first.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn import(&self, records: Vec<Record>) -> Result<ImportedView, CommandError> {
        self.ask(Method::POST, "/v1/records", &RecordsPut { records }).await
    }
}
