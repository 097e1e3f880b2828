-- Who this device is. One row.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    address TEXT NOT NULL,
    signing_seed BLOB NOT NULL,
    noise_secret BLOB NOT NULL,
    root_key BLOB NOT NULL,
    root_seed BLOB,
    rendezvous TEXT NOT NULL,
    olm_account BLOB
) STRICT;

-- Olm sessions; the one with the highest rank is sent with.
CREATE TABLE olm_sessions (
    device BLOB NOT NULL,
    id TEXT NOT NULL,
    pickle BLOB NOT NULL,
    rank INTEGER NOT NULL,
    PRIMARY KEY (device, id)
) STRICT, WITHOUT ROWID;

-- Device lists: first root, highest head, last trusted list.
CREATE TABLE pins (
    address TEXT PRIMARY KEY,
    root_key BLOB NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    list BLOB NOT NULL,
    warning TEXT
) STRICT, WITHOUT ROWID;
