//! One suite over every kind of store: memory, a folder, and what `QCOPS_TEST_STORES` names.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use object_store::memory::InMemory;

use super::bucket::Bucket;
use super::*;
use crate::clock::Clock;

/// Addresses of stores, separated by blanks, that the suite runs over as well; `ci/stores` starts two.
const STORES: &str = "QCOPS_TEST_STORES";

/// The stores of the suite, each with a folder that nobody else uses.
fn stores(folder: &std::path::Path) -> Vec<SharedStore> {
    let memory = memory();
    let mut stores = vec![SharedStore::over("memory".to_owned(), Arc::new(memory))];
    let folder = format!("file://{}", folder.display());
    #[expect(clippy::disallowed_methods, reason = "a test has no command line")]
    let named = std::env::var(STORES).unwrap_or_default();
    for address in std::iter::once(&*folder).chain(named.split_whitespace()) {
        let address = format!("{address}/{}", random());
        stores.push(SharedStore::open(&address, std::env::vars()).unwrap());
    }
    stores
}

fn memory() -> Bucket {
    let (folder, name) = (object_store::path::Path::from("qcops"), "memory".to_owned());
    Bucket { store: Arc::new(InMemory::new()), folder, name }
}

fn holder(owner: &str) -> LeaseHolder {
    LeaseHolder { owner: owner.to_owned(), ..LeaseHolder::default() }
}

async fn take(store: &SharedStore, owner: &str, sight: &mut LeaseSight) -> LeaseAttempt {
    try_lease(store, &holder(owner), sight).await.unwrap()
}

async fn try_lease(
    store: &SharedStore,
    holder: &LeaseHolder,
    sight: &mut LeaseSight,
) -> Result<LeaseAttempt, StoreError> {
    let request = LeaseRequest { scope: "s", holder, duration: Duration::from_secs(1) };
    let attempt = store.try_lease(request, sight, Timestamp::UNIX_EPOCH, async || ()).await;
    attempt.map(|(attempt, ())| attempt)
}

fn taken(attempt: LeaseAttempt) -> Box<Lease> {
    match attempt {
        LeaseAttempt::Taken(lease) => lease,
        LeaseAttempt::HeldBy(holder) => panic!("held by {holder:?}"),
    }
}

async fn lines(journal: &Arc<dyn Journal>) -> String {
    journal.refresh().await.unwrap();
    String::from_utf8(journal.lines().unwrap()).unwrap()
}

#[tokio::test]
async fn a_store_keeps_conditions() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        store.check().await.unwrap_or_else(|error| panic!("{}: {error}", store.name));
    }
}

#[tokio::test]
async fn of_many_who_write_at_once_one_is_first() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        for round in 0..20 {
            let name = format!("r/{round}");
            let writes = (0..4).map(|n| store.blobs.write(&name, vec![n], WriteCondition::Absent));
            let written = join_all(writes).await;
            let done = written.iter().filter(|it| matches!(it, Ok(WriteOutcome::Done(_)))).count();
            assert_eq!(done, 1, "{} {round}", store.name);
        }
        // Each adds one to a number, again and again until it may.
        store.blobs.write("n", b"0".to_vec(), WriteCondition::Absent).await.unwrap();
        let count = async || {
            for _ in 0..10 {
                loop {
                    let StoredBlob { bytes, version } =
                        store.blobs.read("n").await.unwrap().unwrap();
                    let number: u32 = String::from_utf8(bytes).unwrap().parse().unwrap();
                    let next = (number + 1).to_string().into_bytes();
                    let expected = WriteCondition::Version(version);
                    if let WriteOutcome::Done(_) =
                        store.blobs.write("n", next, expected).await.unwrap()
                    {
                        break;
                    }
                }
            }
        };
        join_all((0..4).map(|_| count())).await;
        let found = store.blobs.read("n").await.unwrap().unwrap();
        assert_eq!(String::from_utf8(found.bytes).unwrap(), "40", "{}", store.name);
    }
}

