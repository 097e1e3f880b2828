//! The proxy that a user's network asks for: how it is written down, and what is said to one that speaks HTTP.
//!
//! `http://` is a proxy for HTTP `CONNECT` (RFC 9110 §9.3.6), `socks5://` one for SOCKS 5 (RFC 1928). Both open TCP
//! connections by the name of the host, so that nothing is asked of the own DNS. The password of a proxy is a secret of the user:
//! it is wiped from memory and stands in no message.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest host name (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Longest user name and longest password (RFC 1929 §2).
const LOGIN_BYTES_MAX: usize = 255;

/// Longest answer of an HTTP proxy. Some add many fields; no one needs more.
pub const HTTP_ANSWER_BYTES_MAX: usize = 8 << 10;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP `CONNECT`.
    Http,
    /// SOCKS 5.
    Socks5,
}

/// A proxy and, if it asks who one is, what to say. Parsed from `http://host:port` or `socks5://user:password@host:port`,
/// where the user and the password may be percent-encoded. Displayed without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub speaks: Speaks,
    /// Its host: a name or an IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are to it.
    pub login: Option<Login>,
}

/// A user of a proxy.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.speaks {
            Speaks::Http => "http",
            Speaks::Socks5 => "socks5",
        };
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(f, "{scheme}://{login}{}", authority(&self.host, self.port))
    }
}

impl Proxy {
    /// The text that it is parsed from, with the password.
    #[must_use]
    pub fn url(&self) -> Zeroizing<String> {
        let shown = self.to_string();
        let (Some(Login { user, password }), Some((scheme, at))) = (&self.login, shown.split_once("***@"))
        else {
            return Zeroizing::new(shown);
        };
        let (user, password) = (encoded(user), encoded(password));
        Zeroizing::new([scheme, &user, ":", &password, "@", at].concat())
    }
}

/// Percent-encodes all that could mean something in a URL.
fn encoded(text: &str) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into());
        } else {
            let digits = [byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)]));
            encoded.extend(['%'].into_iter().chain(digits));
        }
    }
    encoded
}

/// Why a text names no proxy. Says nothing of what the text holds: that may be a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a proxy is http://host:port or socks5://host:port, with user:password@ before the host if it asks for them"
)]
pub struct NoProxy;

impl FromStr for Proxy {
    type Err = NoProxy;

    fn from_str(text: &str) -> Result<Self, NoProxy> {
        let (scheme, rest) = text.split_once("://").ok_or(NoProxy)?;
        let speaks = match scheme {
            "http" => Speaks::Http,
            "socks5" | "socks5h" => Speaks::Socks5,
            _ => return Err(NoProxy),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, at) = match rest.rsplit_once('@') {
            Some((login, at)) => (Some(parse_login(login)?), at),
            None => (None, rest),
        };
        let (host, port) = at.rsplit_once(':').ok_or(NoProxy)?;
        let host = match host.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']').filter(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
            None => Some(host).filter(|host| is_host(host)),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(NoProxy)?;
        Ok(Self { speaks, host: host.ok_or(NoProxy)?.to_owned(), port, login })
    }
}

/// Whether a text can be a name or an IPv4 address; above all that nothing in it could end a line or a part of a request.
fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=HOST_BYTES_MAX).contains(&host.len()) && host.bytes().all(allowed)
}

fn parse_login(text: &str) -> Result<Login, NoProxy> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let login = Login { user: decoded(user)?, password: decoded(password)? };
    // SOCKS 5 can say neither an empty name nor an empty password, and HTTP no name with a colon.
    let fits = |text: &str| text.len() <= LOGIN_BYTES_MAX;
    if login.user.is_empty() || login.user.contains(':') || !fits(&login.user) || !fits(&login.password) {
        return Err(NoProxy);
    }
    Ok(login)
}

/// Resolves percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<String, NoProxy> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2).ok_or(NoProxy)?;
        let digits = str::from_utf8(digits).map_err(|_| NoProxy)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoProxy);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| NoProxy)?);
        rest = behind;
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| NoProxy)
}

/// Why an HTTP proxy has opened no connection.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpRefused {
    /// It wants a user and a password, or other ones.
    #[error("the proxy asks for another user or password")]
    Login,
    /// It does not want to, or cannot.
    #[error("the proxy answers with status {0}")]
    Status(u16),
    /// What it says is not HTTP, or too long.
    #[error("the proxy does not speak HTTP")]
    Nonsense,
}

