//! What of the evidence is out of sight, in words, and what helps: the one place that has them.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, EvidenceSource, Gap, GapReason, Lost};
use crate::model::Key;
use crate::model::counted;
use crate::render::escape;

/// How many gaps a finding names; what they are about is rarely worth more.
const NAMED: usize = 3;

/// How many keys of a gap are named.
const KEYS: usize = 3;

/// Returns a finding with what is out of sight in its words, and what helps against that first.
pub fn worded(finding: &Diagnostic) -> Diagnostic {
    let mut finding = finding.clone();
    let gaps = std::mem::take(&mut finding.gaps);
    if gaps.is_empty() {
        return finding;
    }
    let mut parts: Vec<String> = gaps.iter().take(NAMED).map(what).collect();
    let rest = gaps.len().saturating_sub(NAMED);
    if rest > 0 {
        let more = counted(rest, "more part", "more parts");
        parts.push(format!("{more} of the evidence cannot be read either"));
    }
    parts.extend((!finding.message.is_empty()).then(|| finding.message.clone()));
    finding.message = parts.join("; ");
    let mut ways: Vec<String> = gaps.iter().take(NAMED).flat_map(help).collect();
    ways.append(&mut finding.help);
    let mut said = BTreeSet::new();
    ways.retain(|way| said.insert(way.clone()));
    finding.help = ways;
    finding
}

/// Returns a gap as one line, for logs.
pub fn in_one_line(gap: &Gap) -> String {
    escape::line(&format!("{}: {}", what(gap), help(gap).join("; ")))
}

/// The stable word for a source.
pub fn source(source: EvidenceSource) -> &'static str {
    match source {
        EvidenceSource::History => "history",
        EvidenceSource::Ledger => "ledger",
        EvidenceSource::OtherManifests => "other_manifests",
    }
}

/// Says what is out of sight.
pub fn what(gap: &Gap) -> String {
    let what = reason(&gap.reason);
    let keys: Vec<String> =
        gap.keys.iter().take(KEYS).map(|key: &Key| format!("`{key}`")).collect();
    let rest = gap.keys.len().saturating_sub(KEYS);
    match (keys.is_empty(), rest) {
        (true, _) => what,
        (false, 0) => format!("{what} (of {})", keys.join(", ")),
        (false, rest) => format!("{what} (of {} and {rest} more)", keys.join(", ")),
    }
}

fn reason(reason: &GapReason) -> String {
    repository_reason(reason).or_else(|| version_reason(reason)).unwrap_or_else(|| match reason {
        GapReason::VariablesOutside { names } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let names = names.join(", ");
            format!("earlier values of {names}, from `--var` and `--var-file`, are not known")
        }
        GapReason::LedgerUnreadable { line, count } => {
            let lines = counted(*count, "line", "lines");
            format!("{lines} of the ledger cannot be understood, the first of them line {line}")
        }
        GapReason::ManifestUnclear { path, said } => {
            format!("what `{}` declares is not known: {said}", path.display())
        }
        GapReason::ManifestsUnlisted { said } => {
            format!("which other manifests there are is not known: {said}")
        }
        // The others have their words above and below.
        _ => reason.code().to_owned(),
    })
}

/// What is out of sight as a whole.
fn repository_reason(reason: &GapReason) -> Option<String> {
    Some(match reason {
        GapReason::HistoryOff => "history is not read".to_owned(),
        GapReason::NoRepository => {
            "this folder is not in a Git repository, so what was declared earlier is unknown"
                .to_owned()
        }
        GapReason::NotCommitted { paths } => {
            format!("no commit of this repository holds `{}`", paths.join("`, `"))
        }
        GapReason::NothingCommitted => {
            "nothing is committed yet, so nothing was declared earlier".to_owned()
        }
        GapReason::GitMissing => "Git is not installed, so history cannot be read".to_owned(),
        GapReason::ForeignOwner { root } => {
            format!(
                "Git refuses to read the repository in `{}`: another user owns it",
                root.display()
            )
        }
        GapReason::RepositoryUnreadable { root, said } => {
            format!("the repository in `{}` cannot be read: {said}", root.display())
        }
        GapReason::HeadUnreadable { head, lost } => {
            format!("`HEAD` names `{head}`, whose commit cannot be read{}", because(lost))
        }
        GapReason::NoCommitOnBranch { branch } => {
            format!("the branch `{branch}` has no commit, and the repository has had others")
        }
        GapReason::ShallowClone => {
            "the clone is shallow, so what was declared earlier is not in it".to_owned()
        }
        GapReason::ReplacedCommits => {
            "`git replace` or a graft hides commits of this repository".to_owned()
        }
        GapReason::SeparateHistory { name } => {
            format!("the commits of `{name}` have manifests, too, and `HEAD` shares none of them")
        }
        GapReason::ObjectsMissing { what, lost } => {
            format!("{what} is missing from the history in this clone{}", because(lost))
        }
        GapReason::GitFailed { said } => format!("history cannot be read: {said}"),
        _ => return None,
    })
}

