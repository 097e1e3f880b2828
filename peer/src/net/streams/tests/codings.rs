//! Compressed ranges, honest and not.

use hobnob_wire::transfer::RangeCoding::{Hole, Zstd};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_shrinks_is_sent_compressed_and_what_does_not_is_sent_as_it_is() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("t");
    fs::create_dir(&top).unwrap();
    let text: Vec<u8> =
        (0..400_000).flat_map(|line| format!("line {line} of the log\n").into_bytes()).collect();
    fs::write(top.join("long.log"), &text).unwrap();
    for (number, lines) in text.chunks(3_000).take(400).enumerate() {
        fs::write(top.join(format!("{number}.txt")), lines).unwrap();
    }
    let before = pair.alice.link.connection.stats().udp_tx.bytes;
    let digests = pair.run(vec![top.clone()], true).await;
    assert_eq!(digests[0], digests[1]);
    let sent = pair.alice.link.connection.stats().udp_tx.bytes - before;
    assert!(tree(&pair.arrived().join("t")) == tree(&top));
    assert!(sent < text.len() as u64 / 2, "{sent} of {}", text.len());
}

/// What Bob says of one range of a file of `size` bytes that is sent like this.
async fn taken(
    size: u64,
    coding: RangeCoding,
    packed: &[Vec<u8>],
    hash: [u8; 32],
) -> Result<u64, TransferFault> {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, size)]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let mut records = vec![codec::encode(&StreamHeader::Range { transfer: ID, range: 0, coding }).unwrap()];
    records.extend_from_slice(packed);
    records.push(codec::encode(&RangeTrailer { hash }).unwrap());
    let _range = forged(&pair, &records).await;
    let result = pair.received().await.1;
    let written = fs::metadata(pair.arrived().join(format!(".hobnob-{ID}.part/a")));
    assert_eq!(written.is_ok(), result.is_ok(), "what is refused is not written");
    result
}

/// The range hash of one short file.
fn pack_hash(content: &[u8]) -> [u8; 32] {
    *blake3::hash(blake3::hash(content).as_bytes()).as_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_to_other_bytes_than_the_list_says_is_refused_whatever_it_opens_to() {
    let pack = |len: usize| zstd::bulk::compress(&vec![0; len], 1).unwrap();
    let hash = pack_hash(&[0; 100_000]);
    assert_eq!(taken(100_000, Zstd, &[pack(100_000)], hash).await, Ok(100_000));
    assert_eq!(taken(100_000, Zstd, &[pack(40_000), pack(60_000)], hash).await, Ok(100_000));
    let refused = "did not arrive as it was sent (what was compressed does not open to as many bytes as the list of files says)";
    for bomb in [pack(1 << 30), pack(99_999), pack(100_001), b"no frame".to_vec(), Vec::new()] {
        let packed = if bomb.is_empty() { Vec::new() } else { vec![bomb] };
        let Err(TransferFault::Peer(text)) = taken(100_000, Zstd, &packed, hash).await else { panic!() };
        assert!(text.contains(refused), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bytes_without_end_are_refused_before_they_are_kept() {
    let endless: Vec<Vec<u8>> = (0..64).map(|_| vec![7; 60_000]).collect();
    let Err(TransferFault::Peer(text)) = taken(100_000, Zstd, &endless, [0; 32]).await else { panic!() };
    assert!(text.contains("a record of 60016 bytes is not allowed"), "{text}");
    let nothing = vec![Vec::new(); 64];
    let Err(TransferFault::Peer(text)) = taken(100_000, Zstd, &nothing, [0; 32]).await else { panic!() };
    assert!(text.contains("a record of 0 bytes is not allowed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_has_the_hash_of_zeros() {
    assert_eq!(taken(5_000, Hole, &[], pack_hash(&[0; 5_000])).await, Ok(5_000));
    let Err(TransferFault::Peer(text)) = taken(5_000, Hole, &[], pack_hash(&[1; 5_000])).await else {
        panic!()
    };
    assert!(text.contains("do not match their hash"), "{text}");
}
