//! What is kept of each device that we exchange signals with: the secrets of the exchange, what we told, and the path that
//! came of it. It outlives the attempt, and the link by a moment, so that a goodbye still finds its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hobnob_nat::core::agent::{Exchange, PathKind, PathReport, Policy, Role, SocketId};
use hobnob_wire::datagram::DatagramKey;
use hobnob_wire::signal::{Candidate, Mapping};
use hobnob_wire::{Address, AttemptId, DeviceId};

use super::policy::OwnSide;
use crate::core::effect::{Effect, ReachOrder};
use crate::core::time::Entropy;
use crate::core::turn::Turn;

/// Devices of which something is kept at a time: those with links, with attempts, and those being forgotten.
const EXCHANGES_MAX: usize = 256;

/// Devices whose last path is remembered for the user after all else is forgotten.
const PAST_MAX: usize = 64;

/// How long a path stays after the last link over it ended: three round trips of a bad one.
const FORGET_WAIT: Duration = Duration::from_secs(3);

/// Shortest time between two updates to one device. The first goes at once; what changes meanwhile goes with the second.
const UPDATE_WAIT: Duration = Duration::from_secs(1);

/// Updates of one device that count within [`UPDATES_WITHIN`]. Each may cost as many checks as there are candidates.
const UPDATES_MAX: u32 = 10;

/// See [`UPDATES_MAX`].
const UPDATES_WITHIN: Duration = Duration::from_secs(10);

/// One device.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) address: Address,
    pub(super) attempt: AttemptId,
    pub(super) key: DatagramKey,
    pub(super) policy: Policy,
    /// What was last said of ourselves, and when.
    told: Option<(OwnSide, Duration)>,
    /// What was said must be said again although it is still true: the session is another.
    again: bool,
    /// An update is on its way; the next waits for its answer.
    updating: bool,
    /// Since when the other side's updates are counted, and how many came.
    updates: (Duration, u32),
    /// Who relays to it in place of the rendezvous.
    pub(super) helper: Option<(DeviceId, Address)>,
    pub(super) path: Option<KnownPath>,
    /// When it is forgotten, once nothing needs it.
    forget_at: Option<Duration>,
}

/// A path as it was last reported.
#[derive(Clone, Debug)]
pub(super) struct KnownPath {
    pub(super) report: Arc<PathReport>,
    /// When it became what it is: Unix milliseconds.
    pub(super) since_ms: u64,
    /// The contact that relays.
    pub(super) helper: Option<Address>,
}

/// A device of which only the last path is remembered.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) address: Address,
    pub(super) device: DeviceId,
    pub(super) path: KnownPath,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<DeviceId, Exchanged>,
    past: VecDeque<Past>,
}

