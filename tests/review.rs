//! What was reviewed is what is done: digests, saved plans and their refusals.

use std::fs;

use qcops::render::markdown;
use qcops::render::view::PlanView;

use crate::support::repo::Repo;
use crate::support::world::World;

#[tokio::test(start_paused = true)]
async fn equal_differences_have_equal_digests_and_one_character_makes_another() {
    let digest = async |prompt: &str| {
        let world = World::new(&format!("spy: {{prompt: {prompt}, deployments: {{first: {{}}}}}}"));
        tokio::time::advance(std::time::Duration::from_secs(prompt.len() as u64)).await;
        world.plan().await.digest().to_string()
    };
    assert_eq!(digest("Buy SPY").await, digest("Buy SPY").await);
    assert_ne!(digest("Buy SPY").await, digest("Buy SPX").await);
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
    assert!(applied.out.contains("1 done"), "{}{}", applied.out, applied.err);
}

#[tokio::test]
async fn what_changed_on_the_service_since_the_review_is_named_and_nothing_is_sent() {
    let repo = Repo::new();
    repo.tasks("spy: {prompt: Buy SPY}").commit("first").converge("");
    repo.tasks("spy: {prompt: Buy SPY daily}").commit("edit");
    repo.qcops("plan --out plan.json");
    repo.edit_service(|service| service.task_mut(332).unwrap().name = "Renamed".to_owned()).await;
    let applied = repo.qcops("apply plan.json");
    assert_eq!(applied.code, 6, "{}{}", applied.out, applied.err);
    assert!(applied.err.contains("Renamed"), "{}", applied.err);
    let count = repo.edit_service(|service| service.tasks().count()).await;
    assert_eq!(count, 1);
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
    assert_eq!(repo.qcops("apply --expect-digest 00").code, 6);
    assert_eq!(repo.qcops("apply missing.json").code, 6);
    fs::write(&path, &text).unwrap();
    assert_eq!(repo.qcops("apply plan.json --max-age 0s").code, 6, "it is too old");
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
