//! Saved plans: what was reviewed, to compare with what would be done.
//!
//! Nothing in a saved plan is ever carried out. It holds the digest, the options that lead to it and
//! the lines behind the digest, so that a refusal can say what moved. It is sealed with a hash of its
//! own: an edited file is refused.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::{Files, FilesError};
use crate::model::{sha256_hex, visible_json};

/// The version of the file's shape.
const FORMAT_VERSION: u32 = 1;

/// The file: what was reviewed, with a seal.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A saved plan of qcops")]
struct Sealed {
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
    /// `--prune`.
    pub prune: bool,
    /// `--target`.
    pub targets: Vec<String>,
    /// `--history`.
    pub history: String,
    /// `--history-from`.
    pub history_from: Vec<String>,
    /// `--max-delete`.
    pub max_delete: Option<usize>,
    /// `--max-replace`.
    pub max_replace: Option<usize>,
    /// `--max-create`.
    pub max_create: Option<usize>,
    /// `--max-runs`.
    pub max_runs: Option<usize>,
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

/// A saved plan that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be reached.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is no such file.
    #[error("there is no plan file `{}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is no saved plan.
    #[error("`{}` is not a plan of this program", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A newer program made it.
    #[error("`{}` has version {version} of the plan format; this program knows {FORMAT_VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Its seal does not match.
    #[error("`{}` was changed after it was made", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
    },
}

/// Returns the JSON Schema of the file.
pub fn schema() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Sealed>()
}

/// Writes a plan to be reviewed.
pub fn save_plan(files: &dyn Files, path: &Path, reviewed: Reviewed) -> Result<(), StoreError> {
    let tool_version = env!("CARGO_PKG_VERSION").to_owned();
    let seal = String::new();
    let mut sealed = Sealed { format_version: FORMAT_VERSION, tool_version, reviewed, seal };
    sealed.seal = seal_of(&sealed);
    Ok(files.write(path, text(&sealed).as_bytes())?)
}

/// Reads a saved plan; one that was edited or is of a newer format is refused.
pub fn load_plan(files: &dyn Files, path: &Path) -> Result<Reviewed, StoreError> {
    let path = path.to_owned();
    let Some(bytes) = files.read(&path)? else { return Err(StoreError::Missing { path }) };
    let sealed = serde_json::from_slice::<serde_json::Value>(&bytes);
    let version = sealed.as_ref().ok().and_then(|value| value.get("format_version")?.as_u64());
    if let Some(version) = version.filter(|version| *version > u64::from(FORMAT_VERSION)) {
        return Err(StoreError::Newer { path, version });
    }
    let sealed: Sealed = match sealed.and_then(serde_json::from_value) {
        Ok(sealed) => sealed,
        Err(source) => return Err(StoreError::Unreadable { path, source }),
    };
    // The bytes count, not only what they mean: a file is what was reviewed or it is not.
    if sealed.seal != seal_of(&sealed) || bytes != text(&sealed).as_bytes() {
        return Err(StoreError::Edited { path });
    }
    Ok(sealed.reviewed)
}

fn text(sealed: &Sealed) -> String {
    let json = serde_json::to_string_pretty(sealed).expect("texts and numbers are always JSON");
    visible_json(&json) + "\n"
}

/// The hash over everything but the seal.
fn seal_of(sealed: &Sealed) -> String {
    let unsealed = Sealed { seal: String::new(), ..sealed.clone() };
    sha256_hex(text(&unsealed).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    fn reviewed() -> Reviewed {
        Reviewed {
            made_at: 1_795_262_400,
            organization_id: "o".to_owned(),
            target: "https://example.org".to_owned(),
            options: SavedOptions { max_runs: Some(7), ..SavedOptions::default() },
            digest: "d".to_owned(),
            fingerprints: vec!["task.spy: create".to_owned()],
            plan: serde_json::json!({"verdict": "Plan: 1 to create."}),
        }
    }

    #[test]
    fn a_saved_plan_comes_back_as_it_was() {
        let (files, path) = (Memory::default(), Path::new("plan.json"));
        save_plan(&files, path, reviewed()).unwrap();
        let loaded = load_plan(&files, path).unwrap();
        assert_eq!(loaded, reviewed());
    }

    #[test]
    fn hidden_characters_of_a_plan_are_spelled_in_its_file() {
        let (files, path) = (Memory::default(), Path::new("plan.json"));
        let plan = serde_json::json!({"name": "\u{202e}a\u{200b}\u{9b}\n"});
        save_plan(&files, path, Reviewed { plan: plan.clone(), ..reviewed() }).unwrap();
        let text = String::from_utf8(files.read(path).unwrap().unwrap()).unwrap();
        assert!(text.contains("\\u202ea\\u200b\\u009b\\n"), "{text}");
        assert_eq!(load_plan(&files, path).unwrap().plan, plan);
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let (files, path) = (Memory::default(), Path::new("plan.json"));
        save_plan(&files, path, reviewed()).unwrap();
        let bytes = files.read(path).unwrap().unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            files.write(path, &changed).unwrap();
            assert!(load_plan(&files, path).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let (files, path) = (Memory::default(), Path::new("plan.json"));
        files.write(path, b"{\"format_version\": 2, \"surprise\": 1}").unwrap();
        let error = load_plan(&files, path).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
