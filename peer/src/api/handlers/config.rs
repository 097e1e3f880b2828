//! Settings.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use crate::api::bodies::{Setting, SettingSet};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;

pub(in crate::api) async fn all(State(api): State<Api>) -> Result<Json<BTreeMap<String, String>>, ApiError> {
    Ok(Json(api.client().config().await?.into_iter().collect()))
}

pub(in crate::api) async fn set(
    State(api): State<Api>,
    Body(Setting { key, value }): Body<Setting>,
) -> Result<Json<SettingSet>, ApiError> {
    let applies = api.client().configure(key.clone(), value).await?;
    Ok(Json(SettingSet { key, applies }))
}
