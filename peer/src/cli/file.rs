//! `file`.

use std::path::{Path, PathBuf};

use super::args::{File, FileSend};
use super::output::{Output, table};
use super::progress::{Progress, follow};
use super::shown;
use super::stop::Stop;
use super::units::{percent, rate, size, span};
use super::watch::{follow_all, watch};
use crate::api::bodies::{TransferAccept, TransferSend};
use crate::api::client::ApiClient;
use crate::core::command::ErrorKind;
use crate::core::view::{Chosen, HeldBy, Priority, TransferDirection, TransferState, TransferView};

pub(super) async fn run(api: &ApiClient, file: File, output: Output) -> Result<(), Stop> {
    match file {
        File::Send(offer) => send(api, offer, output).await,
        File::List => list(&api.transfers().await?, output),
        File::Accept { id, to, update, only, except } => {
            let to = to.as_deref().map(absolute).transpose()?;
            api.accept_transfer(id, &TransferAccept { to, update, only, except }).await?;
            output.note("Accepted. Follow it with: hobnob file list");
            Ok(())
        }
        File::Reject { id, text } => Ok(api.reject_transfer(id, text).await?),
        File::Cancel { id, text } => Ok(api.cancel_transfer(id, text).await?),
        File::Show { id } => show(&api.transfer(id).await?, output),
        File::Pause { id } => Ok(api.pause_transfer(id).await?),
        File::Resume { id } => Ok(api.resume_transfer(id).await?),
        File::Retry { id } => {
            let transfer = api.retry_transfer(id).await?;
            output.show(&transfer, || transfer_line(&transfer))
        }
        File::Move { id, to } => Ok(api.move_transfer(id, to).await?),
        File::Priority { id, priority } => Ok(api.set_transfer_priority(id, priority).await?),
        File::Watch => watch(api, output).await,
        File::History { address } => history(&api.transfers().await?, address.as_deref(), output),
        File::Limit { id, rate } => Ok(api.limit_transfer(id, rate).await?),
    }
}

async fn send(api: &ApiClient, offer: FileSend, output: Output) -> Result<(), Stop> {
    let FileSend { to, paths, limit, text, priority, as_is, links, wait } = offer;
    let paths = paths.iter().map(|path| present(path)).collect::<Result<_, _>>()?;
    let offer = TransferSend { to: to.0, paths, limit, sealed: !as_is, links, text, priority };
    if !wait {
        let transfers = api.send_files(&offer).await?;
        return transfers.iter().try_for_each(|transfer| output.show(transfer, || transfer_line(transfer)));
    }
    // Followed before it is offered, so that no change is missed.
    let mut events = api.events().await?;
    let mut transfers = api.send_files(&offer).await?;
    if transfers.len() > 1 {
        let ended = follow_all((api, events), transfers, output).await?;
        return ended.iter().try_for_each(outcome);
    }
    let transfer = transfers.pop().ok_or_else(|| Stop::failure("nothing was offered".to_owned()))?;
    let mut progress = Progress::new(output);
    let ended = follow((api, &mut events), transfer, None, |transfer| progress.show(transfer)).await?;
    progress.end(&ended)?;
    outcome(&ended)
}

