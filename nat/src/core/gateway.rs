//! Which router to ask for a port, and whether what it gives is of use.

use std::net::{IpAddr, Ipv4Addr};

/// The gateway of the default route with the lowest metric, from the text of Linux' `/proc/net/route`: columns interface,
/// destination, gateway, flags, references, use, metric, mask; addresses as hexadecimal numbers in the machine's byte order.
#[must_use]
pub fn default_gateway(routes: &str) -> Option<Ipv4Addr> {
    /// The route is usable and leads to a gateway (`RTF_UP | RTF_GATEWAY`).
    const FLAGS: u32 = 3;
    let candidates = routes.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let &[_, destination, gateway, flags, _, _, metric, mask, ..] = columns.as_slice() else {
            return None;
        };
        let hex = |column| u32::from_str_radix(column, 16).ok();
        let is_default = hex(destination)? == 0 && hex(mask)? == 0 && hex(flags)? & FLAGS == FLAGS;
        let gateway = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
        Some((metric.parse::<u32>().ok()?, gateway)).filter(|_| is_default)
    });
    candidates.min().map(|(_, gateway)| gateway)
}

/// Whether the Internet can reach an address. What a gateway has outside is another network's inside where this says no: another
/// NAT, that of a provider for example (RFC 6598), and a port on it helps nobody.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    let IpAddr::V4(v4) = ip.to_canonical() else {
        let IpAddr::V6(v6) = ip else { return false };
        return v6.segments()[0] & 0xe000 == 0x2000;
    };
    let [a, b, ..] = v4.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_unusual = v4.is_unspecified() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast();
    !(is_shared || is_unusual || v4.is_private() || v4.is_broadcast() || a == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    fn hex(ip: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(ip))
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_leads_to_the_gateway() {
        let (far, near, net) = (hex([10, 0, 0, 1]), hex([192, 0, 2, 1]), hex([192, 0, 2, 0]));
        let routes = format!(
            "{HEAD}wlan0\t00000000\t{far}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t{near}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t{net}\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0\n"
        );
        assert_eq!(default_gateway(&routes), Some(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn a_machine_without_a_default_route_has_no_gateway() {
        let net = hex([192, 0, 2, 0]);
        let tunnel = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0";
        let routes =
            format!("{HEAD}eth0\t{net}\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0\n{tunnel}\n\nx y\n");
        assert_eq!(default_gateway(&routes), None);
        assert_eq!(default_gateway(""), None);
    }

    #[test]
    fn an_address_inside_another_network_is_not_public() {
        for ip in
            ["10.1.2.3", "100.64.0.1", "100.127.255.255", "192.168.1.1", "169.254.1.1", "0.0.0.0", "fd00::1"]
        {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["100.63.0.1", "100.128.0.1", "9.9.9.9", "::ffff:9.9.9.9", "2001:db8::1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
