//! `store`: the passphrase that guards a home. Works on the home itself, while no daemon runs on it.

use std::path::Path;

use serde::Serialize;

use super::args::Store;
use super::output::Output;
use super::secret::{Asked, password};
use super::stop::Stop;
use crate::core::command::ErrorKind;
use crate::store::passphrase::{change, is_locked, set, take_off};
use crate::store::{Passphrase, StoreError};

/// What the commands print.
#[derive(Serialize)]
struct State {
    /// Whether a passphrase guards the store.
    locked: bool,
}

pub(super) async fn run(home: &Path, store: Store, output: Output) -> Result<(), Stop> {
    let home = home.to_owned();
    // Making keys and copying databases takes a while; nothing else is to be done meanwhile.
    let done = tokio::task::spawn_blocking(move || perform(&home, &store, output)).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn perform(home: &Path, store: &Store, output: Output) -> Result<(), Stop> {
    if !home.exists() {
        let text = format!("there is nothing in {} yet; register an account first", home.display());
        return Err(Stop::because(ErrorKind::NotFound, text));
    }
    match store {
        Store::Status => {}
        Store::Lock { passphrase_file } => {
            if is_locked(home) {
                return Err(StoreError::AlreadyLocked.into());
            }
            set(home, &Passphrase::new(password(passphrase_file.as_deref(), Asked::NewPassphrase)?))?;
            output.note("Nobody can open the store without the passphrase, not even with the recovery code.");
        }
        Store::Unlock { passphrase_file } => {
            expect_locked(home)?;
            take_off(home, &Passphrase::new(password(passphrase_file.as_deref(), Asked::Passphrase)?))?;
        }
        Store::Passphrase { passphrase_file, new_passphrase_file } => {
            expect_locked(home)?;
            let old = Passphrase::new(password(passphrase_file.as_deref(), Asked::Passphrase)?);
            let new = Passphrase::new(password(new_passphrase_file.as_deref(), Asked::NewPassphrase)?);
            change(home, &old, &new)?;
        }
    }
    let locked = is_locked(home);
    output
        .show(&State { locked }, || if locked { "locked with a passphrase" } else { "not locked" }.to_owned())
}

fn expect_locked(home: &Path) -> Result<(), Stop> {
    if is_locked(home) { Ok(()) } else { Err(StoreError::NotLocked.into()) }
}
