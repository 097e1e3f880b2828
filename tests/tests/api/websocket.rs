//! A WebSocket (RFC 6455) that only listens.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::http::{Api, read_head};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

#[derive(Debug)]
pub(crate) struct WebSocket {
    reader: BufReader<TcpStream>,
}

impl WebSocket {
    pub(crate) fn open(api: &Api, path: &str) -> Self {
        Self::try_open(api, path).unwrap_or_else(|status| panic!("refused with {status}"))
    }

    /// Opens one, or says with which status it was refused.
    pub(crate) fn try_open(api: &Api, path: &str) -> Result<Self, u16> {
        let mut stream = api.connect();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            api.authority, api.token
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        match read_head(&mut reader).0 {
            101 => Ok(Self { reader }),
            status => Err(status),
        }
    }

    /// The next message, which must be one JSON object.
    pub(crate) fn next(&mut self) -> Value {
        let (kind, payload) = self.frame();
        assert_eq!(kind, TEXT, "a whole text message");
        serde_json::from_slice(&payload).unwrap()
    }

    /// Reads on until the daemon says goodbye.
    pub(crate) fn until_closed(&mut self) {
        while self.frame().0 != CLOSE {}
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let [kind, len] = self.bytes();
        let len = match len {
            126 => usize::from(u16::from_be_bytes(self.bytes())),
            127 => usize::try_from(u64::from_be_bytes(self.bytes())).unwrap(),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.reader.read_exact(&mut payload).unwrap();
        (kind, payload)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }
}
