//! A command that cannot go on: what to say, and the hints behind it.

use std::error::Error;

use crate::api::{ApiError, ErrorKind, NetworkError};
use crate::cli::exit::Exit;
use crate::diag::with_causes;
use crate::engine::EngineError;
use crate::exchange::HeldBack;

/// Why a command ends early.
#[derive(Debug)]
pub(super) struct CommandError {
    /// What happened, from the outside in.
    pub(super) message: String,
    /// Help.
    pub(super) help: Vec<String>,
    /// The code to end with.
    pub(super) exit: Exit,
    /// Whether everything was said already.
    pub(super) is_said: bool,
}

impl CommandError {
    /// Makes an error of words.
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, help: Vec::new(), exit: Exit::Error, is_said: false }
    }

    /// Makes an error of a failure and its causes, each said once.
    pub(super) fn of(error: &dyn Error) -> Self {
        Self::new(with_causes(error))
    }

    /// Ends a command whose findings have been printed.
    pub(super) fn said(exit: Exit) -> Self {
        Self { exit, is_said: true, ..Self::new("") }
    }

    /// Adds help.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl From<ApiError> for CommandError {
    fn from(error: ApiError) -> Self {
        Self::of(&error).help(help_against(&error)).help("nothing was changed")
    }
}

/// What helps against a failed call.
pub(super) fn help_against(error: &ApiError) -> String {
    let words = match &error.what {
        ErrorKind::Auth { .. } => {
            "check `QC_USER_ID` and `QC_API_TOKEN`, or `credentials` in the `.lean` folder, and this \
             machine's clock"
        }
        ErrorKind::Unusable => {
            "`--emulator=FILE` names another file; it is made where there is none"
        }
        ErrorKind::HeldBack(HeldBack::Closed) => "run this again: the next apply does the rest",
        ErrorKind::HeldBack(HeldBack::Rate(_)) => {
            "raise `--rate`, or `--retry-time` to wait longer"
        }
        ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::NotProcessed => {
            network_help(error).unwrap_or("check the network and `--api`")
        }
        ErrorKind::NotJson | ErrorKind::Redirected => {
            "check that `--api` is the address of the service and not of a web page"
        }
        ErrorKind::Busy | ErrorKind::HeldBack(HeldBack::Asked(_)) => match error.asks_to_wait() {
            Some(wait) => {
                let seconds = wait.as_secs() + 1;
                return format!("try again later; `--retry-time {seconds}s` waits that long");
            }
            None => "try again later, or lower `--rate`",
        },
        ErrorKind::Refused => {
            "check `QC_ORGANIZATION_ID` and `organizationId`, and that the user is a member there"
        }
        ErrorKind::Broken | ErrorKind::NoVerdict | ErrorKind::Incomplete(_) => "try again later",
    };
    words.to_owned()
}

impl From<EngineError> for CommandError {
    fn from(engine_error: EngineError) -> Self {
        match engine_error {
            EngineError::Api(error) => error.into(),
            // Each finding was printed.
            EngineError::Invalid => Self::said(Exit::Error),
            EngineError::UnknownTarget { ref near, .. } => {
                let error = Self::of(&engine_error);
                let error = match near {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`qcops status` lists the declared tasks"),
                };
                error.help("nothing was sent")
            }
            error => Self::of(&error),
        }
    }
}

/// What helps against a failure of the network.
fn network_help(api_error: &ApiError) -> Option<&str> {
    api_error.source.as_ref()?.downcast_ref::<NetworkError>()?.help()
}
