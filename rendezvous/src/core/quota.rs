//! How much one may have, and how often one may try.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hobnob_wire::account::Place;
use hobnob_wire::limits::{CONTACTS_MAX, MAILBOX_BYTES_MAX, MAILBOX_LETTERS_MAX};
use hobnob_wire::{Name, Refusal};
use serde::Deserialize;

use super::store::AccountId;

/// What one may have here. Every limit answers with a refusal when it is reached.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Accounts. At about 2 KiB each on disk without letters. Refusal: no room left.
    pub accounts_max: u64,
    /// Proved sessions at a time. At about 40 KiB each. Refusal: not available now.
    pub sessions_max: usize,
    /// Contacts and requests of one account. Refusal: a quota is used up.
    pub contacts_max: u32,
    /// Requests of others that wait for one account's answer. One more waits unseen, so that an asker learns nothing.
    pub requests_max: u32,
    /// Letters that wait for one device. Refusal: no room left.
    pub mailbox_letters_max: u64,
    /// Bytes that wait for one device. Refusal: no room left.
    pub mailbox_bytes_max: u64,
    /// Failed proofs of identity after which a session is closed.
    pub failures_per_session_max: u32,
    /// Password attempts under one name: this many at once, and one more each
    /// [`Limits::attempt_per_name_every_s`]. A right password gives its attempt back. Refusal: too many requests.
    pub attempts_per_name_max: u32,
    /// Seconds until one more attempt is allowed under a name.
    pub attempt_per_name_every_s: u64,
    /// Password attempts and failed proofs from one address block (an IPv4 address or an IPv6 /64; loopback is exempt).
    pub attempts_per_block_max: u32,
    /// Seconds until one more attempt is allowed from a block.
    pub attempt_per_block_every_s: u64,
    /// Registrations from one address block; loopback is exempt.
    pub registrations_per_block_max: u32,
    /// Seconds until one more registration is allowed from a block.
    pub registration_per_block_every_s: u64,
    /// Contact requests of one account.
    pub asks_per_account_max: u32,
    /// Seconds until one more contact request is allowed.
    pub ask_per_account_every_s: u64,
    /// Changes of presence of one account. Each is told to all its contacts.
    pub presences_per_account_max: u32,
    /// Seconds until one more change of presence is allowed.
    pub presence_per_account_every_s: u64,
    /// Prekeys that one account takes: one each time it begins to write to a device.
    pub claims_per_account_max: u32,
    /// Seconds until one more prekey may be taken.
    pub claim_per_account_every_s: u64,
    /// Signals of one account: introductions to other devices.
    pub signals_per_account_max: u32,
    /// Milliseconds until one more signal is allowed.
    pub signal_per_account_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            accounts_max: 1_000_000,
            sessions_max: 100_000,
            contacts_max: u32::try_from(CONTACTS_MAX).unwrap_or(u32::MAX),
            requests_max: 500,
            mailbox_letters_max: MAILBOX_LETTERS_MAX as u64,
            mailbox_bytes_max: MAILBOX_BYTES_MAX,
            failures_per_session_max: 5,
            attempts_per_name_max: 20,
            attempt_per_name_every_s: 60,
            attempts_per_block_max: 60,
            attempt_per_block_every_s: 10,
            registrations_per_block_max: 20,
            registration_per_block_every_s: 180,
            asks_per_account_max: 200,
            ask_per_account_every_s: 10,
            presences_per_account_max: 60,
            presence_per_account_every_s: 1,
            claims_per_account_max: 200,
            claim_per_account_every_s: 2,
            signals_per_account_max: 400,
            signal_per_account_every_ms: 50,
        }
    }
}

/// The addresses that one customer of a network commands: a single IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(Option<IpAddr>);

impl Block {
    /// The block of an address. Loopback belongs to none: who can send from this machine can do worse.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self(None),
            IpAddr::V4(v4) => Self(Some(v4.into())),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(Some([a, b, c, d, 0, 0, 0, 0].into()))
            }
        }
    }
}

impl Block {
    /// What people are told of where a session comes from: a network, and no address in it.
    pub(super) fn place(self) -> Place {
        let text = match self.0 {
            None => "loopback".to_owned(),
            Some(IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Some(IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                format!("{}/48", Ipv6Addr::from([a, b, c, 0, 0, 0, 0, 0]))
            }
        };
        Place::truncated(&text)
    }
}

/// How often each of many may do something: `burst` times at once, and once more each `every`.
#[derive(Debug)]
struct Rate<K> {
    every: Duration,
    burst: u32,
    /// For each that did something lately: when it will be as if it had done nothing.
    rested_at: BTreeMap<K, Duration>,
}

/// How many one rate keeps in mind: 4 MiB at the longest names.
const RATE_KEYS_MAX: usize = 32_768;

impl<K: Ord + Clone> Rate<K> {
    fn new(burst: u32, every: Duration) -> Self {
        Self { every, burst, rested_at: BTreeMap::new() }
    }

    /// Counts one; refuses, counting nothing, when it is one too many.
    fn take(&mut self, key: &K, now: Duration) -> Result<(), Refusal> {
        let rested_at = self.rested_at.get(key).copied().unwrap_or(now).max(now) + self.every;
        if rested_at - now > self.every * self.burst {
            return Err(Refusal::TooManyRequests);
        }
        if self.rested_at.len() >= RATE_KEYS_MAX {
            self.forget_some(now);
        }
        self.rested_at.insert(key.clone(), rested_at);
        Ok(())
    }

    /// Gives one back.
    fn give_back(&mut self, key: &K) {
        if let Some(rested_at) = self.rested_at.get_mut(key) {
            *rested_at = rested_at.saturating_sub(self.every);
        }
    }

