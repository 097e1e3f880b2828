//! What the shell is to do after the commit.

use hobnob_nat::core::relay::Order;
use hobnob_wire::close::SessionClose;
use hobnob_wire::session::ServerFrame;

use super::session::SessionId;

/// Something to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame to some sessions.
    Send {
        /// To which.
        to: Vec<SessionId>,
        /// What.
        frame: ServerFrame,
    },
    /// The session has proved who it is: lift what bounds newcomers.
    Admit {
        /// Which.
        session: SessionId,
    },
    /// Have the relay do something.
    Relay(Order),
    /// Close the session, after what was sent to it.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        code: SessionClose,
    },
}
