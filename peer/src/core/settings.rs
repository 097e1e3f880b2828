//! Settings: what the user may change, and what to show of oneself.

mod letters;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hobnob_nat::core::agent::Policy;
use hobnob_nat::core::proxy::Proxy;
use hobnob_nat::core::relay::RelayLimits;
use hobnob_wire::invite::Invite;
use hobnob_wire::limits::STATUS_TEXT_BYTES_MAX;
use hobnob_wire::presence::{Availability, Presence, PresenceSet, StatusText};

use serde::{Deserialize, Serialize};

use super::command::{CommandError, ErrorKind};
use super::contact::availability;
use super::link::policy_named;
use super::store::{SettingStore, Store};
use super::transfer::limits::Rates;
use super::transfer::limits::{parse_peers, parse_rate};
use super::transfer::{self, AutoAccept, Limits, Rules};

pub use self::letters::{KEYWORDS, NUDGES, TYPING, TYPING_EVERY};
pub(crate) use self::letters::{keywords, nudges, typing};

/// Whose offers are accepted without asking: `nobody` or `contacts`.
pub const AUTO_ACCEPT: &str = "files.auto_accept";
/// Absolute folder for received files. The shell sets the first value, because only it knows the user's
/// home.
pub const FOLDER: &str = "files.dir";
/// What decides about offers before `files.auto_accept` does, by contact, size and type.
pub const RULES: &str = "files.rules";
/// Absolute folder for what a rule puts apart; `quarantine` in `files.dir` when empty.
pub const QUARANTINE: &str = "files.quarantine";
/// Minutes for which others who got the same offer get it from this device once it is here; 0 for not at all, not even
/// before.
pub const SERVE: &str = "files.serve_minutes";
/// Most that all transfers together may send, as a rate; 0 for no limit.
pub const LIMIT_UP: &str = "limits.up";
/// Most that all transfers together may receive, as a rate; 0 for no limit.
pub const LIMIT_DOWN: &str = "limits.down";
/// Limits by the hour, instead of those in general.
pub const LIMIT_SCHEDULE: &str = "limits.schedule";
/// Limits for all transfers with a contact together.
pub const LIMIT_PEERS: &str = "limits.peers";
/// Transfers that run at the same time, each way; more wait in a queue.
pub const AT_ONCE: &str = "limits.at_once";
/// Where the rendezvous is, as `host:port`; empty: where the invite says. It must have the certificate of the invite. Taken at
/// the next start.
pub const SERVER: &str = "net.server";
/// How often something is sent at least, so that NATs stay open: `auto` or seconds. Taken at the next start.
pub const KEEP_ALIVE: &str = "net.keep_alive";
/// UDP port of this device; 0 for any. Taken at the next start.
pub const PORT: &str = "net.port";
/// Over which paths contacts may reach us: `all`, `no-lan` or `relay-only`.
pub const PATHS: &str = "net.paths";
/// Whether the router is asked to forward our port: `on` or `off`. Taken at the next start.
pub const PORT_MAPPING: &str = "net.port_mapping";
/// The proxy for networks that let only TCP out; empty for none. Taken at the next start.
pub const PROXY: &str = "net.proxy";

/// Whether contacts are looked for without the rendezvous while it cannot be reached: `on` or `off`. Taken at the next
/// start.
pub const OVERLAY: &str = "overlay.use";
/// Whether this device helps others to find each other: `on` or `off`. Taken at the next start.
pub const VOLUNTEER: &str = "overlay.volunteer";
/// Nodes of the overlay beyond the local network, as `host:port` with commas between them. Taken at the next start.
pub const BOOTSTRAP: &str = "overlay.bootstrap";

/// Whether this device relays between contacts that reach it and not each other: `on` or `off`. Taken at the next start.
pub const RELAY: &str = "relay.for_contacts";
/// What that may cost, for all of them together: bytes in a second. Taken at the next start.
pub const RELAY_RATE: &str = "relay.max_bytes_per_s";
/// What that may cost, for all of them together: bytes in a day. Taken at the next start.
pub const RELAY_DAY: &str = "relay.max_bytes_per_day";

