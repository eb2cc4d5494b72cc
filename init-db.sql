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
    -- Its topics: decided once, when it is accepted.
    lane           text        NOT NULL DEFAULT 'express' CHECK (lane IN ('express', 'bulk')),
    -- That of its document, which never changes; null in rows from before there were lanes.
    collection     text,
    correlation_id text        NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    chunks_total   integer,
    -- Progress that is not taken back, whatever is done again: percent by stages, and the
    -- chunks that an attempt came to.
    reached        smallint    NOT NULL DEFAULT 0,
    chunks_expected integer,
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

CREATE INDEX IF NOT EXISTS document_jobs_ended ON document_jobs (completed_at) WHERE NOT forgotten;

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

-- What keeps a version from being whole.
CREATE INDEX IF NOT EXISTS document_chunks_open ON document_chunks (document_id, version)
    WHERE status IN ('pending', 'failed');

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

-- What happened to documents: a row for every change of a job's stage and for every
-- deletion, written by triggers in the transaction that makes the change. Kept for a week.
-- Live progress reads all of them by id; those that are public go to document-lifecycle.
CREATE TABLE IF NOT EXISTS lifecycle_events (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type        text        NOT NULL,
    public      boolean     NOT NULL,
    -- It is in the topic.
    published   boolean     NOT NULL DEFAULT false,
    document_id uuid        NOT NULL,
    version     integer     NOT NULL,
    job_id      uuid        NOT NULL,
    batch_id    uuid,
    -- The rest: collection, external_id, filename, stage, chunks_total, error_class,
    -- error_message, correlation_id. Never text of the document.
    payload     jsonb       NOT NULL,
    -- Not now(): transactions that waited for each other tell the order of their changes.
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX IF NOT EXISTS lifecycle_events_unpublished ON lifecycle_events (id)
    WHERE public AND NOT published;

CREATE OR REPLACE FUNCTION record_stage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lifecycle_events (type, public, document_id, version, job_id, batch_id, payload)
    SELECT 'document.' || event.name, event.name NOT IN ('text_extraction', 'chunking', 'indexing'),
           NEW.document_id, NEW.version, NEW.job_id, NEW.batch_id,
           jsonb_strip_nulls(jsonb_build_object(
               'collection', d.collection, 'external_id', d.external_id, 'filename', NEW.filename,
               'stage', NEW.stage, 'chunks_total', NEW.chunks_total,
               'error_class', CASE NEW.stage WHEN 'failed' THEN NEW.error_class END,
               'error_message', CASE NEW.stage WHEN 'failed' THEN left(NEW.error_message, 2000) END,
               'correlation_id', NEW.correlation_id))
      FROM documents d,
           -- OLD is null where the row is new.
           LATERAL (SELECT CASE
               WHEN NEW.stage = 'accepted' AND OLD.stage = 'paused' THEN 'resumed'
               WHEN NEW.stage IN ('accepted', 'embedding') AND OLD.stage = 'failed' THEN 'retried'
               WHEN NEW.stage = 'embedding' THEN 'chunked'
               WHEN NEW.stage = 'cancelled' AND NEW.error_class = 'superseded' THEN 'superseded'
               ELSE NEW.stage END) AS event (name)
     WHERE d.document_id = NEW.document_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION record_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lifecycle_events (type, public, document_id, version, job_id, payload)
    VALUES ('document.deleted', true, OLD.document_id, OLD.version, OLD.job_id,
            jsonb_strip_nulls(jsonb_build_object('collection', OLD.collection, 'external_id', OLD.external_id,
                                                 'filename', OLD.filename)));
    RETURN NULL;
END $$;

-- Only where they are missing: making one waits for, and holds up, everybody who writes.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'documents'::regclass AND tgname = 'lifecycle_deletion') THEN
        CREATE TRIGGER lifecycle_deletion AFTER DELETE ON documents
            FOR EACH ROW EXECUTE FUNCTION record_deletion();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'document_jobs'::regclass AND tgname = 'lifecycle_begin') THEN
        CREATE TRIGGER lifecycle_begin AFTER INSERT ON document_jobs
            FOR EACH ROW EXECUTE FUNCTION record_stage();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'document_jobs'::regclass AND tgname = 'lifecycle_stage') THEN
        CREATE TRIGGER lifecycle_stage AFTER UPDATE OF stage ON document_jobs
            FOR EACH ROW WHEN (OLD.stage IS DISTINCT FROM NEW.stage) EXECUTE FUNCTION record_stage();
    END IF;
