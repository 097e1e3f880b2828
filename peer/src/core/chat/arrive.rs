//! Files what others wrote: other people, and other devices of the user.

use hobnob_wire::Address;
use hobnob_wire::letter::{Letter, LetterBody, LetterRef, kind};

use super::change::{Change, Slot, Stamp};
use super::{Chat, Shown, alter, list, marks, shown};
use crate::core::event::Event;
use crate::core::letters::compose;
use crate::core::letters::show;
use crate::core::letters::store::{Expires, StoredLetter};
use crate::core::settings;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;
use crate::core::view::LetterState;

/// A letter that was opened: what its sealing proves, and what it says.
#[derive(Debug)]
pub(crate) struct Came {
    /// Whose device sealed it.
    pub(crate) from: Address,
    /// The letter.
    pub(crate) letter: Letter,
    /// What it says.
    pub(crate) body: LetterBody,
}

impl Chat {
    /// A letter came that is not about its own way or about files.
    pub(crate) fn arrived<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        came: Came,
    ) -> Result<(), S::Error> {
        let Came { from, letter, body } = came;
        let chat = if from == *own { letter.to.clone() } else { from.clone() };
        let stamp = Stamp::new(letter.at_unix_ms, letter.id);
        if let Some(change) = Change::of(&chat, &from, stamp, &body) {
            return alter::apply(turn, own, &change);
        }
        if let LetterBody::OwnSync(sync) = body {
            // From anybody else it means nothing.
            return if from == *own { self.told(turn, stamp, sync) } else { Ok(()) };
        }
        if matches!(body, LetterBody::Nudge(_)) && from != *own && !self.may_nudge(turn, &from)? {
            return Ok(());
        }
        self.keep(turn, own, (from, chat), (letter, &body))
    }

    /// Whether a nudge of a contact is shown: the user may not want them, and nobody wants many.
    fn may_nudge<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        from: &Address,
    ) -> Result<bool, S::Error> {
        let muted = !settings::nudges(turn.store)? || turn.store.chat(from)?.marks.mutes_nudges;
        Ok(!muted && self.nudges.heard(from, turn.now.monotonic))
    }

    /// Keeps a letter that is shown, with what was said about it before it came.
    fn keep<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        own: &Address,
        (from, chat): (Address, Address),
        (letter, body): (Letter, &LetterBody),
    ) -> Result<(), S::Error> {
        let carbon = from == *own;
        let name = LetterRef { author: from.clone(), id: letter.id };
        let said_before = |store: &mut S, kind, by: &Address| {
            let slot = Slot { chat: chat.clone(), letter: name.clone(), kind, by: by.clone() };
            Ok::<_, S::Error>(store.change(&slot)?.is_some())
        };
        let deleted = said_before(turn.store, kind::DELETE, &from)?;
        let read = said_before(turn.store, kind::OWN_SYNC, &chat)?;
        let after_s = compose::expires_after_s(body);
        let counts = carbon || read;
        let stored = StoredLetter {
            id: letter.id,
            author: from,
            to: letter.to,
            chat: chat.clone(),
            at_unix_ms: letter.at_unix_ms,
            received_unix_ms: turn.now.unix_ms,
            kind: letter.kind,
            body: if deleted { Vec::new() } else { letter.body.into_vec() },
            thread: compose::thread(body),
            expires: after_s.map(|seconds| Expires::begin(seconds, counts, turn.now.unix_ms)),
            // Another own device sent it; how far it came, that device knows.
            state: match (carbon, read || deleted) {
                (true, _) => LetterState::Accepted,
                (false, true) => LetterState::Read,
                (false, false) => LetterState::Delivered,
            },
            error: None,
        };
        turn.store.add_letter(&stored)?;
        turn.store.settle_changes(&chat, &name)?;
        if shown(stored.kind) == Shown::Unknown {
            turn.store.prune_unknown(&chat)?;
        }
        if stored.expires.is_some() {
            self.clock.changed();
        }
        let view = show::view(turn.store, own, &stored)?;
        turn.event(Event::Letter(Box::new(view)));
        if stored.state == LetterState::Delivered {
            list::tell(turn, &chat)?;
        }
        Ok(())
    }

    /// Another own device says what the user did there.
    fn told<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        stamp: Stamp,
        sync: hobnob_wire::letter::OwnSync,
    ) -> Result<(), S::Error> {
        if marks::told(turn, stamp, sync)? {
            self.clock.changed();
        }
        Ok(())
    }
}
