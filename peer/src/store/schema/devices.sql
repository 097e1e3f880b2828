-- What the user compared, and the list of another identity that waits for the user's decision.
ALTER TABLE pins ADD COLUMN verified_root BLOB;
ALTER TABLE pins ADD COLUMN offered BLOB;

-- Own devices that the user knows of, and where each was last.
CREATE TABLE own_devices (
    device BLOB PRIMARY KEY,
    place TEXT
) STRICT, WITHOUT ROWID;

-- What the user should know to have happened to own devices.
CREATE TABLE notices (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    device BLOB NOT NULL,
    name TEXT NOT NULL,
    joined INTEGER NOT NULL,
    place TEXT,
    at_unix_ms INTEGER NOT NULL
) STRICT;
