//! The index as its callers see it.

use crate::{
    builder,
    config::IndexConfig,
    diversity,
    error::IndexError,
    explain::{self, Explainer, Explanation, Target},
    filter::Filter,
    fusion::fuse,
    keyword::{self, index::Vocabulary, terms::Side},
    metrics::METRICS,
    record::ChunkRecord,
    request::*,
    shared::Shared,
    snapshot::{self, Fit},
    snippet::{self, Snippet},
    vector::{self, dot::Dot, search::Walk},
    view::View,
    writer::Writer,
};
use ragstream_core::id::{ChunkId, DocumentId, Version};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tracing::warn;

/// Candidates that each leg gives to the fusion, at least: what is beyond of one leg moves
/// into a top ten by the other alone.
const LEG_DEPTH: usize = 64;

/// Candidates for each hit wanted, where many are wanted.
const LEG_DEPTH_FACTOR: usize = 2;

/// Rows from which the legs run side by side: keywords take about a millisecond for 30,000 then
/// (`ragstream bench search`), and a thread a twentieth of that.
const SIDE_BY_SIDE_ROWS: usize = 10_000;

/// Does `beside` on a thread of its own meanwhile; after `here`, where there can't be one.
fn side_by_side<A, B: Send>(here: impl FnOnce() -> A, beside: impl Fn() -> B + Sync) -> (A, B) {
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().name("index-keywords".into()).spawn_scoped(scope, &beside);
        let done = here();
        let other = match other {
            Ok(other) => other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => beside(),
        };
        (done, other)
    })
}

fn leg_depth(top_k: usize) -> usize {
    if top_k == 0 { 0 } else { LEG_DEPTH.max(top_k * LEG_DEPTH_FACTOR) }
}

/// The searchable view of the `chunk-embeddings` topic.
///
/// All methods take `&self` and may be called from any thread; `apply` calls
/// wait for each other, searches wait for nothing. All of them compute: call
/// them from a thread that may block.
pub struct Index {
    config: IndexConfig,
    dot: Dot,
    vocabulary: Vocabulary,
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    snapshots: Mutex<()>,
    builder: Option<JoinHandle<()>>,
}

impl Index {
    /// An empty index: replay the log from its beginning.
    pub fn new(config: IndexConfig) -> Result<Self, IndexError> {
        Self::from_view(config, |_| Ok(HashMap::new()))
    }

    /// The newest snapshot of `dir`; go on with the log at [`positions`](Self::positions).
    ///
    /// `None`: there is no snapshot. Errors as in [`open`](Self::open).
    pub fn restore(config: IndexConfig, dir: &Path) -> Result<Option<Self>, IndexError> {
        let newest = snapshot::snapshots(dir)?.into_iter().next();
        newest.map(|newest| Self::open(config, &newest, &Fit::now())).transpose()
    }

    /// One of the [`snapshots`](crate::snapshots()); go on with the log at [`positions`](Self::positions).
    ///
    /// [`IndexError::Damaged`], [`IndexError::Io`]: it is not, or no longer, what was
    /// written: [put it aside](crate::put_aside). [`IndexError::Unfit`]: it is whole,
    /// but not for this index. In all these cases open the one before, or replay the log.
    pub fn open(config: IndexConfig, snapshot: &Path, fit: &Fit<'_>) -> Result<Self, IndexError> {
        Self::from_view(config.clone(), |view| snapshot::read(snapshot, &config, fit, view))
    }

