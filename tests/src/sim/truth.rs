//! What must hold, as rules about what users are told and what is on disks. It knows nothing of how letters travel.
//!
//! 1. A letter is acknowledged once its author was told that it is sent.
//! 2. A device shows a letter once.
//! 3. A device shows the letters that another device wrote to a chat in the order in which they were written.
//! 4. A letter's state on a device never runs backwards.
//! 5. `accepted` is told only when the letter is on the disk of the rendezvous, or was.
//! 6. `delivered` is told only when it is on the disk of that device; `read` only when that device has it read.
//! 7. Nobody is warned while no device is revoked: here nobody lies and nobody loses keys.
//! 8. No queue is longer than its limit.
//! 9. When all is calm, every acknowledged letter is on every device that it is for, and its author knows; between people
//!    who parted it may have failed, but not without its author knowing.
//! 10. Then nothing waits anywhere, and nothing more is said.

use std::collections::{BTreeMap, BTreeSet};

use hobnob_peer::LetterState;
use hobnob_peer::core::command::CommandId;
use hobnob_peer::core::event::Event;
use hobnob_peer::core::history::store::{HistoryStore as _, Page};
use hobnob_peer::core::letters::store::{InboxStore as _, LetterStore as _, OutboxStore as _};
use hobnob_peer::core::store::KeyStore as _;
use hobnob_wire::letter::LetterBody;
use hobnob_wire::{Address, DeviceId, LetterId};

use super::load::Words;
use super::peer::LetterText;
use super::world::World;

/// Number of the kind of text letters.
const TEXT: u16 = 1;

/// Letters of one Olm session that may be out without word from the device.
const WINDOW: usize = 32;

/// A letter that somebody wrote.
#[derive(Clone, Debug)]
struct Written {
    author: usize,
    words: Words,
    to: Address,
    /// Whether it was written after all was calm.
    in_calm: bool,
}

/// What was written, and what users were told.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Letters of each device so far.
    numbers: BTreeMap<usize, u64>,
    commands: BTreeMap<CommandId, Written>,
    letters: BTreeMap<LetterId, Written>,
    /// Pairs of people who parted at some time.
    parted: BTreeSet<[usize; 2]>,
    shown: BTreeSet<(usize, Words)>,
    /// The newest letter that a device has shown in a chat, of each other device.
    newest: BTreeMap<(usize, Address, usize), u64>,
    /// What each device's user was told last of a letter on another device.
    told: BTreeMap<(usize, LetterId, DeviceId), LetterState>,
    calm: bool,
}

impl Truth {
    /// The words of a device's next letter.
    pub(super) fn next_words(&mut self, author: usize) -> Words {
        let number = self.numbers.entry(author).or_default();
        *number += 1;
        Words { author, number: *number }
    }

    /// A user has written something, and not been answered yet.
    pub(super) fn written(&mut self, id: CommandId, author: usize, (words, to): (Words, Address)) {
        self.commands.insert(id, Written { author, words, to, in_calm: self.calm });
    }

    /// The user was told that it is sent.
    pub(super) fn acknowledged(&mut self, id: CommandId, letter: LetterId) {
        if let Some(written) = self.commands.remove(&id) {
            self.letters.insert(letter, written);
        }
    }

    /// Two people part, or come together again.
    pub(super) fn parted(&mut self, one: usize, other: usize) {
        self.parted.insert([one.min(other), one.max(other)]);
    }

    pub(super) fn calm_down(&mut self) {
        self.calm = true;
    }

    /// Letters that were acknowledged.
    pub(super) fn count(&self) -> u64 {
        self.letters.len() as u64
    }
}

impl World {
    /// A user is told something.
    pub(super) fn heard(&mut self, index: usize, event: &Event) {
        if let Event::Letter(view) = event {
            let own = &self.peers[index].address;
            let chat = if view.from == *own { view.to.clone() } else { view.from.clone() };
            self.showed(index, chat, &view.text);
        }
        if let Event::LetterState { id, device, state, .. } = event {
            self.trace
                .note(self.now, format_args!("{}: {} is {state:?}", self.peers[index].name, LetterText(*id)));
            self.claimed(index, (*id, *device), *state);
        }
        // What a revoked device wrote last cannot be opened any more, and is reported.
        if let Event::Warning { text, .. } = event
            && !self.peers.iter().any(|peer| peer.revoked)
        {
            self.broken(format!("{} is warned: {text}", self.peers[index].name));
        }
    }

