//! What programs ask of a client about history.

use hobnob_wire::Address;

use super::Client;
use super::typed::unexpected;
use crate::core::command::{Command, CommandError, Reply};
use crate::core::history::ask::Ask;
use crate::core::history::record::Record;
use crate::core::history::store::{Forgetting, Page, Place};
use crate::core::history::view::{ForgottenView, HoldingView, ImportedView, RecordsView, SearchView};
use crate::core::view::LetterView;

impl Client {
    /// At most `limit` letters of a chat, oldest first.
    ///
    /// # Errors
    /// [`CommandError`]: the page names a letter that is not there.
    pub async fn history(
        &self,
        with: Address,
        page: Page,
        limit: u32,
    ) -> Result<Vec<LetterView>, CommandError> {
        self.letters(Command::History(Ask::Page { with, page, limit })).await
    }

    /// Letters that were looked for, newest first; `before` is the `next` of the answer before.
    ///
    /// # Errors
    /// [`CommandError`]: what was typed makes no sense.
    pub async fn search(
        &self,
        query: impl Into<String>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<SearchView, CommandError> {
        let ask = Ask::Search { query: query.into(), before: before.map(Place), limit };
        let Reply::Found(found) = self.command(Command::History(ask)).await? else {
            return Err(unexpected());
        };
        Ok(found)
    }

    /// How many letters each chat holds.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn holdings(&self) -> Result<Vec<HoldingView>, CommandError> {
        let Reply::Holdings(holdings) = self.command(Command::History(Ask::Holdings)).await? else {
            return Err(unexpected());
        };
        Ok(holdings)
    }

    /// Forgets letters for good, some at a time, so that nothing else has to wait: ask until there is no more. With `dry`
    /// they are only counted. Letters of ours that have not left this device stay.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn forget(&self, what: Forgetting, dry: bool) -> Result<ForgottenView, CommandError> {
        let Reply::Forgotten(view) = self.command(Command::History(Ask::Forget { what, dry })).await? else {
            return Err(unexpected());
        };
        Ok(view)
    }

    /// Letters to be carried elsewhere, newest first; `before` is the `next` of the answer before.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn records(
        &self,
        chat: Option<Address>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<RecordsView, CommandError> {
        let ask = Ask::Records { chat, before: before.map(Place), limit };
        let Reply::Records(records) = self.command(Command::History(ask)).await? else {
            return Err(unexpected());
        };
        Ok(records)
    }

    /// Takes letters that were brought from elsewhere, newest first. What is here already stays as it is.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn import(&self, records: Vec<Record>) -> Result<ImportedView, CommandError> {
        let Reply::Imported(view) = self.command(Command::History(Ask::Import { records })).await? else {
            return Err(unexpected());
        };
        Ok(view)
    }
}
