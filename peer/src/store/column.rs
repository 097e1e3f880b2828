//! How the core's types stand in columns.

use hobnob_wire::{Address, DeviceId, LetterId};
use rusqlite::Row;
use rusqlite::types::FromSql;

use super::StoreError;
use crate::core::view::LetterState;

/// A column's value, through a conversion that fails only on a damaged file.
pub(super) fn read<T: FromSql, U>(
    row: &Row<'_>,
    at: usize,
    convert: impl FnOnce(T) -> Option<U>,
) -> Result<U, StoreError> {
    convert(row.get(at)?).ok_or(StoreError::Damaged("a value of a wrong form"))
}

pub(super) fn address(row: &Row<'_>, at: usize) -> Result<Address, StoreError> {
    read(row, at, |text: String| text.parse().ok())
}

pub(super) fn device(row: &Row<'_>, at: usize) -> Result<DeviceId, StoreError> {
    read(row, at, |bytes: [u8; 16]| Some(DeviceId::new(bytes)))
}

pub(super) fn letter(row: &Row<'_>, at: usize) -> Result<LetterId, StoreError> {
    read(row, at, |bytes: [u8; 16]| Some(LetterId::new(bytes)))
}

pub(super) fn state(row: &Row<'_>, at: usize) -> Result<LetterState, StoreError> {
    read(row, at, |number: i64| match number {
        0 => Some(LetterState::Failed),
        1 => Some(LetterState::Queued),
        2 => Some(LetterState::Accepted),
        3 => Some(LetterState::Delivered),
        4 => Some(LetterState::Read),
        _ => None,
    })
}

pub(super) const fn state_number(state: LetterState) -> i64 {
    match state {
        LetterState::Failed => 0,
        LetterState::Queued => 1,
        LetterState::Accepted => 2,
        LetterState::Delivered => 3,
        LetterState::Read => 4,
    }
}

/// A count or limit as SQLite counts; more than it can count is as good as all.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
