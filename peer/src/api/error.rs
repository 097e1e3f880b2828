//! Failures as answers to HTTP requests.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tracing::debug;

use super::guard::Refused;
use super::kind::{self, ErrorBody};
use crate::core::command::{CommandError, ErrorKind};

/// A failure and the HTTP status it is sent with.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error: CommandError,
}

impl ApiError {
    /// The request makes no sense; `text` says what to do about it.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        CommandError::new(ErrorKind::Usage, text).into()
    }

    /// The same failure under another status.
    pub(super) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// An answer that does not fit its command.
    pub(super) fn unfit() -> Self {
        CommandError::new(ErrorKind::Failure, "the engine gave an unexpected answer; please report this")
            .into()
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        Self { status: kind::status(error.kind), error }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Host | Refused::Origin => StatusCode::FORBIDDEN,
            Refused::NoToken | Refused::WrongToken => StatusCode::UNAUTHORIZED,
        };
        Self { status, error: CommandError::new(ErrorKind::Denied, refused.to_string()) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        debug!(status = self.status.as_u16(), kind = kind::name(self.error.kind), "request refused");
        (self.status, Json(ErrorBody::from(&self.error))).into_response()
    }
}
