//! `history search`.

use crate::api::client::ApiClient;
use crate::cli::letters::time;
use crate::cli::output::Output;
use crate::cli::shown;
use crate::cli::stop::Stop;
use crate::core::history::view::FoundView;

pub(super) async fn run(
    api: &ApiClient,
    typed: &[String],
    (limit, before): (u32, Option<i64>),
    output: Output,
) -> Result<(), Stop> {
    let answer = api.search(&query(typed), before, limit).await?;
    for found in &answer.found {
        output.show(found, || human(found))?;
    }
    if answer.found.is_empty() {
        output.note("Nothing found.");
    }
    if let Some(next) = answer.next {
        output.note(&format!("There is more: add --before {next}"));
    }
    Ok(())
}

/// One argument is a query; of several, those with spaces had quotes that the shell took away.
fn query(typed: &[String]) -> String {
    let word = |word: &String| {
        if typed.len() > 1 && word.contains(char::is_whitespace) && !word.contains('"') {
            format!("\"{word}\"")
        } else {
            word.clone()
        }
    };
    typed.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// `2026-11-21 07:34:17Z  ID  bob@localhost  alice: …the words`
fn human(found: &FoundView) -> String {
    let letter = &found.letter;
    let author = letter.from.name();
    let words = shown::line(&found.snippet.text);
    format!("{}  {}  {}  {author}: {words}", time(&letter.at), letter.id, found.chat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_the_shell_took_away_are_put_back() {
        let typed = |words: &[&str]| query(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(typed(&["from:bob", "big house", "-boat"]), "from:bob \"big house\" -boat");
        assert_eq!(typed(&["two words"]), "two words");
        assert_eq!(typed(&["a", "-\"b c\""]), "a -\"b c\"");
    }
}
