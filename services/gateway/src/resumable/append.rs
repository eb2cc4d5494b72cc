//! The bytes of one request, on their way into parts.

use super::{Checksum, Resumables, bad_hash, broken_off, taken_over};
use crate::{
    metrics,
    upload::{HEAD_BYTES, new_key, told},
};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream, stream::BoxStream};
use ragstream_api::problem::Problem;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{MAX_PARTS, PART_BYTES, Progress, Resumable, StoredPart, UploadKind, fill_part},
};
use sha2::{
    Digest, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    task::{JoinError, JoinHandle},
    time::timeout,
};

/// What a body's stream ends in where it breaks off.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The bytes of a request.
pub(crate) type Body = BoxStream<'static, Result<Bytes, BodyError>>;

/// Parts that are on their way at once, while one more is being filled.
const ON_THEIR_WAY: usize = 2;
/// A body from which nothing comes for this long has broken off: mobile networks are silent for
/// less, and a client that is alive comes back.
const SILENCE: Duration = Duration::from_secs(60);
/// Numbers that are reserved at once: a write for every 64 MiB.
const RESERVED: u16 = 8;

/// A part on its way, and how far the upload is once it has arrived.
struct Sent {
    arrives: JoinHandle<Result<StoredPart>>,
    progress: Progress,
}

/// Aborts what is still on its way.
impl Drop for Sent {
    fn drop(&mut self) {
        self.arrives.abort();
    }
}

/// The writer of an upload.
pub(super) struct Writer<'a> {
    service: &'a Resumables,
    upload: Resumable,
    /// Over all bytes, those in `part` included.
    hash: Sha256,
    /// The part that is being filled: what is stored of it is the tail.
    part: BytesMut,
    /// Number of the next part.
    next: u16,
    on_their_way: VecDeque<Sent>,
    /// Parts that arrived, of a body whose checksum is not known to be right yet.
    unchecked: Vec<StoredPart>,
    has_checksum: bool,
    content_type: Option<String>,
    /// The tail that the row names.
    tail: Option<String>,
}

/// How a body ended.
enum End {
    Whole,
    BrokenOff(&'static str),
}

impl<'a> Writer<'a> {
    /// Reads back what the last writer left of a part.
    pub(super) async fn open(service: &'a Resumables, upload: Resumable) -> Result<Self> {
        let mut part = BytesMut::new();
        if let Some((key, bytes)) = &upload.progress.tail {
            let mut tail = service.ports.store.get(key, Some(0..*bytes)).await?;
            while let Some(piece) = tail.next().await {
                part.extend_from_slice(&piece?);
            }
            if part.len() as u64 != *bytes {
                return Err(Fault::failed(
                    "upload_damaged",
                    "bytes of this upload are missing in the blob store",
                ));
            }
        }
        Ok(Self {
            hash: hasher(&upload.progress.hash)?,
            next: upload.reserved + 1,
            content_type: upload.progress.content_type.clone(),
            tail: upload.progress.tail.as_ref().map(|(key, _)| key.clone()),
            service,
            upload,
            part,
            on_their_way: VecDeque::new(),
            unchecked: Vec::new(),
            has_checksum: false,
        })
    }

    /// Takes the body to its end; the upload as it is on record then.
    pub(super) async fn write(
        mut self,
        mut body: Body,
        checksum: Option<Checksum>,
    ) -> Result<Resumable, Problem> {
        let mut checksum = checksum;
        self.has_checksum = checksum.is_some();
        let end = self.receive(&mut body, &mut checksum).await?;
        match (&end, checksum) {
            (End::BrokenOff(why), Some(_)) => return Err(broken_off(why)),
            (End::Whole, Some(checksum)) => checksum.verify()?,
            (_, None) => {}
        }
        self.flush().await?;
        match end {
            End::Whole => Ok(self.upload),
            End::BrokenOff(_) if self.upload.is_complete() => Ok(self.upload),
            End::BrokenOff(why) => Err(broken_off(why)),
        }
    }

    /// The last byte that this upload may have.
    fn room(&self, offset: u64) -> u64 {
        self.upload.began.length.unwrap_or(self.service.max_file_bytes).saturating_sub(offset)
    }

    async fn receive(&mut self, body: &mut Body, checksum: &mut Option<Checksum>) -> Result<End, Problem> {
        let mut offset = self.upload.progress.offset;
        let stopping = self.service.stopping.clone();
        loop {
            let piece = tokio::select! {
                piece = timeout(SILENCE, body.next()) => piece,
                () = stopping.cancelled() => return Ok(End::BrokenOff("the gateway is stopping")),
            };
            let mut piece = match piece {
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => return Ok(End::Whole),
                Ok(Some(Err(_))) => return Ok(End::BrokenOff("the connection broke")),
                Err(_) => return Ok(End::BrokenOff("nothing came for a minute")),
            };
            if piece.len() as u64 > self.room(offset) {
                return Err(Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "file_too_large",
                    format!("there are {} bytes left of this upload, and more came", self.room(offset)),
                ));
            }
            offset += piece.len() as u64;
            metrics::UPLOAD_BYTES.inc_by(piece.len() as u64);
            if let Some(checksum) = checksum {
                checksum.update(&piece);
            }
            while !piece.is_empty() {
                let fits = fill_part(&mut self.part, &mut piece);
                self.hash.update(&fits);
                self.look_at_the_head(false)?;
                if self.part.len() == PART_BYTES {
                    self.send().await?;
                }
            }
        }
    }

