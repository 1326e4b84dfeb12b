//! What is typed: help that fits, outputs, targets, words of other programs, variables.

use qcops::emulator;
use serde_json::Value;

use super::{TWO, run_at, two_tasks};
use crate::support::repo::Repo;
use crate::support::served::Served;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn help(text: &str) -> String {
    let ran = Repo::plain().run(&words(text));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{text}");
    ran.out
}

#[test]
fn three_files_are_written_from_one_observation() {
    let (repo, service) = (two_tasks(), Served::new());
    let outputs = "--output json=a.json --output markdown=b.md --output html=c.html";
    let ran = run_at(&repo, &service.url, &format!("plan {outputs} --output text=d.txt"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let requests = service.emulator.requests();
    let lists = requests.iter().filter(|logged| logged.path == "/agents/tasks/list").count();
    assert_eq!((lists, requests.len()), (1, 2), "one list of tasks, one of agents: {requests:?}");
    let json: Value = serde_json::from_str(&repo.read("a.json")).unwrap();
    let digest = json["digest"].as_str().unwrap();
    for file in ["b.md", "c.html", "d.txt"] {
        assert!(repo.read(file).contains(digest), "{file}");
    }
    assert_eq!(repo.read("d.txt"), ran.out, "standard output shows the same plan");
    assert!(ran.out.ends_with(&format!("\nDigest: {digest}\n")), "{}", ran.out);
}

#[test]
fn an_apply_writes_every_format_once_deployments_have_ended() {
    let repo = Repo::new();
    repo.tasks("a: {prompt: p, deployments: {first: {}}}").commit("first");
    let formats = ["json", "markdown", "html", "junit", "github", "gitlab", "text"];
    let outputs: String = formats
        .iter()
        .map(|format| format!(" --output {format}=out.{format}"))
        .collect::<Vec<_>>()
        .concat();
    let apply = format!("apply --yes --wait --poll-interval 10ms{outputs}");
    assert_eq!(repo.qcops(&apply).code, 0);
    for format in ["json", "markdown", "html", "junit", "text"] {
        let text = repo.read(&format!("out.{format}"));
        assert!(text.contains("Completed") || text.contains("<testcase"), "{format}: {text}");
    }
    assert_eq!((repo.read("out.github"), repo.read("out.gitlab")), (String::new(), "[]\n".into()));
}

#[test]
fn an_output_that_cannot_be_is_refused_before_anything_is_sent() {
    let rows = [
        ("plan --format junit", "invalid value 'junit'"),
        ("plan --output json=-", "`-` is not a file: write `--format json` for standard output"),
        (
            "plan --output json=.git/config",
            "would overwrite `.git/config`, which is inside of `.git`",
        ),
        ("plan --out .git/x/plan.json", "which is inside of `.git`, where only Git writes"),
        ("pull --out .git", "is inside of `.git`, where only Git writes"),
        ("pull --out .git/x", "is inside of `.git`, where only Git writes"),
        ("pull --out x/../.GIT/hooks", "is inside of `.git`, where only Git writes"),
        ("init .git/x", "is inside of `.git`, where only Git writes"),
        ("plan --out .", "`--out` would overwrite `.`, which is a folder"),
        ("plan --save-snapshot .qcops", "which is the name of this program's own folder"),
        ("plan --output html=.", "which is a folder"),
        ("plan --rate x", "it must be a number from 0 to 1000000"),
        ("plan --rate=-1", "it must be a number from 0 to 1000000"),
        ("plan --rate nan", "it must be a number from 0 to 1000000"),
        ("plan --rate inf", "it must be a number from 0 to 1000000"),
        ("plan --parallelism 0", "it must be from 1 to 1000"),
        ("plan --max-creates -1", "it must be at least 0"),
        ("plan --max-deletes -1", "it must be at least 0"),
        ("plan --context -1", "it must be at least 0"),
        ("plan --max-bytes x", "it must be a whole number"),
        ("plan --history -1", "it is `none`, `all` or a number of versions"),
        ("plan --retry-time=-5s", "it is negative"),
        ("apply --wait --token-budget 0", "it must be at least 1"),
        ("apply --wait --timeout 0", "write a unit, as in `0s`"),
        ("plan --output yaml=x", "unknown format"),
        ("plan --output json", "write `json=FILE`"),
        ("plan --output =x", "unknown format"),
        ("apply --yes --output junit=x", "add `--wait`"),
        ("apply --yes --format junit", "add `--wait`"),
        ("plan --output json=x --output html=x", "which `--output` writes too"),
        ("plan --output json=tasks.yaml", "which this command reads"),
        ("apply --yes --expect-digest 1234", "64 hexadecimal digits"),
        ("apply --yes --expect-digest zz", "64 hexadecimal digits"),
    ];
    for (row, expected) in rows {
        let (repo, service) = (two_tasks(), Served::new());
        let ran = run_at(&repo, &service.url, row);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{row}: {}", ran.err);
        assert!(ran.err.contains(expected), "{row}: {}", ran.err);
        assert!(service.emulator.requests().is_empty(), "{row}");
        assert!(repo.read("tasks.yaml").starts_with("version"), "{row}");
    }
    for line in help("validate --help").lines() {
        assert!(!line.contains("junit"), "{line}");
    }
}

#[test]
fn short_help_fits_a_screen_and_long_help_is_grouped() {
    for (command, most) in [("plan -h", 40), ("--help", 30), ("-h", 30), ("apply -h", 56)] {
        let help = help(command);
        assert!(help.lines().count() <= most, "{command}:\n{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}:\n{help}");
    }
    let (short, long) = (help("plan -h"), help("plan --help"));
    let tuning =
        ["--parallelism", "--rate", "--retry-time", "--history", "--context", "--max-bytes"];
    for flag in tuning {
        assert!(long.contains(&format!("{flag} ")), "{flag}");
        assert!(!short.contains(flag), "{flag}");
    }
    for heading in ["Manifest", "Service", "Plan", "Guards", "Output", "Tuning", "Global options"] {
        assert!(long.contains(&format!("\n{heading}:\n")), "{heading}: {long}");
    }
    for flag in ["--settle-delays", "--poll-interval"] {
        assert!(!help("apply -h").contains(flag), "{flag}");
        assert!(help("apply --help").contains(flag), "{flag}");
    }
}

#[test]
fn a_target_is_a_key_or_a_printed_address_and_must_name_something() {
    let repo = Repo::new();
    let deployments = "deployments: {first: {}, second: {}}";
    repo.tasks(&format!("risk-report: {{prompt: p, {deployments}}}\nspy: {{prompt: q}}"));
    repo.commit("first");
    let found = [
        ("risk-report", "1 to create, 2 to deploy"),
        ("task.risk-report", "1 to create, 2 to deploy"),
        ("task.risk-report/first", "1 to create, 1 to deploy"),
        ("risk-report/first,risk-report", "1 to create, 2 to deploy"),
        ("task.spy", "1 to create"),
        ("spy,task.risk-report/second", "2 to create, 1 to deploy"),
    ];
    for (target, expected) in found {
        let ran = repo.qcops(&format!("plan --target {target}"));
        assert_eq!(ran.code, 0, "{target}: {}", ran.err);
        let verdict = ran.out.lines().next().unwrap();
        assert!(verdict.contains(expected), "{target}: {verdict}");
    }
    let refused = [
        ("risk-reprot", "did you mean `risk-report`?"),
        ("task.risk-reprot", "did you mean `risk-report`?"),
        ("risk-report/frist", "did you mean `risk-report/first`?"),
        ("spy/first", "names nothing in the manifest"),
        ("agent.spy", "names nothing in the manifest"),
        ("something-else-entirely", "`qcops status` lists"),
        ("a b", "an address such as `task.spy`"),
    ];
    for (target, expected) in refused {
        for command in ["plan", "apply --yes"] {
            let mut words = words(&format!("{command} --emulator --target"));
            words.push(target.to_owned());
            let ran = repo.run(&words);
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{target}: {}", ran.err);
            assert!(ran.err.contains(expected), "{target}: {}", ran.err);
        }
    }
}

#[test]
fn a_conversation_is_named_by_every_address_that_is_printed() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY, deployments: {b: {}}}").commit("first").converge("");
    for named in ["spy", "spy/b", "task.spy", "task.spy/b"] {
        repo.qcops(&format!("transcript {named}")).expect(0, &["Buy SPY"]);
        repo.qcops(&format!("transcript diff {named} task.spy/b")).expect(0, &[]);
    }
    let table = [
        ("Task.spy/b", "did you mean `spy/b`?"),
        ("deployment.spy/b", "did you mean `spy/b`?"),
        ("task.spy/x", "did you mean `spy/b`?"),
        ("task.old/b", "`old` is under `forget` in the manifest"),
        ("old", "`old` is under `forget` in the manifest"),
    ];
    let manifest = repo.read("tasks.yaml");
    repo.write("tasks.yaml", &format!("{manifest}\nforget: [old]\n"));
    for (named, help) in table {
        let ran = repo.qcops(&format!("transcript {named}"));
        assert_eq!(ran.code, 1, "{named}: {}", ran.err);
        assert!(ran.err.contains(&format!("no deployment serves `{named}`")), "{}", ran.err);
        assert!(ran.err.contains(help), "{named}: {}", ran.err);
    }
}

