//! Decoding allocates at most four times its input, whatever the input says about itself.

use std::alloc::System;
use std::fs;
use std::path::Path;

use hobnob_wire::datagram::Datagram;
use hobnob_wire::device::{DeviceEntry, DeviceList};
use hobnob_wire::ids::RequestId;
use hobnob_wire::letter::{
    Edit, Letter, OwnSync, Poll, Reached, Receipt, SealedLetter, TextBody, Vote, Words,
};
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::mailbox::{LetterCopy, MailboxRequest};
use hobnob_wire::overlay::{OverlayAnswer, OverlayRequest};
use hobnob_wire::session::{ClientFrame, Request, ServerFrame};
use hobnob_wire::signal::Signal;
use hobnob_wire::transfer::{
    EntryKind, ManifestEntry, ManifestPart, RangeTrailer, RelativePath, Span, StreamHeader, TransferFrame,
};
use hobnob_wire::{DeviceId, Frame, LetterId, List, Opaque, Text, TransferId, codec};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// All bytes that decoding asked for, freed ones included. Other threads of the test runner may allocate
/// meanwhile, so the least of a few runs counts.
fn allocated<F: Frame>(bytes: &[u8]) -> usize {
    let once = || {
        let region = Region::new(ALLOCATOR);
        let decoded = codec::decode::<F>(bytes);
        let allocated = region.change().bytes_allocated;
        drop(decoded);
        allocated
    };
    (0..3).map(|_| once()).min().expect("there were three runs")
}

fn check<F: Frame>(bytes: &[u8]) {
    check_with::<F>(bytes, 0);
}

/// What the short lists in the body of a letter may add.
const SHORT_LISTS_BYTES: usize = 4_096;

fn check_with<F: Frame>(bytes: &[u8], more: usize) {
    let allocated = allocated::<F>(bytes);
    let limit = 4 * bytes.len() + more;
    assert!(allocated <= limit, "{} allocates {allocated} bytes for {}: {bytes:02x?}", F::NAME, bytes.len());
}

/// Every decoder, whatever the bytes were meant for.
fn check_all(bytes: &[u8]) {
    check::<ClientFrame>(bytes);
    check::<ServerFrame>(bytes);
    check::<LinkFrame>(bytes);
    check::<LinkHello>(bytes);
    check::<DeviceEntry>(bytes);
    check::<DeviceList>(bytes);
    check::<SealedLetter>(bytes);
    check::<Letter>(bytes);
    check::<Signal>(bytes);
    check::<Datagram>(bytes);
    check::<ManifestPart>(bytes);
    check::<StreamHeader>(bytes);
    check::<RangeTrailer>(bytes);
    check::<Receipt>(bytes);
    check::<OverlayRequest>(bytes);
    check::<OverlayAnswer>(bytes);
    check::<OwnSync>(bytes);
    check_with::<TextBody>(bytes, SHORT_LISTS_BYTES);
    check_with::<Edit>(bytes, SHORT_LISTS_BYTES);
    check_with::<Poll>(bytes, SHORT_LISTS_BYTES);
    check_with::<Vote>(bytes, SHORT_LISTS_BYTES);
}

/// Lists as long as they may be, of values as short as they may be: the most memory for the fewest bytes.
fn dense() -> Vec<Vec<u8>> {
    let entry = ManifestEntry {
        path: RelativePath::new("a").expect("it is a path"),
        kind: EntryKind::File,
        size: 0,
        modified_unix_ms: 0,
        executable: false,
        sparse: false,
    };
    let short = RelativePath::new("a").expect("it is a path");
    let link = ManifestEntry { kind: EntryKind::Link { target: short }, ..entry.clone() };
    let manifest = ManifestPart { entries: full(entry) };
    let links = ManifestPart { entries: full(link) };
    let copy = LetterCopy { device: DeviceId::new([0; 16]), sealed: Opaque::default() };
    let deposit = MailboxRequest::Deposit {
        to: "a@b".parse().expect("it is an address"),
        letter: LetterId::new([0; 16]),
        copies: full(copy),
    };
    let deposit = ClientFrame::Request { id: RequestId(0), request: Request::Mailbox(deposit) };
    let transfer = TransferId::new([0; 16]);
    let accept = TransferFrame::Accept {
        transfer,
        manifest: true,
        compare: false,
        want: full(Span { start: 0, end: 0 }),
    };
    let receipt = Receipt { reached: Reached::Read, letters: full(LetterId::new([0; 16])) };
    let words = Words { mentions: full("a@b".parse().expect("it is an address")), ..Words::default() };
    let poll = Poll { question: Text::default(), options: full(Text::default()), multiple: false };
    let frames = [
        codec::encode(&TextBody { words, ..TextBody::default() }),
        codec::encode(&poll),
        codec::encode(&manifest),
        codec::encode(&links),
        codec::encode(&deposit),
        codec::encode(&LinkFrame::Transfer(accept)),
        codec::encode(&receipt),
    ];
    frames.map(|frame| frame.expect("a full list fits its frame")).into()
}

/// A list as long as it may be.
fn full<T: Clone, const MAX: usize>(value: T) -> List<T, MAX> {
    List::new(vec![value; MAX]).expect("it is as long as it may be")
}

/// One test only: a second one beside it would be counted.
#[test]
fn decoding_allocates_at_most_four_times_its_input() {
    for bytes in dense() {
        check_all(&bytes);
        check_all(&bytes[..bytes.len() / 2]);
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut inputs = 0;
    for target in fs::read_dir(corpus).unwrap() {
        for input in fs::read_dir(target.unwrap().path()).unwrap() {
            let bytes = fs::read(input.unwrap().path()).unwrap();
            check_all(&bytes);
            for cut in 0..bytes.len().min(200) {
                check_all(&bytes[..cut]);
            }
            // Lengths that promise more than follows.
            for at in 0..bytes.len().min(200) {
                let mut greedy = bytes.clone();
                greedy[at] = 0x7f;
                check_all(&greedy);
            }
            inputs += 1;
        }
    }
    assert!(inputs > 50);
}
