//! The machine on which one process after the other runs: its network and its disk, with injected faults.
//!
//! Once a process has ended, every access of it fails or never returns, so that nothing the program does
//! on its way out can clean anything up.

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

use super::fault::{InjectedFault, Injection, Place, TakenOver, Trace, is_read};
use super::judge::BrokenLaw;
use super::shared_store::{Announcement, StoreAccess, StoreImage};
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
    /// What the ledger in the shared store announced as it left, where there is one.
    pub(super) announced: Option<BTreeSet<Announcement>>,
}

/// The machine on which one process after the other runs.
pub(super) struct Machine {
    pub(super) emulator: Emulator,
    clock: Clock,
    ended: Notify,
    /// Told once another machine may take the lease of a process over, or that process has ended.
    taking_over: Notify,
    state: Mutex<MachineState>,
}

/// One process, and all that it can reach.
#[derive(Clone)]
pub(super) struct Process {
    machine: Arc<Machine>,
    number: usize,
}

/// What is left of a machine between two processes.
#[derive(Clone, Default)]
pub(super) struct MachineImage {
    /// What is on the disk.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// What is in the shared store.
    store: StoreImage,
    /// Every request so far.
    calls: Vec<Call>,
    /// How many processes there were.
    processes: usize,
}

impl MachineImage {
    /// Adds values of earlier applies to the shared store.
    pub(super) fn add_old_values(&mut self, count: usize) {
        self.store.add_old(count);
    }

    /// The same disk and store beside a machine that has sent nothing yet.
    pub(super) fn without_calls(self) -> Self {
        Self { files: self.files, store: self.store, ..Self::default() }
    }
}

struct MachineState {
    image: MachineImage,
    /// The processes of this machine, by number.
    processes: BTreeMap<usize, ProcessState>,
    random: SplitMix64,
    /// When the signature was made that requests carry, and that signature.
    signed: (Timestamp, Signature),
    /// Laws that were seen to be broken.
    broken: Vec<BrokenLaw>,
}

/// What is known of a process.
#[derive(Default)]
pub(super) struct ProcessState {
    injections: Vec<Injection>,
    requests: usize,
    accesses: usize,
    is_ended: bool,
    /// Every access to the shared store.
    pub(super) store_accesses: Vec<StoreAccess>,
    /// Whether the shared store cannot be reached any more.
    pub(super) is_unreachable: bool,
    /// Whether the lease in it cannot be reached any more.
    pub(super) is_cut_off: bool,
    /// The epoch of the lease that it has taken; 0 before.
    epoch: u64,
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
            processes: BTreeMap::new(),
            random: SplitMix64::new(seed),
            signed: (clock.now(), sign(&credentials(), clock.now())),
            broken: Vec::new(),
        };
        let (ended, taking_over) = (Notify::new(), Notify::new());
        Arc::new(Self { emulator, clock, ended, taking_over, state: Mutex::new(state) })
    }

    /// Begins a process, into which `injections` are made.
    pub(super) fn begin(self: &Arc<Self>, injections: &[Injection]) -> Process {
        let mut state = self.state();
        let number = state.image.processes;
        state.image.processes += 1;
        let begun = ProcessState { injections: injections.to_vec(), ..ProcessState::default() };
        state.processes.insert(number, begun);
        Process { machine: Arc::clone(self), number }
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

    /// Reads the shared store, past all faults.
    pub(super) fn with_store<T>(&self, read: impl FnOnce(&StoreImage) -> T) -> T {
        read(&self.state().image.store)
    }

    /// What is left of it now.
    pub(super) fn image(&self) -> MachineImage {
        self.state().image.clone()
    }

    /// Loses one file.
    pub(super) fn lose_file(&self, path: &Path) {
        self.state().image.files.remove(path);
    }

    /// Notes a law that was seen to be broken.
    pub(super) fn report(&self, broken: BrokenLaw) {
        let mut state = self.state();
        if !state.broken.contains(&broken) {
            state.broken.push(broken);
        }
    }

    /// Takes the laws that were seen to be broken.
    pub(super) fn take_reported(&self) -> Vec<BrokenLaw> {
        std::mem::take(&mut self.state().broken)
    }

    fn state(&self) -> MutexGuard<'_, MachineState> {
        self.state.lock().expect("no holder panics")
    }
}

