//! What programs ask about own devices, and about the identities of contacts.

use hobnob_wire::device::{DeviceName, DeviceOperation};
use hobnob_wire::limits::DEVICE_NAME_BYTES_MAX;
use hobnob_wire::safety::SafetyNumber;
use hobnob_wire::{Address, DeviceId};
use zeroize::Zeroizing;

use super::Client;
use super::typed::unexpected;
use crate::core::command::{Command, CommandError, ErrorKind, Reply};
use crate::core::devices::DeviceCommand;
use crate::core::keys::enrol::change;
use crate::core::keys::verification::TrustCommand;
use crate::core::view::{DeviceView, VerificationView};
use crate::driver::unix_ms;
use crate::enrol::{self, EnrolError, Way};

impl Client {
    /// Own devices, in the order they joined.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn devices(&self) -> Result<Vec<DeviceView>, CommandError> {
        let Reply::Devices(devices) = self.command(Command::Devices(DeviceCommand::List)).await? else {
            return Err(unexpected());
        };
        Ok(devices)
    }

    /// Revokes an own device for good: nothing goes to it from then on. Needs the password, because devices do not keep
    /// the key that signs this.
    ///
    /// # Errors
    /// [`CommandError`]: a wrong password, no such device, no session, or it is the only one.
    pub async fn revoke_device(
        &self,
        device: DeviceId,
        password: Zeroizing<String>,
    ) -> Result<(), CommandError> {
        self.change_devices(device, DeviceOperation::Revoke(device), password).await
    }

    /// Calls an own device something else, for contacts too. Needs the password.
    ///
    /// # Errors
    /// [`CommandError`]: a wrong password, no such device, no session, a name that is empty or too long.
    pub async fn rename_device(
        &self,
        device: DeviceId,
        name: &str,
        password: Zeroizing<String>,
    ) -> Result<(), CommandError> {
        let named = DeviceName::new(name).ok().filter(|name| !name.as_str().trim().is_empty());
        let Some(name) = named else {
            let text = format!("A device is called something of 1 to {DEVICE_NAME_BYTES_MAX} bytes.");
            return Err(CommandError::new(ErrorKind::Usage, text));
        };
        self.change_devices(device, DeviceOperation::Rename { device, name }, password).await
    }

    /// Changes the password. Devices stay logged in.
    ///
    /// # Errors
    /// [`CommandError`]: the old password is wrong, the rendezvous cannot be reached.
    pub async fn change_password(
        &self,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<(), CommandError> {
        if new.is_empty() {
            return Err(CommandError::new(ErrorKind::Usage, "The new password is empty. Choose a long one."));
        }
        Ok(enrol::change_password(&self.address().name(), self.way(), old, new).await?)
    }

    /// The safety number that this user and a contact see alike, and whether it was compared.
    ///
    /// # Errors
    /// [`CommandError`]: nothing is known of the identity yet.
    pub async fn verification(&self, address: Address) -> Result<VerificationView, CommandError> {
        self.trust(TrustCommand::Show { address }).await
    }

    /// The user has compared: the contact sees `number`.
    ///
    /// # Errors
    /// [`CommandError`]: the numbers differ.
    pub async fn verify(
        &self,
        address: Address,
        number: SafetyNumber,
    ) -> Result<VerificationView, CommandError> {
        self.trust(TrustCommand::Compare { address, number }).await
    }

    /// Takes [`Client::verify`] back.
    ///
    /// # Errors
    /// [`CommandError`]: nothing is known of the identity yet.
    pub async fn unverify(&self, address: Address) -> Result<VerificationView, CommandError> {
        self.trust(TrustCommand::Undo { address }).await
    }

    /// Accepts that a contact has another identity now: the one whose number is `number`.
    ///
    /// # Errors
    /// [`CommandError`]: there is no other identity, or it has another number. A list of devices that was forked or
    /// rolled back cannot be accepted.
    pub async fn accept_identity(
        &self,
        address: Address,
        number: SafetyNumber,
    ) -> Result<VerificationView, CommandError> {
        self.trust(TrustCommand::Accept { address, number }).await
    }

    async fn trust(&self, command: TrustCommand) -> Result<VerificationView, CommandError> {
        let Reply::Verification(view) = self.command(Command::Trust(command)).await? else {
            return Err(unexpected());
        };
        Ok(*view)
    }

    /// Signs a change of the own list, as this device knows the list, and has the rendezvous append it.
    async fn change_devices(
        &self,
        device: DeviceId,
        operation: DeviceOperation,
        password: Zeroizing<String>,
    ) -> Result<(), CommandError> {
        let Reply::OwnList(list) = self.command(Command::Devices(DeviceCommand::Chain)).await? else {
            return Err(unexpected());
        };
        let list = list.verify().map_err(|error| CommandError::new(ErrorKind::Failure, error.to_string()))?;
        if list.device(device).is_none() {
            let text = format!("There is no device {device}. See the devices with `hobnob device list`.");
            return Err(CommandError::new(ErrorKind::NotFound, text));
        }
        if matches!(operation, DeviceOperation::Revoke(_)) && list.devices().len() == 1 {
            let text = "It is the only device of the account. Log in on another one first, or nothing is left to read with.";
            return Err(CommandError::new(ErrorKind::Conflict, text));
        }
        let self_signing = enrol::signing_key(&self.address().name(), self.way(), password).await?;
        let entry = change(&list, &self_signing, operation, unix_ms() / 1000).map_err(EnrolError::from)?;
        self.command(Command::Devices(DeviceCommand::Append(Box::new(entry)))).await.map(drop)
    }

    fn way(&self) -> Way<'_> {
        Way { invite: &self.shared.surroundings.rendezvous, proxy: self.shared.proxy.as_ref() }
    }
}