#[test]
fn a_target_may_be_a_task_that_is_no_longer_declared() {
    let repo = two_tasks();
    assert_eq!(repo.qcops("apply --yes").code, 0);
    repo.tasks("b: {prompt: q}").commit("a goes");
    let ran = repo.qcops("plan --prune --target task.a");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("task.a will be deleted"), "{}", ran.out);
}

#[test]
fn words_of_other_programs_are_answered_with_ours() {
    let rows = [
        ("apply --dry-run", "`qcops plan` shows"),
        ("apply --auto-approve", "`--yes` applies"),
        ("apply -y", "`--yes` applies"),
        ("plan --html=x", "--output html=FILE"),
        ("apply --report x.json", "--output json=FILE"),
        ("plan --annotate github", "--output github"),
        ("import 512", "`qcops pull`"),
        ("list", "'list'\n\n  help: `qcops status`"),
        ("fmt", "never rewrites a manifest"),
        ("logs a/first", "`qcops transcript KEY/DEPLOYMENT`"),
        ("diff", "`qcops plan`"),
        ("plan tasks.yaml", "`-f tasks.yaml`"),
        ("validate agents/", "`-f agents/`"),
        ("apply -f -", "only `validate` and `plan` read"),
        ("status -f a.yaml,-", "only `validate` and `plan` read"),
        ("status --max-delete 3", "unexpected argument"),
        ("plan --max-delete 3", "--max-deletes"),
    ];
    for (row, expected) in rows {
        let ran = Repo::plain().run(&words(row));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{row}");
        assert!(ran.err.contains(expected), "{row}: {}", ran.err);
        assert!(!ran.err.contains("tip:") && !ran.err.contains('\u{1b}'), "{row}: {}", ran.err);
    }
}

