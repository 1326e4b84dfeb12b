//! What was reviewed is what is done: digests, saved plans and their refusals.

use std::fs;

use qcops::render::markdown;
use qcops::render::view::PlanView;

use crate::support::repo::Repo;
use crate::support::world::World;

#[tokio::test(start_paused = true)]
async fn equal_differences_have_equal_digests_and_one_character_makes_another() {
    let digest = async |prompt: &str, hours: u64| {
        let world = World::new(&format!("spy: {{prompt: {prompt}, deployments: {{first: {{}}}}}}"));
        tokio::time::advance(std::time::Duration::from_secs(hours * 3600)).await;
        world.plan().await.digest().to_string()
    };
    let noon = digest("Buy SPY", 0).await;
    for hours in [1, 11, 13, 24 * 40] {
        assert_eq!(digest("Buy SPY", hours).await, noon, "the clock is {hours} h further");
    }
    assert_ne!(digest("Buy SPX", 0).await, noon);
}

#[test]
fn every_follow_up_is_shown_in_every_format_and_a_changed_one_is_another_plan() {
    const FIRST: &str = "Report the Sharpe ratio";
    const THIRD: &str = "Say which month was worst";
    let tasks = |second: &str| {
        let texts = format!("[{FIRST}, {second}, {THIRD}]");
        format!("spy: {{prompt: Buy SPY, deployments: {{d: {{followUps: {texts}}}}}}}")
    };
    let repo = Repo::new();
    repo.tasks(&tasks("Halve the turnover")).commit("first");
    for format in ["text", "json", "markdown", "html"] {
        let shown = repo.qcops(&format!("plan --format {format}")).expect(0, &[]).out.clone();
        for text in [FIRST, "Halve the turnover", THIRD] {
            assert!(shown.contains(text), "{format} lacks `{text}`: {shown}");
        }
    }
    let json = |repo: &Repo| -> serde_json::Value {
        serde_json::from_str(&repo.qcops("plan --format json").out).unwrap()
    };
    let reviewed = json(&repo);
    let texts = serde_json::json!([FIRST, "Halve the turnover", THIRD]);
    assert_eq!(reviewed["steps"][1]["later_follow_ups"], texts);
    repo.qcops("plan --out plan.json").expect(0, &[]);
    for changed in ["halve the turnover", "Halve the turnove", "Delete every project and go live"] {
        repo.tasks(&tasks(changed)).commit("edit");
        assert_ne!(json(&repo)["digest"], reviewed["digest"], "{changed}");
        let refused = repo.qcops("apply plan.json --wait");
        assert_eq!(refused.code, 6, "{changed}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(changed), "{}", refused.err);
    }
    repo.tasks(&tasks("Halve the turnover")).commit("back");
    let applied = repo.qcops("apply plan.json --wait --poll-interval 200ms");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    repo.qcops("transcript spy/d").expect(0, &[FIRST, "Halve the turnover", THIRD]);
}

#[test]
fn a_saved_plan_that_was_applied_already_says_that_nothing_is_left() {
    let begun = "spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}";
    // What is declared when the plan is saved, and what by then is there.
    let table = [
        ("", begun, true),
        (begun, "spy: {prompt: Buy SPY}\nqqq: {name: Q, prompt: Buy QQQ}", true),
        (begun, "spy: {prompt: Buy SPY daily}\nqqq: {prompt: Buy QQQ}", true),
        // A deployment that its follow-up waits for is something left to do.
        (
            begun,
            "spy: {prompt: Buy SPY, deployments: {d: {followUps: [a]}}}\nqqq: {prompt: Buy QQQ}",
            false,
        ),
    ];
    for (before, now, is_done) in table {
        let repo = Repo::new();
        repo.tasks(before).commit("before").qcops("apply --yes");
        repo.tasks(now).commit("now").qcops("plan --out plan.json").expect(0, &[]);
        repo.qcops("apply plan.json").expect(0, &["Apply complete"]);
        let again = repo.qcops("apply plan.json");
        assert_eq!(again.code, 6, "{now}: {}", again.err);
        assert_eq!(again.err.contains("nothing is left to do"), is_done, "{now}: {}", again.err);
        assert_eq!(again.err.contains("applied already"), is_done, "{now}: {}", again.err);
        assert_eq!(again.err.contains("reviewed: "), !is_done, "{now}: {}", again.err);
        assert!(again.err.contains("nothing was sent"), "{now}: {}", again.err);
    }
}

#[test]
fn a_protection_that_alone_changed_is_shown_in_every_format() {
    let on = Some("`spy` is protected now: `protect` is true, and was false in the version before");
    let off = Some(
        "`spy` is no longer protected: `protect` is false, and was true in the version before",
    );
    // The commits, the work tree, the command, and what it says of `spy`.
    let table = [
        (&["", "protect: true"][..], "protect: true", "", on),
        (&["protect: true", ""], "", "", off),
        (&["protect: true", "protect: false"], "protect: false", "", off),
        (&[""], "protect: true", "", on),
        (&["protect: true"], "", "", off),
        (&["", "protect: true"], "", "", off),
        (&["", "protect: true"], "protect: true", "--target spy", on),
        // Nothing changed, or it is not known what was before.
        (&["", "protect: true"], "protect: true", "--target qqq", None),
        (&["", "protect: true"], "protect: true", "--history none", None),
        (&["", "protect: true", "protect: true, name: S"], "protect: true, name: S", "", None),
        (&["protect: true"], "protect: true", "", None),
        (&["", "protect: false"], "protect: false", "", None),
        (&[""], "", "", None),
    ];
    for (commits, now, flags, expected) in table {
        let repo = Repo::new();
        let tasks = |spy: &str| {
            let comma = if spy.is_empty() { "" } else { ", " };
            repo.tasks(&format!("qqq: {{prompt: Buy QQQ}}\nspy: {{prompt: Buy SPY{comma}{spy}}}"));
        };
        for (at, spy) in commits.iter().enumerate() {
            tasks(spy);
            repo.commit("edit");
            if at == 0 {
                repo.qcops("apply --yes").expect(0, &[]);
            }
        }
        tasks(now);
        for format in ["text", "markdown", "html", "json"] {
            let shown =
                repo.qcops(&format!("plan --format {format} {flags}")).expect(0, &[]).out.clone();
            let plain = shown.replace(['\\', '`'], "").replace("<code>", "").replace("</code>", "");
            let says = plain.contains("in the version before");
            let row = format!("{commits:?} {now:?} {flags} {format}: {shown}");
            assert_eq!(says, expected.is_some(), "{row}");
            assert!(expected.is_none_or(|words| plain.contains(&words.replace('`', ""))), "{row}");
        }
    }
}

#[test]
fn what_is_declared_beside_the_texts_is_shown_in_every_format_and_moves_the_digest() {
    let tasks = |deployment: &str, task: &str| {
        format!(
            "spy: {{prompt: Buy SPY, {task}deployments: {{d: {{followUps: [Report]{deployment}}}}}}}"
        )
    };
    let usual = ", expect: {status: Completed, maxTokens: 1000}, timeout: 30m";
    let table = [
        (usual, "", "expect: status Completed, maxTokens 1000"),
        (usual, "", "timeout: 30m"),
        (
            ", expect: {status: Completed, maxTokens: 2000000}, timeout: 30m",
            "",
            "maxTokens 2000000",
        ),
        (", expect: {status: Failed, maxTokens: 1000}, timeout: 30m", "", "expect: status Failed"),
        (", expect: {status: Completed, maxTokens: 1000}, timeout: 90m", "", "timeout: 90m"),
        (", expect: {transcript: {contains: [A, b c]}}", "", "expect: contains A, contains b c"),
        (
            ", expect: {number: {pattern: 'is (.*)', min: 1, max: 2}}",
            "",
            "number `is (.*)` between 1",
        ),
        (", expect: {toolNotCalled: go_live, noToolFailure: true}", "", "noToolFailure true"),
        (", timeout: 2h", "", "timeout: 2h"),
        (", since: 2020-01-02", "", "since: 2020-01-02T00:00:00Z"),
        (", since: 2999-01-02", "", "since: 2999-01-02T00:00:00Z"),
        ("", "protect: true, ", "protect: true"),
    ];
    let repo = Repo::new();
    let mut digests = std::collections::BTreeMap::new();
    for (deployment, task, words) in table {
        repo.tasks(&tasks(deployment, task)).commit("edit");
        for format in ["text", "markdown", "html", "json"] {
            let shown = repo.qcops(&format!("plan --format {format}")).expect(0, &[]).out.clone();
            if format == "json" {
                let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
                let digest = json["digest"].as_str().unwrap().to_owned();
                digests.entry(digest).or_insert_with(Vec::new).push((deployment, task));
            }
            let plain: String = shown
                .replace("<dd><code>", " ")
                .replace("</dt>", ":")
                .replace("\", \n", ": ")
                .replace(['"', '\\'], "")
                .replace("&quot;", "");
            let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
            let plain = plain.replace(", value:", ":").replace("name: ", "");
            let expected = words.replace('"', "");
            assert!(plain.contains(&expected), "{format} lacks `{expected}`: {shown}");
        }
    }
    for places in digests.values() {
        assert!(places.iter().all(|place| *place == places[0]), "one digest for {places:?}");
    }
    assert_eq!(digests.len(), table.len() - 1);
}

#[test]
fn a_flag_that_differs_from_the_saved_plan_is_refused_and_an_equal_one_is_not() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {d: {}}}\nqqq: {prompt: Buy QQQ}")
        .commit("first");
    repo.qcops("plan --out all.json").expect(0, &[]);
    let flags = "--target spy,qqq --max-creates 3 --history 5 --allow mass-missing --prune";
    repo.qcops(&format!("plan {flags} --out some.json")).expect(0, &[]);
    let table = [
        ("all.json", "--target spy", "without `--target`"),
        ("all.json", "--prune", "without `--prune`"),
        ("all.json", "--max-creates 1", "without `--max-creates`"),
        ("all.json", "--max-replaces 1", "without `--max-replaces`"),
        ("all.json", "--max-deletes 0", "without `--max-deletes`"),
        ("all.json", "--max-deployments 0", "without `--max-deployments`"),
        ("all.json", "--allow mass-missing", "without `--allow`"),
        ("all.json", "--history none", "without `--history`"),
        ("all.json", "--history-from HEAD", "without `--history-from`"),
        ("some.json", "--target spy", "with `--target qqq --target spy`"),
        ("some.json", "--max-creates 1", "with `--max-creates 3`"),
        ("some.json", "--history all", "with `--history 5`"),
        ("some.json", "--allow empty-manifest", "with `--allow mass-missing`"),
    ];
    for (plan, typed, made) in table {
        let ran = repo.qcops(&format!("apply {plan} {typed}"));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{plan} {typed}: {}", ran.err);
        let words = format!("`{typed}` differs from the saved plan, which was made {made}\n");
        assert!(ran.err.contains(&words), "{plan} {typed}: {}", ran.err);
        assert!(ran.err.contains("help: or make a new plan: `qcops plan"), "{}", ran.err);
    }
    let ran = repo.qcops("apply some.json --target qqq,spy --max-creates 3 --prune --history 5");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let taken = "With the options of the saved plan: --target qqq --target spy --prune \
                 --max-creates 3 --allow mass-missing --history 5\n";
    assert!(ran.err.contains(taken), "{}", ran.err);
}

