//! Two shells over a real link on loopback, with a test in the place of both cores.

mod codings;
mod course;
mod faults;
mod folders;
mod hostile;
mod lies;
mod parts;
mod shared;
mod update;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hobnob_nat::{Endpoint, Strangers, System, exporter, raise_link_limits};
use hobnob_wire::choice::Choice;
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
        let shell = TransferShell::new(home.path(), &BTreeSet::new(), reporter).unwrap();
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

/// Both ends of a link: Alice dialed Bob.
async fn linked() -> [(Endpoint, Connection, LinkKeys); 2] {
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
    [(at_alice, dialed, alice_keys), (at_bob, accepted, bob_keys)]
}

struct Pair {
    alice: Side,
    bob: Side,
    /// Where Alice's files are, and where Bob's go.
    disk: TempDir,
    /// What Bob takes; all when absent.
    choice: Option<Choice>,
}

impl Pair {
    async fn new() -> Self {
        let [(at_alice, dialed, alice_keys), (at_bob, accepted, bob_keys)] = linked().await;
        let disk = tempfile::tempdir().unwrap();
        fs::create_dir_all(disk.path().join("out")).unwrap();
        Self {
            alice: Side::new(at_alice, dialed, alice_keys),
            bob: Side::new(at_bob, accepted, bob_keys),
            disk,
            choice: None,
        }
    }

    fn out(&self) -> PathBuf {
        self.disk.path().join("out")
    }

    fn arrived(&self) -> PathBuf {
        self.disk.path().join("in")
    }

    async fn scan(&mut self, paths: Vec<PathBuf>) -> Result<Scanned, String> {
        self.alice.shell.perform(TransferJob::Scan { transfer: ID, paths, links: true, also: Vec::new() });
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
            choice: self.choice.clone(),
            programs: true,
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
        let wanted: Vec<u64> = layouted.wanted.iter().flat_map(|span| span.start..span.end).collect();
        let mut left: BTreeSet<u64> = wanted.iter().copied().collect();
        let mut next = wanted.into_iter();
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
        self.alice.shell.perform(TransferJob::Digest { transfer: ID, choice: self.choice.clone() });
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
