//! `tail`.

use super::chats;
use super::device;
use super::file::transfer_line;
use super::letter::name;
use super::letters;
use super::output::Output;
use super::path;
use super::said;
use super::shown;
use super::stop::Stop;
use crate::api::client::{ApiClient, Happening, Notice};
use crate::core::chat::view::LetterChange;
use crate::core::event::Event;
use crate::core::view::SessionState;
use crate::events::Cursor;

pub(super) async fn run(api: &ApiClient, after: Option<Cursor>, output: Output) -> Result<(), Stop> {
    let mut events = match after {
        Some(cursor) => api.events_after(cursor).await?,
        None => api.events().await?,
    };
    output.note("Waiting for events; stop with Ctrl-C.");
    loop {
        let notice = events.next().await?;
        if output.is_json() {
            output.line(&notice.json)?;
        } else {
            output.line(&human(&notice))?;
        }
    }
}

fn human(notice: &Notice) -> String {
    match &notice.what {
        Happening::Event(event) => words(event),
        Happening::Missed => {
            "missed    some events are no longer kept; what follows begins after them".to_owned()
        }
        Happening::Unknown => format!("unknown   {}", shown::line(&notice.json)),
    }
}

const fn changed(what: LetterChange) -> &'static str {
    match what {
        LetterChange::Edited => "edited",
        LetterChange::Deleted => "deleted",
        LetterChange::Reaction => "reaction",
        LetterChange::Vote => "vote",
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Session { session: SessionState::Up, .. } => "session   up".to_owned(),
        Event::Session { session: SessionState::Down, problem } => {
            let why =
                problem.as_deref().map_or(String::new(), |problem| format!(": {}", shown::line(problem)));
            format!("session   down{why}")
        }
        Event::Contact(contact) => {
            let text = if contact.status_text.is_empty() { &contact.text } else { &contact.status_text };
            let mut parts = vec![contact.presence.clone(), format!("subscription {}", contact.subscription)];
            if contact.pending != "none" {
                parts.push(format!("request {}", contact.pending));
            }
            if !text.is_empty() {
                parts.push(shown::line(text));
            }
            format!("contact   {}: {}", contact.address, parts.join(", "))
        }
        Event::ContactRemoved { address, text } => {
            let text = if text.is_empty() { String::new() } else { format!(": {}", shown::line(text)) };
            format!("contact   {address} is gone{text}")
        }
        Event::Letter(letter) => {
            let head = format!("letter    {} {} → {}: ", letters::time(&letter.at), letter.from, letter.to);
            format!("{head}{}", said::content(letter, 10))
        }
        Event::LetterChanged { what, letter } => {
            let head = format!(
                "{:10}{} {} → {}: ",
                changed(*what),
                letters::time(&letter.at),
                letter.from,
                letter.to
            );
            format!("{head}{}", said::content(letter, 10))
        }
        Event::LetterGone { id, chat, .. } => {
            format!("letter    {id} in the chat with {chat} has disappeared")
        }
        Event::Chat(chat) => format!("chat      {}", chats::line(chat)),
        Event::LetterState { id, to, state, .. } => format!("letter    {id} to {to} is {}", name(*state)),
        Event::Typing { address, active: true } => format!("typing    {address} is writing"),
        Event::Typing { address, active: false } => format!("typing    {address} is not writing"),
        Event::Transfer(transfer) => format!("file      {}", transfer_line(transfer)),
        Event::LinkUp(link) => format!("link      {} is linked ({})", link.address, link.path),
        Event::Path(path) => format!("link      {} is reached {}", path.address, path::by(path)),
        Event::LinkDown { address, reason, .. } => {
            format!("link      {address} is no longer linked: {}", shown::line(reason))
        }
        Event::OtherLocation(notice) => format!("device    {}", device::notice(notice)),
        Event::Warning { address, text } => format!("WARNING   {address}: {}", shown::line(text)),
    }
}
