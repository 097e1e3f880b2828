//! What the engine wants done, in order, after its transaction has been committed.

use hobnob_nat::core::agent::{Exchange, Remote};
use hobnob_nat::core::binding::Helper;
use hobnob_nat::core::overlay::Acquaintance;
use hobnob_nat::core::relay::Order;
use hobnob_wire::close::LinkClose;
use hobnob_wire::datagram::Channel;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::session::Request;
use hobnob_wire::{AttemptId, DeviceId, RequestId};

use super::command::{CommandError, CommandId, Reply};
use super::event::Event;
use super::input::LinkId;
use super::transfer::TransferJob;

/// Something to do outside.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Answer a command.
    Reply {
        /// Which.
        id: CommandId,
        /// How.
        result: Result<Reply, CommandError>,
    },
    /// Tell users and programs.
    Event(Box<Event>),
    /// Ask the rendezvous; answered by [`Input::Answered`](super::input::Input::Answered), at once with
    /// `SessionLost` when the session is down.
    Request {
        /// Number that the answer repeats; unique over the life of the engine.
        id: RequestId,
        /// What.
        request: Box<Request>,
    },
    /// Tell the rendezvous where this device left off.
    Resume {
        /// Version of the roster here.
        roster: u64,
    },
    /// Tell the rendezvous that letters up to here are on disk.
    MailboxAck {
        /// Place in the mailbox.
        up_to: u64,
    },
    /// Tell whoever finds paths to peers.
    Reach(ReachOrder),
    /// Something for the relay that this device is to its contacts.
    Relay(Order),
    /// Something for the overlay.
    Overlay(OverlayOrder),
    /// Dial a peer over whatever path there is.
    Dial {
        /// Names the attempt in the answer.
        attempt: AttemptId,
        /// Whom.
        device: DeviceId,
        /// The peer's Noise key.
        noise: AgreementKey,
        /// What to say in the Noise handshake.
        hello: Box<LinkHello>,
    },
    /// The greeting is trusted: go on with the handshake. `hello` is what to answer when the other side
    /// dialed.
    AdmitLink {
        /// Which.
        link: LinkId,
        /// Who we are.
        hello: Box<LinkHello>,
    },
    /// Close a link, or a link to be.
    CloseLink {
        /// Which.
        link: LinkId,
        /// Why.
        code: LinkClose,
    },
    /// Send a frame on the control stream.
    SendFrame {
        /// On which link.
        link: LinkId,
        /// The frame.
        frame: Box<LinkFrame>,
    },
    /// Something for the transfer shell.
    Transfer(TransferJob),
}

/// What the overlay is told.
#[derive(Debug, PartialEq)]
pub enum OverlayOrder {
    /// Look for these devices, and for no others.
    Meet(Vec<Acquaintance>),
    /// Send a signal to a device that is there.
    Signal {
        /// Which.
        device: DeviceId,
        /// The sealed signal.
        sealed: Vec<u8>,
    },
    /// It is not needed any more.
    Leave,
}

/// What whoever finds paths to peers is told.
#[derive(Debug, PartialEq)]
pub enum ReachOrder {
    /// We have begun to exchange signals with a device.
    Exchange {
        /// Which.
        device: DeviceId,
        /// Under which keys and policy.
        exchange: Exchange,
    },
    /// A device has told where it can be reached.
    Remote {
        /// Which.
        device: DeviceId,
        /// What it told.
        remote: Remote,
    },
    /// The relay forwards between us and a device.
    Channel {
        /// Which.
        device: DeviceId,
        /// Where; `None` when it does not.
        channel: Option<Channel>,
    },
    /// A contact forwards between us and a device.
    Helper {
        /// Which device.
        device: DeviceId,
        /// Who forwards, and where.
        helper: Helper,
    },
    /// A device is not to be reached any more.
    Forget {
        /// Which.
        device: DeviceId,
    },
}
