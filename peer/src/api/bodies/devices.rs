//! What is asked about own devices, the password, and the identities of contacts.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A password. Never shown, and wiped when it has been used.
#[derive(Clone, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub struct Password(pub Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Password> for String {
    fn from(password: Password) -> Self {
        password.0.to_string()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// `POST /v1/devices/{id}/revoke`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRevoke {
    /// The account's password.
    pub password: Password,
}

/// `PUT /v1/devices/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRename {
    /// What it is called from now on.
    pub name: String,
    /// The account's password.
    pub password: Password,
}

/// `PUT /v1/password`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password as it is.
    pub old: Password,
    /// As it is to be.
    pub new: Password,
}

/// `PUT /v1/contacts/{address}/verification` and `POST /v1/contacts/{address}/trust`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// A safety number: 60 digits, with or without spaces, or what a camera saw.
    pub number: String,
}
