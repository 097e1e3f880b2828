//! The tunnel: the datagrams of a session, its relay and its checks over one TLS connection, where UDP is blocked.
//!
//! A peer opens a TCP connection to its rendezvous, shakes hands by TLS 1.3 (the certificate is that of sessions,
//! ALPN [`ALPN`]), and from then on both sides write the datagrams that they would have sent by UDP, each behind its length
//! in two bytes, big-endian. Nothing else travels there: no answer, no error, no end but that of the connection. As with
//! UDP a datagram may be left out.

use crate::codec::DecodeError;
use crate::limits::TUNNEL_DATAGRAM_BYTES_MAX;

/// Protocol name in TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"hobnob-tunnel/1";
/// Bytes before each datagram.
pub const LENGTH_BYTES: usize = 2;
/// What errors call the datagrams.
const NAME: &str = "tunnelled datagram";

/// Appends `datagram` as it travels. What is empty or longer than [`TUNNEL_DATAGRAM_BYTES_MAX`] does not travel; the
/// buffer stays as it is then and the answer is `false`.
#[must_use]
pub fn push(buffer: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Some(len) = u16::try_from(datagram.len()).ok().filter(|len| is_allowed((*len).into())) else {
        return false;
    };
    buffer.extend_from_slice(&len.to_be_bytes());
    buffer.extend_from_slice(datagram);
    true
}

/// The beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First<'a> {
    /// The first datagram.
    pub datagram: &'a [u8],
    /// What stands behind it.
    pub behind: &'a [u8],
}

/// The first datagram of `bytes`; `None` when it is not complete yet.
///
/// # Errors
/// [`DecodeError`] when the length is not allowed. Nothing that follows has a meaning then.
pub fn split(bytes: &[u8]) -> Result<Option<First<'_>>, DecodeError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*length));
    if len == 0 {
        return Err(DecodeError::Malformed { frame: NAME });
    }
    if !is_allowed(len) {
        return Err(DecodeError::TooLong { frame: NAME, len, max: TUNNEL_DATAGRAM_BYTES_MAX });
    }
    Ok(rest.split_at_checked(len).map(|(datagram, behind)| First { datagram, behind }))
}

fn is_allowed(len: usize) -> bool {
    (1..=TUNNEL_DATAGRAM_BYTES_MAX).contains(&len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in_wherever_the_stream_was_cut() {
        let sent: [&[u8]; 3] = [b"one", &[0; TUNNEL_DATAGRAM_BYTES_MAX], b"3"];
        let mut stream = Vec::new();
        for datagram in sent {
            assert!(push(&mut stream, datagram));
        }
        let mut rest = stream.as_slice();
        for datagram in sent {
            let first = split(rest).unwrap().unwrap();
            assert_eq!(first.datagram, datagram);
            for cut in 0..LENGTH_BYTES + datagram.len() {
                assert_eq!(split(&rest[..cut]), Ok(None));
            }
            rest = first.behind;
        }
        assert_eq!(split(rest), Ok(None));
    }

    #[test]
    fn nothing_and_too_much_do_not_travel() {
        let mut stream = Vec::new();
        assert!(!push(&mut stream, b""));
        assert!(!push(&mut stream, &[0; TUNNEL_DATAGRAM_BYTES_MAX + 1]));
        assert!(!push(&mut stream, &[0; (1 << 16) + 1]));
        assert!(stream.is_empty());
        assert_eq!(split(&[0, 0]), Err(DecodeError::Malformed { frame: NAME }));
        let (len, max) = (0xffff, TUNNEL_DATAGRAM_BYTES_MAX);
        assert_eq!(split(&[0xff, 0xff]), Err(DecodeError::TooLong { frame: NAME, len, max }));
    }
}
