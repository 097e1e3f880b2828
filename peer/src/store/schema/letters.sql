-- History, and other letters of ours while they are on their way. `place` is the order of arrival here.
CREATE TABLE letters (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    author TEXT NOT NULL,
    addressee TEXT NOT NULL,
    chat TEXT NOT NULL,
    at_unix_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    body BLOB NOT NULL,
    state INTEGER NOT NULL,
    error TEXT,
    UNIQUE (id, author)
) STRICT;
CREATE INDEX letters_by_chat ON letters (chat, kind, place);
CREATE INDEX letters_unread ON letters (chat, kind, place) WHERE state = 3 AND author = chat;

-- One copy of a letter of ours per device. State as in letters; 1 is queued.
CREATE TABLE copies (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    letter BLOB NOT NULL,
    address TEXT NOT NULL,
    device BLOB NOT NULL,
    state INTEGER NOT NULL,
    session TEXT,
    sealed BLOB,
    UNIQUE (letter, device)
) STRICT;
CREATE INDEX copies_unsealed ON copies (device, place, address) WHERE state = 1 AND session IS NULL;
CREATE INDEX copies_unsent ON copies (place) WHERE state = 1 AND session IS NOT NULL;
CREATE INDEX copies_out ON copies (device, session) WHERE state IN (1, 2) AND session IS NOT NULL;

-- Letters of ours that wait for the addressee's device list.
CREATE TABLE unaddressed (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    letter BLOB NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (address, letter)
) STRICT;

-- Letters of others that are here.
CREATE TABLE seen (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    letter BLOB NOT NULL,
    UNIQUE (author, letter)
) STRICT;
CREATE INDEX seen_by_author ON seen (author, place);

-- Sealed letters: reason 0 waits for the author's device list, 1 cannot be opened.
CREATE TABLE parked (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    device BLOB NOT NULL,
    letter BLOB NOT NULL,
    sealed BLOB NOT NULL,
    by_mailbox INTEGER NOT NULL,
    reason INTEGER NOT NULL
) STRICT;
CREATE INDEX parked_by_author ON parked (author, place);

-- Receipts of delivery that are not written yet.
CREATE TABLE owed (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    letter BLOB NOT NULL,
    UNIQUE (author, letter)
) STRICT;
