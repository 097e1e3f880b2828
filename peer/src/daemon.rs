//! `hobnob up`: the app as a daemon. It opens the home, serves the local API, and runs until it is told to
//! stop.

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::api::access::Access;
use crate::api::server::Server;
use crate::api::token::Token;
use crate::cli::{Output, Stop};
use crate::client::{Client, Options};

/// The first line of output: from now on commands are answered.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    address: &'a str,
    api: &'a str,
}

/// Runs the daemon of one home until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options, api_port: u16, output: Output) -> Result<(), Stop> {
    // Asked for first, so that a signal during the start stops it in order too.
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signals(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signals(&error))?;

    let home = options.home.clone();
    let client = Client::open(options).await?;
    let token = Token::random().map_err(|error| Stop::failure(format!("no randomness: {error}")))?;
    let server = Server::start(client.clone(), api_port, token.clone()).await.map_err(|error| {
        Stop::failure(format!("cannot listen on 127.0.0.1:{api_port}: {error}; choose another --api-port"))
    })?;
    let access = Access { url: server.url(), token };
    let published = access.publish(&home).map_err(|error| Stop::failure(error.to_string()))?;

    let ready = Ready { event: "ready", address: client.address().as_str(), api: &access.url };
    output.show(&ready, || format!("{} is up, API at {}", ready.address, ready.api))?;
    output.note("Stop with Ctrl-C.");

    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = client.stopped() => failure,
    };
    info!("stopping");
    drop(published);
    server.stop().await;
    client.close().await;
    failure.map_or(Ok(()), |why| Err(Stop::failure(format!("the daemon has stopped: {why}"))))
}

fn no_signals(error: &std::io::Error) -> Stop {
    Stop::failure(format!("cannot listen for signals: {error}"))
}
