//! Local keys and remote identities, one type each so that none stands for another.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name a manifest gives a task or a deployment: stable for people, unknown to the service.
///
/// One of a matrix holds its values behind the key that is written: `momentum[SPY,6]`. Only the
/// expansion of a manifest makes such a key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a text cannot be a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key starts with a letter or digit and holds letters, digits, `.`, `_` and `-`, 100 at most"
)]
pub struct InvalidKey;

/// Why a text cannot be a value in the key of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a value holds letters, digits, blanks between them and `.`, `_`, `-`, `+`, `^`, `=`, `:` and `%`, 60 at most"
)]
pub struct InvalidKeyValue;

/// The most characters of a key that is written.
const LONGEST: usize = 100;

/// The most characters of a value of a matrix.
const LONGEST_VALUE: usize = 60;

/// The most characters of a key with the values of a matrix.
const LONGEST_OF_MATRIX: usize = 250;

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (base, values) = match text.split_once('[') {
            None => (text, None),
            Some((base, rest)) => (base, Some(rest.strip_suffix(']').ok_or(InvalidKey)?)),
        };
        let starts_well = base.chars().next().is_some_and(char::is_alphanumeric);
        let holds_well = base.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
        let is_plain = starts_well && holds_well && base.chars().count() <= LONGEST;
        let are_values = values.is_none_or(|values| {
            values.split(',').all(|value| Self::check_value(value).is_ok())
                && text.chars().count() <= LONGEST_OF_MATRIX
        });
        if is_plain && are_values { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }
}

impl Key {
    /// Returns the key as it is written in the manifest.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key without the values of a matrix.
    pub fn base(&self) -> &str {
        self.0.split_once('[').map_or(&self.0, |(base, _)| base)
    }

    /// Whether it holds values of a matrix: no such key is written.
    pub fn is_of_matrix(&self) -> bool {
        self.0.ends_with(']')
    }

    /// The values of a matrix that it holds.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let values = self.0.split_once('[').map(|(_, rest)| rest.trim_end_matches(']').split(','));
        values.into_iter().flatten()
    }

    /// Whether `other` stands for this key: it is the same, or that of its matrix.
    pub fn is_of(&self, other: &Self) -> bool {
        self == other || self.base() == other.as_str()
    }

    /// The key of one combination of a matrix; `None` where it is too long or a value is none.
    pub fn with_values<'v>(&self, values: impl Iterator<Item = &'v str>) -> Option<Self> {
        format!("{self}[{}]", values.collect::<Vec<_>>().join(",")).parse().ok()
    }

    /// Checks a value of a matrix.
    pub fn check_value(value: &str) -> Result<(), InvalidKeyValue> {
        let holds_well = value.chars().all(|c| c.is_alphanumeric() || " .-_+^=:%".contains(c));
        let is_whole = !value.is_empty() && value.trim() == value;
        let is_short = value.chars().count() <= LONGEST_VALUE;
        if holds_well && is_whole && is_short { Ok(()) } else { Err(InvalidKeyValue) }
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
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
    #[test]
    fn a_key_of_a_matrix_holds_values_and_nothing_that_ends_them() {
        for good in ["momentum[SPY,6]", "m[1.50]", "m[BRK.B,^VIX,ES=F,EUR:USD]", "m[a b,-5%,true]"]
        {
            let key = good.parse::<Key>().unwrap();
            assert!(key.is_of_matrix() && key.is_of(&key.base().parse().unwrap()), "{good}");
        }
        let long = format!("m[{}]", vec!["x".repeat(60); 5].join(","));
        for bad in [
            "m[]",
            "m[a,]",
            "m[,a]",
            "m[a",
            "m]",
            "[a]",
            "m[a]b",
            "m[a][b]",
            "m[a/b]",
            "m[a\nb]",
            "m[ a]",
            "m[a ]",
            "m[a\u{200b}]",
            "m[`a`]",
            "m[a\u{a0}b]",
            "-m[a]",
            "m [a]",
            &long,
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?}");
        }
        let plain: Key = "m".parse().unwrap();
        assert!(!plain.is_of_matrix() && plain.is_of(&plain) && plain.base() == "m");
        let other: Key = "mo[a]".parse().unwrap();
        assert!(!other.is_of(&plain) && !plain.is_of(&other));
    }
}
