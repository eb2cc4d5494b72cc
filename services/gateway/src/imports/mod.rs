//! Documents that the gateway fetches itself: from addresses on the web, and from buckets that it
//! is configured to read.
//!
//! What is to be fetched is on record until it was, so that a crash forgets nothing; any gateway
//! takes what is due. A file becomes a document under its address as external id: fetched again
//! later, it is an update where it changed, and a duplicate where it did not.

mod fetch;
#[cfg(test)]
mod tests;

use crate::{
    outbound::Outbound,
    upload::{Acceptor, MAX_EXTERNAL_ID, Refused, Staged, clean_filename, rejected},
};
use chrono::{TimeDelta, Utc};
use fetch::{Fetched, Unfetched};
use futures::{StreamExt, stream};
use ragstream_api::{outage, problem::Problem};
use ragstream_core::{
    fault::{Fault, Result},
    id::{DocumentId, JobId},
    ports::{BlobStore, Import, Imports, Jobless, NewUpload, Why},
};
use ragstream_runtime::http::RequestContext;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Files that a gateway fetches at once: an import is nobody's hurry, and others have the bandwidth.
const AT_ONCE: usize = 4;
/// How often to look for what is due.
const EVERY: Duration = Duration::from_secs(2);
/// How long a gateway that has taken something may be silent before another one takes it.
const LEASE: TimeDelta = TimeDelta::minutes(30);
/// Tries of a server that can't be reached or fails, and the first pause between them.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// Pause where our own store or database is away: no attempt is used up.
const OUTAGE: TimeDelta = TimeDelta::seconds(5);

/// Buckets that documents may be fetched from, by name.
pub type Buckets = HashMap<String, Arc<dyn BlobStore>>;

/// Fetches what is due.
#[derive(Clone)]
pub(crate) struct Importer {
    pub(crate) imports: Arc<dyn Imports>,
    pub(crate) acceptor: Acceptor,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) outbound: Outbound,
    pub(crate) buckets: Arc<Buckets>,
    pub(crate) max_file_bytes: u64,
    /// There is something to fetch.
    pub(crate) begun: Arc<Notify>,
}

/// What became of one import.
enum Ended {
    /// It is a document.
    Taken,
    /// It got no job.
    Jobless(Why),
    /// It is a prefix.
    Prefix(Vec<String>),
}

/// Why it did not end.
enum Unended {
    /// Its server may be able to give it later.
    Failed(Problem),
    /// Something of ours is away.
    Unavailable(Fault),
}

impl Importer {
    /// Whether something may be fetched from there; asked again when it is.
    pub(crate) async fn check(&self, source: &str) -> Result<(), Problem> {
        match source.strip_prefix("s3://") {
            Some(place) => self.bucket(place.split('/').next().unwrap_or_default()).map(drop),
            None => self.check_url(&fetch::url_of(source)?).await,
        }
    }

    async fn check_url(&self, url: &Url) -> Result<(), Problem> {
        Ok(self.outbound.check(url).await?)
    }

    /// A bucket that may be read.
    fn bucket(&self, name: &str) -> Result<&Arc<dyn BlobStore>, Problem> {
        let refused = || {
            let setting = "its operator can add it to RAGSTREAM_GATEWAY_IMPORT_S3";
            let detail = format!("bucket {name:?} is none that this server may read: {setting}");
            Problem::unprocessable("bucket_refused", detail)
        };
        self.buckets.get(name).ok_or_else(refused)
    }

