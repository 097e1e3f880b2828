//! Follows all transfers: one live line for each on a terminal, else a line for each change of state.

use std::collections::BTreeMap;

use hobnob_wire::TransferId;

use super::file::transfer_line;
use super::output::Output;
use super::progress::progress_line;
use super::stop::Stop;
use crate::api::client::{ApiClient, EventStream, Happening};
use crate::core::event::Event;
use crate::core::view::{TransferState, TransferView};

/// Transfers that are not over, and the block of live lines that shows them.
#[derive(Debug)]
struct Board {
    output: Output,
    open: BTreeMap<(String, TransferId), TransferView>,
}

/// Shows how all transfers go until it is interrupted.
pub(super) async fn watch(api: &ApiClient, output: Output) -> Result<(), Stop> {
    let mut events = api.events().await?;
    let mut board = Board { output, open: BTreeMap::new() };
    board.take_all(api.transfers().await?)?;
    loop {
        match events.next().await?.what {
            Happening::Event(event) => {
                if let Event::Transfer(transfer) = *event {
                    board.take(transfer)?;
                }
            }
            Happening::Missed => board.take_all(api.transfers().await?)?,
            Happening::Unknown => {}
        }
        board.draw();
    }
}

/// Shows how some transfers go until all are over; returns what they came to.
pub(super) async fn follow_all(
    (api, mut events): (&ApiClient, EventStream),
    mut transfers: Vec<TransferView>,
    output: Output,
) -> Result<Vec<TransferView>, Stop> {
    let mut board = Board { output, open: BTreeMap::new() };
    transfers.iter().try_for_each(|transfer| board.take(transfer.clone()))?;
    while transfers.iter().any(|transfer| !transfer.state.is_final()) {
        let changed = match events.next().await?.what {
            Happening::Event(event) => {
                if let Event::Transfer(transfer) = *event {
                    vec![transfer]
                } else {
                    Vec::new()
                }
            }
            Happening::Missed => api.transfers().await?,
            Happening::Unknown => Vec::new(),
        };
        for transfer in changed {
            if let Some(known) = transfers.iter_mut().find(|known| known.id == transfer.id)
                && *known != transfer
            {
                known.clone_from(&transfer);
                board.take(transfer)?;
            }
        }
        board.draw();
    }
    Ok(transfers)
}

impl Board {
    fn take_all(&mut self, transfers: Vec<TransferView>) -> Result<(), Stop> {
        for transfer in transfers.into_iter().filter(|transfer| !transfer.state.is_final()) {
            self.take(transfer)?;
        }
        self.draw();
        Ok(())
    }

    /// A transfer is new or has changed.
    fn take(&mut self, transfer: TransferView) -> Result<(), Stop> {
        if self.output.is_json() {
            return self.output.show(&transfer, String::new);
        }
        let key = (transfer.offered_at.clone(), transfer.id);
        let before: Option<TransferState> = self.open.get(&key).map(|transfer| transfer.state);
        let is_final = transfer.state.is_final();
        if is_final || (!self.output.is_live() && before != Some(transfer.state)) {
            // A plain line goes above the live ones.
            self.output.above(&[]);
            self.output.line(&transfer_line(&transfer))?;
        }
        if is_final {
            self.open.remove(&key);
        } else {
            self.open.insert(key, transfer);
        }
        Ok(())
    }

    fn draw(&self) {
        let lines: Vec<String> = self.open.values().map(progress_line).collect();
        self.output.above(&lines);
    }
}
