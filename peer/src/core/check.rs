//! What `hobnob netcheck` says: what the network allows, and what would help.

use std::net::{IpAddr, SocketAddr};

use hobnob_nat::core::candidate::LocalAddress;
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping};
use serde::{Deserialize, Serialize};

use super::view::SessionState;

/// What the shell has found out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The rendezvous, `host:port`.
    pub rendezvous: String,
    /// The session with it, if there is one.
    pub session: Option<SessionFacts>,
    /// The one UDP port.
    pub port: u16,
    /// The addresses of this machine's interfaces.
    pub interfaces: Vec<LocalAddress>,
    /// Whether there is a route to the Internet: by IPv4, by IPv6.
    pub routes: (bool, bool),
    /// What signals tell.
    pub candidates: Vec<Candidate>,
    /// What the NAT does.
    pub mapping: Mapping,
    /// How the router was asked for the port, in words, and whether it forwards it.
    pub port_mapping: (String, bool),
}

/// What is known of the session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts {
    /// Whether it runs over TCP.
    pub is_tunnelled: bool,
    /// Round-trip time, in microseconds.
    pub rtt_us: u64,
    /// Largest packet, in bytes.
    pub mtu: u16,
}

/// `hobnob netcheck`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetcheckView {
    /// The rendezvous, which is the relay, too: `host:port`.
    pub rendezvous: String,
    /// Whether the session is up.
    pub session: SessionState,
    /// Whether UDP gets to the rendezvous; absent without a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<bool>,
    /// Round-trip time to the rendezvous and its relay, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Largest packet on the way there, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The one UDP port of this device.
    pub port: u16,
    /// `none`, `endpoint-independent`, `sequential`, `block`, `random` or `unknown`: how the NAT chooses ports.
    pub nat: String,
    /// IPv4.
    pub ipv4: FamilyView,
    /// IPv6.
    pub ipv6: FamilyView,
    /// Whether the router forwards the port because it was asked to.
    pub mapped: bool,
    /// By which protocol, or why not.
    pub port_mapping: String,
    /// What makes direct paths harder, and what would help; nothing when all is well.
    pub advice: Vec<String>,
}

/// What is known of IPv4 or of IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyView {
    /// Whether there is a route to the Internet.
    pub route: bool,
    /// Addresses of this machine, each with the name of its interface.
    pub interfaces: Vec<InterfaceView>,
    /// Where others see this device.
    pub outside: Vec<SocketAddr>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceView {
    /// Its name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// Draws the conclusions.
#[must_use]
pub fn assess(facts: &Facts) -> NetcheckView {
    let family = |is_v6: bool, route: bool| FamilyView {
        route,
        interfaces: interfaces(&facts.interfaces, is_v6),
        outside: outside(&facts.candidates, is_v6),
    };
    let session = facts.session;
    NetcheckView {
        rendezvous: facts.rendezvous.clone(),
        session: if session.is_some() { SessionState::Up } else { SessionState::Down },
        udp: session.map(|session| !session.is_tunnelled),
        rtt_us: session.map(|session| session.rtt_us),
        mtu: session.map(|session| session.mtu),
        port: facts.port,
        nat: nat(facts.mapping).to_owned(),
        ipv4: family(false, facts.routes.0),
        ipv6: family(true, facts.routes.1),
        mapped: facts.port_mapping.1,
        port_mapping: facts.port_mapping.0.clone(),
        advice: advice(facts),
    }
}

fn interfaces(all: &[LocalAddress], is_v6: bool) -> Vec<InterfaceView> {
    let of_family = all.iter().filter(|address| address.ip.is_ipv6() == is_v6 && !address.ip.is_loopback());
    of_family.map(|address| InterfaceView { name: address.interface.clone(), address: address.ip }).collect()
}

fn outside(candidates: &[Candidate], is_v6: bool) -> Vec<SocketAddr> {
    let seen = candidates.iter().filter(|candidate| candidate.kind != CandidateKind::Host);
    seen.map(|candidate| SocketAddr::from(candidate.at)).filter(|at| at.is_ipv6() == is_v6).collect()
}

/// How a NAT chooses ports, as programs read it.
const fn nat(mapping: Mapping) -> &'static str {
    match mapping {
        Mapping::Unknown => "unknown",
        Mapping::NoNat => "none",
        Mapping::EndpointIndependent => "endpoint-independent",
        Mapping::Sequential { .. } => "sequential",
        Mapping::Block { .. } => "block",
        Mapping::Random => "random",
    }
}

