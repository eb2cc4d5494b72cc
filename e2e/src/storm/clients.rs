//! Those who use the cluster: good clients, who try again until they are answered.

use super::{
    Sky,
    ledger::{Document, Fate},
};
use crate::{api::Answer, text};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// The longest that an answer may take: past what any request of these waits for.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// How long a request is tried before it counts as never answered.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pauses between requests: the machine has to embed all of it.
const PAUSE_MS: std::ops::Range<u64> = 100..900;
/// Most parts of a text.
const PARTS: usize = 30;

/// Changes documents of its own, one request at a time.
pub(super) struct Client {
    number: u64,
    texts: u64,
    rng: StdRng,
    sky: Arc<Sky>,
    documents: Vec<Document>,
    /// What was deleted and then uploaded again: another document.
    graves: Vec<Document>,
}

impl Client {
    pub(super) fn new(number: u64, seed: u64, sky: Arc<Sky>) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number + 1));
        Self { number, texts: 0, rng, sky, documents: Vec::new(), graves: Vec::new() }
    }

    /// Goes on until the storm is over; then lets go of what it holds. Its documents.
    pub(super) async fn run(mut self) -> Vec<Document> {
        while !self.sky.is_over() {
            match self.rng.random_range(0..100) {
                0..52 => self.create().await,
                52..60 => self.upload_again().await,
                60..76 => self.update().await,
                76..84 => self.delete().await,
                84..92 => self.cancel().await,
                _ => self.pause_or_resume().await,
            }
            let pause = self.rng.random_range(PAUSE_MS);
            sleep(Duration::from_millis(pause)).await;
        }
        for i in 0..self.documents.len() {
            if self.documents[i].paused {
                self.resume(i).await;
            }
        }
        self.documents.extend(self.graves);
        self.documents
    }

    /// A new text: most are short, some are long.
    fn text(&mut self) -> (String, usize) {
        self.texts += 1;
        let parts = match self.rng.random_range(0..10) {
            0 => self.rng.random_range(1..=PARTS),
            _ => self.rng.random_range(1..=6),
        };
        (format!("client {} text {}", self.number, self.texts), parts)
    }

    /// One of its documents that is not deleted.
    fn any(&mut self) -> Option<usize> {
        let live: Vec<_> =
            (0..self.documents.len()).filter(|i| self.documents[*i].fate != Fate::Deleted).collect();
        live.choose(&mut self.rng).copied()
    }

    /// One that may still be under way.
    fn recent(&mut self) -> Option<usize> {
        let last = self.documents.len().checked_sub(1)?;
        Some(last.saturating_sub(self.rng.random_range(0..3)))
            .filter(|i| self.documents[*i].fate == Fate::Complete)
    }

    async fn create(&mut self) {
        let (name, parts) = self.text();
        let external_id = self.rng.random_bool(0.5).then(|| name.replace(' ', "-"));
        if let Some(answer) = self.upload(&name, parts, external_id.as_deref()).await {
            let Some((id, job, version)) = self.ids(&answer) else { return };
            self.documents.push(Document {
                id,
                job,
                version,
                name,
                parts,
                external_id,
                paused: false,
                fate: Fate::Complete,
            });
        }
    }

    /// The same bytes: a duplicate, or asked for anew where they were cancelled or deleted.
    async fn upload_again(&mut self) {
        let Some(document) = self.documents.choose(&mut self.rng).cloned() else { return };
        let Some(answer) = self.upload(&document.name, document.parts, document.external_id.as_deref()).await
        else {
            return;
        };
        let Some((id, job, version)) = self.ids(&answer) else { return };
        let i = self.documents.iter().position(|known| known.name == document.name);
        let i = i.expect("a client forgets no document");
        match document.fate {
            Fate::Complete => {
                if (answer.status.as_u16(), &id, &job) != (200, &document.id, &document.job) {
                    self.sky.wrong(format!("the same bytes are no duplicate of {document:?}: {answer:?}"));
                }
            }
            Fate::Cancelled | Fate::Deleted => {
                if document.fate == Fate::Deleted && id == document.id {
                    self.sky.wrong(format!("a deleted document was found again: {document:?}, {answer:?}"));
                }
                if document.fate == Fate::Deleted {
                    self.graves.push(document);
                }
                let known = &mut self.documents[i];
                (known.id, known.job, known.version) = (id, job, version);
                (known.fate, known.paused) = (Fate::Complete, false);
            }
        }
    }

    async fn update(&mut self) {
        let Some(i) = self.any() else { return };
        let Some(external_id) = self.documents[i].external_id.clone() else { return };
        let (name, parts) = self.text();
        let Some(answer) = self.upload(&name, parts, Some(&external_id)).await else { return };
        let Some((id, job, version)) = self.ids(&answer) else { return };
        let known = &mut self.documents[i];
        if id != known.id || version <= known.version {
            self.sky.wrong(format!("no update of {known:?}: {answer:?}"));
        }
        (known.job, known.version, known.name, known.parts) = (job, version, name, parts);
        (known.fate, known.paused) = (Fate::Complete, false);
    }

    async fn delete(&mut self) {
        let Some(i) = self.any() else { return };
        let path = format!("/api/v2/documents/{}", self.documents[i].id);
        // Where an answer was lost, the next one is that there is no such document.
        if self
            .ask("delete", &[200, 202, 204, 404], |api| api.client.delete(format!("{}{path}", api.base)))
            .await
            .is_some()
        {
            self.documents[i].fate = Fate::Deleted;
            self.documents[i].paused = false;
        }
    }

    async fn cancel(&mut self) {
        let Some(i) = self.recent() else { return };
        if self.command(i, "cancel").await == Some(true) {
            self.documents[i].fate = Fate::Cancelled;
            self.documents[i].paused = false;
        }
    }

    async fn pause_or_resume(&mut self) {
        if let Some(i) = (0..self.documents.len()).find(|i| self.documents[*i].paused) {
            return self.resume(i).await;
        }
        let Some(i) = self.recent() else { return };
        if self.command(i, "pause").await == Some(true) {
            self.documents[i].paused = true;
        }
    }

    async fn resume(&mut self, i: usize) {
        // Refused where an answer was lost and the job goes on already.
        if self.command(i, "resume").await.is_some() {
            self.documents[i].paused = false;
        }
    }

    /// `Some(false)` where the job takes no such command any more.
    async fn command(&mut self, i: usize, command: &str) -> Option<bool> {
        let path = format!("/api/v2/jobs/{}/{command}", self.documents[i].job);
        let answer =
            self.ask(command, &[200, 202, 409], |api| api.client.post(format!("{}{path}", api.base))).await?;
        Some(answer.status != 409)
    }

    async fn upload(&mut self, name: &str, parts: usize, external_id: Option<&str>) -> Option<Answer> {
        let (file, body) = (format!("{name}.md"), text::document(name, parts).into_bytes());
        let fields: Vec<_> = external_id.map(|id| ("external_id", id)).into_iter().collect();
        self.ask("upload", &[200, 202], |api| api.upload_request([(file.as_str(), body.clone())], &fields))
            .await
    }

    fn ids(&self, answer: &Answer) -> Option<(String, String, i64)> {
        let text = |field: &str| Some(answer.body[field].as_str()?.to_owned());
        let ids = text("document_id").zip(text("job_id")).zip(answer.body["version"].as_i64());
        if ids.is_none() {
            self.sky.wrong(format!("an upload's answer without ids: {answer:?}"));
        }
        ids.map(|((document, job), version)| (document, job, version))
    }

    /// Asks until there is an answer: another gateway where one is gone, again where it says so.
    async fn ask(
        &mut self,
        what: &str,
        expected: &[u16],
        request: impl Fn(&crate::api::Api) -> reqwest::RequestBuilder,
    ) -> Option<Answer> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let gateways = self.sky.gateways.clone();
            let api = gateways.choose(&mut self.rng).expect("there are gateways");
            match timeout(LONGEST_ANSWER, api.try_send(request(api))).await {
                Ok(Ok(answer)) if expected.contains(&answer.status.as_u16()) => return Some(answer),
                Ok(Ok(answer)) if answer.status == 503 => {}
                Ok(Ok(answer)) => {
                    self.sky.wrong(format!("{what}: {answer:?}"));
                    return None;
                }
                // Killed, or not back yet.
                Ok(Err(_)) => {}
                Err(_) => self.sky.wrong(format!("{what}: no answer within {LONGEST_ANSWER:?}")),
            }
            sleep(Duration::from_millis(250)).await;
        }
        self.sky.wrong(format!("{what}: not answered for {PATIENCE:?}"));
        None
    }
}