#[test]
fn limits_and_guards_that_decided_are_part_of_the_digest() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {d: {}}}").commit("first");
    let digest = |flags: &str| {
        let planned = repo.qcops(&format!("plan --format json {flags}"));
        let json: serde_json::Value = serde_json::from_str(&planned.out).unwrap();
        json["digest"].as_str().unwrap().to_owned()
    };
    let usual = digest("");
    // Nothing is replaced, and no guard was in the way.
    for idle in ["--max-replaces 9", "--allow mass-missing", "--allow failed-repeatedly"] {
        assert_eq!(digest(idle), usual, "{idle}");
    }
    for used in ["--max-creates 9", "--max-deployments 9"] {
        assert_ne!(digest(used), usual, "{used}");
    }
}

#[test]
fn a_digest_does_not_depend_on_the_commit_that_led_to_it() {
    let plan = |commits: &[&str]| {
        let repo = Repo::new();
        for tasks in commits {
            repo.tasks(tasks).commit("work");
        }
        let planned = repo.qcops("plan --format json");
        let json: serde_json::Value = serde_json::from_str(&planned.out).unwrap();
        json["digest"].as_str().unwrap().to_owned()
    };
    let last = "spy: {prompt: Buy SPY}";
    assert_eq!(plan(&[last]), plan(&["spy: {prompt: Draft}", "qqq: {prompt: Other}", last]));
}

