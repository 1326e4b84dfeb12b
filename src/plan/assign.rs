//! Which run serves which declaration, without stored ids: a pure function (design 5).
//!
//! What was already sent decides, and never the order or the keys of the declarations: whoever adds,
//! moves or sorts them must not take a deployment from the one whose follow-ups it was sent.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

/// A declared deployment, as far as matching is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    pub(super) since: Option<Timestamp>,
    pub(super) follow_ups: &'a [Arc<str>],
    /// Whether a deployment is begun for it where none serves it; one that is to be stopped needs none.
    pub(super) needs_run: bool,
}

/// A deployment that counts; runs are given the oldest first.
#[derive(Clone, Debug)]
pub(super) struct CandidateDeployment {
    /// What users said after the task's prompt; `None` where that is not known.
    pub(super) turns: Option<Vec<Arc<str>>>,
}

/// What a declaration comes to; runs are named by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The deployment serves it and has been sent that many of its follow-ups.
    Served { run: usize, sent: usize },
    /// The deployment might serve it: what was said in it is not known.
    Unknown { run: usize },
    /// The deployment was sent something else than declared.
    Diverged { run: usize },
    /// No deployment could be meant.
    Missing,
}

/// Returns how many follow-ups the turns show to be sent, if they fit: one is the beginning of the
/// other, because people may go on talking after the last.
pub(super) fn fit(turns: &[Arc<str>], follow_ups: &[Arc<str>]) -> Option<usize> {
    let common = common(turns, follow_ups);
    (common == turns.len() || common == follow_ups.len()).then_some(common)
}

fn common(turns: &[Arc<str>], follow_ups: &[Arc<str>]) -> usize {
    turns.iter().zip(follow_ups).take_while(|(turn, prompt)| turn == prompt).count()
}

/// What is known of a declaration and a deployment together, both named by their place.
#[derive(Clone, Copy)]
pub(super) struct Pairing<'a> {
    /// Whether the deployment is one of the declaration's time.
    pub(super) may_serve: &'a dyn Fn(usize, usize) -> bool,
    /// Whether the ledger knows that the deployment was started for the declaration.
    pub(super) is_own: &'a dyn Fn(usize, usize) -> bool,
}

