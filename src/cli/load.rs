//! The manifests of one invocation: found, read, parsed and joined.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::annotate;
use crate::cli::context::Context;
use crate::cli::credentials::ORGANIZATION_ID;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{DEFAULT_FILE, ManifestFiles, STANDARD_INPUT};
use crate::cli::output;
use crate::cli::store::LEDGER;
use crate::cli::vars::{self, GivenVars};
use crate::diag::{Code, Diagnostic, Sources, Subject};
use crate::engine::Project;
use crate::files::OWN_FOLDER;
use crate::history::{self, Repository};
use crate::manifest::{self, ExpandInputs, Lookup, Manifest, TaskConfig, Unreadable};
use crate::model::Key;
use crate::plan::{Change, Plan, Step};
use crate::render::{self, escape};

/// The organization of another environment's credentials, where that is known.
pub(super) type OtherOrganization<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads every manifest; all that is wrong with any of them is said before it ends.
///
/// The organizations of the credentials count where the manifests name none.
pub(super) fn load(
    context: &Context,
    args: &ManifestFiles,
    organization_id: Option<&str>,
    of_other: OtherOrganization<'_>,
) -> Result<Project, CommandError> {
    let read = ManifestTexts::read(args)?;
    read.repository.ask_ahead();
    let process = |name: &str| variable(&context.environment, organization_id, name);
    let selected = args.environment.as_deref();
    let (manifest, mut findings) = read.understand(selected, &process);
    let mut elsewhere = Vec::new();
    let environments = &manifest.expansion.environments;
    let ours = selected.and_then(|name| Some((name, environments.get(name)?)));
    let ours = ours.and_then(|(name, ours)| Some((name, ours.as_deref().or(organization_id)?)));
    if let Some((selected, ours)) = ours {
        for name in environments.keys().filter(|name| *name != selected) {
            let organization = environments[name].clone().or_else(|| of_other(name));
            if organization.as_deref() == Some(ours) {
                let other = read.understand(Some(name), &process).0;
                findings.extend(manifest::collisions((selected, &manifest), (name, &other)));
                elsewhere.push(other);
            }
        }
    }
    read.finish(context, (manifest, findings), (args, elsewhere))
}

/// The manifests of one invocation as texts, and what is wrong with reading them.
pub(super) struct ManifestTexts {
    files: Vec<PathBuf>,
    repository: Repository,
    /// Those that could be read, each with whether it was named by its folder.
    texts: Vec<(PathBuf, bool)>,
    sources: Sources,
    given: GivenVars,
    findings: Vec<Diagnostic>,
    /// A path that leads nowhere.
    absent: Option<CommandError>,
}

impl ManifestTexts {
    pub(super) fn read(args: &ManifestFiles) -> Result<Self, CommandError> {
        let (files, absent) = find(args)?;
        let folders: Vec<&Path> =
            args.files.iter().map(PathBuf::as_path).filter(|path| path.is_dir()).collect();
        let repository = Repository::of(&files).map_err(|error| CommandError::of(&error))?;
        let (mut sources, mut findings, mut texts) = (Sources::default(), Vec::new(), Vec::new());
        let given = vars::read(&repository, args, &mut sources, &mut findings);
        for file in &files {
            match read(&repository, file) {
                Ok(text) => {
                    let is_of_folder =
                        file.parent().is_some_and(|folder| folders.contains(&folder));
                    sources.add(file, text);
                    texts.push((file.clone(), is_of_folder));
                }
                Err(unreadable) => {
                    let finding = Diagnostic::error(Code::UnreadableFile, "");
                    let usual = "a manifest is a UTF-8 file inside its repository";
                    findings.push(unreadable.explain(finding, usual));
                }
            }
        }
        Ok(Self { files, repository, texts, sources, given, findings, absent })
    }