    /// Fetches until the token is cancelled.
    pub(crate) async fn run(self, token: CancellationToken) -> Result<(), Fault> {
        while !token.is_cancelled() {
            let due = match self.imports.claim_imports(AT_ONCE as u32, LEASE).await {
                Ok(due) => due,
                Err(fault) => {
                    outage::log("imports", &fault);
                    Vec::new()
                }
            };
            let is_idle = due.is_empty();
            let fetched = stream::iter(due).for_each_concurrent(AT_ONCE, |import| self.import(import));
            tokio::select! {
                () = fetched => {}
                // What is under way is taken up by whoever comes next, once its lease is over.
                () = token.cancelled() => return Ok(()),
            }
            if is_idle {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = self.begun.notified() => {}
                    () = token.cancelled() => {}
                }
            }
        }
        Ok(())
    }

    /// Fetches one, and puts on record what became of it.
    async fn import(&self, import: Import) {
        let filename = filename_of(&import.source);
        let jobless = |why| Jobless { filename: filename.clone(), why };
        let recorded = match self.try_import(&import, &filename).await {
            Ok(Ended::Taken) => self.imports.settle_import(&import, None).await,
            Ok(Ended::Jobless(why)) => self.imports.settle_import(&import, Some(&jobless(why))).await,
            Ok(Ended::Prefix(sources)) => self.imports.expand_import(&import, &sources).await,
            Err(Unended::Failed(problem)) if import.attempts + 1 >= ATTEMPTS => {
                let jobless = rejected(&filename, &problem);
                self.imports.settle_import(&import, Some(&jobless)).await
            }
            Err(Unended::Failed(_)) => {
                let pause = FIRST_PAUSE * 2_i32.pow(import.attempts.min(ATTEMPTS));
                self.imports.postpone_import(import.import_id, Utc::now() + pause, true).await
            }
            Err(Unended::Unavailable(fault)) => {
                outage::log("imports", &fault);
                self.imports.postpone_import(import.import_id, Utc::now() + OUTAGE, false).await
            }
        };
        if let Err(fault) = recorded {
            // It is taken up again once its lease is over, and is no duplicate of itself.
            outage::log("imports", &fault);
        }
    }

    async fn try_import(&self, import: &Import, filename: &str) -> Result<Ended, Unended> {
        let refused = |problem: &Problem| Ok(Ended::Jobless(rejected(filename, problem).why));
        let (name, bytes) = match fetch::fetch(self, &import.source).await {
            Ok(Fetched::File { name, bytes }) => (name.unwrap_or_else(|| filename.to_owned()), bytes),
            Ok(Fetched::Prefix(sources)) => return Ok(Ended::Prefix(sources)),
            Err(Unfetched::Never(problem)) => return refused(&problem),
            Err(Unfetched::Later(problem)) => return Err(Unended::Failed(problem)),
            Err(Unfetched::Unavailable(fault)) => return Err(Unended::Unavailable(fault)),
        };
        let name = clean_filename(Some(&name));
        let staged = match Staged::receive(bytes, &name, self.max_file_bytes, self.blobs.clone()).await {
            Ok(staged) => staged,
            Err(Refused::File(problem)) if problem.retry_after.is_some() => {
                return Err(Unended::Unavailable(Fault::unavailable("import_waits", problem.detail)));
            }
            Err(Refused::File(problem)) => return refused(&problem),
            Err(Refused::Request(error)) => {
                let detail = format!("{} broke off: {error}", import.source);
                return Err(Unended::Failed(Problem::unavailable("source_broke_off", detail)));
            }
        };
        let external_id = Some(import.source.clone()).filter(|id| id.len() <= MAX_EXTERNAL_ID);
        let upload = NewUpload {
            document_id: DocumentId::generate(),
            job_id: JobId::generate(),
            batch_id: import.wanted.batch_id,
            collection: import.wanted.collection.clone(),
            external_id: external_id.clone(),
            filename: staged.filename.clone(),
            content_type: staged.content_type.clone(),
            metadata: import.wanted.metadata.clone(),
            priority: import.wanted.priority,
            blob: staged.blob.clone(),
            correlation_id: import.wanted.correlation_id.clone(),
        };
        let context = RequestContext::of_work(&import.wanted.correlation_id);
        match self.acceptor.accept(upload, &context).await {
            Ok(accepted) if !accepted.duplicate => {
                staged.keep();
                Ok(Ended::Taken)
            }
            Ok(accepted) => {
                let document = &accepted.document;
                // This very import, where its end was not put on record.
                let is_own = accepted.batch_id == import.wanted.batch_id
                    && external_id.is_some()
                    && document.external_id == external_id;
                let why = Why::Duplicate(document.document_id, document.job_id);
                Ok(if is_own { Ended::Taken } else { Ended::Jobless(why) })
            }
            Err(fault) => {
                // Whether it took place may be unknown: the janitor removes the bytes if no row names them.
                staged.keep();
                Err(Unended::Unavailable(fault))
            }
        }
    }
}

/// A name for what lies at an address.
fn filename_of(source: &str) -> String {
    let path = source.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    clean_filename(Some(&decoded))
}
