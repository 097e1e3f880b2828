//! Who is whom in the overlay: which node is asked what, which device it proves to be, and which signal goes where.
//!
//! A [`Meeting`] is told of nodes that discovery found and of what they ask and answer; it says whom to ask, whom to send
//! signals, and what was learned. It opens no connection. Nodes prove who they are to each other by marks; see
//! [`hobnob_wire::overlay`]. A node that shows no right mark is a stranger: it is asked no more for a while and learns
//! nothing.
//!
//! | module | job |
//! | --- | --- |
//! | `search` | the distributed hash table: under which tags to be found, and whom to look for when |
//! | `signals` | signals that wait for their device, and those that came twice |

mod search;
mod signals;
#[cfg(test)]
mod story;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hobnob_wire::DeviceId;
use hobnob_wire::bounded::List;
use hobnob_wire::limits::MARKS_MAX;
use hobnob_wire::overlay::{Mark, Means, Node, PairSecret, Tag};

use self::search::Search;
use self::signals::{Inbound, Outbound};

/// Nodes that are remembered at a time. Strangers make place for others.
pub const NODES_MAX: usize = 512;

/// The node with the larger key leaves the other so much time to ask, so that one question does for both.
const ASK_WAIT: Duration = Duration::from_secs(1);

/// Wait after the first question that got no answer; doubles with each further one.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Questions without an answer after which a node counts as a stranger.
const TRIES_MAX: u32 = 3;

/// A stranger is asked again after this time: it may be somebody who has become a contact meanwhile.
const STRANGER_WAIT: Duration = Duration::from_secs(300);

/// Questions of one node that are looked at within [`QUESTIONS_SPAN`]; further ones are answered without.
const QUESTIONS_MAX: u32 = 8;

/// See [`QUESTIONS_MAX`].
const QUESTIONS_SPAN: Duration = Duration::from_secs(60);

/// A device that one would like to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Which.
    pub device: DeviceId,
    /// What only it and this device know.
    pub secret: PairSecret,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask a node for these marks; answered by [`Meeting::answered`].
    Ask {
        /// Whom.
        node: Node,
        /// What.
        marks: List<Mark, MARKS_MAX>,
    },
    /// Send a signal to a node; answered by [`Meeting::taken`].
    Send {
        /// Whom.
        node: Node,
        /// The sealed signal.
        sealed: Vec<u8>,
    },
    /// A device is here.
    Seen(DeviceId),
    /// A device is here no longer.
    Lost(DeviceId),
    /// A device that is here sent a signal.
    Received {
        /// Which.
        device: DeviceId,
        /// The sealed signal.
        sealed: Vec<u8>,
    },
    /// Be found under exactly these tags.
    Provide(Vec<Tag>),
    /// Look who provides a tag; answered by [`Meeting::provider`] for each, and [`Meeting::searched`].
    Find(Tag),
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Asked at that time, unless it asks first.
    Waiting { at: Duration, tries: u32 },
    /// A question is on its way.
    Asking { tries: u32 },
    /// It showed no right mark.
    Stranger { since: Duration },
    /// It is this device.
    Known(DeviceId),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    standing: Standing,
    /// Set when it was found under the tag of one device: only that one is asked for.
    only: Option<DeviceId>,
    /// Since when, and how often, it has asked.
    asked: (Duration, u32),
}

/// One start of this device in the overlay.
#[derive(Debug)]
pub struct Meeting {
    own: Node,
    device: DeviceId,
    /// Source of the marks for strangers, which mean nothing.
    noise: [u8; 32],
    acquaintances: BTreeMap<DeviceId, PairSecret>,
    nodes: BTreeMap<Node, Known>,
    /// The newest node of each device that is here.
    here: BTreeMap<DeviceId, Node>,
    outbound: Outbound,
    inbound: Inbound,
    search: Search,
    outputs: VecDeque<Output>,
}

