//! What must hold for any bytes that a stranger can send. Each property has a fuzz target of its name in
//! `fuzz_targets/`; `tests/tests/corpus.rs` replays the corpora through the same functions.
//!
//! The rule for decoders: an error, or a value whose one encoding is the input. The rule for what is
//! sealed: only the bytes that the other side made open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use hobnob_nat::Way;
use hobnob_nat::core::binding::{Access, Binding};
use hobnob_nat::core::relay::{Door, Hop, Load, Order, Payer, Relay, RelayLimits};
use hobnob_peer::core::history::query;
use hobnob_peer::core::history::record::Record;
use hobnob_peer::core::history::words::words;
use hobnob_wire::datagram::{
    AllocationId, Channel, Cookie, DATAGRAM_BYTES_MAX, Datagram, DatagramKey, MAC_BYTES, Transaction,
    is_beside_quic, parse,
};
use hobnob_wire::device::{DeviceEntry, DeviceList};
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::keys::{AgreementKey, SigningKey};
use hobnob_wire::layout::Layout;
use hobnob_wire::letter::{Letter, LetterBody, SealedLetter};
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::noise::{self, Initiator, LinkKeys, NoiseKeypair, Responder, open_signal};
use hobnob_wire::overlay::{OverlayAnswer, OverlayRequest};
use hobnob_wire::record::{HEADER_BYTES, Protection, RecordHeader, RecordReader, RecordWriter};
use hobnob_wire::seal::Direction;
use hobnob_wire::session::{ClientFrame, ServerFrame};
use hobnob_wire::signal::{RelayGrant, Signal};
use hobnob_wire::transfer::{EntryKind, ManifestHasher, ManifestPart, RangeTrailer, StreamHeader};
use hobnob_wire::{
    Address, DeviceId, Domain, Frame, LetterId, List, Name, TransferId, codec, tunnel as tunnelled,
};
use zeroize::Zeroizing;

/// A property that holds for any bytes.
pub type Property = fn(&[u8]);

/// Every property, by the name of its target.
pub const TARGETS: &[(&str, Property)] = &[
    ("address", address),
    ("binding", binding),
    ("client_frame", client_frame),
    ("datagram", datagram),
    ("device_list", device_list),
    ("history_query", history_query),
    ("history_record", history_record),
    ("invite", invite),
    ("letter", letter),
    ("link_frame", link_frame),
    ("link_hello", link_hello),
    ("manifest", manifest),
    ("noise_initiator", noise_initiator),
    ("noise_responder", noise_responder),
    ("noise_signal", noise_signal),
    ("overlay", overlay),
    ("record", record),
    ("relay", relay),
    ("sealed_letter", sealed_letter),
    ("server_frame", server_frame),
    ("signal", signal),
    ("stream", stream),
    ("tunnel", tunnel),
];

/// Decodes; a value that comes out has no other encoding than `bytes`.
fn frame<F: Frame + PartialEq + Debug>(bytes: &[u8]) -> Option<F> {
    let value = codec::decode::<F>(bytes).ok()?;
    assert_eq!(codec::encode(&value).as_deref(), Ok(bytes), "{value:?} has a second encoding");
    Some(value)
}

/// Parses; what comes out says the same when it is written and read again.
fn text<T: FromStr + ToString + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().ok();
        assert_eq!(again.as_ref(), Some(&value), "{text:?} changes when it is written and read again");
    }
}

/// What a peer sends on a session.
pub fn client_frame(bytes: &[u8]) {
    frame::<ClientFrame>(bytes);
}

/// What the rendezvous sends on a session.
pub fn server_frame(bytes: &[u8]) {
    frame::<ServerFrame>(bytes);
}

/// What a peer sends on the control stream of a link.
pub fn link_frame(bytes: &[u8]) {
    frame::<LinkFrame>(bytes);
}

/// Who a peer says it is.
pub fn link_hello(bytes: &[u8]) {
    frame::<LinkHello>(bytes);
}

