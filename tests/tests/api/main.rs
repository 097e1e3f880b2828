//! The local API of a real daemon, spoken to byte by byte: a browser or a stranger would not be polite either.

#![allow(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod http;
mod websocket;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::{Value, json};

use crate::http::{Answer, Api};
use crate::websocket::WebSocket;

#[test]
fn the_api_answers_only_its_own_programs() {
    let world = World::new();
    let alice = world.person("alice");
    let api = Api::of(&alice);
    let (host, token) = (format!("Host: {}", api.authority), format!("Authorization: Bearer {}", api.token));
    let evil_host = format!("Host: evil.example:{}", api.port());
    let localhost = format!("Host: localhost:{}", api.port());
    let own_origin = format!("Origin: http://{}", api.authority);
    let table: [(&[&str], u16); 12] = [
        (&[&host, &token], 200),
        (&[&localhost, &token], 200),
        (&[&host, &token, &own_origin, "Sec-Fetch-Site: same-origin"], 200),
        (&[&host], 401),
        (&[&host, "Authorization: Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], 401),
        (&[&host, "Authorization: Basic YTpi"], 401),
        (&[&evil_host, &token], 403),
        (&["Host: 127.0.0.1", &token], 403),
        (&[&host, &token, "Origin: http://evil.example"], 403),
        (&[&host, &token, "Origin: null"], 403),
        (&[&host, &token, "Sec-Fetch-Site: cross-site"], 403),
        (&[&host, &token, "Sec-Fetch-Site: same-site"], 403),
    ];
    for path in ["/v1/status", "/v1/openapi.json", "/v1/events"] {
        for (headers, status) in table {
            let answer = api.exchange("GET", path, headers, b"");
            // What is not a WebSocket request is refused there, but only after the guard.
            let status = if path == "/v1/events" && status == 200 { 400 } else { status };
            assert_eq!(answer.status, status, "{path} {headers:?}: {answer:?}");
            answer.assert_protected();
        }
    }
    let nowhere = api.exchange("GET", "/nowhere", &[&host], b"");
    assert_eq!(nowhere.status, 401, "a stranger does not learn what there is");
}

#[test]
fn access_is_private_to_the_user_and_to_one_run_of_the_daemon() {
    let world = World::new();
    let mut alice = world.person("alice");
    let file = alice.home().join("api.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = Api::of(&alice);
    alice.stop();
    assert!(!file.exists(), "a daemon that stops takes its access back");
    alice.up();
    let second = Api::of(&alice);
    assert_ne!(first.token, second.token);

    alice.kill();
    assert!(file.exists(), "a daemon that is killed cannot take it back");
    alice.run(["status"]).refusal(5);
    alice.up();
    assert_eq!(Api::of(&alice).get("/v1/status").status, 200);
}

#[test]
fn one_home_has_one_daemon_and_it_needs_an_account() {
    let world = World::new();
    let alice = world.person("alice");
    assert!(alice.run(["up"]).refusal(7).contains("in use"));
    assert_eq!(alice.ask(["status"])[0]["session"], "up", "the first one runs on");
    world.newcomer("nobody").run(["up"]).refusal(3);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_kind_and_words() {
    let world = World::new();
    let alice = world.person("alice");
    let api = Api::of(&alice);
    let id = "a".repeat(26);
    let too_long = format!(r#"{{"to":"bob","text":"{}"}}"#, "x".repeat(1 << 20));
    let table: [(&str, &str, &[u8], u16, &str); 14] = [
        ("GET", "/v1/nowhere", b"", 404, "usage"),
        ("GET", "/", b"", 404, "usage"),
        ("DELETE", "/v1/status", b"", 405, "usage"),
        ("POST", "/v1/letters", b"", 400, "usage"),
        ("POST", "/v1/letters", b"{", 400, "usage"),
        ("POST", "/v1/letters", b"{\"to\":\"bob\",\"text\":\"\xff\"}", 400, "usage"),
        ("POST", "/v1/letters", br#"{"to":"bob","text":"hi","color":"red"}"#, 400, "usage"),
        ("POST", "/v1/letters", br#"{"to":"b/b","text":"hi"}"#, 400, "usage"),
        ("POST", "/v1/letters", too_long.as_bytes(), 413, "usage"),
        ("GET", "/v1/letters/x", b"", 400, "usage"),
        ("GET", &format!("/v1/letters/{id}"), b"", 404, "not_found"),
        ("GET", "/v1/chats/bob/letters?limit=many", b"", 400, "usage"),
        ("GET", &format!("/v1/transfers/{id}"), b"", 404, "not_found"),
        ("POST", "/v1/transfers", br#"{"to":"bob","paths":["relative"]}"#, 400, "usage"),
    ];
    for (method, path, body, status, kind) in table {
        let answer = api.ask(method, path, body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["kind"]),
            (status, &json!(kind)),
            "{method} {path}"
        );
        assert!(!answer.json()["error"]["text"].as_str().unwrap().is_empty());
        answer.assert_protected();
    }
}

#[test]
fn the_command_line_and_the_api_say_the_same() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let api = Api::of(&alice);
    let sent = api.ask("POST", "/v1/letters", br#"{"to":"bob","text":"by hand"}"#).json();
    bob.until_letters(&alice, 1);
    alice.until_contact(&bob, "a link", |contact| contact["path"] != "none");
    let letter = api.get(&format!("/v1/letters/{}", sent["id"].as_str().unwrap())).json();
    assert_eq!((&letter["text"], &letter["to"]), (&json!("by hand"), &json!("bob@localhost")));
    assert_eq!(api.get("/v1/contacts").json(), Value::Array(alice.ask(["contact", "list"])));
    let chat = api.get("/v1/chats/bob/letters").json();
    assert_eq!(chat.as_array().unwrap().len(), 1);
    assert_eq!(
        api.get(&format!("/v1/chats/bob/letters?before={}", sent["id"].as_str().unwrap())).json(),
        json!([])
    );

    let set = api.ask("PUT", "/v1/config", br#"{"key":"files.auto_accept","value":"contacts"}"#);
    assert_eq!((set.status, set.json()), (200, json!({"key": "files.auto_accept", "applies": "now"})));
    assert_eq!(alice.ask(["config", "get", "files.auto_accept"])[0]["value"], "contacts");
    assert_eq!(api.get("/v1/config").json()["files.auto_accept"], "contacts");
    assert_eq!(api.ask("PUT", "/v1/config", br#"{"key":"files.color","value":"red"}"#).status / 100, 4);
}

#[test]
fn a_stream_of_events_goes_on_after_the_last_cursor_that_was_seen() {
    let world = World::new();
    let (alice, bob) = world.friends("alice", "bob");
    let api = Api::of(&alice);
    let mut events = WebSocket::open(&api, "/v1/events");
    bob.tell(["send", "alice", "one"]);
    let one = letter(&mut events);
    assert_eq!(one["text"], "one");
    let cursor = one["cursor"].as_u64().unwrap();
    drop(events);

    bob.tell(["send", "alice", "two"]);
    alice.until_letters(&bob, 2);
    let mut events = WebSocket::open(&api, &format!("/v1/events?after={cursor}"));
    let two = letter(&mut events);
    assert_eq!(two["text"], "two", "what came in between is told");
    assert!(two["cursor"].as_u64().unwrap() > cursor);

    let mut events = WebSocket::open(&api, "/v1/events?after=1");
    assert_eq!(events.next(), json!({"event": "missed"}), "a cursor of another run is known as such");
}

#[test]
fn event_streams_are_limited_and_end_with_the_daemon() {
    let world = World::new();
    let mut alice = world.person("alice");
    let api = Api::of(&alice);
    // `hobnob tail` of the story holds one of the 64.
    let mut streams: Vec<WebSocket> = (0..63).map(|_| WebSocket::open(&api, "/v1/events")).collect();
    assert_eq!(WebSocket::try_open(&api, "/v1/events").unwrap_err(), 429);
    drop(streams.pop());
    alice.stop();
    for mut stream in streams {
        stream.until_closed();
    }
}

fn letter(events: &mut WebSocket) -> Value {
    loop {
        let event = events.next();
        if event["event"] == "letter" {
            return event;
        }
    }
}

impl Answer {
    #[track_caller]
    fn assert_protected(&self) {
        let header = |name: &str| self.header(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(self.header("access-control-allow-origin"), None);
    }
}

impl Api {
    fn of(person: &Person) -> Self {
        Self::in_home(person.home())
    }
}
