//! Own devices, the password, and the identities of contacts.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hobnob_wire::DeviceId;
use hobnob_wire::safety::SafetyNumber;

use crate::api::bodies::{DeviceRename, DeviceRevoke, Number, PasswordChange};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::core::view::{DeviceView, VerificationView};

pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<Vec<DeviceView>>, ApiError> {
    Ok(Json(api.client().devices().await?))
}

pub(in crate::api) async fn rename(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(DeviceRename { name, password }): Body<DeviceRename>,
) -> Result<StatusCode, ApiError> {
    api.client().rename_device(device(&id)?, &name, password.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn revoke(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(DeviceRevoke { password }): Body<DeviceRevoke>,
) -> Result<StatusCode, ApiError> {
    api.client().revoke_device(device(&id)?, password.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn change_password(
    State(api): State<Api>,
    Body(PasswordChange { old, new }): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    api.client().change_password(old.0, new.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn verification(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<VerificationView>, ApiError> {
    let address = api.address(&address)?;
    Ok(Json(api.client().verification(address).await?))
}

pub(in crate::api) async fn verify(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(Number { number: typed }): Body<Number>,
) -> Result<Json<VerificationView>, ApiError> {
    let address = api.address(&address)?;
    Ok(Json(api.client().verify(address, number(&typed)?).await?))
}

pub(in crate::api) async fn unverify(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<VerificationView>, ApiError> {
    let address = api.address(&address)?;
    Ok(Json(api.client().unverify(address).await?))
}

pub(in crate::api) async fn trust(
    State(api): State<Api>,
    Path(address): Path<String>,
    Body(Number { number: typed }): Body<Number>,
) -> Result<Json<VerificationView>, ApiError> {
    let address = api.address(&address)?;
    Ok(Json(api.client().accept_identity(address, number(&typed)?).await?))
}

fn device(text: &str) -> Result<DeviceId, ApiError> {
    text.parse().map_err(|error| ApiError::usage(format!("not a device: {error}")))
}

fn number(text: &str) -> Result<SafetyNumber, ApiError> {
    text.parse().map_err(|error| ApiError::usage(format!("not a safety number: {error}")))
}