    /// Tells the media type from the first bytes, once there are enough of them.
    fn look_at_the_head(&mut self, is_all: bool) -> Result<(), Problem> {
        let began = &self.upload.began;
        let is_due = self.content_type.is_none() && (is_all || self.part.len() >= HEAD_BYTES);
        if is_due && began.kind != UploadKind::Partial {
            let head = &self.part[..self.part.len().min(HEAD_BYTES)];
            self.content_type = Some(told(&began.filename, head)?);
        }
        Ok(())
    }

    /// How far the upload is once all that was taken is stored.
    fn progress(&self, tail: Option<(String, u64)>) -> Progress {
        let in_parts = self.on_their_way.back().map_or(self.in_parts(), |sent| sent.progress.offset);
        Progress {
            offset: in_parts + self.part.len() as u64,
            hash: self.hash.serialize().to_vec(),
            tail,
            content_type: self.content_type.clone(),
        }
    }

    /// Bytes that lie in parts, or are counted as such.
    fn in_parts(&self) -> u64 {
        let progress = &self.upload.progress;
        progress.offset - progress.tail.as_ref().map_or(0, |(_, bytes)| *bytes)
    }

    /// Sends the part off.
    async fn send(&mut self) -> Result<(), Problem> {
        while self.on_their_way.len() >= ON_THEIR_WAY {
            self.one_arrives().await?;
        }
        let number = self.next;
        if number > MAX_PARTS {
            return Err(Problem::unprocessable(
                "too_many_parts",
                "this upload was interrupted too often for its size: begin a new one",
            ));
        }
        let (upload_id, epoch) = (self.upload.began.upload_id, self.upload.epoch);
        if number > self.upload.reserved {
            let up_to = number.saturating_add(RESERVED - 1);
            if !self.service.ports.uploads.reserve(upload_id, epoch, up_to).await? {
                return Err(taken_over());
            }
            self.upload.reserved = up_to;
        }
        let key = self.upload.began.blob_key.clone();
        let parts_id = match &self.upload.parts_id {
            Some(id) => id.clone(),
            None => {
                let id = self.service.ports.store.begin_parts(&key).await?;
                if !self.service.ports.uploads.set_parts_id(upload_id, epoch, &id).await? {
                    self.service.ports.store.abort_parts(&key, &id).await?;
                    return Err(taken_over());
                }
                self.upload.parts_id.insert(id).clone()
            }
        };
        let progress = self.progress(None);
        let (store, bytes) = (self.service.ports.store.clone(), self.part.split().freeze());
        let arrives = tokio::spawn(async move { store.put_part(&key, &parts_id, number, bytes).await });
        self.on_their_way.push_back(Sent { arrives, progress });
        self.next += 1;
        Ok(())
    }

    /// Waits for the oldest part, and puts it on record.
    async fn one_arrives(&mut self) -> Result<(), Problem> {
        let Some(sent) = self.on_their_way.front_mut() else { return Ok(()) };
        let part = (&mut sent.arrives).await.unwrap_or_else(|error| Err(interrupted(error)))?;
        let progress = sent.progress.clone();
        self.unchecked.push(part);
        if self.has_checksum {
            // Counted, not on record: `progress` of what follows builds on it.
            self.upload.progress = progress;
            self.on_their_way.pop_front();
            return Ok(());
        }
        self.record(progress).await?;
        self.on_their_way.pop_front();
        Ok(())
    }

    async fn record(&mut self, progress: Progress) -> Result<(), Problem> {
        let (uploads, upload_id) = (&self.service.ports.uploads, self.upload.began.upload_id);
        let expires_at = self.service.expires_at();
        if !uploads.advance(upload_id, self.upload.epoch, &self.unchecked, &progress, expires_at).await? {
            return Err(taken_over());
        }
        self.unchecked.clear();
        self.upload.began.expires_at = expires_at;
        self.upload.progress = progress;
        let tail = self.upload.progress.tail.as_ref().map(|(key, _)| key.clone());
        if let Some(unneeded) = std::mem::replace(&mut self.tail, tail) {
            let service = self.service.clone();
            tokio::spawn(async move { service.discard(&unneeded).await });
        }
        Ok(())
    }

    /// Stores all that was taken, and puts it on record.
    async fn flush(&mut self) -> Result<(), Problem> {
        let is_all = self.upload.began.length == Some(self.progress(None).offset);
        if is_all {
            self.look_at_the_head(true)?;
        }
        if is_all && self.upload.parts_id.is_some() && !self.part.is_empty() {
            self.send().await?;
        }
        while !self.on_their_way.is_empty() {
            self.one_arrives().await?;
        }
        if self.part.is_empty() {
            if !self.unchecked.is_empty() {
                let progress = self.upload.progress.clone();
                self.record(progress).await?;
            }
            return Ok(());
        }
        let bytes = self.part.split().freeze();
        let size = bytes.len() as u64;
        // The whole file, or what the next request begins with.
        let key = if is_all { self.upload.began.blob_key.clone() } else { new_key() };
        self.service.ports.store.put(&key, stream::once(async { Ok(bytes) }).boxed()).await?;
        let mut progress = self.progress((!is_all).then_some((key, size)));
        progress.offset += size;
        self.record(progress).await
    }
}

fn interrupted(error: JoinError) -> Fault {
    Fault::failed("upload_interrupted", "sending a part was interrupted").caused_by(error)
}

/// SHA-256 that goes on from a state on record.
fn hasher(state: &[u8]) -> Result<Sha256> {
    if state.is_empty() {
        return Ok(Sha256::new());
    }
    let state = SerializedState::<Sha256>::try_from(state).map_err(|_| bad_hash())?;
    Sha256::deserialize(&state).map_err(|_| bad_hash())
}

/// The hash of all bytes so far.
pub(super) fn hash_of(state: &[u8]) -> Result<impl AsRef<[u8]>> {
    Ok(hasher(state)?.finalize())
}
