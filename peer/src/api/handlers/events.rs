//! The stream of events.

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use crate::api::bodies::EventsQuery;
use crate::api::error::ApiError;
use crate::api::extract::Asks;
use crate::api::state::Api;
use crate::core::event::Event;
use crate::events::{Cursor, Events, Missed};

/// Longest message a client may send. Nothing that it says matters.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Sent instead of events that are no longer kept: the client must ask for the state of things. What follows
/// goes on with the oldest event kept.
const MISSED: &str = r#"{"event":"missed"}"#;

/// One message: the event with its cursor beside it.
#[derive(Debug, Serialize)]
struct Numbered<'a> {
    cursor: Cursor,
    #[serde(flatten)]
    event: &'a Event,
}

pub(in crate::api) async fn stream(
    State(api): State<Api>,
    Asks(EventsQuery { after }): Asks<EventsQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| {
        ApiError::usage(format!("events come by WebSocket: {rejection}")).with_status(rejection.status())
    })?;
    let permit = api.streams.clone().try_acquire_owned().map_err(|_| {
        ApiError::usage("too many event streams are open; close one")
            .with_status(StatusCode::TOO_MANY_REQUESTS)
    })?;
    // Subscribed before the upgrade is answered: whoever has the answer misses nothing from then on.
    let events = api.client().events(after);
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| forward(socket, events, permit)))
}

/// Sends events until either side has enough.
async fn forward(mut socket: WebSocket, mut events: Events, _permit: OwnedSemaphorePermit) {
    loop {
        let happening = tokio::select! {
            happening = events.next() => happening,
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(happening) = happening else {
            break;
        };
        let text = match happening {
            Ok((cursor, event)) => serde_json::to_string(&Numbered { cursor, event: &event }),
            Err(Missed) => Ok(MISSED.to_owned()),
        };
        let Ok(text) = text else {
            debug!("an event is not JSON");
            break;
        };
        if socket.send(Message::Text(text.into())).await.is_err() {
            return;
        }
    }
    let _ = socket.send(Message::Close(None)).await;
}
