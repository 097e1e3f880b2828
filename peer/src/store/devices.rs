//! Own devices, and what the user should know of them.

use std::collections::BTreeMap;

use hobnob_wire::DeviceId;
use rusqlite::{Row, params};

use super::column::{count, device};
use super::{StoreError, Tx};
use crate::core::devices::{DeviceStore, NOTICES_MAX, Notice};

fn notice(row: &Row<'_>) -> Result<Notice, StoreError> {
    let at: i64 = row.get(4)?;
    Ok(Notice {
        device: device(row, 0)?,
        name: row.get(1)?,
        joined: row.get(2)?,
        place: row.get(3)?,
        at_unix_ms: u64::try_from(at).unwrap_or(0),
    })
}

/// Unix milliseconds as SQLite counts.
fn time(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

impl DeviceStore for Tx<'_> {
    fn own_devices(&mut self) -> Result<BTreeMap<DeviceId, Option<String>>, StoreError> {
        let mut statement = self.transaction.prepare_cached("SELECT device, place FROM own_devices")?;
        let mut rows = statement.query([])?;
        let mut devices = BTreeMap::new();
        while let Some(row) = rows.next()? {
            devices.insert(device(row, 0)?, row.get(1)?);
        }
        Ok(devices)
    }

    fn put_own_device(&mut self, device: DeviceId, place: Option<&str>) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO own_devices (device, place) VALUES (?1, ?2)
                 ON CONFLICT (device) DO UPDATE SET place = excluded.place",
            )?
            .execute(params![device.as_bytes(), place])?;
        Ok(())
    }

    fn add_notice(&mut self, notice: &Notice) -> Result<(), StoreError> {
        let Notice { device, name, joined, place, at_unix_ms } = notice;
        self.transaction
            .prepare_cached(
                "INSERT INTO notices (device, name, joined, place, at_unix_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![device.as_bytes(), name, joined, place, time(*at_unix_ms)])?;
        self.transaction
            .prepare_cached(
                "DELETE FROM notices WHERE number NOT IN
                 (SELECT number FROM notices ORDER BY number DESC LIMIT ?1)",
            )?
            .execute([count(NOTICES_MAX)])?;
        Ok(())
    }

    fn notices(&mut self, after_unix_ms: u64) -> Result<Vec<Notice>, StoreError> {
        let sql = "SELECT device, name, joined, place, at_unix_ms FROM notices
                   WHERE at_unix_ms > ?1 ORDER BY number";
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query([time(after_unix_ms)])?;
        let mut notices = Vec::new();
        while let Some(row) = rows.next()? {
            notices.push(notice(row)?);
        }
        Ok(notices)
    }
}
