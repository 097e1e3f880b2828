//! Keys, signatures, hashes and seals, computed from the formulas of the page beside the code under test.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use hobnob_wire::keys::Purpose;
use hobnob_wire::layout::Layout;
use hobnob_wire::limits::RANGE_BYTES;
use hobnob_wire::link::{self, LinkFrame};
use hobnob_wire::noise::{Responder, open_signal, signal_context};
use hobnob_wire::record::{HEADER_BYTES, Protection, RecordHeader, RecordReader, RecordWriter};
use hobnob_wire::safety::SafetyNumber;
use hobnob_wire::seal::Direction;
use hobnob_wire::session::ClientFrame;
use hobnob_wire::transfer::{ManifestHasher, RangeCoding, RangeTrailer, StreamHeader};
use hobnob_wire::{DeviceId, codec, tree, tunnel};
use snow::{Builder, HandshakeState};

use crate::example::Vector;
use crate::link::{bob_noise, manifest};
use crate::people::*;

const LINK: &str = "Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s";
const SIGNAL: &str = "Noise_X_25519_ChaChaPoly_BLAKE2s";
const PSK: [u8; 32] = [8; 32];

pub(crate) fn vectors() -> Vec<Vector> {
    [framing(), signatures(), hashes(), handshake(), seals(), streams()].concat()
}

fn vector(name: &'static str, says: &'static str, bytes: impl Into<Vec<u8>>) -> Vector {
    Vector { kind: "bytes", name, says, bytes: bytes.into(), target: None }
}

/// A vector that is also a seed of a fuzz target, which uses the same keys.
fn seed(target: &'static str, name: &'static str, says: &'static str, bytes: impl Into<Vec<u8>>) -> Vector {
    Vector { target: Some(target), ..vector(name, says, bytes) }
}

fn framing() -> Vec<Vector> {
    let frame = codec::encode_prefixed(&ClientFrame::MailboxAck { up_to: 7 }).unwrap();
    let mut tunnelled = Vec::new();
    for datagram in [b"\x40 QUIC".as_slice(), b"\x20 channel"] {
        assert!(tunnel::push(&mut tunnelled, datagram));
    }
    vec![
        vector("prefixed frame", "client frame / mailbox ack behind its length", frame),
        seed("tunnel", "tunnel", "datagrams 40 ` QUIC` and 20 ` channel`", tunnelled),
    ]
}

fn signatures() -> Vec<Vector> {
    let signed = |name, says, purpose| {
        let key = signing(DEVICE);
        let signature = key.sign(purpose, b"message");
        assert_eq!(key.verify_key().verify(purpose, b"message", &signature), Ok(()));
        let bytes = postcard::to_stdvec(&signature).unwrap();
        vector(name, says, bytes)
    };
    vec![
        signed(
            "signature self-signing",
            "seed 32 bytes 03, over the tag and `message`",
            Purpose::SelfSigning,
        ),
        signed(
            "signature device entry",
            "seed 32 bytes 03, over the tag and `message`",
            Purpose::DeviceEntry,
        ),
        signed("signature session", "seed 32 bytes 03, over the tag and `message`", Purpose::Session),
        signed("signature prekey", "seed 32 bytes 03, over the tag and `message`", Purpose::Prekey),
        signed("signature renewal", "seed 32 bytes 03, over the tag and `message`", Purpose::Renewal),
        signed("signature recovery", "seed 32 bytes 03, over the tag and `message`", Purpose::Recovery),
    ]
}

