//! Networks behind networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::internet::HostId;
use super::link::Link;
use super::nat::Nat;

/// A network within which addresses mean the same: the Internet, or one behind a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealmId(pub(super) usize);

impl RealmId {
    /// The Internet.
    pub const PUBLIC: Self = Self(0);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RouterId(pub(super) usize);

/// Who has an address of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Host(HostId),
    Router(RouterId),
}

#[derive(Debug, Default)]
pub(super) struct Realm {
    pub(super) holders: BTreeMap<IpAddr, Holder>,
    pub(super) gateway_v4: Option<RouterId>,
    pub(super) gateway_v6: Option<RouterId>,
    /// Whether hosts are kept from each other.
    pub(super) isolated: bool,
}

impl Realm {
    /// The way out for a packet to this address.
    pub(super) const fn gateway(&self, to: IpAddr) -> Option<RouterId> {
        match to {
            IpAddr::V4(_) => self.gateway_v4,
            IpAddr::V6(_) => self.gateway_v6,
        }
    }

    pub(super) const fn set_gateway(&mut self, family: IpAddr, router: RouterId) {
        match family {
            IpAddr::V4(_) => self.gateway_v4 = Some(router),
            IpAddr::V6(_) => self.gateway_v6 = Some(router),
        }
    }
}

/// A NAT or firewall between two realms, with its line to the outer one.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) nat: Nat,
    pub(super) outer: RealmId,
    pub(super) inner: RealmId,
    pub(super) up: Link,
    pub(super) down: Link,
}
