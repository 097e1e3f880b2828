//! Examples of what peers and rendezvous say to each other.

use hobnob_wire::account::{AccountAnswer, AccountRequest, Arrival, Sighting};
use hobnob_wire::bounded::List;
use hobnob_wire::contact::{ContactChange, ContactRequest, Pending, Subscription};
use hobnob_wire::datagram::{AllocationId, Channel, DatagramKey};
use hobnob_wire::device::{DeviceEntry, DeviceOperation, ListHead};
use hobnob_wire::mailbox::{Delivery, LetterCopy, MailboxRequest};
use hobnob_wire::opaque;
use hobnob_wire::presence::{Availability, Presence, PresenceChange, PresenceSet};
use hobnob_wire::session::{Answer, ClientFrame, Push, Request, ServerFrame};
use hobnob_wire::signal::{RelayGrant, SignalDelivery, SignalRequest, TransportAddress};
use hobnob_wire::{AttemptId, Refusal, ids::RequestId};

use crate::example::{Example, Vector, every, frames, variants, within};
use crate::people::*;

variants! {
    ClientFrame: Request, Resume, MailboxAck;
    Request: Account, Contact, Presence, Mailbox, Signal;
    AccountRequest: RegisterStart, RegisterFinish, LoginStart, LoginFinish, AppendEntry, Authenticate, Devices,
        RecoverStart, RecoverFinish, PasswordStart, PasswordFinish, Sightings;
    ContactRequest: Ask, Accept, Reject, Remove;
    MailboxRequest: Deposit, PublishPrekeys, ClaimPrekey;
    ServerFrame: Answer, Refused, Push;
    Answer: Done, Account, Prekey, Signalled;
    AccountAnswer: Challenge, LoggedIn, Welcome, Devices, Done, Recovering, Sightings;
    Push: Contact, RosterComplete, Presence, DevicesChanged, Letter, Signal, Relay, PrekeysLow, Arrived;
    DeviceOperation: Add, Revoke, Rename, Renew;
}

pub(crate) fn vectors() -> Vec<Vector> {
    [
        frames("client_frame", client_frames()),
        frames("server_frame", server_frames()),
        frames("device_list", device_entries()),
        frames(
            "device_list",
            vec![
                ("one device", "the certificate and the one entry", device_list()),
                (
                    "renewed",
                    "the same, and an entry at 1700000002 by which the root renews S to the key of seed 32 bytes 06",
                    renewed_list(),
                ),
            ],
        ),
    ]
    .concat()
}

fn client_frames() -> Vec<Example<ClientFrame>> {
    let requests = [
        within(every(account_requests()), Request::Account),
        within(every(contact_requests()), Request::Contact),
        vec![presence_set()],
        within(every(mailbox_requests()), Request::Mailbox),
        vec![signal_request()],
    ];
    let requests = every(requests.into_iter().flatten().collect());
    let mut examples = within(requests, |request| ClientFrame::Request { id: RequestId(1), request });
    examples.push(("resume", "roster version 300", ClientFrame::Resume { roster: 300 }));
    examples.push(("mailbox ack", "up to 7", ClientFrame::MailboxAck { up_to: 7 }));
    every(examples)
}

fn account_requests() -> Vec<Example<AccountRequest>> {
    let name = || "alice".parse().unwrap();
    let mut requests = vec![
        (
            "register start",
            "request 1: name alice, OPAQUE version 1, message 010203",
            AccountRequest::RegisterStart {
                name: name(),
                opaque_version: opaque::VERSION,
                message: bytes(&[1, 2, 3]),
            },
        ),
        (
            "register finish",
            "request 1: message 010203, the certificate, the entry, wrapped key 0405",
            AccountRequest::RegisterFinish {
                message: bytes(&[1, 2, 3]),
                certificate: certificate(),
                entry: signed_entry(),
                wrapped: bytes(&[4, 5]),
            },
        ),
        (
            "login start",
            "request 1: name alice, OPAQUE version 1, message 010203",
            AccountRequest::LoginStart {
                name: name(),
                opaque_version: opaque::VERSION,
                message: bytes(&[1, 2, 3]),
            },
        ),
        (
            "login finish",
            "request 1: message 010203",
            AccountRequest::LoginFinish { message: bytes(&[1, 2, 3]) },
        ),
        ("append entry", "request 1: the entry", AccountRequest::AppendEntry { entry: signed_entry() }),
        (
            "authenticate",
            "request 1: alice@example.org, the device, a signature of 64 bytes 55",
            AccountRequest::Authenticate { address: alice(), device: device_id(), signature: signature() },
        ),
        ("devices", "request 1: bob@example.org", AccountRequest::Devices { address: bob() }),
    ];
    requests.extend(secret_requests());
    requests.push(("sightings", "request 1", AccountRequest::Sightings));
    requests
}

