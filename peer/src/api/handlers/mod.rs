//! One file per resource: reads the request, gives a command, writes the answer.

pub(super) mod chats;
pub(super) mod config;
pub(super) mod contacts;
pub(super) mod devices;
pub(super) mod events;
pub(super) mod history;
pub(super) mod letters;
pub(super) mod transfers;
pub(super) mod user;
