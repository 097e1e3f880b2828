//! The addresses of this machine, as the system reports them.

use std::io;
use std::net::SocketAddr;

use if_addrs::IfOperStatus;

use crate::core::candidate::{self, LocalAddress, Loopback};

/// The candidates to offer for a socket bound to `bound`; the rules are those of [`candidate::local_candidates`].
/// Quick, but it asks the system: call it when the network may have changed, not for every offer.
///
/// # Errors
/// When the system does not list its interfaces.
pub fn local_candidates(bound: SocketAddr, loopback: Loopback) -> io::Result<Vec<SocketAddr>> {
    Ok(candidate::local_candidates(&local_addresses()?, bound, loopback))
}

/// The addresses of all interfaces that are not known to be down.
///
/// # Errors
/// When the system does not list its interfaces.
pub fn local_addresses() -> io::Result<Vec<LocalAddress>> {
    let interfaces = if_addrs::get_if_addrs()?.into_iter();
    Ok(interfaces
        .filter(|interface| {
            // Tunnels and loopback report "unknown" while they work.
            !matches!(
                interface.oper_status,
                IfOperStatus::Down | IfOperStatus::NotPresent | IfOperStatus::LowerLayerDown
            )
        })
        .map(|interface| LocalAddress { ip: interface.ip(), interface: interface.name })
        .collect())
}