/// Days after which letters are forgotten, by the clock of their author; 0 for never.
pub const KEEP_DAYS: &str = "history.keep_days";

/// When a changed setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applies {
    /// At once.
    Now,
    /// When the app starts again.
    NextStart,
}

/// One setting: its name, its first value, when it counts, what a value must be, in code and in words.
struct Setting {
    key: &'static str,
    applies: Applies,
    first: &'static str,
    is_valid: fn(&str) -> bool,
    wanted: &'static str,
}

const SETTINGS: [Setting; 23] = [
    Setting {
        key: AUTO_ACCEPT,
        applies: Applies::Now,
        first: "nobody",
        is_valid: |value| matches!(value, "nobody" | "contacts"),
        wanted: "`nobody` or `contacts`",
    },
    Setting {
        key: FOLDER,
        applies: Applies::Now,
        first: "",
        is_valid: |value| Path::new(value).is_absolute(),
        wanted: "an absolute path, as /home/me/Downloads",
    },
    Setting {
        key: RULES,
        applies: Applies::Now,
        first: "",
        is_valid: |value| Rules::parse(value).is_some(),
        wanted: "rules with `;` between them, as from=bob@example.org type=image size<=20MiB accept; size<=1GiB quarantine; ask",
    },
    Setting {
        key: QUARANTINE,
        applies: Applies::Now,
        first: "",
        is_valid: |value| value.is_empty() || Path::new(value).is_absolute(),
        wanted: "empty, or an absolute path, as /home/me/Downloads/unchecked",
    },
    Setting {
        key: SERVE,
        applies: Applies::Now,
        first: "60",
        is_valid: |value| value.parse::<u32>().is_ok_and(|minutes| minutes <= SERVE_MINUTES_MAX),
        wanted: "minutes, at most 10080; 0 for not at all",
    },
    Setting {
        key: LIMIT_UP,
        applies: Applies::Now,
        first: "0",
        is_valid: is_rate,
        wanted: "a rate, as 1MiB/s; 0 for no limit",
    },
    Setting {
        key: LIMIT_DOWN,
        applies: Applies::Now,
        first: "0",
        is_valid: is_rate,
        wanted: "a rate, as 1MiB/s; 0 for no limit",
    },
    Setting {
        key: LIMIT_SCHEDULE,
        applies: Applies::Now,
        first: "",
        is_valid: Limits::is_schedule,
        wanted: "hours and rates with `;` between them, as mon-fri 08:00-18:00 up=1MiB/s down=5MB/s",
    },
    Setting {
        key: LIMIT_PEERS,
        applies: Applies::Now,
        first: "",
        is_valid: |value| parse_peers(value).is_some(),
        wanted: "contacts and rates with `;` between them, as bob@example.org up=1MiB/s down=5MB/s",
    },
    Setting {
        key: AT_ONCE,
        applies: Applies::Now,
        first: "8",
        is_valid: |value| value.parse().is_ok_and(|number| (1..=Limits::AT_ONCE_MAX).contains(&number)),
        wanted: "a number from 1 to 64",
    },
    Setting {
        key: PATHS,
        applies: Applies::Now,
        first: "all",
        is_valid: |value| policy_named(value).is_some(),
        wanted: "`all`, `no-lan` or `relay-only`",
    },
    Setting {
        key: SERVER,
        applies: Applies::NextStart,
        first: "",
        is_valid: |value| value.is_empty() || server_named(value).is_some(),
        wanted: "empty, for the place that the invite names, or host:port, as rendezvous.example:7700 or [2001:db8::1]:7700",
    },
    Setting {
        key: KEEP_ALIVE,
        applies: Applies::NextStart,
        first: AUTO,
        is_valid: |value| value == AUTO || keep_alive_named(value).is_some(),
        wanted: "`auto`, or seconds from 2 to 12 for a network that forgets connections sooner",
    },
    Setting {
        key: PORT,
        applies: Applies::NextStart,
        first: "0",
        is_valid: |value| value.parse::<u16>().is_ok_and(|port| port == 0 || port >= PORT_MIN),
        wanted: "a port from 1024 to 65535, or 0 for any",
    },
    Setting {
        key: PORT_MAPPING,
        applies: Applies::NextStart,
        first: "on",
        is_valid: |value| matches!(value, "on" | "off"),
        wanted: "`on` or `off`",
    },
    Setting {
        key: PROXY,
        applies: Applies::NextStart,
        first: "",
        is_valid: |value| value.is_empty() || value.parse::<Proxy>().is_ok(),
        wanted: "empty, or a proxy as http://host:port or socks5://host:port",
    },
    Setting {
        key: KEEP_DAYS,
        applies: Applies::Now,
        first: "0",
        is_valid: |value| value.parse::<u32>().is_ok(),
        wanted: "a number of days; 0 to keep letters for good",
    },
    Setting {
        key: BOOTSTRAP,
        applies: Applies::NextStart,
        first: "",
        is_valid: |value| value.is_empty() || value.split(',').all(|place| is_place(place.trim())),
        wanted: "empty, or host:port with commas between them",
    },
    Setting {
        key: OVERLAY,
        applies: Applies::NextStart,
        first: "on",
        is_valid: is_switch,
        wanted: "`on` or `off`",
    },
    Setting {
        key: VOLUNTEER,
        applies: Applies::NextStart,
        first: "off",
        is_valid: is_switch,
        wanted: "`on` or `off`",
    },
    Setting {
        key: RELAY,
        applies: Applies::NextStart,
        first: "off",
        is_valid: is_switch,
        wanted: "`on` or `off`",
    },
    Setting {
        key: RELAY_RATE,
        applies: Applies::NextStart,
        first: "1000000",
        is_valid: is_count,
        wanted: "a number of bytes, 1 or more",
    },
    Setting {
        key: RELAY_DAY,
        applies: Applies::NextStart,
        first: "5000000000",
        is_valid: is_count,
        wanted: "a number of bytes, 1 or more",
    },
];

