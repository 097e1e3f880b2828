//! Cookies: what proves that a peer receives at an address, without a relay keeping anything about it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::datagram::{AllocationId, Cookie};
use zeroize::Zeroizing;

/// How long one secret makes cookies. They are taken for as long again.
const EPOCH: Duration = Duration::from_secs(60);

/// Makes cookies with a secret that changes each minute.
pub(super) struct Cookies {
    secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies")
    }
}

impl Cookies {
    pub(super) fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self { secret }
    }

    pub(super) fn make(&self, whose: (AllocationId, SocketAddr), now: Duration) -> Cookie {
        self.of_epoch(whose, epoch(now))
    }

    /// Whether the cookie was made for them, a short time ago. Compares in constant time.
    pub(super) fn accepts(&self, cookie: Cookie, whose: (AllocationId, SocketAddr), now: Duration) -> bool {
        let equal = |epoch| {
            let Cookie(expected) = self.of_epoch(whose, epoch);
            let differs =
                expected.iter().zip(cookie.0).fold(0, |differs, (left, right)| differs | (left ^ right));
            differs == 0
        };
        let this = epoch(now);
        equal(this) | this.checked_sub(1).is_some_and(equal)
    }

    fn of_epoch(&self, (AllocationId(allocation), at): (AllocationId, SocketAddr), epoch: u64) -> Cookie {
        let ip = match at.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut mac = blake3::Hasher::new_keyed(&self.secret);
        mac.update(&epoch.to_be_bytes()).update(&allocation.to_be_bytes());
        mac.update(&ip.octets()).update(&at.port().to_be_bytes());
        let mut cookie = [0; 16];
        mac.finalize_xof().fill(&mut cookie);
        Cookie(cookie)
    }
}

fn epoch(now: Duration) -> u64 {
    now.as_secs() / EPOCH.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: AllocationId = AllocationId(1);

    #[test]
    fn a_cookie_is_good_for_one_allocation_at_one_address_for_a_minute_or_two() {
        let cookies = Cookies::new(Zeroizing::new([1; 32]));
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (here, start) = (at("192.0.2.1:7"), Duration::from_secs(90));
        let cookie = cookies.make((MINE, here), start);
        assert!(cookies.accepts(cookie, (MINE, here), start));
        assert!(cookies.accepts(cookie, (MINE, here), start + EPOCH));
        assert!(!cookies.accepts(cookie, (MINE, here), start + 2 * EPOCH));
        assert!(!cookies.accepts(cookie, (AllocationId(2), here), start));
        assert!(!cookies.accepts(cookie, (MINE, at("192.0.2.1:8")), start));
        assert!(!cookies.accepts(cookie, (MINE, at("192.0.2.2:7")), start));
        assert!(!cookies.accepts(Cookie::default(), (MINE, here), start));
        let others = Cookies::new(Zeroizing::new([2; 32]));
        assert!(!others.accepts(cookie, (MINE, here), start));
    }
}
