//! Examples of what peers say to each other: signals, frames of a link, letters and transfers.

use hobnob_wire::SwarmId;
use hobnob_wire::bounded::{List, Text};
use hobnob_wire::choice::Choice;
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::link::{LinkFrame, LinkHello, RelayFrame};
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::signal::{Candidate, CandidateKind, Mapping, Signal, SignalKind};
use hobnob_wire::swarm::{MemberMark, SwarmFrame};
use hobnob_wire::transfer::{
    EntryKind, Hold, ManifestEntry, ManifestPart, RangeCoding, RangeTrailer, RelativePath, Span,
    StreamHeader, TransferFrame,
};

use crate::example::{Example, Vector, every, frames, variants, within};
use crate::people::*;
use crate::session::attempt;

variants! {
    SignalKind: Offer, Answer, Update;
    CandidateKind: Host, Mapped, Reflexive;
    Mapping: Unknown, NoNat, EndpointIndependent, Sequential, Block, Random;
    LinkFrame: Ready, Letter, LetterAck, Typing, Transfer, Pace, Relay, Swarm;
    RelayFrame: Offer, Ask, Grant;
    TransferFrame: Accept, Pace, Progress, Complete, Gone, Hold, Wait, Choose, Helped, Got, AskHashes, Hashes;
    SwarmFrame: Have, Want, Leave;
    StreamHeader: Manifest, Range;
    RangeCoding: Plain, Zstd, Hole, Known;
}

pub(crate) fn vectors() -> Vec<Vector> {
    [
        frames("signal", signals()),
        frames("link_hello", vec![("alice", "alice@example.org, the device, the device list", hello())]),
        frames("link_frame", link_frames()),
        frames("stream", stream_headers()),
        frames("stream", vec![("one", "hash 32 bytes 77", RangeTrailer { hash: [0x77; 32] })]),
        frames("manifest", vec![("folder and file", MANIFEST, manifest()), ("link", LINK, link_entry())]),
    ]
    .concat()
}

fn signals() -> Vec<Example<Signal>> {
    let candidate = |(kind, at): (CandidateKind, &str)| Candidate {
        kind,
        at: at.parse::<std::net::SocketAddr>().unwrap().into(),
    };
    let candidates = every(vec![
        ("host", "", CandidateKind::Host),
        ("mapped", "", CandidateKind::Mapped),
        ("reflexive", "", CandidateKind::Reflexive),
    ]);
    let addresses = ["192.0.2.1:7700", "[2001:db8::1]:7701", "192.0.2.2:7702"];
    let candidates: Vec<Candidate> =
        candidates.into_iter().map(|(_, _, kind)| kind).zip(addresses).map(candidate).collect();
    let signal = |(kind, mapping)| Signal {
        attempt: attempt(),
        kind,
        key: DatagramKey::new([0x44; 32]),
        mapping,
        candidates: List::new(candidates.clone()).unwrap(),
    };
    let mappings = vec![
        ("offer", OFFER, Mapping::Unknown),
        ("offer without NAT", "as the offer, but no NAT", Mapping::NoNat),
        ("offer, endpoint-independent", "as the offer, but that mapping", Mapping::EndpointIndependent),
        (
            "offer, sequential",
            "as the offer, but mapping sequential, step -1",
            Mapping::Sequential { step: -1 },
        ),
        (
            "offer, block",
            "as the offer, but mapping in a block of 1024 ports",
            Mapping::Block { ports: 1024 },
        ),
        ("offer, random", "as the offer, but mapping random", Mapping::Random),
    ];
    let offers = within(every(mappings), |mapping| (SignalKind::Offer, mapping));
    let others = vec![
        ("answer", "as the offer, but an answer", SignalKind::Answer),
        ("update", "as the offer, but an update", SignalKind::Update),
    ];
    let others = within(others, |kind| (kind, Mapping::Unknown));
    let kinds = |(name, says, (kind, _)): &Example<(SignalKind, Mapping)>| (*name, *says, *kind);
    let all = [offers, others].concat();
    every(all.iter().map(kinds).collect());
    within(all, signal)
}

