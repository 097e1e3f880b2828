//! What people do.

use std::time::Duration;

use hobnob_peer::core::command::{Command, CommandError, CommandId, Reply};
use hobnob_peer::core::input::Input;
use hobnob_wire::Address;

use super::world::{Action, World};

/// What a letter says: who wrote it, and which one of that device's letters it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Words {
    /// The device, by place among the peers.
    pub(super) author: usize,
    /// Counts its letters.
    pub(super) number: u64,
}

impl Words {
    fn text(self) -> String {
        format!("{} {}", self.author, self.number)
    }

    /// Reads them again.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (author, number) = text.split_once(' ')?;
        Some(Self { author: author.parse().ok()?, number: number.parse().ok()? })
    }
}

impl World {
    /// A user does something, and later another does.
    pub(super) fn user_acts(&mut self) {
        if self.calm {
            return;
        }
        let index = self.chance.index(self.peers.len());
        let person = self.peers[index].person;
        let others: Vec<usize> = (0..self.people.len()).filter(|other| *other != person).collect();
        let Some(other) = self.chance.pick(&others).copied() else { return };
        match self.chance.below(20) {
            0..12 => {
                // Sometimes several at once.
                let burst = if self.chance.one_in(6) { self.chance.spread(ONE, BURST).as_secs() } else { 1 };
                for _ in 0..burst {
                    self.write(index, other);
                }
            }
            12..17 => self.read(index, other),
            17 if self.plan.people_change => self.change_contact(index, other),
            18 if self.plan.people_change => self.add_device(person),
            19 if self.plan.people_change => self.revoke_device(person),
            _ => self.write(index, other),
        }
        let wait = self.chance.between(Duration::ZERO, self.plan.act_every * 2);
        self.after(wait, Action::Act);
    }

    /// A command for a peer.
    pub(super) fn command(&mut self, index: usize, command: Command) -> CommandId {
        let id = CommandId(self.number());
        self.tell(index, Input::Command { id, command });
        id
    }

    /// Somebody writes to somebody.
    pub(super) fn write(&mut self, index: usize, to: usize) {
        if self.peers[index].engine.is_none() {
            return;
        }
        let words = self.truth.next_words(index);
        let to = self.people[to].address.clone();
        let id = self.command(index, Command::Send { to: to.clone(), text: words.text() });
        self.truth.written(id, index, (words, to));
    }

    fn read(&mut self, index: usize, chat: usize) {
        let with = self.people[chat].address.clone();
        self.command(index, Command::MarkRead { with });
    }

    /// Makes two accounts contacts; both must have a session.
    pub(super) fn befriend(&mut self, index: usize, other: usize) {
        let [one, two] = [index, other].map(|index| self.peers[index].address.clone());
        self.command(index, Command::ContactAdd { address: two, text: "Hello".to_owned() });
        // Whoever asks also accepts; only one of the two has something to accept.
        self.accept_later(other, one);
    }

    /// A user accepts a request that comes within two seconds.
    fn accept_later(&mut self, index: usize, address: Address) {
        let id = CommandId(self.number());
        let run = self.peers[index].run;
        let input = Input::Command { id, command: Command::ContactAccept { address } };
        self.after(Duration::from_secs(2), Action::Tell(index, run, Box::new(input)));
    }

    /// Contacts part, or come together again.
    fn change_contact(&mut self, index: usize, other: usize) {
        let (person, pair) = (self.peers[index].person, self.people[other].address.clone());
        self.truth.parted(person, other);
        if self.chance.one_in(2) {
            self.command(index, Command::ContactRemove { address: pair, text: String::new() });
        } else if let Some(friend) = self.peers.iter().position(|peer| peer.person == other) {
            self.befriend(index, friend);
        }
    }

    /// A command was answered.
    pub(super) fn replied(&mut self, index: usize, id: CommandId, result: &Result<Reply, CommandError>) {
        if let Ok(Reply::Sent { id: letter, .. }) = result {
            self.truth.acknowledged(id, *letter);
            self.trace.note(self.now, format_args!("{} has written", self.peers[index].name));
        }
    }
}

const ONE: Duration = Duration::from_secs(1);

/// Letters that somebody writes at once, at most, counted in seconds.
const BURST: Duration = Duration::from_secs(60);
