//! Stories between engines in a world of their own.

mod any_order;
mod chats;
mod devices;
mod helpers;
mod letters;
mod links;
mod overlay;
mod paths;
mod trust;
