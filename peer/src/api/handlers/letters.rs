//! Letters and chats.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hobnob_wire::LetterId;

use crate::api::bodies::{LETTERS_MAX, LetterSend, LetterSent, LettersQuery, Typing};
use crate::api::error::ApiError;
use crate::api::extract::{Asks, Body};
use crate::api::state::Api;
use crate::core::view::LetterView;

pub(in crate::api) async fn send(
    State(api): State<Api>,
    Body(LetterSend { to, text }): Body<LetterSend>,
) -> Result<Json<LetterSent>, ApiError> {
    let to = api.address(&to)?;
    let (id, state) = api.client().send(to, text).await?;
    Ok(Json(LetterSent { id, state }))
}

pub(in crate::api) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<LetterView>, ApiError> {
    Ok(Json(api.client().letter(letter_id(&id)?).await?))
}

pub(in crate::api) async fn of_chat(
    State(api): State<Api>,
    Path(address): Path<String>,
    Asks(LettersQuery { limit, before }): Asks<LettersQuery>,
) -> Result<Json<Vec<LetterView>>, ApiError> {
    let with = api.address(&address)?;
    let before = before.as_deref().map(letter_id).transpose()?;
    Ok(Json(api.client().history(with, limit.min(LETTERS_MAX), before).await?))
}

pub(in crate::api) async fn mark_read(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<StatusCode, ApiError> {
    let with = api.address(&address)?;
    api.client().mark_read(with).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn typing(
    State(api): State<Api>,
    Body(Typing { to, active }): Body<Typing>,
) -> Result<StatusCode, ApiError> {
    let to = api.address(&to)?;
    api.client().typing(to, active).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn letter_id(text: &str) -> Result<LetterId, ApiError> {
    text.parse().map_err(|error| ApiError::usage(format!("not a letter: {error}")))
}
