//! `register` and `login`.

use std::path::Path;

use hobnob_nat::core::proxy::Proxy;
use hobnob_wire::Address;
use serde::Serialize;

use super::args::{Account, TypedProxy};
use super::output::Output;
use super::secret::{RecoveryFile, password};
use super::stop::Stop;
use crate::core::command::ErrorKind;
use crate::enrol;

/// What `register` and `login` print as JSON.
#[derive(Serialize)]
struct Enrolled<'a> {
    event: &'a str,
    address: &'a Address,
    /// Only when there is no recovery file.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<&'a str>,
}

pub(super) async fn register(
    home: &Path,
    account: &Account,
    recovery_file: Option<&Path>,
    output: Output,
) -> Result<(), Stop> {
    let password = password(account.password_file.as_deref(), true)?;
    let recovery_file = recovery_file.map(RecoveryFile::create).transpose()?;
    let registered = enrol::register(home, &account.name, &account.server, password, proxy(account)?).await?;
    let (address, code) = (&registered.address, registered.recovery_code.as_str());
    let mut printed = Some(code);
    if let Some(file) = recovery_file {
        match file.keep(code) {
            Ok(()) => printed = None,
            // The account exists, so the code must reach its owner in another way.
            Err(error) => output.note(&format!("hobnob: the recovery file cannot be written: {error}")),
        }
    }
    output.show(&Enrolled { event: "registered", address, recovery_code: printed }, || {
        let code = printed.map_or(String::new(), |code| format!("\nRecovery code: {code}"));
        format!("Registered {address}{code}")
    })?;
    if printed.is_some() {
        output.note(
            "\nWrite the code down: it is not shown again. Whoever has it is you, and without it nobody",
        );
        output.note("can restore this account.");
    }
    output.note("Next: hobnob up");
    Ok(())
}

/// The proxy to go through.
fn proxy(account: &Account) -> Result<Option<&Proxy>, Stop> {
    let Some(TypedProxy(typed)) = &account.proxy else { return Ok(None) };
    typed.as_ref().map(Some).map_err(|error| Stop::because(ErrorKind::Usage, format!("--proxy: {error}")))
}

pub(super) async fn login(home: &Path, account: &Account, output: Output) -> Result<(), Stop> {
    let password = password(account.password_file.as_deref(), false)?;
    let address = &enrol::login(home, &account.name, &account.server, password, proxy(account)?).await?;
    output.show(&Enrolled { event: "logged_in", address, recovery_code: None }, || {
        format!("This is now a device of {address}")
    })?;
    output.note("Next: hobnob up");
    Ok(())
}
