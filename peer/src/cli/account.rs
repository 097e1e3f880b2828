//! `register`, `login` and `recover`.

use std::path::Path;

use hobnob_wire::Address;
use serde::Serialize;

use super::args::{Account, Recover, TypedProxy};
use super::output::Output;
use super::secret::{Asked, RecoveryFile, password};
use super::stop::Stop;
use crate::core::command::ErrorKind;
use crate::core::keys::RecoveryCode;
use crate::enrol::{self, Way};

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
    let password = password(account.password_file.as_deref(), Asked::New)?;
    let recovery_file = recovery_file.map(RecoveryFile::create).transpose()?;
    let registered = enrol::register(home, &account.name, way(account)?, password).await?;
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

/// Where the account is, and what to go through.
fn way(account: &Account) -> Result<Way<'_>, Stop> {
    let proxy = match &account.proxy {
        None => None,
        Some(TypedProxy(Ok(proxy))) => Some(proxy),
        Some(TypedProxy(Err(error))) => {
            return Err(Stop::because(ErrorKind::Usage, format!("--proxy: {error}")));
        }
    };
    Ok(Way { invite: &account.server, proxy })
}

pub(super) async fn login(home: &Path, account: &Account, output: Output) -> Result<(), Stop> {
    let password = password(account.password_file.as_deref(), Asked::Present)?;
    let address = &enrol::login(home, &account.name, way(account)?, password).await?;
    output.show(&Enrolled { event: "logged_in", address, recovery_code: None }, || {
        format!("This is now a device of {address}")
    })?;
    output.note("Next: hobnob up");
    Ok(())
}

/// What `recover` prints as JSON.
#[derive(Serialize)]
struct Recovered<'a> {
    event: &'a str,
    address: &'a Address,
    revoked: usize,
}

pub(super) async fn recover(home: &Path, recover: &Recover, output: Output) -> Result<(), Stop> {
    let Recover { account, code_file, revoke_others } = recover;
    let code = password(code_file.as_deref(), Asked::Code)?;
    let code =
        RecoveryCode::parse(&code).map_err(|error| Stop::because(ErrorKind::Usage, error.to_string()))?;
    let new = password(account.password_file.as_deref(), Asked::New)?;
    let way = way(account)?;
    let recovered = enrol::recover(home, &account.name, way, (&code, new), *revoke_others).await?;
    let (address, revoked) = (&recovered.address, recovered.revoked);
    output.show(&Recovered { event: "recovered", address, revoked }, || {
        format!("This is now a device of {address}; its password is the new one")
    })?;
    if *revoke_others {
        output.note(&format!("Other devices that were revoked: {revoked}"));
    } else {
        output.note("Other devices stay. If one was stolen: hobnob device revoke");
    }
    output.note("Next: hobnob up");
    Ok(())
}
