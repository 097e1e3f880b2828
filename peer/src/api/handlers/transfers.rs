//! Transfers.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;

use crate::api::bodies::{
    TransferAccept, TransferLimit, TransferMove, TransferPriority, TransferSend, Words,
};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::core::command::{Command, Reply};
use crate::core::transfer::Move;
use crate::core::view::TransferView;

pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<Vec<TransferView>>, ApiError> {
    Ok(Json(api.client().files().await?))
}

pub(in crate::api) async fn send(
    State(api): State<Api>,
    Body(TransferSend { to, paths, limit, sealed, links, text, priority }): Body<TransferSend>,
) -> Result<Json<Vec<TransferView>>, ApiError> {
    let to = to.iter().map(|to| api.address(to)).collect::<Result<Vec<_>, _>>()?;
    if paths.is_empty() {
        return Err(ApiError::usage("there is nothing to send: name at least one file or folder"));
    }
    paths.iter().try_for_each(|path| absolute(path))?;
    let command = Command::FileSend { to, paths, limit, sealed, links, text, priority };
    let Reply::Transfers(transfers) = api.client().command(command).await? else {
        return Err(ApiError::unfit());
    };
    Ok(Json(transfers))
}

pub(in crate::api) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<TransferView>, ApiError> {
    Ok(Json(api.client().file(transfer_id(&id)?).await?))
}

pub(in crate::api) async fn accept(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(TransferAccept { to, update, only, except }): Body<TransferAccept>,
) -> Result<StatusCode, ApiError> {
    to.as_deref().map_or(Ok(()), absolute)?;
    let id = transfer_id(&id)?;
    let choice = Choice::new(&only, &except).map_err(|error| ApiError::usage(error.to_string()))?;
    api.client().command(Command::FileAccept { id, to, update, choice }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn reject(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(Words { text }): Body<Words>,
) -> Result<StatusCode, ApiError> {
    api.client().reject_files(transfer_id(&id)?, text).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(Words { text }): Body<Words>,
) -> Result<StatusCode, ApiError> {
    api.client().cancel_files(transfer_id(&id)?, text).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn limit(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(TransferLimit { limit }): Body<TransferLimit>,
) -> Result<StatusCode, ApiError> {
    api.client().limit_files(transfer_id(&id)?, limit).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn pause(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.client().command(Command::FilePause { id: transfer_id(&id)? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn resume(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.client().command(Command::FileResume { id: transfer_id(&id)? }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn retry(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<TransferView>, ApiError> {
    Ok(Json(api.client().retry_files(transfer_id(&id)?).await?))
}

pub(in crate::api) async fn move_to(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(TransferMove { to }): Body<TransferMove>,
) -> Result<StatusCode, ApiError> {
    let to = match to.as_str() {
        "first" => Move::First,
        "last" => Move::Last,
        other => Move::Before(transfer_id(other)?),
    };
    api.client().command(Command::FileMove { id: transfer_id(&id)?, to }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn set_priority(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(TransferPriority { priority }): Body<TransferPriority>,
) -> Result<StatusCode, ApiError> {
    api.client().command(Command::FilePriority { id: transfer_id(&id)?, priority }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn transfer_id(text: &str) -> Result<TransferId, ApiError> {
    text.parse().map_err(|error| ApiError::usage(format!("not a transfer: {error}")))
}

/// The daemon's working folder is not the asker's, so a relative path would mean another file.
fn absolute(path: &FilePath) -> Result<(), ApiError> {
    if path.is_absolute() {
        Ok(())
    } else {
        Err(ApiError::usage(format!("{} is a relative path; send an absolute one", path.display())))
    }
}
