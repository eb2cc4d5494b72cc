//! Letters as answers show them.

use super::{
    letter::{Content, Event, Story},
    scan::Sighting,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use ragstream_api::{
    dead_letters::{DeadLetter, LetterHeader, OriginalRecord},
    webhooks::EventBody,
};
use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::IndexEvent,
    ports::{Redriven, StoredRecord},
};
use serde_json::{Value, json};

/// How much of a letter is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A line of a list: as much as tells it from others, whatever its size.
    Short,
    /// All of it.
    Full,
}

/// Longest text in a list, in characters.
const TEXT_CHARS: usize = 500;
/// Most elements of an array or object in a list.
const ELEMENTS: usize = 50;
/// Most headers in a list: five times as many as ours.
const HEADERS: usize = 100;
/// Bytes of an undecodable value, or of a header that is no text, in a list.
const FIRST_BYTES: usize = 256;

/// The letter as answers show it.
pub(crate) fn shown(record: &StoredRecord, story: Story, content: Content, extent: Extent) -> DeadLetter {
    let (value, reason) = match &content.event {
        Ok(event) => (Some(json_of(event, extent)), None),
        Err(fault) => (None, Some(fault.to_string())),
    };
    let (key, key_base64) = text_or_base64(record.key.as_deref(), extent);
    let undecodable = reason.is_some();
    let place = record.place.clone();
    let headers = record.headers.iter().take(if extent == Extent::Short { HEADERS } else { usize::MAX });
    DeadLetter {
        link: format!("/api/v2/dead-letters/{}", record.place),
        topic: place.topic,
        partition: place.partition,
        offset: place.offset,
        stored_at: story.stored_at,
        original: story.original.map(|original| OriginalRecord {
            topic: original.topic,
            partition: original.partition,
            offset: original.offset,
            timestamp: story.original_at,
        }),
        key,
        key_base64,
        error_kind: story.error_kind,
        error_class: story.error_class,
        error_message: story.error_message.map(|message| text(&message, extent)),
        attempts: story.attempts,
        first_failure: story.first_failure,
        last_failure: story.last_failure,
        consumer: story.consumer,
        correlation_id: story.correlation_id,
        document_id: content.ids.document_id.map(|id| id.0),
        job_id: content.ids.job_id.map(|id| id.0),
        version: content.ids.version.map(|version| version.0),
        chunk_id: content.ids.chunk_id.map(|id| id.0),
        value,
        value_bytes: record.value.as_ref().map(|value| value.len() as u64),
        undecodable,
        undecodable_reason: reason,
        value_base64: record.value.as_deref().filter(|_| undecodable).map(|value| base64(value, extent)),
        headers: headers.map(|(name, value)| header(name, value.as_deref(), extent)).collect(),
        redrives: story.redrives,
        redriven_at: None,
    }
}

/// The letter with what is on record of it.
pub(crate) fn with_redrives(mut letter: DeadLetter, redriven: Option<Redriven>) -> DeadLetter {
    if let Some(redriven) = redriven {
        letter.redrives += redriven.times;
        letter.redriven_at = Some(redriven.at);
    }
    letter
}

/// A line of the list.
pub(crate) fn line(sighting: Sighting<DeadLetter>) -> DeadLetter {
    with_redrives(sighting.kept, sighting.redriven)
}

fn text(text: &str, extent: Extent) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((end, _)) if extent == Extent::Short => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

fn base64(bytes: &[u8], extent: Extent) -> String {
    let end = if extent == Extent::Short { bytes.len().min(FIRST_BYTES) } else { bytes.len() };
    BASE64_STANDARD.encode(&bytes[..end])
}

fn text_or_base64(bytes: Option<&[u8]>, extent: Extent) -> (Option<String>, Option<String>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(utf8))) => (Some(text(utf8, extent)), None),
        Some((bytes, Err(_))) => (None, Some(base64(bytes, extent))),
    }
}

fn header(name: &str, value: Option<&[u8]>, extent: Extent) -> LetterHeader {
    let (value, base64) = text_or_base64(value, extent);
    LetterHeader { name: text(name, extent), value, base64 }
}