/// What is over, with when and how.
fn history(transfers: &[TransferView], with: Option<&str>, output: Output) -> Result<(), Stop> {
    let is_with = |transfer: &TransferView| match with {
        Some(address) if address.contains('@') => transfer.peer.as_str() == address,
        Some(name) => transfer.peer.as_str().split('@').next() == Some(name),
        None => true,
    };
    let past: Vec<&TransferView> =
        transfers.iter().filter(|transfer| transfer.state.is_final() && is_with(transfer)).collect();
    if output.is_json() {
        return past.into_iter().try_for_each(|transfer| output.show(transfer, String::new));
    }
    let head = ["ENDED", "ID", "PEER", "WAY", "STATE", "SIZE", "NAME"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(past.into_iter().map(|transfer| {
        vec![
            transfer.ended_at.clone().unwrap_or_else(|| "-".to_owned()),
            transfer.id.to_string(),
            transfer.peer.to_string(),
            direction(transfer.direction).to_owned(),
            state(transfer.state).to_owned(),
            size(transfer.size),
            format!("{}{}", shown::line(&transfer.name), why(transfer)),
        ]
    }));
    output.line(&table(&rows))
}

/// Everything about one transfer, a line for each thing.
fn show(transfer: &TransferView, output: Output) -> Result<(), Stop> {
    let limit = if transfer.limit == 0 { "none".to_owned() } else { rate(transfer.limit) };
    let optional = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), shown::line);
    let rows = [
        ("id", transfer.id.to_string()),
        ("name", shown::line(&transfer.name)),
        ("peer", transfer.peer.to_string()),
        ("way", direction(transfer.direction).to_owned()),
        ("state", format!("{}{}", state(transfer.state), held(transfer))),
        ("size", format!("{} in {}", size(transfer.size), taken(transfer))),
        ("done", format!("{} ({} %)", size(transfer.done), percent(transfer.done, transfer.size))),
        ("from", sources(transfer)),
        ("sent", size(transfer.sent)),
        ("swarm", transfer.swarm.map_or_else(|| "-".to_owned(), |swarm| swarm.to_string())),
        ("rate", rate(transfer.rate)),
        ("eta", transfer.eta.map_or_else(|| "-".to_owned(), span)),
        ("path", transfer.path.clone()),
        ("limit", limit),
        ("priority", priority(transfer.priority).to_owned()),
        ("sealed", if transfer.sealed { "yes" } else { "no" }.to_owned()),
        ("folder", optional(&transfer.folder)),
        ("offered", transfer.offered_at.clone()),
        ("ended", optional(&transfer.ended_at)),
        ("digest", optional(&transfer.digest)),
        ("error", optional(&transfer.error)),
        ("text", shown::line(&transfer.text)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(key, value)| vec![key.to_owned(), value]).collect();
    output.show(transfer, || table(&rows))
}

/// What it consists of, or how many of its files are taken.
fn taken(transfer: &TransferView) -> String {
    match transfer.chosen {
        Some(Chosen { files, of, .. }) => format!("{files} of {of} files"),
        None => format!("{} files and folders", transfer.entries),
    }
}

/// Behind the name: how many of the files are taken, when not all are.
fn part(transfer: &TransferView) -> String {
    transfer.chosen.map_or_else(String::new, |_| format!(" ({})", taken(transfer)))
}

/// Who sent how much: of what we send, others may have sent a part.
fn sources(transfer: &TransferView) -> String {
    let sources: Vec<String> = match transfer.direction {
        TransferDirection::In => {
            let sources = transfer.sources.iter();
            sources.map(|source| format!("{} {}", source.address, size(source.bytes))).collect()
        }
        TransferDirection::Out if transfer.swarm.is_some() => {
            let others = transfer.done.saturating_sub(transfer.sent);
            vec![format!("you {}", size(transfer.sent)), format!("others {}", size(others))]
        }
        TransferDirection::Out => Vec::new(),
    };
    if sources.is_empty() { "-".to_owned() } else { sources.join(", ") }
}

const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}

/// Why it does not move though it could.
fn held(transfer: &TransferView) -> String {
    match transfer.held {
        None => String::new(),
        Some(HeldBy::Queue) => " (others are before it)".to_owned(),
        Some(HeldBy::Own) => " (by you)".to_owned(),
        Some(HeldBy::Peer) => format!(" (by {})", transfer.peer),
    }
}

fn why(transfer: &TransferView) -> String {
    transfer.error.as_deref().map_or(String::new(), |error| format!("  [{}]", shown::line(error)))
}