const OFFER: &str = "attempt 16 bytes 33, key 32 bytes 44, mapping unknown, host 192.0.2.1 port 7700, mapped 2001:db8::1 port 7701, reflexive 192.0.2.2 port 7702";

fn hello() -> LinkHello {
    LinkHello { address: alice(), device: device_id(), list: device_list() }
}

fn link_frames() -> Vec<Example<LinkFrame>> {
    let mut examples = vec![
        ("ready", "the first frame of the initiator", LinkFrame::Ready),
        (
            "letter",
            "the letter, sealed 010203",
            LinkFrame::Letter { letter: letter_id(), sealed: bytes(&[1, 2, 3]) },
        ),
        ("letter ack", "the letter", LinkFrame::LetterAck { letter: letter_id() }),
        ("typing", "active", LinkFrame::Typing { active: true }),
        ("link pace", "1048576 bytes/s", LinkFrame::Pace { bytes_per_s: 1 << 20 }),
    ];
    examples.extend(within(every(transfer_frames()), LinkFrame::Transfer));
    examples.extend(within(every(relay_frames()), LinkFrame::Relay));
    examples.extend(within(every(swarm_frames()), LinkFrame::Swarm));
    every(examples)
}

fn relay_frames() -> Vec<Example<RelayFrame>> {
    let (attempt, channel) = (attempt(), Channel::new([0x88; 7]));
    let (allocation, key) = (AllocationId(0x0102_0304_0506_0708), DatagramKey::new([0x44; 32]));
    vec![
        ("relay offer", "the device relays", RelayFrame::Offer),
        ("relay ask", "attempt 16 bytes 33, the device", RelayFrame::Ask { attempt, device: device_id() }),
        (
            "relay grant",
            "attempt 16 bytes 33, channel 7 bytes 88, allocation 0102030405060708, key 32 bytes 44",
            RelayFrame::Grant { attempt, channel, allocation, key },
        ),
    ]
}

fn swarm_id() -> SwarmId {
    SwarmId::new([0x88; 16])
}

fn swarm_frames() -> Vec<Example<SwarmFrame>> {
    let (swarm, transfer) = (swarm_id(), transfer_id());
    let span = || List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    let want = List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    vec![
        (
            "have",
            "swarm 16 bytes 88, hello, lends, ranges 0 to 1",
            SwarmFrame::Have { swarm, hello: true, lends: true, ranges: span() },
        ),
        (
            "want",
            "swarm 16 bytes 88, the transfer, ranges 0 to 1",
            SwarmFrame::Want { swarm, transfer, ranges: want },
        ),
        ("leave", "swarm 16 bytes 88", SwarmFrame::Leave { swarm }),
    ]
}

fn frames_of_others() -> Vec<Example<TransferFrame>> {
    let transfer = transfer_id();
    let ranges = || List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    let got = List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    let hashes = List::new(vec![[0x77; 32], [0x78; 32]]).unwrap();
    let by = List::new(vec![MemberMark::new([0x99; 16])]).unwrap();
    vec![
        ("helped", "the transfer, by mark 16 bytes 99", TransferFrame::Helped { transfer, by }),
        ("got", "the transfer, ranges 0 to 1", TransferFrame::Got { transfer, ranges: got }),
        (
            "ask hashes",
            "the transfer, ranges 0 to 1",
            TransferFrame::AskHashes { transfer, ranges: ranges() },
        ),
        (
            "hashes",
            "the transfer, ranges 0 to 1, 32 bytes 77, 32 bytes 78",
            TransferFrame::Hashes { transfer, ranges: ranges(), hashes },
        ),
    ]
}

