//! Decides what a NAT does from the addresses at which reflectors see us (RFC 4787 §4, RFC 5780 §4.3).

use std::net::SocketAddr;

use hobnob_wire::signal::Mapping;

/// What one reflector said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whether a fresh socket asked, one that has sent nothing else, rather than the main one.
    pub fresh_socket: bool,
    /// Who was asked.
    pub reflector: SocketAddr,
    /// Where it sees us.
    pub seen: SocketAddr,
}

/// The furthest that a counter of a NAT moves between two of our requests, in its steps, as other traffic uses it too.
/// Ports of a small block seem to follow such a counter in one of 10,000 cases.
const STEPS_MAX: i32 = 32;
/// Ports that lie closer together than this come from one block: three random ports do so in 3 of 1,000 cases.
const BLOCK_SPAN_MAX: i32 = 2048;
/// The smallest block that is assumed.
const BLOCK_PORTS_MIN: u16 = 512;

/// The mapping behavior of one address family. `observations` stand in the order in which they were asked for; `own` are
/// the addresses of our interfaces with the port of the main socket.
///
/// Three reflectors and a fresh socket tell every kind; one reflector alone only tells that there is no NAT.
#[must_use]
pub fn classify(observations: &[Observation], own: &[SocketAddr]) -> Mapping {
    let main: Vec<&Observation> = observations.iter().filter(|one| !one.fresh_socket).collect();
    let Some(first) = main.first() else {
        return Mapping::Unknown;
    };
    let others = || main.iter().filter(|one| one.reflector != first.reflector);
    if main.iter().all(|one| own.contains(&one.seen)) {
        return Mapping::NoNat;
    }
    if others().next().is_none() {
        return Mapping::Unknown;
    }
    if main.iter().all(|one| one.seen == first.seen) {
        return Mapping::EndpointIndependent;
    }
    if main.iter().any(|one| one.seen.ip() != first.seen.ip()) {
        return Mapping::Random;
    }
    let mut ports: Vec<i32> = Vec::with_capacity(observations.len());
    for one in observations.iter().filter(|one| one.seen.ip() == first.seen.ip()) {
        let port = i32::from(one.seen.port());
        // An address-dependent mapping shows one port to several ports of a reflector.
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    of_ports(&ports)
}

/// The behavior of a NAT that gave these different ports, in this order.
fn of_ports(ports: &[i32]) -> Mapping {
    let strides: Vec<i32> = ports.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let one_direction = strides.iter().all(|stride| *stride > 0) || strides.iter().all(|stride| *stride < 0);
    let step = strides.iter().fold(0, |step, stride| gcd(step, stride.abs()));
    if one_direction && strides.iter().all(|stride| stride.abs() <= STEPS_MAX * step) {
        let signed = if strides.first().is_some_and(|stride| *stride < 0) { -step } else { step };
        if let Ok(step) = i8::try_from(signed) {
            return Mapping::Sequential { step };
        }
    }
    let (least, most) =
        ports.iter().fold((i32::MAX, i32::MIN), |(least, most), port| (least.min(*port), most.max(*port)));
    let span = most - least;
    match u16::try_from(span) {
        Ok(near) if span <= BLOCK_SPAN_MAX && ports.len() >= 3 => {
            Mapping::Block { ports: (near.max(1) * 2 - 1).next_power_of_two().max(BLOCK_PORTS_MIN) }
        }
        Ok(_) | Err(_) => Mapping::Random,
    }
}

fn gcd(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "192.168.1.5:7701";

    fn seen(addresses: &[(&str, &str)]) -> Vec<Observation> {
        let all = addresses.iter().map(|(reflector, seen)| Observation {
            fresh_socket: reflector.starts_with('+'),
            reflector: reflector.trim_start_matches('+').parse().unwrap(),
            seen: seen.parse().unwrap(),
        });
        all.collect()
    }

    fn of(addresses: &[(&str, &str)]) -> Mapping {
        classify(&seen(addresses), &[OWN.parse().unwrap()])
    }

    /// Three reflectors and, from a fresh socket, the first again.
    fn ports(ports: [u16; 4]) -> Mapping {
        let at = |port: u16| format!("192.0.2.1:{port}");
        of(&[
            ("203.0.113.1:1", &at(ports[0])),
            ("203.0.113.1:2", &at(ports[1])),
            ("203.0.113.2:1", &at(ports[2])),
            ("+203.0.113.1:1", &at(ports[3])),
        ])
    }

    #[test]
    fn nobody_asked_or_one_reflector_alone_tells_nothing_but_the_absence_of_a_nat() {
        assert_eq!(of(&[]), Mapping::Unknown);
        assert_eq!(of(&[("203.0.113.1:1", "192.0.2.1:7701")]), Mapping::Unknown);
        assert_eq!(of(&[("+203.0.113.1:1", "192.0.2.1:7701")]), Mapping::Unknown);
        assert_eq!(of(&[("203.0.113.1:1", OWN)]), Mapping::NoNat);
    }

    #[test]
    fn the_same_address_everywhere_is_endpoint_independent_whatever_a_fresh_socket_gets() {
        assert_eq!(ports([7701, 7701, 7701, 40_000]), Mapping::EndpointIndependent);
    }

    #[test]
    fn a_counter_is_found_with_its_step_and_direction_despite_other_traffic() {
        assert_eq!(ports([4000, 4001, 4002, 4003]), Mapping::Sequential { step: 1 });
        assert_eq!(ports([4000, 4002, 4008, 4010]), Mapping::Sequential { step: 2 });
        assert_eq!(ports([4000, 4001, 4011, 4040]), Mapping::Sequential { step: 1 });
        assert_eq!(ports([4003, 4002, 4001, 4000]), Mapping::Sequential { step: -1 });
    }

    #[test]
    fn an_address_dependent_counter_is_one_too() {
        assert_eq!(ports([4000, 4000, 4001, 4002]), Mapping::Sequential { step: 1 });
    }

    #[test]
    fn ports_near_each_other_without_order_come_from_a_block() {
        assert_eq!(ports([5000, 5400, 5100, 5300]), Mapping::Block { ports: 1024 });
        assert_eq!(ports([5000, 5020, 5010, 5005]), Mapping::Block { ports: 512 });
    }

    #[test]
    fn ports_anywhere_or_several_addresses_are_random() {
        assert_eq!(ports([5000, 65_000, 1_100, 30_000]), Mapping::Random);
        assert_eq!(
            of(&[("203.0.113.1:1", "192.0.2.1:7701"), ("203.0.113.2:1", "192.0.2.9:7701")]),
            Mapping::Random
        );
    }
}