/// Success only when everything is in place.
fn outcome(transfer: &TransferView) -> Result<(), Stop> {
    let name = shown::line(&transfer.name);
    let why = transfer.error.as_deref().map_or(String::new(), |error| format!(": {}", shown::line(error)));
    let (kind, what) = match transfer.state {
        TransferState::Rejected => (ErrorKind::Denied, "was rejected"),
        TransferState::Cancelled => (ErrorKind::Failure, "was cancelled"),
        TransferState::Failed => (ErrorKind::Failure, "failed"),
        TransferState::Done => return Ok(()),
        TransferState::Offered
        | TransferState::Queued
        | TransferState::Running
        | TransferState::Paused
        | TransferState::Waiting
        | TransferState::Verifying => (ErrorKind::Failure, "did not end"),
    };
    Err(Stop::because(kind, format!("{name} {what}{why}")))
}

fn list(transfers: &[TransferView], output: Output) -> Result<(), Stop> {
    if output.is_json() {
        return transfers.iter().try_for_each(|transfer| output.show(transfer, String::new));
    }
    if transfers.is_empty() {
        output.note("No transfers yet. Send something: hobnob file send ADDRESS PATH");
        return Ok(());
    }
    let head = ["ID", "PEER", "WAY", "STATE", "SIZE", "DONE", "RATE", "ETA", "PATH", "NAME"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(transfers.iter().map(row));
    output.line(&table(&rows))
}

fn row(transfer: &TransferView) -> Vec<String> {
    let running = transfer.state == TransferState::Running;
    let when = |known: bool, text: String| if known { text } else { "-".to_owned() };
    vec![
        transfer.id.to_string(),
        transfer.peer.to_string(),
        direction(transfer.direction).to_owned(),
        state(transfer.state).to_owned(),
        size(transfer.size),
        format!("{} %", percent(transfer.done, transfer.size)),
        when(running, rate(transfer.rate)),
        when(running && transfer.eta.is_some(), transfer.eta.map_or(String::new(), span)),
        when(transfer.path != "none", transfer.path.clone()),
        format!("{}{}{}", shown::line(&transfer.name), part(transfer), why(transfer)),
    ]
}

/// One transfer in one line, the foreign name last but for its error.
pub(super) fn transfer_line(transfer: &TransferView) -> String {
    let preposition = match transfer.direction {
        TransferDirection::In => "from",
        TransferDirection::Out => "to",
    };
    let why = transfer.error.as_deref().map_or(String::new(), |error| format!(": {}", shown::line(error)));
    let progress = if transfer.state == TransferState::Running {
        format!(" {} % at {}", percent(transfer.done, transfer.size), rate(transfer.rate))
    } else {
        String::new()
    };
    format!(
        "{}  {}{progress}  {} {}  {}  {}{}{why}",
        transfer.id,
        state(transfer.state),
        preposition,
        transfer.peer,
        size(transfer.size),
        shown::line(&transfer.name),
        part(transfer),
    )
}

pub(super) const fn state(state: TransferState) -> &'static str {
    match state {
        TransferState::Offered => "offered",
        TransferState::Queued => "queued",
        TransferState::Running => "running",
        TransferState::Paused => "paused",
        TransferState::Verifying => "verifying",
        TransferState::Done => "done",
        TransferState::Failed => "failed",
        TransferState::Cancelled => "cancelled",
        TransferState::Rejected => "rejected",
        TransferState::Waiting => "waiting",
    }
}

const fn direction(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::In => "in",
        TransferDirection::Out => "out",
    }
}

/// The full path of something that is there, and that JSON can name.
fn present(path: &Path) -> Result<PathBuf, Stop> {
    let full = absolute(path)?;
    match full.symlink_metadata() {
        Ok(_) => Ok(full),
        Err(error) => {
            let text = format!("cannot send {}: {error}; check the path", path.display());
            Err(Stop::because(ErrorKind::NotFound, text))
        }
    }
}

/// The daemon's working folder is another one, so a relative path is completed here.
fn absolute(path: &Path) -> Result<PathBuf, Stop> {
    let usage = |why: &str| Stop::because(ErrorKind::Usage, format!("cannot use {}: {why}", path.display()));
    let full = std::path::absolute(path).map_err(|error| usage(&error.to_string()))?;
    if full.to_str().is_none() {
        return Err(usage("its name is not Unicode; rename it"));
    }
    Ok(full)
}
