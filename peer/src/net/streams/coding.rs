//! How the bytes of a range travel: as they are, compressed when a sample shows that it pays, or not at all when they are a hole.
//!
//! Each file of a range is compressed by itself, so that the length of what travels tells nothing of one file by another
//! that happens to lie beside it.

use bytes::Bytes;
use hobnob_wire::TransferId;
use hobnob_wire::codec;
use hobnob_wire::layout::{Piece, Range};
use hobnob_wire::limits::RECORD_BYTES_MAX;
use hobnob_wire::record::{HEADER_BYTES, RecordWriter};
use hobnob_wire::seal::{SealKey, TAG_BYTES};
use hobnob_wire::transfer::{RangeCoding, RangeTrailer, StreamHeader};
use hobnob_wire::tree::{RangeHash, RangeHasher};
use zstd::bulk::Compressor;

use super::outgoing::broken;
use crate::core::transfer::job::TransferFault;
use crate::disk::source::Source;
use crate::disk::trouble::DiskError;

/// The quickest of the ordinary levels: others cost more time than they save on all but the slowest lines.
const LEVEL: i32 = 1;
/// Bytes of one sample, of which a range gives up to three.
const SAMPLE_BYTES: usize = 4096;
/// Compression pays when it leaves at most so many hundredths.
const PAYS_PERCENT: usize = 80;

/// Cuts what is written to a stream into records.
pub(super) struct RecordCutter {
    writer: RecordWriter,
    ready: Vec<u8>,
}

impl RecordCutter {
    /// Ready with the first byte of the stream and its header.
    pub(super) fn new(key: Option<SealKey>, header: &StreamHeader) -> Result<Self, TransferFault> {
        let writer = RecordWriter::new(key);
        let ready = vec![writer.protection() as u8];
        let mut this = Self { writer, ready };
        let header = codec::encode(header).map_err(|_| broken())?;
        this.push(&header, false)?;
        Ok(this)
    }

    pub(super) fn push(&mut self, content: &[u8], last: bool) -> Result<(), TransferFault> {
        let mut record = Vec::with_capacity(HEADER_BYTES + content.len() + TAG_BYTES);
        record.resize(HEADER_BYTES, 0);
        record.extend_from_slice(content);
        self.writer.finish(&mut record, last).map_err(|_| broken())?;
        if self.ready.is_empty() {
            self.ready = record;
        } else {
            self.ready.extend_from_slice(&record);
        }
        Ok(())
    }

    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.ready).into()
    }
}

/// What is to be written to the stream of one range, record by record, and its hash.
type Prepared = (Vec<Bytes>, RangeHash);

/// Reads, hashes, codes and cuts a whole range.
pub(super) fn prepare(
    source: &Source,
    range: &Range,
    (transfer, number, compare): (TransferId, u64, bool),
    key: Option<SealKey>,
) -> Result<Prepared, TransferFault> {
    let cutter = |coding| RecordCutter::new(key, &StreamHeader::Range { transfer, range: number, coding });
    let coding = if compare { RangeCoding::Known } else { choose(source, range)? };
    match coding {
        RangeCoding::Known => {
            let mut hasher = RangeHasher::new(range);
            hasher.update(&read(source, range)?);
            let hash = hasher.finish();
            Ok((cut(cutter(coding)?, &[], &hash)?, hash))
        }
        RangeCoding::Plain => plain(source, range, cutter(RangeCoding::Plain)?),
        RangeCoding::Hole => hole(range, cutter(RangeCoding::Hole)?),
        RangeCoding::Zstd => {
            let content = read(source, range)?;
            let mut hasher = RangeHasher::new(range);
            hasher.update(&content);
            let hash = hasher.finish();
            match compress(range, &content) {
                Some(packed) => Ok((cut(cutter(RangeCoding::Zstd)?, &packed, &hash)?, hash)),
                None => Ok((cut(cutter(RangeCoding::Plain)?, &content, &hash)?, hash)),
            }
        }
    }
}

