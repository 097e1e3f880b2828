//! What comes from other receivers, and what they get.

use super::*;

/// Where the sender would be.
const ELSEWHERE: LinkId = LinkId(99);

fn slice_hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(blake3::hash(bytes).as_bytes()).as_bytes()
}

fn trailer(bytes: &[u8]) -> Vec<u8> {
    codec::encode(&RangeTrailer { hash: slice_hash(bytes) }).unwrap()
}

async fn borrowed(pair: &mut Pair) -> (u64, Result<u64, TransferFault>) {
    let report = pair.bob.report().await;
    let TransferReport::RangeBorrowed { range, result, link, .. } = report else { panic!("{report:?}") };
    assert_eq!(link, LINK);
    (range, result)
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_of_another_receiver_are_refused_whatever_it_says_of_them() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    pair.bob.shell.perform(TransferJob::Expect { transfer: ID, link: ELSEWHERE });

    // Unasked, even what is right is not let in; nothing is told of it.
    let unasked = forged(&pair, &[range_header(0), b"bytes".to_vec(), trailer(b"bytes")]).await;
    assert!(unasked.stopped().await.unwrap().is_some());

    let told = slice_hash(b"bytes");
    for (bytes, result) in [(b"lying", None), (b"bytes", Some(5))] {
        pair.bob.shell.perform(TransferJob::Borrow { transfer: ID, link: LINK, ranges: vec![(0, told)] });
        let _range = forged(&pair, &[range_header(0), bytes.to_vec(), trailer(bytes)]).await;
        let (range, came) = borrowed(&mut pair).await;
        assert_eq!(range, 0);
        let text = "the bytes of a do not match their hash".to_owned();
        assert_eq!(came, result.ok_or(TransferFault::Peer(text)));
    }
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    assert!(matches!(pair.bob.report().await, TransferReport::Finished { result: Ok(_), .. }));
    assert_eq!(tree(&pair.arrived()), [("a".to_owned(), Some(b"bytes".to_vec()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_refused_gets_nothing_in_any_more() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _stream = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    pair.bob.shell.perform(TransferJob::Expect { transfer: ID, link: ELSEWHERE });
    let ranges = vec![(0, slice_hash(b"bytes"))];
    pair.bob.shell.perform(TransferJob::Borrow { transfer: ID, link: LINK, ranges });
    pair.bob.shell.perform(TransferJob::Refuse { transfer: ID, link: LINK });
    let refused = forged(&pair, &[range_header(0), b"bytes".to_vec(), trailer(b"bytes")]).await;
    assert!(refused.stopped().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_place_is_lent_while_it_is_shared_and_as_it_was_received() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a"), b"bytes").unwrap();
    // The name is taken, so it gets another one.
    fs::create_dir_all(pair.arrived()).unwrap();
    fs::write(pair.arrived().join("a"), b"mine").unwrap();
    pair.bob.shell.perform(TransferJob::Share { transfer: ID, share: true });
    let path = pair.out().join("a");
    pair.run(vec![path], true).await;
    pair.bob.shell.perform(TransferJob::Stop { transfer: ID, discard: true });
    let (loan, asker) = (TransferId::new([8; 16]), TransferId::new([9; 16]));
    let mut lent = async || {
        let (transfer, link, range, sealed) = (ID, LINK, 0, true);
        pair.bob.shell.perform(TransferJob::LendRange { transfer, loan, asker, link, range, sealed });
        let TransferReport::RangeLent { result, .. } = pair.bob.report().await else { panic!("not lent") };
        result
    };
    // Alice expects nothing, and may stop it before it is all there; it has been read, though.
    let result = lent().await;
    assert!(matches!(result, Ok(5) | Err(TransferFault::Stopped)), "{result:?}");
    let place = pair.disk.path().join("in/a (2)");
    fs::write(&place, b"other").unwrap();
    let text = "a is not what was received any more".to_owned();
    assert_eq!(lent().await, Err(TransferFault::Lasting(Failure::shared(text.clone()))));
    fs::remove_file(&place).unwrap();
    assert_eq!(lent().await, Err(TransferFault::Lasting(Failure::shared(text))));
}