    /// Reads the manifests as they are in an environment.
    pub(super) fn understand(
        &self,
        environment: Option<&str>,
        process: Lookup<'_>,
    ) -> (Manifest, Vec<Diagnostic>) {
        let inputs =
            ExpandInputs { environment, given: &self.given.vars, ..ExpandInputs::of(process) };
        let (mut findings, mut manifests) = (self.findings.clone(), Vec::new());
        for (file, is_of_folder) in &self.texts {
            let text = self.sources.text(file).unwrap_or_default();
            let source = self.repository.work_tree(file);
            let (manifest, mut found) = manifest::parse(file, text, &source, inputs);
            if *is_of_folder {
                explain_folder(file, &mut found);
            }
            findings.extend(found);
            manifests.push(manifest);
        }
        let (manifest, found) = manifest::merge(manifests);
        findings.extend(found);
        // Without errors, what needs all tasks is checked once the agents are known.
        if self.absent.is_some() || findings.iter().any(Diagnostic::is_error) {
            findings.extend(manifest::check(&manifest));
            return (manifest, findings);
        }
        findings.extend(self.given.unused(&manifest.expansion));
        if let Some(name) = environment.filter(|_| manifest.expansion.environments.is_empty()) {
            let message =
                format!("environment `{name}` is selected, and no manifest declares environments");
            findings.push(
                Diagnostic::error(Code::UnknownEnvironment, message)
                    .help(format!(
                        "declare it: `environments: {{{name}: {{}}}}` at the top of the manifest"
                    ))
                    .help("or leave out `--env`, and unset `QCOPS_ENV`"),
            );
        }
        (manifest, findings)
    }

    /// Says what is wrong, and returns the manifests if nothing is.
    pub(super) fn finish(
        self,
        context: &Context,
        (mut manifest, findings): (Manifest, Vec<Diagnostic>),
        (args, elsewhere): (&ManifestFiles, Vec<Manifest>),
    ) -> Result<Project, CommandError> {
        let Self { files, repository, mut sources, given, absent, .. } = self;
        for (file, text) in std::mem::take(&mut manifest.texts) {
            sources.add(&file, text);
        }
        let (vars, var_files) = (given.vars, args.var_files.clone());
        let environment = args.environment.clone();
        let mut project = Project {
            files,
            repository,
            manifest,
            environment,
            elsewhere,
            vars,
            var_files,
            var_layers: given.layers,
            sources,
        };
        output::check(&context.outputs, &[], &inputs(&project))?;
        context.progressed.note_inputs();
        let reported = report(context, &project, args.named_environment(), &findings);
        if let Some(absent) = absent {
            return Err(absent);
        }
        reported?;
        let Project { files, sources, .. } = &mut project;
        let is_manifest = |file: &Path| files.iter().any(|manifest| manifest == file);
        sources.give_up(|file| is_manifest(file) && file.as_os_str() != STANDARD_INPUT);
        Ok(project)
    }
}

/// Returns the keys of what is declared, as far as the manifests can be read; nothing is said of the rest.
pub(super) fn addresses(args: &ManifestFiles, variables: Lookup<'_>) -> Vec<String> {
    let (files, _) = find(args).unwrap_or_default();
    let Ok(repository) = Repository::of(&files) else { return Vec::new() };
    let files = files.iter().filter(|file| file.as_os_str() != STANDARD_INPUT);
    let manifests = files.filter_map(|file| {
        let text = read(&repository, file).ok()?;
        let inputs = ExpandInputs::of(variables);
        Some(manifest::parse(file, &text, &repository.work_tree(file), inputs).0)
    });
    let (manifest, _) = manifest::merge(manifests.collect());
    let of_task = |(key, task): (&Key, &TaskConfig)| {
        let deployments = task.deployments.keys().map(|name| format!("{key}/{name}"));
        [key.to_string()].into_iter().chain(deployments).collect::<Vec<_>>()
    };
    let matrices = manifest.tasks.keys().filter(|key| key.is_of_matrix()).map(Key::base);
    let matrices: BTreeSet<String> = matrices.map(str::to_owned).collect();
    matrices.into_iter().chain(manifest.tasks.iter().flat_map(of_task)).collect()
}

/// Returns the environments that a manifest declares, as far as it can be read.
pub(super) fn environments(context: &Context, file: PathBuf) -> Result<Vec<String>, CommandError> {
    let read = ManifestTexts::read(&ManifestFiles::of(vec![file]))?;
    let process = |name: &str| variable(&context.environment, None, name);
    let (manifest, _) = read.understand(None, &process);
    Ok(manifest.expansion.environments.into_keys().collect())
}

/// Says of a file without tasks why it was read at all: it stands in a folder of manifests.
fn explain_folder(file: &Path, found: &mut [Diagnostic]) {
    let is_meant = |finding: &&mut Diagnostic| {
        finding.code == Code::MissingField && finding.subject == Some(Subject::Tasks)
    };
    if let Some(finding) = found.iter_mut().find(is_meant) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        finding.help.push(format!(
            "`-f` with a folder reads every `*.yaml` and `*.yml` in it as a manifest; if `{}` is none, keep it elsewhere",
            escape::line(&name)
        ));
    }
}

