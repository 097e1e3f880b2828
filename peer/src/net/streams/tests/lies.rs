//! A sender that breaks the rules or its promises.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_attack_stay_inside_the_folder() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![
        entry(".bashrc", EntryKind::File, 0),
        entry("CON", EntryKind::File, 0),
        entry("\u{202e}gpj.exe", EntryKind::File, 0),
        entry("d", EntryKind::Folder, 0),
        entry("D", EntryKind::Folder, 0),
        entry("D/x", EntryKind::File, 0),
        entry("d ", EntryKind::File, 0),
    ]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    assert_eq!(pair.manifest_received().await.unwrap().ranges, 1);
    let hash = *blake3::hash(&blake3::hash(b"").as_bytes().repeat(5)).as_bytes();
    let _range = forged(&pair, &[range_header(0), codec::encode(&RangeTrailer { hash }).unwrap()]).await;
    pair.received().await.1.unwrap();
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    assert!(matches!(pair.bob.report().await, TransferReport::Finished { result: Ok(_), .. }));
    let names: Vec<String> = tree(&pair.arrived()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["D (2)", "D (2)/x", "_CON", "_bashrc", "d", "d (3)", "gpj.exe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_the_offered_one_is_refused() {
    let file = || vec![entry("a", EntryKind::File, 5)];
    let (honest, stream) = manifest(file());
    let lies = [
        Scanned { bytes: 4, ..honest.clone() },
        Scanned { bytes: 6, ..honest.clone() },
        Scanned { entries: 2, ..honest.clone() },
        Scanned { manifest: [0; 32], ..honest.clone() },
    ];
    let text = "the list of files is not the one that was offered; ask for a new offer";
    for lie in lies {
        let mut pair = Pair::new().await;
        pair.expect(&lie, true).await;
        let _stream = forged(&pair, &stream).await;
        assert_eq!(pair.manifest_received().await, Err(TransferFault::Peer(text.to_owned())));
        assert!(tree(&pair.arrived()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_a_wrong_hash_are_refused_and_their_file_is_named() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let trailer = codec::encode(&RangeTrailer { hash: [0; 32] }).unwrap();
    let _range = forged(&pair, &[range_header(0), b"bytes".to_vec(), trailer]).await;
    let text = "the bytes of a do not match their hash".to_owned();
    assert_eq!(pair.received().await, (0, Err(TransferFault::Peer(text))));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_break_the_rules_are_refused() {
    let trailer = codec::encode(&RangeTrailer { hash: [0; 32] }).unwrap();
    let cases = [
        vec![range_header(0), b"too many".to_vec(), trailer.clone()],
        vec![range_header(0), Vec::new(), trailer.clone()],
        vec![range_header(0), b"less".to_vec()],
        vec![range_header(0), b"bytes".to_vec(), b"no trailer".to_vec()],
        vec![range_header(0), b"bytes".to_vec(), trailer.clone(), trailer],
    ];
    for case in cases {
        let mut pair = Pair::new().await;
        let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
        pair.expect(&promise, true).await;
        let _stream = forged(&pair, &stream).await;
        pair.manifest_received().await.unwrap();
        let _range = forged(&pair, &case).await;
        let (range, result) = pair.received().await;
        assert!(matches!((range, &result), (0, Err(TransferFault::Peer(_)))), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_expects_is_stopped() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    let unexpected = VarInt::from_u32(hobnob_wire::close::StreamClose::Unexpected.code());
    let early = forged(&pair, &stream).await;
    assert_eq!(timeout(PATIENCE, early.stopped()).await.unwrap().unwrap(), Some(unexpected));
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let beyond = forged(&pair, &[range_header(1), b"bytes".to_vec()]).await;
    assert_eq!(timeout(PATIENCE, beyond.stopped()).await.unwrap().unwrap(), Some(unexpected));
    let _first = forged(&pair, &[range_header(0), b"byt".to_vec(), b"es".to_vec()]).await;
    let second = forged(&pair, &[range_header(0), b"bytes".to_vec()]).await;
    let (range, result) = pair.received().await;
    assert!(matches!((range, result), (0, Err(TransferFault::Peer(_)))));
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_seal_is_broken_tells_nothing() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let link = &pair.alice.link;
    let mut raw = link.connection.open_uni().await.unwrap();
    let key = link.secret.stream(VarInt::from(raw.id()).into_inner(), link.direction);
    let mut writer = RecordWriter::new(Some(key));
    let mut header = vec![0; HEADER_BYTES];
    header.extend_from_slice(&range_header(0));
    writer.finish(&mut header, false).unwrap();
    let mut record = [vec![0; HEADER_BYTES], b"bytes".to_vec()].concat();
    writer.finish(&mut record, false).unwrap();
    record[HEADER_BYTES] ^= 1;
    raw.write_all(&[&[1], header.as_slice(), &record].concat()).await.unwrap();
    let text = "a did not arrive as it was sent (the seal is broken)".to_owned();
    assert_eq!(pair.received().await, (0, Err(TransferFault::Peer(text))));
}
