//! What is in the folder already is brought up to date.

use hobnob_wire::transfer::Span;

use super::*;

/// Bob accepts what Alice offers, as an update of what he has, and compares; ranges that must be sent.
async fn compare(pair: &mut Pair, path: PathBuf) -> Vec<u64> {
    let scanned = pair.scan(vec![path]).await.unwrap();
    pair.bob.shell.perform(TransferJob::Open {
        transfer: ID,
        folder: pair.arrived(),
        manifest: scanned.manifest,
        name: scanned.name.clone(),
        entries: scanned.entries,
        bytes: scanned.bytes,
        sealed: true,
        update: true,
        choice: None,
        programs: true,
    });
    assert_eq!(pair.opened().await, Ok(Held::Nothing));
    pair.bob.shell.perform(TransferJob::Expect { transfer: ID, link: LINK });
    let layouted = pair.manifest(true).await.unwrap();
    let known: Vec<u64> = layouted.known.iter().flat_map(|span: &Span| span.start..span.end).collect();
    let mut differs: Vec<u64> = (0..layouted.ranges).filter(|range| !known.contains(range)).collect();
    for range in known {
        let (compare, sealed) = (true, true);
        pair.alice.shell.perform(TransferJob::SendRange { transfer: ID, link: LINK, range, compare, sealed });
        match pair.received().await {
            (_, Ok(_)) => {}
            (range, Err(TransferFault::Differs)) => differs.push(range),
            other => panic!("{other:?}"),
        }
    }
    differs.sort_unstable();
    differs
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ranges_that_differ_are_sent_and_only_files_that_differ_are_replaced() {
    let mut pair = Pair::new().await;
    let mut long = content(5 << 20, 1);
    fs::write(pair.out().join("a"), &long).unwrap();
    fs::write(pair.out().join("b"), "same").unwrap();
    fs::write(pair.out().join("c"), content(3 << 20, 2)).unwrap();
    fs::create_dir_all(pair.arrived().join("out")).unwrap();
    long[(2 << 20) + 7] ^= 1;
    fs::write(pair.arrived().join("out/a"), &long).unwrap();
    fs::write(pair.arrived().join("out/b"), "same").unwrap();
    fs::write(pair.arrived().join("out/mine"), "mine").unwrap();
    let kept = fs::metadata(pair.arrived().join("out/b")).unwrap();
    let expected = tree(&pair.out());

    let out = pair.out();
    let differs = compare(&mut pair, out).await;
    assert_eq!(differs.len(), 4, "one range of five, and all of the file that is new: {differs:?}");
    for range in differs {
        pair.send(range, true);
        pair.received().await.1.unwrap();
    }
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    let report = pair.bob.report().await;
    assert!(matches!(report, TransferReport::Finished { result: Ok(_), .. }), "{report:?}");
    let mut found = tree(&pair.arrived().join("out"));
    found.retain(|(name, _)| name != "mine");
    assert!(found == expected);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(pair.arrived().join("out/b")).unwrap().ino(), kept.ino());
    assert_eq!(fs::read(pair.arrived().join("out/mine")).unwrap(), b"mine");
    assert_eq!(tree(&pair.arrived()).len(), 5, "nothing else is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_follows_no_link_and_replaces_it() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a"), "new").unwrap();
    fs::write(pair.disk.path().join("outside"), "old").unwrap();
    fs::create_dir_all(pair.arrived()).unwrap();
    symlink(pair.disk.path().join("outside"), pair.arrived().join("a")).unwrap();
    let path = pair.out().join("a");
    let differs = compare(&mut pair, path).await;
    assert_eq!(differs, [0]);
    pair.send(0, true);
    pair.received().await.1.unwrap();
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    assert!(matches!(pair.bob.report().await, TransferReport::Finished { result: Ok(_), .. }));
    assert_eq!(fs::read(pair.disk.path().join("outside")).unwrap(), b"old");
    assert_eq!(fs::read(pair.arrived().join("a")).unwrap(), b"new");
    assert!(!pair.arrived().join("a").is_symlink());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_without_its_bytes_is_refused_when_nobody_compares() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _manifest = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let header = StreamHeader::Range { transfer: ID, range: 0, coding: RangeCoding::Known };
    let trailer = codec::encode(&RangeTrailer { hash: [0; 32] }).unwrap();
    let _range = forged(&pair, &[codec::encode(&header).unwrap(), trailer]).await;
    assert_eq!(pair.received().await, (0, Err(TransferFault::Peer("a was not sent".to_owned()))));
}
