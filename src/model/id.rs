//! Local keys and remote identities, one type each so that none stands for another.

use std::fmt;
use std::str::FromStr;

/// The name a manifest gives a task or a deployment: stable for people, unknown to the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Why a text cannot be a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key starts with a letter or digit and holds letters, digits, `.`, `_` and `-`, 100 at most"
)]
pub struct InvalidKey;

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let starts_well = text.chars().next().is_some_and(char::is_alphanumeric);
        let holds_well = text.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
        if starts_well && holds_well && text.chars().count() <= 100 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }
}

impl Key {
    /// Returns the key as it is written in the manifest.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number the service gives a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// The number the service gives an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u64);

/// The text the service gives a deployment: `A-` and 32 hexadecimal digits (contract 1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentId(pub String);

/// The organization that owns tasks and agents: 32 hexadecimal digits (contract 1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(pub String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_plain_word() {
        for good in ["spy", "buy-and-hold_2.1", "7days", "übung"] {
            assert!(good.parse::<Key>().is_ok(), "{good}");
        }
        let long = "k".repeat(101);
        for bad in ["", "-x", "a b", "a/b", "a\nb", "a\u{200b}b", &long] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?}");
        }
    }
}
