//! `qcops init`: the files of a new project, none of which was there before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::args::{CiSystem, InitArgs};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::DEFAULT_FILE;
use crate::cli::format::Described;
use crate::cli::saved_options::argument;
use crate::cli::{load, pull, schema};
use crate::files::OWN_FOLDER;
use crate::history::Repository;
use crate::manifest::{self, Prompts};
use crate::pull::{PullSelection, Pulled};
use crate::render::escape;

/// The name that documents and workflows give a saved plan.
const SAVED_PLAN: &str = "plan.json";

/// The file that the first line of a manifest names for editors.
const SCHEMA: &str = "manifest.schema.json";

/// A first manifest with its prompt, as `examples` holds them.
const FIRST: [(&str, &str); 2] = [
    (DEFAULT_FILE, include_str!("../../examples/init/tasks.yaml")),
    ("prompts/spy-trend.md", include_str!("../../examples/init/prompts/spy-trend.md")),
];

const GITHUB: [(&str, &str); 3] = [
    (".github/workflows/plan.yml", include_str!("../../examples/ci/github/plan.yml")),
    (".github/workflows/apply.yml", include_str!("../../examples/ci/github/apply.yml")),
    (".github/workflows/drift.yml", include_str!("../../examples/ci/github/drift.yml")),
];

/// The same for a manifest with environments; a drift check is of one environment.
const GITHUB_ENVIRONMENTS: [(&str, &str); 2] = [
    (GITHUB[0].0, include_str!("../../examples/ci/github/plan-environments.yml")),
    (GITHUB[1].0, include_str!("../../examples/ci/github/apply-environments.yml")),
];

const GITLAB: [(&str, &str); 1] =
    [(".gitlab-ci.yml", include_str!("../../examples/ci/gitlab/.gitlab-ci.yml"))];

/// The same for a manifest with environments.
const GITLAB_ENVIRONMENTS: [(&str, &str); 1] =
    [(GITLAB[0].0, include_str!("../../examples/ci/gitlab/environments.gitlab-ci.yml"))];

/// The environments of these files.
const EXAMPLES: [&str; 2] = ["dev", "prod"];

/// Where a project begins.
struct ProjectFolder {
    /// As typed.
    folder: PathBuf,
    /// The root of the repository that holds the folder, or will once that is made.
    root: Option<PathBuf>,
    is_root: bool,
}

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<Exit, CommandError> {
    let project = ProjectFolder::find(&args.folder)?;
    let manifest = project.folder.join(DEFAULT_FILE);
    let has_manifest = manifest.symlink_metadata().is_ok();
    let environments = if has_manifest && args.ci.is_some() && !args.pull {
        load::environments(context, manifest)?
    } else {
        Vec::new()
    };
    let workflows = workflows(args.ci, !environments.is_empty());
    if !workflows.is_empty() {
        project.check_root()?;
    }
    // Workflows come to a project that has a manifest, too.
    let is_begun = has_manifest && !workflows.is_empty() && !args.pull;
    let pulled = if args.pull {
        let asked = (&args.service, None);
        Some(pull::observe(context, asked, None, &PullSelection::default(), None)?)
    } else {
        None
    };
    let mut files = match &pulled {
        Some(pulled) => project.pulled(pulled),
        None if is_begun => Vec::new(),
        None => project.templates(&FIRST),
    };
    if !is_begun {
        files.push((project.folder.join(SCHEMA), schema::text(Described::Manifest)));
    }
    files.extend(project.templates(workflows));
    let ignore = project.ignore_folder().join(".gitignore");
    let paths = files.iter().map(|(path, _)| path);
    pull::check_links(&args.folder, paths.clone().chain([&ignore]))?;
    check_free(paths)?;
    let lines = missing_lines(context, &ignore)?;
    for (path, text) in &files {
        let written = context.files.write(path, text.as_bytes());
        written.map_err(|error| CommandError::of(&error))?;
    }
    let mut written: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    if !lines.is_empty() {
        let added = context.files.append(&ignore, lines.as_bytes());
        added.map_err(|error| CommandError::of(&error))?;
        written.push(&ignore);
    }
    for path in &written {
        let shown = escape::line(&path.display().to_string());
        context.terminal.message(&format!("wrote `{shown}`\n"));
    }
    if let Some(pulled) = &pulled {
        context.terminal.message(&pull::remarks(pulled));
    }
    context.terminal.message(&project.next_steps(args, &written, &environments));
    let is_partial = pulled.is_some_and(|pulled| pulled.gap.is_some());
    Ok(if is_partial { Exit::Blocked } else { Exit::Success })
}

fn workflows(
    system: Option<CiSystem>,
    has_environments: bool,
) -> &'static [(&'static str, &'static str)] {
    match (system, has_environments) {
        (None, _) => &[],
        (Some(CiSystem::Github), false) => &GITHUB,
        (Some(CiSystem::Github), true) => &GITHUB_ENVIRONMENTS,
        (Some(CiSystem::Gitlab), false) => &GITLAB,
        (Some(CiSystem::Gitlab), true) => &GITLAB_ENVIRONMENTS,
    }
}

impl ProjectFolder {
    fn find(folder: &Path) -> Result<Self, CommandError> {
        let whole = std::path::absolute(folder).map_err(|error| CommandError::of(&error))?;
        let made = whole.ancestors().find(|path| path.is_dir()).unwrap_or(&whole);
        let repository = Repository::of(&[made.join(DEFAULT_FILE)]);
        let repository = repository.map_err(|error| CommandError::of(&error))?;
        let root = repository.is_versioned().then(|| repository.root().to_owned());
        let is_root = root.is_none() || whole.canonicalize().ok() == root;
        Ok(Self { folder: folder.strip_prefix(".").unwrap_or(folder).to_owned(), root, is_root })
    }

