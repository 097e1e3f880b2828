//! The tunnel: where UDP is blocked, the datagrams to and from a rendezvous travel over TCP ([`hobnob_wire::tunnel`]).
//!
//! To QUIC a tunnel is one more address, below which the endpoint's socket has a [`Road`](crate::Road): what is sent
//! there leaves by it, and what enters it was sent from there. So sessions, the relay and its bindings need not know of it.
//!
//! TCP keeps what it cannot send. A tunnel that let it would answer with seconds of delay to a burst, so it hands the system only a
//! few packets at a time and drops what a short queue does not hold, as a router does.
//!
//! | module | does |
//! | --- | --- |
//! | [`client`] | opens a tunnel, through a proxy if need be |
//! | [`server`] | takes tunnels on a rendezvous, within limits |
//! | `guests` | who is at the other end of each, and whether a session runs in it |
//! | `carry` | moves datagrams between a road and a stream |
//! | `proxy` | asks a proxy for a connection |
//!
//! Whether to use a tunnel is decided by [`core::road`](crate::core::road).

mod carry;
pub mod client;
pub(crate) mod guests;
mod proxy;
pub mod server;

use std::io;

use socket2::SockRef;
use tokio::net::TcpStream;

pub use self::client::{Destination, Tunnel, TunnelError};
pub use self::proxy::ProxyError;
pub use self::server::{TunnelLimits, TunnelServer, bind};

/// Bytes that the system may hold unsent below a tunnel, where it lets us say so.
const UNSENT_BYTES_MAX: u32 = 32 << 10;

/// Makes TCP send at once and keep little.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    socket.set_send_buffer_size(UNSENT_BYTES_MAX as usize * 4)?;
    Ok(())
}
