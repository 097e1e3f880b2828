-- What one send to several people has in common, and who sent what of it.
ALTER TABLE transfers ADD COLUMN swarm BLOB;
ALTER TABLE transfers ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN sources TEXT NOT NULL DEFAULT '';