#[test]
fn another_environment_and_a_squash_merge_leave_the_digest_as_it_is() {
    let digest = |repo: &Repo, folder: &str, variables: &[(&str, &str)]| {
        let mut command = repo.command(env!("CARGO_BIN_EXE_qcops"));
        command
            .current_dir(repo.path().join(folder))
            .args(["plan", "--format", "json"])
            .arg(format!("--file={}", repo.path().join("tasks.yaml").display()))
            .arg(format!("--emulator={}", repo.path().join("../emulator.json").display()))
            .envs(variables.iter().copied());
        let planned = Repo::ran(command.output().unwrap());
        assert_eq!(planned.code, 0, "{}", planned.err);
        let json: serde_json::Value = serde_json::from_str(&planned.out).unwrap();
        json["digest"].as_str().unwrap().to_owned()
    };
    let tasks = |prompt: &str| {
        format!(
            "spy: {{prompt: {prompt}, deployments: {{first: {{since: 2026-11-01}}}}}}\n\
             izmir: {{name: İzmir ıi, prompt: Größe}}"
        )
    };
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Draft}").commit("first").converge("");
    repo.git("checkout -q -b change");
    repo.tasks("spy: {prompt: Another draft}").commit("try");
    repo.tasks(&tasks("Buy SPY")).commit("what is meant");
    let reviewed = digest(&repo, "", &[("TZ", "UTC"), ("LC_ALL", "C")]);

    let other = repo.clone_with("--branch change");
    fs::create_dir_all(other.path().join("deep/er")).unwrap();
    let home = other.path().join("deep").display().to_string();
    for variables in [
        &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")],
        &[("TZ", "America/Adak"), ("HOME", &home), ("COLUMNS", "20")],
    ] {
        assert_eq!(digest(&other, "deep/er", variables), reviewed, "{variables:?}");
    }

    repo.git("checkout -q main");
    repo.git("merge -q --squash change");
    repo.commit("What is meant (#7)");
    assert_eq!(digest(&repo, "", &[]), reviewed, "after the squash merge");
    repo.on_another_machine();
    assert_eq!(digest(&repo, "", &[]), reviewed, "on a machine that noted nothing");
    repo.tasks(&tasks("Buy SPX")).commit("one character");
    assert_ne!(digest(&repo, "", &[]), reviewed);
}

