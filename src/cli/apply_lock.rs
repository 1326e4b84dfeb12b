//! The right to change something: one apply at a time on this machine, and in a shared store anywhere.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::apply::{self, Settings, Stop};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::flags::LockArgs;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::signals::hear_signals;
use crate::files::{self, Lock, MachineLocking};
use crate::render::escape;
use crate::store::{
    Lease, LeaseAttempt, LeaseHolder, LeaseRequest, LeaseSight, SharedStore, StoreError,
};

/// How long between two looks at a lock of this machine.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// How long between two looks at a lease.
const LEASE_PAUSE: Duration = Duration::from_secs(2);

/// The lock, and the ear for signals.
pub(super) struct ApplyLock {
    pub(super) stop: Arc<Stop>,
    machine: Option<Lock>,
    lease: Option<HeldLease>,
    trial: StoreTrial,
}

/// Whether the shared store, where there is one, can be trusted with a lease: it is found out beside all that
/// changes nothing yet.
struct StoreTrial(Option<JoinHandle<Result<(), StoreError>>>);

/// A lease, and what renews it.
struct HeldLease {
    lease: Arc<Lease>,
    keeper: JoinHandle<()>,
}

impl ApplyLock {
    /// Waits for other applies, those that were killed too. Taken before observing.
    pub(super) async fn take(
        context: &Context,
        session: &Session<'_>,
        progress: &Progress,
        settings: &Settings,
        lock: LockArgs,
    ) -> Result<Self, CommandError> {
        let stop = Arc::new(Stop::default());
        session.make_folder()?;
        hear_signals(Arc::clone(&stop), progress.clone());
        let waiting =
            LockWait { context, session, progress, stop: &stop, lock, since: Instant::now() };
        let trial = StoreTrial::begin(session.store.as_ref());
        let mut taken = Self { stop: Arc::clone(&stop), machine: None, lease: None, trial };
        match taken.wait(waiting, settings).await {
            Ok(()) => Ok(taken),
            Err(error) => {
                taken.release(context).await;
                Err(error)
            }
        }
    }

    /// Takes the lease and the lock of this machine, and waits for what a killed apply has left, wherever it
    /// ran.
    async fn wait(
        &mut self,
        waiting: LockWait<'_>,
        settings: &Settings,
    ) -> Result<(), CommandError> {
        let said = |error| CommandError::of(&error);
        // The lease first: an apply that waits for it does not block others on this machine.
        if let Some(store) = &waiting.session.store
            && let Some((lease, refreshed)) = waiting.for_lease(store, &mut self.trial).await?
        {
            self.lease = Some(lease);
            refreshed.map_err(said)?;
        }
        self.machine = waiting.for_machine().await?;
        let (ledger, clock) = (&waiting.session.engine.ledger, waiting.context.clock);
        let say = |rest: Duration| {
            waiting.progress.say(&format!(
                "waiting {} s: an apply was ended while something was under way",
                rest.as_secs() + 1
            ));
        };
        let waited = apply::wait_for_a_killed_apply(ledger, clock, settings, &self.stop, &say);
        waited.await.map_err(said)
    }

    /// Makes sure that the lease counts, and compacts the ledger; to be called before anything is changed.
    pub(super) async fn ensure(&mut self, session: &Session<'_>) -> Result<(), CommandError> {
        self.trial.end().await?;
        session.engine.ledger.compact().await.map_err(|error| CommandError::of(&error))
    }

    /// Waits for what changes nothing; a signal ends it at once.
    pub(super) async fn unless_stopped<T>(
        &self,
        planning: impl Future<Output = T>,
    ) -> Result<T, CommandError> {
        tokio::select! {
            planned = planning => Ok(planned),
            () = self.stop.asked() => {
                let error = CommandError::new("interrupted while planning");
                let mut error = error.help("nothing was changed");
                error.exit = Exit::Interrupted;
                Err(error)
            }
        }
    }

    /// Gives the lease back; one that cannot be given back ends by itself.
    pub(super) async fn release(mut self, context: &Context) {
        drop(self.machine);
        // The trial deletes its value, whatever it found.
        drop(self.trial.end().await);
        let Some(HeldLease { lease, keeper }) = self.lease else { return };
        keeper.abort();
        if let Err(error) = lease.release(context.clock.now()).await {
            tracing::warn!("the lease was not given back and ends by itself: {error}");
        }
    }
}

impl StoreTrial {
    fn begin(store: Option<&SharedStore>) -> Self {
        Self(store.cloned().map(|store| tokio::spawn(async move { store.check().await })))
    }

    /// Waits for the end of the trial; nothing was changed where the store cannot be trusted.
    async fn end(&mut self) -> Result<(), CommandError> {
        let Some(trial) = self.0.take() else { return Ok(()) };
        let tried = trial.await.map_err(|error| CommandError::of(&error))?;
        tried.map_err(|error| CommandError::of(&error).help("nothing was changed"))
    }
}

/// A wait for the locks of others.
#[derive(Clone, Copy)]
struct LockWait<'w> {
    context: &'w Context,
    session: &'w Session<'w>,
    progress: &'w Progress,
    stop: &'w Arc<Stop>,
    lock: LockArgs,
    since: Instant,
}

