//! A conversation as JSON, with everything that was kept of it, written value by value.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::model::visible_json_step;
use crate::render::transcript::Title;
use crate::render::transcript::values::{Values, new_line, written};
use crate::transcript::{Message, Part, Transcript};

/// The version of the form.
pub(in crate::render) const FORMAT_VERSION: u32 = 1;

/// Writes a conversation as JSON.
pub fn json(title: Title<'_>, transcript: &Transcript, out: &mut dyn Write) -> fmt::Result {
    let mut tree = JsonWriter { out: &mut Visible(out), open: Vec::new() };
    tree.begin(None, '{')?;
    tree.value("format_version", &FORMAT_VERSION)?;
    tree.value("name", &title.name)?;
    tree.value("deployment_id", &title.run)?;
    tree.value("status", &title.status)?;
    tree.value("input_tokens", &transcript.input_tokens)?;
    tree.value("output_tokens", &transcript.output_tokens)?;
    tree.turns(&transcript.messages)?;
    tree.end()?;
    tree.out.write_char('\n')
}

/// Writes text on its way out as [`crate::model::visible_json`] has it.
struct Visible<'o>(&'o mut dyn Write);

impl Write for Visible<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        /// How much is put together before it is written.
        const PIECE: usize = 8 * 1024;
        let (mut safe, mut rest) = (String::new(), text);
        while let Some(taken) = visible_json_step(rest, &mut safe) {
            rest = &rest[taken..];
            if safe.len() >= PIECE {
                self.0.write_str(&safe)?;
                safe.clear();
            }
        }
        self.0.write_str(&safe)
    }
}

/// JSON on its way out.
struct JsonWriter<'o> {
    out: &'o mut dyn Write,
    /// What ends each object and list that is open, and whether it holds anything yet.
    open: Vec<(char, bool)>,
}

impl JsonWriter<'_> {
    /// Begins a member of what is open, or an element where it has no name.
    fn item(&mut self, name: Option<&str>) -> fmt::Result {
        let depth = self.open.len();
        if let Some((_, is_filled)) = self.open.last_mut() {
            if std::mem::replace(is_filled, true) {
                self.out.write_char(',')?;
            }
            new_line(depth, self.out)?;
        }
        match name {
            Some(name) => write!(self.out, "\"{name}\": "),
            None => Ok(()),
        }
    }

    fn begin(&mut self, name: Option<&str>, opener: char) -> fmt::Result {
        self.item(name)?;
        self.open.push((if opener == '{' { '}' } else { ']' }, false));
        self.out.write_char(opener)
    }

    fn end(&mut self) -> fmt::Result {
        let Some((closer, is_filled)) = self.open.pop() else { return Ok(()) };
        if is_filled {
            new_line(self.open.len(), self.out)?;
        }
        self.out.write_char(closer)
    }

    fn value(&mut self, name: &str, value: &impl Serialize) -> fmt::Result {
        self.item(Some(name))?;
        let json = serde_json::to_string(value).expect("texts and numbers are always JSON");
        self.out.write_str(&json)
    }

    /// JSON of somebody else's; what is nested too deep to be read again is kept as the text it was.
    fn raw(&mut self, name: &str, json: Option<&str>) -> fmt::Result {
        self.item(Some(name))?;
        match json.map(|json| (json, Values::of(json))) {
            None => self.out.write_str("null"),
            Some((_, Some(values))) => values.write(self.open.len(), self.out),
            Some((text, None)) => self.out.write_str(&written(text)),
        }
    }

    fn turns(&mut self, messages: &[Message]) -> fmt::Result {
        self.begin(Some("turns"), '[')?;
        for (number, message) in (1_usize..).zip(messages) {
            self.begin(None, '{')?;
            self.value("turn", &number)?;
            self.value("role", &message.role)?;
            self.value("time", &message.time)?;
            match &message.parts {
                None => self.value("parts", &None::<u8>)?,
                Some(parts) => {
                    self.begin(Some("parts"), '[')?;
                    parts.iter().try_for_each(|part| self.part(part))?;
                    self.end()?;
                }
            }
            self.end()?;
        }
        self.end()
    }

    fn part(&mut self, part: &Part) -> fmt::Result {
        self.begin(None, '{')?;
        match part {
            Part::Text(text) => {
                self.value("type", &"text")?;
                self.value("text", text)?;
            }
            Part::Reasoning(text) => {
                self.value("type", &"reasoning")?;
                self.value("text", text)?;
            }
            Part::Step => self.value("type", &"step")?,
            Part::Tool(call) => {
                self.value("type", &"tool")?;
                self.value("tool", &call.name)?;
                self.value("state", &call.state)?;
                self.value("success", &call.success)?;
                self.begin(Some("errors"), '[')?;
                for error in &call.errors {
                    self.item(None)?;
                    self.out.write_str(&written(error))?;
                }
                self.end()?;
                self.raw("input", call.input.as_deref())?;
                self.raw("output", call.output.as_deref())?;
                self.turns(&call.messages)?;
            }
            Part::Other { kind, json, messages } => {
                self.value("type", &"other")?;
                self.value("kind", kind)?;
                self.raw("part", Some(json))?;
                self.turns(messages)?;
            }
        }
        self.end()
    }
}
