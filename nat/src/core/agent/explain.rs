//! Tells people which path there is, and why it is not a better one.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob_wire::signal::{CandidateKind, Mapping};

use super::Agent;
use super::exchange::Told;
use super::guess::Guess;
use super::input::Selection;
use super::rank;
use super::report::{PathKind, PathReport, WhyNot};
use super::way::Policy;

impl Agent {
    /// The path as it is at `now`.
    #[must_use]
    pub fn report(&self, now: Duration) -> PathReport {
        let (kind, pair) = match self.selection {
            Selection::Nothing => (PathKind::None, None),
            Selection::Relay => (PathKind::Relayed, None),
            Selection::Direct(way) => {
                let pair = self.pair(way);
                (pair.map_or(PathKind::None, |pair| rank::kind(pair, &self.local)), pair)
            }
        };
        PathReport {
            kind,
            way: pair.map(|pair| pair.way),
            rtt: pair.and_then(|pair| pair.proof).map(|proof| proof.rtt),
            since: self.since,
            why_not_direct: self.why_not(now),
            notes: self.notes.iter().copied().collect(),
            sent: self.sent,
        }
    }

    /// Why there is no direct path, if there is none.
    pub(super) fn why_not(&self, now: Duration) -> Option<WhyNot> {
        if matches!(self.selection, Selection::Direct(_)) {
            return None;
        }
        let Some(current) = self.generations.current() else {
            return Some(WhyNot::NotAsked);
        };
        if current.own.policy == Policy::RelayOnly {
            return Some(WhyNot::OwnPolicy);
        }
        if current.stopped {
            return Some(WhyNot::Stopped);
        }
        let Some(told) = &current.told else {
            return Some(WhyNot::Unanswered);
        };
        if told.candidates.is_empty() {
            return Some(WhyNot::NoCandidates);
        }
        let is_guessing = self.guess.as_ref().is_some_and(|guess| !guess.is_over());
        let is_trying = self.pairs.iter().any(|pair| pair.is_checking() || pair.works(now));
        if is_trying || is_guessing {
            return Some(WhyNot::Checking);
        }
        Some(self.after_all(told))
    }

    /// Why nothing worked, after all has been tried.
    fn after_all(&self, told: &Told) -> WhyNot {
        let (own, peer) = (self.local.mapping, told.mapping);
        if self.fell {
            return WhyNot::Silent;
        }
        let mut own_addresses = self.local.candidates.iter().map(|one| SocketAddr::from(one.at));
        let common =
            own_addresses.any(|own| told.candidates.iter().any(|(_, at)| at.is_ipv4() == own.is_ipv4()));
        if !common && !self.local.candidates.is_empty() {
            return WhyNot::NoCommonFamily;
        }
        if self.hopeless {
            return WhyNot::BothHard { own, peer };
        }
        if own.is_endpoint_dependent() || peer.is_endpoint_dependent() {
            return WhyNot::NotGuessed { own, peer };
        }
        let is_seen = self.local.candidates.iter().any(|one| one.kind == CandidateKind::Reflexive);
        if own == Mapping::Unknown && !is_seen && self.guess.as_ref().is_none_or(Guess::is_over) {
            return WhyNot::UdpBlocked;
        }
        WhyNot::NoAnswer
    }
}
