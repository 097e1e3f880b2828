//! HTTP/1.1 as far as these tests need it, with every header under their control.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use hobnob_tests::PATIENCE;
use serde_json::Value;

/// Where a daemon's API is, and its token.
#[derive(Debug)]
pub(crate) struct Api {
    /// `127.0.0.1:PORT`.
    pub(crate) authority: String,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Api {
    /// Reads it as programs do.
    pub(crate) fn in_home(home: &Path) -> Self {
        let access: Value = serde_json::from_slice(&fs::read(home.join("api.json")).unwrap()).unwrap();
        let authority = access["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { authority, token: access["token"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn port(&self) -> &str {
        self.authority.rsplit_once(':').unwrap().1
    }

    /// Connects to the API.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Asks as a polite program does.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, b"")
    }

    /// Asks as a polite program does, with a body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let host = format!("Host: {}", self.authority);
        let token = format!("Authorization: Bearer {}", self.token);
        self.exchange(method, path, &[&host, &token], body)
    }

    /// Asks with exactly these headers, and those that the exchange itself needs.
    pub(crate) fn exchange(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let len = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{headers}Content-Length: {len}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A body that is refused for its length may not be read to its end.
        drop(stream.write_all(body));
        let mut reader = BufReader::new(stream);
        let (status, headers) = read_head(&mut reader);
        let mut body = Vec::new();
        drop(reader.read_to_end(&mut body));
        Answer { status, headers, body }
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Status, and headers with their names in lower case.
pub(crate) fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut lines = reader.lines().map(Result::unwrap);
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.take_while(|line| !line.is_empty());
    let headers = headers.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    (status, headers.collect())
}
