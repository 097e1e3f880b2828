//! Stories between real processes: what the tests and benchmarks of this crate are told with.
//!
//! A [`World`](world::World) is a folder with a rendezvous; a [`Person`](person::Person) is a home in it with a daemon
//! and a command line. Every program is the one that users run, started as a process of its own and spoken to as a user
//! would: by arguments, output and exit codes. Nothing here reaches into a program.
//!
//! Tests wait for events, each wait is bounded by [`PATIENCE`], and a story that fails shows what every process of its
//! world has logged. Whatever was started ends with the value that stands for it.
//!
//! | module | is |
//! | --- | --- |
//! | [`binaries`] | the programs under test, built when they are stale |
//! | [`process`] | a running program: its output, its end, its memory and processor time |
//! | [`output`] | what a command printed and how it ended |
//! | [`events`] | the event stream of a daemon, as `hobnob tail` prints it |
//! | [`world`], [`person`], [`daemon`] | who takes part in a story |
//! | [`content`] | files to send and to compare |
//! | [`namespace`] | a test inside network and mount namespaces of its own |
//! | [`proxy`] | a proxy on the way to the rendezvous |
//! | [`middle`] | an active attacker between two peers |
//! | [`crowd`] | connections to a rendezvous that never say anything |
//! | [`sim`] | a rendezvous and peers in one thread, under virtual time, with everything going wrong |
//! | [`chance`] | numbers without a pattern |

use std::time::Duration;

pub mod binaries;
pub mod chance;
pub mod content;
pub mod crowd;
pub mod daemon;
pub mod events;
pub mod lab;
pub mod middle;
pub mod namespace;
pub mod output;
pub mod person;
pub mod process;
pub mod proxy;
pub mod sim;
pub mod world;

/// How long a story waits for something that must happen. Far beyond what a busy machine with two cores needs: it
/// bounds a failure, and is no claim about speed.
pub const PATIENCE: Duration = Duration::from_secs(90);
