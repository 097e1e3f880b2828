//! Why a home could not be opened or given its account, as kinds of failure.

use super::stop::Stop;
use crate::client::OpenError;
use crate::core::command::ErrorKind;
use crate::enrol::EnrolError;
use crate::store::StoreError;

impl From<EnrolError> for Stop {
    fn from(error: EnrolError) -> Self {
        Self::Failed(error.into())
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

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::because(kind_of(&error), error.to_string())
    }
}

const fn kind_of(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::InUse(_) | StoreError::AlreadyLocked | StoreError::NotLocked => ErrorKind::Conflict,
        StoreError::Locked(_) | StoreError::WrongPassphrase => ErrorKind::Denied,
        StoreError::NoPassphrases
        | StoreError::Newer { .. }
        | StoreError::File { .. }
        | StoreError::Full
        | StoreError::Damaged(_)
        | StoreError::Sqlite(_) => ErrorKind::Failure,
    }
}
