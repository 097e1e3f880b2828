//! Decides which addresses are offered to a peer, which offered ones are dialed, and in which order.
//!
//! Where addresses come from (interfaces today) and how they travel (sealed, to accepted contacts only) is decided
//! elsewhere. The same rules hold in both directions, because a peer's word about its addresses is foreign input: it must
//! not make us send packets to a broadcast address, to a service on this machine, or to a privileged port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hobnob_wire::limits::CANDIDATES_MAX;
use hobnob_wire::signal::{Candidate, CandidateKind};

use super::agent::Policy;

/// Ports below this belong to services of the system, never to a peer.
const PORT_MIN: u16 = 1024;

/// Name prefixes of interfaces that lead to containers or virtual machines on this host. Their addresses are rarely
/// reachable from elsewhere, and many hosts have dozens of them.
const VIRTUAL_INTERFACES: [&str; 12] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "vEthernet",
    "lxc",
    "lxdbr",
    "podman",
    "cni",
    "bridge",
];

/// Whether loopback addresses may be candidates. They may when the session itself runs over loopback: then the rendezvous,
/// and with it whoever else reaches it that way, is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// Both peers may be on this machine.
    Allowed,
    /// A loopback address would name a service of the other machine.
    Forbidden,
}

/// An address of an interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The interface's name, such as `eth0`.
    pub interface: String,
    /// One of its addresses.
    pub ip: IpAddr,
}

/// How a path leads to the peer, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// Within one machine or one local network.
    Lan,
    /// Over the Internet, without a relay.
    Direct,
}

impl PathKind {
    /// Classifies the path by the address of its far end: private, unique-local, link-local and loopback addresses are
    /// local, all others are not.
    pub fn of(remote: SocketAddr) -> Self {
        if is_local(remote.ip()) { Self::Lan } else { Self::Direct }
    }
}

/// Whether an address means something within one machine or one local network only.
#[must_use]
pub const fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// Whether both addresses are in one network of the usual size: an IPv4 /24 of private addresses, or an IPv6 /64.
pub(super) fn share_subnet(left: IpAddr, right: IpAddr) -> bool {
    match (left.to_canonical(), right.to_canonical()) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            is_local(left.into()) && left.octets()[..3] == right.octets()[..3]
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => left.segments()[..4] == right.segments()[..4],
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Whether an address belongs to the default network of Docker. A peer's is rarely reachable, and many machines have the same.
pub(super) fn is_container(ip: IpAddr) -> bool {
    /// The default network of Docker, whatever its bridge is called.
    const DOCKER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 0);
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets()[..2] == DOCKER.octets()[..2],
        IpAddr::V6(_) => false,
    }
}

/// What of `candidates` a signal to a peer tells under `policy`: at most [`CANDIDATES_MAX`], in their order.
#[must_use]
pub fn offered(candidates: &[Candidate], policy: Policy) -> Vec<Candidate> {
    let told = candidates.iter().filter(|one| is_allowed(SocketAddr::from(one.at).ip(), policy));
    told.take(CANDIDATES_MAX).copied().collect()
}

/// The address of IPv4 at which the Internet sees whoever has these candidates; `None` when none of them is such.
#[must_use]
pub fn outside(candidates: &[Candidate]) -> Option<SocketAddr> {
    let of = |kind: CandidateKind| {
        let mut all = candidates.iter().filter(|one| one.kind == kind).map(|one| SocketAddr::from(one.at));
        all.find(|at| at.is_ipv4() && !is_local(at.ip()))
    };
    [CandidateKind::Reflexive, CandidateKind::Mapped, CandidateKind::Host].into_iter().find_map(of)
}

/// What of a peer's `told` candidates may be checked under `policy`: the rules are those of [`foreign_candidates`].
#[must_use]
pub fn usable(told: &[Candidate], loopback: Loopback, policy: Policy) -> Vec<(CandidateKind, SocketAddr)> {
    let mut kept: Vec<(CandidateKind, SocketAddr)> = Vec::with_capacity(CANDIDATES_MAX);
    for one in told.iter().take(CANDIDATES_MAX) {
        let at = SocketAddr::from(one.at);
        if may_be_checked(at, loopback, policy) && kept.iter().all(|(_, known)| *known != at) {
            kept.push((one.kind, at));
        }
    }
    kept
}

