//! Damaged, missing and unreadable files: pushing again heals them, clients are told of them as missing content, and
//! `verify` names them all.

mod background;
mod rows;
mod serving;
mod verification;
mod world;
