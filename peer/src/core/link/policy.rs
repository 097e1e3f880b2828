//! Who learns which of our addresses.

use std::net::{IpAddr, SocketAddr};

use hobnob_nat::core::agent::Policy;
use hobnob_wire::limits::CANDIDATES_MAX;
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};

/// Where we can be reached, as the shell finds out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnSide {
    /// Best first.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) mapping: Mapping,
}

impl OwnSide {
    /// What may be told under a policy: nothing at all when only the relay may reach us.
    pub(super) fn offered(&self, policy: Policy) -> (Vec<Candidate>, Mapping) {
        let may_tell = |candidate: &&Candidate| match policy {
            Policy::All => true,
            Policy::NoLan => candidate.kind != CandidateKind::Host || !is_local(candidate.at.into()),
            Policy::RelayOnly => false,
        };
        let mapping = if policy == Policy::RelayOnly { Mapping::Unknown } else { self.mapping };
        (self.candidates.iter().filter(may_tell).take(CANDIDATES_MAX).copied().collect(), mapping)
    }
}

/// Whether an address means something within one machine or network only.
fn is_local(at: SocketAddr) -> bool {
    match at.ip() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// A policy as users write and read it.
pub(crate) const fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::All => "all",
        Policy::NoLan => "no-lan",
        Policy::RelayOnly => "relay-only",
    }
}

/// The policy of this name.
pub(crate) fn policy_named(name: &str) -> Option<Policy> {
    [Policy::All, Policy::NoLan, Policy::RelayOnly].into_iter().find(|policy| policy_name(*policy) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: CandidateKind, at: &str) -> Candidate {
        Candidate { kind, at: at.parse::<SocketAddr>().unwrap().into() }
    }

    #[test]
    fn each_policy_tells_no_more_than_it_says() {
        let candidates = vec![
            candidate(CandidateKind::Host, "192.168.1.5:7000"),
            candidate(CandidateKind::Host, "[fd00::5]:7000"),
            candidate(CandidateKind::Host, "[2001:db8::5]:7000"),
            candidate(CandidateKind::Mapped, "198.51.100.1:7000"),
            candidate(CandidateKind::Reflexive, "198.51.100.1:40000"),
        ];
        let own = OwnSide { candidates: candidates.clone(), mapping: Mapping::EndpointIndependent };
        assert_eq!(own.offered(Policy::All), (candidates.clone(), Mapping::EndpointIndependent));
        assert_eq!(own.offered(Policy::NoLan), (candidates[2..].to_vec(), Mapping::EndpointIndependent));
        assert_eq!(own.offered(Policy::RelayOnly), (Vec::new(), Mapping::Unknown));
    }

    #[test]
    fn no_more_than_eight_are_told() {
        let many = (0..20).map(|n| candidate(CandidateKind::Host, &format!("192.0.2.{n}:7000"))).collect();
        let own = OwnSide { candidates: many, mapping: Mapping::NoNat };
        assert_eq!(own.offered(Policy::All).0.len(), CANDIDATES_MAX);
    }

    #[test]
    fn policies_come_back_by_their_names() {
        for policy in [Policy::All, Policy::NoLan, Policy::RelayOnly] {
            assert_eq!(policy_named(policy_name(policy)), Some(policy));
        }
        assert_eq!(policy_named("some"), None);
    }
}
