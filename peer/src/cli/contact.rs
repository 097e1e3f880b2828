//! `contact`.

use hobnob_wire::Address;

use super::args::Contact;
use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use super::verify;
use crate::api::bodies::{ContactAdd, Setting};
use crate::api::client::ApiClient;
use crate::core::command::ErrorKind;
use crate::core::settings::LIMIT_PEERS;
use crate::core::transfer::limits::{parse_peers, show_peers};
use crate::core::view::{ContactView, Verification};

pub(super) async fn run(api: &ApiClient, contact: Contact, output: Output) -> Result<(), Stop> {
    match contact {
        Contact::Add { address, text } => {
            api.add_contact(&ContactAdd { address: address.clone(), text }).await?;
            output.note(&format!("Asked {address}. The request waits until it is answered."));
        }
        Contact::Accept { address } => {
            api.accept_contact(&address).await?;
            output.note(&format!("{address} is a contact now."));
        }
        Contact::Reject { address } => {
            api.reject_contact(&address).await?;
            output.note(&format!("Rejected {address}."));
        }
        Contact::Remove { address, text } => {
            api.remove_contact(&address, text).await?;
            output.note(&format!("Removed {address}."));
        }
        Contact::Paths { address, paths } => {
            api.allow_paths(&address, paths).await?;
            output.note("It holds for links from now on; those under another choice were closed.");
        }
        Contact::Trust { address, number } => verify::trust(api, &address, number, output).await?,
        Contact::Limit { address, up, down } => limit(api, &address, (up, down), output).await?,
        Contact::List => list(&api.contacts().await?, output)?,
    }
    Ok(())
}

/// Limits of contacts stand in a setting of their own; one of them is changed.
async fn limit(
    api: &ApiClient,
    address: &str,
    (up, down): (Option<u64>, Option<u64>),
    output: Output,
) -> Result<(), Stop> {
    let contacts = api.contacts().await?;
    let is_meant =
        |full: &Address| full.as_str() == address || full.as_str().split('@').next() == Some(address);
    let Some(contact) = contacts.iter().map(|contact| &contact.address).find(|full| is_meant(full)) else {
        return Err(Stop::because(ErrorKind::NotFound, format!("{address} is no contact")));
    };
    let config = api.config().await?;
    let kept = config.get(LIMIT_PEERS).map(String::as_str).unwrap_or_default();
    let mut peers = parse_peers(kept).unwrap_or_default();
    let rates = peers.entry(contact.clone()).or_default();
    rates.up = up.unwrap_or(rates.up);
    rates.down = down.unwrap_or(rates.down);
    let (key, value) = (LIMIT_PEERS.to_owned(), show_peers(&peers));
    api.set_config(&Setting { key, value }).await?;
    output.note(&format!("It holds for all transfers with {contact} together, from now on."));
    Ok(())
}

fn list(contacts: &[ContactView], output: Output) -> Result<(), Stop> {
    if output.is_json() {
        return contacts.iter().try_for_each(|contact| output.show(contact, String::new));
    }
    if contacts.is_empty() {
        output.note("No contacts yet. Ask somebody: hobnob contact add ADDRESS");
        return Ok(());
    }
    let head = ["ADDRESS", "PRESENCE", "SUBSCRIPTION", "PENDING", "VERIFIED", "PATH", "STATUS"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(contacts.iter().map(row));
    output.line(&table(&rows))
}

fn row(contact: &ContactView) -> Vec<String> {
    let words = match (&contact.warning, contact.pending.as_str()) {
        (Some(warning), _) => format!("WARNING: {warning}"),
        (None, "in") => contact.text.clone(),
        (None, _) => contact.status_text.clone(),
    };
    let dash = |text: &str| if text == "none" { "-".to_owned() } else { text.to_owned() };
    vec![
        contact.address.to_string(),
        contact.presence.clone(),
        contact.subscription.clone(),
        dash(&contact.pending),
        match contact.verification {
            Verification::Unverified => "-".to_owned(),
            Verification::Verified => "yes".to_owned(),
            Verification::Changed => "CHANGED".to_owned(),
        },
        dash(&contact.path),
        shown::line(&words),
    ]
}
