//! What a letter can be, beyond words on their way: what is shown of it, and what the user does with it.
//!
//! | module | job |
//! | --- | --- |
//! | [`command`], [`view`] | what users ask and see |
//! | [`store`] | what is kept |
//! | [`change`] | edits, deletions, reactions and votes, merged by rules that know no order |
//! | [`markdown`] | words as a safe tree, as plain text and as HTML |
//! | `words` | from what people type to what letters carry |
//! | `say`, `alter` | writes letters, and changes those that are there |
//! | `arrive` | files what others wrote |
//! | `content` | what a letter says, as it is shown |
//! | `list` | chats, unread letters, threads |
//! | `marks` | drafts and wishes that follow the user to the other devices |
//! | `later` | letters that are sent later, and those that disappear |
//! | `typing`, `nudge` | what is told often, within bounds |

pub mod change;
pub mod command;
pub mod markdown;
pub mod store;
pub mod view;

mod alter;
mod arrive;
pub(crate) mod content;
mod later;
mod list;
mod marks;
mod nudge;
mod say;
mod typing;
mod words;

use std::time::Duration;

use hobnob_wire::Address;
use hobnob_wire::letter::kind;

pub(crate) use self::arrive::Came;
use self::later::Clock;
use self::nudge::Nudges;
use self::typing::Typing;
use super::command::{CommandError, Reply};
use super::contact::Contacts;
use super::event::Event;
use super::keys::Keyring;
use super::settings;
use super::store::Store;
use super::time::Entropy;
use super::turn::Turn;

/// A letter that says nothing any more: its place, so that it is not taken for a new one.
pub const GONE: u16 = 0;

/// How a letter of a kind is shown in its chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Not at all: it does something else.
    Not,
    /// As what it is.
    Known,
    /// As something that a newer version will show.
    Unknown,
}

/// How letters of a kind are shown in their chats.
#[must_use]
pub const fn shown(kind: u16) -> Shown {
    match kind {
        kind::TEXT | kind::NUDGE | kind::CONTACT_CARD | kind::LOCATION | kind::POLL => Shown::Known,
        GONE
        | kind::RECEIPT
        | kind::OFFER
        | kind::OFFER_END
        | kind::EDIT
        | kind::DELETE
        | kind::REACTION
        | kind::VOTE
        | kind::OWN_SYNC => Shown::Not,
        _ => Shown::Unknown,
    }
}

type Replied<S> = Result<Result<Reply, CommandError>, S>;

/// What is used while one input is handled.
#[derive(Debug)]
pub(crate) struct Talk<'a, 't, S, E> {
    pub(crate) turn: &'a mut Turn<'t, S, E>,
    pub(crate) keys: &'a mut Keyring,
    pub(crate) contacts: &'a Contacts,
}

/// What chats remember between inputs.
#[derive(Debug)]
pub(crate) struct Chat {
    typing: Typing,
    nudges: Nudges,
    clock: Clock,
    /// When drafts are told to the other own devices.
    tell_at: Option<Duration>,
}

impl Chat {
    pub(crate) fn new() -> Self {
        // Drafts may be untold from before.
        let tell_at = Some(Duration::ZERO);
        Self { typing: Typing::default(), nudges: Nudges::default(), clock: Clock::new(), tell_at }
    }

    /// Time has passed.
    pub(crate) fn tick<S: Store, E: Entropy>(
        &mut self,
        talk: &mut Talk<'_, '_, S, E>,
    ) -> Result<(), S::Error> {
        let now = talk.turn.now.monotonic;
        self.typing.tick(talk.turn, now);
        if self.tell_at.is_some_and(|at| at <= now) {
            self.tell_at = None;
            marks::tell_drafts(talk)?;
        }
        if self.clock.is_due(now) {
            later::expire(talk)?;
            later::send_due(talk)?;
            self.clock.changed();
        }
        Ok(())
    }

    /// After each input: finds out when the next letter is due, if that may have changed.
    pub(crate) fn settle<S: Store, E>(&mut self, turn: &mut Turn<'_, S, E>) -> Result<(), S::Error> {
        self.clock.settle(turn)
    }

    /// The user writes to a contact, or does so no longer. Whether the contact is told.
    pub(crate) fn tells_typing<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        to: &Address,
        active: bool,
    ) -> Result<bool, S::Error> {
        let every = settings::typing(turn.store)?;
        let hidden = turn.store.chat(to)?.marks.hides_typing;
        let now = turn.now.monotonic;
        Ok(every.is_some_and(|every| !hidden && self.typing.tell(to, active, (now, every))))
    }

    /// A contact says that it writes, or does so no longer.
    pub(crate) fn heard_typing<S, E>(&mut self, turn: &mut Turn<'_, S, E>, address: Address, active: bool) {
        if self.typing.heard(&address, active, turn.now.monotonic) {
            turn.event(Event::Typing { address, active });
        }
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        [self.clock.deadline(), self.typing.deadline(), self.tell_at].into_iter().flatten().min()
    }
}
