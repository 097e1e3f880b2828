//! What may be dialed. Addresses come from strangers, by mDNS and by the hash table, who must not make us knock at
//! services that have nothing to do with us, nor at many.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport};

use crate::core::candidate::Loopback;

/// Dials at once.
const BURST: u32 = 128;

/// Time after which one more dial is allowed.
const EVERY: Duration = Duration::from_millis(100);

/// The socket address that a TCP address names, without whatever follows.
pub(super) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        Some(_) | None => return None,
    };
    let Some(Protocol::Tcp(port)) = parts.next() else {
        return None;
    };
    Some(SocketAddr::new(ip, port))
}

/// The TCP address of a socket address.
pub(super) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip().to_canonical()).with(Protocol::Tcp(address.port()))
}

fn usable(address: &Multiaddr, loopback: Loopback) -> bool {
    let Some(address) = socket_address(address) else {
        return false;
    };
    let ip = address.ip().to_canonical();
    let nowhere = match ip {
        IpAddr::V4(ip) => ip.is_broadcast() || ip.is_unspecified() || ip.is_multicast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    address.port() >= 1_024 && !nowhere && (loopback == Loopback::Allowed || !ip.is_loopback())
}

/// A transport that dials usable addresses only, and not too many.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    inner: T,
    loopback: Loopback,
    /// When all of [`BURST`] is there again.
    full_at: Instant,
}

impl<T> Guarded<T> {
    pub(super) fn new(inner: T, loopback: Loopback) -> Self {
        Self { inner, loopback, full_at: Instant::now() }
    }

    /// Takes one dial off the budget.
    fn spend(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + EVERY;
        let within = full_at <= now + EVERY * BURST;
        if within {
            self.full_at = full_at;
        }
        within
    }
}

impl<T: Transport + Unpin> Transport for Guarded<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<T::Dial, TransportError<T::Error>> {
        if usable(&address, self.loopback) && self.spend(Instant::now()) {
            self.inner.dial(address, options)
        } else {
            Err(TransportError::MultiaddrNotSupported(address))
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        Pin::new(&mut self.get_mut().inner).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_others_are_not_knocked_at() {
        let usable = |text: &str, loopback| usable(&text.parse().unwrap(), loopback);
        for good in ["/ip4/192.0.2.1/tcp/1024", "/ip6/2001:db8::1/tcp/7701", "/ip4/10.0.0.7/tcp/40000"] {
            assert!(usable(good, Loopback::Forbidden), "{good}");
        }
        for bad in [
            "/ip4/192.0.2.1/tcp/443",
            "/ip4/127.0.0.1/tcp/7700",
            "/ip6/::ffff:127.0.0.1/tcp/7700",
            "/ip4/224.0.0.251/tcp/5353",
            "/ip4/255.255.255.255/tcp/5353",
            "/ip4/0.0.0.0/tcp/7700",
            "/ip4/192.0.2.1/udp/7700/quic-v1",
            "/dns4/example.org/tcp/7700",
        ] {
            assert!(!usable(bad, Loopback::Forbidden), "{bad}");
        }
        assert!(usable("/ip4/127.0.0.1/tcp/7700", Loopback::Allowed));
    }

    #[test]
    fn dials_beyond_a_burst_wait_their_turn() {
        let mut guarded = Guarded::new((), Loopback::Forbidden);
        let now = guarded.full_at;
        assert_eq!((0..1_000).filter(|_| guarded.spend(now)).count(), 128);
        assert_eq!((0..1_000).filter(|_| guarded.spend(now + EVERY * 3)).count(), 3);
    }
}