#[tokio::test]
async fn a_journal_holds_what_every_machine_has_added_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let (one, other) = (store.journal("s"), store.journal("s"));
        one.begin_epoch(1);
        for line in ["a\n", "b\n"] {
            one.append(line.into()).await.unwrap();
        }
        assert_eq!(one.lines().unwrap(), b"a\nb\n", "{}", store.name);
        assert_eq!(lines(&other).await, "a\nb\n");
        other.begin_epoch(2);
        other.append(b"c\n".to_vec()).await.unwrap();
        assert_eq!(lines(&one).await, "a\nb\nc\n");
        assert_eq!(lines(&store.journal("t")).await, "", "another scope");
    }
}

#[tokio::test]
async fn a_rewritten_journal_loses_nothing_that_others_add_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let (one, other) = (store.journal("s"), store.journal("s"));
        one.begin_epoch(1);
        for n in 0..5 {
            one.append(format!("{n}\n").into_bytes()).await.unwrap();
        }
        other.begin_epoch(2);
        other.refresh().await.unwrap();
        one.append(b"late\n".to_vec()).await.unwrap();
        other.rewrite(&|_| Some(b"short\n".to_vec())).await.unwrap();
        let mut found: Vec<String> = lines(&one).await.lines().map(str::to_owned).collect();
        found.sort_unstable();
        assert_eq!(found, ["late", "short"], "{}", store.name);
        // Nothing to shorten, and too few values to merge.
        other.rewrite(&|_| None).await.unwrap();
        assert_eq!(store.blobs.list("s/ledger").await.unwrap().len(), 2);
        for n in 0..40 {
            other.append(format!("{n}\n").into_bytes()).await.unwrap();
        }
        let before = lines(&one).await;
        other.refresh().await.unwrap();
        other.rewrite(&|_| None).await.unwrap();
        assert_eq!(store.blobs.list("s/ledger").await.unwrap().len(), 1, "{}", store.name);
        assert_eq!(lines(&one).await, before);
        assert_eq!(lines(&store.journal("s")).await, before);
    }
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_rewritten_journal_is_passed_over() {
    let store = stores(tempfile::tempdir().unwrap().path()).swap_remove(0);
    let journal = store.journal("s");
    journal.append(b"old\n".to_vec()).await.unwrap();
    let old = store.blobs.list("s/ledger").await.unwrap().swap_remove(0);
    let bytes = store.blobs.read(&old).await.unwrap().unwrap().bytes;
    for text in ["new\n", "newer\n"] {
        journal.refresh().await.unwrap();
        journal.rewrite(&|_| Some(text.into())).await.unwrap();
        // The process died before it deleted what it had merged.
        store.blobs.write(&old, bytes.clone(), WriteCondition::Absent).await.unwrap();
        assert_eq!(lines(&store.journal("s")).await, text);
        assert_eq!(lines(&journal).await, text);
    }
}

#[tokio::test]
async fn a_merged_value_that_was_cut_stands_for_nothing() {
    let store = stores(tempfile::tempdir().unwrap().path()).swap_remove(0);
    let journal = store.journal("s");
    journal.append(b"old\n".to_vec()).await.unwrap();
    let old = store.blobs.list("s/ledger").await.unwrap().swap_remove(0);
    journal.rewrite(&|_| Some(b"new\nnewer\n".to_vec())).await.unwrap();
    let merged = store.blobs.list("s/ledger").await.unwrap().swap_remove(0);
    let whole = store.blobs.read(&merged).await.unwrap().unwrap().bytes;
    for length in 0..whole.len() {
        store.blobs.delete(&merged).await.unwrap();
        store.blobs.delete(&old).await.unwrap();
        store.blobs.write(&old, b"old\n".to_vec(), WriteCondition::Absent).await.unwrap();
        let cut = whole[..length].to_vec();
        store.blobs.write(&merged, cut, WriteCondition::Absent).await.unwrap();
        assert_eq!(lines(&store.journal("s")).await, "old\n", "{length}");
    }
    store.blobs.delete(&merged).await.unwrap();
    store.blobs.write(&merged, whole, WriteCondition::Absent).await.unwrap();
    assert_eq!(lines(&store.journal("s")).await, "new\nnewer\n");
}