/// A device list is refused, or continues itself; the entries inside follow the rule for decoders.
pub fn device_list(bytes: &[u8]) {
    frame::<DeviceEntry>(bytes);
    let Some(list) = frame::<DeviceList>(bytes) else { return };
    for entry in list.entries.iter() {
        frame::<DeviceEntry>(entry.body.as_slice());
    }
    if let Ok(verified) = list.verify() {
        assert_eq!(verified.continues(&list.certificate.root, &verified.head()), Ok(()));
        assert_eq!(verified.next().0, verified.head().seq + 1);
    }
}

/// What travels beside QUIC: whoever it claims to be from, it proves nothing under a key that its sender does not have.
pub fn datagram(bytes: &[u8]) {
    if let Some((channel, content)) = Channel::split(bytes) {
        assert_eq!([channel.header().as_slice(), content].concat(), bytes);
    }
    let Ok(unproved) = parse(bytes) else { return };
    assert!(is_beside_quic(bytes[0]) && bytes.len() <= DATAGRAM_BYTES_MAX);
    let claims = unproved.claims().clone();
    frame::<Datagram>(&bytes[..bytes.len() - MAC_BYTES]);
    let key = DatagramKey::new([0x1d; 32]);
    assert_eq!(unproved.prove(&key), None, "bytes that nobody authenticated were taken");
    let sealed = claims.seal(&key);
    assert_eq!(parse(&sealed).ok().and_then(|sealed| sealed.prove(&key)), Some(claims));
}

const ALLOCATIONS: [AllocationId; 2] = [AllocationId(1), AllocationId(2)];

fn allocation_key(AllocationId(number): AllocationId) -> DatagramKey {
    DatagramKey::new([u8::try_from(number).unwrap_or_default(); 32])
}

/// One of four addresses.
fn place(choice: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, choice & 3], 7_700))
}

/// What a relay is told, by those who have a place and by anybody: it forwards to nobody who has not repeated a cookie that was
/// sent to that very address, and no answer is longer than its request.
pub fn relay(bytes: &[u8]) {
    /// What one step takes: who and where, when, and content.
    const STEP_BYTES: usize = 40;
    let limits = RelayLimits {
        channel_bytes_per_s: 1 << 20,
        channel_bytes_max: 1 << 20,
        account_bytes_per_s: 1 << 20,
        account_bytes_per_day: 1 << 20,
        idle: Duration::from_secs(300),
    };
    let mut relay = Relay::new(limits, Zeroizing::new([5; 32]));
    for allocation in ALLOCATIONS {
        let (key, payer) = (allocation_key(allocation), Payer(allocation.0));
        relay.order(Order::Allocate { allocation, key, payer }, Duration::ZERO);
    }
    let channel = Channel::new([7; 7]);
    relay.order(Order::Open { channel, between: ALLOCATIONS }, Duration::ZERO);
    let (mut now, mut count) = (Duration::ZERO, 0);
    let mut cookies: BTreeMap<(usize, SocketAddr), Cookie> = BTreeMap::new();
    let mut proved: BTreeSet<(usize, SocketAddr)> = BTreeSet::new();
    for step in bytes.chunks_exact(STEP_BYTES) {
        let (who, from) = (usize::from(step[0] & 1), place(step[0] >> 1));
        let (allocation, key) = (ALLOCATIONS[who], allocation_key(ALLOCATIONS[who]));
        now += Duration::from_secs(step[1].into());
        count += 1;
        let transaction = Transaction(count);
        let given = cookies.get(&(who, from)).copied();
        let request = match step[0] >> 3 & 3 {
            0 => Datagram::Bind { allocation, transaction, cookie: given.unwrap_or_default() }.seal(&key),
            1 => {
                let cookie = Cookie(std::array::from_fn(|at| step[2 + at]));
                Datagram::Bind { allocation, transaction, cookie }.seal(&key)
            }
            2 => Datagram::Reflect { allocation, transaction, room: [0; 16] }.seal(&key),
            _ => step[2..].to_vec(),
        };
        if let Some(answer) = relay.answer(Hop { peer: from, here: None }, &request, Door::Relay, now) {
            assert!(answer.len() <= request.len(), "an answer is longer than its request");
            match parse(&answer).ok().and_then(|answer| answer.prove(&key)) {
                Some(Datagram::Challenge { cookie, .. }) => drop(cookies.insert((who, from), cookie)),
                Some(Datagram::Bound { .. }) => {
                    assert!(given.is_some(), "bound without a cookie");
                    proved.insert((who, from));
                }
                _ => {}
            }
        }
        for sender in (0..4).map(place) {
            let load = Load { bytes: 1_000, datagrams: 1 };
            if let Some(to) = relay.forward(sender, channel, load, now) {
                let is_between =
                    |who: usize| proved.contains(&(who, sender)) && proved.contains(&(1 - who, to.peer));
                assert!(is_between(0) || is_between(1), "forwarded from {sender} to {to:?}");
            }
        }
    }
}

