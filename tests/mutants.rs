//! The patches of `tests/mutants/`, each of which removes one safety rule; `tests/mutants/run` shows
//! that the tests notice.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_patch_that_removes_a_rule_still_applies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(root.join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "patch") {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(&path).unwrap();
        for head in ["# rule: ", "# tests: "] {
            assert!(text.lines().any(|line| line.starts_with(head)), "{}: {head}", path.display());
        }
        let checked = Command::new("git")
            .args(["apply", "--check"])
            .arg(&path)
            .current_dir(root)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {error}", path.display());
    }
    assert!(count >= 20, "{count} patches");
}
