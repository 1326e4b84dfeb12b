//! Who asks: from the environment, else from the Lean CLI's file (contract 5). Never from a flag.

use serde::Deserialize;

use crate::api::Credentials;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::files;
use crate::secret::{Secret, SecretError, read_secret};

/// The largest `credentials` file, in bytes.
const LARGEST: u64 = 64 << 10;

/// Who asks, and for which organization where that is known.
pub(super) struct Account {
    pub(super) credentials: Credentials,
    pub(super) organization_id: Option<String>,
}

/// The Lean CLI's `credentials` file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct LeanFile {
    user_id: Option<serde_json::Value>,
    api_token: Option<String>,
    organization_id: Option<String>,
}

/// Finds the credentials.
pub(super) fn find(context: &Context) -> Result<Account, CommandError> {
    let organization_id = read_variable(context, "QC_ORGANIZATION_ID")?;
    let user = read_variable(context, "QC_USER_ID")?;
    match (user, read_variable(context, "QC_API_TOKEN")?) {
        (Some(user), Some(token)) => identity(&user, token, organization_id),
        (None, None) => from_lean_file(context, organization_id),
        (Some(_), None) => Err(CommandError::new("`QC_USER_ID` is set and `QC_API_TOKEN` is not")
            .help("set both; an API token is made at https://www.quantconnect.com/settings/")),
        (None, Some(_)) => Err(CommandError::new("`QC_API_TOKEN` is set and `QC_USER_ID` is not")
            .help("set both; the user id stands at https://www.quantconnect.com/settings/")),
    }
}

/// Reads a variable that holds a credential; one that is empty is not set.
pub(super) fn read_variable(context: &Context, name: &str) -> Result<Option<String>, CommandError> {
    let Some(text) = context.lossy_variable(name) else { return Ok(None) };
    match read_secret(&text) {
        Ok(value) => Ok(Some(value.to_owned())),
        Err(SecretError::Empty) => Ok(None),
        Err(why) => Err(CommandError::new(format!("`{name}` {why}"))
            .help(format!("set `{name}` to the value alone"))),
    }
}

fn from_lean_file(
    context: &Context,
    organization_id: Option<String>,
) -> Result<Account, CommandError> {
    let none = || {
        CommandError::new("there are no credentials")
            .help("set `QC_USER_ID` and `QC_API_TOKEN`, or log in with the Lean CLI")
            .help("or try it on the embedded emulator, which needs none: `--emulator`")
    };
    let path = context.home().ok_or_else(none)?.join(".lean").join("credentials");
    let bytes = files::read_input(&path, LARGEST).map_err(|error| CommandError::of(&error))?;
    let bytes = bytes.ok_or_else(none)?;
    if files::is_readable_by_others(&path) {
        // The Lean CLI itself writes it so.
        let shown = path.display();
        context.terminal.message(&format!(
            "warning: `{shown}` can be read by other users; `chmod 600 {shown}` prevents it\n"
        ));
    }
    let unusable = |what: &str| {
        // The parser's own words could quote the file.
        CommandError::new(format!("`{}` {what}", path.display()))
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
    let token = read("api-token", &token)?;
    let organization_id = match (organization_id, file.organization_id) {
        (None, Some(id)) if !id.trim().is_empty() => Some(read("organization-id", &id)?),
        (known, _) => known,
    };
    identity(&read("user-id", &user)?, token, organization_id)
}

fn identity(
    user: &str,
    token: String,
    organization_id: Option<String>,
) -> Result<Account, CommandError> {
    let user_id = user.parse().map_err(|_| {
        CommandError::new("the user id is not a number")
            .help("it stands at https://www.quantconnect.com/settings/")
    })?;
    let credentials = Credentials { user_id, token: Secret::new(token) };
    Ok(Account { credentials, organization_id })
}
