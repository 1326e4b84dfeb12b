//! The options of a saved plan: kept with it, and taken from it by `apply`.
//!
//! A file that somebody edited must not lead anywhere. Paths are taken from it only where they stay
//! inside the repository of the working folder, and an address of a service never is: one that is
//! not the usual has to be typed again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{DEFAULT_API, DEFAULT_FILE, EMULATOR_FILE, Planning, Service, assignment};
use crate::diag::Code;
use crate::files::{Bounds, FilesError};
use crate::history::{Depth, Repository};
use crate::render::escape;
use crate::saved::SavedOptions;

/// Where the paths in a saved plan begin: the root of the repository that holds the working folder.
pub(super) struct PathBase {
    root: PathBuf,
    /// The way from the working folder to the root.
    up: PathBuf,
    here: PathBuf,
}

impl PathBase {
    /// Finds the root from here.
    pub(super) fn find() -> Result<Self, CommandError> {
        let here = Path::new(".").canonicalize().map_err(|error| CommandError::of(&error))?;
        let repository = Repository::of(&[PathBuf::from(DEFAULT_FILE)]);
        let repository = repository.map_err(|error| CommandError::of(&error))?;
        let root = repository.root().to_owned();
        let depth = here.strip_prefix(&root).map_or(0, |below| below.components().count());
        Ok(Self { root, up: std::iter::repeat_n("..", depth).collect(), here })
    }

    /// A path as a plan keeps it: below the root where it is inside of it, whole elsewhere.
    fn kept(&self, path: &Path) -> String {
        let written = self.here.join(path);
        // The folder's links are followed, the file's own name stays.
        let whole = match (written.parent(), path.file_name()) {
            (Some(folder), Some(name)) => folder.canonicalize().map(|folder| folder.join(name)),
            _ => written.canonicalize(),
        };
        let whole = whole.unwrap_or(written);
        let kept = whole.strip_prefix(&self.root).unwrap_or(&whole);
        let kept = if kept.as_os_str().is_empty() { Path::new(".") } else { kept };
        kept.to_string_lossy().into_owned()
    }

    /// The path that a plan keeps, from the working folder, if it may be used without being typed.
    fn taken(&self, kept: &str) -> Result<PathBuf, FilesError> {
        let path = Path::new(kept);
        Bounds::new(&self.root, Vec::new()).resolve(&self.root, path)?;
        Ok(if path.is_absolute() { path.to_owned() } else { self.up.join(path) })
    }

    /// Whether a plan keeps this path in a form that is taken from it.
    fn holds(&self, path: &Path) -> bool {
        path.to_str().is_some() && self.taken(&self.kept(path)).is_ok()
    }
}

/// Returns the options that decide what a plan holds.
pub(super) fn options(args: &Planning, base: &PathBase) -> SavedOptions {
    let Service { api, emulator, script, .. } = &args.comparing.service;
    let files = args.comparing.files.paths();
    let world = |file: &PathBuf| {
        if is_default_world(file) { EMULATOR_FILE.to_owned() } else { base.kept(file) }
    };
    SavedOptions {
        files: files.iter().map(|file| base.kept(file)).collect(),
        api: emulator.is_none().then(|| api.clone()),
        emulator: emulator.as_ref().map(world),
        script: script.as_deref().map(|file| base.kept(file)),
        environment: args.comparing.files.environment.clone(),
        vars: args
            .comparing
            .files
            .vars
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        var_files: args.comparing.files.var_files.iter().map(|file| base.kept(file)).collect(),
        prune: args.selection.prune,
        targets: args.selection.targets().iter().map(ToString::to_string).collect(),
        history: args.comparing.reading.history.unwrap_or_default().to_string(),
        history_from: args.comparing.reading.history_from.clone(),
        max_delete: args.ceilings.deletes,
        max_replace: args.ceilings.replaces,
        max_create: args.ceilings.creates,
        max_deployments: args.ceilings.deployments,
        allow: args.guards.allow.iter().map(ToString::to_string).collect(),
    }
}

