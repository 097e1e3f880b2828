//! What is done with letters, and what is not words.

use super::args::letters::{Card, Edit, Letters, Location, Poll, Scheduled, due};
use super::letters::{human, time};
use super::output::{Output, table};
use super::stop::Stop;
use super::{chats, letter, shown};
use crate::api::bodies::{CardSend, LetterEdit, LocationSend, NudgeSend, PollSend, ScheduledChange, Typing};
use crate::api::client::ApiClient;
use crate::core::chat::view::{LetterView, ScheduledView};

pub(super) async fn run(api: &ApiClient, command: Letters, output: Output) -> Result<(), Stop> {
    match command {
        Letters::Send(send) => return letter::send(api, *send, output).await,
        Letters::Edit(edit) => self::edit(api, edit).await?,
        Letters::Delete { id } => api.delete_letter(id).await?,
        Letters::React { id, reaction, .. } => api.react(id, reaction.unwrap_or_default()).await?,
        Letters::Nudge { address } => {
            letter::show(&api.write("/v1/nudges", &NudgeSend { to: address }).await?, output)?;
        }
        Letters::Card(card) => self::card(api, card, output).await?,
        Letters::Location(location) => self::location(api, location, output).await?,
        Letters::Poll(poll) => self::poll(api, poll, output).await?,
        Letters::Vote { id, options, .. } => {
            // People count from 1.
            api.vote(id, options.iter().map(|option| option - 1).collect()).await?;
        }
        Letters::Typing { address, stop } => api.typing(&Typing { to: address, active: !stop }).await?,
        Letters::Show { id, html, plain } if html || plain => {
            let rendered = api.rendered(id).await?;
            let text = if html { &rendered.html } else { &rendered.plain };
            output.show(&rendered, || shown::lines(text, 0))?;
        }
        Letters::Show { id, .. } => list(&[api.letter(id).await?], output)?,
        Letters::Thread { id } => list(&api.thread(id).await?, output)?,
        Letters::Draft(draft) => chats::draft(api, draft, output).await?,
        Letters::Scheduled(scheduled) => self::scheduled(api, scheduled, output).await?,
        Letters::Chats => chats::list(api, output).await?,
        Letters::Chat(set) => chats::set(api, set, output).await?,
    }
    Ok(())
}

fn list(letters: &[LetterView], output: Output) -> Result<(), Stop> {
    let width = letters.iter().map(|letter| letter.from.name().as_str().chars().count()).max().unwrap_or(0);
    letters.iter().try_for_each(|letter| output.show(letter, || human(letter, width)))
}

async fn edit(api: &ApiClient, edit: Edit) -> Result<(), Stop> {
    let Edit { id, text, subject, lang, also } = edit;
    let alternatives = also.into_iter().map(|(lang, text)| (lang.to_string(), text)).collect();
    let edit = LetterEdit { text, subject, lang: lang.map(|lang| lang.to_string()), alternatives };
    Ok(api.edit_letter(id, &edit).await?)
}

async fn card(api: &ApiClient, card: Card, output: Output) -> Result<(), Stop> {
    let Card { address: to, contact: address, name, note } = card;
    letter::show(&api.write("/v1/cards", &CardSend { to, address, name, note }).await?, output)
}

async fn location(api: &ApiClient, location: Location, output: Output) -> Result<(), Stop> {
    let Location { address: to, latitude, longitude, accuracy: accuracy_m, place } = location;
    let location = LocationSend { to, latitude, longitude, accuracy_m, place };
    letter::show(&api.write("/v1/locations", &location).await?, output)
}

async fn poll(api: &ApiClient, poll: Poll, output: Output) -> Result<(), Stop> {
    let Poll { address: to, question, options, multiple } = poll;
    letter::show(&api.write("/v1/polls", &PollSend { to, question, options, multiple }).await?, output)
}

async fn scheduled(api: &ApiClient, scheduled: Scheduled, output: Output) -> Result<(), Stop> {
    match scheduled {
        Scheduled::List => {
            let letters = api.scheduled().await?;
            if output.is_json() {
                return letters.iter().try_for_each(|letter| output.show(letter, String::new));
            }
            if letters.is_empty() {
                output.note("Nothing waits to be sent.");
                return Ok(());
            }
            let mut rows = vec![["ID", "DUE", "TO", "TEXT"].map(str::to_owned).to_vec()];
            rows.extend(letters.iter().map(row));
            output.line(&table(&rows))
        }
        Scheduled::Change { id, text, at, after } => {
            let change = ScheduledChange { due_unix_ms: due(at, after), text };
            let letter = api.reschedule(id, &change).await?;
            output.show(&letter, || format!("{}  {}", letter.id, time(&letter.due)))
        }
        Scheduled::Cancel { id } => Ok(api.unschedule(id).await?),
    }
}

fn row(letter: &ScheduledView) -> Vec<String> {
    let text = shown::line(letter.text.lines().next().unwrap_or_default());
    vec![letter.id.to_string(), time(&letter.due), letter.to.to_string(), text]
}
