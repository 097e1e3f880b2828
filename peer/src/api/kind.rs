//! How kinds of failure look in JSON and in HTTP: one table for both sides.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::core::command::{CommandError, ErrorKind};

/// Every kind, its name in JSON, and the HTTP status it is sent with.
const KINDS: [(ErrorKind, &str, StatusCode); 7] = [
    (ErrorKind::Failure, "failure", StatusCode::INTERNAL_SERVER_ERROR),
    (ErrorKind::Usage, "usage", StatusCode::BAD_REQUEST),
    (ErrorKind::NotFound, "not_found", StatusCode::NOT_FOUND),
    (ErrorKind::Denied, "denied", StatusCode::FORBIDDEN),
    (ErrorKind::Offline, "offline", StatusCode::SERVICE_UNAVAILABLE),
    (ErrorKind::TimedOut, "timed_out", StatusCode::GATEWAY_TIMEOUT),
    (ErrorKind::Conflict, "conflict", StatusCode::CONFLICT),
];

/// The name of a kind in JSON.
#[must_use]
pub fn name(kind: ErrorKind) -> &'static str {
    row(kind).1
}

/// The HTTP status of a kind.
#[must_use]
pub fn status(kind: ErrorKind) -> StatusCode {
    row(kind).2
}

/// The kind with this name; a failure when a newer daemon says something unknown.
#[must_use]
pub fn named(name: &str) -> ErrorKind {
    KINDS.iter().find(|(_, known, _)| *known == name).map_or(ErrorKind::Failure, |(kind, ..)| *kind)
}

fn row(kind: ErrorKind) -> &'static (ErrorKind, &'static str, StatusCode) {
    KINDS.iter().find(|(known, ..)| *known == kind).unwrap_or(&KINDS[0])
}

/// A failure as JSON: `{"error":{"kind":"not_found","text":"…"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The failure.
    pub error: ErrorView,
}

/// What a failure says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// `failure`, `usage`, `not_found`, `denied`, `offline`, `timed_out` or `conflict`.
    pub kind: String,
    /// What happened, why, and what to do.
    pub text: String,
}

impl From<&CommandError> for ErrorBody {
    fn from(error: &CommandError) -> Self {
        Self { error: ErrorView { kind: name(error.kind).to_owned(), text: error.text.clone() } }
    }
}

impl From<ErrorBody> for CommandError {
    fn from(body: ErrorBody) -> Self {
        Self { kind: named(&body.error.kind), text: body.error.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_of_its_own_and_survives_json() {
        let all = [
            ErrorKind::Failure,
            ErrorKind::Usage,
            ErrorKind::NotFound,
            ErrorKind::Denied,
            ErrorKind::Offline,
            ErrorKind::TimedOut,
            ErrorKind::Conflict,
        ];
        assert_eq!(KINDS.map(|(kind, ..)| kind), all);
        for kind in all {
            let error = CommandError::new(kind, "words");
            let json = serde_json::to_string(&ErrorBody::from(&error)).unwrap();
            assert_eq!(CommandError::from(serde_json::from_str::<ErrorBody>(&json).unwrap()), error);
            assert!(status(kind).is_client_error() || status(kind).is_server_error());
        }
    }

    #[test]
    fn an_unknown_kind_is_a_failure() {
        assert_eq!(named("from_the_future"), ErrorKind::Failure);
    }
}
