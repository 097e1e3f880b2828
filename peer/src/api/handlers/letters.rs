//! Letters and chats.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hobnob_wire::letter::Language;
use hobnob_wire::{Address, LetterId};

use crate::api::bodies::{
    CardSend, LetterEdit, LetterSend, LetterSent, LocationSend, NudgeSend, PollSend, ReactionSet, Rendered,
    Sent, Typing, VoteSet,
};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::Api;
use crate::client::Written;
use crate::core::chat::command::{ChatCommand, NewWords, Saying};
use crate::core::chat::markdown;
use crate::core::view::LetterView;

pub(in crate::api) async fn send(
    State(api): State<Api>,
    Body(letter): Body<LetterSend>,
) -> Result<Json<Sent>, ApiError> {
    let to = api.address(&letter.to)?;
    let due_unix_ms = letter.due_unix_ms;
    let what = saying(letter)?;
    write(&api, to, what, due_unix_ms).await
}

/// What is to be sent: words, the draft, or another letter.
fn saying(letter: LetterSend) -> Result<Saying, ApiError> {
    match (letter.text, letter.draft, letter.forward) {
        (Some(text), false, None) => {
            let edit = LetterEdit {
                text,
                subject: letter.subject,
                lang: letter.lang,
                alternatives: letter.alternatives,
            };
            Ok(Saying::Words {
                words: words(edit)?,
                thread: letter.thread.as_deref().map(letter_id).transpose()?,
                reply_to: letter.reply_to.as_deref().map(letter_id).transpose()?,
                expires_after_s: letter.expires_after_s,
            })
        }
        (None, true, None) => Ok(Saying::Draft),
        (None, false, Some(id)) => Ok(Saying::Forward(letter_id(&id)?)),
        _ => Err(ApiError::usage("a letter has a text, or sends the draft, or passes another letter on")),
    }
}

fn words(edit: LetterEdit) -> Result<NewWords, ApiError> {
    let LetterEdit { text, subject, lang, alternatives } = edit;
    let lang = lang.as_deref().map(language).transpose()?;
    let alternatives: Result<_, ApiError> =
        alternatives.into_iter().map(|(lang, text)| Ok((language(&lang)?, text))).collect();
    Ok(NewWords { text, subject, lang, alternatives: alternatives? })
}

fn language(tag: &str) -> Result<Language, ApiError> {
    tag.parse().map_err(|error| ApiError::usage(format!("not a language: {error}")))
}

async fn write(
    api: &Api,
    to: Address,
    what: Saying,
    due_unix_ms: Option<u64>,
) -> Result<Json<Sent>, ApiError> {
    Ok(Json(match api.client().write(to, what, due_unix_ms).await? {
        Written::Now(id, state) => Sent::Now(LetterSent { id, state }),
        Written::Later(later) => Sent::Later(later),
    }))
}

pub(in crate::api) async fn edit(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(edit): Body<LetterEdit>,
) -> Result<StatusCode, ApiError> {
    alter(&api, ChatCommand::Edit { id: letter_id(&id)?, words: words(edit)? }).await
}

pub(in crate::api) async fn delete(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    alter(&api, ChatCommand::Delete { id: letter_id(&id)? }).await
}

pub(in crate::api) async fn react(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(ReactionSet { reaction }): Body<ReactionSet>,
) -> Result<StatusCode, ApiError> {
    alter(&api, ChatCommand::React { id: letter_id(&id)?, reaction }).await
}

pub(in crate::api) async fn vote(
    State(api): State<Api>,
    Path(id): Path<String>,
    Body(VoteSet { choices }): Body<VoteSet>,
) -> Result<StatusCode, ApiError> {
    alter(&api, ChatCommand::Vote { id: letter_id(&id)?, choices }).await
}

async fn alter(api: &Api, command: ChatCommand) -> Result<StatusCode, ApiError> {
    api.client().alter(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn nudge(
    State(api): State<Api>,
    Body(NudgeSend { to }): Body<NudgeSend>,
) -> Result<Json<Sent>, ApiError> {
    let to = api.address(&to)?;
    write(&api, to, Saying::Nudge, None).await
}

pub(in crate::api) async fn card(
    State(api): State<Api>,
    Body(CardSend { to, address, name, note }): Body<CardSend>,
) -> Result<Json<Sent>, ApiError> {
    let (to, address) = (api.address(&to)?, api.address(&address)?);
    write(&api, to, Saying::Card { address, name, note }, None).await
}

pub(in crate::api) async fn location(
    State(api): State<Api>,
    Body(LocationSend { to, latitude, longitude, accuracy_m, place }): Body<LocationSend>,
) -> Result<Json<Sent>, ApiError> {
    let to = api.address(&to)?;
    let (latitude, longitude) = (ten_millionths(latitude), ten_millionths(longitude));
    write(&api, to, Saying::Location { latitude, longitude, accuracy_m, place }, None).await
}

/// Degrees in ten millionths. What is no number, or beyond all degrees, is beyond them afterwards as well.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates, and the core refuses that"
)]
fn ten_millionths(degrees: f64) -> i64 {
    if degrees.is_nan() { i64::MAX } else { (degrees * 1e7).round() as i64 }
}

pub(in crate::api) async fn poll(
    State(api): State<Api>,
    Body(PollSend { to, question, options, multiple }): Body<PollSend>,
) -> Result<Json<Sent>, ApiError> {
    let to = api.address(&to)?;
    write(&api, to, Saying::Poll { question, options, multiple }, None).await
}

pub(in crate::api) async fn thread(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Vec<LetterView>>, ApiError> {
    Ok(Json(api.client().thread(letter_id(&id)?).await?))
}

pub(in crate::api) async fn rendered(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Rendered>, ApiError> {
    let letter = api.client().letter(letter_id(&id)?).await?;
    let tree = markdown::read(&letter.text);
    Ok(Json(Rendered { plain: markdown::plain(&tree), html: markdown::html(&tree) }))
}

pub(in crate::api) async fn one(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<LetterView>, ApiError> {
    Ok(Json(api.client().letter(letter_id(&id)?).await?))
}

pub(in crate::api) async fn mark_read(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<StatusCode, ApiError> {
    let with = api.address(&address)?;
    api.client().mark_read(with).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::api) async fn typing(
    State(api): State<Api>,
    Body(Typing { to, active }): Body<Typing>,
) -> Result<StatusCode, ApiError> {
    let to = api.address(&to)?;
    api.client().typing(to, active).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn letter_id(text: &str) -> Result<LetterId, ApiError> {
    text.parse().map_err(|error| ApiError::usage(format!("not a letter: {error}")))
}
