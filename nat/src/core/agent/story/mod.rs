//! Stories: two agents find each other through NATs, keep their path, lose it and find another.

mod any;
mod hostile;
mod life;
mod matrix;
mod nat;
mod world;