/// All settings.
fn table() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(&letters::SETTINGS)
}

/// Ports below this belong to services of the system; peers do not dial them.
const PORT_MIN: u16 = 1_024;

/// Longest [`SERVE`]: a week.
const SERVE_MINUTES_MAX: u32 = 7 * 24 * 60;

/// The word for what the app decides.
const AUTO: &str = "auto";

/// What the shell must know before it opens its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSettings {
    /// How often something is sent at least; `None` for what is right for most NATs.
    pub keep_alive: Option<Duration>,
    /// UDP port; 0 for any.
    pub port: u16,
    /// Whether the router is asked to forward it.
    pub port_mapping: bool,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// How to take part in the overlay.
    pub overlay: OverlaySettings,
    /// What is relayed between contacts, if anything is.
    pub relay: Option<RelayLimits>,
}

/// How to take part in the overlay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlaySettings {
    /// Whether contacts are looked for there.
    pub used: bool,
    /// Whether others are helped.
    pub volunteer: bool,
    /// Its first nodes, as `host:port`.
    pub bootstrap: Vec<String>,
}

const AVAILABILITY: &str = "presence.availability";
const HIDDEN: &str = "presence.hidden";
const TEXT: &str = "presence.text";

/// Longest value of a setting, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Every setting and its value, as it may be shown: without passwords.
pub(crate) fn all<S: SettingStore>(store: &mut S) -> Result<Vec<(String, String)>, S::Error> {
    let all = |setting: &Setting| Ok((setting.key.to_owned(), shown(setting.key, kept(store, setting.key)?)));
    table().map(all).collect()
}

fn shown(key: &str, value: String) -> String {
    match value.parse::<Proxy>() {
        Ok(proxy) if key == PROXY => proxy.to_string(),
        _ => value,
    }
}

/// The value of a setting, the first one until the user sets another.
fn kept<S: SettingStore>(store: &mut S, key: &str) -> Result<String, S::Error> {
    let first = table().find(|setting| setting.key == key).map_or("", |setting| setting.first);
    Ok(store.setting(key)?.unwrap_or_else(|| first.to_owned()))
}

