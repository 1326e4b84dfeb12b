//! `qcops unlock`: takes the lease of a shared store from an apply that is gone.

use crate::cli::apply_lock::in_words;
use crate::cli::context::{Context, block_on};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::UnlockArgs;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::terminal;
use crate::render::escape;

pub(super) fn run(context: &Context, args: &UnlockArgs) -> Result<Exit, CommandError> {
    let progress = Progress::new(context.terminal);
    let session = Session::open(context, &args.comparing, &progress)?;
    block_on(show_and_unlock(context, args, &session))
}

async fn show_and_unlock(
    context: &Context,
    args: &UnlockArgs,
    session: &Session<'_>,
) -> Result<Exit, CommandError> {
    let Some(store) = &session.store else {
        return Err(CommandError::new("there is no lease without a shared store")
            .help("name the store with `--store` or `QCOPS_STORE`")
            .help("the lock of this machine ends with the process that holds it"));
    };
    let (scope, said) = (&session.scope, |error| CommandError::of(&error));
    let Some(holder) = store.lease_holder(scope).await.map_err(said)? else {
        terminal::output("No apply holds the lease.\n")?;
        return Ok(Exit::Success);
    };
    let words = escape::line(&in_words(&holder));
    terminal::output(&format!("The lease is held by {words}.\n"))?;
    if !args.yes {
        if !terminal::can_ask() {
            let mut error = CommandError::new("cannot ask: standard input is not a terminal")
                .help("`--yes` takes the lease away without asking");
            error.exit = Exit::Blocked;
            return Err(error);
        }
        let question = "Take it away? Only do so if that process is gone. Only 'yes' is accepted: ";
        if !context.terminal.ask(question) {
            context.terminal.message("Nothing was changed.\n");
            return Ok(Exit::Blocked);
        }
    }
    if !store.unlock(scope, &holder, context.clock.now()).await.map_err(said)? {
        return Err(CommandError::new("the lease has changed hands meanwhile")
            .help("run this again to see who holds it"));
    }
    terminal::output("The lease was taken away.\n")?;
    Ok(Exit::Success)
}
