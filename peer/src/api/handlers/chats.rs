//! Chats, drafts, and letters that are sent later.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::letters::letter_id;
use crate::api::bodies::{ChatWish, DraftSet, ScheduledChange};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::core::chat::command::{ChatCommand, Wish};
use crate::core::chat::view::{ChatView, ScheduledView};

pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<Vec<ChatView>>, ApiError> {
    Ok(Json(api.client().chats().await?))
}

pub(in crate::api) async fn one(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<ChatView>, ApiError> {
    let with = api.address(&address)?;
    Ok(Json(api.client().chat(with).await?))
}

pub(in crate::api) async fn mark(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(ChatWish { unread, typing, nudges, sound }): Body<ChatWish>,
) -> Result<Json<ChatView>, ApiError> {
    let with = api.address(&address)?;
    Ok(Json(api.client().mark_chat(with, Wish { unread, typing, nudges, sound }).await?))
}

pub(in crate::api) async fn set_draft(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(DraftSet { text }): Body<DraftSet>,
) -> Result<StatusCode, ApiError> {
    let with = api.address(&address)?;
    api.client().alter(ChatCommand::Draft { with, text }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn scheduled(State(api): State<Api>) -> Result<Json<Vec<ScheduledView>>, ApiError> {
    Ok(Json(api.client().scheduled().await?))
}

pub(in crate::api) async fn reschedule(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(ScheduledChange { due_unix_ms, text }): Body<ScheduledChange>,
) -> Result<Json<ScheduledView>, ApiError> {
    let id = letter_id(&id)?;
    Ok(Json(api.client().reschedule(id, due_unix_ms, text).await?))
}

pub(in crate::api) async fn unschedule(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.client().alter(ChatCommand::Unschedule { id: letter_id(&id)? }).await?;
    Ok(StatusCode::NO_CONTENT)
}