impl Process {
    /// Waits until the process is ended from outside.
    pub(super) async fn ended(&self) {
        loop {
            let ended = self.machine.ended.notified();
            if self.is_ended() {
                return;
            }
            ended.await;
        }
    }

    /// Whether the process was ended from outside.
    pub(super) fn is_ended(&self) -> bool {
        self.with_state(|state| state.is_ended)
    }

    /// What it did.
    pub(super) fn trace(&self) -> Trace {
        let state = self.machine.state();
        let calls = state.image.calls.iter().filter(|call| call.process == self.number);
        let ProcessState { accesses, store_accesses, .. } = &state.processes[&self.number];
        Trace {
            paths: calls.map(|call| call.path.clone()).collect(),
            accesses: *accesses,
            store_accesses: store_accesses.clone(),
        }
    }

    /// Notes the epoch of the lease that it has taken.
    pub(super) fn begin_epoch(&self, epoch: u64) {
        self.with_state(|state| state.epoch = epoch);
    }

    /// Whether the lease that it has taken is another one's by now.
    pub(super) fn is_fenced(&self) -> bool {
        let state = self.machine.state();
        let epoch = state.processes[&self.number].epoch;
        epoch > 0 && state.image.store.epoch() > epoch
    }

    /// Whether nobody else has the lease, and it was not given back.
    pub(super) fn holds_lease(&self) -> bool {
        let state = self.machine.state();
        let epoch = state.processes[&self.number].epoch;
        epoch > 0 && state.image.store.is_held_in(epoch)
    }

    /// Notes a law that was seen to be broken.
    pub(super) fn report(&self, broken: BrokenLaw) {
        self.machine.report(broken);
    }

    /// Waits until another machine may take the lease over, and returns whether it is to.
    pub(super) async fn lets_take_over(&self) -> bool {
        self.machine.taking_over.notified().await;
        self.with_state(|state| state.is_cut_off)
    }

    /// Ends the wait for a machine that would take the lease over.
    pub(super) fn ends_itself(&self) {
        self.machine.taking_over.notify_one();
    }

    pub(super) fn with_state<T>(&self, change: impl FnOnce(&mut ProcessState) -> T) -> T {
        let mut state = self.machine.state();
        change(state.processes.get_mut(&self.number).expect("it has begun"))
    }

    /// Changes the shared store.
    pub(super) fn with_store<T>(&self, change: impl FnOnce(&mut StoreImage) -> T) -> T {
        change(&mut self.machine.state().image.store)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.machine.clock.now()
    }

    /// Waits as long as a request travels; one of a process that has ended never arrives.
    pub(super) async fn travel(&self) {
        let latency = {
            let state = self.machine.state();
            Duration::from_millis(state.random.next() % LATENCY)
        };
        if self.is_ended() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(latency).await;
    }

    pub(super) fn end(&self) {
        self.with_state(|state| state.is_ended = true);
        self.machine.ended.notify_waiters();
    }

    async fn carry(&self, mut request: Request) -> Result<Response, TransportError> {
        self.travel().await;
        let (fault, place) = self.note_call(&mut request);
        if fault == Some(InjectedFault::EndedBefore) {
            self.end();
            return std::future::pending().await;
        }
        let taken = match fault {
            Some(InjectedFault::LeaseTaken(taken)) => Some(taken),
            _ => None,
        };
        if taken.is_some_and(|taken| !taken.works_first) {
            self.lose_lease().await;
        }
        let service_fault = match fault {
            Some(InjectedFault::Service(fault)) => Some(fault),
            Some(InjectedFault::EndedLate(delay)) => Some(Fault::Late(delay)),
            Some(InjectedFault::LeaseTaken(TakenOver { answer, .. })) => answer,
            _ => None,
        };
        let mut script = Script::default();
        if let Some(fault) = service_fault {
            script.add(&format!("*#1={fault}")).expect("faults are written as they are read");
        }
        // The emulator takes the fault as soon as it is asked, so no other request can take it away.
        self.machine.emulator.set_faults(script);
        let outcome = self.machine.emulator.exchange(request).await;
        if fault.is_some_and(InjectedFault::ends) {
            self.end();
            return std::future::pending().await;
        }
        if taken.is_some_and(|taken| taken.works_first) {
            self.lose_lease().await;
        }
        if let Ok(response) = &outcome {
            let says = |word: &[u8]| memmem::find(&response.body, word).is_some();
            let mut state = self.machine.state();
            let call = &mut state.image.calls[place];
            call.is_done = response.status == 200 && says(b"\"success\":true");
            // An HTML page or half of the JSON proves nothing, whatever the emulator meant.
            call.is_refused = response.status == 200 && says(b"\"success\":false");
        }
        outcome
    }

