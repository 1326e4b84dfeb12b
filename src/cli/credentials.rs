//! Who asks: from the environment, else from the Lean CLI's files (contract 5, 19.6). Never from a flag.

use std::path::PathBuf;

use jsonc_parser::JsonValue;
use serde::Deserialize;

use crate::api::Credentials;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::files;
use crate::manifest::variable_of_environment;
use crate::secret::{Secret, SecretError, read_secret};

/// The largest `credentials` file or `lean.json`, in bytes.
const LARGEST: u64 = 64 << 10;

/// The variables of the user id; official clients use two families of names.
const USER_ID: [&str; 2] = ["QC_USER_ID", "QUANTCONNECT_USER_ID"];

/// The variables of the API token.
const API_TOKEN: [&str; 2] = ["QC_API_TOKEN", "QUANTCONNECT_API_TOKEN"];

/// The variables of the organization.
pub(super) const ORGANIZATION_ID: [&str; 2] =
    ["QC_ORGANIZATION_ID", "QUANTCONNECT_ORGANIZATION_ID"];

/// Who asks, and for which organization where that is known.
pub(super) struct Account {
    pub(super) credentials: Credentials,
    /// Where they were found: the name of a variable, or a file.
    pub(super) origin: String,
    pub(super) organization: Option<Sourced>,
    /// The file of the credentials, where other users can read it.
    pub(super) exposed: Option<PathBuf>,
}

/// A value and where it was found: a variable, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sourced {
    pub(super) value: String,
    pub(super) origin: String,
}

/// The Lean CLI's `credentials` file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LeanFile {
    user_id: Option<serde_json::Value>,
    api_token: Option<String>,
    organization_id: Option<String>,
}

/// Finds the credentials: those of the selected environment, else those of all.
pub(super) fn find(context: &Context, environment: Option<&str>) -> Result<Account, CommandError> {
    let own = |names: &[&str; 2]| match environment {
        Some(environment) => own(context, names, environment),
        None => Ok(None),
    };
    let organization = match own(&ORGANIZATION_ID)? {
        None => read_family(context, &ORGANIZATION_ID)?,
        own => own,
    };
    // A token belongs to its user, so that neither is combined with the other of another origin.
    let (user, token) = match (own(&USER_ID)?, own(&API_TOKEN)?) {
        (None, None) => (read_family(context, &USER_ID)?, read_family(context, &API_TOKEN)?),
        own => own,
    };
    match (user, token) {
        (Some(user), Some(token)) => {
            let credentials = credentials(&user.value, token.value.clone())?;
            Ok(Account { credentials, origin: token.origin, organization, exposed: None })
        }
        (None, None) => from_lean_files(context, organization, environment),
        (Some(user), None) => {
            Err(half_set(&user.origin, user.origin.replace("USER_ID", "API_TOKEN"))
                .help("set both; an API token is made at https://www.quantconnect.com/settings/"))
        }
        (None, Some(token)) => {
            Err(half_set(&token.origin, token.origin.replace("API_TOKEN", "USER_ID"))
                .help("set both; the user id stands at https://www.quantconnect.com/settings/"))
        }
    }
}

/// The organization in the variables of an environment of its own.
pub(super) fn own_organization(
    context: &Context,
    environment: &str,
) -> Result<Option<Sourced>, CommandError> {
    own(context, &ORGANIZATION_ID, environment)
}

/// Reads a credential from the variables of an environment.
fn own(
    context: &Context,
    names: &[&str; 2],
    environment: &str,
) -> Result<Option<Sourced>, CommandError> {
    read_family(context, &names.map(|name| variable_of_environment(name, environment)))
}

fn half_set(set: &str, missing: impl std::fmt::Display) -> CommandError {
    CommandError::new(format!("`{set}` is set and `{missing}` is not"))
}

/// Reads a credential from the variables that may hold it; two that differ are an error.
pub(super) fn read_family(
    context: &Context,
    names: &[impl AsRef<str>],
) -> Result<Option<Sourced>, CommandError> {
    let mut found: Option<Sourced> = None;
    for name in names.iter().map(AsRef::as_ref) {
        let Some(value) = read_variable(context, name)? else { continue };
        match &found {
            Some(first) if first.value != value => {
                return Err(CommandError::new(format!(
                    "`{}` and `{name}` are set to different values",
                    first.origin
                ))
                .help("unset one of them")
                .help("nothing was sent"));
            }
            Some(_) => {}
            None => found = Some(Sourced { value, origin: name.to_owned() }),
        }
    }
    Ok(found)
}

/// Reads a variable that holds a credential; one that is empty is not set.
fn read_variable(context: &Context, name: &str) -> Result<Option<String>, CommandError> {
    let Some(text) = context.lossy_variable(name) else { return Ok(None) };
    match read_secret(&text) {
        Ok(value) => Ok(Some(value.to_owned())),
        Err(SecretError::Empty) => Ok(None),
        Err(why) => Err(CommandError::new(format!("`{name}` {why}"))
            .help(format!("set `{name}` to the value alone"))),
    }
}

