//! Two shells over a real link on loopback, with a test in the place of both cores.

mod codings;
mod folders;
mod hostile;
mod update;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hobnob_nat::{Endpoint, Strangers, System, exporter, raise_link_limits};
use hobnob_wire::link::EXPORTER_LABEL;
use hobnob_wire::noise::{Initiator, LinkKeys, NoiseKeypair, Responder};
use hobnob_wire::record::{HEADER_BYTES, RecordWriter};
use hobnob_wire::transfer::{
    EntryKind, ManifestEntry, ManifestHasher, ManifestPart, RangeCoding, RangeTrailer, RelativePath,
    StreamHeader,
};
use hobnob_wire::{List, TransferId, codec};
use quinn::{Connection, VarInt};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::*;
use crate::core::transfer::job::{Failure, Held, Layouted, Scanned};
use crate::core::transfer::shaper::{Flow, Limited};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LINK: LinkId = LinkId(1);
const ID: TransferId = TransferId::new([7; 16]);

struct Side {
    shell: TransferShell,
    reports: mpsc::Receiver<TransferReport>,
    link: LinkHandle,
    home: TempDir,
    _endpoint: Endpoint,
}

impl Side {
    fn new(endpoint: Endpoint, connection: Connection, keys: LinkKeys) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (reporter, reports) = mpsc::channel(64);
        let shell = TransferShell::new(home.path(), reporter).unwrap();
        let secret = Arc::new(keys.streams);
        let link = LinkHandle { id: LINK, connection, secret, direction: keys.direction };
        shell.link_up(link.clone());
        let (taker, connection) = (shell.clone(), link.connection.clone());
        tokio::spawn(async move {
            while let Ok(stream) = connection.accept_uni().await {
                taker.incoming(LINK, stream);
            }
        });
        Self { shell, reports, link, home, _endpoint: endpoint }
    }

    /// The next report that is not about speed.
    async fn report(&mut self) -> TransferReport {
        loop {
            let report = timeout(PATIENCE, self.reports.recv()).await.unwrap().unwrap();
            if !matches!(report, TransferReport::Moved { .. }) {
                return report;
            }
        }
    }

    fn spools(&self) -> usize {
        fs::read_dir(self.home.path().join("transfers")).unwrap().count()
    }
}

struct Pair {
    alice: Side,
    bob: Side,
    /// Where Alice's files are, and where Bob's go.
    disk: TempDir,
}

impl Pair {
    async fn new() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let endpoint = || Endpoint::peer_on(Arc::new(System), listen, Strangers::Admitted).unwrap();
        let (at_alice, at_bob) = (endpoint(), endpoint());
        let accept = async { at_bob.accept().await.unwrap().establish().await.unwrap().0 };
        let (dialed, accepted) = tokio::join!(at_alice.open_link(at_bob.local_addr().unwrap()), accept);
        let (dialed, accepted) = (dialed.unwrap(), accepted);
        raise_link_limits(&dialed);
        raise_link_limits(&accepted);
        let psk = exporter(&dialed, EXPORTER_LABEL).unwrap();
        let key = |seed| NoiseKeypair::from_secret(Zeroizing::new([seed; 32]));
        let (initiator, first) = Initiator::start(&key(1), &key(2).public(), &psk, b"").unwrap();
        let (responder, ..) = Responder::read(&key(2), &psk, &first).unwrap();
        let (second, bob_keys) = responder.finish(b"").unwrap();
        let (_, alice_keys) = initiator.finish(&second).unwrap();
        let disk = tempfile::tempdir().unwrap();
        fs::create_dir_all(disk.path().join("out")).unwrap();
        Self {
            alice: Side::new(at_alice, dialed, alice_keys),
            bob: Side::new(at_bob, accepted, bob_keys),
            disk,
        }
    }

    fn out(&self) -> PathBuf {
        self.disk.path().join("out")
    }

    fn arrived(&self) -> PathBuf {
        self.disk.path().join("in")
    }

    async fn scan(&mut self, paths: Vec<PathBuf>) -> Result<Scanned, String> {
        self.alice.shell.perform(TransferJob::Scan { transfer: ID, paths, links: true });
        let report = self.alice.report().await;
        let TransferReport::Scanned { result, .. } = report else { panic!("{report:?}") };
        result
    }

    fn open(&self, promised: &Scanned, sealed: bool) {
        self.bob.shell.perform(TransferJob::Open {
            transfer: ID,
            folder: self.arrived(),
            manifest: promised.manifest,
            name: promised.name.clone(),
            entries: promised.entries,
            bytes: promised.bytes,
            sealed,
            update: false,
        });
    }

    /// What the receiver finds when it begins.
    async fn opened(&mut self) -> Result<Held, TransferFault> {
        let report = self.bob.report().await;
        let TransferReport::Opened { result, .. } = report else { panic!("{report:?}") };
        result
    }

    async fn expect(&mut self, promised: &Scanned, sealed: bool) {
        self.open(promised, sealed);
        assert_eq!(self.opened().await, Ok(Held::Nothing));
        self.bob.shell.perform(TransferJob::Expect { transfer: ID, link: LINK });
    }

    async fn manifest(&mut self, sealed: bool) -> Result<Layouted, TransferFault> {
        self.alice.shell.perform(TransferJob::SendManifest { transfer: ID, link: LINK, sealed });
        self.manifest_received().await
    }

    async fn manifest_received(&mut self) -> Result<Layouted, TransferFault> {
        let report = self.bob.report().await;
        let TransferReport::ManifestReceived { result, .. } = report else { panic!("{report:?}") };
        result
    }

    fn limit(&self, bytes_per_s: u64) {
        let flow = Flow { transfer: ID, peer: "bob@localhost".parse().unwrap(), link: LINK, weight: 1 };
        self.alice.shell.perform(TransferJob::Flow(flow));
        let of = Limited::Transfer(ID);
        self.alice.shell.perform(TransferJob::Limit { of, bytes_per_s });
    }

    fn send(&self, range: u64, sealed: bool) {
        let compare = false;
        self.alice.shell.perform(TransferJob::SendRange { transfer: ID, link: LINK, range, compare, sealed });
    }

    async fn received(&mut self) -> (u64, Result<u64, TransferFault>) {
        let report = self.bob.report().await;
        let TransferReport::RangeReceived { range, result, .. } = report else { panic!("{report:?}") };
        (range, result)
    }

    /// Sends everything, eight ranges at a time, and puts it in place; returns the digests of both sides.
    async fn run(&mut self, paths: Vec<PathBuf>, sealed: bool) -> [[u8; 32]; 2] {
        let scanned = self.scan(paths).await.unwrap();
        self.expect(&scanned, sealed).await;
        let layouted = self.manifest(sealed).await.unwrap();
        assert_eq!(layouted.ranges, scanned.ranges);
        let mut left: BTreeSet<u64> = (0..layouted.ranges).collect();
        let mut next = 0..layouted.ranges;
        next.by_ref().take(8).for_each(|range| self.send(range, sealed));
        while !left.is_empty() {
            let (range, result) = self.received().await;
            result.unwrap();
            assert!(left.remove(&range));
            next.by_ref().take(1).for_each(|range| self.send(range, sealed));
            while let Ok(report) = self.alice.reports.try_recv() {
                if let TransferReport::RangeSent { result, .. } = report {
                    result.unwrap();
                }
            }
        }
        self.bob.shell.perform(TransferJob::Finish { transfer: ID });
        let TransferReport::Finished { result: Ok(theirs), .. } = self.bob.report().await else {
            panic!("not finished")
        };
        self.alice.shell.perform(TransferJob::Digest { transfer: ID });
        loop {
            if let TransferReport::Digested { result, .. } = self.alice.report().await {
                return [result.unwrap(), theirs];
            }
        }
    }
}

