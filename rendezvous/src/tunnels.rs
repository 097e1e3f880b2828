//! Where a rendezvous listens for tunnels: sessions over TCP, from networks that block UDP.

use std::io;
use std::net::{SocketAddr, TcpListener};

use hobnob_nat::tunnel::bind;

use crate::config::TunnelConfig;

/// The port that hardly any network blocks.
const HTTPS: u16 = 443;

/// Where the system is to choose the port: one of TCP, whose number UDP then takes too, because peers try the number of
/// the UDP port for their tunnels. `None` where the settings name the ports.
pub(crate) fn chosen(config: &TunnelConfig, listen: SocketAddr) -> Option<TcpListener> {
    let is_free = config.enabled && config.listen.is_empty() && listen.port() == 0;
    is_free.then(|| try_bind(listen)).flatten()
}

/// Binds what the settings name, or else what fits `udp`, as far as it can be had, `chosen` included.
///
/// # Errors
/// Which address of the settings cannot be had, and why.
pub(crate) fn listeners(
    config: &TunnelConfig,
    udp: SocketAddr,
    chosen: Option<TcpListener>,
) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    if !config.enabled {
        return Ok(Vec::new());
    }
    if config.listen.is_empty() {
        let has_own = chosen.is_some();
        let missing = ports(udp).into_iter().filter(|port| !has_own || *port != udp.port());
        let bound = missing.filter_map(|port| try_bind(SocketAddr::new(udp.ip(), port)));
        return Ok(bound.chain(chosen).collect());
    }
    config.listen.iter().map(|listen| bind(*listen).map_err(|error| (*listen, error))).collect()
}

/// The ports that peers try. On loopback nothing blocks UDP, and port 443 is somebody else's.
fn ports(udp: SocketAddr) -> Vec<u16> {
    if udp.port() == HTTPS || udp.ip().is_loopback() { vec![udp.port()] } else { vec![HTTPS, udp.port()] }
}

fn try_bind(listen: SocketAddr) -> Option<TcpListener> {
    match bind(listen) {
        Ok(listener) => Some(listener),
        Err(error) if listen.port() == HTTPS => {
            tracing::debug!(%error, "TCP port 443 cannot be had: networks that let only it pass cannot come");
            None
        }
        Err(error) => {
            tracing::warn!(%listen, %error, "the TCP port cannot be had: networks that block UDP cannot come by it");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn config(listen: &[SocketAddr]) -> TunnelConfig {
        TunnelConfig { listen: listen.to_vec(), ..Config::default().tunnel }
    }

    fn bound(config: &TunnelConfig, udp: SocketAddr) -> Vec<SocketAddr> {
        let listeners = listeners(config, udp, None).unwrap();
        listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
    }

    #[test]
    fn without_settings_it_is_the_udp_port_and_443_but_not_on_loopback() {
        assert_eq!(ports("192.0.2.1:7700".parse().unwrap()), [443, 7700]);
        assert_eq!(ports("192.0.2.1:443".parse().unwrap()), [443]);
        assert_eq!(ports("[::1]:7700".parse().unwrap()), [7700]);
    }

    #[test]
    fn what_cannot_be_had_is_an_error_only_if_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(bound(&config(&[]), address), []);
        assert_eq!(listeners(&config(&[address]), address, None).unwrap_err().0, address);
        let free = "127.0.0.1:0".parse().unwrap();
        assert_eq!(bound(&config(&[free]), address).len(), 1);
        assert_eq!(bound(&TunnelConfig { enabled: false, ..config(&[free]) }, address), []);
    }
    #[test]
    fn a_port_of_the_systems_choice_is_bound_once_and_only_if_nothing_else_is_asked_for() {
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let chosen = chosen(&config(&[]), anywhere).expect("a free port");
        let at = chosen.local_addr().unwrap();
        let listeners = listeners(&config(&[]), at, Some(chosen)).unwrap();
        let bound: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert_eq!(bound, [at]);
        for elsewhere in [config(&[anywhere]), TunnelConfig { enabled: false, ..config(&[]) }] {
            assert!(super::chosen(&elsewhere, anywhere).is_none());
        }
        assert!(super::chosen(&config(&[]), at).is_none());
    }
}
