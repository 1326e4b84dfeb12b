//! Why a deployment is started although others exist.

use jiff::Timestamp;

use crate::diag::{Code, Diagnostic};
use crate::manifest::DesiredDeployment;
use crate::model::counted;
use crate::observed::ObservedDeployment;

/// Says what keeps each deployment that exists from serving a declaration: it was created before
/// `since`, or serves another one. Takes for each whether it is late enough, and whether it serves.
pub(super) fn why_missing(existing: impl Iterator<Item = (bool, bool)>) -> String {
    let (mut early, mut serving, mut others) = (0, 0, 0);
    for fits in existing {
        *match fits {
            (false, _) => &mut early,
            (true, true) => &mut serving,
            (true, false) => &mut others,
        } += 1;
    }
    let all = early + serving + others;
    let parts = [
        (early, "created before `since`"),
        (serving, "serving another declaration"),
        (others, "with another conversation"),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).collect();
    let all = counted(all, "deployment of it exists", "deployments of it exist");
    match parts.as_slice() {
        [] => "no deployment of it exists".to_owned(),
        [(_, why)] => format!("{all}, {why}"),
        several => {
            let parts = several.iter().map(|(count, why)| format!("{count} {why}"));
            format!("{all}: {}", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Asks for the zone of the service's times, where it decides whether one is late enough.
pub(super) fn zone_question(run: &ObservedDeployment, declared: &DesiredDeployment) -> Diagnostic {
    let created = run.created.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    let since = declared.since.unwrap_or(Timestamp::UNIX_EPOCH);
    let message = format!(
        "deployment {} was made {created} in a zone that the service does not name, which may be after {since}",
        run.id
    );
    Diagnostic::blocked(Code::ZoneUnknown, message)
        .help("set `serviceUtcOffset: \"+00:00\"` (or the service's zone) in the manifest")
        .help("or move `since` by more than 14 hours")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_counts_what_exists_and_says_why_it_does_not_serve() {
        let (early, serving, other) = ((false, false), (true, true), (true, false));
        let table = [
            (vec![], "no deployment of it exists"),
            (vec![early], "1 deployment of it exists, created before `since`"),
            (vec![early; 4], "4 deployments of it exist, created before `since`"),
            (vec![serving; 2], "2 deployments of it exist, serving another declaration"),
            (vec![(false, true)], "1 deployment of it exists, created before `since`"),
            (
                vec![early, serving, early, other],
                "4 deployments of it exist: 2 created before `since`, 1 serving another declaration, \
                 1 with another conversation",
            ),
        ];
        for (existing, expected) in table {
            assert_eq!(why_missing(existing.into_iter()), expected);
        }
    }
}
