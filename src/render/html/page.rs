//! The frame of every page: its policy, its style, its script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// How pages look; in light and in dark.
const STYLE: &str = include_str!("page.css");

/// What pages do beside being read.
const SCRIPT: &str = include_str!("page.js");

/// Returns a page.
pub(super) fn page(title: &str, body: &Markup) -> String {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" dir="ltr" {
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
            body {
                (body)
                footer {
                    span { "qcops " (env!("CARGO_PKG_VERSION")) }
                    span.js hidden { (keys()) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string() + "\n"
}

/// The keys that the script listens to.
fn keys() -> Markup {
    let keys = [
        ("/", "filter by key"),
        ("n", "next"),
        ("p", "previous"),
        ("o", "open or close all"),
        ("s", "side by side"),
    ];
    html! {
        @for (key, what) in keys {
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
