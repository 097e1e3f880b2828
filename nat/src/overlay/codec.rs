//! Questions and answers on a stream: one value up to its end, never longer than its kind may be.

use std::io;

use hobnob_wire::Frame;
use hobnob_wire::codec::{decode, encode};
use hobnob_wire::overlay::{OverlayAnswer, OverlayRequest};
use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response;

/// Reads and writes the frames of [`hobnob_wire::overlay`].
#[derive(Clone, Debug, Default)]
pub(super) struct Codec;

async fn read<F: Frame>(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<F> {
    let mut bytes = Vec::new();
    let longest = u64::try_from(F::BYTES_MAX).unwrap_or(u64::MAX);
    io.take(longest + 1).read_to_end(&mut bytes).await?;
    decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn write<F: Frame>(io: &mut (impl AsyncWrite + Unpin + Send), value: &F) -> io::Result<()> {
    let bytes = encode(value).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    io.write_all(&bytes).await?;
    io.close().await
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = OverlayRequest;
    type Response = OverlayAnswer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<OverlayRequest>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<OverlayAnswer>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: OverlayRequest,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: OverlayAnswer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &answer).await
    }
}

#[cfg(test)]
mod tests {
    use hobnob_wire::overlay::Mark;
    use hobnob_wire::{List, Opaque};
    use libp2p::futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_longer_ones_are_refused_unread() {
        let longest = List::new(vec![Mark::new([7; 16]); 1_024]).unwrap();
        for request in
            [OverlayRequest::Marks(longest), OverlayRequest::Signal(Opaque::new([1, 2, 3]).unwrap())]
        {
            let mut io = Cursor::new(Vec::new());
            write(&mut io, &request).await.unwrap();
            io.set_position(0);
            assert_eq!(read::<OverlayRequest>(&mut io).await.unwrap(), request);
        }
        let mut endless = libp2p::futures::io::repeat(0);
        assert_eq!(
            read::<OverlayRequest>(&mut endless).await.unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert_eq!(read::<OverlayAnswer>(&mut endless).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
