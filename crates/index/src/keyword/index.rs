//! The keyword index: tantivy in memory, a document per row.
//!
//! It holds staged rows as well and lets go of dead ones when it merges its
//! segments: what a search may see is decided by the view alone.

use super::{
    terms::{Side, Terms},
    tokenizer::DocumentTokenizer,
};
use crate::{config::IndexConfig, record::ChunkRecord};
use std::sync::Arc;
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term,
    indexer::{IndexWriterOptions, LogMergePolicy},
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::TextAnalyzer,
};

/// Name of our tokenizer in the schema.
const TOKENIZER: &str = "ragstream";

/// Name of the field that holds the row number.
pub(super) const ROW: &str = "row";

/// A segment of which more than this share is dead is merged, so that the
/// statistics of BM25 follow what is held.
const DEAD_SHARE_BEFORE_MERGE: f32 = 0.3;

/// Segments with fewer rows than this are merged as one size. Tantivy's own
/// 10,000 would write all of them again with every eighth small `apply`.
const SMALL_SEGMENT: u32 = 256;

/// Merges run beside `apply`; one at a time leaves the other cores to searches.
const MERGE_THREADS: usize = 1;

/// The fields of a row. Headings are read as a part of the text below them: in a field of their
/// own, where BM25's length normalisation makes a word of a title count more than several of
/// the text, documents of SciFact are found with an nDCG@10 of 0.65 by keywords, and with 0.68 so.
/// A file name is short, and counts more for it.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    row: Field,
    pub(crate) text: Field,
    title: Field,
}

impl Fields {
    /// Those that words are looked up in.
    pub(crate) fn searched(&self) -> [Field; 2] {
        [self.text, self.title]
    }
}

/// What searches need beside a view's searcher: shared by all views.
#[derive(Clone)]
pub(crate) struct Vocabulary {
    pub(crate) fields: Fields,
    pub(crate) terms: Arc<Terms>,
}

/// The writing end.
pub(crate) struct KeywordWriter {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    changed: bool,
}

/// An empty keyword index.
pub(crate) fn open(config: &IndexConfig) -> tantivy::Result<(KeywordWriter, Vocabulary)> {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs)
        .set_fieldnorms(true);
    let words = TextOptions::default().set_indexing_options(indexing);
    let fields = Fields {
        row: schema.add_u64_field(ROW, INDEXED | FAST),
        text: schema.add_text_field("text", words.clone()),
        title: schema.add_text_field("title", words),
    };
    let index = Index::create_in_ram(schema.build());
    let terms = Arc::new(Terms::default());
    index.tokenizers().register(TOKENIZER, TextAnalyzer::builder(DocumentTokenizer(terms.clone())).build());
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .memory_budget_per_thread(config.keyword_memory)
        .num_merge_threads(MERGE_THREADS)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    let mut merging = LogMergePolicy::default();
    merging.set_del_docs_ratio_before_merge(DEAD_SHARE_BEFORE_MERGE);
    merging.set_min_layer_size(SMALL_SEGMENT);
    writer.set_merge_policy(Box::new(merging));
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok((KeywordWriter { fields, writer, reader, changed: false }, Vocabulary { fields, terms }))
}

impl KeywordWriter {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: u32, record: &ChunkRecord) -> tantivy::Result<()> {
        let mut document = TantivyDocument::default();
        document.add_u64(self.fields.row, row.into());
        document.add_text(self.fields.text, &record.chunk.text);
        // The text of a section's first chunk begins with its heading.
        let text = record.chunk.text.trim_start_matches(['#', ' ']);
        for heading in record.chunk.headings.iter().map(|heading| heading.trim()) {
            if !text.starts_with(heading) {
                document.add_text(self.fields.text, heading);
            }
        }
        document.add_text(self.fields.title, &record.document.filename);
        self.writer.add_document(document)?;
        self.changed = true;
        Ok(())
    }

    /// Lets go of a row.
    pub(crate) fn remove(&mut self, row: u32) {
        self.writer.delete_term(Term::from_field_u64(self.fields.row, row.into()));
        self.changed = true;
    }

    /// A searcher that sees all changes so far.
    pub(crate) fn searcher(&mut self) -> tantivy::Result<Searcher> {
        if std::mem::take(&mut self.changed) {
            self.writer.commit()?;
        }
        // Without changes too: merges may have made fewer, better segments.
        self.reader.reload()?;
        Ok(self.reader.searcher())
    }
}

impl Vocabulary {
    /// The distinct terms of a question, in order.
    pub(crate) fn question(&self, text: &str) -> Vec<String> {
        let mut terms = self.terms.of(text, Side::Question);
        let mut seen = std::collections::HashSet::new();
        terms.retain(|term| seen.insert(term.clone()));
        terms
    }

    /// How rare each term is among the texts: `ln(1 + (N - n + 0.5) / (n + 0.5))`,
    /// the inverse document frequency of BM25; the rarest first.
    pub(crate) fn weights(
        &self,
        searcher: &Searcher,
        terms: &[String],
    ) -> tantivy::Result<Vec<(String, f32)>> {
        let total: u64 = searcher.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum();
        let mut weighted = Vec::with_capacity(terms.len());
        for term in terms {
            let with = searcher.doc_freq(&Term::from_field_text(self.fields.text, term))?.min(total);
            let ratio = ((total - with) as f32 + 0.5) / (with as f32 + 0.5);
            weighted.push((term.clone(), ratio.ln_1p()));
        }
        weighted.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(weighted)
    }
}
