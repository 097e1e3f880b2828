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
    let spilled_before = spilled.len();
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
                spill(spilled, spilled_before, like, &buffer[content]);
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

/// Adds a datagram to those like it, which stand behind the first `before`. Those are from other buffers: the last of each may be
/// shorter, so that nothing can follow it.
fn spill(spilled: &mut Vec<Spilled>, before: usize, like: RecvMeta, datagram: &[u8]) {
    let same = |other: &&mut Spilled| other.meta.addr == like.addr && other.meta.stride == like.stride;
    match spilled[before..].iter_mut().find(same) {
        Some(spilled) => {
            spilled.bytes.extend_from_slice(datagram);
            spilled.meta.len = spilled.bytes.len();
        }
        None => {
            spilled.push(Spilled { meta: RecvMeta { len: datagram.len(), ..like }, bytes: datagram.to_vec() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 4;

    fn address(name: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, name], 1))
    }

    /// Datagrams with spaces between them, and the address that they go to.
    type Listed = (SocketAddr, String);

    fn place(datagram: &[u8]) -> Goes {
        match datagram[0] {
            first @ b'a'..=b'z' => Goes::ToQuinn(address(first), 0),
            first @ b'A'..=b'Z' => Goes::ToQuinn(address(first), 1),
            b'.' => Goes::Beside,
            _ => Goes::Nowhere,
        }
    }

    fn meta(text: &str) -> RecvMeta {
        RecvMeta { addr: address(0), len: text.len(), stride: STRIDE, ecn: None, dst_ip: None }
    }

    /// What one buffer of datagrams becomes: what is kept, what was beside QUIC, and what spilled. The first letter of a datagram says where it goes: lower case to quinn, upper
    /// case to quinn with that letter cut off, `.` beside, everything else nowhere.
    fn split_text(text: &str) -> (Option<Listed>, Vec<String>, Vec<Listed>) {
        let mut buffer = text.as_bytes().to_vec();
        let (mut beside, mut spilled) = (Vec::new(), Vec::new());
        let show = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let kept = split(&mut buffer, meta(text), place, |run| beside.push(show(run)), &mut spilled);
        let with_stride = |meta: RecvMeta, bytes: &[u8]| {
            let datagrams: Vec<String> = bytes.chunks(meta.stride).map(show).collect();
            (meta.addr, datagrams.join(" "))
        };
        let kept = kept.map(|kept| with_stride(kept, &buffer[..kept.len]));
        let spilled = spilled.iter().map(|spilled| with_stride(spilled.meta, &spilled.bytes)).collect();
        (kept, beside, spilled)
    }

    fn listed(name: u8, text: &str) -> Listed {
        (address(name), text.to_owned())
    }

    #[test]
    fn datagrams_for_one_address_stay_where_they_are() {
        assert_eq!(split_text("a001a002a3"), (Some(listed(b'a', "a001 a002 a3")), vec![], vec![]));
    }

    #[test]
    fn what_is_not_for_quinn_leaves_no_gap() {
        let (a, beside, spilled) = split_text("?000.001.002a003?004a005.06");
        assert_eq!(a, Some(listed(b'a', "a003 a005")));
        assert_eq!(beside, [".001.002", ".06"]);
        assert!(spilled.is_empty());
        assert_eq!(split_text("?000?01"), (None, vec![], vec![]));
    }

    #[test]
    fn headers_are_cut_off() {
        assert_eq!(split_text("A001A002A3"), (Some(listed(b'A', "001 002 3")), vec![], vec![]));
    }

    #[test]
    fn datagrams_for_others_spill_in_their_order() {
        let (a, beside, spilled) = split_text("a001B002a003.004B005c006a007B8");
        assert_eq!(a, Some(listed(b'a', "a001 a003 a007")));
        assert_eq!(beside, [".004"]);
        assert_eq!(spilled, [listed(b'B', "002 005 8"), listed(b'c', "c006")]);
    }

    #[test]
    fn what_spills_from_one_buffer_is_kept_apart_from_what_spills_from_the_next() {
        let mut spilled = Vec::new();
        for text in ["a001b0", "a002b003"] {
            split(&mut text.as_bytes().to_vec(), meta(text), place, |_| {}, &mut spilled);
        }
        let spilled: Vec<&[u8]> = spilled.iter().map(|spilled| &spilled.bytes[..]).collect();
        assert_eq!(spilled, [b"b0".as_slice(), b"b003"]);
    }
}
