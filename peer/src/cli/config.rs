//! `config`.

use super::args::Config;
use super::output::{Output, table};
use super::shown;
use super::stop::Stop;
use crate::api::bodies::Setting;
use crate::api::client::ApiClient;
use crate::core::command::ErrorKind;
use crate::core::settings::Applies;

/// The setting that is a folder.
const FOLDER: &str = "files.dir";

pub(super) async fn run(api: &ApiClient, config: Config, output: Output) -> Result<(), Stop> {
    match config {
        Config::Get { key } => get(api, key, output).await,
        Config::Set { key, value } => {
            let value = if key == FOLDER { absolute(&value)? } else { value };
            let set = api.set_config(&Setting { key, value }).await?;
            if set.applies == Applies::NextStart {
                output
                    .note(&format!("{} applies at the next start: stop the app and start it again", set.key));
            }
            if output.is_json() { output.show(&set, String::new) } else { Ok(()) }
        }
    }
}

async fn get(api: &ApiClient, key: Option<String>, output: Output) -> Result<(), Stop> {
    let mut settings = api.config().await?;
    if let Some(key) = key {
        let Some(value) = settings.remove(&key) else {
            let known: Vec<&str> = settings.keys().map(String::as_str).collect();
            let text = format!("there is no setting {key}; there are {}", known.join(", "));
            return Err(Stop::because(ErrorKind::NotFound, text));
        };
        let shown = shown::line(&value);
        return output.show(&Setting { key, value }, || shown);
    }
    if output.is_json() {
        let mut settings = settings.into_iter().map(|(key, value)| Setting { key, value });
        return settings.try_for_each(|setting| output.show(&setting, String::new));
    }
    let rows: Vec<Vec<String>> =
        settings.into_iter().map(|(key, value)| vec![key, "=".to_owned(), shown::line(&value)]).collect();
    output.line(&table(&rows))
}

/// The daemon's working folder is another one, so a relative path is completed here.
fn absolute(path: &str) -> Result<String, Stop> {
    let full = std::path::absolute(path)
        .map_err(|error| Stop::because(ErrorKind::Usage, format!("{path:?} is no path: {error}")))?;
    full.into_os_string()
        .into_string()
        .map_err(|_| Stop::because(ErrorKind::Usage, "the path is not Unicode; choose another folder"))
}
