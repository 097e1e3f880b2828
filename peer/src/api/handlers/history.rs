//! Finding, forgetting and carrying away letters.

use axum::Json;
use axum::extract::{Path, State};

use super::letters::letter_id;
use crate::api::bodies::{ForgetQuery, LETTERS_MAX, LettersQuery, RecordsPut, RecordsQuery, SearchQuery};
use crate::api::error::ApiError;
use crate::api::extract::{Asks, Body};
use crate::api::state::Api;
use crate::core::history::moment::moment;
use crate::core::history::store::{Forgetting, Page};
use crate::core::history::view::{ForgottenView, HoldingView, ImportedView, RecordsView, SearchView};
use crate::core::view::LetterView;
use crate::driver::unix_ms;

pub(in crate::api) async fn holdings(State(api): State<Api>) -> Result<Json<Vec<HoldingView>>, ApiError> {
    Ok(Json(api.client().holdings().await?))
}

pub(in crate::api) async fn of_chat(
    State(api): State<Api>,
    Path(address): Path<String>,
    Asks(asks): Asks<LettersQuery>,
) -> Result<Json<Vec<LetterView>>, ApiError> {
    let with = api.address(&address)?;
    let limit = asks.limit.min(LETTERS_MAX);
    Ok(Json(api.client().history(with, page(&asks)?, limit).await?))
}

fn page(asks: &LettersQuery) -> Result<Page, ApiError> {
    Ok(match (&asks.before, &asks.after, &asks.around, &asks.since) {
        (None, None, None, None) => Page::Newest,
        (Some(id), None, None, None) => Page::Before(letter_id(id)?),
        (None, Some(id), None, None) => Page::After(letter_id(id)?),
        (None, None, Some(id), None) => Page::Around(letter_id(id)?),
        (None, None, None, Some(date)) => Page::Since(date_of(date)?),
        _ => return Err(ApiError::usage("name one of before, after, around and since")),
    })
}

fn date_of(text: &str) -> Result<u64, ApiError> {
    moment(text, unix_ms()).ok_or_else(|| {
        ApiError::usage(format!(
            "`{text}` is not a date; write it as 2026-11-21, or an age as 12h, 7d, 2w, 1y"
        ))
    })
}

pub(in crate::api) async fn search(
    State(api): State<Api>,
    Asks(SearchQuery { q, limit, before }): Asks<SearchQuery>,
) -> Result<Json<SearchView>, ApiError> {
    Ok(Json(api.client().search(q, before, limit).await?))
}

pub(in crate::api) async fn forget(
    State(api): State<Api>,
    Path(address): Path<String>,
    Asks(asks): Asks<ForgetQuery>,
) -> Result<Json<ForgottenView>, ApiError> {
    let chat = Some(api.address(&address)?);
    forgotten(&api, Forgetting { chat, before: asks.before.as_deref().map(date_of).transpose()? }, asks.dry)
        .await
}

pub(in crate::api) async fn forget_all(
    State(api): State<Api>,
    Asks(asks): Asks<ForgetQuery>,
) -> Result<Json<ForgottenView>, ApiError> {
    let before = asks.before.as_deref().map(date_of).transpose()?;
    forgotten(&api, Forgetting { chat: None, before }, asks.dry).await
}

async fn forgotten(api: &Api, what: Forgetting, dry: bool) -> Result<Json<ForgottenView>, ApiError> {
    Ok(Json(api.client().forget(what, dry).await?))
}

pub(in crate::api) async fn records(
    State(api): State<Api>,
    Asks(RecordsQuery { chat, limit, before }): Asks<RecordsQuery>,
) -> Result<Json<RecordsView>, ApiError> {
    let chat = chat.as_deref().map(|chat| api.address(chat)).transpose()?;
    Ok(Json(api.client().records(chat, before, limit).await?))
}

pub(in crate::api) async fn import(
    State(api): State<Api>,
    Body(RecordsPut { records }): Body<RecordsPut>,
) -> Result<Json<ImportedView>, ApiError> {
    Ok(Json(api.client().import(records).await?))
}
