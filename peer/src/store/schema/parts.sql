-- What is taken of an offer that is not taken whole, as JSON; and whether a rule has put a transfer apart.
ALTER TABLE transfers ADD COLUMN part TEXT;
ALTER TABLE transfers ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