/// The event as JSON.
pub(crate) fn json_of(event: &Event, extent: Extent) -> Value {
    let mut value = match event {
        Event::Ingest(event) => json!({
            "type": "ingest_requested",
            "document": document(&event.document),
            "blob": { "key": event.blob.key, "size": event.blob.size, "sha256": event.blob.sha256 },
        }),
        Event::Chunk(event) => json!({
            "type": "chunk_ready",
            "document": document(&event.document),
            "chunk": chunk(&event.chunk),
            "chunk_count": event.chunk_count,
        }),
        Event::Index(IndexEvent::Chunk(event)) => json!({
            "type": "chunk_embedded",
            "document": document(&event.document),
            "chunk": chunk(&event.chunk),
            "model": event.model,
            // JSON has no NaN: one of these is null.
            "vector": match extent {
                Extent::Short => json!({ "length": event.vector.len() }),
                Extent::Full => json!(event.vector),
            },
        }),
        Event::Index(IndexEvent::Commit(marker)) => json!({
            "type": "version_committed",
            "document_id": marker.document_id,
            "version": marker.version,
            "job_id": marker.job_id,
            "chunk_count": marker.chunk_count,
        }),
        Event::Index(IndexEvent::Deleted(id)) => json!({ "type": "document_deleted", "document_id": id }),
        Event::Lifecycle(Some(event)) => {
            json!({ "type": "document_lifecycle", "event": EventBody::from(event.clone()) })
        }
        Event::Query(event) => json!({ "type": "query_requested", "query_job_id": event.job_id }),
        Event::Lifecycle(None) => json!({ "type": "tombstone" }),
        Event::Index(IndexEvent::Gone(key)) => json!({ "type": "tombstone", "key": key.to_string() }),
    };
    if extent == Extent::Short {
        shorten(&mut value);
    }
    value
}

fn document(document: &DocumentRef) -> Value {
    json!({
        "document_id": document.document_id,
        "version": document.version,
        "job_id": document.job_id,
        "collection": document.collection,
        "external_id": document.external_id,
        "filename": document.filename,
        "content_type": document.content_type,
        "metadata": document.metadata,
    })
}

fn chunk(chunk: &Chunk) -> Value {
    json!({
        "chunk_id": chunk.id,
        "position": chunk.position,
        "text": chunk.text,
        "text_chars": chunk.text.chars().count(),
        "span": { "start": chunk.span.start, "end": chunk.span.end },
        "page": chunk.page,
        "headings": chunk.headings,
        "tokens": chunk.tokens,
    })
}