/// What to say to an HTTP proxy to be connected with `host` and `port`. Holds the password.
#[must_use]
pub fn http_request(host: &str, port: u16, login: Option<&Login>) -> Zeroizing<String> {
    let to = authority(host, port);
    let mut request = Zeroizing::new(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n"));
    if let Some(Login { user, password }) = login {
        let plain = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(BASE64.encode(plain.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Reads the answer of an HTTP proxy as far as it has come: `true` once the connection is open.
///
/// # Errors
/// [`HttpRefused`]. Bytes behind the answer are [`HttpRefused::Nonsense`]: the rendezvous says nothing before we do.
pub fn http_answer(bytes: &[u8]) -> Result<bool, HttpRefused> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = bytes.windows(END.len()).position(|window| window == END) else {
        return if bytes.len() < HTTP_ANSWER_BYTES_MAX { Ok(false) } else { Err(HttpRefused::Nonsense) };
    };
    let status = bytes
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.split_first_chunk::<5>())
        .and_then(|(head, _)| match head {
            [b'0' | b'1', b' ', status @ ..] => str::from_utf8(status).ok()?.parse::<u16>().ok(),
            _ => None,
        })
        .ok_or(HttpRefused::Nonsense)?;
    match status {
        200..=299 if end + END.len() == bytes.len() => Ok(true),
        200..=299 => Err(HttpRefused::Nonsense),
        407 => Err(HttpRefused::Login),
        status => Err(HttpRefused::Status(status)),
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_written_as_a_url() {
        let proxy: Proxy = "socks5://alice:p%40ss%3a@proxy.example:1080".parse().unwrap();
        let login = Login { user: "alice".into(), password: "p@ss:".into() };
        let expected =
            Proxy { speaks: Speaks::Socks5, host: "proxy.example".into(), port: 1080, login: Some(login) };
        assert_eq!(proxy, expected);
        assert_eq!(*proxy.url(), "socks5://alice:p%40ss%3A@proxy.example:1080");
        assert_eq!(proxy.url().parse(), Ok(expected));
        let proxy: Proxy = "http://[2001:db8::1]:3128/".parse().unwrap();
        assert_eq!((proxy.speaks, proxy.host.as_str(), proxy.port), (Speaks::Http, "2001:db8::1", 3128));
        assert_eq!(proxy.login, None);
        assert_eq!(
            (proxy.to_string(), proxy.url().as_str()),
            ("http://[2001:db8::1]:3128".into(), "http://[2001:db8::1]:3128")
        );
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        let long = format!("http://{}:1", "a".repeat(254));
        let long_user = format!("http://{}@h:1", "a".repeat(256));
        let texts = [
            "",
            "proxy:1",
            "https://h:1",
            "http://h",
            "http://h:0",
            "http://h:65536",
            "http://:1",
            "http://[h]:1",
            "http://a b:1",
            "http://a\r\nb:1",
            "http://:p@h:1",
            "http://a%3ab:p@h:1",
            "http://a:%g1@h:1",
            "http://a:%+1@h:1",
            "http://a:%f@h:1",
            "http://h:1/path",
            &long,
            &long_user,
        ];
        for text in texts {
            assert_eq!(text.parse::<Proxy>(), Err(NoProxy), "{text:?}");
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let proxy: Proxy = "http://alice:secret@h:1".parse().unwrap();
        let shown = format!("{proxy} {proxy:?} {:?}", proxy.login);
        assert_eq!(shown, "http://***@h:1 Proxy(http://***@h:1) Some(Login)");
    }

    #[test]
    fn http_is_asked_to_connect_with_the_credentials_of_rfc_7617() {
        assert_eq!(
            *http_request("chat.example", 443, None),
            "CONNECT chat.example:443 HTTP/1.1\r\nHost: chat.example:443\r\n\r\n"
        );
        let login = Login { user: "Aladdin".into(), password: "open sesame".into() };
        assert_eq!(
            *http_request("2001:db8::1", 7700, Some(&login)),
            "CONNECT [2001:db8::1]:7700 HTTP/1.1\r\nHost: [2001:db8::1]:7700\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_is_read_as_it_comes() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        for end in 0..answer.len() {
            assert_eq!(http_answer(&answer[..end]), Ok(false));
        }
        assert_eq!(http_answer(answer), Ok(true));
        assert_eq!(http_answer(b"HTTP/1.0 407 No\r\n\r\nbody"), Err(HttpRefused::Login));
        assert_eq!(http_answer(b"HTTP/1.0 403 No\r\n\r\n"), Err(HttpRefused::Status(403)));
        for nonsense in
            [b"SSH-2.0-x\r\n\r\n".as_slice(), b"HTTP/1.1 2\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore"]
        {
            assert_eq!(http_answer(nonsense), Err(HttpRefused::Nonsense));
        }
        assert_eq!(http_answer(&[b'a'; HTTP_ANSWER_BYTES_MAX]), Err(HttpRefused::Nonsense));
    }
}