#[test]
fn a_manifest_given_to_apply_as_a_plan_is_answered_with_its_flag() {
    let repo = two_tasks();
    let ran = repo.qcops("apply tasks.yaml --yes");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("help: `qcops apply -f tasks.yaml` applies"), "{}", ran.err);
    assert_eq!(repo.qcops("plan --detailed-exitcode").code, 2, "nothing was applied");
}

#[test]
fn a_manifest_on_standard_input_is_planned_as_one_that_is_not_committed() {
    let repo = Repo::new();
    repo.tasks("a: {promptFile: p.md}\nb: {prompt: q}").write("p.md", "from a file\n");
    repo.commit("first");
    let manifest = repo.read("tasks.yaml");
    let checked = repo.run(&words("validate"));
    let words = words("validate --file -");
    assert!(repo.run(&words).err.contains("the manifest is empty"));
    assert!(checked.out.contains("2 tasks"), "{}", checked.out);
    repo.qcops_reading("plan -f -", &manifest).expect(0, &["2 to create", "| from a file"]);
    let saved = repo.qcops_reading("plan -f - --out plan.json", &manifest);
    assert!(saved.err.contains("cannot be saved"), "{}", saved.err);
    assert_eq!((saved.code, repo.path().join("plan.json").exists()), (1, false));
    repo.converge("").on_another_machine();
    // The commits hold `tasks.yaml`; that another text has its keys proves nothing.
    let edited = manifest.replace("prompt: q", "prompt: r");
    let plan = repo.qcops_reading("plan -f - --prune", &edited);
    plan.expect(3, &["blocked[unproven]"]).expect_no(&["deleted", "replaced"]);
}

