//! Own devices, the account, and the identities of contacts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use hobnob_wire::safety::SafetyNumber;
use hobnob_wire::{Address, Name};

use super::{Account, parse_address};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Device {
    /// List the devices of the account
    List,
    /// Call a device something else; contacts see it too
    Rename {
        /// Id or name of the device, as `device list` shows it
        device: String,
        /// What to call it
        name: String,
        /// Read the password from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Revoke a device for good: nothing goes to it from then on
    Revoke {
        /// Id or name of the device, as `device list` shows it
        device: String,
        /// Read the password from the first line of this file; - is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OwnAccount {
    /// Change the password; devices stay logged in
    Password {
        /// Read the present password from the first line of this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Read the new password from the first line of this file
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Recover {
    #[command(flatten)]
    pub(in crate::cli) account: Account,
    /// Read the recovery code from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) code_file: Option<PathBuf>,
    /// Revoke all other devices of the account
    #[arg(long)]
    pub(in crate::cli) revoke_others: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    /// Whom
    #[arg(value_parser = parse_address)]
    pub(in crate::cli) address: String,
    /// What the other side sees: 60 digits, or the text of its code for cameras
    #[arg(long, value_name = "N")]
    pub(in crate::cli) number: Option<SafetyNumber>,
    /// Take a verification back
    #[arg(long, conflicts_with = "number")]
    pub(in crate::cli) undo: bool,
}

/// A name, or an address, of which the rendezvous of the invite is meant to know the domain.
pub(super) fn parse_name(text: &str) -> Result<Name, String> {
    if text.contains('@') {
        text.parse::<Address>().map(|address| address.name()).map_err(|error| error.to_string())
    } else {
        text.parse::<Name>().map_err(|error| error.to_string())
    }
}