/// Codes and cuts a range that was received.
pub(super) fn prepare_lent(
    (range, content, hash): (&Range, &[u8], &RangeHash),
    header: impl Fn(RangeCoding) -> StreamHeader,
    key: Option<SealKey>,
) -> Result<Vec<Bytes>, TransferFault> {
    let cutter = |coding, key| RecordCutter::new(key, &header(coding));
    if matches!(range, Range::Slice(_)) && content.iter().all(|byte| *byte == 0) {
        return cut(cutter(RangeCoding::Hole, key)?, &[], hash);
    }
    // As much is looked at as of a range that is sent from its source.
    let sample = &content[..content.len().min(3 * SAMPLE_BYTES)];
    let packed = Compressor::new(LEVEL).ok().and_then(|mut compressor| compressor.compress(sample).ok());
    if packed.is_some_and(|packed| pays(sample.len(), packed.len()))
        && let Some(packed) = compress(range, content)
    {
        return cut(cutter(RangeCoding::Zstd, key)?, &packed, hash);
    }
    cut(cutter(RangeCoding::Plain, key)?, content, hash)
}

/// Looks at a range without reading all of it.
fn choose(source: &Source, range: &Range) -> Result<RangeCoding, DiskError> {
    if let Range::Slice(piece) = range {
        let file = source.file(piece.entry)?;
        if file.is_hole(piece.offset, piece.len)? {
            file.check()?;
            return Ok(RangeCoding::Hole);
        }
        if file.is_sparse() {
            return Ok(RangeCoding::Zstd);
        }
    }
    let pieces = range.pieces();
    let mut samples: Vec<Piece> = [0, pieces.len() / 2, pieces.len().saturating_sub(1)]
        .into_iter()
        .filter_map(|at| pieces.get(at).copied())
        .collect();
    if let [first, middle, last] = samples.as_mut_slice()
        && pieces.len() == 1
    {
        middle.offset += first.len / 2;
        last.offset += first.len.saturating_sub(SAMPLE_BYTES as u64);
    }
    let Ok(mut compressor) = Compressor::new(LEVEL) else { return Ok(RangeCoding::Plain) };
    let (mut bytes, mut packed) = (0, 0);
    let mut buffer = [0; SAMPLE_BYTES];
    for sample in samples {
        let whole = pieces
            .iter()
            .find(|piece| piece.entry == sample.entry)
            .map_or(0, |piece| piece.offset + piece.len);
        let len = usize::try_from(whole - sample.offset).unwrap_or(SAMPLE_BYTES).min(SAMPLE_BYTES);
        source.file(sample.entry)?.read(sample.offset, &mut buffer[..len])?;
        bytes += len;
        packed += compressor.compress(&buffer[..len]).map_or(len, |packed| packed.len());
    }
    Ok(if pays(bytes, packed) { RangeCoding::Zstd } else { RangeCoding::Plain })
}

const fn pays(bytes: usize, packed: usize) -> bool {
    packed * 100 < bytes * PAYS_PERCENT
}

/// A hole has nothing to read: its bytes are zero.
fn hole(range: &Range, mut cutter: RecordCutter) -> Result<Prepared, TransferFault> {
    let hash = hash_of_zeros(range);
    push_trailer(&mut cutter, &hash)?;
    Ok((vec![cutter.take()], hash))
}

/// The hash of a range of nothing but zeros.
pub(super) fn hash_of_zeros(range: &Range) -> RangeHash {
    let zeros = [0; RECORD_BYTES_MAX];
    let mut hasher = RangeHasher::new(range);
    let mut left = range.bytes();
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(RECORD_BYTES_MAX).min(RECORD_BYTES_MAX);
        hasher.update(&zeros[..len]);
        left -= len as u64;
    }
    hasher.finish()
}

/// Reads a whole range.
fn read(source: &Source, range: &Range) -> Result<Vec<u8>, DiskError> {
    let mut content = vec![0; usize::try_from(range.bytes()).unwrap_or(usize::MAX)];
    let mut rest = content.as_mut_slice();
    for piece in range.pieces() {
        let file = source.file(piece.entry)?;
        let own = rest.split_off_mut(..usize::try_from(piece.len).unwrap_or(usize::MAX)).unwrap_or_default();
        file.read(piece.offset, own)?;
        file.check()?;
    }
    Ok(content)
}

