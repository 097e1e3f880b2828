//! Which host stands in the invite.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hobnob_wire::Domain;

/// Endings of names that mean something on one network or machine only (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
const PRIVATE_ENDINGS: [&str; 8] =
    ["localhost", "local", "home.arpa", "internal", "test", "example", "invalid", "lan"];

/// The host by which others reach a socket bound to `bound`: its address; if that is "all", the domain if it is a public
/// name, else the first of `addresses`, best first.
pub(crate) fn host(bound: SocketAddr, domain: &Domain, addresses: &[SocketAddr]) -> String {
    if !bound.ip().is_unspecified() {
        return bound.ip().to_canonical().to_string();
    }
    if is_public(domain) {
        return domain.to_string();
    }
    let first = addresses.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), SocketAddr::ip);
    first.to_canonical().to_string()
}

fn is_public(domain: &Domain) -> bool {
    let name = domain.as_str();
    let ends_with =
        |ending: &str| name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let is_private = PRIVATE_ENDINGS.into_iter().any(ends_with);
    name.contains('.') && name.parse::<IpAddr>().is_err() && !is_private
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invite_names_what_others_reach() {
        let addresses = ["192.168.1.5:7700".parse().unwrap()];
        let case =
            |bound: &str, domain: &str| host(bound.parse().unwrap(), &domain.parse().unwrap(), &addresses);
        assert_eq!(case("127.0.0.1:7700", "chat.example.org"), "127.0.0.1");
        assert_eq!(case("[::]:7700", "chat.example.org"), "chat.example.org");
        assert_eq!(case("[::]:7700", "localhost"), "192.168.1.5");
        assert_eq!(case("0.0.0.0:7700", "nas.local"), "192.168.1.5");
        assert_eq!(case("0.0.0.0:7700", "10.1.2.3"), "192.168.1.5");
        assert_eq!(host("0.0.0.0:1".parse().unwrap(), &"localhost".parse().unwrap(), &[]), "127.0.0.1");
    }
}
