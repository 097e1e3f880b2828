//! The way in: whatever any source has, sorted into what quinn gets and what it does not.

use std::io::{self, IoSliceMut};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use quinn::udp::RecvMeta;
use tokio::time::Instant;

use super::Demux;
use super::address::{canonical, is_virtual};
use super::beside::Batch;
use super::split::{self, Spilled};
use crate::core::agent::{SocketId, Way};

/// What carried datagrams here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Socket(SocketId),
    Road,
}

/// What one receive brought: so many buffers are filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    by: By,
    count: usize,
}

impl Demux {
    /// Receives from one of the sockets or roads.
    pub(super) fn poll_sources(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<Received>> {
        /// The main socket, the others, and the roads.
        const SOURCES: usize = 3;
        self.receiver.register(cx.waker());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for source in turn..turn + SOURCES {
            let received = match source % SOURCES {
                0 => self
                    .main
                    .poll_recv(cx, buffers, metas)
                    .map_ok(|count| Received { by: By::Socket(SocketId::MAIN), count }),
                1 => self
                    .sides
                    .poll_recv(cx, buffers, metas)
                    .map(|(id, count)| Ok(Received { by: By::Socket(id), count })),
                _ => self.poll_roads(cx, buffers, metas).map(|count| Ok(Received { by: By::Road, count })),
            };
            if received.is_ready() {
                return received;
            }
        }
        Poll::Pending
    }

    fn poll_roads(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<usize> {
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Poll::Ready(parcel) = self.roads.poll_arrived(cx) else { break };
            let len = parcel.bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&parcel.bytes[..len]);
            *meta = RecvMeta { addr: parcel.from, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        if count == 0 { Poll::Pending } else { Poll::Ready(count) }
    }

    /// Sorts what has been received into the first buffers. Returns how many of them are for quinn.
    pub(super) fn sort(
        &self,
        received: Received,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> usize {
        let via = if let By::Socket(id) = received.by { id } else { SocketId::MAIN };
        let now = Instant::now();
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut kept = 0;
        let mut later: Vec<Spilled> = Vec::new();
        for index in 0..received.count {
            let meta = metas[index];
            let from = canonical(meta.addr);
            if is_virtual(from) && received.by != By::Road {
                // Only a forger sends from an address that nobody has.
                continue;
            }
            let source = routes.source(Way { via, to: from }, meta.addr, now);
            let beside = |bytes: &[u8]| {
                let (to, ecn) = (meta.dst_ip, meta.ecn);
                let batch = Batch { via, from, bytes, stride: meta.stride, to, ecn };
                self.beside.take(&batch, self);
            };
            let spilled_before = !later.is_empty();
            let place = |datagram: &[u8]| source.place(datagram);
            let sorted = split::split(&mut buffers[index], meta, place, beside, &mut later);
            let Some(mut sorted) = sorted else { continue };
            sorted.addr = self.shown(sorted.addr);
            if spilled_before {
                // It must not overtake what is waiting.
                let bytes = buffers[index][..sorted.len].to_vec();
                later.push(Spilled { meta: sorted, bytes });
                continue;
            }
            metas[kept] = sorted;
            buffers.swap(kept, index);
            kept += 1;
        }
        if !later.is_empty() {
            let mut spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
            spilled.extend(later.into_iter().map(|Spilled { meta, bytes }| {
                let meta = RecvMeta { addr: self.shown(meta.addr), ..meta };
                Spilled { meta, bytes }
            }));
        }
        kept
    }

    /// Hands out what found no room before.
    pub(super) fn take_spilled(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let mut spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
        let count = spilled.len().min(buffers.len()).min(metas.len());
        for ((Spilled { meta, bytes }, buffer), slot) in
            spilled.drain(..count).zip(buffers.iter_mut()).zip(metas.iter_mut())
        {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            *slot = meta;
        }
        count
    }
}