#[test]
fn a_saved_plan_is_carried_out_without_asking() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    assert_eq!(repo.qcops("plan --out plan.json").code, 0);
    let applied = repo.qcops("apply plan.json");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    repo.expect_nothing_to_do("");
}

#[test]
fn a_saved_plan_brings_the_options_it_was_made_with() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}\nqqq: {prompt: Buy QQQ}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY}").commit("drop");
    assert_eq!(repo.qcops("plan --prune --out plan.json").code, 0);
    let applied = repo.qcops("apply plan.json");
    assert!(applied.out.contains("1 succeeded"), "{}{}", applied.out, applied.err);
}

#[tokio::test]
async fn what_changed_on_the_service_since_the_review_is_named_and_nothing_is_sent() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    repo.qcops("plan --out plan.json");
    repo.edit_service(|service| service.task_mut(332).unwrap().name = "Renamed".to_owned()).await;
    let tasks = async || {
        let all = |service: &mut qcops::emulator::World| {
            service.tasks().map(|task| format!("{task:?}")).collect::<Vec<_>>()
        };
        repo.edit_service(all).await
    };
    let before = tasks().await;
    let applied = repo.qcops("apply plan.json");
    assert_eq!(applied.code, 6, "{}{}", applied.out, applied.err);
    assert!(applied.err.contains("Renamed"), "{}", applied.err);
    assert_eq!(tasks().await, before);
}

