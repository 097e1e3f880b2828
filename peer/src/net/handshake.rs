//! The Noise handshake of a link, on its control stream.
//!
//! Each side first learns who the other is, then waits for the engine's word, and only then goes on. The
//! responder says who it is after that word alone, and takes the link as up only when the initiator's first sealed
//! frame has opened: until then the first message might have been forged by somebody who stole our key.

use hobnob_nat::exporter;
use hobnob_wire::close::LinkClose;
use hobnob_wire::codec;
use hobnob_wire::keys::AgreementKey;
use hobnob_wire::limits::{LINK_FRAME_BYTES_MAX, NOISE_MESSAGE_BYTES_MAX};
use hobnob_wire::link::{EXPORTER_LABEL, LinkFrame, LinkHello, open_frame, seal_frame};
use hobnob_wire::noise::{Initiator, LinkKeys, NoiseError, NoiseKeypair, Responder};
use hobnob_wire::seal::SealKey;
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;

use super::frames::{ReadError, read_body};
use super::links::Order;

/// The control stream goes before bulk, whose streams have quinn's default of 0.
const CONTROL_PRIORITY: i32 = 10;

/// The other side has introduced itself.
#[derive(Debug)]
pub(super) struct Met {
    /// Who it says it is.
    pub(super) hello: Box<LinkHello>,
    /// The Noise key it proved.
    pub(super) noise: AgreementKey,
    /// What remains to be done.
    pub(super) rest: Rest,
}

/// The rest of a handshake, on either side.
#[derive(Debug)]
pub(super) enum Rest {
    /// We dialed: say that we have the keys.
    Initiator(Box<Control>),
    /// We were dialed: say who we are, and see that the other side has the keys.
    Responder(Box<Responder>, SendStream, RecvStream),
}

/// The control stream of a link, with its keys.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) send: SendStream,
    pub(super) receive: RecvStream,
    pub(super) keys: LinkKeys,
}

impl From<NoiseError> for Failed {
    fn from(_: NoiseError) -> Self {
        Self::Close(LinkClose::HandshakeFailed)
    }
}

/// Why a handshake went no further.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection ended; it knows why.
    Ended,
    /// The connection is to be closed.
    Close(LinkClose),
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Ended => Self::Ended,
            ReadError::Bad(_) => Self::Close(LinkClose::BadFrame),
        }
    }
}

/// We dialed: introduces us to the device that holds `remote`, and reads its answer.
pub(super) async fn initiate(
    connection: &Connection,
    own: &NoiseKeypair,
    remote: &AgreementKey,
    hello: &LinkHello,
) -> Result<Met, Failed> {
    let psk = psk(connection)?;
    let (initiator, first) = Initiator::start(own, remote, &psk, &encode(hello)?)?;
    let (mut send, mut receive) = connection.open_bi().await.map_err(|_| Failed::Ended)?;
    write(&mut send, &first).await?;
    let (_, second) = read_body(&mut receive, "Noise message", NOISE_MESSAGE_BYTES_MAX).await?;
    let (payload, keys) = initiator.finish(&second)?;
    let rest = Rest::Initiator(Box::new(Control { send, receive, keys }));
    Ok(Met { hello: decode(&payload)?, noise: *remote, rest })
}

/// We were dialed: reads who it is.
pub(super) async fn respond(connection: &Connection, own: &NoiseKeypair) -> Result<Met, Failed> {
    let psk = psk(connection)?;
    let (send, mut receive) = connection.accept_bi().await.map_err(|_| Failed::Ended)?;
    let (_, first) = read_body(&mut receive, "Noise message", NOISE_MESSAGE_BYTES_MAX).await?;
    let (responder, payload, noise) = Responder::read(own, &psk, &first)?;
    Ok(Met { hello: decode(&payload)?, noise, rest: Rest::Responder(Box::new(responder), send, receive) })
}

impl Rest {
    /// Waits for the engine's word and ends the handshake.
    pub(super) async fn finish(self, orders: &mut mpsc::Receiver<Order>) -> Result<Control, Failed> {
        let Some(Order::Admit(hello)) = orders.recv().await else {
            return Err(Failed::Close(LinkClose::GoingAway));
        };
        let control = match self {
            Self::Initiator(mut control) => {
                let ready = seal_frame(&mut control.keys.send, &LinkFrame::Ready)
                    .map_err(|_| Failed::Close(LinkClose::HandshakeFailed))?;
                control.send.write_all(&ready).await.map_err(|_| Failed::Ended)?;
                *control
            }
            Self::Responder(responder, mut send, mut receive) => {
                let (second, mut keys) = responder.finish(&encode(&hello)?)?;
                write(&mut send, &second).await?;
                if read_sealed(&mut receive, &mut keys.receive).await? != LinkFrame::Ready {
                    return Err(Failed::Close(LinkClose::BadFrame));
                }
                Control { send, receive, keys }
            }
        };
        // Fails only when the stream is gone, which shows soon enough.
        let _ = control.send.set_priority(CONTROL_PRIORITY);
        Ok(control)
    }
}

/// Reads one sealed frame. Not cancel safe.
pub(super) async fn read_sealed(receive: &mut RecvStream, key: &mut SealKey) -> Result<LinkFrame, Failed> {
    let (prefix, mut body) = read_body(receive, "link frame", LINK_FRAME_BYTES_MAX).await?;
    open_frame(key, prefix, &mut body).map_err(|_| Failed::Close(LinkClose::BadFrame))
}

fn psk(connection: &Connection) -> Result<[u8; 32], Failed> {
    exporter(connection, EXPORTER_LABEL).map_err(|_| Failed::Close(LinkClose::HandshakeFailed))
}

fn encode(hello: &LinkHello) -> Result<Vec<u8>, Failed> {
    codec::encode(hello).map_err(|_| Failed::Close(LinkClose::HandshakeFailed))
}

fn decode(payload: &[u8]) -> Result<Box<LinkHello>, Failed> {
    codec::decode(payload).map(Box::new).map_err(|_| Failed::Close(LinkClose::BadFrame))
}

async fn write(send: &mut SendStream, message: &[u8]) -> Result<(), Failed> {
    let frame = codec::prefix(message).ok_or(Failed::Close(LinkClose::HandshakeFailed))?;
    send.write_all(&frame).await.map_err(|_| Failed::Ended)
}
