-- Groups, configurations, assets, their history, and the queue of ingest jobs.
--
-- Names are unique in the whole origin, hence primary keys. Times are RFC 3339 text in UTC with
-- six decimals, so that the order of the text is the order of time.

CREATE TABLE packaging_group (
    name        TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL
) STRICT;

CREATE INDEX packaging_group_created ON packaging_group (created_at, name);

-- `settings` is everything that decides what players get, as JSON: it is read and replaced as a
-- whole, here and in the history, and never searched.
CREATE TABLE configuration (
    name        TEXT    NOT NULL PRIMARY KEY,
    group_name  TEXT    NOT NULL REFERENCES packaging_group (name),
    description TEXT    NOT NULL,
    settings    TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL
) STRICT;

CREATE INDEX configuration_created ON configuration (group_name, created_at, name);
CREATE INDEX configuration_name ON configuration (group_name, name);

-- Settings that a PUT replaced; URLs made from them answer for the grace time.
CREATE TABLE retired_configuration (
    name       TEXT    NOT NULL REFERENCES configuration (name) ON DELETE CASCADE,
    revision   INTEGER NOT NULL,
    settings   TEXT    NOT NULL,
    retired_at TEXT    NOT NULL,
    PRIMARY KEY (name, revision)
) STRICT;

CREATE INDEX retired_configuration_age ON retired_configuration (retired_at);

CREATE TABLE asset (
    name        TEXT NOT NULL PRIMARY KEY,
    group_name  TEXT NOT NULL REFERENCES packaging_group (name),
    source      TEXT NOT NULL,
    path        TEXT NOT NULL,
    content_id  TEXT,
    description TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('QUEUING', 'INGESTING', 'PLAYABLE', 'FAILED')),
    failure     TEXT,
    report      TEXT,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    playable_at TEXT
) STRICT;

CREATE INDEX asset_created ON asset (created_at, name);
CREATE INDEX asset_group_created ON asset (group_name, created_at, name);
CREATE INDEX asset_group_name ON asset (group_name, name);
CREATE INDEX asset_status_created ON asset (status, created_at, name);
CREATE INDEX asset_status_name ON asset (status, name);

-- The current version of an asset is the one that is not retired.
CREATE TABLE asset_version (
    asset      TEXT NOT NULL REFERENCES asset (name) ON DELETE CASCADE,
    version    TEXT NOT NULL,
    index_key  TEXT NOT NULL,
    retired_at TEXT,
    PRIMARY KEY (asset, version)
) STRICT;

CREATE UNIQUE INDEX asset_version_current ON asset_version (asset) WHERE retired_at IS NULL;
CREATE INDEX asset_version_age ON asset_version (retired_at) WHERE retired_at IS NOT NULL;

-- At most one job per asset. AUTOINCREMENT never gives a generation twice, not even after an asset
-- was deleted and created again, so a worker can tell that its job was superseded.
CREATE TABLE ingest_job (
    generation     INTEGER PRIMARY KEY AUTOINCREMENT,
    asset          TEXT    NOT NULL UNIQUE REFERENCES asset (name) ON DELETE CASCADE,
    state          TEXT    NOT NULL CHECK (state IN ('QUEUED', 'RUNNING')),
    worker         TEXT,
    segments_done  INTEGER NOT NULL DEFAULT 0,
    segments_total INTEGER NOT NULL DEFAULT 0,
    bytes_read     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX ingest_job_queue ON ingest_job (state, generation);
