//! What happens between two honest sides.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_file_arrives_as_it_was_sealed_and_as_is() {
    for sealed in [true, false] {
        let mut pair = Pair::new().await;
        let bytes = content(20_000_000, 1);
        fs::write(pair.out().join("film.mkv"), &bytes).unwrap();
        let digests = pair.run(vec![pair.out().join("film.mkv")], sealed).await;
        assert_eq!(digests[0], digests[1]);
        assert!(fs::read(pair.arrived().join("film.mkv")).unwrap() == bytes);
        assert_eq!(tree(&pair.arrived()).len(), 1, "nothing else is left");
        pair.bob.shell.perform(TransferJob::Stop { transfer: ID, discard: true });
        pair.alice.shell.perform(TransferJob::Stop { transfer: ID, discard: true });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_arrives() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("empty"), "").unwrap();
    let digests = pair.run(vec![pair.out().join("empty")], true).await;
    assert_eq!(digests[0], digests[1]);
    assert_eq!(tree(&pair.arrived()), [("empty".to_owned(), Some(Vec::new()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_with_its_empty_folders_times_and_executables_and_without_links() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("project");
    fs::create_dir_all(top.join("a/b/empty")).unwrap();
    fs::write(top.join("a/long"), content(3_000_000, 2)).unwrap();
    fs::write(top.join("a/b/.hidden"), "hidden").unwrap();
    fs::write(top.join("run.sh"), "#!/bin/sh").unwrap();
    fs::set_permissions(top.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    for path in ["a/long", "run.sh", "a/b"] {
        fs::File::open(top.join(path)).unwrap().set_modified(long_ago).unwrap();
    }
    let expected = tree(&pair.out());
    symlink("/etc/passwd", top.join("link")).unwrap();
    pair.run(vec![top], true).await;
    assert!(tree(&pair.arrived()) == expected);
    for path in ["a/long", "run.sh", "a/b"] {
        let path_here = pair.arrived().join("project").join(path);
        assert_eq!(fs::metadata(&path_here).unwrap().modified().unwrap(), long_ago, "{path}");
    }
    let mode = |path| fs::metadata(pair.arrived().join("project").join(path)).unwrap().permissions().mode();
    assert_eq!((mode("run.sh") & 0o100, mode("a/long") & 0o111), (0o100, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_share_streams_and_all_arrive() {
    let mut pair = Pair::new().await;
    for number in 0..300 {
        fs::write(pair.out().join(format!("{number}")), content(number * 50, number as u64)).unwrap();
    }
    let scanned = pair.scan(vec![pair.out()]).await.unwrap();
    assert_eq!((scanned.name.as_str(), scanned.entries, scanned.ranges), ("out", 301, 3));
    let digests = pair.run(vec![pair.out()], true).await;
    assert_eq!(digests[0], digests[1]);
    assert!(tree(&pair.arrived().join("out")) == tree(&pair.out()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_never_written_over() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a.txt"), "new").unwrap();
    fs::create_dir_all(pair.arrived()).unwrap();
    fs::write(pair.arrived().join("a.txt"), "old").unwrap();
    fs::create_dir(pair.arrived().join("a (2).txt")).unwrap();
    pair.run(vec![pair.out().join("a.txt")], true).await;
    assert_eq!(fs::read(pair.arrived().join("a.txt")).unwrap(), b"old");
    assert_eq!(fs::read(pair.arrived().join("a (3).txt")).unwrap(), b"new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_or_changed_is_named() {
    let mut pair = Pair::new().await;
    let path = pair.out().join("a.txt");
    assert_eq!(
        pair.scan(vec![path.clone()]).await.unwrap_err(),
        format!("could not send {}: there is no such file or folder; check the path", path.display())
    );
    fs::write(&path, "before").unwrap();
    let scanned = pair.scan(vec![path.clone()]).await.unwrap();
    pair.expect(&scanned, true).await;
    pair.manifest(true).await.unwrap();
    fs::write(&path, "after!").unwrap();
    fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    pair.send(0, true);
    let report = loop {
        let report = pair.alice.report().await;
        if let TransferReport::RangeSent { result, .. } = report {
            break result;
        }
    };
    let text = format!("{} has changed since it was offered; send it again", path.display());
    let told = "a.txt has changed since it was offered; send it again".to_owned();
    assert_eq!(report, Err(TransferFault::Changed(Failure { text, told })));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_in_the_middle_frees_streams_and_removes_what_is_unfinished() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a"), content(12 << 20, 3)).unwrap();
    let scanned = pair.scan(vec![pair.out().join("a")]).await.unwrap();
    pair.expect(&scanned, true).await;
    pair.manifest(true).await.unwrap();
    // Slow enough that nothing gets through before the end, fast enough that the end is noticed at once.
    pair.limit(1 << 20);
    (0..8).for_each(|range| pair.send(range, true));
    assert_eq!(tree(&pair.arrived()).len(), 1);
    pair.bob.shell.perform(TransferJob::Stop { transfer: ID, discard: true });
    for _ in 0..9 {
        let report = pair.alice.report().await;
        let stopped = TransferFault::Stopped;
        assert!(
            matches!(&report, TransferReport::ManifestSent { result: Ok(()), .. })
                || matches!(&report, TransferReport::RangeSent { result: Err(fault), .. } if *fault == stopped),
            "{report:?}"
        );
    }
    pair.alice.shell.perform(TransferJob::Stop { transfer: ID, discard: true });
    let gone = async {
        while !tree(&pair.arrived()).is_empty() || pair.alice.spools() + pair.bob.spools() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_by_all_streams_together() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a"), content(3 << 20, 3)).unwrap();
    let scanned = pair.scan(vec![pair.out().join("a")]).await.unwrap();
    pair.expect(&scanned, true).await;
    pair.manifest(true).await.unwrap();
    pair.limit(2 << 20);
    let started = std::time::Instant::now();
    (0..3).for_each(|range| pair.send(range, true));
    for _ in 0..3 {
        pair.received().await.1.unwrap();
    }
    // A lower bound only: a busy machine may be late, but never early.
    assert!(started.elapsed() > Duration::from_millis(1_300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_was_started_anew_sends_from_its_spool() {
    let mut pair = Pair::new().await;
    fs::write(pair.out().join("a"), content(5 << 20, 3)).unwrap();
    let scanned = pair.scan(vec![pair.out().join("a")]).await.unwrap();
    let (reporter, reports) = mpsc::channel(64);
    pair.alice.shell = TransferShell::new(pair.alice.home.path(), &[ID].into(), reporter).unwrap();
    pair.alice.reports = reports;
    pair.alice.shell.link_up(pair.alice.link.clone());
    pair.expect(&scanned, true).await;
    pair.manifest(true).await.unwrap();
    pair.send(3, true);
    assert_eq!(pair.received().await, (3, Ok(1 << 20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fits_on_the_disk_is_refused_before_it_is_sent() {
    let mut pair = Pair::new().await;
    let (promise, _) = manifest(vec![entry("a", EntryKind::File, 1 << 59)]);
    pair.open(&promise, true);
    let Err(TransferFault::Disk(Failure { text, told })) = pair.opened().await else { panic!("accepted") };
    let start = format!(
        "not enough room on the disk of {}: {} bytes are needed, ",
        pair.arrived().display(),
        1u64 << 59
    );
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(told, "not enough room on the disk");
    assert!(tree(&pair.arrived()).is_empty());
}
