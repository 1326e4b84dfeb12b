//! What is kept for later: plans that were reviewed, and conversations.
//!
//! Nothing in a saved plan is ever carried out. It holds the digest, the options that lead to it and
//! the lines behind the digest, so that a refusal can say what moved. It is sealed with a hash of its
//! own: an edited file is refused.

mod conversation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{sha256_hex, visible_json};
use crate::store::StoreError;

pub use conversation::{Conversation, Said};

/// The version of the file's shape.
const FORMAT_VERSION: u32 = 1;

/// The file: what was reviewed, with a seal.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A saved plan of qcops")]
struct SealedPlan {
    format_version: u32,
    /// The version of the program that made it.
    tool_version: String,
    reviewed: Reviewed,
    /// The hash over everything above.
    seal: String,
}

/// The options that decide what a plan holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedOptions {
    /// The manifests, and folders of them: from the root of the repository, or whole paths outside
    /// of it, which `apply` does not take from here.
    pub files: Vec<String>,
    /// The address of the service; `apply` compares it with its own and never takes it from here.
    pub api: Option<String>,
    /// The file of the emulator, if the plan was made on one; as `files`.
    pub emulator: Option<String>,
    /// The script that the emulator plays; as `files`.
    pub script: Option<String>,
    /// `--env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `--var`, each as `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vars: Vec<String>,
    /// `--var-file`; as `files`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub var_files: Vec<String>,
    /// `--prune`.
    pub prune: bool,
    /// `--target`.
    pub targets: Vec<String>,
    /// `--history`.
    pub history: String,
    /// `--history-from`.
    pub history_from: Vec<String>,
    /// `--max-deletes`.
    pub max_delete: Option<usize>,
    /// `--max-replaces`.
    pub max_replace: Option<usize>,
    /// `--max-creates`.
    pub max_create: Option<usize>,
    /// `--max-deployments`.
    pub max_deployments: Option<usize>,
    /// `--allow`.
    pub allow: Vec<String>,
}

/// What a saved plan is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// When it was made: seconds since 1970.
    pub made_at: i64,
    /// The organization it is for.
    pub organization_id: String,
    /// The service it was made against.
    pub target: String,
    /// The options it was made with.
    pub options: SavedOptions,
    /// The digest of the plan.
    pub digest: String,
    /// The lines the digest covers.
    pub fingerprints: Vec<String>,
    /// The plan as `--format json` prints it; for people and tools, never carried out.
    pub plan: serde_json::Value,
}

/// A document that cannot be written, or a saved plan that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The document cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such file.
    #[error("there is no plan file `{name}`")]
    Missing {
        /// The file, or its address.
        name: String,
    },
    /// It is no saved plan.
    #[error("`{name}` is no saved plan, but {what}")]
    Other {
        /// The file, or its address.
        name: String,
        /// What it seems to be.
        what: &'static str,
    },
    /// A newer program made it.
    #[error(
        "`{name}` has version {version} of the plan format; this program knows {FORMAT_VERSION}"
    )]
    Newer {
        /// The file, or its address.
        name: String,
        /// Its version.
        version: u64,
    },
    /// What a conversation would be named after is no name of a file.
    #[error("its id `{id}` cannot be the name of a file")]
    NoName {
        /// The id of the deployment.
        id: String,
    },
    /// Its seal does not match.
    #[error("`{name}` was edited after it was made, or made by another version of this program")]
    Edited {
        /// The file, or its address.
        name: String,
    },
}

/// Returns the JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<SealedPlan>()
}

/// Returns the file of a plan to be reviewed.
pub fn seal_plan(reviewed: Reviewed) -> String {
    let tool_version = env!("CARGO_PKG_VERSION").to_owned();
    let seal = String::new();
    let mut sealed = SealedPlan { format_version: FORMAT_VERSION, tool_version, reviewed, seal };
    sealed.seal = seal_of(&sealed);
    text(&sealed)
}

