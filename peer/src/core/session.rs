//! The session with the rendezvous: whether it is up and can be trusted, and which prekeys it holds.

use hobnob_wire::Address;
use hobnob_wire::bounded::List;
use hobnob_wire::invite::Invite;
use hobnob_wire::mailbox::MailboxRequest;
use hobnob_wire::session::Request;

use super::command::{CommandError, ErrorKind};
use super::effect::Effect;
use super::event::Event;
use super::keys::Keyring;
use super::keys::olm::PREKEYS_PUBLISHED;
use super::settings;
use super::store::Store;
use super::time::Entropy;
use super::turn::{Asked, Turn};
use super::view::{SessionState, StatusView};

/// Version of the roster that is kept here.
const ROSTER: &str = "roster.version";

/// The session as the engine knows it.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    roster: u64,
    /// All that changed in the roster while we were away has been pushed.
    complete: bool,
}

#[derive(Debug)]
enum State {
    Up,
    Down { problem: String },
}

impl Session {
    pub(crate) fn open<S: Store>(store: &mut S) -> Result<Self, S::Error> {
        let roster = store.setting(ROSTER)?.and_then(|version| version.parse().ok()).unwrap_or(0);
        Ok(Self {
            state: State::Down { problem: "The app has just started.".to_owned() },
            roster,
            complete: false,
        })
    }

    /// Whether requests make sense.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// The session is authenticated, and the rendezvous showed a list of ours that may be trusted.
    pub(crate) fn came_up<S: Store, E: Entropy>(
        &mut self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
    ) -> Result<(), S::Error> {
        self.state = State::Up;
        self.complete = false;
        turn.event(Event::Session { session: SessionState::Up, problem: None });
        // Prekeys go first: the rendezvous counts them when we resume.
        if !keys.olm.has_one_time_keys() {
            publish(turn, keys, PREKEYS_PUBLISHED)?;
        } else if keys.olm.has_unpublished() {
            publish(turn, keys, 0)?;
        }
        let presence = settings::presence(turn.store)?;
        turn.ask(Asked::Presence, Request::Presence(presence));
        turn.effect(Effect::Resume { roster: self.roster });
        Ok(())
    }

    /// The session is down, or must not be used.
    pub(crate) fn went_down<S, E>(&mut self, turn: &mut Turn<'_, S, E>, problem: String) {
        let same = matches!(&self.state, State::Down { problem: known } if *known == problem);
        self.state = State::Down { problem: problem.clone() };
        if !same {
            turn.event(Event::Session { session: SessionState::Down, problem: Some(problem) });
        }
    }

    /// The roster changed. Changes that were missed come in any order, so their version counts only once
    /// all have come.
    pub(crate) fn roster_changed<S: Store>(&mut self, store: &mut S, version: u64) -> Result<(), S::Error> {
        if self.complete { self.roster_complete(store, version) } else { Ok(()) }
    }

    /// The roster here is complete up to a version.
    pub(crate) fn roster_complete<S: Store>(&mut self, store: &mut S, version: u64) -> Result<(), S::Error> {
        self.complete = true;
        if version == self.roster {
            return Ok(());
        }
        self.roster = version;
        store.set_setting(ROSTER, &version.to_string())
    }

    /// Few one-time prekeys are left at the rendezvous.
    pub(crate) fn prekeys_low<S: Store, E: Entropy>(
        &self,
        turn: &mut Turn<'_, S, E>,
        keys: &mut Keyring,
        left: u16,
    ) -> Result<(), S::Error> {
        match PREKEYS_PUBLISHED.saturating_sub(left) {
            0 => Ok(()),
            missing => publish(turn, keys, missing),
        }
    }

    /// What a command that needs the session is told while it is down.
    pub(crate) fn offline(&self) -> CommandError {
        let why = match &self.state {
            State::Up => String::new(),
            State::Down { problem } => format!(" ({})", problem.trim_end_matches('.')),
        };
        let text = format!("There is no connection to the rendezvous{why}. Try again when it is back.");
        CommandError::new(ErrorKind::Offline, text)
    }

    /// Own state, without links.
    pub(crate) fn view(&self, keys: &Keyring) -> StatusView {
        let (session, problem) = match &self.state {
            State::Up => (SessionState::Up, None),
            State::Down { problem } => (SessionState::Down, Some(problem.clone())),
        };
        StatusView {
            address: keys.identity.address.clone(),
            session,
            problem,
            device: keys.identity.device,
            rendezvous: place(&keys.identity.rendezvous),
            links: Vec::new(),
            notices: Vec::new(),
        }
    }
}

/// Where a rendezvous is, as users read it: `host:port`.
pub(crate) fn place(rendezvous: &Invite) -> String {
    let host = &rendezvous.host;
    if host.contains(':') {
        format!("[{host}]:{}", rendezvous.port)
    } else {
        format!("{host}:{}", rendezvous.port)
    }
}

/// Publishes prekeys: those that wait, else `count` new ones. They are kept first.
fn publish<S: Store, E: Entropy>(
    turn: &mut Turn<'_, S, E>,
    keys: &mut Keyring,
    count: u16,
) -> Result<(), S::Error> {
    let Ok(prekeys) = keys.olm.prekeys(&keys.identity.signing, count) else {
        return Ok(());
    };
    if let (Ok(account), Ok(one_time)) = (keys.olm.pickle(), List::new(prekeys.one_time)) {
        turn.store.set_olm_account(&account)?;
        let request = MailboxRequest::PublishPrekeys { fallback: prekeys.fallback, one_time };
        turn.ask(Asked::Publish, Request::Mailbox(request));
    }
    Ok(())
}

/// The rendezvous has the prekeys.
pub(crate) fn published<S: Store>(store: &mut S, keys: &mut Keyring) -> Result<(), S::Error> {
    keys.olm.mark_published();
    match keys.olm.pickle() {
        Ok(account) => store.set_olm_account(&account),
        Err(_) => Ok(()),
    }
}

/// Why the session of a rendezvous that shows a foreign welcome is not used.
pub(crate) fn foreign_welcome(own: &Address) -> String {
    format!("The rendezvous took this device for another account than {own}; it is not used.")
}