/// Bytes that look different in every place.
fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn tree(at: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut open = vec![at.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(at).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.push((name, None));
                open.push(path);
            } else {
                found.push((name, Some(fs::read(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

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
    assert_eq!(report, Err(TransferFault::Lasting(Failure { text, told })));
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
    pair.alice.shell = TransferShell::new(pair.alice.home.path(), reporter).unwrap();
    pair.alice.reports = reports;
    pair.alice.shell.link_up(pair.alice.link.clone());
    pair.expect(&scanned, true).await;
    pair.manifest(true).await.unwrap();
    pair.send(3, true);
    assert_eq!(pair.received().await, (3, Ok(1 << 20)));
}

// What a dishonest sender may try.

/// A stream as Alice's own key makes it.
async fn forged(pair: &Pair, records: &[Vec<u8>]) -> quinn::SendStream {
    let link = &pair.alice.link;
    let mut stream = link.connection.open_uni().await.unwrap();
    let key = link.secret.stream(VarInt::from(stream.id()).into_inner(), link.direction);
    let mut writer = RecordWriter::new(Some(key));
    stream.write_all(&[writer.protection() as u8]).await.unwrap();
    // The other side may stop the stream at any record.
    for (index, content) in records.iter().enumerate() {
        let mut record = vec![0; HEADER_BYTES];
        record.extend_from_slice(content);
        writer.finish(&mut record, index + 1 == records.len()).unwrap();
        if stream.write_chunk(Bytes::from(record)).await.is_err() {
            break;
        }
    }
    stream
}

fn entry(path: &str, kind: EntryKind, size: u64) -> ManifestEntry {
    let path = RelativePath::new(path).unwrap();
    ManifestEntry { path, kind, size, modified_unix_ms: 0, executable: false, sparse: false }
}

/// The promise and the stream of a manifest.
fn manifest(entries: Vec<ManifestEntry>) -> (Scanned, Vec<Vec<u8>>) {
    let name = entries.first().map_or_else(String::new, |entry| entry.path.as_str().to_owned());
    let bytes = entries.iter().map(|entry| entry.size).sum();
    let count = entries.len() as u64;
    let part = codec::encode(&ManifestPart { entries: List::new(entries).unwrap() }).unwrap();
    let mut hasher = ManifestHasher::default();
    hasher.update(&part);
    let header = codec::encode(&StreamHeader::Manifest { transfer: ID }).unwrap();
    (Scanned { name, entries: count, bytes, manifest: hasher.finish(), ranges: 0 }, vec![header, part])
}

fn range_header(range: u64) -> Vec<u8> {
    codec::encode(&StreamHeader::Range { transfer: ID, range, coding: RangeCoding::Plain }).unwrap()
}

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
