//! What the shells of both sides pretend: disks, streams and what they report.

use hobnob_wire::TransferId;
use hobnob_wire::transfer::Span;

use super::{DIGEST, MIB, Staged, Stream, Who, World, refusal};
use crate::core::transfer::job::{Held, Layouted, Scanned, TransferFault, TransferJob, TransferReport};
use crate::core::view::Chosen;

impl World {
    pub(in crate::core::transfer::story) fn work(&mut self, who: Who, job: &TransferJob) {
        let side = &mut self.sides[who as usize];
        match *job {
            TransferJob::Scan { transfer, .. } => {
                let ranges = self.sizes.remove(0);
                self.ranges.insert(transfer, ranges);
                let result = Ok(Scanned {
                    name: "files".into(),
                    entries: 1,
                    bytes: ranges * MIB,
                    manifest: [1; 32],
                    ranges,
                });
                side.reports.push_back(TransferReport::Scanned { transfer, result });
            }
            TransferJob::SendManifest { transfer, link, .. } => {
                self.streams.push(Stream { from: who, link, transfer, range: None, sound: true });
            }
            TransferJob::SendRange { transfer, link, range, .. } => {
                assert!(range < self.ranges[&transfer], "range {range} does not exist");
                let twice = |stream: &Stream| {
                    (stream.link, stream.transfer, stream.range) == (link, transfer, Some(range))
                };
                // Word of a stream that was stopped may come late, and be taken for that of the next one.
                let may_repeat = self.held_up.contains(&transfer);
                assert!(may_repeat || !self.streams.iter().any(twice), "range {range} is on its way already");
                if side.refuses {
                    let result = Err(TransferFault::Disk(refusal()));
                    side.reports.push_back(TransferReport::RangeSent { transfer, link, range, result });
                } else {
                    self.streams.push(Stream { from: who, link, transfer, range: Some(range), sound: true });
                }
            }
            TransferJob::Open { transfer, ref choice, .. } => {
                if choice.is_some() {
                    self.parts.insert(transfer);
                }
                self.open(who, transfer);
            }
            TransferJob::Choose { transfer, .. } => {
                let result = Ok(self.half(transfer));
                self.sides[who as usize].reports.push_back(TransferReport::Chosen { transfer, result });
            }
            TransferJob::Expect { transfer, link } => {
                *side.expected.get_mut(&transfer).expect("it was opened before") = Some(link);
            }
            TransferJob::Finish { transfer } => self.finish(who, transfer),
            TransferJob::Digest { transfer, .. } => {
                let result = if side.refuses { Err(TransferFault::Disk(refusal())) } else { Ok(DIGEST) };
                side.reports.push_back(TransferReport::Digested { transfer, result });
            }
            TransferJob::Stop { transfer, discard } => {
                side.expected.remove(&transfer);
                if discard {
                    side.disk.remove(&transfer);
                } else {
                    self.held_up.insert(transfer);
                }
                self.streams.retain(|stream| stream.transfer != transfer || stream.from != who);
            }
            TransferJob::Halt { transfer } => {
                self.streams.retain(|stream| stream.transfer != transfer || stream.from != who);
            }
            TransferJob::Hashes { .. }
            | TransferJob::Borrow { .. }
            | TransferJob::Refuse { .. }
            | TransferJob::Share { .. }
            | TransferJob::LendRange { .. } => panic!("nothing here goes to several"),
            TransferJob::Limit { .. } | TransferJob::Flow(_) => {}
        }
    }

    fn finish(&mut self, who: Who, transfer: TransferId) {
        let side = &mut self.sides[who as usize];
        let is_part = self.parts.contains(&transfer);
        let wanted = if is_part { self.ranges[&transfer] / 2 } else { self.ranges[&transfer] };
        let staged = side.disk.get_mut(&transfer).expect("something is here");
        assert!(staged.ranges.values().all(|sound| *sound), "a broken range counts");
        assert_eq!(staged.ranges.len() as u64, wanted);
        staged.whole = !side.refuses;
        let result = if side.refuses { Err(TransferFault::Disk(refusal())) } else { Ok(DIGEST) };
        side.reports.push_back(TransferReport::Finished { transfer, result });
    }

    /// Any choice takes the first half.
    pub(in crate::core::transfer::story) fn half(&self, transfer: TransferId) -> Chosen {
        let of = self.ranges[&transfer];
        Chosen { files: of / 2, of, bytes: of / 2 * MIB }
    }