/// Gives each declaration its deployment.
///
/// 1. A deployment that was sent follow-ups goes to the declaration of most of them; of equals, to the one
///    that it was started for, then to the one with the fewest still to come, then to the oldest deployment,
///    then to the earliest `since`.
/// 2. A declaration that has sent something to a deployment, and then somebody else did, has diverged there:
///    it is not begun anew elsewhere.
/// 3. A deployment that nothing was sent to stays with the declaration that it was started for. The rest
///    share the others so that as many as possible are served, those
///    with the fewest follow-ups to come first, and those last that need none; without follow-ups
///    every deployment fits.
/// 4. While a deployment's turns are unknown, nobody whose deployment it may be begins anew.
pub(super) fn assign(
    declared: &[Declared<'_>],
    runs: &[CandidateDeployment],
    pairing: Pairing<'_>,
) -> Vec<Verdict> {
    let may_serve = pairing.may_serve;
    let mut verdicts: Vec<Option<Verdict>> = vec![None; declared.len()];
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    for (desired_state, run, sent) in sent_pairs(declared, runs, pairing) {
        if verdicts[desired_state].is_none() && taken.insert(run) {
            verdicts[desired_state] = Some(Verdict::Served { run, sent });
        }
    }
    let sent_to = taken.clone();
    let free = |run: &usize| !sent_to.contains(run);
    // The deployment with most in common; of equals the newest, on which somebody worked last.
    let diverged = |desired_state: usize, least: usize, is_free: &dyn Fn(&usize) -> bool| {
        let known = (0..runs.len()).filter(|run| is_free(run) && may_serve(desired_state, *run));
        let shared = known.filter_map(|run| {
            let turns = runs[run].turns.as_deref()?;
            Some((common(turns, declared[desired_state].follow_ups), run))
        });
        shared.filter(|(shared, _)| *shared >= least).max().map(|(_, run)| run)
    };
    let mut broken: BTreeSet<usize> = BTreeSet::new();
    for (desired_state, verdict) in verdicts.iter_mut().enumerate() {
        if verdict.is_none()
            && let Some(run) = diverged(desired_state, 1, &free)
        {
            broken.insert(run);
            *verdict = Some(Verdict::Diverged { run });
        }
    }
    let fresh = Fresh { declared, runs, pairing, sent_to: &sent_to, broken: &broken };
    let given = fresh.share(&verdicts);
    taken.extend(given.iter().flatten());
    for (desired_state, verdict) in
        verdicts.iter_mut().enumerate().filter(|(_, known)| known.is_none())
    {
        let is_own = |run: &usize| (pairing.is_own)(desired_state, *run);
        let unknown = (0..runs.len())
            .filter(|run| runs[*run].turns.is_none() && free(run) && may_serve(desired_state, *run))
            .min_by_key(|run| !is_own(run))
            .filter(|_| !given[desired_state].is_some_and(|run| is_own(&run)));
        let untaken = |run: &usize| !taken.contains(run);
        *verdict = Some(match (given[desired_state], unknown) {
            _ if declared[desired_state].follow_ups.is_empty() => match given[desired_state] {
                Some(run) => Verdict::Served { run, sent: 0 },
                None => Verdict::Missing,
            },
            (_, Some(run)) => Verdict::Unknown { run },
            (Some(run), None) => Verdict::Served { run, sent: 0 },
            (None, None) => match diverged(desired_state, 0, &untaken) {
                Some(run) => Verdict::Diverged { run },
                None => Verdict::Missing,
            },
        });
    }
    verdicts.into_iter().flatten().collect()
}

/// Pairs that fit and have follow-ups sent, in the order in which they are honored.
fn sent_pairs(
    declared: &[Declared<'_>],
    runs: &[CandidateDeployment],
    Pairing { may_serve, is_own }: Pairing<'_>,
) -> Vec<(usize, usize, usize)> {
    let mut pairs = Vec::new();
    for (desired_state, Declared { since, follow_ups, .. }) in declared.iter().enumerate() {
        for (run, candidate) in
            runs.iter().enumerate().filter(|(run, _)| may_serve(desired_state, *run))
        {
            let sent = candidate.turns.as_deref().and_then(|turns| fit(turns, follow_ups));
            if let Some(sent) = sent.filter(|sent| *sent > 0) {
                let is_others = !is_own(desired_state, run);
                let left = follow_ups.len() - sent;
                let rank = (Reverse(sent), is_others, left, run, *since, *follow_ups);
                pairs.push((rank, desired_state));
            }
        }
    }
    pairs.sort();
    pairs
        .into_iter()
        .map(|((Reverse(sent), _, _, run, ..), desired_state)| (desired_state, run, sent))
        .collect()
}

/// Deployments that nothing was sent to, and who may have them.
struct Fresh<'a> {
    declared: &'a [Declared<'a>],
    runs: &'a [CandidateDeployment],
    pairing: Pairing<'a>,
    sent_to: &'a BTreeSet<usize>,
    broken: &'a BTreeSet<usize>,
}

