use std::io::IoSliceMut;
use std::time::Duration;

use hobnob_wire::datagram::Channel;
use hobnob_wire::ids::DeviceId;
use quinn::AsyncUdpSocket;
use quinn::udp::{RecvMeta, Transmit};

use super::*;
use crate::core::agent::{Selection, SocketId, Way};
use crate::demux::beside::Batch;
use crate::demux::routes::Conduit;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const ALICE: DeviceId = DeviceId::new([1; 16]);
const BOB: DeviceId = DeviceId::new([2; 16]);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn peer() -> Endpoint {
    Endpoint::peer_on(Arc::new(System), loopback(), Strangers::Ignored).unwrap()
}

/// Sends what is for a device this way, and takes what comes from there as that device's.
fn lead(endpoint: &Endpoint, to: DeviceId, way: Way) {
    let at = address::of_device(to);
    endpoint.demux.route(|routes| {
        routes.admit(at, way);
        routes.select(at, Selection::Direct(way));
    });
}

#[tokio::test]
async fn a_path_over_another_socket_carries_a_transfer() {
    let (alice, bob) = (peer(), peer());
    let other = System.bind(loopback()).unwrap();
    let from = other.local_addr().unwrap();
    let via = alice.demux.add_socket(other).unwrap();
    lead(&alice, BOB, Way { via, to: bob.local_addr().unwrap() });
    lead(&bob, ALICE, Way::main(from));
    let (dialed, accepted) = tokio::join!(alice.open_link(address::of_device(BOB)), async {
        bob.accept().await.unwrap().establish().await.unwrap()
    });
    let (dialed, (accepted, _place)) = (dialed.unwrap(), accepted);
    transport::raise_link_limits(&dialed);
    transport::raise_link_limits(&accepted);
    for (sender, receiver) in [(&dialed, &accepted), (&accepted, &dialed)] {
        let send = async {
            let mut stream = sender.open_uni().await.unwrap();
            stream.write_all(&vec![7; 8_000_000]).await.unwrap();
            stream.finish().unwrap();
        };
        let receive =
            async { receiver.accept_uni().await.unwrap().read_to_end(8_000_000).await.unwrap().len() };
        let ((), received) = timeout(PATIENCE, async { tokio::join!(send, receive) }).await.unwrap();
        assert_eq!(received, 8_000_000);
    }
    alice.demux.close_socket(via);
    assert!(alice.demux.add_socket(System.bind(loopback()).unwrap()).is_some());
}

/// Writes down what is beside QUIC.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<u8>>);

impl Beside for Notebook {
    fn take(&self, batch: &Batch<'_>, _: &dyn Outlet) {
        let mut notes = self.0.lock().unwrap();
        notes.extend(batch.datagrams().map(|datagram| datagram[1]));
    }
}

#[tokio::test]
async fn datagrams_that_come_in_one_go_are_told_apart() {
    let (sender, notebook) = (System.bind(loopback()).unwrap(), Arc::<Notebook>::default());
    let receiver = System.bind(loopback()).unwrap();
    let at = receiver.local_addr().unwrap();
    let beside = Arc::<Notebook>::clone(&notebook);
    let demux = Arc::new(Demux::new(receiver, beside, Strangers::Ignored, true).unwrap());
    let (alice, channel) = (address::of_device(ALICE), Channel::new([9; 7]));
    demux.route(|routes| {
        let from = sender.local_addr().unwrap();
        routes.dial(from);
        routes.set_relay(Some(from));
        routes.set_conduit(alice, Some(Conduit { channel, helper: None }));
    });

    // Of each kind, in turn: of the session, of Alice, beside QUIC. The second byte or the first one inside counts.
    const STRIDE: usize = 40;
    let mut contents = Vec::new();
    for number in 1..=9 {
        let mut datagram = [0_u8; STRIDE];
        match number % 3 {
            0 => datagram[..2].copy_from_slice(&[0x40, number]),
            1 => {
                datagram[..8].copy_from_slice(&channel.header());
                datagram[8..10].copy_from_slice(&[0x40, number]);
            }
            _ => datagram[1] = number,
        }
        contents.extend(datagram);
    }
    let mut writable = Arc::clone(&sender).create_io_poller();
    std::future::poll_fn(|cx| writable.as_mut().poll_writable(cx)).await.unwrap();
    for part in contents.chunks(STRIDE * sender.max_transmit_segments()) {
        let segment_size = (part.len() > STRIDE).then_some(STRIDE);
        let transmit = Transmit { destination: at, ecn: None, contents: part, segment_size, src_ip: None };
        sender.try_send(&transmit).unwrap();
    }

    let (mut session, mut link) = (Vec::new(), Vec::new());
    while session.len() + link.len() < 6 {
        let mut space = vec![vec![0; 64 << 10]; 4];
        let mut buffers: Vec<_> = space.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let mut metas = [RecvMeta::default(); 4];
        let receive = std::future::poll_fn(|cx| demux.poll_recv(cx, &mut buffers, &mut metas));
        let count = timeout(PATIENCE, receive).await.unwrap().unwrap();
        for (meta, buffer) in metas.iter().zip(&buffers).take(count) {
            let (heard, length) = if meta.addr == alice { (&mut link, 32) } else { (&mut session, STRIDE) };
            assert_eq!((meta.len % length, meta.stride), (0, length));
            heard.extend(buffer[..meta.len].chunks(meta.stride).map(|datagram| datagram[1]));
        }
    }
    assert_eq!((session, link), (vec![3, 6, 9], vec![1, 4, 7]));
    assert_eq!(*notebook.0.lock().unwrap(), [2, 5, 8]);
}

#[tokio::test]
async fn many_more_sockets_can_be_had_but_not_too_many() {
    let alice = peer();
    let open = || alice.demux.add_socket(System.bind(loopback()).unwrap());
    let ids: Vec<SocketId> = std::iter::from_fn(open).collect();
    assert_eq!(ids.len(), 256);
    assert!(!ids.contains(&SocketId::MAIN));
    alice.demux.close_socket(ids[100]);
    let another = open().unwrap();
    assert!(!ids.contains(&another), "a number does not come again soon");
}
