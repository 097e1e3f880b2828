//! Stories of people who use the programs: each with a rendezvous, daemons and commands as processes of their own.
//!
//! A name is a claim. Where a story shows a whole line of the feature table it begins with that line's id.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod changes;
mod contacts;
mod control;
mod devices;
mod devices_trust;
mod files;
mod folders;
mod follows;
mod helpers;
mod history;
mod kinds;
mod languages;
mod large;
mod later;
mod letters;
mod limits;
mod moves;
mod overlay;
mod parts;
#[cfg(feature = "passphrase")]
mod passphrase;
mod paths;
mod people;
mod presence;
mod rendezvous_restart;
mod resume;
mod settings;
mod swarm;
mod trouble;
mod tunnel;
mod waiting;
