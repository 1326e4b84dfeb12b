//! Versions with more tasks than are expanded.

use super::*;

/// A manifest with 100 tasks of one matrix, whose prompts are rendered from a file.
fn matrix(capital: usize) -> String {
    let symbols: Vec<String> = (0..100).map(|number| format!("S{number}")).collect();
    format!(
        "vars: {{capital: {capital}}}\n{HEAD}  m:\n    matrix: {{symbol: [{}]}}\n    promptFile: p.md\n",
        symbols.join(", ")
    )
}

/// Makes a change of a number.
type Change = fn(&Repo, usize);

fn many(repo: &Repo, depth: Depth) -> (usize, History) {
    let history = repo.read_with(&["tasks.yaml"], depth, &[]);
    (known(&history, "m[S7]").versions.len(), history)
}

#[test]
fn the_newest_versions_of_many_tasks_are_read_and_the_rest_is_a_gap() {
    let changes: [(&str, Change); 2] = [
        ("a variable", |repo, n| _ = repo.write("tasks.yaml", &matrix(n))),
        ("a template", |repo, n| {
            _ = repo.write("p.md", &format!("Buy {{{{ symbol }}}} for {{{{ capital }}}} at {n}"));
        }),
    ];
    for (name, change) in changes {
        let repo = Repo::new();
        repo.write("tasks.yaml", &matrix(0)).write("p.md", "Buy {{ symbol }} for {{ capital }}");
        for n in 0..40 {
            change(&repo, n);
            repo.commit();
        }
        let (count, history) = many(&repo, Depth::default());
        assert!((20..=33).contains(&count), "{name}: {count}");
        check_gap(&history, "beyond-history");
        let newest = content(&if name == "a variable" {
            "Buy S7 for 39".to_owned()
        } else {
            "Buy S7 for 0 at 39".to_owned()
        });
        assert_eq!(known(&history, "m[S7]").versions[0].content, newest, "{name}");
        let (count, history) = many(&repo, Depth::All);
        assert_eq!(count, 40, "{name}");
        check_complete(&history);
    }
}