/// Those that set another password.
fn secret_requests() -> Vec<Example<AccountRequest>> {
    vec![
        (
            "recover start",
            "request 1: name alice, OPAQUE version 1, message 010203, a signature of 64 bytes 55",
            AccountRequest::RecoverStart {
                name: "alice".parse().unwrap(),
                opaque_version: opaque::VERSION,
                message: bytes(&[1, 2, 3]),
                signature: signature(),
            },
        ),
        (
            "recover finish",
            "request 1: message 010203, the entry twice, wrapped key 0405",
            AccountRequest::RecoverFinish {
                message: bytes(&[1, 2, 3]),
                renewal: Box::new(signed_entry()),
                entry: signed_entry(),
                wrapped: bytes(&[4, 5]),
            },
        ),
        (
            "password start",
            "request 1: OPAQUE version 1, message 010203",
            AccountRequest::PasswordStart { opaque_version: opaque::VERSION, message: bytes(&[1, 2, 3]) },
        ),
        (
            "password finish",
            "request 1: message 010203, wrapped key 0405",
            AccountRequest::PasswordFinish { message: bytes(&[1, 2, 3]), wrapped: bytes(&[4, 5]) },
        ),
    ]
}

fn contact_requests() -> Vec<Example<ContactRequest>> {
    vec![
        (
            "contact add",
            "request 1: bob@example.org, text hi",
            ContactRequest::Ask { address: bob(), text: text("hi") },
        ),
        (
            "contact accept",
            "request 1: bob@example.org, mutual",
            ContactRequest::Accept { address: bob(), mutual: true },
        ),
        ("contact reject", "request 1: bob@example.org", ContactRequest::Reject { address: bob() }),
        (
            "contact remove",
            "request 1: bob@example.org, text bye",
            ContactRequest::Remove { address: bob(), text: text("bye") },
        ),
    ]
}

fn presence() -> Presence {
    Presence { availability: Availability::Away, text: text("lunch") }
}

fn presence_set() -> Example<Request> {
    let set = PresenceSet { presence: presence(), hidden: false };
    ("presence set", "request 1: away, text lunch, not hidden", Request::Presence(set))
}

fn mailbox_requests() -> Vec<Example<MailboxRequest>> {
    let copy = LetterCopy { device: device_id(), sealed: bytes(&[1, 2, 3]) };
    vec![
        (
            "deposit",
            "request 1: to bob@example.org, the letter, one copy for the device: 010203",
            MailboxRequest::Deposit {
                to: bob(),
                letter: letter_id(),
                copies: List::new(vec![copy]).unwrap(),
            },
        ),
        (
            "publish prekeys",
            "request 1: the prekey as fallback, the same once more for one use",
            MailboxRequest::PublishPrekeys {
                fallback: prekey(),
                one_time: List::new(vec![prekey()]).unwrap(),
            },
        ),
        (
            "claim prekey",
            "request 1: bob@example.org, the device",
            MailboxRequest::ClaimPrekey { address: bob(), device: device_id() },
        ),
    ]
}

fn signal_request() -> Example<Request> {
    let request =
        SignalRequest { to: bob(), device: device_id(), sealed: bytes(&[1, 2, 3]), at: Some(seen()) };
    (
        "signal",
        "request 1: to bob@example.org, the device, sealed 010203, at 203.0.113.1:40000",
        Request::Signal(request),
    )
}

fn server_frames() -> Vec<Example<ServerFrame>> {
    let answers = [
        vec![("done", "request 1", Answer::Done)],
        within(every(account_answers()), Answer::Account),
        vec![("prekey", "request 1: the prekey", Answer::Prekey(prekey()))],
        vec![("signalled", "request 1: channel 7 bytes 88", Answer::Signalled { channel: Some(channel()) })],
    ];
    let answers = every(answers.into_iter().flatten().collect());
    let mut examples = within(answers, |answer| ServerFrame::Answer { id: RequestId(1), answer });
    let refused = ServerFrame::Refused { id: RequestId(1), refusal: Refusal::NameTaken };
    examples.push(("refused", "request 1: name taken", refused));
    examples.extend(within(every(pushes()), ServerFrame::Push));
    every(examples)
}

