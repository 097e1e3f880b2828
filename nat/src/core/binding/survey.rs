//! A closer look at the network, on request: from which address of this machine others see what, whether a NAT sends back to
//! us what we send to our own outside address, and how far the relay is now.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::datagram::{AllocationId, Datagram, DatagramKey, Transaction};

use super::Probe;
use crate::core::agent::{Policy, SocketId, Way};
use crate::core::candidate::{Loopback, may_be_checked};
use crate::core::mapping::Observation;

/// Addresses of this machine that are asked about.
pub const POSTS_MAX: usize = 6;

/// Reflectors that each is asked at: three tell every kind of NAT.
const REFLECTORS_MAX: usize = 3;

/// When a datagram is sent to the own outside address, after it is known. Each side opens its NAT for the other first.
const HAIRPIN_MS: [u64; 4] = [0, 50, 200, 500];

/// How long it may take to come back after the last one.
const HAIRPIN_WITHIN: Duration = Duration::from_millis(1_000);

/// A socket on one address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// The socket.
    pub via: SocketId,
    /// The address that it is bound to.
    pub own: SocketAddr,
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Of each address of this machine: where reflectors see it, in the order of asking.
    pub posts: Vec<(SocketAddr, Vec<Observation>)>,
    /// Round trip to the relay; `None` when it does not answer.
    pub relay_rtt: Option<Duration>,
    /// Whether the NAT loops back; `None` where there is no NAT, or no two addresses outside of one family.
    pub hairpin: Option<bool>,
}

#[derive(Debug)]
enum Hairpin {
    /// Nothing was sent yet.
    Waiting,
    /// Both sockets send to where the other is seen.
    Asked {
        ways: [Way; 2],
        sent: Vec<Transaction>,
        from: Duration,
        round: usize,
    },
    Done(Option<bool>),
}

/// A survey that is under way.
#[derive(Debug)]
pub(super) struct Surveying {
    posts: Vec<Post>,
    probes: Vec<Probe>,
    hairpin: Hairpin,
    pub(super) relay_rtt: Option<Duration>,
    /// Whether the relay has answered or never will.
    pub(super) relay_settled: bool,
}

/// How requests are made: whose place it is, and the last transaction.
pub(super) struct Hand<'a> {
    pub(super) allocation: AllocationId,
    pub(super) key: &'a DatagramKey,
    pub(super) count: &'a mut u64,
}

impl Hand<'_> {
    fn reflect(&mut self) -> (Transaction, Vec<u8>) {
        *self.count += 1;
        let transaction = Transaction(*self.count);
        let reflect = Datagram::Reflect { allocation: self.allocation, transaction, room: [0; 16] };
        (transaction, reflect.seal(self.key))
    }
}

impl Surveying {
    pub(super) fn new(posts: Vec<Post>, reflectors: &[SocketAddr], now: Duration) -> Self {
        let probes = posts.iter().flat_map(|post| {
            let family = reflectors.iter().filter(|to| to.is_ipv6() == post.own.is_ipv6());
            family.take(REFLECTORS_MAX).map(|to| Probe::new(Way { via: post.via, to: *to }, now))
        });
        let probes = probes.collect();
        Self { posts, probes, hairpin: Hairpin::Waiting, relay_rtt: None, relay_settled: false }
    }