/// What comes to a peer that asks a relay, from anybody: it counts as bound and seen nowhere, and asks no more than it would.
pub fn binding(bytes: &[u8]) {
    const STEP_BYTES: usize = 80;
    let relay = place(1);
    let allocation = ALLOCATIONS[0];
    let grant = RelayGrant { allocation, key: allocation_key(allocation), reflectors: List::default() };
    let mut binding = Binding::new();
    let mut now = Duration::ZERO;
    binding.grant(Some(Access { relay, v4: None, grant, reflects: true }), now);
    for step in bytes.chunks(STEP_BYTES) {
        now += Duration::from_millis(u64::from(step[0]) * 100);
        binding.tick(now);
        if let Ok(unproved) = parse(&step[1..]) {
            assert!(!binding.handle(Way::main(place(step[0])), unproved, now), "forged bytes told something");
        }
        assert!(!binding.is_bound() && binding.observations().is_empty());
        let asked = std::iter::from_fn(|| binding.poll()).count();
        assert!(asked <= 8, "{asked} things to do at once");
    }
}

/// The inside of a sealed signal.
pub fn signal(bytes: &[u8]) {
    frame::<Signal>(bytes);
}

/// The outside of a letter.
pub fn sealed_letter(bytes: &[u8]) {
    frame::<SealedLetter>(bytes);
}

/// The inside of a letter, and its body.
pub fn letter(bytes: &[u8]) {
    let Some(letter) = frame::<Letter>(bytes) else { return };
    let Ok(body) = LetterBody::decode(letter.kind, letter.body.as_slice()) else { return };
    if let LetterBody::Unknown { kind } = body {
        assert_eq!(kind, letter.kind);
    } else {
        assert_eq!(body.encode(), Ok((letter.kind, letter.body.into_vec())));
    }
}

/// A part of a manifest: every path stays inside its folder, every byte has a range.
pub fn manifest(bytes: &[u8]) {
    let Some(part) = frame::<ManifestPart>(bytes) else { return };
    for entry in part.entries.iter() {
        assert!(entry.path.parts().all(|part| !matches!(part, "" | "." | "..")));
        if let EntryKind::Link { target } = &entry.kind {
            assert!(target.parts().all(|part| !matches!(part, "" | "." | "..")));
        }
    }
    let mut hasher = ManifestHasher::default();
    hasher.update(bytes);
    assert_ne!(hasher.finish(), ManifestHasher::default().finish());

    let layout = Layout::new(part.entries.iter().map(|entry| match entry.kind {
        EntryKind::File => Some(entry.size),
        EntryKind::Folder | EntryKind::Link { .. } => None,
    }));
    assert_eq!(layout.range(layout.ranges()), None);
    if let Some(last) = layout.ranges().checked_sub(1) {
        assert!(layout.range(0).is_some() && layout.range(last).is_some());
    }
}

