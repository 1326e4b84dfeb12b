//! What is in order on this machine: the repository and the folder of the ledger.

use std::path::Path;

use crate::diag::CheckStatus::{Failed, Noted, Passed, Warned};
use crate::diag::{Check, Gap, with_causes};
use crate::evidence::Evidence;
use crate::files;
use crate::history::Repository;
use crate::ledger::Ledger;
use crate::model::counted;
use crate::render::gaps;
use crate::store::StoreError;

/// Checks whether the repository can prove what is owned.
pub fn check_git(repository: &Repository) -> Check {
    let checkout = match repository.checkout() {
        Ok(Some(checkout)) => checkout,
        Ok(None) => {
            return Check::new("git", Warned, "this folder is in no Git repository").help(
                "`git init`, and commit the manifest: what was never committed proves nothing",
            );
        }
        Err(reason) => {
            let why = gaps::in_one_line(&Gap::history(reason.clone()));
            return Check::new("git", Failed, why).help("`git status` in this folder says more");
        }
    };
    if checkout.is_shallow {
        return Check::new("git", Warned, "the clone is shallow, so older commits prove nothing")
            .help(
                "`git fetch --unshallow`, or `fetch-depth: 0` in the checkout step of a pipeline",
            );
    }
    if let Some(stale) = repository.stale() {
        let commits = counted(stale.commits, "commit", "commits");
        let message = format!("the checkout is {commits} behind `{}`", stale.upstream);
        return Check::new("git", Warned, message).help("`git pull`");
    }
    let mut words = vec!["a full clone"];
    if checkout.is_partial {
        words = vec!["a partial clone: Git fetches what it lacks when it is read"];
    }
    if !checkout.has_upstream {
        words.push("without an upstream, so that a stale checkout is not noticed");
    }
    let is_whole = checkout.has_upstream && !checkout.is_partial;
    Check::new("git", if is_whole { Passed } else { Noted }, words.join(", "))
}

/// Checks whether the ledger can be read and written; `folder` is `.qcops`. Nothing is left behind.
pub fn check_store(folder: &Path, ledger: &Ledger) -> (Check, Evidence) {
    let mut evidence = Evidence::default();
    let unusable = |why: String| {
        Check::new("store", Failed, why)
            .help("correct the owner and the rights of the folder, or delete `.qcops`")
    };
    let exists = folder.is_dir();
    let place = if exists { folder } else { folder.parent().unwrap_or(folder) };
    let checked = files::check_writable(place).map_err(StoreError::from);
    let checked = checked.and_then(|()| ledger.add_to(&mut evidence));
    let check = match checked.and_then(|()| ledger.unfinished()) {
        Err(error) => unusable(with_causes(&error)),
        Ok(_) if !evidence.gaps.is_empty() => {
            let gaps: Vec<String> = evidence.gaps.iter().map(gaps::in_one_line).collect();
            Check::new("store", Warned, gaps.join("; "))
                .help("restore `.qcops/ledger.jsonl`, or delete it: the ledger only adds proof")
        }
        Ok(left) if left.unanswered.is_some() => {
            let message = "an apply was ended here before an answer came";
            Check::new("store", Noted, message).help("the next `qcops apply` settles it")
        }
        Ok(_) if exists => Check::new("store", Passed, "the ledger can be read and written"),
        Ok(_) => Check::new("store", Passed, "there is no `.qcops` yet, and it can be made"),
    };
    (check, evidence)
}
