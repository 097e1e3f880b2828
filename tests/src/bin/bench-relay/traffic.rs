//! Datagrams from one socket to another through a forwarder, never more of them on their way than the sockets hold.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hobnob_wire::datagram::{AllocationId, Channel, Cookie, Datagram, DatagramKey, Transaction, parse};
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};

/// What is asked for as socket buffers.
pub(crate) const BUFFER_BYTES: usize = 4 << 20;

/// The two who talk, and their channel.
pub(crate) const ALLOCATIONS: [AllocationId; 2] = [AllocationId(1), AllocationId(2)];
pub(crate) const CHANNEL: Channel = Channel::new([7; 7]);

/// A datagram as a link fills an Ethernet with it, header included.
const DATAGRAM_BYTES: usize = 1_452;

/// On their way at most: less than the buffers hold.
const WINDOW_BYTES: u64 = 1 << 20;

/// Nothing has arrived for so long: what is on its way is lost.
const LOST_AFTER: Duration = Duration::from_millis(50);

pub(crate) fn key(allocation: AllocationId) -> DatagramKey {
    DatagramKey::new([allocation.0.to_be_bytes()[7]; 32])
}

/// How datagrams are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// In one call: what QUIC sends at once, or one.
    segments: usize,
}

impl Shape {
    pub(crate) const BATCHED: Self = Self { segments: 10 };
    pub(crate) const SINGLE: Self = Self { segments: 1 };
}

/// What has come out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: u64,
    pub(crate) datagrams: u64,
}

struct End {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// A sender and a receiver at one forwarder.
pub(crate) struct Ends {
    forwarder: SocketAddr,
    sender: End,
    receiver: End,
}

impl End {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let state = UdpSocketState::new((&socket).into())?;
        state.set_recv_buffer_size((&socket).into(), BUFFER_BYTES)?;
        state.set_send_buffer_size((&socket).into(), BUFFER_BYTES)?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOST_AFTER))?;
        Ok(Self { socket, state })
    }

    fn ask(&self, relay: SocketAddr, allocation: AllocationId, request: &Datagram) -> Result<Datagram> {
        const TRIES: usize = 100;
        self.socket.send_to(&request.seal(&key(allocation)), relay)?;
        let mut bytes = [0; 2048];
        for _ in 0..TRIES {
            let Ok((len, _)) = self.socket.recv_from(&mut bytes) else { continue };
            return parse(&bytes[..len])?.prove(&key(allocation)).context("it is from the relay");
        }
        anyhow::bail!("the relay does not answer")
    }

    fn bind(&self, relay: SocketAddr, allocation: AllocationId) -> Result<()> {
        let bind = |number, cookie| Datagram::Bind { allocation, transaction: Transaction(number), cookie };
        let challenge = self.ask(relay, allocation, &bind(1, Cookie::default()))?;
        let Datagram::Challenge { cookie, .. } = challenge else {
            anyhow::bail!("no challenge: {challenge:?}")
        };
        let bound = self.ask(relay, allocation, &bind(2, cookie))?;
        ensure!(matches!(bound, Datagram::Bound { .. }), "not bound: {bound:?}");
        Ok(())
    }
}

impl Ends {
    fn new(forwarder: SocketAddr) -> Result<Self> {
        Ok(Self { forwarder, sender: End::new()?, receiver: End::new()? })
    }

    /// Two who are bound at a relay.
    pub(crate) fn at_relay(forwarder: SocketAddr) -> Result<Self> {
        let ends = Self::new(forwarder)?;
        ends.sender.bind(forwarder, ALLOCATIONS[0])?;
        ends.receiver.bind(forwarder, ALLOCATIONS[1])?;
        Ok(ends)
    }

    /// The first two who say something to the bare forwarder.
    pub(crate) fn at_bare(forwarder: SocketAddr) -> Result<Self> {
        let ends = Self::new(forwarder)?;
        ends.sender.socket.send_to(b"here", forwarder)?;
        ends.receiver.socket.send_to(b"here", forwarder)?;
        ends.sender.socket.recv_from(&mut [0; 16]).context("the bare forwarder forwards")?;
        Ok(ends)
    }

    /// Sends until so many bytes have come out at the other end.
    pub(crate) fn carry(&self, bytes: u64, shape: Shape) -> Result<Arrived> {
        let (arrived, stops) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let receiver = scope.spawn(|| self.receiver.receive(bytes, &arrived, &stops));
            let sent = self.send(bytes, shape, &arrived);
            stops.store(true, Ordering::Relaxed);
            let received = receiver.join().map_err(|_| anyhow::anyhow!("the receiver has failed"))?;
            sent?;
            Ok(received?)
        })
    }

    fn send(&self, bytes: u64, shape: Shape, arrived: &AtomicU64) -> io::Result<()> {
        /// Short against what the window takes.
        const PAUSE: Duration = Duration::from_micros(20);
        let mut datagram = vec![0; DATAGRAM_BYTES];
        datagram[..8].copy_from_slice(&CHANNEL.header());
        let contents = datagram.repeat(shape.segments);
        let segment_size = (shape.segments > 1).then_some(DATAGRAM_BYTES);
        let transmit = Transmit {
            destination: self.forwarder,
            ecn: None,
            contents: &contents,
            segment_size,
            src_ip: None,
        };
        // Sent, less what is taken for lost.
        let (mut sent, mut last, mut moved_at) = (0, 0, Instant::now());
        loop {
            let now = arrived.load(Ordering::Relaxed);
            if now >= bytes {
                return Ok(());
            }
            if now != last {
                (last, moved_at) = (now, Instant::now());
            }
            if sent - now.min(sent) < WINDOW_BYTES {
                self.sender.state.try_send((&self.sender.socket).into(), &transmit)?;
                sent += contents.len() as u64;
            } else if moved_at.elapsed() > LOST_AFTER {
                (sent, moved_at) = (now, Instant::now());
            } else {
                thread::sleep(PAUSE);
            }
        }
    }
}

impl End {
    fn receive(&self, bytes: u64, arrived: &AtomicU64, stops: &AtomicBool) -> io::Result<Arrived> {
        let mut memory = vec![0; 1 << 16];
        let mut total = Arrived { bytes: 0, datagrams: 0 };
        while total.bytes < bytes && !stops.load(Ordering::Relaxed) {
            let mut metas = [RecvMeta::default()];
            // One buffer only: on a blocking socket a full batch would be waited for.
            let received =
                self.state.recv((&self.socket).into(), &mut [IoSliceMut::new(&mut memory)], &mut metas);
            match received {
                Ok(_) => {
                    let [RecvMeta { len, stride, .. }] = metas;
                    total.bytes += len as u64;
                    total.datagrams += len.div_ceil(stride.max(1)) as u64;
                    arrived.store(total.bytes, Ordering::Relaxed);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}
