//! `chats`, `chat`, `draft`.

use super::args::letters::{ChatSet, Draft};
use super::output::{Output, table};
use super::said;
use super::shown;
use super::stop::Stop;
use crate::api::bodies::{ChatWish, DraftSet};
use crate::api::client::ApiClient;
use crate::core::chat::view::{ChatView, UNREAD_COUNT_MAX};

/// All chats, the one with the newest letter first.
pub(super) async fn list(api: &ApiClient, output: Output) -> Result<(), Stop> {
    let chats = api.chats().await?;
    if output.is_json() {
        return chats.iter().try_for_each(|chat| output.show(chat, String::new));
    }
    if chats.is_empty() {
        output.note("No chats yet. Write somebody: hobnob send ADDRESS TEXT");
        return Ok(());
    }
    let head = ["ADDRESS", "UNREAD", "LAST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(chats.iter().map(row));
    output.line(&table(&rows))
}

fn row(chat: &ChatView) -> Vec<String> {
    let last = chat.last.as_ref().map(|letter| {
        let content = said::content(letter, 0);
        format!("{}: {}", letter.from.name().as_str(), content.lines().next().unwrap_or_default())
    });
    let draft =
        if chat.draft.is_empty() { None } else { Some(format!("[draft] {}", first_line(&chat.draft))) };
    vec![chat.address.to_string(), unread(chat), draft.or(last).unwrap_or_default()]
}

fn unread(chat: &ChatView) -> String {
    match chat.unread {
        0 if chat.marked_unread => "•".to_owned(),
        0 => "-".to_owned(),
        UNREAD_COUNT_MAX.. => format!("{UNREAD_COUNT_MAX}+"),
        number => number.to_string(),
    }
}

fn first_line(text: &str) -> String {
    shown::line(text.lines().next().unwrap_or_default())
}

/// A chat in one line, as `tail` shows it.
pub(super) fn line(chat: &ChatView) -> String {
    let mut parts = vec![format!("{} unread", unread(chat).replace('-', "0"))];
    if !chat.draft.is_empty() {
        parts.push(format!("draft: {}", first_line(&chat.draft)));
    }
    format!("{}: {}", chat.address, parts.join(", "))
}

/// Shows a chat, or changes what is wanted of it.
pub(super) async fn set(api: &ApiClient, set: ChatSet, output: Output) -> Result<(), Stop> {
    let ChatSet { address, typing, nudges, sound, unread } = set;
    let wish = ChatWish {
        typing: typing.map(bool::from),
        nudges: nudges.map(bool::from),
        sound,
        unread: unread.then_some(true),
    };
    let chat = if wish == ChatWish::default() {
        api.chat(&address).await?
    } else {
        api.mark_chat(&address, &wish).await?
    };
    output.show(&chat, || {
        let on = |on| if on { "on" } else { "off" };
        let sound = if chat.sound.is_empty() { "as in general".to_owned() } else { shown::line(&chat.sound) };
        format!("{}\ntyping {}, nudges {}, sound {sound}", line(&chat), on(chat.typing), on(chat.nudges))
    })
}

/// Shows or keeps a draft.
pub(super) async fn draft(api: &ApiClient, draft: Draft, output: Output) -> Result<(), Stop> {
    let Draft { address, text, clear } = draft;
    let text = if clear { Some(String::new()) } else { text };
    if let Some(text) = text {
        api.set_draft(&address, &DraftSet { text }).await?;
        return Ok(());
    }
    let chat = api.chat(&address).await?;
    output.show(&chat, || shown::lines(&chat.draft, 0))
}