/// Computed from the formula of the page: no function of ours but BLAKE3 takes part.
fn safety_number() -> Vector {
    let half = |name: &str, seed| {
        let root = signing(seed).verify_key();
        let mut hasher = blake3::Hasher::new_derive_key("hobnob 1 safety number");
        hasher.update(&[root.as_bytes(), name.as_bytes()].concat());
        let mut bytes = [0; 30];
        hasher.finalize_xof().fill(&mut bytes);
        let group = |b: &[u8]| u64::from_be_bytes([0, 0, 0, b[0], b[1], b[2], b[3], b[4]]) % 100_000;
        bytes.chunks(5).map(|bytes| format!("{:05}", group(bytes))).collect::<String>()
    };
    let mut halves = [half("alice@example.org", ROOT), half("bob@example.org", 7)];
    halves.sort();
    let (ours, theirs) = (signing(ROOT).verify_key(), signing(7).verify_key());
    let number = SafetyNumber::of((&alice(), &ours), (&bob(), &theirs));
    assert_eq!(number.digits(), halves.concat());
    vector(
        "safety number",
        "of alice@example.org, root of seed 32 bytes 01, and bob@example.org, root of seed 32 bytes 07, in ASCII",
        halves.concat(),
    )
}

fn hashes() -> Vec<Vector> {
    let head = device_list().verify().unwrap().head();
    let mut digest = ManifestHasher::default();
    digest.update(&codec::encode(&manifest()).unwrap());

    // A file of one range and one byte: two slices; and two short files that share a range.
    let zeros = vec![0; usize::try_from(RANGE_BYTES).unwrap() + 1];
    let layout = Layout::new([Some(zeros.len() as u64), Some(1), Some(2)]);
    let hash = |number| {
        let range = layout.range(number).unwrap();
        let mut hasher = tree::RangeHasher::new(&range);
        hasher.update(&zeros[..usize::try_from(range.bytes()).unwrap()]);
        hasher.finish()
    };
    let ranges = [hash(0), hash(1), hash(2)];
    let mut slices = tree::SliceMerger::default();
    ranges[..2].iter().for_each(|slice| slices.push(slice.hash));
    let file = slices.finish().unwrap();
    assert_eq!(file, *blake3::hash(&zeros).as_bytes());
    let mut transfer = tree::TransferHasher::default();
    transfer.add(0, &file);
    (1..).zip(&ranges[2].files).for_each(|(entry, file)| transfer.add(entry, file));

    vec![
        vector("device id", "of the device", *DeviceId::of(&device().signing).as_bytes()),
        vector("certificate hash", "of the certificate", certificate().hash()),
        safety_number(),
        vector("entry hash", "of the entry, which is also the head of the device list", head.hash),
        vector("manifest digest", "of the one part `manifest part / folder and file`", digest.finish()),
        vector("slice hash 0", "1048576 zero bytes at offset 0 of a file of 1048577", ranges[0].hash),
        vector("slice hash 1", "1 zero byte at offset 1048576 of the same file", ranges[1].hash),
        vector("file hash", "of the same file: BLAKE3 of 1048577 zero bytes", file),
        vector("pack hash", "of two files that are 1 and 2 zero bytes", ranges[2].hash),
        vector("transfer digest", "of those three files", transfer.finish()),
    ]
}

/// Either end of the handshake of the page, with the ephemeral key fixed or drawn.
fn initiator(ephemeral: Option<&[u8; 32]>) -> HandshakeState {
    let (alice, bob) = (noise(NOISE), bob_noise().public());
    let builder = Builder::new(LINK.parse().unwrap())
        .local_private_key(alice.secret().as_slice())
        .and_then(|builder| builder.remote_public_key(bob.as_bytes()))
        .and_then(|builder| builder.psk(0, &PSK))
        .and_then(|builder| builder.prologue(link::ALPN))
        .unwrap();
    let builder = match ephemeral {
        Some(key) => builder.fixed_ephemeral_key_for_testing_only(key),
        None => builder,
    };
    builder.build_initiator().unwrap()
}

fn responder(ephemeral: &[u8; 32]) -> HandshakeState {
    Builder::new(LINK.parse().unwrap())
        .local_private_key(bob_noise().secret().as_slice())
        .and_then(|builder| builder.psk(0, &PSK))
        .and_then(|builder| builder.prologue(link::ALPN))
        .unwrap()
        .fixed_ephemeral_key_for_testing_only(ephemeral)
        .build_responder()
        .unwrap()
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; payload.len() + 96];
    let len = state.write_message(payload, &mut message).unwrap();
    message.truncate(len);
    message
}

