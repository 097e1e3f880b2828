//! Reads what requests carry, and answers in JSON when it is not what it should be.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON object in the request's body; an empty body is an empty object.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            ApiError::usage(format!("cannot read the body: {rejection}")).with_status(rejection.status())
        })?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|error| ApiError::usage(format!("the body is not as /v1/openapi.json says: {error}")))
    }
}

/// The request's query.
#[derive(Debug)]
pub(super) struct Asks<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asks<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asks)| Self(asks))
            .map_err(|error| ApiError::usage(format!("the query is not as /v1/openapi.json says: {error}")))
    }
}

/// There is no such path, or it does not do this.
pub(super) fn nowhere(status: StatusCode) -> ApiError {
    let text = if status == StatusCode::METHOD_NOT_ALLOWED {
        "this path has no such method; see /v1/openapi.json"
    } else {
        "there is no such path; see /v1/openapi.json"
    };
    ApiError::usage(text).with_status(status)
}