fn from_lean_files(
    context: &Context,
    organization: Option<Sourced>,
    environment: Option<&str>,
) -> Result<Account, CommandError> {
    let none = || {
        let error = CommandError::new("there are no credentials")
            .help("set `QC_USER_ID` and `QC_API_TOKEN`, or log in with the Lean CLI");
        let error = match environment {
            Some(environment) => {
                let [user, token] = [USER_ID[0], API_TOKEN[0]]
                    .map(|name| variable_of_environment(name, environment));
                error
                    .help(format!("or set `{user}` and `{token}`, for `--env {environment}` alone"))
            }
            None => error,
        };
        error.help("or try it on the embedded emulator, which needs none: `--emulator`")
    };
    let path = context.home().ok_or_else(none)?.join(".lean").join("credentials");
    let bytes = files::read_input(&path, LARGEST).map_err(|error| CommandError::of(&error))?;
    let bytes = bytes.ok_or_else(none)?;
    let origin = path.display().to_string();
    let unusable = |what: &str| {
        // The parser's own words could quote the file.
        CommandError::new(format!("`{origin}` {what}"))
            .help("log in with the Lean CLI again, or set `QC_USER_ID` and `QC_API_TOKEN`")
    };
    let file: LeanFile = serde_json::from_slice(&bytes).map_err(|_| unusable("is not usable"))?;
    let user = match &file.user_id {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => return Err(unusable("holds no `user-id`")),
    };
    let token = file.api_token.ok_or_else(|| unusable("holds no `api-token`"))?;
    let read = |field: &str, text: &str| match read_secret(text) {
        Ok(value) => Ok(value.to_owned()),
        Err(why) => Err(unusable(&format!("is not usable: `{field}` {why}"))),
    };
    let credentials = credentials(&read("user-id", &user)?, read("api-token", &token)?)?;
    let organization = match organization {
        Some(set) => Some(set),
        None => match (of_workspace()?, file.organization_id) {
            (Some(found), _) => Some(found),
            (None, Some(id)) if !id.trim().is_empty() => {
                Some(Sourced { value: read("organization-id", &id)?, origin: origin.clone() })
            }
            (None, _) => None,
        },
    };
    // The Lean CLI itself writes it so.
    let exposed = files::is_readable_by_others(&path).then_some(path);
    Ok(Account { credentials, origin, organization, exposed })
}

/// The organization of the Lean workspace around the working folder: of its nearest `lean.json`.
fn of_workspace() -> Result<Option<Sourced>, CommandError> {
    let here = std::env::current_dir().map_err(|error| CommandError::of(&error))?;
    let mut paths = here.ancestors().map(|folder| folder.join("lean.json"));
    let Some(path) = paths.find(|path| path.is_file()) else { return Ok(None) };
    let text = files::read_input(&path, LARGEST).map_err(|error| CommandError::of(&error))?;
    let origin = path.display().to_string();
    match workspace_organization(&String::from_utf8_lossy(&text.unwrap_or_default())) {
        Ok(id) => Ok(id.map(|value| Sourced { value, origin })),
        Err(why) => Err(CommandError::new(format!("`{origin}` {why}"))
            .help("correct it, or set `QC_ORGANIZATION_ID`")),
    }
}

/// The organization in the text of a `lean.json`, or why it cannot be read.
fn workspace_organization(text: &str) -> Result<Option<String>, &'static str> {
    let options = jsonc_parser::ParseOptions::default();
    let text = text.trim_start_matches('\u{feff}');
    let Ok(Some(JsonValue::Object(file))) = jsonc_parser::parse_to_value(text, &options) else {
        // The parser's own words could quote the file.
        return Err("is not JSON with comments");
    };
    let id = |key: &str| Some(read_secret(file.get_string(key)?).ok()?.to_owned());
    Ok(id("job-organization-id").or_else(|| id("organization-id")))
}

fn credentials(user: &str, token: String) -> Result<Credentials, CommandError> {
    let user_id = user.parse().map_err(|_| {
        CommandError::new("the user id is not a number")
            .help("it stands at https://www.quantconnect.com/settings/")
    })?;
    Ok(Credentials { user_id, token: Secret::new(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_organization_of_a_lean_workspace_is_read_past_comments() {
        let table = [
            (r#"{"organization-id": "a"}"#, Ok(Some("a"))),
            (
                r#"{
                    // "organization-id": "commented-out",
                    "organization-id": "a", /* of the folder */
                    "job-organization-id": "b//c", // of cloud jobs
                }"#,
                Ok(Some("b//c")),
            ),
            (
                "\u{feff}{\"job-organization-id\": \"\", \"organization-id\": \" a \"}",
                Ok(Some("a")),
            ),
            (r#"{"job-organization-id": null, "organization-id": 3}"#, Ok(None)),
            ("{}", Ok(None)),
            ("{\"organization-id\": ", Err("is not JSON with comments")),
        ];
        for (text, expected) in table {
            let found = workspace_organization(text);
            let expected = expected.map(|id| id.map(str::to_owned));
            assert_eq!(found, expected, "{text}");
        }
    }
}