    /// Notes that a request leaves; returns its fault, and its place among all.
    fn note_call(&self, request: &mut Request) -> (Option<InjectedFault>, usize) {
        if self.is_fenced() && !is_read(&request.path) {
            self.report(BrokenLaw::StaleHolder { what: request.path.clone() });
        }
        let now = self.now();
        let mut state = self.machine.state();
        request.signature = Some(state.signature(now));
        let process = state.processes.get_mut(&self.number).expect("it has begun");
        assert!(process.requests < MOST_REQUESTS, "a process sends requests in a loop");
        let fault = process.fault(process.requests, Place::Request);
        process.requests += 1;
        let is_announced = process.epoch > 0 && ANNOUNCED.contains(&&*request.path);
        let is_delete = request.path.ends_with("/delete");
        let MachineImage { files, store, .. } = &state.image;
        let saved = files.keys().cloned().chain(store.names().map(PathBuf::from));
        let saved = saved.filter(|_| is_delete).collect();
        let call = Call {
            saved,
            announced: is_announced.then(|| state.image.store.announced()),
            process: self.number,
            at: now,
            path: request.path.clone(),
            body: request.body.clone(),
            fault: fault.filter(|fault| fault.is_of_the_answer()),
            is_done: false,
            is_refused: false,
        };
        state.image.calls.push(call);
        (fault, state.image.calls.len() - 1)
    }

    /// Cuts the process off from its lease, where it has one, until another machine has taken it.
    pub(super) async fn lose_lease(&self) {
        if self.with_state(|state| state.epoch == 0) {
            return;
        }
        self.with_state(|state| state.is_cut_off = true);
        self.machine.taking_over.notify_one();
        while !self.is_fenced() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Counts one access to a file; `None` where the process ends before it or is over.
    fn access(&self) -> Result<Option<InjectedFault>, FilesError> {
        let (fault, is_ended) = self.with_state(|state| {
            let at = state.accesses;
            state.accesses += 1;
            (state.fault(at, Place::File), state.is_ended)
        });
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
}

impl ProcessState {
    /// The fault of what is done at a place, counted from 0.
    pub(super) fn fault(&self, at: usize, place: Place) -> Option<InjectedFault> {
        let is_meant =
            |injection: &&Injection| injection.at == at && injection.fault.place() == place;
        self.injections.iter().find(is_meant).map(|injection| injection.fault)
    }
}

/// Requests that have a line in the ledger before they leave.
const ANNOUNCED: [&str; 4] = [
    "/agents/create",
    "/agents/tasks/create",
    "/agents/deployments/create",
    "/agents/deployments/prompt",
];

/// The network between a process and the service.
pub(super) struct CrashingNetwork(pub(super) Process);

impl Transport for CrashingNetwork {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(self.0.carry(request))
    }
}

/// The disk of the machine, as a process reaches it.
pub(super) struct CrashingDisk(pub(super) Process);

impl Files for CrashingDisk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        let fault = self.0.access()?;
        let bytes = self.0.machine.state().image.files.get(path).cloned();
        self.0.after_access(fault);
        Ok(bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let fault = self.0.access()?;
        // Written beside and renamed: an interrupted write leaves the old text.
        if fault != Some(InjectedFault::EndedInFile) {
            self.0.machine.state().image.files.insert(path.to_owned(), bytes.to_owned());
        }
        self.0.after_access(fault);
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let fault = self.0.access()?;
        let length =
            if fault == Some(InjectedFault::EndedInFile) { bytes.len() / 2 } else { bytes.len() };
        let mut state = self.0.machine.state();
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
