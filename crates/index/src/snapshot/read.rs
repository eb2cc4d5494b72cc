//! Files to a view. Nothing is believed before all of it was checked.

use super::{
    file::open_checked,
    fit::Fit,
    manifest::{CHUNKS, ChunkLine, DOCUMENTS, DocumentLine, MANIFEST, Manifest, VECTORS},
};
use crate::{
    config::IndexConfig, documents::Held, error::IndexError, record::ChunkRecord, vector::unit::unit,
    view::View,
};
use ragstream_core::{chunk::Chunk, document::DocumentRef, id::ChunkId};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
    sync::Arc,
};

/// Fills an empty view from the snapshot at `folder`; returns the row of each chunk.
pub(crate) fn read(
    folder: &Path,
    config: &IndexConfig,
    fit: &Fit<'_>,
    view: &mut View,
) -> Result<HashMap<ChunkId, u32>, IndexError> {
    let path = folder.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(IndexError::damaged(&path, "it is missing"));
        }
        bytes => bytes.map_err(IndexError::io(&path))?,
    };
    let manifest = Manifest::fitting(&bytes, &path, config, fit)?;
    let open = |name: &str| match manifest.files.get(name) {
        Some(sum) => open_checked(&folder.join(name), *sum),
        None => Err(IndexError::damaged(&path, format!("it does not name {name}"))),
    };
    let (documents, chunks, vectors) = (open(DOCUMENTS)?, open(CHUNKS)?, open(VECTORS)?);

    let count = read_documents(documents, view, &folder.join(DOCUMENTS))?;
    let rows = read_chunks(chunks, vectors, config.dimension, view, folder)?;
    view.positions = manifest.positions;
    let agrees = count == manifest.documents
        && rows.len() == manifest.chunks
        && view.visible.len() == manifest.visible
        && view.checksum == manifest.checksum;
    if !agrees {
        return Err(IndexError::damaged(&path, "its counts are not those of the files"));
    }
    Ok(rows)
}

fn read_documents(file: BufReader<File>, view: &mut View, path: &Path) -> Result<usize, IndexError> {
    let mut count = 0;
    for line in file.lines() {
        let line = line.map_err(IndexError::io(path))?;
        let line: DocumentLine =
            serde_json::from_str(&line).map_err(|e| IndexError::damaged(path, e.to_string()))?;
        count += 1;
        view.shown_documents += usize::from(line.shown.is_some());
        let entry = view.documents.entry(line.id);
        (entry.shown, entry.floor, entry.markers) = (line.shown, line.floor, line.markers);
    }
    Ok(count)
}

fn read_chunks(
    file: BufReader<File>,
    mut vectors: BufReader<File>,
    dimension: usize,
    view: &mut View,
    folder: &Path,
) -> Result<HashMap<ChunkId, u32>, IndexError> {
    let path = folder.join(CHUNKS);
    let damaged = |reason: String| IndexError::damaged(&path, reason);
    let mut rows = HashMap::new();
    let mut facts: Vec<Arc<DocumentRef>> = Vec::new();
    let mut model: Arc<str> = Arc::from("");
    let mut bytes = vec![0; dimension * size_of::<f32>()];
    for line in file.lines() {
        let line = line.map_err(IndexError::io(&path))?;
        let line: ChunkLine<Chunk, String, DocumentRef> =
            serde_json::from_str(&line).map_err(|e| damaged(e.to_string()))?;
        facts.extend(line.document.map(Arc::new));
        let document =
            facts.get(line.facts).ok_or_else(|| damaged("facts of a document are missing".into()))?;
        vectors.read_exact(&mut bytes).map_err(IndexError::io(&folder.join(VECTORS)))?;
        let vector = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let vector = unit(vector, dimension).map_err(|e| IndexError::damaged(&folder.join(VECTORS), e))?;
        if *model != *line.model {
            model = line.model.into();
        }
        let id = line.chunk.id;
        let record = ChunkRecord { chunk: line.chunk, document: document.clone(), model: model.clone() };
        let row = view.append(Arc::new(record), &vector).ok_or(IndexError::Full)?;
        if rows.insert(id, row).is_some() {
            return Err(damaged(format!("chunk {id} is in it twice")));
        }
        let held = &mut view.documents.entry(document.document_id).held;
        held.entry(document.version)
            .or_insert_with(|| Held { reference: document.clone(), rows: Vec::new() })
            .rows
            .push(row);
        if line.visible {
            view.show(&document.collection, &[row]);
        }
    }
    Ok(rows)
}
