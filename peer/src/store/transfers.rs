//! Transfers.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use hobnob_wire::choice::Choice;
use hobnob_wire::keys::VerifyKey;
use hobnob_wire::swarm::{MemberMark, Swarm};
use hobnob_wire::{Address, DeviceId, List, SwarmId, TransferId};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::column::{address, read};
use super::{StoreError, Tx};
use crate::core::transfer::{Part, TransferRecord, TransferStore, Wishes};
use crate::core::view::{Chosen, Priority, TransferDirection, TransferState};

const COLUMNS: &str = "id, peer, device, outgoing, name, entries, size, ranges, manifest, sealed, text,
                       rate_limit, folder, state, done, digest, error, untold, offered_at,
                       ended_at, priority, place, paused, paths, links, updates, part, quarantined,
                       again, swarm, sent, sources";

/// In the order of their numbers in the database.
const STATES: [TransferState; 10] = [
    TransferState::Offered,
    TransferState::Queued,
    TransferState::Running,
    TransferState::Paused,
    TransferState::Verifying,
    TransferState::Done,
    TransferState::Failed,
    TransferState::Cancelled,
    TransferState::Rejected,
    TransferState::Waiting,
];

const PRIORITIES: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::High];

/// Paths as one value: names hold no zero byte.
fn joined(paths: &[PathBuf]) -> Vec<u8> {
    paths.iter().map(|path| path.as_os_str().as_bytes()).collect::<Vec<_>>().join(&0)
}

fn split(bytes: &[u8]) -> Vec<PathBuf> {
    let paths = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))).collect()
}

/// A part as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptPart {
    only: Vec<String>,
    except: Vec<String>,
    sum: Option<Chosen>,
}

fn part_text(part: &Part) -> String {
    let owned = |pattern: &str| pattern.to_owned();
    let only = part.choice.only().map(owned).collect();
    let except = part.choice.except().map(owned).collect();
    // Nothing in it is a map with keys that are no text, which is all that JSON cannot say.
    serde_json::to_string(&KeptPart { only, except, sum: part.sum }).unwrap_or_default()
}

fn read_part(text: &str) -> Option<Part> {
    let KeptPart { only, except, sum } = serde_json::from_str(text).ok()?;
    Some(Part { choice: Choice::new(&only, &except).ok()?, sum })
}

/// A number as SQLite counts; limits of the protocol are far below where it stops.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, at: usize) -> Result<u64, StoreError> {
    read(row, at, |value: i64| u64::try_from(value).ok())
}

fn record(row: &Row<'_>) -> Result<TransferRecord, StoreError> {
    let direction = if row.get(3)? { TransferDirection::Out } else { TransferDirection::In };
    Ok(TransferRecord {
        id: TransferId::new(row.get(0)?),
        peer: address(row, 1)?,
        device: row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId::new),
        direction,
        name: row.get(4)?,
        entries: unsigned(row, 5)?,
        bytes: unsigned(row, 6)?,
        ranges: unsigned(row, 7)?,
        manifest: row.get(8)?,
        sealed: row.get(9)?,
        text: row.get(10)?,
        limit: unsigned(row, 11)?,
        folder: row.get::<_, Option<Vec<u8>>>(12)?.map(|bytes| PathBuf::from(OsString::from_vec(bytes))),
        state: read(row, 13, |number: u8| STATES.get(usize::from(number)).copied())?,
        done: unsigned(row, 14)?,
        digest: row.get(15)?,
        error: row.get(16)?,
        untold: row.get(17)?,
        offered_unix_ms: unsigned(row, 18)?,
        ended_unix_ms: unsigned(row, 19)?,
        wishes: Wishes {
            priority: read(row, 20, |number: u8| PRIORITIES.get(usize::from(number)).copied())?,
            place: unsigned(row, 21)?,
            paused: row.get(22)?,
        },
        paths: split(&row.get::<_, Vec<u8>>(23)?),
        links: row.get(24)?,
        update: row.get(25)?,
        part: match row.get::<_, Option<String>>(26)? {
            None => None,
            Some(_) => Some(read(row, 26, |part: String| read_part(&part))?),
        },
        quarantined: row.get(27)?,
        again: row.get(28)?,
        swarm: read(row, 29, |bytes: Option<Vec<u8>>| match bytes {
            Some(bytes) => swarm(&bytes).map(Some),
            None => Some(None),
        })?,
        sent: unsigned(row, 30)?,
        sources: read(row, 31, |text: String| sources(&text))?,
    })
}

