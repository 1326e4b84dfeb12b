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
    /// A text to start from, shown as it is.
    pub(super) example: &'static str,
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
        Self { message, example: "", help: Vec::new(), exit: Exit::Error, is_said: false }
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

    /// Adds a text to start from, shown below the help.
    pub(super) fn example(mut self, text: &'static str) -> Self {
        self.example = text;
        self
    }
}

impl From<ApiError> for CommandError {
    fn from(api_error: ApiError) -> Self {
        let error = Self::of(&api_error);
        match api_error.what {
            ErrorKind::Auth { .. } => error.help(
                "check `QC_USER_ID` and `QC_API_TOKEN`, or `credentials` in the `.lean` folder, \
                 and this machine's clock",
            ),
            ErrorKind::Unusable => {
                error.help("`--emulator=FILE` names another file; it is made where there is none")
            }
            ErrorKind::HeldBack(HeldBack::Rate(_)) => {
                error.help("raise `--rate`, or `--retry-time` to wait longer")
            }
            ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::NotProcessed => match network_help(&api_error) {
                Some(help) => error.help(help),
                None => error.help("check the network and `--api`"),
            },
            ErrorKind::NotJson | ErrorKind::Redirected => {
                error.help("check that `--api` is the address of the service and not of a web page")
            }
            ErrorKind::Busy | ErrorKind::HeldBack(HeldBack::Asked(_)) => match api_error.asks_to_wait() {
                Some(wait) => error.help(format!(
                    "try again later; `--retry-time {}s` waits that long",
                    wait.as_secs() + 1
                )),
                None => error.help("try again later, or lower `--rate`"),
            },
            ErrorKind::Refused => error.help(
                "check `QC_ORGANIZATION_ID` and `organizationId`, and that the user is a member there",
            ),
            ErrorKind::Broken | ErrorKind::NoVerdict | ErrorKind::Incomplete(_) => error.help("try again later"),
        }
        .help("nothing was changed")
    }
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
