//! The one UDP socket of an endpoint.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// What we ask for as receive and send buffer. At the system's default, bursts of one fast transfer are lost in the socket;
/// at 4 MiB they are not. Systems grant what they like.
const BUFFER_BYTES: usize = 4 << 20;

/// Binds a UDP socket. An unspecified IPv6 address serves both families, or IPv4 alone where the system has no IPv6.
///
/// # Errors
/// Those of the system, such as an address that is in use.
pub(crate) fn bind(listen: SocketAddr) -> io::Result<UdpSocket> {
    match open(listen) {
        Err(error) if is_v6_missing(listen, &error) => {
            open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, listen.port())))
        }
        result => result,
    }
}

fn open(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() && listen.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    let buffers =
        socket.set_recv_buffer_size(BUFFER_BYTES).and_then(|()| socket.set_send_buffer_size(BUFFER_BYTES));
    if let Err(error) = buffers {
        tracing::debug!(%error, "the system refuses larger socket buffers");
    }
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

/// Whether binding to all addresses of both families failed because there is no IPv6 here.
pub(crate) fn is_v6_missing(listen: SocketAddr, error: &io::Error) -> bool {
    listen.is_ipv6() && listen.ip().is_unspecified() && is_family_missing(error)
}

/// Whether the error says that there is no IPv6 here, rather than that this address cannot be had.
fn is_family_missing(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` on Linux, on the BSDs and macOS, and on Windows.
    const FAMILY_NOT_SUPPORTED: [i32; 3] = [97, 47, 10047];
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error().is_some_and(|code| FAMILY_NOT_SUPPORTED.contains(&code))
}
