//! Laws over random histories, worlds and manifests.
//!
//! [`check`] judges a plan by design 3 to 5 and never calls the planner's own judgment; [`sights`] makes
//! up what was seen, [`stories`] lets it come about on the emulator, [`guards`] walks through sizes.
//! [`recall`] lets others meddle between two plans. [`bytes`] damages answers and files.
//! `PROPTEST_CASES` raises the number of cases.

mod agents;
mod bytes;
mod check;
mod digest;
mod guards;
mod recall;
mod sights;
mod stories;
mod ways;

use proptest::test_runner::{Config, FileFailurePersistence};

/// How many cases a law gets: `usual`, unless somebody has more time.
fn cases(usual: u32) -> Config {
    // The default reads the variable; 256 is what it is where nobody set it.
    let asked = Config::default().cases;
    let cases = if asked == 256 { usual } else { asked };
    // A case that failed is tried first from then on; commit the file with the fix.
    let kept = FileFailurePersistence::Direct("tests/laws/regressions.txt");
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}
