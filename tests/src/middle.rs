//! An active attacker between two peers, as a hostile router is: it lets through whatever proves a path, so that both believe
//! that they have found one, but ends QUIC on both sides and passes on what they say.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hobnob_nat::{Endpoint, Strangers, System};
use hobnob_wire::datagram::is_beside_quic;
use quinn::{Connection, RecvStream, SendStream};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// A machine that both peers can be made to reach instead of each other. It speaks the link's TLS with each of them
/// and so reads what passes, as long as they talk to it.
#[derive(Debug)]
pub struct Middle {
    _runtime: Runtime,
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

/// What an attacker has got.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Links of which it held both ends and that one of the peers has closed: with these codes.
    pub closed: Vec<u64>,
    /// Everything that was said on them.
    pub bytes: Vec<u8>,
}

impl Middle {
    /// Answers on a free port, and passes on to the peer at `target`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let heard = Arc::<Mutex<Heard>>::default();
        let (port, router, inside) = runtime.block_on(async {
            let outside = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
            let inside = Endpoint::peer_on(Arc::new(System), loopback(), Strangers::Admitted)?;
            let router = Router {
                target: mapped(target),
                inside: inside.local_addr()?,
                near: UdpSocket::bind(loopback()).await?,
                far: UdpSocket::bind(loopback()).await?,
                outside,
            };
            io::Result::Ok((router.outside.local_addr()?.port(), router, inside))
        })?;
        let dialed = router.far.local_addr()?;
        runtime.spawn(router.run());
        runtime.spawn(stand(inside, dialed, Arc::clone(&heard)));
        Ok(Self { _runtime: runtime, port, heard })
    }

    /// Where it answers.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has got so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// As a socket for both families says it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        SocketAddr::V6(_) => address,
    }
}

/// Sends QUIC to the attacker's own endpoint and everything else where it was meant to go.
#[derive(Debug)]
struct Router {
    /// What both peers are made to reach.
    outside: UdpSocket,
    /// The peer that is stood for.
    target: SocketAddr,
    /// The attacker's own endpoint, and what stands for either peer towards it.
    inside: SocketAddr,
    near: UdpSocket,
    far: UdpSocket,
}

impl Router {
    async fn run(self) {
        let [mut outer, mut nearer, mut farther] = [(); 3].map(|()| vec![0; 65_536]);
        let mut client = None;
        loop {
            // What cannot be sent is lost, as on any network.
            tokio::select! {
                Ok((len, from)) = self.outside.recv_from(&mut outer) => {
                    let datagram = &outer[..len];
                    let is_quic = datagram.first().is_some_and(|first| !is_beside_quic(*first));
                    if from == self.target {
                        let _ = match (is_quic, client) {
                            (true, _) => self.far.send_to(datagram, self.inside).await,
                            (false, Some(client)) => self.outside.send_to(datagram, client).await,
                            (false, None) => Ok(0),
                        };
                    } else {
                        client = Some(from);
                        let _ = if is_quic {
                            self.near.send_to(datagram, self.inside).await
                        } else {
                            self.outside.send_to(datagram, self.target).await
                        };
                    }
                }
                Ok((len, _)) = self.near.recv_from(&mut nearer) => {
                    if let Some(client) = client {
                        let _ = self.outside.send_to(&nearer[..len], client).await;
                    }
                }
                Ok((len, _)) = self.far.recv_from(&mut farther) => {
                    let _ = self.outside.send_to(&farther[..len], self.target).await;
                }
            }
        }
    }
}

/// Links with the peer at `target` for everybody who links.
async fn stand(inside: Endpoint, target: SocketAddr, heard: Arc<Mutex<Heard>>) {
    while let Some(arrival) = inside.accept().await {
        let (inside, heard) = (inside.clone(), Arc::clone(&heard));
        tokio::spawn(async move {
            let Ok((near, _place)) = arrival.establish().await else { return };
            let Ok(far) = inside.open_link(target).await else { return };
            let ended = stand_between(&near, &far, &heard).await;
            lock(&heard).closed.extend(ended);
        });
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes streams on until one side hangs up; the other then hears the same code and reason. Returns the code.
async fn stand_between(near: &Connection, far: &Connection, heard: &Arc<Mutex<Heard>>) -> Option<u64> {
    hobnob_nat::raise_link_limits(near);
    hobnob_nat::raise_link_limits(far);
    let ended = tokio::select! {
        ended = pass_streams(near, far, heard) => ended,
        ended = pass_streams(far, near, heard) => ended,
        ended = near.closed() => ended,
        ended = far.closed() => ended,
    };
    let quinn::ConnectionError::ApplicationClosed(close) = ended else { return None };
    near.close(close.error_code, &close.reason);
    far.close(close.error_code, &close.reason);
    Some(close.error_code.into_inner())
}

/// Opens a stream to `to` for each one that `from` opens.
async fn pass_streams(
    from: &Connection,
    to: &Connection,
    heard: &Arc<Mutex<Heard>>,
) -> quinn::ConnectionError {
    loop {
        tokio::select! {
            stream = from.accept_bi() => match (stream, to.open_bi().await) {
                (Ok((back, there)), Ok((onward, answers))) => {
                    tokio::spawn(pass_bytes(there, onward, Arc::clone(heard)));
                    tokio::spawn(pass_bytes(answers, back, Arc::clone(heard)));
                }
                (Err(error), _) | (_, Err(error)) => return error,
            },
            stream = from.accept_uni() => match (stream, to.open_uni().await) {
                (Ok(there), Ok(onward)) => {
                    tokio::spawn(pass_bytes(there, onward, Arc::clone(heard)));
                }
                (Err(error), _) | (_, Err(error)) => return error,
            },
        }
    }
}

async fn pass_bytes(mut from: RecvStream, mut to: SendStream, heard: Arc<Mutex<Heard>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(Some(read)) = from.read(&mut buffer).await {
        lock(&heard).bytes.extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    drop(to.finish());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the attacker's victims would fall for if they proved nothing to each other.
    #[test]
    fn without_a_proof_of_who_is_there_the_attacker_hears_everything() {
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        let peer = || Endpoint::peer_on(Arc::new(System), loopback(), Strangers::Admitted).unwrap();
        let (alice, bob) = (peer(), peer());
        let attacker = Middle::start(bob.local_addr().unwrap()).unwrap();
        let echo = async {
            let (link, _place) = bob.accept().await.unwrap().establish().await.unwrap();
            let (mut back, mut there) = link.accept_bi().await.unwrap();
            back.write_all(&there.read_to_end(100).await.unwrap()).await.unwrap();
            back.finish().unwrap();
            link.closed().await
        };
        let ask = async {
            let link = alice.open_link((Ipv4Addr::LOCALHOST, attacker.port()).into()).await.unwrap();
            let (mut there, mut back) = link.open_bi().await.unwrap();
            there.write_all(b"secret").await.unwrap();
            there.finish().unwrap();
            let answer = back.read_to_end(100).await.unwrap();
            link.close(7_u32.into(), b"");
            answer
        };
        let (_, answer) = runtime.block_on(async { tokio::join!(echo, ask) });
        assert_eq!(answer, b"secret");
        assert_eq!(attacker.heard().bytes, b"secretsecret");
    }
}
