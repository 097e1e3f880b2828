//! Between the engine and whoever finds paths to peers: orders one way, what was found the other way.

use hobnob_nat::Reach;
use hobnob_nat::core::agent::Local;
use hobnob_nat::reach::{Event, Own};
use tokio::sync::broadcast::error::RecvError;

use crate::core::effect::ReachOrder;
use crate::core::input::Input;
use crate::driver::{Inputs, Stopped};

/// Passes on what the engine wants.
pub(crate) fn order(reach: &Reach, order: ReachOrder) {
    match order {
        ReachOrder::Exchange { device, exchange } => reach.exchange(device, exchange),
        ReachOrder::Remote { device, remote } => reach.remote(device, remote),
        ReachOrder::Channel { device, channel } => reach.channel(device, channel),
        ReachOrder::Helper { device, helper } => reach.helper(device, helper),
        ReachOrder::Forget { device } => reach.forget(device),
    }
}

/// Tells the engine where we can be reached and how peers are, at first and whenever that changes. Ends with the driver.
pub(crate) async fn watch_paths(reach: Reach, inputs: Inputs) {
    let (mut own, mut events) = (reach.own(), reach.events());
    let first = own.borrow_and_update().clone();
    let mut told = tell_own(&inputs, first).await;
    while told.is_ok() {
        told = tokio::select! {
            Ok(()) = own.changed() => {
                let now = own.borrow_and_update().clone();
                tell_own(&inputs, now).await
            }
            event = events.recv() => match event {
                Ok(Event::Report(device, report)) => inputs.send(Input::Path { device, report }).await,
                // The engine hears of our side's changes above, and knows itself who must be told. Of reports that were
                // missed later ones make up.
                Ok(Event::Signal(_)) | Err(RecvError::Lagged(_)) => Ok(()),
                Err(RecvError::Closed) => Err(Stopped),
            },
            () = inputs.closed() => Err(Stopped),
        };
    }
}

async fn tell_own(inputs: &Inputs, Own { local, .. }: Own) -> Result<(), Stopped> {
    let Local { candidates, mapping, .. } = local;
    inputs.send(Input::Own { candidates, mapping }).await
}
