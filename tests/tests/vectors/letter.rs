//! Examples of letters.

use hobnob_wire::SwarmId;
use hobnob_wire::bounded::{List, Opaque};
use hobnob_wire::device::ListHead;
use hobnob_wire::letter::{
    Alternative, ChatMarks, ContactCard, Delete, Edit, EndReason, Latitude, Letter, LetterBody, LetterRef,
    Location, Longitude, Nudge, Offer, OfferEnd, OlmKind, OwnSync, Poll, Reached, Reaction, Receipt,
    SealedLetter, TextBody, Vote, Words,
};
use hobnob_wire::swarm::{MemberMark, Swarm};

use crate::example::{Example, Vector, every, frames, variants, within};
use crate::people::*;

variants! {
    OlmKind: PreKey, Normal;
    LetterBody: Text, Receipt, Offer, OfferEnd, Edit, Delete, Reaction, Nudge, ContactCard, Location, Poll, Vote,
        OwnSync, Unknown;
    OwnSync: Draft, Read, Marks;
}

pub(crate) fn vectors() -> Vec<Vector> {
    [frames("sealed_letter", sealed_letters()), frames("letter", letters())].concat()
}

fn sealed_letters() -> Vec<Example<SealedLetter>> {
    let letter = |kind| SealedLetter { sender: noise(OLM).public(), kind, message: bytes(&[1, 2, 3]) };
    let examples = vec![
        ("first", "the Olm key, a prekey message 010203", OlmKind::PreKey),
        ("later", "the Olm key, a normal message 010203", OlmKind::Normal),
    ];
    within(every(examples), letter)
}

fn letters() -> Vec<Example<Letter>> {
    let own = within(every(own()), LetterBody::OwnSync);
    let all = [words(), files(), changes(), attachments(), own].concat();
    within(every(all), |body| letter(&body))
}

fn said(said: &str) -> Words {
    Words { text: text(said), ..Words::default() }
}

/// A letter of Bob's.
fn of_bob() -> LetterRef {
    LetterRef { author: bob(), id: letter_id() }
}

fn words() -> Vec<Example<LetterBody>> {
    let alternative = Alternative { lang: "de".parse().unwrap(), text: text("hallo") };
    let full = TextBody {
        words: Words {
            text: text("hello"),
            subject: Some(text("greeting")),
            lang: Some("en".parse().unwrap()),
            alternatives: List::new(vec![alternative]).unwrap(),
            mentions: List::new(vec![bob()]).unwrap(),
        },
        thread: Some(of_bob()),
        reply_to: Some(of_bob()),
        expires_after_s: Some(300),
        forwarded_from: Some(alice()),
    };
    let receipt = Receipt { reached: Reached::Read, letters: List::new(vec![letter_id()]).unwrap() };
    vec![
        (
            "text",
            "kind 1: hello, and nothing else",
            LetterBody::Text(TextBody { words: said("hello"), ..TextBody::default() }),
        ),
        (
            "full text",
            "kind 1: hello, subject greeting, in en, in de hallo, mentions Bob, in a thread and a reply to the letter of Bob's, for 300 s, first from Alice",
            LetterBody::Text(full),
        ),
        ("receipt", "kind 2: read, the letter", LetterBody::Receipt(receipt)),
    ]
}

fn files() -> Vec<Example<LetterBody>> {
    let offer = Offer {
        transfer: transfer_id(),
        name: text("photos"),
        entries: 2,
        bytes: 300,
        manifest: [0x77; 32],
        sealed: true,
        text: text("look"),
        swarm: None,
    };
    let members = List::new(vec![MemberMark::new([0x99; 16]), MemberMark::new([0xaa; 16])]).unwrap();
    let shared = Offer { swarm: Some(Swarm { id: SwarmId::new([0x88; 16]), members }), ..offer.clone() };
    let end = OfferEnd { transfer: transfer_id(), reason: EndReason::Cancelled, text: text("later") };
    vec![
        (
            "offer",
            "kind 3: the transfer, photos, 2 entries, 300 bytes, digest 32 bytes 77, sealed, text look",
            LetterBody::Offer(offer),
        ),
        (
            "offer to several",
            "the same to swarm 16 bytes 88, marks 16 bytes 99 and 16 bytes aa",
            LetterBody::Offer(shared),
        ),
        ("offer end", "kind 4: the transfer, cancelled, text later", LetterBody::OfferEnd(end)),
    ]
}

fn changes() -> Vec<Example<LetterBody>> {
    let letter = letter_id();
    vec![
        ("edit", "kind 5: the letter, goodbye", LetterBody::Edit(Edit { letter, words: said("goodbye") })),
        ("delete", "kind 6: the letter", LetterBody::Delete(Delete { letter })),
        (
            "reaction",
            "kind 7: to the letter of Bob's, U+1F44D",
            LetterBody::Reaction(Reaction { letter: of_bob(), reaction: text("\u{1f44d}") }),
        ),
        ("nudge", "kind 8: an empty body", LetterBody::Nudge(Nudge {})),
        ("unknown", "kind 999: body 010203", LetterBody::Unknown { kind: 999 }),
    ]
}

fn attachments() -> Vec<Example<LetterBody>> {
    let card = ContactCard { address: bob(), name: text("Bob"), note: text("a friend") };
    let location = Location {
        latitude: Latitude::try_from(525_162_746).unwrap(),
        longitude: Longitude::try_from(-133_777_041).unwrap(),
        accuracy_m: Some(30),
        place: text("at the gate"),
    };
    let options = List::new(vec![text("tea"), text("coffee")]).unwrap();
    let poll = Poll { question: text("What?"), options, multiple: true };
    let vote = Vote { poll: of_bob(), choices: List::new(vec![1]).unwrap() };
    vec![
        ("contact card", "kind 9: bob@example.org, Bob, a friend", LetterBody::ContactCard(card)),
        (
            "location",
            "kind 10: 52.5162746, -13.3777041, within 30 m, at the gate",
            LetterBody::Location(location),
        ),
        ("poll", "kind 11: What?, tea or coffee, several", LetterBody::Poll(poll)),
        ("vote", "kind 12: in the poll of Bob's, option 1", LetterBody::Vote(vote)),
    ]
}

fn own() -> Vec<Example<OwnSync>> {
    let marks = ChatMarks { unread: true, hides_typing: false, mutes_nudges: true, sound: text("bell") };
    vec![
        ("draft", "kind 13: with Bob, hel", OwnSync::Draft { chat: bob(), text: text("hel") }),
        (
            "read",
            "kind 13: with Bob, the letter",
            OwnSync::Read { chat: bob(), letters: List::new(vec![letter_id()]).unwrap() },
        ),
        (
            "marks",
            "kind 13: with Bob, unread, shows typing, mutes nudges, sound bell",
            OwnSync::Marks { chat: bob(), marks },
        ),
    ]
}

/// A letter to Bob around this body.
fn letter(body: &LetterBody) -> Letter {
    let (kind, body) =
        if let LetterBody::Unknown { kind } = body { (*kind, vec![1, 2, 3]) } else { body.encode().unwrap() };
    Letter {
        id: letter_id(),
        at_unix_ms: 1_700_000_000_000,
        to: bob(),
        head: ListHead { seq: 0, hash: [0x66; 32] },
        kind,
        body: Opaque::new(body).unwrap(),
    }
}