fn transfer_frames() -> Vec<Example<TransferFrame>> {
    let transfer = transfer_id();
    let want = vec![Span { start: 0, end: 2 }, Span { start: 5, end: u64::MAX }];
    let want = List::new(want).unwrap();
    let compare = List::new(vec![Span { start: 0, end: 2 }]).unwrap();
    let mut frames = vec![
        (
            "accept",
            "the transfer, the manifest and ranges 0 to 1 and from 5 on",
            TransferFrame::Accept { transfer, manifest: true, compare: false, want },
        ),
        (
            "compare",
            "the transfer, the hashes of ranges 0 to 1",
            TransferFrame::Accept { transfer, manifest: false, compare: true, want: compare },
        ),
        ("pace", "the transfer, 1048576 bytes/s", TransferFrame::Pace { transfer, bytes_per_s: 1 << 20 }),
        ("progress", "the transfer, 300 bytes", TransferFrame::Progress { transfer, bytes: 300 }),
        (
            "complete",
            "the transfer, digest 32 bytes 77",
            TransferFrame::Complete { transfer, digest: [0x77; 32] },
        ),
        ("gone", "the transfer", TransferFrame::Gone { transfer }),
        ("hold", "the transfer, paused", TransferFrame::Hold { transfer, hold: Hold::Paused }),
        (
            "wait",
            "the transfer, disk full",
            TransferFrame::Wait { transfer, text: Text::truncated("disk full") },
        ),
        (
            "choose",
            "the transfer, only *.jpg and a/**, except b",
            TransferFrame::Choose {
                transfer,
                choice: Choice::new(&["*.jpg", "a/**"].map(str::to_owned), &["b".to_owned()]).unwrap(),
            },
        ),
    ];
    frames.extend(frames_of_others());
    frames
}

fn stream_headers() -> Vec<Example<StreamHeader>> {
    let transfer = transfer_id();
    let range = |coding| StreamHeader::Range { transfer, range: 300, coding };
    let codings = every(vec![
        ("range", "of the transfer, number 300, plain", RangeCoding::Plain),
        ("zstd range", "of the transfer, number 300, Zstandard", RangeCoding::Zstd),
        ("hole", "of the transfer, number 300, zero bytes that do not travel", RangeCoding::Hole),
        ("known", "of the transfer, number 300, to be compared", RangeCoding::Known),
    ]);
    let mut headers = vec![("manifest", "of the transfer", StreamHeader::Manifest { transfer })];
    headers.extend(within(codings, range));
    every(headers)
}

const MANIFEST: &str =
    "folder a, at 1700000000000; file a/b.txt of 300 bytes, at 1700000000001, executable, sparse";

pub(crate) fn manifest() -> ManifestPart {
    let path = |path| RelativePath::new(path).unwrap();
    let entries = vec![
        ManifestEntry {
            path: path("a"),
            kind: EntryKind::Folder,
            size: 0,
            modified_unix_ms: 1_700_000_000_000,
            executable: false,
            sparse: false,
        },
        ManifestEntry {
            path: path("a/b.txt"),
            kind: EntryKind::File,
            size: 300,
            modified_unix_ms: 1_700_000_000_001,
            executable: true,
            sparse: true,
        },
    ];
    ManifestPart { entries: List::new(entries).unwrap() }
}

const LINK: &str = "link a/c to a/b.txt, at 1700000000002";

fn link_entry() -> ManifestPart {
    let path = |path| RelativePath::new(path).unwrap();
    let entry = ManifestEntry {
        path: path("a/c"),
        kind: EntryKind::Link { target: path("a/b.txt") },
        size: 0,
        modified_unix_ms: 1_700_000_000_002,
        executable: false,
        sparse: false,
    };
    ManifestPart { entries: List::new(vec![entry]).unwrap() }
}

/// Bob's Noise key in the examples of handshakes.
pub(crate) fn bob_noise() -> NoiseKeypair {
    noise(7)
}
