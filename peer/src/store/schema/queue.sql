
-- The order of transfers, what their user wants of them, and what to offer again. `paths` are absolute, with a zero byte
-- between them; `ended_at` is Unix milliseconds, 0 while it is not over.
ALTER TABLE transfers ADD COLUMN ended_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE transfers ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN paths BLOB NOT NULL DEFAULT x'';
ALTER TABLE transfers ADD COLUMN links INTEGER NOT NULL DEFAULT 0;
