-- What of letters can be found: their words as they are shown, and facts about them. The rowid is the letter's place.
-- Keeps the index only; what leaves it leaves nothing behind.
CREATE VIRTUAL TABLE words USING fts5 (said, facts, content = '', tokenize = 'ascii');
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

-- Letters that say something else than when they were written, or nothing any more: what is in the index.
CREATE TABLE reworded (
    place INTEGER PRIMARY KEY,
    said TEXT
) STRICT;

-- Between which places the letters of a day stand; days since 1970-01-01 by the authors' clocks. May be wider than need be.
CREATE TABLE days (
    day INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;

CREATE INDEX letters_by_age ON letters (at_unix_ms) WHERE shown > 0;
