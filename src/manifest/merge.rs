//! Several manifests to one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::diag::{Code, Diagnostic, Place};
use crate::manifest::{LeftOut, Manifest, TaskConfig};
use crate::model::Key;

/// Joins the manifests of one invocation, also where there is only one; a key may stand once.
///
/// Of what stands twice the first is kept. Findings are in the order of the files and of keys.
pub fn merge(manifests: Vec<Manifest>) -> (Manifest, Vec<Diagnostic>) {
    let mut merged = Manifest::default();
    let mut findings = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    for manifest in manifests {
        agree(
            "organizationId",
            &mut merged.organization_id,
            manifest.organization_id,
            &mut findings,
        );
        agree(
            "serviceUtcOffset",
            &mut merged.service_utc_offset,
            manifest.service_utc_offset,
            &mut findings,
        );
        merged.expansion.used.extend(manifest.expansion.used);
        for (name, organization) in manifest.expansion.environments {
            let known = merged.expansion.environments.entry(name).or_default();
            *known = known.take().or(organization);
        }
        merged.expansion.is_shared |= manifest.expansion.is_shared;
        merged.forgotten.extend(manifest.forgotten);
        merged.has_tasks |= manifest.has_tasks;
        for task in &manifest.left_out {
            let first = merged.tasks.get(&task.key).map(|task| &task.place);
            let first = first.or_else(|| place_of(&left_out, &task.key));
            findings.extend(first.map(|first| given_twice(&task.key, &task.place, first)));
        }
        for (key, task) in &manifest.tasks {
            let first = place_of(&left_out, key);
            findings.extend(first.map(|first| given_twice(key, &task.place, first)));
        }
        left_out.extend(manifest.left_out);
        add(&mut merged.tasks, manifest.tasks, &mut findings);
    }
    for key in &merged.forgotten {
        let declared = merged.tasks.get(key).map(|task| &task.place);
        if let Some(place) = declared.or_else(|| place_of(&left_out, key)) {
            findings.push(
                Diagnostic::error(
                    Code::ForgottenTask,
                    format!("task `{key}` is declared and in `forget`"),
                )
                .at(place.clone())
                .help("take the key out of `forget` to keep the task")
                .help("take out the task to leave it alone for good"),
            );
        }
    }
    merged.left_out = left_out;
    (merged, findings)
}

/// Adds the tasks of one more manifest.
fn add(
    merged: &mut BTreeMap<Key, TaskConfig>,
    more: BTreeMap<Key, TaskConfig>,
    findings: &mut Vec<Diagnostic>,
) {
    if merged.is_empty() {
        *merged = more;
        return;
    }
    for (key, task) in more {
        match merged.entry(key) {
            Entry::Vacant(place) => {
                place.insert(task);
            }
            Entry::Occupied(first) => {
                findings.push(given_twice(first.key(), &task.place, &first.get().place));
            }
        }
    }
}

fn place_of<'l>(left_out: &'l [LeftOut], key: &Key) -> Option<&'l Place> {
    left_out.iter().find(|task| task.key == *key).map(|task| &task.place)
}

fn given_twice(key: &Key, place: &Place, first: &Place) -> Diagnostic {
    Diagnostic::error(Code::DuplicateKey, format!("task `{key}` is given in two manifests"))
        .at(place.clone())
        .see(first.clone(), "first given here")
        .help("keep one of the two, or give one of them another key")
}

/// Takes over a value that at most one manifest needs to give, and that all who give it must share.
fn agree<T: PartialEq + ToString>(
    field: &str,
    merged: &mut Option<T>,
    given: Option<T>,
    findings: &mut Vec<Diagnostic>,
) {
    match (&*merged, given) {
        (None, given) => *merged = given,
        (Some(first), Some(other)) if *first != other => findings.push(
            Diagnostic::error(
                Code::ConflictingManifests,
                format!(
                    "the manifests give `{field}` as `{}` and as `{}`",
                    first.to_string(),
                    other.to_string()
                ),
            )
            .help("plan them apart, one invocation for each"),
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::manifest::{ExpandInputs, Source, Unreadable, parse};

    struct NoFiles;

    impl Source for NoFiles {
        fn read(&self, _path: &str) -> Result<String, Unreadable> {
            Err("there are no files".to_owned().into())
        }
    }

    fn manifest(file: &str, rest: &str, key: &str) -> Manifest {
        let task = "{agent: A, prompt: x, projectPreference: project-for-task}";
        let text = format!("version: 1\n{rest}\ntasks: {{{key}: {task}}}");
        let (manifest, findings) =
            parse(Path::new(file), &text, &NoFiles, ExpandInputs::of(&|_| None));
        assert_eq!(findings, []);
        manifest
    }

    #[test]
    fn what_stands_in_two_manifests_is_a_finding() {
        let (merged, findings) = merge(vec![
            manifest("a.yaml", "organizationId: one\nserviceUtcOffset: +00:00", "spy"),
            manifest("b.yaml", "organizationId: two\nforget: [qqq]", "spy"),
            manifest("c.yaml", "organizationId: one\nserviceUtcOffset: +00:00", "qqq"),
        ]);
        assert_eq!(merged.tasks.len(), 2);
        let lines = findings.iter().map(|finding| {
            let place = finding.place.as_ref().map(|place| place.file.display().to_string());
            format!("{} {}: {}", place.unwrap_or_default(), finding.code, finding.message)
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r##"
         conflicting-manifests: the manifests give `organizationId` as `one` and as `two`
        b.yaml duplicate-key: task `spy` is given in two manifests
        c.yaml forgotten-task: task `qqq` is declared and in `forget`
        "##);
    }

    #[test]
    fn manifests_that_agree_are_joined() {
        let (merged, findings) = merge(vec![
            manifest("a.yaml", "organizationId: one", "spy"),
            manifest("b.yaml", "", "qqq"),
        ]);
        assert_eq!((merged.tasks.len(), findings), (2, Vec::new()));
        assert_eq!(merged.organization_id.as_deref(), Some("one"));
    }
}
