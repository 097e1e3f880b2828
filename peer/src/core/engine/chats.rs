//! What users ask about letters and chats.

use hobnob_wire::Address;
use hobnob_wire::link::LinkFrame;

use super::Engine;
use crate::core::chat::command::{ChatCommand, Saying};
use crate::core::chat::{Chat, Talk};
use crate::core::command::{CommandError, Reply};
use crate::core::effect::Effect;
use crate::core::store::Store;
use crate::core::time::Entropy;
use crate::core::turn::Turn;

type Replied<S> = Result<Result<Reply, CommandError>, S>;

impl Engine {
    fn talk<'a, 't, S, E>(&'a mut self, turn: &'a mut Turn<'t, S, E>) -> (&'a mut Chat, Talk<'a, 't, S, E>) {
        (&mut self.chat, Talk { turn, keys: &mut self.keys, contacts: &self.contacts })
    }

    pub(super) fn chat_command<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        command: ChatCommand,
    ) -> Replied<S::Error> {
        let (chat, mut talk) = self.talk(turn);
        chat.command(&mut talk, command)
    }

    pub(super) fn send<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        to: Address,
        text: String,
    ) -> Replied<S::Error> {
        self.chat_command(turn, ChatCommand::Write { to, what: Saying::plain(text), due_unix_ms: None })
    }

    pub(super) fn mark_read<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        with: &Address,
    ) -> Replied<S::Error> {
        let (chat, mut talk) = self.talk(turn);
        chat.mark_read(&mut talk, with)?;
        Ok(Ok(Reply::Done))
    }

    pub(super) fn chat_tick<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
    ) -> Result<(), S::Error> {
        let (chat, mut talk) = self.talk(turn);
        chat.tick(&mut talk)
    }

    /// The user writes, or does so no longer: told over links only, and not too often.
    pub(super) fn typing<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        to: &Address,
        active: bool,
    ) -> Replied<S::Error> {
        if let Err(error) = self.contacts.may_write(to) {
            return Ok(Err(error));
        }
        if self.chat.tells_typing(turn, to, active)? {
            for link in self.links.up_to(to) {
                self.links.used(link, turn.now.monotonic);
                turn.effect(Effect::SendFrame { link, frame: Box::new(LinkFrame::Typing { active }) });
            }
        }
        Ok(Ok(Reply::Done))
    }
}