/// What of some versions is out of sight.
fn version_reason(reason: &GapReason) -> Option<String> {
    Some(match reason {
        GapReason::MovedTooOften { most } => {
            format!("the manifests were moved more than {most} times; older moves are not followed")
        }
        GapReason::BeyondHistory { path, count } => {
            format!(
                "only the newest {} of `{path}` were read",
                counted(*count, "version", "versions")
            )
        }
        GapReason::VersionUnclear { path, commit, said, count } => {
            let more = match count.saturating_sub(1) {
                0 => String::new(),
                rest => format!(", like {} before it", counted(rest, "version", "versions")),
            };
            format!("`{path}` as of commit {commit} cannot be understood{more}: {said}")
        }
        GapReason::FileTooLarge { path } => {
            format!("an earlier version of `{path}` is too large to be read")
        }
        GapReason::FileUnclear { path, what } => {
            format!("an earlier version of `{path}` is {what}, not the text")
        }
        GapReason::TextConverted { path, attribute } => {
            format!(
                "Git commits `{path}` as another text than the work tree's, by the attribute `{attribute}`"
            )
        }
        GapReason::AttributesUnknown { said } => {
            format!(
                "whether earlier versions were committed as they were sent is not known: {said}"
            )
        }
        GapReason::FileNotCommitted { path } => {
            format!(
                "an earlier version of the manifest names `{path}`, which its commit does not hold"
            )
        }
        GapReason::VariableUnset { path, name } => {
            format!("earlier versions of `{path}` need `${{{name}}}`, which is not set")
        }
        GapReason::AgentUnknown { path, name, several } => {
            let why = if *several { "which several agents have" } else { "which no agent has" };
            format!("earlier versions of `{path}` name the agent `{name}`, {why}")
        }
        _ => return None,
    })
}

fn because(lost: &Lost) -> String {
    match lost {
        Lost::Alternates(path) => {
            format!(": it borrows objects from `{}`, which is not there", path.display())
        }
        Lost::PartialClone => ": it is a partial clone".to_owned(),
        Lost::Damaged => String::new(),
    }
}

/// Says what helps, the best first.
pub fn help(gap: &Gap) -> Vec<String> {
    let one = |way: &str| vec![way.to_owned()];
    repository_help(&gap.reason).unwrap_or_else(|| match &gap.reason {
        GapReason::NoCommitOnBranch { .. } => one(
            "`git switch` to the branch that has the history, or fetch it; `git fsck` where it is lost",
        ),
        GapReason::ShallowClone => {
            one("`git fetch --unshallow`, or `fetch-depth: 0` for `actions/checkout`")
        }
        GapReason::ReplacedCommits => {
            one("`git replace --list` and `.git/info/grafts` show them; remove what hides history")
        }
        GapReason::MovedTooOften { .. } => one("name the manifests' folders in one `--file`"),
        GapReason::BeyondHistory { .. } => one("`--history all` reads all of them, however long it takes"),
        GapReason::VersionUnclear { .. }
        | GapReason::FileTooLarge { .. }
        | GapReason::FileUnclear { .. }
        | GapReason::FileNotCommitted { .. } => {
            one("pin what that version may have made with `id:`")
        }
        GapReason::TextConverted { path, attribute } => {
            let name = attribute.split('=').next().unwrap_or_default();
            vec![
                "pin what earlier versions may have made with `id:`".to_owned(),
                format!("`{path} !{name}` in `.gitattributes` commits new versions as they are"),
            ]
        }
        GapReason::AttributesUnknown { .. } => {
            one("use Git 2.40 or newer, or pin what earlier versions may have made with `id:`")
        }
        GapReason::VariableUnset { name, .. } => vec![format!("set `{name}` to what it was")],
        GapReason::VariablesOutside { .. } => vec![
            "pin what was made with other values with `id:`".to_owned(),
            "keep the values in `vars`, `environments` or a `--var-file` that Git tracks: each commit holds its own"
                .to_owned(),
        ],
        GapReason::AgentUnknown { .. } => {
            one("pin what those versions made with `id:`, or give the agent its name again")
        }
        GapReason::LedgerUnreadable { .. } => {
            one("take those lines out of the ledger, or use the `qcops` that wrote them")
        }
        GapReason::ManifestUnclear { path, .. } => vec![format!(
            "`qcops validate -f {0}` says what is wrong; `git checkout -- {0}` brings it back",
            path.display()
        )],
        GapReason::ManifestsUnlisted { .. } => one("`git status` says what is wrong"),
        // The others have their help below.
        _ => Vec::new(),
    })
}

