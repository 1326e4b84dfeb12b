//! The machine on which one process after the other runs: its network and its disk, with injected faults.
//!
//! Once a process has ended, every access fails or never returns, so that nothing the program does on
//! its way out can clean anything up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use memchr::memmem;
use qcops::api::sign;
use qcops::clock::Clock;
use qcops::emulator::{Emulator, Fault, Script};
use qcops::exchange::{Exchange, Request, Response, Signature, Transport, TransportError};
use qcops::files::{Files, FilesError, Lock, Memory};
use qcops::model::SplitMix64;
use tokio::sync::Notify;

use super::fault::{InjectedFault, Injection};
use crate::support::world::credentials;

/// The longest a request travels, in milliseconds; the seed decides how long each one takes.
const LATENCY: u64 = 40;

/// For how long the same signature is sent; the service takes it for twice as long.
const SIGNATURE_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// More requests than any process of a scenario needs; one that sends as many is in a loop.
const MOST_REQUESTS: usize = 20_000;

/// One request as the machine saw it.
#[derive(Clone)]
pub(super) struct Call {
    /// Which process sent it, counted from 0.
    pub(super) process: usize,
    pub(super) at: Timestamp,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// The fault that was injected.
    pub(super) fault: Option<InjectedFault>,
    /// Whether a complete answer came that says it succeeded.
    pub(super) is_done: bool,
    /// Whether the service refused it.
    pub(super) is_refused: bool,
    /// The files on the disk as it left; for deletes only.
    pub(super) saved: BTreeSet<PathBuf>,
}

/// The machine on which one process after the other runs.
pub(super) struct Machine {
    pub(super) emulator: Emulator,
    clock: Clock,
    ended: Notify,
    state: Mutex<MachineState>,
}

/// What is left of a machine between two processes.
#[derive(Clone, Default)]
pub(super) struct MachineImage {
    /// What is on the disk.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Every request so far.
    calls: Vec<Call>,
    /// The number of the last process.
    process: usize,
}

impl MachineImage {
    /// The same disk on a machine that has sent nothing yet.
    pub(super) fn without_calls(self) -> Self {
        Self { files: self.files, ..Self::default() }
    }
}

struct MachineState {
    image: MachineImage,
    injections: Vec<Injection>,
    requests: usize,
    accesses: usize,
    is_ended: bool,
    random: SplitMix64,
    /// When the signature was made that requests carry, and that signature.
    signed: (Timestamp, Signature),
}

impl Machine {
    pub(super) fn new(
        emulator: Emulator,
        clock: Clock,
        image: MachineImage,
        seed: u64,
    ) -> Arc<Self> {
        let state = MachineState {
            image,
            injections: Vec::new(),
            requests: 0,
            accesses: 0,
            is_ended: false,
            random: SplitMix64::new(seed),
            signed: (clock.now(), sign(&credentials(), clock.now())),
        };
        Arc::new(Self { emulator, clock, ended: Notify::new(), state: Mutex::new(state) })
    }

    /// Begins a process, into which `injections` are made.
    pub(super) fn begin(&self, injections: &[Injection]) {
        let mut state = self.state();
        state.image.process += usize::from(!state.image.calls.is_empty());
        (state.requests, state.accesses, state.is_ended) = (0, 0, false);
        state.injections = injections.to_vec();
    }

    /// Waits until the process is ended from outside.
    pub(super) async fn ended(&self) {
        while !self.is_ended() {
            self.ended.notified().await;
        }
    }

    /// Whether the process was ended from outside.
    pub(super) fn is_ended(&self) -> bool {
        self.state().is_ended
    }

    /// How many accesses to files there were in this process.
    pub(super) fn accesses(&self) -> usize {
        self.state().accesses
    }

    /// How many requests there were in all processes.
    pub(super) fn call_count(&self) -> usize {
        self.state().image.calls.len()
    }

    /// Reads every request so far.
    pub(super) fn with_calls<T>(&self, read: impl FnOnce(&[Call]) -> T) -> T {
        read(&self.state().image.calls)
    }

    /// Reads one file, past all faults.
    pub(super) fn file(&self, path: &Path) -> Vec<u8> {
        self.state().image.files.get(path).cloned().unwrap_or_default()
    }

    /// What is left of it now.
    pub(super) fn image(&self) -> MachineImage {
        self.state().image.clone()
    }

    /// Loses one file.
    pub(super) fn lose_file(&self, path: &Path) {
        self.state().image.files.remove(path);
    }