/// Returns the folder of the program's own files; one that Git tracks is somebody else's.
pub(super) fn own_folder(repository: &Repository) -> Result<PathBuf, CommandError> {
    let Some(file) = repository.tracked_in(OWN_FOLDER) else {
        return Ok(repository.root().join(OWN_FOLDER));
    };
    let shown = escape::line(file);
    let message =
        format!("Git tracks `{shown}`: what is in `{OWN_FOLDER}` is of one machine alone");
    Err(CommandError::new(message)
        .help(format!("`git rm -r --cached {OWN_FOLDER}`, and commit that"))
        .help(format!("if a pull request adds `{OWN_FOLDER}`, do not merge it; nothing was sent")))
}

/// Looks up `${NAME}`: the organization is known from the credentials too.
pub(super) fn variable(
    environment: &BTreeMap<String, String>,
    organization_id: Option<&str>,
    name: &str,
) -> Option<String> {
    let set =
        |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let supplied = if ORGANIZATION_ID.contains(&name) {
        organization_id.or_else(|| ORGANIZATION_ID.into_iter().find_map(set))
    } else {
        set(name)
    };
    supplied.map(str::to_owned)
}

/// The files that are read: the manifests, the files of texts that they name, and the ledger.
pub(super) fn inputs(project: &Project) -> Vec<PathBuf> {
    let Manifest { tasks, agents, included, .. } = &project.manifest;
    let of_tasks = tasks.values().map(|task| (&task.place, &task.files));
    let of_agents = agents.values().map(|agent| (&agent.place, &agent.files));
    let texts = of_tasks.chain(of_agents).flat_map(|(place, files)| {
        let folder = place.file.parent().unwrap_or(Path::new(""));
        files.iter().map(move |(_, file)| folder.join(&**file))
    });
    let ledger = project.repository.root().join(OWN_FOLDER).join(LEDGER);
    let files = project.files.iter().chain(&project.var_files).cloned();
    files.chain(texts).chain(included.iter().cloned()).chain([ledger]).collect()
}

/// Tells the CI system what a plan has against its steps, at the lines of their keys.
pub(super) fn annotate(
    context: &Context,
    manifests: &Project,
    plan: &Plan,
) -> Result<(), CommandError> {
    if !context.annotator.is_asked() {
        return Ok(());
    }
    let place = |step: &Step| {
        let manifest = &manifests.manifest;
        match step.change {
            Change::Agent(_) => manifest.agents.get(&step.key).map(|agent| agent.place.clone()),
            _ => manifest.tasks.get(&step.key).map(|task| task.place.clone()),
        }
    };
    tell(context, manifests, &annotate::of_plan(plan, &place))
}

/// Says all findings; errors among them end the command.
pub(super) fn report(
    context: &Context,
    manifests: &Project,
    environment: Option<&str>,
    findings: &[Diagnostic],
) -> Result<(), CommandError> {
    let findings: Vec<Diagnostic> = findings.iter().map(render::gaps::worded).collect();
    if let Some(name) = environment.filter(|_| !findings.is_empty()) {
        let name = render::escape::line(name);
        context.terminal.say(&format!("Environment `{name}`:\n"));
    }
    print(context, manifests, &findings);
    tell(context, manifests, &findings)?;
    if findings.iter().any(Diagnostic::is_error) {
        return Err(CommandError::said(Exit::Error));
    }
    Ok(())
}

/// Prints findings.
fn print(context: &Context, manifests: &Project, findings: &[Diagnostic]) {
    if !findings.is_empty() {
        let (color, width) = (context.terminal.colors_messages(), context.terminal.message_width());
        let sources = sources_of(manifests);
        let shown = render::findings::render(findings, &sources, color, width);
        context.terminal.say(&shown);
        let plain = render::findings::render(findings, &sources, false, None);
        context.progressed.note_findings(&plain);
    }
}

/// The texts of the manifests; one that has changed since it was understood is left out.
fn sources_of(manifests: &Project) -> Sources {
    manifests.sources.read_again(|file| read(&manifests.repository, file).ok())
}

fn tell(
    context: &Context,
    manifests: &Project,
    findings: &[Diagnostic],
) -> Result<(), CommandError> {
    if !context.annotator.is_asked() {
        return Ok(());
    }
    let Project { files, repository, .. } = manifests;
    let place = (repository.root(), files[0].as_path());
    let sources = sources_of(manifests);
    let told = context.annotator.tell(&*context.files, findings, &sources, place);
    told.map_err(|error| CommandError::of(&error))
}

