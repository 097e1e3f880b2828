//! `contact`.

use super::args::Contact;
use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use crate::api::bodies::ContactAdd;
use crate::api::client::ApiClient;
use crate::core::view::ContactView;

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
        Contact::List => list(&api.contacts().await?, output)?,
    }
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
    let head = ["ADDRESS", "PRESENCE", "SUBSCRIPTION", "PENDING", "PATH", "STATUS"];
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
        dash(&contact.path),
        shown::line(&words),
    ]
}