/// A swarm as one value: its id, then the marks.
fn swarm_bytes(swarm: &Swarm) -> Vec<u8> {
    let marks = swarm.members.iter().flat_map(|mark| *mark.as_bytes());
    swarm.id.as_bytes().iter().copied().chain(marks).collect()
}

fn swarm(bytes: &[u8]) -> Option<Swarm> {
    let (id, marks) = bytes.split_at_checked(SwarmId::LEN)?;
    let (marks, rest) = marks.as_chunks();
    let members = List::new(marks.iter().copied().map(MemberMark::new).collect()).ok()?;
    Some(Swarm { id: SwarmId::from_slice(id).filter(|_| rest.is_empty())?, members })
}

/// Who sent how much as one value: a line for each.
fn sources_text(sources: &[(Address, u64)]) -> String {
    sources.iter().map(|(address, bytes)| format!("{address} {bytes}\n")).collect()
}

fn sources(text: &str) -> Option<Vec<(Address, u64)>> {
    let source = |line: &str| {
        let (address, bytes) = line.split_once(' ')?;
        Some((address.parse().ok()?, bytes.parse().ok()?))
    };
    text.lines().map(source).collect()
}

impl Tx<'_> {
    fn transfer_records(&self, rest: &str, limit: i64) -> Result<Vec<TransferRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM transfers {rest}");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut rows = statement.query([limit])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            records.push(record(row)?);
        }
        Ok(records)
    }
}

