//! Surveys of the network: opens a socket on each address of this machine, and tells who asked what was found.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::core::binding::{POSTS_MAX, Post, Survey};
use crate::core::candidate::{LocalAddress, Loopback};
use crate::demux::Demux;
use crate::network::Network;

/// How long those who do not answer are waited for. People wait for this.
const WITHIN: Duration = Duration::from_secs(3);

/// Who may wait for one survey. Further ones hear nothing.
const WAITING_MAX: usize = 16;

/// Those who wait for a survey, and its sockets.
#[derive(Debug, Default)]
pub(super) struct Surveys {
    waiting: Vec<oneshot::Sender<Survey>>,
    posts: Vec<Post>,
    due: Option<Instant>,
}

impl Surveys {
    /// Somebody wants to know. Whether a survey is to begin, rather than one is under way.
    pub(super) fn join(&mut self, answer: oneshot::Sender<Survey>) -> bool {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(answer);
        }
        self.due.is_none()
    }

    /// When it is to end.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Opens the sockets of a survey.
    pub(super) fn open(
        &mut self,
        addresses: &[LocalAddress],
        loopback: Loopback,
        network: &dyn Network,
        demux: &Demux,
    ) -> Vec<Post> {
        let asked = addresses.iter().map(|at| at.ip).filter(|ip| is_asked_about(*ip, loopback));
        let posts = asked.take(POSTS_MAX).filter_map(|ip| {
            let socket = network.bind(SocketAddr::new(ip, 0)).ok()?;
            let own = socket.local_addr().ok()?;
            Some(Post { via: demux.add_socket(socket)?, own })
        });
        self.posts = posts.collect();
        self.due = Some(Instant::now() + WITHIN);
        self.posts.clone()
    }

    /// Tells what was `found`, if that is all or it is time; or nothing when the session has ended. Whether the survey is over.
    pub(super) fn tell(&mut self, found: Option<(Survey, bool)>, demux: &Demux) -> bool {
        let Some(due) = self.due else { return false };
        let survey = match found {
            Some((_, false)) if Instant::now() < due => return false,
            Some((survey, _)) => Some(survey),
            None => None,
        };
        self.due = None;
        self.posts.drain(..).for_each(|post| demux.close_socket(post.via));
        for answer in self.waiting.drain(..) {
            if let Some(survey) = &survey {
                // Whoever asked may have gone.
                let _ = answer.send(survey.clone());
            }
        }
        true
    }
}

/// Link-local addresses lead nowhere, and loopback only to a rendezvous on this machine.
fn is_asked_about(ip: IpAddr, loopback: Loopback) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !is_link_local && (loopback == Loopback::Allowed || !ip.is_loopback())
}
