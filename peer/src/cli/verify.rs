//! `verify` and `contact trust`.

use std::io::{self, BufRead, IsTerminal};

use hobnob_wire::safety::SafetyNumber;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::args::Verify;
use super::output::Output;
use super::shown;
use super::stop::Stop;
use crate::api::client::ApiClient;
use crate::core::command::ErrorKind;
use crate::core::view::{Verification, VerificationView};

pub(super) async fn run(api: &ApiClient, verify: Verify, output: Output) -> Result<(), Stop> {
    let Verify { address, number, undo } = verify;
    let view = match number {
        Some(number) => api.verify(&address, number.digits().to_owned()).await?,
        None if undo => api.unverify(&address).await?,
        None => api.verification(&address).await?,
    };
    output.show(&view, || human(&view))?;
    if view.verification == Verification::Unverified {
        output.note("Compare it with what the other side sees, by voice or in person; then tell:");
        output.note(&format!("hobnob verify {address} --number \"THE NUMBER THERE\""));
    }
    Ok(())
}

fn human(view: &VerificationView) -> String {
    let state = match view.verification {
        Verification::Unverified => "not verified",
        Verification::Verified => "verified",
        Verification::Changed => "CHANGED since you verified it, or waiting for your decision",
    };
    let mut text = format!("{}: {state}\n\n{}\n", view.address, number(&view.number));
    if let Some(new) = &view.new_number {
        text.push_str(&format!("\nThe new identity has the number\n\n{}\n", number(new)));
    } else if let Some(code) = code(&view.link) {
        text.push_str(&format!("\n{code}\n"));
    }
    if let Some(warning) = &view.warning {
        text.push_str(&format!("\n{}\n", shown::line(warning)));
    }
    text.trim_end().to_owned()
}

/// Four groups to a line.
fn number(number: &str) -> String {
    let groups: Vec<&str> = number.split(' ').collect();
    let lines: Vec<String> = groups.chunks(4).map(|line| format!("    {}", line.join(" "))).collect();
    lines.join("\n")
}

/// The code for cameras, as a terminal shows it.
fn code(link: &str) -> Option<String> {
    let code = QrCode::new(link.as_bytes()).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

/// Accepts another identity of a contact, once the user has seen both numbers.
pub(super) async fn trust(
    api: &ApiClient,
    address: &str,
    known: Option<SafetyNumber>,
    output: Output,
) -> Result<(), Stop> {
    let view = api.verification(address).await?;
    let Some(new) = &view.new_number else {
        // The daemon says why there is nothing to accept.
        let number = known.map_or_else(|| view.number.clone(), |known| known.digits().to_owned());
        api.accept_identity(address, number).await?;
        return Ok(());
    };
    output.note(&format!("{} had the number\n\n{}\n", view.address, number(&view.number)));
    output.note(&format!("and has the number now\n\n{}\n", number(new)));
    let accepted = match known {
        Some(known) => known.digits().to_owned(),
        None if agrees(output)? => new.clone(),
        None => return Err(Stop::because(ErrorKind::Denied, "nothing was changed")),
    };
    let view = api.accept_identity(address, accepted).await?;
    output.show(&view, || human(&view))
}

/// Asks whether the number was compared.
fn agrees(output: Output) -> Result<bool, Stop> {
    if !io::stdin().is_terminal() {
        let text = "nobody is there to compare the numbers; give the new one with --number";
        return Err(Stop::because(ErrorKind::Usage, text));
    }
    output.note("Does the other side, asked by another way, see the new number? Type yes to accept it:");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Stop::failure(format!("cannot read the answer: {error}")))?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_three_lines_of_four_groups() {
        let digits = "11111 22222 33333 44444 55555 66666 77777 88888 99999 00000 12345 67890";
        assert_eq!(
            number(digits),
            "    11111 22222 33333 44444\n    55555 66666 77777 88888\n    99999 00000 12345 67890"
        );
    }

    #[test]
    fn a_camera_sees_what_the_link_says() {
        let shown = code("hobnob:verify?from=alice@example.org&number=1").unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.len() > 10, "{shown}");
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert!(shown.contains('█') && shown.contains('▀'));
    }
}
