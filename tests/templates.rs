//! Templates and matrices, with real repositories and the program itself.

use std::fmt::Write as _;
use std::time::Instant;

use crate::support::repo::Repo;

const HEAD: &str = "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\n";

/// A manifest with this matrix.
fn manifest(matrix: &str) -> String {
    format!(
        "{HEAD}vars: {{capital: 100000, unused: 1}}\ntasks:
  momentum:
    matrix: {matrix}
    name: \"Momentum {{{{ symbol }}}} {{{{ window }}}}\"
    promptFile: prompts/momentum.md
  plain: {{prompt: Buy and hold}}
"
    )
}

const PROMPT: &str = "Trade {{ symbol }} over {{ window }} months with {{ capital }}.\n\n{% include \"prompts/risk.md\" %}\n";

const MATRIX: &str = "{symbol: [SPY, QQQ, IWM], window: [6, 12]}";

/// Six tasks of one matrix and one beside it, applied.
fn applied() -> Repo {
    let repo = Repo::new();
    repo.write("tasks.yaml", &manifest(MATRIX))
        .write("prompts/momentum.md", PROMPT)
        .write("prompts/risk.md", "Risk at most 1 %.\n")
        .commit("first")
        .converge("");
    repo
}

#[test]
fn a_symbol_more_is_one_task_and_a_symbol_less_is_deferred() {
    let repo = applied();
    let change = |matrix: &str| repo.write("tasks.yaml", &manifest(matrix)).commit("change");
    change("{symbol: [SPY, QQQ, IWM, DIA], window: [6, 12]}")
        .qcops("plan")
        .expect(0, &["task.momentum[DIA,6]", "task.momentum[DIA,12]", "2 to create"])
        .expect_no(&["to replace", "to update"]);
    change("{symbol: [IWM, SPY, QQQ], window: [12, 6]}").expect_nothing_to_do("");
    change("{symbol: [SPY, QQQ], window: [6, 12]}")
        .qcops("plan")
        .expect(0, &["deferred[prune-off]", "task.momentum[IWM,12]", "task.momentum[IWM,6]"])
        .expect_no(&["to create", "to replace", "SPY"]);
    change("{symbol: [SPY, QQQ, IWM], window: [6, 12]}\n    exclude: [{symbol: IWM, window: 12}]")
        .qcops("plan")
        .expect(0, &["task.momentum[IWM,12]"])
        .expect_no(&["momentum[IWM,6]", "to create"]);
    let renamed = manifest(MATRIX).replace("unused", "unneeded");
    repo.write("tasks.yaml", &renamed).commit("rename").expect_nothing_to_do("");
}

#[test]
fn one_word_selects_a_matrix_and_an_address_one_task_of_it() {
    let repo = applied();
    repo.write("prompts/risk.md", "Risk at most 2 %.\n").commit("risk");
    let table = [
        ("momentum", 6, ""),
        ("momentum[SPY,6]", 1, "task.momentum[SPY,6]"),
        ("momentum[SPY,6],momentum[QQQ,12]", 2, "task.momentum[QQQ,12]"),
        ("task.momentum[IWM,6]", 1, "task.momentum[IWM,6]"),
        ("plain,momentum[SPY,12]", 1, "task.momentum[SPY,12]"),
    ];
    for (target, count, words) in table {
        let ran = repo.qcops(&format!("plan --max-replaces 20 --target {target}"));
        ran.expect(0, &[&format!("{count} to replace"), words]);
    }
    let unknown = repo.qcops("plan --target momentum[SPX,6]");
    assert!(unknown.code != 0 && unknown.err.contains("momentum[SPY,6]"), "{}", unknown.err);
    repo.qcops("plan --target momentum[SPY,6] --out plan.json").expect(0, &[]);
    repo.qcops("apply plan.json").expect(0, &[]);
    assert!(repo.read(".qcops/ledger.jsonl").contains("momentum[SPY,6]"));
    repo.qcops("plan --max-replaces 20 --target momentum").expect(0, &["5 to replace"]);
    let forget = |keys: &str| {
        let text = format!("{HEAD}tasks: {{plain: {{prompt: Buy and hold}}}}\nforget: [{keys}]\n");
        repo.write("tasks.yaml", &text).qcops("plan")
    };
    forget("momentum").expect(0, &[]).expect_no(&["prune-off"]);
    forget("'momentum[SPY,6]'").expect(0, &["task.momentum[SPY,12]", "prune-off"]);
}