/// What helps against a repository that cannot be read.
fn repository_help(reason: &GapReason) -> Option<Vec<String>> {
    let one = |way: &str| vec![way.to_owned()];
    Some(match reason {
        GapReason::HistoryOff => one("leave out `--history none`"),
        GapReason::NoRepository => one(
            "use a checkout with its history (`git clone`, `fetch-depth: 0`); for a new project, \
             `git init` and commit each change",
        ),
        GapReason::NotCommitted { .. } => {
            one("commit it, in the repository that has its history if there is one")
        }
        GapReason::NothingCommitted => one("commit the manifest"),
        GapReason::GitMissing => one("install Git"),
        GapReason::ForeignOwner { root } => {
            vec![format!("`git config --global --add safe.directory {}`", root.display())]
        }
        GapReason::RepositoryUnreadable { said, .. } if said.contains("index file") => one(
            "`rm \"$(git rev-parse --git-path index)\" && git reset` writes the index anew; no file is changed",
        ),
        GapReason::RepositoryUnreadable { root, .. } => vec![format!(
            "`git -C {} status` says what is wrong; mount or restore what `.git` leads to",
            root.display()
        )],
        GapReason::HeadUnreadable { lost: Lost::Damaged, .. } => {
            one("`git fsck` says what is wrong; restore the branch from its remote, or clone anew")
        }
        GapReason::SeparateHistory { name } => vec![format!("`--history-from {name}` reads them")],
        GapReason::ObjectsMissing { lost: Lost::Damaged, .. } | GapReason::GitFailed { .. } => {
            one("`git fsck` says what is wrong; clone anew if it is not to be mended")
        }
        GapReason::HeadUnreadable { lost, .. } | GapReason::ObjectsMissing { lost, .. } => {
            match lost {
                Lost::Alternates(path) => vec![format!(
                    "mount or restore `{}`, or clone without `--shared` and `--reference`",
                    path.display()
                )],
                _ => one("clone without `--filter`, or `git fetch --refetch --no-filter`"),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_names_its_keys_and_each_part_has_help() {
        let path = || "tasks.yaml".to_owned();
        let reasons = [
            GapReason::NoRepository,
            GapReason::HeadUnreadable { head: "main".to_owned(), lost: Lost::PartialClone },
            GapReason::MovedTooOften { most: 60 },
            GapReason::BeyondHistory { path: path(), count: 2 },
            GapReason::FileNotCommitted { path: path() },
            GapReason::VariablesOutside { names: ["capital".to_owned()].into() },
            GapReason::LedgerUnreadable { line: 3, count: 1 },
            GapReason::ManifestsUnlisted { said: "no index".to_owned() },
        ];
        for reason in reasons {
            let code = reason.code();
            let mut gap = Gap::history(reason);
            assert!(what(&gap).contains(' '), "{code}");
            assert!(
                help(&gap).iter().all(|way| !way.is_empty()) && !help(&gap).is_empty(),
                "{code}"
            );
            gap.keys = ["a", "b", "c", "d"].map(|key| key.parse().unwrap()).into();
            assert!(what(&gap).ends_with("(of `a`, `b`, `c` and 1 more)"), "{code}");
        }
    }
}