impl LockWait<'_> {
    /// The lock of this machine; the system frees it when a process dies.
    async fn for_machine(self) -> Result<Option<Lock>, CommandError> {
        let (folders, name) = (files::machine_folders(), format!("{}.lock", self.session.scope));
        let since = self.context.clock.now().strftime("%H:%M:%S UTC");
        let here = self.session.root();
        let holder =
            format!("process {} in `{}` since {since}", std::process::id(), here.display());
        let (mut is_said, mut looks) = (false, 0);
        loop {
            let locking = files::try_lock_on_machine(&folders, &name, &holder);
            let other = match locking.map_err(|error| CommandError::of(&error))? {
                MachineLocking::Taken(lock) => return Ok(Some(lock)),
                MachineLocking::HeldBy(other) => other,
            };
            if self.stop.is_asked() {
                return Ok(None);
            }
            self.check_time(&other)?;
            // Who has just taken it may not have written who it is.
            if !is_said && (!other.is_empty() || looks > 0) {
                let who = if other.is_empty() { String::new() } else { format!(": {other}") };
                let words = format!("waiting for another apply on this machine to end{who}");
                self.progress.say(&escape::line(&words));
                is_said = true;
            }
            looks += 1;
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    /// The lease of a shared store, and whether its ledger could be read by then.
    async fn for_lease(
        self,
        store: &SharedStore,
        trial: &mut StoreTrial,
    ) -> Result<Option<(HeldLease, Result<(), StoreError>)>, CommandError> {
        let said = |error| CommandError::of(&error).help("nothing was changed");
        let (holder, duration) = (self.holder(), self.lock.lease_time);
        let request = LeaseRequest { scope: &self.session.scope, holder: &holder, duration };
        let (mut sight, mut told) = (LeaseSight::default(), None);
        loop {
            let refresh = async || self.session.engine.ledger.refresh().await;
            let now = self.context.clock.now();
            let attempt = store.try_lease(request, &mut sight, now, refresh);
            let other = match attempt.await.map_err(said)? {
                (LeaseAttempt::Taken(lease), refreshed) => {
                    return Ok(Some((self.hold(lease), refreshed)));
                }
                (LeaseAttempt::HeldBy(other), _) => other,
            };
            trial.end().await?;
            let words = in_words(&other);
            self.check_time(&words)?;
            if told.as_ref() != Some(&other) {
                self.progress.say(&escape::line(&format!(
                    "waiting for another apply to end, which holds the lease in `{}`: {words}",
                    store.name
                )));
                told = Some(other);
            }
            self.stop.sleep(LEASE_PAUSE.min(duration / 4)).await;
            if self.stop.is_asked() {
                return Ok(None);
            }
        }
    }

    /// Renews the lease while it is held; when it is lost, nothing new is begun.
    fn hold(self, lease: Box<Lease>) -> HeldLease {
        self.session.engine.ledger.begin_epoch(lease.epoch());
        let lease: Arc<Lease> = Arc::from(lease);
        let (kept, stop) = (Arc::clone(&lease), Arc::clone(self.stop));
        let (clock, progress) = (self.context.clock, self.progress.clone());
        let client = self.session.engine.client().ok().cloned();
        let keeper = tokio::spawn(async move {
            kept.keep(clock).await;
            if let Some(client) = client {
                client.close();
            }
            progress
                .say("the lease is lost: what is in flight is finished, and nothing new begins");
            stop.lose_lease();
        });
        HeldLease { lease, keeper }
    }

    /// Ends the wait after `--lock-timeout`.
    fn check_time(self, other: &str) -> Result<(), CommandError> {
        match self.lock.lock_timeout {
            Some(most) if self.since.elapsed() >= most => {
                let who = if other.is_empty() { "another apply" } else { other };
                let message = format!("the lock is held by {who}, and `--lock-timeout` is over");
                Err(CommandError::new(message)
                    .help("wait for it to end and run this again; nothing was changed")
                    .help("`qcops unlock` takes a lease from an apply that is gone"))
            }
            _ => Ok(()),
        }
    }

    /// What is stored about this apply for those who wait for it.
    fn holder(self) -> LeaseHolder {
        let context = self.context;
        let user = context.variable("USER").or_else(|| context.variable("USERNAME"));
        let user = user.unwrap_or("unknown");
        let host = files::machine_name();
        LeaseHolder {
            owner: format!("{user}@{}", host.as_deref().unwrap_or("unknown")),
            process: std::process::id(),
            folder: self.session.root().display().to_string(),
            commit: self.session.engine.manifests.repository.commit(),
            job: job(context),
            since: context.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}

/// Who holds a lease, in words.
pub(super) fn in_words(holder: &LeaseHolder) -> String {
    let LeaseHolder { owner, process, folder, commit, job, since } = holder;
    let commit = commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let job = job.as_ref().map(|job| format!(", {job}")).unwrap_or_default();
    format!("{owner}, process {process} in `{folder}` since {since}{commit}{job}")
}

/// The page of the CI job that this process belongs to.
fn job(context: &Context) -> Option<String> {
    let github = || {
        let server = context.variable("GITHUB_SERVER_URL")?;
        let repository = context.variable("GITHUB_REPOSITORY")?;
        let run = context.variable("GITHUB_RUN_ID")?;
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    };
    github().or_else(|| context.variable("CI_JOB_URL").map(str::to_owned))
}
