//! What other rooms need of a link that is up.

use std::sync::Arc;

use hobnob_wire::seal::{Direction, LinkSecret};

use crate::core::input::LinkId;

/// A link that is up. Cheap to clone; lives on as long as the connection.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    /// Which.
    pub id: LinkId,
    /// The QUIC connection.
    pub connection: quinn::Connection,
    /// Source of the keys of unidirectional streams.
    pub secret: Arc<LinkSecret>,
    /// Direction of the streams that we open.
    pub direction: Direction,
}