    /// Rules 2 and 3.
    fn showed(&mut self, index: usize, chat: Address, text: &str) {
        let name = self.peers[index].name.clone();
        let Some(words) = Words::parse(text) else { return self.broken(format!("{name} shows {text:?}")) };
        self.trace.note(self.now, format_args!("{name} shows {words:?}"));
        if !self.truth.shown.insert((index, words)) {
            self.broken(format!("{name} shows {words:?} twice"));
        }
        let newest = self.truth.newest.entry((index, chat, words.author)).or_default();
        let before = std::mem::replace(newest, words.number.max(*newest));
        if self.checks_order && words.number < before {
            self.broken(format!("{name} shows {words:?} after number {before}"));
        }
    }

    /// Rules 4 to 6.
    fn claimed(&mut self, index: usize, (letter, device): (LetterId, DeviceId), state: LetterState) {
        let before = self.truth.told.insert((index, letter, device), state);
        if before.is_some_and(|before| before >= state) {
            let name = &self.peers[index].name;
            let letter = LetterText(letter);
            return self.broken(format!("{name} is told that {letter} is {state:?} after {before:?}"));
        }
        let author = self.peers[index].address.clone();
        let Some(there) = self.peers.iter().position(|peer| peer.device == device) else {
            return self.broken("a letter went to a device that nobody has");
        };
        let is_true = match state {
            LetterState::Failed | LetterState::Queued => true,
            LetterState::Accepted => {
                self.server.has_taken(letter, device) || self.has(there, &author, letter)
            }
            LetterState::Delivered => self.has(there, &author, letter),
            LetterState::Read => self.state_at(there, &author, letter) == Some(LetterState::Read),
        };
        if !is_true {
            let [name, there] = [index, there].map(|index| self.peers[index].name.clone());
            let letter = LetterText(letter);
            self.broken(format!("{name} is told that {letter} is {state:?} on {there}, which is not true"));
        }
    }

    /// Whether a letter has come to a device's disk, opened or still sealed.
    fn has(&mut self, index: usize, author: &Address, letter: LetterId) -> bool {
        let database = &mut self.peers[index].database;
        database.begin().and_then(|mut tx| tx.seen(author, letter)).unwrap_or(false)
    }

    /// Letters that users were told are on a device: those written there, and those that came.
    pub(super) fn must_be_on(&self, index: usize) -> Vec<(Address, LetterId)> {
        let peer = &self.peers[index];
        let here = |letter: &LetterId, written: &Written| {
            let told = self.truth.told.get(&(written.author, *letter, peer.device));
            written.author == index || told.is_some_and(|state| *state >= LetterState::Delivered)
        };
        let letters = self.truth.letters.iter().filter(|(letter, written)| here(letter, written));
        letters.map(|(letter, written)| (self.peers[written.author].address.clone(), *letter)).collect()
    }

    /// The state of a letter on the device that it came to; `None` when it is not there to be shown.
    fn state_at(&mut self, index: usize, author: &Address, letter: LetterId) -> Option<LetterState> {
        let database = &mut self.peers[index].database;
        let stored = database.begin().and_then(|mut tx| tx.letter(author, letter)).ok()??;
        Some(stored.state)
    }

    /// Rule 8.
    pub(super) fn check_bounds(&mut self) {
        for index in 0..self.peers.len() {
            let (device, name) = (self.peers[index].device, self.peers[index].name.clone());
            let waiting = self.server.waiting(device);
            if waiting > self.plan.mailbox_letters_max {
                self.broken(format!("{waiting} letters wait for {name}"));
            }
            for other in 0..self.peers.len() {
                let out = self.letters_out(other, device);
                if out > WINDOW {
                    let other = &self.peers[other].name;
                    self.broken(format!("{other} has {out} letters out to {name} in one session"));
                }
            }
        }
    }

