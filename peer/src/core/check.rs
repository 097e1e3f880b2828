//! What `hobnob netcheck` says: what the network allows, and what would help.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_nat::core::candidate::LocalAddress;
use hobnob_nat::core::mapping::classify;
use hobnob_nat::reach::Survey;
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
    /// How often the session says something at least.
    pub keep_alive: Duration,
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
    /// How the port stands with the router.
    pub port_mapping: MappingFacts,
    /// What a closer look found; `None` without a session.
    pub survey: Option<Survey>,
    /// Largest packet that gets to the rendezvous, as measured; or why it is not known.
    pub mtu: Result<u16, String>,
}

/// How the port stands with the router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingFacts {
    /// In words.
    pub words: String,
    /// The protocol it is mapped by, and the address outside.
    pub mapped: Option<(String, SocketAddr)>,
}

/// What is known of the session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts {
    /// Whether it runs over TCP.
    pub is_tunnelled: bool,
    /// Round-trip time, in microseconds.
    pub rtt_us: u64,
}

/// Something that was to be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is; `unknown` when that could not be found out.
    pub is: String,
    /// Why it is not known, or what it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Finding {
    fn is(what: &str) -> Self {
        Self { is: what.to_owned(), why: None }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self { is: UNKNOWN.to_owned(), why: Some(why.into()) }
    }
}

/// How what is not known is called.
const UNKNOWN: &str = "unknown";

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
    /// Round-trip time of the session, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Round-trip time to the relay, asked just now, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_rtt_us: Option<u64>,
    /// Largest packet that gets to the rendezvous, in bytes of UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Why the relay's round trip or the largest packet is not known.
    pub unknown: Vec<String>,
    /// How often the session says something at least, in milliseconds.
    pub keep_alive_ms: u64,
    /// The one UDP port of this device.
    pub port: u16,
    /// `none`, `endpoint-independent`, `sequential`, `block`, `random` or `unknown`: how the NAT chooses ports.
    pub nat: String,
    /// Whether a NAT sends back what two devices behind it send to each other's outside address: `works`, `fails`,
    /// `not-needed` or `unknown`.
    pub hairpin: Finding,
    /// IPv4.
    pub ipv4: FamilyView,
    /// IPv6.
    pub ipv6: FamilyView,
    /// Whether the router forwards the port because it was asked to.
    pub mapped: bool,
    /// How, in words; or why not.
    pub port_mapping: String,
    /// The protocol it was asked by: `PCP`, `NAT-PMP` or `UPnP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_by: Option<String>,
    /// The address outside that it forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapped_at: Option<SocketAddr>,
    /// What makes direct paths harder, and what would help; nothing when all is well.
    pub advice: Vec<String>,
}

/// What is known of IPv4 or of IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyView {
    /// Whether there is a route to the Internet.
    pub route: bool,
    /// How the NAT of this family chooses ports, as `nat`.
    pub nat: Finding,
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
    /// How the NAT chooses ports for what is sent from here, as `nat`.
    pub nat: Finding,
    /// Where others see what is sent from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<SocketAddr>,
}

/// Draws the conclusions.
#[must_use]
pub fn assess(facts: &Facts) -> NetcheckView {
    let family = |is_v6: bool, route: bool| {
        let interfaces = interfaces(facts, is_v6);
        let nat = family_nat(&interfaces, route, is_v6);
        FamilyView { route, nat, interfaces, outside: outside(&facts.candidates, is_v6) }
    };
    let session = facts.session;
    let relay_rtt = facts.survey.as_ref().and_then(|survey| survey.relay_rtt);
    let mut unknown = Vec::new();
    if relay_rtt.is_none() {
        let why = if session.is_some() { "it does not answer" } else { "there is no session" };
        unknown.push(format!("the round trip to the relay: {why}"));
    }
    if let Err(why) = &facts.mtu {
        unknown.push(format!("the largest packet: {why}"));
    }
    let (ipv4, ipv6) = (family(false, facts.routes.0), family(true, facts.routes.1));
    NetcheckView {
        rendezvous: facts.rendezvous.clone(),
        session: if session.is_some() { SessionState::Up } else { SessionState::Down },
        udp: session.map(|session| !session.is_tunnelled),
        rtt_us: session.map(|session| session.rtt_us),
        relay_rtt_us: relay_rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        mtu: facts.mtu.as_ref().ok().copied(),
        unknown,
        keep_alive_ms: u64::try_from(facts.keep_alive.as_millis()).unwrap_or(u64::MAX),
        port: facts.port,
        nat: nat(facts.mapping).to_owned(),
        hairpin: hairpin(facts, [&ipv4, &ipv6]),
        ipv4,
        ipv6,
        mapped: facts.port_mapping.mapped.is_some(),
        port_mapping: facts.port_mapping.words.clone(),
        mapped_by: facts.port_mapping.mapped.as_ref().map(|(by, _)| by.clone()),
        mapped_at: facts.port_mapping.mapped.as_ref().map(|(_, at)| *at),
        advice: advice(facts),
    }
}

