//! The network as this crate sees it: sockets, and the addresses of this machine. Real on a [`System`], in memory in simulations.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Runtime};

use crate::core::candidate::LocalAddress;
use crate::{interfaces, socket};

/// Where sockets and addresses come from.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Binds a UDP socket. An unspecified IPv6 address serves both families where the network has both. Called within a tokio
    /// runtime, which drives the socket.
    ///
    /// # Errors
    /// Those of the network, such as an address that is in use.
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// The addresses of all interfaces that are not known to be down.
    ///
    /// # Errors
    /// When the interfaces cannot be listed.
    fn addresses(&self) -> io::Result<Vec<LocalAddress>>;

    /// The addresses from which this machine sends to the Internet: another one says that the route has changed.
    fn preferred(&self) -> Preferred;
}

/// The source addresses of the default routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferred {
    /// That of IPv4; `None` without a route.
    pub v4: Option<Ipv4Addr>,
    /// That of IPv6; `None` without a route.
    pub v6: Option<Ipv6Addr>,
}

/// The network of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Network for System {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        quinn::TokioRuntime.wrap_udp_socket(socket::bind(listen)?)
    }

    fn addresses(&self) -> io::Result<Vec<LocalAddress>> {
        interfaces::local_addresses()
    }

    fn preferred(&self) -> Preferred {
        /// Addresses of documentation (RFC 5737, RFC 3849): routed like any other, and nobody's.
        const SOMEWHERE: [IpAddr; 2] = [
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ];
        let [v4, v6] = SOMEWHERE.map(source_towards);
        Preferred {
            v4: v4.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
            v6: v6.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
        }
    }
}

/// The address that the system would send from. Connecting a UDP socket chooses a route and sends nothing.
fn source_towards(ip: IpAddr) -> Option<IpAddr> {
    let any = if ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((ip, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
