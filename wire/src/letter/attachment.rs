//! What is not words: contact cards, places, polls and votes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::LetterRef;
use crate::address::Address;
use crate::bounded::{List, Text};
use crate::limits::{
    CARD_NAME_BYTES_MAX, CARD_NOTE_BYTES_MAX, PLACE_BYTES_MAX, POLL_OPTION_BYTES_MAX, POLL_OPTIONS_MAX,
    POLL_QUESTION_BYTES_MAX,
};

/// Kind 9: somebody is introduced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// Whom to ask.
    pub address: Address,
    /// What the author calls this person.
    pub name: Text<CARD_NAME_BYTES_MAX>,
    /// A word about this person.
    pub note: Text<CARD_NOTE_BYTES_MAX>,
}

/// The number is not a degree of this kind.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a latitude is -90 to 90 degrees, a longitude -180 to 180")]
pub struct NotADegree;

macro_rules! degree {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "i32", into = "i32")]
        pub struct $name(i32);

        impl $name {
            /// The number, in ten millionths of a degree.
            #[must_use]
            pub const fn ten_millionths(self) -> i32 {
                self.0
            }
        }

        impl TryFrom<i32> for $name {
            type Error = NotADegree;
            fn try_from(ten_millionths: i32) -> Result<Self, NotADegree> {
                const MAX: i32 = $max * 10_000_000;
                if (-MAX..=MAX).contains(&ten_millionths) { Ok(Self(ten_millionths)) } else { Err(NotADegree) }
            }
        }

        impl From<$name> for i32 {
            fn from(degree: $name) -> Self {
                degree.0
            }
        }
    };
}

degree! {
    /// Degrees north of the equator (WGS 84) in ten millionths, which are about a centimeter.
    Latitude, 90
}
degree! {
    /// Degrees east of Greenwich (WGS 84) in ten millionths.
    Longitude, 180
}

/// Kind 10: a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// North or south.
    pub latitude: Latitude,
    /// East or west.
    pub longitude: Longitude,
    /// How far off it may be, in meters.
    pub accuracy_m: Option<u32>,
    /// What the place is called.
    pub place: Text<PLACE_BYTES_MAX>,
}

/// Kind 11: a question with answers to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The question.
    pub question: Text<POLL_QUESTION_BYTES_MAX>,
    /// The answers. Votes name them by their place, from 0.
    pub options: List<Text<POLL_OPTION_BYTES_MAX>, POLL_OPTIONS_MAX>,
    /// Whether one may choose several.
    pub multiple: bool,
}

/// Kind 12: an answer to a poll. The latest of an account counts, as with changes; one that the poll does not
/// allow is as if nothing had been chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Which poll.
    pub poll: LetterRef,
    /// Places of the chosen options; none to take an earlier vote back.
    pub choices: List<u8, POLL_OPTIONS_MAX>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_stay_on_the_globe() {
        assert_eq!(Latitude::try_from(900_000_000).map(Latitude::ten_millionths), Ok(900_000_000));
        assert_eq!(Latitude::try_from(-900_000_001), Err(NotADegree));
        assert_eq!(Longitude::try_from(-1_800_000_000).map(Longitude::ten_millionths), Ok(-1_800_000_000));
        assert_eq!(Longitude::try_from(1_800_000_001), Err(NotADegree));
    }
}