impl TransferStore for Tx<'_> {
    fn save_transfer(&mut self, record: &TransferRecord) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT OR REPLACE INTO transfers ({COLUMNS}, past)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                     ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)"
        );
        let state = STATES.iter().position(|state| *state == record.state).unwrap_or_default();
        self.transaction.prepare_cached(&sql)?.execute(params![
            record.id.as_bytes(),
            record.peer.as_str(),
            record.device.as_ref().map(DeviceId::as_bytes),
            record.direction == TransferDirection::Out,
            record.name,
            number(record.entries),
            number(record.bytes),
            number(record.ranges),
            record.manifest,
            record.sealed,
            record.text,
            number(record.limit),
            record.folder.as_ref().map(|folder| folder.as_os_str().as_bytes()),
            number(state as u64),
            number(record.done),
            record.digest,
            record.error,
            record.untold,
            number(record.offered_unix_ms),
            number(record.ended_unix_ms),
            record.wishes.priority as u8,
            number(record.wishes.place),
            record.wishes.paused,
            joined(&record.paths),
            record.links,
            record.update,
            record.part.as_ref().map(part_text),
            record.quarantined,
            record.again,
            record.swarm.as_ref().map(swarm_bytes),
            number(record.sent),
            sources_text(&record.sources),
            record.state.is_final() && !record.untold,
        ])?;
        Ok(())
    }

    fn transfer(&mut self, id: TransferId) -> Result<Option<TransferRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        statement.query_row([id.as_bytes()], |row| Ok(record(row))).optional()?.transpose()
    }

    fn open_transfers(&mut self) -> Result<Vec<TransferRecord>, StoreError> {
        self.transfer_records("WHERE past = 0 ORDER BY offered_at LIMIT ?1", i64::MAX)
    }

    fn past_transfers(&mut self, limit: u32) -> Result<Vec<TransferRecord>, StoreError> {
        let mut records =
            self.transfer_records("WHERE past = 1 ORDER BY offered_at DESC LIMIT ?1", limit.into())?;
        records.reverse();
        Ok(records)
    }

    fn forget_past_transfers(&mut self, keep: u32) -> Result<(), StoreError> {
        let sql = "DELETE FROM transfers WHERE id IN
                   (SELECT id FROM transfers WHERE past = 1 ORDER BY offered_at DESC LIMIT -1 OFFSET ?1)";
        self.transaction.prepare_cached(sql)?.execute([keep])?;
        Ok(())
    }

    fn root(&mut self, address: &Address) -> Result<Option<VerifyKey>, StoreError> {
        let mut statement =
            self.transaction.prepare_cached("SELECT root_key FROM pins WHERE address = ?1")?;
        let root = statement.query_row([address.as_str()], |row| row.get(0)).optional()?;
        Ok(root.map(VerifyKey::new))
    }

    fn acquaintances(&mut self) -> Result<Vec<(Address, VerifyKey)>, StoreError> {
        let sql = "SELECT address, root_key FROM contacts JOIN pins USING (address)";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut known = Vec::new();
        while let Some(row) = rows.next()? {
            known.push((address(row, 0)?, VerifyKey::new(row.get(1)?)));
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Database;

    fn record(number: u8, state: TransferState, untold: bool) -> TransferRecord {
        TransferRecord {
            id: TransferId::new([number; 16]),
            peer: "bob@localhost".parse().unwrap(),
            device: Some(DeviceId::new([2; 16])),
            direction: TransferDirection::In,
            name: "film".into(),
            entries: 1,
            bytes: 1 << 40,
            ranges: 3,
            manifest: [4; 32],
            sealed: true,
            text: "for you".into(),
            limit: 5,
            folder: Some("/in".into()),
            state,
            done: 6,
            digest: Some([7; 32]),
            error: Some("no".into()),
            untold,
            update: untold,
            part: Some(Part {
                choice: Choice::new(&["*.jpg".into()], &["a".into(), "b".into()]).unwrap(),
                sum: Some(Chosen { files: 1, of: 2, bytes: 3 }),
            }),
            quarantined: untold,
            again: 2,
            offered_unix_ms: number.into(),
            ended_unix_ms: 9,
            wishes: Wishes { priority: Priority::High, place: 8, paused: true },
            paths: vec!["/a b".into(), "/c".into()],
            links: true,
            swarm: Some(Swarm {
                id: SwarmId::new([8; 16]),
                members: List::new(vec![MemberMark::new([1; 16]), MemberMark::new([2; 16])]).unwrap(),
            }),
            sent: 10,
            sources: vec![("a@localhost".parse().unwrap(), 1), ("b@localhost".parse().unwrap(), 2)],
        }
    }

    #[test]
    fn a_transfer_comes_back_as_it_was_and_changes_in_its_place() {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        for state in STATES {
            let full = record(1, state, false);
            tx.save_transfer(&full).unwrap();
            assert_eq!(tx.transfer(full.id).unwrap(), Some(full));
        }
        let bare = TransferRecord {
            device: None,
            direction: TransferDirection::Out,
            folder: None,
            digest: None,
            error: None,
            part: None,
            swarm: None,
            sources: Vec::new(),
            ..record(1, TransferState::Offered, false)
        };
        tx.save_transfer(&bare).unwrap();
        assert_eq!(tx.transfer(bare.id).unwrap(), Some(bare));
        assert_eq!(tx.transfer(TransferId::new([9; 16])).unwrap(), None);
    }

    #[test]
    fn what_is_open_is_found_again_and_what_is_past_is_forgotten_oldest_first() {
        let mut database = Database::in_memory().unwrap();
        let mut tx = database.begin().unwrap();
        let open = [record(1, TransferState::Queued, false), record(2, TransferState::Done, true)];
        let past = [3, 4, 5].map(|number| record(number, TransferState::Done, false));
        for record in open.iter().chain(past.iter().rev()) {
            tx.save_transfer(record).unwrap();
        }
        assert_eq!(tx.open_transfers().unwrap(), open);
        assert_eq!(tx.past_transfers(2).unwrap(), past[1..]);
        tx.forget_past_transfers(1).unwrap();
        assert_eq!(tx.past_transfers(9).unwrap(), past[2..]);
        assert_eq!(tx.open_transfers().unwrap(), open);
    }
}