/// A unidirectional stream that is not sealed: its records, and what the first and the last hold.
pub fn stream(bytes: &[u8]) {
    frame::<RangeTrailer>(bytes);
    frame::<StreamHeader>(bytes);
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let Ok(protection) = Protection::try_from(*first) else { return };
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let Ok(header) = RecordHeader::decode(*header, protection) else { return };
        let Some((body, after)) = after.split_at_checked(header.len) else { return };
        let mut body = body.to_vec();
        let mut reader = RecordReader::new(Protection::AsIs, stream_key(0));
        let content = reader.open(header, &mut body).expect("the body is as long as its header says");
        frame::<StreamHeader>(content);
        rest = after;
        if header.last {
            return;
        }
    }
}

/// What a tunnel carries: datagrams that are written again come out the same.
pub fn tunnel(mut bytes: &[u8]) {
    while let Ok(Some(tunnelled::First { datagram, behind })) = tunnelled::split(bytes) {
        let mut written = Vec::new();
        assert!(tunnelled::push(&mut written, datagram));
        assert_eq!(written, bytes[..bytes.len() - behind.len()]);
        bytes = behind;
    }
}

/// Keys of a link, for the properties of what is sealed.
fn link_keys() -> &'static LinkKeys {
    static KEYS: OnceLock<LinkKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let (_, first) = start();
        let (responder, ..) =
            Responder::read(&pair(RESPONDER), &PSK, &first).expect("it was made for this key");
        responder.finish(b"").expect("an empty payload fits").1
    })
}

fn stream_key(stream: u64) -> hobnob_wire::seal::SealKey {
    link_keys().streams.stream(stream, Direction::FromInitiator)
}

/// What nodes of the overlay say to each other.
pub fn overlay(bytes: &[u8]) {
    frame::<OverlayRequest>(bytes);
    frame::<OverlayAnswer>(bytes);
}

/// A sealed record opens as it was made; anything else does not open.
pub fn record(bytes: &[u8]) {
    let mut forged = bytes.to_vec();
    let header = RecordHeader { len: forged.len(), last: false };
    let opened = RecordReader::new(Protection::Sealed, stream_key(2)).open(header, &mut forged).is_ok();
    assert!(!opened, "bytes that nobody sealed were opened");

    let mut sealed = [&[0; HEADER_BYTES], bytes].concat();
    if RecordWriter::new(Some(stream_key(2))).finish(&mut sealed, true).is_err() {
        return;
    }
    let (header, body) = sealed.split_at_mut(HEADER_BYTES);
    let header = header.try_into().expect("it was split there");
    let header = RecordHeader::decode(header, Protection::Sealed).expect("we wrote it");
    assert!(header.last);
    let open = |header, body: &mut [u8]| {
        let mut reader = RecordReader::new(Protection::Sealed, stream_key(2));
        reader.open(header, body).map(<[u8]>::to_vec)
    };
    assert_eq!(open(header, &mut body.to_vec()).as_deref(), Ok(bytes));
    assert!(open(RecordHeader { last: false, ..header }, &mut body.to_vec()).is_err());
    let flip = bytes.first().map_or(0, |first| usize::from(*first) % body.len());
    body[flip] ^= 1;
    assert!(open(header, body).is_err(), "a record with a flipped bit was opened");
}

/// Seeds and key of the handshake that `docs/src/protocol.md` shows, so that its messages are good seeds.
const INITIATOR: u8 = 4;
const RESPONDER: u8 = 7;
const PSK: [u8; 32] = [8; 32];

fn pair(seed: u8) -> NoiseKeypair {
    NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
}

/// A handshake and its first message.
fn start() -> (Initiator, Vec<u8>) {
    Initiator::start(&pair(INITIATOR), &pair(RESPONDER).public(), &PSK, b"hello").expect("the keys are good")
}

/// A first message is refused, or proves a key and can be answered.
pub fn noise_responder(bytes: &[u8]) {
    let Ok((responder, payload, remote)) = Responder::read(&pair(RESPONDER), &PSK, bytes) else { return };
    assert_eq!(payload.len() + 96, bytes.len());
    assert_ne!(remote, AgreementKey::new([0; 32]));
    assert!(responder.finish(b"").is_ok());
}