fn account_answers() -> Vec<Example<AccountAnswer>> {
    vec![
        ("challenge", "request 1: message 010203", AccountAnswer::Challenge { message: bytes(&[1, 2, 3]) }),
        (
            "logged in",
            "request 1: wrapped key 0405, the device list",
            AccountAnswer::LoggedIn { wrapped: bytes(&[4, 5]), list: device_list() },
        ),
        (
            "welcome",
            "request 1: alice@example.org, domain example.org, the device list",
            AccountAnswer::Welcome {
                address: alice(),
                domain: "example.org".parse().unwrap(),
                list: device_list(),
            },
        ),
        (
            "devices",
            "request 1: alice@example.org, the device list",
            AccountAnswer::Devices { address: alice(), list: device_list() },
        ),
        ("account done", "request 1", AccountAnswer::Done),
        (
            "recovering",
            "request 1: message 010203, the device list",
            AccountAnswer::Recovering { message: bytes(&[1, 2, 3]), list: device_list() },
        ),
        (
            "account sightings",
            "request 1: the device, seen at 1700000000, here from 192.0.2.0/24",
            AccountAnswer::Sightings { sightings: List::new(vec![sighting()]).unwrap() },
        ),
    ]
}

fn pushes() -> Vec<Example<Push>> {
    vec![
        (
            "push contact",
            "roster version 300: alice@example.org, subscription to, pending in, text hi",
            Push::Contact(ContactChange {
                version: 300,
                address: alice(),
                subscription: Subscription::To,
                pending: Pending::In,
                text: text("hi"),
            }),
        ),
        ("push roster complete", "roster version 300", Push::RosterComplete { version: 300 }),
        (
            "push presence",
            "alice@example.org: away, text lunch",
            Push::Presence(PresenceChange { address: alice(), presence: presence() }),
        ),
        (
            "push devices changed",
            "alice@example.org: head 1, hash 32 bytes 66",
            Push::DevicesChanged { address: alice(), head: ListHead { seq: 1, hash: [0x66; 32] } },
        ),
        (
            "push letter",
            "place 7: from alice@example.org, the device, the letter, sealed 010203",
            Push::Letter(Delivery {
                seq: 7,
                from: alice(),
                device: device_id(),
                letter: letter_id(),
                sealed: bytes(&[1, 2, 3]),
            }),
        ),
        (
            "push signal",
            "from alice@example.org, the device, sealed 010203, channel 7 bytes 88, not seen there",
            Push::Signal(SignalDelivery {
                from: alice(),
                device: device_id(),
                sealed: bytes(&[1, 2, 3]),
                channel: Some(channel()),
                at: None,
            }),
        ),
        (
            "push relay",
            "allocation 1, key 32 bytes 44, reflector: the rendezvous' own address, port 7701",
            Push::Relay(RelayGrant {
                allocation: AllocationId(1),
                key: DatagramKey::new([0x44; 32]),
                reflectors: List::new(vec![reflector()]).unwrap(),
            }),
        ),
        ("push prekeys low", "3 left", Push::PrekeysLow { left: 3 }),
        (
            "push arrived",
            "the device from 192.0.2.0/24 at 1700000000",
            Push::Arrived(Arrival {
                device: device_id(),
                place: text("192.0.2.0/24"),
                at_unix_s: 1_700_000_000,
            }),
        ),
    ]
}

fn device_entries() -> Vec<Example<DeviceEntry>> {
    let add = entry();
    let later = |operation| DeviceEntry { seq: 1, previous: [0x66; 32], at_unix_s: 1_700_000_001, operation };
    let revoke = later(DeviceOperation::Revoke(device_id()));
    let rename = later(DeviceOperation::Rename { device: device_id(), name: text("old laptop") });
    let renew = later(DeviceOperation::Renew(signing(6).verify_key()));
    every(vec![
        ("add", "seq 0 after the certificate, at 1700000000: the device", add.operation.clone()),
        ("revoke", "", revoke.operation.clone()),
        ("rename", "", rename.operation.clone()),
        ("renew", "", renew.operation.clone()),
    ]);
    vec![
        ("add", "seq 0, after the certificate, at 1700000000, the device joins", add),
        ("revoke", "seq 1, after 32 bytes 66, at 1700000001, the device leaves", revoke),
        ("rename", "seq 1, after 32 bytes 66, at 1700000001, the device is called `old laptop`", rename),
        ("renew", "seq 1, after 32 bytes 66, at 1700000001, S is the key of seed 32 bytes 06", renew),
    ]
}

fn sighting() -> Sighting {
    Sighting { device: device_id(), seen_at_unix_s: 1_700_000_000, here: Some(text("192.0.2.0/24")) }
}

fn channel() -> Channel {
    Channel::new([0x88; 7])
}

fn seen() -> TransportAddress {
    "203.0.113.1:40000".parse::<std::net::SocketAddr>().unwrap().into()
}

fn reflector() -> TransportAddress {
    "[::]:7701".parse::<std::net::SocketAddr>().unwrap().into()
}

/// One attempt, for signals.
pub(crate) fn attempt() -> AttemptId {
    AttemptId::new([0x33; 16])
}
