//! Sorts what one receive brought: several datagrams of one source in one buffer (GRO), of which each may go elsewhere.

use std::net::SocketAddr;
use std::ops::Range;

use quinn::udp::RecvMeta;

/// Where one datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// To quinn, as from this address, without this many bytes at its start.
    ToQuinn(SocketAddr, usize),
    /// To whoever takes datagrams beside QUIC.
    Beside,
    /// Nowhere.
    Nowhere,
}

/// Datagrams for quinn that found no room in the buffer they came in.
#[derive(Debug)]
pub(super) struct Spilled {
    pub(super) meta: RecvMeta,
    pub(super) bytes: Vec<u8>,
}

/// Sorts the datagrams in `buffer`, each of which `place` looks at. Those for quinn under the first address that occurs remain at
/// the front of `buffer`, which the result describes; those under others are added to `spilled`, in their order per address.
/// Runs of datagrams beside QUIC are shown to `beside`.
pub(super) fn split(
    buffer: &mut [u8],
    meta: RecvMeta,
    place: impl Fn(&[u8]) -> Goes,
    mut beside: impl FnMut(&[u8]),
    spilled: &mut Vec<Spilled>,
) -> Option<RecvMeta> {
    let mut kept: Option<RecvMeta> = None;
    let mut run: Range<usize> = 0..0;
    let stride = meta.stride.max(1);
    let mut start = 0;
    while start < meta.len {
        let end = meta.len.min(start + stride);
        let goes = place(&buffer[start..end]);
        if goes == Goes::Beside {
            run = if run.end == start { run.start..end } else { start..end };
        }
        if (goes != Goes::Beside || end == meta.len) && !run.is_empty() {
            beside(&buffer[run.clone()]);
            run = end..end;
        }
        if let Goes::ToQuinn(addr, cut) = goes {
            let content = start + cut..end;
            let kept = kept.get_or_insert(RecvMeta {
                addr,
                len: 0,
                stride: stride - cut,
                dst_ip: own(addr, &meta),
                ..meta
            });
            if kept.addr == addr && kept.stride == stride - cut {
                let len = content.len();
                if kept.len != content.start {
                    buffer.copy_within(content, kept.len);
                }
                kept.len += len;
            } else {
                let like = RecvMeta { addr, stride: stride - cut, dst_ip: own(addr, &meta), ..meta };
                spill(spilled, like, &buffer[content]);
            }
        }
        start = end;
    }
    kept
}

/// The own address that was written to, which says nothing about where to answer once the other side has a virtual one.
fn own(addr: SocketAddr, meta: &RecvMeta) -> Option<std::net::IpAddr> {
    if super::address::is_virtual(addr) { None } else { meta.dst_ip }
}

fn spill(spilled: &mut Vec<Spilled>, like: RecvMeta, datagram: &[u8]) {
    let same = |other: &&mut Spilled| other.meta.addr == like.addr && other.meta.stride == like.stride;
    match spilled.iter_mut().find(same) {
        Some(spilled) => {
            spilled.bytes.extend_from_slice(datagram);
            spilled.meta.len = spilled.bytes.len();
        }
        None => {
            spilled.push(Spilled { meta: RecvMeta { len: datagram.len(), ..like }, bytes: datagram.to_vec() })
        }
    }
}
