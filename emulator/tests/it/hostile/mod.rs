//! Clients that do not keep to the rules: on every listener, with raw bytes where a library would correct them.

mod crowd;
mod doors;
mod forged;
mod half_closed;
mod heads;
mod indexes;
mod paths;
mod replayed;
mod scopes;
mod sites;
mod smuggling;