#[test]
fn no_variable_approves_prunes_or_overrides_anything() {
    let repo = two_tasks();
    assert_eq!(repo.qcops("apply --yes").code, 0);
    repo.tasks("b: {prompt: q}").commit("a goes");
    let set = [
        ("QCOPS_YES", "true"),
        ("QCOPS_PRUNE", "true"),
        ("QCOPS_ALLOW", "empty-manifest,stale-checkout"),
        ("QCOPS_MAX_DELETES", "100"),
        ("QCOPS_MAX_DELETE", "100"),
        ("QCOPS_MAX_DEPLOYMENTS", "100"),
        ("QCOPS_EXPECT_DIGEST", "00"),
        ("QCOPS_CONFIRM", emulator::ORGANIZATION_ID),
        ("QCOPS_TARGET", "nothing"),
        ("QCOPS_FILE", "missing.yaml"),
        ("QCOPS_FORMAT", "json"),
        ("QCOPS_OUTPUT", "json=x.json"),
        ("QCOPS_OUT", "x.json"),
        ("QCOPS_DETAILED_EXITCODE", "true"),
    ];
    for command in ["plan", "apply", "destroy"] {
        let words = words(&format!("{command} --emulator=../emulator.json"));
        let (bare, under) = (repo.run(&words), repo.run_with(&words, &set));
        assert_eq!((under.code, &under.out), (bare.code, &bare.out), "{command}: {}", under.err);
        assert!(!repo.path().join("x.json").exists());
    }
    let plan = repo.qcops("plan");
    assert!(plan.out.contains("prune-off"), "{}", plan.out);
}

#[test]
fn a_variable_may_be_empty_and_what_is_typed_counts_more() {
    let repo = Repo::new();
    repo.tasks(TWO).commit("first");
    let typed = words("plan --emulator --detailed-exitcode");
    let rows = [("QCOPS_EMULATOR", ""), ("QCOPS_API", ""), ("QCOPS_API", "http://127.0.0.1:1")];
    for row in rows {
        let ran = repo.run_with(&typed, &[row]);
        assert_eq!(ran.code, 2, "{row:?}: {}", ran.err);
    }
    let loud = repo.run_with(&typed, &[("QCOPS_LOG", "debug")]);
    assert!(loud.err.contains("tasks/list"), "{}", loud.err);
    let service = Served::new();
    let user = emulator::USER_ID.to_string();
    let variables = [
        ("QCOPS_EMULATOR", "other.json"),
        ("QC_USER_ID", user.as_str()),
        ("QC_API_TOKEN", emulator::API_TOKEN),
        ("QC_ORGANIZATION_ID", emulator::ORGANIZATION_ID),
    ];
    let ran = repo.run_with(&words(&format!("plan --api {}", service.url)), &variables);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(!service.emulator.requests().is_empty());
}