/// Puts the options of a saved plan in place of what was typed, which must not differ; manifests and a
/// service that were typed stay. Returns what was taken, for people.
pub(super) fn take_options(
    args: &mut Planning,
    saved: &SavedOptions,
) -> Result<Vec<String>, CommandError> {
    let unusable = || stale(CommandError::new("the saved plan holds options this program lacks"));
    let guards = |word: &String| Code::GUARDS.iter().find(|code| code.as_str() == word).copied();
    let base = PathBase::find()?;
    let typed = options(args, &base);
    let history = args.comparing.reading.history.map(|depth| depth.to_string());
    for ((flag, typed), (_, kept)) in settings(&typed, history).iter().zip(saved_settings(saved)) {
        if !typed.is_empty() && *typed != kept {
            return Err(differs(flag, typed, &kept));
        }
    }
    let manifest = &mut args.comparing.files;
    manifest.environment.clone_from(&saved.environment);
    manifest.vars = saved
        .vars
        .iter()
        .map(|word| assignment(word))
        .collect::<Result<_, _>>()
        .map_err(|_| unusable())?;
    let var_file = |kept: &String| take_path(&base, kept, "the file of variables", "--var-file ");
    if manifest.var_files.is_empty() {
        manifest.var_files = saved.var_files.iter().map(var_file).collect::<Result<_, _>>()?;
    }
    args.selection.prune = saved.prune;
    args.selection.targets = saved
        .targets
        .iter()
        .map(|key| key.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| unusable())?;
    args.comparing.reading.history = Some(saved.history.parse().map_err(|_| unusable())?);
    args.comparing.reading.history_from.clone_from(&saved.history_from);
    args.ceilings.deletes = saved.max_delete;
    args.ceilings.replaces = saved.max_replace;
    args.ceilings.creates = saved.max_create;
    args.ceilings.deployments = saved.max_deployments;
    args.guards.allow =
        saved.allow.iter().map(guards).collect::<Option<_>>().ok_or_else(unusable)?;
    let mut taken = take_files(args, saved, &base)?;
    taken.extend(take_service(&mut args.comparing.service, saved, &base)?);
    let kept = saved_settings(saved);
    taken.extend(kept.iter().filter(|(_, values)| !values.is_empty()).map(|it| words(it.0, &it.1)));
    Ok(taken)
}

