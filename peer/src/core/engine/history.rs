//! What users ask about history.

use hobnob_wire::{Address, LetterId};

use super::Engine;
use super::commands::Replied;
use crate::core::chat::content::{self, reference};
use crate::core::command::{CommandError, ErrorKind, Reply};
use crate::core::history::ask::Ask;
use crate::core::history::query::parse;
use crate::core::history::record::Record;
use crate::core::history::snippet::snippet;
use crate::core::history::store::{Forgetting, Page, Place};
use crate::core::history::sweep::FORGET_MAX;
use crate::core::history::view::{
    ForgottenView, FoundView, HoldingView, ImportedView, RecordsView, SearchView,
};
use crate::core::letters::show;
use crate::core::store::Store;
use crate::core::turn::Turn;

/// Letters that one command may ask for.
const HISTORY_MAX: u32 = 1_000;
/// Letters that one search may ask for.
const SEARCH_MAX: u32 = 100;

impl Engine {
    pub(super) fn history<S: Store, E>(&self, turn: &mut Turn<'_, S, E>, ask: Ask) -> Replied<S::Error> {
        match ask {
            Ask::Page { with, page, limit } => self.page(turn, &with, page, limit),
            Ask::Search { query, before, limit } => self.search(turn, &query, before, limit),
            Ask::Holdings => Self::holdings(turn),
            Ask::Forget { what, dry } => Self::forget(turn, &what, dry),
            Ask::Records { chat, before, limit } => Self::records(turn, chat.as_ref(), before, limit),
            Ask::Import { records } => self.import(turn, records),
        }
    }

    fn page<S: Store, E>(
        &self,
        turn: &mut Turn<'_, S, E>,
        with: &Address,
        page: Page,
        limit: u32,
    ) -> Replied<S::Error> {
        let own = &self.keys.identity.address;
        let Some(letters) = turn.store.page(with, page, limit.min(HISTORY_MAX))? else {
            let (Page::Before(id) | Page::After(id) | Page::Around(id)) = page else {
                return Ok(Ok(Reply::Letters(Vec::new())));
            };
            return Ok(Err(not_there(id, with)));
        };
        let views: Result<Vec<_>, _> =
            letters.iter().map(|letter| show::view(turn.store, own, letter)).collect();
        Ok(Ok(Reply::Letters(views?)))
    }

    fn search<S: Store, E>(
        &self,
        turn: &mut Turn<'_, S, E>,
        text: &str,
        before: Option<Place>,
        limit: u32,
    ) -> Replied<S::Error> {
        let own = &self.keys.identity.address;
        let query = match parse(text, own, turn.now.unix_ms) {
            Ok(query) => query,
            Err(error) => return Ok(Err(CommandError::new(ErrorKind::Usage, format!("{error}.")))),
        };
        let limit = limit.clamp(1, SEARCH_MAX);
        // One more tells whether there is more.
        let mut letters = turn.store.search(&query, before, limit + 1)?;
        let more = letters.len() > limit as usize;
        letters.truncate(limit as usize);
        let next = letters.last().filter(|_| more).map(|(place, _)| place.0);
        let mut found = Vec::with_capacity(letters.len());
        for (Place(place), letter) in letters {
            let view = show::view(turn.store, own, &letter)?;
            let snippet = snippet(&view.text, query.phrases());
            found.push(FoundView { place, chat: letter.chat, letter: view, snippet });
        }
        Ok(Ok(Reply::Found(SearchView { found, next })))
    }

    fn holdings<S: Store, E>(turn: &mut Turn<'_, S, E>) -> Replied<S::Error> {
        let holdings = turn.store.holdings()?.into_iter();
        Ok(Ok(Reply::Holdings(holdings.map(|(address, letters)| HoldingView { address, letters }).collect())))
    }

    fn forget<S: Store, E>(turn: &mut Turn<'_, S, E>, what: &Forgetting, dry: bool) -> Replied<S::Error> {
        if dry {
            let letters = turn.store.forgettable(what)?;
            return Ok(Ok(Reply::Forgotten(ForgottenView { letters, more: false })));
        }
        let forgotten = turn.store.forget(what, FORGET_MAX)?;
        let view = ForgottenView { letters: forgotten.into(), more: forgotten == FORGET_MAX };
        Ok(Ok(Reply::Forgotten(view)))
    }

    fn records<S: Store, E>(
        turn: &mut Turn<'_, S, E>,
        chat: Option<&Address>,
        before: Option<Place>,
        limit: u32,
    ) -> Replied<S::Error> {
        let limit = limit.clamp(1, HISTORY_MAX);
        let letters = turn.store.records(chat, before, limit)?;
        let next = letters.last().filter(|_| letters.len() == limit as usize).map(|(place, _)| place.0);
        let mut records = Vec::with_capacity(letters.len());
        for (_, letter) in &letters {
            let changes = turn.store.changes(&letter.chat, &reference(letter))?;
            let text = content::plain(turn.store, letter)?;
            records.push(Record::new(letter, &changes, Some(text)));
        }
        Ok(Ok(Reply::Records(RecordsView { records, next })))
    }

    fn import<S: Store, E>(&self, turn: &mut Turn<'_, S, E>, records: Vec<Record>) -> Replied<S::Error> {
        let mut view = ImportedView::default();
        for record in records {
            let Ok((letter, changes)) = record.letter(&self.keys.identity.address) else {
                view.refused += 1;
                continue;
            };
            if !turn.store.put_first(&letter)? {
                view.known += 1;
                continue;
            }
            view.added += 1;
            for change in changes {
                if change.replaces(turn.store.change(&change.slot)?.as_ref()) {
                    turn.store.put_change(&change, false)?;
                }
            }
        }
        Ok(Ok(Reply::Imported(view)))
    }
}

fn not_there(id: LetterId, chat: &Address) -> CommandError {
    let text = format!(
        "There is no letter {id} in the chat with {chat}. See its letters with `hobnob history {chat}`."
    );
    CommandError::new(ErrorKind::NotFound, text)
}
