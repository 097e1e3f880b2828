//! Every limit of the protocol, in one place.
//!
//! A receiver checks them before it allocates; a sender never exceeds them. Lengths are in bytes of the
//! encoded form unless the name says otherwise.

/// Longest frame of a session, without its length prefix. Holds a deposit of the longest letter to every
/// device of an account.
pub const SESSION_FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Longest frame of a session before the connection has authenticated itself: a registration with its
/// first device is under 2 KiB, a login under 1 KiB.
pub const HELLO_FRAME_BYTES_MAX: usize = 4 * 1024;
/// Longest sealed frame on the control stream of a link.
pub const LINK_FRAME_BYTES_MAX: usize = 60 * 1024;
/// Longest Noise handshake message: the specification's own bound (Noise §3).
pub const NOISE_MESSAGE_BYTES_MAX: usize = 65_535;

/// Longest local part of an address.
pub const NAME_BYTES_MAX: usize = 32;
/// Longest domain of an address (RFC 1035 §2.3.4 allows 253; ours shares one limit with the name).
pub const DOMAIN_BYTES_MAX: usize = 100;
/// Longest `name@domain`.
pub const ADDRESS_BYTES_MAX: usize = NAME_BYTES_MAX + 1 + DOMAIN_BYTES_MAX;

/// Devices one account may have at a time.
pub const DEVICES_MAX: usize = 16;
/// Entries of a device list, revocations and new names included. The longest list still fits into a handshake.
pub const DEVICE_ENTRIES_MAX: usize = 128;
/// Entries that new names leave free, so that there is room to revoke every device and add as many.
pub const DEVICE_ENTRIES_KEPT: usize = 3 * DEVICES_MAX;
/// Encoded body of one device list entry.
pub const DEVICE_ENTRY_BYTES_MAX: usize = 256;
/// A device's name, as its owner reads it.
pub const DEVICE_NAME_BYTES_MAX: usize = 64;

/// An OPAQUE message (the longest, `CredentialResponse`, is 320 bytes).
pub const OPAQUE_MESSAGE_BYTES_MAX: usize = 512;
/// The self-signing key wrapped for its owner.
pub const WRAPPED_KEY_BYTES_MAX: usize = 128;
/// Where a session comes from, in words: the longest prefix of IPv6 with its length is under 44 bytes.
pub const NETWORK_BYTES_MAX: usize = 48;

/// Personal text of a contact request or of a removal.
pub const CONTACT_TEXT_BYTES_MAX: usize = 2_000;
/// Contacts and pending requests of one account.
pub const CONTACTS_MAX: usize = 5_000;
/// Status text of a presence.
pub const STATUS_TEXT_BYTES_MAX: usize = 512;

/// One letter as a device seals it, and as mailboxes and links carry it.
pub const LETTER_BYTES_MAX: usize = 48 * 1024;
/// The body of a letter before it is sealed.
pub const LETTER_BODY_BYTES_MAX: usize = 40 * 1024;
/// The text a person writes in one letter.
pub const LETTER_TEXT_BYTES_MAX: usize = 32 * 1024;
/// What the text of a letter is about.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// A language tag (RFC 5646 §4.4.1 recommends room for 35).
pub const LANGUAGE_BYTES_MAX: usize = 35;
/// Other languages in which one letter says the same.
pub const ALTERNATIVES_MAX: usize = 8;
/// People mentioned in one letter.
pub const MENTIONS_MAX: usize = 32;
/// A reaction: the longest emoji of Unicode 17 has 35 bytes.
pub const REACTION_BYTES_MAX: usize = 64;
/// What a contact card calls a person.
pub const CARD_NAME_BYTES_MAX: usize = 128;
/// What a contact card says about a person.
pub const CARD_NOTE_BYTES_MAX: usize = 1_000;
/// What a place is called.
pub const PLACE_BYTES_MAX: usize = 256;
/// The question of a poll.
pub const POLL_QUESTION_BYTES_MAX: usize = 1_000;
/// Answers of a poll.
pub const POLL_OPTIONS_MAX: usize = 32;
/// One answer of a poll.
pub const POLL_OPTION_BYTES_MAX: usize = 200;
/// The name of a sound.
pub const SOUND_BYTES_MAX: usize = 64;
/// Letters that one receipt may name.
pub const RECEIPT_LETTERS_MAX: usize = 256;
/// Devices that one deposit may address: all of the recipient's, or all of one's own.
pub const DEPOSIT_DEVICES_MAX: usize = DEVICES_MAX;
/// Letters that wait at the rendezvous for one device.
pub const MAILBOX_LETTERS_MAX: usize = 10_000;
/// Bytes that wait at the rendezvous for one device.
pub const MAILBOX_BYTES_MAX: u64 = 64 << 20;
/// One-time prekeys in one upload.
pub const PREKEYS_MAX: usize = 100;

