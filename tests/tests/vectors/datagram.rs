//! Examples of what travels beside QUIC on the one UDP socket.

use hobnob_wire::AttemptId;
use hobnob_wire::datagram::{
    AllocationId, Channel, Cookie, DATAGRAM_BYTES_MAX, Datagram, DatagramKey, Transaction, parse,
};
use hobnob_wire::signal::TransportAddress;

use crate::example::{Example, Vector, every, variants};

variants! {
    Datagram: Check, CheckAnswer, Stop, Bind, Challenge, Bound, Reflect, Reflected;
}

const KEY: [u8; 32] = [0x0d; 32];

pub(crate) fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = examples().into_iter().map(sealed).collect();
    let content = [Channel::new([0x88; 7]).header().as_slice(), b"@ QUIC"].concat();
    assert_eq!(Channel::split(&content), Some((Channel::new([0x88; 7]), b"@ QUIC".as_slice())));
    vectors.push(Vector {
        kind: "datagram",
        name: "of a channel",
        says: "channel 7 bytes 88, content 40 ` QUIC`",
        bytes: content,
        target: Some("datagram"),
    });
    vectors
}

/// Computes the authenticator from the formula of the page.
fn sealed((name, says, datagram): Example<Datagram>) -> Vector {
    let bytes = datagram.seal(&DatagramKey::new(KEY));
    let (body, mac) = bytes.split_last_chunk::<16>().unwrap();
    let key = blake3::derive_key("hobnob 2026-11 datagram authenticator", &KEY);
    assert_eq!(blake3::keyed_hash(&key, body).as_bytes()[..16], *mac);
    assert!(bytes.len() <= DATAGRAM_BYTES_MAX);
    assert_eq!(parse(&bytes).unwrap().prove(&DatagramKey::new(KEY)), Some(datagram));
    Vector { kind: "datagram", name, says, bytes, target: Some("datagram") }
}

fn examples() -> Vec<Example<Datagram>> {
    let (attempt, transaction) = (AttemptId::new([0x77; 16]), Transaction(300));
    let (allocation, cookie) = (AllocationId(0x0102_0304_0506_0708), Cookie([0x99; 16]));
    let seen: TransportAddress = "192.0.2.1:7700".parse::<std::net::SocketAddr>().unwrap().into();
    every(vec![
        (
            "check",
            "attempt 16 bytes 77, transaction 300, nominated, 17 bytes 00",
            Datagram::Check { attempt, transaction, nominated: true, room: [0; 17] },
        ),
        (
            "check answer",
            "attempt 16 bytes 77, transaction 300, seen 192.0.2.1:7700",
            Datagram::CheckAnswer { attempt, transaction, seen },
        ),
        ("stop", "attempt 16 bytes 77, transaction 300", Datagram::Stop { attempt, transaction }),
        (
            "bind",
            "allocation 0102030405060708, transaction 300, cookie 16 bytes 99",
            Datagram::Bind { allocation, transaction, cookie },
        ),
        ("challenge", "transaction 300, cookie 16 bytes 99", Datagram::Challenge { transaction, cookie }),
        ("bound", "transaction 300, seen 192.0.2.1:7700", Datagram::Bound { transaction, seen }),
        (
            "reflect",
            "allocation 0102030405060708, transaction 300, 16 bytes 00",
            Datagram::Reflect { allocation, transaction, room: [0; 16] },
        ),
        ("reflected", "transaction 300, seen 192.0.2.1:7700", Datagram::Reflected { transaction, seen }),
    ])
}