    fn state(&self) -> MutexGuard<'_, MachineState> {
        self.state.lock().expect("no holder panics")
    }

    fn end(&self) {
        self.state().is_ended = true;
        self.ended.notify_one();
    }

    async fn carry(&self, mut request: Request) -> Result<Response, TransportError> {
        let (latency, is_ended) = {
            let state = self.state();
            (Duration::from_millis(state.random.next() % LATENCY), state.is_ended)
        };
        if is_ended {
            return std::future::pending().await;
        }
        tokio::time::sleep(latency).await;
        let (fault, place) = {
            let mut state = self.state();
            assert!(state.requests < MOST_REQUESTS, "a process sends requests in a loop");
            let at = state.requests;
            state.requests += 1;
            request.signature = Some(state.signature(self.clock.now()));
            let fault = state.fault(at, false);
            let is_delete = request.path.ends_with("/delete");
            let saved = state.image.files.keys().filter(|_| is_delete).cloned().collect();
            let call = Call {
                saved,
                process: state.image.process,
                at: self.clock.now(),
                path: request.path.clone(),
                body: request.body.clone(),
                fault,
                is_done: false,
                is_refused: false,
            };
            state.image.calls.push(call);
            (fault, state.image.calls.len() - 1)
        };
        if fault == Some(InjectedFault::EndedBefore) {
            self.end();
            return std::future::pending().await;
        }
        let service_fault = match fault {
            Some(InjectedFault::Service(fault)) => Some(fault),
            Some(InjectedFault::EndedLate(delay)) => Some(Fault::Late(delay)),
            _ => None,
        };
        let mut script = Script::default();
        if let Some(fault) = service_fault {
            script.add(&format!("*#1={fault}")).expect("faults are written as they are read");
        }
        // The emulator takes the fault as soon as it is asked, so no other request can take it away.
        self.emulator.set_faults(script);
        let outcome = self.emulator.exchange(request).await;
        if fault.is_some_and(InjectedFault::ends) {
            self.end();
            return std::future::pending().await;
        }
        if let Ok(response) = &outcome {
            let says = |word: &[u8]| memmem::find(&response.body, word).is_some();
            let mut state = self.state();
            let call = &mut state.image.calls[place];
            call.is_done = response.status == 200 && says(b"\"success\":true");
            // An HTML page or half of the JSON proves nothing, whatever the emulator meant.
            call.is_refused = response.status == 200 && says(b"\"success\":false");
        }
        outcome
    }

    /// Counts one access to a file; `None` where the process ends before it or is over.
    fn access(&self) -> Result<Option<InjectedFault>, FilesError> {
        let mut state = self.state();
        let at = state.accesses;
        state.accesses += 1;
        let fault = state.fault(at, true);
        let is_ended = state.is_ended;
        drop(state);
        match fault {
            _ if is_ended => Err(failed("the process has ended")),
            Some(InjectedFault::EndedBeforeFile) => {
                self.end();
                Err(failed("the process has ended"))
            }
            Some(InjectedFault::DiskFull) => Err(failed("the disk is full")),
            fault => Ok(fault),
        }
    }

    fn after_access(&self, fault: Option<InjectedFault>) {
        if fault.is_some_and(InjectedFault::ends) {
            self.end();
        }
    }
}

impl MachineState {
    /// A signature that the service takes: signing each request has tests of its own.
    fn signature(&mut self, now: Timestamp) -> Signature {
        if now.duration_since(self.signed.0) > SIGNATURE_LIFE {
            self.signed = (now, sign(&credentials(), now));
        }
        self.signed.1.clone()
    }

    /// The fault of a request, or of an access to a file.
    fn fault(&self, at: usize, is_of_files: bool) -> Option<InjectedFault> {
        let is_meant = |injection: &&Injection| {
            injection.at == at && injection.fault.is_of_files() == is_of_files
        };
        self.injections.iter().find(is_meant).map(|injection| injection.fault)
    }
}

/// The network between the machine and the service, shared by the clients of all processes.
pub(super) struct CrashingNetwork(pub(super) Arc<Machine>);

impl Transport for CrashingNetwork {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(self.0.carry(request))
    }
}

/// The disk of the machine, shared by all processes.
pub(super) struct CrashingDisk(pub(super) Arc<Machine>);

impl Files for CrashingDisk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        let fault = self.0.access()?;
        let bytes = self.0.state().image.files.get(path).cloned();
        self.0.after_access(fault);
        Ok(bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let fault = self.0.access()?;
        // Written beside and renamed: an interrupted write leaves the old text.
        if fault != Some(InjectedFault::EndedInFile) {
            self.0.state().image.files.insert(path.to_owned(), bytes.to_owned());
        }
        self.0.after_access(fault);
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let fault = self.0.access()?;
        let length =
            if fault == Some(InjectedFault::EndedInFile) { bytes.len() / 2 } else { bytes.len() };
        let mut state = self.0.state();
        state.image.files.entry(path.to_owned()).or_default().extend_from_slice(&bytes[..length]);
        drop(state);
        self.0.after_access(fault);
        Ok(())
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, FilesError> {
        // One process at a time: the lock is always free.
        Memory::default().try_lock(path)
    }
}

fn failed(why: &'static str) -> FilesError {
    FilesError::Io {
        verb: "use",
        path: PathBuf::from("ledger.jsonl"),
        source: io::Error::other(why),
    }
}
