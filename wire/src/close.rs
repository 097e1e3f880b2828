//! How connections end: application error codes of QUIC (RFC 9000 §20.2), one wording each.

use thiserror::Error;

macro_rules! close_codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$vdoc])* #[error($text)] $variant = $code,)*
        }

        impl $name {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// The code with this number, if we know it.
            #[must_use]
            pub fn from_code(code: u64) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| u64::from(known.code()) == code)
            }
        }
    };
}

close_codes! {
    /// Why a session ended.
    SessionClose {
        /// Nothing is wrong.
        Done = 0, "done";
        /// The rendezvous stops; come back in a moment.
        GoingAway = 1, "the rendezvous is stopping";
        /// Bytes that were not a frame.
        BadFrame = 2, "a frame could not be read";
        /// No authentication in time.
        AuthenticationTimeout = 3, "authentication took too long";
        /// Too many connections without authentication.
        TooManyConnections = 4, "too many connections";
        /// The same device opened a newer session.
        Replaced = 5, "the device opened a newer session";
        /// The device was revoked.
        Revoked = 6, "the device was revoked";
        /// The peer does not read what it is sent.
        TooSlow = 7, "the peer reads too slowly";
        /// The rendezvous failed.
        InternalError = 8, "the rendezvous failed";
        /// Too many failed attempts to authenticate.
        TooManyFailures = 9, "too many failed attempts";
    }
}

close_codes! {
    /// Why a link ended.
    LinkClose {
        /// Nothing is wrong.
        Done = 0, "done";
        /// Nothing was said for a while.
        Idle = 1, "the link was idle";
        /// Another link between the same two devices was kept.
        Duplicate = 2, "another link to the same device was kept";
        /// Bytes that were not a frame, or did not open with the link's keys.
        BadFrame = 3, "a frame could not be read";
        /// The Noise handshake failed.
        HandshakeFailed = 4, "the handshake failed";
        /// The handshake took too long.
        HandshakeTimeout = 5, "the handshake took too long";
        /// The other device is not one of a contact.
        NotAContact = 6, "the other device is not a contact's";
        /// The other side's device list cannot be trusted.
        BadDeviceList = 7, "the device list cannot be trusted";
        /// The app stops.
        GoingAway = 8, "the app is stopping";
        /// The other device was revoked by its owner.
        Revoked = 9, "the device was revoked";
    }
}

close_codes! {
    /// Why a stream of a transfer was reset or stopped (RFC 9000 §19.4, §19.5).
    StreamClose {
        /// The transfer was cancelled or is over.
        Cancelled = 0, "the transfer is over";
        /// The stream names an unknown transfer or an ungranted range.
        Unexpected = 1, "the stream was not expected";
        /// A record could not be read.
        BadRecord = 2, "a record could not be read";
        /// The file could not be read or written.
        Disk = 3, "the file could not be read or written";
        /// The bytes do not match their hash.
        HashMismatch = 4, "the bytes do not match their hash";
        /// Nothing moved for too long.
        Stalled = 5, "nothing moved on the stream for too long";
    }
}
