//! Settings: what the user may change, and what to show of oneself.

use std::path::{Path, PathBuf};

use hobnob_wire::limits::STATUS_TEXT_BYTES_MAX;
use hobnob_wire::presence::{Availability, Presence, PresenceSet, StatusText};

use super::command::{CommandError, ErrorKind};
use super::contact::availability;
use super::store::{SettingStore, Store};
use super::transfer::AutoAccept;

/// Whose offers are accepted without asking: `nobody` or `contacts`.
pub const AUTO_ACCEPT: &str = "files.auto_accept";
/// Absolute folder for received files. The shell sets the first value, because only it knows the user's
/// home.
pub const FOLDER: &str = "files.dir";

const AVAILABILITY: &str = "presence.availability";
const HIDDEN: &str = "presence.hidden";
const TEXT: &str = "presence.text";

/// Longest value of a setting, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// Every setting and its value.
pub(crate) fn all<S: Store>(store: &mut S) -> Result<Vec<(String, String)>, S::Error> {
    let auto_accept = store.setting(AUTO_ACCEPT)?.unwrap_or_else(|| "nobody".to_owned());
    let folder = store.setting(FOLDER)?.unwrap_or_default();
    Ok(vec![(AUTO_ACCEPT.to_owned(), auto_accept), (FOLDER.to_owned(), folder)])
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
pub(crate) fn files<S: Store>(store: &mut S) -> Result<(AutoAccept, PathBuf), S::Error> {
    let auto_accept = match store.setting(AUTO_ACCEPT)?.as_deref() {
        Some("contacts") => AutoAccept::Contacts,
        _ => AutoAccept::Nobody,
    };
    Ok((auto_accept, store.setting(FOLDER)?.unwrap_or_default().into()))
}

/// Checks a setting before it is kept.
pub(crate) fn check(key: &str, value: &str) -> Result<(), CommandError> {
    let usage = |text: String| Err(CommandError::new(ErrorKind::Usage, text));
    if value.len() > VALUE_BYTES_MAX {
        return usage(format!("A value may have at most {VALUE_BYTES_MAX} bytes."));
    }
    match key {
        AUTO_ACCEPT if matches!(value, "nobody" | "contacts") => Ok(()),
        AUTO_ACCEPT => usage(format!("`{AUTO_ACCEPT}` is `nobody` or `contacts`.")),
        FOLDER if Path::new(value).is_absolute() => Ok(()),
        FOLDER => usage(format!("`{FOLDER}` is an absolute path, as /home/me/Downloads.")),
        _ => Err(CommandError::new(
            ErrorKind::NotFound,
            format!("There is no setting `{key}`. There are `{AUTO_ACCEPT}` and `{FOLDER}`."),
        )),
    }
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
    use super::*;

    #[test]
    fn a_setting_is_checked_before_it_is_kept() {
        assert_eq!(check(AUTO_ACCEPT, "contacts"), Ok(()));
        assert_eq!(check(AUTO_ACCEPT, "all").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(check(FOLDER, "/tmp/files"), Ok(()));
        assert_eq!(check(FOLDER, "files").unwrap_err().kind, ErrorKind::Usage);
        assert_eq!(check("files.color", "red").unwrap_err().kind, ErrorKind::NotFound);
    }
}
