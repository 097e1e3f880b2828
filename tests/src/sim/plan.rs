//! What one run is made of: who there is, how much is said, what goes wrong and how often. All of it is drawn from the
//! seed, so that runs differ in kind and not only in order.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::chance::Chance;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A bug that a test plants, to show that the simulation finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Peers tell what they did before it is on disk.
    EffectsBeforeCommit,
    /// Peers forget which letters they have seen.
    SeenForgotten,
    /// Peers send the newest letter that waits first.
    OutboxReversed,
}

impl Plant {
    /// Plants a bug of the store in a peer's database.
    ///
    /// # Panics
    /// When the database does not take it.
    pub(super) fn sow(self, file: &Path) {
        let sql = match self {
            Self::EffectsBeforeCommit => return,
            Self::SeenForgotten => {
                "CREATE TRIGGER plant AFTER INSERT ON seen BEGIN DELETE FROM seen WHERE place = NEW.place; END"
            }
            Self::OutboxReversed => {
                "CREATE TRIGGER plant AFTER INSERT ON copies
                 BEGIN UPDATE copies SET place = -NEW.place WHERE place = NEW.place; END"
            }
        };
        let connection = Connection::open(file).expect("the database is there");
        connection.execute_batch(sql).expect("the tables are there");
    }
}

/// What one run is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Devices that each account has from the beginning.
    pub(super) accounts: Vec<usize>,
    /// How long things go wrong.
    pub(super) storm: Duration,
    /// Time between two acts of users, on average.
    pub(super) act_every: Duration,
    /// Time between two faults, on average.
    pub(super) fault_every: Duration,
    /// A transaction ends in a crash once in so many; never for 0.
    pub(super) crash: u64,
    /// A transaction meets an error of its store once in so many; never for 0.
    pub(super) disk_error: u64,
    /// Something takes long to arrive once in so many.
    pub(super) delay: u64,
    /// Whether devices have ways to each other.
    pub(super) links: bool,
    /// Letters that may wait for one device.
    pub(super) mailbox_letters_max: u64,
    /// Whether contacts are removed and devices come and go.
    pub(super) people_change: bool,
    /// Whether clocks jump.
    pub(super) clocks_jump: bool,
}

impl Plan {
    /// What this seed stands for.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let accounts = (0..2 + chance.below(2)).map(|_| 1 + chance.index(2)).collect();
        let acts = 20 + u32::try_from(chance.below(20)).unwrap_or(0);
        let faults = 4 + u32::try_from(chance.below(12)).unwrap_or(0);
        let storm = chance.spread(secs(60), secs(4 * 86_400));
        let often = |chance: &mut Chance, times: u64| match chance.below(4) {
            0 => 0,
            more => times * more,
        };
        Self {
            accounts,
            storm,
            act_every: storm / acts,
            fault_every: storm / faults,
            crash: often(chance, 25),
            disk_error: often(chance, 40),
            delay: 4 + chance.below(60),
            links: !chance.one_in(4),
            mailbox_letters_max: if chance.one_in(3) { 2 + chance.below(8) } else { 10_000 },
            people_change: chance.one_in(2),
            clocks_jump: chance.one_in(2),
        }
    }
}

impl Plan {
    /// People who write, and nothing that goes wrong.
    pub(super) fn quiet() -> Self {
        Self {
            accounts: vec![2, 1],
            storm: secs(60),
            act_every: secs(3),
            fault_every: secs(3_600),
            crash: 0,
            disk_error: 0,
            delay: 1_000,
            links: true,
            mailbox_letters_max: 10_000,
            people_change: false,
            clocks_jump: false,
        }
    }
}

/// How one transaction of a machine goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Well.
    Lives,
    /// The machine dies after so many of its inputs; nothing was committed.
    DiesBefore(usize),
    /// The machine dies after the commit, when so many of its effects were performed.
    DiesAfter(usize),
    /// The store fails after so many looks.
    DiskFails(u64),
}

impl Plan {
    /// How the next transaction goes, in a storm.
    pub(super) fn fate(&self, chance: &mut Chance, inputs: usize) -> Fate {
        if chance.one_in(self.crash) {
            match chance.below(2) {
                0 => Fate::DiesBefore(1 + chance.index(inputs)),
                _ => Fate::DiesAfter(chance.index(8)),
            }
        } else if chance.one_in(self.disk_error) {
            let doublings = chance.below(9);
            Fate::DiskFails(chance.below(1 << doublings))
        } else {
            Fate::Lives
        }
    }
}
