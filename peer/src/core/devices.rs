//! Own devices: which there are, and which the user should know to have come.

use std::collections::BTreeMap;

use hobnob_wire::DeviceId;
use hobnob_wire::account::{Arrival, Sighting};
use hobnob_wire::device::{DeviceList, DeviceOperation, SignedEntry, VerifiedList};
use hobnob_wire::limits::DEVICES_MAX;

use super::event::Event;
use super::keys::Keyring;
use super::store::{Fallible, Store};
use super::time::rfc3339;
use super::turn::Turn;
use super::view::{DeviceView, NoticeView};

/// Notices that are kept; the oldest go.
pub const NOTICES_MAX: usize = 16;

/// How long a notice is shown with the status: a week, so that nobody misses it over a weekend.
const NOTICE_SHOWN_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// What users and the shell ask about own devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCommand {
    /// All of them. Answer: [`Reply::Devices`](super::command::Reply::Devices).
    List,
    /// The chain as this device knows it, for whoever signs the next entry.
    /// Answer: [`Reply::OwnList`](super::command::Reply::OwnList).
    Chain,
    /// Appends an entry that continues it. Answer: [`Reply::Done`](super::command::Reply::Done).
    Append(Box<SignedEntry>),
}

/// Something that the user should know about an own device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which.
    pub device: DeviceId,
    /// What it was called then.
    pub name: String,
    /// Whether it was new to the account.
    pub joined: bool,
    /// Where it was, if that is known.
    pub place: Option<String>,
    /// When this device learned of it, in Unix milliseconds.
    pub at_unix_ms: u64,
}

/// What is kept of own devices.
pub trait DeviceStore: Fallible {
    /// Own devices that the user knows of, each with the place where it was last, if that is known.
    ///
    /// # Errors
    /// The store's.
    fn own_devices(&mut self) -> Result<BTreeMap<DeviceId, Option<String>>, Self::Error>;

    /// Notes that the user knows of a device, and where it is.
    ///
    /// # Errors
    /// The store's.
    fn put_own_device(&mut self, device: DeviceId, place: Option<&str>) -> Result<(), Self::Error>;

    /// Keeps a notice; the oldest beyond [`NOTICES_MAX`] go.
    ///
    /// # Errors
    /// The store's.
    fn add_notice(&mut self, notice: &Notice) -> Result<(), Self::Error>;

    /// Notices after a time in Unix milliseconds, oldest first.
    ///
    /// # Errors
    /// The store's.
    fn notices(&mut self, after_unix_ms: u64) -> Result<Vec<Notice>, Self::Error>;
}

/// Own devices in memory.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Devices that have a session before the list that names them is here.
    early: BTreeMap<DeviceId, Arrival>,
}

impl Devices {
    /// The rendezvous says that another own device has a session.
    pub(crate) fn arrived<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        arrival: Arrival,
    ) -> Result<(), S::Error> {
        let own = keys.identity.address.clone();
        let Some(list) = keys.trust.list(turn.store, &own)? else {
            return Ok(());
        };
        let known = turn.store.own_devices()?;
        let (Some(device), Some(before)) = (list.device(arrival.device), known.get(&arrival.device)) else {
            if self.early.len() < DEVICES_MAX {
                self.early.insert(arrival.device, arrival);
            }
            return Ok(());
        };
        let name = device.name.as_str().to_owned();
        let place = arrival.place.as_str();
        if before.as_deref() == Some(place) {
            return Ok(());
        }
        turn.store.put_own_device(arrival.device, Some(place))?;
        // The first place that is seen of a device is no news.
        if before.is_some() {
            tell(turn, arrival.device, name, (false, Some(place.to_owned())))?;
        }
        Ok(())
    }

    /// The own list is here, perhaps with devices that the user does not know of.
    pub(crate) fn listed<S: Store, E>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
    ) -> Result<(), S::Error> {
        let (own, this) = (keys.identity.address.clone(), keys.identity.device);
        let Some(list) = keys.trust.list(turn.store, &own)? else {
            return Ok(());
        };
        let known = turn.store.own_devices()?;
        // What was there before this device looked for the first time is no news.
        let first_look = !known.contains_key(&this);
        for (id, device) in list.devices() {
            if known.contains_key(id) {
                continue;
            }
            let place = self.early.remove(id).map(|arrival| arrival.place.as_str().to_owned());
            turn.store.put_own_device(*id, place.as_deref())?;
            if !first_look && *id != this {
                tell(turn, *id, device.name.as_str().to_owned(), (true, place))?;
            }
        }
        Ok(())
    }
}

fn tell<S: Store, E>(
    turn: &mut Turn<'_, S, E>,
    device: DeviceId,
    name: String,
    (joined, place): (bool, Option<String>),
) -> Result<(), S::Error> {
    let notice = Notice { device, name, joined, place, at_unix_ms: turn.now.unix_ms };
    turn.store.add_notice(&notice)?;
    turn.event(Event::OtherLocation(view(notice)));
    Ok(())
}

fn view(notice: Notice) -> NoticeView {
    let Notice { device, name, joined, place, at_unix_ms } = notice;
    NoticeView { device, name, joined, place, at: rfc3339(at_unix_ms) }
}

/// What happened lately to devices that are still in use.
pub(crate) fn notices<S: Store>(
    store: &mut S,
    list: Option<&VerifiedList>,
    now_unix_ms: u64,
) -> Result<Vec<NoticeView>, S::Error> {
    let lately = store.notices(now_unix_ms.saturating_sub(NOTICE_SHOWN_MS))?;
    let in_use = |notice: &Notice| list.is_some_and(|list| list.device(notice.device).is_some());
    Ok(lately.into_iter().filter(in_use).map(view).collect())
}

/// Own devices as users see them, in the order they joined.
pub(crate) fn views(
    (list, verified): (&DeviceList, &VerifiedList),
    this: DeviceId,
    sightings: &[Sighting],
) -> Vec<DeviceView> {
    let joined = joined_at(list);
    let view = |(id, device): &(DeviceId, hobnob_wire::device::Device)| {
        let seen = sightings.iter().find(|sighting| sighting.device == *id);
        // Devices that have not been seen since this was counted have no time.
        let seen_at = seen.map(|seen| seen.seen_at_unix_s).filter(|at| *at > 0);
        DeviceView {
            id: *id,
            name: device.name.as_str().to_owned(),
            this: *id == this,
            joined_at: rfc3339(joined.get(id).copied().unwrap_or(0).saturating_mul(1_000)),
            seen_at: seen_at.map(|at| rfc3339(at.saturating_mul(1_000))),
            place: seen.and_then(|seen| seen.here.as_ref()).map(|place| place.as_str().to_owned()),
        }
    };
    verified.devices().iter().map(view).collect()
}

/// When each device joined, in Unix seconds by its own clock.
fn joined_at(list: &DeviceList) -> BTreeMap<DeviceId, u64> {
    let joined = list.entries.iter().filter_map(|signed| {
        let entry = signed.entry().ok()?;
        let DeviceOperation::Add(device) = entry.operation else { return None };
        Some((device.id(), entry.at_unix_s))
    });
    joined.collect()
}

/// The own list with one more entry, as the rendezvous has it once it has taken the entry.
pub(crate) fn extended(list: &DeviceList, entry: SignedEntry) -> Option<DeviceList> {
    let mut entries = list.entries.clone().into_vec();
    entries.push(entry);
    let entries = hobnob_wire::List::new(entries).ok()?;
    Some(DeviceList { certificate: list.certificate.clone(), entries })
}