/// A flag and the values behind it, in an order of their own; none where it was not given. A switch has
/// an empty one.
type TakenSetting = (&'static str, Vec<String>);

/// What decides how much a plan holds; `history` is none where it was not typed.
fn settings(options: &SavedOptions, history: Option<String>) -> [TakenSetting; 12] {
    let limit = |limit: Option<usize>| limit.iter().map(ToString::to_string).collect();
    let sorted = |words: &[String]| BTreeSet::from_iter(words).into_iter().cloned().collect();
    [
        ("--env", options.environment.iter().cloned().collect()),
        ("--var", options.vars.clone()),
        ("--var-file", options.var_files.clone()),
        ("--target", sorted(&options.targets)),
        ("--prune", options.prune.then(String::new).into_iter().collect()),
        ("--max-creates", limit(options.max_create)),
        ("--max-replaces", limit(options.max_replace)),
        ("--max-deletes", limit(options.max_delete)),
        ("--max-deployments", limit(options.max_deployments)),
        ("--allow", sorted(&options.allow)),
        ("--history", history.into_iter().collect()),
        ("--history-from", options.history_from.clone()),
    ]
}

fn saved_settings(saved: &SavedOptions) -> [TakenSetting; 12] {
    let is_usual = saved.history == Depth::default().to_string();
    settings(saved, (!is_usual).then(|| saved.history.clone()))
}

fn words(flag: &str, values: &[String]) -> String {
    let word = |value: &String| match value.as_str() {
        "" => flag.to_owned(),
        value => format!("{flag} {}", shell_word(Path::new(value))),
    };
    values.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Refuses a flag that was typed beside a saved plan and that differs from it.
fn differs(flag: &str, typed: &[String], kept: &[String]) -> CommandError {
    let typed = escape::line(&words(flag, typed));
    let made = if kept.is_empty() {
        format!("without `{flag}`")
    } else {
        format!("with `{}`", escape::line(&words(flag, kept)))
    };
    CommandError::new(format!("`{typed}` differs from the saved plan, which was made {made}"))
        .help(format!("leave `{flag}` out to apply what was reviewed"))
        .help(format!("or make a new plan: `qcops plan {typed} --out FILE`"))
        .help("nothing was sent")
}

fn take_files(
    args: &mut Planning,
    saved: &SavedOptions,
    base: &PathBase,
) -> Result<Vec<String>, CommandError> {
    let files = &mut args.comparing.files.files;
    if *files != [Path::new(DEFAULT_FILE)] {
        return Ok(Vec::new());
    }
    let found = saved.files.iter().map(|kept| take_path(base, kept, "the manifest", "-f "));
    *files = found.collect::<Result<_, _>>()?;
    if *files == [Path::new(DEFAULT_FILE)] {
        return Ok(Vec::new());
    }
    Ok(files.iter().map(|file| format!("-f {}", shell_word(file))).collect())
}

fn take_service(
    service: &mut Service,
    saved: &SavedOptions,
    base: &PathBase,
) -> Result<Vec<String>, CommandError> {
    let mut taken = Vec::new();
    let is_typed = service.emulator.is_some() || service.api != DEFAULT_API;
    if let Some(kept) = saved.emulator.as_deref().filter(|_| !is_typed) {
        let (file, flag) = if kept == EMULATOR_FILE {
            (PathBuf::from(kept), "--emulator".to_owned())
        } else {
            let file = take_path(base, kept, "the emulator", "--emulator=")?;
            let flag = format!("--emulator={}", shell_word(&file));
            (file, flag)
        };
        service.emulator = Some(file);
        taken.push(flag);
    } else if let Some(api) = saved.api.as_deref().filter(|api| !is_typed && *api != DEFAULT_API) {
        let message = format!(
            "the plan was made against `{}`, and this command talks to `{DEFAULT_API}`",
            escape::line(api)
        );
        let typed = escape::line(&shell_word(Path::new(api)));
        return Err(stale(CommandError::new(message))
            .help(format!("if that is the service you mean, add `--api {typed}`"))
            .help("nothing was sent"));
    }
    if service.script.is_none()
        && let Some(kept) = saved.script.as_deref()
        && service.emulator.is_some()
    {
        let file = take_path(base, kept, "the script", "--script ")?;
        taken.push(format!("--script {}", shell_word(&file)));
        service.script = Some(file);
    }
    Ok(taken)
}

/// Takes a path of a saved plan, or says how to type it.
fn take_path(base: &PathBase, kept: &str, what: &str, flag: &str) -> Result<PathBuf, CommandError> {
    base.taken(kept).map_err(|error| {
        let cause = CommandError::of(&error).message;
        let message = format!("{what} that the saved plan names cannot be used: {cause}");
        let typed = escape::line(&shell_word(Path::new(kept)));
        stale(CommandError::new(message))
            .help(format!("if that is the file you mean, add `{flag}{typed}`"))
            .help("nothing was sent")
    })
}

/// The command that applies a saved plan, for a shell in this folder: it names what is not taken
/// from the file.
pub(super) fn apply_command(path: &Path, args: &Planning, base: &PathBase) -> String {
    let Service { api, emulator, script, .. } = &args.comparing.service;
    let mut words = vec![format!("qcops apply {}", argument(path))];
    let files = args.comparing.files.paths();
    if !files.iter().all(|file| base.holds(file)) {
        words.extend(files.iter().map(|file| format!("-f {}", argument(file))));
    }
    match emulator {
        Some(file) if is_default_world(file) || base.holds(file) => {}
        Some(file) => words.push(format!("--emulator={}", shell_word(file))),
        None if api != DEFAULT_API => {
            words.push(format!("--api {}", shell_word(Path::new(api))));
        }
        None => {}
    }
    let var_files = args.comparing.files.var_files.iter().filter(|file| !base.holds(file));
    words.extend(var_files.map(|file| format!("--var-file {}", argument(file))));
    let script = script.iter().filter(|file| !base.holds(file));
    words.extend(script.map(|file| format!("--script {}", argument(file))));
    words.join(" ")
}

fn is_default_world(file: &Path) -> bool {
    file == Path::new(EMULATOR_FILE)
}

/// A path as a word of its own that is not taken for a flag.
pub(super) fn argument(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return shell_word(&Path::new(".").join(path));
    }
    shell_word(path)
}

/// A word as a shell takes it for itself. What cannot be seen, or is no UTF-8, is written as bytes,
/// which `bash` and `zsh` know, so that what is printed is what is pasted.
fn shell_word(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    // `zsh` takes `=word` for the path of a program.
    if !bytes.is_empty() && bytes.iter().all(is_plain) && bytes[0] != b'=' {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match path.to_str() {
        Some(text) if escape::line(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                b'\\' | b'\'' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", escaped.collect::<Vec<_>>().concat())
        }
    }
}

/// Marks an error as one of a plan that is no longer the reviewed one.
pub(super) fn stale(mut error: CommandError) -> CommandError {
    error.exit = Exit::Stale;
    error
}
