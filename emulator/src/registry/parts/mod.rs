//! The parts of one registry, which all its methods share: settings, ring, audit log, and the state in memory.

mod activity;
mod damage_count;
mod gate;
mod handle;
mod recent;
mod sessions;
mod writer;

pub(in crate::registry) use self::activity::Activity;
pub(in crate::registry) use self::damage_count::BrokenObjects;
pub(in crate::registry) use self::gate::Gate;
pub(in crate::registry) use self::handle::Parts;
pub use self::handle::{Content, Registry};
pub(in crate::registry) use self::recent::Recent;
pub(in crate::registry) use self::sessions::{Session, Sessions, lock};
pub(in crate::registry) use self::writer::{WriteBack, Writer};
