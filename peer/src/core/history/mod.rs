//! History: finding, forgetting and carrying away what was written.
//!
//! | module | job |
//! | --- | --- |
//! | [`words`] | cuts text of any language into words, alike for what is found and what is looked for |
//! | [`index`] | what of a letter can be found |
//! | [`query`], [`moment`] | what a person types to find letters; dates in it |
//! | [`snippet`] | the part of a text that shows why it was found |
//! | [`ask`] | what users ask |
//! | [`store`] | what is asked of the store |
//! | [`record`] | letters as they are carried to another file or device |
//! | [`export`] | letters as documents |
//! | [`view`] | what users see of it |
//! | `sweep` | forgetting by age, by itself |

pub mod ask;
pub mod export;
pub mod index;
pub mod moment;
pub mod query;
pub mod record;
pub mod snippet;
pub mod store;
pub(crate) mod sweep;
pub mod view;
pub mod words;
