//! Follows one transfer to its end, and shows how far it is.

use std::time::Duration;

use tokio::time::timeout;

use super::file::state;
use super::output::Output;
use super::shown;
use super::stop::Stop;
use super::units::{percent, rate, size, span};
use crate::api::client::{ApiClient, EventStream, Happening};
use crate::core::command::ErrorKind;
use crate::core::event::Event;
use crate::core::view::{TransferState, TransferView};

/// Letters of the name that fit beside the figures on a line of 80.
const NAME_CHARS_MAX: usize = 11;

/// Tells `changed` of every change of `transfer` until nothing changes any more; returns what it came to.
/// Fails when nothing changes for as long as `patience`, if there is one.
pub(crate) async fn follow(
    (api, events): (&ApiClient, &mut EventStream),
    mut transfer: TransferView,
    patience: Option<Duration>,
    mut changed: impl FnMut(&TransferView) -> Result<(), Stop>,
) -> Result<TransferView, Stop> {
    changed(&transfer)?;
    while !transfer.state.is_final() {
        let next = next((api, events), &transfer);
        transfer = match patience {
            None => next.await?,
            Some(patience) => timeout(patience, next).await.unwrap_or_else(|_| {
                let text = format!("nothing has moved for {} s", patience.as_secs());
                Err(Stop::because(ErrorKind::TimedOut, text))
            })?,
        };
        changed(&transfer)?;
    }
    Ok(transfer)
}

/// What the transfer has become, once that is not what it is now.
async fn next(
    (api, events): (&ApiClient, &mut EventStream),
    now: &TransferView,
) -> Result<TransferView, Stop> {
    loop {
        match events.next().await?.what {
            Happening::Event(event) => {
                if let Event::Transfer(transfer) = *event
                    && transfer.id == now.id
                    && transfer != *now
                {
                    return Ok(transfer);
                }
            }
            Happening::Missed => return Ok(api.transfer(now.id).await?),
            Happening::Unknown => {}
        }
    }
}

/// Shows a transfer: a live line on a terminal, else one line for each state; with `--json` one object for
/// each change.
#[derive(Debug)]
pub(crate) struct Progress {
    output: Output,
    last: Option<TransferState>,
}

impl Progress {
    pub(crate) const fn new(output: Output) -> Self {
        Self { output, last: None }
    }

    pub(crate) fn show(&mut self, transfer: &TransferView) -> Result<(), Stop> {
        let is_new = self.last.replace(transfer.state) != Some(transfer.state);
        if self.output.is_json() {
            return self.output.show(transfer, String::new);
        }
        if self.output.is_live() {
            self.output.live(&progress_line(transfer));
        } else if is_new && !transfer.state.is_final() {
            self.output.note(&progress_line(transfer));
        }
        Ok(())
    }

    /// Ends the live line, and says what it came to.
    pub(crate) fn end(&self, transfer: &TransferView) -> Result<(), Stop> {
        if self.output.is_live() {
            self.output.live("");
        }
        if self.output.is_json() || transfer.state != TransferState::Done {
            return Ok(());
        }
        let digest = transfer.digest.as_deref().unwrap_or("-");
        self.output.line(&format!("{}  done  {}  {digest}", transfer.id, size(transfer.size)))
    }
}

/// `demo.bin  128.0 MiB of 256.0 MiB   50 %  512.3 MiB/s  0:01  direct`
pub(crate) fn progress_line(transfer: &TransferView) -> String {
    let mut name: String = transfer.name.chars().take(NAME_CHARS_MAX).collect();
    if name.len() < transfer.name.len() {
        name.push('…');
    }
    let name = shown::line(&name);
    if transfer.state != TransferState::Running {
        return format!("{name}  {}  {}", size(transfer.size), state(transfer.state));
    }
    let eta = transfer.eta.map_or_else(|| "-:--".to_owned(), span);
    format!(
        "{name}  {:>10} of {}  {:>3} %  {:>12}  {eta}  {}",
        size(transfer.done),
        size(transfer.size),
        percent(transfer.done, transfer.size),
        rate(transfer.rate),
        transfer.path,
    )
}
