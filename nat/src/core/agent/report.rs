//! What people are told about a path: which one it is, why it is not a better one, and what was tried.

use std::fmt;
use std::time::Duration;

use hobnob_wire::signal::Mapping;

use super::input::Selection;
use super::way::Way;

/// Notes that a report keeps; the oldest go first.
pub const NOTES_MAX: usize = 64;

/// The path to a peer at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// What kind of path.
    pub kind: PathKind,
    /// The way, when the path is direct.
    pub way: Option<Way>,
    /// Smoothed round-trip time of the checks on that way.
    pub rtt: Option<Duration>,
    /// Since when the selection is this one.
    pub since: Duration,
    /// Why the path is not direct; `None` when it is.
    pub why_not_direct: Option<WhyNot>,
    /// What happened, oldest first, at most [`NOTES_MAX`].
    pub notes: Vec<(Duration, Note)>,
    /// Checks that were sent since the last exchange began.
    pub sent: u32,
}

/// How a path leads to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// There is none.
    #[default]
    None,
    /// Within one machine or one local network.
    Lan,
    /// Right to an IPv4 address without a NAT on one side.
    DirectV4,
    /// Over IPv6.
    DirectV6,
    /// Through a port that a NAT forwards because it was asked to.
    Mapped,
    /// Through holes in NATs.
    Punched,
    /// Through holes whose ports had to be guessed.
    Predicted,
    /// Over the relay of the rendezvous.
    Relayed,
    /// Over the rendezvous by TCP. The agent never says so; whoever knows about the tunnel does.
    Tunnelled,
}

impl PathKind {
    /// The word for programs: lower case, without spaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lan => "lan",
            Self::DirectV4 => "direct-v4",
            Self::DirectV6 => "direct-v6",
            Self::Mapped => "mapped",
            Self::Punched => "punched",
            Self::Predicted => "predicted",
            Self::Relayed => "relayed",
            Self::Tunnelled => "tunnelled",
        }
    }

    /// Whether nobody in between forwards it on request.
    #[must_use]
    pub const fn is_direct(self) -> bool {
        matches!(
            self,
            Self::Lan | Self::DirectV4 | Self::DirectV6 | Self::Mapped | Self::Punched | Self::Predicted
        )
    }
}

impl fmt::Display for PathKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no path",
            Self::Lan => "local network",
            Self::DirectV4 => "direct (IPv4)",
            Self::DirectV6 => "direct (IPv6)",
            Self::Mapped => "direct (port mapping)",
            Self::Punched => "direct (through NATs)",
            Self::Predicted => "direct (through NATs, port guessed)",
            Self::Relayed => "relayed",
            Self::Tunnelled => "relayed over TCP",
        })
    }
}

/// Why there is no direct path. [`fmt::Display`] says it and what would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhyNot {
    /// Signals have not been exchanged.
    NotAsked,
    /// Our offer is not answered yet.
    Unanswered,
    /// Checks are under way.
    Checking,
    /// The user's setting says relay only.
    OwnPolicy,
    /// The peer told no address that may be used.
    NoCandidates,
    /// The peer has no address of a family that we have.
    NoCommonFamily,
    /// No reflector sees us: UDP is probably blocked here.
    UdpBlocked,
    /// Both NATs choose ports that nobody can guess within the packet budget.
    BothHard {
        /// Our NAT.
        own: Mapping,
        /// The peer's NAT.
        peer: Mapping,
    },
    /// One NAT chooses ports freely, the other is strict, and guessing did not hit.
    NotGuessed {
        /// Our NAT.
        own: Mapping,
        /// The peer's NAT.
        peer: Mapping,
    },
    /// No check was answered.
    NoAnswer,
    /// There was a direct path, and it fell silent.
    Silent,
    /// The peer asked us to stop.
    Stopped,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAPPING_HELPS: &str = "a port mapping (UPnP, NAT-PMP, PCP) or IPv6 on either side would help";
        match self {
            Self::NotAsked => f.write_str("nobody has tried yet"),
            Self::Unanswered => f.write_str("the other device has not answered yet"),
            Self::Checking => f.write_str("it is being tried"),
            Self::OwnPolicy => f.write_str("your setting for this contact allows the relay only"),
            Self::NoCandidates => f.write_str(
                "the other side tells no address: it may allow the relay only, or its UDP is blocked",
            ),
            Self::NoCommonFamily => {
                f.write_str("one side has IPv4 only, the other IPv6 only; the missing one would help")
            }
            Self::UdpBlocked => f.write_str(
                "no UDP gets out of your network; a firewall that allows UDP to the outside would help",
            ),
            Self::BothHard { own, peer } => write!(
                f,
                "both NATs use another port for each destination (yours {}, theirs {}); {MAPPING_HELPS}",
                words(*own),
                words(*peer)
            ),
            Self::NotGuessed { own, peer } => {
                let whose = if own.is_endpoint_dependent() { "your" } else { "their" };
                let how = words(if own.is_endpoint_dependent() { *own } else { *peer });
                write!(
                    f,
                    "{whose} NAT uses another port for each destination ({how}) and guessing it failed; {MAPPING_HELPS}"
                )
            }
            Self::NoAnswer => {
                write!(f, "no packet got through, probably because of a firewall; {MAPPING_HELPS}")
            }
            Self::Silent => f.write_str("the direct path fell silent; it is tried again from time to time"),
            Self::Stopped => f.write_str("the other side asked to stop trying"),
        }
    }
}