/// One frame for each file; `None` when that does not pay.
fn compress(range: &Range, content: &[u8]) -> Option<Vec<u8>> {
    let mut compressor = Compressor::new(LEVEL).ok()?;
    let mut packed = Vec::with_capacity(content.len() / 2);
    let mut rest = content;
    for piece in range.pieces() {
        let (own, others) = rest.split_at_checked(usize::try_from(piece.len).ok()?)?;
        packed.extend(compressor.compress(own).ok()?);
        rest = others;
    }
    pays(content.len(), packed.len()).then_some(packed)
}

/// Undoes what [`compress`] did.
pub(super) struct Unpack {
    pub(super) range: Range,
    /// Begins with the compressed bytes.
    pub(super) given: Vec<u8>,
    /// How many they are.
    pub(super) packed: usize,
    /// Room for the range.
    pub(super) room: Vec<u8>,
}

/// What came of [`Unpack`].
pub(super) struct Unpacked {
    pub(super) given: Vec<u8>,
    /// Begins with the bytes of the range.
    pub(super) room: Vec<u8>,
    /// The range's hash; `None` when it does not have as many bytes as it should.
    pub(super) hash: Option<RangeHash>,
}

impl Unpack {
    /// Writes into the room there is and nowhere else, whatever the frames say of themselves.
    pub(super) fn run(self) -> Unpacked {
        let Self { range, given, packed, mut room } = self;
        let len = usize::try_from(range.bytes()).unwrap_or(usize::MAX);
        let content = &mut room[..len];
        let written = zstd::bulk::decompress_to_buffer(&given[..packed], content);
        let hash = written.is_ok_and(|written| written == len).then(|| {
            let mut hasher = RangeHasher::new(&range);
            hasher.update(content);
            hasher.finish()
        });
        Unpacked { given, room, hash }
    }
}

fn cut(mut cutter: RecordCutter, content: &[u8], hash: &RangeHash) -> Result<Vec<Bytes>, TransferFault> {
    let mut records = Vec::new();
    for record in content.chunks(RECORD_BYTES_MAX) {
        cutter.push(record, false)?;
        records.push(cutter.take());
    }
    push_trailer(&mut cutter, hash)?;
    records.push(cutter.take());
    Ok(records)
}

fn push_trailer(cutter: &mut RecordCutter, hash: &RangeHash) -> Result<(), TransferFault> {
    let trailer = codec::encode(&RangeTrailer { hash: hash.hash }).map_err(|_| broken())?;
    cutter.push(&trailer, true)
}

/// The bytes of a file are sealed where they were read.
fn plain(source: &Source, range: &Range, mut cutter: RecordCutter) -> Result<Prepared, TransferFault> {
    let mut records = vec![cutter.take()];
    let mut hasher = RangeHasher::new(range);
    let room = || {
        let mut record = Vec::with_capacity(HEADER_BYTES + RECORD_BYTES_MAX + TAG_BYTES);
        record.resize(HEADER_BYTES, 0);
        record
    };
    let mut record = room();
    for piece in range.pieces() {
        let file = source.file(piece.entry)?;
        let mut left = piece.len;
        while left > 0 {
            let start = record.len();
            let len =
                usize::try_from(left).unwrap_or(usize::MAX).min(HEADER_BYTES + RECORD_BYTES_MAX - start);
            file.append(piece.offset + piece.len - left, len, &mut record)?;
            hasher.update(&record[start..]);
            left -= len as u64;
            if record.len() == HEADER_BYTES + RECORD_BYTES_MAX {
                cutter.writer.finish(&mut record, false).map_err(|_| broken())?;
                records.push(std::mem::replace(&mut record, room()).into());
            }
        }
        file.check()?;
    }
    if record.len() > HEADER_BYTES {
        cutter.writer.finish(&mut record, false).map_err(|_| broken())?;
        records.push(record.into());
    }
    let hash = hasher.finish();
    push_trailer(&mut cutter, &hash)?;
    records.push(cutter.take());
    Ok((records, hash))
}