    /// The most letters that a peer has out to a device in one Olm session.
    fn letters_out(&mut self, index: usize, to: DeviceId) -> usize {
        let Ok(mut tx) = self.peers[index].database.begin() else { return 0 };
        let sessions = tx.olm_sessions(to).unwrap_or_default();
        sessions.iter().map(|saved| tx.unacknowledged(to, &saved.id).unwrap_or(0)).max().unwrap_or(0)
    }

    /// Rules 3, 9 and 10, when everything has had its time.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check_rest(&mut self) -> Result<(), String> {
        for index in 0..self.peers.len() {
            if self.peers[index].revoked {
                continue;
            }
            let name = self.peers[index].name.clone();
            let waiting = self.server.waiting(self.peers[index].device);
            if waiting > 0 {
                return Err(format!("{waiting} letters still wait for {name}"));
            }
            self.check_chats(index)?;
        }
        for (letter, written) in self.truth.letters.clone() {
            self.check_letter(letter, &written)
                .map_err(|what| format!("{} ({}) {what}", LetterText(letter), self.describe(&written)))?;
        }
        Ok(())
    }

    fn describe(&self, written: &Written) -> String {
        let (author, to) = (&self.peers[written.author].name, &written.to);
        format!("number {} of {author} to {to}", written.words.number)
    }

    /// Rule 3, by what is on disk.
    fn check_chats(&mut self, index: usize) -> Result<(), String> {
        for person in 0..self.people.len() {
            let chat = self.people[person].address.clone();
            let name = self.peers[index].name.clone();
            let mut newest = BTreeMap::new();
            for words in self.words_in(index, &chat) {
                let before = newest.insert(words.author, words.number);
                if self.checks_order && before.is_some_and(|before| before >= words.number) {
                    return Err(format!(
                        "{name} has {words:?} after number {before:?} in the chat with {chat}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn words_in(&mut self, index: usize, chat: &Address) -> Vec<Words> {
        let database = &mut self.peers[index].database;
        let letters = database.begin().and_then(|mut tx| tx.page(chat, Page::Newest, u32::MAX));
        let words = |body: &[u8]| match LetterBody::decode(TEXT, body) {
            Ok(LetterBody::Text(text)) => Words::parse(text.words.text.as_str()),
            Ok(_) | Err(_) => None,
        };
        letters.ok().flatten().unwrap_or_default().iter().filter_map(|letter| words(&letter.body)).collect()
    }

    /// Rule 9.
    fn check_letter(&mut self, letter: LetterId, written: &Written) -> Result<(), String> {
        let author = &self.peers[written.author];
        if author.revoked {
            return Ok(());
        }
        let (address, person) = (author.address.clone(), author.person);
        let Some(to) = self.people.iter().position(|other| other.address == written.to) else {
            return Err("is for nobody".to_owned());
        };
        let parted = self.truth.parted.contains(&[person.min(to), person.max(to)]);
        let database = &mut self.peers[written.author].database;
        let copies =
            database.begin().and_then(|mut tx| tx.copies(letter)).map_err(|error| error.to_string())?;
        for index in 0..self.peers.len() {
            let peer = &self.peers[index];
            let is_for = [person, to].contains(&peer.person) && index != written.author && !peer.revoked;
            if !is_for {
                continue;
            }
            let name = peer.name.clone();
            let told = copies.iter().find(|copy| copy.device == peer.device).map(|copy| copy.state);
            let there = self.state_at(index, &address, letter).is_some();
            let must_know_device = self.peers[index].original || written.in_calm;
            match told {
                None if !must_know_device || (parted && !there) => {}
                None => return Err(format!("never went to {name}")),
                Some(LetterState::Failed) if parted => {}
                Some(LetterState::Delivered | LetterState::Read) if there => {}
                Some(LetterState::Delivered | LetterState::Read) => {
                    return Err(format!("is said to be on {name}, and is not"));
                }
                Some(state) => {
                    let there = if there { "is" } else { "is not" };
                    return Err(format!("{there} on {name} and still {state:?}"));
                }
            }
        }
        Ok(())
    }
}
