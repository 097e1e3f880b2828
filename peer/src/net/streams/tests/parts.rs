//! Only some of the files are taken.

use super::*;
use crate::core::view::Chosen;

/// A folder of long and short files, some of which share a range.
fn fill(top: &Path) {
    fs::create_dir_all(top.join("photos/raw/empty")).unwrap();
    fs::create_dir_all(top.join("texts")).unwrap();
    for number in 0..20 {
        fs::write(top.join(format!("photos/{number}.jpg")), content(1_000 + number, number as u64)).unwrap();
        fs::write(top.join(format!("photos/raw/{number}.raw")), content(2_000, number as u64)).unwrap();
    }
    fs::write(top.join("photos/long.jpg"), content(5_000_000, 1)).unwrap();
    fs::write(top.join("texts/long.txt"), content(4_000_000, 2)).unwrap();
    symlink("../photos/3.jpg", top.join("texts/three.jpg")).unwrap();
    symlink("../photos/3.jpg", top.join("texts/three")).unwrap();
}

fn names(at: &Path) -> Vec<String> {
    tree(at).into_iter().map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_chosen_is_neither_sent_nor_written_and_the_digests_are_equal() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("top");
    fill(&top);
    pair.choice = Some(Choice::new(&["*.JPG".to_owned()], &["1?.jpg".to_owned()]).unwrap());
    let before = pair.alice.link.connection.stats().udp_tx.bytes;
    let digests = pair.run(vec![top.clone()], true).await;
    assert_eq!(digests[0], digests[1]);
    let sent = pair.alice.link.connection.stats().udp_tx.bytes - before;
    assert!(sent < 5_500_000, "{sent} bytes");
    let mut expected: Vec<String> =
        ["photos", "photos/long.jpg", "texts", "texts/three.jpg"].map(str::to_owned).into();
    expected.extend((0..10).map(|number| format!("photos/{number}.jpg")));
    expected.sort();
    assert_eq!(names(&pair.arrived().join("top")), expected);
    for name in expected.iter().filter(|name| name.ends_with("jpg")) {
        assert!(
            fs::read(pair.arrived().join("top").join(name)).unwrap() == fs::read(top.join(name)).unwrap()
        );
    }
    pair.alice.shell.perform(TransferJob::Choose { transfer: ID, choice: pair.choice.clone().unwrap() });
    let report = pair.alice.report().await;
    let chosen = Chosen { files: 11, of: 42, bytes: 5_000_000 + (1_000..1_010).sum::<u64>() };
    assert_eq!(report, TransferReport::Chosen { transfer: ID, result: Ok(chosen) });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_chosen_is_read_again_after_a_restart_and_not_sent_again() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("top");
    fill(&top);
    pair.choice = Some(Choice::new(&["raw".to_owned()], &[]).unwrap());
    let scanned = pair.scan(vec![top]).await.unwrap();
    pair.expect(&scanned, true).await;
    let layouted = pair.manifest(true).await.unwrap();
    assert_eq!(layouted.chosen, Some(Chosen { files: 20, of: 42, bytes: 40_000 }));
    let wanted: Vec<u64> = layouted.wanted.iter().flat_map(|span| span.start..span.end).collect();
    for range in &wanted {
        pair.send(*range, true);
        pair.received().await.1.unwrap();
    }
    let (reporter, reports) = mpsc::channel(64);
    pair.bob.shell = TransferShell::new(pair.bob.home.path(), &[ID].into(), reporter).unwrap();
    pair.bob.reports = reports;
    pair.open(&scanned, true);
    let Ok(Held::Manifest(held)) = pair.opened().await else { panic!("nothing was kept") };
    assert_eq!((held.chosen, &held.wanted), (layouted.chosen, &layouted.wanted));
    assert_eq!(held.doubted, layouted.wanted);
    let report = pair.bob.report().await;
    let TransferReport::Checked { sound, bytes, spoiled, .. } = report else { panic!("{report:?}") };
    assert_eq!((sound, bytes, spoiled), (layouted.wanted, 40_000, Vec::new()));
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    assert!(matches!(pair.bob.report().await, TransferReport::Finished { result: Ok(_), .. }));
    let mut expected: Vec<String> = ["photos", "photos/raw", "photos/raw/empty"].map(str::to_owned).into();
    expected.extend((0..20).map(|number| format!("photos/raw/{number}.raw")));
    expected.sort();
    assert_eq!(names(&pair.arrived().join("top")), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_takes_nothing_is_told_and_leaves_nothing() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a.txt"), "a").unwrap();
    pair.choice = Some(Choice::new(&["*.jpg".to_owned()], &[]).unwrap());
    let scanned = pair.scan(vec![pair.out().join("a.txt")]).await.unwrap();
    pair.expect(&scanned, true).await;
    let text = "none of the 1 files is among those that were chosen; choose others of a new offer";
    let expected = Err(TransferFault::Lasting(Failure::shared(text.to_owned())));
    assert_eq!(pair.manifest(true).await, expected);
    assert!(tree(&pair.arrived()).is_empty());
}