END $$;

-- Who wants to be told of which events.
CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id  uuid        PRIMARY KEY,
    url         text        NOT NULL,
    -- Types or prefixes; none: all.
    events      text[]      NOT NULL,
    collection  text,
    description text,
    -- What signatures are made with; it can't be a hash.
    secret      text        NOT NULL,
    -- Why nothing is sent any more.
    deactivated text,
    -- Only events from then on are sent.
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A row per event and webhook, once it was sent. Kept for a month.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    webhook_id  uuid        NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id    bigint      NOT NULL,
    type        text        NOT NULL,
    document_id uuid        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('delivered', 'failing', 'given_up')),
    attempts    integer     NOT NULL DEFAULT 0,
    http_status integer,
    error       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_id, event_id)
);

CREATE INDEX IF NOT EXISTS webhook_deliveries_by_age ON webhook_deliveries (created_at);

-- What the file of a document's newest extracted version says about itself.
CREATE TABLE IF NOT EXISTS document_properties (
    document_id uuid    PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    version     integer NOT NULL,
    title       text,
    properties  jsonb   NOT NULL
);

-- Resumable uploads: bytes that come in pieces, maybe over days and by several gateways.
CREATE TABLE IF NOT EXISTS uploads (
    upload_id      uuid        PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('whole', 'partial', 'final')),
    document_id    uuid        NOT NULL,
    job_id         uuid        NOT NULL,
    batch_id       uuid        NOT NULL,
    collection     text        NOT NULL,
    external_id    text,
    filename       text        NOT NULL,
    metadata       jsonb       NOT NULL,
    priority       smallint    NOT NULL,
    correlation_id text        NOT NULL,
    -- The client's own words, which it asks for again.
    metadata_said  text        NOT NULL,
    concat_said    text,
    blob_key       text        NOT NULL,
    -- None: told later.
    length         bigint,
    -- Bytes that are stored, and the state of SHA-256 after them.
    stored_bytes   bigint      NOT NULL DEFAULT 0 CHECK (stored_bytes <= length),
    hash           bytea       NOT NULL DEFAULT '',
    -- The last bytes, fewer than a part, lie in a blob of their own.
    tail_key       text,
    tail_bytes     bigint,
    content_type   text,
    -- The blob store's id of the blob that is being written.
    parts_id       text,
    -- Numbers of parts up to this one may have been sent.
    reserved       integer     NOT NULL DEFAULT 0,
    -- Who writes: one more with every request that does.
    epoch          bigint      NOT NULL DEFAULT 0,
    -- All bytes are in the blob.
    is_stored      boolean     NOT NULL DEFAULT false,
    -- What it became: {"document_id", "job_id", "duplicate", "sha256"}.
    outcome        jsonb,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS uploads_by_expiry ON uploads (expires_at);
CREATE INDEX IF NOT EXISTS uploads_by_blob ON uploads (blob_key);
CREATE INDEX IF NOT EXISTS uploads_by_tail ON uploads (tail_key) WHERE tail_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS uploads_complete ON uploads (updated_at)
    WHERE stored_bytes = length AND outcome IS NULL;

-- Parts of blobs that are being written.
CREATE TABLE IF NOT EXISTS upload_parts (
    upload_id uuid    NOT NULL REFERENCES uploads ON DELETE CASCADE,
    number    integer NOT NULL,
    etag      text    NOT NULL,
    PRIMARY KEY (upload_id, number)
);

