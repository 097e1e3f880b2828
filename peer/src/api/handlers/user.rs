//! The user: own state and presence.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::bodies::PresenceSet;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::core::check::NetcheckView;
use crate::core::command::Command;
use crate::core::view::StatusView;

pub(in crate::api) async fn status(State(api): State<Api>) -> Result<Json<StatusView>, ApiError> {
    Ok(Json(api.client().status().await?))
}

pub(in crate::api) async fn netcheck(State(api): State<Api>) -> Result<Json<NetcheckView>, ApiError> {
    Ok(Json(api.client().netcheck().await?))
}

pub(in crate::api) async fn set_presence(
    State(api): State<Api>,
    Body(PresenceSet { state, text }): Body<PresenceSet>,
) -> Result<StatusCode, ApiError> {
    let (availability, hidden) = state.parts();
    api.client().command(Command::Presence { availability, hidden, text }).await?;
    Ok(StatusCode::NO_CONTENT)
}
