//! Plans, transcripts and the result of an apply as HTML pages.
//!
//! A page is one file that loads nothing: style and script stand in it, and its policy
//! lets a browser run just these two, known by their hashes. Foreign text is made visible by
//! `render::escape` and then escaped by the template; no script and no address ever holds any.
//! Without the script everything is there to read; it adds the filter by key, and keys.

mod diff;
mod every;
mod outcome;
mod page;
mod plan;
mod transcript;

pub use every::plans;
pub use outcome::{Applied, applied};
pub use plan::plan;
pub use transcript::transcript;