/// Who may learn our addresses, where nothing else is set for a contact. Nobody while there is a proxy, unless the user says so:
/// what goes beside a proxy gives away what it may be there to hide.
pub(crate) fn paths<S: SettingStore>(store: &mut S) -> Result<Policy, S::Error> {
    if store.setting(PATHS)?.is_none() && !kept(store, PROXY)?.is_empty() {
        return Ok(Policy::RelayOnly);
    }
    Ok(policy_named(&kept(store, PATHS)?).unwrap_or(Policy::All))
}

/// What the shell must know before it opens its socket.
///
/// # Errors
/// The store's.
pub fn net<S: SettingStore>(store: &mut S) -> Result<NetSettings, S::Error> {
    Ok(NetSettings {
        keep_alive: keep_alive_named(&kept(store, KEEP_ALIVE)?),
        port: kept(store, PORT)?.parse().unwrap_or(0),
        port_mapping: kept(store, PORT_MAPPING)? == "on",
        proxy: kept(store, PROXY)?.parse().ok(),
        overlay: overlay(store)?,
        relay: relay(store)?,
    })
}

/// What is relayed between contacts, if anything is.
pub(crate) fn relay<S: SettingStore>(store: &mut S) -> Result<Option<RelayLimits>, S::Error> {
    /// As long as the relay of a rendezvous waits.
    const IDLE: Duration = Duration::from_secs(300);
    if kept(store, RELAY)? != "on" {
        return Ok(None);
    }
    let per_s = kept(store, RELAY_RATE)?.parse().unwrap_or(1);
    let per_day = kept(store, RELAY_DAY)?.parse().unwrap_or(1);
    Ok(Some(RelayLimits {
        channel_bytes_per_s: per_s,
        channel_bytes_max: per_day,
        account_bytes_per_s: per_s,
        account_bytes_per_day: per_day,
        idle: IDLE,
    }))
}

/// Days after which letters are forgotten; `None` for never.
pub(crate) fn keep_days<S: SettingStore>(store: &mut S) -> Result<Option<u32>, S::Error> {
    Ok(kept(store, KEEP_DAYS)?.parse().ok().filter(|days| *days > 0))
}

/// Puts the place that the user has set, if any, where the invite's was. The pin stays.
///
/// # Errors
/// The store's.
pub fn place<S: SettingStore>(store: &mut S, mut rendezvous: Invite) -> Result<Invite, S::Error> {
    if let Some((host, port)) = server_named(&kept(store, SERVER)?) {
        (rendezvous.host, rendezvous.port) = (host, port);
    }
    Ok(rendezvous)
}

/// Whether a change of this setting counts at once.
#[must_use]
pub fn applies(key: &str) -> Applies {
    table().find(|setting| setting.key == key).map_or(Applies::Now, |setting| setting.applies)
}

/// The host and the port of `host:port`; of an IPv6 address without its brackets.
fn server_named(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
        None if !host.is_empty() && host.chars().all(is_name) => host.to_owned(),
        None => return None,
    };
    Some((host, port))
}

fn keep_alive_named(text: &str) -> Option<Duration> {
    let seconds: u64 = text.parse().ok()?;
    (2..=12).contains(&seconds).then(|| Duration::from_secs(seconds))
}

fn overlay<S: SettingStore>(store: &mut S) -> Result<OverlaySettings, S::Error> {
    let places = kept(store, BOOTSTRAP)?;
    let places = places.split(',').map(str::trim).filter(|place| !place.is_empty());
    Ok(OverlaySettings {
        used: kept(store, OVERLAY)? == "on",
        volunteer: kept(store, VOLUNTEER)? == "on",
        bootstrap: places.map(str::to_owned).collect(),
    })
}

fn is_rate(value: &str) -> bool {
    parse_rate(value).is_ok()
}

fn is_switch(value: &str) -> bool {
    matches!(value, "on" | "off")
}

fn is_count(value: &str) -> bool {
    value.parse::<u64>().is_ok_and(|count| count > 0)
}

/// Whether a text is `host:port`.
fn is_place(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(['/', ' '])
            && port.parse::<u16>().is_ok_and(|port| port >= PORT_MIN)
    })
}