/// Opens the file of a saved plan, which is called `name`; one that was edited or is of a newer format is
/// refused.
pub fn open_plan(name: &str, bytes: Option<&[u8]>) -> Result<Reviewed, SavedError> {
    let name = name.to_owned();
    let Some(bytes) = bytes else { return Err(SavedError::Missing { name }) };
    let sealed = serde_json::from_slice::<serde_json::Value>(bytes);
    if let Some(what) = other(bytes, sealed.as_ref().ok()) {
        return Err(SavedError::Other { name, what });
    }
    let version = sealed.as_ref().ok().and_then(|value| value.get("format_version")?.as_u64());
    if let Some(version) = version.filter(|version| *version > u64::from(FORMAT_VERSION)) {
        return Err(SavedError::Newer { name, version });
    }
    let Ok(sealed) = sealed.and_then(serde_json::from_value::<SealedPlan>) else {
        return Err(SavedError::Edited { name });
    };
    // The bytes count, not only what they mean: a file is what was reviewed or it is not.
    if sealed.seal != seal_of(&sealed) || bytes != text(&sealed).as_bytes() {
        return Err(SavedError::Edited { name });
    }
    Ok(sealed.reviewed)
}

/// What a file seems to be that is no saved plan; one of which a part is missing still is one.
fn other(bytes: &[u8], value: Option<&serde_json::Value>) -> Option<&'static str> {
    let Some(value) = value else {
        let has_part = String::from_utf8_lossy(bytes).contains("\"reviewed\":");
        return (!has_part).then_some("something that is not JSON");
    };
    let known = [
        ("reviewed", None),
        ("task_reads", Some("what `plan --save-snapshot` keeps")),
        ("verdict", Some("what `plan --format json` prints")),
        ("is_interrupted", Some("what `apply --output json=FILE` writes")),
    ];
    let found = known.into_iter().find(|(field, _)| value.get(field).is_some());
    let version = value.get("format_version").and_then(serde_json::Value::as_u64);
    // A newer plan may have other parts.
    let is_newer = version.is_some_and(|version| version > u64::from(FORMAT_VERSION));
    let unknown = (!is_newer).then_some("some other JSON");
    found.map_or(unknown, |(_, what)| what)
}

fn text(sealed: &SealedPlan) -> String {
    let json = serde_json::to_string_pretty(sealed).expect("texts and numbers are always JSON");
    visible_json(&json) + "\n"
}

/// The hash over everything but the seal.
fn seal_of(sealed: &SealedPlan) -> String {
    let unsealed = SealedPlan { seal: String::new(), ..sealed.clone() };
    sha256_hex(text(&unsealed).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reviewed() -> Reviewed {
        Reviewed {
            made_at: 1_795_262_400,
            organization_id: "o".to_owned(),
            target: "https://example.org".to_owned(),
            options: SavedOptions { max_deployments: Some(7), ..SavedOptions::default() },
            digest: "d".to_owned(),
            fingerprints: vec!["task.spy: create".to_owned()],
            plan: serde_json::json!({"verdict": "Plan: 1 to create."}),
        }
    }

    fn open(text: &[u8]) -> Result<Reviewed, SavedError> {
        open_plan("plan.json", Some(text))
    }

    #[test]
    fn a_saved_plan_comes_back_as_it_was() {
        assert_eq!(open(seal_plan(reviewed()).as_bytes()).unwrap(), reviewed());
        assert!(matches!(open_plan("plan.json", None), Err(SavedError::Missing { .. })));
    }

    #[test]
    fn hidden_characters_of_a_plan_are_spelled_in_its_file() {
        let plan = serde_json::json!({"name": "\u{202e}a\u{200b}\u{9b}\n"});
        let text = seal_plan(Reviewed { plan: plan.clone(), ..reviewed() });
        assert!(text.contains("\\u202ea\\u200b\\u009b\\n"), "{text}");
        assert_eq!(open(text.as_bytes()).unwrap().plan, plan);
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let bytes = seal_plan(reviewed()).into_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            assert!(open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_plan_with_a_field_too_many_or_a_part_missing_was_edited_and_all_else_is_no_plan() {
        let text = seal_plan(reviewed());
        let edited = [
            text.replacen("\"tool_version\"", "\"new\": 1, \"tool_version\"", 1),
            text.replacen("\"made_at\"", "\"new\": 1, \"made_at\"", 1),
            text.replacen("\"digest\"", "\"Digest\"", 1),
            text[..text.len() - 9].to_owned(),
        ];
        let others = ["", "tasks: {}", "{\"format_version\": 1}", "[]", "{\"verdict\": \"\"}"];
        for text in &edited {
            let error = open(text.as_bytes()).unwrap_err();
            assert!(matches!(error, SavedError::Edited { .. }), "{text}");
        }
        for text in others {
            let error = open(text.as_bytes()).unwrap_err();
            assert!(matches!(error, SavedError::Other { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("field"), "{error}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let error = open(b"{\"format_version\": 2, \"surprise\": 1}").unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
