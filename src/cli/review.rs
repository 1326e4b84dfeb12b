//! The reviewed plan: saved, and compared with the one that would be carried out.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{Comparing, DEFAULT_API, DEFAULT_FILE, EMULATOR_FILE, Planning};
use crate::cli::session::Session;
use crate::diag::Code;
use crate::plan::{Digest, Plan};
use crate::render::escape;
use crate::render::json::PlanJson;
use crate::render::view::PlanView;
use crate::store::{self, Reviewed, SavedOptions, StoreError};

/// The plan that was approved.
pub(super) struct Expected {
    digest: Digest,
    /// The lines behind the digest, where they are known.
    fingerprints: Vec<String>,
}

/// Saves a plan for review.
pub(super) fn save(
    context: &Context,
    path: &Path,
    args: &Planning,
    session: &Session<'_>,
    plan: &Plan,
) -> Result<(), CommandError> {
    let json = serde_json::to_value(PlanJson::new(&PlanView::new(plan)));
    let reviewed = Reviewed {
        made_at: context.clock.now().as_second(),
        organization_id: session.organization_id().to_string(),
        target: session.target.clone(),
        options: options(args),
        digest: plan.digest().to_string(),
        fingerprints: plan.fingerprints(),
        plan: json.expect("texts and numbers are always JSON"),
    };
    store::save_plan(&*context.files, path, reviewed).map_err(|error| CommandError::of(&error))?;
    let shown = escape::line(&path.display().to_string());
    let command = escape::line(&apply_command(path, args));
    let words = format!("Saved to `{shown}`. To apply exactly this plan:\n  {command}\n");
    context.terminal.message(&words);
    Ok(())
}

/// The command that applies a saved plan, for a shell in this folder: what the file does not hold
/// is which manifests were read and which service was asked.
fn apply_command(path: &Path, args: &Planning) -> String {
    let Comparing { files, service, .. } = &args.comparing;
    let quoted = |path: &Path| shell_word(&path.to_string_lossy());
    let mut words = vec!["qcops apply".to_owned()];
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        words.push(quoted(&Path::new(".").join(path)));
    } else {
        words.push(quoted(path));
    }
    if files.files != [Path::new(DEFAULT_FILE)] {
        words.extend(files.files.iter().map(|file| format!("-f {}", quoted(file))));
    }
    match &service.emulator {
        Some(file) if file == Path::new(EMULATOR_FILE) => words.push("--emulator".to_owned()),
        Some(file) => words.push(format!("--emulator={}", quoted(file))),
        None if service.api != DEFAULT_API => {
            words.push(format!("--api {}", shell_word(&service.api)));
        }
        None => {}
    }
    words.extend(service.script.iter().map(|file| format!("--script {}", quoted(file))));
    words.join(" ")
}

/// A word as a shell takes it for itself.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Opens a saved plan that is young enough.
pub(super) fn open(
    context: &Context,
    path: &Path,
    max_age: Duration,
) -> Result<Reviewed, CommandError> {
    const HELP: &str =
        "`apply` takes a file that `qcops plan --out FILE` wrote; manifests stand behind `-f`";
    let reviewed = store::load_plan(&*context.files, path).map_err(|error| match &error {
        // Nothing that was reviewed is at hand: the word on the command line is at fault.
        StoreError::Missing { .. } => CommandError::of(&error).help(HELP),
        StoreError::Other { .. } => stale(CommandError::of(&error)).help(HELP),
        _ => stale(CommandError::of(&error)).help("make a new one: `qcops plan --out FILE`"),
    })?;
    let made_at = Timestamp::from_second(reviewed.made_at).unwrap_or(Timestamp::MIN);
    let age = context.clock.now().duration_since(made_at);
    if Duration::try_from(age).is_ok_and(|age| age > max_age) {
        let message = format!("`{}` was made {} h ago", path.display(), age.as_hours());
        return Err(stale(CommandError::new(message)).help("make a new one, or raise `--max-age`"));
    }
    Ok(reviewed)
}