/// Whether an address, however it became known, may be sent to under `policy`.
pub(super) fn may_be_checked(at: SocketAddr, loopback: Loopback, policy: Policy) -> bool {
    is_eligible(at.ip(), at.port(), loopback) && is_allowed(at.ip(), policy)
}

const fn is_allowed(ip: IpAddr, policy: Policy) -> bool {
    match policy {
        Policy::All => true,
        Policy::NoLan => !is_local(ip),
        Policy::RelayOnly => false,
    }
}

/// The candidates to offer: the addresses of this machine at which a socket bound to `bound` can be reached, best first, at
/// most [`CANDIDATES_MAX`]. An unspecified IPv6 address is taken to accept both families.
///
/// Loopback comes first where it is allowed, then ordinary interfaces, then virtual ones; within each, the families
/// alternate beginning with IPv6 (RFC 8421), so that neither a broken family nor a long list of one hides the other.
pub fn local_candidates(
    addresses: &[LocalAddress],
    bound: SocketAddr,
    loopback: Loopback,
) -> Vec<SocketAddr> {
    let mut tiers: [Families; 3] = Default::default();
    for address in addresses {
        let ip = address.ip.to_canonical();
        if is_reached_by(ip, bound.ip().to_canonical()) && is_eligible(ip, bound.port(), loopback) {
            tiers[tier(&address.interface, ip)].push(ip);
        }
    }
    let ips = tiers.into_iter().flat_map(Families::interleave);
    ips.take(CANDIDATES_MAX).map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// What remains of a peer's `offered` candidates: the first [`CANDIDATES_MAX`] that may be dialed, in the peer's order,
/// without repetition.
pub fn foreign_candidates(offered: &[SocketAddr], loopback: Loopback) -> Vec<SocketAddr> {
    let mut kept: Vec<SocketAddr> = Vec::with_capacity(CANDIDATES_MAX);
    for candidate in offered.iter().take(CANDIDATES_MAX) {
        // Built anew, so that a foreign scope id or flow label has no say here.
        let candidate = SocketAddr::new(candidate.ip().to_canonical(), candidate.port());
        if is_eligible(candidate.ip(), candidate.port(), loopback) && !kept.contains(&candidate) {
            kept.push(candidate);
        }
    }
    kept
}

/// Whether an address may be a candidate at all. Link-local IPv6 is left out: it means something only together with the
/// number of an interface, which differs from machine to machine.
fn is_eligible(ip: IpAddr, port: u16, loopback: Loopback) -> bool {
    let usable = match ip {
        IpAddr::V4(ip) => {
            let [first, ..] = ip.octets();
            // 0.0.0.0/8 is "this network"; 240.0.0.0/4 is reserved and holds the broadcast address.
            first != 0 && first < 240 && !ip.is_multicast()
        }
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    };
    usable && port >= PORT_MIN && (loopback == Loopback::Allowed || !ip.is_loopback())
}

/// Whether a socket bound to `bound` receives what is sent to `ip`.
fn is_reached_by(ip: IpAddr, bound: IpAddr) -> bool {
    match bound {
        IpAddr::V6(bound) if bound.is_unspecified() => true,
        IpAddr::V4(bound) if bound.is_unspecified() => ip.is_ipv4(),
        IpAddr::V4(_) | IpAddr::V6(_) => ip == bound,
    }
}

/// The rank of an address before its family is looked at; lower is better.
fn tier(interface: &str, ip: IpAddr) -> usize {
    if ip.is_loopback() {
        return 0;
    }
    let virtual_address = match ip {
        IpAddr::V4(v4) => is_container(ip) || v4.is_link_local(),
        IpAddr::V6(_) => false,
    };
    if virtual_address || VIRTUAL_INTERFACES.iter().any(|prefix| interface.starts_with(prefix)) {
        2
    } else {
        1
    }
}

/// Addresses of one tier, in the order of the system, without repetition.
#[derive(Default)]
struct Families {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Families {
    fn push(&mut self, ip: IpAddr) {
        let family = if ip.is_ipv6() { &mut self.v6 } else { &mut self.v4 };
        if !family.contains(&ip) {
            family.push(ip);
        }
    }

    fn interleave(self) -> impl Iterator<Item = IpAddr> {
        let (mut v6, mut v4) = (self.v6.into_iter(), self.v4.into_iter());
        let mut turn_of_v4 = true;
        std::iter::from_fn(move || {
            turn_of_v4 = !turn_of_v4;
            if turn_of_v4 { v4.next().or_else(|| v6.next()) } else { v6.next().or_else(|| v4.next()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(interface: &str, ip: &str) -> LocalAddress {
        LocalAddress { interface: interface.to_owned(), ip: ip.parse().unwrap() }
    }

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn a_busy_machine() -> Vec<LocalAddress> {
        vec![
            on("lo", "127.0.0.1"),
            on("lo", "::1"),
            on("docker0", "172.17.0.1"),
            on("br-91c2", "172.18.0.1"),
            on("eth0", "192.168.1.5"),
            on("eth0", "2001:db8::5"),
            on("eth0", "2001:db8::6"),
            on("eth0", "fe80::1"),
            on("wlan0", "192.168.2.5"),
            on("virbr0", "fd00::1"),
        ]
    }

    #[test]
    fn families_alternate_and_virtual_networks_come_last() {
        let offered = local_candidates(&a_busy_machine(), "[::]:7701".parse().unwrap(), Loopback::Forbidden);
        let expected = sockets(&[
            "[2001:db8::5]:7701",
            "192.168.1.5:7701",
            "[2001:db8::6]:7701",
            "192.168.2.5:7701",
            "[fd00::1]:7701",
            "172.17.0.1:7701",
            "172.18.0.1:7701",
        ]);
        assert_eq!(offered, expected);
    }

    #[test]
    fn loopback_comes_first_where_the_session_runs_over_it() {
        let offered = local_candidates(&a_busy_machine(), "[::]:7701".parse().unwrap(), Loopback::Allowed);
        assert_eq!(offered[..3], sockets(&["[::1]:7701", "127.0.0.1:7701", "[2001:db8::5]:7701"]));
        assert_eq!(offered.len(), CANDIDATES_MAX);
    }

    #[test]
    fn only_addresses_that_the_socket_listens_on_are_offered() {
        let v4_only =
            local_candidates(&a_busy_machine(), "0.0.0.0:7701".parse().unwrap(), Loopback::Forbidden);
        assert!(v4_only.iter().all(SocketAddr::is_ipv4));
        assert_eq!(v4_only.len(), 4);
        let one =
            local_candidates(&a_busy_machine(), "192.168.2.5:7701".parse().unwrap(), Loopback::Forbidden);
        assert_eq!(one, sockets(&["192.168.2.5:7701"]));
        let loopback =
            local_candidates(&a_busy_machine(), "127.0.0.1:7701".parse().unwrap(), Loopback::Forbidden);
        assert_eq!(loopback, []);
    }

    #[test]
    fn many_addresses_of_one_family_do_not_hide_the_other() {
        let mut addresses: Vec<_> = (1..20).map(|n| on("eth0", &format!("2001:db8::{n}"))).collect();
        addresses.push(on("eth0", "192.0.2.1"));
        let offered = local_candidates(&addresses, "[::]:7701".parse().unwrap(), Loopback::Forbidden);
        assert_eq!(offered.len(), CANDIDATES_MAX);
        assert_eq!(offered[1], "192.0.2.1:7701".parse().unwrap());
    }

    #[test]
    fn each_rule_about_foreign_candidates_holds() {
        let cases = [
            ("192.0.2.1:7701", true, "an ordinary IPv4 address"),
            ("[2001:db8::1]:7701", true, "an ordinary IPv6 address"),
            ("10.0.0.1:1024", true, "the lowest port"),
            ("10.0.0.1:1023", false, "a privileged port"),
            ("10.0.0.1:0", false, "no port"),
            ("127.0.0.1:7701", false, "loopback"),
            ("127.9.9.9:7701", false, "all of loopback"),
            ("[::1]:7701", false, "IPv6 loopback"),
            ("[::ffff:127.0.0.1]:7701", false, "loopback in disguise"),
            ("0.0.0.0:7701", false, "unspecified"),
            ("0.1.2.3:7701", false, "this network"),
            ("[::]:7701", false, "IPv6 unspecified"),
            ("224.0.0.251:7701", false, "multicast"),
            ("[ff02::fb]:7701", false, "IPv6 multicast"),
            ("255.255.255.255:7701", false, "broadcast"),
            ("240.0.0.1:7701", false, "reserved"),
            ("[fe80::1]:7701", false, "link-local IPv6"),
            ("169.254.3.4:7701", true, "link-local IPv4, which needs no scope"),
        ];
        for (candidate, admitted, what) in cases {
            let kept = foreign_candidates(&sockets(&[candidate]), Loopback::Forbidden);
            assert_eq!(!kept.is_empty(), admitted, "{what}: {candidate}");
        }
        let both = sockets(&["127.0.0.1:7701", "[::1]:7701"]);
        assert_eq!(foreign_candidates(&both, Loopback::Allowed), both);
    }

    #[test]
    fn foreign_candidates_keep_their_order_lose_repetitions_and_are_at_most_eight() {
        let offered = sockets(&["192.0.2.2:7701", "192.0.2.1:7701", "[::ffff:192.0.2.2]:7701"]);
        assert_eq!(
            foreign_candidates(&offered, Loopback::Forbidden),
            sockets(&["192.0.2.2:7701", "192.0.2.1:7701"])
        );
        let many: Vec<_> = (0..100).map(|n| SocketAddr::from(([192, 0, 2, n], 7701))).collect();
        assert_eq!(foreign_candidates(&many, Loopback::Forbidden), many[..CANDIDATES_MAX]);
    }

    fn told(texts: &[&str]) -> Vec<Candidate> {
        let all = sockets(texts).into_iter();
        all.map(|at| Candidate { kind: CandidateKind::Host, at: at.into() }).collect()
    }

    #[test]
    fn without_local_networks_no_local_address_is_told_or_checked_and_with_the_relay_only_none_at_all() {
        let all =
            ["10.0.0.1:7701", "[fd12::1]:7701", "192.0.2.1:7701", "[2001:db8::1]:7701", "169.254.0.1:7701"];
        let addresses = |candidates: Vec<Candidate>| {
            candidates.iter().map(|one| one.at.into()).collect::<Vec<SocketAddr>>()
        };
        let checked = |policy| {
            let usable = usable(&told(&all), Loopback::Forbidden, policy);
            usable.into_iter().map(|(_, at)| at).collect::<Vec<SocketAddr>>()
        };
        assert_eq!(addresses(offered(&told(&all), Policy::All)), sockets(&all));
        assert_eq!(addresses(offered(&told(&all), Policy::NoLan)), sockets(&all[2..4]));
        assert_eq!(offered(&told(&all), Policy::RelayOnly), []);
        assert_eq!(checked(Policy::All), sockets(&all));
        assert_eq!(checked(Policy::NoLan), sockets(&all[2..4]));
        assert_eq!(checked(Policy::RelayOnly), []);
    }

    #[test]
    fn of_ten_thousand_told_candidates_eight_are_looked_at() {
        let many: Vec<Candidate> = (0..10_000_u32)
            .map(|n| SocketAddr::from((Ipv4Addr::from(0xc000_0200 + n), 7701)))
            .map(|at| Candidate { kind: CandidateKind::Host, at: at.into() })
            .collect();
        assert_eq!(usable(&many, Loopback::Forbidden, Policy::All).len(), CANDIDATES_MAX);
        assert_eq!(offered(&many, Policy::All).len(), CANDIDATES_MAX);
    }

    #[test]
    fn a_path_is_local_by_the_address_of_its_far_end() {
        let cases = [
            ("192.168.1.5:7701", PathKind::Lan),
            ("10.1.2.3:7701", PathKind::Lan),
            ("172.31.0.1:7701", PathKind::Lan),
            ("172.32.0.1:7701", PathKind::Direct),
            ("127.0.0.1:7701", PathKind::Lan),
            ("[::ffff:10.0.0.1]:7701", PathKind::Lan),
            ("169.254.1.1:7701", PathKind::Lan),
            ("[fd12::1]:7701", PathKind::Lan),
            ("[fe80::1]:7701", PathKind::Lan),
            ("[::1]:7701", PathKind::Lan),
            ("100.64.0.1:7701", PathKind::Direct),
            ("192.0.2.1:7701", PathKind::Direct),
            ("[2001:db8::1]:7701", PathKind::Direct),
        ];
        for (remote, kind) in cases {
            assert_eq!(PathKind::of(remote.parse().unwrap()), kind, "{remote}");
        }
    }
}
