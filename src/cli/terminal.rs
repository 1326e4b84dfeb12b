//! The two streams, and what a person sees on them.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use crate::cli::args::ColorWhen;
use crate::cli::error::CommandError;
use crate::render::{escape, wrapped};

/// Standard output and standard error, and how to treat them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    color: ColorWhen,
    is_quiet: bool,
    may_draw: bool,
    /// How many columns the variables say that there are.
    columns: Option<usize>,
}

impl Terminal {
    /// `may_draw` says that lines may be written over, where standard error is a terminal.
    pub(super) fn new(
        color: ColorWhen,
        is_quiet: bool,
        may_draw: bool,
        columns: Option<usize>,
    ) -> Self {
        Self { color, is_quiet, may_draw, columns }
    }

    /// The streams as long as nothing is known of them.
    pub(super) fn unknown() -> Self {
        Self::new(ColorWhen::Auto, false, false, None)
    }

    /// Whether data is colored.
    pub(super) fn colors_output(self) -> bool {
        self.colors(AutoStream::choice(&io::stdout()))
    }

    /// Whether messages are colored.
    pub(super) fn colors_messages(self) -> bool {
        self.colors(AutoStream::choice(&io::stderr()))
    }

    fn colors(self, automatic: ColorChoice) -> bool {
        match self.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => automatic != ColorChoice::Never,
        }
    }

    /// How many columns data has, where standard output is a terminal; what is piped is read by lines,
    /// however wide the terminal beside it is.
    pub(super) fn output_width(self) -> Option<usize> {
        let seen = terminal_size::terminal_size_of(io::stdout());
        seen.map(|(width, _)| self.columns.unwrap_or(usize::from(width.0)))
    }

    /// How many columns messages have, where standard error is a terminal.
    pub(super) fn message_width(self) -> Option<usize> {
        let seen = terminal_size::terminal_size_of(io::stderr());
        seen.map(|(width, _)| self.columns.unwrap_or(usize::from(width.0)))
    }

    /// Writes words to standard output.
    pub(super) fn output(self, words: &str) -> Result<(), CommandError> {
        output(&wrapped(words, self.output_width()))
    }

    /// Writes a message, unless nothing but errors is wanted.
    pub(super) fn message(self, text: &str) {
        if !self.is_quiet {
            self.say(text);
        }
    }

    /// Writes an error and what helps.
    pub(super) fn error(self, message: &str, help: &[String]) {
        self.say(&error_text(message, help));
    }

    /// Writes what is said in any case.
    pub(super) fn say(self, text: &str) {
        drop(io::stderr().lock().write_all(wrapped(text, self.message_width()).as_bytes()));
    }

    /// Writes what is wrong with the words that were typed; its colors are left out where nobody sees
    /// them.
    pub(super) fn usage(self, text: &str) {
        let text = wrapped(text, self.message_width());
        drop(AutoStream::auto(io::stderr().lock()).write_all(text.as_bytes()));
    }

    /// Asks; nothing but `yes` is a yes.
    pub(super) fn ask(self, question: &str) -> bool {
        let mut answer = String::new();
        self.say(question);
        let is_read = io::stdin().read_line(&mut answer).is_ok();
        if !answer.ends_with('\n') {
            self.say("\n");
        }
        is_read && answer.trim() == "yes"
    }

    /// Whether something may be drawn and drawn again in its place.
    pub(super) fn draws(self) -> bool {
        self.may_draw && !self.is_quiet && io::stderr().is_terminal()
    }
}

/// Writes data. A reader that has gone away ends nothing: what is under way goes on.
pub(super) fn output(text: &str) -> Result<(), CommandError> {
    stream(|out| out.write_str(text))
}

/// Writes data piece by piece, so that a long text never is in memory as a whole.
pub(super) fn stream(
    write: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
) -> Result<(), CommandError> {
    let out = io::BufWriter::new(io::stdout().lock());
    let mut output = StdoutWriter { out, written: Ok(()) };
    write(&mut output).expect("an output takes everything");
    ended(output.written.and_then(|()| output.out.flush()))
}

/// What it means that writing to standard output ended so.
pub(super) fn ended(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(format!("failed to write to standard output: {error}"))
                .help("what was printed is not complete"))
        }
        _ => Ok(()),
    }
}

/// Takes everything, and remembers the first failure.
struct StdoutWriter<W> {
    out: W,
    written: io::Result<()>,
}

impl<W: Write> fmt::Write for StdoutWriter<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.written.is_ok() {
            self.written = self.out.write_all(text.as_bytes());
        }
        Ok(())
    }
}

/// Words an error and what helps; the text may hold the service's words.
pub(super) fn error_text(message: &str, help: &[String]) -> String {
    let mut text = format!("error: {}\n", escape::line(message));
    for hint in help {
        text.push_str("  help: ");
        text.push_str(&escape::line(hint));
        text.push('\n');
    }
    text
}

/// Writes commands for a CI system, each in its line.
pub(super) fn commands(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Whether a question reaches a person.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
