//! The words of the program: identities, content, names and actions.
//!
//! Plain data without behavior beyond parsing and printing; every other module
//! speaks in these types. Nothing here knows the service, files or time.

mod action;
mod content;
mod id;
mod looks;
mod name;
mod number;
mod probe;
mod random;
mod visible;

pub use action::Action;
pub use content::{
    CharacterChange, ContentHash, PromptHash, canonical_changes, canonical_text, sha256_hex,
};
pub use id::{AgentId, DeploymentId, InvalidKey, InvalidKeyValue, Key, OrganizationId, TaskId};
pub use looks::{fold_looks, is_other_spelling, odd_blank, odd_character, skeleton};
pub use name::{
    FoldedName, archive_name, archived_base, archived_hash, fold, has_new_number, is_rewriting_of,
    other_archive_name,
};
pub use number::{counted, grouped, noun};
pub use probe::{PROBE_NAME, PROBE_PROMPT, is_probe_name, is_probe_prompt};
pub use random::SplitMix64;
pub use visible::{
    MOST_MARKS, emoji_length, holds_hidden, is_hidden, pile_length, visible_json, visible_json_step,
};
