//! The own side of every path: what signals tell.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::limits::CANDIDATES_MAX;
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};

use crate::core::agent::Local;
use crate::core::candidate::{Loopback, local_candidates};
use crate::demux::address::is_virtual;
use crate::reach::surroundings::Surroundings;

/// What to tell in signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The candidates and what the NAT does; the policy towards a contact is still to be applied.
    pub local: Local,
    /// Whether everybody who can say something about it has been asked. True within a round trip of the start of a session.
    pub complete: bool,
    /// Round trip to the relay; `None` while our place there is not bound.
    pub relay_rtt: Option<Duration>,
}

/// Puts the own side together.
pub(super) fn gather(
    surroundings: &Surroundings,
    bound: SocketAddr,
    loopback: Loopback,
    outside: &Outside<'_>,
) -> Local {
    let of_kind = |kind| move |at: &SocketAddr| Candidate { kind, at: (*at).into() };
    let hosts = local_candidates(&surroundings.addresses, bound, loopback);
    let mut others: Vec<Candidate> = Vec::new();
    let seen = outside.reflexive.iter().map(of_kind(CandidateKind::Reflexive));
    for candidate in outside.mapped.iter().map(of_kind(CandidateKind::Mapped)).chain(seen) {
        let at = SocketAddr::from(candidate.at);
        let known = others.iter().any(|other| other.at == candidate.at) || hosts.contains(&at);
        // By road, the relay sees an address that it has made up itself.
        if !known && !is_virtual(at) && others.len() < CANDIDATES_MAX / 2 {
            others.push(candidate);
        }
    }
    let hosts = hosts.iter().take(CANDIDATES_MAX - others.len()).map(of_kind(CandidateKind::Host));
    Local { candidates: hosts.chain(others).collect(), mapping: outside.mapping, loopback }
}

/// What others say about the own side.
#[derive(Debug)]
pub(super) struct Outside<'a> {
    /// Where NATs forward to us.
    pub(super) mapped: &'a [SocketAddr],
    /// Where reflectors see us.
    pub(super) reflexive: &'a [SocketAddr],
    /// What the NAT does.
    pub(super) mapping: Mapping,
}
