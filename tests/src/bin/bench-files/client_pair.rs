//! Two people in this process, as a program embeds the app, with a rendezvous beside them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hobnob_peer::{Client, Event, Events, Options, SessionState};
use hobnob_tests::world::World;
use tokio::time::timeout;

/// Nothing measured here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Alice and Bob, who are contacts.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) alice: Client,
    pub(crate) bob: Client,
    pub(crate) world: World,
}

impl Pair {
    pub(crate) async fn new() -> Result<Self> {
        let world = tokio::task::spawn_blocking(|| {
            let world = World::with_room_for(1 << 30);
            for name in ["alice", "bob"] {
                assert_eq!(world.newcomer(name).register().code, 0);
            }
            world
        });
        let world = world.await.context("the rendezvous did not start")?;
        let open = |name| Client::open(Options::new(world.path(name)));
        let (alice, bob) = (open("alice").await?, open("bob").await?);
        let (mut seen_by_alice, mut seen_by_bob) = (alice.events(None), bob.events(None));
        session(&alice, &mut seen_by_alice).await?;
        session(&bob, &mut seen_by_bob).await?;
        alice.add_contact(bob.address().clone(), "").await?;
        let asked = |event: &Event| matches!(event, Event::Contact(contact) if contact.pending == "in");
        next(&mut seen_by_bob, asked).await?;
        bob.accept_contact(alice.address().clone()).await?;
        let online = |event: &Event| matches!(event, Event::Contact(contact) if contact.presence == "online");
        next(&mut seen_by_alice, online).await?;
        Ok(Self { alice, bob, world })
    }
}

/// Waits until the client's session is up.
pub(crate) async fn session(client: &Client, events: &mut Events) -> Result<()> {
    if client.status().await?.session == SessionState::Up {
        return Ok(());
    }
    let up = |event: &Event| matches!(event, Event::Session { session: SessionState::Up, .. });
    next(events, up).await.map(drop)
}

/// The next event that `is_it` wants.
pub(crate) async fn next(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Result<Event> {
    let wanted = async {
        while let Some(event) = events.next().await {
            let (_, event) = event?;
            if is_it(&event) {
                return Ok(event);
            }
        }
        bail!("the client has stopped")
    };
    timeout(PATIENCE, wanted).await.context("nothing happened in time")?
}
