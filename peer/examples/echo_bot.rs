//! A bot that accepts every contact request and sends back every letter.
//!
//! Give it an account of its own once, then start it:
//!
//! ```sh
//! hobnob --home /tmp/echo register echo --server 'hobnob://127.0.0.1:7700/#PIN'
//! cargo run --release -p hobnob-peer --example echo_bot -- /tmp/echo
//! ```
//!
//! Anybody at the same rendezvous can now run `hobnob contact add echo` and `hobnob send echo hello`. The bot
//! runs until Ctrl-C; letters that came while it was away are answered at its next start.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the terminal")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use hobnob_peer::core::view::ContactView;
use hobnob_peer::{Client, CommandError, Event, Options};
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> Result<()> {
    let home: PathBuf = std::env::args_os().nth(1).context("usage: echo_bot HOME")?.into();
    let client = Client::open(Options::new(home)).await?;
    println!("{} echoes letters until Ctrl-C", client.address());
    tokio::select! {
        result = echo(&client) => result?,
        result = ctrl_c() => result?,
    }
    client.close().await;
    Ok(())
}

async fn echo(client: &Client) -> Result<()> {
    // Follow first, then look at what is there already: so no request falls in between.
    let mut events = client.events(None);
    for contact in client.contacts().await? {
        welcome(client, &contact).await;
    }
    while let Some(event) = events.next().await {
        let result = match event {
            Ok((_, Event::Contact(contact))) => {
                welcome(client, &contact).await;
                Ok(())
            }
            Ok((_, Event::Letter(letter))) if letter.from != *client.address() => {
                reply(client, letter.from, letter.text).await
            }
            Ok(_) => Ok(()),
            Err(missed) => {
                eprintln!("{missed}");
                Ok(())
            }
        };
        if let Err(error) = result {
            eprintln!("a letter was not answered: {error}");
        }
    }
    match client.stopped().await {
        Some(failure) => anyhow::bail!("stopped: {failure}"),
        None => Ok(()),
    }
}

/// Accepts a request, if this is one.
async fn welcome(client: &Client, contact: &ContactView) {
    if contact.pending != "in" {
        return;
    }
    match client.accept_contact(contact.address.clone()).await {
        Ok(()) => println!("{} is a contact now", contact.address),
        Err(error) => eprintln!("{} could not be accepted: {error}", contact.address),
    }
}

async fn reply(client: &Client, to: hobnob_wire::Address, text: String) -> Result<(), CommandError> {
    client.mark_read(to.clone()).await?;
    client.send(to, text).await.map(drop)
}
