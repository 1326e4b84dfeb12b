//! `qcops apply`: plans, asks, carries out and reports.

use std::sync::Arc;
use std::time::Duration;

use crate::apply::{self, Settings, Stop};
use crate::cli::args::{ApplyArgs, WaitingArgs};
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::{ApplyFormat, Planning, Tuning};
use crate::cli::format::FileFormat;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::report::{OutputOptions, before_waiting, exit_of, told};
use crate::cli::review::{self, Expected};
use crate::cli::saved_options;
use crate::cli::session::{Session, request};
use crate::cli::show;
use crate::cli::terminal::{self, Terminal};
use crate::cli::waiting::{self, AppliedPlan};
use crate::event::Outcome;
use crate::files::{self, Lock, MachineLocking};
use crate::model::counted;
use crate::plan::{Change, Plan};
use crate::render::{self, escape};

/// How long between two looks at a lock that another apply holds.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

pub(super) fn run(context: &Context, args: &ApplyArgs) -> Result<Exit, CommandError> {
    let progress = Progress::new(context.terminal);
    let writes_junit = args.format == ApplyFormat::Junit
        || args.outputs.iter().any(|output| output.format == FileFormat::Junit);
    if writes_junit && !args.waiting.wait {
        return Err(CommandError::new("`junit` shows deployments that were waited for")
            .help("add `--wait`, or choose another format"));
    }
    // Findings are written as soon as the manifest is read.
    output::check(&context.outputs, &[], args.plan.as_slice())?;
    let reviewed = match &args.plan {
        Some(path) => Some(review::open(context, path, args.max_age)?),
        None => None,
    };
    let mut planning = args.planning.clone();
    if let Some(reviewed) = &reviewed {
        let taken = saved_options::take_options(&mut planning, &reviewed.options)?;
        if !taken.is_empty() {
            let taken = escape::line(&taken.join(" "));
            context.terminal.message(&format!("With the options of the saved plan: {taken}\n"));
        }
    }
    let session = Session::open(context, &planning.comparing, &progress)?;
    session.check_outputs(&[], &[args.plan.as_deref()])?;
    let expected = review::expected(reviewed.as_ref(), args.expect_digest.as_ref(), &session)?;
    block_on(plan_and_carry_out(context, args, &planning, &session, &progress, expected.as_ref()))
}

async fn plan_and_carry_out(
    context: &Context,
    args: &ApplyArgs,
    planning: &Planning,
    session: &Session<'_>,
    progress: &Progress,
    expected: Option<&Expected>,
) -> Result<Exit, CommandError> {
    let tuning = session.tuning(&planning.comparing.service.tuning);
    let artifacts = session.artifacts(args.waiting.artifacts.as_ref())?;
    let waiting = WaitingArgs { artifacts, ..args.waiting.clone() };
    let settings = settings(args, &tuning);
    let turn = ApplyLock::take(context, session, progress, &settings).await?;
    let mut request = request(planning);
    request.options.waits = args.waiting.wait;
    let plan = turn.unless_stopped(session.engine.plan(&request)).await??;
    show::show(context, planning, args.format, &plan)?;
    session.annotate(&plan)?;
    if let Some(expected) = expected {
        expected.check(&plan)?;
    }
    let manner = OutputOptions {
        shape: show::shape(planning),
        format: args.format,
        waiting: Some((&waiting, planning)),
        outputs: &args.outputs,
    };
    let planned = show::exit_of(&plan, false);
    let count = plan.ready_steps().count();
    if turn.stop.is_asked() {
        manner.show_no_runs(&plan)?;
        manner.write_reports(context, before_waiting(&plan, &Outcome::default()))?;
        return Ok(Exit::Interrupted);
    }
    if count == 0 && !args.waiting.wait {
        session.note_applied(&plan).await?;
        manner.write_reports(context, before_waiting(&plan, &Outcome::default()))?;
        return Ok(planned);
    }
    if count > 0 && expected.is_none() && !args.yes {
        let approved = approve(context.terminal, &plan);
        if !matches!(approved, Ok(true)) {
            manner.show_no_runs(&plan)?;
            manner.write_reports(context, before_waiting(&plan, &Outcome::default()))?;
            if approved.is_ok() {
                context.terminal.message("Nothing was changed.\n");
            }
            return approved.map(|_| Exit::Blocked);
        }
    }
    let ended = carry_out(context, session, progress, &turn, &plan, &settings, manner).await?;
    Ok(ended.min(planned))
}

