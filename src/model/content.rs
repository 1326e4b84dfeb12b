//! Canonical content and its hash: the address of a task whatever happens to its name.
//!
//! Everything of a task but its name is fixed at creation (contract 11), so
//! `hash(agentId, prompt, projectPreference)` identifies it. There is one canonical form
//! in the program, computed here, and what it yields is also what is sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::model::AgentId;

/// How the service chooses the project of a deployment (contract 3.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProjectPreference {
    /// A fresh project for each deployment.
    EachTaskDeployment,
    /// One project, made on the first deployment and used again.
    ForTask,
    /// A value the web interface set and the documented API does not accept (contract 9).
    Other(String),
}

impl ProjectPreference {
    /// The values that a create request accepts.
    pub const WRITABLE: [Self; 2] = [Self::EachTaskDeployment, Self::ForTask];

    /// Reads the service's word, keeping one it does not know.
    pub fn from_wire(word: &str) -> Self {
        Self::WRITABLE
            .into_iter()
            .find(|known| known.as_str() == word)
            .unwrap_or_else(|| Self::Other(word.to_owned()))
    }

    /// Returns the service's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::EachTaskDeployment => "project-each-task-deployment",
            Self::ForTask => "project-for-task",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for ProjectPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a task does, in canonical form, with its address.
///
/// Cheap to clone and to compare: the prompt is shared and the hash, which tells all fields, is
/// computed once.
#[derive(Clone, Debug, Eq)]
pub struct Content {
    agent_id: AgentId,
    prompt: Arc<str>,
    project_preference: ProjectPreference,
    hash: ContentHash,
}

impl Content {
    /// Makes content from fields as written or as read; the prompt is put in canonical form.
    ///
    /// A shared prompt that is canonical already stays shared.
    pub fn new(
        agent_id: AgentId,
        prompt: impl AsRef<str> + Into<Arc<str>>,
        project_preference: ProjectPreference,
    ) -> Self {
        let canonical = canonical_text(prompt.as_ref());
        let prompt: Arc<str> =
            if canonical.len() == prompt.as_ref().len() && matches!(canonical, Cow::Borrowed(_)) {
                prompt.into()
            } else {
                canonical.into()
            };
        let fields = Canonical {
            agent_id: agent_id.0,
            project_preference: project_preference.as_str(),
            prompt: &prompt,
        };
        let mut json = Vec::with_capacity(prompt.len() + ROOM);
        serde_json::to_writer(&mut json, &fields).expect("texts and numbers are always JSON");
        let hash = ContentHash(Sha256::digest(&json).into());
        Self { agent_id, prompt, project_preference, hash }
    }

    /// The agent that runs the task.
    pub fn agent_id(&self) -> AgentId {
        self.agent_id
    }

    /// The canonical prompt, as it is sent.
    pub fn prompt(&self) -> &Arc<str> {
        &self.prompt
    }

    /// How projects are chosen for its deployments.
    pub fn project_preference(&self) -> &ProjectPreference {
        &self.project_preference
    }

    /// The address of this content.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The hash of the prompt alone, which survives a changed agent or preference.
    pub fn prompt_hash(&self) -> PromptHash {
        PromptHash(Sha256::digest(self.prompt.as_bytes()).into())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// What is hashed as JSON without blanks; the keys are in alphabetical order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Canonical<'a> {
    agent_id: u64,
    project_preference: &'a str,
    prompt: &'a str,
}

/// The bytes of that JSON beside the prompt, line ends of many lines included.
const ROOM: usize = 256;

/// The address of a [`Content`]: SHA-256 over its canonical JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// SHA-256 over a canonical prompt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptHash(pub [u8; 32]);

impl ContentHash {
    /// The first eight hexadecimal digits, as archived names carry them.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }

    /// Reads the 64 hexadecimal digits that `Display` writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({})", self.short())
    }
}

impl fmt::Debug for PromptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PromptHash({})", hex(&self.0[..4]))
    }
}