#[tokio::test]
async fn a_lease_is_held_by_one_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let now = Timestamp::UNIX_EPOCH;
        let first = taken(take(&store, "one", &mut LeaseSight::default()).await);
        assert_eq!(first.epoch(), 1);
        let LeaseAttempt::HeldBy(other) = take(&store, "two", &mut LeaseSight::default()).await
        else {
            panic!("{}: taken twice", store.name)
        };
        assert_eq!(other, holder("one"));
        assert_eq!(store.lease_holder("s").await.unwrap(), Some(holder("one")));
        first.release(now).await.unwrap();
        assert_eq!(store.lease_holder("s").await.unwrap(), None);
        let second = taken(take(&store, "two", &mut LeaseSight::default()).await);
        assert_eq!(second.epoch(), 2);
        // What was given back is not given back a second time.
        first.release(now).await.unwrap();
        assert_eq!(store.lease_holder("s").await.unwrap(), Some(holder("two")));
        assert!(!store.unlock("s", &holder("one"), now).await.unwrap());
        assert!(store.unlock("s", &holder("two"), now).await.unwrap());
        assert_eq!(store.lease_holder("s").await.unwrap(), None);
    }
}

/// A store in memory whose writes are answered as `harm` says, once each.
struct Harmed {
    inner: Arc<dyn Blobs>,
    harms: Harms,
}

type Harms = Arc<Mutex<Vec<Harm>>>;

#[derive(Clone, Copy)]
enum Harm {
    /// The write takes effect, and its answer is lost.
    AnswerLost,
    /// The write takes effect, and only after half a second it is known that its answer is lost.
    AnswerLostSlowly,
    /// The write takes effect, is sent again, and then finds its own value.
    SentTwice,
    /// The store cannot be reached.
    Unreachable,
}

