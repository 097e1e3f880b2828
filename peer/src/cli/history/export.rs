//! `history export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::iter::Peekable;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::vec::IntoIter;

use serde::Serialize;

use super::files::Beside;
use crate::api::client::{ApiClient, Letters};
use crate::cli::args::{Export, ExportFormat};
use crate::cli::output::Output;
use crate::cli::stop::Stop;
use crate::core::chat::view::{LetterKind, QuoteView};
use crate::core::command::ErrorKind;
use crate::core::history::export::{Document, FileLink, Format, Line};
use crate::core::time::rfc3339;
use crate::core::view::{LetterState, LetterView, TransferDirection, TransferView};
use crate::driver::unix_ms;

/// Version of the form of json files; see `docs/src/api.md`.
pub(super) const SCHEMA: u32 = 1;
/// Letters in one request.
const BATCH: u32 = 500;

/// The first line of a json file.
#[derive(Serialize)]
struct Head<'a> {
    hobnob_history: u32,
    account: &'a str,
    exported_at: String,
}

/// A line of a json file about a file.
#[derive(Serialize)]
struct Attached<'a> {
    file: &'a TransferView,
    href: Option<String>,
}

/// What was written: the last line of a json file, and what the command prints.
#[derive(Clone, Copy, Default, Serialize)]
struct Exported {
    letters: u64,
    files: u64,
}

pub(super) async fn run(api: &ApiClient, export: &Export, output: Output) -> Result<(), Stop> {
    let format = format(export)?;
    let mut beside = Beside::new(&export.to, export.with_files)?;
    let mut file = NewFile::create(&export.to)?;
    let own = api.status().await?.address.to_string();
    let mut work = Work { api, export, output, beside: &mut beside, own, done: Exported::default(), all: 0 };
    match format {
        None => work.json(&mut file).await?,
        Some(format) => work.document(&mut file, format).await?,
    }
    let done = work.done;
    file.keep()?;
    if output.is_live() {
        output.live("");
    }
    let files = if done.files > 0 { format!(" and {} files", done.files) } else { String::new() };
    output.show(&done, || format!("{} letters{files} written to {}", done.letters, export.to.display()))
}

/// `None` for json, which is no document.
fn format(export: &Export) -> Result<Option<Format>, Stop> {
    let by_name = || match export.to.extension().and_then(|end| end.to_str()) {
        Some("html" | "htm") => Some(ExportFormat::Html),
        Some("rtf") => Some(ExportFormat::Rtf),
        Some("txt") => Some(ExportFormat::Txt),
        Some("md") => Some(ExportFormat::Md),
        Some("json" | "jsonl") => Some(ExportFormat::Json),
        _ => None,
    };
    let Some(format) = export.format.or_else(by_name) else {
        let text = "name the file .html, .rtf, .txt, .md or .json, or say --format";
        return Err(Stop::because(ErrorKind::Usage, text));
    };
    Ok(match format {
        ExportFormat::Html => Some(Format::Html),
        ExportFormat::Rtf => Some(Format::Rtf),
        ExportFormat::Txt => Some(Format::Txt),
        ExportFormat::Md => Some(Format::Md),
        ExportFormat::Json => None,
    })
}

struct Work<'a> {
    api: &'a ApiClient,
    export: &'a Export,
    output: Output,
    beside: &'a mut Beside,
    /// The address of this account.
    own: String,
    done: Exported,
    /// Letters in all, for the progress.
    all: u64,
}

impl Work<'_> {
    /// Addresses of the chats that are wanted.
    async fn chats(&mut self) -> Result<Vec<String>, Stop> {
        let chats = self.api.holdings().await?;
        let wanted = |chat: &str| match &self.export.address {
            Some(address) if address.contains('@') => chat == address,
            Some(name) => chat.split_once('@').is_some_and(|(local, _)| local == name),
            None => true,
        };
        let chats: Vec<_> = chats.into_iter().filter(|chat| wanted(chat.address.as_str())).collect();
        self.all = chats.iter().map(|chat| chat.letters).sum();
        if let (true, Some(address)) = (chats.is_empty(), &self.export.address) {
            return Err(Stop::because(ErrorKind::NotFound, format!("there are no letters with {address}")));
        }
        Ok(chats.into_iter().map(|chat| chat.address.to_string()).collect())
    }

    /// Transfers with a contact, or all, the oldest first.
    async fn transfers(&self, with: Option<&str>) -> Result<Vec<TransferView>, Stop> {
        let mut transfers = self.api.transfers().await?;
        transfers.retain(|transfer| with.is_none_or(|with| transfer.peer.as_str() == with));
        transfers.sort_by(|one, other| one.offered_at.cmp(&other.offered_at));
        Ok(transfers)
    }

    fn progress(&self) {
        if self.output.is_live() {
            self.output.live(&format!("{} of {} letters", self.done.letters, self.all));
        }
    }

    async fn document(&mut self, file: &mut NewFile<'_>, format: Format) -> Result<(), Stop> {
        let chats = self.chats().await?;
        let (mut document, begin) = Document::begin(format, &format!("Letters of {}", self.own));
        file.write(&begin)?;
        for chat in chats {
            file.write(&document.chat(&chat))?;
            let mut transfers = self.transfers(Some(&chat)).await?.into_iter().peekable();
            let mut which = Letters::Since("1970".to_owned());
            loop {
                let letters = self.api.letters(&chat, &which, BATCH).await?;
                let Some(last) = letters.last() else { break };
                which = Letters::After(last.id.to_string());
                for letter in &letters {
                    self.files_before(file, &mut document, (&mut transfers, &letter.at))?;
                    file.write(&document.line(&line(letter, &self.own)))?;
                    self.done.letters += 1;
                }
                self.progress();
            }
            self.files_before(file, &mut document, (&mut transfers, "~"))?;
        }
        file.write(document.end())
    }

    /// Writes the files that were offered before a time.
    fn files_before(
        &mut self,
        file: &mut NewFile<'_>,
        document: &mut Document,
        (transfers, at): (&mut Peekable<IntoIter<TransferView>>, &str),
    ) -> Result<(), Stop> {
        while let Some(transfer) = transfers.next_if(|transfer| transfer.offered_at.as_str() < at) {
            let link = self.beside.link(&transfer)?;
            self.done.files += u64::from(link.href.is_some());
            file.write(&document.line(&file_line(&transfer, link, &self.own)))?;
        }
        Ok(())
    }

    async fn json(&mut self, file: &mut NewFile<'_>) -> Result<(), Stop> {
        let chats = self.chats().await?;
        let chat = self.export.address.as_ref().and_then(|_| chats.first()).map(String::as_str);
        let head = Head { hobnob_history: SCHEMA, account: &self.own, exported_at: rfc3339(unix_ms()) };
        file.object(&head)?;
        let mut before = None;
        loop {
            let answer = self.api.records(chat, before, BATCH).await?;
            for record in &answer.records {
                file.object(record)?;
                self.done.letters += 1;
            }
            self.progress();
            before = answer.next;
            if before.is_none() {
                break;
            }
        }
        for transfer in self.transfers(chat).await? {
            let link = self.beside.link(&transfer)?;
            self.done.files += u64::from(link.href.is_some());
            file.object(&Attached { file: &transfer, href: link.href })?;
        }
        file.object(&self.done)
    }
}

