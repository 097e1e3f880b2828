//! What goes wrong between transactions; what goes wrong in them, [`Plan::fate`](super::plan::Plan::fate) says.

use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use super::plan::Fate;
use super::world::{Action, World};

/// The longest that a machine is away.
const AWAY: Duration = Duration::from_secs(12 * 3_600);

impl World {
    /// Something goes wrong, and later something else.
    pub(super) fn something_goes_wrong(&mut self) {
        if self.calm {
            return;
        }
        let index = self.chance.index(self.peers.len());
        match self.chance.below(10) {
            0..3 => self.go_offline(index),
            3..5 => {
                let other = self.chance.index(self.peers.len());
                self.separate(index, other);
            }
            5 => self.kill_peer(index),
            6 => self.kill_server(),
            7 => self.lose_session_of(index),
            8 => self.fill_disk(index),
            _ => self.move_clock(index),
        }
        let wait = self.chance.between(Duration::ZERO, self.plan.fault_every * 2);
        self.after(wait, Action::Fault);
    }

    /// A machine is out of the network for a while.
    fn go_offline(&mut self, index: usize) {
        if self.peers[index].offline {
            return;
        }
        self.trace.note(self.now, format_args!("{} goes offline", self.peers[index].name));
        self.peers[index].offline = true;
        self.lose_session_of(index);
        self.lose_links_of(index, false);
        let most = AWAY.min(self.plan.storm).max(Duration::from_secs(2));
        let wait = self.chance.spread(Duration::from_secs(1), most);
        self.after(wait, Action::BackOnline(index));
    }

    pub(super) fn back_online(&mut self, index: usize) {
        if std::mem::take(&mut self.peers[index].offline) {
            self.trace.note(self.now, format_args!("{} is back", self.peers[index].name));
            self.connect_later(index);
        }
    }

    fn lose_session_of(&mut self, index: usize) {
        if let Some(session) = self.peers[index].session {
            self.lose_session(session);
        }
    }

    /// Two machines lose their ways to each other for a while; their links break, or only fall silent.
    fn separate(&mut self, one: usize, other: usize) {
        let pair = [one.min(other), one.max(other)];
        if one == other || self.apart.contains(&pair) {
            return;
        }
        self.apart.push(pair);
        self.lose_links_between(one, other);
        let wait = self.chance.spread(Duration::from_secs(1), Duration::from_secs(3_600));
        self.after(wait, Action::Together(pair[0], pair[1]));
    }

    /// A disk has no room for a while.
    fn fill_disk(&mut self, index: usize) {
        let machine = (!self.chance.one_in(4)).then_some(index);
        self.trace.note(self.now, format_args!("the disk of {machine:?} is full"));
        self.disk_of(machine).set_full(true);
        let wait = self.chance.spread(Duration::from_secs(1), Duration::from_secs(600));
        self.after(wait, Action::Room(machine));
    }

    /// How the next transaction of a machine goes.
    pub(super) fn fate(&mut self, machine: Option<usize>, inputs: usize) -> Fate {
        match self.sabotage {
            Some((target, looks)) if target == machine => Fate::DiskFails(looks),
            _ if self.calm => Fate::Lives,
            _ => self.plan.fate(&mut self.chance, inputs),
        }
    }

    /// A transaction is over. What was to fail in it and did not, fails in a later one only where that is the story.
    pub(super) fn disk_was_used(&mut self, machine: Option<usize>) {
        let left = self.disk_of(machine).relent();
        if self.sabotage.is_some_and(|(target, _)| target == machine) {
            self.sabotage = left.map(|looks| (machine, looks));
        }
    }

    /// The disk of a peer, or of the rendezvous.
    pub(super) fn disk_of(&self, machine: Option<usize>) -> &Arc<Disk> {
        machine.map_or(&self.server.disk, |index| &self.peers[index].disk)
    }

    /// A clock jumps, by up to ten years either way.
    fn move_clock(&mut self, index: usize) {
        if !self.plan.clocks_jump {
            return;
        }
        if self.chance.one_in(4) {
            self.server.clock_unix_s = super::clock_ms(&mut self.chance) / 1_000;
        } else {
            self.peers[index].clock_unix_ms = super::clock_ms(&mut self.chance);
        }
    }

    /// Nothing goes wrong any more: every machine runs and is in the network, and every disk has room.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        self.trace.note(self.now, format_args!("calm"));
        self.apart.clear();
        self.server.disk.set_full(false);
        self.start_server();
        for index in 0..self.peers.len() {
            self.back_online(index);
            self.peers[index].disk.set_full(false);
            self.start_peer(index);
        }
    }
}
