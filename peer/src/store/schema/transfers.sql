
-- Transfers, both ways. Times are Unix milliseconds; `size`, `done` and `rate_limit` are bytes.
CREATE TABLE transfers (
    id BLOB PRIMARY KEY,
    peer TEXT NOT NULL,
    device BLOB,
    outgoing INTEGER NOT NULL,
    name TEXT NOT NULL,
    entries INTEGER NOT NULL,
    size INTEGER NOT NULL,
    ranges INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    sealed INTEGER NOT NULL,
    text TEXT NOT NULL,
    rate_limit INTEGER NOT NULL,
    folder BLOB,
    state INTEGER NOT NULL,
    done INTEGER NOT NULL,
    digest BLOB,
    error TEXT,
    untold INTEGER NOT NULL,
    -- Whether it is over and nobody waits for word of it.
    past INTEGER NOT NULL,
    offered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX transfers_by_age ON transfers (past, offered_at);
