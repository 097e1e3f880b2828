//! Reads and rewrites the addresses of IP packets, as a NAT does.

use std::net::{IpAddr, SocketAddr};

use hobnob_nat::simulation::{Packet, Protocol};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where things stand in a packet.
struct Layout {
    protocol: Protocol,
    /// Of both addresses, one behind the other.
    addresses: std::ops::Range<usize>,
    transport: usize,
    /// Of the checksum of UDP or TCP.
    checksum: usize,
}

fn layout(packet: &[u8]) -> Option<Layout> {
    let (protocol, addresses, transport) = match packet.first()? >> 4 {
        // Fragments are lost: they have no ports.
        4 if u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff == 0 => {
            (*packet.get(9)?, 12..20, usize::from(packet[0] & 15) * 4)
        }
        6 => (*packet.get(6)?, 8..40, 40),
        _ => return None,
    };
    let (protocol, checksum) = match protocol {
        UDP => (Protocol::Udp, transport + 6),
        TCP => (Protocol::Tcp, transport + 16),
        _ => return None,
    };
    (packet.len() >= checksum + 2).then_some(Layout { protocol, addresses, transport, checksum })
}

/// A packet for the simulated Internet; `None` when it is neither UDP nor TCP.
pub(super) fn parse(bytes: &[u8]) -> Option<Packet> {
    let layout = layout(bytes)?;
    let addresses = &bytes[layout.addresses];
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let ip = |octets: &[u8]| match <[u8; 4]>::try_from(octets) {
        Ok(v4) => Some(IpAddr::from(v4)),
        Err(_) => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    };
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    Some(Packet {
        protocol: layout.protocol,
        source: SocketAddr::new(ip(source)?, port(layout.transport)),
        destination: SocketAddr::new(ip(destination)?, port(layout.transport + 2)),
        content: bytes.to_vec(),
        wire_bytes: bytes.len(),
    })
}

/// The packet as it arrives, with the addresses that routers gave it.
pub(super) fn rewritten(packet: Packet) -> Option<Vec<u8>> {
    let mut bytes = packet.content;
    let layout = layout(&bytes)?;
    let old = [&bytes[layout.addresses.clone()], &bytes[layout.transport..layout.transport + 4]].concat();
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let addresses = [octets(packet.source), octets(packet.destination)].concat();
    let ports = [packet.source.port().to_be_bytes(), packet.destination.port().to_be_bytes()].concat();
    let new = [addresses.as_slice(), ports.as_slice()].concat();
    if bytes[0] >> 4 == 4 {
        fix(&mut bytes, 10, &old[..8], &new[..8]);
    }
    let without_checksum = bytes[layout.checksum..layout.checksum + 2] == [0, 0];
    if layout.protocol == Protocol::Tcp || !without_checksum {
        fix(&mut bytes, layout.checksum, &old, &new);
    }
    bytes[layout.addresses].copy_from_slice(&addresses);
    bytes[layout.transport..layout.transport + 4].copy_from_slice(&ports);
    Some(bytes)
}

/// Changes a checksum by what has changed below it (RFC 1624).
fn fix(bytes: &mut [u8], at: usize, old: &[u8], new: &[u8]) {
    let words = |bytes: &[u8]| {
        bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).collect::<Vec<_>>()
    };
    let mut sum = u32::from(!u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    for (old, new) in words(old).into_iter().zip(words(new)) {
        sum += (!old & 0xffff) + new;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    bytes[at..at + 2].copy_from_slice(&[high, low]);
}
