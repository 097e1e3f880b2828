//! Why a home could not be opened or given its account, as kinds of failure.

use super::stop::Stop;
use crate::client::OpenError;
use crate::core::command::ErrorKind;
use crate::core::contact::refused;
use crate::enrol::EnrolError;
use crate::store::StoreError;

impl From<EnrolError> for Stop {
    fn from(error: EnrolError) -> Self {
        let kind = match &error {
            EnrolError::AlreadyRegistered { .. } | EnrolError::NameTaken => ErrorKind::Conflict,
            EnrolError::WrongCredentials | EnrolError::WrongPin { .. } => ErrorKind::Denied,
            EnrolError::Unreachable(_) => ErrorKind::Offline,
            EnrolError::Lost => ErrorKind::TimedOut,
            EnrolError::Refused(refusal) => refused(*refusal).kind,
            EnrolError::Protocol(_) | EnrolError::Keys(_) | EnrolError::Socket(_) => ErrorKind::Failure,
            EnrolError::Store(error) => kind_of(error),
        };
        Self::because(kind, error.to_string())
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::NotRegistered { .. } => ErrorKind::NotFound,
            OpenError::Store(error) => kind_of(error),
            OpenError::Damaged { .. }
            | OpenError::Folder { .. }
            | OpenError::Listen { .. }
            | OpenError::Thread(_) => ErrorKind::Failure,
        };
        Self::because(kind, error.to_string())
    }
}

const fn kind_of(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::InUse(_) => ErrorKind::Conflict,
        StoreError::Newer { .. }
        | StoreError::File { .. }
        | StoreError::Full
        | StoreError::Damaged(_)
        | StoreError::Sqlite(_) => ErrorKind::Failure,
    }
}