/// How the steps are carried out.
fn settings(args: &ApplyArgs, tuning: &Tuning) -> Settings {
    Settings {
        settle_delays: args.settle_delays.iter().copied().map(Duration::from_secs).collect(),
        retry_time: tuning.retry_time,
        under_way: under_way(tuning),
        ..Settings::default()
    }
}

/// How many steps are begun at once: three for each request in flight, and no more than may be sent in
/// half the retry time, because what has waited longer than that is not sent.
fn under_way(tuning: &Tuning) -> usize {
    let most = tuning.in_flight() * 3;
    let Some(rate) = tuning.rate.filter(|rate| *rate > 0.0) else { return most };
    let pause = Duration::try_from_secs_f64(2.0 / rate).unwrap_or(Duration::MAX);
    let timely = tuning.retry_time.as_millis() / pause.as_millis().max(1);
    usize::try_from(timely).map_or(most, |timely| timely.clamp(1, most.max(1)))
}

/// The right to change something: the lock, and the ear for signals.
pub(super) struct ApplyLock {
    pub(super) stop: Arc<Stop>,
    _lock: Option<Lock>,
}

impl ApplyLock {
    /// Waits for other applies on this machine, those that were killed too. Taken before observing.
    pub(super) async fn take(
        context: &Context,
        session: &Session<'_>,
        progress: &Progress,
        settings: &Settings,
    ) -> Result<Self, CommandError> {
        let stop = Arc::new(Stop::default());
        session.make_folder()?;
        hear_signals(Arc::clone(&stop), progress.clone());
        let lock = take_lock(context, session, progress, &stop).await?;
        let say = |rest: Duration| {
            progress.say(&format!(
                "waiting {} s: an apply was ended here while something was under way",
                rest.as_secs() + 1
            ));
        };
        let (ledger, clock) = (&session.engine.ledger, context.clock);
        let waited = apply::wait_for_a_killed_apply(ledger, clock, settings, &stop, &say).await;
        waited.map_err(|error| CommandError::of(&error))?;
        ledger.compact().await.map_err(|error| CommandError::of(&error))?;
        Ok(Self { stop, _lock: lock })
    }

    /// Waits for what changes nothing; a signal ends it at once.
    pub(super) async fn unless_stopped<T>(
        &self,
        planning: impl Future<Output = T>,
    ) -> Result<T, CommandError> {
        tokio::select! {
            planned = planning => Ok(planned),
            () = self.stop.asked() => {
                let error = CommandError::new("interrupted while planning");
                let mut error = error.help("nothing was changed");
                error.exit = Exit::Interrupted;
                Err(error)
            }
        }
    }
}

/// Carries out a plan that somebody approved, and prints the result.
pub(super) async fn carry_out(
    context: &Context,
    session: &Session<'_>,
    progress: &Progress,
    turn: &ApplyLock,
    plan: &Plan,
    settings: &Settings,
    manner: OutputOptions<'_>,
) -> Result<Exit, CommandError> {
    session.note_applied(plan).await?;
    progress.start(plan.ready_steps().count());
    let outcome = session.engine.apply(plan, settings, &turn.stop).await?;
    progress.finish();
    let mut printed = Exit::Success;
    if plan.ready_steps().next().is_some() {
        let options = show::text_options(context, manner.shape.context);
        printed = told(
            context,
            show::show_outcome(context, manner.format, |out| {
                out.write_str("\n")?;
                render::outcome::render(plan, &outcome, &options, out)
            }),
        );
    }
    manner.write_reports(context, before_waiting(plan, &outcome))?;
    let exit = exit_of(plan, &outcome).min(printed);
    Ok(match manner.waiting {
        Some((waiting, planning)) if waiting.wait && !turn.stop.is_asked() => {
            let run = AppliedPlan { plan, outcome: &outcome, settings, planning, manner };
            exit.min(waiting::wait(context, waiting, session, &turn.stop, run, progress).await?)
        }
        _ => exit.min(told(context, manner.show_no_runs(plan))),
    })
}

