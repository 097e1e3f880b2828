//! Transfers: who may send which ranges when. The shell moves and hashes the bytes of a granted range.
//!
//! [`Transfers`] only holds its children, one `Sending` or `Receiving` machine per transfer that is not
//! over, hands each input to the child it concerns, saves what changed, and shares out the links. What is over lives in the store alone.
//!
//! | module | decides |
//! | --- | --- |
//! | [`job`] | what the shell is asked to do, and what it reports |
//! | [`record`] | what is remembered about a transfer, and where |
//! | [`names`] | what foreign names are called on this disk |
//! | [`shaper`] | when bytes may go under limits |
//! | [`limits`] | what the user allows, by the hour and for contacts |
//! | `valve` | which limits hold now, and who must know them |
//! | `again` | what is offered again |
//! | `commands`, `verbs` | what users may ask, and how they are answered |
//! | `sending`, `receiving` | the two sides of one transfer |
//! | `reports` | which transfer a report of the shell concerns |
//! | `holding` | what a receiver has of one transfer |
//! | [`rules`] | what happens to offers without asking |
//! | `queue` | which transfers run when not all may, and in which order |
//! | `grants` | which transfer may send the next range on a link |
//! | `swarm` | who gets which range from whom when one offer went to several people |
//! | `spans`, `meter`, `backoff` | sets of ranges, rates, waits between attempts |

pub mod job;
pub mod limits;
pub mod names;
pub mod record;
pub mod rules;
pub mod shaper;

mod again;
mod backoff;
mod commands;
mod grants;
mod holding;
mod ledger;
mod meter;
mod queue;
mod receiving;
mod reports;
mod sending;
mod spans;
#[cfg(test)]
mod story;
mod swarm;
mod transfers;
mod valve;
mod verbs;

use std::path::PathBuf;
use std::time::Duration;

use hobnob_nat::core::agent::PathKind;
use hobnob_wire::bounded::Text;
use hobnob_wire::letter::{LetterBody, Offer, OfferEnd};
use hobnob_wire::swarm::SwarmFrame;
use hobnob_wire::transfer::TransferFrame;
use hobnob_wire::{Address, DeviceId, TransferId};

use super::command::{Command, CommandError, CommandId, Reply};
use super::event::Event;
use super::input::LinkId;
use super::time::Now;

pub use job::{Failure, TransferFault, TransferJob, TransferReport};
pub use limits::Limits;
pub use queue::{Move, Wishes};
pub use record::{Part, TransferRecord, TransferStore};
pub use rules::{Rules, Verdict};
pub use spans::SpanSet;
pub use transfers::Transfers;

/// Whose offers are accepted without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoAccept {
    /// Nobody's: the user decides.
    #[default]
    Nobody,
    /// Every contact's.
    Contacts,
}

/// What transfers know of the user's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whose offers are accepted without asking.
    pub auto_accept: AutoAccept,
    /// What decides about offers before that.
    pub rules: Rules,
    /// Where files go unless the user names another folder; absolute.
    pub folder: PathBuf,
    /// Where files go that a rule puts apart; absolute.
    pub quarantine: PathBuf,
    /// What transfers may cost.
    pub limits: Limits,
    /// How long others who got the same offer get it from here once it is here; zero for not at all, not even before.
    pub serve: Duration,
}

/// Something that concerns transfers.
#[derive(Debug)]
pub enum TransferInput {
    /// One of the `File…` commands; answered by [`TransferEffect::Reply`].
    Command {
        /// Names the command.
        id: CommandId,
        /// What is asked.
        command: Command,
    },
    /// The user's settings, told at start and when they change.
    Settings(Settings),
    /// The clock on the wall: seconds east of UTC; told at start and when it changes.
    UtcOffset(i32),
    /// What the other side of a link asks us to keep to.
    LinkPace {
        /// Which link.
        link: LinkId,
        /// Bytes per second; 0 for no limit.
        bytes_per_s: u64,
    },
    /// A contact offers files.
    Offer {
        /// The contact.
        from: Address,
        /// The device that has the files.
        device: DeviceId,
        /// What is offered.
        offer: Offer,
    },
    /// A contact ends an offer or a transfer.
    OfferEnd {
        /// The contact.
        from: Address,
        /// The device that says so.
        device: DeviceId,
        /// Which, and why.
        end: OfferEnd,
    },
    /// A link came up.
    LinkUp {
        /// Which.
        link: LinkId,
        /// To whom.
        address: Address,
        /// To which device.
        device: DeviceId,
        /// What it runs over.
        path: PathKind,
    },
    /// A link runs over another path.
    PathChanged {
        /// Which.
        link: LinkId,
        /// What it runs over now.
        path: PathKind,
    },
    /// A link went down.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame arrived on a link.
    Frame {
        /// Which link.
        link: LinkId,
        /// The frame.
        frame: TransferFrame,
    },
    /// A frame arrived on a link from somebody who may have got the same offer.
    Swarm {
        /// Which link.
        link: LinkId,
        /// The frame.
        frame: SwarmFrame,
    },
    /// A contact has a session again: what waits for it is tried at once.
    Available(Address),
    /// Somebody is no contact any more: all that is open between us ends.
    ContactRemoved(Address),
    /// The shell reports.
    Report(TransferReport),
    /// The moment that [`Transfers::deadline`] named has come.
    Tick,
}

/// What transfers want done, in order.
#[derive(Debug, PartialEq)]
pub enum TransferEffect {
    /// Answer a command.
    Reply {
        /// Which.
        id: CommandId,
        /// How.
        result: Result<Reply, CommandError>,
    },
    /// Tell users and programs.
    Event(Event),
    /// Write a letter.
    Letter {
        /// To whom.
        to: Address,
        /// To which device; to all when absent.
        device: Option<DeviceId>,
        /// What it says.
        body: LetterBody,
    },
    /// Write a letter to all devices but one.
    LetterToOthers {
        /// To whom.
        to: Address,
        /// The device that needs none.
        but: DeviceId,
        /// What it says.
        body: LetterBody,
    },
    /// A link to this device is needed. Asked again after a while until there is one.
    NeedLink {
        /// To whom.
        address: Address,
        /// To which device.
        device: DeviceId,
    },
    /// A link to any device of this account would help. Asked again after a while until there is one.
    NeedLinks {
        /// To whom.
        address: Address,
    },
    /// Send a frame to somebody who got the same offer.
    SendSwarm {
        /// Which link.
        link: LinkId,
        /// The frame.
        frame: SwarmFrame,
    },
    /// Send a frame.
    SendFrame {
        /// On which link.
        link: LinkId,
        /// The frame.
        frame: TransferFrame,
    },
    /// Tell the other side of a link what all that it sends on it must keep to.
    PaceLink {
        /// Which link.
        link: LinkId,
        /// Bytes per second; 0 for no limit.
        bytes_per_s: u64,
    },
    /// Something for the shell.
    Job(TransferJob),
}

/// One input being handled: when, and what follows from it.
#[derive(Debug)]
struct Step<'a> {
    now: Now,
    out: &'a mut Vec<TransferEffect>,
}

impl Step<'_> {
    /// What a side does when its disk refuses for now: it tells the other one and lets go of its files.
    fn hold_up(&mut self, transfer: TransferId, link: Option<LinkId>, failure: &Failure) {
        if let Some(link) = link {
            let frame = TransferFrame::Wait { transfer, text: Text::truncated(&failure.told) };
            self.out.push(TransferEffect::SendFrame { link, frame });
        }
        self.out.push(TransferEffect::Job(TransferJob::Stop { transfer, discard: false }));
    }
}
