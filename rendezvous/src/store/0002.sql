-- When a session of the device last began or ended.
ALTER TABLE device ADD COLUMN seen_at_unix_s INTEGER NOT NULL DEFAULT 0;