    fn from_view(
        config: IndexConfig,
        fill: impl FnOnce(&mut View) -> Result<HashMap<ChunkId, u32>, IndexError>,
    ) -> Result<Self, IndexError> {
        config.check()?;
        let dot = Dot::detect();
        let (mut keywords, vocabulary) = keyword::index::open(&config)?;
        let searcher = keywords.searcher()?;
        let mut view = View::empty(config.dimension, config.rebuild_dead_share, searcher);
        let chunks = fill(&mut view)?;
        for row in view.live.iter() {
            if let Some(record) = view.record(row) {
                keywords.add(row, record)?;
            }
        }
        view.searcher = keywords.searcher()?;
        let shared = Arc::new(Shared::new(view));
        let builder = builder::start(shared.clone(), config.clone(), dot).map_err(IndexError::Thread)?;
        let index = Self {
            config,
            dot,
            vocabulary,
            shared,
            writer: Mutex::new(Writer { chunks, keywords, broken: false }),
            snapshots: Mutex::default(),
            builder: Some(builder),
        };
        Ok(index)
    }

    /// Applies events in the order of the log; searches see all of them in one step.
    ///
    /// Events of a partition below its position are not applied again, only
    /// reported again. `Err`: nothing became visible, positions stay, and the
    /// index takes no more events: restore it or replay the log.
    pub fn apply(&self, events: Vec<Positioned>) -> Result<Applied, IndexError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.apply(&self.shared, &self.config, events)
    }

    /// Next offset to read for each partition of which anything was applied.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        self.shared.view().positions.clone()
    }

    /// The version of `document` that searches see.
    pub fn visible_version(&self, document: DocumentId) -> Option<Version> {
        self.shared.view().documents.get(document).and_then(|entry| entry.shown)
    }

    /// Whether the deletion of `document` was applied.
    pub fn is_deleted(&self, document: DocumentId) -> bool {
        self.shared.view().documents.get(document).is_some_and(|entry| entry.is_deleted())
    }

    /// What is held of `document`; empty where nothing is.
    pub fn document(&self, document: DocumentId) -> DocumentState {
        self.shared.view().state(document)
    }

    /// What searches see, summed up: to compare with the log, the database and other nodes.
    pub fn contents(&self) -> Contents {
        self.contents_within(&Filter::default())
    }

    /// The same of the collections that `filter` names, or of all where it names none; its
    /// other conditions are not looked at.
    pub fn contents_within(&self, filter: &Filter) -> Contents {
        self.shared.view().contents(filter)
    }

    /// What searches see, one by one.
    pub fn visible_chunks(&self) -> Vec<(DocumentId, Version, ChunkId)> {
        let view = self.shared.view();
        let records = view.visible.iter().filter_map(|row| view.record(row));
        records
            .map(|record| (record.document.document_id, record.document.version, record.chunk.id))
            .collect()
    }

    /// All chunks that are held, visible or not.
    pub fn held_chunks(&self) -> Vec<ChunkId> {
        let view = self.shared.view();
        view.live.iter().filter_map(|row| view.record(row)).map(|record| record.chunk.id).collect()
    }

    /// The version of each document that searches see.
    pub fn visible_versions(&self) -> Vec<(DocumentId, Version)> {
        let view = self.shared.view();
        view.documents.iter().filter_map(|(id, entry)| Some((*id, entry.shown?))).collect()
    }

    /// How each of these chunks is held. Waits for an `apply` that is under way.
    pub fn presence(&self, chunks: &[ChunkId]) -> Vec<Presence> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.shared.view();
        chunks
            .iter()
            .map(|id| match writer.chunks.get(id) {
                Some(row) if view.visible.contains(*row) => Presence::Visible,
                Some(_) => Presence::Staged,
                None => Presence::Absent,
            })
            .collect()
    }

    /// Finds chunks. `Err` of [`IndexError::Request`]: the vector can't be
    /// used, or is missing where only vectors are searched; or `diversity` is no share.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchHits, IndexError> {
        if let Some(lambda) = request.diversity.filter(|lambda| !(0.0..=1.0).contains(lambda)) {
            return Err(IndexError::Request(format!("diversity is {lambda}: give 0 to 1")));
        }
        let question = explain::question(request, &self.config)?;
        let top_k = request.top_k.min(MAX_TOP_K);
        let depth = leg_depth(top_k);
        let mut timings = Timings::default();

        let began = Instant::now();
        let moment = self.shared.moment();
        let view = &*moment.view;
        let allowed = view.select(&request.filter);
        timings.vector = began.elapsed();
        let walk = moment.graph.as_ref().map(|(graph, watermark)| Walk { graph, watermark: *watermark });
        let per_document = request.per_document;
        let nearest = || {
            let began = Instant::now();
            let found = question.as_ref().map(|question| {
                let (config, dot) = (&self.config, self.dot);
                vector::search::search(view, walk, config, dot, question, &allowed, depth, per_document)
            });
            (found, began.elapsed())
        };
        let worded = || {
            let began = Instant::now();
            let found = match request.mode {
                Legs::Vector => Ok(Vec::new()),
                Legs::Hybrid | Legs::Keyword => {
                    let (words, text) = (&self.vocabulary, &request.text);
                    keyword::search::search(view, words, text, &allowed, depth, per_document)
                }
            };
            (found, began.elapsed())
        };
        let ((vectors, nearing), (keywords, wording)) = match request.mode {
            Legs::Hybrid if allowed.len() >= SIDE_BY_SIDE_ROWS => side_by_side(nearest, worded),
            _ => (nearest(), worded()),
        };
        let keywords = keywords?;
        timings.vector += nearing;
        timings.keyword = wording;

        let began = Instant::now();
        let (vectors, vector_path) = match vectors {
            Some((vectors, path)) => (vectors, Some(path)),
            None => (Vec::new(), None),
        };
        let mut fused = fuse(view, &vectors, &keywords, depth, request.per_document);
        match request.diversity {
            Some(lambda) => fused = diversity::choose(view, self.dot, fused, top_k, lambda),
            None => fused.truncate(top_k),
        }
        let hits = fused.into_iter().map(|fused| fused.hit).collect();
        timings.fusion = began.elapsed();

        let observe = |leg: &str, time: Duration| {
            METRICS.search_seconds.with_label_values(&[leg]).observe(time.as_secs_f64());
        };
        if vector_path.is_some() {
            observe("vector", timings.vector);
        }
        if request.mode != Legs::Vector {
            observe("keyword", timings.keyword);
        }
        observe("fusion", timings.fusion);
        Ok(SearchHits {
            hits,
            timings,
            candidates: allowed.len(),
            vector_path,
            positions: view.positions.clone(),
            view: moment.view.clone(),
        })
    }

    /// Why a search finds `target` where it does, or not at all. Compares every row that
    /// passes the filter; waits for an `apply` that is under way where a chunk is named.
    /// Errors as those of [`search`](Self::search).
    pub fn explain(&self, request: &SearchRequest, target: Target) -> Result<Explanation, IndexError> {
        let (view, found) = match target {
            Target::Document(document) => (self.shared.view(), Some((document, None))),
            Target::Chunk(chunk) => {
                let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                let (row, view) = (writer.chunks.get(&chunk).copied(), self.shared.view());
                let document = row.and_then(|row| Some(view.record(row)?.document.document_id));
                (view, document.map(|document| (document, row)))
            }
        };
        let explainer = Explainer {
            view: &view,
            dot: self.dot,
            vocabulary: &self.vocabulary,
            depth: leg_depth(request.top_k.min(MAX_TOP_K)),
        };
        let question = explain::question(request, &self.config)?;
        match found {
            Some((document, row)) => explainer.explain(request, document, row, question.as_deref()),
            None => Ok(explainer.unknown(request)),
        }
    }

    /// The window of `text` of at most `max_chars` characters that says most of `query`, by
    /// the terms of the keyword leg and their weights, and where these stand in it.
    pub fn snippet(&self, text: &str, query: &str, max_chars: usize) -> Snippet {
        snippet::snippet(&self.vocabulary.terms, text, &self.term_weights(query), max_chars)
    }

    /// Up to `n` chunks before and up to `n` behind a hit's in its document, in order, itself left
    /// out; none once another version of it is visible. [`SearchHits::neighbours`] is of
    /// the search's own moment.
    pub fn neighbours(&self, hit: &Hit, n: usize) -> Vec<Arc<ChunkRecord>> {
        self.shared.view().neighbours(&hit.record, n)
    }

    /// The vector of a visible chunk, of length 1, for instance to tell how
    /// much two hits say the same.
    pub fn vector_of(&self, hit: &Hit) -> Option<Vec<f32>> {
        let view = self.shared.view();
        let entry = view.documents.get(hit.record.document.document_id)?;
        let rows = &entry.held.get(&hit.record.document.version)?.rows;
        let row = rows.iter().find(|row| view.record(**row).is_some_and(|r| r.chunk.id == hit.chunk_id))?;
        view.vector(*row).map(<[f32]>::to_vec)
    }

    /// The distinct terms of a question, stop words left out where anything
    /// else is left, each with its inverse document frequency; rarest first.
    ///
    /// Where the keyword index can't tell, which it logs, all weigh 1.
    pub fn term_weights(&self, text: &str) -> Vec<(String, f32)> {
        let view = self.shared.view();
        let terms = self.vocabulary.question(text);
        self.vocabulary.weights(&view.searcher, &terms).unwrap_or_else(|error| {
            warn!(%error, "term frequencies can't be read");
            terms.into_iter().map(|term| (term, 1.0)).collect()
        })
    }

    /// The terms of a text as it is indexed: it says what `text` is about
    /// exactly if it has a term of [`term_weights`](Self::term_weights).
    pub fn analyze(&self, text: &str) -> Vec<String> {
        self.vocabulary.terms.of(text, Side::Document)
    }

    /// Writes all that is held, staged chunks too, into a new folder of `dir`,
    /// which is made if missing and belongs to one index alone. Whole or not
    /// at all, durable on return; the one before is kept, older ones are
    /// removed. Searches and `apply` go on meanwhile.
    pub fn snapshot(&self, dir: &Path) -> Result<SnapshotInfo, IndexError> {
        let _one_at_a_time = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = METRICS.snapshot_seconds.start_timer();
        let info = snapshot::write(&self.shared.view(), &self.config, dir)?;
        timer.observe_duration();
        Ok(info)
    }

    /// Sizes.
    pub fn stats(&self) -> IndexStats {
        let moment = self.shared.moment();
        let view = &moment.view;
        let graph = moment.graph.map(|(graph, watermark)| {
            let (nodes, rows, lost) = graph.sizes();
            GraphStats { nodes, rows, lost, tail: view.live.len() - view.live.len_below(watermark) }
        });
        IndexStats {
            visible: view.visible.len(),
            staged: view.live.len() - view.visible.len(),
            dead: view.dead(),
            documents: view.shown_documents,
            graph,
            vector_bytes: view.vector_bytes(),
            keyword_documents: view.searcher.num_docs(),
            keyword_segments: view.searcher.segment_readers().len(),
            checksum: view.checksum,
        }
    }

    /// Waits until the graph has caught up with what was applied, at most
    /// `patience`; whether it has. For tests and measurements: searches need no waiting.
    pub fn settle(&self, patience: Duration) -> bool {
        self.shared.wait_until_idle(patience)
    }

    /// Sets the gauges of sizes. A process may have several indexes and has these once:
    /// its owner says which one they are of.
    pub fn report_sizes(&self) {
        let view = self.shared.view();
        METRICS.visible.set(view.visible.len() as i64);
        METRICS.staged.set((view.live.len() - view.visible.len()) as i64);
        METRICS.dead.set(view.dead() as i64);
        METRICS.documents.set(view.shown_documents as i64);
    }
}

impl Drop for Index {
    /// Ends the builder thread, which takes at most as long as one batch of insertions.
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(builder) = self.builder.take() {
            let _ = builder.join();
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("instructions", &self.dot.name()).field("stats", &self.stats()).finish()
    }
}
