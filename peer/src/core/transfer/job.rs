//! The contract between the core of transfers and the shell that reads, writes, hashes and sends.

use std::path::PathBuf;

use hobnob_wire::TransferId;
use hobnob_wire::choice::Choice;
use hobnob_wire::transfer::Span;

use super::shaper::{Flow, Limited};
use crate::core::input::LinkId;
use crate::core::view::Chosen;

/// What the shell must do. Each job is answered by reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferJob {
    /// Walk these files and folders and write the manifest beside the store.
    Scan {
        /// The transfer to be.
        transfer: TransferId,
        /// Absolute paths.
        paths: Vec<PathBuf>,
        /// Whether symbolic links that stay inside are listed.
        links: bool,
        /// Other transfers of the same: they share what is known of it.
        also: Vec<TransferId>,
    },
    /// Send the manifest on a stream of its own.
    SendManifest {
        /// Which.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Whether records are sealed.
        sealed: bool,
    },
    /// Send one granted range on a stream of its own.
    SendRange {
        /// Which transfer.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Which range.
        range: u64,
        /// Whether only its hash is sent.
        compare: bool,
        /// Whether records are sealed.
        sealed: bool,
    },
    /// Make ready to write into `folder`: find what an earlier run left there, and see that the rest has room. Answered by
    /// [`TransferReport::Opened`], and by [`TransferReport::Checked`] until nothing is doubted any more.
    Open {
        /// Which.
        transfer: TransferId,
        /// Absolute folder that nothing may leave.
        folder: PathBuf,
        /// Digest that the manifest must have.
        manifest: [u8; 32],
        /// Name that the offer showed: of a single file it is the one in the manifest.
        name: String,
        /// Entries that the offer promised.
        entries: u64,
        /// Bytes that the offer promised.
        bytes: u64,
        /// Whether records must be sealed.
        sealed: bool,
        /// Whether files that are there already are brought up to date, instead of being left alone.
        update: bool,
        /// Which files are taken; all when absent.
        choice: Option<Choice>,
        /// Whether what is put in place may be executed.
        programs: bool,
    },
    /// Expect streams of a transfer that is open on this link from now on, and on no other.
    Expect {
        /// Which.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
    },
    /// Look up the hashes of these ranges, as far as they were ever sent to anybody. Answered by [`TransferReport::Hashes`].
    Hashes {
        /// Which.
        transfer: TransferId,
        /// The link on which they were asked for.
        link: LinkId,
        /// The ranges, ascending.
        ranges: Vec<u64>,
    },
    /// Expect these ranges on this link, too, each with this hash. Each is reported once, by
    /// [`TransferReport::RangeBorrowed`], unless the link goes away.
    Borrow {
        /// Which transfer.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// The ranges and their hashes.
        ranges: Vec<(u64, [u8; 32])>,
    },
    /// Expect nothing on this link any more that [`TransferJob::Borrow`] named.
    Refuse {
        /// Which transfer.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
    },
    /// Keep what is received for others, also once it is in place; or do not, which holds from the beginning on.
    Share {
        /// Which transfer.
        transfer: TransferId,
        /// Whether to keep it.
        share: bool,
    },
    /// Send a range that is here on a stream of its own to another receiver. Ended by [`TransferJob::Stop`] of the loan.
    LendRange {
        /// Which transfer of ours.
        transfer: TransferId,
        /// Names all that this receiver gets.
        loan: TransferId,
        /// The other one's transfer.
        asker: TransferId,
        /// On which link.
        link: LinkId,
        /// Which range.
        range: u64,
        /// Whether records are sealed.
        sealed: bool,
    },
    /// Flush, check, and put everything in place. What is left of it goes with [`TransferJob::Stop`], once the end is on disk:
    /// until then another run can finish again.
    Finish {
        /// Which.
        transfer: TransferId,
    },
    /// Find out how much of what is offered a choice takes.
    Choose {
        /// Which.
        transfer: TransferId,
        /// Which files.
        choice: Choice,
    },
    /// Digest over everything that is taken. What was hashed while it was sent is not read again.
    Digest {
        /// Which.
        transfer: TransferId,
        /// Which files are taken; all when absent.
        choice: Option<Choice>,
    },
    /// Stop all streams of a transfer that we send; it will go on.
    Halt {
        /// Which.
        transfer: TransferId,
    },
    /// Send no faster than this.
    Limit {
        /// What is limited.
        of: Limited,
        /// Bytes per second; 0 for no limit.
        bytes_per_s: u64,
    },
    /// A transfer begins to send, or goes on elsewhere or with another weight.
    Flow(Flow),
    /// Stop all streams of the transfer and forget it; remove what is not in place when `discard`.
    Stop {
        /// Which.
        transfer: TransferId,
        /// Whether partial files go.
        discard: bool,
    },
}