    fn layouted(&self, transfer: TransferId) -> Layouted {
        let whole = Layouted::whole(self.ranges[&transfer]);
        if !self.parts.contains(&transfer) {
            return whole;
        }
        let chosen = self.half(transfer);
        Layouted { wanted: vec![Span { start: 0, end: chosen.files }], chosen: Some(chosen), ..whole }
    }

    /// What the receiver's shell does first: it looks at what is on the disk.
    fn open(&mut self, who: Who, transfer: TransferId) {
        let layouted = self.layouted(transfer);
        let side = &mut self.sides[who as usize];
        if side.refuses {
            let result = Err(TransferFault::Disk(refusal()));
            side.reports.push_back(TransferReport::Opened { transfer, result });
            return;
        }
        side.expected.insert(transfer, None);
        let Some(staged) = side.disk.get_mut(&transfer) else {
            side.reports.push_back(TransferReport::Opened { transfer, result: Ok(Held::Nothing) });
            return;
        };
        if staged.whole {
            side.reports.push_back(TransferReport::Opened { transfer, result: Ok(Held::Everything) });
            return;
        }
        let span = |range: &u64| Span { start: *range, end: range + 1 };
        let doubted = staged.ranges.keys().map(span).collect();
        let result = Ok(Held::Manifest(Layouted { doubted, ..layouted }));
        side.reports.push_back(TransferReport::Opened { transfer, result });
        for (range, is_sound) in std::mem::take(&mut staged.ranges) {
            let (mut sound, mut spoiled) = (Vec::new(), Vec::new());
            if is_sound {
                staged.ranges.insert(range, true);
                sound.push(span(&range));
            } else {
                spoiled.push(span(&range));
            }
            let bytes = MIB * sound.len() as u64;
            side.reports.push_back(TransferReport::Checked { transfer, sound, bytes, spoiled });
        }
    }

    /// The stream at `index` gets where it goes, or is lost.
    pub(in crate::core::transfer::story) fn carry(&mut self, index: usize) {
        let stream = self.streams.remove(index);
        let Stream { from, link, transfer, range, .. } = stream;
        let sent = if self.link == Some(link) {
            self.take_in(from.other(), &stream)
        } else {
            Err(TransferFault::LinkLost)
        };
        self.sides[from as usize].reports.push_back(match range {
            None => TransferReport::ManifestSent { transfer, link, result: sent },
            Some(range) => TransferReport::RangeSent { transfer, link, range, result: sent.map(|()| MIB) },
        });
    }

    /// What the receiver's shell does with a stream.
    pub(in crate::core::transfer::story) fn take_in(
        &mut self,
        who: Who,
        stream: &Stream,
    ) -> Result<(), TransferFault> {
        let Stream { link, transfer, range, sound, .. } = *stream;
        let layouted = self.layouted(transfer);
        let side = &mut self.sides[who as usize];
        if side.expected.get(&transfer) != Some(&Some(link)) {
            return Err(TransferFault::Stopped);
        }
        let Some(range) = range else {
            let is_new = !side.disk.contains_key(&transfer);
            let result = if !is_new {
                return Err(TransferFault::Stopped);
            } else if side.refuses {
                Err(TransferFault::Disk(refusal()))
            } else {
                side.disk.insert(transfer, Staged::default());
                Ok(layouted)
            };
            side.reports.push_back(TransferReport::ManifestReceived { transfer, result });
            return Ok(());
        };
        let Some(staged) = side.disk.get_mut(&transfer) else { return Err(TransferFault::Stopped) };
        if staged.ranges.contains_key(&range) {
            return Err(TransferFault::Stopped);
        }
        let result = if side.refuses {
            Err(TransferFault::Disk(refusal()))
        } else if sound {
            staged.ranges.insert(range, true);
            Ok(MIB)
        } else {
            Err(TransferFault::Peer("the bytes of a do not match their hash".to_owned()))
        };
        side.reports.push_back(TransferReport::RangeReceived { transfer, range, result });
        Ok(())
    }

    /// A disk loses what was written to one range, without a word, while nobody has it open.
    pub(in crate::core::transfer::story) fn spoil(&mut self, who: Who, choice: u16) {
        let side = &mut self.sides[who as usize];
        let closed =
            side.disk.iter_mut().filter(|(id, staged)| !side.expected.contains_key(id) && !staged.whole);
        let mut ranges: Vec<&mut bool> = closed.flat_map(|(_, staged)| staged.ranges.values_mut()).collect();
        let count = ranges.len();
        if count > 0 {
            *ranges[usize::from(choice) % count] = false;
        }
    }
}
