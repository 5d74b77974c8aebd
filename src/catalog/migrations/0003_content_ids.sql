-- Content IDs that a PATCH replaced; URLs made with their keys answer for the grace time.
CREATE TABLE retired_content_id (
    asset      TEXT NOT NULL REFERENCES asset (name) ON DELETE CASCADE,
    content_id TEXT NOT NULL,
    retired_at TEXT NOT NULL,
    PRIMARY KEY (asset, content_id)
) STRICT;

CREATE INDEX retired_content_id_age ON retired_content_id (retired_at);
