//! `status` and `presence`.

use std::time::Duration;

use super::args::Presence;
use super::device;
use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use super::units::elapsed;
use crate::api::bodies::PresenceSet;
use crate::api::client::ApiClient;
use crate::core::view::{SessionState, StatusView};

pub(super) async fn show(api: &ApiClient, output: Output) -> Result<(), Stop> {
    let status = api.status().await?;
    output.show(&status, || human(&status))
}

fn human(status: &StatusView) -> String {
    let session = match (status.session, &status.problem) {
        (SessionState::Up, _) => "up".to_owned(),
        (SessionState::Down, None) => "down".to_owned(),
        (SessionState::Down, Some(problem)) => format!("down: {}", shown::line(problem)),
    };
    let mut rows = vec![
        vec!["address".to_owned(), status.address.to_string()],
        vec!["session".to_owned(), session],
        vec!["device".to_owned(), status.device.to_string()],
        vec!["rendezvous".to_owned(), shown::line(&status.rendezvous)],
    ];
    for link in &status.links {
        let handshake = Duration::from_micros(link.handshake_us);
        let text = format!("{}, {}, handshake {}", link.address, link.path, elapsed(handshake));
        rows.push(vec!["link".to_owned(), text]);
    }
    rows.extend(status.notices.iter().map(|notice| vec!["notice".to_owned(), device::notice(notice)]));
    table(&rows)
}

pub(super) async fn presence(api: &ApiClient, presence: Presence, output: Output) -> Result<(), Stop> {
    let Presence::Set { state, text } = presence;
    api.set_presence(&PresenceSet { state, text }).await?;
    output.note("Contacts see it as soon as there is a session.");
    Ok(())
}
