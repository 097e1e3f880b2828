//! `device` and `account`.

use std::path::Path;

use hobnob_wire::DeviceId;

use super::args::{Device, OwnAccount};
use super::letters::time;
use super::output::{Output, table};
use super::secret::{Asked, password};
use super::shown;
use super::stop::Stop;
use crate::api::bodies::{DeviceRename, DeviceRevoke, Password, PasswordChange};
use crate::api::client::ApiClient;
use crate::core::command::ErrorKind;
use crate::core::view::{DeviceView, NoticeView};

pub(super) async fn run(api: &ApiClient, device: Device, output: Output) -> Result<(), Stop> {
    match device {
        Device::List => list(&api.devices().await?, output),
        Device::Rename { device, name, password_file } => {
            let id = find(api, &device).await?;
            let password = own_password(password_file.as_deref())?;
            api.rename_device(id, &DeviceRename { name, password }).await?;
            output.note("Contacts see the new name as soon as they see the list.");
            Ok(())
        }
        Device::Revoke { device, password_file } => {
            let id = find(api, &device).await?;
            let password = own_password(password_file.as_deref())?;
            api.revoke_device(id, &DeviceRevoke { password }).await?;
            output.note("Nothing goes to it any more. What is on its disk stays there.");
            Ok(())
        }
    }
}

pub(super) async fn account(api: &ApiClient, account: OwnAccount, output: Output) -> Result<(), Stop> {
    let OwnAccount::Password { password_file, new_password_file } = account;
    let old = own_password(password_file.as_deref())?;
    let new = Password(password(new_password_file.as_deref(), Asked::New)?);
    api.change_password(&PasswordChange { old, new }).await?;
    output.note("The password is changed. Devices stay logged in; the recovery code stays the same.");
    Ok(())
}

fn own_password(file: Option<&Path>) -> Result<Password, Stop> {
    Ok(Password(password(file, Asked::Present)?))
}

/// The device with this id, or the one with this name.
async fn find(api: &ApiClient, wanted: &str) -> Result<DeviceId, Stop> {
    if let Ok(id) = wanted.parse() {
        return Ok(id);
    }
    let devices = api.devices().await?;
    let named: Vec<&DeviceView> = devices.iter().filter(|device| device.name == wanted).collect();
    match named[..] {
        [device] => Ok(device.id),
        [] => {
            let text =
                format!("there is no device {}; see them with hobnob device list", shown::line(wanted));
            Err(Stop::because(ErrorKind::NotFound, text))
        }
        _ => {
            let text = format!(
                "several devices are called {}; name one by its id, as hobnob device list shows it",
                shown::line(wanted)
            );
            Err(Stop::because(ErrorKind::Conflict, text))
        }
    }
}

fn list(devices: &[DeviceView], output: Output) -> Result<(), Stop> {
    if output.is_json() {
        return devices.iter().try_for_each(|device| output.show(device, String::new));
    }
    let head = ["ID", "JOINED", "LAST SEEN", "PLACE", "NAME"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(devices.iter().map(row));
    output.line(&table(&rows))
}

fn row(device: &DeviceView) -> Vec<String> {
    let dash = || "-".to_owned();
    let seen = match (&device.place, &device.seen_at) {
        (Some(_), _) => "now".to_owned(),
        (None, seen) => seen.as_deref().map_or_else(dash, time),
    };
    let this = if device.this { "  (this device)" } else { "" };
    vec![
        device.id.to_string(),
        time(&device.joined_at),
        seen,
        device.place.as_deref().map_or_else(dash, shown::line),
        format!("{}{this}", shown::line(&device.name)),
    ]
}

/// What happened to another own device, and what to do if that was somebody else.
pub(super) fn notice(notice: &NoticeView) -> String {
    let did = if notice.joined { "joined your account" } else { "is used at a new place" };
    let place =
        notice.place.as_deref().map_or_else(String::new, |place| format!(", from {}", shown::line(place)));
    let name = shown::line(&notice.name);
    format!("{} {name} {did}{place}. Not you? hobnob device revoke {}", time(&notice.at), notice.device)
}
