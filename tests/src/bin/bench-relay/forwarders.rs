//! The forwarders.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Result;
use hobnob_nat::core::relay::{Order, Payer, RelayLimits};
use hobnob_nat::{AdmissionLimits, Endpoint, RelayServer, ServerIdentity, System};
use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

use crate::serve_until_the_input_ends;
use crate::traffic::{ALLOCATIONS, BUFFER_BYTES, CHANNEL, key};

/// A relay in the receive path of a rendezvous' endpoint, as it is.
pub(crate) async fn relay() -> Result<()> {
    let limits = RelayLimits {
        channel_bytes_per_s: u64::MAX,
        channel_bytes_max: u64::MAX,
        account_bytes_per_s: u64::MAX,
        account_bytes_per_day: u64::MAX,
        idle: Duration::from_secs(300),
    };
    let relay = RelayServer::new(limits, [1; 32].into());
    for allocation in ALLOCATIONS {
        let payer = Payer(allocation.0);
        relay.order(Order::Allocate { allocation, key: key(allocation), payer });
    }
    relay.order(Order::Open { channel: CHANNEL, between: ALLOCATIONS });
    let identity = ServerIdentity::generate(&["localhost".to_owned()])?;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Endpoint::rendezvous_on(&System, listen, &identity, AdmissionLimits::RENDEZVOUS, relay)?;
    serve_until_the_input_ends(&endpoint.local_addr()?.to_string()).await
}

/// `recvmmsg` and `sendmmsg`, with GRO and GSO, between the first two who say something; nothing else.
pub(crate) async fn bare() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let state = UdpSocketState::new((&socket).into())?;
    state.set_recv_buffer_size((&socket).into(), BUFFER_BYTES)?;
    state.set_send_buffer_size((&socket).into(), BUFFER_BYTES)?;
    let at = socket.local_addr()?.to_string();
    tokio::spawn(forward(tokio::net::UdpSocket::from_std(socket)?, state));
    serve_until_the_input_ends(&at).await
}

async fn forward(socket: tokio::net::UdpSocket, state: UdpSocketState) -> std::io::Result<()> {
    let mut memory = vec![0; (1 << 16) * BATCH_SIZE];
    let mut buffers: Vec<IoSliceMut<'_>> = memory.chunks_mut(1 << 16).map(IoSliceMut::new).collect();
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    let mut ends: Vec<SocketAddr> = Vec::new();
    loop {
        let receive = || state.recv((&socket).into(), &mut buffers, &mut metas);
        let Ok(count) = socket.async_io(Interest::READABLE, receive_once(receive)).await else { continue };
        for (meta, buffer) in metas[..count].iter().zip(&buffers) {
            if !ends.contains(&meta.addr) && ends.len() < 2 {
                ends.push(meta.addr);
            }
            let Some(destination) = ends.iter().find(|end| **end != meta.addr).copied() else { continue };
            let segment_size = (meta.len > meta.stride).then_some(meta.stride);
            let contents = &buffer[..meta.len];
            let transmit = Transmit { destination, ecn: meta.ecn, contents, segment_size, src_ip: None };
            // What the socket does not take is lost, as in the relay.
            let _ = state.try_send((&socket).into(), &transmit);
        }
    }
}

/// The type that [`tokio::net::UdpSocket::async_io`] wants.
fn receive_once<F: FnMut() -> std::io::Result<usize>>(receive: F) -> F {
    receive
}
