//! Snapshots in blob storage: `snapshots/<time>-<node>/<file>`, whole once its
//! manifest is there, for that comes last.

use crate::view::blocking;
use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, ByteStream},
};
use ragstream_index::{Fit, Incoming, IndexConfig, SNAPSHOT_FILES, SnapshotInfo};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};
use tokio_util::io::ReaderStream;

/// All keys of snapshots begin so.
const PREFIX: &str = "snapshots/";
/// The time in a name: sorts as time does.
const TIME: &str = "%Y%m%dT%H%M%S%3fZ";
/// Characters of a time in a name.
const TIME_CHARS: usize = 19;
/// Characters of a node's name that its snapshots carry: keys stay below 120 bytes.
const NODE_CHARS: usize = 32;

/// Whole snapshots that stay, of all nodes together: the newest, and the one before
/// for the case that it is damaged.
const KEPT: usize = 2;
/// Unfinished ones that are older were left by a process that died.
const UNFINISHED_AGE: TimeDelta = TimeDelta::days(1);
/// How long a start waits to hear what there is.
const LIST_PATIENCE: Duration = Duration::from_secs(3);
/// How long a start waits for the next piece of a snapshot.
const PIECE_PATIENCE: Duration = Duration::from_secs(5);
/// Largest manifest that is read: one has a few hundred bytes and a line for each partition.
const MANIFEST_BYTES: usize = 1 << 20;
/// Bytes of a file in memory at a time while it is copied.
const COPY_BUFFER: usize = 256 << 10;

/// A snapshot in blob storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its folder, without the prefix.
    pub(crate) name: String,
    taken_at: DateTime<Utc>,
    keys: Vec<String>,
}

impl Kept {
    fn manifest(&self) -> String {
        key(&self.name, MANIFEST)
    }

    fn is_whole(&self) -> bool {
        self.keys.contains(&self.manifest())
    }
}

/// The file that comes last.
const MANIFEST: &str = SNAPSHOT_FILES[SNAPSHOT_FILES.len() - 1];

fn key(name: &str, file: &str) -> String {
    format!("{PREFIX}{name}/{file}")
}

/// The snapshots in blob storage, as one node sees them.
#[derive(Clone)]
pub(crate) struct Store {
    blobs: Arc<dyn BlobStore>,
    node: String,
}

impl Store {
    /// Snapshots of `node` carry its name, as far as that is letters and digits.
    pub(crate) fn new(blobs: Arc<dyn BlobStore>, node: &str) -> Self {
        let node = node.chars().filter(char::is_ascii_alphanumeric).take(NODE_CHARS).collect();
        Self { blobs, node }
    }

    /// Whole ones, newest first; none, which is logged, where the store does not answer soon.
    pub(super) async fn newest_first(&self) -> Vec<Kept> {
        let listed = match tokio::time::timeout(LIST_PATIENCE, self.list()).await {
            Ok(listed) => listed,
            Err(_) => Err(Fault::unavailable("blob_store_slow", "no answer in time")),
        };
        match listed {
            Ok(kept) => kept.into_iter().rev().filter(Kept::is_whole).take(KEPT).collect(),
            Err(fault) => {
                tracing::warn!(error = %fault, "blob storage does not tell which snapshots it has");
                Vec::new()
            }
        }
    }

