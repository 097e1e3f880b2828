//! Signals: one device asks another to link. Passed on or refused, never kept.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob_wire::datagram::Channel;
use hobnob_wire::presence::Availability;
use hobnob_wire::session::Push;
use hobnob_wire::signal::{SignalDelivery, SignalRequest};
use hobnob_wire::{DeviceId, Refusal};

use super::session::Proof;
use super::turn::{Fault, Turn};
use super::{presence, relay};

/// How long somebody who hides can be answered after signalling.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Pairs of devices that are kept in mind: 5 MiB. When so many signal within [`ANSWER_WITHIN`], some of those who hide are not answered.
const LATELY_MAX: usize = 1 << 16;

/// Which device signalled which, lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    pairs: BTreeMap<(DeviceId, DeviceId), Duration>,
}

impl Lately {
    fn note(&mut self, from: DeviceId, to: DeviceId, now: Duration) {
        if self.pairs.len() >= LATELY_MAX {
            self.pairs.retain(|_, at| now.saturating_sub(*at) <= ANSWER_WITHIN);
        }
        if self.pairs.len() < LATELY_MAX || self.pairs.contains_key(&(from, to)) {
            self.pairs.insert((from, to), now);
        }
    }

    fn has(&self, from: DeviceId, to: DeviceId, now: Duration) -> bool {
        self.pairs.get(&(from, to)).is_some_and(|at| now.saturating_sub(*at) <= ANSWER_WITHIN)
    }
}

/// Passes a signal on to a device of oneself or of a contact, and opens a channel between the two. Who hides is not there, except
/// for those whom that device has just signalled itself.
pub(super) fn pass_on(
    turn: &mut Turn<'_>,
    (me, at): (&Proof, IpAddr),
    request: SignalRequest,
) -> Result<Option<Channel>, Fault> {
    let now = turn.now.elapsed;
    turn.house.quota.signal(me.account, now)?;
    let account = turn.correspondent(me, &request.to)?;
    // Both are looked up whatever they say: how long the answer takes does not tell who hides from who is away.
    let session = turn.house.online.session(account, request.device);
    let is_shown =
        presence::shown(&turn.store.presence(account)?, true).availability != Availability::Offline;
    let may_know = is_shown || account == me.account || turn.house.lately.has(request.device, me.device, now);
    let session = session.filter(|_| may_know).ok_or(Refusal::RecipientUnavailable)?;
    turn.house.lately.note(me.device, request.device, now);
    let channel = relay::open(turn, me.session, session);
    let SignalRequest { sealed, at: named, .. } = request;
    let named = named.filter(|named| SocketAddr::from(*named).ip() == at.to_canonical());
    let (from, device) = (me.address.clone(), me.device);
    let delivery = SignalDelivery { from, device, sealed, channel, at: named };
    turn.push(vec![session], Push::Signal(delivery));
    Ok(channel)
}