/// Searches until the storm is over; how many answers there were.
pub(super) async fn search(sky: Arc<Sky>, seed: u64, number: u64) -> usize {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_sub(number + 1));
    let mut answers = 0;
    while !sky.is_over() {
        let about =
            format!("client {} text {}", rng.random_range(0..super::CLIENTS), rng.random_range(1..200));
        let body = json!({"query": format!("the storm of {about}"), "top_k": 20});
        let api = sky.gateways.choose(&mut rng).expect("there are gateways");
        let request = api.client.post(format!("{}/api/v2/search", api.base)).json(&body);
        match timeout(LONGEST_ANSWER, api.try_send(request)).await {
            Ok(Ok(answer)) if answer.status == 200 => {
                answers += 1;
                one_version_each(&sky, &answer);
            }
            Ok(Ok(answer)) if answer.status == 503 => {}
            Ok(Ok(answer)) => sky.wrong(format!("search: {answer:?}")),
            Ok(Err(_)) => {}
            Err(_) => sky.wrong(format!("search: no answer within {LONGEST_ANSWER:?}")),
        }
        sleep(Duration::from_millis(100)).await;
    }
    answers
}

/// All passages of a document are of one text: never of the old version and the new one.
fn one_version_each(sky: &Sky, answer: &Answer) {
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    for passage in answer.body["passages"].as_array().into_iter().flatten() {
        let (Some(document), Some(file)) = (passage["document_id"].as_str(), passage["filename"].as_str())
        else {
            sky.wrong(format!("a passage without its document: {passage}"));
            continue;
        };
        // Each version is uploaded under a name of its own.
        let first = *files.entry(document).or_insert(file);
        if first != file {
            sky.wrong(format!("{document} is found as {first} and as {file} at once"));
        }
    }
}
