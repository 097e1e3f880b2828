//! Bounds what is sent to an IP address before and after it has proved to be the peer's, so that nobody can use us against
//! a third party or flood a network with guesses.
//!
//! Guesses need a witness besides the peer, who may lie: the rendezvous hears it from that address, or we have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes, headers of IP and UDP included, to an address that never answered.
pub(super) const UNPROVED_BYTES_MAX: u32 = 2048;
/// What of it our own schedule may use; the rest is for authentic checks that ask for an answer.
const SCHEDULED_BYTES_MAX: u32 = 1500;
/// Packets to an address whose ports are guessed.
pub(super) const GUESS_PACKETS_MAX: u32 = 1500;
/// What of it is kept for answering a hit.
const HIT_PACKETS: u32 = 60;
/// After this time the limits for unproved addresses begin anew.
const WINDOW: Duration = Duration::from_secs(60);
/// After this time ports of an address may be guessed once more.
const GUESS_WINDOW: Duration = Duration::from_secs(300);
/// How long an answer keeps an address free of the limits for unproved ones.
const PROOF_LASTS: Duration = Duration::from_secs(600);
/// Addresses remembered. When all are in use, nothing is sent to a new one: a peer names at most eight in a signal.
const ADDRESSES_MAX: usize = 64;

/// Why something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// We want to.
    Scheduled,
    /// An authentic check asks for it.
    Asked,
    /// A port was guessed, which the peer agreed to by answering our signal.
    Guess,
}

#[derive(Debug)]
struct Account {
    since: Duration,
    bytes: u32,
    /// Guesses since ports of this address are being guessed with the peer's consent.
    guesses: Option<(Duration, u32)>,
    answered: Option<Duration>,
}

impl Account {
    fn is_proved(&self, now: Duration) -> bool {
        self.answered.is_some_and(|at| now.saturating_sub(at) < PROOF_LASTS)
    }
}

/// What was sent where.
#[derive(Debug, Default)]
pub(super) struct Budget {
    accounts: BTreeMap<IpAddr, Account>,
}

impl Budget {
    /// Whether `bytes` (with all headers) may go to `ip` now; if so, they are counted.
    pub(super) fn permit(&mut self, ip: IpAddr, bytes: u32, purpose: Purpose, now: Duration) -> bool {
        let Some(account) = self.account(ip, now) else {
            return false;
        };
        let proved = account.is_proved(now);
        let permitted = match (purpose, account.guesses) {
            (Purpose::Guess, guesses) => {
                guesses.is_some_and(|(_, count)| count < GUESS_PACKETS_MAX - HIT_PACKETS)
            }
            (Purpose::Asked, Some((_, count))) => proved || count < GUESS_PACKETS_MAX,
            (Purpose::Asked, None) => proved || account.bytes + bytes <= UNPROVED_BYTES_MAX,
            (Purpose::Scheduled, _) => proved || account.bytes + bytes <= SCHEDULED_BYTES_MAX,
        };
        if permitted {
            account.bytes = account.bytes.saturating_add(bytes);
            if let Some((_, count)) = &mut account.guesses {
                *count += u32::from(!proved || purpose == Purpose::Guess);
            }
        }
        permitted
    }

    /// The peer answered in this exchange and is witnessed to be at `ip`, whose ports may be guessed.
    pub(super) fn allow_guesses(&mut self, ip: IpAddr, now: Duration) {
        if let Some(account) = self.account(ip, now)
            && account.guesses.is_none_or(|(since, _)| now.saturating_sub(since) >= GUESS_WINDOW)
        {
            account.guesses = Some((now, 0));
        }
    }

    /// The peer answered from `ip`.
    pub(super) fn handle_answer(&mut self, ip: IpAddr, now: Duration) {
        if let Some(account) = self.account(ip, now) {
            account.answered = Some(now);
        }
    }

    fn account(&mut self, ip: IpAddr, now: Duration) -> Option<&mut Account> {
        if !self.accounts.contains_key(&ip) && self.accounts.len() >= ADDRESSES_MAX {
            self.accounts.retain(|_, account| {
                account.is_proved(now) || now.saturating_sub(account.since) < GUESS_WINDOW
            });
            if self.accounts.len() >= ADDRESSES_MAX {
                return None;
            }
        }
        let fresh = || Account { since: now, bytes: 0, guesses: None, answered: None };
        let account = self.accounts.entry(ip).or_insert_with(fresh);
        if now.saturating_sub(account.since) >= WINDOW {
            (account.since, account.bytes) = (now, 0);
        }
        Some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const START: Duration = Duration::from_secs(1);

    fn sent(budget: &mut Budget, purpose: Purpose, now: Duration) -> u32 {
        let mut packets = 0;
        while packets < 10_000 && budget.permit(IP, 100, purpose, now) {
            packets += 1;
        }
        packets
    }

    #[test]
    fn an_address_that_never_answers_gets_two_kibibytes_a_minute() {
        let mut budget = Budget::default();
        assert_eq!(sent(&mut budget, Purpose::Scheduled, START), 15);
        assert_eq!(sent(&mut budget, Purpose::Asked, START), 5);
        assert_eq!(sent(&mut budget, Purpose::Guess, START), 0);
        assert_eq!(sent(&mut budget, Purpose::Asked, START + Duration::from_secs(59)), 0);
        assert_eq!(sent(&mut budget, Purpose::Scheduled, START + Duration::from_secs(60)), 15);
    }

    #[test]
    fn an_address_that_answered_is_free_for_ten_minutes() {
        let mut budget = Budget::default();
        budget.handle_answer(IP, START);
        assert_eq!(sent(&mut budget, Purpose::Scheduled, START), 10_000);
        assert_eq!(sent(&mut budget, Purpose::Scheduled, START + Duration::from_secs(600)), 15);
    }

    #[test]
    fn guesses_need_consent_and_are_fifteen_hundred_at_most() {
        let mut budget = Budget::default();
        assert_eq!(sent(&mut budget, Purpose::Guess, START), 0);
        budget.allow_guesses(IP, START);
        assert_eq!(sent(&mut budget, Purpose::Guess, START), 1440);
        assert_eq!(sent(&mut budget, Purpose::Asked, START), 60);
        assert_eq!(sent(&mut budget, Purpose::Guess, START), 0);
        budget.handle_answer(IP, START);
        assert!(budget.permit(IP, 100, Purpose::Asked, START));
    }

    #[test]
    fn ports_are_guessed_again_after_five_minutes_however_often_it_is_allowed() {
        let mut budget = Budget::default();
        let mut guessed = Vec::new();
        for after_s in [0, 61, 299, 300] {
            let now = START + Duration::from_secs(after_s);
            budget.allow_guesses(IP, now);
            guessed.push(sent(&mut budget, Purpose::Guess, now));
        }
        assert_eq!(guessed, [1440, 0, 0, 1440]);
    }

    #[test]
    fn a_new_address_waits_when_too_many_are_in_use() {
        let mut budget = Budget::default();
        let ip = |n: u8| IpAddr::from([198, 51, 100, n]);
        for n in 0..64 {
            assert!(budget.permit(ip(n), 100, Purpose::Scheduled, START));
        }
        assert!(!budget.permit(ip(64), 100, Purpose::Scheduled, START));
        assert!(budget.permit(ip(64), 100, Purpose::Scheduled, START + GUESS_WINDOW));
    }
}
