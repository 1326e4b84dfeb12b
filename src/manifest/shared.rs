//! Environments that share an organization: no task of one may be taken for a task of the other.

use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, Findings, Place};
use crate::kinds::AGENT_ID;
use crate::manifest::task::replaced;
use crate::manifest::{Manifest, TaskConfig};
use crate::model::{FoldedName, Key, TaskId, fold};
use crate::resource::Value;

/// A task and its key.
type Keyed<'m> = (&'m Key, &'m TaskConfig);

/// Reports every task of an environment that could be taken for one of another environment of the same
/// organization: by its content, its name or its pin.
pub fn collisions(
    (environment, manifest): (&str, &Manifest),
    (other, others): (&str, &Manifest),
) -> Vec<Diagnostic> {
    let (mut contents, mut names, mut pins) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (key, task) in &others.tasks {
        if let Some(pin) = task.pin {
            pins.insert(pin, (key, task));
            continue;
        }
        contents.entry(content(task)).or_insert((key, task));
        names.entry(name(task)).or_insert((key, task));
    }
    let mut findings = Findings::default();
    for (key, task) in &manifest.tasks {
        let is_pinned = task.pin.is_some();
        let pinned: Option<&Keyed<'_>> = task.pin.and_then(|pin: TaskId| pins.get(&pin));
        let same_content = contents.get(&content(task)).filter(|_| !is_pinned);
        let same_name = names.get(&name(task)).filter(|_| !is_pinned);
        let found = [
            (pinned, "the same `id`"),
            (same_content, "equal content"),
            (same_name, "equal `name`s"),
        ];
        let Some((Some((other_key, other_task)), what)) =
            found.into_iter().find(|it| it.0.is_some())
        else {
            continue;
        };
        let finding =
            collision((environment, key), (other, other_key), what).at(task.place.clone());
        let is_same = other_task.place == task.place;
        let seen = |place: &Place| finding.clone().see(place.clone(), "the other one");
        findings.push(if is_same { finding } else { seen(&other_task.place) });
    }
    findings.in_order(|finding| {
        finding.place.as_ref().map(|place| (place.file.clone(), place.span.start))
    })
}

fn collision(
    (environment, key): (&str, &Key),
    (other, other_key): (&str, &Key),
    what: &str,
) -> Diagnostic {
    let message = format!(
        "task `{key}` of environment `{environment}` and task `{other_key}` of environment `{other}` have \
         {what}, and both are in one organization"
    );
    Diagnostic::error(Code::EnvironmentCollision, message)
        .help("give each environment an `organizationId` of its own")
        .help(format!(
            "or let the tasks differ, such as by `name: \"${{prefix}} …\"` and `{AGENT_ID}: ${{agent}}`"
        ))
        .help(format!("or declare it in one of them: `environments: [{environment}]`"))
}

fn content(task: &TaskConfig) -> Vec<&Value> {
    replaced(task.object.fields()).collect()
}

fn name(task: &TaskConfig) -> FoldedName {
    fold(task.object.name().unwrap_or_default())
}
