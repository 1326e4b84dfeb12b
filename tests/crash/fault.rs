//! What can go wrong at one place of an apply, and the plan of what goes wrong where.

use std::fmt;
use std::time::Duration;

use qcops::emulator::{FAULTS, Fault};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InjectedFault {
    /// A fault of the service or of the network.
    Service(Fault),
    /// The process ends as the request is about to leave.
    EndedBefore,
    /// The process ends before the answer comes.
    EndedAfter,
    /// The process ends, and the request takes effect only after this long.
    EndedLate(Duration),
    /// The process ends before one of its files is read or written.
    EndedBeforeFile,
    /// The process ends right after that.
    EndedAfterFile,
    /// The process ends in the middle of a write.
    EndedInFile,
    /// The disk is full.
    DiskFull,
}

/// How long late requests are late: within the first read, and close to the end of settling.
const LATE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(40)];

impl InjectedFault {
    /// Everything that can happen to a request.
    pub(super) fn of_requests() -> impl Iterator<Item = Self> {
        let faults = FAULTS.iter().map(|row| row.1).chain(LATE.map(Fault::Late));
        let ends =
            [Self::EndedBefore, Self::EndedAfter].into_iter().chain(LATE.map(Self::EndedLate));
        faults.map(Self::Service).chain(ends)
    }

    /// Everything that can happen to a file.
    pub(super) const OF_FILES: [Self; 4] =
        [Self::EndedBeforeFile, Self::EndedAfterFile, Self::EndedInFile, Self::DiskFull];

    /// Whether it does anything at this path.
    fn applies_to(self, path: &str) -> bool {
        let reads = path.ends_with("/read") || path.ends_with("/list");
        match self {
            Self::Service(Fault::ListLags | Fault::ListEmpty | Fault::ListShort) => {
                path.ends_with("/list")
            }
            Self::Service(Fault::NoId) => path.ends_with("/create"),
            // A late read is a lost one, and a read has no effect.
            Self::Service(Fault::Late(_) | Fault::NoEffect) | Self::EndedLate(_) => !reads,
            _ => true,
        }
    }

    /// Whether it happens to a file, not to a request.
    pub(super) fn is_of_files(self) -> bool {
        Self::OF_FILES.contains(&self)
    }

    /// Whether the process ends with it.
    pub(super) fn ends(self) -> bool {
        !matches!(self, Self::Service(_) | Self::DiskFull)
    }

    /// Whether it makes an incomplete list look complete.
    pub(super) fn lies(self) -> bool {
        matches!(self, Self::Service(Fault::ListLags | Fault::ListEmpty | Fault::ListShort))
    }

    /// How late the effect of the request is.
    pub(super) fn lateness(self) -> Option<Duration> {
        match self {
            Self::Service(Fault::Late(delay)) | Self::EndedLate(delay) => Some(delay),
            _ => None,
        }
    }

    /// Whether the client cannot know the result of the request.
    pub(super) fn is_unknown(self) -> bool {
        match self {
            Self::Service(fault) => !matches!(
                fault,
                Fault::NotConnected
                    | Fault::Unauthorized
                    | Fault::TooMany(_)
                    | Fault::Unavailable
                    | Fault::RateText
                    // Nothing is lost: the answer says that it worked.
                    | Fault::NoEffect
            ),
            Self::EndedBefore | Self::EndedAfter | Self::EndedLate(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(fault) => write!(f, "{fault}"),
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

/// A fault, and where it is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Injection {
    pub(super) fault: InjectedFault,
    /// Which request, or which access to a file, counted from 0.
    pub(super) at: usize,
}

/// The places of one process where something can go wrong.
#[derive(Clone, Default)]
pub(super) struct Trace {
    /// The path of every request.
    pub(super) paths: Vec<String>,
    /// How often a file was read or written.
    pub(super) accesses: usize,
}

impl Trace {
    /// Everything that can go wrong in it.
    pub(super) fn injections(&self) -> Vec<Injection> {
        let requests = self.paths.iter().enumerate().flat_map(|(at, path)| {
            let faults = InjectedFault::of_requests().filter(|fault| fault.applies_to(path));
            faults.map(move |fault| Injection { fault, at })
        });
        let files = (0..self.accesses)
            .flat_map(|at| InjectedFault::OF_FILES.map(|fault| Injection { fault, at }));
        requests.chain(files).collect()
    }
}

/// Everything that goes wrong with one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessFaults {
    /// The machine it runs on; each has its own ledger.
    pub(super) machine: usize,
    pub(super) injections: Vec<Injection>,
    /// Whether that machine's ledger is lost after it.
    pub(super) loses_ledger: bool,
}

impl ProcessFaults {
    pub(super) fn on(machine: usize, injections: Vec<Injection>) -> Self {
        Self { machine, injections, loses_ledger: false }
    }
}

/// What goes wrong, process by process; the process that comes after them has no faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FaultPlan(pub(super) Vec<ProcessFaults>);

impl FaultPlan {
    /// One fault in one process.
    pub(super) fn once(injection: Injection, loses_ledger: bool) -> Self {
        Self(vec![ProcessFaults { loses_ledger, ..ProcessFaults::on(0, vec![injection]) }])
    }

    /// Whether both differ in nothing but whether the ledger is lost at the end.
    pub(super) fn begins_like(&self, other: &Self) -> bool {
        let keeping = |plan: &Self| {
            let mut plan = plan.clone();
            if let Some(last) = plan.0.last_mut() {
                last.loses_ledger = false;
            }
            plan
        };
        keeping(self) == keeping(other)
    }

    /// Whether a process ends while its request is still on the way.
    pub(super) fn ends_late(&self) -> bool {
        self.faults().any(|fault| matches!(fault, InjectedFault::EndedLate(_)))
    }

    /// Every fault of it.
    pub(super) fn faults(&self) -> impl Iterator<Item = InjectedFault> {
        self.0.iter().flat_map(|process| &process.injections).map(|injection| injection.fault)
    }

    /// Whether a machine forgets what it has sent.
    pub(super) fn forgets(&self) -> bool {
        self.0.iter().any(|process| process.loses_ledger)
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, process) in self.0.iter().enumerate() {
            let then = if number == 0 { "" } else { ", then " };
            let places: Vec<String> = process
                .injections
                .iter()
                .map(|injection| format!("{} at {}", injection.fault, injection.at))
                .collect();
            write!(f, "{then}{}", places.join(" and "))?;
            if process.machine > 0 {
                write!(f, " on machine {}", process.machine)?;
            }
            if process.loses_ledger {
                f.write_str(", ledger lost")?;
            }
        }
        Ok(())
    }
}