impl Exchanges {
    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < EXCHANGES_MAX
    }

    pub(super) fn of(&self, device: DeviceId) -> Option<&Exchanged> {
        self.open.get(&device)
    }

    pub(super) fn of_mut(&mut self, device: DeviceId) -> Option<&mut Exchanged> {
        self.open.get_mut(&device)
    }

    /// With whom signals of this attempt are exchanged.
    pub(super) fn device_of(&self, attempt: AttemptId) -> Option<DeviceId> {
        self.open.iter().find(|(_, known)| known.attempt == attempt).map(|(device, _)| *device)
    }

    /// What is known of the paths to the devices of an account, the present ones first.
    pub(super) fn with<'a>(
        &'a self,
        address: &'a Address,
    ) -> impl Iterator<Item = (DeviceId, &'a KnownPath)> + 'a {
        let open = self.open.iter().filter(move |(_, known)| known.address == *address);
        let open = open.filter_map(|(device, known)| Some((*device, known.path.as_ref()?)));
        let past = self.past.iter().filter(move |past| past.address == *address);
        open.chain(past.map(|past| (past.device, &past.path)))
    }

    /// What a link to the device runs over; nothing while none is proved.
    pub(super) fn kind(&self, device: DeviceId) -> PathKind {
        let path = self.open.get(&device).and_then(|known| known.path.as_ref());
        path.map_or(PathKind::None, |path| path.report.kind)
    }

    /// Where a device is, if our main socket has a path right to it.
    pub(super) fn direct_to(&self, device: DeviceId) -> Option<SocketAddr> {
        let report = &self.open.get(&device)?.path.as_ref()?.report;
        let way = report.way.filter(|way| report.kind.is_direct() && way.via == SocketId::MAIN)?;
        Some(way.to)
    }

    /// Contacts' devices that relay for us now.
    pub(super) fn helpers(&self) -> BTreeSet<DeviceId> {
        let relayed = self.open.iter().filter(|(device, _)| self.kind(**device) == PathKind::Relayed);
        relayed.filter_map(|(_, known)| known.helper.as_ref().map(|(helper, _)| *helper)).collect()
    }

    /// A device relays no more. To whom it did.
    pub(super) fn helper_gone(&mut self, helper: DeviceId) -> Vec<DeviceId> {
        let mut helped = Vec::new();
        for (device, known) in &mut self.open {
            if known.helper.take_if(|(by, _)| *by == helper).is_some() {
                helped.push(*device);
            }
        }
        helped
    }

    /// Begins to exchange signals with a device, under a key of its own. A path that no link needs is forgotten first:
    /// it belongs to another exchange, perhaps under another policy.
    pub(super) fn begin<S, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        (own, device, linked): (DeviceId, DeviceId, bool),
        (address, attempt, policy): (&Address, AttemptId, Policy),
    ) {
        let key = DatagramKey::new(turn.entropy.array());
        let before = self.open.remove(&device);
        if before.is_some() && !linked {
            turn.effect(Effect::Reach(ReachOrder::Forget { device }));
        }
        self.past.retain(|past| past.device != device);
        let exchange = Exchange {
            attempt,
            role: Role::of(own, device),
            policy,
            own_key: key.clone(),
            seed: u64::from_le_bytes(turn.entropy.array()),
        };
        turn.effect(Effect::Reach(ReachOrder::Exchange { device, exchange }));
        let (helper, path) =
            before.filter(|_| linked).map_or((None, None), |known| (known.helper, known.path));
        let known = Exchanged {
            address: address.clone(),
            attempt,
            key,
            policy,
            told: None,
            again: false,
            updating: false,
            updates: (turn.now.monotonic, 0),
            helper,
            path,
            forget_at: None,
        };
        self.open.insert(device, known);
    }

    /// The path to a device is reported. Whether users see a difference.
    pub(super) fn reported(&mut self, device: DeviceId, report: Arc<PathReport>, unix_ms: u64) -> bool {
        let Some(known) = self.open.get_mut(&device) else {
            return false;
        };
        let same = known
            .path
            .as_ref()
            .filter(|path| (path.report.kind, path.report.way) == (report.kind, report.way));
        let since_ms = same.map_or(unix_ms, |path| path.since_ms);
        let changed = known.path.as_ref().is_none_or(|path| {
            (path.report.kind, path.report.way, path.report.why_not_direct)
                != (report.kind, report.way, report.why_not_direct)
        });
        let helper = known.helper.as_ref().filter(|_| report.kind == PathKind::Relayed);
        let helper = helper.map(|(_, address)| address.clone());
        known.path = Some(KnownPath { report, since_ms, helper });
        changed
    }

    /// Everybody with whom there are exchanges must be told anew: channels of the relay end with the session.
    pub(super) fn session_up(&mut self) {
        self.open.values_mut().for_each(|known| known.again = true);
    }

    /// Who is due to be told that we are elsewhere, and by which signal.
    pub(super) fn due_updates(&self, own: &OwnSide, now: Duration) -> Vec<DeviceId> {
        let due = self.open.iter().filter(|(_, known)| known.update_at(own).is_some_and(|at| at <= now));
        due.map(|(device, _)| *device).collect()
    }

    /// When something is due.
    pub(super) fn deadline(&self, own: &OwnSide, may_tell: impl Fn(DeviceId) -> bool) -> Option<Duration> {
        let at = |(device, known): (&DeviceId, &Exchanged)| {
            let update = known.update_at(own).filter(|_| may_tell(*device));
            [known.forget_at, update].into_iter().flatten().min()
        };
        self.open.iter().filter_map(at).min()
    }

    /// Forgets devices that nothing needs, a moment later.
    pub(super) fn forget_unused<S, E>(&mut self, turn: &mut Turn<'_, S, E>, used: &BTreeSet<DeviceId>) {
        let now = turn.now.monotonic;
        let mut over = Vec::new();
        for (device, known) in &mut self.open {
            if used.contains(device) {
                known.forget_at = None;
            } else if *known.forget_at.get_or_insert(now + FORGET_WAIT) <= now {
                over.push(*device);
            }
        }
        for device in over {
            turn.effect(Effect::Reach(ReachOrder::Forget { device }));
            let Some(Exchanged { address, path: Some(path), .. }) = self.open.remove(&device) else {
                continue;
            };
            if self.past.len() == PAST_MAX {
                self.past.pop_front();
            }
            self.past.push_back(Past { address, device, path: path.ended() });
        }
    }
}

impl Exchanged {
    /// Notes what is said of ourselves in a signal.
    pub(super) fn tell(&mut self, own: &OwnSide, now: Duration) -> (Vec<Candidate>, Mapping) {
        self.told = Some((own.clone(), now));
        self.again = false;
        own.offered(self.policy)
    }

    /// An update goes out.
    pub(super) const fn updating(&mut self) {
        self.updating = true;
    }

    /// It was passed on, or will not be; `again` when it must be said once more.
    pub(super) const fn updated(&mut self, again: bool) {
        self.updating = false;
        self.again |= again;
    }

    /// Whether one more update of the other side counts.
    pub(super) fn takes_update(&mut self, attempt: AttemptId, now: Duration) -> bool {
        if now >= self.updates.0 + UPDATES_WITHIN {
            self.updates = (now, 0);
        }
        self.updates.1 += 1;
        attempt == self.attempt && self.updates.1 <= UPDATES_MAX
    }

    /// When the other side is to be told anew, if what it knows is no longer so.
    fn update_at(&self, own: &OwnSide) -> Option<Duration> {
        let (told, at) = self.told.as_ref().filter(|_| !self.updating)?;
        let differs = self.again || told.offered(self.policy) != own.offered(self.policy);
        differs.then(|| *at + UPDATE_WAIT)
    }
}

impl KnownPath {
    /// The same path once nothing runs over it any more.
    fn ended(mut self) -> Self {
        Arc::make_mut(&mut self.report).kind = PathKind::None;
        self
    }
}
