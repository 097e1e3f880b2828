//! A program's side of the local API: what the command line uses.

mod devices;
mod history;
mod letters;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use hobnob_wire::{LetterId, TransferId};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub use self::history::Letters;
use super::access::{Access, AccessError};
use super::bodies::{
    ContactAdd, ContactPaths, PathsAllowed, PresenceSet, Setting, SettingSet, TransferAccept, TransferLimit,
    TransferMove, TransferPriority, TransferSend, Words,
};
use super::kind::ErrorBody;
use crate::core::check::NetcheckView;
use crate::core::command::{CommandError, ErrorKind};
use crate::core::event::Event;
use crate::core::view::{ContactView, LetterView, PathView, Priority, StatusView, TransferView};
use crate::events::Cursor;

/// How long an answer may take. The daemon itself waits for the rendezvous for less.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// A connection to the daemon of one home.
#[derive(Clone, Debug)]
pub struct ApiClient {
    access: Access,
    http: reqwest::Client,
}

impl ApiClient {
    /// Finds the daemon that runs on `home`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when none runs.
    pub fn find(home: &Path) -> Result<Self, CommandError> {
        let access = Access::read(home).map_err(|error| {
            let kind = match error {
                AccessError::NoDaemon(_) => ErrorKind::Offline,
                AccessError::File { .. } | AccessError::Malformed(_) => ErrorKind::Failure,
            };
            CommandError::new(kind, error.to_string())
        })?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_WAIT)
            .build()
            .map_err(|error| CommandError::new(ErrorKind::Failure, format!("no HTTP client: {error}")))?;
        Ok(Self { access, http })
    }

    /// Own state.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn status(&self) -> Result<StatusView, CommandError> {
        self.get("/v1/status").await
    }

    /// Shows `presence` to contacts.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn set_presence(&self, presence: &PresenceSet) -> Result<(), CommandError> {
        self.tell(Method::PUT, "/v1/presence", presence).await
    }

    /// All contacts.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn contacts(&self) -> Result<Vec<ContactView>, CommandError> {
        self.get("/v1/contacts").await
    }

    /// Asks somebody to become a contact.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn add_contact(&self, contact: &ContactAdd) -> Result<(), CommandError> {
        self.tell(Method::POST, "/v1/contacts", contact).await
    }

    /// Accepts a request.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn accept_contact(&self, address: &str) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/contacts/{address}/accept"), &()).await
    }

    /// Rejects a request.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn reject_contact(&self, address: &str) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/contacts/{address}/reject"), &()).await
    }

    /// Removes a contact on both sides, with a last word.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn remove_contact(&self, address: &str, text: String) -> Result<(), CommandError> {
        self.tell(Method::DELETE, &format!("/v1/contacts/{address}"), &Words { text }).await
    }

    /// Chooses over which paths a contact may reach us.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn allow_paths(&self, address: &str, paths: PathsAllowed) -> Result<(), CommandError> {
        self.tell(Method::PUT, &format!("/v1/contacts/{address}/paths"), &ContactPaths { paths }).await
    }

    /// How the devices of a contact are reached.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn paths(&self, address: &str) -> Result<Vec<PathView>, CommandError> {
        self.get(&format!("/v1/paths/{address}")).await
    }

    /// What the network allows.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn netcheck(&self) -> Result<NetcheckView, CommandError> {
        self.get("/v1/netcheck").await
    }

    /// One letter.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn letter(&self, id: LetterId) -> Result<LetterView, CommandError> {
        self.get(&format!("/v1/letters/{id}")).await
    }

    /// Marks everything received in a chat as read.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn mark_read(&self, address: &str) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/chats/{address}/read"), &()).await
    }

    /// Offers files and folders; returns a transfer for each recipient, in their order.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn send_files(&self, offer: &TransferSend) -> Result<Vec<TransferView>, CommandError> {
        self.ask(Method::POST, "/v1/transfers", offer).await
    }

    /// All transfers.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn transfers(&self) -> Result<Vec<TransferView>, CommandError> {
        self.get("/v1/transfers").await
    }

    /// One transfer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn transfer(&self, id: TransferId) -> Result<TransferView, CommandError> {
        self.get(&format!("/v1/transfers/{id}")).await
    }

    /// Accepts an offer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn accept_transfer(&self, id: TransferId, accept: &TransferAccept) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/accept"), accept).await
    }

    /// Rejects an offer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn reject_transfer(&self, id: TransferId, text: String) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/reject"), &Words { text }).await
    }

    /// Stops a transfer or takes an offer back.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn cancel_transfer(&self, id: TransferId, text: String) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/cancel"), &Words { text }).await
    }

    /// Limits a transfer, in bytes per second; 0 for no limit.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn limit_transfer(&self, id: TransferId, limit: u64) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/limit"), &TransferLimit { limit }).await
    }

    /// Offers again what did not come through; returns the new transfer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn retry_transfer(&self, id: TransferId) -> Result<TransferView, CommandError> {
        self.ask(Method::POST, &format!("/v1/transfers/{id}/retry"), &()).await
    }

    /// Pauses a transfer.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn pause_transfer(&self, id: TransferId) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/pause"), &()).await
    }

    /// Lets a paused transfer go on.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn resume_transfer(&self, id: TransferId) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/resume"), &()).await
    }

    /// Puts a transfer at another place.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn move_transfer(&self, id: TransferId, to: String) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/move"), &TransferMove { to }).await
    }

    /// Puts a transfer before or after others.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn set_transfer_priority(
        &self,
        id: TransferId,
        priority: Priority,
    ) -> Result<(), CommandError> {
        self.tell(Method::POST, &format!("/v1/transfers/{id}/priority"), &TransferPriority { priority }).await
    }

    /// All settings.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn config(&self) -> Result<BTreeMap<String, String>, CommandError> {
        self.get("/v1/config").await
    }

    /// Changes a setting. The answer says when that counts.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub async fn set_config(&self, setting: &Setting) -> Result<SettingSet, CommandError> {
        self.ask(Method::PUT, "/v1/config", setting).await
    }

    /// Everything that happens from now on: what is asked after this returns is in it.
    ///
    /// # Errors
    /// Why the daemon does not answer.
    pub async fn events(&self) -> Result<EventStream, CommandError> {
        self.stream("/v1/events").await
    }

    /// Everything that has happened after `cursor`, as far as it is kept, and from now on.
    ///
    /// # Errors
    /// Why the daemon does not answer.
    pub async fn events_after(&self, cursor: Cursor) -> Result<EventStream, CommandError> {
        self.stream(&format!("/v1/events?after={cursor}")).await
    }

    async fn stream(&self, path: &str) -> Result<EventStream, CommandError> {
        let url = format!("{}{path}", self.access.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().map_err(|error| stream_lost(&error))?;
        let token = HeaderValue::try_from(self.access.token.header()).map_err(|error| {
            CommandError::new(ErrorKind::Failure, format!("the token is damaged: {error}"))
        })?;
        request.headers_mut().insert(AUTHORIZATION, token);
        let connecting = timeout(ANSWER_WAIT, tokio_tungstenite::connect_async(request)).await;
        let (socket, _) = connecting.map_err(|_| too_late())?.map_err(|error| stream_lost(&error))?;
        Ok(EventStream { socket })
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, CommandError> {
        let answer = self.exchange(self.request(Method::GET, path)).await?;
        answer.json().await.map_err(|error| answer_lost(&error))
    }

    async fn ask<B, A>(&self, method: Method, path: &str, body: &B) -> Result<A, CommandError>
    where
        B: Serialize + Sync,
        A: DeserializeOwned,
    {
        let answer = self.exchange(self.request(method, path).json(body)).await?;
        answer.json().await.map_err(|error| answer_lost(&error))
    }

    async fn tell<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<(), CommandError> {
        self.exchange(self.request(method, path).json(body)).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.access.url);
        self.http.request(method, url).header(AUTHORIZATION, self.access.token.header())
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, CommandError> {
        let answer = request.send().await.map_err(|error| answer_lost(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(match answer.json::<ErrorBody>().await {
            Ok(body) => body.into(),
            Err(_) => unreadable(status),
        })
    }
}

/// Events as they happen.
#[derive(Debug)]
pub struct EventStream {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// One message of the stream.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The JSON object as it came.
    pub json: String,
    /// What it says.
    pub what: Happening,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// Something happened.
    Event(Box<Event>),
    /// Events were lost because this program was too slow; ask for the state of things.
    Missed,
    /// An event that this program is too old to know.
    Unknown,
}

impl EventStream {
    /// The next message.
    ///
    /// # Errors
    /// [`ErrorKind::Offline`] when the daemon has stopped.
    pub async fn next(&mut self) -> Result<Notice, CommandError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(Notice { what: Happening::read(&text), json: text.as_str().to_owned() });
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err(CommandError::new(ErrorKind::Offline, "the daemon has stopped"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(stream_lost(&error)),
            }
        }
    }
}

impl Happening {
    fn read(json: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Tag {
            event: String,
        }
        match serde_json::from_str::<Tag>(json) {
            Ok(tag) if tag.event == "missed" => Self::Missed,
            _ => serde_json::from_str(json).map_or(Self::Unknown, |event| Self::Event(Box::new(event))),
        }
    }
}

fn answer_lost(error: &reqwest::Error) -> CommandError {
    if error.is_connect() {
        CommandError::new(ErrorKind::Offline, "the daemon does not answer; start it with `hobnob up`")
    } else if error.is_timeout() {
        too_late()
    } else {
        CommandError::new(ErrorKind::Failure, format!("the daemon's answer was lost: {error}; try again"))
    }
}

fn too_late() -> CommandError {
    let text = format!("the daemon did not answer within {} s; try again", ANSWER_WAIT.as_secs());
    CommandError::new(ErrorKind::TimedOut, text)
}

fn stream_lost(error: &tungstenite::Error) -> CommandError {
    CommandError::new(ErrorKind::Offline, format!("the daemon's events cannot be had: {error}"))
}

fn unreadable(status: StatusCode) -> CommandError {
    CommandError::new(ErrorKind::Failure, format!("the daemon answered {status} without a reason"))
}