#[test]
fn a_plan_for_another_service_is_refused() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    assert_eq!(repo.qcops("plan --out plan.json").code, 0);
    let words = ["apply", "plan.json", "--emulator=other.json"].map(str::to_owned);
    let applied = repo.run(&words);
    assert_eq!(applied.code, 6, "{}{}", applied.out, applied.err);
    assert!(!repo.path().join("other.json").exists(), "nothing was made there");
}

#[test]
fn a_file_that_is_no_saved_plan_is_said_to_be_what_it_is() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    repo.write("plan.json", &repo.qcops("plan --format json --save-snapshot seen.json").out);
    assert_eq!(repo.qcops("apply --yes --output json=report.json").code, 0);
    repo.write("other.json", "{\"format_version\": 1}").write("notes.txt", "none");
    let table = [
        ("seen.json", "what `plan --save-snapshot` keeps"),
        ("plan.json", "what `plan --format json` prints"),
        ("report.json", "what `apply --output json=FILE` writes"),
        ("other.json", "some other JSON"),
        ("notes.txt", "something that is not JSON"),
    ];
    for (file, what) in table {
        let ran = repo.qcops(&format!("apply {file}"));
        assert_eq!((ran.code, ran.out.as_str()), (6, ""), "{file}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("`{file}` is no saved plan, but {what}\n")),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("`qcops plan --out FILE` wrote"), "{}", ran.err);
    }
}

#[test]
fn an_edited_file_and_another_digest_are_refused() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    repo.qcops("plan --out plan.json");
    let path = repo.path().join("plan.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Buy SPY", "Buy SPX")).unwrap();
    assert_eq!(repo.qcops("apply plan.json").code, 6);
    assert_eq!(repo.qcops(&format!("apply --expect-digest {}", "0".repeat(64))).code, 6);
    let missing = repo.qcops("apply missing.json");
    assert_eq!(missing.code, 1, "no plan was reviewed");
    assert!(missing.err.contains("there is no plan file `missing.json`"), "{}", missing.err);
    fs::write(&path, text.replacen('{', "{\"surprise\": 1,", 1)).unwrap();
    let edited = repo.qcops("apply plan.json");
    assert_eq!(edited.code, 6, "{}", edited.err);
    assert!(edited.err.contains("edited after it was made, or made by another"), "{}", edited.err);
    fs::write(&path, &text).unwrap();
    let old = repo.qcops("apply plan.json --max-age 0s");
    assert_eq!(old.code, 6, "it is too old");
    assert!(old.err.contains("`plan.json` was made ") && old.err.contains(" s ago"), "{}", old.err);
    assert_eq!(repo.qcops("apply plan.json").code, 0);
}

#[test]
fn a_digest_is_an_approval() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first");
    let planned = repo.qcops("plan --format json");
    let json: serde_json::Value = serde_json::from_str(&planned.out).unwrap();
    let digest = json["digest"].as_str().unwrap();
    assert_eq!(repo.qcops(&format!("apply --expect-digest {digest}")).code, 0);
}

