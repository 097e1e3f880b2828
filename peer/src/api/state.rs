//! What every handler shares.

use std::sync::Arc;

use hobnob_wire::Address;
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::client::Client;

/// Event streams open at a time. Each costs a socket and a task.
const EVENT_STREAMS_MAX: usize = 64;

/// The daemon as handlers see it.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
    /// One permit for each event stream that may still be opened.
    pub(super) streams: Arc<Semaphore>,
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self { client, streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)) }
    }

    /// The engine's face.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Reads an address, completing it with the own domain.
    pub(super) fn address(&self, text: &str) -> Result<Address, ApiError> {
        let home = self.client.address().domain();
        Address::parse(text, &home).map_err(|error| ApiError::usage(format!("not an address: {error}")))
    }
}
