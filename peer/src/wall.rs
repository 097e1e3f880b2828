//! Tells the engine what the clock on the wall shows.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::sleep;

use crate::core::input::Input;
use crate::driver::Inputs;

/// How often to look whether the offset has changed: limits by the hour are at most so late when summer begins, or after a
/// flight.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Tells the driver the offset from UTC, at start and when it changes, while it runs.
pub(crate) async fn watch_wall(inputs: Inputs) {
    let mut told = 0;
    loop {
        let offset = TimeZone::system().to_offset(Timestamp::now()).seconds();
        if offset != told && inputs.send(Input::UtcOffset(offset)).await.is_err() {
            return;
        }
        told = offset;
        sleep(LOOK_EVERY).await;
    }
}
