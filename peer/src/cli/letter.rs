//! `send`.

use std::time::Duration;

use hobnob_wire::LetterId;
use tokio::time::timeout;

use super::args::letters::{Send, due};
use super::output::Output;
use super::stop::Stop;
use crate::api::bodies::{LetterSend, LetterSent, Sent};
use crate::api::client::{ApiClient, EventStream, Happening};
use crate::core::command::ErrorKind;
use crate::core::event::Event;
use crate::core::view::LetterState;

pub(super) async fn send(api: &ApiClient, send: Send, output: Output) -> Result<(), Stop> {
    let wanted = send.wait.map(LetterState::from);
    let limit = send.timeout;
    for letter in letters(send) {
        one(api, &letter, (wanted, limit), output).await?;
    }
    Ok(())
}

/// The letters that a command sends: several only when it passes several on.
fn letters(send: Send) -> Vec<LetterSend> {
    let letter = LetterSend {
        to: send.address,
        text: send.text,
        subject: send.subject,
        lang: send.lang.map(|lang| lang.to_string()),
        alternatives: send.also.into_iter().map(|(lang, text)| (lang.to_string(), text)).collect(),
        thread: send.thread.map(|id| id.to_string()),
        reply_to: send.reply.map(|id| id.to_string()),
        expires_after_s: send.expires.map(|span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX)),
        forward: None,
        draft: send.draft,
        due_unix_ms: due(send.at, send.after),
    };
    if send.forward.is_empty() {
        return vec![letter];
    }
    let forward = |id: LetterId| LetterSend { forward: Some(id.to_string()), ..letter.clone() };
    send.forward.into_iter().map(forward).collect()
}

async fn one(
    api: &ApiClient,
    letter: &LetterSend,
    (wanted, limit): (Option<LetterState>, Option<Duration>),
    output: Output,
) -> Result<(), Stop> {
    // Followed before it is sent, so that no state is missed.
    let events = if wanted.is_some() { Some(api.events().await?) } else { None };
    let sent = api.write("/v1/letters", letter).await?;
    let (Sent::Now(sent), Some(wanted), Some(mut events)) = (&sent, wanted, events) else {
        return show(&sent, output);
    };
    let reached = reaches(api, &mut events, *sent, wanted);
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
    show(&Sent::Now(reached), output)
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

/// What was written, and how far it is, or when it will be sent.
pub(super) fn show(sent: &Sent, output: Output) -> Result<(), Stop> {
    output.show(sent, || match sent {
        Sent::Now(sent) => format!("{}  {}", sent.id, name(sent.state)),
        Sent::Later(later) => format!("{}  {}", later.id, super::letters::time(&later.due)),
    })
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
