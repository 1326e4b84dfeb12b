//! Labels and their colors: code says what a stretch of text is, one table says how it looks.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Whether the reader sees colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Terminal sequences around labeled text.
    On,
    /// Nothing but text; what colors say is said in characters.
    #[default]
    Off,
}

/// What a stretch of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Something is made.
    Create,
    /// Something is changed in place.
    Change,
    /// Something takes another's place.
    Replace,
    /// Something goes.
    Remove,
    /// Something is started.
    Deploy,
    /// Something does not go on.
    Blocked,
    /// Something was not asked for.
    Deferred,
    /// Something is worth knowing.
    Note,
    /// The sentence that says it all.
    Verdict,
    /// What is said about the text around it.
    Aside,
    /// A line of the old text.
    Removed,
    /// A line of the new text.
    Added,
    /// What differs within a line of the old text.
    RemovedWord,
    /// What differs within a line of the new text.
    AddedWord,
    /// What an agent wrote as a heading.
    Heading,
    /// What it wrote as strong.
    Strong,
    /// What it stressed.
    Emphasis,
    /// What it struck out.
    Struck,
    /// What it wrote as code.
    Code,
    /// The text of a link.
    Link,
}

impl Label {
    fn style(self) -> Style {
        let plain = Style::new();
        let color = |color: AnsiColor| plain.fg_color(Some(color.into()));
        match self {
            Self::Create | Self::Added => color(AnsiColor::Green),
            Self::Change | Self::Deferred => color(AnsiColor::Yellow),
            Self::Replace => color(AnsiColor::Magenta),
            Self::Remove | Self::Removed => color(AnsiColor::Red),
            Self::Deploy | Self::Note => color(AnsiColor::Cyan),
            Self::Blocked => color(AnsiColor::Red).bold(),
            Self::Verdict | Self::Strong => plain.bold(),
            Self::Heading => plain.bold().underline(),
            Self::Emphasis => plain.italic(),
            Self::Struck => plain.strikethrough(),
            Self::Code => color(AnsiColor::Blue),
            Self::Link => plain.underline(),
            Self::Aside => plain.dimmed(),
            Self::RemovedWord => color(AnsiColor::Red).bold().underline(),
            Self::AddedWord => color(AnsiColor::Green).bold().underline(),
        }
    }
}

impl Color {
    /// Puts a label on a text.
    pub(super) fn paint(self, label: Label, text: impl fmt::Display) -> String {
        match self {
            Self::On => format!("{style}{text}{style:#}", style = label.style()),
            Self::Off => text.to_string(),
        }
    }
}