/// What a commit changes, and what a plan on another machine then says.
struct Change {
    row: &'static str,
    files: Vec<(&'static str, String)>,
    says: &'static [&'static str],
    says_not: &'static [&'static str],
}

#[test]
fn history_proves_the_tasks_of_templates_without_a_ledger() {
    let never: &[&str] = &["unproven", "lost-evidence", "blocked"];
    let written = format!(
        "{HEAD}tasks:\n  momentum:\n    matrix: {{symbol: [SPY]}}\n    name: Hold {{{{ symbol }}}}\n    prompt: Hold {{{{ symbol }}}}\n  plain: {{prompt: Buy and hold}}\n"
    );
    let table = [
        Change {
            row: "an edited template",
            files: vec![("prompts/momentum.md", PROMPT.replace("Trade", "Invest in"))],
            says: &["6 to replace"],
            says_not: &["to create"],
        },
        Change {
            row: "an edited partial",
            files: vec![("prompts/risk.md", "Risk at most 2 %.\n".to_owned())],
            says: &["6 to replace"],
            says_not: &["to create", "plain"],
        },
        Change {
            row: "a variable",
            files: vec![("tasks.yaml", manifest(MATRIX).replace("100000", "5000"))],
            says: &["6 to replace"],
            says_not: &["to create"],
        },
        Change {
            row: "an axis value with another name",
            files: vec![("tasks.yaml", manifest(&MATRIX.replace("IWM", "RSP")))],
            says: &["2 to create", "momentum[RSP,6]", "momentum[IWM,6]", "prune-off"],
            says_not: &["to replace"],
        },
        Change {
            row: "axes in another order",
            files: vec![(
                "tasks.yaml",
                manifest("{window: [6, 12], symbol: [SPY, QQQ, IWM]}"),
            )],
            says: &["No changes"],
            says_not: &["to create", "to replace"],
        },
        Change {
            row: "a partial that moved",
            files: vec![
                ("prompts/risk.md", String::new()),
                ("shared/limits.md", "Risk at most 1 %.\n".to_owned()),
                ("prompts/momentum.md", PROMPT.replace("prompts/risk.md", "shared/limits.md")),
            ],
            says: &["No changes"],
            says_not: &["to create", "to replace"],
        },
        Change {
            row: "a partial that moved and changed",
            files: vec![
                ("prompts/risk.md", String::new()),
                ("shared/limits.md", "Risk at most 3 %.\n".to_owned()),
                ("prompts/momentum.md", PROMPT.replace("prompts/risk.md", "shared/limits.md")),
            ],
            says: &["6 to replace"],
            says_not: &["to create"],
        },
        Change {
            row: "a template in place of the file",
            files: vec![(
                "tasks.yaml",
                manifest(MATRIX).replace(
                    "promptFile: prompts/momentum.md",
                    "prompt: 'Sell {{ symbol }} after {{ window }}. {% include \"prompts/risk.md\" %}'",
                ).replace("vars: {capital: 100000, unused: 1}\n", ""),
            )],
            says: &["6 to replace"],
            says_not: &["to create"],
        },
        Change {
            row: "a written task of the same content",
            files: vec![("tasks.yaml", written)],
            says: &["prune-off", "momentum[SPY]"],
            says_not: &["to replace"],
        },
    ];
    for Change { row, files, says, says_not } in table {
        let repo = applied();
        for (path, text) in files {
            if text.is_empty() {
                repo.git(&format!("rm -q {path}"));
            } else {
                repo.write(path, &text);
            }
        }
        let clone = repo.commit(row).clone_with("");
        let planned = clone.qcops("plan --max-replaces 20");
        assert_eq!(planned.code, 0, "{row}: {}{}", planned.out, planned.err);
        for words in says {
            assert!(planned.out.contains(words), "{row}: no `{words}` in {}", planned.out);
        }
        for words in says_not.iter().chain(never) {
            assert!(!planned.out.contains(words), "{row}: `{words}` in {}", planned.out);
        }
    }
}

