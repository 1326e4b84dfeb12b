//! Variables that no manifest may read: a manifest may be a stranger's, and plans are public.

use crate::manifest::expand::Lookup;

/// What proves who asks, which nothing may set for a manifest either.
const CREDENTIALS: [&str; 4] =
    ["QC_API_TOKEN", "QC_USER_ID", "QUANTCONNECT_API_TOKEN", "QUANTCONNECT_USER_ID"];

/// A credential that is shorter may be part of an ordinary word.
const SHORTEST: usize = 8;

/// Words between underscores that say that a variable of the process is a secret.
const WORDS: [&str; 24] = [
    "AUTH",
    "BEARER",
    "CERT",
    "COOKIE",
    "COOKIES",
    "CRED",
    "CREDS",
    "DSN",
    "HMAC",
    "JWT",
    "KEY",
    "KEYS",
    "OAUTH",
    "PASS",
    "PAT",
    "PIN",
    "PRIVATE",
    "PROXY",
    "PSK",
    "SAS",
    "SESSION",
    "SIGNATURE",
    "TOKENS",
    "WEBHOOK",
];

/// Ends of a word that say so: `PGPASSWORD`, `apiKey`.
const ENDS: [&str; 12] = [
    "ACCESSKEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PASSWORDS",
    "PRIVATEKEY",
    "SECRET",
    "SECRETS",
    "TOKEN",
];

/// Services whose addresses hold a password: `DATABASE_URL`, `REDIS_URI`.
const SERVICES: [&str; 14] = [
    "AMQP",
    "BROKER",
    "CLOUDAMQP",
    "DATABASE",
    "DB",
    "ELASTICSEARCH",
    "JDBC",
    "MONGO",
    "MONGODB",
    "MYSQL",
    "POSTGRES",
    "POSTGRESQL",
    "RABBITMQ",
    "REDIS",
];

/// The variable that holds a value for one environment alone: `QC_API_TOKEN_PROD`.
pub fn variable_of_environment(name: &str, environment: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let environment: String = environment.chars().map(letter).collect();
    format!("{name}_{environment}")
}

/// Whether a name is that of the organization, which may be another one in each environment.
pub(super) fn is_organization(name: &str) -> bool {
    ["QC_ORGANIZATION_ID", "QUANTCONNECT_ORGANIZATION_ID"].contains(&name)
}

/// Whether a name is that of a credential, for all environments or for one.
pub(super) fn is_credential(name: &str) -> bool {
    let is_of = |credential: &&str| {
        name.strip_prefix(*credential).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    CREDENTIALS.iter().any(is_of)
}

/// Whether the name of a variable of the process says that it is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_of = |word: &str| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        WORDS.contains(&word) || ENDS.iter().any(|end| word.ends_with(end))
    };
    let has_word = |known: &[&str]| name.split('_').any(|word| known.contains(&word));
    is_credential(&name)
        || name.split('_').any(is_of)
        || name.ends_with("_PWD")
        || name.ends_with("CONNECTION_STRING")
        || (has_word(&["URL", "URI"]) && has_word(&SERVICES))
}

/// Whether a value holds one of the credentials of the process, those of its environments too.
pub(super) fn holds_credential<'e>(
    value: &str,
    process: Lookup<'_>,
    environments: impl Iterator<Item = &'e String>,
) -> bool {
    let of_environments = environments.flat_map(|environment| {
        CREDENTIALS.map(|credential| variable_of_environment(credential, environment))
    });
    let names = CREDENTIALS.map(str::to_owned).into_iter().chain(of_environments);
    names
        .filter_map(|name| process(&name))
        .map(|it| it.trim().to_owned())
        .any(|it| it.len() >= SHORTEST && value.contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_other_names() {
        let secret = [
            "GITHUB_TOKEN",
            "github_token",
            "NPM_TOKENS",
            "TOKEN2",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "PGPASSWORD",
            "MYSQL_PWD",
            "DB_PASSWD",
            "SSH_PASSPHRASE",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "PRIVATE_PEM",
            "SSH_AUTH_SOCK",
            "SESSION_COOKIE",
            "OPENAI_API_KEY",
            "apiKey",
            "https_proxy",
            "DATABASE_URL",
            "STAGING_REDIS_URI_2",
            "SENTRY_DSN",
            "QC_API_TOKEN",
        ];
        let other = [
            "MONKEY",
            "KEYBOARD",
            "GIT_AUTHOR_NAME",
            "TOKENIZER",
            "SECRETARY",
            "PWD",
            "OLDPWD",
            "PATH",
            "HOME",
            "QC_ORGANIZATION_ID",
            "GITHUB_SERVER_URL",
            "PASSIVE",
            "CAPITAL",
            "PROXIMITY",
        ];
        for name in secret {
            assert!(is_secret(name), "{name}");
        }
        for name in other {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_value_that_holds_a_credential_is_known_whatever_its_name() {
        let process = |name: &str| match name {
            "QC_API_TOKEN" => Some("0123456789abcdef\n".to_owned()),
            "QC_USER_ID" => Some("47".to_owned()),
            _ => None,
        };
        let table = [("x 0123456789abcdef y", true), ("0123456789", false), ("47", false)];
        for (value, expected) in table {
            assert_eq!(holds_credential(value, &process, [].iter()), expected, "{value}");
        }
    }
}
