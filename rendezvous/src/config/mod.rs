//! Settings: the defaults, a TOML file over them, the environment over that. Flags come last and are the command line's.
//!
//! The keys, their units, defaults and costs stand in [`DEFAULT`], which `config default` prints.

mod merge;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hobnob_nat::core::relay::RelayLimits;
use hobnob_nat::{AdmissionLimits, TunnelLimits};
use hobnob_wire::Domain;
use serde::{Deserialize, Deserializer, de};
use thiserror::Error;

use crate::core::Limits;

/// Every key with its default and what it means, as a TOML file.
pub const DEFAULT: &str = include_str!("default.toml");

/// What the names of settings in the environment begin with.
pub const ENVIRONMENT_PREFIX: &str = "HOBNOB_RENDEZVOUS__";

/// All settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where and as whom.
    pub server: ServerConfig,
    /// A node in the overlay.
    pub overlay: OverlayConfig,
    /// What one connection may cost.
    pub session: SessionConfig,
    /// Sessions over TCP.
    pub tunnel: TunnelConfig,
    /// What is forwarded between peers.
    pub relay: RelayConfig,
    /// What one account may have, and how often one may try.
    pub limits: Limits,
}

/// Where the rendezvous is and what it is called.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// UDP address to listen on.
    pub listen: SocketAddr,
    /// Domain of all accounts; absent: the one settled before, else `localhost`.
    #[serde(deserialize_with = "domain")]
    pub domain: Option<Domain>,
    /// Host in the invite; empty: found out.
    pub invite_host: String,
}

/// A node of its own in the overlay of devices.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OverlayConfig {
    /// TCP address to listen on; absent: no node.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
    /// How others reach it.
    pub external: Vec<SocketAddr>,
    /// Other nodes, as `host:port`.
    pub bootstrap: Vec<String>,
}

/// What bounds one connection.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// For the TLS handshake.
    pub handshake_within_ms: u64,
    /// From the handshake to the proof of who it is.
    pub authenticate_within_ms: u64,
    /// Connections without that proof.
    pub unproved_max: u32,
    /// The same, of one address block.
    pub unproved_per_block_max: u32,
    /// Bytes that may wait to be sent.
    pub queue_bytes_max: usize,
    /// For the peer to take what is sent.
    pub write_within_ms: u64,
}

impl SessionConfig {
    /// For the proof of who it is.
    #[must_use]
    pub fn authenticate_within(&self) -> Duration {
        Duration::from_millis(self.authenticate_within_ms)
    }

    /// For the peer to take what is sent.
    #[must_use]
    pub fn write_within(&self) -> Duration {
        Duration::from_millis(self.write_within_ms)
    }

    /// How newcomers are admitted.
    #[must_use]
    pub fn admission(&self) -> AdmissionLimits {
        AdmissionLimits {
            unproved_max: self.unproved_max,
            unproved_per_block_max: self.unproved_per_block_max,
            retry_from: self.unproved_max / 8,
            handshake_within: Duration::from_millis(self.handshake_within_ms),
        }
    }
}

/// Sessions over TCP, where UDP is blocked.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TunnelConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// TCP addresses to listen on; empty: those that fit the UDP address.
    pub listen: Vec<SocketAddr>,
    /// At a time.
    pub tunnels_max: u32,
    /// Without a proved session in one.
    pub unused_max_ms: u64,
    /// Without anything that comes out of one.
    pub idle_max_ms: u64,
}

impl TunnelConfig {
    /// What tunnels may cost. Unproved ones count as unproved sessions do.
    #[must_use]
    pub fn limits(&self, session: &SessionConfig) -> TunnelLimits {
        TunnelLimits {
            tunnels_max: self.tunnels_max,
            unproved: session.admission(),
            unused_max: Duration::from_millis(self.unused_max_ms),
            idle_max: Duration::from_millis(self.idle_max_ms),
        }
    }
}

