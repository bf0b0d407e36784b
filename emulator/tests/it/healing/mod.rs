//! Damaged, missing and unreadable files: a new push heals them, clients get them as missing content, and
//! `verify` names them all.

mod background;
mod rows;
mod serving;
mod verification;
mod world;