fn read(state: &mut HandshakeState, message: &[u8]) {
    state.read_message(message, &mut vec![0; message.len()]).unwrap();
}

/// Hash and split of the handshake whose ephemeral keys are 32 bytes 09 and 32 bytes 0a.
fn fixed() -> (Vec<u8>, Vec<u8>, HandshakeState) {
    let (mut alice, mut bob) = (initiator(Some(&[9; 32])), responder(&[10; 32]));
    let first = write(&mut alice, b"alice");
    read(&mut bob, &first);
    let second = write(&mut bob, b"bob");
    read(&mut alice, &second);
    (first, second, alice)
}

/// §6 of the page: the secret of a link.
fn secret(state: &mut HandshakeState) -> Prk {
    let (first, second) = state.dangerously_get_raw_split();
    Salt::new(HKDF_SHA256, state.get_handshake_hash()).extract(&[first, second].concat())
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(secret: &Prk, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    secret.expand(info, Len32).unwrap().fill(&mut key).unwrap();
    key
}

fn control_key(secret: &Prk, direction: u8) -> [u8; 32] {
    derive(secret, &[b"hobnob/1 control", &[direction]])
}

fn stream_key(secret: &Prk, stream: u64, direction: u8) -> [u8; 32] {
    derive(secret, &[b"hobnob/1 stream", &stream.to_be_bytes(), &[direction], &0u32.to_be_bytes()])
}

fn seal(key: &[u8; 32], counter: u64, context: &[u8], content: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut sealed = content.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
        .unwrap();
    sealed
}

fn sealed_frame(key: &[u8; 32], counter: u64, content: &[u8]) -> Vec<u8> {
    let prefix = u32::try_from(content.len() + 16).unwrap().to_be_bytes();
    [prefix.to_vec(), seal(key, counter, &prefix, content)].concat()
}

fn sealed_record(key: &[u8; 32], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 16).unwrap();
    let header = (len | 1 << 31).to_be_bytes();
    [header.to_vec(), seal(key, 0, &header, content)].concat()
}

fn handshake() -> Vec<Vector> {
    let (first, second, mut alice) = fixed();
    let (_, payload, remote) = Responder::read(&bob_noise(), &PSK, &first).unwrap();
    assert_eq!((payload.as_slice(), remote), (b"alice".as_slice(), noise(NOISE).public()));
    let hash = alice.get_handshake_hash().to_vec();
    let (split_1, split_2) = alice.dangerously_get_raw_split();
    let secret = secret(&mut alice);
    vec![
        seed("noise_responder", "noise first message", "from alice, payload `alice`", first),
        vector("noise second message", "from bob, payload `bob`", second),
        vector("handshake hash", "after the second message", hash),
        vector("split", "both keys of Split(), the initiator's first", [split_1, split_2].concat()),
        vector("control key 0", "from the initiator", control_key(&secret, 0)),
        vector("control key 1", "from the responder", control_key(&secret, 1)),
        vector("stream key", "stream 2, from the initiator, epoch 0", stream_key(&secret, 2, 0)),
    ]
}

fn seals() -> Vec<Vector> {
    let secret = secret(&mut fixed().2);
    let ready = codec::encode(&LinkFrame::Ready).unwrap();
    let control = sealed_frame(&control_key(&secret, 0), 0, &ready);
    let record = sealed_record(&stream_key(&secret, 2, 0), b"hobnob");

    let mut as_is = [&[0; HEADER_BYTES], b"hobnob".as_slice()].concat();
    RecordWriter::new(None).finish(&mut as_is, true).unwrap();

    let context = signal_context((&alice(), device_id()), (&bob(), DeviceId::new([0x44; 16])));
    let signal = sealed_signal(&context, b"signal");
    let opened = open_signal(&bob_noise(), &context, &signal);
    assert_eq!(opened, Ok((b"signal".to_vec(), noise(NOISE).public())));
    vec![
        vector("sealed ready", "link frame / ready, the initiator's first", control),
        vector("sealed record", "stream 2, from the initiator, its first and last: `hobnob`", record),
        vector("as-is record", "the last: `hobnob`", as_is),
        vector("signal context", "from alice and the device to bob and the device 16 bytes 44", context),
        seed("noise_signal", "sealed signal", "`signal` in that context, ephemeral key 32 bytes 09", signal),
    ]
}