/// The relay between peers, and the reflectors that tell them their addresses.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// UDP ports of reflectors at the address of `server.listen`; 0: the next one, else any.
    #[serde(deserialize_with = "at_most_two")]
    pub reflector_ports: Vec<u16>,
    /// Further UDP addresses of reflectors, as peers reach them.
    #[serde(deserialize_with = "at_most_two")]
    pub reflectors: Vec<SocketAddr>,
    /// Bytes per second in one channel.
    pub channel_bytes_per_s: u64,
    /// Bytes per second that one account sends.
    pub account_bytes_per_s: u64,
    /// Bytes in one channel.
    pub channel_bytes_max: u64,
    /// Bytes that one account sends in a day.
    pub account_bytes_per_day: u64,
    /// How long a channel is kept that is not used and of which a side is away.
    pub idle_ms: u64,
}

impl RelayConfig {
    /// What the relay gives.
    #[must_use]
    pub fn limits(&self) -> RelayLimits {
        RelayLimits {
            channel_bytes_per_s: self.channel_bytes_per_s,
            channel_bytes_max: self.channel_bytes_max,
            account_bytes_per_s: self.account_bytes_per_s,
            account_bytes_per_day: self.account_bytes_per_day,
            idle: Duration::from_millis(self.idle_ms),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        merge::defaults().try_into().expect("the defaults are complete: a test reads them")
    }
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: {source}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// There is no such key.
    #[error("there is no setting `{key}`{}", did_you_mean(.suggestion))]
    UnknownKey {
        /// The key, with its section.
        key: String,
        /// The known key that is most like it.
        suggestion: Option<String>,
    },
    /// A value is of the wrong kind or out of range.
    #[error("a setting is wrong: {0}")]
    Value(#[source] Box<toml::de::Error>),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

impl Config {
    /// The defaults with a file's settings over them, if there is a file, and those of `environment` over both. Variables
    /// of other programs are passed over.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file or key.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = merge::defaults();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            let table = text
                .parse()
                .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
            merge::overlay(&mut settings, table)?;
        }
        merge::overlay(&mut settings, merge::from_environment(environment))?;
        settings.try_into().map_err(|error| ConfigError::Value(Box::new(error)))
    }
}

/// Four reflectors are as many as peers are told of.
fn at_most_two<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.len() > 2 { Err(de::Error::invalid_length(list.len(), &"at most two")) } else { Ok(list) }
}

/// An empty text is no domain.
fn domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Domain>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
}

/// An empty text is no address.
fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::load(None, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let config = load(&[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.session.admission(), AdmissionLimits::RENDEZVOUS);
        assert_eq!((config.server.domain, config.overlay.listen), (None, None));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[server]\ndomain = \"a.example\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let environment = [
            ("HOBNOB_RENDEZVOUS__SERVER__DOMAIN", "b.example"),
            ("HOBNOB_RENDEZVOUS__SESSION__UNPROVED_MAX", "7"),
            ("HOBNOB_LOG", "debug"),
        ];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(Some(&path), environment).unwrap();
        assert_eq!(config.server.domain, Some("b.example".parse().unwrap()));
        assert_eq!(config.server.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(config.session.unproved_max, 7);
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn a_key_that_does_not_exist_is_an_error_that_names_the_likeliest_one() {
        assert_eq!(
            load(&[("HOBNOB_RENDEZVOUS__SERVER__DOMIAN", "x")]),
            Err("there is no setting `server.domian`; did you mean `server.domain`?".to_owned())
        );
        assert_eq!(
            load(&[("HOBNOB_RENDEZVOUS__ZZZZZZZZ", "x")]),
            Err("there is no setting `zzzzzzzz`".to_owned())
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error() {
        assert!(load(&[("HOBNOB_RENDEZVOUS__SESSION__UNPROVED_MAX", "many")]).is_err());
        assert!(load(&[("HOBNOB_RENDEZVOUS__SERVER__DOMAIN", "no domain")]).is_err());
    }
}
