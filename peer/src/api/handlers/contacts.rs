//! Contacts and requests.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api::bodies::{ContactAdd, ContactPaths, Words};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::core::view::{ContactView, PathView};

pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<Vec<ContactView>>, ApiError> {
    Ok(Json(api.client().contacts().await?))
}

pub(in crate::api) async fn add(
    State(api): State<Api>,
    Body(ContactAdd { address, text }): Body<ContactAdd>,
) -> Result<StatusCode, ApiError> {
    let address = api.address(&address)?;
    api.client().add_contact(address, text).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn accept(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<StatusCode, ApiError> {
    let address = api.address(&address)?;
    api.client().accept_contact(address).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn reject(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<StatusCode, ApiError> {
    let address = api.address(&address)?;
    api.client().reject_contact(address).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn set_paths(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(ContactPaths { paths }): Body<ContactPaths>,
) -> Result<StatusCode, ApiError> {
    let address = api.address(&address)?;
    api.client().allow_paths(address, paths.policy()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn paths(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<Vec<PathView>>, ApiError> {
    let address = api.address(&address)?;
    Ok(Json(api.client().paths(address).await?))
}

pub(in crate::api) async fn remove(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(Words { text }): Body<Words>,
) -> Result<StatusCode, ApiError> {
    let address = api.address(&address)?;
    api.client().remove_contact(address, text).await?;
    Ok(StatusCode::NO_CONTENT)
}
