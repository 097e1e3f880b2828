//! Every number of the QUIC transport, for sessions and links, before and after the other side has proved who it is.
//!
//! Windows are set before the handshake, because quinn's defaults let a connection that never authenticates grow to hundreds
//! of megabytes. An unproved connection may hold: about 37 KiB that quinn and rustls need for a connection at all, plus
//! what the other side can make us buffer, which is [`UNPROVED_RECEIVE_WINDOW`] bytes of its one stream. [`raise_session_limits`] and
//! [`raise_link_limits`] open the windows afterwards.
//!
//! A peer that vanishes is noticed at the latest one keep-alive interval plus one idle timeout later: the first packet sent
//! into the void restarts the idle timer once.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, MtuDiscoveryConfig, TransportConfig, VarInt};

use crate::congestion::{self, PathEpoch};

/// What an unproved connection may have in flight to us and unread, all streams together. An authentication is a few
/// messages of a few hundred bytes.
pub const UNPROVED_RECEIVE_WINDOW: u32 = 16 << 10;

/// What we may have in flight to an unproved connection and unacknowledged.
const UNPROVED_SEND_WINDOW: u64 = 16 << 10;

/// TLS messages that arrive out of order. A hybrid ClientHello is 1.5 KiB, a throw-away certificate 0.5 KiB.
const SMALL_CRYPTO_BUFFER: usize = 8 << 10;

/// A session that shows no life for so long is dead. The rendezvous sends no keep-alives of its own; if it pushes something just
/// before the time is up, the timer restarts once, so that it notices an unclean disconnect within 28 s.
const SESSION_IDLE: Duration = Duration::from_secs(14);

/// Two and a bit within [`SESSION_IDLE`], and within the shortest UDP mappings of NATs (30 s). The peer alone sends them: the rendezvous
/// has thousands of sessions.
const SESSION_KEEP_ALIVE: Duration = Duration::from_secs(6);

/// One stream's share of a session's window, on the rendezvous.
const SESSION_STREAM_WINDOW: u32 = 64 << 10;

/// What a proved session may have in flight to the rendezvous: avatars and waiting files at 2.5 MB/s over 100 ms.
const SESSION_RECEIVE_WINDOW: u32 = 256 << 10;

/// What the rendezvous may have in flight to a peer.
const SESSION_SEND_WINDOW: u64 = 1 << 20;

/// Streams of either kind that a proved session may have open towards the other side: the control stream and bulk.
const SESSION_STREAMS: u32 = 16;

/// One stream's window on the peer's side of a session. The peer chose this rendezvous, but does not owe it its memory.
const SESSION_PEER_STREAM_WINDOW: u32 = 256 << 10;

/// All streams' window on the peer's side of a session.
const SESSION_PEER_RECEIVE_WINDOW: u32 = 1 << 20;

/// A link that shows no life for so long is dead. With [`LINK_KEEP_ALIVE`] a lost peer is noticed within 38 s. Nothing waits for
/// it: letters go to the mailbox after 7 s, and a dead path is left within one.
const LINK_IDLE: Duration = Duration::from_secs(26);

/// Two within [`LINK_IDLE`], each repeated by loss recovery. The side that dialed sends them, and the answers keep the other
/// side's NAT open: 0.5 MB a day, while both sides at 4 s would take 3.1 MB. It is also often enough that the agents need no checks
/// to keep the path.
const LINK_KEEP_ALIVE: Duration = Duration::from_secs(12);

/// quinn ends the whole connection when one stream has over 1,024 gaps, which a lossy long path reaches beyond this window.
/// More speed comes from more streams.
const LINK_STREAM_WINDOW: u32 = 2 << 20;

/// What a proved link may have in flight, each way: 1 Gbit/s over 130 ms.
const LINK_WINDOW: u32 = 16 << 20;

/// File and call streams that a peer may have open on a proved link.
const LINK_UNI_STREAMS: u32 = 256;

/// Bidirectional streams that a peer may have open on a proved link; the first is the control stream.
const LINK_BIDI_STREAMS: u32 = 4;

/// Datagrams (calls) that have arrived and are not read yet; older ones are dropped. An eighth of a second of video. It
/// counts before proof too, since quinn cannot raise it later.
const LINK_DATAGRAM_RECEIVE_BUFFER: usize = 32 << 10;

/// Datagrams that wait to be sent; older ones are dropped.
const LINK_DATAGRAM_SEND_BUFFER: usize = 64 << 10;

// What the rendezvous and the peers promise their people, in seconds.
const _: () =
    assert!(2 * SESSION_IDLE.as_secs() < 30 && SESSION_KEEP_ALIVE.as_secs() * 2 < SESSION_IDLE.as_secs());
const _: () = assert!(
    LINK_KEEP_ALIVE.as_secs() + LINK_IDLE.as_secs() < 40
        && LINK_KEEP_ALIVE.as_secs() * 2 < LINK_IDLE.as_secs()
);

/// The size of packet at which every path works (RFC 9000 §14).
const INITIAL_MTU: u16 = 1200;

/// The largest packet that a rendezvous takes: that of an Ethernet. Sessions never try more than [`INITIAL_MTU`].
pub(crate) const RENDEZVOUS_PACKET_MAX: u16 = 1472;

/// Where the search for a larger packet ends. The cost of a transfer is per packet, so loopback and jumbo frames gain up to three times; but
/// quinn sends up to ten packets as one batch, which must remain under 64 KiB.
pub(crate) const LINK_MTU_MAX: u16 = 6500;

/// How often the search begins again, for a link that lives on and has moved to a path for larger packets. Where the path takes
/// 1,500 bytes, a search costs both sides 60 KB: every minute it would be 90 MB a day.
const LINK_MTU_SEARCH_EVERY: Duration = Duration::from_secs(12 * 60 * 60);

