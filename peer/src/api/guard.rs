//! Who may ask the local API, decided as if the whole web and every user of the machine were hostile.
//!
//! A web page can make the user's browser send requests to loopback (and, by DNS rebinding, under a name
//! of its own), so the request must name a loopback host and must not come from a foreign origin. Other
//! users of the machine can connect too, so it must show the token. One check would do; each stands alone.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use thiserror::Error;

use super::token::Token;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request says about where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `Host`.
    pub host: Header<'a>,
    /// `Origin`.
    pub origin: Header<'a>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Header<'a>,
    /// `Authorization`.
    pub authorization: Header<'a>,
}

/// A header that should occur at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    /// It is not there.
    Absent,
    /// Its value.
    Is(&'a str),
    /// More than once, or not text.
    Malformed,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// It names a host that is not this API.
    #[error("the request names another host; use the URL in api.json")]
    Host,
    /// A page of another origin sent it.
    #[error("the request comes from another origin; only programs and pages of this API may ask")]
    Origin,
    /// It shows no token.
    #[error("the request shows no token; send `Authorization: Bearer` with the token in api.json")]
    NoToken,
    /// It shows a wrong token.
    #[error("the token is wrong; read it again from api.json, it changes when the daemon starts")]
    WrongToken,
}

/// Decides who may ask.
#[derive(Debug)]
pub struct Guard {
    hosts: [String; 3],
    token: Token,
}

impl Guard {
    /// Guards the API on `port`.
    #[must_use]
    pub fn new(port: u16, token: Token) -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}"));
        Self { hosts, token }
    }

    /// Lets a request pass or refuses it.
    ///
    /// # Errors
    /// [`Refused`] names the first check that failed.
    pub fn decide(&self, asked: &Asked<'_>) -> Result<(), Refused> {
        match asked.host {
            Header::Is(host) if self.is_own_host(host) => {}
            Header::Is(_) | Header::Absent | Header::Malformed => return Err(Refused::Host),
        }
        match asked.origin {
            Header::Absent => {}
            Header::Is(origin) if self.is_own_origin(origin) => {}
            Header::Is(_) | Header::Malformed => return Err(Refused::Origin),
        }
        match asked.fetch_site {
            Header::Absent | Header::Is("same-origin" | "none") => {}
            Header::Is(_) | Header::Malformed => return Err(Refused::Origin),
        }
        match asked.authorization {
            Header::Absent => Err(Refused::NoToken),
            Header::Is(value) => match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    if self.token.matches(token) { Ok(()) } else { Err(Refused::WrongToken) }
                }
                Some(_) | None => Err(Refused::NoToken),
            },
            Header::Malformed => Err(Refused::WrongToken),
        }
    }

    fn is_own_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    fn is_own_origin(&self, origin: &str) -> bool {
        origin.strip_prefix("http://").is_some_and(|host| self.is_own_host(host))
    }
}

impl<'a> Asked<'a> {
    /// Reads what matters from a request's headers.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Self {
        Self {
            host: single(headers, &HOST),
            origin: single(headers, &ORIGIN),
            fetch_site: single(headers, &SEC_FETCH_SITE),
            authorization: single(headers, &AUTHORIZATION),
        }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Header<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Header::Absent,
        (Some(value), None) => value.to_str().map_or(Header::Malformed, Header::Is),
        (Some(_), Some(_)) => Header::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::Header::{Absent, Is, Malformed};
    use super::*;

    fn guard() -> (Guard, String) {
        let token = Token::random().unwrap();
        let header = token.header();
        (Guard::new(4711, token), header)
    }

    #[test]
    fn each_check_refuses_alone() {
        let (guard, header) = guard();
        let good = Asked {
            host: Is("127.0.0.1:4711"),
            origin: Absent,
            fetch_site: Absent,
            authorization: Is(&header),
        };
        let wrong = format!("Bearer {}", "A".repeat(43));
        let cut = &header[..header.len() - 1];
        let table = [
            (good, Ok(())),
            (Asked { host: Is("localhost:4711"), ..good }, Ok(())),
            (Asked { host: Is("LOCALHOST:4711"), ..good }, Ok(())),
            (Asked { host: Is("[::1]:4711"), ..good }, Ok(())),
            (Asked { host: Absent, ..good }, Err(Refused::Host)),
            (Asked { host: Malformed, ..good }, Err(Refused::Host)),
            (Asked { host: Is("127.0.0.1"), ..good }, Err(Refused::Host)),
            (Asked { host: Is("127.0.0.1:4712"), ..good }, Err(Refused::Host)),
            (Asked { host: Is("evil.example:4711"), ..good }, Err(Refused::Host)),
            (Asked { host: Is("localhost.evil.example:4711"), ..good }, Err(Refused::Host)),
            (Asked { host: Is("127.0.0.1:4711@evil.example"), ..good }, Err(Refused::Host)),
            (Asked { origin: Is("http://127.0.0.1:4711"), ..good }, Ok(())),
            (Asked { origin: Is("http://localhost:4711"), ..good }, Ok(())),
            (Asked { origin: Is("https://127.0.0.1:4711"), ..good }, Err(Refused::Origin)),
            (Asked { origin: Is("http://127.0.0.1:80"), ..good }, Err(Refused::Origin)),
            (Asked { origin: Is("http://evil.example"), ..good }, Err(Refused::Origin)),
            (Asked { origin: Is("null"), ..good }, Err(Refused::Origin)),
            (Asked { origin: Malformed, ..good }, Err(Refused::Origin)),
            (Asked { fetch_site: Is("same-origin"), ..good }, Ok(())),
            (Asked { fetch_site: Is("none"), ..good }, Ok(())),
            (Asked { fetch_site: Is("same-site"), ..good }, Err(Refused::Origin)),
            (Asked { fetch_site: Is("cross-site"), ..good }, Err(Refused::Origin)),
            (Asked { fetch_site: Malformed, ..good }, Err(Refused::Origin)),
            (Asked { authorization: Absent, ..good }, Err(Refused::NoToken)),
            (Asked { authorization: Is("Basic YTpi"), ..good }, Err(Refused::NoToken)),
            (Asked { authorization: Is("Bearer"), ..good }, Err(Refused::NoToken)),
            (Asked { authorization: Is("Bearer "), ..good }, Err(Refused::WrongToken)),
            (Asked { authorization: Is(&wrong), ..good }, Err(Refused::WrongToken)),
            (Asked { authorization: Is(cut), ..good }, Err(Refused::WrongToken)),
            (Asked { authorization: Malformed, ..good }, Err(Refused::WrongToken)),
        ];
        for (asked, expected) in table {
            assert_eq!(guard.decide(&asked), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_header_that_comes_twice_is_malformed() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("127.0.0.1:4711"));
        assert_eq!(Asked::of(&headers).host, Is("127.0.0.1:4711"));
        headers.append(HOST, HeaderValue::from_static("127.0.0.1:4711"));
        assert_eq!(Asked::of(&headers).host, Malformed);
        headers.insert(ORIGIN, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(Asked::of(&headers).origin, Malformed);
    }
}