fn line(letter: &LetterView, own: &str) -> Line {
    let mut notes = Vec::new();
    if letter.edited_at.is_some() {
        notes.push("edited".to_owned());
    }
    notes.extend(letter.reactions.iter().map(|reaction| match reaction.by.len() {
        1 => reaction.reaction.clone(),
        count => format!("{} {count}", reaction.reaction),
    }));
    if let (Some(error), LetterState::Failed) = (&letter.error, letter.state) {
        notes.push(format!("not sent: {error}"));
    }
    Line {
        at: letter.at.clone(),
        from: letter.from.to_string(),
        own: letter.from.as_str() == own,
        text: said(letter),
        note: (!notes.is_empty()).then(|| notes.join(", ")),
        file: None,
    }
}

/// What a letter says, whatever it is.
fn said(letter: &LetterView) -> String {
    if letter.deleted {
        return "[taken back]".to_owned();
    }
    let mut parts = Vec::new();
    if let Some(from) = &letter.forwarded_from {
        parts.push(format!("[from {from}]"));
    }
    if let Some(QuoteView { text: Some(text), from, .. }) = letter.reply_to.as_ref() {
        parts.push(format!("> {from}: {}", text.replace('\n', " ")));
    }
    parts.extend(letter.subject.clone());
    parts.push(letter.text.clone());
    match letter.kind {
        LetterKind::Text => {}
        LetterKind::Nudge => parts.push("[nudge]".to_owned()),
        LetterKind::Card => {
            parts.extend(letter.card.iter().map(|card| format!("{} {}", card.address, card.note)))
        }
        LetterKind::Location => parts.extend(
            letter.location.iter().map(|place| format!("{:.5}, {:.5}", place.latitude, place.longitude)),
        ),
        LetterKind::Poll => parts.extend(
            letter
                .poll
                .iter()
                .flat_map(|poll| &poll.options)
                .map(|option| format!("- {}: {}", option.text, option.by.len())),
        ),
        LetterKind::Unknown => parts.push("[a letter that a newer hobnob will show]".to_owned()),
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn file_line(transfer: &TransferView, link: FileLink, own: &str) -> Line {
    let is_own = transfer.direction == TransferDirection::Out;
    let from = if is_own { own.to_owned() } else { transfer.peer.to_string() };
    Line {
        at: transfer.offered_at.clone(),
        from,
        own: is_own,
        text: transfer.text.clone(),
        note: None,
        file: Some(link),
    }
}

/// A file that did not exist, and does not when it is not kept.
struct NewFile<'a> {
    path: &'a Path,
    file: Option<BufWriter<File>>,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Stop> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => Ok(Self { path, file: Some(BufWriter::new(file)) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("{} exists; name a new file", path.display());
                Err(Stop::because(ErrorKind::Conflict, text))
            }
            Err(error) => Err(Stop::failure(format!("cannot make {}: {error}", path.display()))),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes()));
        written.map_err(|error| self.failed(&error))
    }

    fn object<T: Serialize>(&mut self, object: &T) -> Result<(), Stop> {
        let mut text = serde_json::to_string(object).map_err(|error| Stop::failure(error.to_string()))?;
        text.push('\n');
        self.write(&text)
    }

    /// Brings it to the disk.
    fn keep(mut self) -> Result<(), Stop> {
        let kept =
            self.file.as_mut().map_or(Ok(()), |file| file.flush().and_then(|()| file.get_ref().sync_all()));
        kept.map_err(|error| self.failed(&error))?;
        self.file = None;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Stop {
        Stop::failure(format!("cannot write {}: {error}", self.path.display()))
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(self.path);
        }
    }
}
