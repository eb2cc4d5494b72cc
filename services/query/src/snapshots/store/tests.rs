//! Against stores that lose, damage and refuse.
#![allow(clippy::unwrap_used)]

use super::*;
use async_trait::async_trait;
use ragstream_core::ports::{BlobInfo, Probe};
use ragstream_index::{Index, snapshots};
use ragstream_testkit::{FaultyBlobs, MemoryBlobs, collect, stream_of};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

fn settings() -> IndexConfig {
    IndexConfig { dimension: 4, build_threads: 1, ..IndexConfig::default() }
}

struct Case {
    memory: Arc<MemoryBlobs>,
    faults: Arc<FaultyBlobs>,
    store: Store,
    dir: TempDir,
    index: Index,
}

impl Case {
    fn new() -> Self {
        let memory = Arc::new(MemoryBlobs::new());
        let faults = Arc::new(FaultyBlobs::new(memory.clone()));
        let store = Store::new(faults.clone(), "no/de 1");
        let index = Index::new(settings()).unwrap();
        Self { memory, faults, store, dir: tempfile::tempdir().unwrap(), index }
    }

    fn hooked(&self, before_put: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Store {
        Store::new(
            Arc::new(Hooked { memory: self.memory.clone(), before_put, puts: AtomicUsize::new(0) }),
            "n",
        )
    }

    fn snapshot(&self) -> SnapshotInfo {
        self.index.snapshot(self.dir.path()).unwrap()
    }

    /// Uploads a snapshot that was taken so long ago.
    async fn upload(&self, ago: TimeDelta) -> SnapshotInfo {
        let taken = self.snapshot();
        let taken = SnapshotInfo { taken_at: taken.taken_at - ago, ..taken };
        self.store.upload(&taken).await.unwrap();
        taken
    }

    async fn fetch(&self, kept: &Kept, into: &Path) -> Result<PathBuf> {
        self.store.fetch(kept, into, &settings(), &BTreeMap::new()).await
    }

    async fn names(&self) -> Vec<String> {
        self.store.list().await.unwrap().into_iter().map(|kept| kept.name).collect()
    }
}

#[tokio::test]
async fn what_is_uploaded_can_be_fetched_and_is_the_same() {
    let case = Case::new();
    case.upload(TimeDelta::zero()).await;
    let kept = &case.store.newest_first().await[0];
    assert!(
        kept.name.ends_with("-node1") && kept.keys.len() == 4 && kept.keys.iter().all(|k| k.len() <= 120)
    );
    let here = tempfile::tempdir().unwrap();
    let folder = case.fetch(kept, here.path()).await.unwrap();
    assert_eq!(snapshots(here.path()).unwrap(), std::slice::from_ref(&folder));
    for name in SNAPSHOT_FILES {
        let original = case.dir.path().join("snapshot-0000000001").join(name);
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), std::fs::read(original).unwrap());
    }
}

#[tokio::test]
async fn a_rotated_snapshot_is_uploaded_to_its_end() {
    let case = Case::new();
    let taken = case.snapshot();
    let path = taken.path.clone();
    let rotate = move |put| {
        if put == 0 {
            std::fs::remove_dir_all(&path).unwrap();
        }
        Ok(())
    };
    case.hooked(rotate).upload(&taken).await.unwrap();
    assert!(!taken.path.exists());
    let here = tempfile::tempdir().unwrap();
    let kept = &case.store.newest_first().await[0];
    case.fetch(kept, here.path()).await.unwrap();
}

#[tokio::test]
async fn a_failed_upload_leaves_nothing_that_counts() {
    let case = Case::new();
    let taken = case.snapshot();
    for taken_puts in 0..SNAPSHOT_FILES.len() {
        let fails = move |put| match put < taken_puts {
            true => Ok(()),
            false => Err(stalled()),
        };
        assert!(case.hooked(fails).upload(&taken).await.is_err());
        assert_eq!(case.memory.keys().len(), taken_puts);
        assert!(case.store.newest_first().await.is_empty(), "after {taken_puts} files");
    }
}