fn interfaces(facts: &Facts, is_v6: bool) -> Vec<InterfaceView> {
    let all = facts.interfaces.iter();
    let of_family = all.filter(|address| address.ip.is_ipv6() == is_v6 && !address.ip.is_loopback());
    let view = |address: &LocalAddress| {
        let (nat, outside) = interface_nat(facts, address.ip);
        InterfaceView { name: address.interface.clone(), address: address.ip, nat, outside }
    };
    of_family.map(view).collect()
}

/// What a NAT does with what is sent from an address of this machine, and where others see it.
fn interface_nat(facts: &Facts, ip: IpAddr) -> (Finding, Option<SocketAddr>) {
    let Some(survey) = &facts.survey else {
        return (Finding::unknown("there is no session to ask over"), None);
    };
    if facts.session.is_some_and(|session| session.is_tunnelled) {
        return (Finding::unknown("everything goes over TCP, which shows nothing of it"), None);
    }
    let Some((own, seen)) = survey.posts.iter().find(|(own, _)| own.ip() == ip) else {
        return (Finding::unknown("it is not asked about: local to its cable, or one of many"), None);
    };
    let Some(first) = seen.first() else {
        return (Finding::unknown("the rendezvous does not answer from here"), None);
    };
    let mapping = classify(seen, &[*own]);
    let finding = if mapping == Mapping::Unknown {
        Finding::unknown("the rendezvous has one address only; two tell")
    } else {
        Finding::is(nat(mapping))
    };
    (finding, Some(first.seen))
}

/// The kind of the NAT of one family: that of the first interface that is known.
fn family_nat(interfaces: &[InterfaceView], route: bool, is_v6: bool) -> Finding {
    if let Some(known) = interfaces.iter().find(|interface| interface.nat.is != UNKNOWN) {
        return known.nat.clone();
    }
    if !route {
        return Finding::unknown(format!("there is no route by {}", if is_v6 { "IPv6" } else { "IPv4" }));
    }
    // One that was asked about says more than one that was not.
    let seen = interfaces.iter().find(|interface| interface.outside.is_some());
    let told = seen.or(interfaces.first()).map(|interface| interface.nat.clone());
    told.unwrap_or_else(|| Finding::unknown("there is no address to ask from"))
}

