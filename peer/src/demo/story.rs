//! What happens between Alice and Bob.

use std::time::{Duration, Instant};

use hobnob_wire::LetterId;
use tokio::task::spawn_blocking;

use super::content::Content;
use super::person::Person;
use super::report::Report;
use super::stage::{People, Stage};
use super::transfer;
use super::witness::{self, Seen};
use crate::api::bodies::ContactAdd;
use crate::api::client::{ApiClient, Letters};
use crate::cli::{Output, Stop, elapsed};
use crate::core::command::CommandError;
use crate::core::view::{ContactView, LetterState, LinkView};

const HELLO: &str = "Hello Bob, here is Alice. Do you have a minute for a large file?";
const ANSWER: &str = "Hello Alice! Always. שלום — 你好 — send it over.";
const WHILE_AWAY: &str = "You were away when I wrote this. It has waited for you, sealed.";

/// Tells the whole story, and reports what was measured.
pub(super) async fn tell(
    stage: &mut Stage,
    mut people: People,
    content: Content,
    output: Output,
) -> Result<Report, Stop> {
    befriend(&mut people).await?;
    output.note("  ✓ They are contacts.");

    let there = write(&mut people.alice, &mut people.bob, HELLO).await?;
    let back = write(&mut people.bob, &mut people.alice, ANSWER).await?;
    output.note(&format!("  ✓ Letters went both ways, in {} and {}.", elapsed(there), elapsed(back)));

    let letters = [HELLO, ANSWER, WHILE_AWAY].map(|text| text.as_bytes().to_vec());
    let secrets: Vec<Vec<u8>> = letters.into_iter().chain(content.pieces.iter().cloned()).collect();
    let while_waiting = write_to_absent(stage, &mut people, &secrets).await?;
    output.note("  ✓ A letter waited for Bob at the rendezvous while he was away.");

    let sent = transfer::send(stage, &mut people, &content, output).await?;
    output.note("  ✓ What Alice sent has arrived.");

    let link = link(&mut people).await?;
    let at_the_end = search(stage, secrets).await?;
    let bytes = while_waiting.bytes.max(at_the_end.bytes);
    let seen = Seen { bytes, ..at_the_end };
    Ok(Report::new(sent, link, seen))
}

async fn befriend(people: &mut People) -> Result<(), Stop> {
    let People { alice, bob, .. } = people;
    let text = "It's Alice".to_owned();
    alice.api.add_contact(&ContactAdd { address: bob.address.clone(), text }).await?;
    let from = alice.address.clone();
    bob.until("Alice's request", async |api| {
        has_contact(api, &from, |contact| contact.pending == "in").await
    })
    .await?;
    bob.api.accept_contact(&from).await?;
    let whom = bob.address.clone();
    for (person, other) in [(alice, whom), (bob, from)] {
        person
            .until("the other to be a contact who is online", async |api| {
                has_contact(api, &other, |contact| {
                    contact.subscription == "both" && contact.presence == "online"
                })
                .await
            })
            .await?;
    }
    Ok(())
}

async fn has_contact(
    api: &ApiClient,
    address: &str,
    is_so: impl Fn(&ContactView) -> bool,
) -> Result<Option<()>, CommandError> {
    let contacts = api.contacts().await?;
    Ok(contacts.iter().any(|contact| contact.address.as_str() == address && is_so(contact)).then_some(()))
}

/// One letter from one to the other; how long it took until the author knew that it had arrived.
async fn write(from: &mut Person, to: &mut Person, text: &str) -> Result<Duration, Stop> {
    let begun = Instant::now();
    let letter = from.api.send(to.address.clone(), text.to_owned()).await?;
    comes_to(from, letter.id, LetterState::Delivered).await?;
    let took = begun.elapsed();
    reads(to, from, text).await?;
    Ok(took)
}

async fn comes_to(from: &mut Person, id: LetterId, state: LetterState) -> Result<(), Stop> {
    from.until("its letter to arrive", async |api| Ok((api.letter(id).await?.state >= state).then_some(())))
        .await
}

/// The last letter that `to` has from `from` says `text`.
async fn reads(to: &Person, from: &Person, text: &str) -> Result<(), Stop> {
    let letters = to.api.letters(&from.address, &Letters::Newest, 1).await?;
    if letters.last().is_some_and(|letter| letter.text == text) {
        return Ok(());
    }
    Err(Stop::failure(format!("what {} reads is not what {} wrote", to.name, from.name)))
}

/// Bob goes, Alice writes, Bob comes back and finds the letter. Meanwhile it lies at the rendezvous.
async fn write_to_absent(stage: &mut Stage, people: &mut People, secrets: &[Vec<u8>]) -> Result<Seen, Stop> {
    if let Some(process) = stage.bob.take() {
        process.stop().await?;
    }
    let to = people.bob.address.clone();
    let letter = people.alice.api.send(to, WHILE_AWAY.to_owned()).await?;
    comes_to(&mut people.alice, letter.id, LetterState::Accepted).await?;
    let seen = search(stage, secrets.to_vec()).await?;
    let (process, bob) = people.bob_home.up().await?;
    stage.bob = Some(process);
    people.bob = bob;
    comes_to(&mut people.alice, letter.id, LetterState::Delivered).await?;
    reads(&people.bob, &people.alice, WHILE_AWAY).await?;
    Ok(seen)
}

/// The way on which Alice reaches Bob, and how long the handshake took.
async fn link(people: &mut People) -> Result<LinkView, Stop> {
    let to = people.bob.address.clone();
    let find = async |api: &ApiClient| {
        let links = api.status().await?.links;
        Ok(links.into_iter().find(|link| link.address.as_str() == to))
    };
    people.alice.until("a link", find).await
}

async fn search(stage: &Stage, secrets: Vec<Vec<u8>>) -> Result<Seen, Stop> {
    let home = stage.rendezvous_home.clone();
    let searched = spawn_blocking(move || witness::search(&home, &secrets)).await;
    let searched = searched.map_err(|error| Stop::failure(error.to_string()))?;
    searched.map_err(|error| Stop::failure(format!("the home of the rendezvous cannot be searched: {error}")))
}
