//! What can go wrong at one place of an apply, and the plan of what goes wrong where.

use std::fmt;
use std::time::Duration;

use qcops::emulator::{FAULTS, Fault};

use super::shared_store::{StoreAccess, StoreFault};

/// What is done where something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A file is read or written.
    File,
    /// The shared store is asked.
    Store,
    /// The service is asked.
    Request,
}

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
    /// The shared store does otherwise than it should.
    Store(StoreFault),
    /// Another machine takes the lease over and applies while the request is in flight.
    LeaseTaken(TakenOver),
}

/// A request during which another machine takes the lease over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TakenOver {
    /// Whether it takes effect before that.
    pub(super) works_first: bool,
    /// What goes wrong with it, too.
    pub(super) answer: Option<Fault>,
}

impl TakenOver {
    /// Every way to lose the lease with a request of this path in flight.
    fn of(path: &str) -> &'static [Self] {
        const ALL: [TakenOver; 6] = [
            TakenOver { works_first: false, answer: None },
            TakenOver { works_first: true, answer: None },
            TakenOver { works_first: true, answer: Some(Fault::LostAfter) },
            TakenOver { works_first: false, answer: Some(Fault::LostAfter) },
            TakenOver { works_first: false, answer: Some(Fault::LostBefore) },
            TakenOver { works_first: false, answer: Some(Fault::TooMany(None)) },
        ];
        if is_read(path) { &ALL[..1] } else { &ALL }
    }
}

/// Whether a request changes nothing.
pub(super) fn is_read(path: &str) -> bool {
    path.ends_with("/read") || path.ends_with("/list")
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
        let reads = is_read(path);
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

    /// Where it happens.
    pub(super) fn place(self) -> Place {
        match self {
            Self::EndedBeforeFile | Self::EndedAfterFile | Self::EndedInFile | Self::DiskFull => {
                Place::File
            }
            Self::Store(_) => Place::Store,
            _ => Place::Request,
        }
    }

    /// Whether the process ends with it.
    pub(super) fn ends(self) -> bool {
        match self {
            Self::Service(_) | Self::DiskFull | Self::LeaseTaken(_) => false,
            Self::Store(fault) => fault.ends(),
            _ => true,
        }
    }

    /// Whether something is wrong with the answer to the request.
    pub(super) fn is_of_the_answer(self) -> bool {
        !matches!(self, Self::LeaseTaken(TakenOver { answer: None, .. }))
    }

    /// Whether it leaves something in the ledger that cannot be read.
    pub(super) fn spoils(self) -> bool {
        self == Self::Store(StoreFault::EndedWithGarbage)
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
            Self::LeaseTaken(TakenOver { answer, .. }) => {
                answer.is_some_and(|answer| Self::Service(answer).is_unknown())
            }
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
            Self::Store(fault) => write!(f, "{fault}"),
            Self::LeaseTaken(TakenOver { works_first, answer }) => {
                let first = if *works_first { "after" } else { "before" };
                let answer = answer.map(|answer| format!(", {answer}")).unwrap_or_default();
                write!(f, "lease-taken-{first}-effect{answer}")
            }
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
    /// Every access to the shared store.
    pub(super) store_accesses: Vec<StoreAccess>,
}

impl Trace {
    /// Everything that can go wrong with the shared store.
    pub(super) fn store_injections(&self) -> Vec<Injection> {
        let accesses = self.store_accesses.iter().enumerate().flat_map(|(at, access)| {
            let faults = StoreFault::of(access).map(InjectedFault::Store);
            faults.map(move |fault| Injection { fault, at })
        });
        let requests = self.paths.iter().enumerate().flat_map(|(at, path)| {
            let ways = TakenOver::of(path).iter().map(|way| InjectedFault::LeaseTaken(*way));
            let ends = [InjectedFault::EndedBefore, InjectedFault::EndedAfter];
            let late = LATE.map(InjectedFault::EndedLate).into_iter();
            let ends = ends.into_iter().chain(late).filter(|fault| fault.applies_to(path));
            ways.chain(ends).map(move |fault| Injection { fault, at })
        });
        accesses.chain(requests).collect()
    }

    /// Everything that can go wrong with the service and the files.
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
