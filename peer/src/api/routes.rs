//! Every path of the local API.

use axum::Router;
use axum::handler::Handler;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method};
use axum::routing::{MethodFilter, on};

use super::handlers::{chats, config, contacts, devices, events, history, letters, transfers, user};
use super::state::Api;

/// The description of this API.
const OPENAPI: &str = include_str!("openapi.json");

/// A router that remembers what it was given, so that a test can compare it with the description.
pub(super) struct Routes {
    pub(super) router: Router<Api>,
    pub(super) described: Vec<(Method, &'static str)>,
}

impl Routes {
    fn with<H, T>(mut self, filter: MethodFilter, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.router = self.router.route(path, on(filter, handler));
        self.described.push((method, path));
        self
    }

    fn get<H: Handler<T, Api>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with(MethodFilter::GET, Method::GET, path, handler)
    }

    fn post<H: Handler<T, Api>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with(MethodFilter::POST, Method::POST, path, handler)
    }

    fn put<H: Handler<T, Api>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with(MethodFilter::PUT, Method::PUT, path, handler)
    }

    fn delete<H: Handler<T, Api>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with(MethodFilter::DELETE, Method::DELETE, path, handler)
    }
}

/// All routes.
pub(super) fn routes() -> Routes {
    Routes { router: Router::new(), described: Vec::new() }
        .get("/v1/openapi.json", openapi)
        .get("/v1/status", user::status)
        .put("/v1/presence", user::set_presence)
        .get("/v1/contacts", contacts::list)
        .post("/v1/contacts", contacts::add)
        .delete("/v1/contacts/{address}", contacts::remove)
        .post("/v1/contacts/{address}/accept", contacts::accept)
        .post("/v1/contacts/{address}/reject", contacts::reject)
        .put("/v1/contacts/{address}/paths", contacts::set_paths)
        .get("/v1/contacts/{address}/verification", devices::verification)
        .put("/v1/contacts/{address}/verification", devices::verify)
        .delete("/v1/contacts/{address}/verification", devices::unverify)
        .post("/v1/contacts/{address}/trust", devices::trust)
        .get("/v1/devices", devices::list)
        .put("/v1/devices/{id}", devices::rename)
        .post("/v1/devices/{id}/revoke", devices::revoke)
        .put("/v1/password", devices::change_password)
        .get("/v1/paths/{address}", contacts::paths)
        .get("/v1/netcheck", user::netcheck)
        .post("/v1/letters", letters::send)
        .get("/v1/letters/{id}", letters::one)
        .put("/v1/letters/{id}", letters::edit)
        .delete("/v1/letters/{id}", letters::delete)
        .put("/v1/letters/{id}/reaction", letters::react)
        .put("/v1/letters/{id}/vote", letters::vote)
        .get("/v1/letters/{id}/thread", letters::thread)
        .get("/v1/letters/{id}/rendered", letters::rendered)
        .post("/v1/nudges", letters::nudge)
        .post("/v1/cards", letters::card)
        .post("/v1/locations", letters::location)
        .post("/v1/polls", letters::poll)
        .get("/v1/scheduled", chats::scheduled)
        .put("/v1/scheduled/{id}", chats::reschedule)
        .delete("/v1/scheduled/{id}", chats::unschedule)
        .get("/v1/chats", chats::list)
        .get("/v1/chats/{address}", chats::one)
        .put("/v1/chats/{address}", chats::mark)
        .put("/v1/chats/{address}/draft", chats::set_draft)
        .delete("/v1/letters", history::forget_all)
        .get("/v1/chats/{address}/letters", history::of_chat)
        .delete("/v1/chats/{address}/letters", history::forget)
        .post("/v1/chats/{address}/read", letters::mark_read)
        .post("/v1/typing", letters::typing)
        .get("/v1/history", history::holdings)
        .get("/v1/search", history::search)
        .get("/v1/records", history::records)
        .post("/v1/records", history::import)
        .get("/v1/transfers", transfers::list)
        .post("/v1/transfers", transfers::send)
        .get("/v1/transfers/{id}", transfers::one)
        .post("/v1/transfers/{id}/accept", transfers::accept)
        .post("/v1/transfers/{id}/reject", transfers::reject)
        .post("/v1/transfers/{id}/cancel", transfers::cancel)
        .post("/v1/transfers/{id}/limit", transfers::limit)
        .post("/v1/transfers/{id}/pause", transfers::pause)
        .post("/v1/transfers/{id}/resume", transfers::resume)
        .post("/v1/transfers/{id}/retry", transfers::retry)
        .post("/v1/transfers/{id}/move", transfers::move_to)
        .post("/v1/transfers/{id}/priority", transfers::set_priority)
        .get("/v1/config", config::all)
        .put("/v1/config", config::set)
        .get("/v1/events", events::stream)
}

async fn openapi() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let served: BTreeSet<String> =
            routes().described.iter().map(|(method, path)| format!("{method} {path}")).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        fn check(value: &Value, root: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(root.pointer(pointer).is_some(), "{target}");
                    }
                    fields.values().for_each(|field| check(field, root));
                }
                Value::Array(items) => items.iter().for_each(|item| check(item, root)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        check(&description, &description);
    }
}
