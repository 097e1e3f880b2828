-- How often in a row a transfer was offered again because it had changed.
ALTER TABLE transfers ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
