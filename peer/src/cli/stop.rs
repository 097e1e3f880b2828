//! Why a command ends early, and the exit code that says so.

use std::io;

use crate::core::command::{CommandError, ErrorKind};

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(CommandError),
    /// Nobody reads standard output any more, as after `| head`.
    OutputClosed,
}

impl Stop {
    /// A failure without a better kind.
    pub(crate) fn failure(text: impl Into<String>) -> Self {
        Self::because(ErrorKind::Failure, text)
    }

    /// A failure of this kind.
    pub(crate) fn because(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self::Failed(CommandError::new(kind, text))
    }

    /// Standard output could not be written.
    pub(crate) fn from_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::failure(format!("cannot write to standard output: {error}"))
        }
    }
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Self {
        Self::Failed(error)
    }
}

/// The exit code of a kind of failure; scripts depend on it.
pub(crate) const fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failure => 1,
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Denied => 4,
        ErrorKind::Offline => 5,
        ErrorKind::TimedOut => 6,
        ErrorKind::Conflict => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_guide() {
        let table = [
            (ErrorKind::Failure, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::NotFound, 3),
            (ErrorKind::Denied, 4),
            (ErrorKind::Offline, 5),
            (ErrorKind::TimedOut, 6),
            (ErrorKind::Conflict, 7),
        ];
        for (kind, code) in table {
            assert_eq!(exit_code(kind), code);
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert!(matches!(Stop::from_output(&io::ErrorKind::BrokenPipe.into()), Stop::OutputClosed));
        assert!(matches!(Stop::from_output(&io::ErrorKind::StorageFull.into()), Stop::Failed(_)));
    }
}