/// Sets where received files go, unless the user has. The shell calls it before the engine opens the
/// store; `folder` must be absolute.
///
/// # Errors
/// The store's.
pub fn set_default_folder<S: SettingStore>(store: &mut S, folder: &Path) -> Result<(), S::Error> {
    match store.setting(FOLDER)? {
        Some(_) => Ok(()),
        None => store.set_setting(FOLDER, &folder.to_string_lossy()),
    }
}

/// What transfers must know.
pub(crate) fn files<S: SettingStore>(store: &mut S) -> Result<transfer::Settings, S::Error> {
    let auto_accept = match kept(store, AUTO_ACCEPT)?.as_str() {
        "contacts" => AutoAccept::Contacts,
        _ => AutoAccept::Nobody,
    };
    let folder: PathBuf = kept(store, FOLDER)?.into();
    let quarantine = match kept(store, QUARANTINE)? {
        apart if apart.is_empty() => folder.join("quarantine"),
        apart => apart.into(),
    };
    let rules = Rules::parse(&kept(store, RULES)?).unwrap_or_default();
    let minutes: u32 = kept(store, SERVE)?.parse().unwrap_or(0);
    let serve = Duration::from_secs(60) * minutes;
    Ok(transfer::Settings { auto_accept, rules, folder, quarantine, limits: limits(store)?, serve })
}

fn limits<S: SettingStore>(store: &mut S) -> Result<Limits, S::Error> {
    let mut rate = |key| Ok(parse_rate(&kept(store, key)?).unwrap_or(0));
    let usual = Rates { up: rate(LIMIT_UP)?, down: rate(LIMIT_DOWN)? };
    let peers = parse_peers(&kept(store, LIMIT_PEERS)?).unwrap_or_default();
    let at_once = kept(store, AT_ONCE)?.parse().unwrap_or(Limits::AT_ONCE);
    Ok(Limits::new(usual, peers, at_once).with_schedule(&kept(store, LIMIT_SCHEDULE)?))
}

/// Checks a setting before it is kept.
pub(crate) fn check(key: &str, value: &str) -> Result<(), CommandError> {
    let usage = |text: String| Err(CommandError::new(ErrorKind::Usage, text));
    if value.len() > VALUE_BYTES_MAX {
        return usage(format!("A value may have at most {VALUE_BYTES_MAX} bytes."));
    }
    let Some(setting) = table().find(|setting| setting.key == key) else {
        let known: Vec<String> = table().map(|setting| format!("`{}`", setting.key)).collect();
        let text = format!("There is no setting `{key}`. There are {}.", known.join(", "));
        return Err(CommandError::new(ErrorKind::NotFound, text));
    };
    if (setting.is_valid)(value) { Ok(()) } else { usage(format!("`{key}` is {}.", setting.wanted)) }
}

/// What was set to be shown; online without text at first.
pub(crate) fn presence<S: Store>(store: &mut S) -> Result<PresenceSet, S::Error> {
    let availability = match store.setting(AVAILABILITY)?.as_deref() {
        Some("away") => Availability::Away,
        Some("busy") => Availability::Busy,
        _ => Availability::Online,
    };
    let hidden = store.setting(HIDDEN)?.is_some_and(|hidden| hidden == "yes");
    let text = StatusText::truncated(&store.setting(TEXT)?.unwrap_or_default());
    Ok(PresenceSet { presence: Presence { availability, text }, hidden })
}

/// Checks what is to be shown. Offline is the same as hidden: who is connected cannot be offline.
pub(crate) fn presence_set(
    state: Availability,
    hidden: bool,
    text: String,
) -> Result<PresenceSet, CommandError> {
    let text = StatusText::new(text).map_err(|error| {
        let limit = format!("{} bytes; at most {STATUS_TEXT_BYTES_MAX} fit", error.len);
        CommandError::new(ErrorKind::Usage, format!("The status text has {limit}. Shorten it."))
    })?;
    let hidden = hidden || state == Availability::Offline;
    Ok(PresenceSet { presence: Presence { availability: state, text }, hidden })
}

