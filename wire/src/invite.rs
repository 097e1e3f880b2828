//! Invites: where a rendezvous is and which certificate it has.
//!
//! `hobnob://host:port/#pin`. The pin stands in the fragment, which browsers never send on.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::Domain;

/// Port of a rendezvous when an invite names none (UDP).
pub const DEFAULT_PORT: u16 = 7700;

/// BLAKE3 hash of a rendezvous's certificate (DER), which a peer pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pin([u8; 32]);

/// What a person needs to reach a rendezvous for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Host name or address literal, without brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
    /// The rendezvous's certificate.
    pub pin: Pin,
}

/// Why a text is not an invite.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InviteError {
    /// It does not begin with `hobnob://`.
    #[error("an invite begins with hobnob://")]
    Scheme,
    /// The host is neither a name nor an address.
    #[error("the invite names no valid host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the invite's port is not a number from 1 to 65535")]
    Port,
    /// The part after `#` is not 52 letters and digits.
    #[error("the invite's pin (after #) is not 52 letters a-z and digits 2-7")]
    Pin,
}

impl Pin {
    /// A pin from the hash.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = InviteError;
    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() != 52 {
            return Err(InviteError::Pin);
        }
        let bytes =
            BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| InviteError::Pin)?;
        bytes.try_into().map(Self).map_err(|_| InviteError::Pin)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, pin } = self;
        if host.contains(':') {
            write!(f, "hobnob://[{host}]:{port}/#{pin}")
        } else {
            write!(f, "hobnob://{host}:{port}/#{pin}")
        }
    }
}

impl FromStr for Invite {
    type Err = InviteError;
    fn from_str(text: &str) -> Result<Self, InviteError> {
        let rest = text.trim().strip_prefix("hobnob://").ok_or(InviteError::Scheme)?;
        let (authority, pin) = rest.split_once('#').ok_or(InviteError::Pin)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split_authority(authority)?;
        Ok(Self { host, port, pin: pin.parse()? })
    }
}

fn split_authority(authority: &str) -> Result<(String, u16), InviteError> {
    let (host, port) = if let Some(literal) = authority.strip_prefix('[') {
        let (host, rest) = literal.split_once(']').ok_or(InviteError::Host)?;
        let host: Ipv6Addr = host.parse().map_err(|_| InviteError::Host)?;
        (host.to_string(), rest)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let host: Domain = authority[..end].parse().map_err(|_| InviteError::Host)?;
        (host.to_string(), &authority[end..])
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err(InviteError::Host),
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(InviteError::Port)?,
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_survives_being_written_and_read() {
        for host in ["127.0.0.1", "::1", "chat.example.org"] {
            let invite = Invite { host: host.into(), port: 7701, pin: Pin::new([7; 32]) };
            assert_eq!(invite.to_string().parse(), Ok(invite));
        }
    }

    #[test]
    fn a_broken_invite_is_refused_with_the_part_that_is_wrong() {
        let pin = Pin::new([0; 32]);
        assert_eq!(format!("http://a/#{pin}").parse::<Invite>(), Err(InviteError::Scheme));
        assert_eq!(format!("hobnob://a b:1/#{pin}").parse::<Invite>(), Err(InviteError::Host));
        assert_eq!(format!("hobnob://a:0/#{pin}").parse::<Invite>(), Err(InviteError::Port));
        assert_eq!("hobnob://a:1/#xyz".parse::<Invite>(), Err(InviteError::Pin));
        assert_eq!("hobnob://a:1/".parse::<Invite>(), Err(InviteError::Pin));
    }
}