/// Folders stand for the manifests right in them, in the order of their names; a file that is named
/// twice, or by two paths, is one. Paths that lead nowhere are said once the others are read.
fn find(args: &ManifestFiles) -> Result<(Vec<PathBuf>, Option<CommandError>), CommandError> {
    let mut files = Vec::new();
    let mut absent = None;
    for path in args.paths() {
        if path.is_dir() {
            let found = crate::files::list(&path).map_err(|error| CommandError::of(&error))?;
            let before = files.len();
            files.extend(found.into_iter().filter(|file| is_yaml(file)));
            if files.len() == before {
                let message = format!("`{}` holds no `*.yaml` or `*.yml` file", path.display());
                let error = CommandError::new(message);
                absent.get_or_insert(error.help("`-f` takes manifests and folders of them"));
            }
        } else if path.as_os_str() == STANDARD_INPUT || (path.exists() && is_yaml(&path)) {
            files.push(path);
        } else if path.exists() {
            absent.get_or_insert_with(|| unlike_manifest(&path));
        } else {
            absent.get_or_insert_with(|| missing(&path));
        }
    }
    match absent {
        Some(absent) if files.is_empty() => Err(absent),
        absent => {
            let mut known = BTreeSet::new();
            files.retain(|file| known.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
            Ok((files, absent))
        }
    }
}

pub(super) fn is_yaml(file: &Path) -> bool {
    let ending = file.extension().unwrap_or_default();
    ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml")
}

/// What is said of a file that has no name of a manifest: no other apply would find it, and what it
/// declares would be removed.
fn unlike_manifest(path: &Path) -> CommandError {
    let shown = path.display();
    let stem = path.file_stem().unwrap_or_default().display();
    CommandError::new(format!("`{shown}` is not named like a manifest: `*.yaml` or `*.yml`"))
        .help(format!("rename it, such as to `{stem}.yaml`; JSON is YAML, too"))
        .help("`-f -` reads a manifest from standard input, for `validate` and `plan`")
}

/// What is said of a manifest that is not there; who named none may have none yet.
fn missing(path: &Path) -> CommandError {
    let is_default = path.as_os_str() == DEFAULT_FILE;
    if let Some(near) = near(path) {
        let error = CommandError::new(format!("there is no `{}`", path.display()));
        let shown = near.display();
        let error = error.help(format!("there is `{shown}`: name it with `-f {shown}`"));
        return if is_default && !near.starts_with("..") {
            error.help(format!("or rename it: `{DEFAULT_FILE}` is read where no `-f` is given"))
        } else {
            error
        };
    }
    if is_default {
        return CommandError::new(format!("there is no `{DEFAULT_FILE}`"))
            .help("`qcops init` writes a first one; `-f PATH` names another manifest");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let message = match folder {
        Some(folder) => {
            format!(
                "there is no `{}`: its folder `{}` is missing",
                path.display(),
                folder.display()
            )
        }
        None if is_folder => format!("there is no folder `{}`", path.display()),
        None => format!("there is no file or folder `{}`", path.display()),
    };
    let error = CommandError::new(message)
        .help("`-f PATH` names a manifest, or a folder with manifests right in it");
    if Path::new(DEFAULT_FILE).is_file() {
        error.help(format!("there is a `{DEFAULT_FILE}`; it is read where no `-f` is given"))
    } else {
        error
    }
}

/// The manifest that was probably meant: of nearly the same name, or the same further up.
fn near(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let found = crate::files::list(here).unwrap_or_default();
    let names: Vec<String> = found
        .iter()
        .filter(|file| is_yaml(file) && file.is_file())
        .filter_map(|file| file.file_name()?.to_str().map(str::to_owned))
        .collect();
    let meant = path.file_name()?.to_str()?;
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase();
    let meant = stem(meant);
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let near = manifest::nearest_few(&meant, stems.iter().map(String::as_str), 1).pop();
    // Of very short names any is near to any.
    let near = near.filter(|near| *near == meant || meant.len() > 3);
    if let Some(at) = near.and_then(|near| stems.iter().position(|stem| stem == near)) {
        return Some(folder.join(&names[at]));
    }
    if path.is_absolute() || path.components().count() != 1 {
        return None;
    }
    // A few levels, as somebody who is in a folder of the repository would go up.
    let above = (1..=4).map(|levels| Path::new("").join(vec![".."; levels].join("/")).join(path));
    above.into_iter().find(|file| file.is_file())
}

fn read(repository: &Repository, file: &Path) -> Result<String, Unreadable> {
    if file.as_os_str() == STANDARD_INPUT {
        return history::manifest_of(std::io::stdin().lock());
    }
    let name = file.file_name().ok_or_else(|| format!("`{}` is no file", file.display()))?;
    repository.work_tree(file).manifest(Path::new(name))
}