#[tokio::test]
async fn the_newest_two_stay_and_what_was_abandoned_goes() {
    let case = Case::new();
    for days in [9, 3, 1, 2] {
        case.upload(TimeDelta::days(days)).await;
    }
    let all = case.names().await;
    // A copy under way, one that was given up, and what is not ours.
    for key in [
        format!("{PREFIX}{}-x/vectors.f32", (Utc::now() - TimeDelta::hours(3)).format(TIME)),
        format!("{PREFIX}{}-x/vectors.f32", (Utc::now() - TimeDelta::hours(30)).format(TIME)),
        format!("{PREFIX}notes/manifest.json"),
    ] {
        case.memory.put(&key, stream_of("x", 1)).await.unwrap();
    }
    case.store.prune(Utc::now()).await.unwrap();
    let left = case.names().await;
    assert_eq!(left[..2], all[2..], "oldest first: those of two days and one day ago");
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(case.memory.keys().contains(&format!("{PREFIX}notes/manifest.json")));
    assert_eq!(case.memory.keys().len(), 2 * 4 + 2);
}

#[tokio::test]
async fn what_is_damaged_or_does_not_fit_is_refused_and_leaves_no_file() {
    let case = Case::new();
    case.upload(TimeDelta::zero()).await;
    let kept = case.store.newest_first().await.remove(0);
    let here = tempfile::tempdir().unwrap();
    let empty = |why: &str| assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "{why}");

    case.faults.cut_next_get(20);
    assert!(case.fetch(&kept, here.path()).await.is_err());
    empty("half a manifest");
    let other = IndexConfig { dimension: 5, ..settings() };
    let unfit = case.store.fetch(&kept, here.path(), &other, &BTreeMap::new()).await.unwrap_err();
    assert_eq!(unfit.class, "snapshot");
    empty("another dimension");

    let manifest = collect(case.memory.get(&kept.manifest(), None).await.unwrap()).await.unwrap();
    for file in kept.keys.iter().filter(|key| **key != kept.manifest()) {
        let good = collect(case.memory.get(file, None).await.unwrap()).await.unwrap();
        case.memory.delete(file).await.unwrap();
        assert!(case.fetch(&kept, here.path()).await.is_err());
        empty("a file is missing");
        case.memory.put(file, stream_of([&good[..], b"more"].concat(), 3)).await.unwrap();
        assert!(case.fetch(&kept, here.path()).await.is_err());
        empty("a file is longer");
        case.memory.put(file, stream_of(good, 64)).await.unwrap();
    }
    case.memory.put(&kept.manifest(), stream_of(vec![b' '; MANIFEST_BYTES + 1], 4096)).await.unwrap();
    assert!(case.fetch(&kept, here.path()).await.is_err());
    case.memory.put(&kept.manifest(), stream_of(manifest, 64)).await.unwrap();
    case.fetch(&kept, here.path()).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_away_has_no_snapshots() {
    let case = Case::new();
    case.upload(TimeDelta::zero()).await;
    case.faults.fail_next(usize::MAX);
    assert!(case.store.newest_first().await.is_empty());
    case.faults.fail_next(0);
    assert_eq!(case.store.newest_first().await.len(), 1);
}

/// A store that asks before it takes the n-th blob.
struct Hooked<F> {
    memory: Arc<MemoryBlobs>,
    before_put: F,
    puts: AtomicUsize,
}

#[async_trait]
impl<F: Send + Sync> Probe for Hooked<F> {
    fn component(&self) -> &'static str {
        "blobs"
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl<F: Fn(usize) -> Result<()> + Send + Sync> BlobStore for Hooked<F> {
    async fn put(&self, key: &str, bytes: ByteStream) -> Result<u64> {
        (self.before_put)(self.puts.fetch_add(1, Ordering::SeqCst))?;
        self.memory.put(key, bytes).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.memory.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Option<BlobInfo>> {
        self.memory.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.memory.delete(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<BlobInfo>> {
        self.memory.list(prefix, after).await
    }
}
