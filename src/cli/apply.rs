//! `qcops apply`: plans, asks, carries out and reports.

use std::time::Duration;

use crate::apply::{Settings, note_asked_again};
use crate::cli::apply_lock::ApplyLock;
use crate::cli::args::ApplyArgs;
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
use crate::model::counted;
use crate::plan::{Change, Plan};
use crate::render::{self, escape};

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
        Some(path) => Some(block_on(review::open(context, path, args.max_age))?),
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
    let (planning, session, progress) = (&planning, &session, &progress);
    let expected = expected.as_ref();
    let asked = ApplyRequest { context, args, planning, session, progress, expected };
    block_on(plan_and_carry_out(asked))
}

/// What was asked for, and what it is done with.
#[derive(Clone, Copy)]
struct ApplyRequest<'a> {
    context: &'a Context,
    args: &'a ApplyArgs,
    planning: &'a Planning,
    session: &'a Session<'a>,
    progress: &'a Progress,
    /// What somebody has reviewed.
    expected: Option<&'a Expected>,
}

async fn plan_and_carry_out(asked: ApplyRequest<'_>) -> Result<Exit, CommandError> {
    let ApplyRequest { context, args, planning, session, progress, .. } = asked;
    let tuning = session.tuning(&planning.comparing.service.tuning);
    let artifacts = session.artifacts(args.waiting.artifacts.as_ref())?;
    let settings = Settings { artifacts, ..settings(args, &tuning, session.store.is_some()) };
    let mut turn = ApplyLock::take(context, session, progress, &settings, args.lock).await?;
    let ended = plan_and_apply(asked, &settings, &mut turn).await;
    turn.release(context).await;
    ended
}

async fn plan_and_apply(
    asked: ApplyRequest<'_>,
    settings: &Settings,
    turn: &mut ApplyLock,
) -> Result<Exit, CommandError> {
    let ApplyRequest { context, args, planning, session, progress, expected } = asked;
    let mut request = request(planning);
    request.options.waits = args.waiting.wait;
    let plan = turn.unless_stopped(session.engine.plan(&request)).await??;
    turn.ensure(session).await?;
    show::show(context, planning, args.format, &plan)?;
    session.annotate(&plan)?;
    if let Some(expected) = expected {
        expected.check(&plan)?;
    }
    let manner = OutputOptions {
        shape: show::shape(planning),
        format: args.format,
        waiting: Some((&args.waiting, planning)),
        outputs: &args.outputs,
    };
    let planned = show::exit_of(&plan, false);
    let count = plan.ready_steps().count();
    if turn.stop.is_asked() {
        manner.show_no_runs(&plan)?;
        manner.write_reports(context, before_waiting(&plan, &Outcome::default())).await?;
        return Ok(Exit::Interrupted);
    }
    if count == 0 && !args.waiting.wait {
        session.note_applied()?;
        let (ledger, now) = (&session.engine.ledger, context.clock.now());
        let noted = async {
            ledger.flush().await?;
            note_asked_again(&plan, ledger, now).await
        };
        noted.await.map_err(|error| CommandError::of(&error))?;
        manner.write_reports(context, before_waiting(&plan, &Outcome::default())).await?;
        return Ok(planned);
    }
    if count > 0 && expected.is_none() && !args.yes {
        let approved = approve(context.terminal, &plan);
        if !matches!(approved, Ok(true)) {
            manner.show_no_runs(&plan)?;
            manner.write_reports(context, before_waiting(&plan, &Outcome::default())).await?;
            if approved.is_ok() {
                context.terminal.message("Nothing was changed.\n");
            }
            return approved.map(|_| Exit::Blocked);
        }
    }
    let ended = carry_out(context, session, progress, turn, &plan, settings, manner).await?;
    Ok(ended.min(planned))
}

/// How the steps are carried out.
fn settings(args: &ApplyArgs, tuning: &Tuning, is_shared: bool) -> Settings {
    Settings {
        settle_delays: args.settle_delays.iter().copied().map(Duration::from_secs).collect(),
        retry_time: tuning.retry_time,
        under_way: under_way(tuning, is_shared),
        ..Settings::default()
    }
}

/// How many steps are begun at once: three for each request in flight, six where a line before and one
/// after it take a call as well, and no more than may be sent in half the retry time, because what has
/// waited longer than that is not sent.
fn under_way(tuning: &Tuning, is_shared: bool) -> usize {
    let most = tuning.in_flight() * if is_shared { 6 } else { 3 };
    let Some(rate) = tuning.rate.filter(|rate| *rate > 0.0) else { return most };
    let pause = Duration::try_from_secs_f64(2.0 / rate).unwrap_or(Duration::MAX);
    let timely = tuning.retry_time.as_millis() / pause.as_millis().max(1);
    usize::try_from(timely).map_or(most, |timely| timely.clamp(1, most.max(1)))
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
    session.note_applied()?;
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
    manner.write_reports(context, before_waiting(plan, &outcome)).await?;
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
