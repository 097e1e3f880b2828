//! What the user allows transfers to cost: rates in total and for contacts, by the hour, and how many at once.

mod rate;
mod schedule;
mod shares;

use std::collections::BTreeMap;

use hobnob_wire::Address;

pub(crate) use self::rate::{parse_rate, parse_size};
use self::schedule::Schedule;
pub(super) use self::shares::{Share, shares};

/// Contacts with limits of their own.
const PEERS_MAX: usize = 1_000;

/// Limits in bytes per second, each way; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of what is sent.
    pub up: u64,
    /// Of what is received.
    pub down: u64,
}

/// What the user allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In total, where the schedule says nothing else.
    pub usual: Rates,
    schedule: Schedule,
    /// For contacts; each in all its transfers together.
    pub peers: BTreeMap<Address, Rates>,
    /// Transfers that run at the same time, each way.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            usual: Rates::default(),
            schedule: Schedule::default(),
            peers: BTreeMap::new(),
            at_once: Self::AT_ONCE,
        }
    }
}

impl Limits {
    /// How many transfers run at once unless the user says else: enough to fill a line with small ones, few enough that each
    /// comes to its end.
    pub const AT_ONCE: usize = 8;
    /// Most that can be asked for: each may hold eight mebibytes of memory.
    pub const AT_ONCE_MAX: usize = 64;

    /// Limits without a schedule.
    #[must_use]
    pub fn new(usual: Rates, peers: BTreeMap<Address, Rates>, at_once: usize) -> Self {
        Self { usual, schedule: Schedule::default(), peers, at_once }
    }

    /// With the schedule that `text` says, as [`Limits::is_schedule`] checks it.
    #[must_use]
    pub fn with_schedule(mut self, text: &str) -> Self {
        self.schedule = Schedule::parse(text).unwrap_or_default();
        self
    }

    /// Whether a text is a schedule: `[DAYS] HH:MM-HH:MM [up=RATE] [down=RATE]`, with `;` between entries.
    #[must_use]
    pub fn is_schedule(text: &str) -> bool {
        Schedule::parse(text).is_some()
    }

    /// What holds now in total. `local_ms` are milliseconds since 1970-01-01 by the clock on the wall.
    #[must_use]
    pub fn total(&self, local_ms: u64) -> Rates {
        self.schedule.at(self.usual, local_ms)
    }

    /// Milliseconds until [`Limits::total`] may differ.
    #[must_use]
    pub fn next_change_ms(&self, local_ms: u64) -> Option<u64> {
        self.schedule.next_change_ms(local_ms)
    }

    /// What a contact may get and give in all.
    #[must_use]
    pub fn peer(&self, peer: &Address) -> Rates {
        self.peers.get(peer).copied().unwrap_or_default()
    }
}

/// Reads `bob@example.org up=1MiB/s down=500KB; carol@example.org down=2MB`.
#[must_use]
pub fn parse_peers(text: &str) -> Option<BTreeMap<Address, Rates>> {
    let mut peers = BTreeMap::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let mut words = entry.split_whitespace();
        let address: Address = words.next()?.parse().ok()?;
        let mut rates = Rates::default();
        for word in words {
            match word.split_once('=')? {
                ("up", rate) => rates.up = parse_rate(rate).ok()?,
                ("down", rate) => rates.down = parse_rate(rate).ok()?,
                _ => return None,
            }
        }
        if peers.insert(address, rates).is_some() || peers.len() > PEERS_MAX {
            return None;
        }
    }
    Some(peers)
}

/// What [`parse_peers`] reads. Contacts without a limit are left out.
#[must_use]
pub fn show_peers(peers: &BTreeMap<Address, Rates>) -> String {
    let limited = peers.iter().filter(|(_, rates)| **rates != Rates::default());
    let entry = |(address, rates): (&Address, &Rates)| {
        let rate = |way: &str, rate: u64| if rate == 0 { String::new() } else { format!(" {way}={rate}") };
        format!("{address}{}{}", rate("up", rates.up), rate("down", rates.down))
    };
    limited.map(entry).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_contacts_are_read_and_written() {
        let text = "bob@localhost up=1MiB/s down=500KB; carol@localhost down=2MB;dora@localhost up=0";
        let peers = parse_peers(text).unwrap();
        assert_eq!(peers[&"bob@localhost".parse().unwrap()], Rates { up: 1 << 20, down: 500_000 });
        assert_eq!(show_peers(&peers), "bob@localhost up=1048576 down=500000; carol@localhost down=2000000");
        assert_eq!(parse_peers(""), Some(BTreeMap::new()));
        for text in ["bob", "bob@localhost up", "bob@localhost sideways=1", "a@b up=1; a@b up=2", "a@b up=x"]
        {
            assert_eq!(parse_peers(text), None, "{text}");
        }
    }
}