    /// Makes room: forgets who has rested and, if all are busy, the milder half, so that this is rarely done.
    fn forget_some(&mut self, now: Duration) {
        self.rested_at.retain(|_, rested_at| *rested_at > now);
        if self.rested_at.len() >= RATE_KEYS_MAX {
            let mut times: Vec<Duration> = self.rested_at.values().copied().collect();
            let (_, median, _) = times.select_nth_unstable(RATE_KEYS_MAX / 2);
            self.rested_at.retain(|_, rested_at| *rested_at > *median);
        }
    }
}

/// All rates.
#[derive(Debug)]
pub(super) struct Quota {
    attempts_per_name: Rate<Name>,
    attempts_per_block: Rate<Block>,
    registrations: Rate<Block>,
    asks: Rate<AccountId>,
    presences: Rate<AccountId>,
    claims: Rate<AccountId>,
    signals: Rate<AccountId>,
}

impl Quota {
    pub(super) fn new(limits: &Limits) -> Self {
        let rate = |burst, every_s| (burst, Duration::from_secs(every_s));
        let (name, name_every) = rate(limits.attempts_per_name_max, limits.attempt_per_name_every_s);
        let (block, block_every) = rate(limits.attempts_per_block_max, limits.attempt_per_block_every_s);
        let (registrations, registration_every) =
            rate(limits.registrations_per_block_max, limits.registration_per_block_every_s);
        let (asks, ask_every) = rate(limits.asks_per_account_max, limits.ask_per_account_every_s);
        let (presences, presence_every) =
            rate(limits.presences_per_account_max, limits.presence_per_account_every_s);
        let (claims, claim_every) = rate(limits.claims_per_account_max, limits.claim_per_account_every_s);
        let signal_every = Duration::from_millis(limits.signal_per_account_every_ms);
        Self {
            attempts_per_name: Rate::new(name, name_every),
            attempts_per_block: Rate::new(block, block_every),
            registrations: Rate::new(registrations, registration_every),
            asks: Rate::new(asks, ask_every),
            presences: Rate::new(presences, presence_every),
            claims: Rate::new(claims, claim_every),
            signals: Rate::new(limits.signals_per_account_max, signal_every),
        }
    }

    /// Counts a password attempt, before it is known whether the password is right: the answer to its first step
    /// already tells the asker.
    pub(super) fn attempt(&mut self, name: &Name, from: Block, now: Duration) -> Result<(), Refusal> {
        self.failure(from, now)?;
        self.attempts_per_name.take(name, now)
    }

    /// The password was right: it was no attempt.
    pub(super) fn forgive(&mut self, name: &Name, from: Block) {
        self.attempts_per_name.give_back(name);
        self.attempts_per_block.give_back(&from);
    }

    /// Counts a failed proof.
    pub(super) fn failure(&mut self, from: Block, now: Duration) -> Result<(), Refusal> {
        if from.0.is_some() { self.attempts_per_block.take(&from, now) } else { Ok(()) }
    }

    pub(super) fn registration(&mut self, from: Block, now: Duration) -> Result<(), Refusal> {
        if from.0.is_some() { self.registrations.take(&from, now) } else { Ok(()) }
    }

    pub(super) fn ask(&mut self, account: AccountId, now: Duration) -> Result<(), Refusal> {
        self.asks.take(&account, now)
    }

    pub(super) fn presence(&mut self, account: AccountId, now: Duration) -> Result<(), Refusal> {
        self.presences.take(&account, now)
    }

    pub(super) fn claim(&mut self, account: AccountId, now: Duration) -> Result<(), Refusal> {
        self.claims.take(&account, now)
    }

    pub(super) fn signal(&mut self, account: AccountId, now: Duration) -> Result<(), Refusal> {
        self.signals.take(&account, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_allows_its_burst_and_then_one_at_a_time() {
        let mut rate = Rate::new(3, SECOND);
        let taken: Vec<bool> = (0..5).map(|_| rate.take(&1, SECOND).is_ok()).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert_eq!(rate.take(&1, 2 * SECOND), Ok(()));
        assert_eq!(rate.take(&1, 2 * SECOND), Err(Refusal::TooManyRequests));
        assert_eq!(rate.take(&2, 2 * SECOND), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut rate = Rate::new(1, SECOND);
        assert_eq!(rate.take(&1, SECOND), Ok(()));
        rate.give_back(&1);
        assert_eq!(rate.take(&1, SECOND), Ok(()));
        assert_eq!(rate.take(&1, SECOND), Err(Refusal::TooManyRequests));
    }

    #[test]
    fn a_rate_keeps_a_bounded_number_in_mind_and_forgets_the_mildest_first() {
        let mut rate = Rate::new(2, SECOND);
        rate.take(&usize::MAX, SECOND).unwrap();
        rate.take(&usize::MAX, SECOND).unwrap();
        for key in 0..2 * RATE_KEYS_MAX {
            rate.take(&key, SECOND).unwrap();
        }
        assert!(rate.rested_at.len() <= RATE_KEYS_MAX);
        assert_eq!(rate.take(&usize::MAX, SECOND), Err(Refusal::TooManyRequests));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_block_and_loopback_is_none() {
        let block = |text: &str| Block::of(text.parse().unwrap());
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff::9"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_eq!(block("2001:db8:1:2::1").place().as_str(), "2001:db8:1::/48");
        assert_eq!(block("192.0.2.77").place().as_str(), "192.0.2.0/24");
        assert_eq!(block("::1").place().as_str(), "loopback");
        assert_eq!(block("::1"), Block(None));
        assert_eq!(block("::ffff:127.0.0.1"), Block(None));
    }
}
