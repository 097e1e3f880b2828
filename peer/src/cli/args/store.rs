//! What can be typed about the store.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Store {
    /// Say whether a passphrase guards the store
    Status,
    /// Encrypt the store with a passphrase, which the daemon asks for from then on
    Lock {
        /// Read it from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Decrypt the store; no passphrase guards it from then on
    Unlock {
        /// Read the passphrase from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Change the passphrase
    Passphrase {
        /// Read the present one from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Read the new one from the first line of this file
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}
