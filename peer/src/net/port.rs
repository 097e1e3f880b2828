//! The port that the router forwards to us.

use std::num::NonZeroU16;
use std::sync::{Mutex, PoisonError};

use hobnob_nat::portmap::{PortMapper, PortMapping};
use hobnob_nat::{Endpoint, Reach};
use tokio::sync::watch;

/// Keeps the port mapped as long as the app runs.
#[derive(Debug)]
pub(crate) struct Port {
    mapper: Mutex<Option<PortMapper>>,
    state: watch::Receiver<PortMapping>,
}

impl Port {
    /// Asks the router for the port of `endpoint`, if that is `wanted`, and tells `reach` what came of it. Must be called
    /// within a tokio runtime.
    pub(crate) fn new(wanted: bool, endpoint: &Endpoint, reach: &Reach) -> Self {
        let port = endpoint.local_addr().ok().and_then(|at| NonZeroU16::new(at.port()));
        let mapper = port.filter(|_| wanted).map(|port| PortMapper::start(port, reach.changed()));
        let state = match &mapper {
            Some(mapper) => mapper.state(),
            None => watch::channel(PortMapping::Off).1,
        };
        tokio::spawn(tell(state.clone(), reach.clone()));
        Self { mapper: Mutex::new(mapper), state }
    }

    /// How the port stands.
    pub(crate) fn state(&self) -> PortMapping {
        self.state.borrow().clone()
    }

    /// Gives the port back.
    pub(crate) async fn stop(&self) {
        let mapper = self.mapper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mapper) = mapper {
            mapper.stop().await;
        }
    }
}

/// Passes on at which address the router forwards to us, as long as somebody asks it.
async fn tell(mut state: watch::Receiver<PortMapping>, reach: Reach) {
    while state.changed().await.is_ok() {
        let external = state.borrow_and_update().external();
        reach.mapped(external.into_iter().collect());
    }
}
