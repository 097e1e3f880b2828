//! Where a rendezvous listens for tunnels: sessions over TCP, from networks that block UDP.

use std::io;
use std::net::{SocketAddr, TcpListener};

use hobnob_nat::tunnel::bind;

use crate::config::TunnelConfig;

/// The port that hardly any network blocks.
const HTTPS: u16 = 443;

/// Binds what the settings name, or else what fits `udp`, as far as it can be had.
///
/// # Errors
/// Which address of the settings cannot be had, and why.
pub(crate) fn listeners(
    config: &TunnelConfig,
    udp: SocketAddr,
) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    if !config.enabled {
        return Ok(Vec::new());
    }
    if config.listen.is_empty() {
        return Ok(ports(udp)
            .into_iter()
            .filter_map(|port| try_bind(SocketAddr::new(udp.ip(), port)))
            .collect());
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
        let listeners = listeners(config, udp).unwrap();
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
        assert_eq!(listeners(&config(&[address]), address).unwrap_err().0, address);
        let free = "127.0.0.1:0".parse().unwrap();
        assert_eq!(bound(&config(&[free]), address).len(), 1);
        assert_eq!(bound(&TunnelConfig { enabled: false, ..config(&[free]) }, address), []);
    }
}