fn advice(facts: &Facts) -> Vec<String> {
    let mut advice = Vec::new();
    let Some(session) = facts.session else {
        advice.push(format!(
            "There is no session with {}. Check the network of this machine, and that the rendezvous runs.",
            facts.rendezvous
        ));
        return advice;
    };
    if session.is_tunnelled {
        advice.push(
            "UDP does not get to the rendezvous, so everything goes by way of it over TCP. Allow UDP to the outside in the firewall of this network."
                .to_owned(),
        );
    }
    let is_mapped = facts.port_mapping.1;
    if facts.mapping.is_endpoint_dependent() && !is_mapped {
        advice.push(
            "The NAT uses another port for each destination. Direct paths to others behind such NATs are luck: a port mapping (UPnP, NAT-PMP or PCP in the router), the port forwarded by hand, or IPv6 would help."
                .to_owned(),
        );
    }
    if !facts.routes.1 && (facts.mapping.is_endpoint_dependent() || session.is_tunnelled) {
        advice.push("There is no IPv6. With it most paths are direct.".to_owned());
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let candidate = |kind, at: &str| Candidate { kind, at: at.parse::<SocketAddr>().unwrap().into() };
        let on = |interface: &str, ip: &str| LocalAddress {
            interface: interface.to_owned(),
            ip: ip.parse().unwrap(),
        };
        Facts {
            rendezvous: "rendezvous.example:7700".to_owned(),
            session: Some(SessionFacts { is_tunnelled: false, rtt_us: 12_000, mtu: 1_200 }),
            port: 7_000,
            interfaces: vec![on("lo", "127.0.0.1"), on("eth0", "192.168.1.5"), on("eth0", "2001:db8::5")],
            routes: (true, true),
            candidates: vec![
                candidate(CandidateKind::Host, "192.168.1.5:7000"),
                candidate(CandidateKind::Reflexive, "198.51.100.1:40000"),
            ],
            mapping: Mapping::EndpointIndependent,
            port_mapping: ("off".to_owned(), false),
        }
    }

    #[test]
    fn a_good_network_is_told_without_advice() {
        let view = assess(&facts());
        assert_eq!(
            (view.nat.as_str(), view.udp, view.rtt_us),
            ("endpoint-independent", Some(true), Some(12_000))
        );
        let v4 = InterfaceView { name: "eth0".to_owned(), address: "192.168.1.5".parse().unwrap() };
        assert_eq!(view.ipv4.interfaces, [v4]);
        assert_eq!(view.ipv4.outside, ["198.51.100.1:40000".parse().unwrap()]);
        assert_eq!(view.ipv6.interfaces.len(), 1);
        assert_eq!(view.advice, [""; 0]);
    }

    #[test]
    fn what_stands_in_the_way_comes_with_what_would_help() {
        let hard = Facts { mapping: Mapping::Random, routes: (true, false), ..facts() };
        let advice = assess(&hard).advice;
        assert_eq!(advice.len(), 2);
        assert!(advice[0].contains("another port for each destination") && advice[1].contains("IPv6"));

        let mapped = Facts { port_mapping: ("by PCP".to_owned(), true), ..hard.clone() };
        assert_eq!(assess(&mapped).advice.len(), 1);

        let session = Some(SessionFacts { is_tunnelled: true, rtt_us: 1, mtu: 1_200 });
        let blocked = assess(&Facts { session, ..facts() });
        assert_eq!((blocked.udp, blocked.advice.len()), (Some(false), 1));
        assert!(blocked.advice[0].contains("Allow UDP"));

        let down = assess(&Facts { session: None, ..hard });
        assert_eq!((down.session, down.udp), (SessionState::Down, None));
        assert!(down.advice[0].contains("no session with rendezvous.example:7700"));
    }
}