/// Asks where there is somebody to ask; elsewhere the plan has to be approved by a flag.
fn approve(terminal: Terminal, plan: &Plan) -> Result<bool, CommandError> {
    if !terminal::can_ask() {
        let mut error = CommandError::new("nobody is there to approve the plan")
            .help("`--yes` carries it out without asking");
        error.exit = Exit::Blocked;
        return Err(error);
    }
    Ok(terminal.ask(&format!("\n{} Only 'yes' is accepted: ", question(plan))))
}

/// The question, which says what costs money: deployments, and prompts that follow them.
fn question(plan: &Plan) -> String {
    let (mut count, mut paid, mut deployments, mut follow_ups) = (0, 0, 0, 0);
    for step in plan.ready_steps() {
        count += 1;
        match &step.change {
            Change::Deploy { later, .. } => {
                (paid, deployments) = (paid + 1, deployments + 1);
                follow_ups += later.len();
            }
            Change::Prompt { later, .. } => {
                paid += 1;
                follow_ups += 1 + later.len();
            }
            _ => {}
        }
    }
    let changes = counted(count, "change", "changes");
    if paid == 0 {
        return format!("Apply {changes}?");
    }
    let parts = [
        (deployments, counted(deployments, "deployment", "deployments")),
        (follow_ups, counted(follow_ups, "follow-up", "follow-ups")),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(count, words)| (count > 0).then_some(words)).collect();
    let verb = if paid == 1 { "costs" } else { "cost" };
    format!("Apply {changes}, of which {paid} {verb} money ({})?", parts.join(", "))
}

/// The first signal asks to stop; the second one ends the program at once, which is safe too.
///
/// From its return on a signal is heard.
pub(super) fn hear_signals(stop: Arc<Stop>, progress: Progress) {
    let mut signals = Signals::listen();
    tokio::spawn(async move {
        signals.wait().await;
        progress.finish();
        progress.say("stopping: what is in flight is finished first; again to stop at once");
        stop.ask();
        signals.wait().await;
        leave();
    });
}

#[expect(clippy::exit, reason = "the second signal asks for just that; every moment is a safe one")]
fn leave() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// The signals that ask to end.
#[cfg(unix)]
struct Signals(Vec<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        // Whoever is started by `nohup` goes on without its terminal.
        if !is_hangup_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn wait(&mut self) {
        use std::task::Poll;
        std::future::poll_fn(|context| {
            let is_heard = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_heard { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether this process was started to ignore that its terminal is gone; told where Linux tells it.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    const LARGEST: u64 = 64 << 10;
    let path = std::path::Path::new("/proc/self/status");
    let status = crate::files::read_input(path, LARGEST).ok().flatten().unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The signals are counted from one, and this is the first.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// The signal that asks to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn wait(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// One apply at a time on this machine; the system frees the lock when a process dies.
async fn take_lock(
    context: &Context,
    session: &Session<'_>,
    progress: &Progress,
    stop: &Stop,
) -> Result<Option<Lock>, CommandError> {
    let (folders, name) = (files::machine_folders(), session.lock_name());
    let here = session.folder.parent().unwrap_or(&session.folder);
    let since = context.clock.now().strftime("%H:%M:%S UTC");
    let holder = format!("process {} in `{}` since {since}", std::process::id(), here.display());
    let (mut is_said, mut looks) = (false, 0);
    loop {
        let locking = files::try_lock_on_machine(&folders, &name, &holder);
        let other = match locking.map_err(|error| CommandError::of(&error))? {
            MachineLocking::Taken(lock) => return Ok(Some(lock)),
            MachineLocking::HeldBy(other) => other,
        };
        if stop.is_asked() {
            return Ok(None);
        }
        // Who has just taken it may not have written who it is.
        if !is_said && (!other.is_empty() || looks > 0) {
            let who = if other.is_empty() { String::new() } else { format!(": {other}") };
            let words = format!("waiting for another apply on this machine to end{who}");
            progress.say(&render::escape::line(&words));
            is_said = true;
        }
        looks += 1;
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}
