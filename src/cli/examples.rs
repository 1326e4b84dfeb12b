//! Lines that people type, by command; manual pages show them.

/// A line, and what it does.
type Example = (&'static str, &'static str);

/// By command; those of the program itself stand for a first hour.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "qcops",
        &[
            ("qcops init", "Write a first manifest."),
            ("qcops plan --emulator", "Show what an apply would change, on the built-in emulator."),
            ("qcops apply --emulator", "Change it, once that is approved."),
        ],
    ),
    (
        "init",
        &[
            ("qcops init desk --ci github", "Begin in the folder desk, with workflows for GitHub."),
            ("qcops init --pull", "Begin with a manifest of the tasks that exist."),
        ],
    ),
    (
        "doctor",
        &[
            ("qcops doctor", "Check the setup and the service; nothing is changed."),
            ("qcops doctor --format json", "Print the same for a bug report, without secrets."),
        ],
    ),
    (
        "validate",
        &[
            ("qcops validate -f agents/", "Check every manifest in a folder."),
            (
                "envsubst < tasks.in.yaml | qcops validate -f -",
                "Check what another program writes.",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("qcops plan --target momentum", "Show the changes of one task."),
            ("qcops plan --prune", "Show removals of tasks that are no longer declared, too."),
            ("qcops plan --out plan.json", "Save the plan, to apply exactly it."),
            ("qcops plan --detailed-exitcode", "Exit with 2 if there are changes."),
        ],
    ),
    (
        "apply",
        &[
            ("qcops apply plan.json", "Apply a saved plan, if nothing has changed since."),
            ("qcops apply --yes --wait", "Apply without asking, then follow the deployments."),
            ("qcops apply --wait --output junit=report.xml", "Write the checks of answers for CI."),
        ],
    ),
    (
        "transcript",
        &[
            ("qcops transcript momentum/first", "Show what was said in a deployment."),
            ("qcops transcript diff momentum/first momentum/second", "Show how two differ."),
        ],
    ),
    (
        "status",
        &[
            ("qcops status", "Show every declared task and its deployments."),
            ("qcops status --format json", "Print the same for programs."),
        ],
    ),
    (
        "pull",
        &[
            ("qcops pull", "Print a manifest of the tasks that exist."),
            ("qcops pull --out adopted", "Write it to a folder, with long prompts in files."),
        ],
    ),
    (
        "destroy",
        &[
            ("qcops destroy", "List what would be removed."),
            ("qcops destroy --archived --older-than 30d", "List what would be deleted for good."),
        ],
    ),
    (
        "unlock",
        &[(
            "qcops unlock --store s3://bucket/qcops",
            "Show who holds the lease, and ask whether to take it away.",
        )],
    ),
    (
        "emulator",
        &[
            (
                "qcops emulator --port 8765 --state world.json",
                "Serve a world that is kept in a file.",
            ),
            ("qcops emulator --quirk help", "List the unknowns that can be settled."),
        ],
    ),
    (
        "schema",
        &[("qcops schema manifest > manifest.schema.json", "Write the schema for editors.")],
    ),
    (
        "completions",
        &[
            ("source <(qcops completions bash)", "Complete in this shell."),
            ("qcops completions fish > ~/.config/fish/completions/qcops.fish", "Complete in fish."),
        ],
    ),
    (
        "man",
        &[
            ("qcops man plan | man -l -", "Read a page."),
            ("qcops man --all /usr/local/share/man/man1", "Install all pages."),
        ],
    ),
];

/// The examples of a command.
pub(super) fn of(command: &str) -> &'static [Example] {
    let found = EXAMPLES.iter().find(|(name, _)| *name == command);
    found.map_or(&[], |(_, examples)| examples)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn every_command_has_examples_that_it_takes() {
        let command = Cli::command();
        for name in command.get_subcommands().map(clap::Command::get_name).chain(["qcops"]) {
            assert!(!of(name).is_empty(), "{name}");
            for (line, _) in of(name) {
                // What a shell makes of a line is not ours.
                let (_, ours) = line.split_once("qcops ").unwrap();
                let ours = ours.split([')', '|', '>']).next().unwrap();
                let words = ["qcops"].into_iter().chain(ours.split_whitespace());
                let words: Vec<&str> = words.collect();
                assert!(name == "qcops" || words[1] == name, "{line}");
                Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }
}
