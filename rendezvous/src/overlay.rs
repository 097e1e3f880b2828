//! The rendezvous' own node in the overlay, through which devices that cannot reach each other's network find each other
//! while it is down for its users. Off unless it is given an address, and only in builds with the feature `overlay`.

use std::net::SocketAddr;

use crate::config::OverlayConfig;
use crate::server::ServeError;

/// The node, until it is dropped; nothing when there is none.
#[derive(Debug)]
pub(crate) struct Node {
    #[cfg(feature = "overlay")]
    _overlay: Option<hobnob_nat::overlay::Overlay>,
}

/// Starts the node that the settings ask for.
///
/// # Errors
/// [`ServeError::Overlay`] when it cannot listen; [`ServeError::NoOverlay`] when this build has none.
pub(crate) fn start(config: &OverlayConfig) -> Result<Node, ServeError> {
    match config.listen {
        Some(listen) => begin(listen, config),
        None => Ok(Node {
            #[cfg(feature = "overlay")]
            _overlay: None,
        }),
    }
}

#[cfg(feature = "overlay")]
fn begin(listen: SocketAddr, config: &OverlayConfig) -> Result<Node, ServeError> {
    use hobnob_nat::Loopback;
    use hobnob_nat::overlay::{Config, Overlay, Role};
    use hobnob_wire::DeviceId;

    let (overlay, _) = Overlay::start(Config {
        // It meets nobody.
        device: DeviceId::new([0; DeviceId::LEN]),
        role: Role::Bootstrap { external: config.external.clone() },
        listen: vec![listen],
        discover: false,
        bootstrap: config.bootstrap.clone(),
        loopback: if listen.ip().is_loopback() { Loopback::Allowed } else { Loopback::Forbidden },
    })
    .map_err(|source| ServeError::Overlay { listen, source })?;
    Ok(Node { _overlay: Some(overlay) })
}

#[cfg(not(feature = "overlay"))]
fn begin(_: SocketAddr, _: &OverlayConfig) -> Result<Node, ServeError> {
    Err(ServeError::NoOverlay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> OverlayConfig {
        OverlayConfig { listen: listen.parse().ok(), external: Vec::new(), bootstrap: Vec::new() }
    }

    #[tokio::test]
    async fn there_is_a_node_only_where_it_is_asked_for_and_built_in() {
        assert!(start(&config("")).is_ok());
        let started = start(&config("127.0.0.1:0"));
        assert_eq!(started.is_ok(), cfg!(feature = "overlay"), "{started:?}");
    }
}