#[tokio::test(start_paused = true)]
async fn markdown_names_every_risky_step_within_its_size() {
    let tasks = |edit: &str| -> String {
        let prompt = format!("{} {edit}", "word ".repeat(200));
        let line = |n| format!("task-{n}: {{prompt: \"{prompt} {n}\"}}\n");
        (0..500).map(line).collect::<Vec<_>>().concat()
    };
    let mut world = World::new(&tasks("old"));
    world.options.limits.create = Some(500);
    world.options.limits.replace = Some(500);
    world.commit().converge().await;
    world.edit(&tasks("new"));
    let view = PlanView::new(&world.plan().await);
    let page = markdown::render(&view, 3, 60_000);
    assert!(page.len() <= 60_000, "{}", page.len());
    for n in 0..500 {
        assert!(page.contains(&format!("- `-/+` `task.task-{n}` ")), "{n}");
    }
    assert!(page.starts_with(markdown::MARKER) && page.contains("left out for size"));
}

#[tokio::test(start_paused = true)]
async fn hostile_text_in_markdown_is_only_ever_code() {
    let mut world = World::new("");
    world.edit_whole(concat!(
        "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n",
        "  spy:\n    name: '```` <script>alert(1)</script> @team [x](javascript:1) | a'\n",
        "    prompt: \"```\\n</details><img src=x>\\n@everyone | ``` ````` \\u202e\"\n",
    ));
    let page = markdown::render(&PlanView::new(&world.plan().await), 3, 60_000);
    let fence = "`".repeat(6);
    let (before, rest) = page.split_once(&format!("{fence}diff\n")).unwrap();
    let (inside, after) = rest.split_once(&format!("\n{fence}\n")).unwrap();
    for hostile in ["<script>", "@team", "@everyone", "<img", "javascript:"] {
        assert!(!before.contains(hostile) && !after.contains(hostile), "{hostile}\n{page}");
        assert!(inside.contains(hostile), "{hostile}\n{page}");
    }
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn standard_output_holds_one_document_and_what_became_of_it_stands_beside_it() {
    let apply = |format: &str| {
        let repo = Repo::new();
        repo.tasks("spy: {prompt: Buy SPY}").commit("first");
        let applied = repo.qcops(&format!("apply --yes --format {format}"));
        assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
        let is_markdown = format == "markdown";
        for (text, is_there) in [(&applied.out, is_markdown), (&applied.err, !is_markdown)] {
            assert_eq!(text.contains("Apply complete: 1 succeeded"), is_there, "{text}");
        }
        applied.out
    };
    let json: serde_json::Value = serde_json::from_str(&apply("json")).unwrap();
    assert_eq!(json["steps"][0]["address"], "task.spy");
    // A comment or a summary goes on with the result.
    assert!(apply("markdown").starts_with(markdown::MARKER));
    let page = apply("html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("task.spy"), "{page}");
}

#[test]
fn an_apply_leaves_a_page_with_its_steps_its_runs_and_what_was_said() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {first: {expect: {maxTokens: 1}}}}")
        .commit("first");
    let applied = repo.qcops("apply --yes --output html=before.html");
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    let page = repo.read("before.html");
    assert!(page.contains("Apply complete: 2 succeeded") && !page.contains("Runs: "), "{page}");
    let applied = repo.qcops("apply --yes --wait --poll-interval 200ms --output html=after.html");
    assert_eq!(applied.code, 7, "{}{}", applied.out, applied.err);
    let page = repo.read("after.html");
    for words in ["Runs: 1 failed", "maxTokens: expected", "Turn 1", "Sharpe Ratio"] {
        assert!(page.contains(words), "no `{words}` in {page}");
    }
    let said = repo
        .qcops("transcript spy/first --format html")
        .expect(0, &["Turn 1", "Buy SPY"])
        .out
        .clone();
    assert!(said.starts_with("<!DOCTYPE html>"), "{said}");
}