-- Columns that tables of an earlier release lack. Asked for first: ALTER TABLE waits for, and holds
-- up, everybody, whether there is anything to do or not.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = 'document_jobs'::regclass AND attname = 'lane') THEN
        ALTER TABLE document_jobs
            ADD COLUMN lane text NOT NULL DEFAULT 'express' CHECK (lane IN ('express', 'bulk')),
            ADD COLUMN collection text;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = 'document_jobs'::regclass AND attname = 'reached') THEN
        ALTER TABLE document_jobs ADD COLUMN reached smallint NOT NULL DEFAULT 0, ADD COLUMN chunks_expected integer;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION remember_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.reached := greatest(OLD.reached, CASE NEW.stage WHEN 'text_extraction' THEN 2 WHEN 'chunking' THEN 5
                                                        WHEN 'embedding' THEN 10 WHEN 'indexing' THEN 90 ELSE 0 END);
    NEW.chunks_expected := coalesce(NEW.chunks_total, OLD.chunks_expected);
    RETURN NEW;
END $$;

-- How far a job is, in percent. Extraction is mostly over soon, and embedding takes most of the
-- time. `embedded` counts what is indexed, too.
CREATE OR REPLACE FUNCTION job_percentage(stage text, reached smallint, expected integer, embedded bigint, indexed bigint)
RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE stage WHEN 'complete' THEN 100
           ELSE least(99, greatest(reached, CASE WHEN expected > 0 THEN
                    round(10 + (80 * embedded + 9 * indexed)::numeric / expected, 1) END)) END::real
$$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'document_jobs'::regclass AND tgname = 'progress_is_kept') THEN
        CREATE TRIGGER progress_is_kept BEFORE UPDATE OF stage, chunks_total ON document_jobs
            FOR EACH ROW EXECUTE FUNCTION remember_progress();
    END IF;
END $$;

CREATE INDEX IF NOT EXISTS lifecycle_events_by_job ON lifecycle_events (job_id, id);
CREATE INDEX IF NOT EXISTS lifecycle_events_by_batch ON lifecycle_events (batch_id, id) WHERE batch_id IS NOT NULL;

