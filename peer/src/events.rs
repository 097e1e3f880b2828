//! The ordered stream of events, kept for a while so that whoever comes back misses nothing.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::core::event::Event;
use crate::core::view::LetterView;

/// Events that are kept.
const EVENTS_MAX: usize = 4096;

/// Bytes of text in the events that are kept; long letters push the oldest out earlier.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// A place in the stream of events. Later events have larger ones, also after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor(u64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Events after the cursor are no longer kept: read the state anew. The stream goes on with the oldest event kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("events were missed; read the state anew")]
pub struct Missed;

/// The events of the recent past.
#[derive(Debug)]
pub(crate) struct Ring {
    kept: Mutex<Kept>,
    /// The cursor of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    /// The cursor of the oldest event kept, or of the next one when there is none.
    oldest: u64,
    events: VecDeque<Event>,
    text_bytes: usize,
}

impl Ring {
    /// An empty ring. Cursors count on from the time, so that one from before a restart is known as such; a microsecond
    /// per event leaves room, and stays exact in JSON for 200 years.
    pub(crate) fn new(unix_ms: u64) -> Self {
        let newest = unix_ms.saturating_mul(1000);
        let kept = Kept { oldest: newest + 1, events: VecDeque::new(), text_bytes: 0 };
        Self { kept: Mutex::new(kept), newest: watch::Sender::new(newest) }
    }

    /// Adds an event and wakes whoever waits for it.
    pub(crate) fn push(&self, event: Event) {
        let mut kept = self.kept();
        kept.text_bytes += text_bytes(&event);
        kept.events.push_back(event);
        while kept.events.len() > EVENTS_MAX || (kept.text_bytes > TEXT_BYTES_MAX && kept.events.len() > 1) {
            if let Some(event) = kept.events.pop_front() {
                kept.text_bytes -= text_bytes(&event);
                kept.oldest += 1;
            }
        }
        self.newest.send_replace(kept.oldest + kept.events.len() as u64 - 1);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event at `cursor`: the one asked for, none yet, or none any more.
    fn at(&self, cursor: u64) -> Result<Option<Event>, Missed> {
        let kept = self.kept();
        let place = cursor.checked_sub(kept.oldest).ok_or(Missed)?;
        if place > kept.events.len() as u64 {
            return Err(Missed);
        }
        Ok(usize::try_from(place).ok().and_then(|place| kept.events.get(place)).cloned())
    }

    fn oldest(&self) -> u64 {
        self.kept().oldest
    }
}

/// Bytes of a letter that its author can make many.
fn letter_bytes(letter: &LetterView) -> usize {
    let alternatives: usize = letter.alternatives.values().map(String::len).sum();
    let options = letter.poll.iter().flat_map(|poll| &poll.options).map(|option| option.text.len());
    letter.text.len() + alternatives + options.sum::<usize>()
}

/// Bytes of an event that others can make long.
fn text_bytes(event: &Event) -> usize {
    match event {
        Event::Letter(letter) => letter_bytes(letter),
        Event::LetterChanged { letter, .. } => letter_bytes(letter),
        Event::Chat(chat) => chat.draft.len(),
        Event::Contact(contact) => contact.text.len() + contact.status_text.len(),
        Event::ContactRemoved { text, .. } | Event::Warning { text, .. } => text.len(),
        Event::Transfer(transfer) => transfer.name.len() + transfer.text.len(),
        Event::Session { .. }
        | Event::OtherLocation(_)
        | Event::LetterState { .. }
        | Event::LetterGone { .. }
        | Event::Typing { .. }
        | Event::LinkUp(_)
        | Event::Path(_)
        | Event::LinkDown { .. } => 0,
    }
}

/// Follows the stream of events. Each follower has its own place in it.
#[derive(Debug)]
pub struct Events {
    ring: Arc<Ring>,
    next: u64,
    newest: watch::Receiver<u64>,
    /// Ends the stream: the driver holds the sender.
    running: watch::Receiver<bool>,
}

impl Events {
    /// Follows `ring` after a cursor, or from now on.
    pub(crate) fn new(ring: Arc<Ring>, after: Option<Cursor>, running: watch::Receiver<bool>) -> Self {
        let newest = ring.newest.subscribe();
        let next = after.map_or(*newest.borrow(), |cursor| cursor.0).saturating_add(1);
        Self { ring, next, newest, running }
    }

    /// The next event and its place; waits for it. `None` when the app has stopped and all events have been
    /// told. Cancel safe.
    ///
    /// # Errors
    /// [`Missed`], once each time that events were lost; call again for those that are kept.
    pub async fn next(&mut self) -> Option<Result<(Cursor, Event), Missed>> {
        loop {
            self.newest.borrow_and_update();
            match self.ring.at(self.next) {
                Ok(Some(event)) => {
                    let cursor = Cursor(self.next);
                    self.next += 1;
                    return Some(Ok((cursor, event)));
                }
                Err(missed) => {
                    self.next = self.ring.oldest();
                    return Some(Err(missed));
                }
                Ok(None) => {}
            }
            let Self { newest, running, .. } = self;
            tokio::select! {
                biased;
                Ok(()) = newest.changed() => {}
                _ = running.wait_for(|running| !*running) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hobnob_wire::Address;

    use super::*;

    fn typing(number: usize) -> Event {
        let address: Address = format!("a{number}@b").parse().unwrap();
        Event::Typing { address, active: true }
    }

    fn ring(events: usize) -> Arc<Ring> {
        let ring = Ring::new(1);
        (0..events).for_each(|number| ring.push(typing(number)));
        Arc::new(ring)
    }

    async fn all(ring: &Arc<Ring>, after: Option<Cursor>) -> Vec<Result<(Cursor, Event), Missed>> {
        let (_running, stopped) = watch::channel(false);
        let mut events = Events::new(Arc::clone(ring), after, stopped);
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event);
        }
        all
    }

    #[tokio::test]
    async fn a_follower_who_comes_back_gets_what_came_after_its_cursor() {
        let ring = ring(3);
        assert_eq!(
            all(&ring, Some(Cursor(1001))).await,
            [Ok((Cursor(1002), typing(1))), Ok((Cursor(1003), typing(2)))]
        );
        assert_eq!(all(&ring, None).await, []);
    }

    #[tokio::test]
    async fn a_follower_who_was_away_too_long_is_told_once_and_goes_on_with_the_oldest_kept() {
        let ring = ring(EVENTS_MAX + 2);
        let told = all(&ring, Some(Cursor(1000))).await;
        assert_eq!(told.len(), EVENTS_MAX + 1);
        assert_eq!(told[..2], [Err(Missed), Ok((Cursor(1003), typing(2)))]);
    }

    #[tokio::test]
    async fn a_cursor_of_another_run_is_known_as_such() {
        let ring = ring(1);
        assert_eq!(all(&ring, Some(Cursor(5))).await[0], Err(Missed));
        assert_eq!(all(&ring, Some(Cursor(9000))).await[0], Err(Missed));
    }
}