    /// Refuses a folder whose workflows no CI system would read.
    fn check_root(&self) -> Result<(), CommandError> {
        let Some(root) = self.root.as_ref().filter(|_| !self.is_root) else { return Ok(()) };
        let root = root.display();
        let message =
            format!("a CI system reads its files only in `{root}`, the repository's root");
        Err(CommandError::new(message)
            .help("run `qcops init --ci` there, or leave `--ci` out; nothing was written"))
    }

    fn templates(&self, files: &[(&str, &str)]) -> Vec<(PathBuf, String)> {
        files.iter().map(|(path, text)| (self.folder.join(path), (*text).to_owned())).collect()
    }

    /// The manifest of what exists, and its prompts.
    fn pulled(&self, pulled: &Pulled) -> Vec<(PathBuf, String)> {
        let written = manifest::write(&pulled.outline, Prompts::Files);
        let text = format!("# yaml-language-server: $schema={SCHEMA}\n{}", written.manifest);
        let prompts = written.prompts.into_iter();
        let prompts = prompts.map(|(path, text)| (self.folder.join(path), text));
        [(self.folder.join(DEFAULT_FILE), text)].into_iter().chain(prompts).collect()
    }

    /// The program keeps its own folder at the root of the repository.
    fn ignore_folder(&self) -> &Path {
        self.root.as_deref().filter(|_| !self.is_root).unwrap_or(&self.folder)
    }

    /// What to type next; `written` are the new files.
    fn next_steps(&self, args: &InitArgs, written: &[&Path], environments: &[String]) -> String {
        let mut words = String::new();
        if self.root.is_none() {
            words.push_str(
                "note: there is no Git repository here; qcops proves with its history which tasks are \
                 yours\n",
            );
        }
        let below = written.iter().filter(|path| !path.has_root() || self.folder.has_root());
        let below = below.filter_map(|path| path.strip_prefix(&self.folder).ok()?.iter().next());
        let mut names: Vec<String> = below.map(|name| argument(Path::new(name))).collect();
        names.dedup();
        let begin = if self.root.is_none() { "git init && " } else { "" };
        let (message, second) = if args.pull {
            ("Adopt our agent tasks", "status")
        } else {
            ("Declare tasks", "apply")
        };
        let is_emulated = !args.pull || args.service.emulator.is_some();
        let flag = if is_emulated { " --emulator" } else { "" };
        words.push_str("\nNext:\n");
        if !self.folder.as_os_str().is_empty() {
            let folder = escape::line(&argument(&self.folder));
            writeln!(words, "  cd {folder}").expect("a string takes everything");
        }
        let names = escape::line(&names.join(" "));
        write!(
            words,
            "  {begin}git add {names} && git commit -m \"{message}\"\n  qcops plan{flag}\n  \
             qcops {second}{flag}\n"
        )
        .expect("a string takes everything");
        if !args.pull {
            words.push_str(
                "\nThe emulator needs no account. For the service, leave `--emulator` out.\n",
            );
        }
        if args.ci.is_some() {
            words.push_str(&before_ci(environments));
        }
        words
    }
}

/// What is still to be done before the workflows work.
fn before_ci(environments: &[String]) -> String {
    let secrets = match environments {
        [] => {
            "keep `QC_USER_ID`, `QC_API_TOKEN` and `QC_ORGANIZATION_ID` as secrets of the CI system"
        }
        _ => "keep the credentials of each environment as secrets of the CI system",
    };
    let names: Vec<String> =
        environments.iter().map(|name| format!("`{}`", escape::line(name))).collect();
    let names = if names.is_empty() || environments == EXAMPLES {
        String::new()
    } else {
        format!("write {} in place of `{}`, ", names.join(", "), EXAMPLES.join("` and `"))
    };
    format!(
        "\nBefore CI works: name the version of qcops in these files, {names}and {secrets} (docs/ci.md of \
         qcops).\n"
    )
}

/// Refuses to write over anything; names all that is in the way.
fn check_free<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), CommandError> {
    let in_the_way: Vec<String> = paths
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if in_the_way.is_empty() {
        return Ok(());
    }
    let verb = if in_the_way.len() == 1 { "exists" } else { "exist" };
    Err(CommandError::new(format!("{} {verb} already", in_the_way.join(", ")))
        .help("`qcops init DIR` writes to another folder; nothing was written"))
}

/// What a `.gitignore` lacks to keep the program's own folder and saved plans out of commits.
fn missing_lines(context: &Context, file: &Path) -> Result<String, CommandError> {
    let text = context.files.read(file).map_err(|error| CommandError::of(&error))?;
    let text = text.unwrap_or_default();
    let is_there = |line: &String| {
        text.split(|byte| *byte == b'\n').any(|found| found.trim_ascii() == line.as_bytes())
    };
    let lines = [format!("{OWN_FOLDER}/"), SAVED_PLAN.to_owned()];
    let mut missing = String::new();
    for line in lines.iter().filter(|line| !is_there(line)) {
        let is_begun = !missing.is_empty() || text.is_empty() || text.ends_with(b"\n");
        missing.push_str(if is_begun { "" } else { "\n" });
        missing.push_str(line);
        missing.push('\n');
    }
    Ok(missing)
}
