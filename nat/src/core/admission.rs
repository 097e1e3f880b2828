//! Decides which newcomers may start a handshake, from how many are still unproved.
//!
//! A connection is *unproved* from its first packet until it has authenticated or is gone. Each one costs memory and, at
//! its start, a key exchange, so both their total and their number per address block are bounded. When they become many,
//! a newcomer must first show that it receives what is sent to its address (a QUIC Retry), which costs us nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// How many connections may be unproved at the same time, and for how long they may shake hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// All unproved connections. Each may hold up to 64 KiB, so this times 64 KiB is the memory at stake.
    pub unproved_max: u32,
    /// Unproved connections of one address block: one IPv4 address or one IPv6 /64. Loopback is exempt: who can send from
    /// this machine's own address can do worse than open connections.
    pub unproved_per_block_max: u32,
    /// From this many unproved connections in total (or an eighth of the block's bound in one block) on, a newcomer must
    /// validate its address first. So forged addresses can neither fill the table nor use up the share of a victim.
    pub retry_from: u32,
    /// How long a handshake may take, from the first packet that is answered to its end.
    pub handshake_within: Duration,
}

impl AdmissionLimits {
    /// For a rendezvous: 4,096 unproved sessions (256 MiB at worst), 256 of them behind one address, so that a large
    /// office behind one NAT comes back after an outage within seconds.
    pub const RENDEZVOUS: Self = Self {
        unproved_max: 4096,
        unproved_per_block_max: 256,
        retry_from: 512,
        handshake_within: Duration::from_secs(5),
    };

    /// For a peer, whom only its contacts know how to dial: 64 unproved links, 16 behind one address.
    pub const PEER: Self = Self {
        unproved_max: 64,
        unproved_per_block_max: 16,
        retry_from: 16,
        handshake_within: Duration::from_secs(5),
    };
}

/// What to do with a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start the handshake. The newcomer is counted until [`Admission::leave`].
    Accept,
    /// Ask the newcomer to prove its address and come again. Nothing is remembered.
    Retry,
    /// Send it away: there are too many already.
    Refuse,
}

/// The unproved connections of an endpoint, counted. Its memory is bounded by [`AdmissionLimits::unproved_max`] entries.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    total: u32,
    blocks: HashMap<Block, u32>,
}

impl Admission {
    /// Nobody is here yet.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self { limits, total: 0, blocks: HashMap::new() }
    }

    /// The limits that are kept.
    pub fn limits(&self) -> &AdmissionLimits {
        &self.limits
    }

    /// How many connections are unproved now.
    pub fn unproved(&self) -> u32 {
        self.total
    }

    /// Decides about a newcomer from `from`, and counts it when it is accepted. `validated` says that it has proved to
    /// receive what is sent to that address.
    pub fn judge(&mut self, from: IpAddr, validated: bool) -> Verdict {
        let block = Block::of(from);
        let in_block = self.blocks.get(&block).copied().unwrap_or(0);
        let block_max = if block.is_loopback() { u32::MAX } else { self.limits.unproved_per_block_max };
        if !validated && (self.total >= self.limits.retry_from || in_block >= block_max.div_ceil(8)) {
            return Verdict::Retry;
        }
        if self.total >= self.limits.unproved_max || in_block >= block_max {
            return Verdict::Refuse;
        }
        self.total += 1;
        self.blocks.insert(block, in_block + 1);
        Verdict::Accept
    }

    /// An accepted newcomer from `from` has proved itself or is gone. To be called once for each [`Verdict::Accept`].
    pub fn leave(&mut self, from: IpAddr) {
        let block = Block::of(from);
        let Some(in_block) = self.blocks.get_mut(&block) else {
            return;
        };
        *in_block -= 1;
        if *in_block == 0 {
            self.blocks.remove(&block);
        }
        self.total -= 1;
    }
}

/// The addresses that one customer of a network commands: a single IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Block(IpAddr);

impl Block {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            // The loopback address alone is not foreign, whatever else its /64 holds.
            IpAddr::V6(v6) if v6.is_loopback() => Self(v6.into()),
            // The discard prefix (RFC 6666) is where virtual addresses are from: each belongs to somebody else.
            IpAddr::V6(v6) if v6.segments()[..4] == [0x100, 0, 0, 0] => Self(v6.into()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self([a, b, c, d, 0, 0, 0, 0].into())
            }
        }
    }

    fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        unproved_max: 20,
        unproved_per_block_max: 16,
        retry_from: 10,
        handshake_within: Duration::from_secs(5),
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_must_validate_after_an_eighth_of_its_share_and_is_refused_at_the_end_of_it() {
        let mut admission = Admission::new(LIMITS);
        let from = ip("192.0.2.7");
        assert_eq!(admission.judge(from, false), Verdict::Accept);
        assert_eq!(admission.judge(from, false), Verdict::Accept);
        assert_eq!(admission.judge(from, false), Verdict::Retry);
        for _ in 2..16 {
            assert_eq!(admission.judge(from, true), Verdict::Accept);
        }
        assert_eq!(admission.judge(from, true), Verdict::Refuse);
        assert_eq!(admission.judge(ip("192.0.2.8"), true), Verdict::Accept);
        admission.leave(from);
        assert_eq!(admission.judge(from, true), Verdict::Accept);
    }

    #[test]
    fn forged_addresses_fill_the_table_only_up_to_the_point_where_validation_starts() {
        let mut admission = Admission::new(LIMITS);
        for last in 0..10 {
            assert_eq!(admission.judge(IpAddr::from([198, 51, 100, last]), false), Verdict::Accept);
        }
        assert_eq!(admission.judge(ip("198.51.100.99"), false), Verdict::Retry);
        assert_eq!(admission.judge(ip("198.51.100.99"), true), Verdict::Accept);
    }

    #[test]
    fn the_total_is_bounded_and_validated_newcomers_are_then_refused() {
        let mut admission = Admission::new(LIMITS);
        for last in 0..20 {
            assert_eq!(admission.judge(IpAddr::from([203, 0, 113, last]), true), Verdict::Accept);
        }
        assert_eq!(admission.judge(ip("203.0.113.99"), true), Verdict::Refuse);
        assert_eq!(admission.unproved(), 20);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_and_mapped_ipv4_as_ipv4() {
        assert_eq!(Block::of(ip("2001:db8:1:2::1")), Block::of(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(Block::of(ip("2001:db8:1:2::1")), Block::of(ip("2001:db8:1:3::1")));
        assert_eq!(Block::of(ip("::ffff:192.0.2.1")), Block::of(ip("192.0.2.1")));
        assert_ne!(Block::of(ip("192.0.2.1")), Block::of(ip("192.0.2.2")));
    }

    #[test]
    fn loopback_has_no_share_of_its_own_but_the_total_holds() {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..20 {
            assert_eq!(admission.judge(ip("::ffff:127.0.0.1"), true), Verdict::Accept);
        }
        assert_eq!(admission.judge(ip("127.0.0.1"), true), Verdict::Refuse);
    }

    #[test]
    fn whoever_leaves_leaves_no_trace() {
        let mut admission = Admission::new(LIMITS);
        assert_eq!(admission.judge(ip("192.0.2.1"), true), Verdict::Accept);
        admission.leave(ip("192.0.2.1"));
        admission.leave(ip("192.0.2.1"));
        assert_eq!((admission.unproved(), admission.blocks.len()), (0, 0));
    }
}
