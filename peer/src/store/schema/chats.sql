-- How letters are shown: 0 not, 1 as what they are, 2 as something that a newer version will show.
ALTER TABLE letters ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE letters ADD COLUMN received_unix_ms INTEGER NOT NULL DEFAULT 0;
-- The first letter of the thread.
ALTER TABLE letters ADD COLUMN thread BLOB;
-- When a letter disappears: so long after it is read, then a time.
ALTER TABLE letters ADD COLUMN expires_after_s INTEGER;
ALTER TABLE letters ADD COLUMN expires_unix_ms INTEGER;
DROP INDEX letters_by_chat;
DROP INDEX letters_unread;
CREATE INDEX letters_by_chat ON letters (chat, place) WHERE shown > 0;
CREATE INDEX letters_unread ON letters (chat, place) WHERE state = 3 AND author = chat AND shown > 0;
CREATE INDEX letters_unknown ON letters (chat, place) WHERE shown = 2;
CREATE INDEX letters_under_way ON letters (chat, kind) WHERE shown = 0 AND kind > 0;
CREATE INDEX letters_by_thread ON letters (chat, thread, place) WHERE thread IS NOT NULL;
CREATE INDEX letters_expiring ON letters (expires_unix_ms) WHERE expires_unix_ms IS NOT NULL;

-- What changes how a letter is shown: one of each kind for each account, the latest. `early` ones came before the letter.
CREATE TABLE changes (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    author TEXT NOT NULL,
    letter BLOB NOT NULL,
    kind INTEGER NOT NULL,
    changer TEXT NOT NULL,
    at_unix_ms INTEGER NOT NULL,
    id BLOB NOT NULL,
    body BLOB NOT NULL,
    early INTEGER NOT NULL,
    UNIQUE (letter, author, chat, kind, changer)
) STRICT;
CREATE INDEX changes_early ON changes (chat, place) WHERE early = 1;
CREATE TRIGGER changes_go_with_their_letter AFTER DELETE ON letters BEGIN
    DELETE FROM changes WHERE letter = old.id AND author = old.author AND chat = old.chat;
END;

-- Drafts and wishes, each with the stamp of the letter that brought it.
CREATE TABLE chats (
    chat TEXT PRIMARY KEY,
    draft TEXT NOT NULL DEFAULT '',
    draft_at_unix_ms INTEGER NOT NULL DEFAULT 0,
    draft_id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000',
    draft_untold INTEGER NOT NULL DEFAULT 0,
    unread INTEGER NOT NULL DEFAULT 0,
    hides_typing INTEGER NOT NULL DEFAULT 0,
    mutes_nudges INTEGER NOT NULL DEFAULT 0,
    sound TEXT NOT NULL DEFAULT '',
    marked_at_unix_ms INTEGER NOT NULL DEFAULT 0,
    marked_id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000'
) STRICT, WITHOUT ROWID;

-- Letters that are sent later.
CREATE TABLE scheduled (
    id BLOB PRIMARY KEY,
    addressee TEXT NOT NULL,
    due_unix_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX scheduled_by_time ON scheduled (due_unix_ms);