impl Fresh<'_> {
    /// Gives each to the declaration that it was started for, and shares the others out along
    /// augmenting paths: who was served once stays served.
    fn share(&self, verdicts: &[Option<Verdict>]) -> Vec<Option<usize>> {
        let mut order: Vec<usize> = (0..self.declared.len())
            .filter(|desired_state| verdicts[*desired_state].is_none())
            .collect();
        order.sort_by_key(|desired_state| {
            let Declared { since, follow_ups, needs_run } = self.declared[*desired_state];
            (!needs_run, follow_ups.len(), since, follow_ups)
        });
        let mut holder: Vec<Option<usize>> = vec![None; self.runs.len()];
        let mut own = BTreeSet::new();
        order.retain(|desired_state| {
            let is_own = |run: &usize| (self.pairing.is_own)(*desired_state, *run);
            let run = self.wanted_runs(*desired_state).into_iter().find(is_own);
            if let Some(run) = run {
                holder[run] = Some(*desired_state);
                own.insert(run);
            }
            run.is_none()
        });
        for desired_state in order {
            self.find_place(desired_state, &mut holder, &mut own.clone());
        }
        let mut given = vec![None; self.declared.len()];
        for (run, desired_state) in holder.into_iter().enumerate() {
            if let Some(desired_state) = desired_state {
                given[desired_state] = Some(run);
            }
        }
        given
    }

    fn find_place(
        &self,
        desired_state: usize,
        holder: &mut [Option<usize>],
        tried: &mut BTreeSet<usize>,
    ) -> bool {
        let desired = self.wanted_runs(desired_state);
        // A deployment that is free spares everybody a move.
        if let Some(run) = desired.iter().copied().find(|run| holder[*run].is_none()) {
            holder[run] = Some(desired_state);
            return true;
        }
        for run in desired {
            if !tried.insert(run) {
                continue;
            }
            let is_free = match holder[run] {
                None => true,
                Some(other) => self.find_place(other, holder, tried),
            };
            if is_free {
                holder[run] = Some(desired_state);
                return true;
            }
        }
        false
    }

    /// The deployments a declaration may have, the one it likes best first: what others could not use less.
    fn wanted_runs(&self, desired_state: usize) -> Vec<usize> {
        let needs_silence = !self.declared[desired_state].follow_ups.is_empty();
        let mut desired: Vec<(bool, bool, bool, usize)> = (0..self.runs.len())
            .filter(|run| {
                !self.sent_to.contains(run) && (self.pairing.may_serve)(desired_state, *run)
            })
            .map(|run| {
                let turns = self.runs[run].turns.as_deref();
                let is_silent = turns.is_some_and(<[_]>::is_empty);
                (self.broken.contains(&run), turns.is_none(), !is_silent, run)
            })
            .filter(|(.., is_spoken, _)| !(needs_silence && *is_spoken))
            .collect();
        desired.sort_unstable();
        desired.into_iter().map(|(.., run)| run).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// Every deployment is of the time, and nothing is known of who started it.
    const ANY: Pairing<'static> = Pairing { may_serve: &|_, _| true, is_own: &|_, _| false };

    fn texts(words: &str) -> Vec<Arc<str>> {
        words.chars().map(|c| c.to_string().into()).collect()
    }

    /// Follow-ups by letter, `?` for turns that are unknown.
    fn verdicts(declared: &[&str], runs: &[&str]) -> String {
        verdicts_of(declared, runs, &[])
    }

    /// The same, where the ledger knows for some deployments the place of the declaration they were started for.
    fn verdicts_of(declared: &[&str], runs: &[&str], started_for: &[Option<usize>]) -> String {
        let logs: Vec<Vec<Arc<str>>> = declared.iter().map(|words| texts(words)).collect();
        let declared: Vec<Declared<'_>> = logs
            .iter()
            .map(|follow_ups| Declared { since: None, follow_ups, needs_run: true })
            .collect();
        let runs: Vec<CandidateDeployment> = runs
            .iter()
            .map(|words| CandidateDeployment { turns: (*words != "?").then(|| texts(words)) })
            .collect();
        let is_own =
            |declared: usize, run: usize| started_for.get(run).copied().flatten() == Some(declared);
        let words = assign(&declared, &runs, Pairing { is_own: &is_own, ..ANY });
        let words = words.into_iter().map(|verdict| match verdict {
            Verdict::Served { run, sent } => format!("{run}+{sent}"),
            Verdict::Unknown { run } => format!("{run}?"),
            Verdict::Diverged { run } => format!("{run}!"),
            Verdict::Missing => "-".to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_run_goes_to_the_one_that_sent_to_it() {
        let table: [(&[&str], &[&str], &str); 19] = [
            (&[""], &[], "-"),
            (&["", "a"], &[], "- -"),
            (&[""], &["x"], "0+0"),
            (&["ab"], &[""], "0+0"),
            (&["ab"], &["", "a"], "1+1"),
            (&["ab"], &["abx", ""], "0+2"),
            // A person spoke between two follow-ups: nothing is begun elsewhere.
            (&["ab"], &["ax"], "0!"),
            (&["ab"], &["ax", ""], "0!"),
            (&["ab"], &["x"], "0!"),
            (&["ab"], &["ax", "a"], "1+1"),
            // Who has sent everything keeps the deployment; the longer log begins anew.
            (&["ab", "abc"], &["ab"], "0+2 -"),
            (&["abc", "ab"], &["ab"], "- 0+2"),
            // As many as possible are served.
            (&["", "b"], &["", "x"], "1+0 0+0"),
            (&["", "b"], &["", ""], "0+0 1+0"),
            (&["", ""], &["x", "", ""], "1+0 2+0"),
            // The log that diverged keeps its trouble to itself.
            (&["ab", ""], &["ax", ""], "0! 1+0"),
            // Unknown turns may be anybody's.
            (&["a", "b"], &["?"], "0? 0?"),
            (&["", "b"], &["?"], "0+0 0?"),
            (&["ab", "c"], &["a", "?"], "0+1 1?"),
        ];
        for (declared, runs, expected) in table {
            assert_eq!(verdicts(declared, runs), expected, "{declared:?} {runs:?}");
        }
    }

    #[test]
    fn a_deployment_stays_with_the_declaration_it_was_started_for() {
        const ONE: Option<usize> = Some(0);
        const TWO: Option<usize> = Some(1);
        type Row =
            (&'static [&'static str], &'static [&'static str], [Option<usize>; 2], &'static str);
        let table: [Row; 10] = [
            (&["ab", "c"], &["", ""], [TWO, ONE], "1+0 0+0"),
            (&["", ""], &["", ""], [TWO, ONE], "1+0 0+0"),
            (&["ab", "ac"], &["a", "a"], [TWO, ONE], "1+1 0+1"),
            // One of two is enough to tell the other.
            (&["a", "b"], &["", ""], [TWO, None], "1+0 0+0"),
            // The one with the fewest to come gives way to the one that started it.
            (&["ab", "a"], &["a"], [ONE, None], "0+1 -"),
            // Somebody spoke in one of them: the other keeps its own.
            (&["a", "b"], &["x", ""], [ONE, TWO], "0! 1+0"),
            (&["", "b"], &["", "x"], [ONE, None], "0+0 1!"),
            // What was said counts for more than what the ledger says: keys may have been exchanged.
            (&["a", "b"], &["b", "a"], [ONE, TWO], "1+1 0+1"),
            (&["", "a"], &["a"], [ONE, None], "- 0+1"),
            // Its own is known to be silent, so the other one is not its concern.
            (&["a", "b"], &["?", ""], [ONE, TWO], "0? 1+0"),
        ];
        for (declared, runs, started_for, expected) in table {
            let shown = verdicts_of(declared, runs, &started_for);
            assert_eq!(shown, expected, "{declared:?} {runs:?} {started_for:?}");
        }
    }

    /// Logs of one to four letters, and what each had sent: a beginning of it, one at least.
    fn history() -> impl Strategy<Value = Vec<(Vec<Arc<str>>, usize)>> {
        let log = ("[abc]{1,4}", any::<Index>());
        prop::collection::vec(log, 1..5).prop_map(|logs| {
            logs.into_iter()
                .map(|(log, sent)| {
                    let sent = 1 + sent.index(log.len());
                    (texts(&log), sent)
                })
                .collect()
        })
    }

    /// What each log with its `since` comes to, where the deployments were made a second apart.
    fn assigned(
        declared: &[(&[Arc<str>], Option<usize>)],
        runs: &[CandidateDeployment],
    ) -> Vec<Verdict> {
        let second = |at: usize| Timestamp::from_second(i64::try_from(at).unwrap()).unwrap();
        let may_serve = |desired_state: usize, run: usize| {
            declared[desired_state].1.is_none_or(|since| since <= run)
        };
        let declared: Vec<Declared<'_>> = declared
            .iter()
            .map(|(follow_ups, since)| Declared {
                since: since.map(second),
                follow_ups,
                needs_run: true,
            })
            .collect();
        assign(&declared, runs, Pairing { may_serve: &may_serve, ..ANY })
    }

    proptest! {
        #[test]
        fn a_run_serves_one_declaration_and_the_order_of_declarations_is_nothing(
            logs in prop::collection::vec("[ab]{0,3}", 0..5),
            turns in prop::collection::vec("([ab]{0,3}|\\?)", 0..5),
            rotation in any::<Index>(),
        ) {
            let logs: Vec<&str> = logs.iter().map(String::as_str).collect();
            let turns: Vec<&str> = turns.iter().map(String::as_str).collect();
            let words = verdicts(&logs, &turns);
            let served: Vec<&str> = words.split(' ').filter(|word| word.contains('+')).collect();
            let runs: BTreeSet<&str> = served.iter().filter_map(|word| word.split('+').next()).collect();
            prop_assert_eq!(runs.len(), served.len());
            // Sorting or moving them gives the same deployments to the same logs.
            let mut moved = logs.clone();
            if !moved.is_empty() {
                let by = rotation.index(moved.len());
                moved.rotate_left(by);
            }
            let pairs = |logs: &[&str], words: &str| {
                let mut pairs: Vec<String> =
                    logs.iter().zip(words.split(' ')).map(|(log, word)| format!("{log} {word}")).collect();
                pairs.sort();
                pairs
            };
            prop_assert_eq!(pairs(&moved, &verdicts(&moved, &turns)), pairs(&logs, &words));
        }

        #[test]
        fn a_declaration_that_is_added_takes_no_run_from_the_one_that_sent_to_it(
            history in history(),
            added in "[abc]{0,4}",
        ) {
            let added = texts(&added);
            let mut declared: Vec<Declared<'_>> =
                history.iter().map(|(log, _)| Declared { since: None, follow_ups: log, needs_run: true }).collect();
            let runs: Vec<CandidateDeployment> = history
                .iter()
                .map(|(log, sent)| CandidateDeployment { turns: Some(log[..*sent].to_vec()) })
                .collect();
            let before = assign(&declared, &runs, ANY);
            declared.push(Declared { since: None, follow_ups: &added, needs_run: true });
            let after = assign(&declared, &runs, ANY);
            for (desired_state, (log, _)) in history.iter().enumerate() {
                let Verdict::Served { run, sent } = before[desired_state] else { continue };
                // Another log that begins with all that was sent is told apart by nothing: then the
                // one of both with less to come has it.
                let turns = runs[run].turns.as_deref().unwrap();
                let is_rival = added.starts_with(turns) && added.len() <= log.len();
                if sent > 0 && !is_rival {
                    prop_assert_eq!(after[desired_state], before[desired_state], "{:?}", log);
                }
            }
        }

        #[test]
        fn a_run_of_another_time_is_never_claimed(
            logs in prop::collection::vec("[ab]{0,3}", 1..5),
            turns in prop::collection::vec("[ab]{0,3}", 1..5),
            first in 0_usize..5,
        ) {
            let logs: Vec<Vec<Arc<str>>> = logs.iter().map(|log| texts(log)).collect();
            let declared: Vec<Declared<'_>> =
                logs.iter().map(|follow_ups| Declared { since: None, follow_ups, needs_run: true }).collect();
            let runs: Vec<CandidateDeployment> =
                turns.iter().map(|turns| CandidateDeployment { turns: Some(texts(turns)) }).collect();
            let may_serve = |desired_state: usize, run: usize| run >= first + desired_state;
            for (desired_state, verdict) in assign(&declared, &runs, Pairing { may_serve: &may_serve, ..ANY }).into_iter().enumerate() {
                match verdict {
                    Verdict::Served { run, sent } => {
                        prop_assert!(may_serve(desired_state, run));
                        prop_assert_eq!(fit(runs[run].turns.as_deref().unwrap(), &logs[desired_state]), Some(sent));
                    }
                    Verdict::Diverged { run } | Verdict::Unknown { run } => prop_assert!(may_serve(desired_state, run)),
                    Verdict::Missing => {}
                }
            }
        }

        /// The law of `since`: a declaration whose `since` still allows the deployment that it has sent
        /// something to keeps it, whoever is added, moved or sorted, and whosever `since` moves, its
        /// own included, except that
        ///
        /// * another declaration of its time may have it whose log the deployment shows at least as far, with
        ///   no more to come;
        /// * it may itself go over to such a deployment, further on or older.
        ///
        /// It is never begun anew beside the deployment, and nobody who sent nothing takes it.
        #[test]
        fn moving_since_takes_no_run_from_the_one_that_sent_to_it_but_for_a_better_match(
            history in history(),
            since in prop::collection::vec((any::<Option<Index>>(), any::<Option<Index>>()), 5),
            added in prop::collection::vec(("[abc]{0,4}", any::<Option<Index>>()), 0..3),
            rotation in any::<Index>(),
        ) {
            let count = history.len();
            let at = |since: &Option<Index>| since.map(|since| since.index(count + 1));
            let added: Vec<(Vec<Arc<str>>, Option<usize>)> =
                added.iter().map(|(log, since)| (texts(log), at(since))).collect();
            let runs: Vec<CandidateDeployment> = history
                .iter()
                .map(|(log, sent)| CandidateDeployment { turns: Some(log[..*sent].to_vec()) })
                .collect();
            let logs: Vec<&[Arc<str>]> = history.iter().map(|(log, _)| &log[..]).collect();
            let before: Vec<(&[Arc<str>], Option<usize>)> =
                logs.iter().zip(&since).map(|(log, (since, _))| (*log, at(since))).collect();
            let mut after: Vec<(&[Arc<str>], Option<usize>)> =
                logs.iter().zip(&since).map(|(log, (_, since))| (*log, at(since))).collect();
            after.extend(added.iter().map(|(log, since)| (&log[..], *since)));
            let by = rotation.index(after.len());
            after.rotate_left(by);
            let (was, is) = (assigned(&before, &runs), assigned(&after, &runs));
            for (desired_state, verdict) in was.iter().enumerate() {
                let place = (desired_state + after.len() - by) % after.len();
                let Verdict::Served { run, sent: sent @ 1.. } = *verdict else { continue };
                if after[place].1.is_some_and(|since| since > run) {
                    continue;
                }
                let rank = |desired_state: usize, sent| (Reverse(sent), after[desired_state].0.len() - sent);
                let own = rank(place, sent);
                let holder = is.iter().enumerate().find_map(|(other, verdict)| match verdict {
                    Verdict::Served { run: taken, sent } if *taken == run => Some((other, *sent)),
                    _ => None,
                });
                let is_better = |other: usize| matches!(
                    is[other],
                    Verdict::Served { run: next, sent } if (rank(other, sent), next) < (own, run)
                );
                let is_right = match holder {
                    Some((other, _)) if other == place => true,
                    Some((other, sent)) => sent > 0 && rank(other, sent) <= own,
                    None => false,
                };
                prop_assert!(is_right || is_better(place), "{desired_state}: {was:?} became {is:?} by {by}");
            }
        }

        /// Where no log begins like another, nothing but its own `since` takes a deployment away; and a deployment
        /// that somebody else spoke in serves nobody who has follow-ups.
        #[test]
        fn logs_that_begin_differently_never_share_a_run_and_never_get_a_foreign_one(
            sent in prop::collection::vec((1_usize..4, any::<Option<Index>>()), 1..5),
            foreign in prop::collection::vec("[xyz]{1,3}", 0..4),
            rotation in any::<Index>(),
        ) {
            let logs: Vec<Vec<Arc<str>>> =
                ('a'..'e').map(|first| texts(&format!("{first}mn"))).collect();
            let mut runs: Vec<CandidateDeployment> = Vec::new();
            for (at, (sent, _)) in sent.iter().enumerate() {
                runs.extend(foreign.get(at).map(|turns| CandidateDeployment { turns: Some(texts(turns)) }));
                runs.push(CandidateDeployment { turns: Some(logs[at][..*sent].to_vec()) });
            }
            let mut declared: Vec<(&[Arc<str>], Option<usize>)> = sent
                .iter()
                .zip(&logs)
                .map(|((_, since), log)| (&log[..], since.map(|since| since.index(runs.len() + 1))))
                .collect();
            let by = rotation.index(declared.len());
            declared.rotate_left(by);
            for (verdict, (log, since)) in assigned(&declared, &runs).into_iter().zip(&declared) {
                let is_own = |run: &CandidateDeployment| run.turns.as_deref().is_some_and(|turns| turns[0] == log[0]);
                let own = runs.iter().position(is_own).unwrap();
                let sent = runs[own].turns.as_ref().map_or(0, Vec::len);
                if since.is_none_or(|since| since <= own) {
                    prop_assert_eq!(verdict, Verdict::Served { run: own, sent });
                } else {
                    prop_assert!(!matches!(verdict, Verdict::Served { .. }), "{verdict:?}");
                }
            }
        }
    }
}
