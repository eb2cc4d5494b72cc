//! A view to files.

use super::{
    file::SumWriter,
    folders,
    manifest::{CHUNKS, ChunkLine, DOCUMENTS, DocumentLine, FORMAT, MANIFEST, Manifest, VECTORS},
};
use crate::{config::IndexConfig, error::IndexError, request::SnapshotInfo, view::View};
use chrono::Utc;
use ragstream_core::id::{DocumentId, Version};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Instant,
};

/// Writes `view` into a new folder of `dir`.
pub(crate) fn write(view: &View, config: &IndexConfig, dir: &Path) -> Result<SnapshotInfo, IndexError> {
    let (began, taken_at) = (Instant::now(), Utc::now());
    let (number, folder) = folders::begin(dir)?;

    let mut documents = SumWriter::create(folder.join(DOCUMENTS))?;
    let mut document_count = 0;
    for (id, entry) in view.documents.iter() {
        document_count += 1;
        let markers = entry.markers.clone();
        documents.line(&DocumentLine { id: *id, shown: entry.shown, floor: entry.floor, markers })?;
    }

    let mut chunks = SumWriter::create(folder.join(CHUNKS))?;
    let mut vectors = SumWriter::create(folder.join(VECTORS))?;
    let mut facts: HashMap<(DocumentId, Version), usize> = HashMap::new();
    let mut buffer = Vec::with_capacity(config.dimension * size_of::<f32>());
    for row in view.live.iter() {
        let (Some(record), Some(vector)) = (view.record(row), view.vector(row)) else { continue };
        let key = (record.document.document_id, record.document.version);
        let next = facts.len();
        let given = *facts.entry(key).or_insert(next);
        chunks.line(&ChunkLine {
            visible: view.visible.contains(row),
            model: &*record.model,
            document: (given == next).then_some(&*record.document),
            facts: given,
            chunk: &record.chunk,
        })?;
        buffer.clear();
        buffer.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
        vectors.append(&buffer)?;
    }

    let files = BTreeMap::from([
        (DOCUMENTS.to_owned(), documents.finish()?),
        (CHUNKS.to_owned(), chunks.finish()?),
        (VECTORS.to_owned(), vectors.finish()?),
    ]);
    let manifest = Manifest {
        format: FORMAT,
        taken_at,
        dimension: config.dimension,
        model: config.model.clone(),
        positions: view.positions.clone(),
        documents: document_count,
        chunks: view.live.len(),
        visible: view.visible.len(),
        checksum: view.checksum,
        files,
        crc32: 0,
    };
    let mut file = SumWriter::create(folder.join(MANIFEST))?;
    let bytes = manifest.to_bytes().map_err(|e| IndexError::io(&folder.join(MANIFEST))(e.into()))?;
    file.append(&bytes)?;
    let own = file.finish()?;

    let path = folders::finish(dir, number, &folder)?;
    Ok(SnapshotInfo {
        path,
        number,
        taken_at,
        positions: manifest.positions,
        chunks: manifest.chunks,
        bytes: own.bytes + manifest.files.values().map(|sum| sum.bytes).sum::<u64>(),
        took: began.elapsed(),
    })
}
