//! What can go wrong with a store.

use crate::files::FilesError;

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be reached.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// It has no address that can be read.
    #[error(
        "the address of the store cannot be read: write `s3://BUCKET/FOLDER`, `gs://…`, `az://…` or `file:///FOLDER`"
    )]
    NoAddress,
    /// Its address holds what may be a secret, which would be printed with it.
    #[error("the address of a store holds a user, a query or a fragment")]
    NotPlain,
    /// Its address leads to no store that is known.
    #[error(
        "`{store}` is no store: write `s3://BUCKET/FOLDER`, `gs://…`, `az://…` or `file:///FOLDER`"
    )]
    Unknown {
        /// The store.
        store: String,
    },
    /// Its address leads to a bucket, which this build cannot reach.
    #[cfg(not(feature = "buckets"))]
    #[error("`{store}` is in a bucket, and this build of qcops reaches none")]
    LeftOut {
        /// The store.
        store: String,
    },
    /// It refused, or did not answer.
    #[error("failed to {verb} the store `{store}`: {why}")]
    Bucket {
        /// The store.
        store: String,
        /// What was tried, as a verb.
        verb: &'static str,
        /// What it said, without the queries of addresses, in which credentials may be.
        why: String,
    },
    /// It does not keep the conditions of a write, so that it cannot keep two applies apart.
    #[error("the store `{store}` cannot be trusted: {what}")]
    Untrusted {
        /// The store.
        store: String,
        /// What it does.
        what: &'static str,
    },
    /// Something else is where a line of the ledger was to be.
    #[error("another value is at `{name}` in the store")]
    NotAppended {
        /// The name of the value.
        name: String,
    },
    /// The lease is none that this version can read.
    #[error("`{name}` in the store is no lease of this version of the program")]
    Lease {
        /// The name of the value.
        name: String,
    },
}

#[cfg(feature = "buckets")]
impl StoreError {
    /// What a bucket said.
    pub(super) fn bucket(store: &str, verb: &'static str, error: &object_store::Error) -> Self {
        Self::Bucket { store: store.to_owned(), verb, why: without_queries(&error.to_string()) }
    }
}

#[cfg(feature = "buckets")]
/// The longest answer that is repeated, in characters.
const LONGEST: usize = 300;

#[cfg(feature = "buckets")]
/// Takes the queries out of all addresses in a text, and its end where it is long.
fn without_queries(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    });
    let text = words.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(feature = "buckets")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_repeats_no_signature() {
        let text = "error sending (https://a.example/b?sig=SECRET&x=1), \n again https://c/d";
        assert_eq!(without_queries(text), "error sending (https://a.example/b?… again https://c/d");
        assert_eq!(without_queries(&"x".repeat(400)).chars().count(), LONGEST + 1);
    }
}
