//! `history clear`.

use std::io::{self, BufRead, IsTerminal};

use crate::api::client::ApiClient;
use crate::cli::output::Output;
use crate::cli::stop::Stop;
use crate::core::command::ErrorKind;
use crate::core::history::view::ForgottenView;

/// What is to be forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct What<'a> {
    /// Of which chat; of all when absent.
    pub(super) chat: Option<&'a str>,
    /// Only letters older than this date or age.
    pub(super) older_than: Option<&'a str>,
}

pub(super) async fn run(
    api: &ApiClient,
    What { chat, older_than }: What<'_>,
    (yes, dry_run): (bool, bool),
    output: Output,
) -> Result<(), Stop> {
    let count = api.forget(chat, older_than, true).await?.letters;
    if dry_run {
        return done(count, "would be forgotten", output);
    }
    if count > 0 && !yes {
        confirm(count)?;
    }
    let mut letters = 0;
    loop {
        let forgotten = api.forget(chat, older_than, false).await?;
        letters += forgotten.letters;
        if output.is_live() && forgotten.more {
            output.live(&format!("{letters} of {count} letters"));
        }
        if !forgotten.more {
            break;
        }
    }
    if output.is_live() {
        output.live("");
    }
    done(letters, "forgotten", output)
}

fn done(letters: u64, what: &str, output: Output) -> Result<(), Stop> {
    let noun = if letters == 1 { "letter" } else { "letters" };
    output.show(&ForgottenView { letters, more: false }, || format!("{letters} {noun} {what}"))
}

fn confirm(count: u64) -> Result<(), Stop> {
    if !io::stdin().is_terminal() {
        let text =
            format!("{count} letters would be forgotten for good; add --yes, or --dry-run to see how many");
        return Err(Stop::because(ErrorKind::Usage, text));
    }
    let mut err = io::stderr().lock();
    let asked = io::Write::write_all(&mut err, format!("Forget {count} letters for good? [y/N] ").as_bytes());
    let mut answer = String::new();
    let answered = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    if answered.is_ok() && answer.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    Err(Stop::because(ErrorKind::Usage, "nothing was forgotten"))
}
