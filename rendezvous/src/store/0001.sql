-- Secrets and facts of the rendezvous itself.
CREATE TABLE server (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    -- OPAQUE registration record (RFC 9807): not a password hash that could be tried without the server's key.
    registration BLOB NOT NULL,
    -- The self-signing key, sealed for the owner.
    wrapped BLOB NOT NULL,
    -- The device list as it travels, and its head.
    devices BLOB NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    roster_version INTEGER NOT NULL DEFAULT 0,
    -- What the account wishes to show: 0 offline, 1 online, 2 away, 3 busy.
    availability INTEGER NOT NULL DEFAULT 1,
    status_text TEXT NOT NULL DEFAULT '',
    hidden INTEGER NOT NULL DEFAULT 0,
    created_at_unix_s INTEGER NOT NULL
) STRICT;

-- Devices in use.
CREATE TABLE device (
    id BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    signing BLOB NOT NULL,
    fallback_prekey BLOB,
    -- The last place given out in the mailbox, and what waits there.
    last_seq INTEGER NOT NULL DEFAULT 0,
    letters INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX device_account ON device (account);

-- One row per side of a relation. The other side is a name, because one may ask for somebody who is not there yet.
CREATE TABLE contact (
    owner INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    peer TEXT NOT NULL,
    -- 0 none, 1 to, 2 from, 3 both.
    subscription INTEGER NOT NULL,
    -- 0 none, 1 out, 2 in.
    pending INTEGER NOT NULL,
    heard TEXT NOT NULL,
    said TEXT NOT NULL,
    -- Roster version of the last change, and of the last change of the peer's devices.
    version INTEGER NOT NULL,
    devices_version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, peer)
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_version ON contact (owner, version);
CREATE INDEX contact_peer ON contact (peer);

CREATE TABLE letter (
    device BLOB NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    letter BLOB NOT NULL,
    sender TEXT NOT NULL,
    sender_device BLOB NOT NULL,
    sealed BLOB NOT NULL,
    deposited_at_unix_s INTEGER NOT NULL,
    UNIQUE (device, seq),
    UNIQUE (device, letter, sender_device)
) STRICT;

CREATE TABLE prekey (
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    prekey BLOB NOT NULL,
    UNIQUE (device, prekey)
) STRICT;