/// What the shell reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferReport {
    /// A scan is over.
    Scanned {
        /// Which.
        transfer: TransferId,
        /// What was found.
        result: Result<Scanned, String>,
    },
    /// The manifest has left, or could not.
    ManifestSent {
        /// Which.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Why not.
        result: Result<(), TransferFault>,
    },
    /// A range has left, or could not.
    RangeSent {
        /// Which transfer.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Which range.
        range: u64,
        /// Its bytes, or why not.
        result: Result<u64, TransferFault>,
    },
    /// A transfer is ready to be received, or cannot be.
    Opened {
        /// Which.
        transfer: TransferId,
        /// What an earlier run left of it.
        result: Result<Held, TransferFault>,
    },
    /// What an earlier run left has been read again, a few ranges at a time.
    Checked {
        /// Which.
        transfer: TransferId,
        /// Ranges that are as they should be, ascending and apart.
        sound: Vec<Span>,
        /// Their bytes.
        bytes: u64,
        /// Ranges that are not, and are missing again, ascending and apart.
        spoiled: Vec<Span>,
    },
    /// The manifest arrived, fits the offer, and its files have been made.
    ManifestReceived {
        /// Which.
        transfer: TransferId,
        /// Ranges of its layout, and those that are already on disk.
        result: Result<Layouted, TransferFault>,
    },
    /// A range is verified and written, or was refused.
    RangeReceived {
        /// Which transfer.
        transfer: TransferId,
        /// Which range.
        range: u64,
        /// Its bytes, or why not.
        result: Result<u64, TransferFault>,
    },
    /// The hashes that were asked for, as far as they are known.
    Hashes {
        /// Which transfer.
        transfer: TransferId,
        /// The link on which they were asked for.
        link: LinkId,
        /// Ranges, ascending, and their hashes.
        hashes: Vec<(u64, [u8; 32])>,
    },
    /// A range that another receiver was asked for is verified and written, or was refused.
    RangeBorrowed {
        /// Which transfer.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Which range.
        range: u64,
        /// Its bytes, or why not.
        result: Result<u64, TransferFault>,
    },
    /// A range has left for another receiver, or could not.
    RangeLent {
        /// Which transfer of ours.
        transfer: TransferId,
        /// On which link.
        link: LinkId,
        /// Which range.
        range: u64,
        /// Its bytes, or why not.
        result: Result<u64, TransferFault>,
    },
    /// Everything is in place: digest over all files, and the paths made.
    Finished {
        /// Which.
        transfer: TransferId,
        /// Digest, or why not.
        result: Result<[u8; 32], TransferFault>,
    },
    /// How much a choice takes.
    Chosen {
        /// Of which transfer.
        transfer: TransferId,
        /// How much, or why nobody can tell.
        result: Result<Chosen, TransferFault>,
    },
    /// The digest that was asked for.
    Digested {
        /// Which.
        transfer: TransferId,
        /// Digest, or why not.
        result: Result<[u8; 32], TransferFault>,
    },
    /// Bytes have moved since the last such report, whether verified or not. At most four a second; for rates.
    Moved {
        /// Which.
        transfer: TransferId,
        /// How many.
        bytes: u64,
    },
}

impl TransferReport {
    /// Which transfer it is about.
    #[must_use]
    pub const fn transfer(&self) -> TransferId {
        match self {
            Self::Scanned { transfer, .. }
            | Self::ManifestSent { transfer, .. }
            | Self::RangeSent { transfer, .. }
            | Self::Opened { transfer, .. }
            | Self::Checked { transfer, .. }
            | Self::ManifestReceived { transfer, .. }
            | Self::RangeReceived { transfer, .. }
            | Self::Hashes { transfer, .. }
            | Self::RangeBorrowed { transfer, .. }
            | Self::RangeLent { transfer, .. }
            | Self::Finished { transfer, .. }
            | Self::Chosen { transfer, .. }
            | Self::Digested { transfer, .. }
            | Self::Moved { transfer, .. } => *transfer,
        }
    }
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Name of the first path, or what to call them all.
    pub name: String,
    /// Files and folders.
    pub entries: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Digest of the manifest.
    pub manifest: [u8; 32],
    /// Ranges of its layout.
    pub ranges: u64,
}

/// What a receiver finds of a transfer when it opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing: the manifest is needed first.
    Nothing,
    /// The manifest, and perhaps ranges.
    Manifest(Layouted),
    /// Everything, verified and flushed; putting it in place has begun.
    Everything,
}

/// What a receiver has once it knows the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layouted {
    /// Ranges in all.
    pub ranges: u64,
    /// Ranges that hold something that is taken, ascending and apart.
    pub wanted: Vec<Span>,
    /// How much is taken; absent when everything is.
    pub chosen: Option<Chosen>,
    /// Ranges that an earlier run has written, ascending and apart. They count when they have been checked.
    pub doubted: Vec<Span>,
    /// Ranges whose files lie in the folder already, as far as path and size tell, ascending and apart.
    pub known: Vec<Span>,
}

impl Layouted {
    /// Everything is taken, and nothing is here.
    #[must_use]
    pub fn whole(ranges: u64) -> Self {
        let wanted = vec![Span { start: 0, end: ranges }];
        Self { ranges, wanted, chosen: None, doubted: Vec::new(), known: Vec::new() }
    }
}

/// What went wrong, in words for each side: names the file and says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For our user; may hold paths of this device.
    pub text: String,
    /// For the other side: tells nothing of where things are on this device.
    pub told: String,
}

impl Failure {
    /// The same words for both sides.
    #[must_use]
    pub fn shared(text: String) -> Self {
        Self { told: text.clone(), text }
    }
}

/// Why bytes could not be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferFault {
    /// The link went away; another one may go on.
    LinkLost,
    /// The other side stopped this one stream: it has the range already, or its transfer is over.
    Stopped,
    /// Nothing moved on this one stream for too long.
    Stalled,
    /// What is in the folder is not what is offered: this one range must be sent.
    Differs,
    /// A file or the disk refuses. The transfer waits until it does not.
    Disk(Failure),
    /// A file or the disk, and waiting would not help. Ends the transfer.
    Lasting(Failure),
    /// What is there is not what was offered any more. Ends the transfer; what is there now is offered again.
    Changed(Failure),
    /// The other side broke the rules or sent other bytes than it promised. Ends the transfer, or is tried again when it
    /// concerns a single range.
    Peer(String),
}
