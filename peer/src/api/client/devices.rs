//! Own devices, the password, and the identities of contacts.

use hobnob_wire::DeviceId;
use reqwest::Method;

use super::ApiClient;
use crate::api::bodies::{DeviceRename, DeviceRevoke, Number, PasswordChange};
use crate::core::command::CommandError;
use crate::core::view::{DeviceView, VerificationView};

impl ApiClient {
    /// Own devices.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn devices(&self) -> Result<Vec<DeviceView>, CommandError> {
        self.get("/v1/devices").await
    }

    /// Calls an own device something else.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn rename_device(&self, id: DeviceId, rename: &DeviceRename) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/devices/{id}"), rename).await
    }

    /// Revokes an own device.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn revoke_device(&self, id: DeviceId, revoke: &DeviceRevoke) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/devices/{id}/revoke"), revoke).await
    }

    /// Changes the password.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn change_password(&self, change: &PasswordChange) -> Result<(), CommandError> {
        self.tell(Method::PUT, "/v1/password", change).await
    }

    /// The safety number of a contact.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn verification(&self, address: &str) -> Result<VerificationView, CommandError> {
        self.get(&format!("/v1/contacts/{address}/verification")).await
    }

    /// The user has compared the safety number of a contact.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn verify(&self, address: &str, number: String) -> Result<VerificationView, CommandError> {
        let path = format!("/v1/contacts/{address}/verification");
        self.ask(Method::PUT, &path, &Number { number }).await
    }

    /// Takes that back.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn unverify(&self, address: &str) -> Result<VerificationView, CommandError> {
        self.ask(Method::DELETE, &format!("/v1/contacts/{address}/verification"), &()).await
    }

    /// Accepts that a contact has another identity.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn accept_identity(
        &self,
        address: &str,
        number: String,
    ) -> Result<VerificationView, CommandError> {
        self.ask(Method::POST, &format!("/v1/contacts/{address}/trust"), &Number { number }).await
    }
}
