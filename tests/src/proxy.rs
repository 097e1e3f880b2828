//! A proxy between people and the rendezvous, which speaks what real ones speak.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::PATIENCE;

/// Who may use the proxy.
pub const USER: &str = "guest";
/// With which password: one that means something in a URL and in HTTP.
pub const PASSWORD: &str = "p@ss:w/rd";

/// A running proxy. It serves until the process ends.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    scheme: &'static str,
    asked: Receiver<String>,
}

type Serve = fn(&mut BufReader<TcpStream>) -> io::Result<(String, &'static [u8])>;

impl Proxy {
    /// One for HTTP `CONNECT` (RFC 9110 §9.3.6) with basic credentials.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn http() -> Self {
        Self::start("http", http)
    }

    /// One for SOCKS 5 (RFC 1928) with user and password (RFC 1929).
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn socks5() -> Self {
        Self::start("socks5", socks5)
    }

    fn start(scheme: &'static str, serve: Serve) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (tell, asked) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                // Whoever breaks off has its reasons; the story notices what does not work.
                thread::spawn(move || drop(pass(stream, serve, &tell)));
            }
        });
        Self { address, scheme, asked }
    }

    /// The proxy as people write it, with this password.
    #[must_use]
    pub fn url(&self, password: &str) -> String {
        let encoded: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("{}://{USER}:{encoded}@{}", self.scheme, self.address)
    }

    /// The next place that somebody with the right password asked to be connected with.
    ///
    /// # Panics
    /// When nobody asks.
    #[must_use]
    pub fn next_asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("somebody goes through the proxy")
    }
}

/// Connects both sides and moves bytes until either ends.
fn pass(stream: TcpStream, serve: Serve, tell: &Sender<String>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut near = BufReader::new(stream);
    let (place, welcome) = serve(&mut near)?;
    drop(tell.send(place.clone()));
    let mut far = TcpStream::connect(&place)?;
    let mut near = near.into_inner();
    near.write_all(welcome)?;
    let (mut near_in, mut far_out) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || drop(io::copy(&mut near_in, &mut far_out)));
    io::copy(&mut far, &mut near)?;
    near.shutdown(std::net::Shutdown::Both)
}

fn http(near: &mut BufReader<TcpStream>) -> io::Result<(String, &'static [u8])> {
    /// `guest:p@ss:w/rd`.
    const LOGIN: &str = "Proxy-Authorization: Basic Z3Vlc3Q6cEBzczp3L3Jk";
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        near.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    if !head.iter().any(|line| line == LOGIN) {
        near.get_mut().write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")?;
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let place = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    Ok((place, b"HTTP/1.1 200 Connection established\r\n\r\n"))
}

fn socks5(near: &mut BufReader<TcpStream>) -> io::Result<(String, &'static [u8])> {
    let methods = take(near, 2)?[1];
    let _ = take(near, methods.into())?;
    near.get_mut().write_all(&[5, 2])?;
    let user_len = take(near, 2)?[1];
    let user = take(near, user_len.into())?;
    let password_len = take(near, 1)?[0];
    let password = take(near, password_len.into())?;
    if (user.as_slice(), password.as_slice()) != (USER.as_bytes(), PASSWORD.as_bytes()) {
        near.get_mut().write_all(&[1, 1])?;
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    near.get_mut().write_all(&[1, 0])?;
    let host = match take(near, 4)?[3] {
        1 => take(near, 4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let len = take(near, 1)?[0];
            String::from_utf8_lossy(&take(near, len.into())?).into_owned()
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let port = take(near, 2)?;
    let place = format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]));
    Ok((place, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
}

fn take(near: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    near.read_exact(&mut bytes)?;
    Ok(bytes)
}
