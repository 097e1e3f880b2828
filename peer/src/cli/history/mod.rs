//! `history`.

mod clear;
mod export;
mod files;
mod import;
mod search;

use super::args::{HistoryCommand, ShowChat, TypedHistory};
use super::letters::human;
use super::output::{Output, table};
use super::stop::Stop;
use crate::api::client::{ApiClient, Letters};
use crate::core::history::view::HoldingView;

pub(super) async fn run(api: &ApiClient, history: TypedHistory, output: Output) -> Result<(), Stop> {
    match history.command {
        None => show(api, history.chat, output).await,
        Some(HistoryCommand::Search { query, limit, before }) => {
            search::run(api, &query, (limit, before), output).await
        }
        Some(HistoryCommand::Count { address }) => count(api, address, output).await,
        Some(HistoryCommand::Clear { address, all: _, older_than, yes, dry_run }) => {
            let what = clear::What { chat: address.as_deref(), older_than: older_than.as_deref() };
            clear::run(api, what, (yes, dry_run), output).await
        }
        Some(HistoryCommand::Export(export)) => export::run(api, &export, output).await,
        Some(HistoryCommand::Import { file }) => import::run(api, &file, output).await,
    }
}

async fn show(api: &ApiClient, chat: ShowChat, output: Output) -> Result<(), Stop> {
    let ShowChat { address, limit, keep_unread, before, after, around, since } = chat;
    let address = address.unwrap_or_default();
    let which = match (before, after, around, since) {
        (Some(id), ..) => Letters::Before(id),
        (_, Some(id), ..) => Letters::After(id),
        (_, _, Some(id), _) => Letters::Around(id),
        (.., Some(date)) => Letters::Since(date),
        (None, None, None, None) => Letters::Newest,
    };
    let letters = api.letters(&address, &which, limit).await?;
    let authors =
        letters.iter().map(|letter| letter.from.name().to_string().chars().count()).max().unwrap_or(0);
    for letter in &letters {
        output.show(letter, || human(letter, authors))?;
    }
    if !keep_unread && !letters.is_empty() {
        api.mark_read(&address).await?;
    }
    if letters.is_empty() {
        output.note(if which == Letters::Newest { "No letters yet." } else { "No letters there." });
    }
    Ok(())
}

async fn count(api: &ApiClient, address: Option<String>, output: Output) -> Result<(), Stop> {
    let mut holdings = api.holdings().await?;
    if let Some(wanted) = address {
        holdings.retain(|holding| {
            let name = holding.address.name();
            holding.address.as_str() == wanted || name.as_str() == wanted
        });
    }
    if output.is_json() {
        return holdings.iter().try_for_each(|holding| output.show(holding, String::new));
    }
    if holdings.is_empty() {
        output.note("No letters yet.");
        return Ok(());
    }
    let row = |holding: &HoldingView| vec![holding.letters.to_string(), holding.address.to_string()];
    output.line(&table(&holdings.iter().map(row).collect::<Vec<_>>()))
}