/// Whole streams, not sealed.
fn streams() -> Vec<Vector> {
    let transfer = transfer_id();
    let manifest_header = codec::encode(&StreamHeader::Manifest { transfer }).unwrap();
    let part = codec::encode(&manifest()).unwrap();
    let range_header =
        codec::encode(&StreamHeader::Range { transfer, range: 0, coding: RangeCoding::Plain }).unwrap();
    let mut hasher = tree::RangeHasher::new(&Layout::new([Some(6)]).range(0).unwrap());
    hasher.update(b"hobnob");
    let trailer = codec::encode(&RangeTrailer { hash: hasher.finish().hash }).unwrap();
    vec![
        seed(
            "stream",
            "manifest stream",
            "as-is: the header, the one part",
            as_is(&[&manifest_header, &part]),
        ),
        seed(
            "stream",
            "range stream",
            "as-is: the header of range 0, `hobnob`, which is the whole of the one file, and the trailer",
            as_is(&[&range_header, b"hobnob", &trailer]),
        ),
    ]
}

fn as_is(records: &[&[u8]]) -> Vec<u8> {
    let mut writer = RecordWriter::new(None);
    let mut stream = vec![writer.protection() as u8];
    for (left, content) in (0..records.len()).rev().zip(records) {
        let mut record = [&[0; HEADER_BYTES], *content].concat();
        writer.finish(&mut record, left == 0).unwrap();
        stream.extend(record);
    }
    stream
}

fn sealed_signal(context: &[u8], signal: &[u8]) -> Vec<u8> {
    let (alice, bob) = (noise(NOISE), bob_noise().public());
    let mut state = Builder::new(SIGNAL.parse().unwrap())
        .local_private_key(alice.secret().as_slice())
        .and_then(|builder| builder.remote_public_key(bob.as_bytes()))
        .and_then(|builder| builder.prologue(context))
        .unwrap()
        .fixed_ephemeral_key_for_testing_only(&[9; 32])
        .build_initiator()
        .unwrap();
    write(&mut state, signal)
}

/// The formulas above are what the code under test does: what one seals, the other opens.
#[test]
fn the_keys_of_a_link_are_derived_as_the_page_says() {
    let mut alice = initiator(None);
    let first = write(&mut alice, b"");
    let (bob, ..) = Responder::read(&bob_noise(), &PSK, &first).unwrap();
    let (second, mut bob) = bob.finish(b"").unwrap();
    read(&mut alice, &second);
    let secret = secret(&mut alice);

    let (typing, encoded) = (LinkFrame::Typing { active: true }, [3, 1]);
    for counter in 0..2 {
        let mut frame = sealed_frame(&control_key(&secret, 0), counter, &encoded);
        let (prefix, sealed) = frame.split_first_chunk_mut().unwrap();
        assert_eq!(link::open_frame(&mut bob.receive, *prefix, sealed).as_ref(), Ok(&typing));
    }
    let frame = link::seal_frame(&mut bob.send, &typing).unwrap();
    assert_eq!(frame, sealed_frame(&control_key(&secret, 1), 0, &encoded));

    let mut record = sealed_record(&stream_key(&secret, 2, 0), b"hobnob");
    let (header, body) = record.split_first_chunk_mut().unwrap();
    let header = RecordHeader::decode(*header, Protection::Sealed).unwrap();
    assert!(header.last);
    let key = bob.streams.stream(2, Direction::FromInitiator);
    assert_eq!(RecordReader::new(Protection::Sealed, key).open(header, body).unwrap(), b"hobnob");
}
