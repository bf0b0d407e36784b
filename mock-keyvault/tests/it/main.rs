//! What a vault does on the wire, as a client sees it.

mod at_rest;
mod auth;
mod keys;
mod policy;
mod program;
mod readme;
mod restart;
mod soft_delete;
mod support;
mod wrap;
