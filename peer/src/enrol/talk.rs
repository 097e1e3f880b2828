//! A session that is not authenticated yet: questions about accounts, one after the other.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use hobnob_nat::{Endpoint, exporter};
use hobnob_wire::account::{AccountAnswer, AccountRequest};
use hobnob_wire::close::SessionClose;
use hobnob_wire::device::DeviceList;
use hobnob_wire::mailbox::MailboxRequest;
use hobnob_wire::session::{Answer, ClientFrame, EXPORTER_LABEL, Request, ServerFrame};
use hobnob_wire::{Address, List, Refusal, RequestId, codec};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::{EnrolError, Way};
use crate::core::keys::olm::NewPrekeys;
use crate::net::connect::{Connector, Line};
use crate::net::read_frame;

/// How long the rendezvous may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the rendezvous may take to hear that we are done.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// The conversation.
pub(super) struct Talk {
    endpoint: Endpoint,
    line: Line,
    send: SendStream,
    receive: RecvStream,
    next: u32,
}

impl Talk {
    pub(super) async fn begin(way: Way<'_>) -> Result<Self, EnrolError> {
        let listen = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let endpoint = Endpoint::peer(listen).map_err(EnrolError::Socket)?;
        let line = Connector::new(endpoint.clone(), way.invite.clone(), way.proxy.cloned()).connect().await?;
        let (send, receive) = line.connection.open_bi().await.map_err(|_| EnrolError::Lost)?;
        Ok(Self { endpoint, line, send, receive, next: 0 })
    }

    pub(super) async fn ask(&mut self, request: AccountRequest) -> Result<AccountAnswer, EnrolError> {
        match self.exchange(Request::Account(request)).await? {
            Answer::Account(answer) => Ok(answer),
            Answer::Done | Answer::Prekey(_) | Answer::Signalled { .. } => {
                Err(EnrolError::Protocol("an answer to another question"))
            }
        }
    }

    /// Publishes the prekeys of the device that this session was let in as.
    pub(super) async fn publish(&mut self, prekeys: NewPrekeys) -> Result<(), EnrolError> {
        let one_time = List::new(prekeys.one_time)?;
        let request = MailboxRequest::PublishPrekeys { fallback: prekeys.fallback, one_time };
        match self.exchange(Request::Mailbox(request)).await? {
            Answer::Done => Ok(()),
            Answer::Account(_) | Answer::Prekey(_) | Answer::Signalled { .. } => {
                Err(EnrolError::Protocol("no end of a publication"))
            }
        }
    }

    async fn exchange(&mut self, request: Request) -> Result<Answer, EnrolError> {
        timeout(ANSWER_WITHIN, self.try_ask(request)).await.map_err(|_| EnrolError::Lost)?
    }

    async fn try_ask(&mut self, request: Request) -> Result<Answer, EnrolError> {
        let asked = RequestId(self.next);
        self.next += 1;
        let frame = ClientFrame::Request { id: asked, request };
        let frame =
            codec::encode_prefixed(&frame).map_err(|_| EnrolError::Protocol("a request is too long"))?;
        self.send.write_all(&frame).await.map_err(|_| EnrolError::Lost)?;
        loop {
            match read_frame(&mut self.receive).await.map_err(|_| EnrolError::Lost)? {
                ServerFrame::Answer { id, answer } if id == asked => {
                    return Ok(answer);
                }
                ServerFrame::Refused { id, refusal } if id == asked => return Err(refused(refusal)),
                // What waits for the new device is pushed to the session that will be kept.
                ServerFrame::Push(_) => {}
                ServerFrame::Answer { .. } | ServerFrame::Refused { .. } => {
                    return Err(EnrolError::Protocol("an answer to another question"));
                }
            }
        }
    }

    /// The value that belongs to this very session, to be signed by who proves something in it.
    pub(super) fn exporter(&self) -> Result<[u8; 32], EnrolError> {
        exporter(&self.line.connection, EXPORTER_LABEL).map_err(|_| EnrolError::Lost)
    }

    /// Lets the rendezvous know that this is over.
    pub(super) async fn end(self) {
        let code = SessionClose::Done;
        self.line.connection.close(VarInt::from_u32(code.code()), code.to_string().as_bytes());
        // Without the goodbye the rendezvous notices a little later.
        let _ = timeout(GOODBYE_WITHIN, self.endpoint.wait_idle()).await;
    }
}

fn refused(refusal: Refusal) -> EnrolError {
    if refusal == Refusal::NameTaken {
        EnrolError::NameTaken
    } else if refusal == Refusal::WrongCredentials {
        EnrolError::WrongCredentials
    } else {
        EnrolError::Refused(refusal)
    }
}

/// What a device that was let in is told.
pub(super) fn welcome(answer: AccountAnswer) -> Result<(Address, DeviceList), EnrolError> {
    let AccountAnswer::Welcome { address, list, .. } = answer else {
        return Err(EnrolError::Protocol("no welcome"));
    };
    Ok((address, list))
}
