//! The deployments that are waited for, as the rows of a block that is drawn again and again in place.

use std::time::Duration;

use crate::event::DeploymentProgress;
use crate::model::{counted, grouped};
use crate::render::escape::Untrusted;
use crate::render::words::span;

/// The widest a column is made for the sake of those below it.
const WIDEST: usize = 40;

/// Returns a row for each deployment, those that are still waited for first, in `most` rows at most; the last
/// one then counts the rest. `passed` is how long ago the deployments stood like this.
pub fn rows(runs: &[DeploymentProgress], passed: Duration, most: usize) -> Vec<String> {
    let mut runs: Vec<&DeploymentProgress> = runs.iter().collect();
    runs.sort_by_key(|run| (!run.is_followed, &run.key, &run.deployment));
    let shown = if runs.len() > most { most.saturating_sub(1) } else { runs.len() };
    let (shown, rest) = runs.split_at(shown);
    let cells: Vec<[String; 3]> = shown.iter().map(|run| cells(run, passed)).collect();
    let width = |column: usize| {
        let widths = cells.iter().map(|cells| cells[column].chars().count());
        widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let (name, status) = (width(0), width(1));
    let row =
        |[a, b, c]: &[String; 3]| format!("{a:name$}  {b:status$}  {c}").trim_end().to_owned();
    cells.iter().map(row).chain(rest_of(rest)).collect()
}

/// Which run it is, its status, and whatever else is known of it.
fn cells(run: &DeploymentProgress, passed: Duration) -> [String; 3] {
    let name = format!("{}/{}", run.key, run.deployment);
    let status = run.status.as_ref().map_or_else(String::new, ToString::to_string);
    // What has ended grows no older.
    let age = |age: Duration| if run.is_followed { age + passed } else { age };
    let age = run.age.map(|seen| span(age(seen).as_secs()));
    let tokens = run.tokens.map(|tokens| format!("{} tokens", grouped(tokens)));
    let missing = (run.missing > 0)
        .then(|| format!("{} to come", counted(run.missing, "follow-up", "follow-ups")));
    let look = run.is_followed.then(|| match run.next_look.map(|at| at.saturating_sub(passed)) {
        // Rounded up, so that it never says 0 s.
        Some(rest) if !rest.is_zero() => {
            format!("next look in {} s", rest.as_millis().div_ceil(1000))
        }
        _ => "looking".to_owned(),
    });
    let facts: Vec<String> = [age, tokens, missing, look].into_iter().flatten().collect();
    [name, Untrusted::new(status).part(), facts.join(", ")]
}

/// What the rows that are left out would have said.
fn rest_of(rest: &[&DeploymentProgress]) -> Option<String> {
    if rest.is_empty() {
        return None;
    }
    let followed = rest.iter().filter(|run| run.is_followed).count();
    let counts = [(followed, "waited for"), (rest.len() - followed, "ended")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    Some(format!("and {} more: {}", rest.len(), counts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Status;

    fn run(name: &str, status: Option<Status>) -> DeploymentProgress {
        DeploymentProgress {
            key: name.parse().unwrap(),
            deployment: "first".parse().unwrap(),
            status,
            age: Some(Duration::from_secs(50)),
            tokens: None,
            missing: 0,
            is_followed: true,
            next_look: Some(Duration::from_millis(7_500)),
        }
    }

    fn ended(name: &str) -> DeploymentProgress {
        let tokens = Some(12_300);
        let status = Some(Status::Completed);
        DeploymentProgress { is_followed: false, next_look: None, tokens, ..run(name, status) }
    }

    #[test]
    fn each_run_is_a_row_and_those_that_are_waited_for_come_first() {
        let runs = [
            ended("gld"),
            DeploymentProgress { missing: 2, ..run("momentum", Some(Status::Running)) },
            DeploymentProgress { age: None, ..run("spy", None) },
        ];
        let shown = |passed| rows(&runs, Duration::from_secs(passed), 20).join("\n");
        insta::assert_snapshot!(shown(0), @r"
        momentum/first  Running    50 s, 2 follow-ups to come, next look in 8 s
        spy/first                  next look in 8 s
        gld/first       Completed  50 s, 12,300 tokens
        ");
        insta::assert_snapshot!(shown(20), @r"
        momentum/first  Running    1 min, 2 follow-ups to come, looking
        spy/first                  looking
        gld/first       Completed  50 s, 12,300 tokens
        ");
    }

    #[test]
    fn there_are_never_more_rows_than_may_be_and_the_rest_is_counted() {
        let names: Vec<String> = (0..30).map(|at| format!("task-{at:02}")).collect();
        let runs: Vec<DeploymentProgress> = names
            .iter()
            .enumerate()
            .map(|(at, name)| if at < 10 { ended(name) } else { run(name, Some(Status::InQueue)) })
            .collect();
        let counts = |most| {
            let rows = rows(&runs, Duration::ZERO, most);
            (rows.len(), rows.last().cloned().unwrap_or_default())
        };
        assert_eq!(counts(20), (20, "and 11 more: 1 waited for, 10 ended".to_owned()));
        assert_eq!(counts(29), (29, "and 2 more: 2 ended".to_owned()));
        assert_eq!(counts(1), (1, "and 30 more: 20 waited for, 10 ended".to_owned()));
        assert_eq!(counts(30).0, 30);
        assert!(counts(30).1.starts_with("task-09/first"), "what has ended comes last");
        assert!(rows(&[], Duration::ZERO, 20).is_empty());
    }

    #[test]
    fn a_status_that_a_stranger_made_up_is_one_safe_row_and_moves_no_other() {
        let evil = format!("\u{1b}[2J\n::error::{}", "x".repeat(500));
        let runs = [run("a", Some(Status::Other(evil))), run("b", Some(Status::Running))];
        let rows = rows(&runs, Duration::ZERO, 20);
        assert!(rows[0].starts_with("a/first  \\u{1b}[2J\\n::error::xxx"), "{}", rows[0]);
        assert!(!rows.concat().chars().any(char::is_control));
        assert_eq!(rows[1], "b/first  Running  50 s, next look in 8 s");
    }
}
