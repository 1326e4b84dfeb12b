//! One process at a time: its way to the service and its files, both of which can end under it.
//!
//! Once the process has ended every access is refused or never comes back, so that nothing the program
//! does on its way out can tidy anything up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::emulator::{Emulator, Fault, Script};
use crate::exchange::{Exchange, Request, Response, Transport, TransportError};
use crate::files::{Files, FilesError, Lock, Memory};
use crate::rehearse::cut::{Cut, Strike};

/// The longest a request travels, in milliseconds; the seed decides how long each one takes.
const LATENCY: u64 = 40;

/// More requests than any process of a story needs: one that sends as many goes round in circles.
const MOST_REQUESTS: usize = 20_000;

/// One request as the machine saw it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Which process sent it, counted from 0.
    pub(super) process: usize,
    pub(super) at: Timestamp,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// What went wrong with it on purpose.
    pub(super) cut: Option<Cut>,
    /// Whether a whole answer came that says it succeeded.
    pub(super) is_done: bool,
    /// Whether the service said no.
    pub(super) is_refused: bool,
    /// What was on the disk as it left; of deletes only.
    pub(super) saved: BTreeSet<PathBuf>,
}

/// The machine on which one process after the other runs.
pub(super) struct Machine {
    pub(super) emulator: Arc<Emulator>,
    clock: Clock,
    ended: Notify,
    tape: Mutex<Tape>,
}

struct Tape {
    files: BTreeMap<PathBuf, Vec<u8>>,
    strikes: Vec<Strike>,
    process: usize,
    requests: usize,
    accesses: usize,
    is_ended: bool,
    random: Random,
    calls: Vec<Call>,
}

impl Machine {
    pub(super) fn new(
        emulator: Emulator,
        clock: Clock,
        files: BTreeMap<PathBuf, Vec<u8>>,
        seed: u64,
    ) -> Arc<Self> {
        let tape = Tape {
            files,
            strikes: Vec::new(),
            process: 0,
            requests: 0,
            accesses: 0,
            is_ended: false,
            random: Random(seed),
            calls: Vec::new(),
        };
        let (emulator, ended, tape) = (Arc::new(emulator), Notify::new(), Mutex::new(tape));
        Arc::new(Self { emulator, clock, ended, tape })
    }

    /// Begins a process, in which `strikes` happen.
    pub(super) fn begin(&self, strikes: &[Strike]) {
        let mut tape = self.tape();
        tape.process += usize::from(!tape.calls.is_empty());
        (tape.requests, tape.accesses, tape.is_ended) = (0, 0, false);
        tape.strikes = strikes.to_vec();
    }

    /// Waits until the process is ended from outside.
    pub(super) async fn ended(&self) {
        while !self.is_ended() {
            self.ended.notified().await;
        }
    }

    /// Whether the process was ended from outside.
    pub(super) fn is_ended(&self) -> bool {
        self.tape().is_ended
    }

    /// How many accesses to files there were in this process.
    pub(super) fn accesses(&self) -> usize {
        self.tape().accesses
    }

    /// How many requests there were in all processes.
    pub(super) fn call_count(&self) -> usize {
        self.tape().calls.len()
    }

