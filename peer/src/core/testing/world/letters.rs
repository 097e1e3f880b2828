//! What a node shows of its chats.

use super::World;
use crate::core::command::{Command, Reply};
use crate::core::history::ask::Ask;
use crate::core::history::store::Page;
use crate::core::view::LetterView;

impl World {
    /// The chat of a node with the account of another.
    pub(crate) fn history(&mut self, node: usize, with: usize) -> Vec<LetterView> {
        let with = self.nodes[with].address.clone();
        let reply =
            self.ask(node, Command::History(Ask::Page { with, page: Page::Newest, limit: 1_000 })).unwrap();
        let Reply::Letters(letters) = reply else { panic!("{reply:?}") };
        letters
    }

    /// The words of a chat, in order.
    pub(crate) fn words(&mut self, node: usize, with: usize) -> Vec<String> {
        self.history(node, with).into_iter().map(|letter| letter.text).collect()
    }
}
