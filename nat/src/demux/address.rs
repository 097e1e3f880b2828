//! The addresses that quinn knows others by, where those are not the real ones.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use hobnob_wire::ids::DeviceId;

/// The first half of every virtual address: the discard prefix (RFC 6666), which no packet ever carries.
const PREFIX: [u8; 8] = [0x01, 0, 0, 0, 0, 0, 0, 0];
/// Port of the virtual addresses of peers.
const PEER: u16 = 1;
/// Port of the virtual addresses of those who come by road.
const TRAVELLER: u16 = 2;

/// The one address that quinn knows a peer by, over whichever path its packets travel.
pub(crate) fn of_device(device: DeviceId) -> SocketAddr {
    let [a, b, c, d, e, f, g, h, ..] = *device.as_bytes();
    with([a, b, c, d, e, f, g, h], PEER)
}

/// The first bytes of the device that a virtual address belongs to; `None` for every other address.
pub(crate) fn device_at(address: SocketAddr) -> Option<[u8; 8]> {
    interface_id(address).filter(|_| address.port() == PEER)
}

/// The address of the `number`th who comes by road and has none that quinn could send to.
pub(crate) fn of_traveller(number: u64) -> SocketAddr {
    with(number.to_be_bytes(), TRAVELLER)
}

/// Whether no socket can send there.
pub(crate) fn is_virtual(address: SocketAddr) -> bool {
    interface_id(address).is_some()
}

/// IPv4 as IPv4, also where a socket for both families says otherwise, and without scope and flow label.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// As a socket for IPv6 writes it.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0)),
        SocketAddr::V6(_) => address,
    }
}

/// As a socket of this family writes it; `None` when such a socket cannot send there.
pub(crate) fn written(address: SocketAddr, is_v6: bool) -> Option<SocketAddr> {
    match canonical(address) {
        address if is_v6 => Some(mapped(address)),
        address @ SocketAddr::V4(_) => Some(address),
        SocketAddr::V6(_) => None,
    }
}

fn with(interface_id: [u8; 8], port: u16) -> SocketAddr {
    let mut ip = [0; 16];
    ip[..8].copy_from_slice(&PREFIX);
    ip[8..].copy_from_slice(&interface_id);
    SocketAddr::new(Ipv6Addr::from(ip).into(), port)
}

fn interface_id(address: SocketAddr) -> Option<[u8; 8]> {
    let IpAddr::V6(ip) = address.ip() else { return None };
    let ip = ip.octets();
    let (prefix, interface_id) = ip.split_first_chunk::<8>()?;
    if *prefix == PREFIX { interface_id.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_address_and_is_known_by_it() {
        let device = DeviceId::new(*b"0123456789abcdef");
        let address = of_device(device);
        assert_eq!(address, "[100::3031:3233:3435:3637]:1".parse().unwrap());
        assert_eq!(device_at(address), Some(*b"01234567"));
        assert!(is_virtual(address));
    }

    #[test]
    fn each_socket_is_given_addresses_of_its_own_family() {
        let [v4, v4_as_v6, v6] =
            ["192.0.2.1:1", "[::ffff:192.0.2.1]:1", "[2001:db8::1]:1"].map(|text| text.parse().unwrap());
        assert_eq!(
            [v4, v4_as_v6, v6].map(|at| written(at, true)),
            [Some(v4_as_v6), Some(v4_as_v6), Some(v6)]
        );
        assert_eq!([v4, v4_as_v6, v6].map(|at| written(at, false)), [Some(v4), Some(v4), None]);
    }

    #[test]
    fn a_traveller_is_no_device_and_real_addresses_are_neither() {
        let traveller = of_traveller(7);
        assert!(is_virtual(traveller));
        assert_eq!(device_at(traveller), None);
        for real in ["[2001:db8::1]:1", "[100:0:0:1::1]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
            assert!(!is_virtual(real.parse().unwrap()), "{real}");
            assert_eq!(device_at(real.parse().unwrap()), None, "{real}");
        }
    }
}
