//! `history import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::export::SCHEMA;
use crate::api::client::ApiClient;
use crate::cli::output::Output;
use crate::cli::stop::Stop;
use crate::core::command::ErrorKind;
use crate::core::history::record::{RECORD_BYTES_MAX, Record};
use crate::core::history::view::ImportedView;

/// Records in one request.
const BATCH_RECORDS_MAX: usize = 500;
/// Bytes of lines in one request: with one more line they stay below what the daemon takes.
const BATCH_BYTES_MAX: usize = 200 << 10;

/// The first line of a file.
#[derive(Deserialize)]
struct Head {
    hobnob_history: u32,
    account: String,
}

/// Other lines than letters.
#[derive(Deserialize)]
struct Other {
    /// The last line: letters before it.
    letters: Option<u64>,
    /// A file that was sent or received.
    file: Option<serde::de::IgnoredAny>,
}

pub(super) async fn run(api: &ApiClient, path: &Path, output: Output) -> Result<(), Stop> {
    let file = File::open(path).map_err(|error| {
        let kind =
            if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Failure };
        Stop::because(kind, format!("cannot read {}: {error}", path.display()))
    })?;
    let mut lines = Lines { reader: BufReader::new(file), line: Vec::new() };
    check_head(api, lines.next(path)?, path).await?;

    let mut total = ImportedView::default();
    let (mut batch, mut bytes, mut count, mut end) = (Vec::new(), 0, 0, None);
    while let Some(line) = lines.next(path)? {
        let length = line.len();
        match serde_json::from_slice::<Record>(line) {
            Ok(mut record) => {
                record.text = None;
                bytes += length;
                batch.push(record);
                count += 1;
            }
            Err(_) => match serde_json::from_slice::<Other>(line) {
                Ok(Other { letters: Some(letters), .. }) => end = Some(letters),
                Ok(Other { file: Some(_), .. }) => {}
                Ok(_) | Err(_) => total.refused += 1,
            },
        }
        if batch.len() >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX {
            add(&mut total, api.import(std::mem::take(&mut batch)).await?);
            bytes = 0;
            if output.is_live() {
                output.live(&format!("{count} letters"));
            }
        }
    }
    if !batch.is_empty() {
        add(&mut total, api.import(batch).await?);
    }
    if output.is_live() {
        output.live("");
    }
    output.show(&total, || human(&total))?;
    if end != Some(count + total.refused) && end != Some(count) {
        output.note("The file is not whole: its last line is missing. What it holds has been taken.");
    }
    Ok(())
}

fn human(total: &ImportedView) -> String {
    let refused = match total.refused {
        0 => String::new(),
        count => format!(", {count} refused: damaged, or of another account"),
    };
    format!("{} letters are new, {} were here already{refused}", total.added, total.known)
}

fn add(total: &mut ImportedView, more: ImportedView) {
    total.added += more.added;
    total.known += more.known;
    total.refused += more.refused;
}

async fn check_head(api: &ApiClient, line: Option<&[u8]>, path: &Path) -> Result<(), Stop> {
    let head: Option<Head> = line.and_then(|line| serde_json::from_slice(line).ok());
    let Some(head) = head else {
        let text = format!("{} was not written by `hobnob history export` as json", path.display());
        return Err(Stop::because(ErrorKind::Usage, text));
    };
    if head.hobnob_history > SCHEMA {
        let text = format!("{} was written by a newer version of hobnob; update hobnob", path.display());
        return Err(Stop::because(ErrorKind::Conflict, text));
    }
    let own = api.status().await?.address;
    if head.account != own.as_str() {
        let text = format!("{} is the history of another account, not of {own}", path.display());
        return Err(Stop::because(ErrorKind::Conflict, text));
    }
    Ok(())
}

/// Lines of a file, none longer than a record can be.
struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    fn next(&mut self, path: &Path) -> Result<Option<&[u8]>, Stop> {
        let failed =
            |why: &dyn std::fmt::Display| Stop::failure(format!("cannot read {}: {why}", path.display()));
        self.line.clear();
        let limit = RECORD_BYTES_MAX as u64 + 1;
        let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| failed(&error))?;
        if read as u64 == limit && self.line.last() != Some(&b'\n') {
            return Err(failed(&"a line is longer than a letter can be"));
        }
        Ok((read > 0).then_some(&self.line))
    }
}