/// What a mapping behavior is called in a sentence.
pub(super) fn words(mapping: Mapping) -> String {
    match mapping {
        Mapping::Unknown => "of unknown kind".to_owned(),
        Mapping::NoNat => "none".to_owned(),
        Mapping::EndpointIndependent => "the same everywhere".to_owned(),
        Mapping::Sequential { step } => format!("in steps of {step}"),
        Mapping::Block { ports } => format!("within {ports} ports"),
        Mapping::Random => "at random".to_owned(),
    }
}

/// Something that happened on the way to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// We signalled.
    Exchanged,
    /// The other side signalled.
    Heard {
        /// Its candidates that may be used.
        candidates: u8,
        /// Its NAT.
        mapping: Mapping,
    },
    /// Our addresses changed.
    Moved,
    /// An authentic check came from an address that nobody had told.
    Discovered(Way),
    /// A check was answered.
    Proved {
        /// Which way.
        way: Way,
        /// What it is.
        kind: PathKind,
        /// How long the answer took.
        rtt: Duration,
    },
    /// QUIC goes another way now.
    Selected(Selection),
    /// The selected way did not answer any more.
    Fell {
        /// Which way.
        way: Way,
        /// How long nothing was heard.
        silence: Duration,
    },
    /// The next ports of a NAT are being tried.
    Predicting {
        /// How many.
        ports: u16,
    },
    /// Random ports of the peer's NAT are being tried.
    Spraying {
        /// At most this many.
        packets: u16,
    },
    /// More sockets are tried, because our NAT gives each another port.
    Opened {
        /// How many.
        sockets: u16,
    },
    /// Trying has ended without a direct path.
    GaveUp(WhyNot),
    /// The other side asked us to stop.
    Stopped,
    /// We asked the other side to stop.
    AskedToStop,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchanged => f.write_str("told the other device our addresses"),
            Self::Heard { candidates, mapping } => {
                let plural = if *candidates == 1 { "" } else { "es" };
                write!(
                    f,
                    "the other device told {candidates} address{plural}; ports of its NAT: {}",
                    words(*mapping)
                )
            }
            Self::Moved => f.write_str("our addresses changed"),
            Self::Discovered(way) => write!(f, "the other device comes from {way}, which it had not told"),
            Self::Proved { way, kind, rtt } => {
                write!(f, "{way} answers after {:.1} ms: {kind}", rtt.as_secs_f64() * 1e3)
            }
            Self::Selected(selection) => write!(f, "using {selection}"),
            Self::Fell { way, silence } => write!(f, "{way} was silent for {} ms", silence.as_millis()),
            Self::Predicting { ports } => write!(f, "trying the next {ports} ports of their NAT"),
            Self::Spraying { packets } => write!(f, "trying up to {packets} random ports of their NAT"),
            Self::Opened { sockets } => write!(f, "trying {sockets} more ports of our NAT"),
            Self::GaveUp(why) => write!(f, "no direct path: {why}"),
            Self::Stopped => f.write_str("the other device asked us to stop"),
            Self::AskedToStop => f.write_str("asked the other device to stop"),
        }
    }
}
