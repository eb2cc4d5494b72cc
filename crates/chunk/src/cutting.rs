//! A text that is cut while it flows.
//!
//! It is looked at in windows. A window is parsed and tokenized as a whole and
//! cut from its beginning on; the next one begins at the best of the places
//! between two chunks in its second half. A window begins and ends where the
//! text says, not where a piece of it happens to end, so that chunks do not
//! depend on the pieces.

use crate::{
    chunker::Settings,
    cutter::{Cutter, Step},
    markdown::Heading,
    measure::{MAX_BYTES_PER_TOKEN, Measure},
    structure::{Nature, Structure},
};
use ragstream_core::{
    chunk::Chunk,
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    text::{PageStart, TextHead, TextPart},
};
use std::{collections::VecDeque, sync::Arc};

/// Bytes of a window: some eighty chunks.
const WINDOW_BYTES: usize = 64 << 10;

/// The same of source code, which only a whole file tells all about: few have more.
const CODE_WINDOW_BYTES: usize = 256 << 10;

/// A window holds so many of the largest chunks at least.
const MIN_CHUNKS: usize = 16;

/// The way of one text through the chunker. Memory is that of a few windows,
/// however long the text is.
pub struct Cutting {
    settings: Arc<Settings>,
    document: DocumentId,
    version: Version,
    nature: Nature,
    window: usize,
    /// What was not cut yet.
    buffer: String,
    /// The byte of the text at which the buffer begins.
    base: u64,
    /// What stands before the buffer for the parser.
    lead: String,
    /// The headings above the buffer.
    above: Vec<Heading>,
    /// The byte of the text up to which there are chunks.
    covered: u64,
    position: u32,
    pages: VecDeque<PageStart>,
    page: Option<u32>,
}

impl Cutting {
    pub(crate) fn new(
        settings: Arc<Settings>,
        head: &TextHead,
        document: DocumentId,
        version: Version,
    ) -> Self {
        let nature = Nature::of(head);
        let window = match nature {
            Nature::Code(_) => CODE_WINDOW_BYTES,
            Nature::Plain | Nature::Markdown => WINDOW_BYTES,
        };
        Self {
            window: window.max(MIN_CHUNKS * largest_chunk(&settings)),
            settings,
            document,
            version,
            nature,
            buffer: String::new(),
            base: 0,
            lead: String::new(),
            above: Vec::new(),
            covered: 0,
            position: 0,
            pages: VecDeque::new(),
            page: None,
        }
    }

    /// Takes a piece; gives the chunks that are final now, in order.
    ///
    /// `Invalid` of class `tokenization` where the tokenizer refuses the text.
    pub fn push(&mut self, part: TextPart) -> Result<Vec<Chunk>> {
        self.pages.extend(part.pages);
        let mut chunks = Vec::new();
        let mut rest = part.text.as_str();
        // A piece may be far larger than a window.
        while !rest.is_empty() {
            let room = rest.ceil_char_boundary(self.window.saturating_sub(self.buffer.len()).max(1));
            self.buffer.push_str(&rest[..room]);
            rest = &rest[room..];
            while self.buffer.len() >= self.window {
                let end = self.buffer.floor_char_boundary(self.window);
                self.cut(end, false, &mut chunks)?;
            }
        }
        Ok(chunks)
    }

    /// The text is over: the chunks that are left.
    pub fn finish(mut self) -> Result<Vec<Chunk>> {
        let mut chunks = Vec::new();
        self.cut(self.buffer.len(), true, &mut chunks)?;
        Ok(chunks)
    }

    /// Cuts the window of the first `end` bytes, and lets go of what is done.
    fn cut(&mut self, end: usize, is_last: bool, chunks: &mut Vec<Chunk>) -> Result<()> {
        let settings = self.settings.clone();
        let text = &self.buffer[..end];
        if text.trim().is_empty() {
            self.advance(end);
            return Ok(());
        }
        let structure = Structure::of(&self.nature, &self.lead, text, is_last);
        let cutter = Cutter {
            text,
            structure: &structure,
            has_indentation: self.nature.has_indentation(),
            measure: Measure::new(text, &settings.tokens, settings.config)?,
            tokens: &settings.tokens,
            config: settings.config,
        };
        // A chunk that begins later could be another one if more were known.
        let limit = match is_last {
            true => end,
            false => text.floor_char_boundary(end - 2 * largest_chunk(&settings)),
        };
        let mut steps: Vec<Step> = Vec::new();
        let (mut from, mut covered) = (0, self.covered.saturating_sub(self.base) as usize);
        while cutter.skip_blanks(from) < limit
            && let Some(step) = cutter.step(from, covered)?
        {
            (from, covered) = (step.next, step.span.end);
            steps.push(step);
        }
        let next = match is_last {
            true => end,
            false => keep_up_to_best(&mut steps, end / 2, limit),
        };
        let mut path = structure.path(std::mem::take(&mut self.above));
        for step in &steps {
            let start = self.base + step.span.start as u64;
            while let Some(page) = self.pages.pop_front_if(|page| page.byte_offset <= start) {
                self.page = Some(page.page);
            }
            chunks.push(Chunk {
                id: ChunkId::derive(self.document, self.version, &settings.name, self.position),
                position: self.position,
                page: self.page,
                headings: path.of(text, step.span.clone()),
                tokens: step.tokens as u32,
                text: text[step.span.clone()].to_owned(),
                span: start..self.base + step.span.end as u64,
            });
            self.position = self.position.checked_add(1).ok_or_else(|| {
                Fault::invalid("too_many_chunks", "the text has more chunks than can be counted")
            })?;
            self.covered = self.base + step.span.end as u64;
        }
        let mut above = path.leave(next);
        above.iter_mut().for_each(|heading| heading.start = 0);
        let lead = structure.reopen(text, next);
        (self.above, self.lead) = (above, lead);
        self.advance(next);
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        self.base += bytes as u64;
    }
}

/// Bytes of the largest chunk that there can be.
fn largest_chunk(settings: &Settings) -> usize {
    MAX_BYTES_PER_TOKEN * settings.config.most_tokens()
}

/// Drops the steps after the best place to end a window at, and tells that place.
fn keep_up_to_best(steps: &mut Vec<Step>, half: usize, limit: usize) -> usize {
    let late = steps.iter().enumerate().filter(|(_, step)| step.next >= half);
    let best = late.min_by_key(|(index, step)| (step.rank, std::cmp::Reverse(*index)));
    match best.map(|(index, step)| (index, step.next)) {
        Some((index, next)) => {
            steps.truncate(index + 1);
            next
        }
        // Blanks to the end.
        None => limit,
    }
}