/// The initiator takes the one answer that the responder gave, and no other.
pub fn noise_initiator(bytes: &[u8]) {
    assert!(start().0.finish(bytes).is_err(), "an answer that nobody gave was taken");

    let (initiator, first) = start();
    let (responder, ..) = Responder::read(&pair(RESPONDER), &PSK, &first).expect("it was made for this key");
    let (mut answer, _) = responder.finish(b"hello").expect("the payload is short");
    let mask = answer.iter_mut().zip(bytes);
    mask.for_each(|(byte, mask)| *byte ^= mask);
    let changed = bytes.iter().take(answer.len()).any(|mask| *mask != 0);
    // X25519 ignores the top bit of the ephemeral key, but the hash of the handshake does not.
    assert_eq!(initiator.finish(&answer).is_err(), changed);
}

/// The context of the sealed signal on the page.
fn signal_context() -> &'static [u8] {
    static CONTEXT: OnceLock<Vec<u8>> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let address = |text: &str| text.parse::<Address>().expect("it is an address");
        let device = DeviceId::of(&SigningKey::from_seed(&[3; 32]).verify_key());
        let (alice, bob) = (address("alice@example.org"), address("bob@example.org"));
        noise::signal_context((&alice, device), (&bob, DeviceId::new([0x44; 16])))
    })
}

/// A sealed signal is refused, or names the key of a device.
pub fn noise_signal(bytes: &[u8]) {
    let Ok((signal, remote)) = open_signal(&pair(RESPONDER), signal_context(), bytes) else { return };
    assert_eq!(signal.len() + 96, bytes.len());
    assert_ne!(remote, AgreementKey::new([0; 32]));
    frame::<Signal>(&signal);
}

/// What a person pastes as an invite.
pub fn invite(bytes: &[u8]) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    text::<Invite>(typed);
    text::<Pin>(typed);
}

/// What a person types to find letters: it is refused, or has words that an index takes as they are.
pub fn history_query(bytes: &[u8]) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    let is_plain = |word: &str| {
        !word.is_empty()
            && word.chars().all(|character| character.is_ascii_alphanumeric() || !character.is_ascii())
    };
    for word in words(typed) {
        assert!(is_plain(&word.folded), "{:?}", word.folded);
        assert!(typed.get(word.at).is_some_and(|part| !part.is_empty()));
    }
    let own: Address = "alice@example.org".parse().expect("it is an address");
    if let Ok(query) = query::parse(typed, &own, 1_795_246_821_123) {
        assert!(query.wanted.len() + query.unwanted.len() <= query::QUERY_TERMS_MAX);
        assert!(query.phrases().all(|phrase| phrase.words().iter().all(|word| is_plain(word))));
    }
}

/// A line of a file that is imported: a letter that comes out is written and read again as it is.
pub fn history_record(bytes: &[u8]) {
    let Ok(line) = str::from_utf8(bytes) else { return };
    let own: Address = "alice@example.org".parse().expect("it is an address");
    if let Ok((letter, changes)) = Record::read(line, &own) {
        assert!(letter.author == own || letter.to == own);
        assert_eq!(Record::new(&letter, &changes, None).letter(&own), Ok((letter, changes)));
    }
}

/// What a person types as an address or an identifier.
pub fn address(bytes: &[u8]) {
    let Ok(typed) = str::from_utf8(bytes) else { return };
    text::<Address>(typed);
    text::<Name>(typed);
    text::<Domain>(typed);
    text::<DeviceId>(typed);
    text::<LetterId>(typed);
    text::<TransferId>(typed);
    let home: Domain = "example.org".parse().expect("it is a domain");
    if let Ok(address) = Address::parse(typed, &home) {
        assert_eq!(Address::new(&address.name(), &address.domain()), address);
    }
}
