//! Moves datagrams between a road and a stream, until either ends.

use std::io;
use std::time::Duration;

use hobnob_wire::codec::DecodeError;
use hobnob_wire::limits::TUNNEL_DATAGRAM_BYTES_MAX;
use hobnob_wire::tunnel::{First, LENGTH_BYTES, push, split};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::demux::roads::{Road, RoadEntry, RoadExit};

/// Datagrams are gathered into writes of about one TLS record (RFC 8446 §5.1): a batch costs one seal and one call.
const WRITE_BYTES: usize = 16 << 10;

/// What is read at once. Two datagrams must fit, so that one that is cut never fills it.
const READ_BYTES: usize = 4 << 10;
const _: () = assert!(READ_BYTES >= 2 * (TUNNEL_DATAGRAM_BYTES_MAX + LENGTH_BYTES));

/// How long one write may take. A path that takes nothing for so long is dead, and QUIC has given up long before.
const WRITE_WITHIN: Duration = Duration::from_secs(20);

/// Why a tunnel ended.
#[derive(Debug, Error)]
pub(super) enum End {
    /// Nobody uses the road any more.
    #[error("it is no longer needed")]
    Unused,
    /// The other side has closed it.
    #[error("the other side has closed it")]
    Closed,
    /// Nothing came for too long.
    #[error("nothing came for {} s", .0.as_secs())]
    Idle(Duration),
    /// The stream is broken.
    #[error("it broke: {0}")]
    Io(#[from] io::Error),
    /// The other side does not follow the protocol.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// Carries until the endpoint is gone or has another road to the same address, the stream ends, nothing has come for
/// `idle`, or `stop` is ready. What was sent before that is still brought across.
pub(super) async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    road: Road,
    idle: Duration,
    stop: impl Future,
) -> End {
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        end = receive(read, road.entry, idle) => end,
        end = send(write, road.exit, stop) => end,
    }
}

async fn send(mut stream: WriteHalf<impl AsyncWrite>, mut exit: RoadExit, stop: impl Future) -> End {
    let mut buffer = Vec::new();
    tokio::pin!(stop);
    let mut stopping = false;
    while !stopping {
        tokio::select! {
            biased;
            datagram = exit.next() => match datagram {
                // A datagram that is too long is lost, as on a path with a smaller MTU.
                Some(datagram) => _ = push(&mut buffer, &datagram),
                None => stopping = true,
            },
            _ = &mut stop => stopping = true,
        }
        while buffer.len() + LENGTH_BYTES + TUNNEL_DATAGRAM_BYTES_MAX <= WRITE_BYTES
            && let Some(datagram) = exit.try_next()
        {
            _ = push(&mut buffer, &datagram);
        }
        let write = async {
            stream.write_all(&buffer).await?;
            stream.flush().await
        };
        match timeout(WRITE_WITHIN, write).await {
            Ok(Ok(())) => buffer.clear(),
            Ok(Err(error)) => return error.into(),
            Err(_) => return End::Io(io::ErrorKind::TimedOut.into()),
        }
    }
    // Says goodbye (RFC 8446 §6.1); the other side may be gone already.
    let _ = timeout(WRITE_WITHIN, stream.shutdown()).await;
    End::Unused
}

async fn receive(mut stream: ReadHalf<impl AsyncRead>, entry: RoadEntry, idle: Duration) -> End {
    let mut buffer = vec![0; READ_BYTES];
    let mut filled = 0;
    loop {
        match timeout(idle, stream.read(&mut buffer[filled..])).await {
            Ok(Ok(0)) => return End::Closed,
            Ok(Ok(read)) => filled += read,
            Ok(Err(error)) => return error.into(),
            Err(_) => return End::Idle(idle),
        }
        let mut rest = &buffer[..filled];
        loop {
            match split(rest) {
                Ok(Some(First { datagram, behind })) => {
                    if !entry.deliver(datagram.to_vec()).await {
                        return End::Unused;
                    }
                    rest = behind;
                }
                Ok(None) => break,
                Err(error) => return error.into(),
            }
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
    }
}
