-- Ragstream's schema. Applied by PostgreSQL's own image on its first start, and by
-- every role at start under an advisory lock; running it again changes nothing.

-- A row per document: the facts of its current version. A deletion removes the row; what
-- late work must not bring back is remembered by the log.
CREATE TABLE IF NOT EXISTS documents (
    document_id     uuid        PRIMARY KEY,
    collection      text        NOT NULL,
    external_id     text,
    -- The epoch: one more for every update. Writes for an older one change nothing.
    version         integer     NOT NULL CHECK (version >= 1),
    -- The newest version that an index shows.
    visible_version integer,
    job_id          uuid        NOT NULL,
    filename        text        NOT NULL,
    content_type    text        NOT NULL,
    metadata        jsonb       NOT NULL DEFAULT '{}',
    size_bytes      bigint      NOT NULL CHECK (size_bytes > 0),
    sha256          text        NOT NULL,
    blob_key        text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

-- The same bytes are one document of a collection, and so is an external id.
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_content
    ON documents (collection, sha256);
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_external_id
    ON documents (collection, external_id) WHERE external_id IS NOT NULL;

-- A row per version of a document: its processing.
CREATE TABLE IF NOT EXISTS document_jobs (
    job_id         uuid        PRIMARY KEY,
    batch_id       uuid        NOT NULL,
    document_id    uuid        NOT NULL REFERENCES documents,
    version        integer     NOT NULL,
    filename       text        NOT NULL,
    blob_key       text        NOT NULL,
    stage          text        NOT NULL DEFAULT 'accepted' CHECK (stage IN (
                       'accepted', 'text_extraction', 'chunking', 'embedding', 'indexing',
                       'complete', 'failed', 'paused', 'cancelled')),
    priority       smallint    NOT NULL DEFAULT 5 CHECK (priority BETWEEN 0 AND 9),
    correlation_id text        NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    chunks_total   integer,
    pages          integer,
    text_bytes     bigint,
    extractor      text,
    chunker        text,
    error_class    text,
    error_message  text,
    -- The record by which it failed: topic/partition/offset.
    given_up_at    text,
    -- Its user removed it from the list.
    forgotten      boolean     NOT NULL DEFAULT false,
    -- Its blobs were let go: a newer version is visible.
    retired        boolean     NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    completed_at   timestamptz,
    UNIQUE (document_id, version)
);

CREATE INDEX IF NOT EXISTS document_jobs_by_batch ON document_jobs (batch_id);
CREATE INDEX IF NOT EXISTS document_jobs_by_blob ON document_jobs (blob_key);
CREATE INDEX IF NOT EXISTS document_jobs_active ON document_jobs (created_at)
    WHERE stage NOT IN ('complete', 'failed', 'cancelled');

-- A row per chunk. The text itself lies in the log and, whole, in blob storage.
CREATE TABLE IF NOT EXISTS document_chunks (
    chunk_id      uuid        PRIMARY KEY,
    document_id   uuid        NOT NULL REFERENCES documents,
    version       integer     NOT NULL,
    position      integer     NOT NULL,
    status        text        NOT NULL DEFAULT 'pending'
                      CHECK (status IN ('pending', 'embedded', 'indexed', 'failed')),
    span_start    bigint      NOT NULL,
    span_end      bigint      NOT NULL,
    page          integer,
    headings      text[]      NOT NULL DEFAULT '{}',
    tokens        integer     NOT NULL,
    model         text,
    -- Where its record lies in chunk-embeddings.
    log_partition integer,
    log_offset    bigint,
    error_class   text,
    error_message text,
    -- The record by which it failed: topic/partition/offset.
    given_up_at   text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (document_id, version, position)
);

-- Records on their way to the log, written in the transaction that causes them.
CREATE TABLE IF NOT EXISTS outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text        NOT NULL,
    key        text        NOT NULL,
    -- None: a tombstone.
    value      bytea,
    headers    jsonb       NOT NULL,
    -- Another key that chooses the partition.
    placed_by  text,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Blobs that nothing needs any more, until they are removed.
CREATE TABLE IF NOT EXISTS blob_trash (
    blob_key   text        PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Requests to send dead letters back to where they came from, and what came of each.
CREATE TABLE IF NOT EXISTS redrives (
    redrive_id     uuid        PRIMARY KEY,
    at             timestamptz NOT NULL,
    correlation_id text        NOT NULL,
    -- Which letters were asked for, in the words of the request.
    filter         jsonb       NOT NULL,
    -- The guards against loops were overruled.
    force          boolean     NOT NULL,
    matched        integer     NOT NULL,
    redriven       integer     NOT NULL,
    -- Reason to count.
    skipped        jsonb       NOT NULL
);

-- Letters that were sent back. Known by the record that the letter is of: several
-- consumers may have written a letter each for one record.
CREATE TABLE IF NOT EXISTS redriven_letters (
    original_topic     text        NOT NULL,
    original_partition integer     NOT NULL,
    original_offset    bigint      NOT NULL,
    redrive_id         uuid        NOT NULL REFERENCES redrives,
    letter_topic       text        NOT NULL,
    letter_partition   integer     NOT NULL,
    letter_offset      bigint      NOT NULL,
    -- Where it lies now, in the partition that it came from.
    sent_offset        bigint      NOT NULL,
    at                 timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (original_topic, original_partition, original_offset, redrive_id)
);

CREATE INDEX IF NOT EXISTS redriven_letters_by_redrive ON redriven_letters (redrive_id);
