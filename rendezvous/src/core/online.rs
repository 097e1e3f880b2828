//! Who has a session now, and how far each mailbox has been pushed.

use std::collections::{BTreeMap, VecDeque};

use hobnob_wire::DeviceId;

use super::quota::Block;
use super::session::SessionId;
use super::store::AccountId;

/// Letters that may be on their way to a device, pushed and not yet acknowledged.
const WINDOW_LETTERS: usize = 256;

/// Bytes of such letters. Larger windows bring nothing on paths under 200 ms and 80 Mbit/s.
const WINDOW_BYTES: usize = 2 << 20;

/// Accounts with at least one proved session. Bounded by the number of sessions.
#[derive(Debug, Default)]
pub(super) struct Online {
    accounts: BTreeMap<AccountId, Vec<Seat>>,
    sessions: usize,
}

/// A device with a session.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) device: DeviceId,
    pub(super) session: SessionId,
    /// Where it comes from.
    pub(super) from: Block,
    /// Present once the device has said where it left off.
    pub(super) tray: Option<Tray>,
}

/// What of a mailbox is on its way to the device.
#[derive(Debug, Default)]
pub(super) struct Tray {
    /// Place and bytes of pushed letters that were not acknowledged.
    sent: VecDeque<(u64, usize)>,
    sent_bytes: usize,
    /// The last place that was pushed.
    pub(super) last: u64,
    /// Whether letters may wait after `last`; then there is no room.
    pub(super) behind: bool,
}

impl Tray {
    /// Nothing is on its way; letters may wait.
    pub(super) fn with_letters() -> Self {
        Self { behind: true, ..Self::default() }
    }

    /// How many letters and bytes may still be pushed.
    pub(super) fn room(&self) -> (usize, usize) {
        (WINDOW_LETTERS.saturating_sub(self.sent.len()), WINDOW_BYTES.saturating_sub(self.sent_bytes))
    }

    /// Whether a letter may be pushed at once. It never overtakes one that waits: letters wait only while there is no room,
    /// because every acknowledgement is answered with as many as there is room for.
    pub(super) fn takes(&self) -> bool {
        let (letters, bytes) = self.room();
        letters > 0 && bytes > 0
    }

    pub(super) fn note_sent(&mut self, seq: u64, bytes: usize) {
        self.sent.push_back((seq, bytes));
        self.sent_bytes += bytes;
        self.last = seq;
    }

    pub(super) fn note_acknowledged(&mut self, up_to: u64) {
        while let Some((seq, bytes)) = self.sent.front().copied()
            && seq <= up_to
        {
            self.sent.pop_front();
            self.sent_bytes -= bytes;
        }
    }
}

impl Online {
    /// Seats a device; gives back the session that it had before.
    pub(super) fn enter(
        &mut self,
        account: AccountId,
        device: DeviceId,
        (session, from): (SessionId, Block),
    ) -> Option<SessionId> {
        let seats = self.accounts.entry(account).or_default();
        let replaced = seats.iter().position(|seat| seat.device == device);
        let replaced = replaced.map(|at| seats.remove(at).session);
        self.sessions += usize::from(replaced.is_none());
        seats.push(Seat { device, session, from, tray: None });
        replaced
    }

    /// Takes a session's seat away; a session without one changes nothing.
    pub(super) fn leave(&mut self, account: AccountId, session: SessionId) {
        if let Some(seats) = self.accounts.get_mut(&account) {
            let before = seats.len();
            seats.retain(|seat| seat.session != session);
            self.sessions -= before - seats.len();
            if seats.is_empty() {
                self.accounts.remove(&account);
            }
        }
    }

    /// How many sessions there are.
    pub(super) fn sessions_count(&self) -> usize {
        self.sessions
    }

    pub(super) fn is_online(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    fn seats(&self, account: AccountId) -> &[Seat] {
        self.accounts.get(&account).map_or(&[], Vec::as_slice)
    }

    /// The seat of a device.
    pub(super) fn seat(&mut self, account: AccountId, device: DeviceId) -> Option<&mut Seat> {
        self.accounts.get_mut(&account)?.iter_mut().find(|seat| seat.device == device)
    }

    /// The session of a device.
    pub(super) fn session(&self, account: AccountId, device: DeviceId) -> Option<SessionId> {
        self.seats(account).iter().find(|seat| seat.device == device).map(|seat| seat.session)
    }

    /// Sessions of an account.
    pub(super) fn sessions(&self, account: AccountId) -> impl Iterator<Item = SessionId> {
        self.seats(account).iter().map(|seat| seat.session)
    }

    /// Sessions of an account that have been told the roster and want to hear how it changes.
    pub(super) fn listening(&self, account: AccountId) -> impl Iterator<Item = SessionId> {
        self.seats(account).iter().filter(|seat| seat.tray.is_some()).map(|seat| seat.session)
    }
}