    /// All of them, oldest first. Keys that are not named as ours are left alone.
    async fn list(&self) -> Result<Vec<Kept>> {
        let mut found: BTreeMap<String, Kept> = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.blobs.list(PREFIX, after.as_deref()).await?;
            let Some(last) = page.last() else { return Ok(found.into_values().collect()) };
            after = Some(last.key.clone());
            for blob in page {
                let Some((name, _)) = blob.key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/'))
                else {
                    continue;
                };
                let Some(taken_at) = taken_at(name) else { continue };
                let kept = || Kept { name: name.to_owned(), taken_at, keys: Vec::new() };
                found.entry(name.to_owned()).or_insert_with(kept).keys.push(blob.key);
            }
        }
    }

    /// Copies one into `dir`, where it is a snapshot then. `Err`: it is of no use, or
    /// the store does not give it.
    pub(super) async fn fetch(
        &self,
        kept: &Kept,
        dir: &Path,
        settings: &IndexConfig,
        log: &BTreeMap<i32, Range<i64>>,
    ) -> Result<PathBuf> {
        let manifest = self.manifest_of(kept).await?;
        let (dir, settings, log) = (dir.to_owned(), settings.clone(), log.clone());
        let incoming = blocking(move || {
            Incoming::begin(&dir, manifest, &settings, &Fit { log: Some(&log), ..Fit::now() })
        });
        let incoming = incoming.await?;
        for (name, bytes) in incoming.files() {
            self.copy(&key(&kept.name, name), *bytes, &incoming.folder().join(name)).await?;
        }
        blocking(move || incoming.finish()).await
    }

    async fn manifest_of(&self, kept: &Kept) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut pieces = self.get(&kept.manifest()).await?;
        while let Some(piece) = next(&mut pieces).await? {
            if bytes.len() + piece.len() > MANIFEST_BYTES {
                return Err(damaged("its manifest is larger than any can be"));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    async fn copy(&self, key: &str, bytes: u64, path: &Path) -> Result<()> {
        let mut pieces = self.get(key).await?;
        let mut file = BufWriter::with_capacity(COPY_BUFFER, File::create_new(path).await.map_err(disk)?);
        let mut left = bytes;
        while let Some(piece) = next(&mut pieces).await? {
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| damaged("a file is longer than it was"))?;
            file.write_all(&piece).await.map_err(disk)?;
        }
        file.flush().await.map_err(disk)?;
        file.get_ref().sync_all().await.map_err(disk)
    }

    async fn get(&self, key: &str) -> Result<ByteStream> {
        let asked = tokio::time::timeout(PIECE_PATIENCE, self.blobs.get(key, None)).await;
        asked.unwrap_or_else(|_| Err(stalled()))
    }

    /// Copies a finished snapshot into the store. Files that are removed meanwhile are
    /// still read to their end: they are all opened first.
    pub(super) async fn upload(&self, snapshot: &SnapshotInfo) -> Result<()> {
        let mut files = Vec::with_capacity(SNAPSHOT_FILES.len());
        for name in SNAPSHOT_FILES {
            files.push((name, File::open(snapshot.path.join(name)).await.map_err(disk)?));
        }
        let name = format!("{}-{}", snapshot.taken_at.format(TIME), self.node);
        for (file_name, file) in files {
            let pieces = ReaderStream::with_capacity(file, COPY_BUFFER).map_err(disk).boxed();
            self.blobs.put(&key(&name, file_name), pieces).await?;
        }
        Ok(())
    }

    /// Removes what the newest have made superfluous, and what was never finished.
    pub(super) async fn prune(&self, now: DateTime<Utc>) -> Result<()> {
        let (whole, unfinished): (Vec<_>, Vec<_>) = self.list().await?.into_iter().partition(Kept::is_whole);
        let superfluous = whole.into_iter().rev().skip(KEPT);
        let abandoned = unfinished.into_iter().filter(|kept| now - kept.taken_at > UNFINISHED_AGE);
        for kept in superfluous.chain(abandoned) {
            // First the one that makes it whole: nobody takes half of it for a snapshot.
            self.blobs.delete(&kept.manifest()).await?;
            for key in kept.keys.iter().filter(|key| **key != kept.manifest()) {
                self.blobs.delete(key).await?;
            }
        }
        Ok(())
    }
}

fn taken_at(name: &str) -> Option<DateTime<Utc>> {
    let time = name.get(..TIME_CHARS).filter(|_| name[TIME_CHARS..].starts_with('-'))?;
    NaiveDateTime::parse_from_str(time, TIME).ok().map(|time| time.and_utc())
}

async fn next(pieces: &mut ByteStream) -> Result<Option<Bytes>> {
    tokio::time::timeout(PIECE_PATIENCE, pieces.try_next()).await.unwrap_or_else(|_| Err(stalled()))
}

fn stalled() -> Fault {
    Fault::unavailable("blob_store_slow", "blob storage stopped sending")
}

fn disk(error: std::io::Error) -> Fault {
    Fault::unavailable("index_disk", "the index's disk needs attention").caused_by(error)
}

fn damaged(why: &str) -> Fault {
    Fault::invalid("snapshot", why)
}

#[cfg(test)]
mod tests;