    /// Every request so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.tape().calls.clone()
    }

    /// What is on the disk.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.tape().files.clone()
    }

    /// Loses one file.
    pub(super) fn lose_file(&self, path: &Path) {
        self.tape().files.remove(path);
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().expect("no holder panics")
    }

    fn end(&self) {
        self.tape().is_ended = true;
        self.ended.notify_one();
    }

    async fn carry(&self, request: Request) -> Result<Response, TransportError> {
        let (latency, is_ended) = {
            let mut tape = self.tape();
            (Duration::from_millis(tape.random.next() % LATENCY), tape.is_ended)
        };
        if is_ended {
            return std::future::pending().await;
        }
        tokio::time::sleep(latency).await;
        let (cut, place) = {
            let mut tape = self.tape();
            assert!(tape.requests < MOST_REQUESTS, "a process goes round in circles");
            let at = tape.requests;
            tape.requests += 1;
            let cut = tape.cut(at, false);
            let is_delete = request.path.ends_with("/delete");
            let saved = tape.files.keys().filter(|_| is_delete).cloned().collect();
            let call = Call {
                saved,
                process: tape.process,
                at: self.clock.now(),
                path: request.path.clone(),
                body: request.body.clone(),
                cut,
                is_done: false,
                is_refused: false,
            };
            tape.calls.push(call);
            (cut, tape.calls.len() - 1)
        };
        if cut == Some(Cut::EndedBefore) {
            self.end();
            return std::future::pending().await;
        }
        let fault = match cut {
            Some(Cut::Fault(fault)) => Some(fault),
            Some(Cut::EndedLate(delay)) => Some(Fault::Late(delay)),
            _ => None,
        };
        let mut script = Script::default();
        if let Some(fault) = fault {
            script.add(&format!("*#1={fault}")).expect("faults are written as they are read");
        }
        // The emulator takes the fault as soon as it is asked, so no other request can take it away.
        self.emulator.set_faults(script);
        let outcome = self.emulator.exchange(request).await;
        if cut.is_some_and(Cut::ends) {
            self.end();
            return std::future::pending().await;
        }
        if let Ok(response) = &outcome {
            let says = |word: &[u8]| response.body.windows(word.len()).any(|part| part == word);
            let mut tape = self.tape();
            let call = &mut tape.calls[place];
            call.is_done = response.status == 200 && says(b"\"success\":true");
            // A page or half a text says nothing, whatever the emulator meant.
            call.is_refused = response.status == 200 && says(b"\"success\":false");
        }
        outcome
    }

    /// Counts one access to a file; `None` where the process ends before it or is over.
    fn access(&self) -> Result<Option<Cut>, FilesError> {
        let mut tape = self.tape();
        let at = tape.accesses;
        tape.accesses += 1;
        let cut = tape.cut(at, true);
        let is_ended = tape.is_ended;
        drop(tape);
        match cut {
            _ if is_ended => Err(failed("the process has ended")),
            Some(Cut::EndedBeforeFile) => {
                self.end();
                Err(failed("the process has ended"))
            }
            Some(Cut::DiskFull) => Err(failed("the disk is full")),
            cut => Ok(cut),
        }
    }

    fn after_access(&self, cut: Option<Cut>) {
        if cut.is_some_and(Cut::ends) {
            self.end();
        }
    }
}

impl Tape {
    /// What goes wrong with a request, or with an access to a file.
    fn cut(&self, at: usize, is_of_files: bool) -> Option<Cut> {
        let is_meant = |strike: &&Strike| {
            strike.at == at && Cut::OF_FILES.contains(&strike.cut) == is_of_files
        };
        self.strikes.iter().find(is_meant).map(|strike| strike.cut)
    }
}

/// Numbers that a seed decides, by `SplitMix64`.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }
}

/// The way to the service, shared by the clients of all processes.
pub(super) struct Way(pub(super) Arc<Machine>);

impl Transport for Way {
    fn exchange(&self, request: Request) -> Exchange<'_> {
        Box::pin(self.0.carry(request))
    }
}

/// The disk, shared by all processes.
pub(super) struct Disk(pub(super) Arc<Machine>);

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
        let cut = self.0.access()?;
        let bytes = self.0.tape().files.get(path).cloned();
        self.0.after_access(cut);
        Ok(bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let cut = self.0.access()?;
        // Written beside and renamed: what is cut in the middle leaves the old text.
        if cut != Some(Cut::EndedInFile) {
            self.0.tape().files.insert(path.to_owned(), bytes.to_owned());
        }
        self.0.after_access(cut);
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), FilesError> {
        let cut = self.0.access()?;
        let whole = if cut == Some(Cut::EndedInFile) { bytes.len() / 2 } else { bytes.len() };
        let mut tape = self.0.tape();
        tape.files.entry(path.to_owned()).or_default().extend_from_slice(&bytes[..whole]);
        drop(tape);
        self.0.after_access(cut);
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