/// Returns SHA-256 over `bytes` as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Puts a text in the one form that is compared, hashed and sent.
///
/// Line ends become LF, Unicode becomes NFC, byte-order marks and invisible separators go, and so do
/// blanks at line ends and blanks and blank lines at both ends, which a service may trim. Doing it
/// twice changes nothing more.
///
/// Zero-width joiners stay: they are part of how some scripts and emoji are spelled.
pub fn canonical_text(text: &str) -> Cow<'_, str> {
    // Most texts are plain ASCII and need no more than their ends cut.
    if text.is_ascii() && !has_odd_line_end(text.as_bytes()) {
        return Cow::Borrowed(text.trim());
    }
    let visible: Cow<'_, str> = if text.contains(is_invisible) {
        text.chars().filter(|c| !is_invisible(*c)).collect::<String>().into()
    } else {
        text.into()
    };
    let composed: Cow<'_, str> =
        if is_nfc(&visible) { visible } else { visible.nfc().collect::<String>().into() };
    let unix: Cow<'_, str> = if composed.contains('\r') {
        composed.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        composed
    };
    let mut canonical = String::with_capacity(unix.len());
    for line in unix.trim_start().split('\n').map(str::trim_end) {
        canonical.push_str(line);
        canonical.push('\n');
    }
    canonical.truncate(canonical.trim_end_matches('\n').len());
    Cow::Owned(canonical)
}

/// Whether a line of ASCII ends in more than LF; the ends of the text are no matter.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the processor looks at many bytes at a time"
)]
fn has_odd_line_end(text: &[u8]) -> bool {
    let is_blank = |c: u8| (c == b' ') | (c == b'\t') | (c == b'\x0b') | (c == b'\x0c');
    let pairs = text.iter().zip(text.get(1..).unwrap_or_default());
    pairs.fold(false, |is_odd, (first, second)| {
        is_odd | (*first == b'\r') | (is_blank(*first) & (*second == b'\n'))
    })
}

/// Whether a character shows nothing and separates nothing that a reader could see.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{180e}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_text_drops_what_editors_add() {
        let table = [
            ("plain", "plain"),
            ("\u{feff}bom", "bom"),
            ("a\r\nb\rc\n", "a\nb\nc"),
            ("\n \n  indented\ttail \t\n\n\n", "indented\ttail"),
            ("list:\n  indented", "list:\n  indented"),
            ("one\n\n\ntwo", "one\n\n\ntwo"),
            ("e\u{301}", "\u{e9}"),
            ("zero\u{200b}width", "zerowidth"),
            ("family \u{1f468}\u{200d}\u{1f469}", "family \u{1f468}\u{200d}\u{1f469}"),
            ("", ""),
            (" \r\n\t", ""),
        ];
        for (written, canonical) in table {
            assert_eq!(canonical_text(written), canonical, "{written:?}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_canonical_json() {
        let content = Content::new(AgentId(47), "Say \"hi\"\r\n", ProjectPreference::ForTask);
        let json = r#"{"agentId":47,"projectPreference":"project-for-task","prompt":"Say \"hi\""}"#;
        assert_eq!(content.hash().0, <[u8; 32]>::from(Sha256::digest(json)));
        assert_eq!(ContentHash::from_hex(&content.hash().to_string()), Some(content.hash()));
    }

    #[test]
    fn every_field_counts() {
        let base = Content::new(AgentId(1), "p", ProjectPreference::ForTask);
        for other in [
            Content::new(AgentId(2), "p", ProjectPreference::ForTask),
            Content::new(AgentId(1), "q", ProjectPreference::ForTask),
            Content::new(AgentId(1), "p", ProjectPreference::EachTaskDeployment),
        ] {
            assert_ne!(base.hash(), other.hash(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(text in "(?s).{0,60}", eols in "[ \r\n\t\u{feff}e\u{301}]{0,20}") {
            let text = format!("{eols}{text}{eols}");
            let once = canonical_text(&text);
            prop_assert_eq!(&canonical_text(&once), &once);
            // What is told to be canonical without a look at each character is what one finds.
            let slowly = canonical_text(&format!("{text}\r")).into_owned();
            prop_assert_eq!(&*once, slowly);
        }
    }
}
