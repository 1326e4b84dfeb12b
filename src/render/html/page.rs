//! The frame of every page: its policy, its style, its script.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// How pages look; in light and in dark.
const STYLE: &str = include_str!("page.css");

/// What pages do beside being read.
const SCRIPT: &str = include_str!("page.js");

/// What a page has that keys work on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keys {
    /// Steps that are filtered, and prompts that are shown in two ways.
    pub(super) filter: bool,
    /// Steps, runs or turns to go to.
    pub(super) places: bool,
    /// Something that is opened and closed.
    pub(super) folds: bool,
}

/// Returns a page.
pub(super) fn page(title: &str, keys: Keys, body: &Markup) -> String {
    let mut page = String::new();
    let body = |out: &mut dyn fmt::Write| out.write_str(&body.0);
    write(title, keys, body, &mut page).expect("a string takes everything");
    page
}

/// Writes a page piece by piece, so that a long one never is in memory as a whole.
pub(super) fn write(
    title: &str,
    keys: Keys,
    body: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let head = html! {
        (DOCTYPE)
        (PreEscaped("<html lang=\"en\" dir=\"ltr\">"))
        head {
            meta charset="utf-8";
            // First of all: what stands before it is not held to it.
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
        (PreEscaped("<body>"))
    };
    let foot = html! {
        footer {
            span { "qcops " (env!("CARGO_PKG_VERSION")) }
            span.js hidden { (named(keys)) }
        }
        script { (PreEscaped(SCRIPT)) }
        (PreEscaped("</body></html>\n"))
    };
    out.write_str(&head.0)?;
    body(out)?;
    out.write_str(&foot.0)
}

/// The keys that do something here.
fn named(Keys { filter, places, folds }: Keys) -> Markup {
    let keys = [
        ("/", "filter by key", filter),
        ("n", "next", places),
        ("p", "previous", places),
        ("o", "open or close all", folds),
        ("s", "side by side", filter),
    ];
    html! {
        @for (key, what, _) in keys.iter().filter(|(_, _, works)| *works) {
            kbd { (key) } " " (what) " "
        }
    }
}

/// The hash by which a policy names an element's text.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_end_nowhere_but_at_their_end() {
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(
            !SCRIPT.contains("</") && !SCRIPT.contains("<!--") && !SCRIPT.contains("innerHTML")
        );
        assert!(!STYLE.contains('\r') && !SCRIPT.contains('\r'), "the hashes would differ");
    }
}
