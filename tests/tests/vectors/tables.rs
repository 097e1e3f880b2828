//! The tables of the page: codes and limits.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;

use hobnob_wire::close::{LinkClose, SessionClose, StreamClose};
use hobnob_wire::session::ServerFrame;
use hobnob_wire::{Refusal, codec, limits};

use crate::repository;

/// The rows under a heading, each as its cells without back quotes.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(repository().join("docs/src/protocol.md")).unwrap();
    let section =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}")).1;
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells =
        |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.map(cells).collect()
}

fn row(code: u64, name: &impl std::fmt::Debug, wording: &impl Display) -> Vec<String> {
    vec![code.to_string(), format!("{name:?}"), wording.to_string()]
}

#[test]
fn the_page_lists_every_refusal() {
    let nth = |code: u8| match codec::decode::<ServerFrame>(&[1, 0, code]) {
        Ok(ServerFrame::Refused { refusal, .. }) => Some(refusal),
        _ => None,
    };
    let refusals: Vec<Refusal> = (0..=u8::MAX).map_while(nth).collect();
    let rows: Vec<_> = (0..).zip(&refusals).map(|(code, refusal)| row(code, refusal, refusal)).collect();
    assert_eq!(table("### Refusals"), rows);
}

#[test]
fn the_page_lists_every_close_code() {
    let session: Vec<_> = SessionClose::ALL.iter().map(|code| row(code.code().into(), code, code)).collect();
    assert_eq!(table("### Why a session ends"), session);
    let link: Vec<_> = LinkClose::ALL.iter().map(|code| row(code.code().into(), code, code)).collect();
    assert_eq!(table("### Why a link ends"), link);
    let stream: Vec<_> = StreamClose::ALL.iter().map(|code| row(code.code().into(), code, code)).collect();
    assert_eq!(table("### Why a stream ends early"), stream);
}

macro_rules! values {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name).to_owned(), u64::try_from(limits::$name).unwrap().to_string())),*].into()
    };
}

#[test]
fn the_page_lists_every_limit() {
    let values: BTreeMap<String, String> = values![
        SESSION_FRAME_BYTES_MAX,
        HELLO_FRAME_BYTES_MAX,
        LINK_FRAME_BYTES_MAX,
        NOISE_MESSAGE_BYTES_MAX,
        NAME_BYTES_MAX,
        DOMAIN_BYTES_MAX,
        ADDRESS_BYTES_MAX,
        DEVICES_MAX,
        DEVICE_ENTRIES_MAX,
        DEVICE_ENTRIES_KEPT,
        DEVICE_ENTRY_BYTES_MAX,
        DEVICE_NAME_BYTES_MAX,
        OPAQUE_MESSAGE_BYTES_MAX,
        WRAPPED_KEY_BYTES_MAX,
        NETWORK_BYTES_MAX,
        CONTACT_TEXT_BYTES_MAX,
        CONTACTS_MAX,
        STATUS_TEXT_BYTES_MAX,
        LETTER_BYTES_MAX,
        LETTER_BODY_BYTES_MAX,
        LETTER_TEXT_BYTES_MAX,
        SUBJECT_BYTES_MAX,
        LANGUAGE_BYTES_MAX,
        ALTERNATIVES_MAX,
        MENTIONS_MAX,
        REACTION_BYTES_MAX,
        CARD_NAME_BYTES_MAX,
        CARD_NOTE_BYTES_MAX,
        PLACE_BYTES_MAX,
        POLL_QUESTION_BYTES_MAX,
        POLL_OPTIONS_MAX,
        POLL_OPTION_BYTES_MAX,
        SOUND_BYTES_MAX,
        RECEIPT_LETTERS_MAX,
        DEPOSIT_DEVICES_MAX,
        MAILBOX_LETTERS_MAX,
        MAILBOX_BYTES_MAX,
        PREKEYS_MAX,
        SIGNAL_BYTES_MAX,
        CANDIDATES_MAX,
        REFLECTORS_MAX,
        TUNNEL_DATAGRAM_BYTES_MAX,
        MARKS_MAX,
        TRANSFER_NAME_BYTES_MAX,
        OFFER_TEXT_BYTES_MAX,
        TRANSFER_ENTRIES_MAX,
        TRANSFER_BYTES_MAX,
        PATH_BYTES_MAX,
        PATH_DEPTH_MAX,
        MANIFEST_PART_ENTRIES_MAX,
        MANIFEST_PART_BYTES_MAX,
        MANIFEST_PARTS_MAX,
        WANT_SPANS_MAX,
        PATTERNS_BYTES_MAX,
        SWARM_MEMBERS_MAX,
        SWARM_RANGES_MAX,
        RANGE_BYTES,
        PACK_FILES_MAX,
        PACK_FILES_MAX,
        RECORD_BYTES_MAX,
    ];
    let source = fs::read_to_string(repository().join("wire/src/limits.rs")).unwrap();
    let names = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    let missing: Vec<&str> = names.filter(|name| !values.contains_key(*name)).collect();
    assert_eq!(missing, [""; 0], "name these limits in this test and on the page");
    let shown: BTreeMap<String, String> =
        table("### Limits").into_iter().map(|cells| (cells[0].clone(), cells[1].clone())).collect();
    assert_eq!(shown, values);
}