-- Files that belong together, announced before they come: a request of many files, a folder, an import.
-- A single file has a batch id, too, but no row here.
CREATE TABLE IF NOT EXISTS batches (
    batch_id    uuid        PRIMARY KEY,
    name        text,
    files_total integer     NOT NULL CHECK (files_total >= 0),
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Files of a batch that got no job: not taken, or here already.
CREATE TABLE IF NOT EXISTS batch_jobless (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id    uuid        NOT NULL REFERENCES batches ON DELETE CASCADE,
    filename    text        NOT NULL,
    -- What the uploader was told of a file that was not taken.
    problem     jsonb,
    -- What the bytes are here as already.
    document_id uuid,
    job_id      uuid,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS batch_jobless_by_batch ON batch_jobless (batch_id, id);

-- What is under way in the express lane, to be counted by collection.
CREATE INDEX IF NOT EXISTS document_jobs_express ON document_jobs (collection)
    WHERE lane = 'express' AND stage IN ('accepted', 'text_extraction', 'chunking', 'embedding');

-- What is to be fetched for a batch. Gone once it was, or was given up.
CREATE TABLE IF NOT EXISTS imports (
    import_id      uuid        PRIMARY KEY,
    batch_id       uuid        NOT NULL REFERENCES batches ON DELETE CASCADE,
    source         text        NOT NULL,
    collection     text        NOT NULL,
    metadata       jsonb       NOT NULL,
    priority       smallint    NOT NULL,
    correlation_id text        NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    -- Not before; of one that a gateway has taken, when another one may.
    due_at         timestamptz NOT NULL DEFAULT now(),
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS imports_due ON imports (priority DESC, import_id);
CREATE INDEX IF NOT EXISTS imports_by_batch ON imports (batch_id);

-- Personas: who answers from one collection, and how.
CREATE TABLE IF NOT EXISTS personas (
    persona_id    uuid        PRIMARY KEY,
    name          text        NOT NULL,
    description   text        NOT NULL,
    collection    text        NOT NULL,
    system_prompt text        NOT NULL,
    -- By its name in requests.
    mode          text        NOT NULL,
    model         text,
    temperature   real,
    top_k         integer,
    max_tokens    integer,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- Conversations with personas.
CREATE TABLE IF NOT EXISTS persona_sessions (
    session_id uuid        PRIMARY KEY,
    persona_id uuid        NOT NULL REFERENCES personas ON DELETE CASCADE,
    title      text,
    -- How many there are: the number of the last one. Who adds a pair holds this row.
    messages   integer     NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS persona_sessions_by_persona ON persona_sessions (persona_id, session_id);
CREATE INDEX IF NOT EXISTS persona_sessions_by_age ON persona_sessions (updated_at);

-- What was said, in pairs: questions have odd numbers, their answers the next.
CREATE TABLE IF NOT EXISTS persona_messages (
    session_id uuid        NOT NULL REFERENCES persona_sessions ON DELETE CASCADE,
    number     integer     NOT NULL,
    role       text        NOT NULL CHECK (role IN ('user', 'assistant')),
    -- None: it was not to be kept.
    text       text,
    -- Not jsonb, which takes no zeros; quotes may have them.
    citations  json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, number)
);

-- Whether a collection has documents under way.
CREATE INDEX IF NOT EXISTS document_jobs_open ON document_jobs (collection)
    WHERE stage NOT IN ('complete', 'failed', 'cancelled');
-- Who is to be told by mail how a job or a batch ended. Written before what it is about: a gateway
-- that dies in between leaves a notice of nothing, which is never sent and is removed in time.
CREATE TABLE IF NOT EXISTS notices (
    notice_id  uuid        PRIMARY KEY,
    job_id     uuid,
    batch_id   uuid,
    address    text        NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    -- Not before; of one that a gateway has taken, when another one may.
    due_at     timestamptz NOT NULL DEFAULT now(),
    -- It was sent; or, with an error, given up.
    settled_at timestamptz,
    error      text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(job_id, batch_id) = 1)
);

-- Everybody is told once, however often it was asked for: with each file of a folder.
CREATE UNIQUE INDEX IF NOT EXISTS notices_of_jobs ON notices (job_id, address) WHERE settled_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS notices_of_batches ON notices (batch_id, address) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS notices_due ON notices (due_at) WHERE settled_at IS NULL;
CREATE INDEX IF NOT EXISTS notices_by_job ON notices (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS notices_by_batch ON notices (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS notices_by_age ON notices (created_at);

CREATE OR REPLACE FUNCTION forget_notices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'batches' THEN
        DELETE FROM notices WHERE batch_id = OLD.batch_id;
    ELSE
        DELETE FROM notices WHERE job_id = OLD.job_id;
    END IF;
    RETURN NULL;
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'batches'::regclass AND tgname = 'notices_go_with_it') THEN
        CREATE TRIGGER notices_go_with_it AFTER DELETE ON batches
            FOR EACH ROW EXECUTE FUNCTION forget_notices();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'document_jobs'::regclass AND tgname = 'notices_go_with_it') THEN
        CREATE TRIGGER notices_go_with_it AFTER DELETE ON document_jobs
            FOR EACH ROW EXECUTE FUNCTION forget_notices();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'document_jobs'::regclass AND tgname = 'notices_are_forgotten') THEN
        CREATE TRIGGER notices_are_forgotten AFTER UPDATE OF forgotten ON document_jobs
            FOR EACH ROW WHEN (NEW.forgotten AND NOT OLD.forgotten) EXECUTE FUNCTION forget_notices();
    END IF;
END $$;

-- Questions that run as jobs. What was asked and answered goes when it is not needed any more, at the latest
-- when its time is over; the rest is kept as records of jobs are.
CREATE TABLE IF NOT EXISTS query_jobs (
    query_job_id   uuid        PRIMARY KEY,
    status         text        NOT NULL DEFAULT 'queued' CHECK (status IN (
                       'queued', 'running', 'complete', 'failed', 'cancelled', 'expired')),
    -- The body of the question. JSON, as text: it may have what jsonb has no place for.
    request        text,
    answer         bytea,
    attempts       integer     NOT NULL DEFAULT 0,
    -- A problem as JSON, and the record by which it failed: topic/partition/offset.
    failure        text,
    given_up_at    text,
    correlation_id text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    completed_at   timestamptz,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS query_jobs_by_expiry ON query_jobs (expires_at);