fn hairpin(facts: &Facts, families: [&FamilyView; 2]) -> Finding {
    match facts.survey.as_ref().map(|survey| survey.hairpin) {
        None => Finding::unknown("there is no session to ask over"),
        Some(Some(true)) => Finding::is("works"),
        Some(Some(false)) if facts.mapping.is_endpoint_dependent() => {
            Finding::unknown("the NAT uses another port for each destination, so what is lost says nothing")
        }
        Some(Some(false)) => Finding::is("fails"),
        Some(None) => {
            let kinds = || families.iter().flat_map(|family| &family.interfaces).map(|it| it.nat.is.as_str());
            if kinds().any(|kind| kind == "none") && kinds().all(|kind| matches!(kind, "none" | UNKNOWN)) {
                Finding::is("not-needed")
            } else {
                Finding::unknown("nobody outside sees two sockets of this machine at one address")
            }
        }
    }
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
    let is_mapped = facts.port_mapping.mapped.is_some();
    if facts.mapping.is_endpoint_dependent() && !is_mapped {
        advice.push(
            "The NAT uses another port for each destination. Direct paths to others behind such NATs are luck: a port mapping (UPnP, NAT-PMP or PCP in the router), the port forwarded by hand, or IPv6 would help."
                .to_owned(),
        );
    }
    if facts.survey.as_ref().is_some_and(|survey| survey.hairpin == Some(false))
        && !facts.mapping.is_endpoint_dependent()
    {
        advice.push(
            "The router does not send back what is meant for its own outside address (hairpin). Devices behind it meet on the local network, or over the relay where that keeps them apart."
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
    use hobnob_nat::core::mapping::Observation;

    use super::*;

    fn facts() -> Facts {
        let candidate = |kind, at: &str| Candidate { kind, at: at.parse::<SocketAddr>().unwrap().into() };
        let on = |interface: &str, ip: &str| LocalAddress {
            interface: interface.to_owned(),
            ip: ip.parse().unwrap(),
        };
        Facts {
            rendezvous: "rendezvous.example:7700".to_owned(),
            session: Some(SessionFacts { is_tunnelled: false, rtt_us: 12_000 }),
            keep_alive: Duration::from_secs(6),
            port: 7_000,
            interfaces: vec![on("lo", "127.0.0.1"), on("eth0", "192.168.1.5"), on("eth0", "2001:db8::5")],
            routes: (true, true),
            candidates: vec![
                candidate(CandidateKind::Host, "192.168.1.5:7000"),
                candidate(CandidateKind::Reflexive, "198.51.100.1:40000"),
            ],
            mapping: Mapping::EndpointIndependent,
            port_mapping: MappingFacts { words: "off".to_owned(), mapped: None },
            survey: Some(survey()),
            mtu: Ok(1_472),
        }
    }

    /// Two ports of the rendezvous see the IPv4 address behind a NAT, and nobody the IPv6 address.
    fn survey() -> Survey {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let seen = |reflector| Observation {
            fresh_socket: false,
            reflector: at(reflector),
            seen: at("198.51.100.1:40001"),
        };
        Survey {
            posts: vec![
                (at("192.168.1.5:50000"), vec![seen("203.0.113.1:7700"), seen("203.0.113.1:7701")]),
                (at("[2001:db8::5]:50001"), vec![]),
            ],
            relay_rtt: Some(Duration::from_millis(13)),
            hairpin: Some(true),
        }
    }

    #[test]
    fn a_good_network_is_told_without_advice() {
        let view = assess(&facts());
        assert_eq!(
            (view.nat.as_str(), view.udp, view.rtt_us),
            ("endpoint-independent", Some(true), Some(12_000))
        );
        assert_eq!((view.relay_rtt_us, view.mtu, view.unknown), (Some(13_000), Some(1_472), vec![]));
        assert_eq!(
            (view.hairpin, &view.ipv4.nat),
            (Finding::is("works"), &Finding::is("endpoint-independent"))
        );
        assert_eq!(view.ipv6.nat, Finding::unknown("the rendezvous does not answer from here"));
        let v4 = InterfaceView {
            name: "eth0".to_owned(),
            address: "192.168.1.5".parse().unwrap(),
            nat: Finding::is("endpoint-independent"),
            outside: Some("198.51.100.1:40001".parse().unwrap()),
        };
        assert_eq!(view.ipv4.interfaces, [v4]);
        assert_eq!(view.ipv4.outside, ["198.51.100.1:40000".parse().unwrap()]);
        assert_eq!(view.ipv6.interfaces.len(), 1);
        assert_eq!(view.advice, [""; 0]);
    }

    #[test]
    fn without_a_nat_nothing_needs_to_be_sent_back() {
        let mut open = survey();
        let own: SocketAddr = "192.168.1.5:50000".parse().unwrap();
        open.posts[0].1.iter_mut().for_each(|one| one.seen = own);
        open.hairpin = None;
        let view = assess(&Facts { survey: Some(open), ..facts() });
        assert_eq!((view.ipv4.nat, view.hairpin), (Finding::is("none"), Finding::is("not-needed")));
    }

    #[test]
    fn what_stands_in_the_way_comes_with_what_would_help() {
        let hard = Facts { mapping: Mapping::Random, routes: (true, false), ..facts() };
        let advice = assess(&hard).advice;
        assert_eq!(advice.len(), 2);
        assert!(advice[0].contains("another port for each destination") && advice[1].contains("IPv6"));

        let external = "198.51.100.1:7000".parse().unwrap();
        let port_mapping =
            MappingFacts { words: "by PCP".to_owned(), mapped: Some(("PCP".to_owned(), external)) };
        let mapped = Facts { port_mapping, ..hard.clone() };
        assert_eq!(assess(&mapped).advice.len(), 1);

        let session = Some(SessionFacts { is_tunnelled: true, rtt_us: 1 });
        let blocked = assess(&Facts { session, ..facts() });
        assert_eq!((blocked.udp, blocked.advice.len()), (Some(false), 1));
        assert!(blocked.advice[0].contains("Allow UDP"));

        let lost = Some(Survey { hairpin: Some(false), ..survey() });
        let no_hairpin = assess(&Facts { survey: lost.clone(), ..facts() });
        assert_eq!((no_hairpin.hairpin.is.as_str(), no_hairpin.advice.len()), ("fails", 1));
        assert_eq!(assess(&Facts { survey: lost, ..hard.clone() }).hairpin.is, UNKNOWN);

        let mtu = Err("there is no session".to_owned());
        let down = assess(&Facts { session: None, survey: None, mtu, ..hard });
        assert_eq!(
            down.unknown,
            ["the round trip to the relay: there is no session", "the largest packet: there is no session"]
        );
        assert_eq!((down.hairpin.is.as_str(), down.ipv4.nat.is.as_str()), (UNKNOWN, UNKNOWN));
        assert_eq!((down.session, down.udp), (SessionState::Down, None));
        assert!(down.advice[0].contains("no session with rendezvous.example:7700"));
    }
}