/// Cuts long texts and long lists, however deep they lie.
fn shorten(value: &mut Value) {
    match value {
        Value::String(long) => {
            if let Some((end, _)) = long.char_indices().nth(TEXT_CHARS) {
                long.truncate(end);
                long.push('…');
            }
        }
        Value::Array(elements) => {
            let more = elements.len().saturating_sub(ELEMENTS);
            elements.truncate(ELEMENTS);
            elements.iter_mut().for_each(shorten);
            if more > 0 {
                elements.push(format!("… and {more} more").into());
            }
        }
        Value::Object(fields) => {
            let more: Vec<String> = fields.keys().skip(ELEMENTS).cloned().collect();
            more.iter().for_each(|name| drop(fields.remove(name)));
            fields.values_mut().for_each(shorten);
            if !more.is_empty() {
                fields.insert("…".to_owned(), format!("and {} more", more.len()).into());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::letter::tests::record, *};
    use ragstream_core::{
        event::{ChunkEmbedded, ChunkReady},
        id::{ChunkId, DocumentId, JobId, Version},
        lane::Lane,
        trace::TraceContext,
    };
    use ragstream_proto::encode::{self, Origin};

    fn event(text: &str) -> ChunkReady {
        let metadata = json!({ "deep": [{ "long": "x".repeat(10_000) }], "list": vec![1; 1000] });
        ChunkReady {
            document: DocumentRef {
                document_id: DocumentId::generate(),
                version: Version(2),
                job_id: JobId::generate(),
                collection: "default".into(),
                external_id: None,
                filename: "a.md".into(),
                content_type: "text/markdown".into(),
                metadata: metadata.as_object().unwrap().clone(),
            },
            chunk: Chunk {
                id: ChunkId::generate(),
                position: 3,
                text: text.into(),
                span: 10..20,
                page: Some(2),
                headings: vec!["One".into()],
                tokens: 4,
            },
            chunk_count: Some(9),
        }
    }

    fn origin() -> Origin {
        Origin { correlation_id: "c".into(), trace: TraceContext::root() }
    }

    fn letter(topic: &str, key: &str, value: &[u8], extent: Extent) -> DeadLetter {
        let record = record(&format!("{topic}.dlq/0/7"), key, value, &[("x-error-class", "broken")]);
        shown(&record, Story::of(&record), Content::of(&record), extent)
    }

    #[test]
    fn a_record_is_decoded_and_shortened_in_a_list_only() {
        let long = "ü".repeat(2_000);
        let event = event(&long);
        let value = encode::chunk_ready(&event, Lane::Express, &origin()).value.unwrap();
        let short = letter("chunk-processing", "k", &value, Extent::Short);
        assert_eq!(short.document_id, Some(event.document.document_id.0));
        assert_eq!((short.job_id, short.version), (Some(event.document.job_id.0), Some(2)));
        assert_eq!(short.chunk_id, Some(event.chunk.id.0));
        assert_eq!(short.value_bytes, Some(value.len() as u64));
        assert_eq!(short.link, "/api/v2/dead-letters/chunk-processing.dlq/0/7");
        assert!(!short.undecodable && short.value_base64.is_none());
        let json = short.value.unwrap();
        let text = json["chunk"]["text"].as_str().unwrap();
        assert_eq!(text.chars().count(), TEXT_CHARS + 1);
        assert_eq!(json["chunk"]["text_chars"], 2_000);
        assert!(json.to_string().len() < 5_000, "{} bytes", json.to_string().len());

        let full = letter("chunk-processing", "k", &value, Extent::Full).value.unwrap();
        assert_eq!(full["chunk"]["text"], long);
        assert_eq!(full["document"]["metadata"]["list"].as_array().unwrap().len(), 1000);
    }

    #[test]
    fn a_vector_is_its_length_in_a_list_and_all_of_it_in_full() {
        let ChunkReady { document, chunk, .. } = event("text");
        let event = ChunkEmbedded { document, chunk, model: "m".into(), vector: vec![0.5, f32::NAN] };
        let value = encode::chunk_embedded(&event, &origin()).value.unwrap();
        let short = letter("chunk-embeddings", "k", &value, Extent::Short).value.unwrap();
        assert_eq!(short["vector"], json!({ "length": 2 }));
        let full = letter("chunk-embeddings", "k", &value, Extent::Full).value.unwrap();
        assert_eq!(full["vector"], json!([0.5, null]));
    }

    #[test]
    fn bytes_that_can_not_be_read_are_shown_as_bytes() {
        let bytes: Vec<u8> = (0..1000).map(|i| (i * 7) as u8 | 0x80).collect();
        let short = letter("doc-ingest-requests", "k", &bytes, Extent::Short);
        assert!(short.undecodable && short.value.is_none());
        assert!(short.undecodable_reason.unwrap().contains("can't be decoded"));
        assert_eq!(BASE64_STANDARD.decode(short.value_base64.unwrap()).unwrap(), bytes[..FIRST_BYTES]);
        assert_eq!(short.value_bytes, Some(1000));
        let full = letter("doc-ingest-requests", "k", &bytes, Extent::Full);
        assert_eq!(BASE64_STANDARD.decode(full.value_base64.unwrap()).unwrap(), bytes);
    }

    #[test]
    fn keys_and_headers_may_be_no_text_or_absent() {
        let mut record = record("chunk-processing.dlq/0/7", "k", b"", &[("text", "t")]);
        record.key = Some(bytes::Bytes::from_static(b"\xff\x00"));
        record.headers.push(("bytes".into(), Some(bytes::Bytes::from_static(b"\xff"))));
        record.headers.push(("none".into(), None));
        let letter = shown(&record, Story::of(&record), Content::of(&record), Extent::Short);
        assert_eq!((letter.key, letter.key_base64.as_deref()), (None, Some("/wA=")));
        let header = |name: &str, value: Option<&str>, base64: Option<&str>| LetterHeader {
            name: name.into(),
            value: value.map(Into::into),
            base64: base64.map(Into::into),
        };
        let expected = [
            header("text", Some("t"), None),
            header("bytes", None, Some("/w==")),
            header("none", None, None),
        ];
        assert_eq!(letter.headers, expected);
    }
}
