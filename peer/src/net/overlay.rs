//! The overlay as the driver uses it: started when it is first wanted, ended when it is left.

use hobnob_wire::DeviceId;
use tokio::runtime::Handle;

use crate::core::effect::OverlayOrder;
use crate::core::settings::OverlaySettings;
use crate::driver::Inputs;

/// Performs what the engine wants of the overlay. In builds without the feature `overlay` it does nothing.
#[derive(Debug)]
pub(crate) struct OverlayShell {
    #[cfg(feature = "overlay")]
    inner: inner::Inner,
}

#[cfg(feature = "overlay")]
impl OverlayShell {
    /// Takes part at once if the user volunteers, else only when told to.
    pub(crate) fn new(
        (device, settings): (DeviceId, OverlaySettings),
        (runtime, inputs): (Handle, Inputs),
    ) -> Self {
        Self { inner: inner::Inner::new((device, settings), (runtime, inputs)) }
    }

    pub(crate) fn perform(&mut self, order: OverlayOrder) {
        self.inner.perform(order);
    }
}

#[cfg(not(feature = "overlay"))]
impl OverlayShell {
    /// Takes no part.
    pub(crate) fn new(_: (DeviceId, OverlaySettings), _: (Handle, Inputs)) -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "with the feature it has something to do")]
    pub(crate) fn perform(&self, order: OverlayOrder) {
        drop(order);
    }
}

#[cfg(feature = "overlay")]
mod inner {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use hobnob_nat::Loopback;
    use hobnob_nat::overlay::{Config, Event, Events, Overlay, Role};

    use super::{DeviceId, Handle, Inputs, OverlayOrder, OverlaySettings};
    use crate::core::input::{Input, OverlayReport};

    #[derive(Debug)]
    pub(super) struct Inner {
        device: DeviceId,
        settings: OverlaySettings,
        runtime: Handle,
        inputs: Inputs,
        running: Option<Overlay>,
    }

    impl Inner {
        pub(super) fn new(
            (device, settings): (DeviceId, OverlaySettings),
            (runtime, inputs): (Handle, Inputs),
        ) -> Self {
            let mut inner = Self { device, settings, runtime, inputs, running: None };
            if inner.settings.volunteer {
                inner.start();
            }
            inner
        }

        pub(super) fn perform(&mut self, order: OverlayOrder) {
            match order {
                OverlayOrder::Meet(contacts) => {
                    if self.running.is_none() && self.settings.used && !contacts.is_empty() {
                        self.start();
                    }
                    if let Some(overlay) = &self.running {
                        overlay.set_contacts(contacts);
                    }
                }
                OverlayOrder::Signal { device, sealed } => {
                    if let Some(overlay) = &self.running {
                        overlay.signal(device, sealed);
                    }
                }
                OverlayOrder::Leave if self.settings.volunteer => {
                    if let Some(overlay) = &self.running {
                        overlay.set_contacts(Vec::new());
                    }
                }
                OverlayOrder::Leave => self.running = None,
            }
        }

        fn start(&mut self) {
            let _runtime = self.runtime.enter();
            let any = [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), (Ipv6Addr::UNSPECIFIED, 0).into()];
            let config = Config {
                device: self.device,
                role: if self.settings.volunteer { Role::Volunteer } else { Role::Member },
                listen: any.to_vec(),
                discover: true,
                bootstrap: self.settings.bootstrap.clone(),
                loopback: Loopback::Forbidden,
            };
            match Overlay::start(config) {
                Ok((overlay, events)) => {
                    tracing::info!("looking for contacts without the rendezvous");
                    self.runtime.spawn(pass_on(events, self.inputs.clone()));
                    self.running = Some(overlay);
                }
                Err(error) => tracing::warn!(%error, "contacts cannot be found without the rendezvous"),
            }
        }
    }

    /// Passes on what the overlay tells, until it ends.
    async fn pass_on(mut events: Events, inputs: Inputs) {
        while let Some(event) = events.next().await {
            let report = match event {
                Event::Seen(device) => OverlayReport::Seen(device),
                Event::Lost(device) => OverlayReport::Lost(device),
                Event::Signal { device, sealed } => OverlayReport::Signal { device, sealed },
            };
            if inputs.send(Input::Overlay(report)).await.is_err() {
                return;
            }
        }
    }
}