/// Keeps what is to be shown.
pub(crate) fn set_presence<S: Store>(store: &mut S, set: &PresenceSet) -> Result<(), S::Error> {
    store.set_setting(AVAILABILITY, availability(set.presence.availability))?;
    store.set_setting(HIDDEN, if set.hidden { "yes" } else { "no" })?;
    store.set_setting(TEXT, set.presence.text.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use hobnob_wire::invite::Pin;

    use super::*;
    use crate::core::store::Fallible;

    /// Settings in memory.
    struct Kept(BTreeMap<String, String>);

    impl Fallible for Kept {
        type Error = Infallible;
    }

    impl SettingStore for Kept {
        fn setting(&mut self, key: &str) -> Result<Option<String>, Infallible> {
            Ok(self.0.get(key).cloned())
        }

        fn set_setting(&mut self, key: &str, value: &str) -> Result<(), Infallible> {
            self.0.insert(key.to_owned(), value.to_owned());
            Ok(())
        }
    }

    #[test]
    fn behind_a_proxy_contacts_learn_no_address_unless_the_user_says_so() {
        let mut store = Kept(BTreeMap::new());
        assert_eq!(paths(&mut store), Ok(Policy::All));
        store.set_setting(PROXY, "socks5://me:secret@127.0.0.1:9050").unwrap();
        assert_eq!(paths(&mut store), Ok(Policy::RelayOnly));
        store.set_setting(PATHS, "all").unwrap();
        assert_eq!(paths(&mut store), Ok(Policy::All));
        let shown = all(&mut store).unwrap();
        assert!(shown.contains(&(PROXY.to_owned(), "socks5://***@127.0.0.1:9050".to_owned())), "{shown:?}");
    }

    #[test]
    fn a_setting_is_checked_before_it_is_kept() {
        assert_eq!(check(AUTO_ACCEPT, "contacts"), Ok(()));
        assert_eq!(check(AUTO_ACCEPT, "all").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(check(FOLDER, "/tmp/files"), Ok(()));
        assert_eq!(check(FOLDER, "files").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(check("files.color", "red").unwrap_err().kind, ErrorKind::NotFound);
        for (key, good, bad) in [
            (PORT, ["0", "1024", "65535"].as_slice(), ["1023", "65536", "-1", ""].as_slice()),
            (
                SERVER,
                &["", "rendezvous.example:443", "192.0.2.1:7700", "[2001:db8::1]:7700"],
                &[
                    "rendezvous.example",
                    ":7700",
                    "a b:7700",
                    "a:0",
                    "2001:db8::1:7700",
                    "[x]:1",
                    "https://a:1",
                ],
            ),
            (KEEP_ALIVE, &["auto", "2", "12"], &["1", "13", "-2", "", "2s"]),
            (PATHS, &["all", "no-lan", "relay-only"], &["lan", ""]),
            (PORT_MAPPING, &["on", "off"], &["yes"]),
            (
                PROXY,
                &["", "http://proxy.example:8080", "socks5://[2001:db8::1]:1080"],
                &["ftp://proxy:21", "http://proxy", "http://:80", "socks5://a b:1"],
            ),
        ] {
            for value in good {
                assert_eq!(check(key, value), Ok(()), "{key} {value}");
            }
            for value in bad {
                assert_eq!(check(key, value).unwrap_err().kind, ErrorKind::Usage, "{key} {value}");
            }
        }
    }

    #[test]
    fn the_place_of_the_rendezvous_may_be_another_but_its_pin_stays() {
        let invite: Invite = format!("hobnob://old.example:7700/#{}", Pin::new([7; 32])).parse().unwrap();
        let mut store = Kept(BTreeMap::new());
        assert_eq!(place(&mut store, invite.clone()), Ok(invite.clone()));
        store.set_setting(SERVER, "[2001:db8::1]:443").unwrap();
        let moved = Invite { host: "2001:db8::1".to_owned(), port: 443, pin: invite.pin };
        assert_eq!(place(&mut store, invite), Ok(moved));
    }

    #[test]
    fn every_setting_that_has_a_first_value_would_take_it() {
        for setting in table().filter(|setting| setting.key != FOLDER) {
            assert_eq!(check(setting.key, setting.first), Ok(()), "{}", setting.key);
        }
    }
}
