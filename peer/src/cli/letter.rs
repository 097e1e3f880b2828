//! `send`.

use hobnob_wire::LetterId;
use tokio::time::timeout;

use super::args::Send;
use super::output::Output;
use super::stop::Stop;
use crate::api::bodies::{LetterSend, LetterSent};
use crate::api::client::{ApiClient, EventStream, Happening};
use crate::core::command::ErrorKind;
use crate::core::event::Event;
use crate::core::view::LetterState;

pub(super) async fn send(api: &ApiClient, send: Send, output: Output) -> Result<(), Stop> {
    let Send { address, text, wait, timeout: limit } = send;
    let letter = LetterSend { to: address, text };
    let Some(wanted) = wait.map(LetterState::from) else {
        let sent = api.send(&letter).await?;
        return show(sent, output);
    };
    // Followed before it is sent, so that no state is missed.
    let mut events = api.events().await?;
    let sent = api.send(&letter).await?;
    let reached = reaches(api, &mut events, sent, wanted);
    let reached = match limit {
        None => reached.await,
        Some(limit) => timeout(limit, reached).await.unwrap_or_else(|_| {
            let text = format!(
                "letter {} is not {} after {} s; it goes on by itself",
                sent.id,
                name(wanted),
                limit.as_secs_f64()
            );
            Err(Stop::because(ErrorKind::TimedOut, text))
        }),
    }?;
    show(reached, output)
}

/// Waits until the letter has come as far as `wanted`.
async fn reaches(
    api: &ApiClient,
    events: &mut EventStream,
    sent: LetterSent,
    wanted: LetterState,
) -> Result<LetterSent, Stop> {
    let mut state = sent.state;
    loop {
        if state == LetterState::Failed {
            return Err(failed(api, sent.id).await?);
        }
        if state >= wanted {
            return Ok(LetterSent { id: sent.id, state });
        }
        // One device that fails does not decide about the others, so the letter as a whole is asked for.
        if concerns(&events.next().await?.what, sent.id) {
            state = api.letter(sent.id).await?.state;
        }
    }
}

/// Whether the letter may have come further.
fn concerns(what: &Happening, letter: LetterId) -> bool {
    match what {
        Happening::Missed => true,
        Happening::Unknown => false,
        Happening::Event(event) => {
            matches!(event.as_ref(), Event::LetterState { id, .. } if *id == letter)
                || matches!(event.as_ref(), Event::Letter(view) if view.id == letter)
        }
    }
}

async fn failed(api: &ApiClient, id: LetterId) -> Result<Stop, Stop> {
    let why = api.letter(id).await?.error.unwrap_or_else(|| "the reason is not known".into());
    Ok(Stop::failure(format!("letter {id} could not be sent: {why}")))
}

fn show(sent: LetterSent, output: Output) -> Result<(), Stop> {
    output.show(&sent, || format!("{}  {}", sent.id, name(sent.state)))
}

pub(super) const fn name(state: LetterState) -> &'static str {
    match state {
        LetterState::Failed => "failed",
        LetterState::Queued => "queued",
        LetterState::Accepted => "accepted",
        LetterState::Delivered => "delivered",
        LetterState::Read => "read",
    }
}
