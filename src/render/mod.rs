//! What people read: findings, plans and reports as text, never to the terminal itself.
//!
//! A plan first becomes a [`view::PlanView`], which counts, sorts and words it; a renderer reads
//! nothing else. Texts from files and from the service are foreign: they reach an output only
//! through [`escape`]. Colors are labels, named in one table; every output can be read without.

pub mod annotations;
pub mod budget;
pub mod deployments;
pub mod doctor;
pub mod escape;
pub mod every;
pub mod findings;
pub mod gaps;
pub mod html;
pub mod json;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod outcome;
pub mod report;
pub mod rows;
pub mod status;
pub mod text;
pub mod textdiff;
pub mod transcript;
pub mod view;

mod lookalike;
mod paint;
mod prose;
mod schema;
mod unmanaged;
mod unmanaged_lines;
mod words;
mod wrap;

pub use paint::Color;
pub use schema::transcript as transcript_schema;
pub use words::span;
pub use wrap::wrapped;

#[cfg(test)]
mod tests;
