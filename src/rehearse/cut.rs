//! What can go wrong in one place of an apply.

use std::fmt;
use std::time::Duration;

use crate::emulator::{FAULTS, Fault};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A fault of the service or of the way to it.
    Fault(Fault),
    /// The process ends as the request is about to leave.
    EndedBefore,
    /// The process ends before the answer comes.
    EndedAfter,
    /// The process ends, and the request takes effect only after this long.
    EndedLate(Duration),
    /// The process ends before a file of its own is read or written.
    EndedBeforeFile,
    /// The process ends right after that.
    EndedAfterFile,
    /// The process ends in the middle of what it writes.
    EndedInFile,
    /// The disk is full.
    DiskFull,
}

/// How long late requests are late: within the first look, and close to the end of settling.
const LATE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(40)];

impl Cut {
    /// Everything that can happen to a request.
    pub(super) fn of_requests() -> impl Iterator<Item = Self> {
        let faults = FAULTS.iter().map(|row| row.1).chain(LATE.map(Fault::Late));
        let ends =
            [Self::EndedBefore, Self::EndedAfter].into_iter().chain(LATE.map(Self::EndedLate));
        faults.map(Self::Fault).chain(ends)
    }

    /// Everything that can happen to a file.
    pub(super) const OF_FILES: [Self; 4] =
        [Self::EndedBeforeFile, Self::EndedAfterFile, Self::EndedInFile, Self::DiskFull];

    /// Whether it does anything at this path.
    pub(super) fn strikes(self, path: &str) -> bool {
        let reads = path.ends_with("/read") || path.ends_with("/list");
        match self {
            Self::Fault(Fault::ListLags | Fault::ListEmpty | Fault::ListShort) => {
                path.ends_with("/list")
            }
            Self::Fault(Fault::NoId) => path.ends_with("/create"),
            // A late read is a lost one.
            Self::Fault(Fault::Late(_)) | Self::EndedLate(_) => !reads,
            _ => true,
        }
    }

    /// Whether the process ends with it.
    pub(super) fn ends(self) -> bool {
        !matches!(self, Self::Fault(_) | Self::DiskFull)
    }

    /// Whether it makes a list look whole that is not.
    pub(super) fn lies(self) -> bool {
        matches!(self, Self::Fault(Fault::ListLags | Fault::ListEmpty | Fault::ListShort))
    }

    /// How long its effect is late.
    pub(super) fn lateness(self) -> Option<Duration> {
        match self {
            Self::Fault(Fault::Late(delay)) | Self::EndedLate(delay) => Some(delay),
            _ => None,
        }
    }

    /// Whether the client cannot know what became of the request.
    pub(super) fn is_unclear(self) -> bool {
        match self {
            Self::Fault(fault) => !matches!(
                fault,
                Fault::NotConnected
                    | Fault::Unauthorized
                    | Fault::TooMany(_)
                    | Fault::Unavailable
                    | Fault::RateText
            ),
            Self::EndedBefore | Self::EndedAfter | Self::EndedLate(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::EndedBefore => f.write_str("ended-before"),
            Self::EndedAfter => f.write_str("ended-after"),
            Self::EndedLate(delay) => write!(f, "ended-late:{}", delay.as_secs()),
            Self::EndedBeforeFile => f.write_str("ended-before-file"),
            Self::EndedAfterFile => f.write_str("ended-after-file"),
            Self::EndedInFile => f.write_str("ended-in-file"),
            Self::DiskFull => f.write_str("disk-full"),
        }
    }
}

/// A cut, and where it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) cut: Cut,
    /// Which request, or which access to a file, counted from 0.
    pub(super) at: usize,
}

/// One process, and everything that goes wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Which machine it runs on; each has a ledger of its own.
    pub(super) machine: usize,
    pub(super) strikes: Vec<Strike>,
    /// Whether that machine's ledger is lost after it.
    pub(super) loses_ledger: bool,
}

impl Round {
    pub(super) fn on(machine: usize, strikes: Vec<Strike>) -> Self {
        Self { machine, strikes, loses_ledger: false }
    }
}

/// What goes wrong, process by process; the one that comes after has no faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Course(pub(super) Vec<Round>);

impl Course {
    /// One thing that goes wrong in one process.
    pub(super) fn once(strike: Strike, loses_ledger: bool) -> Self {
        Self(vec![Round { loses_ledger, ..Round::on(0, vec![strike]) }])
    }

    /// Whether a process ends with its request still on the way.
    pub(super) fn ends_late(&self) -> bool {
        self.cuts().any(|cut| matches!(cut, Cut::EndedLate(_)))
    }

    /// Every cut of it.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Cut> {
        self.0.iter().flat_map(|round| &round.strikes).map(|strike| strike.cut)
    }

    /// Whether a machine forgets what it has sent.
    pub(super) fn forgets(&self) -> bool {
        self.0.iter().any(|round| round.loses_ledger)
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.0.iter().enumerate() {
            let then = if number == 0 { "" } else { ", then " };
            let places: Vec<String> = round
                .strikes
                .iter()
                .map(|strike| format!("{} at {}", strike.cut, strike.at))
                .collect();
            write!(f, "{then}{}", places.join(" and "))?;
            if round.machine > 0 {
                write!(f, " on machine {}", round.machine)?;
            }
            if round.loses_ledger {
                f.write_str(", ledger lost")?;
            }
        }
        Ok(())
    }
}