/// A guess of the round trip for links, to repeat a lost first packet after 0.3 s instead of 1 s.
const LINK_INITIAL_RTT: Duration = Duration::from_millis(100);

/// The rendezvous' side of a session, before authentication.
pub(crate) fn session_server() -> Arc<TransportConfig> {
    let mut config = unproved(SESSION_IDLE);
    config
        .stream_receive_window(SESSION_STREAM_WINDOW.into())
        .crypto_buffer_size(SMALL_CRYPTO_BUFFER)
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(None);
    Arc::new(config)
}

/// How often a peer says something in a session, where it is asked to do so this often.
pub(crate) fn session_keep_alive(wanted: Option<Duration>) -> Duration {
    wanted.map_or(SESSION_KEEP_ALIVE, |every| every.min(SESSION_KEEP_ALIVE))
}

/// The peer's side of a session. The peer knows by the pin whom it talks to from the start.
pub(crate) fn session_client(keep_alive: Option<Duration>) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(idle(SESSION_IDLE)))
        .keep_alive_interval(Some(session_keep_alive(keep_alive)))
        .stream_receive_window(SESSION_PEER_STREAM_WINDOW.into())
        .receive_window(SESSION_PEER_RECEIVE_WINDOW.into())
        .send_window(SESSION_SEND_WINDOW)
        .max_concurrent_bidi_streams(SESSION_STREAMS.into())
        .max_concurrent_uni_streams(SESSION_STREAMS.into())
        .datagram_receive_buffer_size(None)
        .initial_mtu(INITIAL_MTU)
        .mtu_discovery_config(None);
    Arc::new(config)
}

/// A connection to a rendezvous that only finds out how large packets may be, up to what a rendezvous takes.
pub(crate) fn mtu_probe() -> Arc<TransportConfig> {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(RENDEZVOUS_PACKET_MAX);
    let mut config = unproved(SESSION_IDLE);
    config
        .initial_mtu(INITIAL_MTU)
        .initial_rtt(LINK_INITIAL_RTT)
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(discovery));
    Arc::new(config)
}

/// The side of a link that dials, before the Noise handshake. `epoch` counts the switches of the path below it; `keep_alive` is how
/// often something must be sent, where that is more often than usual.
pub(crate) fn dialed_link(epoch: PathEpoch, keep_alive: Option<Duration>) -> Arc<TransportConfig> {
    let mut config = link(epoch);
    let every = keep_alive.map_or(LINK_KEEP_ALIVE, |every| every.min(LINK_KEEP_ALIVE));
    config.keep_alive_interval(Some(every));
    Arc::new(config)
}

/// The side that accepts, which sends keep-alives only where it must.
pub(crate) fn accepted_link(epoch: PathEpoch, keep_alive: Option<Duration>) -> Arc<TransportConfig> {
    let mut config = link(epoch);
    config.keep_alive_interval(keep_alive);
    Arc::new(config)
}

fn link(epoch: PathEpoch) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(LINK_MTU_MAX).interval(LINK_MTU_SEARCH_EVERY);
    let mut config = unproved(LINK_IDLE);
    config
        .stream_receive_window(LINK_STREAM_WINDOW.into())
        .crypto_buffer_size(SMALL_CRYPTO_BUFFER)
        .datagram_receive_buffer_size(Some(LINK_DATAGRAM_RECEIVE_BUFFER))
        .datagram_send_buffer_size(LINK_DATAGRAM_SEND_BUFFER)
        .initial_rtt(LINK_INITIAL_RTT)
        .mtu_discovery_config(Some(discovery));
    congestion::control(&mut config, epoch);
    config
}

/// A link's transport with all that is allowed after proof: for programs that measure quinn by itself beside us.
#[cfg(any(test, feature = "simulation"))]
#[must_use]
pub fn bare_link() -> TransportConfig {
    let mut config = link(PathEpoch::default());
    config
        .receive_window(LINK_WINDOW.into())
        .send_window(LINK_WINDOW.into())
        .max_concurrent_uni_streams(LINK_UNI_STREAMS.into());
    config
}

/// Opens the windows of a session, on the rendezvous, after the peer has authenticated.
pub fn raise_session_limits(connection: &Connection) {
    connection.set_receive_window(SESSION_RECEIVE_WINDOW.into());
    connection.set_send_window(SESSION_SEND_WINDOW);
    connection.set_max_concurrent_bi_streams(SESSION_STREAMS.into());
    connection.set_max_concurrent_uni_streams(SESSION_STREAMS.into());
}

/// Opens the windows of a link, on either side, after the Noise handshake has proved the peer.
pub fn raise_link_limits(connection: &Connection) {
    connection.set_receive_window(LINK_WINDOW.into());
    connection.set_send_window(LINK_WINDOW.into());
    connection.set_max_concurrent_bi_streams(LINK_BIDI_STREAMS.into());
    connection.set_max_concurrent_uni_streams(LINK_UNI_STREAMS.into());
}

/// What holds for everyone who has not proved who they are: one stream, small windows.
fn unproved(idle_timeout: Duration) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(idle(idle_timeout)))
        .receive_window(UNPROVED_RECEIVE_WINDOW.into())
        .send_window(UNPROVED_SEND_WINDOW)
        .max_concurrent_bidi_streams(1_u32.into())
        .max_concurrent_uni_streams(0_u32.into())
        .initial_mtu(INITIAL_MTU);
    config
}

fn idle(timeout: Duration) -> quinn::IdleTimeout {
    let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    VarInt::from_u32(millis).into()
}