impl Meeting {
    /// Begins as the node `own` of the device `device`; `noise` is 32 random bytes.
    #[must_use]
    pub fn new(own: Node, device: DeviceId, noise: [u8; 32]) -> Self {
        Self {
            own,
            device,
            noise,
            acquaintances: BTreeMap::new(),
            nodes: BTreeMap::new(),
            here: BTreeMap::new(),
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            search: Search::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Whom to meet from now on; of more than [`MARKS_MAX`] the first.
    pub fn set_acquaintances(&mut self, acquaintances: Vec<Acquaintance>, now: Duration) {
        let new: BTreeMap<_, _> = acquaintances
            .into_iter()
            .take(MARKS_MAX)
            .map(|acquaintance| (acquaintance.device, acquaintance.secret))
            .collect();
        let gone: Vec<DeviceId> =
            self.here.keys().filter(|device| !new.contains_key(device)).copied().collect();
        for device in gone {
            self.lost(device);
        }
        self.outbound.retain(|device| new.contains_key(&device));
        let more = new.keys().any(|device| !self.acquaintances.contains_key(device));
        self.acquaintances = new;
        for known in self.nodes.values_mut() {
            let forgotten = matches!(known.standing, Standing::Known(device) if !self.acquaintances.contains_key(&device));
            if forgotten || (more && matches!(known.standing, Standing::Stranger { .. })) {
                *known = Known { standing: Standing::Waiting { at: now, tries: 0 }, only: None, ..*known };
            }
        }
        self.search.set(self.acquaintances.keys().copied(), now);
        self.advance(now);
    }

    /// Uses the distributed hash table too: is found under the tags of the first of these days, which is today, and looks
    /// for those of all. The others are for devices whose clock is on the other side of midnight.
    pub fn search_on(&mut self, days: &[u32], now: Duration) {
        self.search.begin(days);
        self.advance(now);
    }

    /// Discovery on the network found a node.
    pub fn found(&mut self, node: Node, now: Duration) {
        let at = if self.own < node { now } else { now + ASK_WAIT };
        self.meet(node, Standing::Waiting { at, tries: 0 }, None, now);
        self.advance(now);
    }

    /// A node provides a tag that was looked for.
    pub fn provider(&mut self, tag: &Tag, node: Node, now: Duration) {
        let Some(device) = self.search.take_provider(tag) else {
            return;
        };
        if !self.here.contains_key(&device) {
            self.meet(node, Standing::Waiting { at: now, tries: 0 }, Some(device), now);
            self.advance(now);
        }
    }

    /// A search is over.
    pub fn searched(&mut self, tag: &Tag, now: Duration) {
        self.search.ended(tag);
        self.advance(now);
    }

    /// A node is not there any more.
    pub fn gone(&mut self, node: Node) {
        let Some(known) = self.nodes.remove(&node) else {
            return;
        };
        if let Standing::Known(device) = known.standing
            && self.here.get(&device) == Some(&node)
        {
            self.lost(device);
        }
    }

    /// A node asks for these marks. Every question costs the same and is answered in the same form.
    pub fn asked(&mut self, node: Node, marks: &[Mark], now: Duration) -> Mark {
        let noise = self.nonsense(&node);
        if !self.may_ask(node, now) {
            return noise;
        }
        let mut found = None;
        for (device, secret) in &self.acquaintances {
            if marks.contains(&secret.mark(Means::Question, &node, &self.own)) {
                found = Some((*device, secret.mark(Means::Answer, &self.own, &node)));
            }
        }
        let Some((device, mark)) = found else {
            return noise;
        };
        self.recognized(node, device, now);
        mark
    }

    /// A node answered a question, or did not.
    pub fn answered(&mut self, node: Node, mark: Option<Mark>, now: Duration) {
        let Some(known) = self.nodes.get(&node).copied() else {
            return;
        };
        let Standing::Asking { tries } = known.standing else {
            return;
        };
        let device = mark.and_then(|mark| {
            let is_it = |secret: &PairSecret| secret.mark(Means::Answer, &node, &self.own) == mark;
            self.acquaintances.iter().find(|(_, secret)| is_it(secret)).map(|(device, _)| *device)
        });
        if let Some(device) = device {
            return self.recognized(node, device, now);
        }
        let standing = if mark.is_none() && tries < TRIES_MAX {
            Standing::Waiting { at: now + RETRY_WAIT * 2_u32.pow(tries - 1), tries }
        } else {
            Standing::Stranger { since: now }
        };
        self.nodes.insert(node, Known { standing, ..known });
        self.advance(now);
    }

    /// A node sent a signal. Whether it is known; if not, it should ask first.
    pub fn signalled(&mut self, node: Node, sealed: Vec<u8>, now: Duration) -> bool {
        let Some(Known { standing: Standing::Known(device), .. }) = self.nodes.get(&node) else {
            return false;
        };
        let device = *device;
        if self.inbound.is_new(device, &sealed, now) {
            self.outputs.push_back(Output::Received { device, sealed });
        }
        true
    }

    /// Sends a signal to a device, as soon as it is here; not longer than signals are of use.
    pub fn signal(&mut self, device: DeviceId, sealed: Vec<u8>, now: Duration) {
        if self.acquaintances.contains_key(&device) {
            self.outbound.push(device, sealed, now);
            self.search.wanted(device, now);
            self.advance(now);
        }
    }

    /// A node took a signal (`Some(true)`), did not know us (`Some(false)`), or gave no answer.
    pub fn taken(&mut self, node: Node, taken: Option<bool>, now: Duration) {
        let Some(known) = self.nodes.get(&node).copied() else {
            return;
        };
        let Standing::Known(device) = known.standing else {
            return;
        };
        self.outbound.answered(device, taken == Some(true), now);
        if taken == Some(false) {
            let standing = Standing::Waiting { at: now, tries: 0 };
            self.nodes.insert(node, Known { standing, ..known });
        }
        self.advance(now);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let node = |known: &Known| match known.standing {
            Standing::Waiting { at, .. } => Some(at),
            Standing::Stranger { since } => Some(since + STRANGER_WAIT),
            Standing::Asking { .. } | Standing::Known(_) => None,
        };
        let nodes = self.nodes.values().filter_map(node).min();
        [nodes, self.outbound.deadline(), self.search.deadline()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        for known in self.nodes.values_mut() {
            if matches!(known.standing, Standing::Stranger { since } if since + STRANGER_WAIT <= now) {
                known.standing = Standing::Waiting { at: now, tries: 0 };
            }
        }
        self.advance(now);
    }

    /// Devices that are here.
    #[must_use]
    pub fn here(&self) -> Vec<DeviceId> {
        self.here.keys().copied().collect()
    }

    /// Asks, sends and searches what is due.
    fn advance(&mut self, now: Duration) {
        let due = |known: &Known| matches!(known.standing, Standing::Waiting { at, .. } if at <= now);
        let due: Vec<Node> =
            self.nodes.iter().filter(|(_, known)| due(known)).map(|(node, _)| *node).collect();
        for node in due {
            self.ask(node, now);
        }
        for (device, sealed) in self.outbound.due(&self.here, now) {
            if let Some(node) = self.here.get(&device).copied() {
                self.outputs.push_back(Output::Send { node, sealed });
            }
        }
        self.search.advance(&self.acquaintances, self.device, now, &mut self.outputs);
    }

    fn ask(&mut self, node: Node, now: Duration) {
        let Some(known) = self.nodes.get(&node).copied() else {
            return;
        };
        let Standing::Waiting { tries, .. } = known.standing else {
            return;
        };
        let mark = |secret: &PairSecret| secret.mark(Means::Question, &self.own, &node);
        let asked = |device: &DeviceId| known.only.is_none_or(|only| only == *device);
        let marks = self.acquaintances.iter().filter(|(device, _)| asked(device));
        let marks: Vec<Mark> = marks.map(|(_, secret)| mark(secret)).collect();
        let standing = match List::new(marks) {
            Ok(marks) if !marks.is_empty() => {
                self.outputs.push_back(Output::Ask { node, marks });
                Standing::Asking { tries: tries + 1 }
            }
            // Nobody to ask for.
            Ok(_) | Err(_) => Standing::Stranger { since: now },
        };
        self.nodes.insert(node, Known { standing, ..known });
    }

    /// Remembers a node that is new, if there is a place for it.
    fn meet(&mut self, node: Node, standing: Standing, only: Option<DeviceId>, now: Duration) {
        if node == self.own || self.nodes.contains_key(&node) {
            return;
        }
        if self.nodes.len() >= NODES_MAX {
            let stranger = |(node, known): (&Node, &Known)| match known.standing {
                Standing::Stranger { since } => Some((since, *node)),
                Standing::Waiting { .. } | Standing::Asking { .. } | Standing::Known(_) => None,
            };
            let Some((_, oldest)) = self.nodes.iter().filter_map(stranger).min() else {
                return;
            };
            self.nodes.remove(&oldest);
        }
        self.nodes.insert(node, Known { standing, only, asked: (now, 0) });
    }

    fn may_ask(&mut self, node: Node, now: Duration) -> bool {
        self.meet(node, Standing::Stranger { since: now }, None, now);
        let Some(known) = self.nodes.get_mut(&node) else {
            return false;
        };
        let (since, count) = known.asked;
        known.asked = if now.saturating_sub(since) >= QUESTIONS_SPAN { (now, 1) } else { (since, count + 1) };
        known.asked.1 <= QUESTIONS_MAX
    }

    fn recognized(&mut self, node: Node, device: DeviceId, now: Duration) {
        let asked = self.nodes.get(&node).map_or((now, 0), |known| known.asked);
        self.nodes.insert(node, Known { standing: Standing::Known(device), only: None, asked });
        let before = self.here.insert(device, node);
        self.search.met(device);
        if before != Some(node) {
            // The device has come, or has started again.
            if let Some(before) = before {
                self.nodes.remove(&before);
            }
            self.outbound.again(device);
            self.outputs.push_back(Output::Seen(device));
        }
        self.advance(now);
    }

    fn lost(&mut self, device: DeviceId) {
        self.here.remove(&device);
        self.outbound.again(device);
        self.search.lost(device);
        self.outputs.push_back(Output::Lost(device));
    }

    /// A mark that means nothing, the same for a node however often it asks.
    fn nonsense(&self, node: &Node) -> Mark {
        let hash = blake3::keyed_hash(&self.noise, node.as_bytes());
        let mut mark = [0; 16];
        mark.copy_from_slice(&hash.as_bytes()[..16]);
        Mark::new(mark)
    }
}
