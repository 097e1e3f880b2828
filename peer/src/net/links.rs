//! The driver's table of links: how each one is told what to do.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use hobnob_wire::close::LinkClose;
use hobnob_wire::link::{LinkFrame, LinkHello};
use quinn::{Connection, ConnectionError, VarInt};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::core::input::LinkId;

/// Frames that wait to be written on one link. The engine has a few dozen letters under way with one device at
/// most; whoever lets more pile up reads too slowly.
const QUEUE_MAX: usize = 256;

/// What a link is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Go on with the handshake.
    Admit(Box<LinkHello>),
    /// Send a frame.
    Send(Box<LinkFrame>),
}

/// A connection that is closed once, with words that say why.
#[derive(Clone, Debug)]
pub(crate) struct Closer {
    connection: Connection,
    words: Arc<OnceLock<String>>,
}

impl Closer {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, words: Arc::default() }
    }

    /// Closes the connection. Later calls change nothing.
    pub(crate) fn close(&self, code: LinkClose) {
        self.close_saying(code, code.to_string());
    }

    /// Closes the connection; `words` are for our own user. Later calls change nothing.
    pub(crate) fn close_saying(&self, code: LinkClose, words: impl Into<String>) {
        if self.connection.close_reason().is_none() {
            // Words that were said before stand.
            let _ = self.words.set(words.into());
            self.connection.close(VarInt::from_u32(code.code()), code.to_string().as_bytes());
        }
    }

    /// Says beforehand why the connection will end, whichever side closes it.
    pub(crate) fn expect_end(&self, code: LinkClose) {
        // Words that were said before stand.
        let _ = self.words.set(code.to_string());
    }

    /// Waits until the connection is closed by either side; says why, in words.
    pub(crate) async fn closed(&self) -> String {
        let error = self.connection.closed().await;
        match (self.words.get(), error) {
            (Some(words), _) => words.clone(),
            (None, ConnectionError::ApplicationClosed(close)) => {
                match LinkClose::from_code(close.error_code.into_inner()) {
                    Some(code) => code.to_string(),
                    None => "the other side closed the link".into(),
                }
            }
            (None, ConnectionError::Reset) => "the other side ended the link".into(),
            (None, ConnectionError::TimedOut) => "the other side no longer answers".into(),
            (None, error) => format!("the link was lost: {error}"),
        }
    }
}

/// The driver's hold on one link.
#[derive(Debug)]
pub(crate) struct LinkControl {
    orders: mpsc::Sender<Order>,
    closer: Closer,
}

impl LinkControl {
    /// The hold on a link, and where the link gets its orders from.
    pub(crate) fn new(closer: Closer) -> (Self, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { orders, closer }, receiver)
    }
}

/// All links of which the engine knows. A link that is dropped from it sends what it was given, then closes.
#[derive(Debug, Default)]
pub(crate) struct LinkTable(BTreeMap<LinkId, LinkControl>);

impl LinkTable {
    /// Takes in a link that has introduced itself.
    pub(crate) fn insert(&mut self, link: LinkId, control: LinkControl) {
        self.0.insert(link, control);
    }

    /// Forgets a link that is gone.
    pub(crate) fn remove(&mut self, link: LinkId) {
        self.0.remove(&link);
    }

    /// Gives a link an order. One that does not keep up is closed; one that is gone has said so.
    pub(crate) fn order(&self, link: LinkId, order: Order) {
        let Some(control) = self.0.get(&link) else { return };
        if let Err(TrySendError::Full(_)) = control.orders.try_send(order) {
            control.closer.close_saying(LinkClose::Done, "the other side reads too slowly");
        }
    }

    /// Closes a link; it reports its end itself.
    pub(crate) fn close(&self, link: LinkId, code: LinkClose) {
        if let Some(control) = self.0.get(&link) {
            control.closer.close(code);
        }
    }
}