/// The lines of an output from the first that holds some words on, until one holds others.
fn part(output: &str, from: &str, to: &str) -> String {
    let lines = output.lines().skip_while(|line| !line.contains(from));
    lines.take_while(|line| !line.contains(to)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_partial_that_twenty_tasks_include_is_one_difference_in_every_format() {
    let symbols: Vec<String> = (1..=20).map(|number| format!("S{number}")).collect();
    let repo = Repo::new();
    repo.write(
        "tasks.yaml",
        &manifest(&format!("{{symbol: [{}], window: [6]}}", symbols.join(", "))),
    )
    .write("prompts/momentum.md", PROMPT)
    .write("prompts/risk.md", "Risk at most 1 %.\n")
    .commit("first");
    repo.qcops("apply --yes --max-creates 30").expect(0, &[]);
    repo.write("prompts/risk.md", "Risk at most 2 %.\nNever short.\n").commit("risk");
    let plan = |format: &str| {
        let ran = repo.qcops(&format!("plan --max-replaces 30 --format {format}"));
        ran.expect(0, &[]);
        let of_others = if format == "json" { 0 } else { 19 };
        assert_eq!(
            ran.out.matches("same change as task.momentum[S1,6]").count(),
            of_others,
            "{format}"
        );
        ran.out
    };
    let (text, markdown, html, json) = (plan("text"), plan("markdown"), plan("html"), plan("json"));
    assert_eq!(json.matches("Never short.").count(), 20);
    insta::assert_snapshot!(part(&text, "momentum[S1,6]", "momentum[S11,6]"), @r#"
    -/+ task.momentum[S1,6] will be replaced (task 332 "Momentum S1 6")
          # replaced because prompt cannot be changed in place
          prompt: +14 / -1 characters
            | Trade S1 over 6 months with 100000.
            |
            - Risk at most {-1-} %.
            + Risk at most {+2+} %{+.+}
            + {+Never short+}.
            and 19 more with the same change
          task 332 "Momentum S1 6" will be deleted: it has no deployments, no schedule and no notifications.

    -/+ task.momentum[S10,6] will be replaced (task 333 "Momentum S10 6")
          # replaced because prompt cannot be changed in place
          prompt: same change as task.momentum[S1,6]
          task 333 "Momentum S10 6" will be deleted: it has no deployments, no schedule and no notifications.
    "#);
    insta::assert_snapshot!(part(&markdown, "</code> task.momentum&#91;S1,6", "S11,6"), @r##"
    <details><summary><code>-/+</code> task.momentum&#91;S1,6&#93;</summary>

    ```diff
    # prompt cannot be changed in place
    # prompt
      Trade S1 over 6 months with 100000.

    - Risk at most {-1-} %.
    + Risk at most {+2+} %{+.+}
    + {+Never short+}.
    # and 19 more with the same change
    # task 332 "Momentum S1 6": deleted
    ```

    </details>

    <details><summary><code>-/+</code> task.momentum&#91;S10,6&#93;</summary>

    ```diff
    # prompt cannot be changed in place
    # prompt: same change as task.momentum[S1,6]
    # task 333 "Momentum S10 6": deleted
    ```

    </details>
    "##);
    let reference = "<a href=\"#step-1\">same change as task.momentum[S1,6]</a>";
    assert_eq!(html.matches(reference).count(), 19);
    assert_eq!(html.matches("<p class=\"reason\">and 19 more with the same change</p>").count(), 1);
    let full = repo.qcops("plan --max-replaces 30 -v");
    full.expect_no(&["same change"]);
    assert_eq!(full.out.matches("{+Never short+}").count(), 20);
}

#[test]
fn a_written_task_becomes_one_of_a_matrix() {
    let repo = Repo::new();
    repo.tasks("spy: {name: Hold SPY, prompt: Hold SPY}").commit("first").converge("");
    let text = format!(
        "{HEAD}tasks:\n  hold:\n    matrix: {{symbol: [SPY, QQQ]}}\n    name: Hold {{{{ symbol }}}}\n    prompt: Hold {{{{ symbol }}}}\n"
    );
    let clone = repo.write("tasks.yaml", &text).commit("matrix").clone_with("");
    clone.qcops("plan").expect(0, &["1 to create", "task.hold[QQQ]"]).expect_no(&[
        "to replace",
        "unproven",
        "blocked",
    ]);
    clone.converge("");
}

#[test]
fn a_matrix_of_agents_and_their_partials_are_proven_by_history() {
    let repo = Repo::new();
    let text = "version: 1
defaults: {projectPreference: project-for-task}
agents:
  researcher:
    matrix: {symbol: [SPY, QQQ]}
    name: Researcher of {{ symbol }}
    systemPromptFile: agents/researcher.md
  writer: agents/writer.md
tasks:
  report:
    matrix: {symbol: [SPY, QQQ]}
    agent: \"researcher[{{ symbol }}]\"
    prompt: Report {{ symbol }}
";
    repo.write("tasks.yaml", text)
        .write("agents/researcher.md", "Know {{ symbol }}.\n{% include \"agents/tone.md\" %}")
        .write(
            "agents/writer.md",
            "---\ntemplate: true\n---\nWrite as {{ key }}.\n{% include \"agents/tone.md\" %}",
        )
        .write("agents/tone.md", "Be brief.")
        .commit("first")
        .converge("");
    repo.write("agents/tone.md", "Be kind.").commit("tone");
    let clone = repo.clone_with("");
    clone.qcops("plan").expect(0, &["3 to update"]).expect_no(&["unproven", "blocked", "drift"]);
    clone.converge("");
}

#[test]
fn two_hundred_commits_of_templates_and_variables_prove_every_task() {
    let symbols: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let manifest = |commit: usize| {
        let mut text = format!("{HEAD}vars: {{capital: {}}}\ntasks:\n", 1000 + commit / 7);
        for task in 0..12 {
            let mut symbols = symbols.clone();
            symbols.rotate_left(commit % 20);
            let symbols = symbols.join(", ");
            let words = if task == 11 { commit / 50 } else { commit / 20 };
            write!(
                text,
                "  t{task}:\n    matrix: {{symbol: [{symbols}]}}\n    name: T{task} {{{{ symbol }}}}\n"
            )
            .unwrap();
            let field = match task % 3 {
                0 => format!("promptFile: p{task}.md"),
                1 => format!("prompt: 'Do {task} {words} with {{{{ symbol }}}} at {{{{ risk }}}}'"),
                _ => format!("prompt: '{{{{ symbol }}}} {task}: {{% include \"shared.md\" %}}'"),
            };
            writeln!(text, "    {field}").unwrap();
        }
        text
    };
    let commits = (0..200).map(|commit| {
        let mut files = vec![
            (".gitignore".to_owned(), ".qcops/\n".to_owned()),
            ("tasks.yaml".to_owned(), manifest(commit)),
            ("shared.md".to_owned(), format!("Shared {} for {{{{ capital }}}}", commit / 3)),
            ("dev.yaml".to_owned(), format!("risk: {}\n", commit / 2)),
        ];
        for task in [0, 3, 6, 9] {
            let text = format!(
                "Trade {{{{ symbol }}}} {task} {}\n{{% include \"shared.md\" %}}",
                commit / (task + 1)
            );
            files.push((format!("p{task}.md"), text));
        }
        files
    });
    let all: Vec<Vec<(String, String)>> = commits.collect();
    let repo = Repo::new();
    // What commit 120 declared is applied; 80 commits later, nobody remembers.
    repo.import_changes(all[..120].iter().cloned());
    let applied = repo.qcops("apply --yes --max-creates 300 --var-file dev.yaml");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    let whole = Repo::new();
    whole.import_changes(all.into_iter());
    whole.take_service_of(&repo);
    let start = Instant::now();
    let planned = whole.qcops("plan --max-replaces 300 --var-file dev.yaml");
    let took = start.elapsed();
    planned.expect(0, &["240 to replace"]).expect_no(&[
        "unproven",
        "lost-evidence",
        "blocked",
        "to create",
    ]);
    assert!(took.as_secs() < 60, "{took:?}");
}
