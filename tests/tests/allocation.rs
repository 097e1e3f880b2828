//! Decoding allocates at most four times its input, whatever the input says about itself.

#[path = "../../fuzz/src/lib.rs"]
pub mod properties;

use std::alloc::System;
use std::fs;
use std::path::Path;

use hobnob_wire::device::{DeviceEntry, DeviceList};
use hobnob_wire::letter::{Letter, SealedLetter};
use hobnob_wire::link::{LinkFrame, LinkHello};
use hobnob_wire::session::{ClientFrame, ServerFrame};
use hobnob_wire::signal::Signal;
use hobnob_wire::transfer::{ManifestPart, RangeTrailer, StreamHeader};
use hobnob_wire::{Frame, codec};
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
    let allocated = allocated::<F>(bytes);
    let limit = 4 * bytes.len();
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
    check::<ManifestPart>(bytes);
    check::<StreamHeader>(bytes);
    check::<RangeTrailer>(bytes);
}

/// One test only: a second one beside it would be counted.
#[test]
fn decoding_allocates_at_most_four_times_its_input() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut inputs = 0;
    for (target, _) in properties::TARGETS {
        for entry in fs::read_dir(corpus.join(target)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
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