/// A sealed signal: an offer of eight candidates is under 400 bytes.
pub const SIGNAL_BYTES_MAX: usize = 1_024;
/// Candidates in one signal.
pub const CANDIDATES_MAX: usize = 8;
/// Reflectors that a rendezvous names besides its relay. Three addresses tell every mapping behavior apart.
pub const REFLECTORS_MAX: usize = 4;
/// One datagram in a tunnel: what an Ethernet carries, and so more than a rendezvous takes by UDP.
pub const TUNNEL_DATAGRAM_BYTES_MAX: usize = 1_500;
/// Devices that one question in the overlay asks for: a person has fewer contacts whom it wants to meet at a time.
pub const MARKS_MAX: usize = 1_024;

/// Name of a transfer as the offer shows it.
pub const TRANSFER_NAME_BYTES_MAX: usize = 255;
/// Text that goes with an offer, or with its refusal.
pub const OFFER_TEXT_BYTES_MAX: usize = 2_000;
/// Files and folders of one transfer.
pub const TRANSFER_ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of one transfer: an exbibyte, far below where offsets would overflow.
pub const TRANSFER_BYTES_MAX: u64 = 1 << 60;
/// A relative path inside a transfer (`PATH_MAX` of POSIX systems is 4096).
pub const PATH_BYTES_MAX: usize = 4_096;
/// Depth of a relative path.
pub const PATH_DEPTH_MAX: usize = 64;
/// Entries in one part of a manifest.
pub const MANIFEST_PART_ENTRIES_MAX: usize = 512;
/// One encoded part of a manifest.
pub const MANIFEST_PART_BYTES_MAX: usize = RECORD_BYTES_MAX;
/// Parts of one manifest: every entry could fill most of a part with its path.
pub const MANIFEST_PARTS_MAX: u64 = TRANSFER_ENTRIES_MAX;
/// People to whom one send may go, so that they help each other.
pub const SWARM_MEMBERS_MAX: usize = 64;
/// Hashes of ranges in one frame, and ranges that one receiver asks another one for.
pub const SWARM_RANGES_MAX: usize = 256;
/// Spans in one acceptance.
pub const WANT_SPANS_MAX: usize = 1_024;
/// Patterns for the files of an offer that are taken, and as many for those that are not.
pub const PATTERNS_BYTES_MAX: usize = 4_096;
/// Bytes of one range, the unit that is granted, verified and sent again: 1 MiB. A power of two, so
/// that a range is a subtree of BLAKE3.
pub const RANGE_BYTES: u64 = 1 << 20;
/// Short files packed into one range, so that a million empty ones are not held in memory together.
pub const PACK_FILES_MAX: u32 = 1_024;
/// Content of one record on a stream.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

// Limits that contain one another.
const _: () = {
    assert!(
        DEPOSIT_DEVICES_MAX * (LETTER_BYTES_MAX + 32) + ADDRESS_BYTES_MAX + 32 <= SESSION_FRAME_BYTES_MAX
    );
    assert!(
        DEVICE_ENTRIES_MAX * (DEVICE_ENTRY_BYTES_MAX + 131) + ADDRESS_BYTES_MAX + 256
            <= NOISE_MESSAGE_BYTES_MAX
    );
    assert!(LETTER_BYTES_MAX + 64 <= LINK_FRAME_BYTES_MAX);
    // The longest text with everything that belongs to it; alternatives share what is left.
    assert!(
        LETTER_TEXT_BYTES_MAX
            + SUBJECT_BYTES_MAX
            + MENTIONS_MAX * (ADDRESS_BYTES_MAX + 1)
            + 3 * (ADDRESS_BYTES_MAX + 32)
            <= LETTER_BODY_BYTES_MAX
    );
    assert!(
        POLL_QUESTION_BYTES_MAX + POLL_OPTIONS_MAX * (POLL_OPTION_BYTES_MAX + 2) + 16
            <= LETTER_BODY_BYTES_MAX
    );
    assert!(LETTER_BODY_BYTES_MAX + 1024 <= LETTER_BYTES_MAX);
    assert!(WANT_SPANS_MAX * 16 + 64 <= LINK_FRAME_BYTES_MAX);
    assert!(2 * PATTERNS_BYTES_MAX + 64 <= LINK_FRAME_BYTES_MAX);
    assert!(SWARM_RANGES_MAX * (16 + 32) + 64 <= LINK_FRAME_BYTES_MAX);
    assert!(PATH_BYTES_MAX + 64 <= MANIFEST_PART_BYTES_MAX);
};
