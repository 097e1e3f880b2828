//! Watches at which addresses this device can be reached.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_nat::core::candidate::local_candidates;
use hobnob_nat::interfaces::local_addresses;
use hobnob_nat::{Endpoint, Loopback};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::core::input::Input;
use crate::driver::Inputs;

/// How often the system is asked for its addresses. Asking takes some microseconds.
const EVERY: Duration = Duration::from_secs(3);

/// Tells the engine the own candidates, at first and whenever they change, and `network` when the
/// machine's addresses do. Ends with the driver.
pub(crate) async fn watch_candidates(
    endpoint: Endpoint,
    inputs: Inputs,
    mut loopback: watch::Receiver<Loopback>,
    network: watch::Sender<()>,
) {
    let Ok(bound) = endpoint.local_addr() else { return };
    let mut addresses = None;
    let mut candidates: Option<Vec<SocketAddr>> = None;
    loop {
        match local_addresses() {
            Ok(now) if addresses.as_ref() != Some(&now) => {
                if addresses.replace(now).is_some() {
                    network.send_replace(());
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the system does not list its addresses"),
        }
        let loopback_now = *loopback.borrow_and_update();
        let now = local_candidates(addresses.as_deref().unwrap_or_default(), bound, loopback_now);
        if candidates.as_ref() != Some(&now) {
            candidates = Some(now.clone());
            if inputs.send(Input::Candidates(now)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            // Without a keeper of the session nothing changes any more, and the timer goes on.
            Ok(()) = loopback.changed() => {}
            () = inputs.closed() => return,
        }
    }
}