/// Puts the options of a saved plan in place of what was typed.
pub(super) fn take_options(args: &mut Planning, saved: &SavedOptions) -> Result<(), CommandError> {
    let unusable = || stale(CommandError::new("the saved plan holds options this program lacks"));
    let guards = |word: &String| Code::GUARDS.iter().find(|code| code.as_str() == word).copied();
    args.selection.prune = saved.prune;
    args.selection.targets = saved
        .targets
        .iter()
        .map(|key| key.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| unusable())?;
    args.comparing.reading.history = saved.history.parse().map_err(|_| unusable())?;
    args.comparing.reading.history_from.clone_from(&saved.history_from);
    args.ceilings.deletes = saved.max_delete;
    args.ceilings.replaces = saved.max_replace;
    args.ceilings.creates = saved.max_create;
    args.ceilings.deployments = saved.max_deployments;
    args.guards.allow =
        saved.allow.iter().map(guards).collect::<Option<_>>().ok_or_else(unusable)?;
    Ok(())
}

fn options(args: &Planning) -> SavedOptions {
    SavedOptions {
        prune: args.selection.prune,
        targets: args.selection.targets.iter().map(ToString::to_string).collect(),
        history: args.comparing.reading.history.to_string(),
        history_from: args.comparing.reading.history_from.clone(),
        max_delete: args.ceilings.deletes,
        max_replace: args.ceilings.replaces,
        max_create: args.ceilings.creates,
        max_deployments: args.ceilings.deployments,
        allow: args.guards.allow.iter().map(ToString::to_string).collect(),
    }
}

/// Returns what the plan must be, if anything was reviewed.
pub(super) fn expected(
    reviewed: Option<&Reviewed>,
    digest: Option<&Digest>,
    session: &Session<'_>,
) -> Result<Option<Expected>, CommandError> {
    if let Some(reviewed) = reviewed {
        let (organization_id, target) = (session.organization_id().to_string(), &session.target);
        if reviewed.organization_id != organization_id || reviewed.target != *target {
            let message = format!(
                "the plan was made for organization `{}` at `{}`, and this is `{organization_id}` at `{target}`",
                reviewed.organization_id, reviewed.target
            );
            return Err(stale(CommandError::new(message)).help("nothing was sent"));
        }
    }
    let unusable = || stale(CommandError::new("the saved plan holds no digest"));
    let of_saved = |reviewed: &Reviewed| {
        let digest = Digest::from_text(&reviewed.digest).ok_or_else(unusable)?;
        Ok::<_, CommandError>(Expected { digest, fingerprints: reviewed.fingerprints.clone() })
    };
    let saved = reviewed.map(of_saved).transpose()?;
    let typed = digest.map(|digest| Expected { digest: digest.clone(), fingerprints: Vec::new() });
    match (&saved, &typed) {
        (Some(saved), Some(typed)) if saved.digest != typed.digest => Err(stale(
            CommandError::new("the saved plan has another digest than `--expect-digest`"),
        )),
        _ => Ok(saved.or(typed)),
    }
}

impl Expected {
    /// Refuses a plan that is not the reviewed one, and says what moved.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), CommandError> {
        let digest = plan.digest();
        if digest == self.digest {
            return Ok(());
        }
        let now = plan.fingerprints();
        let message = format!("the plan is no longer the reviewed one: its digest is {digest}");
        let mut error = stale(CommandError::new(message));
        let gone = self.fingerprints.iter().filter(|line| now.binary_search(line).is_err());
        error.help.extend(gone.map(|line| format!("reviewed: {line}")));
        if !self.fingerprints.is_empty() {
            let new = now.iter().filter(|line| self.fingerprints.binary_search(line).is_err());
            error.help.extend(new.map(|line| format!("now:      {line}")));
        }
        Err(error.help("plan again and have it reviewed; nothing was sent"))
    }
}

fn stale(mut error: CommandError) -> CommandError {
    error.exit = Exit::Stale;
    error
}