impl Blobs for Harmed {
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>> {
        self.inner.read(name)
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome> {
        let lost =
            || StoreError::Bucket { store: "s".into(), verb: "write to", why: "lost".into() };
        let harm = self.harms.lock().unwrap().pop();
        Box::pin(async move {
            match harm {
                None => self.inner.write(name, bytes, expected).await,
                Some(Harm::Unreachable) => Err(lost()),
                Some(Harm::AnswerLost) => {
                    self.inner.write(name, bytes, expected).await?;
                    Err(lost())
                }
                Some(Harm::AnswerLostSlowly) => {
                    self.inner.write(name, bytes, expected).await?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    Err(lost())
                }
                Some(Harm::SentTwice) => {
                    self.inner.write(name, bytes, expected).await?;
                    Ok(WriteOutcome::Conflict)
                }
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        self.inner.list(folder)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        self.inner.delete(name)
    }
}

fn harmed(harms: &[Harm]) -> (SharedStore, Harms) {
    let inner: Arc<dyn Blobs> = Arc::new(memory());
    let harms = Arc::new(Mutex::new(harms.to_vec()));
    let blobs = Arc::new(Harmed { inner, harms: Arc::clone(&harms) });
    (SharedStore::over("harmed".to_owned(), blobs), harms)
}

#[tokio::test]
async fn a_store_that_ignores_a_condition_is_refused_by_name() {
    // A request that was sent twice is no broken condition.
    assert!(harmed(&[Harm::SentTwice; 2]).0.check().await.is_ok());
    for (wrong, said) in [(1, "creates a value"), (2, "replaces a value of another version")] {
        let inner: Arc<dyn Blobs> = Arc::new(memory());
        let blobs = Arc::new(Ignoring { inner, from: wrong, writes: Mutex::new(0) });
        let store = SharedStore::over("stub".to_owned(), blobs);
        let refused = store.check().await.unwrap_err().to_string();
        assert!(
            refused.contains("`stub` cannot be trusted") && refused.contains(said),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_is_read_beside_taking_a_lease_is_read_again_where_another_text_was_found() {
    for (harms, expected) in [(vec![], 1), (vec![Harm::SentTwice], 2)] {
        let (store, _) = harmed(&harms);
        let (holder, reads) = (holder("one"), Mutex::new(0));
        let read = async || *reads.lock().unwrap() += 1;
        let duration = Duration::from_secs(1);
        let request = LeaseRequest { scope: "s", holder: &holder, duration };
        let mut sight = LeaseSight::default();
        let attempt = store.try_lease(request, &mut sight, Timestamp::UNIX_EPOCH, read).await;
        assert_eq!(taken(attempt.unwrap().0).epoch(), 1);
        assert_eq!(*reads.lock().unwrap(), expected);
    }
}

/// A store that keeps conditions only for the first few writes.
struct Ignoring {
    inner: Arc<dyn Blobs>,
    from: usize,
    writes: Mutex<usize>,
}

impl Blobs for Ignoring {
    fn read<'a>(&'a self, name: &'a str) -> Pending<'a, Option<StoredBlob>> {
        self.inner.read(name)
    }

    fn write<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: WriteCondition,
    ) -> Pending<'a, WriteOutcome> {
        let number = {
            let mut writes = self.writes.lock().unwrap();
            *writes += 1;
            *writes - 1
        };
        Box::pin(async move {
            if number < self.from {
                return self.inner.write(name, bytes, expected).await;
            }
            self.inner.delete(name).await?;
            self.inner.write(name, bytes, WriteCondition::Absent).await
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Pending<'a, Vec<String>> {
        self.inner.list(folder)
    }

    fn delete<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        self.inner.delete(name)
    }
}

#[tokio::test]
async fn a_lost_answer_takes_the_lease_once_and_adds_a_line_once() {
    for harm in [Harm::AnswerLost, Harm::SentTwice] {
        let (store, _) = harmed(&[harm]);
        let lease = taken(take(&store, "one", &mut LeaseSight::default()).await);
        assert_eq!(lease.epoch(), 1);
        let LeaseAttempt::HeldBy(_) = take(&store, "two", &mut LeaseSight::default()).await else {
            panic!("taken twice")
        };
    }
    let (store, _) = harmed(&[Harm::Unreachable]);
    assert!(try_lease(&store, &holder("one"), &mut LeaseSight::default()).await.is_err());
    let (store, _) = harmed(&[Harm::SentTwice]);
    let journal = store.journal("s");
    journal.append(b"a\n".to_vec()).await.unwrap();
    assert_eq!(lines(&store.journal("s")).await, "a\n");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_is_taken_over_and_one_that_is_stays() {
    let (store, _) = harmed(&[]);
    let first: Arc<Lease> = Arc::from(taken(take(&store, "one", &mut LeaseSight::default()).await));
    let keeping = Arc::clone(&first);
    let keeper = tokio::spawn(async move { keeping.keep(Clock::System).await });
    let mut sight = LeaseSight::default();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let LeaseAttempt::HeldBy(_) = take(&store, "two", &mut sight).await else {
            panic!("taken over while it was renewed")
        };
    }
    keeper.abort();
    let mut waits = 0;
    let second = loop {
        match take(&store, "two", &mut sight).await {
            LeaseAttempt::Taken(lease) => break lease,
            LeaseAttempt::HeldBy(_) => waits += 1,
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    };
    assert_eq!((second.epoch(), waits > 1), (2, true));
    // Whoever has lost it learns so when it renews it next.
    let lost = tokio::time::timeout(Duration::from_secs(1), first.keep(Clock::System)).await;
    assert!(lost.is_ok());
    first.release(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(store.lease_holder("s").await.unwrap(), Some(holder("two")));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_is_lost_before_another_one_may_take_it() {
    let (store, harms) = harmed(&[]);
    let lease = taken(take(&store, "one", &mut LeaseSight::default()).await);
    let started = tokio::time::Instant::now();
    *harms.lock().unwrap() = vec![Harm::Unreachable; 9];
    lease.keep(Clock::System).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_good_since_it_was_asked_for_and_not_since_it_was_found() {
    let (store, harms) = harmed(&[Harm::AnswerLostSlowly]);
    let started = tokio::time::Instant::now();
    let lease = taken(take(&store, "one", &mut LeaseSight::default()).await);
    *harms.lock().unwrap() = vec![Harm::Unreachable; 9];
    lease.keep(Clock::System).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_costs_no_lease() {
    let (store, harms) = harmed(&[]);
    let lease = taken(take(&store, "one", &mut LeaseSight::default()).await);
    for _ in 0..3 {
        harms.lock().unwrap().push(Harm::AnswerLost);
        let kept = tokio::time::timeout(Duration::from_secs(2), lease.keep(Clock::System)).await;
        assert!(kept.is_err(), "it is renewed all the time");
    }
    harms.lock().unwrap().push(Harm::AnswerLost);
    let kept = tokio::time::timeout(Duration::from_millis(300), lease.keep(Clock::System)).await;
    assert!(kept.is_err());
    lease.release(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(store.lease_holder("s").await.unwrap(), None);
}

#[tokio::test]
async fn an_artifact_is_replaced_as_a_whole_and_read_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let artifacts = store.artifacts("kept");
        for name in ["plan.json", "task-7/A-1.md", "m[SPY,6].first.A-1.json"] {
            let kept = format!("kept/{name}");
            assert_eq!(store.read(&kept).await.unwrap(), None, "{}", store.name);
            for text in ["a longer text", "short", ""] {
                artifacts.write(name, text.as_bytes().to_vec()).await.unwrap();
                let read = store.read(&kept).await.unwrap();
                assert_eq!(read.as_deref(), Some(text.as_bytes()), "{} {name}", store.name);
            }
        }
    }
}

#[tokio::test]
async fn many_who_want_a_lease_get_it_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()) {
        let holding = Mutex::new(0);
        let epochs = Mutex::new(BTreeSet::new());
        let work = async |owner: String| {
            let mut sight = LeaseSight::default();
            let lease = loop {
                match take(&store, &owner, &mut sight).await {
                    LeaseAttempt::Taken(lease) => break lease,
                    LeaseAttempt::HeldBy(_) => tokio::task::yield_now().await,
                }
            };
            assert!(epochs.lock().unwrap().insert(lease.epoch()));
            let before = std::mem::replace(&mut *holding.lock().unwrap(), 1);
            assert_eq!(before, 0, "{}", store.name);
            tokio::task::yield_now().await;
            *holding.lock().unwrap() = 0;
            lease.release(Timestamp::UNIX_EPOCH).await.unwrap();
        };
        join_all((0..8).map(|n| work(format!("w{n}")))).await;
        assert_eq!(*epochs.lock().unwrap(), (1..=8).collect(), "{}", store.name);
    }
}

#[tokio::test]
async fn addresses_of_stores_are_read_and_show_no_secret() {
    let open = |address: &str| match SharedStore::open(address, std::iter::empty()) {
        Ok(store) => store.name,
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(open("s3://bucket/folder"), "s3://bucket/folder");
    assert_eq!(open("file:///var/lib/qcops"), "file:///var/lib/qcops");
    for secret in ["gs://user:secret@bucket/a", "s3://bucket/a?b=secret", "az://x#secret"] {
        assert_eq!(
            open(secret),
            "error: the address of a store holds a user, a query or a fragment"
        );
    }
    for wrong in ["bucket", "http://bucket/folder", "ftp://x", "s3:", "file://host/x"] {
        assert!(open(wrong).contains("s3://BUCKET/FOLDER"), "{}", open(wrong));
    }
}