    /// What is due; `main` is where the main socket is seen, newest first.
    pub(super) fn ask(
        &mut self,
        mut hand: Hand<'_>,
        main: &[SocketAddr],
        now: Duration,
    ) -> Vec<(Way, Vec<u8>)> {
        let mut sends = Vec::new();
        for probe in &mut self.probes {
            if probe.question.due().is_none_or(|due| due > now) {
                continue;
            }
            if probe.question.is_unanswered() {
                probe.question.settle();
                continue;
            }
            let (transaction, bytes) = hand.reflect();
            probe.question.ask(transaction, now);
            sends.push((probe.way, bytes));
        }
        if matches!(self.hairpin, Hairpin::Waiting) {
            self.begin_hairpin(main, now);
        }
        if let Hairpin::Asked { ways, sent, from, round } = &mut self.hairpin {
            while let Some(ms) = HAIRPIN_MS.get(*round)
                && *from + Duration::from_millis(*ms) <= now
            {
                for way in &*ways {
                    let (transaction, bytes) = hand.reflect();
                    sent.push(transaction);
                    sends.push((*way, bytes));
                }
                *round += 1;
            }
            if *round == HAIRPIN_MS.len() && *from + HAIRPIN_WITHIN <= now {
                self.hairpin = Hairpin::Done(Some(false));
            }
        }
        sends
    }

    /// The main socket and that of an address behind the same NAT send to each other's outside.
    fn begin_hairpin(&mut self, main: &[SocketAddr], now: Duration) {
        let pair = self.posts.iter().find_map(|post| {
            let seen = self.probes.iter().find(|probe| probe.way.via == post.via)?.seen?;
            let of_main = main.iter().find(|at| at.ip() == seen.ip())?;
            let is_behind_nat = self.posts.iter().all(|post| post.own.ip() != seen.ip());
            let may = |at| may_be_checked(at, Loopback::Forbidden, Policy::All);
            (is_behind_nat && may(seen) && may(*of_main)).then_some((post.via, seen, *of_main))
        });
        if let Some((via, seen, of_main)) = pair {
            let ways = [Way { via: SocketId::MAIN, to: seen }, Way { via, to: of_main }];
            self.hairpin = Hairpin::Asked { ways, sent: Vec::new(), from: now, round: 0 };
        } else if self.probes.iter().all(|probe| probe.question.due().is_none()) {
            self.hairpin = Hairpin::Done(None);
        }
    }

    /// An answer of a reflector. Whether it was waited for.
    pub(super) fn reflected(
        &mut self,
        way: Way,
        transaction: Transaction,
        seen: SocketAddr,
        now: Duration,
    ) -> bool {
        let Some(probe) = self.probes.iter_mut().find(|probe| probe.way == way) else { return false };
        if probe.question.answered(transaction, now).is_none() {
            return false;
        }
        probe.question.settle();
        probe.seen = Some(seen);
        true
    }

    /// A request of our own has come back. Whether it was waited for.
    pub(super) fn returned(&mut self, transaction: Transaction) -> bool {
        let Hairpin::Asked { sent, .. } = &self.hairpin else { return false };
        let is_ours = sent.contains(&transaction);
        if is_ours {
            self.hairpin = Hairpin::Done(Some(true));
        }
        is_ours
    }

    pub(super) fn due(&self) -> Option<Duration> {
        let hairpin = match &self.hairpin {
            Hairpin::Asked { from, round, .. } => Some(
                HAIRPIN_MS
                    .get(*round)
                    .map_or(*from + HAIRPIN_WITHIN, |ms| *from + Duration::from_millis(*ms)),
            ),
            Hairpin::Waiting | Hairpin::Done(_) => None,
        };
        self.probes.iter().filter_map(|probe| probe.question.due()).chain(hairpin).min()
    }

    /// Whether nothing more is to be found out.
    pub(super) fn is_done(&self) -> bool {
        self.relay_settled && matches!(self.hairpin, Hairpin::Done(_))
    }

    /// What is known by now.
    pub(super) fn found(&self) -> Survey {
        let of = |post: &Post| {
            let seen = self.probes.iter().filter(|probe| probe.way.via == post.via).filter_map(|probe| {
                Some(Observation { fresh_socket: false, reflector: probe.way.to, seen: probe.seen? })
            });
            (post.own, seen.collect())
        };
        let hairpin = match self.hairpin {
            Hairpin::Done(found) => found,
            Hairpin::Waiting | Hairpin::Asked { .. } => None,
        };
        Survey { posts: self.posts.iter().map(of).collect(), relay_rtt: self.relay_rtt, hairpin }
    }
}
